"""Chunked bodies (RFC 9112 §7.1): sizes, extensions, terminators and trailers, sound and unsound."""

from typing import Final

from tests.e2e.requests.case import CLOSE, Case, chunked, posted, refused
from tests.e2e.requests.framing import SMUGGLED

LAST: Final = b"0\r\n\r\n"


def _bad(name: str, body: bytes) -> Case:
    return refused(f"chunk-{name}", chunked(body + SMUGGLED))


def _good(name: str, body: bytes, content: bytes = b"abc", *lines: bytes, lacks: tuple[bytes, ...] = ()) -> Case:
    return posted(f"chunk-{name}", chunked(body, *lines), content, lacks=lacks)


CASES: Final = (
    _good("plain", b"3\r\nabc\r\n" + LAST),
    _good("several", b"1\r\na\r\n2\r\nbc\r\n" + LAST),
    _good("upper-case-size", b"A\r\n0123456789\r\n" + LAST, b"0123456789"),
    _good("lower-case-size", b"a\r\n0123456789\r\n" + LAST, b"0123456789"),
    _good("leading-zeros", b"0003\r\nabc\r\n" + LAST),
    _good("last-of-many-zeros", b"3\r\nabc\r\n000\r\n\r\n"),
    _good("empty-body", LAST, b""),
    _good("extension", b"3;name=value\r\nabc\r\n" + LAST),
    _good("quoted-extension", b'3;name="a b"\r\nabc\r\n' + LAST),
    _good("extension-of-the-last", b"3\r\nabc\r\n0;x\r\n\r\n"),
    _good("content-with-crlf", b"5\r\na\r\n0\r\r\n" + LAST, b"a\r\n0\r"),
    _good("trailer", b"3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n", b"abc", b"Trailer: X-Sum", lacks=(b"x-sum", b"trailer")),
    _good("trailer-with-a-credential", b"3\r\nabc\r\n0\r\nAuthorization: Bearer evil\r\nX-Api-Key: evil\r\n\r\n"),
    _bad("prefix-0x", b"0x3\r\nabc\r\n" + LAST),
    _bad("minus", b"-3\r\nabc\r\n" + LAST),
    _bad("plus", b"+3\r\nabc\r\n" + LAST),
    _bad("leading-space", b" 3\r\nabc\r\n" + LAST),
    _bad("trailing-space", b"3 \r\nabc\r\n" + LAST),
    _bad("trailing-tab", b"3\t\r\nabc\r\n" + LAST),
    _bad("underscore", b"0_3\r\nabc\r\n" + LAST),
    _bad("no-size", b"\r\nabc\r\n" + LAST),
    _bad("only-extension", b";x\r\nabc\r\n" + LAST),
    _bad("not-hex", b"G\r\nabc\r\n" + LAST),
    _bad("comma", b"3,3\r\nabc\r\n" + LAST),
    _bad("overflow-to-3", b"10000000000000003\r\nabc\r\n" + LAST),
    _bad("overflow-to-0", b"10000000000000000\r\n\r\n"),
    _bad("overflow-32-bit-and-more", b"f" * 17 + b"\r\nabc\r\n" + LAST),
    _bad("bare-lf-after-size", b"3\nabc\r\n" + LAST),
    _bad("bare-cr-after-size", b"3\rabc\r\n" + LAST),
    _bad("cr-cr-lf-after-size", b"3\r\r\nabc\r\n" + LAST),
    _bad("bare-lf-in-extension", b"3;a\nb\r\nabc\r\n" + LAST),
    _bad("bare-cr-in-extension", b"3;a\rb\r\nabc\r\n" + LAST),
    _bad("nul-in-extension", b"3;a\x00b\r\nabc\r\n" + LAST),
    _bad("nul-after-size", b"3\x00\r\nabc\r\n" + LAST),
    _bad("no-crlf-after-content", b"3\r\nabc" + LAST),
    _bad("content-too-long", b"3\r\nabcd\r\n" + LAST),
    _bad("content-too-short", b"4\r\nabc\r\n" + LAST),
    _bad("bare-lf-after-content", b"3\r\nabc\n" + LAST),
    _bad("bare-cr-after-content", b"3\r\nabc\r" + LAST),
    _bad("lf-cr-after-content", b"3\r\nabc\n\r" + LAST),
    _bad("bare-lf-after-last", b"3\r\nabc\r\n0\n\r\n"),
    _bad("bare-lf-at-the-end", b"3\r\nabc\r\n0\r\n\n"),
    _bad("trailer-without-colon", b"3\r\nabc\r\n0\r\nX-Sum\r\n\r\n"),
    _bad("trailer-space-before-colon", b"3\r\nabc\r\n0\r\nX-Sum : 1\r\n\r\n"),
    _bad("trailer-with-bare-lf", b"3\r\nabc\r\n0\r\nX: 1\nY: 2\r\n\r\n"),
    _bad("trailer-with-bare-cr", b"3\r\nabc\r\n0\r\nX: 1\rY: 2\r\n\r\n"),
    _bad("trailer-folded", b"3\r\nabc\r\n0\r\nX: 1\r\n 2\r\n\r\n"),
    _bad("trailer-with-nul", b"3\r\nabc\r\n0\r\nX: \x00\r\n\r\n"),
    Case("chunk-truncated-size", chunked(b"3\r\nabc\r\n"), (400,), then=CLOSE, truncated=True),
    Case("chunk-truncated-content", chunked(b"5\r\nabc"), (400,), then=CLOSE, truncated=True),
    Case("chunk-truncated-trailer", chunked(b"3\r\nabc\r\n0\r\nX: 1"), (400,), then=CLOSE, truncated=True),
    Case("chunk-truncated-last", chunked(b"3\r\nabc\r\n0\r\n"), (400,), then=CLOSE, truncated=True),
)
