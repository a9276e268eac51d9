"""How one token is replaced: lock, load, fetch, save."""

import asyncio
from dataclasses import replace

import pytest

from proxy.core.errors import FetchError, Reason
from proxy.core.secret import Secret
from proxy.core.token import Token, plan
from proxy.net.runtime import Runtime
from proxy.stores.base import Lease, Record, StoreError
from proxy.stores.memory import Memory, MemorySettings
from proxy.telemetry.events import EventLog
from proxy.telemetry.metrics import Metrics
from proxy.tokens.account import Account
from proxy.tokens.failures import Failure, FailureMemory
from proxy.tokens.held import Held, hold
from proxy.tokens.outcome import Outcome, Replacement, Setback, Trigger
from proxy.tokens.record import TokenRecord
from proxy.tokens.refresher import Refresher
from proxy.tokens.vault import Vault
from tests.fakes.clock import FakeClock
from tests.fakes.credential import ScriptedCredential, StaticCredential
from tests.fakes.token_room import KEY, SEAL, transient, value

IDENTITY = "0123456789abcdef"


class ScriptedLease(Lease):
    """The lease of a memory store that can be lost."""

    def __init__(self, store: "ScriptedStore", inner: Lease) -> None:
        self.lost = False
        self._store = store
        self._inner = inner

    @property
    def is_held(self) -> bool:
        return not self.lost

    async def release(self) -> None:
        self._store.ask("unlock")
        await self._inner.release()


