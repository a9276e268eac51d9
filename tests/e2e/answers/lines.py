"""The status line (RFC 9112 §4), statuses, and interim answers (RFC 9110 §15.2)."""

from typing import Final

from tests.e2e.answers.case import Case, answer, exact, ok, unsound

LENGTH: Final = b"Content-Length: 3"
FINAL: Final = ok(LENGTH, body=b"abc")
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS: Final = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
PROCESSING: Final = b"HTTP/1.1 102 Processing\r\n\r\n"


def _bad(name: str, line: bytes) -> Case:
    return unsound(f"line-{name}", answer(line, LENGTH, body=b"abc"))


def _status(status: int, reason: bytes) -> Case:
    return exact(f"status-{status}", answer(b"HTTP/1.1 %d %s" % (status, reason), LENGTH, body=b"abc"), b"abc", status)


CASES: Final = (
    _status(201, b"Created"),
    _status(299, b"Of Our Own"),
    _status(302, b"Found"),
    _status(400, b"Bad Request"),
    _status(403, b"Forbidden"),
    _status(404, b"Not Found"),
    _status(418, b"I'm a teapot"),
    _status(429, b"Too Many Requests"),
    _status(500, b"Internal Server Error"),
    _status(599, b"Of Our Own"),
    exact("line-empty-reason", answer(b"HTTP/1.1 200 ", LENGTH, body=b"abc"), b"abc"),
    exact("line-no-reason", answer(b"HTTP/1.1 200", LENGTH, body=b"abc"), b"abc"),
    exact("line-non-ascii-reason", answer(b"HTTP/1.1 200 d\xe9j\xe0", LENGTH, body=b"abc"), b"abc"),
    # The reason phrase ends here: the caller gets the usual one of the status.
    exact("line-reason-with-control", answer(b"HTTP/1.1 200 O\x01K", LENGTH, body=b"abc"), b"abc"),
    exact("line-reason-with-nul", answer(b"HTTP/1.1 200 O\x00K", LENGTH, body=b"abc"), b"abc"),
    exact("line-reason-with-delete", answer(b"HTTP/1.1 200 O\x7fK", LENGTH, body=b"abc"), b"abc"),
    _bad("status-of-letters", b"HTTP/1.1 2x0 OK"),
    _bad("status-99", b"HTTP/1.1 99 OK"),
    _bad("status-20", b"HTTP/1.1 20 OK"),
    _bad("status-2000", b"HTTP/1.1 2000 OK"),
    _bad("status-600", b"HTTP/1.1 600 OK"),
    _bad("status-999", b"HTTP/1.1 999 OK"),
    _bad("status-000", b"HTTP/1.1 000 OK"),
    _bad("status-negative", b"HTTP/1.1 -200 OK"),
    _bad("no-status", b"HTTP/1.1 OK"),
    _bad("status-and-reason-together", b"HTTP/1.1 200OK"),
    _bad("two-spaces", b"HTTP/1.1  200 OK"),
    _bad("leading-space", b" HTTP/1.1 200 OK"),
    _bad("version-2-0", b"HTTP/2.0 200 OK"),
    _bad("version-0-9", b"HTTP/0.9 200 OK"),
    _bad("version-lower-case", b"http/1.1 200 OK"),
    _bad("version-misspelt", b"HTP/1.1 200 OK"),
    _bad("icy", b"ICY 200 OK"),
    _bad("a-request", b"GET / HTTP/1.1"),
    _bad("reason-with-bare-cr", b"HTTP/1.1 200 O\rX: y"),
    unsound("line-ends-in-lf", b"HTTP/1.1 200 OK\nContent-Length: 3\r\n\r\nabc"),
    unsound("rubbish", b"\x00\xff\xfe rubbish\r\n\r\n"),
    unsound("tls-alert", b"\x15\x03\x03\x00\x02\x02\x28"),
    unsound("http-2-settings", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80"),
    unsound("http-0-9-text", b"<html>hello</html>\r\n\r\n"),
    exact("interim-100", CONTINUE + FINAL, b"abc"),
    exact("interim-103", HINTS + FINAL, b"abc", interim=(103,)),
    exact("interim-102-thrice", PROCESSING * 3 + FINAL, b"abc", interim=(102,) * 3),
    exact("interim-103-to-http-1-0-caller", HINTS + FINAL, b"abc", version=b"HTTP/1.0"),
    exact(
        "interim-then-404", HINTS + answer(b"HTTP/1.1 404 Not Found", LENGTH, body=b"abc"), b"abc", 404, interim=(103,)
    ),
    unsound("interim-flood", CONTINUE * 2000),
    unsound("interim-flood-of-hints", HINTS * 2000, interim=None),
    unsound(
        "interim-101-unasked",
        answer(b"HTTP/1.1 101 Switching Protocols", b"Connection: Upgrade", b"Upgrade: x") + FINAL,
    ),
    unsound("interim-101-bare", b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + FINAL),
    unsound("interim-unsound", b"HTTP/1.1 103 Early Hints\r\nLink : x\r\n\r\n" + FINAL),
)
