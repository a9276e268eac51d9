"""A request acts for an end user with that user's own token, and for nobody who is not proved."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import parse_qs

import aiohttp
import pytest
import pytest_asyncio

from proxy.core.secret import Secret
from proxy.users.identity import user_hash
from tests.fakes.httpbin import Httpbin
from tests.fakes.process import Proxy, Swift
from tests.fakes.token_server import TokenServer
from tests.fakes.world import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET: Final = "0123456789abcdef0123456789abcdef"
CONFIG: Final = """
users: {{identity_secret: '{secret}', remembered: 2}}
callers:
  anyone: {{kind: anonymous}}
credentials:
  own:
    kind: http_request
    per_user: true
    allow_plain_http: true
    request: {{url: '{issuer}', form: {{user: '{{{{ USER_ID }}}}'}}}}
    token: {{from: json, path: access_token}}
routes:
  own: {{match: {{path: /own/}}, upstream: 'http://127.0.0.1:{api}', callers: [anyone], credential: own}}
"""


def proven(user: str) -> dict[str, str]:
    return {"X-Countersign-User": user, "X-Countersign-User-Hash": user_hash(user, Secret(SECRET))}


class World:
    """A proxy between a caller, an issuer that tells users apart, and an API that shows what it gets."""

    def __init__(self, proxy: Proxy, issuer: TokenServer, session: aiohttp.ClientSession) -> None:
        self.proxy, self.issuer, self.session = proxy, issuer, session

    async def ask(self, user: str | None, **headers: str) -> tuple[int, Any]:
        said = {**(proven(user) if user else {}), **headers}
        async with self.session.get("/own/anything/x", headers=said) as answer:
            return answer.status, await answer.json(content_type=None)

    def asked_for(self, *users: str) -> list[str]:
        asked = (parse_qs(request.body.decode())["user"][0] for request in self.issuer.requests)
        return [user for user in asked if user in users]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    async with (
        TokenServer() as issuer,
        Httpbin() as api,
        Swift(
            CONFIG.format(secret=SECRET, issuer=issuer.url, api=api.port), expected_errors=("provider_4xx",)
        ) as proxy,
        aiohttp.ClientSession(f"http://127.0.0.1:{proxy.port}") as session,
    ):
        yield World(proxy, issuer, session)


async def test_each_user_has_a_token_of_their_own_fetched_once(world: World) -> None:
    answers = await asyncio.gather(*(world.ask(user) for user in ("ann", "ben") * 20))
    tokens = {answer["headers"]["Authorization"] for _, answer in answers}
    assert {status for status, _ in answers} == {200}
    assert len(tokens) == 2
    assert sorted(world.asked_for("ann", "ben")) == ["ann", "ben"]


async def test_it_is_written_down_whose_token_a_route_used(world: World) -> None:
    async def used() -> list[dict[str, Any]]:
        events = (await world.proxy.admin("GET", "/api/v1/events?route=own&limit=1000"))["events"]
        return [event for event in events if event["event"] == "user_credential_used"]

    before = await used()
    for _ in range(3):
        await world.ask("gus")
    event, *rest = await used()
    assert rest == before
    assert (event["credential"], len(event["user"]), "gus" in str(event)) == ("own", 32, False)


async def test_no_proof_of_a_user_goes_upstream(world: World) -> None:
    _, answer = await world.ask("ann", X_Countersign_User="x")
    assert not any(name.lower().replace("_", "-").startswith("x-countersign") for name in answer["headers"])


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 400, "user-required"),
        ({"X-Countersign-User": "eve"}, 401, "user-unproven"),
        ({"X-Countersign-User": "eve", "X-Countersign-User-Hash": "0" * 64}, 401, "user-unproven"),
        (proven("ann") | {"X-Countersign-User": "eve"}, 401, "user-unproven"),
        ({"X-Countersign-User-Token": "a.b.c"}, 401, "user-unproven"),
    ],
)
async def test_who_is_not_proved_gets_nobodys_token(
    world: World, headers: dict[str, str], status: int, code: str
) -> None:
    before = world.issuer.count
    got, answer = await world.ask(None, **headers)
    assert (got, answer["type"].rpartition("/")[2]) == (status, code)
    assert world.issuer.count == before


async def test_a_users_token_that_is_refused_is_renewed_for_them_alone(world: World) -> None:
    await world.ask("dan")
    await world.ask("fay")
    async with world.session.get("/own/status/401", headers=proven("dan")) as answer:
        assert answer.status == 401  # of the API, which refuses the new one too
    assert world.asked_for("dan", "fay") == ["dan", "fay", "dan"]


async def test_a_user_for_whom_none_can_be_had_keeps_nobody_else_from_the_api(world: World) -> None:
    assert (await world.ask("ian"))[0] == 200
    world.issuer.knobs.status, world.issuer.knobs.failures = 401, 1  # for the next to come, alone
    answers = await asyncio.gather(*(world.ask("eve") for _ in range(200)))  # more than all who were served before
    assert {(status, answer["reason"]) for status, answer in answers} == {(502, "provider_4xx")}
    assert world.asked_for("eve") == ["eve"]
    assert (await world.ask("ian"))[0] == 200
    assert (await world.ask("joe"))[0] == 200


async def test_users_beyond_those_remembered_find_their_tokens_again(world: World) -> None:
    for user in ("gus", "hal", "ida") * 2:
        status, _ = await world.ask(user)
        assert status == 200
    assert world.asked_for("gus", "hal", "ida") == ["gus", "hal", "ida"]


async def test_the_log_has_a_pseudonym_and_no_user_id(world: World) -> None:
    def told() -> list[dict[str, Any]]:
        return [line for line in world.proxy.log_lines if line["event"] == "request" and line["user"] is not None]

    before = len(told())
    await world.ask("a-very-special-user")
    await eventually(lambda: len(told()) > before)
    assert len(told()[-1]["user"]) == 32
    assert "a-very-special-user" not in repr(world.proxy.log_lines)
