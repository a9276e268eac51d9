"""Where tokens are to be had is what the issuer itself says, and nobody else."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from proxy.core.errors import Reason
from proxy.core.message import Reply
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.credentials.client_credentials import ClientCredentials, ClientCredentialsSettings
from proxy.credentials.discovery import SHORTEST, well_known
from proxy.credentials.refresh_token import RefreshToken, RefreshTokenSettings
from proxy.net.endpoint import Endpoint, EndpointRequest
from tests.fakes import keys
from tests.fakes.authorization_server import CLIENT, SECRET, AuthorizationServer
from tests.fakes.certificates import Authority
from tests.fakes.clock import FakeClock, HurriedClock

OPENID = "/.well-known/openid-configuration"
RFC8414 = "/.well-known/oauth-authorization-server"


class Bench:
    """An issuer, and a client that knows nothing but its name."""

    def __init__(self, server: AuthorizationServer, clock: FakeClock) -> None:
        self.server = server
        self.clock = clock
        self.endpoint = Endpoint(clock)
        self.credential = self.made()

    def made(self, **given: Any) -> ClientCredentials:
        """Return the client with other settings."""
        base = {"kind": "client_credentials", "client_id": CLIENT, "client_secret": SECRET, "allow_plain_http": True}
        every = base | {"issuer": self.server.issuer} | given
        settings = ClientCredentialsSettings.model_validate(
            {name: value for name, value in every.items() if value is not None}
        )
        return ClientCredentials("main", settings, self.endpoint, self.clock)

    async def works(self) -> bool:
        """Fetch a token."""
        return self.server.is_valid((await self.credential.fetch(None)).value.reveal())

    async def failure(self, **metadata: Any) -> TokenRequestError:
        """Return why there is no token when the metadata are these."""
        self.server.knobs.metadata = metadata
        with pytest.raises(TokenRequestError) as caught:
            await self.credential.fetch(None)
        return caught.value


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    clock = FakeClock()
    async with AuthorizationServer(clock) as server:
        bench = Bench(server, clock)
        yield bench
        await bench.endpoint.close()


def test_metadata_stand_where_two_standards_have_them() -> None:
    assert list(well_known("https://id.example")) == [f"https://id.example{OPENID}", f"https://id.example{RFC8414}"]
    assert list(well_known("https://id.example/a/b/")) == [
        f"https://id.example/a/b{OPENID}",
        f"https://id.example{RFC8414}/a/b",
    ]


@pytest.mark.parametrize("place", [OPENID, RFC8414])
async def test_either_of_them_will_do(bench: Bench, place: str) -> None:
    bench.server.knobs.metadata_at = place
    assert await bench.works()
    assert bench.server.metadata_requests == [OPENID, RFC8414][: 1 + (place == RFC8414)]


@pytest.mark.parametrize("place", [f"/tenant{OPENID}", f"{RFC8414}/tenant"])
async def test_an_issuer_may_have_a_path(bench: Bench, place: str) -> None:
    issuer = f"{bench.server.base}/tenant"
    bench.server.knobs.metadata_at, bench.server.knobs.metadata = place, {"issuer": issuer}
    bench.credential = bench.made(issuer=issuer)
    assert await bench.works()


async def test_it_is_asked_once_an_hour(bench: Bench) -> None:
    assert await bench.works()
    await bench.clock.advance(seconds=3599)
    assert await bench.works()
    assert len(bench.server.metadata_requests) == 1
    await bench.clock.advance(seconds=1)
    assert await bench.works()
    assert len(bench.server.metadata_requests) == 2


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("max-age=600", 600),
        ("public, max-age=600", 600),
        ("max-age=1", 60),
        ("max-age=999999999", 86_400),
        ("no-store", 3600),
        ('max-age="120"', 120),
        ("max-age=soon", 3600),
    ],
)
async def test_or_as_often_as_it_says_within_reason(bench: Bench, given: str, seconds: int) -> None:
    bench.server.knobs.metadata_headers = {"Cache-Control": given}
    await bench.works()
    await bench.clock.advance(seconds=seconds - 1)
    await bench.works()
    assert len(bench.server.metadata_requests) == 1
    await bench.clock.advance(seconds=1)
    await bench.works()
    assert len(bench.server.metadata_requests) == 2


async def test_who_asks_meanwhile_waits_for_the_one_answer(bench: Bench) -> None:
    tokens = await asyncio.gather(*(bench.credential.fetch(None) for _ in range(5)))
    assert len({token.value.reveal() for token in tokens}) == 5
    assert len(bench.server.metadata_requests) == 1


async def test_an_endpoint_that_has_moved_is_found(bench: Bench) -> None:
    assert await bench.works()
    bench.server.knobs.moved = True
    assert await bench.works()
    assert await bench.works()
    assert len(bench.server.metadata_requests) == 2


async def test_an_endpoint_that_has_gone_is_looked_for_once_a_fetch(bench: Bench) -> None:
    bench.server.knobs.metadata = {"token_endpoint": f"{bench.server.base}/nowhere"}
    with pytest.raises(TokenRequestError) as caught:
        await bench.credential.fetch(None)
    assert caught.value.symptom is Symptom.NOT_FOUND
    assert len(bench.server.metadata_requests) == 2


class Scripted(Endpoint):
    """Fails as it is told to, for an issuer only."""

    symptom: Symptom | None = None

    async def call(self, request: EndpointRequest) -> Reply:
        if self.symptom and request.method == "GET":
            raise TokenRequestError(self.symptom, "the issuer does not answer")
        reply = await super().call(request)
        return replace(reply, body=b'["s3cret"]') if request.url.endswith("/list" + OPENID) else reply


@pytest.mark.parametrize(
    ("symptom", "counts"), [(Symptom.CONNECT, True), (Symptom.PROVIDER, True), (Symptom.CLIENT_ERROR, False)]
)
async def test_what_is_known_counts_while_the_issuer_cannot_be_asked(
    bench: Bench, symptom: Symptom, *, counts: bool
) -> None:
    bench.endpoint = scripted = Scripted(bench.clock)
    bench.credential = bench.made()
    assert await bench.works()
    await bench.clock.advance(hours=2)
    scripted.symptom = symptom
    if counts:
        assert await bench.works()
    else:
        assert (await bench.failure()).symptom is symptom
    scripted.symptom = None
    await bench.clock.advance(seconds=SHORTEST)
    assert await bench.works()
    assert len(bench.server.metadata_requests) == 2


class Hanging(Endpoint):
    """Counts the questions to an issuer, which does not answer them while it hangs."""

    hangs = False
    questions = 0

    async def ask(self, request: EndpointRequest) -> Reply:
        if request.method != "GET":
            return await super().ask(request)
        self.questions += 1
        if self.hangs:
            raise TokenRequestError(Symptom.TIMEOUT, "the issuer does not answer")
        return await super().ask(request)


async def test_an_issuer_that_hangs_is_asked_once_a_minute_while_something_is_known(bench: Bench) -> None:
    bench.endpoint = hanging = Hanging(bench.clock)
    bench.credential = bench.made()
    assert await bench.works()
    await bench.clock.advance(hours=2)
    hanging.hangs, hanging.questions = True, 0
    for _ in range(3):
        assert await bench.works()
    assert hanging.questions == 1
    await bench.clock.advance(seconds=SHORTEST)
    assert await bench.works()
    assert hanging.questions == 2


@pytest.mark.parametrize("spends", [True, False])
async def test_a_fetch_that_spends_asks_no_issuer_twice(bench: Bench, *, spends: bool) -> None:
    hanging = Hanging(HurriedClock())
    hanging.hangs = True
    bench.endpoint = hanging
    own = {"client_id": CLIENT, "client_secret": SECRET, "allow_plain_http": True, "issuer": bench.server.issuer}
    spending = RefreshTokenSettings.model_validate({"kind": "refresh_token", "refresh_token": "planted-first", **own})
    made = RefreshToken("main", spending, hanging, bench.clock) if spends else bench.made()
    with pytest.raises(TokenRequestError):
        await made.fetch(None)
    assert hanging.questions == (1 if spends else 3)


SIGNED = {"client_secret": None, "client_auth": "private_key_jwt", "client_assertion": {"key": keys.pem("p256")}}
FIXED = {"issuer": None, "token_url": "https://a.example/token"}


@pytest.mark.parametrize(("given", "longest"), [({}, 60.0), (SIGNED, 60.0), (FIXED, 10.0), (FIXED | SIGNED, 20.0)])
async def test_the_longest_try_counts_looking_for_the_endpoint_twice(
    bench: Bench, given: dict[str, Any], longest: float
) -> None:
    assert bench.made(**given).longest_try == longest


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"issuer": "https://elsewhere.example"}, "name another one, https://elsewhere.example;"),
        ({"issuer": "https://elsewhere.example/?s3cret=1\n"}, "name another one;"),
        ({"issuer": None}, "name another one;"),
        ({"issuer": 7}, "name another one;"),
        ({"token_endpoint": None}, "name no `token_endpoint`"),
        ({"token_endpoint": "/token"}, "is no address"),
        ({"token_endpoint": "https://me:s3cret@a.example/t"}, "is no address"),
        ({"token_endpoint": ["s3cret"]}, "name no `token_endpoint`"),
    ],
)
async def test_what_an_issuer_may_not_say_is_not_believed(bench: Bench, metadata: dict[str, Any], message: str) -> None:
    error = await bench.failure(**metadata)
    assert (error.symptom, error.reason) == (Symptom.DISCOVERY, Reason.MALFORMED_RESPONSE)
    assert message in str(error)
    assert "check `issuer`" in str(error)
    assert "s3cret" not in str(error)
    assert bench.server.count == 0


async def test_a_slash_more_is_another_issuer(bench: Bench) -> None:
    bench.credential = bench.made(issuer=f"{bench.server.issuer}/")
    assert f"name another one, {bench.server.issuer};" in str(await bench.failure())


async def test_a_token_endpoint_without_tls_is_not_asked(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    clock = FakeClock()
    async with AuthorizationServer(clock, tls=authority.server("127.0.0.1")) as server:
        bench = Bench(server, clock)
        bench.credential = bench.made(allow_plain_http=False, tls={"ca": str(authority.file)})
        assert await bench.works()
        bench.credential = bench.made(allow_plain_http=False, tls={"ca": str(authority.file)})
        error = await bench.failure(token_endpoint="http://127.0.0.1:1/token")
        await bench.endpoint.close()
        assert "is not https" in str(error)


@pytest.mark.parametrize("auth", [{"client_auth": "mtls", "client_secret": None}, {}])
async def test_a_client_with_a_certificate_is_sent_to_the_endpoint_for_those(
    tmp_path: Path, auth: dict[str, Any]
) -> None:
    authority = Authority(tmp_path)
    shown = authority.client()
    (tmp_path / "client.pem").write_bytes(shown.chain + shown.key)
    tls = {"ca": str(authority.file), "certificate": str(tmp_path / "client.pem")}
    clock = FakeClock()
    async with AuthorizationServer(clock, tls=authority.server("127.0.0.1", asks=True)) as server:
        server.certified.add(CLIENT)
        server.knobs.metadata = {
            "token_endpoint": "https://127.0.0.1:1/token",
            "mtls_endpoint_aliases": {"token_endpoint": server.elsewhere},
        }
        bench = Bench(server, clock)
        bench.credential = bench.made(tls=tls, **auth)
        assert await bench.works()
        await bench.endpoint.close()
        assert server.requests[0].path_qs == "/elsewhere"


async def test_an_issuer_without_metadata_is_said_to_have_none(bench: Bench) -> None:
    bench.server.knobs.metadata_at = "/nowhere"
    error = await bench.failure()
    assert error.symptom is Symptom.DISCOVERY
    assert "the issuer has no metadata: GET 127.0.0.1" in str(error)
    assert bench.server.metadata_requests == [OPENID, RFC8414]


async def test_an_issuer_that_fails_is_a_provider_that_fails(bench: Bench) -> None:
    bench.server.knobs.metadata_status = 503
    bench.server.knobs.metadata_headers = {"Retry-After": "3600"}
    error = await bench.failure()
    assert (error.symptom, error.permanent) == (Symptom.PROVIDER, False)


async def test_an_assertion_is_for_the_issuer_that_is_named(bench: Bench) -> None:
    bench.server.client_keys[CLIENT] = keys.key("p256").public_key()
    bench.credential = bench.made(client_secret=None, client_assertion={"key": keys.pem("p256")})
    assert await bench.works()
    assert bench.server.judge.accepted[0]["aud"] == bench.server.issuer


@pytest.mark.parametrize(
    ("methods", "told"),
    [
        (["client_secret_post"], "this credential has client_auth: basic, and the issuer knows post"),
        (["private_key_jwt", "client_secret_post"], "the issuer knows post and private_key_jwt"),
        (["client_secret_basic"], ""),
        (["s3cret"], ""),
        ("s3cret", ""),
        (None, ""),
    ],
)
async def test_how_clients_prove_themselves_is_told_and_never_changed(bench: Bench, methods: Any, told: str) -> None:
    bench.credential = bench.made(client_secret="wrong-secret")
    error = await bench.failure(token_endpoint_auth_methods_supported=methods)
    assert error.symptom is Symptom.INVALID_CLIENT
    assert told in error.sentence
    assert ("client_auth" in error.sentence) is bool(told)
    assert "s3cret" not in str(error)
    assert [visit.proof for visit in bench.server.visits] == ["basic"]


async def test_a_method_that_is_not_listed_is_used_all_the_same(bench: Bench) -> None:
    bench.server.knobs.metadata = {"token_endpoint_auth_methods_supported": ["private_key_jwt"]}
    assert await bench.works()


async def test_metadata_that_are_no_object_are_none(bench: Bench) -> None:
    bench.endpoint = Scripted(bench.clock)
    bench.server.knobs.metadata_at = f"/list{OPENID}"
    bench.credential = bench.made(issuer=f"{bench.server.base}/list")
    error = await bench.failure()
    assert error.symptom is Symptom.DISCOVERY
    assert "no JSON object" in str(error)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"issuer": None}, "give either token_url or issuer"),
        ({"token_url": "https://auth.example/t"}, "give either token_url or issuer, not both"),
        ({"issuer": "https://id.example?x=1"}, "an issuer has no query"),
        ({"issuer": f"https://id.example{OPENID}"}, "without `/.well-known/`"),
        ({"issuer": "http://id.example", "allow_plain_http": False}, "issuer is not https"),
        ({"issuer": "id.example"}, "whole address"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Bench(AuthorizationServer(), FakeClock()).made(**given)
    assert message in str(caught.value)
