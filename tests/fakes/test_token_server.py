"""The token server does what its knobs say."""

import aiohttp
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.token_server import TokenServer


async def test_an_issued_token_is_valid_until_it_is_revoked() -> None:
    async with TokenServer() as server, aiohttp.ClientSession() as session:
        async with session.post(server.url) as answer:
            token = (await answer.json())["access_token"]
        async with session.get(f"{server.base}/_valid", params={"token": token}) as answer:
            assert answer.status == 200
        async with session.post(f"{server.base}/_revoke"):
            pass
        async with session.get(f"{server.base}/_valid", headers={"Authorization": f"Bearer {token}"}) as answer:
            assert answer.status == 401
        async with session.get(f"{server.base}/_count") as answer:
            assert await answer.json() == {"requests": 1, "issued": 1}


async def test_knobs_turn_over_http() -> None:
    async with TokenServer() as server, aiohttp.ClientSession() as session:
        async with session.post(f"{server.base}/_knobs", json={"status": 503, "failures": 1}) as answer:
            assert answer.status == 200
        async with session.post(server.url) as answer:
            assert answer.status == 503
        async with session.post(server.url) as answer:
            assert answer.status == 200
        async with session.post(f"{server.base}/_knobs", json={"no_such_knob": 1}) as answer:
            assert answer.status == 400


async def test_a_dropped_connection_has_no_answer() -> None:
    async with TokenServer() as server, aiohttp.ClientSession() as session:
        server.knobs.drop = True
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await session.post(server.url)


async def test_a_clock_that_is_ahead_is_ahead_in_dates_and_not_in_what_is_valid() -> None:
    clock = FakeClock(1_800_000_000.0)
    async with TokenServer(clock) as server, aiohttp.ClientSession() as session:
        server.knobs.date_offset, server.knobs.expiry_type = 600.0, "epoch"
        async with session.post(server.url) as answer:
            assert answer.headers["Date"] == "Fri, 15 Jan 2027 08:10:00 GMT"
            assert (await answer.json())["expires_in"] == 1_800_000_900
        await clock.advance(seconds=299)
        assert server.is_valid(server.issued[0])
        await clock.advance(seconds=1)
        assert not server.is_valid(server.issued[0])
