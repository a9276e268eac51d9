"""Puts a token into a header, behind a prefix such as `Bearer `."""

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import AfterValidator

from proxy.core.headers import HeaderName, encode_value
from proxy.core.message import Injection
from proxy.core.token import Token
from proxy.injectors.base import InjectError, Injector, InjectorSettings


def _checked_name(name: str) -> str:
    if name.lower() == "cookie":
        raise ValueError("a token goes into a cookie with `kind: cookie`, which keeps the caller's other cookies")
    return name


def _checked_prefix(prefix: str) -> str:
    encode_value(prefix)
    return prefix


class HeaderSettings(InjectorSettings):
    """A token in a header."""

    kind: Literal["header"]
    """Put the token into a header."""
    name: Annotated[HeaderName, AfterValidator(_checked_name)]
    """The header's name; the caller's own copy is dropped."""
    prefix: Annotated[str, AfterValidator(_checked_prefix)] = ""
    """What stands before the token, with its space: `Bearer `."""


class Header(Injector):
    """One header line."""

    Settings = HeaderSettings

    def __init__(self, settings: HeaderSettings) -> None:
        self._start = settings.name.encode("ascii") + b": " + encode_value(settings.prefix)
        self._name = settings.name
        self._replaced = frozenset({settings.name.lower().encode("ascii")})

    def inject(self, injection: Injection, token: Token) -> Injection:
        """Add the line."""
        try:
            line = self._start + encode_value(token.value.reveal()) + b"\r\n"
        except ValueError as error:
            raise InjectError(f"the token cannot stand in the header {self._name}: {error}") from None
        return replace(injection, lines=injection.lines + line, replaces=injection.replaces | self._replaced)
