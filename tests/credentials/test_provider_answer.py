"""What a person comes back with counts only if it comes from who was asked; what is wrong is told in plain words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.credentials.discovery import Place
from proxy.credentials.provider_answer import check_answer
from proxy.credentials.sign_in import SignInError

ISSUER = "https://login.example"
NAMED = Place("https://login.example/token", ISSUER, names_itself=True)
UNNAMED = Place("https://login.example/token", ISSUER)
FIXED = Place("https://login.example/token", authorization_url="https://login.example/authorize")


@pytest.mark.parametrize(
    ("place", "answer"),
    [
        (NAMED, {"iss": ISSUER}),
        (UNNAMED, {"iss": ISSUER}),
        (UNNAMED, {}),
        (FIXED, {}),
        (FIXED, {"iss": "https://login.example/some/tenant"}),
    ],
)
def test_the_code_of_who_was_asked_counts(place: Place, answer: dict[str, str]) -> None:
    assert check_answer({"code": "c0de", **answer}, place, shared=True) == "c0de"


@pytest.mark.parametrize(
    ("place", "answer"),
    [
        (NAMED, {}),
        (NAMED, {"iss": ""}),
        (NAMED, {"iss": f"{ISSUER}/"}),
        (UNNAMED, {"iss": "https://evil.example"}),
        (FIXED, {"iss": "https://evil.example"}),
        (FIXED, {"iss": "http://login.example"}),
        (FIXED, {"iss": "https://["}),
    ],
)
@pytest.mark.parametrize("brought", [{"code": "c0de"}, {"error": "access_denied"}])
def test_an_answer_of_somebody_else_does_not(place: Place, answer: dict[str, str], brought: dict[str, str]) -> None:
    with pytest.raises(SignInError) as caught:
        check_answer({**brought, **answer}, place, shared=True)
    assert caught.value.reason == "wrong_issuer"


def test_an_address_of_its_own_tells_providers_apart_that_have_no_name() -> None:
    assert check_answer({"code": "c0de", "iss": "https://x.example"}, FIXED, shared=False) == "c0de"


def test_who_says_no_is_not_blamed() -> None:
    with pytest.raises(SignInError, match="said no") as caught:
        check_answer({"error": "access_denied"}, FIXED, shared=True)
    assert (caught.value.reason, caught.value.detail) == ("access_denied", "")


@pytest.mark.parametrize("error", ["server_error", "temporarily_unavailable", "invalid_scope"])
def test_an_error_that_the_standards_know_is_told(error: str) -> None:
    with pytest.raises(SignInError) as caught:
        check_answer({"error": error}, FIXED, shared=True)
    assert (caught.value.reason, caught.value.detail) == ("provider_refused", f"the provider says {error}")


@given(st.text(min_size=8), st.text(min_size=8))
def test_nothing_of_an_answer_is_repeated(error: str, description: str) -> None:
    with pytest.raises(SignInError) as caught:
        check_answer({"error": f"~{error}", "error_description": f"~{description}"}, FIXED, shared=True)
    told = f"{caught.value} {caught.value.detail}"
    assert f"~{error}" not in told
    assert f"~{description}" not in told


@pytest.mark.parametrize("code", ["", "c" * 5000, "c0de\n", "cöde"])
def test_what_is_no_code_is_not_sent_on(code: str) -> None:
    with pytest.raises(SignInError) as caught:
        check_answer({"code": code}, FIXED, shared=True)
    assert caught.value.reason == "no_code"
