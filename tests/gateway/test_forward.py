"""One request on its way to the API: what it goes out on, when it is sent again by itself, how long it may take."""

import asyncio

import pytest

from proxy.gateway.body import body_of
from proxy.gateway.forward import IDEMPOTENT, Exchange, Outbound
from tests.fakes.caller import Caller
from tests.fakes.gateway_room import GatewayRoom, gateway
from tests.fakes.raw_client import NoAnswerError, RawClient
from tests.fakes.raw_server import OK, Step, answer_each, close, head, request, reset, send, when
from tests.fakes.until import until

KiB = 1024
LARGE = b"0123456789abcdef" * 16 * KiB + b"x"
"""A byte more than a route remembers in memory, so that it streams."""


def asking(method: str = "GET", body: bytes = b"", *, more: str = "") -> bytes:
    framing = f"Content-Length: {len(body)}\r\n" if body or method not in {"GET", "HEAD"} else ""
    return f"{method} /x HTTP/1.1\r\nHost: api.example\r\n{framing}{more}\r\n".encode() + body


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


CHUNKED = b"POST /x HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


async def settled(room: GatewayRoom) -> None:
    """Wait until nothing of a request is left."""
    await until(lambda: room.plan.metrics.in_flight == 0)


# Which connection


async def test_requests_one_after_the_other_share_a_connection() -> None:
    async with gateway() as (room, api), RawClient(room.port) as caller:
        for method, body in (("GET", b""), ("POST", b"hello"), ("PUT", b"x" * KiB), ("HEAD", b"")):
            await caller.send(asking(method, body))
            assert (await caller.answer(method)).status == 200
        assert len(api.links) == 1
        assert [one.method for one in api.requests] == ["GET", "POST", "PUT", "HEAD"]
        assert [one.body for one in api.requests] == [b"", b"hello", b"x" * KiB, b""]


async def test_requests_at_the_same_time_do_not() -> None:
    go = asyncio.Event()
    async with gateway((request(), when(go), send(OK))) as (room, api):
        async with RawClient(room.port) as first, RawClient(room.port) as second:
            await first.send(asking())
            await second.send(asking())
            await until(lambda: len(api.requests) == 2)
            assert len(api.links) == 2
            go.set()
            assert [(await caller.answer()).status for caller in (first, second)] == [200, 200]
        assert room.plan.upstream.connections == 2


@pytest.mark.parametrize("data", [asking("PUT", LARGE), CHUNKED + chunked(b"begun")], ids=["long", "chunked"])
async def test_a_stream_goes_out_on_a_connection_of_its_own_which_then_serves_others(data: bytes) -> None:
    async with gateway() as (room, api), RawClient(room.port) as caller:
        await caller.send(asking())
        await caller.answer()
        await caller.send(data[:-1])
        await until(lambda: len(api.links) == 2)
        await caller.send(data[-1:] + (END if data.startswith(CHUNKED) else b""))
        assert (await caller.answer()).status == 200
        await settled(room)
        assert room.plan.upstream.connections == 2
        await caller.send(asking())
        await caller.answer()
        assert [len(link.requests) for link in api.links] == [1, 2]


async def test_an_answer_to_head_ends_where_the_head_ends() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    async with gateway((request(), send(answer), request(2), send(OK))) as (room, api):
        async with RawClient(room.port) as caller:
            await caller.send(asking("HEAD"))
            assert (await caller.answer("HEAD")).header("Content-Length") == b"5"
            await caller.send(asking())
            assert (await caller.answer()).body == b"ok"
        assert len(api.links) == 1


# Sent again by itself, or not

TIRED = (request(), send(OK), request(2))
"""A connection that served once and ends when it is used again."""


