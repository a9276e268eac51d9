"""What goes upstream: the caller's bytes, without what belongs to this hop or to a token, with what we add, once."""

from typing import Final
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from proxy.core.errors import RequestInvalidError
from proxy.core.message import NOTHING, Injection, RequestHead
from proxy.core.origin import Origin, parse_upstream
from proxy.core.principal import Principal
from proxy.gateway.prepare import HOP_BY_HOP, PSEUDONYM, Preparer, connection_named, hops_left, request_id
from tests.fakes.strict import Request, StrictReader

ANYONE: Final = Principal("local", "anonymous")
VIA: Final = f"1.1 {PSEUDONYM}".encode()
BEARER: Final = Injection(lines=b"Authorization: Bearer t0ken\r\n", replaces=frozenset({b"authorization"}))
IN_QUERY: Final = Injection(query=b"api_key=t0ken", query_names=frozenset({b"api_key"}))
IN_COOKIES: Final = Injection(
    cookies=((b"sid", b"t0ken"), (b"csrf", b"t1ken")), cookie_names=frozenset({b"sid", b"csrf"})
)

names = st.text(st.sampled_from("abcdXYZ019!#$%&'*+-.^_`|~"), min_size=1, max_size=12).map(str.encode)
values = st.binary(max_size=16).filter(lambda value: not set(value) & {*range(32), 127}).map(bytes.strip)
targets = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=40)


def head_of(
    *headers: tuple[bytes, bytes], path: str = "/x", query: str = "", method: str = "GET", host: str = "proxy.example"
) -> RequestHead:
    lines = ((b"Host", host.encode()), *headers)
    fields = CIMultiDict((name.decode(), value.decode("utf-8", "surrogateescape")) for name, value in lines)
    return RequestHead(method, path, query, host, lines, fields, "127.0.0.1")


def preparer(upstream: str = "https://api.example", prefix: str = "/", *, strip_prefix: bool = True) -> Preparer:
    origin, base = parse_upstream(upstream)
    return Preparer(origin, base, prefix, strip_prefix=strip_prefix)


def prepared(
    head: RequestHead,
    injection: Injection = NOTHING,
    *,
    principal: Principal = ANYONE,
    length: int | None = -1,
    by: Preparer | None = None,
) -> Request:
    """Return the request as a strict server reads it; its body is whatever the framing asks for."""
    data = (by or preparer()).head(head, principal, injection, identifier="id-1", length=length)
    assert data.endswith(b"\r\n\r\n")
    assert data.count(b"\r\n\r\n") == 1
    body = b"0\r\n\r\n" if length is None else b"x" * max(0, length)
    (request,) = StrictReader().feed(data + body)
    return request


def passed(request: Request) -> list[tuple[bytes, bytes]]:
    """Return the header lines that were not added by us."""
    ours = {b"host", b"via", b"x-request-id", b"content-length", b"transfer-encoding"}
    return [(name, value) for name, value in request.headers if name.lower() not in ours]


# Where it goes


@pytest.mark.parametrize(
    ("upstream", "prefix", "strip", "path", "target"),
    [
        ("https://api.example", "/", True, "/", b"/"),
        ("https://api.example", "/", True, "/x/y", b"/x/y"),
        ("https://api.example", "/", True, "//x", b"//x"),
        ("https://api.example/v2", "/", True, "/", b"/v2/"),
        ("https://api.example/v2", "/", True, "/x", b"/v2/x"),
        ("https://api.example/v2/", "/", True, "/x", b"/v2/x"),
        ("https://api.example/v2", "/", True, "//x", b"/v2//x"),
        ("https://api.example", "/billing/", True, "/billing/", b"/"),
        ("https://api.example", "/billing/", True, "/billing/x", b"/x"),
        ("https://api.example/v2", "/billing/", True, "/billing/x/", b"/v2/x/"),
        ("https://api.example/v2", "/billing/", True, "/billing//x", b"/v2//x"),
        ("https://api.example", "/billing", True, "/billing", b"/"),
        ("https://api.example", "/billing", True, "/billing/", b"/"),
        ("https://api.example", "/billing", True, "/billing/x", b"/x"),
        ("https://api.example/v2", "/billing", True, "/billing", b"/v2"),
        ("https://api.example/v2", "/billing", True, "/billing/x", b"/v2/x"),
        ("https://api.example", "/billing/", False, "/billing/x", b"/billing/x"),
        ("https://api.example/v2", "/billing/", False, "/billing/x", b"/v2/billing/x"),
        ("https://api.example/v2", "/", False, "/", b"/v2/"),
        ("https://api.example/v2", "/", True, "/a%2Fb;c/%zz/+|", b"/v2/a%2Fb;c/%zz/+|"),
    ],
)
def test_the_path_stands_under_the_upstream_s(
    upstream: str, prefix: str, strip: bool, path: str, target: bytes
) -> None:
    request = prepared(head_of(path=path), by=preparer(upstream, prefix, strip_prefix=strip))
    assert request.target == target


