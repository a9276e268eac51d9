"""Two processes on one database file are a fleet: one token between them, whatever happens to one of them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.fakes.fleet import Fleet, refused, request
from tests.fakes.provider import Provider
from tests.fakes.raw_client import RawClient

CALLERS: Final = 100
"""Of each process."""
KINDS: Final = ("http_request", "refresh_token")


@pytest_asyncio.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    store = f"{{kind: sqlite, path: '{tmp_path / 'tokens.db'}'}}"
    async with Provider() as provider, Fleet(provider, store=store, credentials=dict.fromkeys(KINDS, 1)) as fleet:
        yield fleet


@pytest.mark.parametrize("kind", KINDS)
async def test_two_processes_fetch_renew_and_inherit_one_token(fleet: Fleet, kind: str) -> None:
    name, provider = fleet.credential(kind), fleet.provider
    assert refused(await fleet.burst(name, callers=CALLERS)) == [], fleet.story()
    assert provider.token_requests(name) == 1
    provider.revoke(provider.tokens_of(name)[0])
    assert refused(await fleet.burst(name, callers=CALLERS)) == [], fleet.story()
    assert provider.token_requests(name) == 2
    for replica in fleet.replicas:
        await replica.kill()
    await fleet.revive()
    assert refused(await fleet.burst(name, callers=CALLERS)) == [], fleet.story()
    assert provider.outcomes(name) == ["issued", "issued"]


async def test_a_process_that_is_killed_as_it_asks_is_succeeded_by_the_other(fleet: Fleet) -> None:
    plain, chained = map(fleet.credential, KINDS)
    provider, (leader, other) = fleet.provider, fleet.replicas
    provider.knobs.grace = 60.0
    async with RawClient(leader.port) as one, RawClient(leader.port) as another:
        provider.hold_answers()
        await one.send(request(chained))
        await provider.asked(chained, 1)
        provider.hold()
        await another.send(request(plain))
        await provider.asked(plain, 1)
        answers = asyncio.ensure_future(fleet.burst(plain, callers=CALLERS, among=[other]))
        stories = asyncio.gather(*(fleet.insist(other, chained) for _ in range(CALLERS)))
        await fleet.at_rest(plain, CALLERS + 1)
        await fleet.at_rest(chained, CALLERS + 1)
        await leader.kill()
        provider.release()
        assert refused(await answers) == [], fleet.story()
        assert refused(story[-1] for story in await stories) == [], fleet.story()
    assert provider.token_requests(plain) == 2
    assert provider.outcomes(chained) == ["issued", "repeated"]
