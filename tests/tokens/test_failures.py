"""How long a failure is remembered."""

import pytest

from proxy.core.errors import FetchError, Reason
from proxy.core.secret import Secret
from proxy.tokens.failures import PERMANENT_WAIT, Failure, FailureMemory
from proxy.tokens.outcome import not_asked
from tests.fakes.token_room import permanent, transient


def waits(memory: FailureMemory, error: FetchError, times: int) -> list[float]:
    return [memory.remember(error, 100.0).until - 100.0 for _ in range(times)]


def test_nothing_is_remembered_at_first() -> None:
    assert FailureMemory(lambda: 0.0).remembered(0.0) is None


def test_transient_failures_in_a_row_double_the_wait_from_a_second_to_half_a_minute() -> None:
    assert waits(FailureMemory(lambda: 0.0), transient(), 8) == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


@pytest.mark.parametrize(("random", "wait"), [(0.0, 4.0), (0.5, 3.5), (1.0, 3.0)])
def test_jitter_takes_a_quarter_off_at_most(random: float, wait: float) -> None:
    assert waits(FailureMemory(lambda: random), transient(), 3)[-1] == wait


def test_endless_failures_keep_the_longest_wait() -> None:
    assert waits(FailureMemory(lambda: 0.0), transient(), 5000)[-1] == 30.0


def test_a_permanent_failure_is_remembered_for_ten_minutes() -> None:
    assert waits(FailureMemory(lambda: 1.0), permanent(), 2) == [600.0, 600.0]


def test_a_longer_wait_that_the_provider_asks_for_is_honoured() -> None:
    assert waits(FailureMemory(lambda: 0.0), transient(retry_after=45.0), 1) == [45.0]


def test_a_shorter_wait_that_the_provider_asks_for_does_not_hurry_us() -> None:
    assert waits(FailureMemory(lambda: 0.0), transient(retry_after=1.5), 4) == [1.5, 2.0, 4.0, 8.0]


def test_an_absurd_wait_is_not_believed() -> None:
    assert waits(FailureMemory(lambda: 0.0), transient(retry_after=1e9), 1) == [PERMANENT_WAIT]


def test_a_failure_stands_until_its_wait_is_over() -> None:
    memory = FailureMemory(lambda: 0.0)
    failure = memory.remember(transient(), 100.0)
    assert memory.remembered(100.9) is failure
    assert memory.remembered(101.0) is None
    assert memory.last is failure


def test_a_success_starts_afresh() -> None:
    memory = FailureMemory(lambda: 0.0)
    waits(memory, transient(), 4)
    memory.forget()
    assert memory.remembered(100.0) is None
    assert memory.last is None
    assert waits(memory, transient(), 1) == [1.0]


def test_what_is_remembered_holds_no_secret() -> None:
    secret = Secret("planted-in-a-message")
    failure = FailureMemory(lambda: 0.0).remember(FetchError(Reason.NETWORK, f"refused {secret.reveal()}"), 0.0)
    assert "planted" not in repr(failure)


def test_who_could_not_ask_need_not_wait_longer_each_time() -> None:
    assert waits(FailureMemory(lambda: 1.0), not_asked("the store does not answer"), 5) == [1.0] * 5
    assert waits(FailureMemory(lambda: 1.0), not_asked("in doubt", retry_after=9.0), 1) == [9.0]


def test_a_failure_that_was_heard_of_counts_like_one_of_ours() -> None:
    memory = FailureMemory(lambda: 0.0)
    memory.hear(Failure(Reason.PROVIDER_5XX, "failing", permanent=False, until=108.0, in_a_row=4))
    assert memory.remembered(107.9) is memory.last
    assert waits(memory, transient(), 1) == [16.0]
