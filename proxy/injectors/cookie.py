"""Puts a token into a cookie, beside those that the caller sends."""

import re
from dataclasses import replace
from typing import Annotated, Final, Literal

from pydantic import Field

from proxy.core.headers import TOKEN
from proxy.core.message import Injection
from proxy.core.token import Token
from proxy.injectors.base import InjectError, Injector, InjectorSettings

_OCTETS: Final = r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"
_VALUE: Final = re.compile(rf'{_OCTETS}|"{_OCTETS}"')
"""RFC 6265 §4.1.1: no control, no space, no quote inside, no comma, no semicolon, no backslash."""


class CookieSettings(InjectorSettings):
    """A token in a cookie."""

    kind: Literal["cookie"]
    """Put the token into a cookie."""
    name: Annotated[str, Field(pattern=f"^{TOKEN.pattern}$")]
    """The cookie's name; the caller's own copy is dropped."""
    prefix: Annotated[str, Field(pattern=f"^{_OCTETS}$")] = ""
    """What stands before the token."""


class Cookie(Injector):
    """One cookie."""

    Settings = CookieSettings

    def __init__(self, settings: CookieSettings) -> None:
        self._name = settings.name
        self._prefix = settings.prefix

    def inject(self, injection: Injection, token: Token) -> Injection:
        """Add the cookie."""
        value = self._prefix + token.value.reveal()
        if not _VALUE.fullmatch(value):
            raise InjectError(
                f"the token cannot stand in the cookie {self._name}: it holds a space, a quote, a comma, a semicolon,"
                " a backslash or a character beyond ASCII (RFC 6265 §4.1.1)"
            )
        pair = (self._name.encode("ascii"), value.encode("ascii"))
        return replace(injection, cookies=(*injection.cookies, pair))
