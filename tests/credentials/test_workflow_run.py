"""What a run knows, and the token that its end makes."""

from typing import Any

import pytest

from proxy.core.message import Reply
from proxy.core.secret import Secret
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.core.template import Template
from proxy.credentials.jar import Jar
from proxy.credentials.workflow_run import Run, TokenMaker
from proxy.credentials.workflow_steps import Brought
from proxy.net.endpoint import EndpointRequest

NOW = 1_800_000_000.0
REQUEST = EndpointRequest("GET", "https://auth.example/x")


def brought(at: float = NOW, *, gone: tuple[str, ...] = (), cookies: tuple[str, ...] = (), **values: str) -> Brought:
    reply = Reply(200, tuple(("Set-Cookie", line) for line in cookies), b"", at)
    return Brought(REQUEST, reply, {name: Secret(value) for name, value in values.items()}, frozenset(gone))


def run(*, jar: Jar | None = None, **former: str) -> Run:
    return Run({"USER": Secret("me")}, {name: Secret(value) for name, value in former.items()}, jar)


def maker(token: str = "{{ T }}") -> TokenMaker:
    return TokenMaker(Template(token), None, frozenset({"T", "EXPIRES_IN", "EXPIRES_AT"}))


def saved(one: Run) -> dict[str, str]:
    return {name: secret.reveal() for name, secret in one.saved.items()}


def test_what_was_brought_is_saved_and_first_values_are_not() -> None:
    one = run(KEPT="1", OLD="2")
    one.take(brought(T="t", OLD="3"))
    assert one.variables.keys() == {"USER", "KEPT", "OLD", "T"}
    assert saved(one) == {"KEPT": "1", "OLD": "3", "T": "t"}


def test_what_a_reply_says_is_not_there_is_not_there_from_then_on() -> None:
    one = run(FLAG="on")
    one.take(brought(T="t", gone=("FLAG",)))
    assert saved(one) == {"T": "t"}


def test_cookies_are_saved_for_the_next_run_and_for_requests() -> None:
    jar = Jar()
    one = run(jar=jar)
    jar.take(REQUEST.url, Reply(200, (("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; Path=/y")), b"", NOW))
    one.take(brought(T="t"))
    assert saved(one)["COOKIES"] == "a=1; b=2"
    again = run(jar=Jar(), **saved(one))
    assert again.jar is not None
    assert again.jar.line(REQUEST.url) == "a=1"


def test_a_lifetime_counts_from_the_reply_that_brought_it() -> None:
    one = run()
    one.take(brought(EXPIRES_IN="60"))
    one.take(brought(NOW + 10, T="t"))
    token = maker().make(one)
    assert (token.issued_at, token.expires_at) == (NOW + 10, NOW + 60)


def test_a_lifetime_of_a_former_token_does_not_count() -> None:
    one = run(EXPIRES_IN="60", EXPIRES_AT=str(NOW - 1))
    one.take(brought(T="t"))
    assert maker().make(one).expires_at == NOW + 300


@pytest.mark.parametrize(
    ("values", "symptom", "message"),
    [
        ({}, Symptom.TOKEN_NOT_FOUND, "the variable T is not defined"),
        ({"T": "two\nlines"}, Symptom.TOKEN_UNUSABLE, "the variables T make"),
        ({"T": "t", "EXPIRES_IN": "soon"}, Symptom.EXPIRY_WRONG, "EXPIRES_IN says something that is not a number"),
        ({"T": "t", "EXPIRES_AT": "soon"}, Symptom.EXPIRY_WRONG, "EXPIRES_AT says something that is not a date"),
    ],
)
def test_a_run_that_makes_no_token_says_why(values: dict[str, Any], symptom: Symptom, message: str) -> None:
    one = run()
    one.take(brought(**values))
    with pytest.raises(TokenRequestError, match=message) as caught:
        maker().make(one)
    assert caught.value.symptom in {symptom, Symptom.TOKEN_CONTROL}
    assert "two" not in str(caught.value)


def test_a_run_without_any_step_makes_no_token() -> None:
    with pytest.raises(TokenRequestError, match="every step was skipped"):
        maker().make(run(T="former"))


def test_it_says_what_the_token_is_made_of_and_what_set_its_expiry() -> None:
    one = run()
    one.take(brought(T="t", EXPIRES_IN="60"))
    made = maker("{{ T }}:{{ USER }}")
    assert made.token_at == "the variables T, USER"
    assert made.expiry_at(made.make(one)) == "the variable EXPIRES_IN"
    plain = run()
    plain.take(brought(T="t"))
    assert made.expiry_at(made.make(plain)) is None
