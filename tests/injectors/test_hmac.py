"""Requests signed with keyed hashes: the documented examples of APIs that want them."""

import hashlib
import hmac
from base64 import b64encode
from typing import Any, ClassVar

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.core.message import NOTHING
from proxy.core.moment import Moment
from proxy.core.tailored import Prepared, Signed, UnfitError
from proxy.injectors.base import InjectError
from proxy.injectors.hmac import Hmac, HmacSettings
from tests.compliance.injectors import SigningCompliance, prepared_of, token_of


class TestHmac(SigningCompliance):
    word: ClassVar[str] = "hmac"
    settings: ClassVar[dict[str, Any]] = {
        "sign": "{{ METHOD }}\n{{ PATH }}?{{ QUERY }}\n{{ BODY_SHA256 }}\n{{ timestamp }}",
        "header": "X-Signature",
        "parameters": {"ts": "{{ timestamp }}"},
    }
    templated: ClassVar[str] = "key"


class TestHmacInTheQuery(SigningCompliance):
    word: ClassVar[str] = "hmac"
    settings: ClassVar[dict[str, Any]] = {
        "sign": "{{ METHOD }} {{ URL }} {{ BODY_SHA256 }} {{ HEADER_X_TIMESTAMP }}",
        "query": "sig nature",
        "headers": {"X-Timestamp": "{{ now(epoch_ms) }}", "X-Nonce": "{{ uuid }}"},
        "encoding": "base64",
    }
    templated: ClassVar[str] = "key"


def made(**settings: Any) -> Hmac:
    return Hmac(TypeAdapter(HmacSettings).validate_python({"kind": "hmac", **settings}))


def signed(request: Prepared, token: str = "abc", *, with_: dict[str, str] | None = None, **settings: Any) -> Signed:
    tailored = made(**settings).inject(NOTHING, token_of(token, **(with_ or {}))).tailored
    assert tailored is not None
    return tailored.signers[0].sign(request)


def test_an_exchanges_query_is_signed_with_its_time_in_it() -> None:
    given = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
    one = signed(
        prepared_of(query=given, moment=Moment(1499827319.559, "")),
        "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j",
        sign="{{ QUERY }}",
        parameters={"timestamp": "{{ now(epoch_ms) }}"},
        query="signature",
    )
    digest = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    assert one == Signed(query=b"timestamp=1499827319559&signature=" + digest.encode())


def test_an_address_with_a_sorted_form_is_signed() -> None:
    form = b"To=%2B18005551212&Digits=1234&From=%2B12349013030&Caller=%2B12349013030&CallSid=CA1234567890ABCDE"
    request = prepared_of(host="mycompany.com", path="/myapp.php", query="foo=1&bar=2", body=form)
    settings: dict[str, Any] = {
        "sign": "{{ URL }}{{ SORTED_FORM }}",
        "algorithm": "sha1",
        "encoding": "base64",
        "header": "X-Signature",
    }
    assert signed(request, "12345", **settings).lines == b"X-Signature: 0/KCTR6DLpKmkAf8muzZqo1nDgQ=\r\n"


def test_a_body_is_signed_byte_for_byte() -> None:
    body = b'{"a": "\xff\xc3\xa9"}\r\n'
    digest = b64encode(hmac.digest(b"abc", body, "sha256"))
    one = signed(prepared_of(body=body), sign="{{ BODY }}", encoding="base64", header="X-Hmac-SHA256")
    assert one.lines == b"X-Hmac-SHA256: " + digest + b"\r\n"


