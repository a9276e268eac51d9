"""Anybody on this machine: no proof is asked."""

import ipaddress
from typing import Literal

from proxy.callers.base import Caller, CallerSettings
from proxy.core.message import RequestHead
from proxy.core.principal import Principal


class AnonymousSettings(CallerSettings):
    """Let anybody in who can reach the listener."""

    kind: Literal["anonymous"]
    """The caller's kind."""
    allow_remote: bool = False
    """Let callers from other machines in as well."""


class Anonymous(Caller):
    """Asks for no proof."""

    Settings = AnonymousSettings

    def __init__(self, name: str, settings: AnonymousSettings) -> None:
        self._principal = Principal(name, settings.kind)
        self._allow_remote = settings.allow_remote

    def authenticate(self, head: RequestHead) -> Principal | None:
        """Return the principal unless the caller is on another machine."""
        if self._allow_remote or not head.peer or ipaddress.ip_address(head.peer).is_loopback:
            return self._principal
        return None
