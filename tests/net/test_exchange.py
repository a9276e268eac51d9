"""One connection, one request, exactly one answer: over real sockets, against an upstream that follows a script."""

import asyncio
import gc
import select
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest

from proxy.core.errors import ProxyError, UpstreamProtocolError, UpstreamTimeoutError, UpstreamUnreachableError
from proxy.net.answer import Fields
from proxy.net.exchange import BUFFER, BrokenOffError, Connection
from tests.fakes.raw_server import OK, Link, RawServer, Step, close, head, request, reset, send, when
from tests.fakes.until import PATIENCE, until

GET: Final = b"GET /x HTTP/1.1\r\nHost: api.example\r\n\r\n"
POST: Final = b"POST /x HTTP/1.1\r\nHost: api.example\r\nContent-Length: %d\r\n\r\n"
HEAD_OF: Final = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


class Pool:
    """A home that remembers who came back and who was lost."""

    def __init__(self) -> None:
        self.idle: list[Connection] = []
        self.closed: list[Connection] = []
        self.time = 1000.0

    def take_back(self, connection: Connection) -> None:
        self.idle.append(connection)

    def forget(self, connection: Connection) -> None:
        self.closed.append(connection)

    def now(self) -> float:
        return self.time


@asynccontextmanager
async def connected(
    *steps: Step, pool: Pool | None = None, idle_timeout: float = 300.0
) -> AsyncIterator[tuple[Connection, RawServer]]:
    """Open a connection to an upstream that goes through these steps."""
    pool = pool or Pool()
    loop = asyncio.get_running_loop()
    async with RawServer(scripts=(steps,)) as server:
        connection = Connection(pool, loop, idle_timeout)
        await loop.create_connection(lambda: connection, "127.0.0.1", server.port)
        await until(lambda: bool(server.links))
        try:
            yield connection, server
        finally:
            connection.close()
            await until(lambda: all(link.ended.is_set() for link in server.links))


async def ask(connection: Connection, data: bytes = GET, *, head_only: bool = False) -> None:
    """Send a whole request and wait for the head of its answer."""
    answered = connection.begin(head_only=head_only, timeout=60.0, informational=None)
    connection.write(data)
    connection.request_sent()
    async with asyncio.timeout(PATIENCE):
        await answered


async def rest(connection: Connection) -> bytes:
    """Read the body to its end."""
    body = b""
    async with asyncio.timeout(PATIENCE):
        while piece := await connection.more():
            body += piece
    return body


async def test_a_request_goes_out_as_written_and_its_answer_comes_whole_in_one_read() -> None:
    async with connected(request(), send(OK)) as (connection, server):
        await ask(connection)
        assert server.received == GET
        assert connection.answer.complete
        assert (connection.answer.status, connection.body()) == (200, b"ok")


async def test_an_exchanged_connection_goes_home_and_carries_the_next_request() -> None:
    pool = Pool()
    async with connected(request(), send(OK), request(2), send(OK), pool=pool) as (connection, server):
        for number in (1, 2):
            await ask(connection)
            assert connection.body() == b"ok"
            connection.release()
            assert pool.idle == [connection] * number
            assert connection.used == number
        assert len(server.links) == 1
        assert pool.closed == []


async def test_a_body_arrives_piece_by_piece_and_ends_empty() -> None:
    gates = [asyncio.Event() for _ in range(3)]
    steps = [request(), send(HEAD_OF % 6)]
    for gate, piece in zip(gates, (b"ab", b"cd", b"ef"), strict=True):
        steps += [when(gate), send(piece)]
    async with connected(*steps) as (connection, _):
        await ask(connection)
        assert connection.body() == b""
        for gate, piece in zip(gates, (b"ab", b"cd", b"ef"), strict=True):
            gate.set()
            assert await connection.more() == piece
        assert await connection.more() == b""
        assert await connection.more() == b""


