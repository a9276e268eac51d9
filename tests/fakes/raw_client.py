"""A caller that sends the very bytes a test wrote, and reads whatever comes back, as leniently as the worst of clients.

An answer is read by its own framing and nothing is thrown away: what stands behind the last answer is kept as `extra`,
so that a test sees a second status line, another request's bytes, or an answer that does not end.
"""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

DEADLINE: Final = 10.0
"""Seconds that an answer may take, on a machine that is busy with other things."""
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r\n")


class NoAnswerError(AssertionError):
    """The connection ended, or the deadline passed, before an answer was whole."""


@dataclass(frozen=True)
class Answer:
    """One answer as it stood on the wire."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    interim: tuple[int, ...] = ()
    """Statuses of the 1xx answers before it."""
    ended_by_close: bool = field(default=False, compare=False)
    """True when nothing but the end of the connection ended the body."""

    def all(self, name: str) -> list[bytes]:
        """Return the values of every header line of that name."""
        return [value for key, value in self.headers if key.lower() == name.lower().encode()]

    def header(self, name: str) -> bytes:
        """Return the first value of that header, empty when there is none."""
        return next(iter(self.all(name)), b"")


class _Line(asyncio.Protocol):
    """Keeps what arrived even when the connection then breaks."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.seen = bytearray()
        self.ended = False
        self.was_reset = False
        self.news = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self.seen += data
        self.news.set()

    def eof_received(self) -> bool:
        self.ended = True
        self.news.set()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.was_reset = exc is not None and not self.ended
        self.ended = True
        self.news.set()


class RawClient:
    """One connection of a caller."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._line = _Line()
        self._buffer = b""

    @property
    def seen(self) -> bytes:
        """Return every byte that has arrived."""
        return bytes(self._line.seen)

    @property
    def was_reset(self) -> bool:
        """Return True once the other side has closed with RST."""
        return self._line.was_reset

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_connection(lambda: self._line, "127.0.0.1", self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    async def send(self, data: bytes, *, pieces: int | None = None) -> None:
        """Send bytes in one write, or that many at a time, until the other side closes."""
        size = pieces or max(1, len(data))
        for begin in range(0, len(data), size):
            if self._line.ended:
                return
            self._transport.write(data[begin : begin + size])
            await asyncio.sleep(0)

    def finish(self) -> None:
        """Close our direction only."""
        if not self._transport.is_closing():
            self._transport.write_eof()

    def abort(self) -> None:
        """Leave at once."""
        self._transport.abort()

    async def answer(self, method: str = "GET", *, deadline: float = DEADLINE) -> Answer:
        """Read one final answer to a request of that method; NoAnswerError when none comes whole."""
        try:
            async with asyncio.timeout(deadline):
                return await self._answer(method)
        except TimeoutError:
            raise NoAnswerError(f"no whole answer in {deadline} s, only {self._buffer[:300]!r}") from None

    async def interim(self, status: int, *, deadline: float = DEADLINE) -> None:
        """Read one interim answer of that status; NoAnswerError when something else comes."""
        try:
            async with asyncio.timeout(deadline):
                came, _ = await self._head()
        except TimeoutError:
            raise NoAnswerError(f"no interim answer in {deadline} s") from None
        if came != status:
            raise NoAnswerError(f"{came} came, not {status}")

    async def rest(self, *, deadline: float = DEADLINE) -> bytes:
        """Read until the other side closes and return what came; NoAnswerError when it does not close."""
        try:
            async with asyncio.timeout(deadline):
                while await self._fill():
                    pass
        except TimeoutError:
            raise NoAnswerError(f"the connection is still open after {deadline} s; {self._buffer[:300]!r}") from None
        rest, self._buffer = self._buffer, b""
        return rest

    async def _answer(self, method: str) -> Answer:
        interim: list[int] = []
        while True:
            status, headers = await self._head()
            if status >= 200 or status == 101:
                break
            interim.append(status)
        body, ended_by_close = await self._body(method, status, headers)
        return Answer(status, headers, body, tuple(interim), ended_by_close)

    async def _head(self) -> tuple[int, tuple[tuple[bytes, bytes], ...]]:
        head = await self._until(b"\r\n\r\n")
        match = _STATUS_LINE.match(head)
        if match is None:
            raise NoAnswerError(f"not an answer: {head[:300]!r}")
        lines = head[match.end() : -4].split(b"\r\n") if len(head) > match.end() + 2 else []
        fields = [line.partition(b":") for line in lines]
        return int(match[1]), tuple((name, value.strip(b" \t")) for name, _, value in fields)

    async def _body(self, method: str, status: int, headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, bool]:
        fields = {name.lower(): value for name, value in headers}
        if method == "HEAD" or status in {101, 204, 304}:
            return b"", False
        if b"chunked" in fields.get(b"transfer-encoding", b"").lower():
            return await self._chunks(), False
        if b"content-length" in fields:
            return await self._exactly(int(fields[b"content-length"])), False
        while await self._fill():
            pass
        if self.was_reset:
            raise NoAnswerError(f"aborted after {self._buffer[:300]!r}")
        body, self._buffer = self._buffer, b""
        return body, True

    async def _chunks(self) -> bytes:
        body = b""
        while True:
            size = int((await self._until(b"\r\n")).split(b";")[0], 16)
            if size == 0:
                while await self._until(b"\r\n") != b"\r\n":
                    pass
                return body
            body += (await self._exactly(size + 2))[:-2]

    async def _until(self, separator: bytes) -> bytes:
        while (end := self._buffer.find(separator)) < 0:
            if not await self._fill():
                raise NoAnswerError(f"the connection ended after {self._buffer[:300]!r}")
        end += len(separator)
        taken, self._buffer = self._buffer[:end], self._buffer[end:]
        return taken

    async def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            if not await self._fill():
                raise NoAnswerError(f"the connection ended {size - len(self._buffer)} bytes before the end")
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    async def _fill(self) -> bool:
        """Wait for more bytes; False when there are no more."""
        while not self._line.buffer and not self._line.ended:
            self._line.news.clear()
            await self._line.news.wait()
        data, self._line.buffer = bytes(self._line.buffer), bytearray()
        self._buffer += data
        return bool(data)
