"""A request made to measure: the caller's own values, fields in the body, signatures, and all that anew in a replay."""

import asyncio
import hashlib
import hmac
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from multidict import CIMultiDict
from pydantic import TypeAdapter

from proxy.core.message import Injection, RequestHead
from proxy.core.principal import Principal
from proxy.core.tailored import Tailored
from proxy.gateway.tailor import settled
from proxy.injectors import AnyInjector
from proxy.injectors.base import InjectorSettings
from tests.fakes.gateway_room import GatewayRoom, gateway
from tests.fakes.raw_client import Answer, RawClient
from tests.fakes.raw_server import OK, Link, RawServer, answer_each, close, send
from tests.fakes.raw_server import request as head
from tests.fakes.strict import Request

KiB: Final = 1024
REFUSED: Final = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"
FORM: Final = "Content-Type: application/x-www-form-urlencoded\r\n"
JSON: Final = "Content-Type: application/json\r\n"
SMALL_BUDGET: Final = {"replay": {"memory": "1KiB", "disk": "3KiB"}}
ANYONE: Final = Principal("local", "anonymous")


def inject(*settings: dict[str, Any]) -> tuple[InjectorSettings, ...]:
    return tuple(TypeAdapter(AnyInjector).validate_python(one) for one in settings)


def asking(method: str = "GET", target: str = "/x", headers: str = "", body: bytes | None = None) -> bytes:
    framing = "" if body is None else f"Content-Length: {len(body)}\r\n"
    return f"{method} {target} HTTP/1.1\r\nHost: proxy.example\r\n{headers}{framing}\r\n".encode() + (body or b"")


def chunked(headers: str, *pieces: bytes) -> bytes:
    head = f"POST /x HTTP/1.1\r\nHost: proxy.example\r\n{headers}Transfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


async def ask(room: GatewayRoom, *data: bytes) -> Answer:
    """Send the bytes, piece by piece, and return the answer."""
    async with RawClient(room.port) as caller:
        for piece in data:
            await caller.send(piece)
            await asyncio.sleep(0)
        return await caller.answer(data[0].split(b" ")[0].decode())


async def sent(request: bytes, *settings: dict[str, Any], **route: Any) -> Request:
    """Return the request that went upstream."""
    async with gateway(inject=inject(*settings), **route) as (room, api):
        answer = await ask(room, request)
        assert answer.status == 200, answer.body
        return api.requests[-1]


async def refused(request: bytes, *settings: dict[str, Any], **route: Any) -> tuple[int, str, str]:
    """Return status, code and detail of what the caller was told, and see that nothing went upstream."""
    async with gateway(inject=inject(*settings), **route) as (room, api):
        answer = await ask(room, request)
        assert api.requests == []
        problem = json.loads(answer.body)
        return answer.status, problem["type"].rpartition("/")[2], problem["detail"]


# The caller's own values


def head_of(*headers: tuple[bytes, bytes], query: str = "") -> RequestHead:
    fields = CIMultiDict((name.decode(), value.decode("latin-1")) for name, value in headers)
    return RequestHead("GET", "/", query, "proxy.example", headers, fields, "127.0.0.1")


KEEP: Final = Injection(
    tailored=Tailored(
        ((b"x-key", b"X-Key: ours\r\n"),),
        ((b"key", b"key=ours"),),
        ((b"sid", b"ours"),),
        ((b"authorization", b"X-Was"),),
    )
)


def test_what_yields_stands_where_the_caller_sent_nothing() -> None:
    injection = settled(KEEP, head_of((b"Accept", b"*/*")), ANYONE)
    assert (injection.lines, injection.query, injection.cookies) == (
        b"X-Key: ours\r\n",
        b"key=ours",
        ((b"sid", b"ours"),),
    )
    assert injection.replaces == {b"x-key"}, "another spelling of the name is dropped"


def test_what_yields_has_yielded_where_the_caller_sent_its_own() -> None:
    head = head_of((b"x-KEY", b"mine"), (b"Cookie", b"a=1; sid=mine"), query="?a=1&k%65y=mine")
    injection = settled(KEEP, head, ANYONE)
    assert (injection.lines, injection.query, injection.cookies) == (b"", b"", ())


@pytest.mark.parametrize(
    ("headers", "principal"),
    [
        (((b"X-Key", b"proof"),), Principal("c", "api_key", frozenset({b"x-key"}))),
        (((b"X-Key", b"mine"), (b"Connection", b"x-key")), ANYONE),
        (((b"X_Key", b"mine"),), ANYONE),
    ],
)
def test_what_does_not_go_upstream_is_not_the_callers_own(
    headers: tuple[tuple[bytes, bytes], ...], principal: Principal
) -> None:
    assert settled(KEEP, head_of(*headers), principal).lines == b"X-Key: ours\r\n"


