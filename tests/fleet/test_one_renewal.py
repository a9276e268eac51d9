"""Twenty replicas and two thousand callers at once: one token request, whatever happened to the token or its leader."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio

from tests.fakes.fleet import Fleet, at, refused, request, seasoned
from tests.fakes.provider import Provider
from tests.fakes.raw_client import RawClient
from tests.fakes.redis import RedisServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

REPLICAS: Final = 20
CALLERS: Final = 100
"""Of each replica."""
EVERYBODY: Final = REPLICAS * CALLERS
SHORT: Final = 2.0
"""Seconds."""
KNOWN_WITHIN: Final = 0.05
"""Seconds."""
KINDS: Final = ("http_request", "refresh_token")
CREDENTIALS: Final = {"http_request": 7, "refresh_token": 5}
"""One for each test."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(lasting: RedisServer) -> AsyncIterator[Fleet]:
    """Twenty replicas that share a Redis, for all tests of this file."""
    async with (
        Provider() as provider,
        Fleet(provider, store=at(lasting.url), size=REPLICAS, credentials=CREDENTIALS) as fleet,
    ):
        yield fleet


@pytest_asyncio.fixture(loop_scope="module")
async def fleet(running: Fleet, lasting: RedisServer) -> Fleet:
    """The same, all of them alive, before a provider that is well."""
    await seasoned(lasting)
    running.provider.knobs.lifetime = 300
    await running.revive()
    return running


@pytest.mark.parametrize("kind", KINDS)
async def test_two_thousand_callers_without_a_token_cause_one_token_request(fleet: Fleet, kind: str) -> None:
    name = fleet.credential(kind)
    assert refused(await fleet.burst(name, callers=CALLERS)) == [], fleet.story()
    assert fleet.provider.token_requests(name) == 1
    assert fleet.provider.api_statuses(name) == {200: EVERYBODY}


@pytest.mark.parametrize("kind", KINDS)
async def test_two_thousand_callers_with_an_expired_token_cause_one_token_request(fleet: Fleet, kind: str) -> None:
    name, provider = fleet.credential(kind), fleet.provider
    provider.knobs.lifetime = SHORT
    assert refused(await fleet.burst(name, callers=1)) == [], fleet.story()
    await provider.expired(name)
    before = provider.token_requests(name)
    provider.knobs.lifetime = 300
    assert refused(await fleet.burst(name, callers=CALLERS)) == [], fleet.story()
    assert provider.token_requests(name) == before + 1
    assert provider.api_statuses(name) == {200: REPLICAS + EVERYBODY}


@pytest.mark.parametrize("kind", KINDS)
async def test_two_thousand_callers_with_a_revoked_token_cause_one_token_request(fleet: Fleet, kind: str) -> None:
    name, provider = fleet.credential(kind), fleet.provider
    assert refused(await fleet.burst(name, callers=1)) == [], fleet.story()
    provider.revoke(provider.tokens_of(name)[0])
    assert refused(await fleet.burst(name, callers=CALLERS)) == [], fleet.story()
    assert provider.token_requests(name) == 2
    assert provider.api_statuses(name)[200] == REPLICAS + EVERYBODY


@pytest.mark.parametrize("kind", KINDS)
async def test_a_leader_whose_caller_has_gone_fetches_for_everybody_else(fleet: Fleet, kind: str) -> None:
    name, provider = fleet.credential(kind), fleet.provider
    provider.hold()
    async with RawClient(fleet.replicas[0].port) as caller:
        await caller.send(request(name))
        await provider.asked(name, 1)
        caller.abort()
    everybody = asyncio.ensure_future(fleet.burst(name, callers=CALLERS))
    await fleet.at_rest(name, EVERYBODY)
    provider.release()
    assert refused(await everybody) == [], fleet.story()
    assert provider.token_requests(name) == 1
    assert provider.api_statuses(name) == {200: EVERYBODY}


async def test_a_leader_that_is_killed_as_it_asks_costs_one_more_token_request(fleet: Fleet) -> None:
    plain, chained = map(fleet.credential, KINDS)
    provider, (leader, *others) = fleet.provider, fleet.replicas
    survivors = len(others) * CALLERS
    provider.knobs.grace = 60.0
    async with RawClient(leader.port) as one, RawClient(leader.port) as another:
        provider.hold_answers()  # the chained one is spent, and its successor is lost
        await one.send(request(chained))
        await provider.asked(chained, 1)
        provider.hold()
        await another.send(request(plain))
        await provider.asked(plain, 1)
        answers = asyncio.ensure_future(fleet.burst(plain, callers=CALLERS, among=others))
        stories = asyncio.gather(*(fleet.insist(replica, chained) for replica in others for _ in range(CALLERS)))
        await fleet.at_rest(plain, survivors + 1)
        await fleet.at_rest(chained, survivors + 1)
        await leader.kill()
        provider.release()
        assert refused(await answers) == [], fleet.story()
    assert provider.token_requests(plain) == 2
    # Whether the chained one was spent is not known: for some seconds callers are told to ask again, and when.
    assert {told.status for *told_before, _ in await stories for told in told_before} <= {502}
    assert refused(story[-1] for story in await stories) == [], fleet.story()
    assert provider.outcomes(chained) == ["issued", "repeated"]
    assert provider.api_statuses(plain) == provider.api_statuses(chained) == {200: survivors}


async def test_what_one_replica_has_renewed_no_other_shows_as_it_was(fleet: Fleet) -> None:
    name, provider = fleet.credential("http_request"), fleet.provider
    assert refused(await fleet.burst(name, callers=1)) == [], fleet.story()
    provider.revoke(provider.tokens_of(name)[0])
    first, *others = fleet.replicas
    assert refused([await fleet.ask(first, name)]) == []
    assert refused(await fleet.burst(name, callers=1, among=others)) == []
    assert provider.api_statuses(name)[401] == 1
    assert provider.token_requests(name) == 2


async def test_what_one_replica_saw_rejected_no_other_shows_50_ms_later(fleet: Fleet) -> None:
    name, provider = fleet.credential("http_request"), fleet.provider
    assert refused(await fleet.burst(name, callers=1)) == [], fleet.story()
    provider.revoke(provider.tokens_of(name)[0])
    provider.hold()
    first, *others = fleet.replicas
    witness = asyncio.ensure_future(fleet.ask(first, name))
    await provider.asked(name, 2)  # and before that, the rejection was published
    await asyncio.sleep(KNOWN_WITHIN)
    everybody = asyncio.ensure_future(fleet.burst(name, callers=1, among=others))
    await fleet.at_rest(name, REPLICAS)
    assert provider.api_statuses(name)[401] == 1
    provider.release()
    assert refused([await witness, *await everybody]) == [], fleet.story()
    assert provider.token_requests(name) == 2
