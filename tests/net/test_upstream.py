"""The pool of one upstream: who is handed out, who is closed, what connecting can end in, and that nothing leaks."""

import asyncio
import contextlib
import os
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from math import inf
from pathlib import Path
from typing import Final

import pytest

from proxy.core.errors import OverloadedError, ProxyError, UpstreamTimeoutError, UpstreamUnreachableError
from proxy.core.origin import Origin
from proxy.net.exchange import Connection
from proxy.net.runtime import Runtime
from proxy.net.tls import TlsFiles, TlsSettings
from proxy.net.upstream import Upstream
from tests.fakes.certificates import Authority, shake
from tests.fakes.clock import FakeClock
from tests.fakes.raw_server import OK, RawServer, Step, close, request, send, when
from tests.fakes.until import PATIENCE, until

GET: Final = b"GET /x HTTP/1.1\r\nHost: api.example\r\n\r\n"


class Pool:
    """An upstream with everything around it."""

    def __init__(self, port: int, *, host: str, tls: TlsFiles | None, connect: float) -> None:
        self.clock = FakeClock()
        self.reports: list[tuple[str, BaseException]] = []
        self.runtime = Runtime(self.clock, lambda name, error: self.reports.append((name, error)))
        self.upstream = Upstream(
            Origin("https" if tls else "http", host, port),
            self.runtime,
            tls=tls,
            connect=connect,
            idle=3.0,
            keepalive=4.0,
        )


@asynccontextmanager
async def pool(
    port: int, *, host: str = "127.0.0.1", tls: TlsFiles | None = None, connect: float = 5.0
) -> AsyncIterator[Pool]:
    """Have a pool; at the end, nothing has gone wrong behind anybody's back."""
    one = Pool(port, host=host, tls=tls, connect=connect)
    try:
        yield one
    finally:
        one.upstream.close()
        for connection in tuple(one.upstream._all):  # a test that fails must not hang as well
            connection.close()
        await one.runtime.close()
    assert one.reports == []


async def exchange(connection: Connection, data: bytes = GET, *, seconds: float = 60.0) -> bytes:
    """Carry one request, and return the body of its answer."""
    answered = connection.begin(head_only=False, timeout=seconds, informational=None)
    connection.write(data)
    connection.request_sent()
    try:
        async with asyncio.timeout(PATIENCE):
            await answered
            body = b""
            while piece := await connection.more():
                body += piece
            return body
    finally:
        connection.release()


async def opened(upstream: Upstream, count: int) -> list[Connection]:
    return [await upstream.connect() for _ in range(count)]


# Idle connections


async def test_an_empty_pool_hands_nobody_out() -> None:
    async with RawServer() as server, pool(server.port) as one:
        assert one.upstream.idle() is None
        assert one.upstream.connections == 0


async def test_a_connection_serves_request_after_request() -> None:
    async with RawServer() as server, pool(server.port) as one:
        connection = await one.upstream.connect()
        for _ in range(5):
            assert await exchange(connection) == b"ok"
            assert one.upstream.idle() is connection
            assert one.upstream.idle() is None
        assert (len(server.links), len(server.requests)) == (1, 5)


async def test_the_connection_that_was_used_last_is_handed_out_first() -> None:
    async with RawServer() as server, pool(server.port) as one:
        first, second, third = await opened(one.upstream, 3)
        for connection in (second, first, third):
            await exchange(connection)
        assert [one.upstream.idle() for _ in range(4)] == [third, first, second, None]


async def test_a_connection_under_way_is_not_handed_out() -> None:
    async with RawServer(scripts=[[request()]]) as server, pool(server.port) as one:
        connection = await one.upstream.connect()
        asking = asyncio.get_running_loop().create_task(exchange(connection))
        await until(lambda: server.requests)
        assert one.upstream.idle() is None
        assert one.upstream.connections == 1
        asking.cancel()


async def test_a_connection_that_idles_too_long_is_closed_and_one_that_does_not_is_kept() -> None:
    async with RawServer() as server, pool(server.port) as one:
        old, young = await opened(one.upstream, 2)
        await exchange(old)
        await one.clock.advance(seconds=3.0)
        await exchange(young)
        await one.clock.advance(seconds=1.5)
        await until(server.links[0].ended.is_set)
        assert one.upstream.connections == 1
        assert not server.links[1].ended.is_set()
        assert one.upstream.idle() is young


