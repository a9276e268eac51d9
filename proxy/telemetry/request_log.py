"""The log's line for a request: the fastest line there is, for it is written for every one."""

from collections.abc import Callable, Mapping
from typing import Final

from proxy.core.clock import Clock
from proxy.telemetry.line import as_json, rfc3339
from proxy.telemetry.redaction import Value
from proxy.telemetry.sink import LogSink

_WARNING: Final = 30
_MILLISECONDS: Final = tuple(f"{count:03d}Z" for count in range(1000))


class RequestLog:
    """Writes one line per request.

    Its fields are configuration names, numbers, closed sets and a checked request id: there is nothing to clean.
    """

    __slots__ = ("_clock", "_least", "_prefix", "_render", "_second", "_write")

    def __init__(
        self,
        sink: LogSink,
        clock: Clock,
        *,
        least: int = 0,
        render: Callable[[Mapping[str, Value]], bytes] = as_json,
    ) -> None:
        """`least`: lines less grave are left out, in the numbers of the standard library."""
        self._write = sink.write
        self._clock = clock
        self._least = least
        self._render = render
        self._second = -1
        self._prefix = ""

    def write(
        self,
        *,
        request_id: str,
        route: str | None,
        caller: str | None,
        status: int,
        duration: float,
        upstream: float | None,
        credential: str | None,
        generation: int | None,
        reason: str | None,
        replayed: bool,
        user: str | None = None,
    ) -> None:
        """Write the line of one answered request. Durations in seconds; `reason`: of a closed set, what decided.

        The level is `warning` when the answer was a 5xx.
        """
        is_grave = status >= 500
        if self._least > 20 and (not is_grave or self._least > _WARNING):
            return
        self._write(
            self._render(
                {
                    "time": self._time(),
                    "level": "warning" if is_grave else "info",
                    "event": "request",
                    "request_id": request_id,
                    "route": route,
                    "caller": caller,
                    "user": user,
                    "status": status,
                    "duration_ms": int(duration * 1e6) / 1000,
                    "upstream_ms": None if upstream is None else int(upstream * 1e6) / 1000,
                    "credential": credential,
                    "generation": generation,
                    "reason": reason,
                    "replayed": replayed,
                }
            )
        )

    def _time(self) -> str:
        # All requests of one second share everything but the milliseconds.
        now = self._clock.now()
        second = int(now)
        if second != self._second:
            self._second = second
            self._prefix = rfc3339(second)[:20]
        return self._prefix + _MILLISECONDS[int((now - second) * 1000)]
