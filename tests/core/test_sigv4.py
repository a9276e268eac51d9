"""AWS signatures, held against botocore: the same request, the same second, the same signature."""

from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.sigv4 import UNSIGNED, Scope, canonical, canonical_path, canonical_query, signature

KEY_ID: Final = "AKIDEXAMPLE"
SECRET: Final = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW: Final = datetime(2026, 11, 21, 3, 4, 5, tzinfo=UTC)
TIMESTAMP: Final = "20261121T030405Z"
HOST: Final = "service.eu-central-1.example"
EMPTY: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

Lines = tuple[tuple[str, str], ...]


def oracle(method: str, target: str, lines: Lines, payload: str, *, service: str) -> tuple[str, str]:
    """Return what botocore makes of the request: its canonical form and its signature."""
    request = AWSRequest(method=method, url=f"https://{HOST}{target}")
    for name, value in lines:
        request.headers.add_header(name, value)
    request.headers["X-Amz-Content-SHA256"] = payload
    request.context["timestamp"] = TIMESTAMP
    kind = auth.S3SigV4Auth if service == "s3" else auth.SigV4Auth
    signer = kind(Credentials(KEY_ID, SECRET), service, "eu-central-1")
    request.headers["X-Amz-Date"] = TIMESTAMP
    text = signer.canonical_request(request)
    return text, signer.signature(signer.string_to_sign(request, text), request)


def ours(method: str, target: str, lines: Lines, payload: str, *, service: str) -> tuple[str, str]:
    """Return what we make of it."""
    path, _, query = target.partition("?")
    given = (("Host", HOST), *lines, ("X-Amz-Content-SHA256", payload), ("X-Amz-Date", TIMESTAMP))
    raw = tuple((name.lower().encode(), value.encode("utf-8")) for name, value in given)
    request = canonical(method, path, query, raw, payload, service=service)
    scope = Scope(TIMESTAMP[:8], "eu-central-1", service)
    return request.text, signature(request, scope, TIMESTAMP, scope.key(SECRET))


TARGETS: Final = (
    "/",
    "/x",
    "/x/",
    "/a/b/c",
    "/a%20b",
    "/a%2Bb",
    "/%E2%82%AC/%C3%A9",
    "/-._~",
    "/a%3Ab%40c",
    "/%25",
    "/a%3Db%26c",
    "/x?a=1",
    "/x?b=2&a=1",
    "/x?a=2&a=1&a=10",
    "/x?a",
    "/x?a=",
    "/x?a=b%20c",
    "/x?%C3%A9=%E2%82%AC",
    "/x?A=1&a=2&_=3&-=4&.=5&~=6",
    "/x?a=%2F&b=%3D&c=%26&d=%2B",
    "/x?list-type=2&prefix=a%2Fb&delimiter=%2F",
    "/x?Action=ListUsers&Version=2010-05-08",
    "/?acl",
    "/?uploads",
    "/k?partNumber=1&uploadId=VXBsb2Fk",
)
LINES: Final[tuple[Lines, ...]] = (
    (),
    (("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),),
    (("X-Amz-Meta-A", "1"), ("X-Amz-Meta-B", "2")),
    (("X-Amz-Meta-A", "2"), ("X-Amz-Meta-A", "1")),
    (("X-Amz-Meta-A", "  many   spaces  inside "),),
    (("X-Amz-Meta-A", ""),),
    (("X-Amz-Security-Token", "AQoDYXdz/EPT4+=="),),
    (("Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg=="), ("x-amz-acl", "public-read")),
    (("X-Amz-Target", "DynamoDB_20120810.GetItem"), ("Content-Type", "application/x-amz-json-1.0")),
)


@pytest.mark.parametrize("service", ["s3", "execute-api", "iam"])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_any_target_is_signed_as_botocore_does(method: str, target: str, service: str) -> None:
    assert ours(method, target, (), EMPTY, service=service) == oracle(method, target, (), EMPTY, service=service)


@pytest.mark.parametrize("service", ["s3", "execute-api"])
@pytest.mark.parametrize("payload", [EMPTY, UNSIGNED, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"])
@pytest.mark.parametrize("lines", LINES)
def test_any_header_is_signed_as_botocore_does(lines: Lines, payload: str, service: str) -> None:
    assert ours("POST", "/a?b=c", lines, payload, service=service) == oracle(
        "POST", "/a?b=c", lines, payload, service=service
    )


@pytest.mark.parametrize(
    "target", ["/a/../b", "/a/./b/", "//a///b", "/..", "/../a/..", "/.", "/a/b/../../..", "/a%2F..%2Fb", "/a!b'(c)*"]
)
def test_dot_segments_slashes_and_odd_characters_are_read_as_botocore_does(target: str) -> None:
    assert ours("GET", target, (), EMPTY, service="iam") == oracle("GET", target, (), EMPTY, service="iam")


segments = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(lambda text: text not in {".", ".."})
pairs = st.lists(st.tuples(segments, st.text(st.characters(codec="utf-8"), max_size=6)), max_size=4)
tidy = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD"]),
    path=st.lists(segments, max_size=4),
    query=pairs,
    meta=st.lists(tidy, max_size=3),
    service=st.sampled_from(["s3", "execute-api"]),
)
def test_whatever_is_well_encoded_is_signed_as_botocore_does(
    method: str, path: list[str], query: list[tuple[str, str]], meta: list[str], service: str
) -> None:
    target = "/" + "/".join(quote(segment, safe="-_.~") for segment in path)
    if query:
        target += "?" + "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query)
    lines = tuple(("X-Amz-Meta-X", value) for value in meta)
    assert ours(method, target, lines, EMPTY, service=service) == oracle(method, target, lines, EMPTY, service=service)


def test_what_a_service_decodes_in_the_same_way_has_one_canonical_form() -> None:
    assert canonical_path("/a!b:%7e//%2f", service="s3") == "/a%21b%3A~//%2F"
    assert canonical_query("b=%7e&a=x+y&&c") == "a=x%20y&b=~&c="


def test_the_example_of_the_specification_comes_out() -> None:
    scope = Scope("20150830", "us-east-1", "iam")
    lines = (
        (b"content-type", b"application/x-www-form-urlencoded; charset=utf-8"),
        (b"host", b"iam.amazonaws.com"),
        (b"x-amz-date", b"20150830T123600Z"),
    )
    request = canonical("GET", "/", "Action=ListUsers&Version=2010-05-08", lines, EMPTY, service="iam")
    assert request.signed_headers == "content-type;host;x-amz-date"
    signed = signature(request, scope, "20150830T123600Z", scope.key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"))
    assert signed == "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"


def test_headers_that_others_may_change_on_the_way_are_not_signed() -> None:
    lines = ((b"host", b"h"), (b"user-agent", b"x"), (b"via", b"y"), (b"x-request-id", b"z"))
    assert canonical("GET", "/", "", lines, EMPTY, service="iam").signed_headers == "host"
