"""How long is the body of an answer? RFC 9112 §6.3: both framings, the end of the connection, and no body at all."""

from typing import Any, Final

from tests.e2e.answers.case import ABORTED, Case, answer, broken, ended, exact, last, ok, unsound
from tests.fakes import raw_server

LARGE: Final = bytes(range(256)) * 1200
LAST: Final = b"0\r\n\r\n"
CHUNKED: Final = b"Transfer-Encoding: chunked"


def _chunks(name: str, body: bytes, content: bytes = b"abc", **more: Any) -> Case:
    return exact(f"chunk-{name}", ok(CHUNKED, body=body), content, **more)


def _bad_chunks(name: str, body: bytes) -> Case:
    case = unsound(f"chunk-{name}", ok(CHUNKED, body=body))
    # What was sound of it may already be on its way when the rest turns out not to be.
    return Case(case.name, case.steps, (502, ABORTED))


def _bad_length(name: str, *lines: bytes) -> Case:
    return unsound(f"cl-{name}", ok(*lines, body=b"abc"))


def _bad_coding(name: str, *lines: bytes) -> Case:
    return unsound(f"te-{name}", ok(*lines, body=b"3\r\nabc\r\n" + LAST))


CASES: Final = (
    exact("length", ok(b"Content-Length: 3", body=b"abc"), b"abc"),
    exact("length-0", ok(b"Content-Length: 0"), b""),
    exact("length-of-another-case", ok(b"content-LENGTH: 3", body=b"abc"), b"abc"),
    exact("length-large", ok(b"Content-Length: %d" % len(LARGE), body=LARGE), LARGE),
    exact("length-on-http-1-0-caller", ok(b"Content-Length: 3", body=b"abc"), b"abc", version=b"HTTP/1.0"),
    _chunks("several", b"1\r\na\r\n2\r\nbc\r\n" + LAST),
    _chunks("extension", b"3;name=value\r\nabc\r\n" + LAST),
    _chunks("upper-case-coding-size", b"A\r\n0123456789\r\n" + LAST, b"0123456789"),
    _chunks("empty", LAST, b""),
    _chunks("large", b"%x\r\n%s\r\n%s" % (len(LARGE), LARGE, LAST), LARGE),
    _chunks(
        "trailers-are-dropped", b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nSet-Cookie: a=b\r\n\r\n", lacks=(b"x-sum", b"set-cookie")
    ),
    _chunks("to-http-1-0-caller", b"3\r\nabc\r\n" + LAST, version=b"HTTP/1.0", lacks=(b"transfer-encoding",)),
    ended("until-close", ok(body=b"abc"), b"abc"),
    ended("until-close-empty", ok(), b""),
    ended("until-close-large", ok(body=LARGE), LARGE),
    ended("until-close-to-http-1-0-caller", ok(body=b"abc"), b"abc", version=b"HTTP/1.0"),
    ended("http-1-0-until-close", answer(b"HTTP/1.0 200 OK", body=b"abc"), b"abc"),
    last("http-1-0-length", answer(b"HTTP/1.0 200 OK", b"Content-Length: 3", body=b"abc"), b"abc"),
    exact(
        "http-1-0-keep-alive",
        answer(b"HTTP/1.0 200 OK", b"Content-Length: 3", b"Connection: keep-alive", body=b"abc"),
        b"abc",
        lacks=(b"keep-alive",),
    ),
    exact("no-content", answer(b"HTTP/1.1 204 No Content"), b"", 204),
    exact("not-modified", answer(b"HTTP/1.1 304 Not Modified", b'ETag: "a"'), b"", 304, has=((b"ETag", b'"a"'),)),
    exact("not-modified-with-length", answer(b"HTTP/1.1 304 Not Modified", b"Content-Length: 3"), b"", 304),
    exact("head", ok(), b"", method="HEAD"),
    exact("head-with-length", ok(b"Content-Length: 3"), b"", method="HEAD", has=((b"Content-Length", b"3"),)),
    exact("head-chunked", ok(CHUNKED), b"", method="HEAD"),
    last("no-content-with-body", answer(b"HTTP/1.1 204 No Content", body=b"abc"), b"", 204),
    last(
        "no-content-with-length-and-body",
        answer(b"HTTP/1.1 204 No Content", b"Content-Length: 3", body=b"abc"),
        b"",
        204,
        lacks=(b"content-length",),
    ),
    last("not-modified-with-body", answer(b"HTTP/1.1 304 Not Modified", b"Content-Length: 3", body=b"abc"), b"", 304),
    last("head-with-body", ok(b"Content-Length: 3", body=b"abc"), b"", method="HEAD"),
    last("head-with-an-answer-as-body", ok(b"Content-Length: 40", body=ok(b"Content-Length: 0")), b"", method="HEAD"),
    last("reset-content-with-body", answer(b"HTTP/1.1 205 Reset Content", b"Content-Length: 3", body=b"abc"), b"", 205),
    last("more-than-the-length", ok(b"Content-Length: 3", body=b"abcd"), b"abc"),
    last(
        "two-answers-in-one-read",
        ok(b"Content-Length: 3", body=b"abc") + ok(b"Content-Length: 4", body=b"evil"),
        b"abc",
    ),
    last(
        "two-answers-chunked", ok(CHUNKED, body=b"3\r\nabc\r\n" + LAST) + ok(b"Content-Length: 4", body=b"evil"), b"abc"
    ),
    last("rubbish-behind-the-answer", ok(b"Content-Length: 3", body=b"abc\x00\x01rubbish"), b"abc"),
    _bad_length("twice-different", b"Content-Length: 3", b"Content-Length: 4"),
    _bad_length("twice-the-same", b"Content-Length: 3", b"Content-Length: 3"),
    _bad_length("list", b"Content-Length: 3, 3"),
    _bad_length("negative", b"Content-Length: -3"),
    _bad_length("plus", b"Content-Length: +3"),
    _bad_length("hex", b"Content-Length: 0x3"),
    _bad_length("letters", b"Content-Length: abc"),
    _bad_length("empty", b"Content-Length:"),
    _bad_length("overflow", b"Content-Length: 18446744073709551619"),
    _bad_length("space-before-colon", b"Content-Length : 3"),
    unsound("cl-and-te", ok(b"Content-Length: 3", CHUNKED, body=b"3\r\nabc\r\n" + LAST)),
    unsound("te-and-cl", ok(CHUNKED, b"Content-Length: 3", body=b"3\r\nabc\r\n" + LAST)),
    _bad_coding("gzip-chunked", b"Transfer-Encoding: gzip, chunked"),
    _bad_coding("chunked-gzip", b"Transfer-Encoding: chunked, gzip"),
    _bad_coding("gzip", b"Transfer-Encoding: gzip"),
    _bad_coding("identity", b"Transfer-Encoding: identity"),
    _bad_coding("twice", CHUNKED, CHUNKED),
    _bad_coding("two-lines", b"Transfer-Encoding: gzip", CHUNKED),
    _bad_coding("xchunked", b"Transfer-Encoding: xchunked"),
    _bad_coding("space-before-colon", b"Transfer-Encoding : chunked"),
    unsound("te-on-http-1-0", answer(b"HTTP/1.0 200 OK", CHUNKED, body=b"3\r\nabc\r\n" + LAST)),
    _bad_chunks("bad-size", b"3\r\nabc\r\nxyz\r\n"),
    _bad_chunks("prefix-0x", b"0x3\r\nabc\r\n" + LAST),
    _bad_chunks("negative", b"-3\r\nabc\r\n" + LAST),
    _bad_chunks("overflow", b"10000000000000003\r\nabc\r\n" + LAST),
    _bad_chunks("bare-lf-after-size", b"3\nabc\r\n" + LAST),
    _bad_chunks("no-crlf-after-content", b"3\r\nabc" + LAST),
    _bad_chunks("content-too-long", b"3\r\nabcd\r\n" + LAST),
    _bad_chunks("trailer-folded", b"3\r\nabc\r\n0\r\nX: 1\r\n 2\r\n\r\n"),
    _bad_chunks("extension-without-end", b"3;" + b"x" * 200_000),
    _bad_chunks("trailers-without-end", b"3\r\nabc\r\n0\r\n" + b"X: y\r\n" * 50_000),
    broken("truncated-length", ok(b"Content-Length: 9", body=b"abc"), raw_server.close, ABORTED),
    broken("truncated-length-large", ok(b"Content-Length: 999999", body=LARGE), raw_server.close, ABORTED),
    broken("truncated-chunked", ok(CHUNKED, body=b"3\r\nabc\r\n"), raw_server.close, ABORTED),
    broken("truncated-chunk", ok(CHUNKED, body=b"9\r\nabc"), raw_server.close, ABORTED),
    broken("truncated-trailers", ok(CHUNKED, body=b"3\r\nabc\r\n0\r\nX: 1\r\n"), raw_server.close, ABORTED),
    broken(
        "truncated-to-http-1-0-caller",
        ok(CHUNKED, body=b"3\r\nabc\r\n"),
        raw_server.close,
        ABORTED,
        version=b"HTTP/1.0",
    ),
    broken(
        "truncated-length-to-http-1-0-caller",
        ok(b"Content-Length: 9", body=b"abc"),
        raw_server.close,
        ABORTED,
        version=b"HTTP/1.0",
    ),
)
