"""Parameters are sent as often as they are given, and scopes in one text."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.core.symptom import Symptom, TokenRequestError
from proxy.credentials import KINDS
from proxy.credentials.parameters import Resources, Scope, Values, rendered, written


@pytest.mark.parametrize(("given", "sent"), [("a", ("a",)), (["a", "b"], ("a", "b")), ([], ()), ("", ("",))])
def test_a_parameter_may_have_several_values(given: Any, sent: tuple[str, ...]) -> None:
    assert rendered(TypeAdapter(Values).validate_python(given)) == sent


@pytest.mark.parametrize("given", [1, [1], {"a": "b"}, None, "{{ now }}", ["a", "{{ uuid }}"]])
def test_a_value_is_a_text_that_is_known(given: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Values).validate_python(given)


@pytest.mark.parametrize("given", ["https://a.example/x?y", ["urn:a:b", ""], "spn:00000002-0000", ""])
def test_a_resource_is_an_absolute_uri(given: Any) -> None:
    assert rendered(TypeAdapter(Resources).validate_python(given))


@pytest.mark.parametrize("given", ["https://a.example/#x", "api", "/api", ["https://a.example", "a b:c"], "a:ü"])
def test_what_is_none_is_refused_with_the_remedy(given: Any) -> None:
    with pytest.raises(ValidationError, match="absolute URI without `#` and what follows, such as https"):
        TypeAdapter(Resources).validate_python(given)


@pytest.mark.parametrize(
    ("kind", "given", "wrong"),
    [
        ("token_exchange", {"subject_token": "x", "subject_token_type": "jwt"}, {"resource": "api"}),
        ("client_credentials", {}, {"parameters": {"resource": "api"}}),
        (
            "authorization_code",
            {"authorization_url": "https://a.example/"},
            {"token_parameters": {"resource": ["https://a.example", "api"]}},
        ),
    ],
)
def test_no_grant_asks_for_a_resource_that_is_none(kind: str, given: dict[str, Any], wrong: dict[str, Any]) -> None:
    own = {"kind": kind, "client_id": "me", "client_secret": "secret", "token_url": "https://a.example/token", **given}
    assert KINDS[kind].Settings.model_validate(own).kind == kind
    with pytest.raises(ValidationError, match="a resource is an absolute URI"):
        KINDS[kind].Settings.model_validate(own | wrong)


@pytest.mark.parametrize(("given", "scope"), [("a b", "a b"), (["a", "b"], "a b"), ("", ""), ([], "")])
def test_scopes_are_one_text(given: Any, scope: str) -> None:
    assert TypeAdapter(Scope).validate_python(given) == scope


def test_a_form_holds_every_value_in_order_and_none_that_is_empty() -> None:
    fields: list[tuple[str, str | tuple[str, ...]]] = [
        ("a", "1"),
        ("empty", ""),
        ("b", ("2", "", "ü")),
        ("a", "3"),
        ("none", ()),
    ]
    assert written(fields) == b"a=1&b=2&b=%C3%BC&a=3"


def test_what_cannot_be_written_is_told() -> None:
    with pytest.raises(TokenRequestError) as caught:
        written([("a", "\udc80")])
    assert caught.value.symptom is Symptom.REQUEST