async def test_an_answer_to_head_is_complete_without_the_body_it_describes() -> None:
    pool = Pool()
    async with connected(request(), send(HEAD_OF % 5), pool=pool) as (connection, _):
        await ask(connection, b"HEAD /x HTTP/1.1\r\nHost: api.example\r\n\r\n", head_only=True)
        assert connection.answer.complete
        connection.release()
        assert pool.idle == [connection]


async def test_a_body_that_lasts_until_the_end_is_whole_and_its_connection_is_done() -> None:
    pool = Pool()
    async with connected(request(), send(b"HTTP/1.1 200 OK\r\n\r\nuntil the end"), close, pool=pool) as (connection, _):
        await ask(connection)
        assert await rest(connection) == b"until the end"
        connection.release()
        assert (pool.idle, pool.closed) == ([], [connection])


# Connections that must not carry another request


async def assert_not_reused(connection: Connection, pool: Pool, server: RawServer) -> None:
    """Release it, and see it closed, once, on both sides."""
    connection.release()
    assert (pool.idle, pool.closed) == ([], [connection])
    async with asyncio.timeout(PATIENCE):
        await server.links[0].ended.wait()


async def test_an_answer_that_ends_the_connection_ends_it() -> None:
    pool = Pool()
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    async with connected(request(), send(answer), pool=pool) as (connection, server):
        await ask(connection)
        assert connection.body() == b"ok"
        await assert_not_reused(connection, pool, server)


async def test_an_answer_that_was_not_read_to_its_end_ends_the_connection() -> None:
    pool = Pool()
    async with connected(request(), send(HEAD_OF % 5 + b"ab"), pool=pool) as (connection, server):
        await ask(connection)
        await assert_not_reused(connection, pool, server)


async def test_a_request_that_was_not_sent_to_its_end_ends_the_connection() -> None:
    pool = Pool()
    async with connected(head(), send(OK), pool=pool) as (connection, server):
        answered = connection.begin(head_only=False, timeout=60.0, informational=None)
        connection.write(POST % 5 + b"ab")
        await answered
        assert connection.answer.complete
        await assert_not_reused(connection, pool, server)


async def test_a_request_that_is_given_up_ends_the_connection_and_frees_the_waiter() -> None:
    pool = Pool()
    async with connected(head(), pool=pool) as (connection, server):
        waiter = asyncio.get_running_loop().create_task(ask(connection))
        await until(lambda: server.received == GET)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        await assert_not_reused(connection, pool, server)


# Bytes that are nobody's answer


@pytest.mark.parametrize("data", [OK, b"H", b"\r\n", b"\x00"], ids=["an answer", "a byte", "an empty line", "NUL"])
async def test_bytes_on_an_unused_connection_close_it(data: bytes) -> None:
    pool = Pool()
    poison = asyncio.Event()
    async with connected(request(), send(OK), when(poison), send(data), pool=pool) as (connection, server):
        await ask(connection)
        connection.release()
        poison.set()
        async with asyncio.timeout(PATIENCE):
            await server.links[0].ended.wait()
        assert pool.closed == [connection]


async def test_bytes_on_a_connection_that_was_never_used_close_it() -> None:
    pool = Pool()
    async with connected(send(OK), pool=pool) as (_, server):
        async with asyncio.timeout(PATIENCE):
            await server.links[0].ended.wait()
        assert len(pool.closed) == 1


async def test_bytes_behind_an_answer_in_the_same_read_close_the_connection_and_the_answer_stands() -> None:
    pool = Pool()
    async with connected(request(), send(OK + OK.replace(b"ok", b"no")), pool=pool) as (connection, server):
        await ask(connection)
        assert await rest(connection) == b"ok"
        await assert_not_reused(connection, pool, server)


async def test_bytes_behind_an_answer_that_is_still_being_passed_on_close_the_connection() -> None:
    pool = Pool()
    more = asyncio.Event()
    async with connected(request(), send(OK), when(more), send(OK), pool=pool) as (connection, server):
        await ask(connection)
        more.set()
        async with asyncio.timeout(PATIENCE):
            await server.links[0].ended.wait()
        assert await rest(connection) == b"ok"
        await assert_not_reused(connection, pool, server)


