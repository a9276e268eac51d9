"""Counting over the last seconds."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.core.window import BUCKETS, Window

RESULTS = st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=60)
"""Tenths of a window between one result and the next, and whether it went well."""


def test_failures_and_successes_are_counted() -> None:
    window = Window(10.0)
    for ok in (True, False, True, True, False):
        window.add(5.0, ok=ok)
    assert window.counts(5.0) == (2, 5)


def test_a_result_is_forgotten_when_the_window_has_passed_it() -> None:
    window = Window(10.0)
    window.add(0.0, ok=False)
    window.add(4.0, ok=True)
    assert window.counts(9.9) == (1, 2)
    assert window.counts(10.0) == (0, 1)
    assert window.counts(14.0) == (0, 0)


def test_clear_forgets_everything() -> None:
    window = Window(10.0)
    window.add(0.0, ok=False)
    window.add(3.0, ok=False)
    window.clear()
    assert window.counts(3.0) == (0, 0)


@given(RESULTS)
def test_a_result_counts_for_nine_tenths_of_the_window_and_never_longer_than_the_window(
    results: list[tuple[int, bool]],
) -> None:
    window, now, seen = Window(float(BUCKETS)), 0.0, []
    for step, ok in results:
        now += step / 4
        window.add(now, ok=ok)
        seen.append((now, ok))
        failed, total = window.counts(now)
        for counted, among in (
            (failed, [at for at, went_well in seen if not went_well]),
            (total, [a for a, _ in seen]),
        ):
            surely = sum(at > now - (BUCKETS - 1) for at in among)
            at_most = sum(at > now - BUCKETS for at in among)
            assert surely <= counted <= at_most


@given(st.lists(st.floats(0, 1e6, allow_nan=False), min_size=1, max_size=300))
def test_memory_is_bounded_whatever_the_times(times: list[float]) -> None:
    window = Window(0.1)
    for now in sorted(times):
        window.add(now, ok=True)
    assert 1 <= window.counts(max(times))[1] <= len(times)
    assert len(window._past) < BUCKETS + 1