def test_the_callers_own_is_moved_with_every_line() -> None:
    head = head_of((b"authorization", b"Basic 1"), (b"Authorization", b"\xff"), (b"X-Key", b"mine"))
    assert settled(KEEP, head, ANYONE).lines == b"X-Was: Basic 1\r\nX-Was: \xff\r\n"


def test_a_proof_is_never_moved() -> None:
    head = head_of((b"Authorization", b"Bearer proof"), (b"X-Key", b"mine"))
    assert settled(KEEP, head, Principal("c", "api_key", frozenset({b"authorization"}))).lines == b""


@pytest.mark.parametrize("name", [b"Proxy-Authorization", b"X-Countersign-Key", b"Host", b"Via"])
def test_what_belongs_to_this_hop_is_never_moved(name: bytes) -> None:
    moving = Injection(tailored=Tailored(moves=((name.lower(), b"X-Was"),)))
    assert settled(moving, head_of((name, b"secret")), ANYONE).lines == b""


async def test_one_value_goes_upstream_and_the_callers_beside_it_under_its_other_name() -> None:
    headers = "Authorization: Basic mine\r\nX-Original-Authorization: planted\r\nx_original_authorization: planted\r\n"
    request = await sent(
        asking(headers=headers),
        {"kind": "header", "name": "Authorization", "prefix": "Bearer ", "move_to": "X-Original-Authorization"},
    )
    assert request.all("authorization") == [b"Bearer planted-1"]
    assert request.all("x-original-authorization") == [b"Basic mine"]
    assert request.all("x_original_authorization") == []


async def test_appended_values_stand_behind_the_callers_own() -> None:
    request = await sent(
        asking(target="/x?tag=mine", headers="X-Tag: mine\r\nCookie: tag=mine\r\n"),
        {"kind": "header", "name": "X-Tag", "mode": "append"},
        {"kind": "query", "name": "tag", "mode": "append"},
        {"kind": "cookie", "name": "tag", "mode": "append"},
    )
    assert request.all("x-tag") == [b"mine", b"planted-1"]
    assert request.target == b"/x?tag=mine&tag=planted-1"
    assert request.all("cookie") == [b"tag=mine; tag=planted-1"]


async def test_one_login_sets_several_places() -> None:
    request = await sent(
        asking(target="/x?refresh=mine"),
        {"kind": "header", "name": "Authorization", "prefix": "Bearer "},
        {"kind": "query", "name": "refresh", "value": "{{ refresh_token }}"},
        {"kind": "header", "name": "X-Both", "value": "{{ TOKEN }}/{{ refresh_token }}"},
    )
    assert request.one("authorization") == b"Bearer planted-1"
    assert request.target == b"/x?refresh=planted-refresh-1"
    assert request.one("x-both") == b"planted-1/planted-refresh-1"


async def test_a_variable_that_the_login_did_not_bring_is_named() -> None:
    async with gateway(inject=inject({"kind": "header", "name": "X", "value": "{{ TENANT }}"})) as (room, api):
        assert (await ask(room, asking())).status == 502
        assert api.requests == []
        (event,) = room.events.query(limit=1).events
        assert "the variable TENANT has no value" in str(event.detail)


# Fields of the body


async def test_a_form_field_is_set_and_the_length_is_reckoned_anew() -> None:
    request = await sent(asking("POST", headers=FORM, body=b"key=mine&a=%zz"), {"kind": "body", "form": "key"})
    assert request.body == b"a=%zz&key=planted-1"
    assert request.all("content-length") == [str(len(request.body)).encode()]


async def test_a_json_field_is_set_in_a_body_of_unknown_length() -> None:
    request = await sent(chunked(JSON, b'{"n":1.', b'0,"auth":{}}'), {"kind": "body", "json": "$.auth.key"})
    assert request.body == b'{"n":1.0,"auth":{"key":"planted-1"}}'
    assert request.one("transfer-encoding") is None


async def test_what_said_how_the_callers_body_hashes_is_dropped() -> None:
    headers = JSON + "Content-MD5: x\r\nDigest: x\r\nContent-Digest: x\r\nRepr-Digest: x\r\nX-Kept: x\r\n"
    request = await sent(asking("PUT", headers=headers, body=b"{}"), {"kind": "body", "json": "key"})
    assert [name for name in ("content-md5", "digest", "content-digest", "repr-digest") if request.one(name)] == []
    assert request.one("x-kept") == b"x"


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (asking(), "goes into the request body: send one"),
        (asking("POST", body=b"{}"), "with one Content-Type"),
        (asking("POST", headers=JSON + "Connection: content-type\r\n", body=b"{}"), "with one Content-Type"),
        (asking("POST", headers=FORM, body=b"a=1"), "send Content-Type application/json"),
        (asking("POST", headers=JSON, body=b"[1]"), "no object"),
        (asking("POST", headers=JSON + "Content-Encoding: gzip\r\n", body=b"{}"), "without Content-Encoding"),
    ],
)
async def test_what_cannot_take_the_field_is_refused_and_not_sent_without(request_: bytes, why: str) -> None:
    status, code, detail = await refused(request_, {"kind": "body", "json": "key"})
    assert (status, code) == (400, "request-invalid")
    assert why in detail


