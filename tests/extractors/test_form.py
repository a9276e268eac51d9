"""Values in bodies that are forms."""

from typing import Any, ClassVar
from urllib.parse import urlencode

import pytest

from proxy.core.message import Reply
from proxy.extractors.base import ExtractError, FormatError, NotFoundError
from proxy.extractors.form import MOST_FIELDS, Form, FormSettings
from tests.compliance.extractors import ExtractorCompliance, reply_of


class TestForm(ExtractorCompliance):
    word: ClassVar[str] = "form"
    settings: ClassVar[dict[str, Any]] = {"name": "oauth_token"}
    other: ClassVar[bytes] = b"s3cret=s3cret"

    def reply(self, value: str) -> Reply:
        return reply_of(urlencode({"scope": "a b", "oauth_token": value}).encode())


def field(name: str) -> Form:
    return Form(FormSettings.model_validate({"from": "form", "name": name}))


@pytest.mark.parametrize(
    ("body", "name", "found"),
    [
        (b"a=1&b=x+y%2Bz%26", "b", "x y+z&"),
        (b"a=%C3%BC", "a", "ü"),
        (b"odd+%26+name=1", "odd & name", "1"),
        (b"\xef\xbb\xbfa=1\r\n", "a", "1"),
        (b"a=1;b", "a", "1;b"),
        (b"a=&a=1", "a", "1"),
        (b"a==", "a", "="),
    ],
)
def test_names_and_values_are_decoded(body: bytes, name: str, found: str) -> None:
    assert field(name).extract(reply_of(body, ("Content-Type", "text/plain"))) == found


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        (b"b=s3cret", NotFoundError, "nothing stands at form a"),
        (b"a=&b=s3cret", NotFoundError, "nothing stands at form a"),
        (b"A=s3cret", NotFoundError, "nothing stands at form a"),
        (b"a=s3cret&a=s3cret", ExtractError, "2 values stand at form a, not one"),
        (b"", FormatError, "the body is not a form but text/html"),
        (b"s3cret", FormatError, "the body is not a form but text/html"),
        (b" <html a=s3cret>", FormatError, "the body is not a form but text/html"),
        (b'{"a=": "s3cret"}', FormatError, "the body is not a form but text/html"),
        (b"a=s3cret&" * (MOST_FIELDS + 1), FormatError, "more than 1000 fields"),
    ],
)
def test_anything_else_is_refused_and_not_shown(body: bytes, error: type[ExtractError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        field("a").extract(reply_of(body, ("Content-Type", "text/html; charset=utf-8")))
    assert type(caught.value) is error
    assert "s3cret" not in str(caught.value)