def test_id_and_signature_stand_in_one_header_beside_time_and_nonce() -> None:
    one = signed(
        prepared_of(moment=Moment(1_800_000_000.5, "n-1")),
        with_={"CLIENT": "me"},
        sign="{{ METHOD }}\n{{ HOST }}\n{{ PATH }}\n{{ HEADER_DATE }}\n{{ HEADER_X_NONCE }}\n{{ HEADER_CONTENT_TYPE }}",
        headers={"Date": "{{ now(http_date) }}", "X-Nonce": "{{ uuid }}"},
        header="Authorization",
        value="HMAC {{ CLIENT }}:{{ SIGNATURE }}",
        algorithm="sha512",
    )
    date = "Fri, 15 Jan 2027 08:00:00 GMT"
    to_sign = f"GET\napi.example\n/v2/x\n{date}\nn-1\ntext/plain".encode()
    digest = hmac.new(b"abc", to_sign, hashlib.sha512).hexdigest()
    assert one.lines.decode() == f"Date: {date}\r\nX-Nonce: n-1\r\nAuthorization: HMAC me:{digest}\r\n"


@pytest.mark.parametrize(("encoding", "key"), [("base64", "AAEC/w=="), ("hex", "000102FF")])
def test_a_key_may_be_written_in_other_ways(encoding: str, key: str) -> None:
    one = signed(prepared_of(), key, sign="x", key_encoding=encoding, header="X-S")
    assert one.lines == b"X-S: " + hmac.digest(b"\x00\x01\x02\xff", b"x", "sha256").hex().encode() + b"\r\n"


@pytest.mark.parametrize("encoding", ["base64", "hex"])
def test_a_key_that_is_not_written_so_is_refused_and_not_shown(encoding: str) -> None:
    with pytest.raises(InjectError, match=f"not {encoding}") as caught:
        signed(prepared_of(), "not-that!", sign="x", key_encoding=encoding, header="X-S")
    assert "not-that" not in str(caught.value)


def test_a_header_that_the_request_has_not_is_empty_and_several_lines_are_joined() -> None:
    lines = ((b"x-a", b"1"), (b"x-a", b"2"))
    one = signed(prepared_of(lines=lines), sign="{{ HEADER_X_B }}|{{ HEADER_X_A }}", header="X-S")
    assert one.lines == b"X-S: " + hmac.digest(b"abc", b"|1, 2", "sha256").hex().encode() + b"\r\n"


def test_it_asks_for_the_body_only_as_far_as_it_is_signed() -> None:
    def wanted(sign: str) -> frozenset[str]:
        tailored = made(sign=sign, header="X-S").inject(NOTHING, token_of("abc")).tailored
        assert tailored is not None
        return tailored.signers[0].wants({}, streams=True, is_tls=True)

    assert wanted("{{ PATH }}") == frozenset()
    assert wanted("{{ BODY }}") == wanted("{{ SORTED_FORM }}") == {"whole"}
    assert wanted("{{ BODY_SHA256 }}{{ BODY_MD5_BASE64 }}") == {"sha256", "md5"}


def test_what_the_caller_sent_cannot_break_out_of_a_header() -> None:
    with pytest.raises(UnfitError, match="cannot be signed: in X-S"):
        signed(prepared_of(body=b"a\r\nX-Evil: 1"), sign="x", header="X-S", value="{{ BODY }}{{ SIGNATURE }}")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "where the signature goes"),
        ({"header": "X-S", "query": "s"}, "one of them"),
        ({"header": "X-S", "value": "fixed"}, "would not be signed"),
        ({"header": "X-S", "sign": "{{ SIGNATURE }}"}, "once the request is signed"),
        ({"header": "X-S", "key": "{{ PATH }}"}, "the same for all requests"),
        ({"header": "X-S", "key": "{{ timestamp }}"}, "the same for all requests"),
        ({"header": "Content-Length"}, "belongs to the connection"),
        ({"header": "X-Request-Id"}, "the proxy itself"),
        ({"header": "X-S", "headers": {"Cookie": "a"}}, "cookie"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_load(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        made(**{"sign": "x", **settings})


def test_it_takes_every_place_that_it_writes_to() -> None:
    settings = {"sign": "x", "header": "X-S", "headers": {"X-T": "t"}, "parameters": {"p": "q"}}
    places = TypeAdapter(HmacSettings).validate_python({"kind": "hmac", **settings}).places
    assert sorted(places) == [("header", "x-s"), ("header", "x-t"), ("query", "p")]
