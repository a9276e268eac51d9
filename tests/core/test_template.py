"""Templates in both spellings."""

import math
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.core.settings import Settings
from proxy.core.template import JsonTemplate, Template, UndefinedVariableError

VALUES = {"NAME": "value", "other_1": "else"}


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("", ""),
        ("plain", "plain"),
        ("{{ NAME }}", "value"),
        ("{{NAME}}", "value"),
        ("%%NAME%%", "value"),
        ("a {{ NAME }}-%%other_1%%-{{other_1}} z", "a value-else-else z"),
        ("{{ NAME }}{{ NAME }}", "valuevalue"),
        ('{"a":{{ NAME }}}', '{"a":value}'),
        ("100%% sure, }} %%", "100%% sure, }} %%"),
        ("%%%%NAME%%", "%%value"),
        ("{{{ NAME }}}", "{value}"),
    ],
)
def test_names_are_filled_in(text: str, rendered: str) -> None:
    assert Template(text).render(VALUES) == rendered


def test_a_value_is_never_read_as_a_template() -> None:
    assert Template("{{ A }}").render({"A": "{{ B }}%%B%%", "B": "x"}) == "{{ B }}%%B%%"


@pytest.mark.parametrize("text", ["{{", "{{ NAME }", "{{ two words }}", "{{ NAME | upper }}", "{{}}"])
def test_braces_without_a_name_are_refused_without_showing_the_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"write \{\{ NAME \}\}"):
        Template("s3cret" + text)


def test_a_name_without_a_value_is_an_error_that_names_it() -> None:
    with pytest.raises(UndefinedVariableError, match="MISSING") as caught:
        Template("{{ NAME }} {{ MISSING }}").render(VALUES)
    assert caught.value.name == "MISSING"


def test_the_names_are_known_beforehand() -> None:
    assert Template("{{ A }} %%B%% {{ A }}").names == {"A", "B"}


def test_a_template_prints_its_names_and_not_its_text() -> None:
    assert repr(Template("s3cret {{ B }} {{ A }}")) == "Template(A, B)"


class Row(Settings):
    value: Template
    tree: JsonTemplate = JsonTemplate(None)


def test_a_template_is_a_string_in_the_configuration() -> None:
    row = Row.model_validate({"value": "s3cret"})
    assert row.value.render({}) == "s3cret"
    assert "s3cret" not in repr(row) + row.model_dump_json()
    assert Row.model_json_schema()["properties"]["value"]["type"] == "string"
    with pytest.raises(ValidationError):
        Row.model_validate({"value": 5})


def test_strings_inside_json_are_templates() -> None:
    tree = JsonTemplate({"a": ["{{ NAME }}", 1, None, True, 1.5], "{{ NAME }}": {"b": "x"}})
    assert tree.names == {"NAME"}
    assert tree.render(VALUES) == {"a": ["value", 1, None, True, 1.5], "{{ NAME }}": {"b": "x"}}
    assert "x" not in repr(tree)


@pytest.mark.parametrize("value", [{1: "a"}, object(), math.nan, math.inf, ["{{"]])
def test_what_json_cannot_say_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(JsonTemplate).validate_python(value)
