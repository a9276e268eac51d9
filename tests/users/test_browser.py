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


NOBODYS = call_with()


@pytest.mark.parametrize("cookie", [BROWSERS.marked("m"), BROWSERS.remembering(NOBODYS, "ann", "drive"), forgetting()])
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
    cookie = BROWSERS.remembering(NOBODYS, "somebody", "drive")
    assert "somebody" not in cookie
    assert BROWSERS.user(call_with(cookie)) == "somebody"
    clock = FakeClock(CLOCK.now() + REMEMBERED)
    assert Browsers(BROWSERS._seal, clock).user(call_with(cookie)) is None


@pytest.mark.parametrize("value", ["", "x", "ann", "A" * 60])
def test_what_we_have_not_sealed_names_nobody(value: str) -> None:
    assert BROWSERS.user(call_with(f"{USER}={value}")) is None
    stranger = Browsers(Seal.of_this_process(), CLOCK)
    assert BROWSERS.user(call_with(stranger.remembering(NOBODYS, "ann", "drive"))) is None
    assert BROWSERS.user(call_with()) is None


def test_a_browser_is_known_for_what_its_user_has_signed_in_for_and_for_nothing_else() -> None:
    first = BROWSERS.remembering(NOBODYS, "ann", "drive")
    both = call_with(BROWSERS.remembering(call_with(first), "ann", "mail"))
    assert BROWSERS.has_signed_in(call_with(first), "ann", "drive")
    assert not BROWSERS.has_signed_in(call_with(first), "ann", "mail")
    assert all(BROWSERS.has_signed_in(both, "ann", credential) for credential in ("drive", "mail"))
    assert not BROWSERS.has_signed_in(both, "ben", "drive")
    assert not BROWSERS.has_signed_in(both, None, "drive")
    bens = call_with(BROWSERS.remembering(both, "ben", "mail"))
    assert not BROWSERS.has_signed_in(bens, "ben", "drive")
    assert not BROWSERS.has_signed_in(bens, "ann", "drive")


def test_a_cookie_stays_small_however_many_services_there_are() -> None:
    cookie = ""
    for number in range(200):
        cookie = BROWSERS.remembering(call_with(cookie) if cookie else NOBODYS, "ann", f"{'service' * 8}-{number}")
    assert len(cookie) < 4096
    assert BROWSERS.has_signed_in(call_with(cookie), "ann", f"{'service' * 8}-199")
