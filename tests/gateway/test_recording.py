"""What is remembered of a request's body: in memory, then on disk, then nothing."""

import asyncio
import gc
import io
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.errors import InternalError
from proxy.gateway.recording import PIECE, Recording

FULL: Final = Path("/dev/full")


async def record(recording: Recording, *pieces: bytes) -> None:
    """Do what a body does with the pieces that it passes on."""
    for piece in pieces:
        recording.add(piece)
        await recording.settle()


async def remembered(recording: Recording) -> bytes:
    return b"".join([piece async for piece in recording.chunks()])


def open_files() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208 - it is a count of what is open, not a walk through files


class Disk:
    """Temporary files whose writing can be held open, and fails when it is told to."""

    def __init__(self) -> None:
        self.error: OSError | None = None
        self.unreadable = False
        self.go = threading.Event()
        self.go.set()
        self.writing = threading.Event()
        self.files: list[DiskFile] = []

    def open(self, *_: object, **__: object) -> "DiskFile":
        file = DiskFile(self)
        self.files.append(file)
        return file


class DiskFile(io.BytesIO):
    """One file of it."""

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self._disk = disk

    def write(self, data: object) -> int:
        self._disk.writing.set()
        self._disk.go.wait()
        if self._disk.error is not None:
            raise self._disk.error
        return super().write(data)  # type: ignore[arg-type]  # whatever a file takes

    def read(self, size: int | None = -1) -> bytes:
        if self._disk.unreadable:
            raise OSError(5, "Input/output error")
        return super().read(size)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk()
    monkeypatch.setattr(tempfile, "TemporaryFile", disk.open)
    yield disk
    disk.go.set()


async def test_nothing_is_remembered_of_nothing() -> None:
    recording = Recording(memory=10, disk=10)
    assert await remembered(recording) == b""
    assert recording.kept


async def test_what_fits_the_memory_stays_there(disk: Disk) -> None:
    recording = Recording(memory=6, disk=100)
    await record(recording, b"abc", b"def")
    assert await remembered(recording) == b"abcdef"
    assert disk.files == []
    assert repr(recording) == "<Recording 6 bytes, memory>"


async def test_what_outgrows_the_memory_moves_to_disk_and_is_given_back_in_order(disk: Disk) -> None:
    recording = Recording(memory=6, disk=100)
    await record(recording, b"abc", b"def", b"g", b"hi")
    assert len(disk.files) == 1
    assert await remembered(recording) == b"abcdefghi"
    assert repr(recording) == "<Recording 9 bytes, disk>"
    recording.close()


async def test_it_can_be_read_again_and_grow_in_between() -> None:
    recording = Recording(memory=2, disk=3 * PIECE)
    await record(recording, b"abc", b"def")
    assert await remembered(recording) == b"abcdef"
    await record(recording, b"x" * PIECE, b"yz")
    for _ in range(2):
        assert await remembered(recording) == b"abcdef" + b"x" * PIECE + b"yz"
    recording.close()


