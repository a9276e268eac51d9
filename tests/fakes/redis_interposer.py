"""Stands between one process and a real Redis: a command is seen before Redis gets it, and after Redis did it.

In a test: `async with Interposer(server.port, points) as between: ... between.url`. Each command reaches the points
"before NAME" and "after NAME", in between of which it is passed on and carried out. Our scripts are called by their
names (load, save, acquire …), other commands by theirs. What changes nothing is no point: echoes, and questions about
the server.
"""

import asyncio
from types import TracebackType
from typing import Final, Self

from proxy.stores import redis_scripts
from proxy.stores.redis_scripts import SCRIPTS
from tests.fakes.points import GoneError, Points

SCRIPT_NAMES: Final = {
    known: name.lower()
    for name in ("LOAD", "SAVE", "DROP", "SWAP", "ACQUIRE", "RENEW", "RELEASE")
    for script in (getattr(redis_scripts, name),)
    for known in (script.digest.encode(), script.text.encode())
}
assert len(SCRIPT_NAMES) == 2 * len(SCRIPTS)
NO_POINTS: Final = frozenset({"publish", "info"})
ROUNDS: Final = 5
"""Of the loop, until connections that are aborted, or were coming in, are closed."""
AGGREGATES: Final = {b"*": 1, b"~": 1, b">": 1, b"%": 2, b"|": 2}
"""How many values follow for each that is counted."""


class Interposer:
    """Listens on a loopback port while its block runs."""

    def __init__(self, port: int, points: Points) -> None:
        self.points = points
        self.echoes = 0
        """How often the process has heard itself."""
        self._to = port
        self._port = 0
        self._is_open = True
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Redis's address, as the process is to see it."""
        return f"redis://127.0.0.1:{self._port}/0"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self._is_open = False
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        for _ in range(ROUNDS):
            await asyncio.sleep(0)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._is_open:  # it was on its way in when the server closed
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(lambda ended: self._end(ended, writer))

    def _end(self, task: asyncio.Task[None], writer: asyncio.StreamWriter) -> None:
        """Hang up, however the task ended, and even if it never began."""
        self._tasks.discard(task)
        writer.transport.abort()
        expected = (GoneError, ConnectionError, asyncio.IncompleteReadError)
        if not task.cancelled() and not isinstance(task.exception(), expected):
            task.result()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        redis_reader, redis_writer = await asyncio.open_connection("127.0.0.1", self._to)
        try:
            while True:
                raw, words = await command(reader)
                name = name_of(words)
                if name == "subscribe":
                    redis_writer.write(raw)
                    await _pipe(redis_reader, writer)
                await self._reach("before", name)
                redis_writer.write(raw)
                answer = await value(redis_reader)
                await self._reach("after", name)
                writer.write(answer)
                self.echoes += name == "publish"
        finally:
            redis_writer.transport.abort()

    async def _reach(self, moment: str, name: str) -> None:
        if name not in NO_POINTS:
            await self.points.reach(f"{moment} {name}")


async def command(reader: asyncio.StreamReader) -> tuple[bytes, list[bytes]]:
    """Read one command; return it as it came, and its words."""
    raw = await reader.readuntil(b"\r\n")
    words = []
    for _ in range(int(raw[1:])):
        head = await reader.readuntil(b"\r\n")
        body = await reader.readexactly(int(head[1:]) + 2)
        words.append(body[:-2])
        raw += head + body
    return raw, words


async def value(reader: asyncio.StreamReader) -> bytes:
    """Read one answer of Redis's, RESP2 or RESP3, and return it as it came."""
    raw = await reader.readuntil(b"\r\n")
    kind, rest = raw[:1], raw[1:-2]
    if kind in {b"$", b"=", b"!"} and rest != b"-1":
        raw += await reader.readexactly(int(rest) + 2)
    elif kind in AGGREGATES and rest != b"-1":
        for _ in range(AGGREGATES[kind] * int(rest) + (kind == b"|")):
            raw += await value(reader)
    return raw


def name_of(words: list[bytes]) -> str:
    """Return what a command is called here."""
    verb = words[0].lower()
    if verb in {b"eval", b"evalsha"}:
        return SCRIPT_NAMES.get(words[1], "a script")
    return verb.decode()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what is heard, until one of them ends."""
    while (data := await reader.read(65_536)) and not writer.is_closing():
        writer.write(data)
    raise ConnectionResetError
