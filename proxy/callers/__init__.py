"""Callers prove who they are. The family's table; a kind is made as `Kind(name, settings)`."""

from typing import Final

from proxy.callers.anonymous import Anonymous
from proxy.callers.api_key import ApiKey
from proxy.callers.base import Caller
from proxy.core.kinds import Table

KINDS: Final[Table[type[Caller]]] = Table("proxy.callers", {"anonymous": Anonymous, "api_key": ApiKey})
