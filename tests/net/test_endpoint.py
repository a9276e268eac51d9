"""Calls to a real token endpoint that misbehaves in every way we know."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from proxy.core.errors import Reason
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.net.endpoint import BODY_LIMIT, Endpoint, EndpointRequest
from proxy.net.session import open_session
from proxy.net.tls import TlsSettings
from tests.fakes.certificates import Authority, Shown, shake
from tests.fakes.clock import HurriedClock
from tests.fakes.raw_server import RawServer, close
from tests.fakes.token_server import TokenServer

FORM = "application/x-www-form-urlencoded; charset=utf-8"


@pytest.fixture
def clock() -> HurriedClock:
    return HurriedClock()


@pytest.fixture
async def endpoint(clock: HurriedClock) -> AsyncIterator[Endpoint]:
    made = Endpoint(clock, jitter=lambda: 0.0)
    yield made
    await made.close()


@pytest.fixture
async def server() -> AsyncIterator[TokenServer]:
    async with TokenServer() as running:
        yield running


def post(server: TokenServer, **more: Any) -> EndpointRequest:
    return EndpointRequest("POST", f"{server.url}?tenant=s3cret", body=b"a=b", **more)


async def failure(endpoint: Endpoint, request: EndpointRequest) -> TokenRequestError:
    with pytest.raises(TokenRequestError) as caught:
        await endpoint.call(request)
    assert "s3cret" not in str(caught.value)
    assert request.url not in repr(request)
    return caught.value


async def test_a_call_sends_what_it_was_given_and_little_else(endpoint: Endpoint, server: TokenServer) -> None:
    request = EndpointRequest(
        "POST", f"{server.url}?a=%2f+%20", (("X-Key", "k"), ("Accept", "text/plain")), body=b"\x00raw"
    )
    reply = await endpoint.call(request)
    got = server.requests[0]
    assert reply.status == 200
    assert (got.method, got.path_qs, got.body) == ("POST", "/token?a=%2f+%20", b"\x00raw")
    assert set(got.headers) == {
        "Host",
        "Accept",
        "Accept-Encoding",
        "User-Agent",
        "X-Key",
        "Content-Length",
        "Connection",
    }
    assert got.headers["Accept"] == "text/plain"
    assert got.headers["Accept-Encoding"] == "identity"


async def test_a_reply_is_dated_by_our_clock(endpoint: Endpoint, server: TokenServer, clock: HurriedClock) -> None:
    before = clock.now()
    assert before <= (await endpoint.call(post(server))).received_at <= clock.now()


@pytest.mark.parametrize("status", [200, 201, 206, 299])
async def test_every_2xx_is_success(endpoint: Endpoint, server: TokenServer, status: int) -> None:
    server.knobs.status = status
    assert (await endpoint.call(post(server))).status == status


async def test_a_failing_provider_is_asked_three_times(
    endpoint: Endpoint, server: TokenServer, clock: HurriedClock
) -> None:
    server.knobs.status = 503
    error = await failure(endpoint, post(server))
    assert error.reason is Reason.PROVIDER_5XX
    assert server.count == 3
    assert clock.slept == [0.25, 0.5]


async def test_a_provider_that_recovers_is_no_failure(endpoint: Endpoint, server: TokenServer) -> None:
    server.knobs.status, server.knobs.failures = 500, 2
    assert (await endpoint.call(post(server))).status == 200
    assert server.count == 3


async def test_waits_are_jittered(server: TokenServer, clock: HurriedClock) -> None:
    server.knobs.status = 500
    endpoint = Endpoint(clock, jitter=lambda: 0.5)
    await failure(endpoint, post(server))
    await endpoint.close()
    assert clock.slept == [0.375, 0.75]


async def test_a_short_retry_after_is_honoured(endpoint: Endpoint, server: TokenServer, clock: HurriedClock) -> None:
    server.knobs.status, server.knobs.failures = 429, 1
    server.knobs.headers = {"Retry-After": "30"}
    await endpoint.call(post(server))
    assert clock.slept == [30.0]


async def test_a_long_retry_after_is_told_instead_of_waited_for(
    endpoint: Endpoint, server: TokenServer, clock: HurriedClock
) -> None:
    server.knobs.status = 429
    server.knobs.headers = {"Retry-After": "31"}
    error = await failure(endpoint, post(server))
    assert (error.retry_after, clock.slept, server.count) == (31.0, [], 1)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 403, 404, 408, 422])
async def test_what_will_not_change_is_asked_once(endpoint: Endpoint, server: TokenServer, status: int) -> None:
    server.knobs.status = status
    server.knobs.headers = {"Location": "http://127.0.0.1:1/s3cret"}
    await failure(endpoint, post(server))
    assert server.count == 1


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_a_broken_connection_is_retried_by_us_alone(endpoint: Endpoint, server: TokenServer, method: str) -> None:
    server.knobs.drop = True
    error = await failure(endpoint, EndpointRequest(method, server.url))
    assert error.symptom is Symptom.BROKEN_OFF
    assert server.count == 3


@pytest.mark.parametrize(
    "knobs", [{"status": 500}, {"status": 503, "headers": {"Retry-After": "1"}}, {"status": 429}], ids=str
)
async def test_what_may_work_only_once_is_sent_once(
    endpoint: Endpoint, server: TokenServer, clock: HurriedClock, knobs: dict[str, Any]
) -> None:
    for name, value in knobs.items():
        setattr(server.knobs, name, value)
    await failure(endpoint, post(server, spends=True))
    await failure(endpoint, EndpointRequest("POST", "http://127.0.0.1:1/token", spends=True))
    assert server.count == 1
    assert clock.slept == []


async def test_what_may_work_only_once_is_not_sent_again_after_silence(endpoint: Endpoint, server: TokenServer) -> None:
    server.hold()
    await failure(endpoint, post(server, timeout=0.05, spends=True))
    assert server.count == 1


async def test_silence_ends_at_the_timeout(endpoint: Endpoint, server: TokenServer) -> None:
    server.hold()
    async with asyncio.timeout(5):
        error = await failure(endpoint, post(server, timeout=0.2))
    assert error.symptom is Symptom.TIMEOUT
    assert "(0.2 s)" in str(error)


async def test_a_body_past_the_limit_is_refused(endpoint: Endpoint, server: TokenServer) -> None:
    server.knobs.body = "x" * BODY_LIMIT
    assert len((await endpoint.call(post(server))).body) == BODY_LIMIT
    server.knobs.body += "x"
    assert (await failure(endpoint, post(server))).symptom is Symptom.TOO_LARGE


async def raw(answer: bytes) -> asyncio.Server:
    """Serve the same bytes to whoever connects."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


