"""Values in plain text."""

from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from proxy.core.message import Reply
from proxy.extractors.base import ExtractError, NotFoundError
from proxy.extractors.text import Text, TextSettings
from tests.compliance.extractors import ExtractorCompliance, reply_of


class TestText(ExtractorCompliance):
    word: ClassVar[str] = "text"
    settings: ClassVar[dict[str, Any]] = {"pattern": r"<token>(.*?)</token>"}

    def reply(self, value: str) -> Reply:
        return reply_of(f"<xml><token>{value}</token></xml>".encode())


def text(**settings: Any) -> Text:
    return Text(TextSettings.model_validate({"from": "text", **settings}))


def test_without_a_pattern_the_whole_body_is_the_value() -> None:
    assert text().extract(reply_of(b"\xef\xbb\xbfabc\n")) == "abc\n"


def test_without_a_group_the_whole_match_is_the_value() -> None:
    assert text(pattern=r"ey\w+").extract(reply_of(b"token=eyJ0;")) == "eyJ0"


def test_an_optional_group_that_matched_nothing_is_nothing() -> None:
    with pytest.raises(Exception, match="does not match"):
        text(pattern="token(=x)?").extract(reply_of(b"token"))


@pytest.mark.parametrize("pattern", ["(", "(a)(b)", "[z-a]", "a{99999999999}"])
def test_a_bad_pattern_is_refused_when_it_is_loaded(pattern: str) -> None:
    with pytest.raises(ValidationError, match=r"the pattern has 2 groups|not a regular expression"):
        text(pattern=pattern)


def test_a_search_that_was_given_up_is_an_error_that_says_so_and_no_default_hides_it() -> None:
    with pytest.raises(
        ExtractError, match=r"it is not known .* given up after 50 ms; make the pattern simpler"
    ) as caught:
        text(pattern="(a|aa)+$", default="x").extract(reply_of(b"a" * 60 + b"b"))
    assert not isinstance(caught.value, NotFoundError)