@given(path=targets.map(lambda text: text.replace("?", "")), query=targets)
def test_any_path_and_query_arrive_byte_for_byte(path: str, query: str) -> None:
    head = head_of(path=f"/p/{path}", query=f"?{query}")
    assert prepared(head, by=preparer("https://api.example/v2", "/p/")).target == f"/v2/{path}?{query}".encode()


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (Origin("https", "api.example", 443), b"api.example"),
        (Origin("http", "api.example", 8080), b"api.example:8080"),
        (Origin("http", "::1", 80), b"[::1]"),
    ],
)
def test_the_host_is_the_upstream_s_and_stands_first(origin: Origin, host: bytes) -> None:
    head = head_of((b"X-Forwarded-Host", b"evil.example"), host="evil.example")
    request = prepared(head, by=Preparer(origin, "", "/", strip_prefix=True))
    assert request.headers[0] == (b"Host", host)
    assert request.one("host") == host


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_the_method_is_the_caller_s(method: str) -> None:
    assert prepared(head_of(method=method)).method == method


# Framing


@pytest.mark.parametrize(
    ("length", "content_length", "coding"),
    [(-1, None, None), (0, b"0", None), (5, b"5", None), (None, None, b"chunked")],
)
def test_the_framing_is_ours_whatever_the_caller_s_was(
    length: int | None, content_length: bytes | None, coding: bytes | None
) -> None:
    for line in ((b"Content-Length", b"77"), (b"Transfer-Encoding", b"chunked"), (b"content_length", b"77")):
        request = prepared(head_of(line, method="POST"), length=length)
        assert (request.one("content-length"), request.one("transfer-encoding")) == (content_length, coding)
        assert passed(request) == []


# Header lines


@given(st.lists(st.tuples(names, values), max_size=8))
def test_any_other_header_lines_pass_in_order_and_byte_for_byte(lines: list[tuple[bytes, bytes]]) -> None:
    ours = HOP_BY_HOP | {b"host", b"content-length", b"expect", b"via", b"x-request-id", b"x-countersign-key"}
    kept = [line for line in lines if line[0].lower().replace(b"_", b"-") not in ours]
    assert passed(prepared(head_of(*kept))) == kept


@pytest.mark.parametrize(
    "name",
    [
        b"Connection",
        b"Keep-Alive",
        b"Proxy-Connection",
        b"Proxy-Authenticate",
        b"Proxy-Authorization",
        b"TE",
        b"Trailer",
        b"Transfer-Encoding",
        b"Upgrade",
        b"Expect",
        b"X-Countersign-Key",
    ],
)
def test_what_belongs_to_this_hop_ends_here_in_any_spelling(name: bytes) -> None:
    for spelling in {name, name.lower(), name.upper(), name.replace(b"-", b"_")}:
        head = head_of((b"X-A", b"1"), (spelling, b"x"), (b"X-B", b"2"))
        assert passed(prepared(head)) == [(b"X-A", b"1"), (b"X-B", b"2")]


