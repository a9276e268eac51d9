"""Replies, as other code asks them."""

import pytest

from proxy.core.message import Reply


def reply(*headers: tuple[str, str], body: bytes = b"") -> Reply:
    return Reply(200, headers, body, 0.0)


def test_a_header_is_found_in_any_case_and_the_first_wins() -> None:
    made = reply(("X-A", "1"), ("x-a", "2"))
    assert (made.header("x-A"), made.header("X-B")) == ("1", None)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("Application/JSON; charset=utf-8", "application/json"),
        (" text/html ", "text/html"),
        ("application/vnd.api+json", "application/vnd.api+json"),
        ("", "no content-type"),
        ("s3cret", "an odd Content-Type"),
        ("text/\x1b[31m", "an odd Content-Type"),
        ("text/" + "x" * 100, "an odd Content-Type"),
    ],
)
def test_a_media_type_is_repeated_only_when_it_is_one(given: str, named: str) -> None:
    assert reply(("Content-Type", given)).media_type == named


def test_a_body_is_utf_8_with_or_without_a_mark() -> None:
    assert reply(body="\ufeffgrün".encode()).text() == "grün"
    assert reply(body=b"a\xff").text() == "a\ufffd"


def test_a_reply_prints_neither_headers_nor_body() -> None:
    assert "s3cret" not in repr(reply(("Set-Cookie", "s3cret"), body=b"s3cret"))
