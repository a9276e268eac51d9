"""One replica has its turn; the others wait until it has settled the matter, or it is theirs."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from proxy.core.errors import FetchError, Reason
from proxy.core.secret import Secret
from proxy.core.token import Token, plan
from proxy.net.runtime import Runtime
from proxy.stores.base import Lease, Listener, StoreError
from proxy.stores.memory import MemorySettings
from proxy.telemetry.events import EventLog
from proxy.tokens.account import Account
from proxy.tokens.failures import Failure
from proxy.tokens.held import Held, hold
from proxy.tokens.outcome import Outcome, Replacement, Setback, Trigger
from proxy.tokens.record import TokenRecord
from proxy.tokens.turn import PATIENCE, POLL, look, take_turn
from proxy.tokens.vault import Vault
from tests.fakes.clock import FakeClock
from tests.fakes.flaky_store import FlakyStore
from tests.fakes.token_room import KEY, SEAL, value

IDENTITY = "0123456789abcdef"
WAITING = [Trigger.STALE, Trigger.EXPIRED, Trigger.REJECTED]
"""Who takes what others bring, and does not look before asking for the lock."""


class QuietStore(FlakyStore):
    """Says nothing of what changes while it is `muted`."""

    muted = False

    def listen(self, listener: Listener) -> None:
        super().listen(lambda news: None if self.muted else listener(news))


class Following:
    """What lets news count, as a source does."""

    is_durable = False

    def __init__(self, account: Account) -> None:
        self.account = account

    def hear(self, record: TokenRecord) -> None:
        self.account.hear(record)

    async def catch_up(self) -> None:
        """Nothing is missed here."""


class World:
    """One replica that wants its turn, and the vault of another."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.runtime = Runtime(self.clock, lambda name, error: None)
        self.store = QuietStore(MemorySettings(), self.runtime)
        self.vault = Vault(self.store, SEAL, self.runtime, EventLog(self.clock))
        self.theirs = Vault(self.store.memory, SEAL, self.runtime, EventLog(self.clock))
        self.unfit: set[str] = set()
        self.account = Account(self.vault, KEY, IDENTITY, render=self.render, clock=self.clock)
        self.vault.follow(KEY, Following(self.account))
        self.random = 0.5
        self.tasks: list[asyncio.Task[Lease | Outcome]] = []

    def render(self, token: Token, trusted: float | None) -> Held:
        if token.value.reveal() in self.unfit:
            raise FetchError(Reason.MALFORMED_RESPONSE, "it cannot stand there")
        return hold(token, (), plan(token, trusted=trusted))

    def record(self, generation: int, text: str = "planted-theirs", lifetime: float = 300.0) -> TokenRecord:
        now = self.clock.now()
        token = Token(Secret(text), now, now + lifetime, generation)
        return TokenRecord(IDENTITY, generation, token=token)

    def failed(self, generation: int = 7, identity: str = IDENTITY) -> TokenRecord:
        until = self.clock.monotonic() + 30.0
        failure = Failure(Reason.PROVIDER_5XX, "failing", permanent=False, until=until)
        return self.record(generation).fail(failure, identity)

    async def hold_lock(self) -> Lease:
        """Have another replica take the lock."""
        lease = await self.theirs.acquire(KEY)
        assert lease is not None
        return lease

    async def want(self, trigger: Trigger, than: int = 7) -> asyncio.Task[Lease | Outcome]:
        """Begin to wait for the turn."""
        work = take_turn(self.account, than, trigger, self.clock, lambda: self.random)
        task = asyncio.create_task(work)
        self.tasks.append(task)
        await self.clock.settle()
        return task


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    for task in world.tasks:
        task.cancel()
    await asyncio.gather(*world.tasks, return_exceptions=True)
    await world.runtime.close()


def got(task: asyncio.Task[Lease | Outcome]) -> tuple[str, int]:
    """Return value and generation of the token that another replica fetched."""
    assert task.done()
    outcome = task.result()
    assert isinstance(outcome, Replacement)
    assert not outcome.fetched
    return value(outcome.held), outcome.held.token.generation


def setback(task: asyncio.Task[Lease | Outcome]) -> Failure:
    """Return the failure that is not ours."""
    assert task.done()
    outcome = task.result()
    assert isinstance(outcome, Setback)
    assert not outcome.ours
    return outcome.failure


def is_ours(task: asyncio.Task[Lease | Outcome]) -> bool:
    """Tell whether the turn is ours now."""
    outcome = task.result() if task.done() else None
    return isinstance(outcome, Lease) and outcome.is_held


# The lock is free


@pytest.mark.parametrize("trigger", Trigger)
async def test_where_the_lock_is_free_the_turn_is_ours(world: World, trigger: Trigger) -> None:
    task = await world.want(trigger)
    assert is_ours(task)
    assert await world.theirs.acquire(KEY) is None


