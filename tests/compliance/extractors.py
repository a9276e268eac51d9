"""What every extractor promises. A kind's test subclasses `ExtractorCompliance` and says what its replies look like."""

import math
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from proxy.core.message import Reply
from proxy.extractors import KINDS, AnyExtractor, Places, make_extractor
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
    b"\x00" * 1_000,
    b"<a>\x00</a>",
    "<token>schl\xfcssel</token>".encode("latin-1"),
    "<token>schl\xfcssel</token>".encode("utf-16"),
    b"<?xml version='1.0' encoding='shift_jis'?><token>x</token>",
    b"<?xml version='1.0' encoding='no-such'?><token>x</token>",
    b"<a>" * 100_000,
    b"<a>" * 90 + b"<b/>" * 100_000,
    b"<a b='" + b"x" * 1_000_000 + b"'/>",
    b"<a " + b" ".join(b"b%d=''" % number for number in range(50_000)) + b"/>",
    b"<!DOCTYPE a [<!ENTITY b 'x'><!ENTITY c '&b;&b;&b;&b;'><!ENTITY d '&c;&c;&c;&c;'>]><token>&d;</token>",
    b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><token>&b;</token>",
    b"a=1&" * 100_000,
    b"token=%ff%fe%00",
    b"=&=&&;",
]
HOSTILE_LINES = ["", ";", "=", ";;;=;=", "\x00", "\udcff", "=" * 100_000, "9" * 100_000, ";" * 100_000, "sid=;sid=;sid"]


def reply_of(body: bytes = b"", *headers: tuple[str, str]) -> Reply:
    """Return a reply with that body and those headers."""
    return Reply(200, headers, body, 1_800_000_000.0)


class ExtractorCompliance:
    """The suite."""

    word: ClassVar[str]
    """The kind's word in YAML."""
    settings: ClassVar[dict[str, Any]]
    """Settings, without `from`, that find the value in `reply(value)`."""
    other: ClassVar[bytes] = b'{"s3cret": "s3cret"}'
    """A body in its format without the value."""

    def reply(self, value: str) -> Reply:
        """Return a reply that brings the value."""
        raise NotImplementedError

    def made(self, **more: Any) -> Extractor:
        """Return the extractor under test."""
        parsed = TypeAdapter[Places](AnyExtractor).validate_python({"from": self.word, **self.settings, **more})
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
            self.made().extract(reply_of(self.other, ("X-Other", "s3cret"), ("Set-Cookie", "s3cret=s3cret")))
        assert "s3cret" not in str(caught.value)

    @pytest.mark.parametrize("default", ["", "else", 7, 1.5])
    def test_the_default_counts_where_nothing_stands(self, default: str | float) -> None:
        assert self.made(default=default).extract(reply_of(b"")) == default
        assert self.made(default=default).found(reply_of(b"")) == (f"the default of {self.made().place}", default)

    def test_the_default_does_not_count_where_something_stands(self) -> None:
        found = self.made(default="else").found(self.reply("s3cret-value"))
        assert found == (self.made().place, "s3cret-value")

    @pytest.mark.parametrize("default", [True, [], {}, math.nan, math.inf])
    def test_a_default_is_a_text_or_a_number(self, default: Any) -> None:
        with pytest.raises(ValidationError):
            self.made(default=default)

    def test_it_is_one_of_several_alternatives(self) -> None:
        own, other = {"from": self.word, **self.settings}, {"from": "header", "name": "X-Nowhere"}
        for places in ([own], [own, other], [other, own]):
            made = make_extractor(TypeAdapter[Places](AnyExtractor).validate_python(places))
            assert made.found(self.reply("s3cret-value")) == (self.made().place, "s3cret-value")

    @pytest.mark.parametrize("line", HOSTILE_LINES, ids=lambda line: repr(line[:12]))
    @pytest.mark.parametrize("header", ["Set-Cookie", "X-Session"])
    def test_a_hostile_header_ends_in_a_value_or_an_extract_error(self, header: str, line: str) -> None:
        self._extract(reply_of(b"", (header, line)))
        self._extract(reply_of(b"", (header, f"sid={line}; expires={line}; max-age={line}; path={line}")))

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
