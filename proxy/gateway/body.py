"""The body of a request on its way: whole when it is small or already here, a stream otherwise, remembered if asked.

A body of known length that fits the memory is read to its end before anything is sent upstream: a slow caller then
holds no upstream connection, and the request leaves in one write. Every other body streams.
"""

import asyncio
import hashlib
from typing import Final

from proxy.core.errors import OverloadedError, ProxyError, RequestInvalidError, RequestTooLargeError
from proxy.gateway.inbound import Inbound
from proxy.gateway.recording import Recording
from proxy.gateway.settings import RouteSettings
from proxy.net.exchange import Connection

NO_BODY: Final = -1
PATIENCE: Final = 30.0
"""Seconds without a byte after which a body that is read in advance is given up."""
GATHERING: Final = 120.0
"""Seconds within which all of it must be here: it holds one of the route's places meanwhile."""


_NO_ROOM: Final = (
    "this route's credential needs a hash of the whole body before it is sent, and the disk takes no more of this one; "
    "make room in the directory for temporary files, or raise `replay.memory`"
)
_NO_ROOM_FOR: Final = 10.0
"""Seconds after which it may be tried again."""


class Body:
    """One request's body."""

    __slots__ = (
        "_failure",
        "_idle",
        "_inbound",
        "_limit",
        "_received",
        "_recording",
        "_replay",
        "length",
        "sent",
        "whole",
    )

    def __init__(
        self,
        inbound: Inbound,
        settings: RouteSettings,
        recording: Recording | None,
        length: int | None,
        whole: bytes | None = None,
    ) -> None:
        self._inbound = inbound
        self._recording = recording
        self._idle = settings.timeouts.idle
        self._limit = settings.limits.body
        self._replay = settings.replay
        self._received = 0
        self._failure: ProxyError | None = None
        self.length = length
        """Bytes announced; None: chunked; NO_BODY: there is none."""
        self.whole = whole
        """All of it, once it is here and small."""
        self.sent = False
        """True once the caller's last byte has been passed on."""

    @property
    def is_small(self) -> bool:
        """Whether it is here, or will be before anything is sent."""
        return self.whole is not None or (self.length is not None and self.length <= self._replay.memory)

    @property
    def is_unfinished(self) -> bool:
        """Whether the caller's last byte has not been passed on yet."""
        return self.whole is None and not self.sent

    @property
    def can_be_sent_again(self) -> bool:
        """Whether every byte that was passed on is still known."""
        return self.whole is not None or (self._recording is not None and self._recording.kept)

    async def gather(self) -> None:
        """Read a small body of known length to its end.

        Raises:
            RequestInvalidError: it did not come in time.
        """
        pieces = []
        try:
            async with asyncio.timeout(GATHERING):
                while piece := await self._inbound.read(PATIENCE):
                    pieces.append(piece)
        except TimeoutError:
            raise RequestInvalidError("the rest of the request body did not arrive in time") from None
        self.whole = b"".join(pieces)

    async def gathered(self) -> bytes:
        """Return all of it, read to its end if it must be: nothing of it has been passed on before.

        Raises:
            RequestTooLargeError: it is longer than what is kept in memory.
            RequestInvalidError: it did not come in time.
        """
        if self.whole is None and self.sent:  # a hash of it was asked for before, so it is remembered
            _check_kept(self._received, self._replay.memory, "replay.memory")
            self.whole = b"".join([piece async for piece in (await self._remembered()).chunks()])
        elif self.whole is None:
            _check_kept(self.length or 0, self._replay.memory, "replay.memory")
            pieces = []
            try:
                async with asyncio.timeout(GATHERING):
                    while piece := await self._next():
                        pieces.append(piece)
                        _check_kept(self._received, self._replay.memory, "replay.memory")
            except TimeoutError:
                raise RequestInvalidError("the rest of the request body did not arrive in time") from None
            self.whole = b"".join(pieces)
            self.length = len(self.whole)
        return self.whole

    async def digest(self, function: str) -> bytes:
        """Return the body's hash; a body that streams is remembered to its end first, in memory and on disk.

        Raises:
            RequestTooLargeError: it is longer than what may be remembered.
            RequestInvalidError: it did not come in time.
            OverloadedError: the disk has no room for it.
        """
        digest = hashlib.new(function, self.whole or b"", usedforsecurity=False)
        if self.whole is None:
            async for piece in (await self._remembered()).chunks():
                digest.update(piece)
        return digest.digest()

    async def _remembered(self) -> Recording:
        """Read all of it into a recording, before any of it is passed on; it has a known length then."""
        replay = self._replay
        if self._recording is None:
            self._recording = Recording(replay.memory, replay.disk)
        _check_kept(self.length or 0, replay.memory + replay.disk, "replay.memory and replay.disk")
        while not self.sent:
            if piece := await self._next():
                self._recording.add(piece)
                await self._recording.settle()
                _check_kept(self._received, replay.memory + replay.disk, "replay.memory and replay.disk")
                if not self._recording.kept:
                    raise OverloadedError(_NO_ROOM, retry_after=_NO_ROOM_FOR)
            self.sent = not piece
            self.length = self._received
        return self._recording

    async def _next(self) -> bytes:
        """Return the next bytes, counted; empty at the end."""
        try:
            piece = await self._inbound.read(self._idle)
        except TimeoutError:
            raise RequestInvalidError("the rest of the request body did not arrive in time") from None
        self._received += len(piece)
        _check_length(self._received, self._limit)
        return piece

    def check(self) -> None:
        """Say again what was wrong with the body: what the caller has spoilt cannot be sent as if it were whole.

        Raises:
            RequestTooLargeError: the caller sent more than the route allows.
            RequestInvalidError: the caller stopped sending, or sent what is not a body.
        """
        if self._failure is not None:
            raise self._failure

    async def pour(self, connection: Connection) -> None:
        """Send what is remembered, then what the caller still sends, and end the request.

        Raises:
            RequestTooLargeError: the caller sends more than the route allows.
            RequestInvalidError: the caller stopped sending.
        """
        self.check()
        try:
            await self._pour(connection)
        except (RequestTooLargeError, RequestInvalidError) as error:
            self._failure = error
            raise

    async def _pour(self, connection: Connection) -> None:
        if self._received and self._recording is not None:
            async for piece in self._recording.chunks():
                await self._send(connection, piece)
        while not self.sent:
            connection.hold_on()
            piece = await self._next()
            if not piece:
                self.sent = True
                break
            await self._pass_on(connection, piece)
        if self.length is None:
            connection.write(b"0\r\n\r\n")
        connection.request_sent()

    async def _pass_on(self, connection: Connection, piece: bytes) -> None:
        if self._recording is not None:
            self._recording.add(piece)
            await self._recording.settle()
        await self._send(connection, piece)

    async def _send(self, connection: Connection, piece: bytes) -> None:
        connection.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self.length is None else piece)
        connection.extend(self._idle)
        await connection.drained()

    def close(self) -> None:
        """Let go of what was remembered."""
        if self._recording is not None:
            self._recording.close()


