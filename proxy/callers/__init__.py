"""Callers prove who they are. The family's table."""

from proxy.callers.anonymous import Anonymous
from proxy.callers.api_key import ApiKey
from proxy.callers.base import Caller
from proxy.core.kinds import Table

KINDS: Table[type[Caller]] = Table("proxy.callers", {"anonymous": Anonymous, "api_key": ApiKey})
