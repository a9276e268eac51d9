"""The authorization server does what its knobs say."""

import asyncio
import sys
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest

from tests.docs.markdown import ROOT
from tests.fakes.authorization_server import CLIENT, SECRET, USER, AuthorizationServer
from tests.fakes.clock import FakeClock
from tests.fakes.process import free_ports, listening


class Client:
    """Somebody who asks, by `post`."""

    def __init__(self, session: aiohttp.ClientSession, server: AuthorizationServer) -> None:
        self._session = session
        self._server = server

    async def ask(self, grant_type: str = "refresh_token", **form: str) -> tuple[int, dict[str, Any]]:
        proof = {"client_id": CLIENT, "client_secret": SECRET}
        form = {"grant_type": grant_type, **proof, **form}
        async with self._session.post(self._server.url, data=form) as answer:
            return answer.status, await answer.json()

    async def refresh(self, refresh_token: str) -> dict[str, Any]:
        """Spend it; return what it brought."""
        status, answer = await self.ask(refresh_token=refresh_token)
        assert status == 200, answer
        return answer

    async def call(self, token: str) -> tuple[int, str]:
        """Call the API."""
        async with self._session.get(f"{self._server.api}/x", headers={"Authorization": f"Bearer {token}"}) as answer:
            return answer.status, answer.headers.get("WWW-Authenticate", "")


@pytest.fixture
async def server() -> AsyncIterator[AuthorizationServer]:
    async with AuthorizationServer(FakeClock()) as server:
        yield server


@pytest.fixture
async def client(server: AuthorizationServer) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(session, server)


async def test_each_refresh_token_brings_its_successor(server: AuthorizationServer, client: Client) -> None:
    first = server.grant()
    one = await client.refresh(first)
    two = await client.refresh(one["refresh_token"])
    assert server.chains[0].refresh_tokens == [first, one["refresh_token"], two["refresh_token"]]
    assert server.is_valid(one["access_token"])
    assert server.is_valid(two["access_token"])
    assert server.counts == {("refresh_token", "issued"): 2}


async def test_the_reuse_of_a_spent_one_ends_everything(server: AuthorizationServer, client: Client) -> None:
    first = server.grant()
    brought = await client.refresh(first)
    status, answer = await client.ask(refresh_token=first)
    assert (status, answer["error"]) == (400, "invalid_grant")
    assert not server.is_alive(first)
    assert not server.is_valid(brought["access_token"])
    assert (await client.ask(refresh_token=brought["refresh_token"]))[0] == 400
    assert [visit.outcome for visit in server.visits] == ["issued", "reused", "unknown"]


async def test_within_the_grace_a_spent_one_brings_the_same_again(server: AuthorizationServer, client: Client) -> None:
    server.knobs.grace = 30
    assert isinstance(server.clock, FakeClock)
    first = server.grant()
    brought = await client.refresh(first)
    assert await client.refresh(first) == brought
    await server.clock.advance(seconds=31)
    assert (await client.ask(refresh_token=first))[0] == 400
    assert server.counts == {("refresh_token", outcome): 1 for outcome in ("issued", "repeated", "reused")}


async def test_grace_ends_once_the_successor_is_spent(server: AuthorizationServer, client: Client) -> None:
    server.knobs.grace = 30
    first = server.grant()
    await client.refresh((await client.refresh(first))["refresh_token"])
    assert (await client.ask(refresh_token=first))[0] == 400


async def test_without_rotation_one_refresh_token_stays(server: AuthorizationServer, client: Client) -> None:
    server.knobs.rotates = False
    first = server.grant()
    assert "refresh_token" not in await client.refresh(first)
    assert "refresh_token" not in await client.refresh(first)


async def test_other_grants_bring_tokens_too(server: AuthorizationServer, client: Client) -> None:
    assert "refresh_token" not in (await client.ask("client_credentials"))[1]
    username, password = USER
    assert (await client.ask("password", username=username, password=password))[1]["refresh_token"]
    assert (await client.ask("password", username=username, password="x"))[1]["error"] == "invalid_grant"
    assert (await client.ask("magic"))[1]["error"] == "unsupported_grant_type"


