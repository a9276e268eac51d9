"""A request on its way through: what the caller sent, where its body comes from, where the answer goes.

It takes the place of aiohttp's request object, of which the hot path needs a tenth. aiohttp's connection handler asks
only for `_cancel` of it; a test holds us to that.
"""

import asyncio
import socket
import struct
from typing import Final

from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler

_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: closing throws away what is unsent and resets the connection."""
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class CallerGoneError(ConnectionError):
    """The caller has left: nobody waits for the answer."""


class Inbound:
    """One request of one caller, and the way back to it."""

    __slots__ = ("answered", "expects_continue", "keep_alive", "message", "payload", "protocol")

    def __init__(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: "RequestHandler",
    ) -> None:
        self.message = message
        self.payload = payload
        self.protocol = protocol
        self.keep_alive = not message.should_close and not message.upgrade and message.version == (1, 1)
        """Whether the caller's connection goes on after the answer.

        HTTP/1.0 ends here (RFC 9112 §9.3), and so does an upgrade that we decline: what follows it is not HTTP.
        """
        self.answered = False
        """True once a byte of the final answer has been sent: from here on a failure can only abort."""
        self.expects_continue = False

    @property
    def has_body(self) -> bool:
        """Whether a body follows the head."""
        return self.payload is not EMPTY_PAYLOAD

    @property
    def body_is_here(self) -> bool:
        """Whether the whole body has already arrived."""
        return self.payload.is_eof()

    @property
    def peer(self) -> str:
        """The address of the caller's socket; empty for a Unix socket."""
        peername = self.protocol.peername
        return peername[0] if isinstance(peername, tuple) else ""

    @property
    def is_connected(self) -> bool:
        """Whether the caller is still there."""
        return self.protocol.transport is not None

    def read_now(self) -> bytes:
        """Return what has arrived of the body, without waiting."""
        return self.payload.read_nowait(-1)

    async def read(self, patience: float) -> bytes:
        """Return the next bytes of the body; empty at its end. `patience` seconds without one end in TimeoutError."""
        if self.expects_continue:
            self.expects_continue = False
            self.interim(CONTINUE)
        if self.payload.is_eof():
            return self.payload.read_nowait(-1)
        async with asyncio.timeout(patience):
            return await self.payload.readany()

    def interim(self, data: bytes) -> None:
        """Send an interim answer, to callers that know of such."""
        if self.message.version == (1, 1) and not self.answered:
            self.write(data)

    def write(self, data: bytes) -> None:
        """Send bytes to the caller.

        Raises:
            CallerGoneError: it has left.
        """
        transport = self.protocol.transport
        if transport is None or transport.is_closing():
            raise CallerGoneError
        transport.write(data)

    async def drained(self, patience: float) -> None:
        """Wait until the caller takes more bytes; `patience` seconds without a byte taken end in CallerGoneError."""
        if self.protocol._paused:
            try:
                async with asyncio.timeout(patience):
                    await self.protocol._drain_helper()
            except TimeoutError:
                self.abort()
                raise CallerGoneError from None

    def abort(self) -> None:
        """Cut the caller's connection with a reset, so that a half answer cannot pass for a whole one.

        An orderly end would look whole to a caller whose answer lasts until the connection closes.
        """
        self.keep_alive = False
        transport = self.protocol.transport
        if transport is not None:
            if (sock := transport.get_extra_info("socket")) is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()

    def _cancel(self, exc: BaseException) -> None:
        """Hear from aiohttp that the caller has left."""
        if not self.payload.is_eof():
            self.payload.set_exception(CallerGoneError(), exc)
