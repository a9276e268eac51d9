"""Whoever does something too often has to wait, and nobody else does."""

import pytest

from proxy.users.pace import REMEMBERED, WINDOW, Pace, neighbourhood


def test_after_too_many_there_is_a_wait_until_the_first_is_long_ago() -> None:
    pace = Pace(2)
    assert [pace.wait("a", now) for now in (0.0, 10.0)] == [0.0, 0.0]
    assert pace.wait("a", 20.0) == WINDOW - 20.0
    assert pace.wait("b", 20.0) == 0.0
    assert pace.wait("a", WINDOW) == 0.0
    assert pace.wait("a", WINDOW + 1) == 9.0


def test_who_has_to_wait_does_not_wait_longer_for_asking() -> None:
    pace = Pace(1)
    pace.wait("a", 0.0)
    assert [pace.wait("a", now) for now in (1.0, 2.0, WINDOW)] == [WINDOW - 1.0, WINDOW - 2.0, 0.0]


def test_without_a_limit_nobody_waits() -> None:
    assert {Pace(None).wait("a", 0.0) for _ in range(1000)} == {0.0}


def test_no_more_are_remembered_than_memory_is_meant_for() -> None:
    pace = Pace(1)
    for n in range(REMEMBERED + 10):
        pace.wait(str(n), 0.0)
    assert len(pace._deeds) == REMEMBERED
    assert pace.wait(str(REMEMBERED + 9), 1.0) > 0


@pytest.mark.parametrize(
    ("peer", "shared"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("not an address", "not an address"),
    ],
)
def test_who_has_a_whole_network_of_addresses_counts_once(peer: str, shared: str) -> None:
    assert neighbourhood(peer) == shared