@pytest.mark.parametrize("end", [close, reset], ids=["closed", "reset"])
@pytest.mark.parametrize("method", sorted(IDEMPOTENT))
async def test_a_used_connection_that_ends_without_a_byte_costs_an_idempotent_request_nothing(
    method: str, end: Step
) -> None:
    body = b"the same bytes" if method in {"PUT", "DELETE"} else b""
    async with gateway((*TIRED, end), (answer_each,)) as (room, api), RawClient(room.port) as caller:
        await caller.send(asking())
        await caller.answer()
        await caller.send(asking(method, body))
        assert (await caller.answer(method)).status == 200
        first, second = api.links[0].requests[1], api.links[1].requests[0]
        assert first == second
        assert (second.method, second.body) == (method, body)
        assert room.answers == {(200, "upstream"): 2}


@pytest.mark.parametrize("method", ["POST", "PATCH", "PROPFIND"])
async def test_any_other_request_is_not_sent_twice(method: str) -> None:
    async with gateway((*TIRED, close), (answer_each,)) as (room, api), RawClient(room.port) as caller:
        await caller.send(asking())
        await caller.answer()
        await caller.send(asking(method, b"pay 100"))
        answer = await caller.answer()
        assert (answer.status, b"upstream-unreachable" in answer.body) == (502, True)
        assert (len(api.links), len(api.requests)) == (1, 2)
        await caller.send(asking())
        assert (await caller.answer()).status == 200


async def test_nothing_is_sent_twice_once_a_byte_of_an_answer_was_there() -> None:
    async with gateway((*TIRED, send(b"H"), close), (answer_each,)) as (room, api), RawClient(room.port) as caller:
        await caller.send(asking())
        await caller.answer()
        await caller.send(asking())
        assert (await caller.answer()).status == 502
        assert len(api.links) == 1


async def test_nothing_is_sent_a_third_time() -> None:
    async with gateway((*TIRED, close), (request(), close), (answer_each,)) as (room, api):
        async with RawClient(room.port) as caller:
            await caller.send(asking())
            await caller.answer()
            await caller.send(asking())
            assert (await caller.answer()).status == 502
        assert len(api.links) == 2


async def test_a_fresh_connection_that_ends_is_the_apis_doing() -> None:
    async with gateway((request(), close), (answer_each,)) as (room, api), RawClient(room.port) as caller:
        await caller.send(asking())
        assert (await caller.answer()).status == 502
        assert len(api.links) == 1


async def test_an_api_that_is_not_there_is_named_so() -> None:
    async with gateway() as (room, api), RawClient(room.port) as caller:
        api._server.close()
        await caller.send(asking())
        answer = await caller.answer()
        assert answer.status == 502
        assert b"does not accept connections" in answer.body
        assert answer.header("Proxy-Status") == b"countersign; error=connection_refused"
        assert room.plan.upstream.connections == 0


# Answers that come early


@pytest.mark.parametrize("end", [close, reset, None], ids=["closed", "reset", "open"])
@pytest.mark.parametrize("data", [asking("POST", LARGE)[: 4 * KiB], CHUNKED + chunked(b"x" * KiB)])
async def test_an_answer_that_comes_before_the_body_was_read_is_the_callers(data: bytes, end: Step | None) -> None:
    refusal = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nless"
    sent = asyncio.Event()
    steps = (head(), send(refusal), *((when(sent), end) if end else ()))
    async with gateway(steps) as (room, api), RawClient(room.port) as caller:
        await caller.send(data)
        answer = await caller.answer()
        sent.set()
        assert (answer.status, answer.body, answer.header("Connection")) == (413, b"less", b"close")
        await settled(room)
        await until(lambda: api.links[0].ended.is_set() or end is reset)
        assert room.plan.upstream.connections == 0
        assert room.runtime.tasks <= 2


async def test_an_api_that_ends_the_connection_before_the_body_was_read_has_not_answered() -> None:
    async with gateway((head(), close)) as (room, api), RawClient(room.port) as caller:
        await caller.send(CHUNKED + chunked(b"begun"))
        answer = await caller.answer()
        assert (answer.status, answer.header("Connection")) == (502, b"close")
        assert api.links[0].ended.is_set()
        await settled(room)


