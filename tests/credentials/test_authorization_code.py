"""A person signs in once, and refresh tokens bring the rest."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError

from proxy.core.errors import FetchError, LoginRequiredError, Reason
from proxy.core.secret import Secret
from proxy.core.token import Token
from proxy.credentials.authorization_code import AuthorizationCode, AuthorizationCodeSettings
from proxy.credentials.sign_in import Arrival, Departure, Errand, SignInError
from proxy.injectors import inject_all, make_injector
from proxy.net.endpoint import Endpoint
from tests.compliance.credentials import CredentialCompliance
from tests.fakes.authorization_server import CLIENT, SECRET
from tests.fakes.clock import FakeClock
from tests.fakes.sign_in_server import SignInServer
from tests.fakes.token_server import TokenServer
from tests.fakes.until import PATIENCE, until

BACK = "https://proxy.example/.countersign/callback"
ERRAND = Errand("the-state", BACK)


class TestAuthorizationCode(CredentialCompliance):
    word: ClassVar[str] = "authorization_code"
    secret: ClassVar[str] = "s3cret-of-the-client"

    def settings(self, server: TokenServer) -> dict[str, Any]:
        addresses = {"token_url": server.url, "authorization_url": "https://login.example/authorize"}
        return {**addresses, "client_id": "me", "client_secret": self.secret, "allow_plain_http": True}

    @staticmethod
    def before() -> Token:
        return Token(Secret("used-up"), 0.0, variables={"refresh_token": Secret("refresh-1")})

    async def test_a_token_is_new_and_dated(self) -> None:
        async with self.made() as (credential, server):
            token = await credential.fetch(self.before())
            assert (token.generation, token.issued_at) == (0, server.clock.now())
            assert token.expires_at is not None
            assert token.expires_at > server.clock.now()

    async def test_fetching_again_renews_what_is_renewable(self) -> None:
        async with self.made() as (credential, _):
            first = await credential.fetch(self.before())
            assert (await credential.fetch(first)).value != first.value

    async def test_a_token_can_stand_where_it_goes_by_default(self) -> None:
        async with self.made() as (credential, _):
            token = await credential.fetch(self.before())
            assert (
                token.value.reveal().encode() in inject_all(map(make_injector, credential.settings.inject), token).lines
            )

    async def test_nothing_secret_is_printed(self) -> None:
        async with self.made() as (credential, _):
            token = await credential.fetch(self.before())
            departure = await credential.begin(ERRAND)  # type: ignore[attr-defined]
            kept = [value.reveal() for value in departure.kept.values()]
            printed = f"{token!r} {credential.settings!r} {credential!r} {departure!r} {ERRAND!r}"
            for secret in (self.secret, token.value.reveal(), "refresh-1", "the-state", *kept):
                assert secret not in printed

    def test_its_settings_know_whether_it_has_a_lineage(self) -> None:
        assert self.parsed(TokenServer()).spends
        assert not self.parsed(TokenServer()).starts_over

    def test_what_people_brought_stays_good_under_other_settings(self) -> None:
        def brought(**more: Any) -> Any:
            clock = FakeClock()
            settings: Any = self.parsed(TokenServer(), **more)
            return AuthorizationCode("any", settings, Endpoint(clock), clock).brought

        assert brought() == brought(scope="more", client_secret="new", inject=[{"kind": "query", "name": "key"}])
        assert brought() != brought(client_id="another")
        assert self.secret not in repr(brought())


class Bench:
    """A provider, and a client of it."""

    def __init__(self, server: SignInServer) -> None:
        self.server = server
        self.clock: Any = server.clock
        self.endpoint = Endpoint(self.clock, jitter=lambda: 0.0)
        self.credential = self.made()

    def made(self, **more: Any) -> AuthorizationCode:
        given = {"client_id": CLIENT, "client_secret": SECRET, "allow_plain_http": True, "scope": "openid read"}
        addresses = {} if "token_url" in more else {"issuer": self.server.issuer}
        settings = AuthorizationCodeSettings.model_validate(
            {"kind": "authorization_code", **addresses, **given, **more}
        )
        return AuthorizationCode("drive", settings, self.endpoint, self.clock)

    async def arrive(self, credential: AuthorizationCode | None = None, **changed: str | None) -> Arrival:
        """Go all the way; `changed` are parameters of the provider's answer."""
        credential = credential or self.credential
        departure = await credential.begin(ERRAND)
        async with asyncio.timeout(PATIENCE):  # a code that is sent again would wait for the clock
            return await credential.arrive(ERRAND, departure.kept, self.answer(departure, **changed))

    def answer(self, departure: Departure, **changed: str | None) -> Mapping[str, str]:
        back = parse_qs(urlsplit(self.server.consent(departure.address, **changed)).query)
        return {name: values[0] for name, values in back.items() if name != "state"}


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with SignInServer(FakeClock()) as server:
        bench = Bench(server)
        yield bench
        await bench.endpoint.close()


