"""Which heads pass, byte for byte, and which are refused although aiohttp's parser lets them pass."""

import asyncio
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.errors import RequestInvalidError
from proxy.core.message import RequestHead
from proxy.gateway.inbound import Inbound
from proxy.gateway.receive import METHODS, _hosts, has_dot_segment, receive
from tests.fakes.caller import Caller

MARKER: Final = "s3cr3t-marker"


async def inbound_of(
    request_line: bytes, *lines: bytes, body: bytes = b"", host: bytes | None = b"api.example"
) -> Inbound:
    """Return the request that the listener makes of these bytes."""
    if host is not None:
        lines = (b"Host: " + host, *lines)
    async with Caller() as caller:
        return await caller.ask(b"\r\n".join((request_line, *lines, b"", body)))


async def head_of(
    request_line: bytes, *lines: bytes, body: bytes = b"", host: bytes | None = b"api.example"
) -> RequestHead:
    return receive(await inbound_of(request_line, *lines, body=body, host=host))


async def refusal_of(
    request_line: bytes, *lines: bytes, body: bytes = b"", host: bytes | None = b"api.example"
) -> RequestInvalidError:
    with pytest.raises(RequestInvalidError) as caught:
        await head_of(request_line, *lines, body=body, host=host)
    assert caught.value.status == 400
    return caught.value


def get(target: str) -> bytes:
    return b"GET " + target.encode("ascii") + b" HTTP/1.1"


# The target


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "//",
        "//evil.example/x",
        "/a%2Fb",
        "/a%2fb",
        "/%61",
        "/a+b",
        "/%zz",
        "/%",
        "/%ff%fe",
        "/a;b=c",
        "/a|b{}^`\"<>\\'",
        "/a[1]",
        "/http://evil.example/",
        "/:80",
        "/@x",
    ],
)
async def test_a_path_stays_as_it_was_sent(target: str) -> None:
    head = await head_of(get(target))
    assert (head.path, head.query) == (target, "")


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/?", "/", "?"),
        ("/a?b", "/a", "?b"),
        ("/a?b=c&b=d&&", "/a", "?b=c&b=d&&"),
        ("/a??b?", "/a", "??b?"),
        ("/a?/../b", "/a", "?/../b"),
        ("/a?x=%2F+%zz", "/a", "?x=%2F+%zz"),
        ("/a?http://evil.example/", "/a", "?http://evil.example/"),
    ],
)
async def test_a_query_stays_as_it_was_sent_with_its_question_mark(target: str, path: str, query: str) -> None:
    head = await head_of(get(target))
    assert (head.path, head.query) == (path, query)


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=60))
def test_any_target_is_the_path_and_the_query_put_together(rest: str) -> None:
    head = asyncio.run(head_of(get("/" + rest)))
    assert head.path + head.query == "/" + rest
    assert "?" not in head.path
    assert head.query == "" or head.query.startswith("?")


@pytest.mark.parametrize(
    ("target", "path", "query", "host"),
    [
        ("http://other.example/p?q", "/p", "?q", "other.example"),
        ("HTTPS://Other.Example:8443/P", "/P", "", "other.example"),
        ("http://other.example", "/", "", "other.example"),
        ("http://other.example?q=/x", "/", "?q=/x", "other.example"),
        ("http://other.example//x", "//x", "", "other.example"),
        ("http://[::1]:80/x", "/x", "", "[::1]"),
    ],
)
async def test_an_absolute_target_is_its_path_and_its_authority_wins(
    target: str, path: str, query: str, host: str
) -> None:
    head = await head_of(get(target))
    assert (head.path, head.query, head.host) == (path, query, host)


@pytest.mark.parametrize(
    "target",
    [
        f"/a#{MARKER}",
        f"/a?b#{MARKER}",
        f"ftp://{MARKER}.example/",
        f"http://{MARKER}@other.example/",
        "http://other.example:0/",
    ],
)
async def test_a_target_that_is_no_path_is_refused_and_not_repeated(target: str) -> None:
    assert MARKER not in str(await refusal_of(get(target)))


async def test_the_target_of_the_whole_server_is_refused() -> None:
    await refusal_of(b"OPTIONS * HTTP/1.1")


# Method and version


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "QUERY"])
async def test_a_method_passes_as_it_was_sent(method: str) -> None:
    assert (await head_of(f"{method} / HTTP/1.1".encode())).method == method


