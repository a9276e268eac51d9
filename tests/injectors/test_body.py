"""Tokens in fields of the body."""

import json
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from proxy.core.message import NOTHING, Injection
from proxy.core.tailored import BodyEdit, UnfitError
from proxy.injectors.body import Body, BodySettings
from tests.compliance.injectors import PlacedCompliance, token_of

FORM = "application/x-www-form-urlencoded"


class TestFormField(PlacedCompliance):
    word: ClassVar[str] = "body"
    settings: ClassVar[dict[str, Any]] = {"form": "api key"}
    another: ClassVar[dict[str, Any]] = {"form": "other"}

    def seen(self, injection: Injection) -> list[str]:
        form = b""
        for edit in injection.tailored.edits if injection.tailored else ():
            form = edit.apply(FORM, form)
        return [value for _, value in parse_qsl(form.decode("ascii"), keep_blank_values=True)]


class TestJsonField(PlacedCompliance):
    word: ClassVar[str] = "body"
    settings: ClassVar[dict[str, Any]] = {"json": "$.auth.key"}
    another: ClassVar[dict[str, Any]] = {"json": "other"}

    def seen(self, injection: Injection) -> list[str]:
        document = b"{}"
        for edit in injection.tailored.edits if injection.tailored else ():
            document = edit.apply("application/json", document)
        found = json.loads(document)
        return [*found.get("auth", {}).values(), *([found["other"]] if "other" in found else [])]


def edit(**settings: Any) -> BodyEdit:
    """Return what puts the token `abc` there."""
    made = Body(TypeAdapter(BodySettings).validate_python({"kind": "body", **settings}))
    tailored = made.inject(NOTHING, token_of("a+b&c")).tailored
    assert tailored is not None
    return tailored.edits[0]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (b"", b"key=a%2Bb%26c"),
        (b"x=1", b"x=1&key=a%2Bb%26c"),
        (b"key=mine&x=%zz+%C3%A9", b"x=%zz+%C3%A9&key=a%2Bb%26c"),
        (b"k%65y=mine&KEYS=1&x=\xff", b"KEYS=1&x=\xff&key=a%2Bb%26c"),
        (b"key", b"key=a%2Bb%26c"),
    ],
)
def test_a_form_keeps_its_other_fields_byte_for_byte(given: bytes, sent: bytes) -> None:
    assert edit(form="key").apply(FORM, given) == sent


@given(names=st.lists(st.binary(max_size=6).filter(lambda name: b"&" not in name and b"=" not in name), max_size=5))
def test_whatever_the_form_the_field_is_there_once(names: list[bytes]) -> None:
    sent = edit(form="key").apply(FORM, b"&".join(name + b"=mine" for name in names))
    assert sent.split(b"&").count(b"key=a%2Bb%26c") == 1
    assert b"key=mine" not in sent.split(b"&")


def test_a_form_is_appended_to_or_left_as_it_is() -> None:
    assert edit(form="key", mode="append").apply(FORM, b"key=mine") == b"key=mine&key=a%2Bb%26c"
    assert edit(form="key", mode="keep").apply(FORM, b"key=mine") == b"key=mine"
    assert edit(form="key", mode="keep").apply(FORM, b"x=1") == b"x=1&key=a%2Bb%26c"


def test_a_document_keeps_everything_else() -> None:
    given = '{ "n": 1.50, "key" : "mine", "é": [1e400, null],\n"n": 2 }'.encode()
    assert edit(json="key").apply("application/json; charset=UTF-8", given) == given.replace(b'"mine"', b'"a+b&c"')


@pytest.mark.parametrize("kind", ["application/json", "application/vnd.api+json", "Application/JSON ; charset=utf-8"])
def test_json_has_several_names(kind: str) -> None:
    assert json.loads(edit(json="$.key").apply(kind, b"{}")) == {"key": "a+b&c"}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", b"{}"),
        ("application/json; charset=utf-16", b"{}"),
        (FORM, b"{}"),
        ("application/json", b"not json"),
        ("application/json", b"[]"),
        ("application/json", b""),
        ("application/json", b'{"a": "\xff"}'),
        ("application/json", b"\xef\xbb\xbf{}"),
    ],
)
def test_a_body_that_cannot_take_the_field_is_refused(kind: str, body: bytes) -> None:
    with pytest.raises(UnfitError, match="this route's credential goes into"):
        edit(json="key").apply(kind, body)


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", f"{FORM}; charset=latin-1"])
def test_what_is_no_form_is_refused(kind: str) -> None:
    with pytest.raises(UnfitError, match="goes into a form"):
        edit(form="key").apply(kind, b"")


@pytest.mark.parametrize(
    "settings", [{}, {"form": "a", "json": "b"}, {"json": "$.a[0]"}, {"json": "$..a"}, {"json": "$"}]
)
def test_the_place_is_a_field_of_one_of_them(settings: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        edit(**settings)


def test_it_is_told_without_its_value() -> None:
    assert [edit(form="key").field, edit(json="a.b").field] == ["form field key", "JSON field $.a.b"]
