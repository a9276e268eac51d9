"""Redis is away, hangs, flaps, is full, loses its data or holds rubbish: no request fails that a token can be had for.

The replicas and the Redis servers are real. What can be spent once is in `test_spent_once.py`.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from typing import Final

from tests.fakes.fleet import Fleet, at, refused
from tests.fakes.load import Load
from tests.fakes.provider import Provider
from tests.fakes.redis import RedisSentinel, RedisServer, wait_until

REPLICAS: Final = 2
CALLERS: Final = 20
"""Of each replica."""
RATE: Final = 100.0
"""Requests per second."""
EXPECTED: Final = ("store_failed", "record_damaged", "record_unreadable")
START: Final = 2.0
"""Seconds until a process is ready though there is no Redis."""


@asynccontextmanager
async def fleet_at(url: str, *, credentials: int = 1) -> AsyncIterator[Fleet]:
    async with (
        Provider() as provider,
        Fleet(
            provider,
            store=at(url),
            size=REPLICAS,
            credentials={"http_request": credentials},
            expected_errors=EXPECTED,
        ) as fleet,
    ):
        yield fleet


def names(fleet: Fleet, count: int) -> list[str]:
    return [fleet.credential("http_request") for _ in range(count)]


async def newcomer_asks_for_no_token(fleet: Fleet, credentials: Sequence[str]) -> None:
    """The store has everything that the replicas know: one that has just begun takes it from there."""
    before = [fleet.provider.token_requests(name) for name in credentials]
    newcomer = await fleet.add()
    assert refused([await fleet.ask(newcomer, name) for name in credentials]) == [], fleet.story()
    assert [fleet.provider.token_requests(name) for name in credentials] == before, fleet.story()


async def test_a_process_that_finds_no_redis_is_ready_at_once_and_saves_what_it_fetched_later() -> None:
    with closing(RedisServer()) as server:
        async with fleet_at(server.url) as fleet:
            began = time.monotonic()
            await fleet.add()
            assert time.monotonic() - began < START
            await fleet.store_is("down")
            assert await fleet.metric("store_up") == 0
            (name,) = names(fleet, 1)
            assert refused(await fleet.burst(name, callers=CALLERS)) == [], fleet.story()
            assert fleet.provider.token_requests(name) == len(fleet.replicas)  # one flight each
            server.start()
            await fleet.store_is("up")
            await newcomer_asks_for_no_token(fleet, [name])


async def test_a_redis_that_hangs_delays_no_request_that_has_a_token_and_others_once() -> None:
    with RedisServer() as server:
        async with fleet_at(server.url, credentials=3) as fleet:
            cached, missing, missing_too = names(fleet, 3)
            assert refused(await fleet.burst(cached, callers=1)) == []
            waited = await fleet.metric("token_cache_total", credential=cached, result="wait")
            async with Load(fleet, [cached], rate=RATE) as load:
                with server.paused():
                    assert refused(await fleet.burst(missing, callers=CALLERS)) == [], fleet.story()
                    assert await fleet.metric("store_up") == 0
                    asked = await questions(fleet)
                    assert refused(await fleet.burst(missing_too, callers=CALLERS)) == [], fleet.story()
                    assert await questions(fleet) == asked <= REPLICAS, fleet.story()
                    for name in (missing, missing_too):
                        assert fleet.provider.token_requests(name) == REPLICAS  # one flight each
                await fleet.store_is("up")
            assert load.failures == [], fleet.story()
            assert await fleet.metric("token_cache_total", credential=cached, result="wait") == waited
            await newcomer_asks_for_no_token(fleet, [cached, missing, missing_too])


async def questions(fleet: Fleet) -> float:
    """Return how many questions to the store were not answered; probes are on nobody's account."""
    return await fleet.metric("store_errors_total") - await fleet.metric("store_errors_total", operation="ping")


async def test_a_redis_that_comes_back_empty_is_given_everything_back() -> None:
    with RedisServer() as server:
        async with fleet_at(server.url, credentials=5) as fleet:
            known = names(fleet, 5)
            for name in known:
                assert refused(await fleet.burst(name, callers=1)) == []
            async with Load(fleet, known, rate=RATE) as load:
                await asyncio.to_thread(server.restart, empty=True)
                await load.reach(1.0)
                await fleet.store_is("up")
            assert load.failures == [], fleet.story()
            await newcomer_asks_for_no_token(fleet, known)
            assert [fleet.provider.token_requests(name) for name in known] == [1] * 5


