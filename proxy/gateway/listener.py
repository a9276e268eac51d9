"""The socket that callers reach: aiohttp's low-level server, which parses, with our own request and our own refusals.

What is replaced, and why: the request object (the hot path needs a tenth of it), the response objects (answers are
passed on byte for byte), and the error pages (aiohttp's repeat and log the offending line, which may hold a secret).
The hooks are private names of aiohttp; `tests/gateway/test_listener.py` fails loudly when one of them changes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import http_parser, web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import ERROR, RequestHandler, _ErrInfo

from proxy.core.clock import Clock
from proxy.core.errors import HeaderTooLargeError, OverloadedError, ProxyError, RequestInvalidError
from proxy.gateway.inbound import CallerGoneError, Inbound

MAX_LINE: Final = 16 * 1024
MAX_FIELD: Final = 16 * 1024
MAX_FIELDS: Final = 100
KEEPALIVE: Final = 75.0
"""Seconds an unused connection of a caller is kept."""
HEAD_DEADLINE: Final = 30.0
"""Seconds within which a request head must be complete, once its first byte is here."""
WRITE_PATIENCE: Final = 60.0
"""Seconds for which a caller may take nothing of what was written, before its connection is cut."""
CUT: Final = 0.1
"""Seconds that a request has to end once it is cut."""
LINGER: Final = 2.0
"""Seconds for which a caller may go on sending behind the last answer; nobody reads it."""

Handle = Callable[[Inbound], Awaitable[bool]]
"""Answers a request completely; returns whether the connection goes on."""
Refuse = Callable[[Inbound, ProxyError], None]
"""Answers a request that could not even be read."""


class CallerConnection(RequestHandler):
    """A caller's connection: aiohttp's, with its response machinery taken out."""

    __slots__ = ("_discards", "head_since")

    def __init__(self, manager: "Listener", **options: Any) -> None:
        super().__init__(manager, **options)
        self._discards = False
        """True: nothing that still comes on this connection is parsed."""
        self.head_since = 0.0
        """Monotonic time at which the first byte of an unfinished head came; 0: there is none."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or answer at once that there are too many."""
        super().connection_made(transport)
        manager = self._manager
        if isinstance(manager, Listener) and manager.is_overfull:
            self._discards = True
            error = OverloadedError("too many connections", retry_after=1.0)
            manager.refuse(Inbound(ERROR, EMPTY_PAYLOAD, self), error)
            self.force_close()

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, and wake whoever waits for a request; start the deadline of a head that is not whole."""
        parser = self._parser
        if self._discards or parser is None:
            return
        try:
            messages, upgraded, _ = parser.feed_data(data)
        except HttpProcessingError as error:
            self._break_body()
            messages, upgraded = [(_ErrInfo(status=400, exc=error, message=error.message), EMPTY_PAYLOAD)], True
        if upgraded:
            self._discards = True  # what follows an upgrade that we decline, or an error, is nobody's request
        waiter = self._waiter
        if messages:
            self._messages.extend(messages)
            self.head_since = 0.0
            if waiter is not None and not waiter.done():
                waiter.set_result(None)
            if len(self._messages) >= self._max_msg_queue_size and not self._buffer_paused:
                self._pause_reading_for_buffer()
        elif waiter is not None and not self.head_since and isinstance(self._manager, Listener):
            self.head_since = self._manager.clock.monotonic()

    async def start(self) -> None:
        """Carry this connection's requests, one after the other, until either side ends it.

        One task per connection and none per request: this is where most of aiohttp's cost per request was.
        """
        manager = self._manager
        if not isinstance(manager, Listener):
            return
        while not self._force_close:
            if not self._messages:
                self._waiter = self._loop.create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
            message, payload = self._messages.popleft()
            if self._parser is not None:
                self._parser.message_consumed()
            if self._buffer_paused:
                self._make_room()
            if isinstance(message, _ErrInfo):
                self._refuse(manager, message.exc)
                break
            request = Inbound(message, payload, self)
            self._current_request = request  # type: ignore[assignment]  # aiohttp asks it for `_cancel` only
            self._request_in_progress = True
            try:
                goes_on = await manager.handle(request)
                if self._paused:
                    goes_on = await self._is_taken(request) and goes_on
            finally:
                self._current_request = None
                self._request_in_progress = False
                if self._handler_waiter is not None:
                    self._handler_waiter.set_result(None)
            if not goes_on or self._close or not payload.is_eof():
                break
            self._keep_alive_from_now()
        await self._take_leave(manager)

    async def _is_taken(self, request: Inbound) -> bool:
        """Wait until the caller takes what was written: who takes no answers gets no more of them."""
        try:
            await request.drained(WRITE_PATIENCE)
        except CallerGoneError:
            return False
        return True

    def _break_body(self) -> None:
        """Tell whoever reads the body in which the parser stumbled; aiohttp leaves it waiting."""
        payload = self._messages[-1][1] if self._messages else getattr(self._current_request, "payload", None)
        if payload is not None and not payload.is_eof():
            error = RequestInvalidError("the request body is malformed")
            payload.set_exception(error)
            # A reader that the end of a chunk has just woken goes back to waiting without looking: tell it behind that.
            self._loop.call_soon(payload.set_exception, error)

    def _make_room(self) -> None:
        """Let the parser go on if it stopped for too many requests that waited."""
        if len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()

    def _keep_alive_from_now(self) -> None:
        self._keepalive = True
        self._next_keepalive_close_time = close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(close_time, self._process_keepalive)

    async def _take_leave(self, manager: "Listener") -> None:
        """Say that this was all, throw away what still comes, and close when the caller does, or after a while.

        Closing over unread bytes would reset the connection, and the answer be lost in it (RFC 9112 §9.6).
        """
        self._discards = True
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write_eof()
            self.resume_reading(resume_parser=False)
            await manager.clock.sleep(LINGER)  # the caller's leaving ends this task
        if self.transport is not None:
            self.transport.close()

    def _refuse(self, manager: "Listener", error: BaseException) -> None:
        """Answer what the parser refused, without repeating a byte of it."""
        too_large = isinstance(error, LineTooLong) or "Too many headers" in str(error)
        manager.refuse(
            Inbound(ERROR, EMPTY_PAYLOAD, self), HeaderTooLargeError() if too_large else RequestInvalidError()
        )


class Listener(web.Server):
    """Accepts callers' connections and hands each request to the pipeline."""

    def __init__(self, handle: Handle, refuse: Refuse, clock: Clock, *, max_connections: int = 16384) -> None:
        if http_parser.HttpRequestParser.__module__ != "aiohttp._http_parser":
            raise RuntimeError("aiohttp's C parser is missing; reinstall aiohttp from a wheel: the other one is laxer")
        super().__init__(
            handle,  # type: ignore[arg-type]  # our request and our outcome, see the module's first lines
            handler_cancellation=True,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=KEEPALIVE,
            max_line_size=MAX_LINE,
            max_field_size=MAX_FIELD,
            max_headers=MAX_FIELDS,
        )
        self.handle = handle
        self.refuse = refuse
        self.clock = clock
        self.max_connections = max_connections

    def __call__(self) -> RequestHandler:
        """Make the protocol of a new connection."""
        return CallerConnection(self, loop=self._loop, **self._kwargs)

    @property
    def is_overfull(self) -> bool:
        """Whether more connections stand than are allowed."""
        return len(self._connections) > self.max_connections

    async def finish(self, patience: float) -> None:
        """Let requests that are under way end, for `patience` seconds, and cut what is left then."""
        busy = [connection for connection in self.connections if connection._request_in_progress]
        for connection in self.connections:
            if connection in busy:
                connection.close()  # after this request
            else:
                connection.force_close()
        await self._ended(busy, patience)
        late = [connection for connection in busy if connection._request_in_progress]
        for connection in late:
            if connection._task_handler is not None:
                connection._task_handler.cancel()  # the pipeline still has the connection to say why
        await self._ended(late, CUT)
        await self.shutdown(CUT)

    async def _ended(self, connections: list[RequestHandler], patience: float) -> None:
        """Wait until no request is under way on these."""
        waiters = [self._loop.create_future() for _ in connections]
        for connection, waiter in zip(connections, waiters, strict=True):
            connection._handler_waiter = waiter
        if waiters:
            await asyncio.wait(waiters, timeout=patience)

    async def watch_heads(self) -> None:
        """Close, for ever, connections whose request head does not come to its end."""
        while True:
            await self.clock.sleep(1.0)
            oldest = self.clock.monotonic() - HEAD_DEADLINE
            for connection in self.connections:
                if isinstance(connection, CallerConnection) and 0 < connection.head_since < oldest:
                    connection.force_close()
