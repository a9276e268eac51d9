"""The raw upstream and the raw caller, held against each other: what they see is what was sent."""

import pytest

from tests.fakes import raw_server
from tests.fakes.raw_client import NoAnswerError, RawClient
from tests.fakes.raw_server import RawServer, send
from tests.fakes.strict import AmbiguousError, read_all

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
CHUNKED = b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"


@pytest.mark.parametrize("pieces", [None, 1, 7])
async def test_every_request_is_answered_and_remembered(pieces: int | None) -> None:
    async with RawServer() as server, RawClient(server.port) as client:
        for data in (GET, POST, CHUNKED):
            await client.send(data, pieces=pieces)
            assert (await client.answer()).body == b"ok"
    assert [(one.method, one.target, one.body) for one in server.requests] == [
        ("GET", b"/a", b""),
        ("POST", b"/a", b"abc"),
        ("POST", b"/a", b"abc"),
    ]
    assert server.received == GET + POST + CHUNKED


async def test_pipelined_requests_are_all_read() -> None:
    assert [one.body for one in read_all(GET + CHUNKED + POST)] == [b"", b"abc", b"abc"]


@pytest.mark.parametrize(
    "data",
    [
        GET.replace(b"\r\n", b"\n"),
        GET.replace(b"Host: x", b"Host: x\r\nHost: x"),
        GET.replace(b"Host: x", b"Host: x\r\n folded"),
        GET.replace(b"Host: x", b"Host : x"),
        GET.replace(b"Host: x", b"Host: \x00x"),
        GET.replace(b"Host: x", b"A: x"),
        GET.replace(b"1.1", b"1.0"),
        POST.replace(b"Content-Length: 3", b"Content-Length: 3\r\nContent-Length: 3"),
        POST.replace(b"Content-Length: 3", b"Content-Length: +3"),
        CHUNKED.replace(b"chunked", b"gzip, chunked"),
        CHUNKED.replace(b"Transfer", b"Content-Length: 3\r\nTransfer"),
        CHUNKED.replace(b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n"),
        CHUNKED.replace(b"3\r\nabc", b"0x3\r\nabc"),
        POST + b"rest",
        GET[:-2],
    ],
)
async def test_what_could_be_read_in_two_ways_is_not_read(data: bytes) -> None:
    with pytest.raises(AmbiguousError):
        read_all(data)


async def test_an_answer_that_ends_early_is_no_answer() -> None:
    short = send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab")
    async with RawServer([[short, raw_server.close]]) as server, RawClient(server.port) as client:
        with pytest.raises(NoAnswerError):
            await client.answer()


async def test_a_reset_is_told_from_an_orderly_end() -> None:
    endless = send(b"HTTP/1.1 200 OK\r\n\r\nab")
    scripts = [[endless, raw_server.close], [endless, raw_server.head(), raw_server.reset]]
    async with RawServer(scripts) as server:
        async with RawClient(server.port) as client:
            answer = await client.answer()
            assert (answer.body, answer.ended_by_close) == (b"ab", True)
        async with RawClient(server.port) as client:
            await client.send(GET)
            with pytest.raises(NoAnswerError):
                await client.answer()
            assert client.was_reset
