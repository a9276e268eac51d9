"""Puts a token into a cookie, beside those that the caller sends."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import Field

from proxy.core.headers import TOKEN
from proxy.core.message import Injection
from proxy.core.secret import Secret
from proxy.core.tailored import Tailored
from proxy.core.token import NO_VARIABLES, Token
from proxy.injectors.base import InjectError, Injector, PlacedSettings

_OCTETS: Final = r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"
_VALUE: Final = re.compile(rf'{_OCTETS}|"{_OCTETS}"')
"""RFC 6265 §4.1.1: no control, no space, no quote inside, no comma, no semicolon, no backslash."""


class CookieSettings(PlacedSettings):
    """A token in a cookie."""

    kind: Literal["cookie"]
    """Put the token into a cookie."""
    name: Annotated[str, Field(pattern=f"^{TOKEN.pattern}$")]
    """The cookie's name."""
    prefix: Annotated[str, Field(pattern=f"^{_OCTETS}$")] = ""
    """What stands before the value."""


class Cookie(Injector):
    """One cookie."""

    Settings = CookieSettings

    def __init__(self, settings: CookieSettings, fixed: Mapping[str, Secret] = NO_VARIABLES) -> None:
        super().__init__(settings, fixed)
        self._name = settings.name
        self._raw_name = settings.name.encode("ascii")
        self._prefix = settings.prefix
        self._value = settings.value
        self._mode = settings.mode

    def inject(self, injection: Injection, token: Token) -> Injection:
        """Add the cookie."""
        try:
            value = self._prefix + self.render(self._value, token)
        except InjectError as error:
            raise InjectError(f"the token cannot stand in the cookie {self._name}: {error}") from None
        if not _VALUE.fullmatch(value):
            raise InjectError(
                f"the token cannot stand in the cookie {self._name}: it holds a space, a quote, a comma, a semicolon,"
                " a backslash or a character beyond ASCII (RFC 6265 §4.1.1)"
            )
        return injection.joined(self._part((self._raw_name, value.encode("ascii"))))

    def _part(self, pair: tuple[bytes, bytes]) -> Injection:
        if self._mode == "append":
            return Injection(cookies=(pair,))
        if self._mode == "keep":
            return Injection(tailored=Tailored(unless_cookie=(pair,)))
        return Injection(cookies=(pair,), cookie_names=frozenset({self._raw_name}))