class ScriptedStore(Memory):
    """A memory store that writes down what is asked of it, and fails where it is told to."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(MemorySettings(), Runtime(clock, lambda name, error: None))
        self.asked: list[str] = []
        self.failing: set[str] = set()

    def ask(self, operation: str) -> None:
        self.asked.append(operation)
        if operation in self.failing:
            raise StoreError(f"{operation} fails")

    async def load(self, key: str) -> Record | None:
        self.ask("load")
        return await super().load(key)

    async def save(self, key: str, record: Record) -> Record:
        self.ask("save")
        asked = self.asked.copy()
        standing = await super().save(key, record)
        self.asked = asked  # saving looks what stands there
        return standing

    async def acquire(self, key: str) -> Lease | None:
        self.ask("lock")
        inner = await super().acquire(key)
        return None if inner is None else ScriptedLease(self, inner)


class World:
    def __init__(self, credential: type[ScriptedCredential] = ScriptedCredential) -> None:
        self.clock = FakeClock()
        self.runtime = Runtime(self.clock, lambda name, error: None)
        self.credential = credential(self.clock)
        self.store = ScriptedStore(self.clock)
        self.events = EventLog(self.clock)
        self.vault = Vault(self.store, SEAL, self.runtime, self.events)
        self.metrics = Metrics()
        self.counts = self.metrics.credential("billing")
        self.unfit: set[str] = set()
        self.account = Account(self.vault, KEY, IDENTITY, render=self.render, clock=self.clock)
        self.refresher = Refresher(
            self.credential,
            self.account,
            render=self.render,
            clock=self.clock,
            metrics=self.counts,
            random=lambda: 0.0,
        )
        self.memory = FailureMemory(lambda: 0.0)
        self.failures: list[FetchError] = []

    async def replace(self, trigger: Trigger) -> Outcome:
        return await self.refresher.replace(trigger, self.account.record.generation, self.fail)

    def fail(self, error: FetchError) -> Failure:
        self.failures.append(error)
        return self.memory.remember(error, self.clock.monotonic())

    def render(self, token: Token, trusted: float | None) -> Held:
        if token.value.reveal() in self.unfit:
            raise FetchError(Reason.MALFORMED_RESPONSE, "it cannot stand there")
        return hold(token, (), plan(token, trusted=trusted))

    def record(self, generation: int, text: str, lifetime: float = 300.0) -> TokenRecord:
        now = self.clock.now()
        token = Token(Secret(text), now, now + lifetime, generation)
        return TokenRecord(IDENTITY, generation, token=token)

    async def plant(self, generation: int, text: str, lifetime: float = 300.0) -> None:
        await self.vault.save(KEY, self.record(generation, text, lifetime))
        self.store.asked.clear()

    async def stored(self) -> tuple[str, int] | None:
        failing, self.store.failing = self.store.failing, set()
        record = await self.vault.load(KEY)
        self.store.failing = failing
        return None if record is None or record.token is None else (record.token.value.reveal(), record.generation)

    def fetched(self) -> dict[tuple[str, str], int]:
        return {labels: count for labels, count in self.counts.fetches.items() if count}


@pytest.fixture
def world() -> World:
    return World()


def got(outcome: Outcome) -> tuple[str, int]:
    """Return value and generation of the token that came of it."""
    assert isinstance(outcome, Replacement)
    return value(outcome.held), outcome.held.token.generation


async def test_a_token_is_saved_before_anybody_uses_it(world: World) -> None:
    outcome = await world.replace(Trigger.EXPIRED)
    assert world.store.asked == ["lock", "load", "save", "unlock"]
    assert await world.stored() == got(outcome) == ("planted-1", 1)
    assert isinstance(outcome, Replacement)
    assert outcome.fetched


async def test_a_first_token_is_looked_for_before_the_lock_is_asked_for(world: World) -> None:
    await world.plant(4, "theirs")
    outcome = await world.replace(Trigger.FIRST)
    assert got(outcome) == ("theirs", 4)
    assert world.store.asked == ["load"]


async def test_a_newer_token_in_the_store_saves_the_fetch(world: World) -> None:
    await world.plant(4, "theirs")
    world.account.record = world.record(3, "ours")
    outcome = await world.replace(Trigger.STALE)
    assert got(outcome) == ("theirs", 4)
    assert isinstance(outcome, Replacement)
    assert not outcome.fetched
    assert world.credential.count == 0


@pytest.mark.parametrize(("generation", "lifetime"), [(3, 300.0), (2, 300.0), (9, -1.0), (9, 0.0)])
async def test_a_stored_token_that_is_not_newer_or_has_expired_is_not_taken(
    world: World, generation: int, lifetime: float
) -> None:
    await world.plant(generation, "theirs", lifetime)
    world.account.record = world.record(3, "ours")
    assert got(await world.replace(Trigger.STALE)) == ("planted-1", max(3, generation) + 1)


async def test_a_token_that_was_fetched_with_other_settings_is_not_taken(world: World) -> None:
    await world.vault.save(KEY, replace(world.record(4, "theirs"), identity="other"))
    assert got(await world.replace(Trigger.FIRST)) == ("planted-1", 5)


async def test_a_forced_fetch_takes_nothing_from_the_store(world: World) -> None:
    await world.plant(4, "theirs")
    world.account.record = world.record(3, "ours")
    assert got(await world.replace(Trigger.FORCED)) == ("planted-1", 5)


async def test_the_fetch_is_given_the_newest_token_there_was_expired_or_not(world: World) -> None:
    await world.plant(4, "theirs", -1.0)
    world.account.record = world.record(3, "ours")
    await world.replace(Trigger.EXPIRED)
    world.account.record = world.record(9, "ours")
    await world.replace(Trigger.FORCED)
    assert [token and token.value.reveal() for token in world.credential.previous] == ["theirs", "ours"]


async def test_a_rejected_token_is_out_of_use_for_the_fleet_before_the_next_is_asked_for(world: World) -> None:
    await world.plant(3, "ours")
    world.account.record = world.record(3, "ours")
    world.credential.hold()
    work = asyncio.create_task(world.replace(Trigger.REJECTED))
    await world.clock.settle()
    stored = await world.vault.load(KEY)
    assert stored is not None
    assert stored.is_rejected
    world.credential.release()
    assert got(await work) == ("planted-1", 4)


async def test_a_failure_is_shared_with_the_fleet_and_stands_there_as_long_as_here(world: World) -> None:
    world.credential.fail(transient(retry_after=7.0))
    outcome = await world.replace(Trigger.FIRST)
    assert isinstance(outcome, Setback)
    assert outcome.ours
    stored = await world.vault.load(KEY)
    assert stored is not None
    assert stored.failure == outcome.failure
    assert stored.failure.until == world.clock.monotonic() + 7.0


async def test_who_comes_later_meets_the_shared_failure_instead_of_the_endpoint(world: World) -> None:
    other = World()
    other.clock, other.store = world.clock, world.store
    world.credential.fail(transient())
    await world.replace(Trigger.FIRST)
    world.account.record = TokenRecord()
    outcome = await world.replace(Trigger.FIRST)
    assert isinstance(outcome, Setback)
    assert not outcome.ours
    assert world.credential.count == 1
    await world.clock.advance(seconds=2)
    assert got(await world.replace(Trigger.FIRST)) == ("planted-2", 1)


async def test_a_token_that_arrives_expired_is_a_malformed_response_and_is_not_stored(world: World) -> None:
    world.credential.lifetime = 0.0
    await world.replace(Trigger.FIRST)
    assert [error.reason for error in world.failures] == [Reason.MALFORMED_RESPONSE]
    assert "had expired" in str(world.failures[0])
    assert await world.stored() is None
    assert world.fetched() == {("first", "malformed_response"): 1}


async def test_a_token_that_cannot_be_put_into_a_request_is_not_stored(world: World) -> None:
    world.unfit = {"planted-1"}
    assert isinstance(await world.replace(Trigger.FIRST), Setback)
    assert await world.stored() is None


async def test_a_stored_token_that_cannot_be_put_into_a_request_is_fetched_anew(world: World) -> None:
    await world.plant(4, "theirs")
    world.unfit = {"theirs"}
    assert got(await world.replace(Trigger.FIRST)) == ("planted-1", 5)


@pytest.mark.parametrize("failing", ["lock", "load", "save", "unlock"])
async def test_a_store_that_fails_costs_no_token(world: World, failing: str) -> None:
    world.store.failing = {failing}
    assert got(await world.replace(Trigger.FIRST)) == ("planted-1", 1)


async def test_a_store_that_fails_in_everything_costs_no_token(world: World) -> None:
    world.store.failing = {"lock", "load", "save", "unlock"}
    world.account.record = world.record(3, "ours")
    assert got(await world.replace(Trigger.REJECTED)) == ("planted-1", 4)


async def test_what_the_store_did_not_take_it_gets_when_it_is_back(world: World) -> None:
    world.store.failing = {"lock", "load", "save", "unlock"}
    await world.replace(Trigger.FIRST)
    world.store.failing = set()
    assert await world.stored() is None
    await world.account.catch_up()
    assert await world.stored() == ("planted-1", 1)


async def test_of_a_newer_token_that_another_saved_meanwhile_that_one_is_used(world: World) -> None:
    world.credential.hold()
    work = asyncio.create_task(world.replace(Trigger.FIRST))
    await world.clock.advance(seconds=1)
    await world.plant(7, "theirs")
    world.credential.release()
    assert got(await work) == ("theirs", 7)
    assert await world.stored() == ("theirs", 7)


async def test_a_holder_that_lost_its_lock_does_not_overwrite_the_token_of_the_next(world: World) -> None:
    world.credential.hold()
    work = asyncio.create_task(world.replace(Trigger.FIRST))
    await world.clock.advance(seconds=60)
    await world.plant(1, "theirs")
    world.credential.release()
    assert got(await work) == ("theirs", 1)
    assert await world.stored() == ("theirs", 1)


async def test_what_is_heard_of_during_a_fetch_is_newer_than_what_the_fetch_brings(world: World) -> None:
    world.credential.hold()
    work = asyncio.create_task(world.replace(Trigger.FIRST))
    await world.clock.advance(seconds=60)
    await world.plant(7, "theirs")
    assert world.account.hear(world.record(7, "theirs"))
    world.credential.release()
    assert got(await work) == ("theirs", 7)
    assert await world.stored() == ("theirs", 7)


async def test_who_fails_to_fetch_takes_what_another_has_brought_meanwhile(world: World) -> None:
    world.credential.hold()
    world.credential.fail(transient())
    work = asyncio.create_task(world.replace(Trigger.FIRST))
    await world.clock.advance(seconds=60)
    await world.plant(7, "theirs")
    world.credential.release()
    outcome = await work
    assert got(outcome) == ("theirs", 7)
    assert isinstance(outcome, Replacement)
    assert not outcome.fetched
    assert world.failures == []
    assert await world.stored() == ("theirs", 7)


async def test_a_configured_token_is_never_given_to_the_store() -> None:
    world = World(StaticCredential)
    assert got(await world.replace(Trigger.FIRST)) == ("planted-1", 1)
    assert world.store.asked == []


async def test_every_fetch_is_counted_with_its_reason_and_outcome(world: World) -> None:
    world.credential.fail(transient(), KeyError("planted"))
    await world.replace(Trigger.FIRST)
    await world.clock.advance(seconds=60)
    with pytest.raises(KeyError):
        await world.replace(Trigger.STALE)
    await world.replace(Trigger.EXPIRED)
    assert world.fetched() == {
        ("first", "provider_5xx"): 1,
        ("stale", "internal"): 1,
        ("expired", "succeeded"): 1,
    }
    assert sum(world.counts.lock_waits.counts) == 3


async def test_it_shows_no_secret(world: World) -> None:
    outcome = await world.replace(Trigger.FIRST)
    shown = (world.refresher, outcome, world.account, world.account.record, world.vault)
    assert "planted" not in repr(shown)
