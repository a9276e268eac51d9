"""One rule says when a store is down, and when it is asked again."""

import pytest

from proxy.stores.outage import FAILURES, FIRST_WAIT, JITTER, LONGEST_WAIT, SECOND_WAIT, STEADY, Outage

MIDDLE = 0.5
"""The chance that neither shortens nor lengthens a wait."""


def failing(outage: Outage, now: float = 0.0) -> None:
    """Bring the store down."""
    assert outage.failed(outage.permit(), "load", now, is_certain=True)


def fail(outage: Outage, operation: str = "load") -> bool:
    return outage.failed(outage.permit(), operation, 0.0, is_certain=False)


def succeed(outage: Outage, operation: str = "load") -> None:
    outage.succeeded(outage.permit(), operation)


def test_one_failure_that_is_certain_is_enough() -> None:
    outage = Outage()
    assert outage.is_up
    failing(outage)
    assert not outage.is_up


def test_the_third_failure_in_a_row_is_enough() -> None:
    outage = Outage()
    assert [fail(outage) for _ in range(FAILURES)] == [False] * (FAILURES - 1) + [True]
    assert not outage.is_up


def test_failures_of_different_operations_are_one_row() -> None:
    outage = Outage()
    assert [fail(outage, operation) for operation in ("load", "acquire", "save")] == [False, False, True]


def test_a_success_between_them_begins_a_new_row() -> None:
    outage = Outage()
    for _ in range(10):
        for _ in range(FAILURES - 1):
            assert not fail(outage)
        succeed(outage)
    assert outage.is_up


def test_a_full_store_that_still_loads_is_down() -> None:
    outage = Outage()
    for _ in range(FAILURES - 1):
        assert not fail(outage, "save")
        succeed(outage, "load")
    assert fail(outage, "save")


def test_what_was_asked_before_it_went_down_brings_it_neither_up_nor_down() -> None:
    outage = Outage()
    permits = [outage.permit() for _ in range(10)]
    failing(outage)
    outage.succeeded(permits[0], "load")
    assert not outage.failed(permits[1], "load", 1.0, is_certain=True)
    assert not outage.is_up
    outage.probe_succeeded(2.0)
    for permit in permits[2:]:
        assert not outage.failed(permit, "load", 3.0, is_certain=True)
    assert outage.is_up


def test_an_old_success_takes_no_failure_back() -> None:
    outage = Outage()
    old = outage.permit()
    failing(outage)
    outage.probe_succeeded(1.0)
    for _ in range(FAILURES - 1):
        fail(outage)
    outage.succeeded(old, "load")
    assert fail(outage)


def test_the_failures_before_an_outage_do_not_count_after_it() -> None:
    outage = Outage()
    fail(outage)
    failing(outage)
    outage.probe_succeeded(1.0)
    assert not fail(outage)
    assert not fail(outage)


def test_the_first_probe_comes_soon_and_then_the_wait_doubles_up_to_its_longest() -> None:
    outage = Outage()
    failing(outage)
    waits = []
    for _ in range(6):
        waits.append(outage.wait(MIDDLE))
        outage.probe_failed()
    assert waits == [FIRST_WAIT, 1.0, 2.0, 4.0, 8.0, LONGEST_WAIT]


@pytest.mark.parametrize(("chance", "part"), [(0.0, 1.0 - JITTER), (0.5, 1.0), (1.0, 1.0 + JITTER)])
def test_a_wait_is_a_quarter_shorter_or_longer_by_chance(chance: float, part: float) -> None:
    outage = Outage()
    failing(outage)
    outage.probe_failed()
    assert outage.wait(chance) == SECOND_WAIT * part


def test_a_store_that_fails_after_each_probe_is_asked_ever_less_often() -> None:
    outage = Outage()
    waits = []
    now = 0.0
    for _ in range(6):
        failing(outage, now)
        waits.append(outage.wait(MIDDLE))
        now += outage.wait(MIDDLE)
        outage.probe_succeeded(now)
        now += STEADY - 0.1
        assert outage.was_steady == (len(waits) == 1)
    assert waits == [FIRST_WAIT, 1.0, 2.0, 4.0, 8.0, LONGEST_WAIT]


def test_a_store_that_stayed_up_is_asked_soon_again() -> None:
    outage = Outage()
    failing(outage)
    for _ in range(5):
        outage.probe_failed()
    outage.probe_succeeded(100.0)
    failing(outage, 100.0 + STEADY)
    assert outage.wait(MIDDLE) == FIRST_WAIT
    assert outage.was_steady


def test_it_says_how_it_stands() -> None:
    outage = Outage()
    assert repr(outage) == "<Outage, up>"
    failing(outage)
    assert repr(outage) == "<Outage, down, wait 0.2 s>"
