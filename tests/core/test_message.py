"""Replies, as other code asks them."""

from datetime import UTC, datetime

import pytest

from proxy.core.message import Reply

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC).timestamp()


def reply(*headers: tuple[str, str], body: bytes = b"", received_at: float = NOW) -> Reply:
    return Reply(200, headers, body, received_at)


def at(hour: int, minute: int, second: int) -> tuple[str, str]:
    return "Date", f"Mon, 01 Jun 2026 {hour:02}:{minute:02}:{second:02} GMT"


def test_a_header_is_found_in_any_case_and_the_first_wins() -> None:
    made = reply(("X-A", "1"), ("x-a", "2"))
    assert (made.header("x-A"), made.header("X-B")) == ("1", None)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("Application/JSON; charset=utf-8", "application/json"),
        (" text/html ", "text/html"),
        ("application/vnd.api+json", "application/vnd.api+json"),
        ("", "no content-type"),
        ("s3cret", "an odd Content-Type"),
        ("text/\x1b[31m", "an odd Content-Type"),
        ("text/" + "x" * 100, "an odd Content-Type"),
    ],
)
def test_a_media_type_is_repeated_only_when_it_is_one(given: str, named: str) -> None:
    assert reply(("Content-Type", given)).media_type == named


def test_a_body_is_utf_8_with_or_without_a_mark() -> None:
    assert reply(body="\ufeffgrün".encode()).text() == "grün"
    assert reply(body=b"a\xff").text() == "a\ufffd"


def test_a_reply_prints_neither_headers_nor_body() -> None:
    assert "s3cret" not in repr(reply(("Set-Cookie", "s3cret"), body=b"s3cret"))


@pytest.mark.parametrize(
    ("date", "offset"),
    [
        (at(12, 10, 0), 600.0),
        (at(11, 50, 0), -600.0),
        (at(12, 0, 3), 3.0),
        (at(11, 59, 57), -3.0),
        (("date", "Monday, 01-Jun-26 12:10:00 GMT"), 600.0),
        (("DATE", "Mon Jun  1 12:10:00 2026"), 600.0),
        (("Date", "Sun, 06 Nov 1994 08:49:37 GMT"), datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC).timestamp() - NOW),
    ],
)
def test_the_date_tells_how_far_the_sender_s_clock_is_ahead_of_ours(date: tuple[str, str], offset: float) -> None:
    assert reply(("X-A", "1"), date).clock_offset == offset


@pytest.mark.parametrize("received_at", [NOW - 2.0, NOW, NOW + 0.999, NOW + 2.0])
def test_whole_seconds_and_the_way_here_are_no_difference_of_clocks(received_at: float) -> None:
    assert reply(at(12, 0, 0), received_at=received_at).clock_offset == 0.0


@pytest.mark.parametrize(
    "headers",
    [(), (("Date", ""),), (("Date", "soon"),), (("Date", "2026-06-01T12:00:00Z"),), (at(12, 0, 0), at(12, 0, 0))],
)
def test_without_one_date_that_can_be_read_the_sender_s_clock_is_unknown(headers: tuple[tuple[str, str], ...]) -> None:
    assert reply(*headers).clock_offset is None


def test_a_cached_reply_was_made_its_age_ago() -> None:
    cached = reply(at(11, 50, 0), ("Age", "600"))
    assert (cached.age, cached.clock_offset) == (600.0, 0.0)
    assert reply(at(12, 0, 0), ("Age", "600")).clock_offset == 600.0


@pytest.mark.parametrize(
    ("given", "age"),
    [("0", 0.0), (" 60 ", 60.0), ("60, 90", 60.0), ("2147483648", 2147483648.0), ("9" * 11, 0.0)]
    + [(odd, 0.0) for odd in ("", "-1", "1.5", "an hour", "٣", "1e3", ", 60")],
)
def test_an_age_is_whole_seconds_or_none(given: str, age: float) -> None:
    assert reply(("age", given)).age == age


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ((("Cache-Control", "public, max-age=60"),), 60.0),
        ((("Cache-Control", 'MAX-AGE="60"'), ("Age", "50")), 10.0),
        ((("Cache-Control", "max-age=60"), ("Age", "70")), 0.0),
        ((("Cache-Control", "s-max-age=60"),), None),
        ((("Cache-Control", "no-store"),), None),
        ((), None),
    ],
)
def test_a_reply_says_for_how_long_it_may_be_kept(headers: tuple[tuple[str, str], ...], seconds: float | None) -> None:
    assert Reply(200, headers, b"", 0.0).max_age == seconds
