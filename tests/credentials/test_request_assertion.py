"""An assertion that a request carries: signed anew, for as long as it says, with nothing that nobody asked for."""

from typing import Any

import jwt
import pytest
from pydantic import ValidationError

from proxy.core.moment import Moment
from proxy.core.secret import scrub
from proxy.credentials.request_assertion import ASSERTION, RequestAssertionSettings
from proxy.credentials.workflow import WorkflowSettings
from tests.fakes import keys

NOW = 1_763_719_200.0


def settings(**given: Any) -> RequestAssertionSettings:
    return RequestAssertionSettings.model_validate({"key": keys.pem("p256"), "iss": "an-app", **given})


def made(record: RequestAssertionSettings) -> str:
    return record.made_at(Moment.at(NOW))[ASSERTION].reveal()


def said(assertion: str) -> dict[str, Any]:
    key: Any = keys.key("p256").public_key()
    options: Any = {"verify_exp": False, "verify_iat": False, "verify_aud": False}
    claims: dict[str, Any] = jwt.decode(assertion, key, algorithms=["ES256"], options=options)
    return claims


def test_it_says_who_asserts_and_for_how_long_and_nothing_else() -> None:
    claims = said(made(settings(lifetime="9m")))
    assert claims.keys() == {"iss", "iat", "exp", "jti"}
    assert (claims["iss"], claims["iat"], claims["exp"]) == ("an-app", NOW - 10, NOW + 530)


def test_it_says_whom_it_is_about_and_for_and_more_where_that_is_configured() -> None:
    claims = said(made(settings(sub="ada", aud="a-service", claims={"scope": "read", "at": "{{ now(date) }}"})))
    assert {name: claims[name] for name in ("sub", "aud", "scope", "at")} == {
        "sub": "ada",
        "aud": "a-service",
        "scope": "read",
        "at": "2025-11-21",
    }


def test_its_issuer_is_a_text_even_if_it_looks_like_a_number() -> None:
    assert said(made(settings(iss="12345")))["iss"] == "12345"
    with pytest.raises(ValidationError, match="iss"):
        settings(iss=12345)


def test_each_one_is_new() -> None:
    record = settings()
    assert said(made(record))["jti"] != said(made(record))["jti"]


def test_it_is_scrubbed_from_texts_for_as_long_as_the_key_is_known() -> None:
    record = settings()
    signed = made(record)
    assert scrub(f"Bearer {signed}") == "Bearer ***"
    assert signed not in repr(record)


@pytest.mark.parametrize("given", [{"iss": ""}, {"key": "no key"}, {"algorithm": "RS256"}, {"claims": {"exp": 1}}])
def test_what_cannot_be_signed_so_is_found_when_it_is_configured(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**given)


def test_a_step_of_a_workflow_may_carry_one() -> None:
    request = {
        "url": "https://auth.example/token",
        "json": {"jwt": "{{ ASSERTION }}"},
        "assertion": {"key": keys.pem("p256"), "iss": "an-app"},
    }
    step = {"name": "log in", "request": request, "extract": {"ACCESS_TOKEN": {"from": "json", "path": "$.token"}}}
    workflow = WorkflowSettings.model_validate({"kind": "workflow", "steps": [step]})
    assert list(workflow.flaws()) == []
    assert not workflow.spends