async def test_what_the_caller_still_sends_is_not_taken_for_another_request() -> None:
    refusal = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nless"
    async with gateway((head(), send(refusal)), (answer_each,)) as (room, api), RawClient(room.port) as caller:
        await caller.send(asking("POST", LARGE)[:-200])
        await caller.answer()
        await caller.send(asking() + asking())
        with pytest.raises(NoAnswerError):
            await caller.answer(deadline=0.05)
        assert len(api.links) == 1


# Callers that leave


@pytest.mark.parametrize("data", [asking("POST", LARGE)[:999], CHUNKED + chunked(b"begun")], ids=["long", "chunked"])
async def test_a_caller_that_leaves_in_the_middle_of_its_body_takes_the_connection_along(data: bytes) -> None:
    async with gateway((head(),)) as (room, api), RawClient(room.port) as caller:
        await caller.send(data)
        await until(lambda: api.received)
        caller.abort()
        await until(api.links[0].ended.is_set)
        await settled(room)
        assert room.plan.upstream.connections == 0
        assert room.lines.seen[0]["status"] == 499
        assert room.reported == []


# Patience


async def wait_until_asked(room: GatewayRoom, at: float, status: bytes, caller: RawClient) -> None:
    """See that nothing happens just before that many seconds, and the answer just after."""
    await room.clock.advance(seconds=at - 0.2)
    assert caller.seen == b""
    await room.clock.advance(seconds=0.4)
    answer = await caller.answer()
    assert answer.header("Proxy-Status") == b"countersign; error=" + status


async def test_a_head_that_does_not_come_is_given_up_after_the_response_timeout() -> None:
    async with gateway((head(),), timeouts={"response": "10s"}) as (room, api), RawClient(room.port) as caller:
        await caller.send(asking("POST", b"hello"))
        await until(lambda: api.requests)
        await wait_until_asked(room, 10.0, b"http_response_timeout", caller)
        await until(api.links[0].ended.is_set)
        assert room.answers == {(504, "proxy"): 1}


