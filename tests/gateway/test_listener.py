"""What aiohttp does for us holds, what it would do against us does not: over real sockets, byte by byte."""

import asyncio
import inspect
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import pytest
from aiohttp import http_parser, web, web_protocol
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import ERROR, RequestHandler, _ErrInfo
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.errors import HeaderTooLargeError, ProxyError, RequestInvalidError
from proxy.gateway.inbound import CallerGoneError, Inbound
from proxy.gateway.listener import HEAD_DEADLINE, LINGER, MAX_FIELD, MAX_FIELDS, MAX_LINE, Listener
from proxy.gateway.refuse import refusal
from tests.fakes.caller import Caller
from tests.fakes.clock import FakeClock
from tests.fakes.raw_client import NoAnswerError, RawClient
from tests.fakes.until import until

MARKER: Final = b"s3cr3t-marker"
GET: Final = b"GET /x HTTP/1.1\r\nHost: api.example\r\n\r\n"
KiB: Final = 1024
UPGRADED: Final = f"aiohttp {aiohttp.__version__} has changed what our listener hooks into; compare the hooks: "

Handle = Callable[[Inbound], Awaitable[bool]]


# The hooks: names of aiohttp's that an upgrade may take away


def test_aiohttp_is_a_version_whose_hooks_were_looked_at() -> None:
    assert aiohttp.__version__.startswith("3.14."), f"{UPGRADED}read the tests of this file, then allow the version"


def test_aiohttp_s_c_parser_is_here() -> None:
    assert http_parser.HttpRequestParser.__module__ == "aiohttp._http_parser", f"{UPGRADED}the C parser is missing"


async def test_a_laxer_parser_is_not_listened_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_parser, "HttpRequestParser", http_parser.HttpRequestParserPy)
    with pytest.raises(RuntimeError, match="C parser is missing"):
        Listener(answer_empty, refuse, FakeClock())


@pytest.mark.parametrize(
    "name",
    [
        "_buffer_paused",
        "_close",
        "_current_request",
        "_drain_waiter",
        "_force_close",
        "_handler_waiter",
        "_keepalive",
        "_keepalive_handle",
        "_keepalive_timeout",
        "_loop",
        "_manager",
        "_max_msg_queue_size",
        "_messages",
        "_msg_queue_resume_size",
        "_next_keepalive_close_time",
        "_parser",
        "_paused",
        "_request_in_progress",
        "_task_handler",
        "_waiter",
        "transport",
    ],
)
def test_a_connection_has_the_fields_that_we_read_and_write(name: str) -> None:
    slots = {*RequestHandler.__slots__, *BaseProtocol.__slots__}
    assert name in slots, f"{UPGRADED}a connection has no {name}"


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("connection_lost", ["exc"]),
        ("connection_made", ["transport"]),
        ("data_received", ["data"]),
        ("force_close", []),
        ("pause_writing", []),
        ("resume_reading", ["resume_parser"]),
        ("resume_writing", []),
        ("start", []),
        ("_drain_helper", []),
        ("_pause_reading_for_buffer", []),
        ("_process_keepalive", []),
        ("_resume_reading_if_drained", []),
    ],
)
def test_a_connection_has_the_methods_that_we_call_and_replace(method: str, parameters: list[str]) -> None:
    found = getattr(RequestHandler, method, None)
    assert found is not None, f"{UPGRADED}a connection has no {method}()"
    assert list(inspect.signature(found).parameters)[1:] == parameters, f"{UPGRADED}{method}() takes other arguments"


def test_nothing_but_cancel_is_asked_of_a_request() -> None:
    ours = {"start", "_handle_request", "_make_error_handler", "handle_error", "finish_response", "log_access"}
    asked = {
        name
        for method, function in inspect.getmembers(RequestHandler, inspect.isfunction)
        if method not in ours
        for name in re.findall(r"_current_request\.(\w+)", inspect.getsource(function))
    }
    assert asked == {"_cancel"}, f"{UPGRADED}a connection asks a request for {asked}"


def test_a_connection_is_started_by_its_making_and_cancelled_by_its_loss() -> None:
    assert "self.start()" in inspect.getsource(RequestHandler.connection_made), f"{UPGRADED}start() is not called"
    lost = inspect.getsource(RequestHandler.connection_lost)
    assert "handler_cancellation" in lost, f"{UPGRADED}a caller's leaving does not cancel its task"


