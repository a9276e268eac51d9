"""Several places for one value."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.extractors import AnyExtractor, Places, make_extractor
from proxy.extractors.base import ExtractError, Extractor, FormatError, NotFoundError
from tests.compliance.extractors import reply_of

JSON = {"from": "json", "path": "token"}
OTHER = {"from": "json", "path": "access_token"}
HEADER = {"from": "header", "name": "X-Token"}
XML = {"from": "xml", "path": "/token"}


def made(*places: dict[str, Any]) -> Extractor:
    return make_extractor(TypeAdapter[Places](AnyExtractor).validate_python(list(places)))


@pytest.mark.parametrize(
    ("body", "place", "found"),
    [
        (b'{"token": "a", "access_token": "b"}', "json $.token", "a"),
        (b'{"access_token": "b"}', "json $.access_token", "b"),
        (b'{"token": null, "access_token": "b"}', "json $.access_token", "b"),
        (b'{"token": " ", "access_token": "b"}', "json $.access_token", "b"),
        (b'{"token": 0, "access_token": "b"}', "json $.token", 0),
        (b"<token>c</token>", "xml /token", "c"),
        (b"neither", "header X-Token", "h"),
    ],
)
def test_the_first_place_that_has_something_wins(body: bytes, place: str, found: str | int) -> None:
    assert made(JSON, OTHER, XML, HEADER).found(reply_of(body, ("X-Token", "h"))) == (place, found)


def test_when_none_has_anything_every_place_is_named() -> None:
    with pytest.raises(NotFoundError) as caught:
        made(JSON, OTHER, XML, HEADER).extract(reply_of(b'{"token": "", "other": "s3cret"}'))
    assert str(caught.value) == (
        "an empty text stands at json $.token; nothing stands at json $.access_token;"
        " the body is not XML but no content-type; the reply has no header X-Token"
    )
    assert made(JSON, HEADER).place == "json $.token or header X-Token"


def test_when_the_body_is_in_no_format_that_is_looked_into_that_is_the_error() -> None:
    with pytest.raises(FormatError) as caught:
        made(JSON, OTHER, XML).extract(reply_of(b"s3cret"))
    assert str(caught.value) == "the body is not JSON but no content-type; the body is not XML but no content-type"


def test_something_that_cannot_be_a_value_is_not_passed_over() -> None:
    with pytest.raises(ExtractError, match="a boolean stands at json"):
        made(JSON, HEADER).extract(reply_of(b'{"token": true}', ("X-Token", "h")))


def test_the_last_one_may_have_a_default() -> None:
    place, found = made(JSON, {**HEADER, "default": "else"}).found(reply_of(b"{}"))
    assert (place, found) == ("the default of header X-Token", "else")


def test_a_default_before_the_last_is_refused() -> None:
    with pytest.raises(ValidationError, match="give it to the last of the alternatives"):
        made({**JSON, "default": "else"}, HEADER)


def test_a_list_has_something_in_it() -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        made()
