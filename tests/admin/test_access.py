import pytest

from proxy.admin.access import LOCK, PEERS, TRIES, Lockout, check_host, identify
from proxy.admin.problem import HostRefusedError, LockedOutError, UnauthenticatedError
from proxy.callers.api_key import hash_key
from tests.fakes.clock import FakeClock

KEYS = {"ops": hash_key("key-of-ops"), "ci": hash_key("key-of-ci")}


@pytest.mark.parametrize(
    "authority",
    [
        "localhost",
        "LocalHost:8081",
        "127.0.0.1",
        "127.0.0.1:8081",
        "10.1.2.3:8081",
        "[::1]",
        "[::1]:8081",
        "admin.example:8081",
        "ADMIN.example",
    ],
)
def test_addresses_and_configured_names_are_answered(authority: str) -> None:
    try:
        check_host(authority, ["admin.example"])
    except HostRefusedError:
        pytest.fail("refused")


@pytest.mark.parametrize(
    "authority",
    [
        "",
        ":8081",
        "evil.example",
        "evil.example:8081",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "[::1",
        "[evil.example]",
        "admin.example.",
        "127.1",
        "2130706433",
        "a@127.0.0.1",
    ],
)
def test_a_name_that_somebody_else_may_point_here_is_refused(authority: str) -> None:
    with pytest.raises(HostRefusedError):
        check_host(authority, ["admin.example"])


@pytest.mark.parametrize(
    ("authorization", "who"),
    [
        ("Bearer key-of-ops", "ops"),
        ("bearer key-of-ci", "ci"),
        ("BEARER  key-of-ci ", "ci"),
        ("Bearer key-of-nobody", None),
        ("Bearer key-of-ops\xff", None),
        ("Bearer \udcff", None),
        (f"Bearer {hash_key('key-of-ops')}", None),
    ],
)
def test_a_key_says_whose_it_is(authorization: str, who: str | None) -> None:
    assert identify(authorization, KEYS) == who


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic a2V5LW9mLW9wcw==", "key-of-ops"])
def test_without_a_key_nobody_is_let_in(authorization: str | None) -> None:
    with pytest.raises(UnauthenticatedError, match="Authorization: Bearer"):
        identify(authorization, KEYS)


def test_without_configured_keys_nobody_is_let_in_and_told_what_to_do() -> None:
    with pytest.raises(UnauthenticatedError, match="countersign hash-key"):
        identify("Bearer key-of-ops", {})


async def test_an_address_that_keeps_guessing_is_locked_out_for_a_while() -> None:
    clock = FakeClock()
    lockout = Lockout(clock)
    assert [lockout.failed("192.0.2.1") for _ in range(TRIES)] == [False] * (TRIES - 1) + [True]
    with pytest.raises(LockedOutError) as caught:
        lockout.check("192.0.2.1")
    assert caught.value.headers["Retry-After"] == str(int(LOCK))
    lockout.check("192.0.2.2")
    await clock.advance(seconds=LOCK)
    lockout.check("192.0.2.1")
    assert not lockout.failed("192.0.2.1")


async def test_a_wrong_key_now_and_then_locks_nobody_out() -> None:
    clock = FakeClock()
    lockout = Lockout(clock)
    for _ in range(3 * TRIES):
        lockout.check("192.0.2.1")
        assert not lockout.failed("192.0.2.1")
        await clock.advance(seconds=LOCK)


def test_all_addresses_of_one_ipv6_network_are_one_guesser() -> None:
    lockout = Lockout(FakeClock())
    for number in range(TRIES):
        lockout.failed(f"2001:db8::{number:x}")
    with pytest.raises(LockedOutError):
        lockout.check("2001:db8::ffff")
    lockout.check("2001:db8:0:1::1")


def test_however_many_guess_only_so_many_are_remembered() -> None:
    lockout = Lockout(FakeClock())
    for _ in range(TRIES):
        lockout.failed("192.0.2.1")
    for number in range(PEERS - 1):
        lockout.failed(f"10.0.{number >> 8}.{number & 255}")
    with pytest.raises(LockedOutError):
        lockout.check("192.0.2.1")
    lockout.failed("198.51.100.1")
    lockout.check("192.0.2.1")


def test_whoever_guesses_again_is_not_the_next_to_be_forgotten() -> None:
    lockout = Lockout(FakeClock())
    for _ in range(TRIES - 1):
        lockout.failed("192.0.2.1")
    for number in range(PEERS - 1):
        lockout.failed(f"10.0.{number >> 8}.{number & 255}")
    lockout.failed("192.0.2.1")
    lockout.failed("198.51.100.1")
    with pytest.raises(LockedOutError):
        lockout.check("192.0.2.1")