async def test_a_body_larger_than_the_memory_is_refused() -> None:
    long = b'{"a": "' + b"x" * 2 * KiB + b'"}'
    for request in (asking("POST", headers=JSON, body=long)[:-1], chunked(JSON, long[:1000], long[1000:])[:-5]):
        status, code, detail = await refused(request, {"kind": "body", "json": "key"}, **SMALL_BUDGET)
        assert (status, code) == (413, "request-too-large")
        assert "replay.memory keep at most 1024 bytes" in detail


# Signatures, and replays

SIGNED: Final = {"kind": "hmac", "sign": "{{ METHOD }} {{ PATH }} {{ BODY_SHA256 }}", "header": "X-Signature"}


def expected(request: Request, token: str) -> bytes:
    digest = hashlib.sha256(request.body).hexdigest()
    text = f"{request.method} {request.target.decode()} {digest}"
    return hmac.new(token.encode(), text.encode(), "sha256").hexdigest().encode()


async def rejecting_the_first(link: Link) -> None:
    """Answer 401 to what is signed with the first token, else 200."""
    number = 0
    while True:
        number += 1
        await link.until(lambda: len(link.requests) >= number)  # noqa: B023 - it is awaited before the number grows
        request = link.requests[-1]
        is_first = request.one("X-Signature") == expected(request, "planted-1") or b"planted-1" in request.body
        await link.send(REFUSED if is_first else OK)


@pytest.mark.parametrize(
    "request_",
    [
        (asking(),),
        (asking("POST", body=b"hello"),),
        (asking("POST", body=b"x" * 3 * KiB)[:-1], b"x"),
        (chunked("", b"x" * KiB, b"y" * KiB)[:-5], b"0\r\n\r\n"),
    ],
    ids=["none", "small", "streaming", "chunked"],
)
async def test_any_body_is_hashed_before_it_is_sent_and_signed_anew_in_a_replay(request_: Sequence[bytes]) -> None:
    async with gateway((rejecting_the_first,), inject=inject(SIGNED), **SMALL_BUDGET) as (room, api):
        answer = await ask(room, *request_)
        assert answer.status == 200
        first, second = api.requests
        assert first.body == second.body
        assert first.one("X-Signature") == expected(first, "planted-1")
        assert second.one("X-Signature") == expected(second, "planted-2")
        assert second.one("Transfer-Encoding") is None
        assert room.replays == {"succeeded": 1}


async def test_what_a_dead_connection_may_have_brought_is_signed_anew_before_it_is_sent_again() -> None:
    once = {"kind": "hmac", "sign": "{{ METHOD }}{{ uuid }}", "header": "X-Signature"}
    tired = (head(), send(OK), head(2), close)
    async with gateway(tired, (answer_each,), inject=inject(once)) as (room, api), RawClient(room.port) as caller:
        await caller.send(asking())
        await caller.answer()
        await caller.send(asking())
        assert (await caller.answer()).status == 200
        lost, again = api.links[0].requests[1], api.links[1].requests[0]
        assert lost.target == again.target
        assert lost.one("X-Signature") != again.one("X-Signature")


async def test_a_full_disk_is_a_lack_of_room_and_no_mistake_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Path("/dev/full").open("wb"))  # noqa: SIM115 - the recording closes it
    status, code, detail = await refused(chunked("", b"x" * 2 * KiB, b"x" * KiB)[:-5], SIGNED, **SMALL_BUDGET)
    assert (status, code) == (503, "overloaded")
    assert "make room in the directory for temporary files" in detail


async def test_a_body_that_cannot_be_remembered_is_refused_before_anything_is_sent() -> None:
    for request in (asking("POST", body=b"x" * 5 * KiB)[:-1], chunked("", b"x" * 3 * KiB, b"x" * 2 * KiB)[:-5]):
        status, code, detail = await refused(request, SIGNED, **SMALL_BUDGET)
        assert (status, code) == (413, "request-too-large")
        assert "at most 4096 bytes" in detail


async def test_a_field_is_set_anew_in_the_callers_original_body() -> None:
    field = {"kind": "body", "json": "key", "mode": "append"}
    async with gateway((rejecting_the_first,), inject=inject(field)) as (room, api):
        answer = await ask(room, asking("POST", headers=JSON, body=b'{"key":["mine"]}'))
        assert answer.status == 200
        assert [request.body for request in api.requests] == [
            b'{"key":["mine","planted-1"]}',
            b'{"key":["mine","planted-2"]}',
        ]


