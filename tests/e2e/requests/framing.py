"""How long is the body? RFC 9112 §6: whatever could be answered in two ways is refused, and the connection with it."""

from typing import Final

from tests.e2e.requests.case import CLOSE, Arrival, Case, chunked, passed, post, posted, refused

SMUGGLED: Final = b"GET /smuggled HTTP/1.1\r\nHost: {h}\r\n\r\n"
CHUNK: Final = b"3\r\nabc\r\n0\r\n\r\n"


def _coding(name: str, *lines: bytes) -> Case:
    return refused(name, post(*lines, body=CHUNK + SMUGGLED))


def _length(name: str, *lines: bytes) -> Case:
    return refused(name, post(*lines, body=b"abc" + SMUGGLED))


CASES: Final = (
    # Content-Length and Transfer-Encoding together (§6.3-3).
    refused("cl-te", post(b"Content-Length: 6", b"Transfer-Encoding: chunked", body=b"0\r\n\r\nG")),
    refused("te-cl", post(b"Transfer-Encoding: chunked", b"Content-Length: 4", body=b"5c\r\n" + SMUGGLED + CHUNK)),
    refused("cl-te-smuggling", post(b"Content-Length: 4", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED)),
    refused("cl-0-te", post(b"Content-Length: 0", b"Transfer-Encoding: chunked", body=CHUNK)),
    refused("cl-te-identity", post(b"Content-Length: 3", b"Transfer-Encoding: identity", body=b"abc" + SMUGGLED)),
    refused("cl-te-odd-case", post(b"content-length: 3", b"tRANSFER-eNCODING: CHUNKED", body=CHUNK)),
    refused("te-and-cl-of-another-case", post(b"Transfer-Encoding: chunked", b"CONTENT-LENGTH: 3", body=CHUNK)),
    # Transfer-Encoding is `chunked`, once (§6.1, §6.3-4).
    _coding("te-te", b"Transfer-Encoding: chunked", b"Transfer-Encoding: x"),
    _coding("te-te-reversed", b"Transfer-Encoding: x", b"Transfer-Encoding: chunked"),
    _coding("te-twice", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    _coding("te-list-twice", b"Transfer-Encoding: chunked, chunked"),
    _coding("te-gzip-chunked", b"Transfer-Encoding: gzip, chunked"),
    _coding("te-chunked-gzip", b"Transfer-Encoding: chunked, gzip"),
    _coding("te-gzip", b"Transfer-Encoding: gzip"),
    _coding("te-identity", b"Transfer-Encoding: identity"),
    _coding("te-identity-chunked", b"Transfer-Encoding: identity, chunked"),
    _coding("te-chunked-identity", b"Transfer-Encoding: chunked, identity"),
    _coding("te-xchunked", b"Transfer-Encoding: xchunked"),
    _coding("te-chunkedx", b"Transfer-Encoding: chunkedx"),
    _coding("te-quoted", b'Transfer-Encoding: "chunked"'),
    _coding("te-parameter", b"Transfer-Encoding: chunked;q=1"),
    _coding("te-empty", b"Transfer-Encoding:"),
    _coding("te-empty-member", b"Transfer-Encoding: ,chunked"),
    _coding("te-trailing-comma", b"Transfer-Encoding: chunked,"),
    _coding("te-vertical-tab", b"Transfer-Encoding: \x0bchunked"),
    _coding("te-form-feed", b"Transfer-Encoding: chunked\x0c"),
    _coding("te-nul", b"Transfer-Encoding: chunked\x00"),
    _coding("te-space-before-colon", b"Transfer-Encoding : chunked"),
    _coding("te-tab-before-colon", b"Transfer-Encoding\t: chunked"),
    _coding("te-folded", b"Transfer-Encoding:\r\n chunked"),
    _coding("te-bare-cr", b"X: y\rTransfer-Encoding: chunked"),
    _coding("te-bare-lf", b"X: y\nTransfer-Encoding: chunked"),
    _coding("te-non-ascii", b"Transfer-Encoding: chunk\xc3\xa9d"),
    refused("te-on-http-1-0", post(b"Transfer-Encoding: chunked", body=CHUNK, version=b"HTTP/1.0")),
    refused("te-and-cl-on-http-1-0", post(b"Content-Length: 3", b"Transfer-Encoding: chunked", version=b"HTTP/1.0")),
    posted("te-of-another-case", post(b"transfer-encoding: CHUNKED", body=CHUNK), b"abc"),
    posted("te-behind-a-tab", post(b"Transfer-Encoding:\tchunked", body=CHUNK), b"abc"),
    posted("te-before-spaces", post(b"Transfer-Encoding: chunked  ", body=CHUNK), b"abc"),
    posted("te-underscore-is-another-header", post(b"Content-Length: 3", b"Transfer_Encoding: x", body=b"abc"), b"abc"),
    # Content-Length is one decimal number (§6.3-5).
    _length("cl-twice-the-same", b"Content-Length: 3", b"Content-Length: 3"),
    _length("cl-twice-different", b"Content-Length: 3", b"Content-Length: 30"),
    _length("cl-list-the-same", b"Content-Length: 3, 3"),
    _length("cl-list-different", b"Content-Length: 3, 30"),
    _length("cl-list-empty-member", b"Content-Length: 3,"),
    _length("cl-negative", b"Content-Length: -3"),
    _length("cl-plus", b"Content-Length: +3"),
    _length("cl-hex", b"Content-Length: 0x3"),
    _length("cl-fraction", b"Content-Length: 3.0"),
    _length("cl-exponent", b"Content-Length: 3e0"),
    _length("cl-inner-space", b"Content-Length: 3 0"),
    _length("cl-underscore", b"Content-Length: 3_0"),
    _length("cl-letters", b"Content-Length: abc"),
    _length("cl-empty", b"Content-Length:"),
    _length("cl-quoted", b'Content-Length: "3"'),
    _length("cl-full-width-digit", b"Content-Length: \xef\xbc\x93"),
    _length("cl-superscript", b"Content-Length: \xb3"),
    _length("cl-overflow", b"Content-Length: 18446744073709551619"),
    _length("cl-enormous", b"Content-Length: " + b"9" * 400),
    _length("cl-vertical-tab", b"Content-Length: \x0b3"),
    _length("cl-nul", b"Content-Length: 3\x00"),
    _length("cl-space-before-colon", b"Content-Length : 3"),
    _length("cl-folded", b"Content-Length:\r\n 3"),
    posted("cl-leading-zeros", post(b"Content-Length: 003", body=b"abc"), b"abc"),
    posted("cl-before-spaces", post(b"Content-Length: 3 \t", body=b"abc"), b"abc"),
    posted("cl-0", post(b"Content-Length: 0"), b""),
    posted("no-length-no-body", post(), b""),
    passed("get-with-body", post(b"Content-Length: 3", body=b"abc").replace(b"POST", b"GET"), body=b"abc"),
    posted(
        "body-that-looks-like-a-request",
        post(b"Content-Length: 28", body=b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"),
        b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n",
    ),
    Case(
        "cl-too-short",
        post(b"Content-Length: 3", body=b"abcd e f\r\n\r\n"),
        (200, 400),
        (Arrival(b"/a", b"abc", "POST"),),
        then=CLOSE,
        early=True,
    ),
    Case("cl-truncated", post(b"Content-Length: 10", body=b"abc"), (400,), then=CLOSE, truncated=True),
    refused(
        "body-too-large",
        post(b"Content-Length: 9", body=b"123456789"),
        413,
        code="request-too-large",
        then=None,
        route="limits: {body: 8B}",
    ),
    posted("body-just-fits", post(b"Content-Length: 8", body=b"12345678"), b"12345678", route="limits: {body: 8B}"),
    refused(
        "chunked-body-too-large",
        chunked(b"4\r\n1234\r\n5\r\n56789\r\n0\r\n\r\n"),
        413,
        code="request-too-large",
        then=None,
        route="limits: {body: 8B}",
    ),
)
