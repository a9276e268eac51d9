"""What a person takes back is gone for all, and what others were just making of it is gone, too."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from proxy.core.errors import LoginRequiredError
from proxy.core.secret import Secret
from proxy.core.token import Token
from proxy.stores.base import StoreError
from proxy.tokens.sources import NO_SOURCES, build_sources
from proxy.tokens.surrender import PATIENCE
from proxy.tokens.vault import Vault
from tests.fakes.sign_in_bench import SignInBench
from tests.fakes.until import until


@pytest.fixture
async def bench() -> AsyncIterator[SignInBench]:
    async with SignInBench() as bench:
        browser = bench.browser()
        await browser.open(await bench.to_callback(browser, "ann"))
        yield bench


async def test_it_returns_the_token_with_all_that_it_carried(bench: SignInBench) -> None:
    source, _ = await bench.sign_ins.source("drive", "ann")
    value = await bench.value("ann")
    given = await source.revoke()
    assert given is not None
    assert given.value.reveal() == value
    assert given.variables == {"refresh_token": Secret(bench.server.chains[0].newest)}
    assert source.current() is None
    with pytest.raises(LoginRequiredError):
        await source.obtain()
    again = await source.revoke()
    assert again is None


async def test_it_is_gone_for_who_comes_later_from_the_store(bench: SignInBench) -> None:
    await (await bench.sign_ins.source("drive", "ann"))[0].revoke()
    bench.sources.pools["drive"].close()
    source, _ = await bench.sign_ins.source("drive", "ann")
    assert source.current() is None


async def test_a_renewal_that_is_under_way_brings_nothing_back(bench: SignInBench) -> None:
    source, _ = await bench.sign_ins.source("drive", "ann")
    bench.server.hold()
    renewing = asyncio.create_task(source.refresh())
    await bench.server.arrived(2)
    giving_up = asyncio.create_task(source.revoke())
    bench.server.release()
    await renewing
    given = await giving_up
    assert given is not None
    assert given.variables == {"refresh_token": Secret(bench.server.chains[0].newest)}
    assert source.current() is None


async def test_a_renewal_in_another_process_brings_nothing_back(bench: SignInBench) -> None:
    ours, _ = await bench.sign_ins.source("drive", "ann")
    vault = Vault(bench.store, bench.seal, bench.runtime, bench.events)
    settings = {"drive": bench.settings()}
    elsewhere = await build_sources(settings, replace(bench.workshop, vault=vault), NO_SOURCES)
    theirs = await elsewhere.pools["drive"].obtain(bench.registry.person("ann"))
    bench.server.hold()
    renewing = asyncio.create_task(theirs.refresh())
    await bench.server.arrived(2)
    giving_up = asyncio.create_task(ours.revoke())
    await bench.clock.settle()
    assert not giving_up.done()
    bench.server.release()
    renewed = await renewing
    given = await giving_up
    assert given is not None
    assert given.value == renewed.token.value
    await bench.clock.settle()
    assert (ours.current(), theirs.current()) == (None, None)
    stored = await vault.load(ours._account.key)
    assert stored is not None
    assert stored.token is None


async def test_a_holder_that_does_not_end_is_waited_for_only_so_long(bench: SignInBench) -> None:
    source, _ = await bench.sign_ins.source("drive", "ann")
    lease = await source._account.acquire()
    assert lease is not None
    giving_up = asyncio.create_task(source.revoke())
    while not giving_up.done():
        await bench.clock.advance(seconds=1)
    assert await giving_up
    assert bench.clock.monotonic() >= 1_000 + PATIENCE
    await lease.release()


async def test_a_new_sign_in_counts_after_the_old_one_was_given_up(bench: SignInBench) -> None:
    source, _ = await bench.sign_ins.source("drive", "ann")
    await source.revoke()
    await source.plant(Token(Secret("new"), bench.clock.now(), bench.clock.now() + 60))
    held = source.current()
    assert held is not None
    assert held.token.value.reveal() == "new"


async def test_without_the_store_others_may_still_use_it(bench: SignInBench) -> None:
    source, _ = await bench.sign_ins.source("drive", "ann")
    bench.store.error = StoreError("away")
    with pytest.raises(StoreError):
        await source.revoke()
    assert source.current() is None
    bench.store.error = None
    await until(lambda: True)
    assert await source.revoke()
