"""An answer on its way to the caller: bytes as they came, framing of our own, never half an answer that looks whole."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from proxy.core.rejection import DEFAULT_RULES, RejectionSettings
from proxy.gateway.prepare import PSEUDONYM
from proxy.injectors.query import QuerySettings
from proxy.net.exchange import BUFFER
from tests.fakes.caller import Caller
from tests.fakes.gateway_room import GatewayRoom, gateway
from tests.fakes.raw_client import NoAnswerError, RawClient
from tests.fakes.raw_server import Link, Step, close, request, reset, send, when
from tests.fakes.until import until

GET = b"GET / HTTP/1.1\r\nHost: api.example\r\nX-Request-Id: our-id\r\n\r\n"
GET_1_0 = GET.replace(b"1.1", b"1.0")
HEAD = GET.replace(b"GET", b"HEAD")
IN_THE_QUERY = (QuerySettings(kind="query", name="key"), QuerySettings(kind="query", name="id"))
OURS = [b"X-Request-Id: our-id", b"Via: 1.1 %b" % PSEUDONYM.encode()]


END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def quiet(measure: Callable[[], int]) -> None:
    """Wait until nothing moves any more: what is measured stays the same for many turns of the loop."""
    before, same = -1, 0
    while same < 50:
        same = same + 1 if measure() == before else 0
        before = measure()
        await asyncio.sleep(0)


@asynccontextmanager
async def relaying(*steps: Step, **settings: Any) -> AsyncIterator[tuple[RawClient, Link, GatewayRoom]]:
    """Send a request to an API that goes through these steps; the caller is there to read, the link to look at."""
    request_ = settings.pop("request", GET)
    async with gateway((request(), *steps), **settings) as (room, api), RawClient(room.port) as caller:
        await caller.send(request_)
        await until(lambda: api.requests)
        yield caller, api.links[0], room


async def relayed(answer: bytes, *, request: bytes = GET, **settings: Any) -> bytes:
    """Return what a caller gets of an answer."""
    async with relaying(send(answer), request=request, **settings) as (caller, _, _):
        await caller.answer(request.split(b" ")[0].decode())
        return caller.seen


def answer_with(*lines: bytes, body: bytes = b"ok") -> bytes:
    head = b"".join(line + b"\r\n" for line in lines)
    return b"HTTP/1.1 200 OK\r\n" + head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def lines_of(got: bytes) -> list[bytes]:
    return got.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]


# What passes, and what does not


async def test_a_whole_answer_is_one_write() -> None:
    async with (
        gateway((request(), send(answer_with(b"Content-Type: text/plain")))) as (room, _),
        Caller(room.listener) as caller,
    ):
        caller.send(GET)
        await until(lambda: caller.got)
        assert caller.wire.writes == [
            b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Type: text/plain", *OURS, b"Content-Length: 2", b"", b"ok"])
        ]


async def test_the_status_passes_with_the_phrase_of_the_standard() -> None:
    got = await relayed(b"HTTP/1.1 404 Nothing \xe9 here\r\nContent-Length: 0\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 404 Not Found\r\n")
    got = await relayed(b"HTTP/1.1 599 Made Up\r\nContent-Length: 0\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 599 \r\n")


async def test_header_lines_keep_their_order_case_repetition_and_bytes() -> None:
    lines = [b'eTag: "x"', b"X-B: 2", b"X-A: caf\xc3\xa9 \xe9\xff", b"X-B: 1", b"X-Empty: ", b"Warning: a\tb"]
    got = lines_of(await relayed(answer_with(*lines)))
    assert got[: len(lines)] == lines


@pytest.mark.parametrize(
    "line",
    [
        b"Connection: keep-alive",
        b"Keep-Alive: timeout=5",
        b"Proxy-Connection: keep-alive",
        b"Proxy-Authenticate: Basic",
        b"Proxy-Authorization: x",
        b"TE: trailers",
        b"Trailer: X-Sum",
        b"Set-Cookie: session=1",
        b"SET-COOKIE2: session=1",
    ],
)
async def test_what_belongs_to_the_hop_or_to_the_shared_session_ends_here(line: bytes) -> None:
    assert lines_of(await relayed(answer_with(line, b"X-Kept: 1"))) == [
        b"X-Kept: 1",
        *OURS,
        b"Content-Length: 2",
    ]


async def test_cookies_pass_where_the_route_says_so() -> None:
    got = lines_of(await relayed(answer_with(b"Set-Cookie: a=1", b"Set-Cookie: b=2"), cookies="pass"))
    assert got[:2] == [b"Set-Cookie: a=1", b"Set-Cookie: b=2"]


async def test_no_api_sets_cookies_of_our_own() -> None:
    ours = b"set-cookie: __Host-countersign-browser=x; Path=/; Secure"
    got = lines_of(await relayed(answer_with(b"Set-Cookie: a=1", ours, b"X-Kept: 1"), cookies="pass"))
    assert got[:2] == [b"Set-Cookie: a=1", b"X-Kept: 1"]


@pytest.mark.parametrize(
    "connection",
    [
        (b"Connection: X-Private",),
        (b"Connection: keep-alive, x-private",),
        (b"Connection: ,X-PRIVATE ,",),
        (b"Connection: keep-alive", b"Connection: X-Private"),
    ],
)
async def test_what_the_connection_header_names_ends_here_too(connection: tuple[bytes, ...]) -> None:
    got = await relayed(answer_with(b"X-Private: 1", *connection, b"x-private: 2", b"X-Kept: 1"))
    assert lines_of(got)[0] == b"X-Kept: 1"
    assert b"private" not in got.lower()


async def test_a_connection_header_that_names_the_framing_does_not_take_it_away() -> None:
    got = await relayed(answer_with(b"Connection: content-length, via"))
    assert b"Content-Length: 2" in lines_of(got)


async def test_the_apis_own_request_id_passes_and_ours_stands_in_only_where_there_is_none() -> None:
    got = lines_of(await relayed(answer_with(b"X-Request-ID: theirs")))
    assert b"X-Request-ID: theirs" in got
    assert b"our-id" not in b"".join(got)


async def test_our_name_is_added_to_the_way_that_the_answer_has_come() -> None:
    got = lines_of(await relayed(answer_with(b"Via: 1.1 theirs")))
    assert [line for line in got if line.startswith(b"Via: ")] == [b"Via: 1.1 theirs", OURS[1]]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (b"/next?key=planted-1", b"/next"),
        (b"/next?key=planted-1&page=2", b"/next?page=2"),
        (b"/next?page=2&key=planted-1", b"/next?page=2"),
        (b"/next?page=2&key=planted-1#top", b"/next?page=2#top"),
        (b"/next?a=1&key=planted-1&id=planted-1&b=2", b"/next?a=1&b=2"),
        (b"/next?key=planted-1&key=planted-1", b"/next"),
        (b"/next?page=2", b"/next?page=2"),
        (b"</next?key=planted-1>; rel=preload, </next?id=planted-1&page=2>", b"</next>; rel=preload, </next?page=2>"),
        (b"/next?key=planted-10&x-key=planted-1&id=planted-1b", b"/next?key=planted-10&x-key=planted-1&id=planted-1b"),
        (b"key=planted-1", b"key=planted-1"),
    ],
)
@pytest.mark.parametrize("name", [b"Location", b"content-location", b"Link", b"Refresh"])
async def test_an_address_that_the_api_repeats_loses_what_the_token_had_added(
    name: bytes, address: bytes, expected: bytes
) -> None:
    got = lines_of(await relayed(answer_with(name + b": " + address), inject=IN_THE_QUERY))
    assert got[0] == name + b": " + expected


async def test_other_header_lines_are_not_looked_into() -> None:
    got = lines_of(await relayed(answer_with(b"X-Url: /?key=planted-1"), inject=IN_THE_QUERY))
    assert got[0] == b"X-Url: /?key=planted-1"


# Framing


@pytest.mark.parametrize(
    ("answer", "request_", "framing", "body"),
    [
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", GET, [b"Content-Length: 2"], b"ok"),
        (b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nX-T: 1\r\n\r\n", GET, [b"Content-Length: 2"], b"ok"),
        (b"Content-Length: 0\r\n\r\n", GET, [b"Content-Length: 0"], b""),
        (b"Content-Length: 2\r\n\r\n", HEAD, [b"Content-Length: 2"], b""),
        (b"Transfer-Encoding: chunked\r\n\r\n", HEAD, [], b""),
        (b"\r\n", HEAD, [], b""),
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", GET_1_0, [b"Content-Length: 2"], b"ok"),
    ],
)
async def test_a_whole_answer_is_framed_by_its_length(
    answer: bytes, request_: bytes, framing: list[bytes], body: bytes
) -> None:
    got = await relayed(b"HTTP/1.1 200 OK\r\n" + answer, request=request_)
    lines = [line for line in lines_of(got) if line.lower().startswith((b"content-length", b"transfer-encoding"))]
    assert (lines, got.partition(b"\r\n\r\n")[2]) == (framing, body)


@pytest.mark.parametrize(
    ("status", "framing"), [(b"204 No Content", []), (b"304 Not Modified", [b"Content-Length: 2"])]
)
async def test_an_answer_that_has_no_body_describes_at_most_the_one_it_would_have(
    status: bytes, framing: list[bytes]
) -> None:
    got = await relayed(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\n")
    assert [line for line in lines_of(got) if line.startswith(b"Content-L")] == framing
    assert got.endswith(b"\r\n\r\n")


async def test_a_205_has_a_body_of_no_bytes() -> None:
    got = await relayed(b"HTTP/1.1 205 Reset Content\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert b"Content-Length: 0" in lines_of(got)


async def test_a_last_answer_says_so() -> None:
    got = await relayed(answer_with(), request=GET[:-2] + b"Connection: close\r\n\r\n")
    assert b"Connection: close" in lines_of(got)
    assert b"Connection: close" not in lines_of(await relayed(answer_with()))


# Streams

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
RULES = (RejectionSettings(status=401), RejectionSettings.model_validate({"json": "$.error"}))


@pytest.mark.parametrize("rules", [DEFAULT_RULES, RULES], ids=["by status", "by body"])
async def test_each_piece_leaves_as_it_comes(rules: tuple[RejectionSettings, ...]) -> None:
    pieces = [b"event: 1\n\n", b"event: 22\n\n", b"event: 333\n\n"]
    gates = [asyncio.Event() for _ in pieces]
    steps = [step for gate, piece in zip(gates, pieces, strict=True) for step in (when(gate), send(chunk(piece)))]
    last = asyncio.Event()
    async with relaying(send(STREAM), *steps, when(last), send(END), rules=rules) as (caller, _, _):
        await until(lambda: caller.seen.endswith(b"Transfer-Encoding: chunked\r\n\r\n"))
        for gate, piece in zip(gates, pieces, strict=True):
            before = len(caller.seen)
            gate.set()
            await until(lambda: caller.seen.endswith(chunk(piece)))  # noqa: B023 - it is awaited at once
            assert caller.seen[before:] == chunk(piece)
        before = len(caller.seen)
        last.set()
        assert (await caller.answer()).body == b"".join(pieces)
        assert caller.seen[before:] == END


async def test_what_came_with_the_head_leaves_with_the_head() -> None:
    rest = asyncio.Event()
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"
    async with gateway((request(), send(begun), when(rest), send(b"lo"))) as (room, _), Caller(room.listener) as caller:
        caller.send(GET)
        await until(lambda: caller.got)
        assert [write[-7:] for write in caller.wire.writes] == [b"\r\n\r\nhel"]
        rest.set()
        await until(lambda: caller.got.endswith(b"\r\n\r\nhello"))
        assert lines_of(caller.got)[-1] == b"Content-Length: 5"


@pytest.mark.parametrize(
    ("request_", "framing", "body"),
    [(GET, [b"Transfer-Encoding: chunked"], b"2\r\nok\r\n" + END), (GET_1_0, [b"Connection: close"], b"ok")],
    ids=["HTTP/1.1", "HTTP/1.0"],
)
async def test_a_body_that_lasts_until_the_end_is_framed_as_the_caller_understands_it(
    request_: bytes, framing: list[bytes], body: bytes
) -> None:
    ended = asyncio.Event()
    steps = (send(b"HTTP/1.1 200 OK\r\n\r\nok"), when(ended), close)
    async with relaying(*steps, request=request_) as (caller, _, _):
        await until(lambda: b"ok" in caller.seen.partition(b"\r\n\r\n")[2])
        ended.set()
        await caller.answer()
        got, _, rest = caller.seen.partition(b"\r\n\r\n")
        assert got.split(b"\r\n")[3:] == framing
        assert rest == body
        assert caller.was_reset is False


@pytest.mark.parametrize("framing", [b"Content-Length: 16\r\n\r\n", b"\r\n", b"Transfer-Encoding: chunked\r\n\r\n"])
async def test_what_was_read_in_advance_to_look_into_it_comes_first(framing: bytes) -> None:
    is_chunked = framing.startswith(b"T")
    pieces = [chunk(piece) if is_chunked else piece for piece in (b'{"er', b'ror": ""', b"   }")]
    more, looked = asyncio.Event(), send(pieces[2] + (END if is_chunked else b""))
    steps = [send(b"HTTP/1.1 200 OK\r\n" + framing + pieces[0]), when(more), send(pieces[1]), looked, close]
    async with relaying(*steps, rules=RULES) as (caller, _, _):
        assert caller.seen == b""
        more.set()
        assert (await caller.answer()).body == b'{"error": ""   }'


async def test_a_caller_that_takes_nothing_holds_the_api_back_and_loses_nothing() -> None:
    size = 64 * BUFFER
    body = bytes(range(256)) * (size // 256)
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    go = asyncio.Event()
    async with gateway((request(), send(begun), when(go), send(body))) as (room, _), Caller(room.listener) as caller:
        caller.send(GET)
        await until(lambda: caller.got)
        caller.stall()
        go.set()
        await quiet(lambda: len(caller.got))
        assert len(caller.got) < 4 * BUFFER
        caller.resume()
        await until(lambda: len(caller.got.partition(b"\r\n\r\n")[2]) == size)
        assert caller.got.partition(b"\r\n\r\n")[2] == body


# Ends before the end


@pytest.mark.parametrize(
    ("framing", "end"),
    [
        (b"Content-Length: 99\r\n\r\nok", close),
        (b"Content-Length: 99\r\n\r\nok", reset),
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", close),
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", reset),
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", send(b"rubbish\r\n")),
    ],
    ids=["length, closed", "length, reset", "chunks, closed", "chunks, reset", "chunks, rubbish"],
)
async def test_an_answer_that_breaks_off_is_cut_and_never_looks_whole(framing: bytes, end: Step) -> None:
    go = asyncio.Event()
    async with relaying(send(b"HTTP/1.1 200 OK\r\n" + framing), when(go), end) as (caller, _, room):
        await until(lambda: b"ok" in caller.seen.partition(b"\r\n\r\n")[2])
        before = caller.seen
        go.set()
        await until(lambda: room.lines.seen)
        with pytest.raises(NoAnswerError):
            await caller.answer()
        assert (caller.seen, caller.was_reset) == (before, True)
        assert room.lines.seen[0]["status"] == 200
        assert room.lines.seen[0]["reason"] in {"upstream-unreachable", "upstream-protocol"}
        assert room.plan.upstream.connections == 0


async def test_a_body_until_the_end_that_ends_by_reset_is_cut_too() -> None:
    go = asyncio.Event()
    async with relaying(send(b"HTTP/1.1 200 OK\r\n\r\nok"), when(go), reset, request=GET_1_0) as (caller, _, _):
        await until(lambda: b"ok" in caller.seen.partition(b"\r\n\r\n")[2])
        go.set()
        with pytest.raises(NoAnswerError):
            await caller.answer()
        assert caller.was_reset


@pytest.mark.parametrize("framing", [b"Content-Length: 2\r\n\r\nok", b"Content-Length: 99\r\n\r\nok"])
async def test_a_caller_that_has_left_is_nobodys_failure(framing: bytes) -> None:
    go = asyncio.Event()
    async with relaying(when(go), send(b"HTTP/1.1 200 OK\r\n" + framing)) as (caller, link, room):
        caller.abort()
        await until(lambda: room.lines.seen)
        go.set()
        await until(link.ended.is_set)
        assert room.lines.seen[0]["status"] == 499
        assert room.reported == []
        assert room.plan.upstream.connections == 0


async def test_a_caller_that_takes_nothing_for_too_long_is_cut() -> None:
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (2 * BUFFER)
    go = asyncio.Event()
    steps = (request(), send(begun), when(go), send(b"x" * BUFFER))
    async with gateway(steps, timeouts={"idle": "10ms"}) as (room, _), Caller(room.listener) as caller:
        caller.send(GET)
        await until(lambda: caller.got)
        caller.stall()
        go.set()
        await until(lambda: caller.wire.aborted)
        await until(lambda: room.plan.upstream.connections == 0)
        assert len(caller.got) < len(begun) + 2 * BUFFER


# Interim answers

EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: X-Hop\r\nX-Hop: 1\r\nSet-Cookie: a=1\r\n\r\n"


async def test_an_interim_answer_passes_on_at_once_without_what_belongs_to_the_hop() -> None:
    go = asyncio.Event()
    async with relaying(send(EARLY), when(go), send(answer_with())) as (caller, _, _):
        await until(lambda: caller.seen == b"HTTP/1.1 103 \r\nLink: </a.css>\r\n\r\n")
        go.set()
        answer = await caller.answer()
        assert (answer.interim, answer.status, answer.body) == ((103,), 200, b"ok")


async def test_an_interim_answer_too_loses_what_the_token_had_added_to_an_address() -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css?key=planted-1&v=2>; rel=preload\r\n\r\n"
    got = await relayed(hint + answer_with(), inject=IN_THE_QUERY)
    assert got.startswith(b"HTTP/1.1 103 \r\nLink: </a.css?v=2>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n")


async def test_an_interim_answer_is_not_for_callers_that_do_not_know_such() -> None:
    assert (await relayed(EARLY + answer_with(), request=GET_1_0)).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_an_interim_answer_to_nobody_is_no_error() -> None:
    go = asyncio.Event()
    async with relaying(when(go), send(EARLY), send(answer_with())) as (caller, _, room):
        caller.abort()
        await until(lambda: room.lines.seen)
        go.set()
        await until(lambda: room.plan.upstream.connections == 0)
        assert (room.reported, "task_failed" in room.event_names()) == ([], False)
