"""Header lines of an answer (RFC 9110 §5, §7.6.1): sound ones pass byte for byte, unsound ones do not pass at all."""

from typing import Any, Final

from tests.e2e.answers.case import Case, Line, exact, ok, unsound

LENGTH: Final = b"Content-Length: 3"


def _bad(name: str, *lines: bytes) -> Case:
    return unsound(f"field-{name}", ok(*lines, LENGTH, body=b"abc"))


def _kept(name: str, *lines: Line, **more: Any) -> Case:
    data = ok(*(b"%s: %s" % line for line in lines), LENGTH, body=b"abc")
    return exact(f"field-{name}", data, b"abc", has=lines, **more)


def _dropped(name: str, *lines: bytes, lacks: tuple[bytes, ...], **more: Any) -> Case:
    return exact(f"hop-{name}", ok(*lines, LENGTH, body=b"abc"), b"abc", lacks=lacks, **more)


CASES: Final = (
    _kept("non-utf-8", (b"X-Name", b"caf\xe9 \xff\x80")),
    _kept("utf-8", (b"X-Name", "café".encode())),
    _kept("with-tab", (b"X-Name", b"a\tb")),
    _kept("empty", (b"X-Name", b"")),
    _kept("same-name-in-order", (b"X-A", b"1"), (b"X-A", b"2"), (b"x-a", b"3")),
    _kept("case-of-names", (b"ETag", b'"a"'), (b"x-ODD-name", b"b")),
    _kept("vary-twice", (b"Vary", b"Accept"), (b"Vary", b"Origin")),
    _kept("location-is-not-rewritten", (b"Location", b"http://127.0.0.1:1/a/../b%2F?c")),
    _kept(
        "challenge-is-not-touched", (b"WWW-Authenticate", b'Basic realm="a, b"'), (b"WWW-Authenticate", b"Negotiate")
    ),
    _kept("encoding-is-not-undone", (b"Content-Encoding", b"gzip"), (b"Content-Type", b"text/plain")),
    _kept("proxy-status-of-the-upstream", (b"Proxy-Status", b"other; error=dns_error")),
    _kept("cookies-when-allowed", (b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2; Path=/"), route="cookies: pass"),
    _kept("large", (b"X-Large", b"x" * 30_000)),
    exact(
        "field-nothing-is-added", ok(LENGTH, body=b"abc"), b"abc", lacks=(b"content-type", b"server", b"proxy-status")
    ),
    exact("field-spaces-around", ok(b"X-Name: \t a \t", LENGTH, body=b"abc"), b"abc", has=((b"X-Name", b"a"),)),
    _dropped("cookies", b"Set-Cookie: a=1", b"set-cookie: b=2", lacks=(b"set-cookie",)),
    _dropped("connection-named", b"Connection: X-One, keep-alive", b"X-One: 1", lacks=(b"x-one",)),
    _dropped(
        "connection-named-twice",
        b"Connection: X-One",
        b"Connection: X-Two",
        b"X-One: 1",
        b"X-Two: 2",
        lacks=(b"x-one", b"x-two"),
    ),
    _dropped("keep-alive", b"Keep-Alive: timeout=5", lacks=(b"keep-alive",)),
    _dropped("proxy-connection", b"Proxy-Connection: keep-alive", lacks=(b"proxy-connection",)),
    _dropped("upgrade", b"Upgrade: h2c", b"Connection: Upgrade", lacks=(b"upgrade",), reused=None),
    _dropped("te", b"TE: trailers", lacks=(b"te",)),
    _dropped("close", b"Connection: close", lacks=(), reused=False),
    _dropped("close-in-a-list", b"Connection: x, Close", lacks=(), reused=False),
    _bad("folded-with-space", b"X: a\r\n b"),
    _bad("folded-with-tab", b"X: a\r\n\tb"),
    _bad("space-before-colon", b"X : a"),
    _bad("tab-before-colon", b"X\t: a"),
    _bad("empty-name", b": a"),
    _bad("no-colon", b"X-Name"),
    _bad("name-with-space", b"X Y: a"),
    _bad("name-with-parenthesis", b"X(: a"),
    _bad("name-non-ascii", b"X\xe9: a"),
    _bad("with-nul", b"X: a\x00b"),
    _bad("with-control", b"X: a\x01b"),
    _bad("with-escape", b"X: a\x1bb"),
    _bad("with-delete", b"X: a\x7fb"),
    _bad("with-bare-cr", b"X: a\rY: b"),
    _bad("with-bare-lf", b"X: a\nY: b"),
    unsound("all-lines-end-in-lf", b"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc"),
    unsound("head-ends-in-lf", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\nabc"),
    unsound("field-too-large", ok(b"X-Large: " + b"x" * 200_000, LENGTH, body=b"abc")),
    unsound("fields-too-many", ok(*(b"X-%d: y" % n for n in range(300)), LENGTH, body=b"abc")),
    unsound("fields-without-end", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000),
)