@pytest.mark.parametrize("trigger", [*WAITING, Trigger.FORCED])
async def test_who_had_a_token_asks_for_the_lock_at_once(world: World, trigger: Trigger) -> None:
    assert is_ours(await world.want(trigger))
    assert world.store.asked == {"acquire": 1}


async def test_a_first_look_spares_the_lock_when_there_is_a_token(world: World) -> None:
    await world.theirs.save(KEY, world.record(8))
    assert got(await world.want(Trigger.FIRST)) == ("planted-theirs", 8)
    assert world.store.asked == {"load": 1}


async def test_a_first_look_spares_the_lock_when_a_failure_stands(world: World) -> None:
    world.store.muted = True
    await world.theirs.save(KEY, world.failed())
    assert setback(await world.want(Trigger.FIRST)).reason is Reason.PROVIDER_5XX
    assert world.store.asked == {"load": 1}


async def test_a_first_look_that_finds_nothing_of_use_asks_for_the_lock(world: World) -> None:
    world.store.muted = True
    await world.theirs.save(KEY, world.record(8, lifetime=-1.0))
    assert is_ours(await world.want(Trigger.FIRST))
    assert world.store.asked == {"load": 1, "acquire": 1}


# Another replica has the lock


@pytest.mark.parametrize("trigger", [Trigger.FIRST, *WAITING])
async def test_who_waits_takes_the_token_that_another_brings_at_once(world: World, trigger: Trigger) -> None:
    await world.hold_lock()
    task = await world.want(trigger)
    assert not task.done()
    await world.theirs.save(KEY, world.record(8))
    await world.clock.settle()  # no time passes
    assert got(task) == ("planted-theirs", 8)


@pytest.mark.parametrize("trigger", [Trigger.FIRST, *WAITING])
async def test_who_waits_meets_another_s_failure_at_once(world: World, trigger: Trigger) -> None:
    await world.hold_lock()
    task = await world.want(trigger)
    await world.theirs.save(KEY, world.failed())
    await world.clock.settle()
    until = world.clock.monotonic() + 30.0
    assert setback(task) == Failure(Reason.PROVIDER_5XX, "failing", permanent=False, until=until)


@pytest.mark.parametrize("trigger", Trigger)
async def test_who_waits_has_the_turn_as_soon_as_the_lock_is_free(world: World, trigger: Trigger) -> None:
    lease = await world.hold_lock()
    task = await world.want(trigger)
    assert not task.done()
    await lease.release()
    await world.clock.settle()
    assert is_ours(task)


async def test_of_many_who_wait_one_has_the_turn(world: World) -> None:
    lease = await world.hold_lock()
    tasks = [await world.want(Trigger.EXPIRED) for _ in range(10)]
    await lease.release()
    await world.clock.advance(seconds=1)
    assert sum(is_ours(task) for task in tasks) == 1
    assert sum(task.done() for task in tasks) == 1
    await world.theirs.save(KEY, world.record(8))
    await world.clock.settle()
    assert [got(task) for task in tasks if not is_ours(task)] == [("planted-theirs", 8)] * 9


async def test_what_was_heard_is_not_loaded_again(world: World) -> None:
    await world.hold_lock()
    task = await world.want(Trigger.EXPIRED)
    await world.theirs.save(KEY, world.record(8))
    await world.clock.settle()
    assert got(task) == ("planted-theirs", 8)
    assert world.store.asked == {"acquire": 1}


async def test_what_does_not_settle_the_matter_is_waited_past(world: World) -> None:
    await world.hold_lock()
    world.unfit = {"unfit"}
    task = await world.want(Trigger.REJECTED)
    for record in (
        world.record(6),
        world.record(7),
        world.record(7).reject(world.clock.now()),
        replace(world.record(8), identity="other"),
        world.record(9, lifetime=-1.0),
        world.record(10).reject(world.clock.now()),
        world.record(11, "unfit"),
        world.failed(12, "other"),
    ):
        await world.theirs.save(KEY, record)
        await world.clock.advance(seconds=1)
        assert not task.done(), record
    await world.theirs.save(KEY, world.record(13))
    await world.clock.settle()
    assert got(task) == ("planted-theirs", 13)


async def test_a_token_counts_more_than_a_failure_that_came_after_it(world: World) -> None:
    await world.hold_lock()
    task = await world.want(Trigger.EXPIRED)
    await world.theirs.save(KEY, world.failed(8))
    await world.clock.settle()
    assert got(task) == ("planted-theirs", 8)


# Nobody tells


