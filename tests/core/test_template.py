"""Templates in both spellings."""

import math
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from proxy.core.moment import Moment
from proxy.core.secret import MASK, Secret, scrub
from proxy.core.settings import Settings
from proxy.core.template import JsonTemplate, Template, UndefinedVariableError

VALUES = {"NAME": "value", "other_1": "else"}
MOMENT = Moment(1_800_000_000.5, "0b7c1d2e-0000-4000-8000-000000000000")
PIECES = [
    *("{{ NAME }}", "%%NAME%%", "{{", "}}", "%%", "{", "|", "+", "(", ")", '"', "'", " ", "NAME", "MISSING", "\n"),
    *("base64", "base64url", "urlencode", "json", "upper", "lower", "sha256", "hmac_sha256(NAME)", "md5", "uuid"),
    *("timestamp", "now(", "iso8601", '"%Y"', "%Q", "\udc80", "ß"),
]


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
        ("{{ '}}' + NAME }} }}", "}}value }}"),
        ('{{ NAME | upper }}:{{ NAME + "%%" + other_1 | base64url }}%%NAME%%', "VALUE:dmFsdWUlJWVsc2Uvalue"),
    ],
)
def test_names_are_filled_in(text: str, rendered: str) -> None:
    assert Template(text).render(VALUES) == rendered


def test_text_without_places_is_rendered_as_it_is() -> None:
    @given(st.text().filter(lambda text: "{{" not in text and "%%" not in text))
    def holds(text: str) -> None:
        template = Template(text)
        assert (template.render({}), template.source, template.names) == (text, text, frozenset())

    holds()


def test_any_text_is_a_template_or_a_value_error_and_its_canonical_spelling_means_the_same() -> None:
    @given(st.lists(st.sampled_from(PIECES) | st.text(string.printable, max_size=3), max_size=12).map("".join))
    def holds(text: str) -> None:
        try:
            template = Template(text)
        except ValueError:
            return
        again = Template(template.source)
        assert (again.source, again.names) == (template.source, template.names)
        try:
            rendered = template.render({"NAME": "välue"}, MOMENT)
        except (UndefinedVariableError, UnicodeEncodeError):
            assert "\udc80" in text or template.names - {"NAME"}
        else:
            assert again.render({"NAME": "välue"}, MOMENT) == rendered

    holds()


def test_what_goes_into_places_is_encoded_after_its_filters_and_the_rest_is_not() -> None:
    assert Template("a b/{{ NAME | upper }}").render({"NAME": "x y"}, encode=str.swapcase) == "a b/x y"


def test_a_stand_in_takes_every_place_and_nothing_is_computed() -> None:
    assert Template("a/{{ MISSING | md5 }}/%%B%%/{{ uuid }}").filled_with("x") == "a/x/x/x"


def test_what_depends_on_the_moment_is_known_beforehand() -> None:
    wanted = {"{{ uuid }}", "%%timestamp%%", "{{ now(date) }}", "{{ NAME | hmac_sha256(timestamp) }}"}
    assert {text for text in (*wanted, "{{ NAME }}", "now") if Template(text).needs_moment} == wanted
    assert [JsonTemplate(tree).needs_moment for tree in ({"a": ["{{ uuid }}"]}, {"a": "uuid"})] == [True, False]


@pytest.mark.parametrize("text", ["{{ uuid }}", "{{ timestamp }}", "{{ now(date) }}"])
def test_without_a_moment_its_time_is_an_undefined_variable(text: str) -> None:
    with pytest.raises(UndefinedVariableError):
        Template(text).render({})


@pytest.mark.parametrize("name", ["base64", "base64url", "sha256", "upper", "md5", "json", "hmac_sha256(PUBLIC)"])
def test_what_filters_make_of_a_secret_is_scrubbed_as_it_is(name: str) -> None:
    secret = Secret('correct "horse"')
    values: dict[str, str | Secret] = {"USER": "me", "PASSWORD": secret, "PUBLIC": "key"}
    made = Template(f"{{{{ USER + ':' + PASSWORD | {name} }}}}").render(values)
    assert scrub(f"<{made}>") == f"<{MASK}>"


def test_a_signature_is_as_secret_as_its_key_and_so_is_each_step_of_a_chain() -> None:
    key = Secret("the key of the signature")
    values: dict[str, str | Secret] = {"PUBLIC": "text", "KEY": key}
    made = Template("{{ PUBLIC | hmac_sha256(KEY) | base64 }}").render(values)
    hexadecimal = Template("{{ PUBLIC | hmac_sha256('the key of the signature') }}").render(values)
    assert scrub(f"{made} {hexadecimal}") == f"{MASK} {MASK}"


def test_what_filters_make_of_public_texts_is_no_secret() -> None:
    made = Template("{{ NAME | sha256 }}").render(VALUES)
    assert scrub(made) == made


def test_a_value_is_never_read_as_a_template() -> None:
    assert Template("{{ A }}").render({"A": "{{ B }}%%B%%", "B": "x"}) == "{{ B }}%%B%%"


@pytest.mark.parametrize("text", ["{{", "{{ NAME }", "{{ two words }}", "{{ NAME & }}", "{{}}", "{{{{ NAME"])
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


def test_strings_inside_json_have_filters_and_a_canonical_spelling() -> None:
    tree = JsonTemplate({"a": ["%%NAME%%", 1], "b": "{{NAME|upper}} {{ now(epoch_ms) }}"})
    assert tree.render(VALUES, MOMENT) == {"a": ["value", 1], "b": "VALUE 1800000000500"}
    assert tree.source == {"a": ["{{ NAME }}", 1], "b": "{{ NAME | upper }} {{ now(epoch_ms) }}"}


@pytest.mark.parametrize("value", [{1: "a"}, object(), math.nan, math.inf, ["{{"]])
def test_what_json_cannot_say_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(JsonTemplate).validate_python(value)


@pytest.mark.parametrize("made", [Template, JsonTemplate])
def test_one_that_could_not_be_made_can_still_be_printed(made: type[Template] | type[JsonTemplate]) -> None:
    half = made.__new__(made)
    with pytest.raises(ValueError, match=r"\{\{"):
        half.__init__("{{ }}")  # type: ignore[misc]
    assert repr(half) in {"Template()", "JsonTemplate()"}