async def test_a_signature_covers_what_other_injectors_added() -> None:
    request = await sent(
        asking("POST", target="/x?a=1", headers=JSON, body=b"{}"),
        {"kind": "query", "name": "key"},
        {"kind": "body", "json": "key"},
        {"kind": "header", "name": "X-Key"},
        {"kind": "hmac", "sign": "{{ QUERY }} {{ BODY }} {{ HEADER_X_KEY }} {{ BODY_SHA256 }}", "query": "signature"},
    )
    body = b'{"key":"planted-1"}'
    text = b"a=1&key=planted-1 %b planted-1 %b" % (body, hashlib.sha256(body).hexdigest().encode())
    digest = hmac.new(b"planted-1", text, "sha256").hexdigest().encode()
    assert request.target == b"/x?a=1&key=planted-1&signature=" + digest


async def test_what_the_caller_calls_a_signature_does_not_go_upstream() -> None:
    request = await sent(asking(headers="X-Signature: forged\r\nx_signature: forged\r\n"), SIGNED)
    assert request.all("x-signature") == [expected(request, "planted-1")]
    assert request.all("x_signature") == []


async def test_a_signature_that_the_api_echoes_in_an_address_is_cut_out() -> None:
    async def echo(link: Link) -> None:
        await link.until(lambda: bool(link.requests))
        location = b"Location: https://api.example" + link.requests[-1].target + b"&c=1\r\n"
        await link.send(b"HTTP/1.1 302 Found\r\n" + location + b"Content-Length: 0\r\n\r\n")

    query = {"kind": "hmac", "sign": "{{ QUERY }}", "query": "signature", "parameters": {"ts": "{{ timestamp }}"}}
    async with gateway((echo,), inject=inject(query)) as (room, _):
        answer = await ask(room, asking(target="/x?a=1"))
        assert answer.header("Location") == b"https://api.example/x?a=1&c=1"


async def test_a_stream_of_which_one_signature_wants_the_hash_and_the_next_the_whole_arrives_whole() -> None:
    whole = {"kind": "hmac", "sign": "{{ BODY }}", "header": "X-Whole"}
    others = {"outer": ((), inject(whole))}
    async with gateway((rejecting_the_first,), inject=inject(SIGNED), others=others) as (room, api):
        answer = await ask(room, chunked("", b"hello ", b"again")[:-5], b"0\r\n\r\n")
        assert answer.status == 200
        assert [request.body for request in api.requests] == [b"hello again"] * 2
        for request, token in zip(api.requests, ("planted-1", "planted-2"), strict=True):
            assert request.one("X-Signature") == expected(request, token)
            assert request.one("X-Whole") == hmac.new(b"planted-1", request.body, "sha256").hexdigest().encode()


async def test_two_credentials_sign_one_after_the_other() -> None:
    second = {"kind": "hmac", "sign": "{{ HEADER_X_SIGNATURE }}", "header": "X-Outer"}
    others = {"outer": ((), inject(second))}
    async with gateway(inject=inject(SIGNED), others=others) as (room, api):
        assert (await ask(room, asking())).status == 200
        request: Request = api.requests[-1]
        inner = expected(request, "planted-1")
        assert request.one("X-Signature") == inner
        assert request.one("X-Outer") == hmac.new(b"planted-1", inner, "sha256").hexdigest().encode()


async def test_a_stream_to_s3_over_plain_http_is_signed_all_the_same() -> None:
    s3 = {"kind": "aws_sigv4", "region": "r", "service": "s3", "access_key_id": "AKID"}
    request = await sent(asking("PUT", body=b"x" * 2 * KiB), s3, **SMALL_BUDGET)
    assert request.one("X-Amz-Content-SHA256") == hashlib.sha256(b"x" * 2 * KiB).hexdigest().encode()


async def test_a_stream_that_is_not_signed_flows_as_it_comes() -> None:
    s3 = {"kind": "aws_sigv4", "region": "r", "service": "s3", "access_key_id": "AKID", "payload": "unsigned"}
    async with gateway(inject=inject(s3), **SMALL_BUDGET) as (room, api):
        async with RawClient(room.port) as caller:
            await caller.send(asking("PUT", body=b"x" * 20 * KiB)[: -10 * KiB])
            await _arrives(api, 5 * KiB)
            await caller.send(b"x" * 10 * KiB)
            assert (await caller.answer("PUT")).status == 200
        assert api.requests[-1].one("X-Amz-Content-SHA256") == b"UNSIGNED-PAYLOAD"
        assert api.requests[-1].body == b"x" * 20 * KiB


async def _arrives(api: RawServer, size: int) -> None:
    async with asyncio.timeout(10):
        while len(api.received) < size:  # noqa: ASYNC110 - the bytes come through two sockets
            await asyncio.sleep(0.01)
