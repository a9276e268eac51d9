"""Tokens in cookies."""

from typing import Any, ClassVar

import pytest

from proxy.core.message import NOTHING, Injection
from proxy.core.tailored import Tailored
from proxy.injectors.base import InjectError
from proxy.injectors.cookie import Cookie, CookieSettings
from tests.compliance.injectors import PlacedCompliance, token_of


class TestCookie(PlacedCompliance):
    word: ClassVar[str] = "cookie"
    settings: ClassVar[dict[str, Any]] = {"name": "session", "prefix": "v1."}

    def seen(self, injection: Injection) -> list[str]:
        return [value.decode("ascii").removeprefix("v1.") for _, value in injection.cookies]


def cookie() -> Cookie:
    return Cookie(CookieSettings(kind="cookie", name="session"))


def test_a_cookie_is_a_pair() -> None:
    assert cookie().inject(NOTHING, token_of('"abc"')).cookies == ((b"session", b'"abc"'),)


@pytest.mark.parametrize("value", ["x y", "x;y", "x,y", 'x"y', "x\\y", "é"])
def test_what_a_cookie_cannot_hold_is_refused(value: str) -> None:
    with pytest.raises(InjectError, match="RFC 6265") as caught:
        cookie().inject(NOTHING, token_of(value))
    assert value not in str(caught.value)


def test_append_leaves_the_callers_own() -> None:
    injection = Cookie(CookieSettings(kind="cookie", name="sid", mode="append")).inject(NOTHING, token_of("abc"))
    assert (injection.cookies, injection.cookie_names) == (((b"sid", b"abc"),), frozenset())


def test_keep_waits_for_the_request() -> None:
    injection = Cookie(CookieSettings(kind="cookie", name="sid", mode="keep")).inject(NOTHING, token_of("abc"))
    assert (injection.cookies, injection.tailored) == ((), Tailored(unless_cookie=((b"sid", b"abc"),)))