async def test_a_server_has_the_fields_that_we_read() -> None:
    server = Listener(answer_empty, refuse, FakeClock())
    for name in ("_connections", "_kwargs", "_loop", "connections", "handler_cancellation"):
        assert hasattr(server, name), f"{UPGRADED}a server has no {name}"
    assert isinstance(server, web.Server)
    assert server.handler_cancellation


async def test_the_parser_has_the_methods_that_we_call() -> None:
    async with Caller() as caller:
        parser = caller.wire.protocol._parser  # type: ignore[union-attr]  # aiohttp's protocol, seen as any
        assert parser.message_consumed() is None, f"{UPGRADED}message_consumed() has changed"
        messages, upgraded, _ = parser.feed_data(b"GET /")
        assert (list(messages), upgraded) == ([], False), f"{UPGRADED}feed_data() returns something else"
        messages, upgraded, _ = parser.feed_data(b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (len(messages), upgraded) == (1, False), f"{UPGRADED}feed_data() returns something else"


def test_messages_have_the_fields_that_we_read() -> None:
    for name in ("method", "path", "version", "headers", "raw_headers", "should_close", "upgrade", "chunked"):
        assert hasattr(RawRequestMessage, name), f"{UPGRADED}a message has no {name}"
    error = _ErrInfo(status=400, exc=ValueError(), message="no")
    assert isinstance(error.exc, ValueError)
    assert ERROR.should_close, f"{UPGRADED}the message of an error would keep its connection"
    assert EMPTY_PAYLOAD.is_eof()
    assert {"is_eof", "readany", "read_nowait", "set_exception"} <= set(dir(StreamReader))


# Listening


def refuse(inbound: Inbound, error: ProxyError) -> None:
    """Answer what could not be read, as the pipeline does."""
    inbound.answered = True
    inbound.write(refusal(error, "", keep_alive=False))


async def answer_empty(inbound: Inbound) -> bool:
    """Answer without looking."""
    inbound.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    return inbound.keep_alive


async def echo(inbound: Inbound) -> bool:
    """Read the whole body, and send it back."""
    body = b""
    while piece := await inbound.read(10.0):
        body += piece
    inbound.write(b"HTTP/1.1 200 OK\r\nX-Path: %s\r\n" % inbound.message.path.encode())
    inbound.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    return inbound.keep_alive


class Room:
    """A listener on a loopback port."""

    def __init__(self, handle: Handle, **options: Any) -> None:
        self.clock = FakeClock()
        self.refused: list[ProxyError] = []
        self.listener = Listener(handle, self._refuse, self.clock, **options)
        self.port = 0

    @property
    def connections(self) -> int:
        """How many connections stand."""
        return len(self.listener.connections)

    def _refuse(self, inbound: Inbound, error: ProxyError) -> None:
        self.refused.append(error)
        refuse(inbound, error)


@asynccontextmanager
async def listening(handle: Handle = echo, **options: Any) -> AsyncIterator[Room]:
    """Listen while the block runs, and watch the heads."""
    loop = asyncio.get_running_loop()
    complaints: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    room = Room(handle, **options)
    watching = loop.create_task(room.listener.watch_heads())
    server = await loop.create_server(room.listener, "127.0.0.1", 0)
    room.port = server.sockets[0].getsockname()[1]
    try:
        yield room
    finally:
        server.close()
        watching.cancel()
        for connection in room.listener.connections:
            connection.force_close()
        await until(lambda: room.connections == 0)
        await server.wait_closed()
    assert complaints == []


async def test_requests_of_one_connection_are_answered_one_after_the_other() -> None:
    async with listening() as room, RawClient(room.port) as caller:
        for number in range(5):
            await caller.send(b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" % number)
            answer = await caller.answer()
            assert (answer.body, answer.header("X-Path")) == (b"abc", b"/%d" % number)
        assert room.connections == 1


@pytest.mark.parametrize("pieces", [None, 1, 7, 1000])
async def test_requests_that_come_at_once_are_answered_in_order_however_they_are_split(pieces: int | None) -> None:
    count = 60
    requests = [
        b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok" % number
        if number % 2
        else b"POST /%d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" % number
        for number in range(count)
    ]
    async with listening() as room, RawClient(room.port) as caller:
        await caller.send(b"".join(requests), pieces=pieces)
        answers = [await caller.answer() for _ in range(count)]
        assert [answer.header("X-Path") for answer in answers] == [b"/%d" % number for number in range(count)]
        assert {answer.body for answer in answers} == {b"ok"}


async def test_one_request_at_a_time_is_worked_on() -> None:
    running, most = 0, 0

    async def count(inbound: Inbound) -> bool:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return await answer_empty(inbound)

    async with listening(count) as room, RawClient(room.port) as caller:
        await caller.send(GET * 20)
        for _ in range(20):
            await caller.answer()
        assert most == 1


async def test_a_caller_that_sends_requests_without_end_is_held_back() -> None:
    stuck = asyncio.Event()

    async def wait(inbound: Inbound) -> bool:
        await stuck.wait()
        return await answer_empty(inbound)

    async with Caller(Listener(wait, refuse, FakeClock())) as caller:
        for _ in range(2000):
            if not caller.wire.reading:
                break
            caller.send(GET)
            await asyncio.sleep(0)
        assert not caller.wire.reading
        stuck.set()
        await until(lambda: caller.wire.reading)


async def test_a_caller_that_takes_no_answer_gets_no_further_one_until_it_does() -> None:
    handled: list[str] = []

    async def note(inbound: Inbound) -> bool:
        handled.append(inbound.message.path)
        return await answer_empty(inbound)

    async with Caller(Listener(note, refuse, FakeClock())) as caller:
        caller.stall()
        caller.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(3)))
        for _ in range(20):
            await asyncio.sleep(0)
        assert handled == ["/0"]
        caller.resume()
        await until(lambda: handled == ["/0", "/1", "/2"])
        assert caller.got.count(b"204") == 3


