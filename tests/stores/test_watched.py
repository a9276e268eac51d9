"""A watched store does what the one inside does, refuses at once while that one is down, and comes back by itself."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from proxy.net.runtime import Runtime
from proxy.stores.base import Change, News, Store, StoreBusyError, StoreError, StoreTimeoutError
from proxy.stores.memory import MemorySettings
from proxy.stores.outage import FAILURES, FIRST_WAIT, JITTER, LONGEST_WAIT
from proxy.stores.watched import WatchedStore
from proxy.telemetry.events import EventLog
from proxy.telemetry.metrics import STORE_OPERATIONS, Metrics
from tests.compliance.stores import KEY, OTHER_KEY, StoreCompliance, record
from tests.fakes.clock import FakeClock
from tests.fakes.flaky_store import FlakyStore

REFUSED = StoreError("connection refused")
TIMED_OUT = StoreTimeoutError("no answer within 250 ms")
Ask = Callable[[Store], Awaitable[object]]


async def listed(store: Store) -> list[str]:
    return [key async for key in store.keys()]  # noqa: SIM118 - a store is no mapping


ASKING: dict[str, Ask] = {
    "load": lambda store: store.load(KEY),
    "save": lambda store: store.save(KEY, record()),
    "drop": lambda store: store.drop(KEY, 1),
    "swap": lambda store: store.swap(KEY, b"old", b"new"),
    "keys": listed,
    "acquire": lambda store: store.acquire(KEY),
    "ping": lambda store: store.ping(),
}


class World:
    """A flaky store that is watched, on a clock that the test moves; by chance, neither early nor late."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.mistakes: list[str] = []
        self.runtime = Runtime(self.clock, lambda name, error: self.mistakes.append(f"{name}: {error}"))
        self.inside = FlakyStore(MemorySettings(), self.runtime)
        self.metrics = Metrics()
        self.events = EventLog(self.clock)
        self.chance = 0.5
        self.store = WatchedStore(self.inside, self.metrics, self.events, self.runtime, random=lambda: self.chance)
        self.heard: list[News] = []
        self.store.listen(self.heard.append)

    def told(self) -> list[str]:
        return [event.event.value for event in reversed(self.events.query(limit=1000).events)]

    def errors(self) -> dict[str, int]:
        return {operation: count for operation, count in self.metrics._store_errors.items() if count}

    def pings(self) -> int:
        return self.inside.asked.get("ping", 0)

    async def breaks(self, error: Exception = TIMED_OUT) -> None:
        """Let the store be down from now on, and have been asked nothing yet."""
        self.inside.error = error
        for _ in range(FAILURES):
            with pytest.raises(StoreError):
                await self.store.load(KEY)
        assert not self.metrics.store_up
        self.inside.asked.clear()


@pytest.fixture
def world() -> World:
    return World()


class TestWatchedStore(StoreCompliance):
    def make(self) -> Store:
        return World().store


# While it is up


async def test_every_failed_operation_is_counted_and_raised() -> None:
    for operation, ask in ASKING.items():
        world = World()
        world.inside.error = REFUSED
        with pytest.raises(StoreError, match="refused"):
            await ask(world.store)
        assert world.errors() == {operation: 1}
        await world.store.close()
    assert {*ASKING, "release"} == set(STORE_OPERATIONS)


async def test_one_failure_is_no_outage(world: World) -> None:
    for _ in range(10):
        for _ in range(FAILURES - 1):
            world.inside.error = REFUSED
            with pytest.raises(StoreError):
                await world.store.load(KEY)
        world.inside.error = None
        assert await world.store.load(KEY) is None
    assert world.metrics.store_up
    assert world.told() == []
    assert world.runtime.tasks == 0


@pytest.mark.parametrize(("error", "needed"), [(TIMED_OUT, 1), (REFUSED, FAILURES)])
async def test_one_timeout_is_an_outage_and_so_are_three_other_failures(
    world: World, error: StoreError, needed: int
) -> None:
    world.inside.error = error
    for missing in range(needed, 0, -1):
        assert world.metrics.store_up, missing
        with pytest.raises(StoreError):
            await world.store.save(KEY, record())
    assert not world.metrics.store_up
    assert world.told() == ["store_failed"]
    (event,) = world.events.query().events
    assert (event.level, event.detail, event.fields) == ("error", str(error), {"operation": "save"})
    assert repr(world.store) == "<WatchedStore, down, <FlakyStore>>"


@pytest.mark.parametrize("operation", ASKING)
async def test_what_it_was_not_asked_is_counted_and_says_nothing_about_it(world: World, operation: str) -> None:
    world.inside.error = StoreBusyError("asked 16 questions")
    for _ in range(3 * FAILURES):
        with pytest.raises(StoreBusyError):
            await ASKING[operation](world.store)
    assert world.metrics.store_up
    assert world.told() == []
    assert world.errors() == {operation: 3 * FAILURES}


