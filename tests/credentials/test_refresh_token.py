"""Tokens that refresh tokens bring, and refresh tokens that are never spent twice by mistake."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from proxy.core.errors import Reason
from proxy.core.secret import Secret
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.credentials.refresh_token import RefreshToken, RefreshTokenSettings
from proxy.net.endpoint import Endpoint
from tests.compliance.credentials import CredentialCompliance
from tests.fakes import keys
from tests.fakes.authorization_server import CLIENT, SECRET, AuthorizationServer
from tests.fakes.clock import HurriedClock
from tests.fakes.token_server import TokenServer


class TestRefreshToken(CredentialCompliance):
    word: ClassVar[str] = "refresh_token"
    secret: ClassVar[str] = "s3cret-of-the-grant"
    other_beginning: ClassVar[Mapping[str, Any]] = {"refresh_token": "another-first-one"}
    same_lineage: ClassVar[Sequence[Mapping[str, Any]]] = (
        {"scope": ["a", "b"]},
        {"client_secret": "another-secret"},
        {"parameters": {"audience": "api"}, "timeout": "1s"},
    )

    def settings(self, server: TokenServer) -> dict[str, Any]:
        return {
            "token_url": server.url,
            "client_id": "me",
            "client_secret": f"{self.secret}-too",
            "refresh_token": self.secret,
            "allow_plain_http": True,
        }

    def test_another_client_or_endpoint_is_another_lineage(self) -> None:
        lineages = {self.lineage(), self.lineage(client_id="you"), self.lineage(token_url="https://auth.example/t")}
        assert len(lineages) == 3


class Bench:
    """A server with a grant, and the credential that it was given to."""

    def __init__(self, server: AuthorizationServer, clock: HurriedClock) -> None:
        self.server = server
        self.clock = clock
        self.first = server.grant()
        self.endpoint = Endpoint(clock, jitter=lambda: 0.0)
        self.credential = self.made()

    def made(self, **more: Any) -> RefreshToken:
        """Return the credential with more settings."""
        settings = RefreshTokenSettings.model_validate(
            {
                "kind": "refresh_token",
                "token_url": self.server.url,
                "client_id": CLIENT,
                "client_secret": SECRET,
                "refresh_token": self.first,
                "allow_plain_http": True,
                **more,
            }
        )
        return RefreshToken("main", settings, self.endpoint, self.clock)

    async def failure(self) -> TokenRequestError:
        """Fetch in vain; nothing of it is shown."""
        with pytest.raises(TokenRequestError) as caught:
            await self.credential.fetch(None)
        assert self.first not in str(caught.value)
        return caught.value


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with AuthorizationServer() as server:
        bench = Bench(server, HurriedClock())
        yield bench
        await bench.endpoint.close()


async def test_each_fetch_spends_what_the_one_before_it_brought(bench: Bench) -> None:
    token = None
    for _ in range(4):
        token = await bench.credential.fetch(token)
        assert bench.server.is_valid(token.value.reveal())
        assert token.variables == {"refresh_token": Secret(bench.server.chains[0].newest)}
    sent = [visit.form["refresh_token"] for visit in bench.server.visits]
    assert sent == bench.server.chains[0].refresh_tokens[:4]
    assert sent[0] == bench.first


async def test_without_a_new_one_the_old_one_is_kept(bench: Bench) -> None:
    bench.server.knobs.rotates = False
    token = await bench.credential.fetch(await bench.credential.fetch(None))
    assert token.variables == {"refresh_token": Secret(bench.first)}


async def test_an_empty_new_one_is_none(bench: Bench) -> None:
    bench.server.knobs.members = {"refresh_token": ""}
    assert (await bench.credential.fetch(None)).variables == {"refresh_token": Secret(bench.first)}


async def test_a_grant_that_has_ended_is_a_lasting_failure(bench: Bench) -> None:
    bench.server.revoke_chain(bench.first)
    error = await bench.failure()
    assert (error.reason, error.permanent, error.variables) == (Reason.INVALID_GRANT, True, {})
    assert len(bench.server.visits) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_server_that_fails_is_not_asked_again_with_the_same_one(bench: Bench, status: int) -> None:
    bench.server.knobs.status = status
    assert (await bench.failure()).reason is Reason.PROVIDER_5XX
    assert len(bench.server.visits) == 1


async def test_an_answer_that_was_lost_is_not_asked_for_again(bench: Bench) -> None:
    bench.server.knobs.lost = 1
    error = await bench.failure()
    assert (error.symptom, error.unheeded) == (Symptom.BROKEN_OFF, False)
    assert bench.server.counts == {("refresh_token", "issued"): 1}
    assert bench.server.is_alive(bench.first)


async def test_an_answer_that_does_not_come_in_time_is_not_asked_for_again(bench: Bench) -> None:
    bench.server.hold_answers()
    bench.credential = bench.made(timeout="200ms")
    assert (await bench.failure()).symptom is Symptom.TIMEOUT
    assert bench.server.counts == {("refresh_token", "issued"): 1}


@pytest.mark.parametrize("status", [429, 503])
async def test_even_who_is_turned_away_unread_asks_once(bench: Bench, status: int) -> None:
    bench.server.knobs.status, bench.server.knobs.failures = status, 1
    bench.server.knobs.headers = {"Retry-After": "2"}
    error = await bench.failure()
    assert error.unheeded
    assert bench.clock.slept == []


async def test_a_server_that_is_not_reached_has_spent_nothing(bench: Bench) -> None:
    bench.credential = bench.made(token_url="http://127.0.0.1:1/token")
    error = await bench.failure()
    assert (error.symptom, error.unheeded) == (Symptom.CONNECT, True)
    assert bench.clock.slept == []


@pytest.mark.parametrize(
    ("members", "symptom"),
    [
        ({"access_token": None}, Symptom.NOT_OAUTH),
        ({"access_token": "two\nlines"}, Symptom.TOKEN_CONTROL),
        ({"token_type": "DPoP"}, Symptom.TOKEN_TYPE),
    ],
)
async def test_a_successor_that_comes_without_a_usable_token_is_not_lost(
    bench: Bench, members: dict[str, Any], symptom: Symptom
) -> None:
    bench.server.knobs.members = members
    error = await bench.failure()
    assert (error.symptom, error.reason) == (symptom, Reason.MALFORMED_RESPONSE)
    assert error.variables == {"refresh_token": Secret(bench.server.chains[0].newest)}


@pytest.mark.parametrize("value", ["", "two\nlines"])
def test_the_first_one_must_be_there_and_be_one_line(value: str) -> None:
    with pytest.raises(ValidationError) as caught:
        RefreshTokenSettings.model_validate(
            {
                "kind": "refresh_token",
                "token_url": "https://auth.example/token",
                "client_id": "me",
                "refresh_token": value,
            }
        )
    assert "lines" not in str(caught.value)


async def test_a_client_that_was_refused_for_its_clock_has_spent_nothing_and_asks_again(bench: Bench) -> None:
    bench.server.client_keys[CLIENT] = keys.key("p256").public_key()
    bench.server.knobs.date_offset = 600.0
    bench.credential = bench.made(client_secret=None, client_assertion={"key": keys.pem("p256")})
    token = await bench.credential.fetch(None)
    assert token.variables == {"refresh_token": Secret(bench.server.chains[0].newest)}
    assert [visit.outcome for visit in bench.server.visits] == ["invalid_client", "issued"]


async def test_a_grant_that_was_refused_is_not_sent_again_whatever_the_clocks_say(bench: Bench) -> None:
    bench.server.client_keys[CLIENT] = keys.key("p256").public_key()
    bench.server.knobs.headers = {"Date": "Sat, 01 Jan 2000 00:00:00 GMT"}
    bench.server.revoke_chain(bench.first)
    bench.credential = bench.made(client_secret=None, client_assertion={"key": keys.pem("p256")})
    assert (await bench.failure()).reason is Reason.INVALID_GRANT
    assert len(bench.server.visits) == 1
