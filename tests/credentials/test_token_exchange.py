"""Tokens that are exchanged for others."""

from collections.abc import AsyncIterator
from typing import Any, ClassVar
from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError

from proxy.core.symptom import Symptom, TokenRequestError
from proxy.credentials.token_exchange import TokenExchange, TokenExchangeSettings
from proxy.net.endpoint import Endpoint
from tests.compliance.credentials import CredentialCompliance
from tests.fakes.authorization_server import CLIENT, SECRET, TOKEN_EXCHANGE, AuthorizationServer
from tests.fakes.clock import FakeClock
from tests.fakes.token_server import TokenServer

URN = "urn:ietf:params:oauth:token-type:"


class TestTokenExchange(CredentialCompliance):
    word: ClassVar[str] = "token_exchange"
    secret: ClassVar[str] = "s3cret-of-the-subject"

    def settings(self, server: TokenServer) -> dict[str, Any]:
        subject = {"subject_token": self.secret, "subject_token_type": "jwt"}
        return {"token_url": server.url, "allow_plain_http": True, **subject}


class Bench:
    """A provider that takes the token of a service account."""

    def __init__(self, server: AuthorizationServer, clock: FakeClock) -> None:
        self.server = server
        self.clock = clock
        self.endpoint = Endpoint(clock)
        server.subjects["the-subject"] = f"{URN}jwt"

    def credential(self, **more: Any) -> TokenExchange:
        """Return a credential that exchanges it."""
        given = {"token_url": self.server.url, "allow_plain_http": True, "subject_token": "the-subject"}
        settings = TokenExchangeSettings.model_validate(
            {"kind": "token_exchange", "subject_token_type": "jwt", **given, **more}
        )
        return TokenExchange("main", settings, self.endpoint, self.clock)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    clock = FakeClock()
    async with AuthorizationServer(clock) as server:
        bench = Bench(server, clock)
        yield bench
        await bench.endpoint.close()


async def test_a_token_brings_another_one(bench: Bench) -> None:
    token = await bench.credential(client_id=CLIENT, client_secret=SECRET).fetch(None)
    assert bench.server.is_valid(token.value.reveal())
    [visit] = bench.server.visits
    assert (visit.proof, dict(visit.form)) == (
        "basic",
        {"grant_type": TOKEN_EXCHANGE, "subject_token": "the-subject", "subject_token_type": f"{URN}jwt"},
    )


async def test_everything_that_is_configured_is_sent(bench: Bench) -> None:
    await bench.credential(
        actor_token="the-actor",
        actor_token_type="https://types.example/actor",
        requested_token_type="access_token",
        audience=["a", "b"],
        resource="https://api.example",
        scope="read",
    ).fetch(None)
    [request] = bench.server.requests
    assert parse_qs(request.body.decode()) == {
        "grant_type": [TOKEN_EXCHANGE],
        "subject_token": ["the-subject"],
        "subject_token_type": [f"{URN}jwt"],
        "actor_token": ["the-actor"],
        "actor_token_type": ["https://types.example/actor"],
        "requested_token_type": [f"{URN}access_token"],
        "audience": ["a", "b"],
        "resource": ["https://api.example"],
        "scope": ["read"],
    }


@pytest.mark.parametrize("named", ["N_A", "n_a", "Bearer"])
async def test_a_token_that_is_no_access_token_may_be_of_no_type(bench: Bench, named: str) -> None:
    bench.server.knobs.members = {"token_type": named}
    assert (await bench.credential(requested_token_type="jwt").fetch(None)).value


@pytest.mark.parametrize("members", [{"token_type": "DPoP"}, {"issued_token_type": f"{URN}refresh_token"}])
async def test_what_was_not_asked_for_is_not_used(bench: Bench, members: dict[str, str]) -> None:
    bench.server.knobs.members = members
    with pytest.raises(TokenRequestError) as caught:
        await bench.credential(requested_token_type="jwt").fetch(None)
    assert caught.value.symptom is Symptom.TOKEN_TYPE


async def test_a_provider_may_leave_out_what_it_issued(bench: Bench) -> None:
    bench.server.knobs.members = {"issued_token_type": None}
    assert (await bench.credential(requested_token_type="jwt").fetch(None)).value


async def test_a_subject_that_is_refused_is_an_error(bench: Bench) -> None:
    bench.server.subjects.clear()
    with pytest.raises(TokenRequestError) as caught:
        await bench.credential().fetch(None)
    assert caught.value.symptom is Symptom.BAD_REQUEST
    assert "the-subject" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"subject_token": ""}, "the value is empty"),
        ({"subject_token": "a\nb"}, "one line"),
        ({"subject_token_type": "passport"}, "pattern"),
        ({"actor_token": "x"}, "actor_token and actor_token_type go together"),
        ({"actor_token_type": "jwt"}, "actor_token and actor_token_type go together"),
        ({"parameters": {"resource": "https://a.example"}}, "resource is sent anyway"),
        ({"audience": "{{ X }}"}, "{{ X }} has no value"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], message: str) -> None:
    subject = {"subject_token": "s", "subject_token_type": "jwt"}
    with pytest.raises(ValidationError) as caught:
        TokenExchangeSettings.model_validate(
            {"kind": "token_exchange", "token_url": "https://auth.example/t", **subject, **given}
        )
    assert message in str(caught.value)