async def test_a_caller_that_reads_nothing_piles_up_no_answers_and_gets_them_all_in_order_once_it_reads() -> None:
    handled: list[int] = []
    size, count = 40 * KiB, 600

    async def large(inbound: Inbound) -> bool:
        number = int(inbound.message.path[1:])
        handled.append(number)
        body = b"%d " % number + b"x" * size
        inbound.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        return inbound.keep_alive

    async with listening(large) as room, RawClient(room.port) as caller:
        caller._transport.pause_reading()
        await until(lambda: room.connections == 1)
        (connection,) = room.listener.connections
        transport: Any = connection.transport
        sending = asyncio.get_running_loop().create_task(
            caller.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(count)))
        )
        await until(lambda: connection._paused)
        stopped_at = len(handled)
        for _ in range(100):
            await asyncio.sleep(0)
        assert connection._paused
        assert len(handled) == stopped_at < count
        assert transport.get_write_buffer_size() < 4 * size
        caller._transport.resume_reading()
        await sending
        answers = [await caller.answer() for _ in range(count)]
        assert [int(answer.body.split()[0]) for answer in answers] == handled == list(range(count))


async def test_a_body_that_nobody_reads_is_not_taken_without_end() -> None:
    async def wait(_: Inbound) -> bool:
        await asyncio.Event().wait()
        return False

    async with Caller(Listener(wait, refuse, FakeClock())) as caller:
        caller.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
        sent = 0
        while caller.wire.reading and sent < 100_000_000:
            caller.send(b"x" * 64 * KiB)
            sent += 64 * KiB
            await asyncio.sleep(0)
        assert sent < 1024 * KiB


async def test_a_body_arrives_as_it_was_sent_and_not_as_it_was_packed() -> None:
    packed = b"\x1f\x8b\x08\x00not really gzip"
    async with listening() as room, RawClient(room.port) as caller:
        await caller.send(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed
        )
        assert (await caller.answer()).body == packed


@pytest.mark.parametrize("size", [0, 1, 64 * KiB, 5 * KiB * KiB])
async def test_a_body_of_any_size_arrives_whole(size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    async with listening() as room, RawClient(room.port) as caller:
        await caller.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size + body)
        assert (await caller.answer()).body == body


# What cannot be read


