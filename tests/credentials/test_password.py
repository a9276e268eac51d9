"""Tokens that a user's name and password bring, and the refresh tokens that spare the password."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from proxy.core.errors import Reason
from proxy.core.secret import Secret
from proxy.core.symptom import TokenRequestError
from proxy.core.token import Token
from proxy.credentials.password import Password, PasswordSettings
from proxy.net.endpoint import Endpoint
from tests.compliance.credentials import CredentialCompliance
from tests.fakes.authorization_server import CLIENT, SECRET, USER, AuthorizationServer
from tests.fakes.clock import FakeClock
from tests.fakes.token_server import TokenServer


class TestPassword(CredentialCompliance):
    word: ClassVar[str] = "password"
    secret: ClassVar[str] = "s3cret-of-ada"
    other_beginning: ClassVar[Mapping[str, Any]] = {"password": "another"}
    same_lineage: ClassVar[Sequence[Mapping[str, Any]]] = ({"scope": "a"}, {"client_id": "me", "client_secret": "x"})

    def settings(self, server: TokenServer) -> dict[str, Any]:
        user = {"username": "ada", "password": self.secret}
        return {"token_url": server.url, "client_id": "me", "allow_plain_http": True, **user}

    def test_without_refresh_tokens_each_fetch_stands_alone(self) -> None:
        assert self.parsed(TokenServer(), use_refresh_token=False).spends is False
        assert self.lineage(use_refresh_token=False) is None

    def test_with_refresh_tokens_it_can_begin_anew_nevertheless(self) -> None:
        settings = self.parsed(TokenServer())
        assert settings.spends
        assert settings.starts_over


class Bench:
    """A provider that knows the user, and the user's credential."""

    def __init__(self, server: AuthorizationServer) -> None:
        self.server = server
        self.clock = server.clock
        self.endpoint = Endpoint(self.clock)
        self.credential = self.made()

    def made(self, **more: Any) -> Password:
        """Return the credential with other settings."""
        username, password = USER
        given = {"token_url": self.server.url, "client_id": CLIENT, "client_secret": SECRET, "allow_plain_http": True}
        settings = PasswordSettings.model_validate(
            {"kind": "password", "username": username, "password": password, **given, **more}
        )
        return Password("main", settings, self.endpoint, self.clock)

    @property
    def asked(self) -> list[tuple[str, str]]:
        """What the provider was asked, and what became of it, in order."""
        return [(visit.grant, visit.outcome) for visit in self.server.visits]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with AuthorizationServer(FakeClock()) as server:
        bench = Bench(server)
        yield bench
        await bench.endpoint.close()


async def test_the_password_comes_first_and_refresh_tokens_follow(bench: Bench) -> None:
    token: Token | None = None
    for _ in range(3):
        token = await bench.credential.fetch(token)
        assert bench.server.is_valid(token.value.reveal())
        assert token.variables == {"refresh_token": Secret(bench.server.chains[0].newest)}
    assert bench.asked == [("password", "issued"), ("refresh_token", "issued"), ("refresh_token", "issued")]
    assert not any("password" in visit.form for visit in bench.server.visits[1:])


async def test_a_refresh_token_that_is_refused_is_followed_by_the_password(bench: Bench) -> None:
    token = await bench.credential.fetch(None)
    bench.server.revoke_chain(bench.server.chains[0].newest)
    token = await bench.credential.fetch(token)
    assert bench.server.is_valid(token.value.reveal())
    assert token.variables == {"refresh_token": Secret(bench.server.chains[1].newest)}
    assert bench.asked[1:] == [("refresh_token", "unknown"), ("password", "issued")]


async def test_a_provider_that_fails_is_not_sent_the_password(bench: Bench) -> None:
    token = await bench.credential.fetch(None)
    bench.server.knobs.status = 503
    with pytest.raises(TokenRequestError) as caught:
        await bench.credential.fetch(token)
    assert caught.value.reason is Reason.PROVIDER_5XX
    assert bench.asked[1:] == [("refresh_token", "failed")]


async def test_a_provider_without_refresh_tokens_is_sent_the_password_each_time(bench: Bench) -> None:
    bench.server.knobs.rotates = False
    await bench.credential.fetch(await bench.credential.fetch(None))
    assert bench.asked == [("password", "issued")] * 2


async def test_refresh_tokens_may_be_left_alone(bench: Bench) -> None:
    credential = bench.made(use_refresh_token=False)
    token = await credential.fetch(await credential.fetch(None))
    assert token.value
    assert bench.asked == [("password", "issued")] * 2


async def test_a_wrong_password_is_a_lasting_failure(bench: Bench) -> None:
    with pytest.raises(TokenRequestError) as caught:
        await bench.made(password="wrong-password").fetch(None)
    assert (caught.value.reason, caught.value.permanent) == (Reason.INVALID_GRANT, True)
    assert "wrong-password" not in str(caught.value)


async def test_a_user_may_ask_without_a_client(bench: Bench) -> None:
    await bench.made(client_id=None, client_secret=None).fetch(None)
    assert set(bench.server.visits[0].form) == {"grant_type", "username", "password"}


@pytest.mark.parametrize(
    ("given", "message"),
    [({"username": ""}, "at least 1"), ({"password": ""}, "is empty"), ({"parameters": {"password": "x"}}, "anyway")],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PasswordSettings.model_validate(
            {"kind": "password", "token_url": "https://a.example/t", "username": "ada", "password": "p", **given}
        )
