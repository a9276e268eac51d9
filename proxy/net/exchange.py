"""One connection to an upstream: it sends a request and hands over exactly one answer for it.

Theory. A connection is IDLE (in the pool, owes nobody an answer), BUSY (one request is under way) or CLOSED (for ever).
Only `begin` moves it to BUSY, only a complete answer on a connection that both sides keep moves it back to IDLE, and
everything else ends in CLOSED. Promised:

- bytes on an IDLE connection close it and are nobody's answer (RFC 9112 §9.2), like bytes behind a complete answer;
- the head of the answer reaches the waiter once, with the whole body if that came in the same read;
- an answer that breaks off raises; it never looks complete (RFC 9112 §8);
- an answer that came before the request was read counts, even if the upstream then resets the connection;
- no more than `BUFFER` bytes of a body wait for a slow caller: reading pauses until they are taken.
"""

import asyncio
import ssl
from typing import Final, Protocol, cast

from proxy.core.errors import ProxyError, UpstreamTimeoutError, UpstreamUnreachableError
from proxy.net.alert import SILENT, is_alert, refusal_of_ours
from proxy.net.answer import AnswerReader, Informational
from proxy.net.leftover import leftover

BUFFER: Final = 256 * 1024
FOREVER: Final = float("inf")


class BrokenOffError(UpstreamUnreachableError):
    """The connection ended before the first byte of an answer; a used one may only have been idle for too long."""


def refused_by_alert(error: BaseException | None) -> UpstreamUnreachableError:
    """Return what a caller is told when the upstream refuses the TLS connection."""
    why = refusal_of_ours(error) or "its alert is about something else than client certificates"
    return UpstreamUnreachableError(f"the upstream refused the TLS connection: {why}", proxy_error="tls_alert_received")


class Home(Protocol):
    """What a connection needs of the pool it lives in."""

    def take_back(self, connection: "Connection") -> None:
        """Receive a connection that is IDLE again."""

    def forget(self, connection: "Connection") -> None:
        """Hear that a connection is CLOSED."""

    def now(self) -> float:
        """Return the monotonic time in seconds."""


