"""What stands between braces in the settings of a credential that is per user is each user's own."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qs

import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from proxy.core.expression import UndefinedVariableError
from proxy.core.secret import Secret
from proxy.core.template import Template
from proxy.core.token import Token
from proxy.credentials import KINDS
from proxy.credentials.base import CredentialSettings
from proxy.credentials.fitting import fitted, lacking, names_in
from proxy.injectors import inject_all
from proxy.net.endpoint import Endpoint
from tests.fakes.clock import FakeClock
from tests.fakes.token_server import TokenServer

PEM: Final = (
    ec.generate_private_key(ec.SECP256R1())
    .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    .decode()
)
ANN: Final = {"USER_ID": Secret("ann"), "USER_EMAIL": Secret("ann@mail.example"), "PASSWORD": Secret("{{ pässword")}
GRANTS: Final[Mapping[str, tuple[dict[str, Any], frozenset[str], dict[str, str]]]] = {
    "password": (
        {"username": "{{ USER_EMAIL }}", "password": "{{ PASSWORD }}", "parameters": {"tenant": ["{{ USER_ID }}"]}},
        frozenset({"USER_EMAIL", "PASSWORD", "USER_ID"}),
        {"username": "ann@mail.example", "password": "{{ pässword", "tenant": "ann"},
    ),
    "client_credentials": (
        {"client_id": "client-{{ USER_ID }}", "client_secret": "{{ left }} alone", "client_auth": "post"},
        frozenset({"USER_ID"}),
        {"client_id": "client-ann", "client_secret": "{{ left }} alone"},
    ),
    "refresh_token": (
        {"client_id": "client", "refresh_token": "%%PASSWORD%%", "scope": "read:{{ USER_ID }}"},
        frozenset({"PASSWORD", "USER_ID"}),
        {"refresh_token": "{{ pässword", "scope": "read:ann"},
    ),
    "token_exchange": (
        {"subject_token": "{{ PASSWORD }}", "subject_token_type": "jwt", "audience": "of-{{ USER_ID }}"},
        frozenset({"PASSWORD", "USER_ID"}),
        {"subject_token": "{{ pässword", "audience": "of-ann"},
    ),
    "jwt_bearer": (
        {"client_id": "client", "assertion": {"key": PEM, "sub": "{{ USER_EMAIL }}"}},
        frozenset({"USER_EMAIL"}),
        {},
    ),
}


@pytest_asyncio.fixture
async def server() -> AsyncIterator[TokenServer]:
    async with TokenServer() as server:
        yield server


def parsed(kind: str, url: str = "https://id.example/token", **more: Any) -> CredentialSettings:
    written = {"kind": kind, "per_user": True, "token_url": url, "allow_plain_http": True, **GRANTS[kind][0]}
    return KINDS[kind].Settings.model_validate({**written, **more})


@pytest.mark.parametrize("kind", GRANTS)
async def test_each_grant_asks_with_what_is_the_users_own(server: TokenServer, kind: str) -> None:
    settings = parsed(kind, server.url)
    assert settings.user_variables == GRANTS[kind][1]
    clock = FakeClock()
    endpoint = Endpoint(clock)
    token = await KINDS[kind]("billing", settings.for_user(ANN), endpoint, clock).fetch(None)
    assert token.value
    sent = {name: values[0] for name, values in parse_qs(server.requests[0].body.decode()).items()}
    assert {name: sent[name] for name in GRANTS[kind][2]} == GRANTS[kind][2]
    if kind == "jwt_bearer":
        assert jwt.decode(sent["assertion"], options={"verify_signature": False})["sub"] == "ann@mail.example"
    await endpoint.close()


@pytest.mark.parametrize("kind", GRANTS)
async def test_what_a_user_does_not_have_is_named_and_nobody_is_asked(server: TokenServer, kind: str) -> None:
    settings = parsed(kind, server.url).for_user({})
    clock = FakeClock()
    endpoint = Endpoint(clock)
    with pytest.raises(UndefinedVariableError) as caught:
        await KINDS[kind]("billing", settings, endpoint, clock).fetch(None)
    assert caught.value.name in GRANTS[kind][1]
    assert server.count == 0
    await endpoint.close()


@pytest.mark.parametrize("kind", GRANTS)
def test_a_user_changes_nothing_for_others(kind: str) -> None:
    settings = parsed(kind)
    before = settings.model_dump_json()
    assert settings.for_user(ANN) != settings
    assert settings.model_dump_json() == before
    assert settings.user_variables == GRANTS[kind][1]


@pytest.mark.parametrize(
    ("kind", "more", "words"),
    [
        ("password", {"per_user": False}, "there are no variables here"),
        ("token_exchange", {"per_user": False}, "there are no variables here"),
        ("password", {"username": "{{ USER_ID | shout }}"}, "shout"),
        ("password", {"username": "{{ now(epoch) }}"}, "neither the time"),
    ],
)
def test_what_cannot_be_fitted_is_refused_when_it_is_loaded(kind: str, more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        parsed(kind, **more)


def test_what_is_injected_may_be_the_users_own_too() -> None:
    inject = [{"kind": "header", "name": "X-User", "value": "{{ USER_ID }}:{{ TOKEN }}"}]
    settings = parsed("client_credentials", inject=inject)
    assert "USER_ID" in settings.user_variables
    lines = inject_all(settings.for_user(ANN).injectors(), Token(Secret("planted"), 0.0)).lines
    assert lines == b"X-User: ann:planted\r\n"


def test_names_are_found_and_filled_in_wherever_they_stand() -> None:
    value = ("{{ USER_ID }}", {"a": (Template("{{ USER_EMAIL }}"), Secret("{{ PASSWORD }}"))}, 7, None)
    assert names_in(value) == ANN.keys()
    text, inside, *others = fitted(value, ANN)
    template, secret = inside["a"]
    assert (text, template.render({}), secret, others) == ("ann", "ann@mail.example", ANN["PASSWORD"], [7, None])


def test_a_value_of_a_user_is_no_template() -> None:
    made = fitted(Template("{{ PASSWORD }}"), ANN)
    assert made.names == frozenset()
    assert made.render({}) == "{{ pässword"
    assert fitted("{{ PASSWORD }}", {"PASSWORD": Secret("{{ USER_ID }}")}) == "{{ USER_ID }}"


def test_what_is_lacking_is_named_with_the_remedy_and_says_nothing_of_the_endpoint() -> None:
    error = lacking("PASSWORD")
    assert "PASSWORD" in str(error)
    assert "PUT /api/v1/users" in str(error)
    assert not error.asked
