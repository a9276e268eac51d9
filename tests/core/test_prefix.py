"""An answer's first bytes, as rules look at them."""

import gzip
import json
import zlib

import pytest

from proxy.core.prefix import LIMIT, UNREADABLE, Prefix, is_readable, is_stream, values_of

GZIP = ((b"Content-Encoding", b"gzip"),)
DOCUMENT = b'{"error": "expired"}'


@pytest.mark.parametrize("packed", [gzip.compress(DOCUMENT, mtime=0), zlib.compress(DOCUMENT)])
def test_a_compressed_body_is_read_as_bytes_text_and_json(packed: bytes) -> None:
    beginning = Prefix(GZIP, packed)
    assert (beginning.plain, beginning.text) == (DOCUMENT, DOCUMENT.decode())
    assert beginning.document == {"error": "expired"}


def test_a_compressed_body_that_was_cut_yields_what_it_holds() -> None:
    text = Prefix(GZIP, gzip.compress(bytes(range(32, 127)) * 9)[:60]).text
    assert text is not None
    assert text.startswith(' !"#$%&')


def test_a_byte_order_mark_is_no_part_of_text_or_json() -> None:
    beginning = Prefix((), b"\xef\xbb\xbf" + DOCUMENT)
    assert beginning.text == DOCUMENT.decode()
    assert beginning.document == {"error": "expired"}


def test_odd_bytes_are_replaced() -> None:
    assert Prefix((), b"\xff expired").text == "\ufffd expired"


@pytest.mark.parametrize("given", [b"", b"<html>", DOCUMENT[:-1], b"[" * 5000, b"\xff", None])
def test_what_is_not_one_whole_document_is_none(given: bytes | None) -> None:
    assert Prefix((), given).document is UNREADABLE


def test_json_cut_by_the_limit_is_no_document() -> None:
    whole = json.dumps({"error": "expired", "more": "x" * LIMIT}).encode()
    assert Prefix((), whole).document is UNREADABLE
    assert Prefix(GZIP, gzip.compress(whole)).document is UNREADABLE


@pytest.mark.parametrize(
    ("headers", "given"), [(GZIP, b"not gzip"), (((b"content-encoding", b"br"),), b"x"), ((), None)]
)
def test_what_cannot_be_read_is_neither_bytes_nor_text(
    headers: tuple[tuple[bytes, bytes], ...], given: bytes | None
) -> None:
    assert (Prefix(headers, given).plain, Prefix(headers, given).text) == (None, None)


@pytest.mark.parametrize(
    ("value", "stream"),
    [
        (b"application/json", False),
        (b"Text/Event-Stream; charset=utf-8", True),
        (b"application/x-ndjson", True),
        (b"multipart/x-mixed-replace;boundary=x", True),
    ],
)
def test_a_stream_is_known_by_its_media_type(value: bytes, stream: bool) -> None:
    assert is_stream(((b"Content-Type", value),)) is stream
    assert not is_stream(((b"X-Type", value),))


@pytest.mark.parametrize(
    ("values", "readable"),
    [([], True), ([b"GZIP"], True), ([b"br"], False), ([b"gzip, gzip"], False), ([b"gzip", b"br"], False)],
)
def test_a_coding_can_be_undone_or_not(values: list[bytes], readable: bool) -> None:
    assert is_readable([(b"content-encoding", value) for value in values]) is readable


def test_header_lines_are_found_in_any_case_and_in_order() -> None:
    headers = ((b"X-A", b" 1 "), (b"x-b", b"2"), (b"x-a", b"\xe9"))
    assert values_of(headers, b"x-a") == ["1", "é"]
