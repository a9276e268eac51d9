"""Values in JSON bodies."""

import json
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from proxy.core.message import Reply
from proxy.extractors.base import ExtractError, FormatError, Found, NotFoundError
from proxy.extractors.json import Json, JsonSettings
from tests.compliance.extractors import ExtractorCompliance, reply_of


class TestJson(ExtractorCompliance):
    word: ClassVar[str] = "json"
    settings: ClassVar[dict[str, Any]] = {"path": "$.data.token"}

    def reply(self, value: str) -> Reply:
        return reply_of(json.dumps({"data": {"token": value}}).encode())


def at(path: str) -> Json:
    return Json(JsonSettings.model_validate({"from": "json", "path": path}))


@pytest.mark.parametrize(
    ("body", "path", "found"),
    [
        (b'{"access_token": "abc"}', "access_token", "abc"),
        (b'\xef\xbb\xbf{"access_token": "abc"}', "$.access_token", "abc"),
        (b'{"expires_in": 3600}', "expires_in", 3600),
        (b'{"expires_in": 1.5}', "expires_in", 1.5),
        (b'[{"odd key": "x"}]', "$[0]['odd key']", "x"),
        (b'"bare"', "$", "bare"),
        ('{"t": "schlüssel"}'.encode(), "t", "schlüssel"),
    ],
)
def test_texts_and_numbers_are_found(body: bytes, path: str, found: Found) -> None:
    assert at(path).extract(reply_of(body, ("Content-Type", "text/html"))) == found


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"{}", NotFoundError),
        (b'{"a": null}', NotFoundError),
        (b'{"a": true}', ExtractError),
        (b'{"a": {"s3cret": 1}}', ExtractError),
        (b'{"a": ["s3cret"]}', ExtractError),
        (b'{"a": NaN}', FormatError),
        (b"s3cret", FormatError),
        (b"", FormatError),
    ],
)
def test_anything_else_is_refused_and_not_shown(body: bytes, error: type[ExtractError]) -> None:
    with pytest.raises(error) as caught:
        at("a").extract(reply_of(body))
    assert "s3cret" not in str(caught.value)


def test_several_values_are_not_one() -> None:
    with pytest.raises(ExtractError, match="2 values"):
        at("$.a[*]").extract(reply_of(b'{"a": ["x", "y"]}'))


def test_a_reply_that_is_not_json_is_named_by_its_content_type() -> None:
    with pytest.raises(FormatError, match="not JSON but text/html"):
        at("a").extract(reply_of(b"<html>", ("content-type", "Text/HTML; charset=utf-8")))


def test_a_bad_path_is_refused_when_it_is_loaded() -> None:
    with pytest.raises(ValidationError, match=r"write it as \$\.key"):
        at("$..a")