async def test_an_unused_connection_that_the_upstream_closes_is_forgotten() -> None:
    for end in (close, reset):
        pool = Pool()
        tired = asyncio.Event()
        async with connected(request(), send(OK), when(tired), end, pool=pool) as (connection, _):
            await ask(connection)
            connection.release()
            tired.set()
            await until(lambda: bool(pool.closed))  # noqa: B023 - it is awaited before the pool changes
            assert pool.closed == [connection]


# Answers that break off


@pytest.mark.parametrize("end", [close, reset], ids=["in good order", "by reset"])
async def test_an_end_before_the_first_byte_says_that_nothing_was_answered(end: Step) -> None:
    pool = Pool()
    async with connected(request(), end, pool=pool) as (connection, _):
        with pytest.raises(BrokenOffError) as caught:
            await ask(connection)
        assert caught.value.status == 502
        assert pool.closed == [connection]


@pytest.mark.parametrize("end", [close, reset], ids=["in good order", "by reset"])
@pytest.mark.parametrize(
    "begun", [b"H", b"HTTP/1.1 200 OK\r\nContent-", b"HTTP/1.1 100 Continue\r\n\r\n"], ids=["byte", "head", "interim"]
)
async def test_an_end_within_the_head_is_told_from_no_answer_at_all(begun: bytes, end: Step) -> None:
    pool = Pool()
    read = asyncio.Event()
    async with connected(request(), send(begun), when(read), end, pool=pool) as (connection, _):
        asking = asyncio.get_running_loop().create_task(ask(connection))
        await until(lambda: connection.answer.started)
        read.set()
        with pytest.raises(UpstreamUnreachableError) as caught:
            await asking
        assert not isinstance(caught.value, BrokenOffError)
        assert caught.value.proxy_error == "connection_terminated"
        assert pool.closed == [connection]


TRUNCATED: Final = {
    "less than its length": HEAD_OF % 5 + b"ab",
    "no last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
    "half the last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n",
}


@pytest.mark.parametrize("end", [close, reset], ids=["in good order", "by reset"])
@pytest.mark.parametrize("data", TRUNCATED.values(), ids=TRUNCATED)
async def test_a_body_that_breaks_off_raises_behind_what_has_come(data: bytes, end: Step) -> None:
    pool = Pool()
    read = asyncio.Event()
    async with connected(request(), send(data), when(read), end, pool=pool) as (connection, _):
        await ask(connection)
        assert await connection.more() == b"ab"
        read.set()
        with pytest.raises(UpstreamUnreachableError) as caught:
            await rest(connection)
        assert caught.value.proxy_error == "connection_terminated"
        assert not connection.answer.complete
        with pytest.raises(UpstreamUnreachableError):
            await connection.more()
        connection.release()
        assert (pool.idle, pool.closed) == ([], [connection])


async def test_a_body_that_lasts_until_the_end_is_not_ended_by_a_reset() -> None:
    read = asyncio.Event()
    async with connected(request(), send(b"HTTP/1.1 200 OK\r\n\r\nab"), when(read), reset) as (connection, _):
        await ask(connection)
        assert await connection.more() == b"ab"
        read.set()
        with pytest.raises(UpstreamUnreachableError):
            await rest(connection)


async def test_a_reset_behind_a_complete_answer_takes_nothing_from_it() -> None:
    pool = Pool()
    read = asyncio.Event()
    async with connected(request(), send(OK), when(read), reset, pool=pool) as (connection, _):
        await ask(connection)
        read.set()
        await until(lambda: bool(pool.closed))
        assert await rest(connection) == b"ok"
        connection.release()
        assert (pool.idle, pool.closed) == ([], [connection])


# Answers that come before the request was read


