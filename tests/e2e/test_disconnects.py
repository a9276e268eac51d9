"""A caller that leaves harms nobody else, and nothing of it stays: no connection, no spool, no failure counted."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from tests.fakes import nginx, raw_server
from tests.fakes.proc import HAS_PROC
from tests.fakes.process import POLL, Swift
from tests.fakes.raw_client import RawClient
from tests.fakes.raw_server import RawServer, head, send
from tests.fakes.world import World, eventually, world

LEAVERS: Final = 50
MIB: Final = 1024 * 1024
BRIEF: Final = ", timeouts: {keepalive: 300ms}"
"""Pooled connections go soon, so that what is left is a leak."""

pytestmark = [
    pytest.mark.skipif(nginx.BINARY is None, reason=nginx.MISSING),
    pytest.mark.skipif(not HAS_PROC, reason="connections are counted in Linux's /proc"),
]


async def get(session: aiohttp.ClientSession, path: str) -> int:
    async with session.get(path) as answer:
        await answer.read()
        return answer.status


async def quiet(w: World) -> None:
    """Wait until nothing is under way and no connection is left; nothing may have been counted as a failure."""
    await eventually(lambda: w.proxy.connections_to(w.nginx.port) == 0)
    await eventually(lambda: w.proxy.spooled() == 0)
    metrics = await w.proxy.metrics()
    assert metrics.of("countersign_requests_in_flight", route="nginx") == 0
    assert metrics.of("countersign_breaker_state", route="nginx") == 0
    assert metrics.of("countersign_token_breaker_state", credential="session") == 0


async def test_callers_who_leave_during_the_first_token_request_spoil_it_for_nobody(tmp_path: Path) -> None:
    async with world(tmp_path, kind=Swift, extra=BRIEF) as w:
        w.issuer.hold()
        leavers = [asyncio.create_task(get(w.session, "/nginx/api/x")) for _ in range(LEAVERS)]
        await eventually(lambda: w.issuer.count == 1)
        stayers = [asyncio.create_task(get(w.session, "/nginx/api/x")) for _ in range(LEAVERS)]
        await in_flight(w, 2 * LEAVERS)
        for task in leavers:
            task.cancel()
        await in_flight(w, LEAVERS)
        w.issuer.release()
        assert set(await asyncio.gather(*stayers)) == {200}
        assert w.issuer.count == 1
        await quiet(w)


async def test_callers_who_leave_during_a_renewal_spoil_it_for_nobody(tmp_path: Path) -> None:
    async with world(tmp_path, kind=Swift, extra=BRIEF) as w:
        assert await get(w.session, "/nginx/api/x") == 200
        w.issuer.revoke_all()
        w.issuer.hold()
        leavers = [asyncio.create_task(get(w.session, "/nginx/api/x")) for _ in range(LEAVERS)]
        stayers = [asyncio.create_task(get(w.session, "/nginx/api/x")) for _ in range(LEAVERS)]
        await eventually(lambda: w.issuer.count == 2)
        for task in leavers:
            task.cancel()
        await in_flight(w, LEAVERS)
        w.issuer.release()
        assert set(await asyncio.gather(*stayers)) == {200}
        assert w.issuer.count == 2
        await quiet(w)


async def test_a_renewal_goes_on_when_everybody_who_waited_for_it_has_left(tmp_path: Path) -> None:
    async with world(tmp_path, kind=Swift, extra=BRIEF) as w:
        w.issuer.hold()
        leaver = asyncio.create_task(get(w.session, "/nginx/api/x"))
        await eventually(lambda: w.issuer.count == 1)
        leaver.cancel()
        await in_flight(w, 0)
        w.issuer.release()
        assert await get(w.session, "/nginx/api/x") == 200
        assert w.issuer.count == 1
        await quiet(w)


async def test_callers_who_leave_during_an_upload_leave_nothing_behind(tmp_path: Path) -> None:
    async with world(tmp_path, kind=Swift, extra=BRIEF) as w:
        assert await get(w.session, "/nginx/api/x") == 200
        sockets = w.proxy.open_sockets()
        begun = [asyncio.Event() for _ in range(LEAVERS)]

        async def endless(event: asyncio.Event) -> AsyncIterator[bytes]:
            yield b"x" * MIB
            event.set()
            await asyncio.Event().wait()

        async def put(number: int, event: asyncio.Event) -> None:
            async with w.session.put(f"/nginx/upload/{number}", data=endless(event)):
                pass

        leavers = [asyncio.create_task(put(number, event)) for number, event in enumerate(begun)]
        await asyncio.gather(*(event.wait() for event in begun))
        for task in leavers:
            task.cancel()
        assert await get(w.session, "/nginx/api/x") == 200
        await quiet(w)
        await eventually(lambda: w.proxy.open_sockets() <= sockets + 1)
    assert list(w.nginx.kept.iterdir()) == []


async def test_callers_who_leave_during_a_download_leave_nothing_behind(tmp_path: Path) -> None:
    async with world(tmp_path, kind=Swift, extra=BRIEF) as w:
        assert await get(w.session, "/nginx/api/x") == 200
        sockets = w.proxy.open_sockets()
        with (w.nginx.files / "large").open("wb") as file:
            file.truncate(64 * MIB)
        for _ in range(LEAVERS):
            answer = await w.session.get("/nginx/files/large")
            assert answer.status == 200
            await answer.content.readexactly(MIB)
            answer.close()
        assert await get(w.session, "/nginx/api/x") == 200
        await quiet(w)
        await eventually(lambda: w.proxy.open_sockets() <= sockets + 1)


async def in_flight(w: World, count: int) -> None:
    """Wait until that many requests are under way."""
    async with asyncio.timeout(10):
        while True:
            if (await w.proxy.metrics()).of("countersign_requests_in_flight", route="nginx") == count:
                return
            await asyncio.sleep(POLL)


async def test_a_caller_who_leaves_takes_the_upstream_connection_along() -> None:
    silent = [head(), send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")]
    async with RawServer([silent, (raw_server.answer_each,)]) as server:
        config = f"""
callers: {{anyone: {{kind: anonymous}}}}
credentials: {{key: {{kind: text, value: a-key-of-the-api}}}}
routes: {{api: {{upstream: '{server.url}', callers: [anyone], credential: key}}}}
"""
        async with Swift(config) as proxy:
            async with RawClient(proxy.port) as caller:
                await caller.send(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
                await eventually(lambda: b"abc" in caller.seen)
            await asyncio.wait_for(server.links[0].ended.wait(), 5)
            async with RawClient(proxy.port) as caller:
                await caller.send(b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
                assert (await caller.answer()).body == b"ok"
        assert [one.target for one in server.requests] == [b"/a", b"/b"]