MALFORMED: Final = {
    "not HTTP": b"\x16\x03\x01\x02\x00" + MARKER,
    "no request line": MARKER + b"\r\n\r\n",
    "an unknown method": MARKER.upper() + b" / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a small method": b"get /" + MARKER + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "another version": b"GET /" + MARKER + b" HTTP/9.9\r\nHost: x\r\n\r\n",
    "a control byte in the target": b"GET /\x01" + MARKER + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a byte beyond ASCII in the target": b"GET /\xe9" + MARKER + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a port that is none": b"GET http://x:99999/" + MARKER + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "no host": b"GET /" + MARKER + b" HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: " + MARKER + b"\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer " + MARKER + b"\r\n\r\n",
    "a folded line": b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer\r\n " + MARKER + b"\r\n\r\n",
    "a line without a colon": b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization Bearer " + MARKER + b"\r\n\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \x00" + MARKER + b"\r\n\r\n",
    "a bare CR in a value": b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \r" + MARKER + b"\r\n\r\n",
    "a name that is none": b"GET / HTTP/1.1\r\nHost: x\r\n(" + MARKER + b"): 1\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\nX: "
    + MARKER
    + b"\r\n\r\nab",
    "a length that is none": b"POST / HTTP/1.1\r\nHost: x\r\nX: " + MARKER + b"\r\nContent-Length: +1\r\n\r\na",
    "a length and a coding": b"POST / HTTP/1.1\r\nHost: x\r\nX: "
    + MARKER
    + b"\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a coding that is not chunked": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: " + MARKER + b"\r\n\r\n",
    "chunked twice": b"POST / HTTP/1.1\r\nHost: x\r\nX: "
    + MARKER
    + b"\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
async def test_what_cannot_be_read_is_refused_without_a_word_of_it(
    data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with listening(answer_empty) as room, RawClient(room.port) as caller:
        await caller.send(data)
        answer = await caller.answer()
        assert answer.status == 400
        assert answer.header("Connection") == b"close"
        assert await caller.rest() == b""
        assert MARKER.lower() not in caller.seen.lower()
        assert [type(error) for error in room.refused] == [RequestInvalidError]
    assert MARKER.decode() not in caplog.text.lower()
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("lines", "passes"),
    [
        ([b"GET /" + b"a" * (MAX_LINE - 100) + b" HTTP/1.1", b"Host: x"], True),
        ([b"GET /" + b"a" * (MAX_LINE + 100) + b" HTTP/1.1", b"Host: x"], False),
        ([b"GET / HTTP/1.1", b"Host: x", b"X-A: " + b"a" * (MAX_FIELD - 100)], True),
        ([b"GET / HTTP/1.1", b"Host: x", b"X-A: " + b"a" * (MAX_FIELD + 100)], False),
        ([b"GET / HTTP/1.1", b"Host: x", b"a" * (MAX_FIELD + 100) + b": 1"], False),
        ([b"GET / HTTP/1.1", b"Host: x", *(b"X-%d: 1" % number for number in range(MAX_FIELDS - 1))], True),
        ([b"GET / HTTP/1.1", b"Host: x", *(b"X-%d: 1" % number for number in range(MAX_FIELDS))], False),
    ],
    ids=["target", "long target", "value", "long value", "long name", "lines", "too many lines"],
)
@pytest.mark.parametrize("pieces", [None, 1000])
async def test_a_head_may_be_so_large_and_no_larger(lines: list[bytes], passes: bool, pieces: int | None) -> None:
    async with listening(answer_empty) as room, RawClient(room.port) as caller:
        await caller.send(b"\r\n".join((*lines, b"", b"")), pieces=pieces)
        assert (await caller.answer()).status == (204 if passes else 431)
        assert [type(error) for error in room.refused] == ([] if passes else [HeaderTooLargeError])


async def test_what_was_sound_before_the_rubbish_is_answered_first() -> None:
    go = asyncio.Event()

    async def slow(inbound: Inbound) -> bool:
        await go.wait()
        return await answer_empty(inbound)

    async with listening(slow) as room, RawClient(room.port) as caller:
        await caller.send(GET)
        await until(lambda: any(one._request_in_progress for one in room.listener.connections))
        await caller.send(b"rubbish\r\n\r\n" + GET)
        go.set()
        assert [(await caller.answer()).status for _ in range(2)] == [204, 400]
        assert await caller.rest() == b""


async def test_nothing_is_read_behind_what_could_not_be() -> None:
    seen: list[str] = []

    async def note(inbound: Inbound) -> bool:
        seen.append(inbound.message.path)
        return await answer_empty(inbound)

    async with listening(note) as room, RawClient(room.port) as caller:
        await caller.send(b"rubbish\r\n\r\n" + GET)
        assert (await caller.answer()).status == 400
        await caller.send(GET)
        assert await caller.rest() == b""
        assert seen == []


@pytest.mark.parametrize(
    ("begun", "rest"),
    [
        (b"5\r\nhello\r\n", b"zz\r\nrubbish\r\n"),
        (b"5\r\nhello\r\n", b"3\r\nabcdef\r\n"),
        (b"5\r\nhello\r\n", b"3 \r\nabc\r\n"),
        (b"5\r\nhello\r\n", b"-1\r\n"),
        (b"5\r\nhello\r\n", b"3\nabc\n"),
        (b"5\r\nhello", b"\r\nzz\r\n"),
        (b"5\r\nhello", b"zz\r\n"),
    ],
)
async def test_a_body_that_turns_to_rubbish_is_told_to_who_reads_it(begun: bytes, rest: bytes) -> None:
    read: list[bytes] = []
    raised: list[BaseException] = []

    async def read_all(inbound: Inbound) -> bool:
        try:
            while piece := await inbound.read(10.0):
                read.append(piece)
        except RequestInvalidError as error:
            raised.append(error)
            refuse(inbound, error)
        return False

    async with listening(read_all) as room, RawClient(room.port) as caller:
        await caller.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + begun)
        await until(lambda: read)
        await caller.send(rest + GET)
        assert (await caller.answer()).status == 400
        assert await caller.rest() == b""
        assert len(raised) == 1
        assert b"".join(read) in {b"hello", b"helloabc"}


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=6))
def test_no_bytes_whatever_bring_the_listener_down_or_come_back(pieces: list[bytes]) -> None:
    async def go() -> None:
        complaints: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        async with Caller(Listener(answer_empty, refuse, FakeClock())) as caller:
            for piece in pieces:
                if caller.wire.closing:
                    break
                caller.send(piece)
                await asyncio.sleep(0)
            assert caller.got[:9] in {b"", b"HTTP/1.1 "}
        assert complaints == []

    asyncio.run(go())


