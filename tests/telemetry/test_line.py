import json

import pytest

from proxy.telemetry.line import as_json, as_text, rfc3339


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_800_000_000.5, "2027-01-15T08:00:00.500Z"),
        (1_800_000_000.9999, "2027-01-15T08:00:00.999Z"),
    ],
)
def test_a_moment_is_written_in_utc_to_the_millisecond(moment: float, text: str) -> None:
    assert rfc3339(moment) == text


def test_json_is_one_line_whatever_stands_in_it() -> None:
    line = as_json({"event": "a\nb\u2028c", "count": 1})
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert json.loads(line) == {"event": "a\nb\u2028c", "count": 1}


def test_a_row_for_people_leaves_out_what_is_empty() -> None:
    row = as_text(
        {"time": "2027-01-15T08:00:00.500Z", "level": "info", "event": "request", "route": "billing", "user": None}
    )
    assert row == b"08:00:00.500 info    request route=billing\n"


def test_a_text_of_several_lines_stands_below_its_row() -> None:
    row = as_text({"time": "2027-01-15T08:00:00.500Z", "level": "error", "event": "bad", "exception": "E\n  at x"})
    assert row == b"08:00:00.500 error   bad\nE\n  at x\n"


def test_no_escape_sequence_reaches_a_terminal() -> None:
    row = as_text({"time": "", "level": "info", "event": "\x1b[2Jclear", "detail": "a\rb\x07\n\x1b]0;title"})
    assert b"\x1b" not in row
    assert b"\r" not in row
    assert b"\x07" not in row
    assert b"\\x1b[2Jclear" in row
