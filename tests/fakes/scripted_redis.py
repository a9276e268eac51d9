"""A Redis that answers what a test says, and a line to a Redis that can be put through elsewhere, or go dead.

Both run in the test's own loop: `async with ScriptedRedis(answer) as redis: ... redis.url`.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

HELLO: Final = b"%1\r\n+proto\r\n:3\r\n"
OK: Final = b"+OK\r\n"
CHUNK: Final = 65536
TURNS: Final = 5
"""Turns of the loop after which whoever was let in has been noticed, and can be seen off."""


class _Listener:
    """Accepts connections while its block runs."""

    def __init__(self) -> None:
        self.port = 0
        self.accepted = 0
        """How many connections there have been."""
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for _ in range(TURNS):
            await asyncio.sleep(0)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in tuple(self._writers):
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._writers.add(writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._serve(reader, writer)
        writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError


class ScriptedRedis(_Listener):
    """Answers each command with the bytes that `answer` returns; with None it never answers, with b"" it hangs up."""

    def __init__(self, answer: Callable[[list[bytes]], bytes | None]) -> None:
        super().__init__()
        self.commands: list[list[bytes]] = []
        self._answer = answer

    def say(self, what: bytes) -> None:
        """Send that on every connection, asked or not."""
        for writer in self._writers:
            writer.write(what)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            count = int((await reader.readuntil(b"\r\n"))[1:])
            command = []
            for _ in range(count):
                length = int((await reader.readuntil(b"\r\n"))[1:])
                command.append((await reader.readexactly(length + 2))[:-2])
            self.commands.append(command)
            answer = HELLO if command[0] == b"HELLO" else self._answer(command)
            if answer is None:
                await asyncio.get_running_loop().create_future()
            if not answer:
                return
            writer.write(answer)


def by_name(answers: Mapping[bytes, bytes | None]) -> Callable[[list[bytes]], bytes | None]:
    """Return what answers commands by their first word, and refuses all others."""
    return lambda command: answers.get(command[0].upper(), b"-ERR planted\r\n")


class Forwarder(_Listener):
    """A line to the server on a port. Connections that stand stay with the server that they were made to."""

    def __init__(self, target: int) -> None:
        super().__init__()
        self.target = target
        """Where the next connections lead."""
        self._dead: set[asyncio.StreamWriter] = set()

    @property
    def standing(self) -> int:
        """How many connections stand."""
        return len(self._writers - self._dead)

    def go_dead(self) -> None:
        """Let nothing more through on the connections that stand now, and tell neither end."""
        self._dead |= self._writers

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            await asyncio.gather(self._pass(reader, back, writer), self._pass(there, writer, writer))
        finally:
            back.transport.abort()
            with suppress(OSError):
                await back.wait_closed()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(CHUNK):
            if line not in self._dead:
                writer.write(data)
        raise ConnectionResetError