class _Nothing(Body):
    """The body of a request that has none: one for all of them, for it has nothing to remember."""

    def __init__(self) -> None:
        self._recording = None
        self.length = NO_BODY
        self.whole = b""
        self.sent = True


NOTHING: Final = _Nothing()


class Edited(Body):
    """A body in the place of the caller's: what goes upstream once a field was put into it."""

    def __init__(self, whole: bytes) -> None:
        self._recording = None
        self._failure = None
        self.length = len(whole)
        self.whole = whole
        self.sent = True


def body_of(inbound: Inbound, settings: RouteSettings, *, record: bool) -> Body:
    """Return the request's body as it stands now; reads nothing that has not arrived.

    Raises:
        RequestTooLargeError: it is longer than the route allows, as announced or as it lies here.
    """
    length = _announced(inbound)
    if length == NO_BODY:
        return NOTHING
    _check_length(length or 0, settings.limits.body)
    replay = settings.replay
    streams = not inbound.body_is_here and (length is None or length > replay.memory)
    body = Body(inbound, settings, Recording(replay.memory, replay.disk) if streams and record else None, length)
    if inbound.body_is_here:
        body.whole = inbound.read_now()
        body.length = len(body.whole)
        _check_length(body.length, settings.limits.body)
    return body


def _announced(inbound: Inbound) -> int | None:
    length = inbound.message.headers.get("Content-Length")
    if length is not None:
        return int(length)
    return None if inbound.message.chunked else NO_BODY


def _check_kept(length: int, kept: int, settings: str) -> None:
    if length > kept:
        raise RequestTooLargeError(
            f"this route's credential needs the whole body before it is sent, and {settings} keep at most {kept} bytes"
        )


def _check_length(length: int, limit: int | None) -> None:
    if limit is not None and length > limit:
        raise RequestTooLargeError(f"this route accepts bodies of at most {limit} bytes")
