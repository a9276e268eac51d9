"""Browsers are told apart by cookies that no other site can set, read or have sent."""

import pytest

from proxy.core.seal import Seal
from proxy.users.browser import BROWSER, OURS, REMEMBERED, USER, Browsers, forgetting, new_mark
from proxy.users.portal import Call
from tests.fakes.clock import FakeClock
from tests.fakes.heads import head_of

CLOCK = FakeClock()
BROWSERS = Browsers(Seal.of_this_process(), CLOCK)


def call_with(*cookies: str) -> Call:
    """Return a call of a browser that was given these `Set-Cookie` values."""
    return Call(head_of(headers=(("Cookie", "; ".join(cookie.partition(";")[0] for cookie in cookies)),)))


@pytest.mark.parametrize("cookie", [BROWSERS.marked("m"), BROWSERS.remembering("ann"), forgetting()])
def test_every_cookie_is_for_this_host_alone(cookie: str) -> None:
    name, _, rest = cookie.partition("=")
    assert name.startswith(OURS)
    assert OURS.startswith("__Host-")
    attributes = {part.strip() for part in rest.split(";")[1:]}
    assert {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"} <= attributes
    assert not any(attribute.startswith("Domain") for attribute in attributes)


def test_a_mark_is_known_again() -> None:
    mark = new_mark()
    assert BROWSERS.mark(call_with(BROWSERS.marked(mark))) == mark
    assert len({new_mark() for _ in range(100)}) == 100
    for nothing in (call_with(), call_with(f"{BROWSER}="), call_with(f"{BROWSER}={'x' * 300}")):
        assert BROWSERS.mark(nothing) is None


async def test_a_users_browser_is_known_for_thirty_days_and_its_cookie_tells_nobody_whose_it_is() -> None:
    cookie = BROWSERS.remembering("somebody")
    assert "somebody" not in cookie
    assert BROWSERS.user(call_with(cookie)) == "somebody"
    clock = FakeClock(CLOCK.now() + REMEMBERED)
    assert Browsers(BROWSERS._seal, clock).user(call_with(cookie)) is None


@pytest.mark.parametrize("value", ["", "x", "ann", "A" * 60])
def test_what_we_have_not_sealed_names_nobody(value: str) -> None:
    assert BROWSERS.user(call_with(f"{USER}={value}")) is None
    stranger = Browsers(Seal.of_this_process(), CLOCK)
    assert BROWSERS.user(call_with(stranger.remembering("ann"))) is None
    assert BROWSERS.user(call_with()) is None