async def test_a_full_store_is_down_though_it_still_loads(world: World) -> None:
    world.inside.error, world.inside.failing = StoreError("out of memory"), frozenset({"save", "acquire", "ping"})
    for _ in range(FAILURES):
        assert world.metrics.store_up
        assert await world.store.load(KEY) is None
        with pytest.raises(StoreError):
            await world.store.save(KEY, record())
    assert not world.metrics.store_up


async def test_who_is_cancelled_says_nothing_about_the_store(world: World) -> None:
    world.inside.hang()
    for _ in range(10):
        task = asyncio.ensure_future(world.store.load(KEY))
        await world.clock.settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert world.metrics.store_up
    assert world.errors() == {}


async def test_a_cancelled_operation_takes_no_failure_back(world: World) -> None:
    world.inside.error = REFUSED
    for _ in range(FAILURES - 1):
        with pytest.raises(StoreError):
            await world.store.load(KEY)
    world.inside.error = None
    world.inside.hang()
    task = asyncio.ensure_future(world.store.load(KEY))
    await world.clock.settle()
    task.cancel()
    await world.clock.settle()
    world.inside.resume()
    world.inside.error = REFUSED
    with pytest.raises(StoreError):
        await world.store.load(KEY)
    assert not world.metrics.store_up


async def test_a_mistake_of_ours_is_no_failure_of_the_store(world: World) -> None:
    world.inside.error = TypeError("ours")
    for _ in range(10):
        with pytest.raises(TypeError):
            await world.store.load(KEY)
    assert world.metrics.store_up
    assert world.errors() == {}


async def test_what_is_abandoned_is_abandoned_inside(world: World) -> None:
    await world.store.save(KEY, record())
    world.store.abandon(KEY)
    assert await world.inside.memory.load(KEY) is None


async def test_it_says_of_itself_what_the_store_inside_says(world: World) -> None:
    assert world.store.Settings is MemorySettings
    assert not world.store.holds_secrets
    world.inside.said = ("Everything is in memory; use a disk.",)
    assert await world.store.risks() == world.inside.said


# While it is down


@pytest.mark.parametrize("operation", [*ASKING, "risks"])
async def test_while_it_is_down_nothing_is_asked_of_it(world: World, operation: str) -> None:
    await world.breaks()
    world.inside.hang()
    before = world.errors()
    ask: Ask = ASKING.get(operation, lambda store: store.risks())
    for _ in range(100):
        with pytest.raises(StoreError, match=r"down.*no answer within 250 ms"):
            await ask(world.store)
    assert world.inside.asked == {}
    assert world.errors() == before


async def test_an_outage_is_one_event_and_its_end_another(world: World) -> None:
    await world.breaks()
    for _ in range(100):
        with pytest.raises(StoreError):
            await world.store.load(KEY)
    await world.clock.advance(minutes=10)
    assert world.told() == ["store_failed"]
    world.inside.error = None
    await world.clock.advance(seconds=LONGEST_WAIT)
    for _ in range(100):
        await world.store.load(KEY)
    assert world.told() == ["store_failed", "store_recovered"]


async def test_it_is_probed_soon_and_then_ever_less_often(world: World) -> None:
    await world.breaks()
    asked_at = []
    for tenth in range(1, 400):
        before = world.pings()
        await world.clock.advance(seconds=0.1)
        if world.pings() > before:
            asked_at.append(tenth)
    assert asked_at == pytest.approx([2, 12, 32, 72, 152, 252, 352], abs=2)
    assert world.inside.asked == {"ping": len(asked_at)}


async def test_one_task_probes_one_at_a_time(world: World) -> None:
    await world.breaks()
    world.inside.hang()
    await world.clock.advance(hours=1)
    assert world.pings() == 1
    assert world.runtime.tasks == 1


@pytest.mark.parametrize("chance", [0.0, 0.25, 0.999])
async def test_a_probe_comes_early_or_late_by_chance_and_within_a_quarter(world: World, chance: float) -> None:
    world.chance = chance
    await world.breaks()
    wait = FIRST_WAIT * (1 - JITTER + 2 * JITTER * chance)
    assert FIRST_WAIT * 0.75 <= wait <= FIRST_WAIT * 1.25
    await world.clock.advance(seconds=wait - 0.001)
    assert world.pings() == 0
    await world.clock.advance(seconds=0.002)
    assert world.pings() == 1


async def test_a_probe_that_fails_is_one_more_error_and_its_reason_is_told(world: World) -> None:
    await world.breaks()
    world.inside.error = StoreError("wrong password")
    await world.clock.advance(seconds=FIRST_WAIT)
    assert world.errors() == {"load": 1, "ping": 1}
    with pytest.raises(StoreError, match="wrong password"):
        await world.store.load(KEY)


