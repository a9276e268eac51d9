"""Bytes in, verdict out: which answers pass, which are refused, and that no split of the bytes changes that."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.errors import UpstreamProtocolError
from proxy.net.answer import MAX_FIELDS, MAX_HEAD, MAX_INFORMATIONAL, AnswerReader, Fields

OK: Final = b"HTTP/1.1 200 OK\r\n"
SOUND: Final = OK + b"Content-Length: 2\r\n\r\nok"
CHUNKED: Final = OK + b"Transfer-Encoding: chunked\r\n\r\n"
EARLY: Final = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


@dataclass(frozen=True)
class Verdict:
    """What became of an answer."""

    status: int = 0
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    complete: bool = False
    reusable: bool = False
    interim: tuple[int, ...] = ()


def read(
    *pieces: bytes, head_only: bool = False, ended: bool = False, reader: AnswerReader | None = None
) -> Verdict | None:
    """Return the verdict on an answer that arrives in these pieces; None when it is refused.

    As on a connection, nothing is fed behind a complete answer: it only tells that the connection is not to be reused.
    """
    reader = reader or AnswerReader()
    interim: list[int] = []
    reader.begin(head_only=head_only, informational=lambda status, _: interim.append(status))
    surplus = False
    try:
        for piece in pieces:
            if reader.complete:
                surplus = True
                break
            reader.feed(piece)
        if ended:
            reader.end()
    except UpstreamProtocolError:
        return None
    return Verdict(
        reader.status,
        tuple(reader.headers),
        reader.take(),
        reader.complete,
        reader.reusable and not surplus,
        tuple(interim),
    )


def verdicts(data: bytes, *, head_only: bool = False, ended: bool = False) -> set[Verdict | None]:
    """Return the verdicts on every split of the bytes into two, and on one byte at a time."""
    splits = [(data,), tuple(bytes([byte]) for byte in data)]
    splits += [(data[:at], data[at:]) for at in range(1, len(data))]
    return {read(*pieces, head_only=head_only, ended=ended) for pieces in splits}


def sound(status: int, body: bytes, *headers: tuple[bytes, bytes], reusable: bool = True, interim: int = 0) -> Verdict:
    return Verdict(status, headers, body, complete=True, reusable=reusable, interim=(103,) * interim)


TWO: Final = (b"Content-Length", b"2")
IN_CHUNKS: Final = (b"Transfer-Encoding", b"chunked")

SOUND_ANSWERS: Final = {
    "a length": (SOUND, sound(200, b"ok", TWO)),
    "chunks": (CHUNKED + b"1\r\no\r\n1\r\nk\r\n0\r\n\r\n", sound(200, b"ok", IN_CHUNKS)),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", sound(200, b"ok", TWO)),
    "an empty reason": (b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok", sound(200, b"ok", TWO)),
    "a coding in capitals": (
        OK + b"Transfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        sound(200, b"ok", (b"Transfer-Encoding", b"Chunked")),
    ),
    "a chunk extension": (CHUNKED + b"2;a=b\r\nok\r\n0\r\n\r\n", sound(200, b"ok", IN_CHUNKS)),
    "a trailer, which is dropped": (CHUNKED + b"2\r\nok\r\n0\r\nX-T: 1\r\n\r\n", sound(200, b"ok", IN_CHUNKS)),
    "a length of zero": (OK + b"Content-Length: 0\r\n\r\n", sound(200, b"", (b"Content-Length", b"0"))),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", sound(204, b"")),
    "not modified, with the length of what is not sent": (
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 200\r\n\r\n",
        sound(304, b"", (b"Content-Length", b"200")),
    ),
    "reset content": (
        b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
        sound(205, b"", (b"Content-Length", b"0")),
    ),
    "100 before it": (b"HTTP/1.1 100 Continue\r\n\r\n" + SOUND, sound(200, b"ok", TWO)),
    "103 before it": (EARLY + SOUND, sound(200, b"ok", TWO, interim=1)),
    "as many interim answers as are allowed": (
        EARLY * MAX_INFORMATIONAL + SOUND,
        sound(200, b"ok", TWO, interim=MAX_INFORMATIONAL),
    ),
    "a status without a name": (b"HTTP/1.1 299 \r\nContent-Length: 2\r\n\r\nok", sound(299, b"ok", TWO)),
    "an upgrade that is only offered": (
        OK + b"Upgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nok",
        sound(200, b"ok", (b"Upgrade", b"h2c"), (b"Connection", b"Upgrade"), TWO),
    ),
    "bytes beyond ASCII": (
        OK + b"X-A: caf\xe9 \xf0\x9f\x8c\x8d\r\nContent-Length: 2\r\n\r\nok",
        sound(200, b"ok", (b"X-A", b"caf\xe9 \xf0\x9f\x8c\x8d"), TWO),
    ),
    "the same name twice, in order": (
        OK + b"Set-Cookie: a=1\r\nx-b: 2\r\nset-cookie: c=3\r\nContent-Length: 2\r\n\r\nok",
        sound(200, b"ok", (b"Set-Cookie", b"a=1"), (b"x-b", b"2"), (b"set-cookie", b"c=3"), TWO),
    ),
    "an end of the connection": (
        OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok",
        sound(200, b"ok", (b"Connection", b"close"), TWO, reusable=False),
    ),
    "an end of the connection, in a list": (
        OK + b"Connection: x, Close\r\nContent-Length: 2\r\n\r\nok",
        sound(200, b"ok", (b"Connection", b"x, Close"), TWO, reusable=False),
    ),
    "HTTP/1.0, which ends the connection": (
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        sound(200, b"ok", TWO, reusable=False),
    ),
    "HTTP/1.0 that keeps the connection": (
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
        sound(200, b"ok", (b"Connection", b"keep-alive"), TWO),
    ),
    "a trailer that ends the connection": (
        CHUNKED + b"2\r\nok\r\n0\r\nConnection: close\r\n\r\n",
        sound(200, b"ok", IN_CHUNKS, reusable=False),
    ),
}


@pytest.mark.parametrize(("data", "verdict"), SOUND_ANSWERS.values(), ids=SOUND_ANSWERS)
def test_a_sound_answer_is_read_alike_however_it_is_split(data: bytes, verdict: Verdict) -> None:
    assert verdicts(data) == {verdict}


REFUSED: Final = {
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "the same length twice": OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "a list of lengths": OK + b"Content-Length: 2, 2\r\n\r\nok",
    "a negative length": OK + b"Content-Length: -2\r\n\r\nok",
    "a signed length": OK + b"Content-Length: +2\r\n\r\nok",
    "a hexadecimal length": OK + b"Content-Length: 0x2\r\n\r\nok",
    "an empty length": OK + b"Content-Length: \r\n\r\nok",
    "a length that overflows": OK + b"Content-Length: 99999999999999999999999\r\n\r\nok",
    "a length with a space inside": OK + b"Content-Length: 1 0\r\n\r\nok",
    "a length before a coding": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "a coding before a length": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "gzip, chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "gzip and chunked on two lines": OK
    + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunked, gzip": OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunked twice": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "the coding identity": OK + b"Transfer-Encoding: identity\r\n\r\nok",
    "an empty coding": OK + b"Transfer-Encoding:\r\n\r\nok",
    "a coding that ends like chunked": OK + b"Transfer-Encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "a vertical tab before the coding": OK + b"Transfer-Encoding: \x0bchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunks on HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "a space before the colon of the coding": OK + b"Transfer-Encoding : chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "a space before the colon of the length": OK + b"Content-Length : 2\r\n\r\nok",
    "a folded line": OK + b"X-A: 1\r\n 2\r\nContent-Length: 2\r\n\r\nok",
    "a folded first line": OK + b" X-A: 1\r\nContent-Length: 2\r\n\r\nok",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "a bare line feed in a line": OK + b"X-A: a\nContent-Length: 2\r\n\r\nok",
    "a bare carriage return in a line": OK + b"X-A: a\rb\r\nContent-Length: 2\r\n\r\nok",
    "a bare carriage return in the reason": b"HTTP/1.1 200 O\rK\r\nContent-Length: 2\r\n\r\nok",
    "NUL in a line": OK + b"X-A: a\x00b\r\nContent-Length: 2\r\n\r\nok",
    "a control byte in a line": OK + b"X-A: a\x01b\r\nContent-Length: 2\r\n\r\nok",
    "DEL in a line": OK + b"X-A: a\x7fb\r\nContent-Length: 2\r\n\r\nok",
    "a space in a name": OK + b"X A: a\r\nContent-Length: 2\r\n\r\nok",
    "an empty name": OK + b": a\r\nContent-Length: 2\r\n\r\nok",
    "a line without a colon": OK + b"X-A\r\nContent-Length: 2\r\n\r\nok",
    "a name beyond ASCII": OK + b"X-\xe9: a\r\nContent-Length: 2\r\n\r\nok",
    "a status of two digits": b"HTTP/1.1 99 OK\r\nContent-Length: 2\r\n\r\nok",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
    "the status 000": b"HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\nok",
    "the status 099": b"HTTP/1.1 099 OK\r\n\r\n" + SOUND,
    "the status 600": b"HTTP/1.1 600 OK\r\nContent-Length: 2\r\n\r\nok",
    "the status 999": b"HTTP/1.1 999 OK\r\nContent-Length: 2\r\n\r\nok",
    "a signed status": b"HTTP/1.1 +20 OK\r\nContent-Length: 2\r\n\r\nok",
    "a status of letters": b"HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\nok",
    "no status": b"HTTP/1.1 \r\nContent-Length: 2\r\n\r\nok",
    "HTTP/0.9": b"<html>hello</html>",
    "a version of 0.9": b"HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "a version of 1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "a version of 1.10": b"HTTP/1.10 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "a version of 2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "a version of 3": b"HTTP/3 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "a version in small letters": b"http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "the protocol of another": b"ICY 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "a request": b"GET / HTTP/1.1\r\nHost: api.example\r\n\r\n",
    "a space before the status line": b" HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "101 that nobody asked for": b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "101 without an upgrade": b"HTTP/1.1 101 X\r\n\r\n" + SOUND,
    "an interim answer with a length": b"HTTP/1.1 103 X\r\nContent-Length: 2\r\n\r\nok" + SOUND,
    "an interim answer in chunks": b"HTTP/1.1 103 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + SOUND,
    "an interim answer that ends the connection": b"HTTP/1.1 100 X\r\nConnection: close\r\n\r\n" + SOUND,
    "one interim answer too many": EARLY * (MAX_INFORMATIONAL + 1) + SOUND,
    "a negative chunk": CHUNKED + b"-2\r\nok\r\n0\r\n\r\n",
    "a chunk with a prefix": CHUNKED + b"0x2\r\nok\r\n0\r\n\r\n",
    "a chunk without a size": CHUNKED + b"\r\nok\r\n0\r\n\r\n",
    "chunks behind bare line feeds": CHUNKED + b"2\nok\n0\n\n",
    "a space behind a chunk's size": CHUNKED + b"2 \r\nok\r\n0\r\n\r\n",
    "a line feed in a chunk extension": CHUNKED + b"2;a\nb\r\nok\r\n0\r\n\r\n",
    "a chunk that is longer than it says": CHUNKED + b"2\r\nokk\r\n0\r\n\r\n",
    "a chunk size that overflows": CHUNKED + b"fffffffffffffffff\r\nok\r\n0\r\n\r\n",
    "a broken trailer": CHUNKED + b"2\r\nok\r\n0\r\nX T: 1\r\n\r\n",
    "a length among the trailers": CHUNKED + b"2\r\nok\r\n0\r\nContent-Length: 5\r\n\r\n",
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_an_unsound_answer_is_refused_however_it_is_split(data: bytes) -> None:
    assert verdicts(data, ended=True) == {None}


INCOMPLETE: Final = {
    "nothing": b"",
    "half a head": OK + b"Content-Length: 2\r\n",
    "an interim answer alone": EARLY,
    "less than its length": OK + b"Content-Length: 5\r\n\r\nok",
    "no last chunk": CHUNKED + b"2\r\nok\r\n",
    "half the last chunk": CHUNKED + b"2\r\nok\r\n0\r\n",
    "a chunk that would take for ever": CHUNKED + b"ffffffffffffffff\r\nok",
}


@pytest.mark.parametrize("data", INCOMPLETE.values(), ids=INCOMPLETE)
def test_an_answer_that_breaks_off_never_looks_complete(data: bytes) -> None:
    assert all(verdict is not None and not verdict.complete for verdict in verdicts(data, ended=True))


SURPLUS: Final = {
    "another answer": SOUND + OK + b"Content-Length: 3\r\n\r\nbad",
    "the first byte of another answer": SOUND + b"H",
    "rubbish": SOUND + b"\x00\xff",
    "a body behind 204": b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
    "chunks behind 204": b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "a body behind 304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok",
    "a body behind 205": b"HTTP/1.1 205 Reset Content\r\nContent-Length: 2\r\n\r\nok",
    "the start of a chunk behind 205": b"HTTP/1.1 205 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n",
    "something behind an end of the connection": OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok" + SOUND,
}


@pytest.mark.parametrize("data", SURPLUS.values(), ids=SURPLUS)
def test_bytes_behind_a_complete_answer_end_the_connection_and_change_nothing_else(data: bytes) -> None:
    expected = b"ok" if b"200" in data else b""
    for verdict in verdicts(data):
        assert verdict is not None
        assert (verdict.complete, verdict.reusable, verdict.body) == (True, False, expected)


ANSWERS_TO_HEAD: Final = {
    "a length": (OK + b"Content-Length: 1234\r\n\r\n", True),
    "chunks": (CHUNKED, True),
    "a status without content": (b"HTTP/1.1 204 No Content\r\n\r\n", True),
    "an interim answer before it": (EARLY + OK + b"Content-Length: 2\r\n\r\n", True),
    "no framing at all": (OK + b"\r\n", True),
    "an end of the connection": (OK + b"Connection: close\r\nContent-Length: 2\r\n\r\n", False),
    "a body that may not be": (SOUND, False),
    "chunks that may not be": (CHUNKED + b"2\r\nok\r\n0\r\n\r\n", False),
    "the size of a chunk that may not be": (CHUNKED + b"2", False),
    "the head of a chunk that may not be": (CHUNKED + b"2\r\n", False),
    "another answer": (CHUNKED + SOUND, False),
}


@pytest.mark.parametrize(("data", "reusable"), ANSWERS_TO_HEAD.values(), ids=ANSWERS_TO_HEAD)
def test_an_answer_to_head_ends_with_its_head(data: bytes, reusable: bool) -> None:
    for verdict in verdicts(data, head_only=True):
        assert verdict is not None
        assert (verdict.complete, verdict.reusable, verdict.body) == (True, reusable, b"")


@pytest.mark.parametrize("name", ["two lengths", "gzip, chunked", "a version of 2.0", "the status 600"])
def test_an_unsound_answer_to_head_is_refused_too(name: str) -> None:
    assert verdicts(REFUSED[name], head_only=True) == {None}


def test_a_body_without_framing_lasts_until_the_connection_ends() -> None:
    assert verdicts(OK + b"\r\nok") == {Verdict(200, (), b"ok")}
    assert verdicts(OK + b"\r\nok", ended=True) == {sound(200, b"ok", reusable=False)}


@pytest.mark.parametrize("head_only", [False, True])
def test_one_reader_reads_answer_after_answer(head_only: bool) -> None:
    reader = AnswerReader()
    for number in range(20):
        body = b"" if head_only else b"%02d" % number
        data = OK + b"X-N: %d\r\nContent-Length: 2\r\n\r\n" % number + body
        expected = sound(200, body, (b"X-N", b"%d" % number), TWO)
        assert read(data[:number], data[number:], head_only=head_only, reader=reader) == expected


def test_an_answer_to_head_is_followed_by_answers_with_bodies() -> None:
    reader = AnswerReader()
    for _ in range(3):
        for head in (CHUNKED, OK + b"Content-Length: 99\r\n\r\n"):
            answer = read(head, head_only=True, reader=reader)
            assert answer is not None
            assert answer.reusable
            assert read(SOUND, reader=reader) == sound(200, b"ok", TWO)


def test_the_header_lines_of_interim_answers_are_told_and_not_merged() -> None:
    told: list[tuple[int, Fields]] = []
    reader = AnswerReader()
    reader.begin(head_only=False, informational=lambda status, fields: told.append((status, fields)))
    reader.feed(EARLY + b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nX-A: 1\r\n\r\n" + SOUND)
    assert told == [(103, [(b"Link", b"</a>")]), (102, [(b"X-A", b"1")])]
    assert reader.headers == [TWO]


def test_as_many_header_lines_pass_as_are_allowed_and_no_more() -> None:
    lines = [b"X-%d: 1\r\n" % number for number in range(MAX_FIELDS)]
    assert read(OK + b"".join(lines[1:]) + b"Content-Length: 2\r\n\r\nok") is not None
    assert read(OK + b"".join(lines) + b"Content-Length: 2\r\n\r\nok") is None


@pytest.mark.parametrize("size", [1, 1000, 4096, 2 * MAX_HEAD])
def test_a_head_beyond_the_limit_is_refused_however_it_is_split(size: int) -> None:
    data = OK + b"X-A: " + b"a" * MAX_HEAD + b"\r\nContent-Length: 2\r\n\r\nok"
    assert read(*(data[at : at + size] for at in range(0, len(data), size))) is None


@pytest.mark.parametrize(
    "endless",
    [
        OK + b"X-A: " + b"a" * 2 * MAX_HEAD,
        OK + b"".join(b"X-%d: %s\r\n" % (number, b"a" * 1500) for number in range(100)),
        CHUNKED + b"2\r\nok\r\n2;" + b"a" * 2 * MAX_HEAD,
        CHUNKED + b"2\r\nok\r\n0\r\nX-T: " + b"a" * 2 * MAX_HEAD,
        CHUNKED + b"0" * 2 * MAX_HEAD,
    ],
    ids=["a line", "lines", "a chunk extension", "a trailer", "zeros before a size"],
)
def test_framing_without_end_is_refused(endless: bytes) -> None:
    assert read(*(endless[at : at + 4096] for at in range(0, len(endless), 4096))) is None


def test_a_large_body_is_not_framing_without_end() -> None:
    body = b"a" * 4 * MAX_HEAD
    data = OK + b"Content-Length: %d\r\n\r\n" % len(body) + body
    answer = read(*(data[at : at + 1000] for at in range(0, len(data), 1000)))
    assert answer is not None
    assert answer.body == body


def test_many_small_chunks_are_not_framing_without_end() -> None:
    data = CHUNKED + b"1;ext=abcdefgh\r\na\r\n" * MAX_HEAD + b"0\r\n\r\n"
    answer = read(*(data[at : at + 4096] for at in range(0, len(data), 4096)))
    assert answer is not None
    assert answer.body == b"a" * MAX_HEAD


def test_the_body_is_taken_as_it_comes() -> None:
    reader = AnswerReader()
    reader.begin(head_only=False, informational=None)
    taken = []
    for piece in (OK, b"Content-Length: 6\r\n\r\nab", b"cd", b"ef"):
        reader.feed(piece)
        taken.append((reader.has_head, reader.buffered, reader.take(), reader.buffered, reader.complete))
    assert taken == [
        (False, 0, b"", 0, False),
        (True, 2, b"ab", 0, False),
        (True, 2, b"cd", 0, False),
        (True, 2, b"ef", 0, True),
    ]


def test_what_is_not_taken_waits_in_order() -> None:
    reader = AnswerReader()
    reader.begin(head_only=False, informational=None)
    for piece in (OK + b"Content-Length: 6\r\n\r\nab", b"cd", b"ef"):
        reader.feed(piece)
    assert reader.buffered == 6
    assert (reader.take(), reader.take()) == (b"abcdef", b"")


def test_an_answer_has_started_with_its_first_byte() -> None:
    reader = AnswerReader()
    for data in (SOUND, b"H"):
        reader.begin(head_only=False, informational=None)
        before = reader.started
        reader.feed(data)
        assert (before, reader.started) == (False, True)


@given(
    body=st.binary(max_size=200),
    values=st.lists(st.binary(max_size=20).filter(lambda value: not set(value) & {*range(32), 127}), max_size=5),
    cuts=st.lists(st.integers(1, 400), max_size=8),
    chunked=st.booleans(),
)
def test_any_value_and_any_body_arrive_byte_for_byte(
    body: bytes, values: list[bytes], cuts: list[int], chunked: bool
) -> None:
    values = [value.strip() for value in values]
    head = OK + b"".join(b"X-%d: %s\r\n" % line for line in enumerate(values))
    if chunked:
        sent = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:7], body[7:]) if piece)
        data = head + b"Transfer-Encoding: chunked\r\n\r\n" + sent + b"0\r\n\r\n"
    else:
        data = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    bounds = [0, *sorted(cut for cut in set(cuts) if cut < len(data)), len(data)]
    answer = read(*(data[begin:end] for begin, end in pairwise(bounds)))
    assert answer is not None
    assert (answer.complete, answer.reusable, answer.body) == (True, True, body)
    assert answer.headers[:-1] == tuple((b"X-%d" % number, value) for number, value in enumerate(values))


@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(1, 300), max_size=5))
def test_rubbish_is_refused_or_waited_for_and_never_raises_anything_else(data: bytes, cuts: list[int]) -> None:
    bounds = [0, *sorted(cut for cut in set(cuts) if cut < len(data)), len(data)]
    verdict = read(*(data[begin:end] for begin, end in pairwise(bounds)), ended=True)
    assert verdict is None or not verdict.complete