def test_what_the_connection_header_names_ends_here_too() -> None:
    head = head_of(
        (b"Connection", b"close, X-Hop ,,x-other"),
        (b"X-Hop", b"1"),
        (b"X-End", b"2"),
        (b"connection", b"X-Third"),
        (b"x-OTHER", b"3"),
        (b"X-Third", b"4"),
        (b"X-Hop", b"5"),
    )
    assert passed(prepared(head)) == [(b"X-End", b"2")]
    assert connection_named(head) == {b"close", b"x-hop", b"", b"x-other", b"x-third"}


def test_a_caller_cannot_name_the_token_s_header_away() -> None:
    head = head_of((b"Connection", b"authorization, host, via, cookie"))
    request = prepared(head, BEARER)
    assert request.one("authorization") == b"Bearer t0ken"
    assert request.one("host") == b"api.example"
    assert request.one("via") == VIA
    assert prepared(head, IN_COOKIES).one("cookie") == b"sid=t0ken; csrf=t1ken"


@pytest.mark.parametrize(
    ("injected", "copies"),
    [
        (b"Authorization", [b"Authorization", b"authorization", b"AUTHORIZATION", b"aUTHORIZATION"]),
        (b"X-Api-Key", [b"X-Api-Key", b"x-api-key", b"X_Api_Key", b"x_api-KEY", b"X-API_KEY"]),
        (b"X_Api_Key", [b"X_Api_Key", b"x_api_key", b"X-Api-Key", b"x-api_key", b"x_api-key"]),
    ],
)
def test_the_caller_s_copies_of_an_injected_header_are_dropped_in_any_spelling(
    injected: bytes, copies: list[bytes]
) -> None:
    injection = Injection(lines=injected + b": t0ken\r\n", replaces=frozenset({injected.lower()}))
    head = head_of(*((copy, b"caller") for copy in copies), (b"X-Other", b"1"))
    assert passed(prepared(head, injection)) == [(b"X-Other", b"1"), (injected, b"t0ken")]


def test_a_caller_s_header_passes_where_no_token_replaces_it() -> None:
    assert passed(prepared(head_of((b"Authorization", b"Basic abc")))) == [(b"Authorization", b"Basic abc")]


def test_the_proof_of_the_caller_never_goes_upstream() -> None:
    principal = Principal("backend", "api_key", frozenset({b"authorization"}))
    head = head_of((b"Authorization", b"Bearer caller-key"), (b"X-A", b"1"))
    assert passed(prepared(head, principal=principal)) == [(b"X-A", b"1")]
    assert passed(prepared(head, principal=ANYONE)) == list(head.headers[1:])


def test_one_preparer_serves_callers_and_tokens_of_every_kind() -> None:
    by = preparer()
    proof = Principal("backend", "api_key", frozenset({b"authorization"}))
    head = head_of((b"Authorization", b"a"), (b"X-Api-Key", b"b"))
    key = Injection(lines=b"X-Api-Key: t0ken\r\n", replaces=frozenset({b"x-api-key"}))
    for _ in range(2):
        assert passed(prepared(head, by=by)) == [(b"Authorization", b"a"), (b"X-Api-Key", b"b")]
        assert passed(prepared(head, key, by=by)) == [(b"Authorization", b"a"), (b"X-Api-Key", b"t0ken")]
        assert passed(prepared(head, principal=proof, by=by)) == [(b"X-Api-Key", b"b")]
        assert passed(prepared(head, key, principal=proof, by=by)) == [(b"X-Api-Key", b"t0ken")]


def test_a_request_says_which_way_it_came() -> None:
    assert prepared(head_of()).one("via") == VIA
    head = head_of((b"Via", b"1.0 first"), (b"X-A", b"1"), (b"via", b"1.1 second"))
    assert prepared(head).one("via") == b"1.0 first, 1.1 second, " + VIA