async def test_what_is_wrong_for_good_is_probed_all_the_same(world: World) -> None:
    await world.breaks(StoreError("wrong password"))
    await world.clock.advance(hours=1)
    assert world.pings() == pytest.approx(3600 / LONGEST_WAIT, abs=5)
    world.inside.error = None
    await world.clock.advance(seconds=LONGEST_WAIT)
    assert world.metrics.store_up


async def test_a_mistake_of_ours_does_not_end_the_probing(world: World) -> None:
    await world.breaks()
    world.inside.error = TypeError("ours")
    await world.clock.advance(minutes=1)
    assert world.pings() > 1
    with pytest.raises(StoreError, match="TypeError: ours"):
        await world.store.load(KEY)
    world.inside.error = None
    await world.clock.advance(seconds=LONGEST_WAIT)
    assert world.metrics.store_up
    assert world.mistakes == []


async def test_what_is_under_way_when_it_goes_down_ends_by_itself_and_moves_nothing(world: World) -> None:
    world.inside.hang()
    world.inside.error, world.inside.failing = TIMED_OUT, frozenset({"save"})
    loads = [asyncio.ensure_future(world.store.load(KEY)) for _ in range(5)]
    saves = [asyncio.ensure_future(world.store.save(KEY, record())) for _ in range(5)]
    await world.clock.settle()
    world.inside.resume()
    await asyncio.wait([*loads, *saves])
    assert world.told() == ["store_failed"]
    assert [await load for load in loads] == [None] * 5
    assert {type(save.exception()) for save in saves} == {StoreTimeoutError}
    assert not world.metrics.store_up


# When it is back


async def test_a_store_that_is_back_is_used_again_and_everybody_is_told_once(world: World) -> None:
    others: list[News] = []
    world.store.listen(others.append)
    await world.breaks()
    await world.clock.advance(minutes=1)
    world.inside.error = None
    assert world.heard == []
    await world.clock.advance(seconds=LONGEST_WAIT)
    assert world.metrics.store_up
    assert world.heard == others == [News(Change.MISSED)]
    await world.store.save(KEY, record())
    await world.clock.advance(hours=1)
    assert [news.change for news in world.heard] == [Change.MISSED, Change.SAVED]
    assert world.runtime.tasks == 0


async def test_who_is_told_can_use_the_store_at_once(world: World) -> None:
    seen: list[tuple[bool, str]] = []
    world.store.listen(lambda news: seen.append((world.metrics.store_up, world.told()[-1])))
    await world.breaks()
    world.inside.error = None
    await world.clock.advance(seconds=FIRST_WAIT)
    assert seen == [(True, "store_recovered")]


async def test_what_the_store_missed_is_told_on_unless_it_is_down(world: World) -> None:
    world.inside.tell(News(Change.MISSED))
    assert world.heard == [News(Change.MISSED)]
    await world.breaks()
    world.inside.tell(News(Change.MISSED))
    assert len(world.heard) == 1
    saved = News(Change.SAVED, KEY, record())
    world.inside.tell(saved)
    assert world.heard[1:] == [saved]


async def test_a_store_that_hears_again_is_probed_at_once(world: World) -> None:
    await world.breaks()
    await world.clock.advance(minutes=1)
    world.inside.error = None
    before = world.pings()
    world.inside.tell(News(Change.MISSED))
    await world.clock.settle()
    assert world.pings() == before + 1
    assert world.heard == [News(Change.MISSED)]
    assert world.runtime.tasks == 0


async def test_a_sign_of_life_that_was_none_changes_no_more_than_one_probe(world: World) -> None:
    await world.breaks()
    await world.clock.advance(minutes=1)
    before = world.pings()
    world.inside.tell(News(Change.MISSED))
    await world.clock.advance(seconds=LONGEST_WAIT - 0.1)
    assert world.pings() == before + 1
    await world.clock.advance(seconds=0.2)
    assert world.pings() == before + 2


async def test_a_store_that_fails_after_each_probe_is_not_probed_sooner_for_a_sign_of_life(world: World) -> None:
    await world.breaks()
    world.inside.error = None
    await world.clock.advance(seconds=FIRST_WAIT)
    await world.breaks()
    for _ in range(10):
        world.inside.tell(News(Change.MISSED))
        await world.clock.settle()
    assert world.pings() == 0


async def test_a_store_that_fails_after_each_probe_floods_nobody(world: World) -> None:
    await world.breaks()
    for _ in range(6000):
        world.inside.error = None
        await world.clock.advance(seconds=0.1)
        if world.metrics.store_up:
            world.inside.error = TIMED_OUT
            with pytest.raises(StoreError):
                await world.store.load(KEY)
    assert 60 <= world.told().count("store_recovered") <= 65


