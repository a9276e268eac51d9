"""Header lines (RFC 9110 §5, §7.6.1; RFC 9112 §5): names, values, folding, what is for one hop only."""

from typing import Final

from tests.e2e.requests.case import Case, Line, head, passed, post, posted, refused
from tests.e2e.requests.framing import SMUGGLED

LARGE: Final = b"X-Large: " + b"x" * 20_000
TOO_LARGE: Final = "header-too-large"


def _bad(name: str, *lines: bytes) -> Case:
    return refused(f"field-{name}", head(b"/a", *lines) + SMUGGLED)


def _kept(name: str, key: bytes, value: bytes, *, sent: bytes | None = None) -> Case:
    line = b"%s: %s" % (key, value) if sent is None else sent
    return passed(f"field-{name}", head(b"/a", line), has=((key, value),))


def _dropped(name: str, *lines: bytes, lacks: tuple[bytes, ...], has: tuple[Line, ...] = ()) -> Case:
    return passed(f"hop-{name}", head(b"/a", *lines, b"X-End: 1"), lacks=lacks, has=(*has, (b"X-End", b"1")))


CASES: Final = (
    _bad("value-with-bare-cr", b"X: a\rY: b"),
    _bad("value-with-bare-lf", b"X: a\nY: b"),
    _bad("value-with-nul", b"X: a\x00b"),
    _bad("value-with-control-1", b"X: a\x01b"),
    _bad("value-with-escape", b"X: a\x1bb"),
    _bad("value-with-vertical-tab", b"X: a\x0bb"),
    _bad("value-with-delete", b"X: a\x7fb"),
    _bad("cr-cr-lf", b"X: a\r"),
    _bad("folded-with-space", b"X: a\r\n b"),
    _bad("folded-with-tab", b"X: a\r\n\tb"),
    _bad("folded-empty", b"X: a\r\n \r\nY: b"),
    _bad("line-of-spaces", b"   "),
    _bad("space-before-colon", b"X : a"),
    _bad("tab-before-colon", b"X\t: a"),
    _bad("empty-name", b": a"),
    _bad("only-a-colon", b":"),
    _bad("no-colon", b"X-Name"),
    _bad("name-with-space", b"X Y: a"),
    _bad("name-with-parenthesis", b"X(: a"),
    _bad("name-with-at", b"X@Y: a"),
    _bad("name-with-slash", b"X/Y: a"),
    _bad("name-with-quote", b'X": a'),
    _bad("name-with-bracket", b"X[0]: a"),
    _bad("name-with-nul", b"X\x00: a"),
    _bad("name-non-ascii", b"X\xe9: a"),
    _bad("name-utf-8", b"X\xc3\xa9: a"),
    refused("field-first-line-folded", b"GET /a HTTP/1.1\r\n Host: {h}\r\nHost: {h}\r\n\r\n"),
    refused("field-space-before-host", b"GET /a HTTP/1.1\r\nX: y\r\n Host: evil\r\nHost: {h}\r\n\r\n"),
    refused("all-lines-end-in-lf", b"GET /a HTTP/1.1\nHost: {h}\n\n" + SMUGGLED),
    refused("head-ends-in-lf", b"GET /a HTTP/1.1\r\nHost: {h}\r\n\n" + SMUGGLED),
    refused("all-lines-end-in-cr", b"GET /a HTTP/1.1\rHost: {h}\r\r"),
    refused("field-too-large", head(b"/a", LARGE), 431, code=TOO_LARGE),
    refused("field-name-too-large", head(b"/a", b"x" * 20_000 + b": a"), 431, code=TOO_LARGE),
    refused("fields-too-many", head(b"/a", *(b"X-%d: y" % n for n in range(120))), 431, code=TOO_LARGE),
    passed("fields-many", head(b"/a", *(b"X-%d: y" % n for n in range(80))), has=((b"X-79", b"y"),)),
    _kept("value-large", b"X-Large", b"x" * 12_000),
    _kept("value-non-utf-8", b"X-Name", b"caf\xe9 \xff\x80"),
    _kept("value-utf-8", b"X-Name", "café".encode()),
    _kept("value-with-tab", b"X-Name", b"a\tb"),
    _kept("value-empty", b"X-Name", b"", sent=b"X-Name:"),
    _kept("value-without-space", b"X-Name", b"a", sent=b"X-Name:a"),
    _kept("value-between-spaces", b"X-Name", b"a", sent=b"X-Name: \t a \t "),
    _kept("value-with-colon", b"X-Name", b": a:b"),
    _kept("odd-token", b"!#$%&'*+-.^_`|~", b"a"),
    _kept("case-of-name", b"x-NAME-oDD", b"a"),
    _kept("etag-keeps-its-case", b"ETag", b'"a"'),
    passed(
        "field-order-of-the-same-name",
        head(b"/a", b"X-A: 1", b"X-B: 2", b"X-A: 3", b"x-a: 4"),
        has=((b"X-A", b"1"), (b"X-B", b"2"), (b"X-A", b"3"), (b"x-a", b"4")),
    ),
    passed(
        "cookies-stay-apart",
        head(b"/a", b"Cookie: a=1", b"Cookie: b=2"),
        has=((b"Cookie", b"a=1"), (b"Cookie", b"b=2")),
    ),
    # The caller cannot choose, double or remove the credential.
    passed("own-authorization", head(b"/a", b"Authorization: Bearer evil")),
    passed("own-authorization-twice", head(b"/a", b"Authorization: evil", b"authorization: evil2")),
    passed("own-authorization-of-another-case", head(b"/a", b"aUTHORIZATION: evil")),
    passed("own-api-key", head(b"/a", b"X-Api-Key: evil")),
    passed("own-api-key-underscore", head(b"/a", b"X_Api_Key: evil"), lacks=(b"x_api_key",)),
    passed("connection-names-authorization", head(b"/a", b"Connection: Authorization")),
    passed("connection-names-api-key", head(b"/a", b"Connection: keep-alive, x-api-key", b"X-Api-Key: evil")),
    # What is for one hop only (RFC 9110 §7.6.1).
    _dropped("connection-named", b"Connection: X-One", b"X-One: 1", lacks=(b"x-one",)),
    _dropped(
        "connection-named-in-a-list",
        b"Connection: keep-alive, X-One ,X-Two",
        b"X-One: 1",
        b"x-two: 2",
        lacks=(b"x-one", b"x-two"),
    ),
    _dropped(
        "connection-twice",
        b"Connection: X-One",
        b"X-One: 1",
        b"Connection: X-Two",
        b"X-Two: 2",
        lacks=(b"x-one", b"x-two"),
    ),
    _dropped("connection-names-host", b"Connection: Host", lacks=()),
    _dropped(
        "connection-with-odd-members",
        b"Connection: ,, X-One;, \t, X One",
        b"X-Two: 2",
        lacks=(),
        has=((b"X-Two", b"2"),),
    ),
    _dropped("keep-alive", b"Keep-Alive: timeout=5", lacks=(b"keep-alive",)),
    _dropped("proxy-connection", b"Proxy-Connection: keep-alive", lacks=(b"proxy-connection",)),
    _dropped("te", b"TE: trailers", b"Connection: TE", lacks=(b"te",)),
    _dropped("te-unnamed", b"TE: gzip", lacks=(b"te",)),
    _dropped("proxy-authorization", b"Proxy-Authorization: Basic eA==", lacks=(b"proxy-authorization",)),
    _dropped("proxy-authenticate", b"Proxy-Authenticate: Basic", lacks=(b"proxy-authenticate",)),
    _dropped("trailer-announced", b"Trailer: X-Sum", lacks=(b"trailer",)),
    posted(
        "connection-names-content-length",
        post(b"Connection: Content-Length", b"Content-Length: 3", body=b"abc"),
        b"abc",
    ),
    posted(
        "connection-names-transfer-encoding",
        post(b"Connection: Transfer-Encoding", b"Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\n"),
        b"abc",
    ),
)
