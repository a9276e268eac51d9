import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.telemetry.line import as_text
from proxy.telemetry.request_log import RequestLog
from proxy.telemetry.sink import LogSink
from tests.fakes.clock import FakeClock

FIELDS = [
    *("time", "level", "event", "request_id", "route", "caller", "user", "status", "duration_ms", "upstream_ms"),
    *("credential", "generation", "reason", "replayed"),
]


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[LogSink]:
    with (tmp_path / "log").open("wb") as file:
        sink = LogSink(file.fileno(), lambda count: b"%d\n" % count)
        yield sink
        sink.close()


def lines(sink: LogSink, tmp_path: Path) -> list[bytes]:
    sink.close()
    return (tmp_path / "log").read_bytes().splitlines()


def write(log: RequestLog, status: int = 200, upstream: float | None = 0.0101) -> None:
    log.write(
        request_id="01HZX",
        route="billing",
        caller="backend",
        status=status,
        duration=0.0123456,
        upstream=upstream,
        credential="billing",
        generation=3,
        reason=None,
        replayed=False,
    )


def test_a_request_is_one_line_with_the_fields_of_the_contract(sink: LogSink, tmp_path: Path) -> None:
    write(RequestLog(sink, FakeClock(now=1_800_000_000.25)))
    (line,) = lines(sink, tmp_path)
    fields = json.loads(line)
    assert list(fields) == FIELDS
    assert fields == {
        "time": "2027-01-15T08:00:00.250Z",
        "level": "info",
        "event": "request",
        "request_id": "01HZX",
        "route": "billing",
        "caller": "backend",
        "user": None,
        "status": 200,
        "duration_ms": 12.345,
        "upstream_ms": 10.1,
        "credential": "billing",
        "generation": 3,
        "reason": None,
        "replayed": False,
    }


async def test_the_time_follows_the_clock_within_a_second_and_beyond(sink: LogSink, tmp_path: Path) -> None:
    clock = FakeClock(now=1_800_000_000.0)
    log = RequestLog(sink, clock)
    for seconds in (0.0, 0.9995, 0.0005, 3599.0):
        await clock.advance(seconds=seconds)
        write(log)
    clock.jump(-3600.0)
    write(log)
    assert [json.loads(line)["time"][11:] for line in lines(sink, tmp_path)] == [
        "08:00:00.000Z",
        "08:00:00.999Z",
        "08:00:01.000Z",
        "09:00:00.000Z",
        "08:00:00.000Z",
    ]


def test_a_server_error_is_a_warning(sink: LogSink, tmp_path: Path) -> None:
    log = RequestLog(sink, FakeClock(now=1_800_000_000.0))
    for status in (200, 404, 499, 500, 503):
        write(log, status)
    assert [json.loads(line)["level"] for line in lines(sink, tmp_path)] == ["info"] * 3 + ["warning"] * 2


@pytest.mark.parametrize(("least", "statuses"), [(10, [200, 503]), (20, [200, 503]), (30, [503]), (40, [])])
def test_lines_less_grave_than_asked_for_are_left_out(
    sink: LogSink, tmp_path: Path, least: int, statuses: list[int]
) -> None:
    log = RequestLog(sink, FakeClock(now=1_800_000_000.0), least=least)
    for status in (200, 503):
        write(log, status)
    assert [json.loads(line)["status"] for line in lines(sink, tmp_path)] == statuses


def test_a_request_that_never_reached_the_upstream_has_no_time_there(sink: LogSink, tmp_path: Path) -> None:
    write(RequestLog(sink, FakeClock(now=1_800_000_000.0)), upstream=None)
    assert json.loads(lines(sink, tmp_path)[0])["upstream_ms"] is None


def test_on_a_terminal_a_request_is_a_row(sink: LogSink, tmp_path: Path) -> None:
    write(RequestLog(sink, FakeClock(now=1_800_000_000.0), render=as_text))
    assert lines(sink, tmp_path)[0].startswith(b"08:00:00.000 info    request request_id=01HZX route=billing")
