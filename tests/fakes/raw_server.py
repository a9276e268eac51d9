"""An upstream that answers with the very bytes a test wrote, and remembers the very bytes that it received.

Each connection runs through the server's script: steps that wait for a request, send bytes (in pieces, if told so),
wait for an event, and end the connection in a given way. The last connection's script is used again for later ones.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from tests.fakes.strict import AmbiguousError, Request, StrictReader

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PIECE: Final = 65536


class Link:
    """One connection that the server accepted."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.received = bytearray()
        """Every byte that arrived."""
        self.requests: list[Request] = []
        """Every request that arrived whole, strictly read."""
        self.fault: AmbiguousError | None = None
        """Why what arrived is not a sequence of sound requests; None while it is."""
        self.ended = asyncio.Event()
        """Set when the other side has closed."""
        self._reader = reader
        self._writer = writer
        self._strict = StrictReader()
        self._arrived = asyncio.Condition()

    @property
    def is_idle(self) -> bool:
        """Return True when no part of a request waits for its rest."""
        return self._strict.is_idle

    async def listen(self) -> None:
        """Take in bytes until the other side closes."""
        with contextlib.suppress(ConnectionError):
            while data := await self._reader.read(PIECE):
                self.received += data
                if self.fault is None:
                    try:
                        self.requests += self._strict.feed(data)
                    except AmbiguousError as error:
                        self.fault = error
                async with self._arrived:
                    self._arrived.notify_all()
        self.ended.set()
        async with self._arrived:
            self._arrived.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for bytes until the condition holds; ConnectionError when the other side closes before."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: condition() or self.ended.is_set())
        if not condition():
            raise ConnectionResetError("the other side closed first")

    async def send(self, data: bytes) -> None:
        """Send bytes at once."""
        self._writer.write(data)
        await self._writer.drain()

    def close(self) -> None:
        """Close in good order (FIN)."""
        self._writer.close()

    def finish(self) -> None:
        """Close our direction only (FIN), and go on reading."""
        self._writer.write_eof()

    def reset(self) -> None:
        """Close with RST."""
        one = self._writer.get_extra_info("socket")
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Step = Callable[[Link], Awaitable[None]]
"""One thing that happens on a connection."""


def request(number: int = 1) -> Step:
    """Wait until that many requests have arrived whole, from the connection's first on."""

    async def step(link: Link) -> None:
        await link.until(lambda: len(link.requests) >= number or link.fault is not None)

    return step


def head() -> Step:
    """Wait until the head of a request has arrived, whatever there is of its body."""

    async def step(link: Link) -> None:
        await link.until(lambda: b"\r\n\r\n" in link.received)

    return step


def send(data: bytes, *, split: Sequence[int] | None = None, pause: float = 0.01) -> Step:
    """Send bytes, in one write or split at these offsets with a pause in between (seconds)."""

    async def step(link: Link) -> None:
        if split is None:
            await link.send(data)
            return
        for begin, end in zip([0, *split], [*split, len(data)], strict=True):
            await link.send(data[begin:end])
            await asyncio.sleep(pause)

    return step


def when(event: asyncio.Event) -> Step:
    """Wait for an event."""

    async def step(_: Link) -> None:
        await event.wait()

    return step


async def close(link: Link) -> None:
    """Close in good order (FIN)."""
    link.close()


async def finish(link: Link) -> None:
    """Close our direction only (FIN), and go on reading."""
    link.finish()


async def reset(link: Link) -> None:
    """Close with RST."""
    link.reset()


def always(data: bytes) -> Step:
    """Answer every request with these bytes, for ever."""

    async def step(link: Link) -> None:
        number = 0
        while True:
            number += 1
            await link.until(lambda: len(link.requests) >= number)  # noqa: B023 - it is awaited before the number grows
            await link.send(data)

    return step


answer_each: Final = always(OK)
"""Answers every request with OK, for ever."""


@dataclass
class RawServer:
    """Listens on a loopback port while its block runs; connection N runs script N, later ones the last script."""

    scripts: Sequence[Sequence[Step]] = ((answer_each,),)
    links: list[Link] = field(default_factory=list)
    """Every connection so far, in order."""
    port: int = 0

    @property
    def url(self) -> str:
        """Return the address without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[Request]:
        """Return every sound request, on whatever connection."""
        return [one for link in self.links for one in link.requests]

    @property
    def received(self) -> bytes:
        """Return every byte, on whatever connection."""
        return b"".join(bytes(link.received) for link in self.links)

    @property
    def faults(self) -> list[AmbiguousError]:
        """Return why connections carried something unsound."""
        return [link.fault for link in self.links if link.fault is not None]

    async def __aenter__(self) -> Self:
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(reader, writer)
        script = self.scripts[min(len(self.links), len(self.scripts) - 1)]
        self.links.append(link)
        task = asyncio.create_task(self._run(link, script, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, link: Link, script: Sequence[Step], writer: asyncio.StreamWriter) -> None:
        listening = asyncio.create_task(link.listen())
        try:
            with contextlib.suppress(ConnectionError):
                for step in script:
                    await step(link)
            await listening
        finally:
            listening.cancel()
            writer.close()
