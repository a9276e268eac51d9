import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from proxy.telemetry.sink import LogSink

PATIENCE = 10.0


def notice(count: int) -> bytes:
    return json.dumps({"dropped": count}).encode() + b"\n"


def line(number: int, length: int = 100) -> bytes:
    return b"%08d" % number + b"x" * (length - 9) + b"\n"


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        threading.Event().wait(0.01)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        with suppress(OSError):  # the test closed it
            os.close(descriptor)


def read_until(reader: int, end: bytes) -> bytes:
    found = b""
    while not found.endswith(end):
        piece = os.read(reader, 1 << 20)
        assert piece
        found += piece
    return found


def test_lines_arrive_whole_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        sink = LogSink(file.fileno(), notice)
        lines = [line(number) for number in range(5_000)]
        for one in lines:
            sink.write(one)
        sink.close()
    assert path.read_bytes() == b"".join(lines)
    assert sink.dropped == 0


def test_lines_arrive_while_the_sink_stays_open(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    sink = LogSink(writer, notice)
    sink.write(b"first\n")
    assert read_until(reader, b"\n") == b"first\n"
    sink.write(b"second\n")
    assert read_until(reader, b"\n") == b"second\n"
    sink.close()


def test_a_full_pipe_never_makes_a_writer_wait_and_drops_are_counted(pipe: tuple[int, int]) -> None:
    _, writer = pipe
    sink = LogSink(writer, notice, limit=1 << 20)
    slowest = 0.0
    for number in range(40_000):  # 4 MB: the pipe takes 64 KiB, the sink one MiB
        started = time.perf_counter()
        sink.write(line(number))
        slowest = max(slowest, time.perf_counter() - started)
    assert slowest < 0.5  # a write that waits for the reader would never come back
    kept = 40_000 - sink.dropped
    assert 10_000 < kept < 13_000
    started = time.perf_counter()
    sink.close(patience=0.2)
    assert time.perf_counter() - started < 2.0


def test_once_the_pipe_is_read_again_a_line_says_how_many_are_missing(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    sink = LogSink(writer, notice, limit=200_000)
    for number in range(10_000):
        sink.write(line(number))
    missing = sink.dropped
    assert missing > 0
    arrived = read_until(reader, notice(missing))
    lines = arrived.splitlines(keepends=True)
    assert [one for one in lines if one.startswith(b"{")] == [notice(missing)]
    assert len(lines) - 1 == 10_000 - missing
    sink.write(b"after\n")
    assert read_until(reader, b"after\n").endswith(b"after\n")
    sink.close()
    assert sink.dropped == missing


def test_what_waits_is_still_written_when_the_reader_comes_back_during_the_farewell(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    sink = LogSink(writer, notice)
    lines = [line(number, 1000) for number in range(500)]
    for one in lines:
        sink.write(one)
    arrived = bytearray()

    def read() -> None:
        while piece := os.read(reader, 1 << 16):
            arrived.extend(piece)

    thread = threading.Thread(target=read)
    thread.start()
    sink.close(patience=PATIENCE)
    os.close(writer)
    thread.join()
    assert bytes(arrived) == b"".join(lines)


def test_a_reader_that_has_gone_costs_lines_and_nothing_else(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.close(reader)
    sink = LogSink(writer, notice)
    for number in range(10):
        sink.write(line(number))
    eventually(lambda: sink.dropped == 10)
    sink.write(line(11))
    sink.close()
    assert sink.dropped == 11


def test_a_pipe_that_somebody_made_non_blocking_loses_nothing(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    fcntl.fcntl(writer, fcntl.F_SETFL, fcntl.fcntl(writer, fcntl.F_GETFL) | os.O_NONBLOCK)
    sink = LogSink(writer, notice)
    lines = [line(number, 1000) for number in range(500)]
    for one in lines:
        sink.write(one)
    assert read_until(reader, lines[-1]) == b"".join(lines)
    sink.close()
    assert sink.dropped == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is a device of Linux")
def test_a_full_disk_costs_lines_and_nothing_else() -> None:
    with Path("/dev/full").open("wb", buffering=0) as file:
        sink = LogSink(file.fileno(), notice)
        sink.write(line(1))
        sink.close()
    assert sink.dropped == 1


def test_lines_after_the_end_are_counted_as_dropped(pipe: tuple[int, int]) -> None:
    sink = LogSink(pipe[1], notice)
    sink.close()
    sink.write(b"late\n")
    assert sink.dropped == 1


def test_lines_of_many_threads_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        sink = LogSink(file.fileno(), notice)

        def write(start: int) -> None:
            for number in range(start, start + 1000):
                sink.write(line(number))

        threads = [threading.Thread(target=write, args=(start,)) for start in range(0, 8000, 1000)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sink.close()
    assert sorted(path.read_bytes().splitlines(keepends=True)) == [line(number) for number in range(8000)]


def test_a_line_that_was_cut_off_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "log"
    program = f"""
import resource, time
from tests.telemetry.test_sink import LogSink, eventually, line, notice
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (150, hard))  # the disk is full after one and a half lines
with open({str(path)!r}, "wb") as file:
    sink = LogSink(file.fileno(), notice)
    for number in range(3):
        sink.write(line(number))
    eventually(lambda: sink.dropped == 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    sink.write(line(3))
    sink.close()
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert path.read_bytes() == line(0) + line(1)[:50] + b"\n" + line(3) + notice(2)