class Connection(asyncio.Protocol):
    """A connection to an upstream and, while BUSY, the exchange that is under way on it."""

    __slots__ = (
        "_answered",
        "_closed",
        "_drained",
        "_ended",
        "_error",
        "_home",
        "_idle_timeout",
        "_loop",
        "_more",
        "_reading_paused",
        "_request_sent",
        "_transport",
        "_writing_paused",
        "answer",
        "deadline",
        "idle_since",
        "tls",
        "used",
    )

    def __init__(self, home: Home, loop: asyncio.AbstractEventLoop, idle_timeout: float) -> None:
        self._home = home
        self._loop = loop
        self._idle_timeout = idle_timeout
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[None] | None = None
        self._more: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._error: ProxyError | None = None
        self._closed = False
        self._ended = False
        self._reading_paused = False
        self._writing_paused = False
        self._request_sent = False
        self.answer = AnswerReader()
        self.used = 0
        """How many requests it has carried."""
        self.deadline = FOREVER
        """Monotonic time at which the pool gives the exchange up."""
        self.idle_since = 0.0
        self.tls: ssl.SSLContext | None = None
        """What the connection is encrypted with."""

    def __repr__(self) -> str:
        state = "closed" if self._closed else "idle" if self._answered is None else "busy"
        return f"<Connection {state}, {self.used} requests>"

    @property
    def error(self) -> ProxyError | None:
        """Return why it ended, if that is known."""
        return self._error

    @property
    def is_closed(self) -> bool:
        """Whether it is over with this connection."""
        return self._closed

    def begin(self, *, head_only: bool, timeout: float, informational: Informational | None) -> "asyncio.Future[None]":
        """Turn BUSY; return the future that is done when the head of the answer is here.

        `timeout` is in seconds, for the whole of sending and waiting, unless `extend` moves it.
        """
        self.answer.begin(head_only=head_only, informational=informational)
        self.used += 1
        self._request_sent = False
        self.deadline = self._home.now() + timeout
        self._answered = answered = self._loop.create_future()
        return answered

    def write(self, data: bytes) -> None:
        """Send bytes of the request; `drained` tells when to go on."""
        if self._transport is not None:
            self._transport.write(data)

    def request_sent(self) -> None:
        """Hear that the request is complete: only then may the connection carry another one."""
        self._request_sent = True
        if self.answer.has_head:  # it came early: its rest is waited for, or the caller is, who takes it
            is_awaited = self._more is not None and not self._more.done()
            self.deadline = self._home.now() + self._idle_timeout if is_awaited else FOREVER

    def extend(self, timeout: float) -> None:
        """Move the deadline that many seconds from now: something has just happened."""
        self.deadline = self._home.now() + timeout

    def hold_on(self) -> None:
        """Hear that the caller is waited for: meanwhile the upstream is not late."""
        self.deadline = FOREVER

    async def drained(self) -> None:
        """Wait until the upstream takes more bytes.

        Raises:
            ProxyError: the connection ended.
        """
        if self._closed:
            raise self._error or UpstreamUnreachableError("the connection ended while the request was being sent")
        if self._writing_paused:
            self._drained = self._loop.create_future()
            await self._drained

    def body(self) -> bytes:
        """Take what has arrived of the body so far, without waiting."""
        if self._reading_paused and self._transport is not None:
            self._reading_paused = False
            self._transport.resume_reading()
        return self.answer.take()

    async def more(self) -> bytes:
        """Wait for the next part of the body; empty at its end.

        Raises:
            ProxyError: the answer broke off, was malformed, or stopped coming.
        """
        while not self.answer.buffered and not self.answer.complete:
            if self._error is not None:
                raise self._error
            if self._request_sent or self._writing_paused:
                self.extend(self._idle_timeout)  # else it is the caller who is waited for
            self._more = self._loop.create_future()
            await self._more
            self.deadline = FOREVER  # how long the caller takes for it is not the upstream's fault
        return self.body()

    def release(self) -> None:
        """End the exchange: back to the pool if everything was exchanged cleanly, closed otherwise."""
        answer = self.answer
        if answer.complete and answer.reusable and self._request_sent and not self._closed:
            self._answered = None
            self.deadline = FOREVER
            self._home.take_back(self)
        else:
            self.close()

    def close(self) -> None:
        """Turn CLOSED: whatever else arrives is not read."""
        if not self._closed:
            self._closed = True
            self._home.forget(self)
            if self._answered is not None:
                self._answered.cancel()  # nobody waits for it, or the wait is given up
            if self._transport is not None:
                self._transport.abort()

    def expire(self) -> None:
        """Give the exchange up: its deadline has passed."""
        self._fail(UpstreamTimeoutError("the upstream did not answer in time"))

    def give_up(self, error: ProxyError) -> None:
        """Hear that the request cannot be sent to its end, and why: whoever waits for the answer is told."""
        if not self._closed:
            self._fail(error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hear that the connection stands."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read what arrived, wake whom it concerns, and pause when too much of it waits."""
        answer = self.answer
        if self._answered is None or answer.complete:
            self.close()  # RFC 9112 §9.2: nobody asked for these bytes
            return
        try:
            answer.feed(data)
        except ProxyError as error:
            self._fail(error)
            return
        if answer.has_head and not self._answered.done():
            self.deadline = FOREVER
            self._answered.set_result(None)
        if self._more is not None and not self._more.done():
            self._more.set_result(None)
        if answer.buffered > BUFFER and not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        """Hear that the upstream has said all: over TLS that takes its closure alert (RFC 9112 §9.8)."""
        self._ended = True
        if self._answered is None:
            self.close()  # out of the pool at once: the next request must not be written to it

    def connection_lost(self, exc: Exception | None) -> None:
        """Hear that the connection ended: in good order, or in the middle of something."""
        transport, self._transport = self._transport, None
        # What is left on a connection used before may have lain there before the request, and be nobody's.
        fresh = self.used == 1 and not self._closed
        if exc is not None and fresh and transport is not None and (data := leftover(transport)):
            self.data_received(data)
        if is_alert(exc) and not self.answer.started:
            self._fail(refused_by_alert(exc))
        elif self._answered is None or (exc is None and self._ended and self.answer.end()):
            self._wake(None)
            self.close()
        elif self.answer.started:
            self._fail(
                UpstreamUnreachableError("the upstream broke off its answer", proxy_error="connection_terminated")
            )
        else:
            hint = f"; {SILENT}" if self.tls is not None and self.used == 1 else ""
            self._fail(BrokenOffError(f"the upstream closed the connection without an answer{hint}"))

    def pause_writing(self) -> None:
        """Hear that the upstream takes no more for now."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """Hear that the upstream takes more."""
        self._writing_paused = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def _fail(self, error: ProxyError) -> None:
        if self._error is None and not self.answer.complete:
            self._error = error  # the first one is the cause; that the connection then ends is not
        self._wake(error)
        self.close()

    def _wake(self, error: ProxyError | None) -> None:
        for waiter in (self._answered, self._drained):
            if waiter is not None and not waiter.done():
                if error is None:
                    waiter.set_result(None)
                else:
                    waiter.set_exception(error)
        if self._more is not None and not self._more.done():
            self._more.set_result(None)  # `more` looks at the error itself