HEADS: Final = (
    b"POST /p?q=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nX-A: b\r\n\r\nabc",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"GET http://x/ HTTP/1.0\r\nConnection: keep-alive, upgrade\r\nUpgrade: h2c\r\n\r\n",
)


@given(st.sampled_from(HEADS), st.lists(st.tuples(st.integers(0, 120), st.binary(max_size=3)), max_size=3))
def test_sound_requests_with_any_bytes_put_in_do_not_bring_the_listener_down(
    data: bytes, changes: list[tuple[int, bytes]]
) -> None:
    for at, put in changes:
        data = data[:at] + put + data[at + 1 :]

    async def go() -> None:
        complaints: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        async with Caller(Listener(answer_empty, refuse, FakeClock())) as caller:
            caller.send(data)
            await asyncio.sleep(0)
            assert caller.got[:9] in {b"", b"HTTP/1.1 "}
        assert complaints == []

    asyncio.run(go())


# Deadlines


async def test_a_head_that_does_not_come_to_its_end_is_closed_at_the_deadline() -> None:
    async with listening() as room, RawClient(room.port) as caller:
        await caller.send(b"GET / HTTP/1.1\r\nHo")
        await until(lambda: room.connections == 1 and room.listener.connections[0].head_since)  # type: ignore[attr-defined]
        await room.clock.advance(seconds=HEAD_DEADLINE - 1.0)
        assert room.connections == 1
        await room.clock.advance(seconds=3.0)
        assert await caller.rest() == b""
        await until(lambda: room.connections == 0)


async def test_a_byte_now_and_then_does_not_move_the_deadline() -> None:
    async with Caller(listener := Listener(echo, refuse, clock := FakeClock())) as caller:
        watching = asyncio.get_running_loop().create_task(listener.watch_heads())
        for byte in b"GET / HTTP/1.1\r\nHost: x\r\nX-A: aaaaaaaaaaaaaaaaaaa":
            if caller.wire.closing:
                break
            caller.send(bytes([byte]))
            await clock.advance(seconds=1.0)
        assert caller.wire.closing
        assert clock.monotonic() - 1000.0 <= HEAD_DEADLINE + 3.0
        watching.cancel()


