"""Odd messages and connections: heads, framing, and how it all ends."""

from typing import Final

from proxy.core.symptom import Symptom
from tests.faults.odd_replies.bodies import looking
from tests.faults.odd_replies.row import DATE, GOOD, GOOD_BODY, Odd, reply
from tests.faults.odd_replies.values import both

NOT_HTTP: Final = Symptom.NOT_HTTP
BROKEN: Final = Symptom.BROKEN_OFF
RAW: Final = GOOD_BODY.encode()


def framed(*lines: str, body: bytes = RAW, first: str = "HTTP/1.1 200 OK") -> bytes:
    """Return a message with these header lines alone, beside its date."""
    return "\r\n".join([first, f"Date: {DATE}", *lines, "", ""]).encode("latin-1") + body


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + end


TRANSFER: Final = "Transfer-Encoding: chunked"
LENGTH: Final = f"Content-Length: {len(RAW)}"

HEADS: Final = (
    both("no content type", framed(LENGTH), 3600),
    both("no length, so that the body ends with the connection", framed("Connection: close"), 3600),
    both("HTTP/1.0", framed(first="HTTP/1.0 200 OK"), 3600),
    both("chunks", framed(TRANSFER, body=chunked(RAW[:9], RAW[9:])), 3600),
    both("chunks with extensions", framed(TRANSFER, body=b"%x;a=b\r\n%s\r\n0\r\n\r\n" % (len(RAW), RAW)), 3600),
    both("chunks with a trailer", framed(TRANSFER, body=chunked(RAW, end=b"0\r\nX-Sum: 1\r\n\r\n")), 3600),
    both("chunks that break off", framed(TRANSFER, body=chunked(RAW, end=b"")), BROKEN),
    both("a chunk of an odd size", framed(TRANSFER, body=b"zz\r\n{}\r\n0\r\n\r\n"), NOT_HTTP),
    both("chunks and a length", framed(TRANSFER, LENGTH, body=chunked(RAW)), NOT_HTTP),
    both("a length that is too long", framed(f"Content-Length: {len(RAW) + 9}"), BROKEN),
    both("a length that is too short", framed(f"Content-Length: {len(RAW) - 9}"), NOT_HTTP),
    both("a length that is no number", framed("Content-Length: many"), NOT_HTTP),
    both("a negative length", framed("Content-Length: -1"), NOT_HTTP),
    both("two lengths that differ", framed(LENGTH, "Content-Length: 9"), NOT_HTTP),
    both("two lengths that agree", framed(LENGTH, LENGTH), NOT_HTTP),
    both("a second answer behind the first", GOOD + GOOD, NOT_HTTP),
    both("100 first", b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD, 3600),
    both("103 first", b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" + GOOD, 3600),
    both("101", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", Symptom.STATUS),
    both("a folded header", framed(LENGTH, "X-Long: a", " b"), 3600),
    both("a blank before a colon", framed(LENGTH, "X-Odd : 1"), NOT_HTTP),
    both("a header without a colon", framed(LENGTH, "X-Odd"), NOT_HTTP),
    both("a NUL in a header", framed(LENGTH, "X-Odd: a\0b"), NOT_HTTP),
    both("a header of 20 KB", framed(LENGTH, "X-Long: " + "a" * 20_000), NOT_HTTP),
    both("letters of latin-1 in a header", framed(LENGTH, "X-Name: é"), 3600),
    both("line ends without CR", GOOD.replace(b"\r\n", b"\n"), 3600),
    both("no reason phrase", framed(LENGTH, first="HTTP/1.1 200"), 3600),
    both("another version", framed(LENGTH, first="HTTP/3.0 200 OK"), NOT_HTTP),
    both("a status of four digits", framed(LENGTH, first="HTTP/1.1 2000 OK"), NOT_HTTP),
    both("the preface of HTTP/2", b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80", NOT_HTTP),
    both("another protocol", b"SSH-2.0-OpenSSH_9.6\r\n", NOT_HTTP),
    both("a body without a head", RAW, NOT_HTTP),
    both("a cookie and no body", reply("", "Set-Cookie: sid=abc-def; Path=/"), Symptom.NOT_JSON),
    Odd(
        "a cookie, as configured",
        reply("", "Set-Cookie: sid=abc-def; Path=/; HttpOnly"),
        300,
        given=looking("cookie", name="sid"),
    ),
    Odd(
        "a header, as configured", reply("", "X-Auth-Token: abc-def"), 300, given=looking("header", name="X-Auth-Token")
    ),
    Odd(
        "the header twice",
        reply("", "X-Auth-Token: abc", "X-Auth-Token: def"),
        Symptom.TOKEN_NOT_FOUND,
        given=looking("header", name="X-Auth-Token"),
    ),
)

CONNECTIONS: Final = (
    both("closed at once", b"", BROKEN),
    both("reset at once", b"", BROKEN, end="reset"),
    both("closed in the head", GOOD[:40], BROKEN),
    both("reset in the head", GOOD[:40], BROKEN, end="reset"),
    both("closed in the body", GOOD[:-9], BROKEN),
    both("reset in the body", GOOD[:-9], BROKEN, end="reset"),
    both("silence", b"", Symptom.TIMEOUT, end="stay"),
    both("silence in the head", GOOD[:40], Symptom.TIMEOUT, end="stay"),
    both("silence in the body", GOOD[:-9], Symptom.TIMEOUT, end="stay"),
    both("one byte after the other, without end", GOOD, Symptom.TIMEOUT, drips=True),
    both("left open after the answer", GOOD.replace(b"Connection: close\r\n", b""), 3600, end="stay"),
)