@pytest.mark.parametrize(
    "given",
    [VIA, b"1.0 first, " + VIA, b"1.1 " + PSEUDONYM.encode() + b" (comment)"],
    ids=["alone", "behind another", "with a comment"],
)
def test_a_request_that_was_here_before_is_refused(given: bytes) -> None:
    with pytest.raises(RequestInvalidError, match="been here before"):
        prepared(head_of((b"X-A", b"1"), (b"Via", b"1.1 other"), (b"Via", given)))


def test_another_instance_of_this_proxy_on_the_way_is_no_loop() -> None:
    assert prepared(head_of((b"Via", b"1.1 countersign-00000000"))).one("via") == b"1.1 countersign-00000000, " + VIA


# The request's id


def test_the_id_of_the_request_goes_along_once() -> None:
    request = prepared(head_of((b"X-Request-Id", b"theirs"), (b"x_request_id", b"theirs"), (b"X-A", b"1")))
    assert request.one("x-request-id") == b"id-1"
    assert passed(request) == [(b"X-A", b"1")]


@pytest.mark.parametrize("given", ["a", "0f-9", "trace:1/2+3=4._", "x" * 128])
def test_a_harmless_id_of_the_caller_s_is_kept(given: str) -> None:
    assert request_id(head_of((b"X-Request-Id", given.encode()))) == given


@pytest.mark.parametrize("given", ["", "a b", "a\tb", 'a"b', "a,b", "{}", "é", "x" * 129, "a\x85b"])
def test_any_other_id_is_replaced_by_one_of_ours(given: str) -> None:
    ids = {request_id(head_of((b"X-Request-Id", given.encode()))) for _ in range(3)}
    assert len(ids) == 3
    assert given not in ids
    assert all(name.isascii() and name.replace("-", "").isalnum() for name in ids)


# Parameters


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("", b"?api_key=t0ken"),
        ("?", b"?api_key=t0ken"),
        ("?a=1", b"?a=1&api_key=t0ken"),
        ("?a=1&a=2", b"?a=1&a=2&api_key=t0ken"),
        ("?a=%2F+%zz", b"?a=%2F+%zz&api_key=t0ken"),
        ("?api_key=x", b"?api_key=t0ken"),
        ("?a=1&api_key=x&b=2", b"?a=1&b=2&api_key=t0ken"),
        ("?api_key=x&api_key=y", b"?api_key=t0ken"),
        ("?api_key", b"?api_key=t0ken"),
        ("?api%5Fkey=x", b"?api_key=t0ken"),
        ("?%61pi_%6bey=x&a", b"?a&api_key=t0ken"),
        ("?api_key2=x", b"?api_key2=x&api_key=t0ken"),
        ("?API_KEY=x&API-KEY=x", b"?API-KEY=x&api_key=t0ken"),
        ("?a=api_key=x", b"?a=api_key=x&api_key=t0ken"),
        ("?&&a=1&", b"?&&a=1&&api_key=t0ken"),
    ],
)
def test_an_injected_parameter_comes_last_and_takes_the_place_of_the_caller_s(query: str, sent: bytes) -> None:
    assert prepared(head_of(query=query), IN_QUERY).target == b"/x" + sent


def test_a_name_with_a_space_is_found_however_it_is_written() -> None:
    injection = Injection(query=b"api%20key=t0ken", query_names=frozenset({b"api key"}))
    for spelling in ("api+key", "api%20key", "%61pi+key"):
        assert prepared(head_of(query=f"?{spelling}=x"), injection).target == b"/x?api%20key=t0ken"


@given(st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6)), max_size=6))
def test_the_other_parameters_keep_their_bytes_and_their_order(pairs: list[tuple[str, str]]) -> None:
    parts = [f"{quote(name, safe='')}={quote(value)}" for name, value in pairs]
    others = [part for part, (name, _) in zip(parts, pairs, strict=True) if name != "api_key"]
    target = prepared(head_of(query="?" + "&".join([*parts, "api_key=x"])), IN_QUERY).target
    assert target == "&".join([*others, "api_key=t0ken"]).join(["/x?", ""]).encode()


# Cookies