async def test_a_store_that_stayed_up_is_probed_soon_the_next_time(world: World) -> None:
    await world.breaks()
    await world.clock.advance(minutes=10)
    world.inside.error = None
    await world.clock.advance(minutes=1)
    await world.breaks()
    world.inside.error = None
    await world.clock.advance(seconds=FIRST_WAIT)
    assert world.metrics.store_up


# Leases


async def test_a_lease_from_before_the_outage_stays_held(world: World) -> None:
    lease = await world.store.acquire(KEY)
    assert lease is not None
    await world.breaks()
    assert lease.is_held
    assert repr(lease) == "<WatchedLease, held>"


async def test_a_lock_that_cannot_be_given_back_is_counted(world: World) -> None:
    lease = await world.store.acquire(KEY)
    assert lease is not None
    world.inside.error = REFUSED
    with pytest.raises(StoreError):
        await lease.release()
    assert world.errors() == {"release": 1}
    assert not lease.is_held
    await lease.release()
    assert world.inside.asked["release"] == 1


async def test_giving_a_lock_back_while_the_store_is_down_waits_for_nothing_and_is_tried_once(world: World) -> None:
    lease = await world.store.acquire(KEY)
    assert lease is not None
    await world.breaks()
    world.inside.hang()
    with pytest.raises(StoreError, match="down"):
        await lease.release()
    assert not lease.is_held
    await world.clock.settle()
    assert world.inside.asked == {"release": 1}
    world.inside.error = None
    world.inside.resume()
    await world.clock.settle()
    assert await world.inside.memory.acquire(KEY) is not None
    assert not world.metrics.store_up


async def test_a_lock_that_cannot_be_given_back_in_an_outage_is_nobodys_mistake(world: World) -> None:
    lease = await world.store.acquire(KEY)
    assert lease is not None
    await world.breaks()
    with pytest.raises(StoreError):
        await lease.release()
    await world.clock.settle()
    assert world.errors() == {"load": 1, "release": 1}
    assert world.mistakes == []
    assert world.told() == ["store_failed"]


# At the start, and at the end


async def test_a_start_waits_for_nobody_and_finds_a_store_that_is_down(world: World) -> None:
    world.inside.error = REFUSED
    world.inside.hang()
    world.store.start()
    await world.clock.settle()
    assert world.inside.asked == {"ping": 1}
    assert world.told() == []
    world.inside.resume()
    await world.clock.settle()
    assert not world.metrics.store_up
    assert world.told() == ["store_failed"]
    world.inside.error = None
    await world.clock.advance(seconds=FIRST_WAIT)
    assert world.told() == ["store_failed", "store_recovered"]
    assert world.mistakes == []


async def test_a_store_that_is_there_costs_one_look_and_no_event(world: World) -> None:
    world.store.start()
    await world.clock.advance(hours=1)
    assert world.inside.asked == {"ping": 1, "risks": 1}
    assert world.told() == []
    assert world.heard == []
    assert world.runtime.tasks == 0


async def test_a_risk_is_told_once_and_looked_for_again_after_an_outage(world: World) -> None:
    world.inside.said = ("It evicts; set maxmemory-policy to noeviction.",)
    world.store.start()
    await world.clock.settle()
    (event,) = world.events.query().events
    assert (event.event.value, event.level, event.detail) == ("store_at_risk", "warning", world.inside.said[0])
    world.inside.said += ("Nothing is written to disk; set appendonly to yes.",)
    await world.breaks()
    world.inside.error = None
    await world.clock.advance(seconds=FIRST_WAIT)
    assert world.told() == ["store_at_risk", "store_failed", "store_recovered", "store_at_risk"]
    assert world.events.query().events[0].detail == world.inside.said[1]


async def test_risks_that_cannot_be_found_out_are_no_outage(world: World) -> None:
    world.inside.error, world.inside.failing = REFUSED, frozenset({"risks"})
    for _ in range(FAILURES):
        world.store.start()
        await world.clock.settle()
    assert world.metrics.store_up
    assert world.mistakes == []


@pytest.mark.parametrize("waits", [True, False])
async def test_a_closed_store_is_probed_no_more(world: World, waits: bool) -> None:
    await world.breaks()
    if not waits:
        world.inside.hang()
        await world.clock.advance(seconds=FIRST_WAIT)
    await world.store.close()
    assert world.runtime.tasks == 0
    assert world.inside.is_closed
    world.inside.asked.clear()
    await world.clock.advance(hours=1)
    assert world.inside.asked == {}


async def test_what_fails_after_the_close_starts_no_probe(world: World) -> None:
    world.inside.hang()
    world.inside.error = TIMED_OUT
    late = asyncio.ensure_future(world.store.load(OTHER_KEY))
    await world.clock.settle()
    await world.store.close()
    world.inside.resume()
    with pytest.raises(StoreError):
        await late
    assert world.runtime.tasks == 0