TOO_LARGE: Final = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nless"
UPLOADS: Final = 20


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Connection, socket.socket]]:
    """Open a connection to a plain socket, which acts while the loop stands still: nothing is read in between."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = Connection(Pool(), loop, 300.0)
        await loop.create_connection(lambda: connection, *server.getsockname())
        upstream, _ = server.accept()
    with upstream:
        yield connection, upstream
    connection.close()
    await asyncio.sleep(0)


async def half_sent(connection: Connection, upstream: socket.socket) -> "asyncio.Future[None]":
    """Send the head of a request, and wait until it has arrived; return the future of its answer."""
    answered = connection.begin(head_only=False, timeout=60.0, informational=None)
    connection.write(POST % (10 * BUFFER))
    await until(lambda: select.select([upstream], [], [], 0)[0])
    return answered


async def write_into_the_reset(connection: Connection, upstream: socket.socket) -> None:
    """Have the upstream close without having read the request, which resets the connection, and write more of it."""
    upstream.close()
    connection.write(b"x" * BUFFER)
    await until(lambda: connection.is_closed)
    with pytest.raises(ProxyError):
        await connection.drained()


async def test_an_answer_counts_even_if_writing_fails_before_it_was_read() -> None:
    for _ in range(UPLOADS):
        async with opened() as (connection, upstream):
            answered = await half_sent(connection, upstream)
            upstream.sendall(TOO_LARGE)
            await write_into_the_reset(connection, upstream)
            await answered
            assert (connection.answer.status, await rest(connection)) == (413, b"less")


async def test_half_an_answer_is_no_more_than_that_when_writing_fails() -> None:
    async with opened() as (connection, upstream):
        answered = await half_sent(connection, upstream)
        upstream.sendall(TOO_LARGE[:-2])
        await write_into_the_reset(connection, upstream)
        await answered
        assert (connection.answer.status, await connection.more()) == (413, b"le")
        with pytest.raises(UpstreamUnreachableError):
            await connection.more()


async def test_a_body_that_lasts_until_the_end_is_not_ended_by_a_write_that_fails() -> None:
    async with opened() as (connection, upstream):
        answered = await half_sent(connection, upstream)
        upstream.sendall(b"HTTP/1.1 413 Content Too Large\r\n\r\nless")
        await write_into_the_reset(connection, upstream)
        await answered
        with pytest.raises(UpstreamUnreachableError):
            await rest(connection)


async def test_what_is_not_an_answer_is_told_so_when_writing_fails() -> None:
    async with opened() as (connection, upstream):
        answered = await half_sent(connection, upstream)
        upstream.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        await write_into_the_reset(connection, upstream)
        with pytest.raises(UpstreamProtocolError):
            await answered


async def test_nothing_left_behind_is_no_answer_when_writing_fails() -> None:
    async with opened() as (connection, upstream):
        answered = await half_sent(connection, upstream)
        await write_into_the_reset(connection, upstream)
        with pytest.raises(BrokenOffError):
            await answered


async def test_bytes_that_may_have_come_before_the_request_are_not_its_answer() -> None:
    async with opened() as (connection, upstream):
        answered = await half_sent(connection, upstream)
        upstream.recv(BUFFER)
        upstream.sendall(OK)
        connection.request_sent()
        await answered
        connection.release()
        again = await half_sent(connection, upstream)
        upstream.sendall(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await write_into_the_reset(connection, upstream)
        with pytest.raises(BrokenOffError):
            await again


# Answers that are not sound


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    ],
    ids=["not HTTP", "two lengths", "another coding", "an upgrade"],
)
async def test_an_unsound_answer_is_an_error_and_closes_the_connection(data: bytes) -> None:
    pool = Pool()
    async with connected(request(), send(data), pool=pool) as (connection, server):
        with pytest.raises(UpstreamProtocolError):
            await ask(connection)
        await assert_not_reused(connection, pool, server)


async def test_a_body_that_turns_unsound_is_passed_on_until_there_and_no_further() -> None:
    read = asyncio.Event()
    begun = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"
    async with connected(request(), send(begun), when(read), send(b"rubbish")) as (connection, _):
        await ask(connection)
        assert await connection.more() == b"ab"
        read.set()
        with pytest.raises(UpstreamProtocolError):
            await rest(connection)


async def test_interim_answers_are_told_at_once() -> None:
    told: list[tuple[int, Fields]] = []
    final = asyncio.Event()
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    async with connected(request(), send(early), when(final), send(OK)) as (connection, _):
        answered = connection.begin(
            head_only=False, timeout=60.0, informational=lambda status, fields: told.append((status, fields))
        )
        connection.write(GET)
        connection.request_sent()
        await until(lambda: bool(told))
        assert told == [(103, [(b"Link", b"</a>")])]
        assert not answered.done()
        final.set()
        await answered
        assert connection.body() == b"ok"


# Time


async def test_an_exchange_that_is_given_up_before_its_answer_ends_in_a_timeout() -> None:
    pool = Pool()
    async with connected(request(), pool=pool) as (connection, server):
        asking = asyncio.get_running_loop().create_task(ask(connection))
        await until(lambda: server.received == GET)
        assert connection.deadline == pool.time + 60.0
        connection.expire()
        with pytest.raises(UpstreamTimeoutError) as caught:
            await asking
        assert caught.value.status == 504
        await assert_not_reused(connection, pool, server)


async def test_an_exchange_that_is_given_up_within_its_body_ends_in_a_timeout() -> None:
    pool = Pool()
    async with connected(request(), send(HEAD_OF % 5 + b"ab"), pool=pool, idle_timeout=7.0) as (connection, _):
        await ask(connection)
        assert await connection.more() == b"ab"
        reading = asyncio.get_running_loop().create_task(connection.more())
        await asyncio.sleep(0)
        assert connection.deadline == pool.time + 7.0
        connection.expire()
        with pytest.raises(UpstreamTimeoutError):
            await reading
        await until(lambda: pool.closed)
        for _ in range(10):
            await asyncio.sleep(0)  # that the connection then ends is not the cause
        with pytest.raises(UpstreamTimeoutError):
            await connection.more()


async def test_giving_up_a_complete_answer_takes_nothing_from_it() -> None:
    async with connected(request(), send(OK)) as (connection, _):
        await ask(connection)
        connection.expire()
        assert await rest(connection) == b"ok"


async def test_time_runs_only_while_the_upstream_is_waited_for() -> None:
    pool = Pool()
    rest = asyncio.Event()
    steps = [request(), send(HEAD_OF % 6 + b"ab"), when(rest), send(b"cd")]
    async with connected(*steps, pool=pool) as (connection, _):
        await ask(connection)
        slow_caller = pool.time + 100_000.0
        assert connection.deadline > slow_caller
        assert await connection.more() == b"ab"
        assert connection.deadline > slow_caller
        reading = asyncio.get_running_loop().create_task(connection.more())
        await asyncio.sleep(0)
        assert connection.deadline == pool.time + 300.0
        rest.set()
        assert await reading == b"cd"
        assert connection.deadline > slow_caller


async def test_something_that_happens_moves_the_deadline() -> None:
    pool = Pool()
    async with connected(head(), pool=pool) as (connection, _):
        connection.begin(head_only=False, timeout=60.0, informational=None).cancel()
        pool.time += 50.0
        connection.extend(20.0)
        assert connection.deadline == pool.time + 20.0


async def test_a_connection_in_the_pool_has_no_deadline() -> None:
    async with connected(request(), send(OK)) as (connection, _):
        await ask(connection)
        connection.release()
        assert connection.deadline == float("inf")


# Backpressure


async def test_no_more_than_the_buffer_waits_for_a_slow_caller_and_nothing_is_lost() -> None:
    size = 16 * 1024 * 1024
    body = bytes(range(256)) * (size // 256)
    sent = asyncio.Event()

    async def send_all(link: Link) -> None:
        await link.send(HEAD_OF % size + body)
        sent.set()

    async with connected(request(), send_all) as (connection, _):
        await ask(connection)
        await until(lambda: connection.answer.buffered > BUFFER)
        for _ in range(1000):
            await asyncio.sleep(0)
        assert connection.answer.buffered <= 2 * BUFFER
        assert not sent.is_set()
        assert await rest(connection) == body


@asynccontextmanager
async def deaf() -> AsyncIterator[tuple[Connection, socket.socket]]:
    """Open a connection to an upstream that takes nothing out of its socket."""
    loop = asyncio.get_running_loop()
    connection = Connection(Pool(), loop, 300.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)  # noqa: FBT003 - the standard library's signature
        await loop.create_connection(lambda: connection, *server.getsockname())
        upstream, _ = await loop.sock_accept(server)
        with upstream:
            yield connection, upstream
        connection.close()


async def fill(connection: Connection) -> "asyncio.Task[None]":
    """Write until the upstream takes no more; return who waits for it."""
    loop = asyncio.get_running_loop()
    for _ in range(256):
        connection.write(b"a" * 1024 * 1024)
        waiter = loop.create_task(connection.drained())
        for _ in range(20):
            await asyncio.sleep(0)
        if not waiter.done():
            return waiter
        await waiter
    raise AssertionError("256 MiB were written and nobody had to wait")


async def test_writing_waits_until_the_upstream_takes_more() -> None:
    loop = asyncio.get_running_loop()
    async with deaf() as (connection, upstream):
        connection.begin(head_only=False, timeout=60.0, informational=None)
        waiter = await fill(connection)
        async with asyncio.timeout(PATIENCE):
            while not waiter.done():
                await loop.sock_recv(upstream, 1024 * 1024)
        await waiter
        await connection.drained()


async def test_writing_to_a_connection_that_ends_raises_instead_of_waiting() -> None:
    async with deaf() as (connection, upstream):
        answered = connection.begin(head_only=False, timeout=60.0, informational=None)
        waiter = await fill(connection)
        upstream.close()
        for waiting in (waiter, answered):
            with pytest.raises(UpstreamUnreachableError):
                async with asyncio.timeout(PATIENCE):
                    await waiting
        connection.write(b"nobody is there")
        with pytest.raises(ProxyError):
            await connection.drained()


async def test_closing_while_somebody_waits_to_write_leaves_nobody_waiting() -> None:
    async with deaf() as (connection, _):
        answered = connection.begin(head_only=False, timeout=60.0, informational=None)
        waiter = await fill(connection)
        connection.close()
        with pytest.raises(ProxyError):
            async with asyncio.timeout(PATIENCE):
                await waiter
        assert answered.done()


async def test_a_failure_that_nobody_waits_for_is_not_complained_of() -> None:
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with connected(head(), close) as (connection, server):
        connection.begin(head_only=False, timeout=60.0, informational=None)
        connection.write(GET)
        await until(lambda: server.links[0].ended.is_set() and "closed" in repr(connection))
    connection.begin(head_only=False, timeout=60.0, informational=None)
    gc.collect()
    assert complaints == []


async def test_a_connection_is_closed_and_forgotten_once() -> None:
    pool = Pool()
    async with connected(head(), pool=pool) as (connection, server):
        connection.close()
        connection.close()
        async with asyncio.timeout(PATIENCE):
            await server.links[0].ended.wait()
        connection.close()
        assert pool.closed == [connection]


async def test_a_connection_says_what_it_does() -> None:
    async with connected(request(), send(OK)) as (connection, _):
        seen = [repr(connection)]
        asking = asyncio.get_running_loop().create_task(ask(connection))
        await asyncio.sleep(0)
        seen.append(repr(connection))
        await asking
        connection.release()
        seen.append(repr(connection))
        connection.close()
        seen.append(repr(connection))
    assert seen == [
        "<Connection idle, 0 requests>",
        "<Connection busy, 1 requests>",
        "<Connection idle, 1 requests>",
        "<Connection closed, 1 requests>",
    ]
