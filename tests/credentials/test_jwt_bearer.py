"""Tokens that a signed assertion brings, verified by an issuer that believes nothing."""

import json
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from proxy.core.errors import Reason
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.credentials.jwt_bearer import JwtBearer, JwtBearerSettings
from proxy.credentials.trial import trial
from proxy.net.endpoint import Endpoint
from tests.compliance.credentials import CredentialCompliance
from tests.fakes import keys
from tests.fakes.authorization_server import CLIENT, SECRET, AuthorizationServer
from tests.fakes.clock import FakeClock, HurriedClock
from tests.fakes.token_server import TokenServer

ROBOT = "robot@project.example"


class TestJwtBearer(CredentialCompliance):
    word: ClassVar[str] = "jwt_bearer"
    secret: ClassVar[str] = json.loads(keys.jwk("p256"))["d"]

    def settings(self, server: TokenServer) -> dict[str, Any]:
        assertion = {"key": keys.jwk("p256"), "iss": ROBOT}
        return {"token_url": server.url, "assertion": assertion, "allow_plain_http": True}


class Bench:
    """An issuer that knows the robot's key, and credentials of the robot."""

    def __init__(self, server: AuthorizationServer, clock: FakeClock) -> None:
        self.server = server
        self.clock = clock
        self.endpoint = Endpoint(clock, jitter=lambda: 0.0)

    def credential(self, sort: str = "p256", *, given: dict[str, Any] | None = None, **assertion: Any) -> JwtBearer:
        """Return a credential whose assertion is signed with that sort of key."""
        self.server.asserters[assertion.get("iss", ROBOT)] = keys.key(sort).public_key()
        signed = {"key": keys.pem(sort), "iss": ROBOT, **assertion}
        settings = JwtBearerSettings.model_validate(
            {
                "kind": "jwt_bearer",
                "token_url": self.server.url,
                "allow_plain_http": True,
                "assertion": {name: value for name, value in signed.items() if value is not None},
                **(given or {}),
            }
        )
        return JwtBearer("main", settings, self.endpoint, self.clock)

    @property
    def claims(self) -> dict[str, Any]:
        """What the last assertion that counted said."""
        return dict(self.server.judge.accepted[-1])


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    clock = FakeClock()
    async with AuthorizationServer(clock) as server:
        bench = Bench(server, clock)
        yield bench
        await bench.endpoint.close()


@pytest.mark.parametrize("algorithm", keys.ALGORITHMS)
async def test_an_assertion_of_every_algorithm_brings_a_token(bench: Bench, algorithm: str) -> None:
    token = await bench.credential(keys.ALGORITHMS[algorithm], algorithm=algorithm).fetch(None)
    assert bench.server.is_valid(token.value.reveal())
    assert bench.server.judge.headers == [{"typ": "JWT", "alg": algorithm}]


async def test_it_says_who_for_whom_and_until_when(bench: Bench) -> None:
    await bench.credential().fetch(None)
    now = int(bench.clock.now())
    claims = bench.claims
    assert len(claims.pop("jti")) >= 22
    assert claims == {
        "iss": ROBOT,
        "sub": ROBOT,
        "aud": bench.server.url,
        "iat": now - 10,
        "exp": now + 290,
    }
    [visit] = bench.server.visits
    assert (visit.proof, set(visit.form)) == ("none", {"grant_type", "assertion"})


async def test_it_says_what_it_is_told_to_say(bench: Bench) -> None:
    bench.credential(aud="https://login.example", sub="ada", scope=["a", "b"], lifetime="1h", claims={"x": {"y": [1]}})
    credential = bench.credential(
        sub="ada", scope=["a", "b"], lifetime="1h", claims={"x": {"y": [1]}, "box": "enterprise"}, headers={"x5t": "q"}
    )
    await credential.fetch(None)
    claims = bench.claims
    assert (claims["sub"], claims["scope"], claims["x"], claims["box"]) == ("ada", "a b", {"y": [1]}, "enterprise")
    assert claims["exp"] - claims["iat"] == 3600
    assert bench.server.judge.headers[0]["x5t"] == "q"


async def test_who_it_is_for_may_be_said_otherwise_or_not_at_all(bench: Bench) -> None:
    await bench.credential(sub="").fetch(None)
    assert "sub" not in bench.claims
    with pytest.raises(TokenRequestError):
        await bench.credential(aud="https://elsewhere.example").fetch(None)
    assert bench.server.judge.refusals == ["Audience doesn't match"]


async def test_no_assertion_is_sent_twice(bench: Bench) -> None:
    bench.endpoint = Endpoint(HurriedClock())
    bench.server.knobs.status, bench.server.knobs.failures = 503, 2
    token = await bench.credential().fetch(None)
    assert bench.server.is_valid(token.value.reveal())
    sent = [visit.form["assertion"] for visit in bench.server.visits]
    assert len(set(sent)) == len(sent) == 3


