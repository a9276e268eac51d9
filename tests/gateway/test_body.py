"""The body of a request: whole when it is small or already here, a stream otherwise, remembered if asked."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from proxy.core.errors import InternalError, RequestInvalidError, RequestTooLargeError
from proxy.gateway.body import NO_BODY, NOTHING, Body, body_of
from proxy.gateway.inbound import CONTINUE, CallerGoneError
from proxy.gateway.receive import receive
from proxy.gateway.settings import RouteSettings
from proxy.net.exchange import Connection
from tests.fakes.caller import Caller
from tests.fakes.raw_server import RawServer
from tests.fakes.until import until

KiB = 1024
HEAD = "POST / HTTP/1.1\r\nHost: api.example\r\n{}\r\n"


def route(**more: Any) -> RouteSettings:
    """Return settings with a memory of 1 KiB and a disk of 3 KiB."""
    settings = {"upstream": "http://127.0.0.1:1", "callers": ["c"], "replay": {"memory": "1KiB", "disk": "3KiB"}}
    return RouteSettings.model_validate(settings | more)


def sized(length: int, begin: bytes = b"", *, more: str = "") -> bytes:
    return HEAD.format(f"Content-Length: {length}\r\n{more}").encode() + begin


def chunked(*pieces: bytes, end: bool = True) -> bytes:
    head = HEAD.format("Transfer-Encoding: chunked\r\n").encode()
    return head + b"".join(map(chunk, pieces)) + (b"0\r\n\r\n" if end else b"")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def arrived(caller: Caller, data: bytes, settings: RouteSettings | None = None, *, record: bool = True) -> Body:
    inbound = await caller.ask(data)
    receive(inbound)
    return body_of(inbound, settings or route(), record=record)


class Home:
    """Whom a connection belongs to."""

    def take_back(self, connection: Connection) -> None:
        """Receive it."""

    def forget(self, connection: Connection) -> None:
        """Hear that it is closed."""

    def now(self) -> float:
        return 1000.0


@asynccontextmanager
async def upstream() -> AsyncIterator[tuple[Connection, RawServer]]:
    """Open a connection to a server that only listens."""
    loop = asyncio.get_running_loop()
    async with RawServer(scripts=((),)) as server:
        connection = Connection(Home(), loop, 300.0)
        await loop.create_connection(lambda: connection, "127.0.0.1", server.port)
        connection.begin(head_only=False, timeout=60.0, informational=None)
        await until(lambda: bool(server.links))
        try:
            yield connection, server
        finally:
            connection.close()
            await until(lambda: all(link.ended.is_set() for link in server.links))


async def poured(body: Body, size: int) -> bytes:
    """Pour it into a connection, and return what arrived there, once it is that many bytes."""
    async with upstream() as (connection, server):
        await body.pour(connection)
        await until(lambda: len(server.received) >= size)
        return server.received


# What it is when the request arrives


async def test_a_request_without_a_body_has_none_and_says_so() -> None:
    async with Caller() as caller:
        body = await arrived(caller, HEAD.format("").encode())
        assert (body.length, body.whole, body.is_unfinished, body.can_be_sent_again) == (NO_BODY, b"", False, True)


async def test_an_announced_length_of_zero_is_a_body_of_zero_bytes() -> None:
    async with Caller() as caller:
        body = await arrived(caller, sized(0))
        assert (body.length, body.whole, body.can_be_sent_again) == (0, b"", True)


async def test_a_body_that_came_with_its_head_is_whole() -> None:
    async with Caller() as caller:
        body = await arrived(caller, sized(5, b"hello"))
        assert (body.length, body.whole, body.is_small, body.is_unfinished) == (5, b"hello", True, False)


async def test_a_chunked_body_that_came_with_its_head_is_whole_and_has_a_length() -> None:
    async with Caller() as caller:
        body = await arrived(caller, chunked(b"hel", b"lo"))
        assert (body.length, body.whole) == (5, b"hello")


async def test_a_body_that_came_with_its_head_is_whole_though_it_is_larger_than_the_memory() -> None:
    async with Caller() as caller:
        body = await arrived(caller, sized(2 * KiB, b"x" * 2 * KiB), record=False)
        assert body.whole == b"x" * 2 * KiB
        assert body.can_be_sent_again


async def test_a_small_body_that_is_still_coming_is_gathered_to_its_end() -> None:
    async with Caller() as caller:
        body = await arrived(caller, sized(8, b"abc"))
        assert (body.whole, body.is_small) == (None, True)
        gathering = asyncio.get_running_loop().create_task(body.gather())
        for piece in (b"de", b"f", b"gh"):
            await asyncio.sleep(0)
            caller.send(piece)
        await gathering
        assert body.whole == b"abcdefgh"
        assert body.can_be_sent_again


async def test_a_body_is_small_up_to_the_memory_and_never_when_its_length_is_unknown() -> None:
    for length, is_small in ((KiB, True), (KiB + 1, False)):
        async with Caller() as caller:
            assert (await arrived(caller, sized(length, b"x"))).is_small is is_small
    async with Caller() as caller:
        assert not (await arrived(caller, chunked(b"x", end=False))).is_small


@pytest.mark.parametrize(
    "data", [sized(11, b""), sized(11, b"x" * 11), chunked(b"x" * 11)], ids=["announced", "here", "here, chunked"]
)
async def test_more_than_the_route_takes_is_refused_before_anything_is_sent(data: bytes) -> None:
    async with Caller() as caller:
        with pytest.raises(RequestTooLargeError, match="at most 10 bytes"):
            await arrived(caller, data, route(limits={"body": "10B"}))
    async with Caller() as caller:
        assert (await arrived(caller, sized(10, b"x" * 10), route(limits={"body": "10B"}))).whole == b"x" * 10


# On its way


@pytest.mark.parametrize("size", [2 * KiB, 3 * KiB])
async def test_a_large_body_of_known_length_flows_as_it_comes(size: int) -> None:
    async with Caller() as caller, upstream() as (connection, server):
        body = await arrived(caller, sized(size, b"a"))
        assert (body.whole, body.is_small, body.length) == (None, False, size)
        pouring = asyncio.get_running_loop().create_task(body.pour(connection))
        await until(lambda: server.received == b"a")
        assert (body.sent, body.is_unfinished) == (False, True)
        caller.send(b"b" * (size - 1))
        await pouring
        await until(lambda: server.received == b"a" + b"b" * (size - 1))
        assert (body.sent, body.is_unfinished) == (True, False)
        assert body.can_be_sent_again
        body.close()


async def test_a_chunked_body_flows_in_chunks_of_its_own_and_ends_once() -> None:
    async with Caller() as caller, upstream() as (connection, server):
        body = await arrived(caller, chunked(b"hello", end=False))
        pouring = asyncio.get_running_loop().create_task(body.pour(connection))
        await until(lambda: server.received == chunk(b"hello"))
        caller.send(chunk(b"wor") + chunk(b"ld") + b"0\r\n\r\n")
        await pouring
        await until(lambda: server.received.endswith(b"0\r\n\r\n"))
        assert server.received in {
            chunk(b"hello") + chunk(b"world") + b"0\r\n\r\n",
            chunk(b"hello") + chunk(b"wor") + chunk(b"ld") + b"0\r\n\r\n",
        }


async def test_the_callers_chunk_extensions_and_trailers_end_here() -> None:
    async with Caller() as caller:
        data = HEAD.format("Transfer-Encoding: chunked\r\n").encode() + b"5;secret=1\r\nhello\r\n"
        body = await arrived(caller, data)
        caller.send(b"0\r\nX-Admin: yes\r\n\r\n")
        assert await poured(body, 15) == chunk(b"hello") + b"0\r\n\r\n"


@pytest.mark.parametrize("size", [2 * KiB, 4 * KiB])
async def test_a_body_that_was_poured_can_be_poured_again_with_the_same_bytes(size: int) -> None:
    data = bytes(range(256)) * (size // 256)
    async with Caller() as caller:
        body = await arrived(caller, sized(size, data[:-1]))
        caller.send(data[-1:])
        assert await poured(body, size) == data
        assert body.can_be_sent_again
        assert await poured(body, size) == data
        body.close()


async def test_a_body_that_was_poured_in_part_goes_on_behind_what_is_remembered() -> None:
    data = bytes(range(256)) * 12
    async with Caller() as caller:
        body = await arrived(caller, sized(len(data), data[:2000]))
        async with upstream() as (connection, server):
            pouring = asyncio.get_running_loop().create_task(body.pour(connection))
            await until(lambda: server.received == data[:2000])
            pouring.cancel()
            with pytest.raises(asyncio.CancelledError):
                await pouring
        assert (body.can_be_sent_again, body.is_unfinished) == (True, True)
        caller.send(data[2000:])
        assert await poured(body, len(data)) == data
        assert body.sent
        body.close()


async def test_past_every_budget_it_flows_on_and_cannot_be_sent_again() -> None:
    async with Caller() as caller:
        body = await arrived(caller, sized(5 * KiB, b"x" * KiB))
        caller.send(b"y" * 4 * KiB)
        assert await poured(body, 5 * KiB) == b"x" * KiB + b"y" * 4 * KiB
        assert not body.can_be_sent_again
        async with upstream() as (connection, server):
            with pytest.raises(InternalError):
                await body.pour(connection)
            assert server.received == b""


async def test_a_body_that_nobody_would_replay_is_not_remembered() -> None:
    async with Caller() as caller:
        body = await arrived(caller, sized(2 * KiB, b"x" * KiB), record=False)
        caller.send(b"x" * KiB)
        assert len(await poured(body, 2 * KiB)) == 2 * KiB
        assert not body.can_be_sent_again


async def test_a_stream_without_an_announced_length_is_held_to_the_limit_as_it_comes() -> None:
    async with Caller() as caller, upstream() as (connection, server):
        body = await arrived(caller, chunked(b"x" * 10, end=False), route(limits={"body": "10B"}))
        pouring = asyncio.get_running_loop().create_task(body.pour(connection))
        await until(lambda: server.received == chunk(b"x" * 10))
        caller.send(chunk(b"y"))
        with pytest.raises(RequestTooLargeError):
            await pouring
        assert b"y" not in server.received


async def test_an_upstream_that_takes_nothing_holds_the_caller_back() -> None:
    size = 8 * KiB * KiB
    async with Caller() as caller, upstream() as (connection, _):
        body = await arrived(caller, sized(size, b"x"), record=False)
        connection.pause_writing()
        pouring = asyncio.get_running_loop().create_task(body.pour(connection))
        sent = 1
        async with asyncio.timeout(10):
            while caller.wire.reading:
                caller.send(b"x" * 64 * KiB)
                sent += 64 * KiB
                await asyncio.sleep(0)
        assert sent < 1024 * KiB
        pouring.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pouring


# Callers that stop or leave


async def test_a_caller_that_expects_it_is_told_to_continue_once_and_only_when_its_body_is_read() -> None:
    async with Caller() as caller:
        body = await arrived(caller, sized(8, more="Expect: 100-continue\r\n"))
        await asyncio.sleep(0)
        assert caller.got == b""
        gathering = asyncio.get_running_loop().create_task(body.gather())
        await until(lambda: bool(caller.got))
        caller.send(b"abcd")
        await asyncio.sleep(0)
        caller.send(b"efgh")
        await gathering
        assert (caller.got, body.whole) == (CONTINUE, b"abcdefgh")


@pytest.mark.parametrize("length", [8, 2 * KiB])
async def test_a_caller_that_leaves_in_the_middle_is_gone(length: int) -> None:
    async with Caller() as caller, upstream() as (connection, _):
        body = await arrived(caller, sized(length, b"abc"))
        reading = asyncio.get_running_loop().create_task(body.gather() if body.is_small else body.pour(connection))
        await asyncio.sleep(0)
        caller.leave()
        with pytest.raises(CallerGoneError):
            await reading
        assert not body.sent


async def test_a_small_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.gateway.body.PATIENCE", 0.01)
    async with Caller() as caller:
        body = await arrived(caller, sized(8, b"abc"))
        with pytest.raises(RequestInvalidError, match="did not arrive in time"):
            await body.gather()


async def test_a_stream_that_does_not_come_is_given_up_after_the_idle_timeout() -> None:
    async with Caller() as caller, upstream() as (connection, _):
        body = await arrived(caller, sized(2 * KiB, b"abc"), route(timeouts={"idle": "10ms"}))
        with pytest.raises(RequestInvalidError, match="did not arrive in time"):
            await body.pour(connection)
        assert not body.sent


async def test_chunks_that_are_none_end_the_body_and_nothing_of_them_is_passed_on() -> None:
    async with Caller() as caller, upstream() as (connection, server):
        body = await arrived(caller, chunked(b"hello", end=False))
        pouring = asyncio.get_running_loop().create_task(body.pour(connection))
        await until(lambda: server.received == chunk(b"hello"))
        caller.send(b"zz\r\nrubbish\r\n")
        with pytest.raises(RequestInvalidError):
            await pouring
        assert server.received == chunk(b"hello")


# What a signature or a field needs


async def test_a_body_is_hashed_where_it_lies() -> None:
    async with Caller() as caller:
        body = await arrived(caller, sized(5, b"hello"))
        assert await body.digest("sha256") == hashlib.sha256(b"hello").digest()
        assert NOTHING.whole == b""
        assert await NOTHING.digest("md5") == hashlib.md5(b"").digest()


async def test_a_stream_is_remembered_and_hashed_and_poured_with_its_length() -> None:
    async with Caller() as caller:
        pieces = (b"x" * KiB, b"y" * 2 * KiB)
        body = await arrived(caller, chunked(*pieces, end=False), record=False)
        hashing = asyncio.ensure_future(body.digest("sha256"))
        await asyncio.sleep(0)
        caller.send(b"0\r\n\r\n")
        whole = b"".join(pieces)
        assert await hashing == hashlib.sha256(whole).digest()
        assert await body.digest("md5") == hashlib.md5(whole).digest()
        assert (body.length, body.whole, body.is_unfinished, body.can_be_sent_again) == (len(whole), None, False, True)
        assert await poured(body, len(whole)) == whole
        body.close()


async def test_a_body_is_gathered_on_demand_up_to_the_memory() -> None:
    async with Caller() as caller:
        body = await arrived(caller, chunked(b"hello", end=False))
        gathering = asyncio.ensure_future(body.gathered())
        await asyncio.sleep(0)
        caller.send(chunk(b" again") + b"0\r\n\r\n")
        assert await gathering == b"hello again"
        assert (body.length, body.whole, await body.gathered()) == (11, b"hello again", b"hello again")


@pytest.mark.parametrize("record", [True, False])
async def test_a_body_that_was_hashed_is_gathered_from_what_is_remembered(record: bool) -> None:
    async with Caller() as caller:
        body = await arrived(caller, chunked(b"hello", b" again", end=False), record=record)
        hashing = asyncio.ensure_future(body.digest("sha256"))
        await asyncio.sleep(0)
        caller.send(b"0\r\n\r\n")
        await hashing
        assert await body.gathered() == b"hello again"
        assert (body.length, body.whole) == (11, b"hello again")
        body.close()
    async with Caller() as caller:
        body = await arrived(caller, chunked(b"x" * 2 * KiB, end=False), record=record)
        hashing = asyncio.ensure_future(body.digest("sha256"))
        await asyncio.sleep(0)
        caller.send(b"0\r\n\r\n")
        await hashing
        with pytest.raises(RequestTooLargeError, match=r"replay\.memory keep at most 1024 bytes"):
            await body.gathered()
        body.close()


@pytest.mark.parametrize("length", [5 * KiB, None])
async def test_what_is_larger_than_may_be_kept_is_refused(length: int | None) -> None:
    async with Caller() as caller:
        data = sized(length, b"x") if length else chunked(b"x" * 5 * KiB, end=False)
        body = await arrived(caller, data)
        with pytest.raises(RequestTooLargeError, match=r"replay\.memory keep at most 1024 bytes"):
            await body.gathered()
        body.close()
    async with Caller() as caller:
        body = await arrived(caller, data)
        with pytest.raises(RequestTooLargeError, match=r"replay\.memory and replay\.disk keep at most 4096 bytes"):
            await body.digest("sha256")
        body.close()