@pytest.mark.parametrize("trigger", [Trigger.FIRST, *WAITING])
async def test_a_token_is_found_though_nobody_tells_of_it(world: World, trigger: Trigger) -> None:
    await world.hold_lock()
    world.store.muted = True
    task = await world.want(trigger)
    await world.theirs.save(KEY, world.record(8))
    await world.clock.settle()
    assert not task.done()
    await world.clock.advance(seconds=POLL)
    assert got(task) == ("planted-theirs", 8)


async def test_a_failure_is_found_though_nobody_tells_of_it(world: World) -> None:
    await world.hold_lock()
    world.store.muted = True
    task = await world.want(Trigger.EXPIRED)
    await world.theirs.save(KEY, world.failed())
    await world.clock.advance(seconds=POLL)
    assert setback(task).detail == "failing"


@pytest.mark.parametrize("trigger", Trigger)
async def test_the_lock_of_a_dead_holder_is_found_free_though_nobody_tells_of_it(
    world: World, trigger: Trigger
) -> None:
    lease = await world.hold_lock()
    world.store.muted = True
    task = await world.want(trigger)
    await world.clock.advance(seconds=10)
    assert not task.done()
    await lease.release()  # as the store does when a lease runs out
    await world.clock.advance(seconds=POLL)
    assert is_ours(task)


@pytest.mark.parametrize(("random", "looks"), [(0.0, 20), (0.5, 10), (0.999, 6)])
async def test_those_who_wait_do_not_look_in_step(world: World, random: float, looks: int) -> None:
    await world.hold_lock()
    world.random = random
    await world.want(Trigger.EXPIRED)
    await world.clock.advance(seconds=1.01)
    assert world.store.asked == {"acquire": looks + 1, "load": looks}


# Patience


@pytest.mark.parametrize("trigger", Trigger)
async def test_patience_ends_and_that_is_nobody_s_failure(world: World, trigger: Trigger) -> None:
    await world.hold_lock()
    task = await world.want(trigger)
    await world.clock.advance(seconds=PATIENCE - 1)
    assert not task.done()
    await world.clock.advance(seconds=1.2)
    failure = setback(task)
    assert (failure.reason, failure.permanent, failure.asked) == (Reason.INTERNAL, False, False)
    assert failure.until <= world.clock.monotonic()  # who comes next waits anew
    assert "60 seconds" in failure.detail
    assert world.account.record.failure is None


async def test_a_forced_fetch_is_content_with_nothing_that_others_bring(world: World) -> None:
    lease = await world.hold_lock()
    task = await world.want(Trigger.FORCED)
    for record in (world.failed(), world.record(8), world.failed(9)):
        await world.theirs.save(KEY, record)
        await world.clock.advance(seconds=1)
        assert not task.done()
    await lease.release()
    await world.clock.settle()
    assert is_ours(task)


# The store fails


@pytest.mark.parametrize(
    ("trigger", "operation"), [(Trigger.FIRST, "load"), (Trigger.FIRST, "acquire"), (Trigger.STALE, "acquire")]
)
async def test_a_store_that_fails_at_once_is_an_error(world: World, trigger: Trigger, operation: str) -> None:
    world.store.error, world.store.failing = StoreError("the store is down"), frozenset({operation})
    task = await world.want(trigger)
    with pytest.raises(StoreError, match="the store is down"):
        await task


@pytest.mark.parametrize("operation", ["load", "acquire"])
async def test_a_store_that_fails_while_we_wait_is_an_error(world: World, operation: str) -> None:
    await world.hold_lock()
    task = await world.want(Trigger.EXPIRED)
    world.store.error, world.store.failing = StoreError("the store is down"), frozenset({operation})
    await world.clock.advance(seconds=1)
    with pytest.raises(StoreError, match="the store is down"):
        await task


async def test_who_leaves_while_waiting_leaves_nothing_behind(world: World) -> None:
    lease = await world.hold_lock()
    task = await world.want(Trigger.EXPIRED)
    task.cancel()
    await world.clock.settle()
    assert task.cancelled()
    assert (world.runtime.tasks, world.clock.sleepers) == (0, 0)
    await lease.release()
    assert await world.theirs.acquire(KEY) is not None


# Look


async def test_a_look_tells_what_has_become_of_it(world: World) -> None:
    world.store.muted = True
    assert await look(world.account, 7, Trigger.STALE) is None
    await world.theirs.save(KEY, world.failed())
    outcome = await look(world.account, 7, Trigger.STALE)
    assert isinstance(outcome, Setback)
    await world.theirs.save(KEY, world.record(8))
    outcome = await look(world.account, 7, Trigger.STALE)
    assert isinstance(outcome, Replacement)
    assert await look(world.account, 8, Trigger.STALE) is None
    assert await look(world.account, 7, Trigger.FORCED) is None
    assert world.account.record.generation == 8