async def test_a_client_that_is_not_known_is_told_so(server: AuthorizationServer, client: Client) -> None:
    first = server.grant()
    status, answer = await client.ask(refresh_token=first, client_secret="wrong")
    assert (status, answer["error"]) == (401, "invalid_client")
    await client.refresh(first)


async def test_failures_are_counted_and_spend_nothing(server: AuthorizationServer, client: Client) -> None:
    first = server.grant()
    server.knobs.status, server.knobs.error, server.knobs.failures = 503, "temporarily_unavailable", 1
    assert await client.ask(refresh_token=first) == (503, {"error": "temporarily_unavailable"})
    server.knobs.status, server.knobs.error, server.knobs.failures = 200, "bad_refresh_token", 1
    assert await client.ask(refresh_token=first) == (200, {"error": "bad_refresh_token"})
    await client.refresh(first)
    assert server.counts["refresh_token", "failed"] == 2


async def test_a_held_request_has_spent_nothing(server: AuthorizationServer, client: Client) -> None:
    first = server.grant()
    server.hold()
    task = asyncio.create_task(client.refresh(first))
    await server.arrived(1)
    assert server.chains[0].newest == first
    server.release()
    assert (await task)["refresh_token"] == server.chains[0].newest


async def test_a_held_answer_has_spent_what_was_sent(server: AuthorizationServer, client: Client) -> None:
    first = server.grant()
    server.hold_answers()
    task = asyncio.create_task(client.refresh(first))
    await server.decided(1)
    assert server.chains[0].newest != first
    assert not task.done()
    server.release()
    assert (await task)["refresh_token"] == server.chains[0].newest


async def test_who_leaves_before_the_answer_has_spent_it_all_the_same(
    server: AuthorizationServer, client: Client
) -> None:
    first = server.grant()
    server.hold_answers()
    task = asyncio.create_task(client.refresh(first))
    await server.decided(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.release()
    assert (await client.ask(refresh_token=first))[0] == 400


async def test_a_lost_answer_spends_what_was_sent(server: AuthorizationServer, client: Client) -> None:
    first = server.grant()
    server.knobs.lost = 1
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await client.refresh(first)
    assert server.chains[0].newest != first
    assert server.knobs.lost == 0


async def test_the_api_answers_to_valid_tokens_alone(server: AuthorizationServer, client: Client) -> None:
    token = (await client.ask("client_credentials"))[1]["access_token"]
    assert await client.call(token) == (200, "")
    server.revoke(token)
    status, challenge = await client.call(token)
    assert (status, challenge) == (401, 'Bearer realm="api", error="invalid_token"')
    assert server.api_counts == {200: 1, 401: 1}


async def test_its_clock_may_be_wrong(server: AuthorizationServer) -> None:
    server.knobs.date_offset = -600
    form = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET}
    async with aiohttp.ClientSession() as session, session.post(server.url, data=form) as answer:
        date = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    assert date == server.clock.now() - 600


async def test_it_may_be_a_process_of_its_own() -> None:
    [port] = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fakes.authorization_server", "--port", str(port)),
        cwd=ROOT,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        await listening(port)
        base = f"http://127.0.0.1:{port}"
        async with aiohttp.ClientSession(base) as session:
            async with session.post("/_grant") as answer:
                first = (await answer.json())["refresh_token"]
            async with session.post("/_knobs", json={"grace": 30}) as answer:
                assert (await answer.json())["grace"] == 30
            form = {"grant_type": "refresh_token", "client_id": CLIENT, "client_secret": SECRET, "refresh_token": first}
            async with session.post("/token", data=form) as answer:
                assert (await answer.json())["refresh_token"] != first
    finally:
        process.terminate()
        await process.wait()
