"""Sends one request upstream and comes back with the head of its answer: whole in one write, or poured as it comes.

A request is sent a second time by itself only if nothing can have been lost by it: the connection had been used before,
it ended without a byte of an answer, the method is idempotent (RFC 9110 §9.2.2) and its body is still whole. A body
that streams goes out on a fresh connection, where that question does not arise. What was signed for this one request is
signed anew: a server may have seen its nonce.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from proxy.core.errors import ProxyError
from proxy.gateway.body import Body
from proxy.gateway.settings import TimeoutSettings
from proxy.net.answer import Informational
from proxy.net.exchange import BrokenOffError, Connection
from proxy.net.runtime import Runtime
from proxy.net.upstream import Upstream

HOLD: Final = 1.0
"""Seconds for which an answer's body is held back at most, so that rules can look into it."""
IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


class Outbound(NamedTuple):
    """One request as it goes upstream."""

    method: str
    head: bytes
    body: Body
    informational: Informational | None
    anew: "Callable[[], Awaitable[Outbound]] | None" = None
    """Writes and signs it once more, where it holds something that counts once. None: the same bytes will do."""

    def __repr__(self) -> str:
        return f"<Outbound {self.method}>"  # the head holds the token


class Exchange:
    """One request on one connection, until its answer has been passed on or dropped."""

    __slots__ = ("_ended", "_pouring", "answer", "connection", "prefix")

    def __init__(self, connection: Connection, pouring: "asyncio.Task[Exception | None] | None") -> None:
        self.connection = connection
        self.answer = connection.answer
        self._pouring = pouring
        self._ended = False
        self.prefix = b""
        """What was read of the body in advance, to look into it; it is passed on first."""

    async def hold(self, limit: int) -> bytes:
        """Read up to `limit` bytes of the body in advance, for no longer than `HOLD` seconds, and return them."""
        try:
            async with asyncio.timeout(HOLD):
                while len(self.prefix) < limit:
                    piece = await self.connection.more()
                    if not piece:
                        break
                    self.prefix += piece
        except TimeoutError:
            pass  # whoever answers that slowly is streaming: what is here decides
        return self.prefix

    def end(self) -> None:
        """Let the connection go, once: back to the pool, or closed if anything is unfinished."""
        if self._ended:
            return  # the connection may be another request's by now
        self._ended = True
        if self._pouring is not None and not self._pouring.done():
            self._pouring.cancel()
        self.connection.release()

    async def drop(self) -> None:
        """End it, and return only when nobody reads the caller's body any more."""
        self.end()
        if self._pouring is not None:
            await asyncio.wait({self._pouring})


class Forwarder:
    """Sends the requests of one route."""

    def __init__(self, upstream: Upstream, timeouts: TimeoutSettings, runtime: Runtime) -> None:
        self._upstream = upstream
        self._timeouts = timeouts
        self._runtime = runtime

    async def send(self, outbound: Outbound) -> Exchange:
        """Send the request and wait for the head of the answer.

        Raises:
            ProxyError: there is none; says why.
            ConnectionError: the caller left while its body was being passed on.
        """
        if outbound.body.whole is None:
            outbound.body.check()
            return await self._pour(await self._upstream.connect(), outbound)
        connection = self._upstream.idle()
        if connection is None:
            return await self._send_fresh(outbound)
        try:
            await self._write(connection, outbound)
        except BrokenOffError:
            if outbound.method not in IDEMPOTENT:
                raise
        except BaseException:
            connection.close()
            raise
        else:
            return Exchange(connection, None)
        return await self._send_fresh(await outbound.anew() if outbound.anew else outbound)

    async def _send_fresh(self, outbound: Outbound) -> Exchange:
        connection = await self._upstream.connect()
        try:
            await self._write(connection, outbound)
        except BaseException:
            connection.close()
            raise
        return Exchange(connection, None)

    def _write(self, connection: Connection, outbound: Outbound) -> "asyncio.Future[None]":
        """Write the whole request at once; return the future of the answer's head."""
        answered = connection.begin(
            head_only=outbound.method == "HEAD",
            timeout=self._timeouts.response,
            informational=outbound.informational,
        )
        connection.write(outbound.head + outbound.body.whole if outbound.body.whole else outbound.head)
        connection.request_sent()
        return answered

    async def _pour(self, connection: Connection, outbound: Outbound) -> Exchange:
        answered = connection.begin(
            head_only=outbound.method == "HEAD", timeout=self._timeouts.idle, informational=outbound.informational
        )
        connection.write(outbound.head)
        pouring = self._runtime.spawn(_pour(outbound.body, connection), name="pour a request body")
        try:
            await asyncio.wait({answered, pouring}, return_when=asyncio.FIRST_COMPLETED)
            if not answered.done():
                _raise_if_failed(pouring)
                connection.extend(self._timeouts.response)
            await answered
        except BaseException:
            answered.cancel()
            pouring.cancel()
            connection.close()
            raise
        return Exchange(connection, pouring)


def _raise_if_failed(pouring: "asyncio.Task[Exception | None]") -> None:
    if (error := pouring.result()) is not None:
        raise error


async def _pour(body: Body, connection: Connection) -> Exception | None:
    """Return why the body could not be passed on, rather than raise: an answer may have come all the same."""
    try:
        await body.pour(connection)
    except ProxyError as error:
        connection.give_up(error)  # what the upstream still waits for does not come any more
        return error
    except ConnectionError as error:
        return error
    return None
