"""What can be spent once is not spent while nobody can say that it is ours to spend; what it brought last goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import orjson

from proxy.tokens.spending import DOUBT
from tests.fakes.fleet import Fleet, at, new_key, refused, seasoned
from tests.fakes.load import Load
from tests.fakes.provider import Provider
from tests.fakes.raw_client import Answer
from tests.fakes.redis import RedisSentinel, RedisServer, wait_until
from tests.fakes.world import eventually

CALLERS: Final = 20
"""Of each replica."""
RATE: Final = 100.0
"""Requests per second."""
SHORT: Final = 4.0
"""Seconds."""
EXPECTED: Final = ("store_failed", "record_unreadable")


@asynccontextmanager
async def fleet_at(server: RedisServer, url: str = "", **credentials: int) -> AsyncIterator[Fleet]:
    await seasoned(server)
    async with (
        Provider() as provider,
        Fleet(provider, store=at(url or server.url), credentials=credentials, expected_errors=EXPECTED) as fleet,
    ):
        yield fleet


def problems(answers: list[Answer]) -> set[tuple[int, str, str, bool]]:
    """Return status, type and reason of each refusal, and whether it says when to ask again."""
    told = set()
    for answer in answers:
        problem = orjson.loads(answer.body)
        code = problem["type"].rpartition("/")[2]
        told.add((answer.status, code, problem["reason"], int(answer.header("Retry-After")) > 0))
    return told


async def test_during_an_outage_nothing_is_spent_and_what_is_held_goes_on(lasting: RedisServer) -> None:
    async with fleet_at(lasting, refresh_token=3) as fleet:
        provider = fleet.provider
        held, ending, missing = (fleet.credential("refresh_token") for _ in range(3))
        assert refused(await fleet.burst(held, callers=1)) == [], fleet.story()
        provider.knobs.lifetime = SHORT
        assert refused(await fleet.burst(ending, callers=1)) == [], fleet.story()
        provider.knobs.lifetime = 300
        async with Load(fleet, [held], rate=RATE) as load:
            with lasting.paused():
                assert problems(await fleet.burst(missing, callers=CALLERS)) == {NOT_SPENT}, fleet.story()
                await provider.expired(ending)
                assert problems(await fleet.burst(ending, callers=CALLERS)) == {NOT_SPENT}, fleet.story()
                assert await fleet.metric("store_up") == 0
                assert [provider.token_requests(name) for name in (held, ending, missing)] == [1, 1, 0]
            await fleet.store_is("up")
            stories = await asyncio.gather(
                *(fleet.insist(replica, name) for replica in fleet.replicas for name in (ending, missing))
            )
            assert refused(story[-1] for story in stories) == [], fleet.story()
        assert load.failures == [], fleet.story()
        assert [provider.outcomes(name) for name in (held, ending, missing)] == [["issued"], ["issued"] * 2, ["issued"]]


NOT_SPENT: Final = (502, "token-unavailable", "internal", True)


async def test_a_chain_goes_on_after_its_redis_has_lost_it_or_failed_over(
    mortal: RedisServer, sentinel: RedisSentinel
) -> None:
    await asyncio.gather(through_loss(mortal), through_failover(sentinel))  # both have long waits


async def through_loss(server: RedisServer) -> None:
    async with fleet_at(server, refresh_token=1) as fleet:
        name, provider = fleet.credential("refresh_token"), fleet.provider
        assert refused(await fleet.burst(name, callers=1)) == [], fleet.story()
        await asyncio.to_thread(server.restart, empty=True)
        newcomer = await fleet.add()  # which knows nothing but the first refresh token, and that is spent
        stories = [await fleet.insist(replica, name) for replica in (newcomer, *fleet.replicas)]
        assert refused(story[-1] for story in stories) == [], fleet.story()
        assert problems([told for *told_before, _ in stories for told in told_before]) <= {NOT_SPENT}
        assert provider.outcomes(name) == ["issued"]
        provider.revoke(provider.tokens_of(name)[0])
        assert refused([(await fleet.insist(newcomer, name))[-1]]) == [], fleet.story()
        assert provider.outcomes(name) == ["issued", "issued"]


async def through_failover(sentinel: RedisSentinel) -> None:
    before = sentinel.master
    async with fleet_at(before, sentinel.url, refresh_token=1) as fleet:
        name, provider = fleet.credential("refresh_token"), fleet.provider
        provider.knobs.lifetime = SHORT
        async with Load(fleet, [name], rate=RATE) as load:
            await load.reach(2 * SHORT)
            await asyncio.to_thread(before.kill)
            await asyncio.to_thread(wait_until, lambda: sentinel.master is not before)
            await fleet.store_is("up")
            spent = len(provider.outcomes(name))
            await eventually(lambda: len(provider.outcomes(name)) > spent, deadline=2 * DOUBT)
        assert all("token-unavailable" in failure and "internal" in failure for failure in load.failures), load.failures
        assert set(provider.outcomes(name)) == {"issued"}, fleet.story()
        assert refused([(await fleet.insist(replica, name))[-1] for replica in fleet.replicas]) == [], fleet.story()


async def test_a_replica_with_another_sealing_key_spends_nothing_destroys_nothing_and_says_so(
    lasting: RedisServer,
) -> None:
    async with fleet_at(lasting, refresh_token=1, http_request=1) as fleet:
        provider = fleet.provider
        chained, plain = fleet.credential("refresh_token"), fleet.credential("http_request")
        for name in (chained, plain):
            assert refused(await fleet.burst(name, callers=CALLERS)) == [], fleet.story()
        before = records(lasting, fleet)
        stranger = await fleet.add(keys=[new_key()])
        assert refused([await fleet.ask(stranger, plain) for _ in range(CALLERS)]) == [], fleet.story()
        assert problems([await fleet.ask(stranger, chained) for _ in range(CALLERS)]) == {NOT_SPENT}, fleet.story()
        said = await stranger.line_with("record_unreadable")
        assert "the record chain/" in said["detail"]
        assert "add that key to seal.keys" in said["detail"]
        assert (provider.token_requests(chained), provider.token_requests(plain)) == (1, 2)
        after = records(lasting, fleet)
        assert before.items() <= after.items()
        assert len(after) == len(before) + 1  # the stranger's own, under a name that its key gives
        for name in (chained, plain):
            assert refused(await fleet.burst(name, callers=1, among=fleet.replicas[:-1])) == [], fleet.story()
        assert await stranger.readiness() == {"status": "ready", "reasons": [], "store": "up"}


def records(server: RedisServer, fleet: Fleet) -> dict[bytes, bytes]:
    """Return what the fleet keeps, sealed."""
    names = server.do("KEYS", f"{fleet.prefix}:*:record")
    return {name: server.do("HGET", name, "data") for name in names}
