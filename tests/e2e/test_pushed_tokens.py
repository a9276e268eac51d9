"""A user's page pushes their token to one replica, and their next request to any replica carries it; nobody else's."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp
import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from yarl import URL

from proxy.core.secret import Secret
from proxy.users.identity import user_hash
from tests.fakes.fleet import at, new_key
from tests.fakes.httpbin import Httpbin
from tests.fakes.process import Proxy, Swift
from tests.fakes.redis import RedisServer
from tests.fakes.token_server import TokenServer
from tests.fakes.world import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET: Final = "0123456789abcdef0123456789abcdef"
KEY: Final = ec.generate_private_key(ec.SECP256R1())
OTHER: Final = ec.generate_private_key(ec.SECP256R1())
ISSUER: Final = "https://id.example"
APP: Final = "https://app.example"
CONFIG: Final = """
seal: {{keys: ['{key}']}}
users: {{identity_secret: '{secret}', origins: ['https://app.example']}}
callers:
  anyone: {{kind: anonymous}}
credentials:
  crm:
    kind: user_token
    verify: {{issuer: 'https://id.example', audience: crm-api, jwks_url: '{jwks}'}}
  erp:
    kind: user_token
    inject: [{{kind: header, name: X-Erp-Key}}]
routes:
  crm: {{match: {{path: /crm/}}, upstream: 'http://127.0.0.1:{api}', callers: [anyone], credential: crm}}
  both: {{match: {{path: /both/}}, upstream: 'http://127.0.0.1:{api}', callers: [anyone], credentials: [crm, erp]}}
