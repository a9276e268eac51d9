"""Remembers a request's body while it flows, so that it can be sent again: in memory, then on disk, then not at all.

Theory. A recording only grows. It is in memory until `memory` bytes, then moves to a temporary file without a name
until `memory + disk` bytes, then gives up for good: what was remembered is dropped, and the request flows on without a
replay. Writing happens on a thread, one piece at a time and in order; a caller that leaves does not interrupt it.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from typing import BinaryIO, Final

from proxy.core.errors import InternalError

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
        self._writing: asyncio.Future[None] | None = None
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
            self._open()
        if self._file is None or not self.kept:
            return
        pieces, self._pieces, self._waiting = self._pieces, [], 0
        self._writing = asyncio.get_running_loop().run_in_executor(None, _append, self._file, b"".join(pieces))
        await self._written()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body from its first byte to the last that was added.

        Raises:
            InternalError: it was given up, or the disk does not give it back.
        """
        await self._written()
        if not self.kept:
            raise InternalError("the request body is not remembered any more")
        if self._file is not None:
            file, loop = self._file, asyncio.get_running_loop()
            try:
                await loop.run_in_executor(None, file.seek, 0)
                while piece := await loop.run_in_executor(None, file.read, PIECE):
                    yield piece
            except OSError:
                raise InternalError("the disk does not give the request body back") from None
        for piece in tuple(self._pieces):
            yield piece

    def give_up(self) -> None:
        """Drop everything: there will be no replay."""
        self.kept = False
        self.close()

    def close(self) -> None:
        """Let go of the file; a write that is under way ends first."""
        self._pieces, self._waiting = [], 0
        file, self._file = self._file, None
        if file is None:
            return
        if self._writing is not None and not self._writing.done():
            self._writing.add_done_callback(lambda writing: _close(file, writing))
        else:
            _close(file)

    def _open(self) -> None:
        try:
            self._file = tempfile.TemporaryFile(prefix="countersign-")  # noqa: SIM115 - closed by `close`
        except OSError:
            self.give_up()

    async def _written(self) -> None:
        if self._writing is None:
            return
        try:
            await asyncio.shield(self._writing)
        except OSError:
            self.give_up()
        self._writing = None


def _append(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    file.flush()  # so that a full disk is met here


def _close(file: BinaryIO, writing: "asyncio.Future[None] | None" = None) -> None:
    if writing is not None and not writing.cancelled():
        writing.exception()  # it failed for nobody
    with contextlib.suppress(OSError):  # what could not be written cannot be written now
        file.close()
