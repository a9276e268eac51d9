import asyncio
import io
import json
import logging
import os
import pty
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import aiohttp
import pytest
import structlog
from yarl import URL

from proxy.core.secret import Secret
from proxy.telemetry.events import EventLog, EventName
from proxy.telemetry.logs import Logs, configure
from tests.fakes.clock import FakeClock

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(now=1_800_000_000.0)


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[TextIO]:
    with (tmp_path / "log").open("w") as stream:
        yield stream


@pytest.fixture
def logs(stream: TextIO, clock: FakeClock) -> Iterator[Logs]:
    logs = configure(stream, clock=clock)
    yield logs
    logs.close()


@pytest.fixture
def lines(logs: Logs, tmp_path: Path) -> Lines:
    def read() -> list[dict[str, Any]]:
        logs.close()
        return [json.loads(line) for line in (tmp_path / "log").read_bytes().splitlines()]

    return read


def test_an_event_is_a_line(clock: FakeClock, lines: Lines) -> None:
    EventLog(clock).record("warning", EventName.REFRESH_FAILED, credential="billing", reason="network", attempt=2)
    assert lines() == [
        {
            "time": "2027-01-15T08:00:00.000Z",
            "level": "warning",
            "event": "refresh_failed",
            "credential": "billing",
            "reason": "network",
            "attempt": 2,
        }
    ]


def test_requests_and_events_share_one_stream(clock: FakeClock, logs: Logs, lines: Lines) -> None:
    EventLog(clock).record("info", EventName.STARTED)
    logs.requests.write(
        request_id="r1",
        route=None,
        caller=None,
        status=404,
        duration=0.001,
        upstream=None,
        credential=None,
        generation=None,
        reason="route-not-found",
        replayed=False,
    )
    EventLog(clock).record("info", EventName.STOPPED)
    assert [line["event"] for line in lines()] == ["started", "request", "stopped"]


def test_a_library_goes_through_the_same_pipeline(lines: Lines) -> None:
    secret = Secret("MARKER-secret")
    logging.getLogger("aiohttp.server").warning("peer %s sent %r", "192.0.2.1", f"x {secret.reveal()}")
    (line,) = lines()
    assert line["logger"] == "aiohttp.server"
    assert line["level"] == "warning"
    assert line["event"] == "peer 192.0.2.1 sent 'x ***'"


def test_an_error_is_told_without_values_and_without_secrets(lines: Lines) -> None:
    secret = Secret("MARKER-secret")

    def fail(password: str) -> None:
        raise RuntimeError(f"cannot use {password}")

    for say in (structlog.get_logger().exception, logging.getLogger("library").exception):
        try:
            fail(secret.reveal())
        except RuntimeError:
            say("broken")
    for line in lines():
        assert (line["event"], line["level"]) == ("broken", "error")
        assert line["exception"].startswith("RuntimeError: cannot use ***\n  at ")


def test_an_error_handed_over_as_a_value_is_told_too(lines: Lines) -> None:
    structlog.get_logger().error("broken", exc_info=ValueError("why"))
    assert lines()[0]["exception"] == "ValueError: why"


def test_an_error_among_the_arguments_does_not_quote_its_request(lines: Lines) -> None:
    url = URL("https://api.example/v1?key=MARKER")
    error = aiohttp.InvalidURL(url)
    assert "MARKER" in str(error)
    logging.getLogger("aiohttp.client").error("failed: %s", error)
    assert lines()[0]["event"] == "failed: InvalidURL"


async def test_a_task_whose_failure_nobody_fetched_tells_no_secret(lines: Lines) -> None:
    secret = Secret("MARKER-secret")
    loop = asyncio.get_running_loop()
    loop.call_exception_handler(
        {
            "message": "Task exception was never retrieved",
            "exception": RuntimeError(secret.reveal()),
            "authorization": f"Bearer {secret.reveal()}",
        }
    )
    (line,) = lines()
    assert line["logger"] == "asyncio"
    assert "MARKER" not in json.dumps(line)
    assert line["exception"] == "RuntimeError: ***"


