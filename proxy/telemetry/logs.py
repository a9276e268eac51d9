"""One pipeline for everything that is logged, whoever logs it: cleaned, as one line, through the sink.

Theory. Three sources meet here: requests (`RequestLog`, the hot path), events and our own lines (structlog), and what
libraries say (the standard library's logging). `configure` is called once per process, before anything is served.
"""

import atexit
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO

import structlog

from proxy.core.clock import Clock, SystemClock
from proxy.telemetry.line import LEVELS, Level, as_json, as_text, rfc3339
from proxy.telemetry.redaction import Value, clean_fields, describe, tell
from proxy.telemetry.request_log import RequestLog
from proxy.telemetry.sink import LogSink

Render = Callable[[Mapping[str, Value]], bytes]


class Logs:
    """The log of this process, from `configure` to `close`."""

    def __init__(self, sink: LogSink, requests: RequestLog, restore: Callable[[], None]) -> None:
        self.requests = requests
        """Where the life of every request ends."""
        self._sink = sink
        self._restore = restore

    def dropped(self) -> int:
        """Return how many lines were dropped so far."""
        return self._sink.dropped

    def close(self) -> None:
        """Write what waits, within a bounded time, and stop listening to the libraries."""
        self._restore()
        structlog.reset_defaults()
        self._sink.close()
        atexit.unregister(self.close)


def configure(stream: TextIO, *, level: Level = "info", clock: Clock | None = None) -> Logs:
    """Send every line from `level` on to that stream: JSON, or readable rows when it is a terminal."""
    clock = clock or SystemClock()
    least = LEVELS[level]
    render = as_text if stream.isatty() else as_json
    sink = LogSink(stream.fileno(), lambda count: render(_dropped(clock.now(), count)))

    structlog.configure(
        processors=[_Finish(clock, render)],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=lambda *_: _SinkLogger(sink),
        cache_logger_on_first_use=False,
    )
    restore = _listen(_SinkHandler(sink, render), max(least, logging.INFO))
    logs = Logs(sink, RequestLog(sink, clock, least=least, render=render), restore)
    atexit.register(logs.close)
    return logs


def _listen(handler: logging.Handler, least: int) -> Callable[[], None]:
    """Make this the only handler of what libraries say; return how to undo that."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers[:] = [handler]
    root.setLevel(least)
    logging.captureWarnings(capture=True)

    def restore() -> None:
        if handler in root.handlers:
            logging.captureWarnings(capture=False)
            root.handlers[:] = before
            root.setLevel(level)

    return restore


def _dropped(now: float, count: int) -> dict[str, Value]:
    return {"time": rfc3339(now), "level": "warning", "event": "log_dropped", "count": count}


class _SinkLogger:
    """What structlog hands its finished lines to."""

    def __init__(self, sink: LogSink) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = self.msg = sink.write


class _Finish:
    """The only processor: from what was said to the bytes of a line."""

    def __init__(self, clock: Clock, render: Render) -> None:
        self._clock = clock
        self._render = render

    def __call__(self, logger: Any, method: str, event: Any) -> bytes:
        fields = dict(event)
        error = fields.pop("exc_info", None)
        if error is True or method == "exception":
            error = sys.exc_info()[1]
        if isinstance(error, BaseException):
            fields["exception"] = describe(error)
        head = {"time": rfc3339(self._clock.now()), "level": method, "event": fields.pop("event", "")}
        return self._render(clean_fields({**head, **fields}))


class _SinkHandler(logging.Handler):
    """What the standard library hands its records to."""

    def __init__(self, sink: LogSink, render: Render) -> None:
        super().__init__()
        self._sink = sink
        self._render = render

    def emit(self, record: logging.LogRecord) -> None:
        fields = {
            "time": rfc3339(record.created),
            "level": record.levelname.lower(),
            "event": _message(record),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[1] is not None:
            fields["exception"] = describe(record.exc_info[1])
        self._sink.write(self._render(clean_fields(fields)))


def _message(record: logging.LogRecord) -> str:
    args = record.args
    if isinstance(args, tuple):  # an error among them is told as any error is, without the request it quotes
        args = tuple(tell(arg) if isinstance(arg, BaseException) else arg for arg in args)
    try:
        return str(record.msg) % args if args else str(record.msg)
    except Exception:  # noqa: BLE001 - a library's log call is wrong; that must not break what it reports on
        return str(record.msg)