"""
Said = tuple[int, Any]


def token(user: str, key: Any = KEY, algorithm: str = "ES256", **claims: Any) -> str:
    now = int(time.time())
    said = {"iss": ISSUER, "aud": "crm-api", "sub": user, "iat": now, "exp": now + 600, **claims}
    return jwt.encode(said, key, algorithm)


def proven(user: str) -> dict[str, str]:
    return {"X-Countersign-User": user, "X-Countersign-User-Hash": user_hash(user, Secret(SECRET))}


class World:
    """Two replicas before an API that shows what it gets."""

    def __init__(self, replicas: tuple[Proxy, Proxy], session: aiohttp.ClientSession) -> None:
        self.replicas, self.session = replicas, session

    async def push(self, user: str, replica: int = 0, *, origin: str = APP, **more: Any) -> Said:
        document = {"user_id": user, "user_hash": user_hash(user, Secret(SECRET)), **more}
        url = f"http://127.0.0.1:{self.replicas[replica].port}/.countersign/user-tokens"
        async with self.session.post(url, json=document, headers={"Origin": origin}) as answer:
            return answer.status, await answer.json(content_type=None)

    async def ask(self, user: str, path: str = "/crm/headers", replica: int = 0, proof: str | None = None) -> Said:
        url = f"http://127.0.0.1:{self.replicas[replica].port}{path}"
        headers = proven(user) if proof is None else {**proven(user), "X-Countersign-User-Hash": proof}
        async with self.session.get(url, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    with RedisServer() as redis:
        store = at(redis.url)
        async with TokenServer() as issuer, Httpbin() as api, aiohttp.ClientSession() as session:
            issuer.knobs.body = json.dumps(
                {"keys": [jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True)]}
            )
            config = CONFIG.format(key=new_key(), secret=SECRET, jwks=issuer.url, api=api.port)
            async with Swift(config, store=store) as one, Swift(config, store=store) as two:
                yield World((one, two), session)


def code(said: Said) -> tuple[int, str]:
    return said[0], said[1]["type"].rpartition("/")[2]


async def test_the_next_request_on_any_replica_uses_what_was_pushed(world: World) -> None:
    refused = await world.ask("ann")
    assert code(refused) == (403, "user-token-missing")
    assert refused[1]["credential"] == "crm"
    assert code(await world.ask("ann", replica=1)) == (403, "user-token-missing")
    before = ""
    for number in range(20):
        value = token("ann", jti=str(number))
        assert (await world.push("ann", number % 2, auth_tokens={"crm": value}))[0] == 200
        for replica in (number % 2, 1 - number % 2):
            status, answer = await world.ask("ann", replica=replica)
            used = [answer["headers"]["Authorization"]]
            if replica != number % 2 and used == [before]:  # its news may be a moment behind on a busy machine
                used.append((await world.ask("ann", replica=replica))[1]["headers"]["Authorization"])
            assert (status, used[-1]) == (200, f"Bearer {value}")
        before = f"Bearer {value}"


async def test_several_tokens_of_one_push_count_together_or_not_at_all(world: World) -> None:
    bad = {"crm": token("ben"), "erp": "two\r\nlines"}
    assert code(await world.push("ben", auth_tokens=bad)) == (422, "user-token-refused")
    assert code(await world.ask("ben")) == (403, "user-token-missing")
    assert (await world.push("ben", auth_tokens={**bad, "erp": "erp-of-ben"}))[0] == 200
    _, answer = await world.ask("ben", "/both/headers", replica=1)
    assert answer["headers"]["X-Erp-Key"] == "erp-of-ben"


ATTACKS: Final[dict[str, tuple[dict[str, Any], tuple[int, str]]]] = {
    "the hash of another user": ({"user_hash": user_hash("ann", Secret(SECRET))}, (401, "user-unproven")),
    "an id without proof": ({"user_hash": None}, (401, "user-unproven")),
    "a jwt that is not signed": ({"auth_tokens": {"crm": token("eve", None, "none")}}, (422, "user-token-refused")),
    "a wrong key": ({"auth_tokens": {"crm": token("eve", OTHER)}}, (422, "user-token-refused")),
    "a wrong audience": ({"auth_tokens": {"crm": token("eve", aud="other")}}, (422, "user-token-refused")),
    "one that is over": ({"auth_tokens": {"crm": token("eve", exp=1_700_000_000)}}, (422, "user-token-refused")),
    "another user's": ({"auth_tokens": {"crm": token("ann")}}, (422, "user-token-refused")),
    "a header of its own": ({"auth_tokens": {"erp": "x\r\nX-Admin: 1"}}, (422, "user-token-refused")),
    "a page of a foreign origin": (
        {"origin": "https://evil.example", "auth_tokens": {"crm": token("eve")}},
        (400, "request-invalid"),
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_an_attack_is_refused_and_nothing_of_it_counts(world: World, attack: str) -> None:
    pushed, expected = ATTACKS[attack]
    said = await world.push("eve", **{"auth_tokens": {"crm": token("eve")}, **pushed})
    assert code(said) == expected
    assert code(await world.ask("eve")) == (403, "user-token-missing")


async def test_a_push_that_is_replayed_does_not_bring_back_an_older_token(world: World) -> None:
    older, newer = token("fay", iat=int(time.time()) - 60), token("fay")
    await world.push("fay", auth_tokens={"crm": older})
    await world.push("fay", auth_tokens={"crm": newer})
    assert code(await world.push("fay", auth_tokens={"crm": older})) == (422, "user-token-refused")
    _, answer = await world.ask("fay")
    assert answer["headers"]["Authorization"] == f"Bearer {newer}"


async def test_no_cache_that_others_share_keeps_what_the_api_answers_a_user(world: World) -> None:
    await world.push("ida", auth_tokens={"crm": token("ida")})
    base = f"http://127.0.0.1:{world.replicas[0].port}/crm"
    for said, expected in (("public, max-age=60", "private, max-age=60"), ("no-store", "no-store")):
        address = URL(f"{base}/response-headers").with_query({"Cache-Control": said})
        async with world.session.get(address, headers=proven("ida")) as answer:
            assert answer.headers.getall("Cache-Control") == [expected]


async def test_a_users_id_in_a_header_is_no_proof(world: World) -> None:
    await world.push("gus", auth_tokens={"crm": token("gus")})
    for proof in ("", user_hash("ann", Secret(SECRET))):
        assert code(await world.ask("gus", proof=proof)) == (401, "user-unproven")


async def test_operators_are_told_who_was_not_believed(world: World) -> None:
    await world.ask("very-special-kim", proof="0" * 64)
    await world.push("very-special-lea", user_hash="0" * 64)

    def told() -> list[tuple[str, str, str]]:
        lines = (line for line in world.replicas[0].log_lines if line["event"] == "user_unproven")
        return [(line["via"], line["level"], line["detail"]) for line in lines]

    why = "X-Countersign-User-Hash is not the hash of this user's id"
    await eventually(lambda: {("request", "warning", why), ("browser", "warning", why)} <= {*told()})
    assert "very-special" not in repr(world.replicas[0].log_lines)


async def test_one_that_the_api_refuses_is_missing_until_another_is_pushed(world: World) -> None:
    await world.push("hal", auth_tokens={"crm": token("hal")})
    assert code(await world.ask("hal", "/crm/status/401")) == (403, "user-token-missing")
    for replica in (0, 1):
        assert code(await world.ask("hal", replica=replica)) == (403, "user-token-missing")
    await world.push("hal", replica=1, auth_tokens={"crm": token("hal", jti="2")})
    for replica in (0, 1):
        assert (await world.ask("hal", replica=replica))[0] == 200


async def test_the_log_tells_whose_tokens_were_pushed_and_shows_none_of_them(world: World) -> None:
    value = token("a-very-special-user")
    await world.push("a-very-special-user", auth_tokens={"crm": value})
    await world.push("a-very-special-user", auth_tokens={"crm": token("ann")})
    lines = world.replicas[0].log_lines

    def users(event: str, words: str) -> set[tuple[str, str]]:
        told = (line for line in lines if line["event"] == event and words in line.get("detail", ""))
        return {(line["user"], line["credential"]) for line in told}

    def both() -> set[tuple[str, str]]:
        return users("user_token_pushed", "") & users("user_token_refused", "another user")

    await eventually(lambda: len(both()) == 1)
    assert "a-very-special-user" not in repr(lines)
    assert value not in repr(lines)
