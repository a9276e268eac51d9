"""The request line (RFC 9112 §3): methods, versions, spaces and length."""

from typing import Final

from tests.e2e.requests.case import CLOSE, Arrival, Case, head, passed, refused
from tests.e2e.requests.framing import SMUGGLED


def _line(name: str, line: bytes) -> Case:
    return refused(f"line-{name}", line + b"\r\nHost: {h}\r\n\r\n" + SMUGGLED)


def _method(method: bytes) -> Case:
    name = f"method-{method.decode().lower()}"
    return passed(name, head(b"/a", method=method), arrival_method=method.decode(), method=method.decode())


CASES: Final = (
    *map(
        _method, (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"PROPFIND", b"REPORT", b"PURGE")
    ),
    # RFC 9112 §3 lets a server take several spaces for one; what arrives has one.
    passed("line-two-spaces", b"GET  /a HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    passed("line-two-spaces-before-version", b"GET /a  HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    _line("tabs", b"GET\t/a\tHTTP/1.1"),
    _line("vertical-tab", b"GET /a\x0bHTTP/1.1"),
    _line("leading-space", b" GET /a HTTP/1.1"),
    _line("trailing-space", b"GET /a HTTP/1.1 "),
    _line("trailing-word", b"GET /a HTTP/1.1 x"),
    _line("space-in-target", b"GET /a b HTTP/1.1"),
    _line("no-target", b"GET HTTP/1.1"),
    _line("empty-target", b"GET  HTTP/1.1"),
    _line("no-method", b"/a HTTP/1.1"),
    _line("method-with-nul", b"G\x00T /a HTTP/1.1"),
    _line("method-with-parenthesis", b"GE(T /a HTTP/1.1"),
    _line("method-lower-case", b"get /a HTTP/1.1"),
    _line("method-unknown", b"BREW /a HTTP/1.1"),
    _line("method-non-ascii", b"G\xc9T /a HTTP/1.1"),
    _line("version-0-9", b"GET /a HTTP/0.9"),
    _line("version-1-2", b"GET /a HTTP/1.2"),
    _line("version-1-10", b"GET /a HTTP/1.10"),
    _line("version-1-01", b"GET /a HTTP/1.01"),
    _line("version-2-0", b"GET /a HTTP/2.0"),
    _line("version-2", b"GET /a HTTP/2"),
    _line("version-3-0", b"GET /a HTTP/3.0"),
    _line("version-lower-case", b"GET /a http/1.1"),
    _line("version-comma", b"GET /a HTTP/1,1"),
    _line("version-space", b"GET /a HTTP/ 1.1"),
    # The parser takes its relatives for HTTP/1.0; what arrives is HTTP/1.1.
    passed("line-version-rtsp", b"GET /a RTSP/1.0\r\nHost: {h}\r\n\r\n", then=CLOSE),
    _line("version-xhttp", b"GET /a XHTTP/1.1"),
    _line("version-full-width", b"GET /a HTTP/1.\xef\xbc\x91"),
    refused("line-without-version", b"GET /a\r\n\r\n"),
    refused("line-preface-of-http-2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    refused("line-tls-hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x11" * 64),
    refused("line-of-rubbish", b"\x00\xff\xfe rubbish\r\n\r\n"),
    refused("line-too-long", head(b"/" + b"a" * 20_000), 431, code="header-too-large"),
    refused("query-too-long", head(b"/a?" + b"a" * 20_000), 431, code="header-too-large"),
    passed("line-long", head(b"/" + b"a" * 12_000), b"/" + b"a" * 12_000),
    passed("crlf-before-the-line", b"\r\n" + head(b"/a")),
    refused("trace", head(b"/a", b"X-Secret: caller-secret", method=b"TRACE")),
    refused("trace-with-max-forwards", head(b"/a", b"Max-Forwards: 0", method=b"TRACE")),
    refused("connect", b"CONNECT {h}:443 HTTP/1.1\r\nHost: {h}:443\r\n\r\n" + SMUGGLED),
    refused("connect-with-path", head(b"/a", method=b"CONNECT") + SMUGGLED),
    refused("get-with-authority", b"GET {h}:443 HTTP/1.1\r\nHost: {h}:443\r\n\r\n"),
    refused("options-asterisk", b"OPTIONS * HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    refused("get-asterisk", b"GET * HTTP/1.1\r\nHost: {h}\r\n\r\n"),
    passed(
        "options-with-hops-left",
        head(b"/a", b"Max-Forwards: 3", method=b"OPTIONS"),
        arrival_method="OPTIONS",
        method="OPTIONS",
        has=((b"Max-Forwards", b"2"),),
    ),
    passed("get-with-max-forwards", head(b"/a", b"Max-Forwards: 0"), has=((b"Max-Forwards", b"0"),)),
    passed("http-1-0", head(b"/a", version=b"HTTP/1.0"), then=CLOSE),
    passed("http-1-0-keep-alive", head(b"/a", b"Connection: keep-alive", version=b"HTTP/1.0"), then=CLOSE),
    passed(
        "http-1-0-post",
        head(b"/a", b"Content-Length: 3", method=b"POST", version=b"HTTP/1.0") + b"abc",
        arrival_method="POST",
        body=b"abc",
        then=CLOSE,
    ),
    Case(
        "http-1-0-no-second",
        head(b"/a", version=b"HTTP/1.0") + SMUGGLED,
        (200,),
        (Arrival(b"/a"),),
        then=CLOSE,
        early=True,
    ),
)
