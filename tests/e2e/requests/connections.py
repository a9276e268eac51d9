"""What follows a request on its connection: pipelines, closing, upgrades, expectations (RFC 9112 §9)."""

from typing import Final

from tests.e2e.requests.case import CLOSE, KEEP, Arrival, Case, chunked, head, passed, post, posted, refused
from tests.e2e.requests.framing import SMUGGLED

A: Final = Arrival(b"/a")
B: Final = Arrival(b"/b")
POSTED: Final = Arrival(b"/a", b"abc", "POST")
BODY: Final = b"3\r\nabc\r\n0\r\n\r\n"


def _upgrade(name: str, *lines: bytes, lacks: tuple[bytes, ...] = (), then: str = CLOSE) -> Case:
    # What follows on the connection may be meant for the other protocol: it is not read.
    return passed(f"upgrade-{name}", head(b"/a", *lines), lacks=(b"upgrade", *lacks), then=then)


CASES: Final = (
    Case("pipelined", head(b"/a") + head(b"/b"), (200, 200), (A, B)),
    Case("pipelined-five", head(b"/a") * 5, (200,) * 5, (A,) * 5),
    Case("pipelined-behind-a-length", post(b"Content-Length: 3", body=b"abc") + head(b"/b"), (200, 200), (POSTED, B)),
    Case("pipelined-behind-chunks", chunked(BODY) + head(b"/b"), (200, 200), (POSTED, B)),
    Case("pipelined-behind-no-length", post() + head(b"/b"), (200, 200), (Arrival(b"/a", b"", "POST"), B)),
    Case("pipelined-behind-crlf", head(b"/a") + b"\r\n" + head(b"/b"), (200, 200), (A, B)),
    Case("pipelined-bad-second", head(b"/a") + b"GET /b HTTP/9.9\r\n\r\n", (200, 400), (A,), then=CLOSE, early=True),
    Case(
        "pipelined-smuggling-second",
        head(b"/a") + post(b"Content-Length: 3", b"Content-Length: 4", body=b"abc"),
        (200, 400),
        (A,),
        then=CLOSE,
        early=True,
    ),
    Case("pipelined-rubbish", head(b"/a") + b"\x00\x01\x02\r\n\r\n", (200, 400), (A,), then=CLOSE, early=True),
    Case("pipelined-dot-segments", head(b"/a") + head(b"/x/../y") + head(b"/b"), (200, 400), (A,), then=CLOSE),
    refused("pipelined-behind-bad", b"GET /a HTTP/9.9\r\nHost: {h}\r\n\r\n" + head(b"/b")),
    Case("close", head(b"/a", b"Connection: close"), (200,), (A,), then=CLOSE, lacks=(b"close",)),
    Case("close-and-crlf", head(b"/a", b"Connection: close") + b"\r\n", (200,), (A,), then=CLOSE),
    Case("close-of-another-case", head(b"/a", b"Connection: Close"), (200,), (A,), then=CLOSE),
    Case("close-in-a-list", head(b"/a", b"Connection: x, close"), (200,), (A,), then=CLOSE),
    Case("close-and-a-second", head(b"/a", b"Connection: close") + head(b"/b"), (200,), (A,), then=CLOSE, early=True),
    Case("keep-alive-named", head(b"/a", b"Connection: keep-alive"), (200,), (A,)),
    _upgrade(
        "h2c",
        b"Connection: Upgrade, HTTP2-Settings",
        b"Upgrade: h2c",
        b"HTTP2-Settings: AAMAAABkAAQAAP__",
        lacks=(b"http2-settings",),
    ),
    _upgrade("h2c-unnamed", b"Upgrade: h2c", then=KEEP),
    _upgrade(
        "websocket",
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ),
    _upgrade("websocket-without-key", b"Connection: Upgrade", b"Upgrade: websocket"),
    _upgrade("tls", b"Connection: Upgrade", b"Upgrade: TLS/1.0"),
    Case(
        "upgrade-and-a-second",
        head(b"/a", b"Connection: Upgrade", b"Upgrade: websocket") + head(b"/b"),
        (200,),
        (A,),
        then=CLOSE,
        lacks=(b"upgrade",),
    ),
    posted(
        "upgrade-with-a-body",
        post(b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: 3", body=b"abc"),
        b"abc",
        then=CLOSE,
        lacks=(b"upgrade",),
    ),
    posted(
        "expect-and-body-at-once",
        post(b"Expect: 100-continue", b"Content-Length: 3", body=b"abc"),
        b"abc",
        interim=None,
        lacks=(b"expect",),
    ),
    posted(
        "expect-of-another-case", post(b"Expect: 100-Continue", b"Content-Length: 3", body=b"abc"), b"abc", interim=None
    ),
    posted("expect-and-chunks", chunked(BODY, b"Expect: 100-continue"), b"abc", interim=None, lacks=(b"expect",)),
    passed("expect-without-body", head(b"/a", b"Expect: 100-continue"), lacks=(b"expect",)),
    posted(
        "expect-on-http-1-0",
        post(b"Expect: 100-continue", b"Content-Length: 3", body=b"abc", version=b"HTTP/1.0"),
        b"abc",
        then=CLOSE,
    ),
    refused("expect-something-else", post(b"Expect: a-miracle", b"Content-Length: 3", body=b"abc"), then=None),
    refused(
        "expect-twice",
        post(b"Expect: 100-continue", b"Expect: 100-continue", b"Content-Length: 3", body=b"abc"),
        then=None,
    ),
    refused("expect-list", post(b"Expect: 100-continue, a-miracle", b"Content-Length: 3", body=b"abc"), then=None),
    refused(
        "expect-and-smuggling",
        post(b"Expect: 100-continue", b"Content-Length: 3", b"Transfer-Encoding: chunked", body=SMUGGLED),
    ),
    refused("line-only", b"GET /a HTTP/1.1\r\n", truncated=True),
    refused("head-without-end", b"GET /a HTTP/1.1\r\nHost: {h}\r\n", truncated=True),
    refused("head-cut-in-a-name", b"GET /a HTTP/1.1\r\nHost: {h}\r\nX-Na", truncated=True),
    Case("nothing", b"", (), then=CLOSE, truncated=True),
    Case("only-crlf", b"\r\n\r\n", (), then=CLOSE, truncated=True),
)