async def test_half_a_head_does_not_buy_more_time() -> None:
    async with (
        gateway((head(), send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 2")), timeouts={"response": "10s"}) as (
            room,
            api,
        ),
        RawClient(room.port) as caller,
    ):
        await caller.send(asking())
        await until(lambda: api.requests)
        await wait_until_asked(room, 10.0, b"http_response_timeout", caller)


async def test_the_response_timeout_begins_with_the_end_of_a_streamed_body() -> None:
    async with (
        gateway((head(),), timeouts={"response": "10s", "idle": "100s"}) as (room, api),
        RawClient(room.port) as caller,
    ):
        await caller.send(CHUNKED)
        for count in range(1, 5):
            await caller.send(chunked(b"piece"))
            await until(lambda: api.received.count(b"piece") == count)  # noqa: B023 - it is awaited at once
            await room.clock.advance(seconds=50)
            assert caller.seen == b""
        await caller.send(END)
        await until(lambda: api.requests)
        await room.clock.settle()
        await wait_until_asked(room, 10.0, b"http_response_timeout", caller)


async def test_an_upload_that_the_api_does_not_take_is_given_up_after_the_idle_timeout() -> None:
    async with (
        gateway((head(),), timeouts={"response": "10s", "idle": "100s"}) as (room, api),
        RawClient(room.port) as caller,
    ):
        await caller.send(CHUNKED + chunked(b"piece"))
        await until(lambda: b"piece" in api.received)
        (connection,) = room.plan.upstream._all
        connection.pause_writing()
        await caller.send(chunked(b"another"))
        await until(lambda: b"another" in api.received)
        await wait_until_asked(room, 100.0, b"http_response_timeout", caller)


@pytest.mark.parametrize("early", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nearly"], ids=["silent", "early"])
async def test_while_a_caller_pauses_in_its_body_the_api_is_not_late(early: bytes) -> None:
    async with (
        gateway((head(), send(early)), timeouts={"response": "10s", "idle": "100s"}) as (room, api),
        RawClient(room.port) as caller,
    ):
        await caller.send(CHUNKED + chunked(b"piece"))
        await until(lambda: b"piece" in api.received and caller.seen.endswith(early[-5:]))
        await room.clock.advance(seconds=500)
        await caller.send(chunked(b"another") + END)
        await until(lambda: api.requests)
        assert api.requests[0].body == b"pieceanother"
        assert caller.seen.endswith(early[-5:])
        await room.clock.settle()
        await room.clock.advance(seconds=9.8 if not early else 99.8)
        assert not api.links[0].ended.is_set()
        await room.clock.advance(seconds=0.4)
        await until(api.links[0].ended.is_set)
        await settled(room)
        assert room.lines.seen[0]["reason"] == "upstream-timeout"


async def test_a_body_that_stops_coming_is_cut_after_the_idle_timeout_and_each_byte_begins_it_anew() -> None:
    pieces = [asyncio.Event() for _ in range(3)]
    steps = [request(), send(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")]
    for piece in pieces:
        steps += [when(piece), send(b"x")]
    async with (
        gateway(steps, timeouts={"response": "10s", "idle": "100s"}) as (room, api),
        RawClient(room.port) as caller,
    ):
        await caller.send(asking())
        for count, piece in enumerate(pieces, 1):
            piece.set()
            await until(lambda: caller.seen.count(b"x") == count)  # noqa: B023 - it is awaited at once
            await room.clock.advance(seconds=99.8)
        assert not api.links[0].ended.is_set()
        await room.clock.advance(seconds=0.4)
        with pytest.raises(NoAnswerError):
            await caller.answer()
        assert caller.was_reset
        assert room.lines.seen[0]["reason"] == "upstream-timeout"


async def test_a_connection_that_nobody_uses_is_closed_after_its_time() -> None:
    async with gateway(timeouts={"keepalive": "4s"}) as (room, api), RawClient(room.port) as caller:
        await caller.send(asking())
        await caller.answer()
        await room.clock.advance(seconds=3.8)
        assert room.plan.upstream.connections == 1
        await room.clock.advance(seconds=0.5)
        assert room.plan.upstream.connections == 0
        await until(api.links[0].ended.is_set)


# Letting go of a connection


async def exchanged(room: GatewayRoom, caller: Caller) -> Exchange:
    """Carry a request as the sender does, and read its answer."""
    body = body_of(await caller.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), room.plan.settings, record=False)
    exchange = await room.plan.forwarder.send(
        Outbound("GET", b"GET / HTTP/1.1\r\nHost: api.example\r\n\r\n", body, None)
    )
    await exchange.hold(1000)
    return exchange


async def test_an_exchange_lets_go_of_its_connection_once_however_often_it_is_ended() -> None:
    async with gateway() as (room, _), Caller() as caller:
        exchange = await exchanged(room, caller)
        exchange.end()
        exchange.end()
        await exchange.drop()
        upstream = room.plan.upstream
        assert [upstream.idle(), upstream.idle()] == [exchange.connection, None]
        exchange.connection.close()


async def test_ending_an_exchange_again_leaves_the_connection_s_next_request_alone() -> None:
    answer = asyncio.Event()
    async with (
        gateway((request(), send(OK), request(2), when(answer), send(OK))) as (room, api),
        Caller() as first,
        Caller() as second,
    ):
        exchange = await exchanged(room, first)
        exchange.end()
        asking = asyncio.get_running_loop().create_task(exchanged(room, second))
        await until(lambda: len(api.requests) == 2)
        exchange.end()
        answer.set()
        next_one = await asking
        assert next_one.prefix == b"ok"
        assert len(api.links) == 1
        next_one.end()
