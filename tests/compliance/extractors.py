"""What every extractor promises. A kind's test subclasses `ExtractorCompliance` and says what its replies look like."""

from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from proxy.core.message import Reply
from proxy.extractors import KINDS, AnyExtractor, make_extractor
from proxy.extractors.base import ExtractError, Extractor, NotFoundError

HOSTILE = [
    b"",
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"NaN",
    b"-Infinity",
    b"9" * 5_000,
    b"1e999",
    b"null",
    b"\xef\xbb\xbf",
    b"<html>" + b"x" * 1_000_000,
]


def reply_of(body: bytes = b"", *headers: tuple[str, str]) -> Reply:
    """Return a reply with that body and those headers."""
    return Reply(200, headers, body, 1_800_000_000.0)


class ExtractorCompliance:
    """The suite."""

    word: ClassVar[str]
    """The kind's word in YAML."""
    settings: ClassVar[dict[str, Any]]
    """Settings, without `from`, that find the value in `reply(value)`."""

    def reply(self, value: str) -> Reply:
        """Return a reply that brings the value."""
        raise NotImplementedError

    def made(self) -> Extractor:
        """Return the extractor under test."""
        parsed = TypeAdapter(AnyExtractor).validate_python({"from": self.word, **self.settings})
        return make_extractor(parsed)

    def test_its_word_makes_it(self) -> None:
        assert type(self.made()) is KINDS[self.word]
        assert type(self.made()).__name__.lower() == self.word

    def test_it_finds_the_value(self) -> None:
        assert self.made().extract(self.reply("s3cret-value")) == "s3cret-value"

    def test_its_place_reads_as_in_the_configuration(self) -> None:
        assert self.made().place.startswith(self.word)

    def test_nothing_there_is_said_without_repeating_the_reply(self) -> None:
        with pytest.raises(NotFoundError) as caught:
            self.made().extract(reply_of(b'{"s3cret": "s3cret"}', ("X-Other", "s3cret")))
        assert "s3cret" not in str(caught.value)

    @pytest.mark.parametrize("body", HOSTILE, ids=lambda body: repr(body[:12]))
    def test_a_hostile_body_ends_in_a_value_or_an_extract_error(self, body: bytes) -> None:
        self._extract(reply_of(body))

    def test_any_body_ends_in_a_value_or_an_extract_error(self) -> None:
        @given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
        def holds(body: bytes) -> None:
            self._extract(reply_of(body))

        holds()

    def _extract(self, reply: Reply) -> None:
        try:
            found = self.made().extract(reply)
        except ExtractError:
            return
        assert isinstance(found, str | int | float)
        assert not isinstance(found, bool)

    def test_an_unknown_setting_is_refused(self) -> None:
        with pytest.raises(ValidationError, match="Extra inputs"):
            TypeAdapter(AnyExtractor).validate_python({"from": self.word, **self.settings, "colour": "red"})

    def test_every_setting_is_described(self) -> None:
        properties = KINDS[self.word].Settings.model_json_schema()["properties"]
        assert all(described.get("description") for described in properties.values())