@pytest.mark.parametrize(
    ("lines", "sent"),
    [
        ([], b"sid=t0ken; csrf=t1ken"),
        ([b"a=1"], b"a=1; sid=t0ken; csrf=t1ken"),
        ([b"a=1; b=2"], b"a=1; b=2; sid=t0ken; csrf=t1ken"),
        ([b"sid=x"], b"sid=t0ken; csrf=t1ken"),
        ([b"a=1; sid=x; b=2;csrf=y"], b"a=1; b=2; sid=t0ken; csrf=t1ken"),
        ([b"sid=x; sid=y; a=1"], b"a=1; sid=t0ken; csrf=t1ken"),
        ([b" sid =x;a=1"], b"a=1; sid=t0ken; csrf=t1ken"),
        ([b"SID=x"], b"SID=x; sid=t0ken; csrf=t1ken"),
        ([b"sid2=x; xsid=y"], b"sid2=x; xsid=y; sid=t0ken; csrf=t1ken"),
        ([b"sid"], b"sid=t0ken; csrf=t1ken"),
        ([b";;a=1;;"], b"a=1; sid=t0ken; csrf=t1ken"),
        ([b'a="b c"; d=sid=1'], b'a="b c"; d=sid=1; sid=t0ken; csrf=t1ken'),
        ([b"a=1", b"sid=x", b"b=2"], b"a=1; b=2; sid=t0ken; csrf=t1ken"),
    ],
)
def test_injected_cookies_join_the_caller_s_in_one_line_and_replace_its_copies(lines: list[bytes], sent: bytes) -> None:
    request = prepared(head_of(*((b"Cookie", line) for line in lines)), IN_COOKIES)
    assert request.one("cookie") == sent


def test_the_caller_s_cookies_stay_as_they_are_where_no_token_is_one() -> None:
    lines = [(b"Cookie", b"a=1;;b"), (b"X-A", b"1"), (b"cookie", b"c=3")]
    assert passed(prepared(head_of(*lines), BEARER)) == [*lines, (b"Authorization", b"Bearer t0ken")]


@pytest.mark.parametrize(
    ("line", "sent"),
    [
        (b"__Host-countersign-browser=x", None),
        (b"a=1; __Host-countersign-browser=x; b=2; __Host-countersign-user=y", b"a=1; b=2"),
        (b"a=__Host-countersign-browser", b"a=__Host-countersign-browser"),
    ],
)
def test_cookies_of_our_own_do_not_go_upstream(line: bytes, sent: bytes | None) -> None:
    got = prepared(head_of((b"Cookie", line)), BEARER)
    assert (got.one("cookie") if sent else dict(passed(got)).get(b"Cookie")) == sent
    assert b"countersign-browser=x" not in (prepared(head_of((b"Cookie", line)), IN_COOKIES).one("cookie") or b"")


# The last hop


@pytest.mark.parametrize(
    ("given", "left"),
    [(b"0", 0), (b"10", 10), (b"007", 7), (b"", None), (b"-1", None), (b"+1", None), (b"1.0", None), (b"x", None)],
)
def test_a_caller_may_say_how_far_a_request_goes(given: bytes, left: int | None) -> None:
    assert hops_left(head_of((b"Max-Forwards", given))) == left


@pytest.mark.parametrize("given", ["\u0661", "\u00b2", "9" * 5000])
def test_digits_of_another_kind_and_endless_ones_say_nothing(given: str) -> None:
    assert hops_left(head_of((b"Max-Forwards", given.encode()))) is None


def test_an_options_request_has_one_hop_less_to_go() -> None:
    head = head_of((b"Max-Forwards", b"5"), (b"X-A", b"1"), method="OPTIONS")
    assert prepared(head).one("max-forwards") == b"4"
    assert len(passed(prepared(head))) == 2
    assert prepared(head_of((b"Max-Forwards", b"5"))).one("max-forwards") == b"5"
    assert prepared(head_of((b"Max-Forwards", b"x"), method="OPTIONS")).one("max-forwards") == b"x"
