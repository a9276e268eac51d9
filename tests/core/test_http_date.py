"""Dates in headers."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.http_date import read

NOW = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
EXAMPLE = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun Nov 06 08:49:37 1994",
        " Sun, 6 Nov 1994 08:49:37 UTC ",
        "SUN, 06 NOV 1994 08:49:37 GMT",
        "Wednesday, 06-Nov-94 08:49:37 GMT",
    ],
)
def test_the_three_forms_of_a_date_mean_the_same_moment(text: str) -> None:
    assert read(text, NOW) == EXAMPLE


@pytest.mark.parametrize(("digits", "year"), [("26", 2026), ("76", 2076), ("77", 1977), ("99", 1999), ("00", 2000)])
def test_a_year_of_two_digits_is_at_most_fifty_years_ahead(digits: str, year: int) -> None:
    assert read(f"Monday, 01-Jan-{digits} 00:00:00 GMT", NOW) == datetime(year, 1, 1, tzinfo=UTC).timestamp()


def test_a_leap_second_is_the_next_minute_s_first() -> None:
    assert read("Sat, 31 Dec 2016 23:59:60 GMT", NOW) == datetime(2017, 1, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "0",
        "1800000000",
        "2026-06-01T00:00:00Z",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Nov 1994 08:49:37 +0100",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 06 Now 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 0٦ Nov 1994 08:49:37 GMT",
        "x" * 100_000,
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert read(text, NOW) is None


@given(st.datetimes(), st.floats(0.0, 4e9))
def test_every_second_of_the_calendar_is_read_whatever_time_it_is(moment: datetime, now: float) -> None:
    whole = moment.replace(microsecond=0, tzinfo=UTC)
    assert read(format_datetime(whole, usegmt=True), now) == whole.timestamp()
    assert read(f"{whole:%a %b} {whole.day:2} {whole:%H:%M:%S} {whole.year:04}", now) == whole.timestamp()


@given(st.text())
def test_no_text_is_too_odd(text: str) -> None:
    assert read(text, NOW) is None