async def test_a_failover_of_the_sentinels_fails_no_request() -> None:
    with RedisSentinel() as sentinel:
        async with fleet_at(sentinel.url) as fleet:
            (name,) = names(fleet, 1)
            fleet.provider.knobs.lifetime = 3.0
            async with Load(fleet, [name], rate=RATE) as load:
                await load.reach(1.0)
                before = sentinel.master
                await asyncio.to_thread(before.kill)
                await asyncio.to_thread(wait_until, lambda: sentinel.master is not before)
                await fleet.store_is("up")
                await load.reach(load.count / RATE + 4.0)
            assert load.failures == [], fleet.story()
            await fleet.provider.expired(name)
            fleet.provider.knobs.lifetime = 300.0
            asked = fleet.provider.token_requests(name)
            assert refused(await fleet.burst(name, callers=CALLERS)) == [], fleet.story()
            assert fleet.provider.token_requests(name) == asked + 1
            await newcomer_asks_for_no_token(fleet, [name])


async def test_connections_that_are_cut_ten_times_a_second_fail_no_request() -> None:
    with RedisServer() as server:
        async with fleet_at(server.url) as fleet:
            (name,) = names(fleet, 1)
            fleet.provider.knobs.lifetime = 2.0
            async with Load(fleet, [name], rate=RATE) as load:
                for cut in range(50):
                    await load.reach(cut / 10)
                    for kind in ("normal", "pubsub"):
                        await asyncio.to_thread(server.do, "CLIENT", "KILL", "TYPE", kind)
            assert load.failures == [], fleet.story()
            await fleet.store_is("up")


async def test_a_redis_that_dies_every_two_seconds_fails_no_request() -> None:
    with RedisServer() as server:
        async with fleet_at(server.url) as fleet:
            (name,) = names(fleet, 1)
            fleet.provider.knobs.lifetime = 2.0
            async with Load(fleet, [name], rate=RATE) as load:
                for death in range(4):
                    await load.reach(2.0 * death + 1.0)
                    server.kill()
                    await load.reach(2.0 * death + 2.0)
                    await asyncio.to_thread(server.start)
            assert load.failures == [], fleet.story()
            await fleet.store_is("up")


async def test_a_redis_that_is_full_fails_no_request_and_is_named() -> None:
    with RedisServer("maxmemory-policy noeviction") as server:
        async with fleet_at(server.url, credentials=2) as fleet:
            known, missing = names(fleet, 2)
            fleet.provider.knobs.lifetime = 3.0
            async with Load(fleet, [known], rate=RATE) as load:
                await load.reach(1.0)
                server.do("CONFIG", "SET", "maxmemory", "1")
                assert refused(await fleet.burst(missing, callers=CALLERS)) == [], fleet.story()
                await load.reach(5.0)
                await fleet.store_is("down")
                server.do("CONFIG", "SET", "maxmemory", "0")
                await fleet.store_is("up")
            assert load.failures == [], fleet.story()
            for replica in fleet.replicas:
                assert "is full; raise its maxmemory" in (await replica.line_with("store_failed"))["detail"]


async def test_rubbish_in_redis_counts_as_nothing_is_told_of_and_is_gone_with_the_next_token() -> None:
    chance = random.Random(3)
    with RedisServer() as server:
        async with fleet_at(server.url, credentials=8) as fleet:
            known = names(fleet, 8)
            for name in known:
                assert refused(await fleet.burst(name, callers=1)) == []
            for key in server.do("KEYS", "*:record"):
                spoil(server, key, chance)
            newcomer = await fleet.add()
            assert refused([await fleet.ask(newcomer, name) for name in known]) == [], fleet.story()
            assert [fleet.provider.token_requests(name) for name in known] == [2] * 8
            for name in known:
                assert (await newcomer.line_with(f"the record token/{name}/"))["level"] == "error"
                await fleet.replicas[0].admin("POST", f"/api/v1/credentials/{name}/refresh")
                assert refused(await fleet.burst(name, callers=1)) == []
            await newcomer_asks_for_no_token(fleet, known)


def spoil(server: RedisServer, key: bytes, chance: random.Random) -> None:
    """Put other bytes in place of a tenth of the record's."""
    data = bytearray(server.do("HGET", key, "data"))
    for place in chance.sample(range(len(data)), len(data) // 10):
        data[place] ^= chance.randrange(1, 256)
    server.do("HSET", key, "data", bytes(data))