@pytest.mark.parametrize("method", sorted(METHODS))
async def test_the_parser_reads_every_method_that_is_served(method: str) -> None:
    assert (await head_of(f"{method} / HTTP/1.1".encode())).method == method


@pytest.mark.parametrize("line", [b"TRACE / HTTP/1.1", b"CONNECT api.example:443 HTTP/1.1", b"TRACE / HTTP/1.0"])
async def test_a_method_that_echoes_or_tunnels_is_refused(line: bytes) -> None:
    assert "method is not served" in str(await refusal_of(line))


@pytest.mark.parametrize("version", ["0.9", "2.0"])
async def test_other_versions_are_refused(version: str) -> None:
    assert "HTTP/1.1 and HTTP/1.0" in str(await refusal_of(f"GET / HTTP/{version}".encode()))


# The host


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (b"api.example", "api.example"),
        (b"API.Example", "api.example"),
        (b"api.example:8080", "api.example"),
        (b"api.example.", "api.example"),
        (b"api.example.:80", "api.example"),
        (b"api_1.example", "api_1.example"),
        (b"127.0.0.1:65535", "127.0.0.1"),
        (b"[::1]", "[::1]"),
        (b"[2001:DB8::1]:80", "[2001:db8::1]"),
        (b"xn--bcher-kva.example", "xn--bcher-kva.example"),
        (b"%41.example", "%41.example"),
        (b".", "."),
    ],
)
async def test_a_host_is_known_by_its_lower_case_name(value: bytes, name: str) -> None:
    for _ in range(2):  # the second time it is remembered
        assert (await head_of(get("/"), host=value)).host == name


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"a b",
        b"api.example:",
        b"api.example:0",
        b"api.example:65536",
        b"api.example:999999",
        b"api.example:+1",
        b"api.example:80:80",
        b"api.example:\xd9\xa1",
        b"user@api.example",
        b"api.example@evil.example",
        b"api.example/x",
        b"api.example?x",
        b"api.example#x",
        b"api.example\\x",
        b"http://api.example",
        b"###",
        b"%zz",
        b"\xe9.example",
        b"b\xc3\xbccher.example",
        b"::1",
        b"[::1",
        b"[]",
        b"[v1.x]",
        b"[::1]x",
        b'"api.example"',
    ],
)
async def test_a_host_that_is_none_is_refused(value: bytes) -> None:
    for _ in range(2):
        assert "Host header" in str(await refusal_of(get("/"), host=value))


async def test_callers_cannot_fill_the_memory_with_hosts() -> None:
    for number in range(2000):
        assert (await head_of(get("/"), host=b"h%d.example" % number)).host == f"h{number}.example"
    assert len(_hosts) <= 1024


async def test_an_old_caller_may_leave_the_host_out() -> None:
    assert (await head_of(b"GET / HTTP/1.0", host=None)).host == ""
    assert (await head_of(b"GET / HTTP/1.0", host=b"API.example")).host == "api.example"


# Framing and expectations


@pytest.mark.parametrize("coding", [b"chunked", b"Chunked", b" chunked "])
async def test_chunks_are_the_one_coding_that_passes(coding: bytes) -> None:
    head = await head_of(b"POST / HTTP/1.1", b"Transfer-Encoding: " + coding, body=b"0\r\n\r\n")
    assert head.method == "POST"


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"identity, chunked", b",chunked", b"deflate,chunked"])
async def test_any_other_coding_is_refused(coding: bytes) -> None:
    error = await refusal_of(b"POST / HTTP/1.1", b"Transfer-Encoding: " + coding, body=b"0\r\n\r\n")
    assert "transfer coding" in str(error)


