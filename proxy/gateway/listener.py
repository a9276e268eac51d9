"""The socket that callers reach: aiohttp's low-level server, which parses, with our own request and our own refusals.

What is replaced, and why: the request object (the hot path needs a tenth of it), the response objects (answers are
passed on byte for byte), and the error pages (aiohttp's repeat and log the offending line, which may hold a secret).
The hooks are private names of aiohttp; `tests/gateway/test_listener.py` fails loudly when one of them changes.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from aiohttp import http_parser, web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from proxy.core.clock import Clock
from proxy.core.errors import HeaderTooLargeError, ProxyError, RequestInvalidError
from proxy.gateway.inbound import Inbound

MAX_LINE: Final = 16 * 1024
MAX_FIELD: Final = 16 * 1024
MAX_FIELDS: Final = 100
KEEPALIVE: Final = 75.0
"""Seconds an unused connection of a caller is kept."""
HEAD_DEADLINE: Final = 30.0
"""Seconds within which a request head must be complete, once its first byte is here."""
LINGER: Final = 2.0
"""Seconds for which the rest of a body is read and thrown away after an answer that came early."""


class Done(NamedTuple):
    """What aiohttp's connection handler wants to know of an answer that has been sent."""

    keep_alive: bool


KEEP: Final = Done(keep_alive=True)
CLOSE: Final = Done(keep_alive=False)

Handle = Callable[[Inbound], Awaitable[bool]]
"""Answers a request completely; returns whether the connection goes on."""
Refuse = Callable[[Inbound, ProxyError], None]
"""Answers a request that could not even be read."""


class CallerConnection(RequestHandler):
    """A caller's connection: aiohttp's, with its response machinery taken out."""

    __slots__ = ("head_since",)

    def __init__(self, manager: "Listener", **options: Any) -> None:
        super().__init__(manager, **options)
        self.head_since = 0.0
        """Monotonic time at which the first byte of an unfinished head came; 0: there is none."""

    def data_received(self, data: bytes) -> None:
        """Parse what arrived; start the head's deadline if it is not whole yet."""
        super().data_received(data)
        if self._waiter is not None and not self._messages:
            if not self.head_since and isinstance(self._manager, Listener):
                self.head_since = self._manager.clock.monotonic()
        else:
            self.head_since = 0.0

    async def _handle_request(self, request: Any, start_time: Any, request_handler: Any) -> tuple[Any, bool]:
        self._request_in_progress = True
        self._current_request = request
        try:
            return (KEEP if await request_handler(request) else CLOSE), False
        finally:
            self._current_request = None
            self._request_in_progress = False
            if self._handler_waiter is not None:
                self._handler_waiter.set_result(None)

    def handle_error(self, request: Any, status: int = 500, exc: Any = None, message: Any = None) -> Any:
        """Refuse what the parser refused, without repeating a byte of it."""
        manager = self._manager
        if isinstance(manager, Listener) and not request.answered:
            too_large = isinstance(exc, LineTooLong)
            manager.refuse(request, HeaderTooLargeError() if too_large else RequestInvalidError())
        return False


class Listener(web.Server):
    """Accepts callers' connections and hands each request to the pipeline."""

    def __init__(self, handle: Handle, refuse: Refuse, clock: Clock) -> None:
        if http_parser.HttpRequestParser.__module__ != "aiohttp._http_parser":
            raise RuntimeError("aiohttp's C parser is missing; reinstall aiohttp from a wheel: the other one is laxer")
        super().__init__(
            handle,  # type: ignore[arg-type]  # our request and our outcome, see the module's first lines
            request_factory=Inbound,  # type: ignore[arg-type]  # the same
            handler_cancellation=True,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=KEEPALIVE,
            max_line_size=MAX_LINE,
            max_field_size=MAX_FIELD,
            max_headers=MAX_FIELDS,
            lingering_time=LINGER,
        )
        self.refuse = refuse
        self.clock = clock

    def __call__(self) -> RequestHandler:
        """Make the protocol of a new connection."""
        return CallerConnection(self, loop=self._loop, **self._kwargs)

    async def watch_heads(self) -> None:
        """Close, for ever, connections whose request head does not come to its end."""
        while True:
            await self.clock.sleep(1.0)
            oldest = self.clock.monotonic() - HEAD_DEADLINE
            for connection in self.connections:
                if isinstance(connection, CallerConnection) and 0 < connection.head_since < oldest:
                    connection.force_close()