async def test_a_connection_that_is_used_again_starts_to_idle_anew() -> None:
    async with RawServer() as server, pool(server.port) as one:
        connection = await one.upstream.connect()
        for _ in range(5):
            await exchange(connection)
            await one.clock.advance(seconds=3.0)
            assert one.upstream.idle() is connection
        assert len(server.links) == 1


async def test_a_poisoned_idle_connection_is_closed_and_answers_nobody() -> None:
    poison = asyncio.Event()
    bad = OK.replace(b"ok", b"no")
    scripts: list[list[Step]] = [[request(), send(OK), when(poison), send(bad)], [request(), send(OK)]]
    async with RawServer(scripts=scripts) as server, pool(server.port) as one:
        await exchange(await one.upstream.connect())
        assert one.upstream.connections == 1
        poison.set()
        await until(server.links[0].ended.is_set)
        assert one.upstream.idle() is None
        assert one.upstream.connections == 0
        assert await exchange(await one.upstream.connect()) == b"ok"


async def test_an_idle_connection_that_the_upstream_closes_is_not_handed_out() -> None:
    tired = asyncio.Event()
    async with RawServer(scripts=[[request(), send(OK), when(tired), close]]) as server, pool(server.port) as one:
        await exchange(await one.upstream.connect())
        tired.set()
        await until(lambda: one.upstream.connections == 0)
        assert one.upstream.idle() is None


async def test_closing_the_pool_ends_what_is_idle_now_and_the_rest_as_it_is_released() -> None:
    answer = asyncio.Event()
    scripts: list[list[Step]] = [[request(), send(OK)], [request(), when(answer), send(OK)]]
    async with RawServer(scripts=scripts) as server, pool(server.port) as one:
        idle, busy = await opened(one.upstream, 2)
        await exchange(idle)
        asking = asyncio.get_running_loop().create_task(exchange(busy))
        await until(lambda: len(server.requests) == 2)
        one.upstream.close()
        await until(server.links[0].ended.is_set)
        assert not server.links[1].ended.is_set()
        answer.set()
        assert await asking == b"ok"
        await until(server.links[1].ended.is_set)
        assert one.upstream.connections == 0


# Deadlines


async def test_an_answer_that_does_not_come_in_time_is_given_up() -> None:
    async with RawServer(scripts=[[request()]]) as server, pool(server.port) as one:
        connection = await one.upstream.connect()
        asking = asyncio.get_running_loop().create_task(exchange(connection, seconds=10.0))
        await until(lambda: server.requests)
        await one.clock.advance(seconds=9.8)
        assert not asking.done()
        await one.clock.advance(seconds=0.5)
        with pytest.raises(UpstreamTimeoutError):
            await asking
        assert one.upstream.connections == 0


async def test_a_body_that_stops_coming_is_given_up_after_the_idle_time() -> None:
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"
    async with RawServer(scripts=[[request(), send(begun)]]) as server, pool(server.port) as one:
        connection = await one.upstream.connect()
        asking = asyncio.get_running_loop().create_task(exchange(connection))
        await until(lambda: connection.answer.has_head)
        await one.clock.advance(seconds=2.8)
        assert not asking.done()
        await one.clock.advance(seconds=0.5)
        with pytest.raises(UpstreamTimeoutError):
            await asking


