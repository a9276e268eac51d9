"""One request of a caller and the way back to it: what can be read, what can still be said, and how it is cut off."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import pytest

from proxy.core.errors import ProxyError
from proxy.gateway.inbound import CONTINUE, CallerGoneError, Inbound
from proxy.gateway.listener import Listener
from tests.fakes.caller import Caller
from tests.fakes.clock import FakeClock
from tests.fakes.raw_client import RawClient
from tests.fakes.until import until

POST: Final = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNKED: Final = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def never(_: Inbound, error: ProxyError) -> None:
    raise AssertionError(error)


@asynccontextmanager
async def serving(handle: Callable[[Inbound], Awaitable[bool]]) -> AsyncIterator[int]:
    """Serve on a loopback port."""
    listener = Listener(handle, never, FakeClock())
    server = await asyncio.get_running_loop().create_server(listener, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in listener.connections:
            connection.force_close()
        await until(lambda: not listener.connections)
        await server.wait_closed()


# What is known at once


@pytest.mark.parametrize(
    ("data", "has_body", "is_here"),
    [
        (POST + b"\r\n", False, True),
        (POST + b"Content-Length: 0\r\n\r\n", False, True),
        (POST + b"Content-Length: 3\r\n\r\n", True, False),
        (POST + b"Content-Length: 3\r\n\r\nab", True, False),
        (POST + b"Content-Length: 3\r\n\r\nabc", True, True),
        (CHUNKED, True, False),
        (CHUNKED + b"3\r\nabc\r\n", True, False),
        (CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", True, True),
    ],
)
async def test_it_is_known_whether_there_is_a_body_and_whether_it_is_here(
    data: bytes, has_body: bool, is_here: bool
) -> None:
    async with Caller() as caller:
        inbound = await caller.ask(data)
        assert (inbound.has_body, inbound.body_is_here) == (has_body, is_here)


@pytest.mark.parametrize(
    ("data", "goes_on"),
    [
        (POST + b"\r\n", True),
        (POST + b"Connection: keep-alive\r\n\r\n", True),
        (POST + b"Connection: close\r\n\r\n", False),
        (POST + b"Connection: x, Close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", False),
    ],
)
async def test_it_is_known_whether_the_connection_goes_on(data: bytes, goes_on: bool) -> None:
    async with Caller() as caller:
        assert (await caller.ask(data)).keep_alive is goes_on


@pytest.mark.parametrize(
    ("peer", "address"), [(("192.0.2.7", 1234), "192.0.2.7"), (("2001:db8::1", 1234, 0, 0), "2001:db8::1"), ("", "")]
)
async def test_the_peer_is_an_address_or_nothing(peer: object, address: str) -> None:
    async with Caller(peer=peer) as caller:  # type: ignore[arg-type]  # every shape that a socket gives it
        assert (await caller.ask(POST + b"\r\n")).peer == address


# Reading


async def test_what_is_here_is_read_without_waiting() -> None:
    async with Caller() as caller:
        inbound = await caller.ask(POST + b"Content-Length: 3\r\n\r\nabc")
        assert (inbound.read_now(), inbound.read_now()) == (b"abc", b"")


async def test_a_body_is_read_as_it_comes_and_ends_empty() -> None:
    async with Caller() as caller:
        inbound = await caller.ask(CHUNKED + b"3\r\nabc\r\n")
        assert await inbound.read(10.0) == b"abc"
        reading = asyncio.get_running_loop().create_task(inbound.read(10.0))
        await asyncio.sleep(0)
        assert not reading.done()
        caller.send(b"2\r\nde\r\n")
        assert await reading == b"de"
        caller.send(b"1\r\nf\r\n0\r\n\r\n")
        assert [await inbound.read(10.0) for _ in range(3)] == [b"f", b"", b""]


async def test_a_body_that_does_not_come_is_waited_for_so_long_and_no_longer() -> None:
    async with Caller() as caller:
        inbound = await caller.ask(POST + b"Content-Length: 3\r\n\r\nab")
        assert await inbound.read(10.0) == b"ab"
        with pytest.raises(TimeoutError):
            await inbound.read(0.01)


async def test_each_part_that_comes_buys_the_caller_time_for_the_next() -> None:
    async with Caller() as caller:
        inbound = await caller.ask(POST + b"Content-Length: 9\r\n\r\n")
        for _ in range(9):
            reading = asyncio.get_running_loop().create_task(inbound.read(0.2))
            await asyncio.sleep(0.03)  # nine of these are longer than the patience
            caller.send(b"a")
            assert await reading == b"a"


async def test_a_caller_that_leaves_is_gone_for_who_reads_and_for_who_reads_later() -> None:
    async with Caller() as caller:
        inbound = await caller.ask(POST + b"Content-Length: 3\r\n\r\nab")
        await inbound.read(10.0)
        reading = asyncio.get_running_loop().create_task(inbound.read(10.0))
        await asyncio.sleep(0)
        caller.leave()
        with pytest.raises(CallerGoneError):
            await reading
        with pytest.raises(CallerGoneError):
            await inbound.read(10.0)


async def test_a_body_that_was_here_outlives_its_caller() -> None:
    async with Caller() as caller:
        inbound = await caller.ask(POST + b"Content-Length: 3\r\n\r\nabc")
        caller.leave()
        await asyncio.sleep(0)
        assert inbound.read_now() == b"abc"


# Expecting to be told to continue


async def test_a_caller_that_waits_is_told_once_by_the_first_read() -> None:
    async with Caller() as caller:
        inbound = await caller.ask(POST + b"Content-Length: 6\r\n\r\n")
        inbound.expects_continue = True
        reading = asyncio.get_running_loop().create_task(inbound.read(10.0))
        await asyncio.sleep(0)
        assert caller.got == CONTINUE
        caller.send(b"abc")
        assert await reading == b"abc"
        caller.send(b"def")
        assert await inbound.read(10.0) == b"def"
        assert caller.got == CONTINUE


async def test_a_caller_that_has_its_answer_is_not_told_to_continue() -> None:
    async with Caller() as caller:
        inbound = await caller.ask(POST + b"Content-Length: 3\r\n\r\n")
        inbound.expects_continue = True
        inbound.answered = True
        caller.send(b"abc")
        assert await inbound.read(10.0) == b"abc"
        assert caller.got == b""


async def test_an_old_caller_gets_no_interim_answers() -> None:
    async with Caller() as caller:
        inbound = await caller.ask(b"POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\n")
        inbound.interim(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        assert caller.got == b""


# Writing


async def test_what_is_written_arrives_in_order() -> None:
    async with Caller() as caller:
        inbound = await caller.ask(POST + b"\r\n")
        inbound.interim(b"a")
        inbound.write(b"b")
        inbound.write(b"c")
        assert caller.got == b"abc"


async def test_writing_to_a_caller_that_left_says_so() -> None:
    async with Caller() as caller:
        inbound = await caller.ask(POST + b"\r\n")
        caller.leave()
        with pytest.raises(CallerGoneError):
            inbound.write(b"a")
        await asyncio.sleep(0)
        with pytest.raises(CallerGoneError):
            inbound.write(b"a")


async def test_a_caller_that_takes_nothing_is_waited_for() -> None:
    async with Caller() as caller:
        inbound = await caller.ask(POST + b"\r\n")
        await inbound.drained(10.0)
        caller.stall()
        waiting = asyncio.get_running_loop().create_task(inbound.drained(10.0))
        await asyncio.sleep(0)
        assert not waiting.done()
        caller.resume()
        await waiting


async def test_a_caller_that_takes_nothing_for_too_long_is_cut_off() -> None:
    async with Caller() as caller:
        inbound = await caller.ask(POST + b"\r\n")
        caller.stall()
        with pytest.raises(CallerGoneError):
            await inbound.drained(0.01)
        assert caller.wire.aborted


@pytest.mark.parametrize("leaves_before", [True, False])
async def test_a_caller_that_leaves_with_its_answer_half_taken_ends_the_waiting(leaves_before: bool) -> None:
    async with Caller() as caller:
        inbound = await caller.ask(POST + b"\r\n")
        caller.stall()
        if leaves_before:
            caller.leave()
        waiting = asyncio.get_running_loop().create_task(inbound.drained(10.0))
        await asyncio.sleep(0)
        caller.leave()
        async with asyncio.timeout(5):
            await asyncio.wait({waiting})
        assert isinstance(waiting.exception(), ConnectionError | None)
        with pytest.raises(CallerGoneError):
            inbound.write(b"a")


# Cutting off


@pytest.mark.parametrize("framing", [b"Content-Length: 10\r\n", b"Transfer-Encoding: chunked\r\n", b""])
async def test_half_an_answer_ends_in_a_reset_and_not_in_good_order(framing: bytes) -> None:
    cut = asyncio.Event()

    async def half(inbound: Inbound) -> bool:
        inbound.write(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\nhalf")
        await cut.wait()
        inbound.abort()
        return inbound.keep_alive

    async with serving(half) as port, RawClient(port) as caller:
        await caller.send(POST + b"\r\n")
        await until(lambda: caller.seen.endswith(b"half"))
        cut.set()
        await caller.rest()
        assert caller.was_reset


async def test_a_connection_that_was_cut_does_not_go_on() -> None:
    async with Caller() as caller:
        inbound = await caller.ask(POST + b"\r\n")
        before = inbound.keep_alive
        inbound.abort()
        inbound.abort()
        assert (before, inbound.keep_alive) == (True, False)
        assert caller.wire.aborted
        with pytest.raises(CallerGoneError):
            inbound.write(b"a")


async def test_cutting_off_a_caller_that_left_is_nothing_special() -> None:
    async with Caller() as caller:
        inbound = await caller.ask(POST + b"\r\n")
        caller.leave()
        await asyncio.sleep(0)
        inbound.abort()
        assert not inbound.keep_alive
