"""Clients prove themselves in six ways, to an issuer that verifies each."""

import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from pydantic import ValidationError

from proxy.core.symptom import Symptom, TokenRequestError
from proxy.credentials.client_credentials import ClientCredentials, ClientCredentialsSettings
from proxy.net.endpoint import Endpoint
from tests.fakes import keys
from tests.fakes.authorization_server import CLIENT, SECRET, AuthorizationServer
from tests.fakes.certificates import Authority
from tests.fakes.clock import FakeClock, HurriedClock

METHODS = ("basic", "post", "private_key_jwt", "client_secret_jwt", "mtls", "none")


def settings(url: str, **given: Any) -> ClientCredentialsSettings:
    base = {"kind": "client_credentials", "token_url": url, "client_id": CLIENT, "allow_plain_http": True}
    return ClientCredentialsSettings.model_validate(
        {name: value for name, value in (base | given).items() if value is not None}
    )


class Bench:
    """An issuer and its clients."""

    def __init__(self, server: AuthorizationServer) -> None:
        self.server = server
        self.clock = server.clock
        self.endpoint = Endpoint(self.clock)

    def client(self, **given: Any) -> ClientCredentials:
        """Return a client."""
        return ClientCredentials("main", settings(self.server.url, **given), self.endpoint, self.clock)

    def signing(self, sort: str = "p256", **assertion: Any) -> ClientCredentials:
        """Return a client that signs."""
        self.server.client_keys[CLIENT] = keys.key(sort).public_key()
        return self.client(client_assertion={"key": keys.pem(sort), **assertion})


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with AuthorizationServer(FakeClock()) as server:
        bench = Bench(server)
        yield bench
        await bench.endpoint.close()


@pytest.mark.parametrize("algorithm", keys.ALGORITHMS)
async def test_a_client_proves_itself_with_any_key(bench: Bench, algorithm: str) -> None:
    token = await bench.signing(keys.ALGORITHMS[algorithm], algorithm=algorithm).fetch(None)
    assert bench.server.is_valid(token.value.reveal())
    [visit] = bench.server.visits
    assert visit.proof == "private_key_jwt"
    assert set(visit.form) == {"grant_type", "client_id", "client_assertion_type", "client_assertion"}
    [claims] = bench.server.judge.accepted
    assert (claims["iss"], claims["sub"], claims["aud"]) == (CLIENT, CLIENT, bench.server.url)


@pytest.mark.parametrize("algorithm", [None, "HS256", "HS384", "HS512"])
async def test_a_client_proves_itself_with_what_its_secret_signs(bench: Bench, algorithm: str | None) -> None:
    signing = None if algorithm is None else {"algorithm": algorithm}
    client = bench.client(client_auth="client_secret_jwt", client_secret=SECRET, client_assertion=signing)
    with warnings.catch_warnings(action="ignore", category=jwt.InsecureKeyLengthWarning):  # the judge's library warns
        assert (await client.fetch(None)).value
    [visit] = bench.server.visits
    assert (visit.proof, SECRET in visit.form.values()) == ("client_secret_jwt", False)
    assert bench.server.judge.headers[0]["alg"] == (algorithm or "HS256")


