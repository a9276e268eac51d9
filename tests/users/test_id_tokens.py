"""An ID token counts only if this sign-in was to bring it."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import jwt
import pytest

from proxy.core.secret import Secret
from proxy.credentials.sign_in import IdToken, SignInError
from proxy.net.endpoint import Endpoint
from proxy.net.runtime import Runtime
from proxy.users.id_tokens import IdTokens
from tests.fakes import keys
from tests.fakes.clock import FakeClock
from tests.fakes.sign_in_server import KEY_ID, SignInServer, sign

NONCE = "n0nce"


class Bench:
    def __init__(self, server: SignInServer, runtime: Runtime, endpoint: Endpoint) -> None:
        self.server = server
        self.ids = IdTokens(endpoint, runtime)

    def claims(self, **more: Any) -> dict[str, Any]:
        now = int(self.server.clock.now())
        usual = {"iss": self.server.issuer, "aud": "me", "sub": "p", "nonce": NONCE, "iat": now, "exp": now + 60}
        return {name: value for name, value in (usual | more).items() if value is not None}

    def said(self, text: str) -> IdToken:
        return IdToken(Secret(text), self.server.issuer, "me", Secret(NONCE), f"{self.server.base}/jwks")

    async def why_not(self, said: IdToken) -> str:
        with pytest.raises(SignInError) as caught:
            await self.ids.check(said)
        assert caught.value.reason == "wrong_id_token"
        assert said.text.reveal() not in f"{caught.value} {caught.value.detail}"
        return caught.value.detail


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    clock = FakeClock()
    runtime, endpoint = Runtime(clock, lambda name, error: None), Endpoint(clock, jitter=lambda: 0.0)
    async with SignInServer(clock) as server:
        yield Bench(server, runtime, endpoint)
    await runtime.close()
    await endpoint.close()


async def test_the_one_that_was_asked_for_counts(bench: Bench) -> None:
    for more in ({}, {"aud": ["me", "other"], "azp": "me"}, {"azp": "me"}, {"aud": ["me"]}):
        await bench.ids.check(bench.said(sign(bench.claims(**more))))
    with pytest.raises(SignInError):
        await bench.ids.check(bench.said(sign(bench.claims(nonce="another"))))


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": 7}, "nonce"),
        ({"nonce": "\ud800"}, "nonce"),
        ({"aud": "another"}, "audience"),
        ({"aud": ["me", "other"]}, "azp"),
        ({"azp": "other"}, "azp"),
        ({"iss": "https://evil.example"}, "issuer"),
        ({"exp": 1}, "expired"),
        ({"exp": None}, "exp"),
        ({"iat": 4_000_000_000}, "not valid yet"),
        ({"sub": None}, "sub"),
    ],
)
async def test_one_that_says_something_else_does_not(bench: Bench, more: dict[str, Any], why: str) -> None:
    assert why in await bench.why_not(bench.said(sign(bench.claims(**more))))


@pytest.mark.parametrize(
    "signed",
    [
        lambda claims: jwt.encode(claims, "", "none"),
        lambda claims: jwt.encode(claims, "the-client-secret-that-is-long-enough", "HS256", {"kid": KEY_ID}),
        lambda claims: jwt.encode(claims, keys.pem("rsa", 1), "RS256", {"kid": KEY_ID}),
        lambda claims: jwt.encode(claims, keys.pem("p256"), "ES256", {"kid": "other"}),
        lambda claims: sign(claims)[:-4] + "AAAA",
        lambda _: "no token at all",
    ],
    ids=["none", "hmac", "another key", "unknown key", "changed", "nothing"],
)
async def test_one_that_its_issuer_has_not_signed_does_not(
    bench: Bench, signed: Callable[[dict[str, Any]], str]
) -> None:
    assert "not accepted" in await bench.why_not(bench.said(signed(bench.claims())))


async def test_without_keys_nobody_is_believed(bench: Bench) -> None:
    said = bench.said(sign(bench.claims()))
    assert "jwks_uri" in await bench.why_not(replace(said, jwks_url=""))
    assert "404" in await bench.why_not(replace(said, jwks_url=f"{bench.server.base}/nothing"))
