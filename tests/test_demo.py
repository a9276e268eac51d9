"""The demo API, as a newcomer meets it."""

import asyncio
import hashlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from proxy.demo import demo_app, serve
from tests.fakes.clock import FakeClock

CLIENT = {"client_id": "demo", "client_secret": "demo-secret"}

Demo = TestClient[Any, Any]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def demo(clock: FakeClock) -> AsyncIterator[Demo]:
    async with TestClient(TestServer(demo_app(clock))) as client:
        yield client


async def signed(demo: Demo, query: str = "") -> dict[str, str]:
    async with demo.post(f"/token{query}", data=CLIENT) as answer:
        assert answer.status == 200
        return {"Authorization": f"Bearer {(await answer.json())['access_token']}"}


async def test_a_token_opens_the_door_until_it_expires(demo: Demo, clock: FakeClock) -> None:
    headers = await signed(demo)
    assert (await demo.get("/hello", headers=headers)).status == 200
    await clock.advance(seconds=299)
    assert (await demo.post("/hello", headers=headers)).status == 200
    await clock.advance(seconds=1)
    assert (await demo.get("/hello", headers=headers)).status == 401


async def test_the_lifetime_may_be_asked_for(demo: Demo, clock: FakeClock) -> None:
    async with demo.post("/token?expires_in=10", data=CLIENT) as answer:
        assert (await answer.json())["expires_in"] == 10
    headers = await signed(demo, "?expires_in=10")
    await clock.advance(seconds=10)
    assert (await demo.get("/hello", headers=headers)).status == 401


@pytest.mark.parametrize("lifetime", ["0", "-1", "86401", "x", "", "9" * 400, "²"])
async def test_an_odd_lifetime_is_refused(demo: Demo, lifetime: str) -> None:
    assert (await demo.post("/token", params={"expires_in": lifetime}, data=CLIENT)).status == 400


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"client_id": "demo"}, 400, "invalid_request"),
        ({**CLIENT, "client_secret": "wrong"}, 401, "invalid_client"),
    ],
)
async def test_a_wrong_client_is_refused(demo: Demo, form: dict[str, str], status: int, error: str) -> None:
    async with demo.post("/token", data=form) as answer:
        assert (answer.status, (await answer.json())["error"]) == (status, error)


async def test_revoking_kills_every_token(demo: Demo) -> None:
    headers = await signed(demo)
    async with demo.post("/revoke") as answer:
        assert await answer.json() == {"revoked": 1}
    assert (await demo.get("/hello", headers=headers)).status == 401


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer x", "Basic x"])
@pytest.mark.parametrize("path", ["/hello", "/echo"])
async def test_without_a_living_token_the_door_stays_shut(demo: Demo, path: str, authorization: str | None) -> None:
    await signed(demo)
    headers = {} if authorization is None else {"Authorization": authorization}
    async with demo.get(path, headers=headers) as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_an_echo_says_what_arrived_and_no_header_s_value(demo: Demo) -> None:
    headers = await signed(demo) | {"X-Odd": "s3cret"}
    body = b"\x00\xff" * 500_000
    url = URL(f"{demo.make_url('/echo')}?a=%2f", encoded=True)
    async with demo.session.put(url, data=body, headers=headers) as answer:
        text = await answer.text()
        echoed = await answer.json()
    assert (echoed["method"], echoed["path"], echoed["body_bytes"]) == ("PUT", "/echo?a=%2f", len(body))
    assert echoed["body_sha256"] == hashlib.sha256(body).hexdigest()
    assert {"Authorization", "X-Odd"} <= set(echoed["headers"])
    assert "s3cret" not in text


async def test_it_serves_until_it_is_told_to_stop() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serving = asyncio.create_task(serve("127.0.0.1", port))
    async with ClientSession() as session:
        for _ in range(1000):
            await asyncio.sleep(0)
            try:
                async with session.get(f"http://127.0.0.1:{port}/hello") as answer:
                    assert answer.status == 401
                    break
            except OSError:
                continue
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 5)