async def asked(endpoint: Endpoint, answer: bytes) -> TokenRequestError:
    async with await raw(answer) as server:
        port = server.sockets[0].getsockname()[1]
        return await failure(endpoint, EndpointRequest("GET", f"http://127.0.0.1:{port}/t?k=s3cret"))


async def test_a_compressed_reply_is_read_within_the_limit(endpoint: Endpoint) -> None:
    def answer(body: bytes, coding: bytes) -> bytes:
        return b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s" % (coding, len(body), body)

    async with await raw(answer(gzip.compress(b"token"), b"gzip")) as server:
        port = server.sockets[0].getsockname()[1]
        assert (await endpoint.call(EndpointRequest("GET", f"http://127.0.0.1:{port}/"))).body == b"token"
    bomb = gzip.compress(b"0" * 20_000_000)
    assert (await asked(endpoint, answer(bomb, b"gzip"))).symptom is Symptom.TOO_LARGE
    assert (await asked(endpoint, answer(b"s3cret", b"br"))).symptom is Symptom.ENCODING
    assert (await asked(endpoint, answer(b"s3cret", b"gzip"))).symptom is Symptom.ENCODING


@pytest.mark.parametrize(
    ("answer", "symptom"),
    [
        (b"s3cret\r\n\r\n", Symptom.NOT_HTTP),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ns3cret", Symptom.BROKEN_OFF),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ns3c", Symptom.BROKEN_OFF),
        (b"HTTP/1.1 200 OK\r\nX: " + b"s3cret" * 4000 + b"\r\n\r\n", Symptom.NOT_HTTP),
        (b"HTTP/1.1 200 " + b"s3cret" * 4000 + b"\r\n\r\n", Symptom.NOT_HTTP),
        (b"", Symptom.BROKEN_OFF),
    ],
)
async def test_a_malformed_answer_is_named_and_not_shown(endpoint: Endpoint, answer: bytes, symptom: Symptom) -> None:
    assert (await asked(endpoint, answer)).symptom is symptom


