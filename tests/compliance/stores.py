"""What every store promises, written once: a kind's test inherits this suite and says how to make the store."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from proxy.core.secret import Secret
from proxy.core.token import Token
from proxy.stores.base import Lease, Store

KEY = "token/billing/0123456789abcdef"
OTHER_KEY = "token/stripe/fedcba9876543210"


def token(generation: int = 1, value: str = "planted-value", lifetime: float | None = 300.0) -> Token:
    issued_at = 1_800_000_000.25
    return Token(
        Secret(value),
        issued_at,
        None if lifetime is None else issued_at + lifetime,
        generation,
        {"refresh_token": Secret("planted-refresh")},
    )


async def settle() -> None:
    """Let everything run that can run without time passing."""
    for _ in range(20):
        await asyncio.sleep(0)


class StoreCompliance(ABC):
    """Inherit as `class TestMyStore(StoreCompliance)` and implement `make`."""

    @abstractmethod
    def make(self) -> Store:
        """Return a store of the kind, empty."""

    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        store = self.make()
        yield store
        await store.close()

    async def test_nothing_is_stored_at_first(self, store: Store) -> None:
        assert await store.load(KEY) is None

    @pytest.mark.parametrize("lifetime", [300.0, None])
    async def test_what_was_saved_is_loaded_whole(self, store: Store, lifetime: float | None) -> None:
        saved = token(lifetime=lifetime)
        assert await store.save(KEY, saved) == saved
        loaded = await store.load(KEY)
        assert loaded == saved
        assert loaded.variables["refresh_token"].reveal() == "planted-refresh"

    async def test_keys_are_apart(self, store: Store) -> None:
        await store.save(KEY, token())
        assert await store.load(OTHER_KEY) is None

    async def test_a_newer_generation_replaces_an_older_one(self, store: Store) -> None:
        await store.save(KEY, token(1))
        newer = token(2, "newer")
        assert await store.save(KEY, newer) == newer
        assert await store.load(KEY) == newer

    async def test_an_older_generation_does_not_replace_a_newer_one_and_learns_of_it(self, store: Store) -> None:
        newer = token(2, "newer")
        await store.save(KEY, newer)
        assert await store.save(KEY, token(1)) == newer
        assert await store.load(KEY) == newer

    async def test_of_one_generation_the_one_saved_last_stands(self, store: Store) -> None:
        await store.save(KEY, token(1))
        later = token(1, "later")
        assert await store.save(KEY, later) == later
        assert await store.load(KEY) == later

    async def test_of_many_saved_at_once_the_newest_stands(self, store: Store) -> None:
        await asyncio.gather(*(store.save(KEY, token(generation)) for generation in (3, 9, 1, 7, 5)))
        loaded = await store.load(KEY)
        assert loaded is not None
        assert loaded.generation == 9

    async def test_an_expired_token_is_kept_for_the_next_fetch_may_need_what_it_carries(self, store: Store) -> None:
        expired = replace(token(), issued_at=1000.0, expires_at=1001.0)
        await store.save(KEY, expired)
        assert await store.load(KEY) == expired

    async def test_a_dropped_token_is_forgotten(self, store: Store) -> None:
        await store.save(KEY, token(2))
        await store.drop(KEY, 2)
        assert await store.load(KEY) is None

    async def test_dropping_an_older_generation_leaves_a_newer_one(self, store: Store) -> None:
        newer = token(2)
        await store.save(KEY, newer)
        await store.drop(KEY, 1)
        assert await store.load(KEY) == newer

    async def test_dropping_what_is_not_there_is_no_error(self, store: Store) -> None:
        await store.drop(KEY, 1)
        assert await store.load(KEY) is None

    async def test_one_holder_at_a_time_and_the_next_gets_the_lock_when_it_leaves(self, store: Store) -> None:
        inside: list[int] = []
        most = 0

        async def hold(number: int) -> None:
            nonlocal most
            async with store.lock(KEY):
                inside.append(number)
                most = max(most, len(inside))
                await settle()
                inside.remove(number)

        await asyncio.gather(*(hold(number) for number in range(5)))
        assert most == 1

    async def test_the_locks_of_two_keys_do_not_wait_for_each_other(self, store: Store) -> None:
        async with store.lock(KEY) as one, store.lock(OTHER_KEY) as other:
            assert one.is_held
            assert other.is_held

    async def test_a_lease_is_held_while_its_block_runs_and_not_afterwards(self, store: Store) -> None:
        async with store.lock(KEY) as lease:
            assert lease.is_held
        assert not lease.is_held

    async def test_a_holder_that_fails_lets_go(self, store: Store) -> None:
        with pytest.raises(RuntimeError, match="in the block"):
            async with store.lock(KEY):
                raise RuntimeError("in the block")
        async with store.lock(KEY) as lease:
            assert lease.is_held

    async def test_a_holder_that_is_cancelled_lets_go(self, store: Store) -> None:
        holding = asyncio.Event()
        leases: list[Lease] = []

        async def hold() -> None:
            async with store.lock(KEY) as lease:
                leases.append(lease)
                holding.set()
                await asyncio.Event().wait()

        holder = asyncio.create_task(hold())
        await holding.wait()
        holder.cancel()
        await asyncio.gather(holder, return_exceptions=True)
        assert not leases[0].is_held
        async with store.lock(KEY) as lease:
            assert lease.is_held

    async def test_a_waiter_that_is_cancelled_leaves_the_lock_to_the_others(self, store: Store) -> None:
        async def pass_through() -> None:
            async with store.lock(KEY):
                pass

        async with store.lock(KEY):
            first, second = (asyncio.create_task(pass_through()) for _ in range(2))
            await settle()
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
        await second
        assert first.cancelled()

    async def test_a_store_shows_nothing_of_what_it_keeps(self, store: Store) -> None:
        await store.save(KEY, token())
        assert "planted" not in repr(store)