async def test_a_client_shows_a_certificate_and_says_its_id(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    shown = authority.client()
    (tmp_path / "client.pem").write_bytes(shown.chain + shown.key)
    tls = {"ca": str(authority.file), "certificate": str(tmp_path / "client.pem")}
    async with AuthorizationServer(FakeClock(), tls=authority.server("127.0.0.1", asks=True)) as server:
        server.certified.add(CLIENT)
        bench = Bench(server)
        token = await bench.client(client_auth="mtls", tls=tls).fetch(None)
        await bench.endpoint.close()
        assert server.is_valid(token.value.reveal())
        [visit] = server.visits
        assert (visit.proof, dict(visit.form)) == (
            "mtls",
            {"grant_type": "client_credentials", "client_id": CLIENT},
        )


async def test_an_assertion_may_be_for_another_name(bench: Bench) -> None:
    await bench.signing(aud=bench.server.issuer).fetch(None)
    assert bench.server.judge.accepted[0]["aud"] == bench.server.issuer
    with pytest.raises(TokenRequestError) as caught:
        await bench.signing(aud="https://elsewhere.example").fetch(None)
    assert caught.value.symptom is Symptom.INVALID_CLIENT


async def test_no_assertion_is_sent_twice(bench: Bench) -> None:
    bench.endpoint = Endpoint(HurriedClock())
    client = bench.signing()
    bench.server.knobs.status, bench.server.knobs.failures = 503, 2
    await client.fetch(None)
    sent = [visit.form["client_assertion"] for visit in bench.server.visits]
    assert len(set(sent)) == len(sent) == 3


@pytest.mark.parametrize("offset", [-600.0, 600.0])
async def test_a_wrong_clock_is_found_out_and_allowed_for(bench: Bench, offset: float) -> None:
    bench.server.knobs.date_offset = offset
    client = bench.signing()
    assert (await client.fetch(None)).value
    assert (await client.fetch(None)).value
    assert bench.server.counts == {("client_credentials", "invalid_client"): 1, ("client_credentials", "issued"): 2}


async def test_another_key_is_refused_once(bench: Bench) -> None:
    client = bench.signing()
    bench.server.client_keys[CLIENT] = keys.key("p256", 1).public_key()
    with pytest.raises(TokenRequestError) as caught:
        await client.fetch(None)
    assert (caught.value.symptom, len(bench.server.visits)) == (Symptom.INVALID_CLIENT, 1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"client_auth": "basic"}, "basic does not go without a secret; give one under `client_secret`"),
        ({"client_auth": "client_secret_jwt"}, "client_secret_jwt does not go without a secret"),
        ({"client_auth": "private_key_jwt"}, "private_key_jwt does not go without client_assertion.key"),
        ({"client_auth": "mtls"}, "mtls does not go without a certificate; name its file under tls.certificate"),
        ({"client_auth": "mtls", "client_secret": "s3cret"}, "mtls does not go with a client_secret"),
        ({"client_auth": "private_key_jwt", "client_secret": "s3cret"}, "private_key_jwt does not go with a"),
        ({"client_assertion": {"algorithm": "RS256"}}, "none does not go with a client_assertion"),
        ({"client_secret": "s3cret", "client_assertion": {}}, "basic does not go with a client_assertion"),
        ({"client_auth": "private_key_jwt", "client_assertion": {"key": "s3cret"}}, "no private key"),
        ({"client_assertion": {"key": keys.pem("p256"), "algorithm": "RS256"}}, "the key cannot sign RS256"),
        ({"client_assertion": {"key": keys.pem("p256"), "algorithm": "HS256"}}, "HS256 signs with a secret"),
        (
            {"client_auth": "client_secret_jwt", "client_secret": "s3cret", "client_assertion": {"algorithm": "ES256"}},
            "ES256 signs with a key",
        ),
        (
            {"client_auth": "client_secret_jwt", "client_secret": "s3cret", "client_assertion": {"key": "s3cret"}},
            "take key and certificate out",
        ),
        ({"client_auth": "digest"}, "Input should be 'basic'"),
        (
            {"client_assertion": {"key": keys.pem("p256"), "certificate": keys.certificate("p256", 1)}},
            "the certificate is not that of the key",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings("https://auth.example/token", **given)
    assert message in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "proof"),
    [
        ({"client_secret": "s"}, "basic"),
        ({"client_assertion": {"key": keys.pem("p256")}}, "private_key_jwt"),
        ({}, "none"),
    ],
)
def test_what_is_given_says_how(given: dict[str, Any], proof: str) -> None:
    assert settings("https://auth.example/token", **given).proof == proof