async def test_a_client_may_prove_itself_beside_it(bench: Bench) -> None:
    given = {"client_id": CLIENT, "client_secret": SECRET}
    await bench.credential(given=given, iss=CLIENT).fetch(None)
    assert bench.server.visits[0].proof == "basic"
    await bench.credential(given={"client_id": "public-client"}, iss="public-client").fetch(None)
    assert bench.claims["iss"] == "public-client"


async def test_the_client_asserts_where_nobody_else_is_named(bench: Bench) -> None:
    bench.server.asserters["public-client"] = keys.key("p256").public_key()
    await bench.credential(given={"client_id": "public-client"}, iss=None).fetch(None)
    assert (bench.claims["iss"], bench.claims["sub"]) == ("public-client", "public-client")


async def test_a_scope_of_the_request_stays_outside(bench: Bench) -> None:
    await bench.credential(given={"scope": "read"}).fetch(None)
    assert bench.server.visits[0].form["scope"] == "read"
    assert "scope" not in bench.claims


@pytest.mark.parametrize("offset", [-600.0, 600.0, -86_400.0, 86_400.0])
async def test_a_wrong_clock_of_ours_or_theirs_is_found_out_and_allowed_for(bench: Bench, offset: float) -> None:
    bench.server.knobs.date_offset = offset
    credential = bench.credential()
    assert (await credential.fetch(None)).value
    assert bench.server.judge.refusals == ["it is not the time for it"]
    assert (await credential.fetch(None)).value
    assert len(bench.server.judge.refusals) == 1


async def test_a_clock_that_is_set_right_meanwhile_is_found_out_too(bench: Bench) -> None:
    bench.server.knobs.date_offset = 600.0
    credential = bench.credential()
    await credential.fetch(None)
    bench.server.knobs.date_offset = 0.0
    assert (await credential.fetch(None)).value


async def test_a_date_that_helps_nothing_is_not_believed(bench: Bench) -> None:
    credential = bench.credential()
    right = bench.server.asserters[ROBOT]
    bench.server.asserters[ROBOT] = keys.key("p256", 1).public_key()
    bench.server.knobs.headers = {"Date": "Sat, 01 Jan 2000 00:00:00 GMT"}
    with pytest.raises(TokenRequestError) as caught:
        await credential.fetch(None)
    assert (caught.value.reason, len(bench.server.visits)) == (Reason.INVALID_GRANT, 2)
    bench.server.asserters[ROBOT] = right
    await credential.fetch(None)
    assert len(bench.server.visits) == 3


async def test_a_refusal_at_the_right_time_is_one(bench: Bench) -> None:
    credential = bench.credential()
    bench.server.asserters.clear()
    with pytest.raises(TokenRequestError) as caught:
        await credential.fetch(None)
    assert (caught.value.symptom, len(bench.server.visits)) == (Symptom.INVALID_GRANT, 1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"iss": None}, "give assertion.iss or client_id"),
        ({"lifetime": "2h"}, "less than or equal to 3600"),
        ({"lifetime": "1s"}, "greater than or equal to 30"),
        ({"key": None}, "Field required"),
        ({"key": "s3cret"}, "no private key that can be read"),
        ({"algorithm": "RS256"}, "the key cannot sign RS256, but ES256: it is a key of the curve secp256r1"),
        ({"algorithm": "none"}, "Input should be 'RS256'"),
        ({"algorithm": "HS256"}, "Input should be 'RS256'"),
        ({"claims": {"exp": 1}}, "exp is set anyway"),
        ({"headers": {"alg": "none"}}, "alg is not for the configuration"),
        ({"claims": {"x": "{{ Y }}"}}, "{{ Y }} has no value"),
        ({"scope": "a  b"}, "one space between"),
        ({"certificate": keys.certificate("p256", 1)}, "the certificate is not that of the key"),
        ({"certificate": "s3cret"}, "there is no certificate"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], message: str) -> None:
    assertion = {"key": keys.jwk("p256"), "iss": ROBOT, **given}
    with pytest.raises(ValidationError) as caught:
        JwtBearerSettings.model_validate(
            {
                "kind": "jwt_bearer",
                "token_url": "https://auth.example/t",
                "assertion": {name: value for name, value in assertion.items() if value is not None},
            }
        )
    assert message in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert TestJwtBearer.secret not in str(caught.value)


async def test_a_trial_shows_that_there_is_an_assertion_and_nothing_of_it(bench: Bench) -> None:
    given = {"client_id": "robot", "client_assertion": {"key": keys.pem("ed25519")}}
    bench.server.client_keys["robot"] = keys.key("ed25519").public_key()
    shown = await trial(bench.credential(given=given))
    assert shown.succeeded
    [visit] = bench.server.visits
    told = "\n".join(shown.lines())
    assert "assertion" in told
    for assertion in (visit.form["assertion"], visit.form["client_assertion"]):
        assert not any(part in told for part in assertion.split("."))
