"""Bodies of a gibibyte pass through in both directions, byte for byte, in little memory."""

import hashlib
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.fakes import nginx
from tests.fakes.proc import HAS_PROC
from tests.fakes.process import Proxy
from tests.fakes.world import World, world

MIB: Final = 1024 * 1024
SIZE: Final = 1024 * MIB
GROWTH: Final = 32 * MIB
PIECE: Final = 4 * MIB

pytestmark = [
    pytest.mark.skipif(nginx.BINARY is None, reason=nginx.MISSING),
    pytest.mark.skipif(not HAS_PROC, reason="memory is read from Linux's /proc"),
]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """A folder whose gibibytes go away with the test."""
    yield tmp_path
    shutil.rmtree(tmp_path)


def pieces() -> Iterator[bytes]:
    """Return a body of which no two pieces are the same."""
    filler = bytes(range(256)) * ((PIECE - 8) // 256 + 1)
    for number in range(SIZE // PIECE):
        yield number.to_bytes(8) + filler[: PIECE - 8]


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def warm(w: World) -> int:
    """Let one request through, so that everything is loaded; return the memory then."""
    async with w.session.get("/nginx/api/x") as answer:
        assert answer.status == 200
    w.proxy.reset_peak()
    return w.proxy.rss()


def growth(proxy: Proxy, before: int) -> float:
    """Return by how many MiB memory has grown at its most."""
    return (proxy.peak_rss() - before) / MIB


async def test_a_gibibyte_comes_down(room: Path) -> None:
    async with world(room) as w:
        sent = hashlib.sha256()
        with (w.nginx.files / "large").open("wb") as file:
            for piece in pieces():
                sent.update(piece)
                file.write(piece)
        before = await warm(w)
        received, size = hashlib.sha256(), 0
        async with w.session.get("/nginx/files/large") as answer:
            assert answer.status == 200
            assert answer.headers["Content-Length"] == str(SIZE)
            async for data in answer.content.iter_any():
                received.update(data)
                size += len(data)
        assert (size, received.hexdigest()) == (SIZE, sent.hexdigest())
        assert growth(w.proxy, before) < GROWTH / MIB
        assert w.proxy.spooled() == 0


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_gibibyte_goes_up(room: Path, framing: str) -> None:
    sent = hashlib.sha256()

    async def body() -> AsyncIterator[bytes]:
        for piece in pieces():
            sent.update(piece)
            yield piece

    headers = {"Content-Length": str(SIZE)} if framing == "length" else {}
    async with world(room) as w:
        before = await warm(w)
        async with w.session.put("/nginx/upload/large", data=body(), headers=headers) as answer:
            assert answer.status == 201, await answer.text()
        assert digest_of(w.nginx.kept / "large") == sent.hexdigest()
        assert growth(w.proxy, before) < GROWTH / MIB
        assert w.proxy.spooled() == 0


async def test_a_slow_reader_holds_the_upstream_back(room: Path) -> None:
    async with world(room) as w:
        with (w.nginx.files / "large").open("wb") as file:
            file.truncate(SIZE)
        before = await warm(w)
        async with w.session.get("/nginx/files/large") as answer:
            assert await answer.content.readexactly(MIB) == b"\0" * MIB
            async with w.session.get("/nginx/api/x") as other:
                assert other.status == 200
            assert growth(w.proxy, before) < GROWTH / MIB
