"""Anybody on this machine: no proof is asked."""

from typing import Final, Literal, Self

from pydantic import model_validator

from proxy.callers.base import Caller, CallerSettings
from proxy.core.message import RequestHead
from proxy.core.principal import Principal

_LOOPBACK: Final = ("127.", "::ffff:127.")
_HERE: Final = frozenset({"::1", ""})
"""IPv6's own address, and what a Unix socket has for one."""


class AnonymousSettings(CallerSettings):
    """Let anybody on this machine in, without proof."""

    kind: Literal["anonymous"]
    """No proof is asked."""
    allow_remote: bool = False
    """Let callers from other machines in as well."""

    @model_validator(mode="after")
    def _is_nobody_in_particular(self) -> Self:
        if self.allow_remote and self.acts_for is not None:
            raise ValueError("whoever reaches the proxy could be any user; keep `acts_for` for callers with a proof")
        return self


class Anonymous(Caller):
    """Asks for no proof."""

    Settings = AnonymousSettings

    def __init__(self, name: str, settings: AnonymousSettings) -> None:
        self._principal = Principal(name, "anonymous", acts_for_any=settings.acts_for == "any")
        self._allow_remote = settings.allow_remote

    def authenticate(self, head: RequestHead) -> Principal | None:
        """Return the principal, unless the request comes from another machine."""
        if self._allow_remote or head.peer in _HERE or head.peer.startswith(_LOOPBACK):
            return self._principal
        return None