async def test_a_port_that_nobody_listens_on_is_a_connect_failure(endpoint: Endpoint) -> None:
    error = await failure(endpoint, EndpointRequest("GET", "http://127.0.0.1:1/token?k=s3cret"))
    assert (error.symptom, error.reason) == (Symptom.CONNECT, Reason.NETWORK)
    assert "GET 127.0.0.1:1 did not accept" in str(error)


async def test_a_name_that_does_not_resolve_is_a_dns_failure(endpoint: Endpoint) -> None:
    error = await failure(endpoint, EndpointRequest("GET", "http://no-such-host.invalid/token?k=s3cret"))
    assert error.symptom is Symptom.DNS


@pytest.mark.parametrize(
    "request_", [EndpointRequest("GET", "http://127.0.0.1:99999/"), EndpointRequest("GET", "http:///x")]
)
async def test_an_impossible_url_is_an_error_and_no_traceback(endpoint: Endpoint, request_: EndpointRequest) -> None:
    assert (await failure(endpoint, request_)).symptom is Symptom.REQUEST


async def test_a_header_that_would_split_the_request_is_not_sent(endpoint: Endpoint, server: TokenServer) -> None:
    error = await failure(endpoint, post(server, headers=(("X", "a\r\ns3cret: 1"),)))
    assert error.symptom is Symptom.REQUEST
    assert server.count == 0


async def test_certificates_are_verified(endpoint: Endpoint, clock: HurriedClock) -> None:
    authority = trustme.CA()
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    ours = ssl.create_default_context()
    authority.configure_trust(ours)
    async with TokenServer(tls=theirs) as server:
        error = await failure(endpoint, post(server))
        assert (error.symptom, server.count) == (Symptom.TLS_ISSUER, 0)
        assert "unable to get local issuer certificate" in str(error)
        trusting = Endpoint(clock, lambda: open_session(ours))
        assert (await trusting.call(post(server))).status == 200
        await trusting.close()


def client(folder: Path, authority: Authority, name: str = "client") -> tuple[TlsSettings, Shown]:
    """Write a new client certificate in place of the one before; return settings that name it."""
    shown = authority.client()
    (folder / f"{name}.pem").write_bytes(shown.chain)
    (folder / f"{name}.key").write_bytes(shown.key)
    return TlsSettings(ca=authority.file, certificate=folder / f"{name}.pem", key=folder / f"{name}.key"), shown