async def test_a_caller_that_takes_its_time_is_not_the_upstream_s_fault() -> None:
    rest = asyncio.Event()
    steps = [request(), send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab"), when(rest), send(b"cd")]
    async with RawServer(scripts=[steps]) as server, pool(server.port) as one:
        connection = await one.upstream.connect()
        answered = connection.begin(head_only=False, timeout=10.0, informational=None)
        connection.write(GET)
        connection.request_sent()
        await answered
        await one.clock.advance(seconds=20.0)
        assert await connection.more() == b"ab"
        await one.clock.advance(seconds=20.0)
        rest.set()
        assert await connection.more() == b"cd"
        connection.release()
        assert server.links[0].requests
        assert one.upstream.idle() is connection


async def test_one_late_exchange_does_not_end_the_others() -> None:
    answer = asyncio.Event()
    scripts: list[list[Step]] = [[request()], [request(), when(answer), send(OK)]]
    async with RawServer(scripts=scripts) as server, pool(server.port) as one:
        late, patient = await opened(one.upstream, 2)
        loop = asyncio.get_running_loop()
        first = loop.create_task(exchange(late, seconds=1.0))
        second = loop.create_task(exchange(patient, seconds=100.0))
        await until(lambda: len(server.requests) == 2)
        await one.clock.advance(seconds=5.0)
        with pytest.raises(UpstreamTimeoutError):
            await first
        answer.set()
        assert await second == b"ok"


async def test_the_sweeper_ends_with_the_last_connection_and_starts_again_with_the_next() -> None:
    async with RawServer() as server, pool(server.port) as one:
        for _ in range(2):
            connection = await one.upstream.connect()
            assert one.runtime.tasks == 1
            await exchange(connection)
            await one.clock.advance(seconds=6.0)
            assert (one.runtime.tasks, one.upstream.connections, one.clock.sleepers) == (0, 0, 0)


# What connecting can end in


async def refused(port: int, **options: object) -> ProxyError:
    """Return why connecting failed, and see that nothing is left behind."""
    async with pool(port, **options) as one:  # type: ignore[arg-type]  # passed on as they are
        with pytest.raises(ProxyError) as caught:
            async with asyncio.timeout(PATIENCE):
                await one.upstream.connect()
        assert one.upstream.connections == 0
        assert one.runtime.tasks == 0
        return caught.value


async def test_a_closed_port_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    error = await refused(port)
    assert isinstance(error, UpstreamUnreachableError)
    assert (error.status, error.proxy_error) == (502, "connection_refused")


async def test_an_unknown_name_is_unreachable() -> None:
    error = await refused(80, host="not a name.invalid")  # the space keeps the question from any name server
    assert isinstance(error, UpstreamUnreachableError)
    assert (error.status, error.proxy_error) == (502, "dns_error")


@contextlib.contextmanager
def no_descriptors() -> Iterator[None]:
    """Have none left."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as taken:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[0], 1024), before[1]))
        taken.callback(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        with contextlib.suppress(OSError):
            while True:
                taken.callback(os.close, os.dup(2))
        yield


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_that_we_have_no_descriptor_left_is_not_the_upstreams_failure(host: str) -> None:
    with no_descriptors():
        error = await refused(9, host=host)
    assert isinstance(error, OverloadedError)
    assert (error.status, error.counts, error.retry_after) == (503, False, 1.0)


async def test_connecting_that_takes_too_long_is_a_timeout() -> None:
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for filler in (first, second):  # with its queue full, Linux answers nobody
            filler.setblocking(False)  # noqa: FBT003 - the standard library's signature
            filler.connect_ex(server.getsockname())
        error = await refused(server.getsockname()[1], connect=0.2)
    assert isinstance(error, UpstreamTimeoutError)
    assert (error.status, error.proxy_error) == (504, "connection_timeout")


async def test_an_upstream_that_accepts_and_says_nothing_of_tls_is_a_timeout() -> None:
    async with RawServer(scripts=[[]]) as server:
        error = await refused(server.port, tls=TlsSettings().files, connect=0.2)
        await until(server.links[0].ended.is_set)
    assert isinstance(error, UpstreamTimeoutError)
    assert error.proxy_error == "connection_timeout"


async def test_an_upstream_that_speaks_no_tls_is_unreachable() -> None:
    async with RawServer(scripts=[[send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")]]) as server:
        error = await refused(server.port, tls=TlsSettings().files)
    assert isinstance(error, UpstreamUnreachableError)
    assert error.proxy_error == "tls_protocol_error"


async def test_an_upstream_that_closes_instead_of_shaking_hands_is_unreachable() -> None:
    async with RawServer(scripts=[[close]]) as server:
        assert isinstance(await refused(server.port, tls=TlsSettings().files), UpstreamUnreachableError)


async def test_a_caller_that_leaves_while_connecting_leaves_nothing_behind() -> None:
    async with RawServer(scripts=[[]]) as server, pool(server.port, tls=TlsSettings().files) as one:
        connecting = asyncio.get_running_loop().create_task(one.upstream.connect())
        await until(lambda: server.links and server.links[0].received)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        await until(server.links[0].ended.is_set)
        assert (one.upstream.connections, one.runtime.tasks) == (0, 0)


async def test_leaving_at_any_moment_leaks_no_connection() -> None:
    async with RawServer(scripts=[[request()]]) as server, pool(server.port) as one:
        loop = asyncio.get_running_loop()

        async def once(data: bytes) -> None:
            await exchange(await one.upstream.connect(), data)

        for turns in range(30):
            caller = loop.create_task(once(GET))
            for _ in range(turns):
                await asyncio.sleep(0)
            caller.cancel()
            with pytest.raises(asyncio.CancelledError):
                await caller
        farewell = GET.replace(b"/x", b"/last")
        last = loop.create_task(once(farewell))
        await until(lambda: server.links and server.links[-1].received == farewell)
        await until(lambda: all(link.ended.is_set() for link in server.links[:-1]))
        assert one.upstream.connections == 1
        last.cancel()
        await until(server.links[-1].ended.is_set)
        assert one.upstream.connections == 0


async def test_a_hundred_callers_that_leave_leak_no_connection() -> None:
    async with RawServer(scripts=[[request()]]) as server, pool(server.port) as one:
        loop = asyncio.get_running_loop()

        async def once() -> None:
            await exchange(await one.upstream.connect())

        callers = [loop.create_task(once()) for _ in range(100)]
        await until(lambda: len(server.requests) == 100)
        assert one.upstream.connections == 100
        for caller in callers:
            caller.cancel()
        await asyncio.wait(callers)
        await until(lambda: all(link.ended.is_set() for link in server.links))
        assert one.upstream.connections == 0


# TLS


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


class TlsServer(asyncio.Protocol):
    """Says what it was told to say, and hears what comes."""

    def __init__(self, greeting: bytes, answer: bytes, ends: list[str], *, stays: bool) -> None:
        self._greeting = greeting
        self._answer = answer
        self._stays = stays
        self._ends = ends
        self._writer: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._writer = transport  # type: ignore[assignment]  # a stream's transport can write
        if shown := transport.get_extra_info("peercert"):
            self._ends.append(shown["serialNumber"])
        if self._greeting and self._writer is not None:
            self._writer.write(self._greeting)

    def data_received(self, data: bytes) -> None:
        if self._writer is not None and data.endswith(b"\r\n\r\n"):
            self._writer.write(self._answer)
            if not self._stays:
                self._writer.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ends.append(repr(exc))


@asynccontextmanager
async def tls_server(
    context: ssl.SSLContext, *, greeting: bytes = b"", answer: bytes = OK, stays: bool = True
) -> AsyncIterator[tuple[int, list[str]]]:
    """Serve on a loopback port; yields it, and the list of connections that ended."""
    ends: list[str] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: TlsServer(greeting, answer, ends, stays=stays), "127.0.0.1", 0, ssl=context
    )
    try:
        yield server.sockets[0].getsockname()[1], ends
    finally:
        server.close()
        await server.wait_closed()


async def test_an_upstream_of_the_configured_authority_is_believed(authority: Authority) -> None:
    context = authority.server("127.0.0.1", "localhost")
    for host in ("127.0.0.1", "localhost"):
        async with tls_server(context) as (port, ends):
            async with pool(port, host=host, tls=TlsSettings(ca=authority.file).files) as one:
                assert await exchange(await one.upstream.connect()) == b"ok"
                assert one.upstream.connections == 1
            await until(lambda: ends)


@pytest.mark.parametrize(
    ("name", "host", "known"),
    [
        ("127.0.0.1", "127.0.0.1", False),
        ("other.example", "127.0.0.1", True),
        ("127.0.0.1", "localhost", True),
        ("localhost", "127.0.0.1", True),
    ],
    ids=["unknown issuer", "another name", "the address, not the name", "the name, not the address"],
)
async def test_an_upstream_that_cannot_prove_itself_is_not_spoken_to(
    authority: Authority, name: str, host: str, known: bool
) -> None:
    async with tls_server(authority.server(name)) as (port, _):
        error = await refused(port, host=host, tls=(TlsSettings(ca=authority.file) if known else TlsSettings()).files)
    assert isinstance(error, UpstreamUnreachableError)
    assert error.proxy_error == "tls_certificate_error"


def client(folder: Path, authority: Authority) -> tuple[TlsSettings, str]:
    """Write a new client certificate in place of the one before; return settings that name it, and its serial."""
    shown = authority.client()
    (folder / "client.pem").write_bytes(shown.chain + shown.key)
    return TlsSettings(ca=authority.file, certificate=folder / "client.pem"), shown.serial


async def test_a_client_certificate_is_shown_to_the_upstream(authority: Authority, tmp_path: Path) -> None:
    tls, serial = client(tmp_path, authority)
    async with tls_server(authority.server("127.0.0.1", asks=True)) as (port, seen), pool(port, tls=tls.files) as one:
        assert await exchange(await one.upstream.connect()) == b"ok"
        assert seen == [serial]


async def test_another_name_than_the_address_is_asked_for_and_expected(authority: Authority) -> None:
    tls = TlsSettings(ca=authority.file, server_name="api.example")
    async with tls_server(authority.server("api.example")) as (port, _), pool(port, tls=tls.files) as one:
        assert await exchange(await one.upstream.connect()) == b"ok"
    async with tls_server(authority.server("127.0.0.1")) as (port, _):
        assert (await refused(port, tls=tls.files)).proxy_error == "tls_certificate_error"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("shown", "words"),
    [(False, "wants a client certificate"), (True, "does not know the authority of our client certificate")],
    ids=["none", "another authority's"],
)
async def test_an_upstream_that_refuses_our_certificate_is_unreachable_and_says_why(
    authority: Authority, tmp_path: Path, version: ssl.TLSVersion, shown: bool, words: str
) -> None:
    tls = TlsSettings(ca=authority.file)
    if shown:
        (tmp_path / "other").mkdir()
        given, _ = client(tmp_path, Authority(tmp_path / "other"))
        tls = given.model_copy(update={"ca": authority.file})
    theirs = authority.server("127.0.0.1", asks=True)
    theirs.maximum_version = version
    async with RawServer(scripts=[[shake(theirs)]]) as server, pool(server.port, tls=tls.files) as one:
        with pytest.raises(UpstreamUnreachableError) as caught:
            await exchange(await one.upstream.connect())
        assert (caught.value.status, caught.value.proxy_error) == (502, "tls_alert_received")
        assert words in caught.value.detail
        await until(lambda: one.upstream.connections == 0)


@pytest.mark.parametrize("encrypted", [True, False])
async def test_an_upstream_that_ends_a_fresh_tls_connection_without_a_word_may_mean_our_certificate(
    authority: Authority, encrypted: bool
) -> None:
    tls = TlsSettings(ca=authority.file).files if encrypted else None
    first = shake(authority.server("127.0.0.1")) if encrypted else request()
    async with RawServer(scripts=[[first, close]]) as server, pool(server.port, tls=tls) as one:
        with pytest.raises(UpstreamUnreachableError) as caught:
            await exchange(await one.upstream.connect())
    assert ("may be how it refuses our certificate" in caught.value.detail) is encrypted


async def test_an_idle_connection_made_with_former_files_is_closed(authority: Authority, tmp_path: Path) -> None:
    tls, first = client(tmp_path, authority)
    async with tls_server(authority.server("127.0.0.1", asks=True)) as (port, seen), pool(port, tls=tls.files) as one:
        await exchange(await one.upstream.connect())
        await one.clock.advance(seconds=1.0)
        assert one.upstream.connections == 1
        _, second = client(tmp_path, authority)
        assert tls.files.renew()
        await one.clock.advance(seconds=0.2)
        assert one.upstream.connections == 0
        await exchange(await one.upstream.connect())
        assert [serial for serial in seen if serial in (first, second)] == [first, second]


async def test_a_busy_connection_made_with_former_files_finishes_and_is_not_used_again(
    authority: Authority, tmp_path: Path
) -> None:
    tls, _ = client(tmp_path, authority)
    async with tls_server(authority.server("127.0.0.1", asks=True)) as (port, _), pool(port, tls=tls.files) as one:
        connection = await one.upstream.connect()
        answered = connection.begin(head_only=False, timeout=60.0, informational=None)
        client(tmp_path, authority)
        assert tls.files.renew()
        connection.write(GET)
        connection.request_sent()
        await answered
        assert await connection.more() == b"ok"
        connection.release()
        assert one.upstream.idle() is None
        assert connection.is_closed


async def test_an_upstream_that_speaks_first_over_tls_is_closed_and_not_counted(authority: Authority) -> None:
    context = authority.server("127.0.0.1")
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # there, what it says can come with the end of the handshake
    tls = TlsSettings(ca=authority.file).files
    async with tls_server(context, greeting=OK) as (port, ends), pool(port, tls=tls) as one:
        for number in range(20):
            with contextlib.suppress(UpstreamUnreachableError):
                await one.upstream.connect()
            await until(lambda: len(ends) > number)  # noqa: B023 - it is awaited before the number grows
            assert one.upstream.connections == 0


@pytest.mark.asyncio(loop_factories=["uvloop"])  # Python's own loop does not tell the two ends apart
async def test_a_body_that_lasts_until_the_end_is_not_whole_without_the_end_of_tls(authority: Authority) -> None:
    # RFC 9112 §9.8: without a closure alert somebody on the way may have cut it.
    body = b"HTTP/1.1 200 OK\r\n\r\nuntil the end"
    async with (
        tls_server(authority.server("127.0.0.1"), answer=body) as (port, _),
        cutting(port) as (front, cut),
        pool(front, tls=TlsSettings(ca=authority.file).files) as one,
    ):
        connection = await one.upstream.connect()
        answered = connection.begin(head_only=False, timeout=60.0, informational=None)
        connection.write(GET)
        connection.request_sent()
        await answered
        assert await connection.more() == b"until the end"
        cut()
        with pytest.raises(UpstreamUnreachableError):
            await connection.more()
        connection.release()


async def test_a_body_that_lasts_until_the_end_of_tls_is_whole(authority: Authority) -> None:
    body = b"HTTP/1.1 200 OK\r\n\r\nuntil the end"
    async with (
        tls_server(authority.server("127.0.0.1"), answer=body, stays=False) as (port, _),
        pool(port, tls=TlsSettings(ca=authority.file).files) as one,
    ):
        assert await exchange(await one.upstream.connect()) == b"until the end"
        assert one.upstream.connections == 0


async def test_a_body_that_says_its_length_is_whole_without_the_end_of_tls(authority: Authority) -> None:
    async with (
        tls_server(authority.server("127.0.0.1")) as (port, _),
        cutting(port) as (front, cut),
        pool(front, tls=TlsSettings(ca=authority.file).files) as one,
    ):
        assert await exchange(await one.upstream.connect()) == b"ok"
        cut()
        await until(lambda: one.upstream.connections == 0)


@asynccontextmanager
async def cutting(port: int) -> AsyncIterator[tuple[int, Callable[[], None]]]:
    """Stand before a server and pass bytes on, until told to end the client's connection in good order."""
    writers: list[asyncio.StreamWriter] = []
    done = asyncio.Event()

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, before = await asyncio.open_connection("127.0.0.1", port)
        writers.extend((writer, before))
        await asyncio.gather(copy(reader, before), copy(behind, writer), return_exceptions=True)
        done.set()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)

    def cut() -> None:
        writers[0].close()

    try:
        yield server.sockets[0].getsockname()[1], cut
    finally:
        for writer in writers:
            writer.close()
        await until(done.is_set)
        server.close()
        await server.wait_closed()


async def test_a_pool_says_how_it_stands() -> None:
    async with RawServer() as server, pool(server.port) as one:
        await exchange(await one.upstream.connect())
        assert repr(one.upstream) == f"<Upstream 127.0.0.1:{server.port}: 1 connections, 1 idle>"
        assert one.upstream.now() < inf
