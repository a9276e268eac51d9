"""What all OAuth 2 grants share: how a client proves itself, what it sends, and what it makes of the answers."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any, Literal
from urllib.parse import parse_qsl

import jwt
import pytest
from pydantic import ValidationError

from proxy.core.errors import Reason
from proxy.core.message import Reply
from proxy.core.secret import Secret, scrub
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.core.token import Token
from proxy.credentials.oauth2 import OAuth2, OAuth2Settings
from proxy.net.endpoint import Endpoint, EndpointRequest
from tests.fakes.authorization_server import CLIENT, SECRET, AuthorizationServer
from tests.fakes.clock import FakeClock

PLANTED = "s3cret-of-the-reply"


class Grant(OAuth2):
    """The plainest grant: nothing but the client itself."""

    Settings = OAuth2Settings

    async def fetch(self, previous: Token | None) -> Token:
        return await self.exchange({"grant_type": "client_credentials", "empty": ""})


def settings(**given: Any) -> OAuth2Settings:
    base = {"kind": "any", "token_url": "https://auth.example/token", "client_id": "me", "client_secret": "s3cret"}
    return OAuth2Settings.model_validate({name: value for name, value in (base | given).items() if value is not None})


class Bench:
    """A server, and clients of it."""

    def __init__(self, server: AuthorizationServer, clock: FakeClock) -> None:
        self.server = server
        self.clock = clock
        self.endpoint = Endpoint(clock)

    def client(self, **more: Any) -> Grant:
        """Return a client that the server knows."""
        known = {"token_url": self.server.url, "client_id": CLIENT, "client_secret": SECRET, "allow_plain_http": True}
        return Grant("main", settings(**(known | more)), self.endpoint, self.clock)

    async def token(self, **members: Any) -> Token:
        """Return what comes of an answer with these members."""
        self.server.knobs.members = members
        return await self.client().fetch(None)

    async def failure(self, body: Any = None, status: int = 200) -> TokenRequestError:
        """Return why the answer with that body brings no token; nothing of the body is shown but words of OAuth."""
        self.server.knobs.body = body if isinstance(body, str) else json.dumps(body)
        self.server.knobs.status = status
        self.server.knobs.headers = {"Retry-After": "3600"}  # too long to be waited for
        with pytest.raises(TokenRequestError) as caught:
            await self.client().fetch(None)
        assert "s3cret" not in f"{caught.value} {caught.value.sentence}"
        return caught.value


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    clock = FakeClock()
    async with AuthorizationServer(clock) as server:
        bench = Bench(server, clock)
        yield bench
        await bench.endpoint.close()


# What is sent


@pytest.mark.parametrize("proof", ["basic", "post"])
async def test_a_client_with_a_secret_proves_itself(bench: Bench, proof: Literal["basic", "post"]) -> None:
    token = await bench.client(client_auth=proof).fetch(None)
    assert bench.server.is_valid(token.value.reveal())
    [visit] = bench.server.visits
    assert visit.proof == proof
    assert (visit.form.get("client_id"), visit.form.get("client_secret")) == {
        "basic": (None, None),
        "post": (CLIENT, SECRET),
    }[proof]


async def test_id_and_secret_are_encoded_before_they_are_joined(bench: Bench) -> None:
    client_id, secret = "a:b c", "p:w d%+/=ü"
    bench.server.clients[client_id] = secret
    client = bench.client(client_id=client_id, client_secret=secret)
    await client.fetch(None)
    scheme, _, pair = bench.server.requests[0].headers["Authorization"].partition(" ")
    assert (scheme, base64.b64decode(pair)) == ("Basic", b"a%3Ab+c:p%3Aw+d%25%2B%2F%3D%C3%BC")
    assert scrub(f"{scheme} {pair}") == "Basic ***"


async def test_a_public_client_sends_its_id_alone(bench: Bench) -> None:
    await bench.client(client_id="public-client", client_secret=None).fetch(None)
    assert bench.server.visits[0].proof == "none"
    assert dict(bench.server.visits[0].form) == {"grant_type": "client_credentials", "client_id": "public-client"}


async def test_the_request_is_a_form_with_what_is_configured_and_without_what_is_empty(bench: Bench) -> None:
    parameters = {"audience": "https://api.example/?a=b&c", "resource": "", "odd key": "ü"}
    await bench.client(scope=["read", "write:all"], parameters=parameters).fetch(None)
    [request] = bench.server.requests
    assert (request.method, request.headers["Content-Type"]) == ("POST", "application/x-www-form-urlencoded")
    assert request.headers["Accept"] == "application/json"
    assert parse_qsl(request.body.decode(), keep_blank_values=True) == [
        ("grant_type", "client_credentials"),
        ("scope", "read write:all"),
        ("audience", "https://api.example/?a=b&c"),
        ("odd key", "ü"),
    ]


async def test_a_query_of_the_address_goes_with_it(bench: Bench) -> None:
    await bench.client(token_url=f"{bench.server.url}?tenant=a%20b").fetch(None)
    assert bench.server.requests[0].path_qs == "/token?tenant=a%20b"


async def test_a_parameter_that_cannot_be_written_is_not_sent(bench: Bench) -> None:
    with pytest.raises(TokenRequestError, match="text that UTF-8 cannot write") as caught:
        await bench.client(parameters={"audience": "\udc80"}).fetch(None)
    assert (caught.value.symptom, bench.server.count) == (Symptom.REQUEST, 0)


# What comes back


async def test_a_reply_is_read(bench: Bench) -> None:
    token = await bench.token(refresh_token="next", scope="read", id_token="x")
    assert bench.server.is_valid(token.value.reveal())
    assert (token.issued_at, token.expires_at) == (bench.clock.now(), bench.clock.now() + 300)
    assert token.variables == {"refresh_token": Secret("next")}


@pytest.mark.parametrize(
    ("given", "lifetime"),
    [(60, 60.0), ("60", 60.0), (60.5, 60.5), (None, 300.0), (0, 300.0), (-1, 300.0), ("soon", 300.0), (True, 300.0)],
)
async def test_a_lifetime_that_cannot_be_one_is_as_good_as_none(bench: Bench, given: Any, lifetime: float) -> None:
    token = await bench.token(expires_in=given)
    assert token.expires_at == bench.clock.now() + lifetime


async def test_a_jwt_that_has_expired_is_refused_whatever_the_reply_says(bench: Bench) -> None:
    spoilt = jwt.encode({"exp": int(bench.clock.now()) - 1}, "k" * 32, algorithm="HS256")
    with pytest.raises(TokenRequestError) as caught:
        await bench.token(access_token=spoilt, expires_in=None, refresh_token="next")
    assert caught.value.symptom is Symptom.EXPIRY_WRONG
    assert caught.value.variables == {"refresh_token": Secret("next")}


@pytest.mark.parametrize("named", ["Bearer", "bearer", "BEARER", "", None])
async def test_a_bearer_token_is_one_in_any_case_and_by_default(bench: Bench, named: str | None) -> None:
    assert (await bench.token(token_type=named)).value


@pytest.mark.parametrize(("named", "shown"), [("mac", "type mac;"), (f"{PLANTED}{'x' * 20}", "type;"), (7, "type;")])
async def test_a_token_of_another_type_is_not_used(bench: Bench, named: Any, shown: str) -> None:
    with pytest.raises(TokenRequestError, match=shown) as caught:
        await bench.token(token_type=named)
    assert (caught.value.symptom, caught.value.reason) == (Symptom.TOKEN_TYPE, Reason.MALFORMED_RESPONSE)
    assert PLANTED not in str(caught.value)


@pytest.mark.parametrize("named", ["bot", "Bot", "Bearer"])
async def test_a_provider_may_have_a_word_of_its_own_for_it(bench: Bench, named: str) -> None:
    bench.server.knobs.members = {"token_type": named}
    assert (await bench.client(token_type="bot").fetch(None)).value


@pytest.mark.parametrize(
    ("body", "symptom"),
    [
        ("<html>s3cret", Symptom.PAGE),
        ("access_token=s3cret", Symptom.NOT_JSON),
        ([PLANTED], Symptom.NOT_OAUTH),
        ({"data": {"access_token": PLANTED}}, Symptom.NOT_OAUTH),
        ({"access_token": 7}, Symptom.NOT_OAUTH),
        ({"access_token": None, "error": None}, Symptom.NOT_OAUTH),
        ({"access_token": ""}, Symptom.TOKEN_EMPTY),
        ({"access_token": "s3cret\r\nX: 1"}, Symptom.TOKEN_CONTROL),
    ],
)
async def test_what_is_no_token_reply_is_named(bench: Bench, body: Any, symptom: Symptom) -> None:
    error = await bench.failure(body)
    assert (error.symptom, error.reason, error.variables) == (symptom, Reason.MALFORMED_RESPONSE, {})


@pytest.mark.parametrize(
    ("status", "code", "reason", "permanent"),
    [
        (400, "invalid_grant", Reason.INVALID_GRANT, True),
        (401, "invalid_client", Reason.INVALID_CLIENT, True),
        (400, "unauthorized_client", Reason.INVALID_CLIENT, True),
        (400, "invalid_scope", Reason.PROVIDER_4XX, True),
        (400, PLANTED, Reason.PROVIDER_4XX, True),
        (503, "temporarily_unavailable", Reason.PROVIDER_5XX, False),
        (200, "invalid_grant", Reason.INVALID_GRANT, True),
        (200, "bad_refresh_token", Reason.INVALID_GRANT, True),
        (200, "incorrect_client_credentials", Reason.INVALID_CLIENT, True),
        (200, PLANTED, Reason.PROVIDER_4XX, True),
    ],
)
async def test_an_error_is_one_whatever_its_status(
    bench: Bench, status: int, code: str, reason: Reason, permanent: bool
) -> None:
    error = await bench.failure({"ok": False, "error": code, "error_description": PLANTED}, status)
    assert (error.reason, error.permanent) == (reason, permanent)
    assert (f": {code}" in error.sentence) is (code != PLANTED and status != 503)


async def test_the_tokens_in_a_reply_are_secret(bench: Bench) -> None:
    bench.server.knobs.members = {"refresh_token": "r", "id_token": "i", "access_token": "a", "scope": "s"}
    replies: list[Reply] = []

    class Watching(Endpoint):
        async def ask(self, request: EndpointRequest) -> Reply:
            replies.append(await super().ask(request))
            return replies[-1]

    bench.endpoint = Watching(bench.clock)
    client = bench.client()
    await client.fetch(None)
    assert client.secrets_in(replies[0]) == {"a", "r", "i"}


# What is configured


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"token_url": "http://auth.example/token"}, "allow_plain_http: true"),
        ({"token_url": "auth.example/token"}, "whole address"),
        ({"token_url": "https://auth.example/token#x"}, "no `#`"),
        ({"token_url": "https://me:s3cret@auth.example/token"}, "no user or password"),
        ({"token_url": "https://auth.example/{{ X }}"}, "percent-encode the rest"),
        ({"client_id": ""}, "pattern"),
        ({"client_id": "a\nb"}, "pattern"),
        ({"client_secret": ""}, "the value is empty"),
        ({"client_secret": "a\nb"}, "one line"),
        ({"client_auth": "basic", "client_secret": None}, "basic does not go without a secret; give one under"),
        ({"client_auth": "post", "client_secret": None}, "post does not go without a secret"),
        ({"client_auth": "none"}, "none does not go with a client_secret; take one of them out"),
        ({"scope": "a  b"}, "one space between"),
        ({"scope": ["a b", 'c"']}, "without quotes"),
        ({"scope": [1]}, "valid string"),
        ({"parameters": {"grant_type": "x"}}, "grant_type is sent anyway"),
        ({"parameters": {"scope": "x"}}, "scope is sent anyway"),
        ({"parameters": {"": "x"}}, "at least 1"),
        ({"parameters": {"audience": "{{ X }}"}}, "{{ X }} has no value"),
        ({"token_type": "a b"}, "pattern"),
        ({"timeout": "0s"}, "greater than 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(**given)
    assert message in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_secret_from_a_file_may_end_with_a_line_break() -> None:
    assert settings(client_secret="s3cret\n").client_secret == Secret("s3cret")


@pytest.mark.parametrize(
    ("given", "proof"),
    [({}, "basic"), ({"client_auth": "post"}, "post"), ({"client_secret": None}, "none")],
)
def test_a_client_with_a_secret_uses_a_header_by_default(given: dict[str, Any], proof: str) -> None:
    assert settings(**given).proof == proof