class Mute:
    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("message", "arguments", "event"),
    [
        ("%s and %s", ("one",), "%s and %s"),
        ("%d", ("one",), "%d"),
        ("%(name)s", ({"name": "x"},), "x"),
        ("50%", (), "50%"),
        ("got %s", (Mute(),), "got %s"),
        (ValueError("as a message"), (), "as a message"),
    ],
)
def test_a_wrong_log_call_is_still_a_line(
    stream: TextIO, tmp_path: Path, message: Any, arguments: tuple[Any, ...], event: str
) -> None:
    logs = configure(stream)
    logging.getLogger("library").error(message, *arguments)
    logs.close()
    assert json.loads((tmp_path / "log").read_bytes())["event"] == event


def test_warnings_are_lines(stream: TextIO, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs = configure(stream)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        logs.close()
    line = json.loads((tmp_path / "log").read_bytes())
    assert (line["logger"], line["level"]) == ("py.warnings", "warning")
    assert "DeprecationWarning: old" in line["event"]


def test_nobody_else_hears_what_libraries_say(stream: TextIO, capsys: pytest.CaptureFixture[str]) -> None:
    chatty = logging.StreamHandler()
    logging.getLogger().addHandler(chatty)
    logs = configure(stream)
    logging.getLogger("library").error("MARKER")
    logs.close()
    logging.getLogger().removeHandler(chatty)
    assert "MARKER" not in capsys.readouterr().err


def test_lines_less_grave_than_the_level_are_left_out(stream: TextIO, clock: FakeClock, tmp_path: Path) -> None:
    logs = configure(stream, level="warning", clock=clock)
    events = EventLog(clock)
    events.record("info", EventName.STARTED)
    events.record("warning", EventName.REFRESH_FAILED)
    logging.getLogger("library").info("chatter")
    logs.close()
    assert [json.loads(line)["event"] for line in (tmp_path / "log").read_bytes().splitlines()] == ["refresh_failed"]
    assert len(events.query().events) == 2


def test_libraries_do_not_chatter_even_at_debug(stream: TextIO, clock: FakeClock, tmp_path: Path) -> None:
    logs = configure(stream, level="debug", clock=clock)
    logging.getLogger("asyncio").debug("Using selector: EpollSelector")
    EventLog(clock).record("debug", EventName.TOKEN_FETCHED)
    logs.close()
    assert [json.loads(line)["event"] for line in (tmp_path / "log").read_bytes().splitlines()] == ["token_fetched"]


def test_a_terminal_gets_rows_for_people(clock: FakeClock) -> None:
    master, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as stream:
        logs = configure(stream, clock=clock)
        EventLog(clock).record("warning", EventName.REFRESH_FAILED, credential="billing")
        logs.close()
        shown = os.read(master, 4096)
    os.close(master)
    assert shown == b"08:00:00.000 warning refresh_failed credential=billing\r\n"


def test_lost_lines_are_told_and_counted(clock: FakeClock) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        logs = configure(stream, clock=clock)
        event = structlog.get_logger()
        while not logs.dropped():
            event.info("x" * 8000)
        missing = logs.dropped()
        found = b""
        while b"log_dropped" not in found:
            found = found[-100:] + os.read(reader, 1 << 20)
        logs.close()
    os.close(reader)
    line = next(line for line in found.splitlines() if b"log_dropped" in line)
    assert json.loads(line) == {
        "time": "2027-01-15T08:00:00.000Z",
        "level": "warning",
        "event": "log_dropped",
        "count": missing,
    }


def test_closing_leaves_nothing_behind(stream: TextIO, clock: FakeClock) -> None:
    handlers = list(logging.getLogger().handlers)
    logs = configure(stream, clock=clock)
    logs.close()
    logs.close()
    assert logging.getLogger().handlers == handlers
    assert not structlog.is_configured()


def test_a_stream_without_a_descriptor_is_refused_at_once() -> None:
    with pytest.raises(io.UnsupportedOperation):
        configure(io.StringIO())
