"""Times and random numbers of templates."""

from datetime import UTC, datetime
from email.utils import format_datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.moment import NAMED_FORMATS, Moment, check_format
from tests.fakes.clock import FakeClock

AT = Moment(1_800_000_000.25, "")
MOMENTS = st.floats(0, 250_000_000_000)


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("iso8601", "2027-01-15T08:00:00Z"),
        ("iso8601_ms", "2027-01-15T08:00:00.250Z"),
        ("iso8601_basic", "20270115T080000Z"),
        ("date", "2027-01-15"),
        ("http_date", "Fri, 15 Jan 2027 08:00:00 GMT"),
        ("epoch", "1800000000"),
        ("epoch_ms", "1800000000250"),
    ],
)
def test_a_format_with_a_name(word: str, written: str) -> None:
    assert AT.write(check_format(NAMED_FORMATS[word])) == written


def test_every_named_format_is_tried_here() -> None:
    assert len(NAMED_FORMATS) == 7


def test_directives_are_those_of_strftime() -> None:
    directives = "%Y %y %m %d %j %H %I %p %M %S %f %a %A %b %B %z %Z %%"

    @given(MOMENTS)
    def holds(now: float) -> None:
        at = datetime.fromtimestamp(now, UTC)
        assert Moment(now, "").write(check_format(directives)) == at.strftime(directives)
        assert Moment(now, "").write(NAMED_FORMATS["http_date"]) == format_datetime(at, usegmt=True)

    holds()


@pytest.mark.parametrize("given_format", ["%Q", "%Y%", "%-d", "100%"])
def test_an_unknown_directive_is_refused_with_the_known_ones(given_format: str) -> None:
    with pytest.raises(ValueError, match=r"knows no %.*; it knows %Y %y %m"):
        check_format(given_format)


def test_a_moment_is_taken_of_the_clock_and_of_the_source_of_random_numbers() -> None:
    moment = Moment.of(FakeClock(), lambda: UUID(int=7))
    assert (moment.now, moment.timestamp) == (1_800_000_000.0, "1800000000")
    assert moment.uuid == "00000000-0000-0000-0000-000000000007"


def test_random_numbers_differ_and_are_of_version_4() -> None:
    numbers = {Moment.of(FakeClock()).uuid for _ in range(50)}
    assert len(numbers) == 50
    assert {UUID(number).version for number in numbers} == {4}