async def test_the_person_is_sent_with_all_that_ties_the_answer_to_this_sign_in(bench: Bench) -> None:
    first, second = [await bench.credential.begin(ERRAND) for _ in range(2)]
    said = {name: values[0] for name, values in parse_qs(urlsplit(first.address).query).items()}
    assert first.address.startswith(f"{bench.server.base}/authorize?")
    assert said["redirect_uri"] == BACK
    assert (said["state"], said["response_type"], said["scope"]) == ("the-state", "code", "openid read")
    assert said["code_challenge_method"] == "S256"
    assert len(said["code_challenge"]) == 43
    assert said["nonce"] == first.kept["nonce"].reveal()
    assert first.kept["verifier"].reveal() not in first.address
    assert len(first.kept["verifier"].reveal()) >= 43
    assert first.kept != second.kept


async def test_more_parameters_go_where_they_are_wanted(bench: Bench) -> None:
    credential = bench.made(
        parameters={"prompt": "consent", "resource": ["https://a.example", "https://b.example"]},
        token_parameters={"resource": "https://a.example"},
    )
    said = parse_qs(urlsplit((await credential.begin(ERRAND)).address).query)
    assert (said["prompt"], said["resource"]) == (["consent"], ["https://a.example", "https://b.example"])
    await bench.arrive(credential)
    form = bench.server.visits[0].form
    assert form["resource"] == "https://a.example"
    assert not {"prompt", "scope"} & form.keys()


async def test_without_openid_no_nonce_is_sent_and_nobody_is_named(bench: Bench) -> None:
    credential = bench.made(scope="read")
    assert "nonce" not in (await credential.begin(ERRAND)).address
    assert (await bench.arrive(credential)).id_token is None


async def test_a_code_brings_the_token_the_refresh_token_and_who_signed_in(bench: Bench) -> None:
    arrival = await bench.arrive()
    assert bench.server.is_valid(arrival.token.value.reveal())
    assert arrival.token.variables == {"refresh_token": Secret(bench.server.chains[0].newest)}
    assert arrival.id_token is not None
    assert (arrival.id_token.issuer, arrival.id_token.audience) == (bench.server.issuer, CLIENT)
    assert arrival.id_token.jwks_url == f"{bench.server.base}/jwks"
    following = await bench.credential.fetch(arrival.token)
    assert bench.server.is_valid(following.value.reveal())
    assert set(following.variables) == {"refresh_token"}


async def test_a_provider_that_does_not_say_who_signed_in_though_it_should_is_not_believed(bench: Bench) -> None:
    bench.server.sign = lambda claims: None  # type: ignore[assignment,return-value]
    with pytest.raises(SignInError) as caught:
        await bench.arrive()
    assert caught.value.reason == "wrong_id_token"


async def test_a_code_is_sent_once_whatever_comes_of_it(bench: Bench) -> None:
    bench.server.knobs.lost = 1
    with pytest.raises(FetchError) as caught:
        await bench.arrive()
    assert caught.value.reason is Reason.NETWORK
    bench.server.knobs.status = 503
    with pytest.raises(FetchError):
        await bench.arrive()
    assert bench.server.count == 2


async def test_a_code_that_was_not_heeded_is_sent_again(bench: Bench) -> None:
    bench.server.knobs.status, bench.server.knobs.failures = 429, 1
    arriving = asyncio.create_task(bench.arrive())
    await until(lambda: bench.clock.sleepers)
    await bench.clock.advance(seconds=1)
    arrival = await arriving
    assert bench.server.is_valid(arrival.token.value.reveal())
    assert bench.server.count == 2


async def test_what_follows_needs_a_refresh_token_or_a_person(bench: Bench) -> None:
    credential = bench.credential
    assert credential.lacks(TestAuthorizationCode.before()) is None
    for nothing in (None, Token(Secret("t"), 0.0)):
        lack = credential.lacks(nothing)
        assert isinstance(lack, LoginRequiredError)
        assert lack.members == {"credential": "drive"}
        with pytest.raises(FetchError) as caught:
            await credential.fetch(nothing)
        assert (caught.value.reason, caught.value.asked) == (Reason.NO_REFRESH_TOKEN, False)
    assert "POST /api/v1/credentials/drive/login" in str(bench.made(per_user=False).lacks(None))