async def test_little_pieces_are_written_together_so_that_each_does_not_cost_a_turn_of_the_disk(disk: Disk) -> None:
    recording = Recording(memory=0, disk=10 * PIECE)
    await record(recording, b"a")
    before = len(disk.files[0].getvalue())
    await record(recording, *[b"x" * 1024] * (PIECE // 1024 - 1))
    assert len(disk.files[0].getvalue()) == before
    await record(recording, b"x" * 1024)
    assert len(disk.files[0].getvalue()) == before + PIECE
    recording.close()


@pytest.mark.parametrize(("memory", "disk_budget"), [(0, 9), (9, 0), (4, 5)])
async def test_past_every_budget_it_gives_up_for_good(memory: int, disk_budget: int) -> None:
    recording = Recording(memory=memory, disk=disk_budget)
    await record(recording, b"abcdef", b"ghi")
    assert "given up" not in repr(recording)
    recording.add(b"j")
    assert not recording.kept
    await recording.settle()
    await record(recording, b"k")
    assert not recording.kept
    assert repr(recording) == "<Recording 11 bytes, given up>"
    recording.close()


async def test_without_a_disk_budget_no_file_is_opened(disk: Disk) -> None:
    recording = Recording(memory=4, disk=0)
    await record(recording, b"abcd", b"e", b"f")
    assert (recording.kept, disk.files) == (False, [])


async def test_a_body_that_is_given_up_leaves_the_disk_at_once(disk: Disk) -> None:
    recording = Recording(memory=1, disk=4)
    await record(recording, b"abc")
    assert [file.closed for file in disk.files] == [False]
    await record(recording, b"def")
    assert [file.closed for file in disk.files] == [True]
    recording.close()


async def test_closing_lets_the_file_go() -> None:
    before = open_files()
    recording = Recording(memory=1, disk=100)
    await record(recording, b"abc")
    assert open_files() == before + 1
    recording.close()
    recording.close()
    assert open_files() == before


async def test_a_temporary_file_has_no_name_that_another_process_could_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    recording = Recording(memory=1, disk=100)
    await record(recording, b"abc")
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - the same
    recording.close()


async def test_a_disk_that_is_full_costs_the_replay_and_nothing_else(disk: Disk) -> None:
    disk.error = OSError(28, "No space left on device")
    recording = Recording(memory=2, disk=100)
    await record(recording, b"abc", b"def")
    assert not recording.kept
    recording.close()
    assert disk.files[0].closed


@pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")
async def test_a_disk_that_is_full_only_when_it_is_flushed_costs_the_replay_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: FULL.open("w+b"))
    recording = Recording(memory=2, disk=100)
    await record(recording, b"abc")
    assert not recording.kept
    recording.close()


async def test_a_machine_without_a_place_for_temporary_files_costs_the_replay_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    recording = Recording(memory=2, disk=100)
    await record(recording, b"abc", b"def")
    assert not recording.kept
    recording.close()


async def test_a_caller_that_leaves_does_not_interrupt_the_writing(disk: Disk) -> None:
    recording = Recording(memory=2, disk=100)
    disk.go.clear()
    leaving = asyncio.get_running_loop().create_task(record(recording, b"abc"))
    await asyncio.to_thread(disk.writing.wait)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    reading = asyncio.get_running_loop().create_task(remembered(recording))
    await asyncio.sleep(0)
    disk.go.set()
    assert await reading == b"abc"
    recording.close()


async def test_what_is_given_up_does_not_stay_in_memory() -> None:
    recording = Recording(memory=2000, disk=0)
    piece = bytes(bytearray(1500))
    before = sys.getrefcount(piece)
    recording.add(piece)
    assert sys.getrefcount(piece) == before + 1
    recording.add(b"x" * 501)
    assert sys.getrefcount(piece) == before


async def test_a_disk_that_does_not_give_back_what_it_took_is_a_fault_of_ours(disk: Disk) -> None:
    recording = Recording(memory=2, disk=100)
    await record(recording, b"abc")
    disk.unreadable = True
    with pytest.raises(InternalError, match="does not give"):
        await remembered(recording)
    recording.close()


@pytest.mark.parametrize("error", [None, OSError(28, "No space left on device")], ids=["well", "badly"])
async def test_closing_in_the_middle_of_writing_closes_the_file_after_it(disk: Disk, error: OSError | None) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    recording = Recording(memory=2, disk=100)
    disk.go.clear()
    disk.error = error
    leaving = asyncio.get_running_loop().create_task(record(recording, b"abc"))
    await asyncio.to_thread(disk.writing.wait)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    recording.close()
    assert [file.closed for file in disk.files] == [False]
    disk.go.set()
    async with asyncio.timeout(10):
        while not disk.files[0].closed:  # noqa: ASYNC110 - a thread closes it
            await asyncio.sleep(0)
    del recording, leaving
    gc.collect()
    assert complaints == []


async def test_a_writing_that_failed_after_the_caller_left_is_not_mistaken_for_a_body(disk: Disk) -> None:
    recording = Recording(memory=2, disk=100)
    disk.go.clear()
    disk.error = OSError(28, "No space left on device")
    leaving = asyncio.get_running_loop().create_task(record(recording, b"abc"))
    await asyncio.to_thread(disk.writing.wait)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    disk.go.set()
    with pytest.raises(InternalError, match="not remembered"):
        await remembered(recording)
    recording.close()


async def test_what_was_given_up_cannot_be_read() -> None:
    recording = Recording(memory=2, disk=1)
    await record(recording, b"abc", b"d")
    with pytest.raises(InternalError, match="not remembered"):
        await remembered(recording)
    recording.close()


@given(
    st.lists(st.binary(max_size=40), max_size=20),
    st.integers(0, 60),
    st.integers(0, 60),
    st.sets(st.integers(0, 20), max_size=3),
)
def test_any_body_is_remembered_whole_or_not_at_all(
    pieces: list[bytes], memory: int, disk_budget: int, reads: set[int]
) -> None:
    async def go() -> None:
        recording = Recording(memory, disk_budget)
        cuts = sorted({0, len(pieces), *(read for read in reads if read < len(pieces))})
        for begin, end in pairwise(cuts):
            await record(recording, *pieces[begin:end])
            sent = b"".join(pieces[:end])
            assert recording.kept == (len(sent) <= memory + disk_budget)
            if recording.kept:
                assert await remembered(recording) == sent
        recording.close()

    asyncio.run(go())