async def test_each_call_shows_its_own_certificate_as_it_is_now(endpoint: Endpoint, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    one, first = client(tmp_path, authority)
    other, second = client(tmp_path, authority, "other")
    async with TokenServer(tls=authority.server("127.0.0.1", asks=True)) as server:
        for tls in (one, other, one):
            assert (await endpoint.call(post(server, tls=tls))).status == 200
        assert [request.serial for request in server.requests] == [first.serial, second.serial, first.serial]
        _, third = client(tmp_path, authority)
        await endpoint.call(post(server, tls=one))
        assert one.files.renew()
        await endpoint.call(post(server, tls=one))
        assert [request.serial for request in server.requests[3:]] == [first.serial, third.serial]


async def test_a_call_with_tls_of_its_own_leaves_others_as_they_were(endpoint: Endpoint, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with TokenServer(tls=authority.server("127.0.0.1")) as server:
        assert (await endpoint.call(post(server, tls=TlsSettings(ca=authority.file)))).status == 200
        assert (await failure(endpoint, post(server))).symptom is Symptom.TLS_ISSUER


async def test_a_server_of_another_name_is_believed_if_that_one_is_expected(endpoint: Endpoint, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with TokenServer(tls=authority.server("sts.example")) as server:
        tls = TlsSettings(ca=authority.file, server_name="sts.example")
        assert (await endpoint.call(post(server, tls=tls))).status == 200
        assert (await failure(endpoint, post(server, tls=TlsSettings(ca=authority.file)))).symptom is Symptom.TLS_HOST


@pytest.mark.parametrize(
    ("shown", "words"),
    [(False, "wants a client certificate"), (True, "does not know the authority of our client certificate")],
    ids=["none", "another authority's"],
)
async def test_a_server_that_refuses_our_certificate_says_why(
    endpoint: Endpoint, tmp_path: Path, shown: bool, words: str
) -> None:
    authority = Authority(tmp_path)
    tls = TlsSettings(ca=authority.file)
    if shown:
        (tmp_path / "other").mkdir()
        given, _ = client(tmp_path, Authority(tmp_path / "other"))
        tls = given.model_copy(update={"ca": authority.file})
    async with RawServer(scripts=[[shake(authority.server("127.0.0.1", asks=True))]]) as server:
        request = EndpointRequest("POST", server.url.replace("http:", "https:"), body=b"s3cret", tls=tls)
        error = await failure(endpoint, request)
    assert (error.symptom, error.unheeded) == (Symptom.TLS_CLIENT, True)
    assert words in str(error)


async def test_a_server_that_says_nothing_after_the_handshake_may_mean_our_certificate(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    async with RawServer(scripts=[[shake(authority.server("127.0.0.1")), close]]) as server:
        url = server.url.replace("http:", "https:")
        error = await failure(endpoint, EndpointRequest("GET", url, tls=TlsSettings(ca=authority.file), spends=True))
    assert error.symptom is Symptom.BROKEN_OFF
    assert "may be how it refuses our certificate, or the lack of one" in str(error)


async def test_files_that_cannot_be_used_are_told_and_nobody_is_asked(
    endpoint: Endpoint, server: TokenServer, tmp_path: Path
) -> None:
    tls = TlsSettings(ca=tmp_path / "none.pem")
    error = await failure(endpoint, post(server, tls=tls))
    assert "the files of `tls` cannot be used" in str(error)
    assert server.count == 0


async def test_plain_http_on_a_tls_address_is_a_tls_failure(endpoint: Endpoint, server: TokenServer) -> None:
    request = EndpointRequest("POST", server.url.replace("http:", "https:"))
    assert (await failure(endpoint, request)).symptom is Symptom.TLS


async def test_a_caller_who_leaves_leaves_nothing_behind(endpoint: Endpoint, server: TokenServer) -> None:
    server.hold()
    task = asyncio.create_task(endpoint.call(post(server)))
    await server.arrived(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.release()
    assert (await endpoint.call(post(server))).status == 200


@pytest.mark.parametrize(
    ("query", "kind", "body", "keys"),
    [
        ("?tenant=1&empty=", FORM, b"client_id=me&scope=&s3cret", {"tenant", "empty", "client_id", "scope"}),
        ("?s3cret", "application/json", b'{"client_id": "me", "more": {"deep": 1}}', {"client_id", "more"}),
        ("", "application/json", b'["client_id"]', set()),
        ("", "text/plain", b"s3cret=", set()),
        ("", "text/xml", b"\xff\x00<xml/>", set()),
        ("", FORM, b"", set()),
    ],
)
def test_the_names_of_a_request_s_parameters_are_known(query: str, kind: str, body: bytes, keys: set[str]) -> None:
    request = EndpointRequest("POST", f"https://a.example/token{query}", (("content-type", kind),), body)
    assert request.keys == keys


def test_a_request_prints_nothing_secret() -> None:
    url = "https://user:s3cret@api.example:8443/s3cret/token?k=s3cret"
    request = EndpointRequest("POST", url, (("X", "s3cret"),), b"s3cret")
    assert "s3cret" not in repr(request)
    assert request.subject == "POST api.example:8443"
