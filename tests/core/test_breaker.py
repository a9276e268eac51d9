"""The switch: each arrow of its diagram, what a permit is worth, and a machine that tries everything in any order."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
)
from pydantic import ValidationError

from proxy.core.breaker import Breaker, BreakerOpen, BreakerSettings, BreakerState

CLOSED, HALF_OPEN, OPEN = BreakerState.CLOSED, BreakerState.HALF_OPEN, BreakerState.OPEN
GOOD, BAD = True, False
SETTINGS = BreakerSettings(failures=3, ratio=0.5, window=10.0, cooldown=20.0)


def breaker_after(*outcomes: bool, now: float = 0.0) -> Breaker:
    breaker = Breaker(SETTINGS)
    for ok in outcomes:
        breaker.record(breaker.admit(now), ok, now)
    return breaker


def open_breaker(now: float = 0.0) -> Breaker:
    return breaker_after(BAD, BAD, BAD, now=now)


def refusal(breaker: Breaker, now: float) -> float:
    """Return the seconds that a refused request is told to wait."""
    with pytest.raises(BreakerOpen) as refused:
        breaker.admit(now)
    return refused.value.retry_after


def test_a_new_breaker_is_closed() -> None:
    assert breaker_after().state(0.0) is CLOSED


def test_it_opens_at_enough_failures_that_are_enough_of_the_window() -> None:
    assert breaker_after(GOOD, GOOD, GOOD, BAD, BAD).state(0.0) is CLOSED
    breaker = breaker_after(GOOD, GOOD, GOOD, BAD, BAD, BAD)
    assert (breaker.state(0.0), breaker.opened_total) == (OPEN, 1)


def test_few_failures_do_not_open_it_though_they_are_all_there_is() -> None:
    assert breaker_after(BAD, BAD).state(0.0) is CLOSED


def test_many_failures_do_not_open_it_while_most_requests_succeed() -> None:
    assert breaker_after(*[GOOD, GOOD, GOOD, GOOD, BAD] * 20).state(0.0) is CLOSED


def test_failures_older_than_the_window_do_not_count() -> None:
    breaker = breaker_after(BAD, BAD, now=0.0)
    breaker.record(breaker.admit(10.0), BAD, 10.0)
    assert breaker.state(10.0) is CLOSED


def test_an_open_circuit_refuses_and_says_when_the_next_probe_may_go() -> None:
    breaker = open_breaker(now=5.0)
    assert refusal(breaker, 5.0) == 20.0
    assert refusal(breaker, 24.0) == 1.0
    assert breaker.state(24.9) is OPEN


def test_after_the_cooldown_exactly_one_probe_passes() -> None:
    breaker = open_breaker()
    assert breaker.state(20.0) is HALF_OPEN
    breaker.admit(20.0)
    assert breaker.state(20.0) is HALF_OPEN
    assert refusal(breaker, 20.0) == 20.0


def test_a_probe_that_succeeds_closes_the_circuit_with_nothing_counted() -> None:
    breaker = open_breaker()
    breaker.record(breaker.admit(20.0), GOOD, 21.0)
    assert breaker.state(21.0) is CLOSED
    for _ in range(2):
        breaker.record(breaker.admit(21.0), BAD, 21.0)
    assert breaker.state(21.0) is CLOSED


def test_a_probe_that_fails_opens_it_for_another_cooldown_and_is_no_new_opening() -> None:
    breaker = open_breaker()
    breaker.record(breaker.admit(20.0), BAD, 23.0)
    assert (breaker.state(23.0), breaker.opened_total) == (OPEN, 1)
    assert refusal(breaker, 23.0) == 20.0


def test_a_probe_whose_caller_left_makes_room_for_the_next_at_once() -> None:
    breaker = open_breaker()
    breaker.release(breaker.admit(20.0), 21.0)
    assert breaker.state(21.0) is HALF_OPEN
    breaker.record(breaker.admit(21.0), GOOD, 22.0)
    assert breaker.state(22.0) is CLOSED


def test_a_probe_that_never_ends_is_given_up_and_its_late_result_ignored() -> None:
    breaker = open_breaker()
    lost = breaker.admit(20.0)
    assert refusal(breaker, 39.0) == 1.0
    second = breaker.admit(40.0)
    for outcome in (GOOD, BAD):
        breaker.record(lost, outcome, 41.0)
    breaker.release(lost, 41.0)
    assert breaker.state(41.0) is HALF_OPEN
    assert refusal(breaker, 41.0) == 19.0
    breaker.record(second, GOOD, 42.0)
    assert breaker.state(42.0) is CLOSED


def test_results_from_before_the_circuit_opened_are_ignored() -> None:
    breaker = Breaker(SETTINGS)
    early = [breaker.admit(0.0) for _ in range(9)]
    for permit in early[:3]:
        breaker.record(permit, BAD, 1.0)
    probe = breaker.admit(21.0)
    for permit in early[3:6]:
        breaker.record(permit, GOOD, 22.0)
    assert breaker.state(22.0) is HALF_OPEN
    breaker.record(probe, GOOD, 23.0)
    for permit in early[6:]:
        breaker.record(permit, BAD, 24.0)
    assert breaker.state(24.0) is CLOSED


def test_a_permit_given_back_unused_while_closed_counts_for_nothing() -> None:
    breaker = breaker_after(BAD, BAD)
    breaker.release(breaker.admit(0.0), 0.0)
    assert breaker.state(0.0) is CLOSED
    breaker.record(breaker.admit(0.0), BAD, 0.0)
    assert breaker.state(0.0) is OPEN


def test_held_open_it_lets_nobody_probe_until_it_is_let_go() -> None:
    breaker = Breaker(SETTINGS)
    before = breaker.admit(0.0)
    breaker.force(open=True, now=0.0)
    breaker.record(before, GOOD, 1.0)
    assert (breaker.state(1000.0), breaker.forced) == (OPEN, True)
    assert refusal(breaker, 1000.0) == SETTINGS.cooldown
    breaker.force(open=None, now=1000.0)
    assert (breaker.state(1000.0), breaker.forced, breaker.opened_total) == (CLOSED, None, 0)


def test_held_closed_it_opens_for_nothing_until_it_is_let_go() -> None:
    breaker = open_breaker()
    breaker.force(open=False, now=1.0)
    for _ in range(10):
        breaker.record(breaker.admit(1.0), BAD, 1.0)
    assert (breaker.state(1.0), breaker.forced) == (CLOSED, False)
    breaker.force(open=None, now=2.0)
    for _ in range(3):
        breaker.record(breaker.admit(2.0), BAD, 2.0)
    assert breaker.state(2.0) is OPEN


def test_letting_go_of_what_nobody_holds_changes_nothing() -> None:
    breaker = open_breaker()
    breaker.force(open=None, now=1.0)
    assert breaker.state(1.0) is OPEN


def test_its_repr_says_where_it_stands() -> None:
    breaker = open_breaker()
    assert repr(breaker) == "<Breaker open, generation 1, opened 1>"
    breaker.force(open=False, now=0.0)
    assert repr(breaker) == "<Breaker closed, forced, generation 2, opened 1>"


def test_settings_are_read_as_the_configuration_writes_them() -> None:
    settings = BreakerSettings.model_validate({"failures": 2, "ratio": 1, "window": "1m", "cooldown": "500ms"})
    assert settings == BreakerSettings(failures=2, ratio=1.0, window=60.0, cooldown=0.5)
    assert BreakerSettings.model_validate({}) == BreakerSettings(failures=5, ratio=0.5, window=30.0, cooldown=30.0)


@pytest.mark.parametrize(
    "settings",
    [{"failures": 0}, {"failures": True}, {"ratio": -0.1}, {"ratio": 1.1}, {"window": "0s"}, {"cooldown": "0ms"}],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        BreakerSettings.model_validate(settings)


class BreakerMachine(RuleBasedStateMachine):
    """A breaker beside a plain model of it, under any sequence of requests, outcomes, orders and waiting.

    Time goes in whole buckets of the window, so that the model can count exactly.
    """

    permits: Bundle[tuple[int, int]] = Bundle("permits")

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(SETTINGS)
        self.now = 0
        self.epoch = 0
        """Grows at each change of the model's state and at each probe."""
        self.is_closed = True
        self.free_at: int | None = None
        """When the next probe may go."""
        self.is_probing = False
        self.forced: bool | None = None
        self.counted: list[tuple[int, bool]] = []
        self.opened = 0

    def enter(self, *, is_closed: bool, free_at: int | None = None, is_probing: bool = False) -> None:
        self.epoch += 1
        self.is_closed, self.free_at, self.is_probing, self.counted = is_closed, free_at, is_probing, []

    @rule(seconds=st.integers(1, 25))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule(target=permits)
    def ask(self) -> tuple[int, int] | MultipleResults[tuple[int, int]]:
        admitted = self.is_closed or (self.free_at is not None and self.now >= self.free_at)
        if not admitted:
            told = refusal(self.breaker, self.now)
            assert told == (SETTINGS.cooldown if self.free_at is None else self.free_at - self.now) > 0
            return multiple()
        permit = self.breaker.admit(self.now)
        if not self.is_closed:
            self.enter(is_closed=False, free_at=self.now + 20, is_probing=True)
        return permit, self.epoch

    @rule(given=consumes(permits), ok=st.booleans())
    def end(self, given: tuple[int, int], ok: bool) -> None:
        permit, epoch = given
        self.breaker.record(permit, ok, self.now)
        if epoch != self.epoch or self.forced is not None:
            return
        if not self.is_closed:
            self.enter(is_closed=ok, free_at=None if ok else self.now + 20)
            return
        self.counted = [(at, went_well) for at, went_well in self.counted if at > self.now - 10] + [(self.now, ok)]
        failed = sum(not went_well for _, went_well in self.counted)
        if not ok and failed >= 3 and failed >= 0.5 * len(self.counted):
            self.opened += 1
            self.enter(is_closed=False, free_at=self.now + 20)

    @rule(given=consumes(permits))
    def leave(self, given: tuple[int, int]) -> None:
        permit, epoch = given
        self.breaker.release(permit, self.now)
        if epoch == self.epoch and not self.is_closed and self.forced is None:
            self.free_at = self.now

    @rule(held=st.booleans())
    def hold(self, held: bool) -> None:
        self.breaker.force(held, self.now)
        self.forced = held
        self.enter(is_closed=not held)

    @precondition(lambda self: self.forced is not None)
    @rule()
    def let_go(self) -> None:
        self.breaker.force(None, self.now)
        self.forced = None
        self.enter(is_closed=True)

    @invariant()
    def the_state_is_the_models(self) -> None:
        expected = CLOSED if self.is_closed else OPEN
        if self.is_probing or (self.free_at is not None and self.now >= self.free_at):
            expected = HALF_OPEN
        assert self.breaker.state(self.now) is expected
        assert (self.breaker.opened_total, self.breaker.forced) == (self.opened, self.forced)


TestBreakerMachine = BreakerMachine.TestCase