async def test_chunks_are_not_of_http_1_0() -> None:
    error = await refusal_of(b"POST / HTTP/1.0", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n")
    assert "transfer coding" in str(error)


@pytest.mark.parametrize("value", [b"100-continue", b"100-Continue"])
async def test_a_caller_that_waits_is_remembered(value: bytes) -> None:
    inbound = await inbound_of(b"POST / HTTP/1.1", b"Content-Length: 3", b"Expect: " + value)
    receive(inbound)
    assert inbound.expects_continue


@pytest.mark.parametrize(
    ("line", "length", "body"),
    [
        (b"POST / HTTP/1.0", b"Content-Length: 3", b""),
        (b"POST / HTTP/1.1", b"Content-Length: 3", b"abc"),
        (b"GET / HTTP/1.1", b"X-Nothing: here", b""),
        (b"POST / HTTP/1.1", b"Content-Length: 0", b""),
    ],
    ids=["HTTP/1.0", "the body is here", "no body", "an empty body"],
)
async def test_a_caller_that_need_not_wait_is_told_nothing(line: bytes, length: bytes, body: bytes) -> None:
    inbound = await inbound_of(line, length, b"Expect: 100-continue", body=body)
    receive(inbound)
    assert not inbound.expects_continue


@pytest.mark.parametrize(
    "lines",
    [(b"Expect: " + MARKER.encode(),), (b"Expect: ",), (b"Expect: 100-continue, x",), (b"Expect: 100-continue",) * 2],
    ids=["another", "empty", "two in one line", "twice"],
)
async def test_any_other_expectation_is_refused(lines: tuple[bytes, ...]) -> None:
    error = await refusal_of(b"POST / HTTP/1.1", b"Content-Length: 3", *lines)
    assert "expectation" in str(error)
    assert MARKER not in str(error)


# Header lines


async def test_header_lines_stay_in_order_case_and_bytes() -> None:
    lines = (
        b"X-B: 1",
        b"x-a: caf\xe9",
        b"X-b:   2  ",
        b"Cookie: a=1; b=2",
        b"X-Empty:",
        b"cookie: c=3",
        b"x_y: \xf0\x9f\x8c\x8d",
    )
    head = await head_of(get("/"), *lines)
    assert head.headers == (
        (b"Host", b"api.example"),
        (b"X-B", b"1"),
        (b"x-a", b"caf\xe9"),
        (b"X-b", b"2"),
        (b"Cookie", b"a=1; b=2"),
        (b"X-Empty", b""),
        (b"cookie", b"c=3"),
        (b"x_y", b"\xf0\x9f\x8c\x8d"),
    )


async def test_fields_are_found_in_any_case_and_the_first_of_several_wins() -> None:
    head = await head_of(get("/"), b"X-A: 1", b"x-a: 2")
    assert (head.fields["x-A"], "X-B" in head.fields) == ("1", False)


@given(
    st.lists(
        st.tuples(
            st.text(st.sampled_from("abcXYZ019!#$%&'*+-.^_`|~"), min_size=1, max_size=12),
            st.binary(max_size=20).filter(lambda value: not set(value) & {*range(9), *range(10, 32), 127}),
        ),
        max_size=8,
    )
)
def test_any_header_lines_arrive_byte_for_byte(fields: list[tuple[str, bytes]]) -> None:
    known = {b"host", b"content-length", b"transfer-encoding", b"expect"}
    pairs = [(name.encode(), value.strip(b" \t")) for name, value in fields if name.lower().encode() not in known]
    head = asyncio.run(head_of(get("/"), *(name + b": " + value for name, value in pairs)))
    assert head.headers[1:] == tuple(pairs)


async def test_the_peer_is_the_address_of_the_socket() -> None:
    async with Caller(peer=("192.0.2.7", 1234)) as caller:
        head = receive(await caller.ask(b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n"))
    assert head.peer == "192.0.2.7"


# Dot segments


@pytest.mark.parametrize(
    "path",
    [
        "/..",
        "/.",
        "/../x",
        "/./x",
        "/a/..",
        "/a/../b",
        "/a/./b",
        "/a/.",
        "/%2e%2e/x",
        "/%2E%2e/x",
        "/.%2e/x",
        "/%2e./x",
        "/%2e",
        "/a/..;/b",
        "/a/..;x=y/b",
        "/a/..%3b/b",
        "/a/.;/b",
        "/a%2f..%2fb",
        "/a%2F%2e%2e%2Fb",
        "/a/..%2fb",
        "/a%2f../b",
        "/a\\..\\b",
        "/a/..\\b",
        "/a%5c..%5Cb",
        "//..//",
        "/a/..%00/b",
        "/a/..%09",
        "/a/..%20/b",
        "/a/..%23x",
        "/a/..%3F/b",
    ],
)
def test_a_path_that_leads_upwards_for_some_server_has_a_dot_segment(path: str) -> None:
    assert has_dot_segment(path)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/a.b",
        "/.well-known/x",
        "/...",
        "/..a",
        "/a..",
        "/a../b",
        "/a/...../b",
        "/v1.0/x",
        "/%2e%2e%2e/x",
        "/a%2eb",
        "/%252e%252e/x",
        "/a%2fb",
        "/..a/b",
        "/a/..%41",
    ],
)
def test_a_path_with_dots_in_its_names_has_none(path: str) -> None:
    assert not has_dot_segment(path)