async def test_each_head_has_the_deadline_to_itself() -> None:
    async with Caller(listener := Listener(echo, refuse, clock := FakeClock())) as caller:
        watching = asyncio.get_running_loop().create_task(listener.watch_heads())
        for number in range(1, 4):
            caller.send(GET[:10])
            await clock.advance(seconds=HEAD_DEADLINE - 5.0)
            caller.send(GET[10:])
            await until(lambda: caller.got.count(b"HTTP/1.1 200") == number)  # noqa: B023 - awaited before it grows
        assert not caller.wire.closing
        watching.cancel()


async def test_neither_a_body_that_is_slow_nor_an_answer_that_is_has_to_do_with_the_deadline_of_heads() -> None:
    go = asyncio.Event()

    async def slow(inbound: Inbound) -> bool:
        while await inbound.read(10.0):
            pass
        await go.wait()
        return await answer_empty(inbound)

    async with Caller(listener := Listener(slow, refuse, clock := FakeClock())) as caller:
        watching = asyncio.get_running_loop().create_task(listener.watch_heads())
        caller.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na")
        await clock.advance(seconds=2 * HEAD_DEADLINE)
        caller.send(b"bc")
        await clock.advance(seconds=2 * HEAD_DEADLINE)
        go.set()
        await until(lambda: caller.got)
        assert not caller.wire.closing
        watching.cancel()


async def test_a_connection_that_nobody_uses_is_closed_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.gateway.listener.KEEPALIVE", 0.05)
    async with listening() as room, RawClient(room.port) as new, RawClient(room.port) as used:
        await used.send(GET)
        assert (await used.answer()).status == 200
        begun = time.monotonic()
        assert (await new.rest(), await used.rest()) == (b"", b"")
        assert time.monotonic() - begun < 5.0


async def test_a_connection_that_is_used_is_not_closed_however_long_that_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.gateway.listener.KEEPALIVE", 0.02)
    go = asyncio.Event()

    async def slow(inbound: Inbound) -> bool:
        await go.wait()
        return await answer_empty(inbound)

    async with listening(slow) as room, RawClient(room.port) as caller:
        await caller.send(GET)
        await asyncio.sleep(0.1)  # five times what an unused one gets
        go.set()
        assert (await caller.answer()).status == 204
        assert await caller.rest() == b""  # its time begins when it is not used any more


# Callers that wait, and callers that leave


async def test_a_caller_is_told_to_continue_only_when_its_body_is_read() -> None:
    go = asyncio.Event()

    async def later(inbound: Inbound) -> bool:
        inbound.expects_continue = True
        await go.wait()
        return await echo(inbound)

    async with listening(later) as room, RawClient(room.port) as caller:
        await caller.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        await until(lambda: room.connections == 1)
        for _ in range(100):
            await asyncio.sleep(0)
        assert caller.seen == b""
        go.set()
        await until(lambda: caller.seen)
        assert caller.seen == b"HTTP/1.1 100 Continue\r\n\r\n"
        await caller.send(b"abc")
        answer = await caller.answer()
        assert (answer.interim, answer.status, answer.body) == ((100,), 200, b"abc")


async def test_a_caller_that_is_refused_is_never_told_to_continue() -> None:
    async with listening(answer_empty) as room, RawClient(room.port) as caller:
        await caller.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        answer = await caller.answer()
        assert (answer.interim, answer.status) == ((), 204)
        assert await caller.rest() == b""


async def test_a_caller_that_leaves_cancels_what_was_done_for_it() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def wait(_: Inbound) -> bool:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return False

    async with listening(wait) as room, RawClient(room.port) as caller:
        await caller.send(GET)
        await until(begun.is_set)
        assert not ended.is_set()
        caller.abort()
        await until(ended.is_set)
        await until(lambda: room.connections == 0)


async def test_whoever_reads_the_body_of_a_caller_that_leaves_is_told_so() -> None:
    told: list[BaseException] = []

    async def read(inbound: Inbound) -> bool:
        try:
            while await inbound.read(10.0):
                pass
        except BaseException as error:
            told.append(error)
            raise
        return False

    async with listening(read) as room, RawClient(room.port) as caller:
        await caller.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\nabc")
        await until(lambda: room.connections == 1 and room.listener.connections[0]._current_request is not None)
        caller.abort()
        await until(lambda: told)
        assert isinstance(told[0], CallerGoneError | asyncio.CancelledError)