async def test_a_refresh_that_fails_keeps_what_its_reply_brought_and_no_word_of_the_person(bench: Bench) -> None:
    arrival = await bench.arrive()
    bench.server.knobs.members = {"access_token": None, "id_token": "a.b.c"}
    with pytest.raises(FetchError) as caught:
        await bench.credential.fetch(arrival.token)
    assert set(caught.value.variables) == {"refresh_token"}


async def test_tokens_are_given_back_the_refresh_token_first(bench: Bench) -> None:
    token = (await bench.arrive()).token
    assert await bench.credential.give_back(token)
    sent = [(one["token"], one["token_type_hint"]) for one in bench.server.revocations]
    assert sent == [
        (token.variables["refresh_token"].reveal(), "refresh_token"),
        (token.value.reveal(), "access_token"),
    ]


async def test_a_provider_that_takes_nothing_back_is_a_failure_or_offers_nothing(bench: Bench) -> None:
    token = (await bench.arrive()).token
    bench.server.revocation_status = 400
    with pytest.raises(FetchError):
        await bench.credential.give_back(token)
    bench.server.knobs.metadata["revocation_endpoint"] = None
    assert not await bench.made().give_back(token)


async def test_once_the_refresh_token_is_taken_back_the_other_one_may_go_by_itself(bench: Bench) -> None:
    token = (await bench.arrive()).token
    bench.server.refuses_to_revoke = {"access_token"}
    assert await bench.credential.give_back(token)
    with pytest.raises(FetchError):
        await bench.credential.give_back(replace(token, variables={}))


async def test_where_to_give_back_is_what_is_written_down_and_not_what_the_issuer_says(bench: Bench) -> None:
    bench.server.knobs.metadata["revocation_endpoint"] = f"{bench.server.base}/elsewhere"
    token = (await bench.arrive()).token
    with pytest.raises(FetchError):
        await bench.made().give_back(token)
    assert await bench.made(revocation_url=f"{bench.server.base}/revoke").give_back(token)


async def test_a_provider_without_metadata_is_described_by_its_addresses(bench: Bench) -> None:
    base = bench.server.base
    credential = bench.made(
        token_url=bench.server.url,
        authorization_url=f"{base}/authorize?tenant=7",
        revocation_url=f"{base}/revoke",
        scope="read",
        service="The Drive",
        callback="own",
    )
    assert (credential.service, credential.own_callback) == ("The Drive", True)
    departure = await credential.begin(ERRAND)
    assert departure.address.startswith(f"{base}/authorize?tenant=7&response_type=code&")
    arrival = await bench.arrive(credential, iss=None)
    assert await credential.give_back(arrival.token)
    assert bench.server.metadata_requests == []


async def test_an_issuer_that_does_not_say_where_to_sign_in_is_told_of(bench: Bench) -> None:
    bench.server.knobs.metadata["authorization_endpoint"] = "ftp://nowhere"
    with pytest.raises(SignInError) as caught:
        await bench.credential.begin(ERRAND)
    assert caught.value.reason == "misconfigured"


ADDRESSES = {"token_url": "https://a.example/t", "authorization_url": "https://a.example/a"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"token_url": "https://a.example/t"}, "go together"),
        ({"issuer": "https://a.example", "authorization_url": "https://a.example/a"}, "go together"),
        (ADDRESSES | {"scope": ["openid", "read"]}, "checked against its `issuer`"),
        (ADDRESSES | {"authorization_url": "http://a.example/a"}, "authorization_url is not https"),
        (ADDRESSES | {"revocation_url": "http://a.example/r"}, "revocation_url is not https"),
        (ADDRESSES | {"parameters": {"state": "x"}}, "state is sent anyway"),
        (ADDRESSES | {"parameters": {"code_challenge_method": "plain"}}, "code_challenge_method is sent anyway"),
        (ADDRESSES | {"parameters": {"response_mode": "form_post"}}, "form_post is not understood"),
        (ADDRESSES | {"token_parameters": {"code": "x"}}, "code is sent anyway"),
        (ADDRESSES | {"client_id": ""}, "client_id"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        AuthorizationCodeSettings.model_validate({"kind": "authorization_code", "client_id": "me", **given})


def test_access_is_each_users_own_unless_said_otherwise() -> None:
    settings = AuthorizationCodeSettings.model_validate({"kind": "authorization_code", "client_id": "me", **ADDRESSES})
    assert settings.per_user
    assert settings.signs_in
