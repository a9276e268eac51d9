"""Remembers a request's body while it flows, so that it can be sent again: in memory, then on disk, then not at all.

Theory. A recording only grows. It is in memory until `memory` bytes, then moves to a temporary file without a name
until `memory + disk` bytes, then gives up for good: what was remembered is dropped, and the request flows on without a
replay. Writing happens on a thread, one piece at a time and in order; a caller that leaves does not interrupt it.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from typing import BinaryIO, Final

PIECE: Final = 256 * 1024
"""Bytes that are written to and read from the file at once."""


class Recording:
    """The body of one request, as far as it has come."""

    def __init__(self, memory: int, disk: int) -> None:
        self._memory = memory
        self._limit = memory + disk
        self._size = 0
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._file: BinaryIO | None = None
        self._writing: asyncio.Future[int] | None = None
        self.kept = True
        """False once the body has outgrown every budget, or the disk refused it."""

    def __repr__(self) -> str:
        place = "given up" if not self.kept else "disk" if self._file else "memory"
        return f"<Recording {self._size} bytes, {place}>"

    def add(self, data: bytes) -> None:
        """Remember the next bytes, without waiting; `settle` moves them to disk when it is time."""
        self._size += len(data)
        if self._size > self._limit:
            self.give_up()
        if self.kept:
            self._pieces.append(data)
            self._waiting += len(data)

    async def settle(self) -> None:
        """Bring what outgrew the memory to disk. A disk that refuses costs the replay, never the request."""
        if not self.kept or self._size <= self._memory or (self._file is not None and self._waiting < PIECE):
            return
        await self._written()
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="countersign-")  # noqa: SIM115 - closed by `close`
        pieces, self._pieces, self._waiting = self._pieces, [], 0
        work = asyncio.get_running_loop().run_in_executor(None, self._file.write, b"".join(pieces))
        self._writing = work
        await self._written()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body from its first byte to the last that was added."""
        await self._written()
        if self._file is not None:
            file, loop = self._file, asyncio.get_running_loop()
            await loop.run_in_executor(None, file.seek, 0)
            while piece := await loop.run_in_executor(None, file.read, PIECE):
                yield piece
        for piece in tuple(self._pieces):
            yield piece

    def give_up(self) -> None:
        """Drop everything: there will be no replay."""
        self.kept = False
        self._pieces, self._waiting = [], 0

    def close(self) -> None:
        """Let go of the file; a write that is under way ends first."""
        self._pieces = []
        file, self._file = self._file, None
        if file is None:
            return
        if self._writing is not None and not self._writing.done():
            self._writing.add_done_callback(lambda _: file.close())
        else:
            file.close()

    async def _written(self) -> None:
        if self._writing is None:
            return
        try:
            await asyncio.shield(self._writing)
        except OSError:
            self.give_up()
        self._writing = None
