"""Puts all cookies of a login into a request, whatever their names are, beside those that the caller sends."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator

from proxy.core.headers import TOKEN as NAME
from proxy.core.message import Injection
from proxy.core.secret import MASK, Secret
from proxy.core.template import Template
from proxy.core.token import NO_VARIABLES, Token
from proxy.injectors.base import TOKEN, InjectError, Injector, InjectorSettings, timeless

ALL: Final = Template("{{ COOKIES }}")
_VALUE: Final = re.compile(r"[\x20-\x3a\x3c-\x7e]*")
"""What a header can hold: a server gets back what it set, odd as it may be (RFC 6265 §5.4)."""


class CookiesSettings(InjectorSettings):
    """All cookies of a login."""

    kind: Literal["cookies"]
    """Put several cookies at once."""
    value: Annotated[Template, AfterValidator(timeless)] = ALL
    """The cookies, as `name=value; name=value`. By default all that a workflow with `cookies: keep` was given."""

    @property
    def names(self) -> frozenset[str]:
        """Return the variables that it needs beside the token itself."""
        return self.value.names - {TOKEN}

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """Return the one place that there is for all of them."""
        return ((self.kind, "of the login"),)

    @property
    def masked(self) -> Self:
        """Return it with a cookie that shows neither name nor value."""
        return self.model_copy(update={"value": Template(f"{MASK}={MASK}")})


class Cookies(Injector):
    """Several cookies, each in the place of the caller's own."""

    Settings = CookiesSettings

    def __init__(self, settings: CookiesSettings, fixed: Mapping[str, Secret] = NO_VARIABLES) -> None:
        super().__init__(settings, fixed)
        self._value = settings.value

    def inject(self, injection: Injection, token: Token) -> Injection:
        """Add the cookies."""
        pairs = tuple(_pairs(self.render(self._value, token)))
        return injection.joined(Injection(cookies=pairs, cookie_names=frozenset(name for name, _ in pairs)))


def _pairs(line: str) -> Iterator[tuple[bytes, bytes]]:
    for pair in filter(None, map(str.strip, line.split(";"))):
        name, equals, value = pair.partition("=")
        if not (equals and NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            raise InjectError("these are no cookies: write them as `name=value; name=value` (RFC 6265 §4.2.1)")
        yield name.encode("ascii"), value.encode("ascii")
