"""How one token is replaced: lock, load, fetch, save."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from proxy.core.clock import SystemClock
from proxy.core.errors import FetchError, Reason
from proxy.core.secret import Secret
from proxy.core.token import Token, plan
from proxy.net.runtime import Runtime
from proxy.stores.base import Lease, StoreError
from proxy.stores.memory import Memory, MemorySettings
from proxy.telemetry.metrics import Metrics
from proxy.tokens.held import Held, hold
from proxy.tokens.refresher import Known, Refresher, Trigger
from tests.fakes.clock import FakeClock
from tests.fakes.credential import ScriptedCredential, StaticCredential
from tests.fakes.token_room import transient, value

KEY = "token/billing/0123456789abcdef"
NOTHING = Known(None, 0)


class ScriptedLease(Lease):
    """A lease that can be lost."""

    def __init__(self) -> None:
        self.lost = False

    @property
    def is_held(self) -> bool:
        return not self.lost


class ScriptedStore(Memory):
    """A memory store that writes down what is asked of it, and fails where it is told to."""

    def __init__(self) -> None:
        super().__init__(MemorySettings(), Runtime(SystemClock(), lambda name, error: None))
        self.asked: list[str] = []
        self.failing: set[str] = set()
        self.lease = ScriptedLease()

    def _ask(self, operation: str) -> None:
        self.asked.append(operation)
        if operation in self.failing:
            raise StoreError(f"{operation} fails")

    async def load(self, key: str) -> Token | None:
        self._ask("load")
        return await super().load(key)

    async def save(self, key: str, token: Token) -> Token:
        self._ask("save")
        return await super().save(key, token)

    async def drop(self, key: str, generation: int) -> None:
        self._ask("drop")
        await super().drop(key, generation)

    @asynccontextmanager
    async def lock(self, key: str) -> AsyncIterator[Lease]:
        self._ask("lock")
        async with super().lock(key):
            try:
                yield self.lease
            finally:
                self._ask("unlock")


class World:
    def __init__(self, credential: type[ScriptedCredential] = ScriptedCredential) -> None:
        self.clock = FakeClock()
        self.credential = credential(self.clock)
        self.store = ScriptedStore()
        self.metrics = Metrics()
        self.counts = self.metrics.credential("billing")
        self.unfit: set[str] = set()
        self.refresher = Refresher(
            self.credential, self.store, KEY, render=self.render, clock=self.clock, metrics=self.counts
        )

    def render(self, token: Token) -> Held:
        if token.value.reveal() in self.unfit:
            raise FetchError(Reason.MALFORMED_RESPONSE, "it cannot stand there")
        return hold(token, (), plan(token))

    def token(self, generation: int, text: str, lifetime: float = 300.0) -> Token:
        now = self.clock.now()
        return Token(Secret(text), now, now + lifetime, generation)

    async def stored(self) -> tuple[str, int] | None:
        token = await Memory.load(self.store, KEY)
        return None if token is None else (token.value.reveal(), token.generation)

    def fetched(self) -> dict[tuple[str, str], int]:
        return {labels: count for labels, count in self.counts.fetches.items() if count}


@pytest.fixture
def world() -> World:
    return World()


async def test_a_token_is_saved_before_anybody_uses_it(world: World) -> None:
    replacement = await world.refresher.replace(NOTHING, Trigger.FIRST)
    assert world.store.asked == ["lock", "load", "save", "unlock"]
    assert await world.stored() == (value(replacement.held), 1) == ("planted-1", 1)
    assert replacement.fetched


async def test_a_newer_token_in_the_store_saves_the_fetch(world: World) -> None:
    await world.store.save(KEY, world.token(4, "theirs"))
    replacement = await world.refresher.replace(Known(world.token(3, "ours"), 3), Trigger.STALE)
    assert value(replacement.held) == "theirs"
    assert not replacement.fetched
    assert world.credential.count == 0


@pytest.mark.parametrize(("generation", "lifetime"), [(3, 300.0), (2, 300.0), (9, -1.0), (9, 0.0)])
async def test_a_stored_token_that_is_not_newer_or_has_expired_is_not_taken(
    world: World, generation: int, lifetime: float
) -> None:
    await world.store.save(KEY, world.token(generation, "theirs", lifetime))
    replacement = await world.refresher.replace(Known(world.token(3, "ours"), 3), Trigger.STALE)
    assert replacement.fetched
    assert replacement.held.token.generation == max(3, generation) + 1


async def test_a_forced_fetch_takes_nothing_from_the_store(world: World) -> None:
    await world.store.save(KEY, world.token(4, "theirs"))
    replacement = await world.refresher.replace(Known(world.token(3, "ours"), 3), Trigger.FORCED)
    assert (value(replacement.held), replacement.held.token.generation) == ("planted-1", 5)


async def test_the_fetch_is_given_the_newest_token_there_was_expired_or_not(world: World) -> None:
    await world.store.save(KEY, world.token(4, "theirs", -1.0))
    await world.refresher.replace(Known(world.token(3, "ours"), 3), Trigger.EXPIRED)
    await world.refresher.replace(Known(world.token(9, "ours"), 9), Trigger.FORCED)
    assert [token and token.value.reveal() for token in world.credential.previous] == ["theirs", "ours"]


async def test_a_rejected_token_is_expired_in_the_store_but_what_it_carries_is_kept(world: World) -> None:
    rejected = world.token(3, "ours")
    await world.store.save(KEY, rejected)
    world.credential.fail(transient())
    with pytest.raises(FetchError):
        await world.refresher.replace(Known(rejected, 3), Trigger.REJECTED)
    assert await Memory.load(world.store, KEY) == replace(rejected, expires_at=world.clock.now())


async def test_a_token_that_arrives_expired_is_a_malformed_response_and_is_not_stored(world: World) -> None:
    world.credential.lifetime = 0.0
    with pytest.raises(FetchError, match="had expired") as caught:
        await world.refresher.replace(NOTHING, Trigger.FIRST)
    assert caught.value.reason is Reason.MALFORMED_RESPONSE
    assert await world.stored() is None
    assert world.fetched() == {("first", "malformed_response"): 1}


async def test_a_token_that_cannot_be_put_into_a_request_is_not_stored(world: World) -> None:
    world.unfit = {"planted-1"}
    with pytest.raises(FetchError, match="cannot stand"):
        await world.refresher.replace(NOTHING, Trigger.FIRST)
    assert await world.stored() is None


async def test_a_stored_token_that_cannot_be_put_into_a_request_is_fetched_anew(world: World) -> None:
    await world.store.save(KEY, world.token(4, "theirs"))
    world.unfit = {"theirs"}
    replacement = await world.refresher.replace(NOTHING, Trigger.FIRST)
    assert (value(replacement.held), replacement.held.token.generation) == ("planted-1", 5)


@pytest.mark.parametrize("failing", ["lock", "load", "save", "unlock"])
async def test_a_store_that_fails_costs_no_token(world: World, failing: str) -> None:
    world.store.failing = {failing}
    assert value((await world.refresher.replace(NOTHING, Trigger.FIRST)).held) == "planted-1"


async def test_a_store_that_fails_in_everything_costs_no_token(world: World) -> None:
    world.store.failing = {"lock", "load", "save", "unlock"}
    known = Known(world.token(3, "ours"), 3)
    replacement = await world.refresher.replace(known, Trigger.REJECTED)
    assert (value(replacement.held), replacement.held.token.generation) == ("planted-1", 4)


async def test_of_a_newer_token_that_another_saved_meanwhile_that_one_is_used(world: World) -> None:
    world.credential.hold()
    work = asyncio.create_task(world.refresher.replace(NOTHING, Trigger.FIRST))
    await world.clock.advance(seconds=1)
    await world.store.save(KEY, world.token(7, "theirs"))
    world.credential.release()
    assert value((await work).held) == "theirs"
    assert await world.stored() == ("theirs", 7)


async def test_a_holder_that_lost_its_lock_does_not_overwrite_the_token_of_the_next(world: World) -> None:
    world.credential.hold()
    work = asyncio.create_task(world.refresher.replace(NOTHING, Trigger.FIRST))
    await world.clock.advance(seconds=60)
    world.store.lease.lost = True
    await world.store.save(KEY, world.token(1, "theirs"))
    world.credential.release()
    assert value((await work).held) == "theirs"
    assert await world.stored() == ("theirs", 1)


async def test_a_holder_that_lost_its_lock_to_nobody_saves_its_token(world: World) -> None:
    world.store.lease.lost = True
    await world.refresher.replace(NOTHING, Trigger.FIRST)
    assert await world.stored() == ("planted-1", 1)


async def test_a_configured_token_is_never_given_to_the_store() -> None:
    world = World(StaticCredential)
    replacement = await world.refresher.replace(NOTHING, Trigger.FIRST)
    assert value(replacement.held) == "planted-1"
    assert world.store.asked == []


async def test_every_fetch_is_counted_with_its_reason_and_outcome(world: World) -> None:
    world.credential.fail(transient(), KeyError("planted"))
    for trigger in (Trigger.FIRST, Trigger.STALE):
        with pytest.raises((FetchError, KeyError)):
            await world.refresher.replace(NOTHING, trigger)
    await world.refresher.replace(NOTHING, Trigger.EXPIRED)
    assert world.fetched() == {
        ("first", "provider_5xx"): 1,
        ("stale", "internal"): 1,
        ("expired", "succeeded"): 1,
    }
    assert sum(world.counts.lock_waits.counts) == 3


async def test_revoking_drops_what_is_stored_but_nothing_newer(world: World) -> None:
    await world.store.save(KEY, world.token(4, "theirs"))
    await world.refresher.revoke(3)
    assert await world.stored() == ("theirs", 4)
    await world.refresher.revoke(4)
    assert await world.stored() is None
    assert world.store.asked[-3:] == ["lock", "drop", "unlock"]


async def test_it_shows_no_secret(world: World) -> None:
    replacement = await world.refresher.replace(NOTHING, Trigger.FIRST)
    shown = f"{world.refresher!r} {replacement!r} {Known(replacement.held.token, 1)!r}"
    assert "planted" not in shown
