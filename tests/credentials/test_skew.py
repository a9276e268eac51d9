"""Moments moved from an issuer's clock onto ours."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.message import Reply
from proxy.credentials.skew import LIKELY_OFFSET, SHORTEST_LIFE, on_our_clock

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC).timestamp()
HOUR = 3600
YEAR = 365 * 86_400


def life(seconds: float, *, ahead: float | None) -> float:
    """Return what is left of that many seconds by our own clock, when Date puts the issuer's that far ahead of it."""
    headers: tuple[tuple[str, str], ...] = ()
    if ahead is not None:
        headers = (("Date", format_datetime(datetime.fromtimestamp(NOW + ahead, UTC), usegmt=True)),)
    return on_our_clock(NOW + seconds, Reply(200, headers, b"", NOW)) - NOW


@pytest.mark.parametrize("ahead", [None, 0, 2, -2])
def test_clocks_that_agree_or_are_unknown_move_nothing(ahead: float | None) -> None:
    assert life(300.5, ahead=ahead) == 300.5


@pytest.mark.parametrize("ahead", [600, -600, 3, -3, LIKELY_OFFSET, -LIKELY_OFFSET])
def test_a_likely_difference_of_clocks_is_believed(ahead: float) -> None:
    assert life(HOUR + ahead, ahead=ahead) == HOUR
    assert life(10 + ahead, ahead=ahead) == 10


def test_a_date_that_would_make_a_living_token_dead_is_not_believed() -> None:
    assert life(300, ahead=600) == 300
    assert life(-300, ahead=600) == -300


@pytest.mark.parametrize("ahead", [YEAR, -YEAR, HOUR, -HOUR, -HOUR - 1, HOUR - 1, 14 * HOUR])
def test_an_absurd_date_is_not_believed_when_our_own_clock_fits(ahead: float) -> None:
    assert life(HOUR, ahead=ahead) == HOUR


@pytest.mark.parametrize("ahead", [YEAR, -YEAR, -HOUR, 14 * HOUR, -14 * HOUR])
def test_a_date_is_believed_when_our_own_clock_is_absurd(ahead: float) -> None:
    assert life(HOUR + ahead, ahead=ahead) == HOUR


@pytest.mark.parametrize("ahead", [YEAR, HOUR])
def test_a_short_life_is_still_a_life_when_the_other_reading_leaves_none(ahead: float) -> None:
    assert life(SHORTEST_LIFE - 1, ahead=ahead) == SHORTEST_LIFE - 1
    assert life(-1, ahead=ahead) == -1


def test_of_two_possible_lives_the_shorter_counts_when_the_clocks_are_far_apart() -> None:
    assert life(24 * HOUR, ahead=2 * HOUR) == 22 * HOUR
    assert life(24 * HOUR, ahead=-2 * HOUR) == 24 * HOUR


@given(
    lasts=st.floats(SHORTEST_LIFE * 2, 86_400.0), ahead=st.integers(86_400, 50 * YEAR), sign=st.sampled_from([1, -1])
)
def test_no_absurd_date_makes_a_day_s_token_live_shorter_or_longer(lasts: float, ahead: int, sign: int) -> None:
    assert life(lasts, ahead=ahead * sign) == pytest.approx(lasts)


@given(lasts=st.floats(-1e9, 1e9), ahead=st.none() | st.integers(-50 * YEAR, 50 * YEAR))
def test_a_token_that_lives_by_either_reading_lives(lasts: float, ahead: int | None) -> None:
    readings = {lasts, lasts - (ahead or 0)}
    believed = life(lasts, ahead=ahead)
    assert any(believed == pytest.approx(reading, abs=CLOSE) for reading in readings)
    assert (believed > 0) == (max(readings) > 0) or min(map(abs, readings)) < CLOSE


CLOSE = 2.1
"""Seconds: clocks that differ by less agree."""
