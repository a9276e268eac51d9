"""Puts a token into a header, behind a prefix such as `Bearer `."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, model_validator

from proxy.core.headers import HeaderName, encode_value
from proxy.core.message import Injection
from proxy.core.secret import Secret
from proxy.core.tailored import Tailored
from proxy.core.token import NO_VARIABLES, Token
from proxy.injectors.base import InjectError, Injector, PlacedSettings

OURS: Final = frozenset({"via", "x-request-id", "x-countersign-key"})
"""Lower-case names of headers that the proxy itself writes or takes."""
_SINGLE: Final = frozenset({"authorization", "content-type", "date", "from", "origin", "referer", "user-agent"})
"""Headers of which a request has one (RFC 9110 §5.3): a second line makes it malformed."""


def checked_name(name: str) -> str:
    """Return the name of a header that a token may go into.

    Raises:
        ValueError: it is the cookies' header.
    """
    if name.lower() == "cookie":
        raise ValueError("a token goes into a cookie with `kind: cookie`, which keeps the caller's other cookies")
    return name


def _checked_target(name: str) -> str:
    if name.lower() in OURS | {"cookie", "set-cookie"}:
        raise ValueError(f"the caller's own value cannot be sent as {name}; choose a name such as X-Original-{name}")
    return name


def _checked_prefix(prefix: str) -> str:
    encode_value(prefix)
    return prefix


class HeaderSettings(PlacedSettings):
    """A token in a header."""

    kind: Literal["header"]
    """Put the token into a header."""
    name: Annotated[HeaderName, AfterValidator(checked_name)]
    """The header's name."""
    prefix: Annotated[str, AfterValidator(_checked_prefix)] = ""
    """What stands before the value, with its space: `Bearer `."""
    move_to: Annotated[HeaderName, AfterValidator(_checked_target)] | None = None
    """Where the caller's own copy goes on instead of being dropped: `X-Original-Authorization`, say."""

    @property
    def name_of_place(self) -> str:
        """Return the header's name in lower case."""
        return self.name.lower()

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """Return the header, and the one to which the caller's copy is moved."""
        moved = () if self.move_to is None else ((self.kind, self.move_to.lower()),)
        return (*super().places, *moved)

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.mode == "append" and self.name.lower() in _SINGLE:
            raise ValueError(f"a request has one {self.name} (RFC 9110 §5.3); use mode replace or keep")
        if self.move_to is not None and self.mode != "replace":
            raise ValueError(
                "move_to is for mode replace: it says where the caller's own copy goes; leave one of them out"
            )
        return self


class Header(Injector):
    """One header line."""

    Settings = HeaderSettings

    def __init__(self, settings: HeaderSettings, fixed: Mapping[str, Secret] = NO_VARIABLES) -> None:
        super().__init__(settings, fixed)
        self._start = settings.name.encode("ascii") + b": " + encode_value(settings.prefix)
        self._name = settings.name
        self._lowered = settings.name.lower().encode("ascii")
        self._value = settings.value
        self._mode = settings.mode
        self._target = None if settings.move_to is None else settings.move_to.encode("ascii")
        self._replaces = frozenset({self._lowered} if self._target is None else {self._lowered, self._target.lower()})

    def inject(self, injection: Injection, token: Token) -> Injection:
        """Add the line."""
        try:
            line = self._start + encode_value(self.render(self._value, token)) + b"\r\n"
        except (ValueError, InjectError) as error:
            raise InjectError(f"the token cannot stand in the header {self._name}: {error}") from None
        return injection.joined(self._part(line))

    def _part(self, line: bytes) -> Injection:
        if self._mode == "append":
            return Injection(lines=line)
        if self._mode == "keep":
            return Injection(tailored=Tailored(unless_header=((self._lowered, line),)))
        if self._target is None:
            return Injection(lines=line, replaces=self._replaces)
        moved = Tailored(moves=((self._lowered, self._target),))
        return Injection(lines=line, replaces=self._replaces, tailored=moved)