async def test_a_caller_that_closes_its_own_direction_ends_the_connection() -> None:
    async with listening() as room, RawClient(room.port) as caller:
        await caller.send(GET)
        assert (await caller.answer()).status == 200
        caller.finish()
        assert await caller.rest() == b""
        await until(lambda: room.connections == 0)


# The end of a connection


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: x, CLOSE\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
    ],
    ids=["close", "close in a list", "HTTP/1.0", "HTTP/1.0 that would go on"],
)
async def test_a_connection_ends_with_the_answer_and_what_follows_is_not_read(data: bytes) -> None:
    seen: list[str] = []

    async def note(inbound: Inbound) -> bool:
        seen.append(inbound.message.path)
        return await answer_empty(inbound)

    async with listening(note) as room, RawClient(room.port) as caller, RawClient(room.port) as hasty:
        await caller.send(data)
        assert (await caller.answer()).status == 204
        await caller.send(GET)
        assert await caller.rest() == b""
        assert seen == ["/"]
        await hasty.send(data + GET)  # in one read, the parser refuses both
        assert (await hasty.answer()).status in {204, 400}
        assert await hasty.rest() == b""
        assert set(seen) == {"/"}


@pytest.mark.parametrize("upgrade", [b"websocket", b"h2c"])
async def test_an_upgrade_is_declined_and_what_follows_is_not_read(upgrade: bytes) -> None:
    seen: list[str] = []

    async def note(inbound: Inbound) -> bool:
        seen.append(inbound.message.path)
        return await answer_empty(inbound)

    async with listening(note) as room, RawClient(room.port) as caller:
        await caller.send(
            b"GET /up HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: " + upgrade + b"\r\n\r\n" + GET
        )
        assert (await caller.answer()).status == 204
        assert await caller.rest() == b""
        assert seen == ["/up"]


async def test_an_answer_before_the_end_of_a_body_is_not_lost_in_a_reset() -> None:
    async def early(inbound: Inbound) -> bool:
        inbound.write(b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 4\r\n\r\nless")
        return False

    async with listening(early) as room, RawClient(room.port) as caller:
        await caller.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 4_000_000)
        answer = await caller.answer()
        assert (answer.status, answer.body) == (413, b"less")
        assert not caller.was_reset


async def test_a_caller_that_goes_on_sending_is_listened_to_for_a_while_and_then_closed() -> None:
    async with listening(answer_empty) as room, RawClient(room.port) as caller:
        await caller.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 1000)
        assert (await caller.answer()).status == 204
        assert room.connections == 1
        await room.clock.advance(seconds=LINGER + 0.1)
        await until(lambda: room.connections == 0)


async def test_an_answer_of_a_connection_that_is_not_to_go_on_is_its_last() -> None:
    async def last(inbound: Inbound) -> bool:
        await answer_empty(inbound)
        return False

    async with listening(last) as room, RawClient(room.port) as caller:
        await caller.send(GET + GET)
        assert (await caller.answer()).status == 204
        with pytest.raises(NoAnswerError):
            await caller.answer()


async def test_shutting_down_ends_unused_connections_at_once_and_the_others_with_their_answer() -> None:
    go = asyncio.Event()

    async def slow(inbound: Inbound) -> bool:
        if inbound.message.path == "/slow":
            await go.wait()
        return await answer_empty(inbound)

    async with listening(slow) as room, RawClient(room.port) as unused, RawClient(room.port) as busy:
        await unused.send(GET)
        assert (await unused.answer()).status == 204
        await busy.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: any(one._request_in_progress for one in room.listener.connections))
        room.listener.pre_shutdown()
        ending = asyncio.get_running_loop().create_task(room.listener.shutdown(10.0))
        assert await unused.rest() == b""
        assert not ending.done()
        go.set()
        assert (await busy.answer()).status == 204
        assert await busy.rest() == b""
        await room.clock.advance(seconds=LINGER)
        async with asyncio.timeout(10):
            await ending
        assert room.connections == 0


def test_the_module_s_names_are_aiohttp_s() -> None:
    assert web_protocol.RequestHandler is RequestHandler
