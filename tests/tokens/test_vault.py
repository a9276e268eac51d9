"""Records lie sealed in the store, and whoever follows one hears of it."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from proxy.core.errors import Reason
from proxy.core.seal import Seal
from proxy.core.secret import Secret
from proxy.core.token import Token
from proxy.net.runtime import Runtime
from proxy.stores import sealed
from proxy.stores.base import Change, News, Record, StoreError
from proxy.stores.memory import MemorySettings
from proxy.telemetry.events import EventLog
from proxy.tokens.failures import Failure
from proxy.tokens.record import NOTHING, STEPS, TokenRecord
from proxy.tokens.vault import ECHO, KEPT, KEPT_DURABLE, KEPT_FOREVER, LOOK, LOOKS, Vault
from tests.fakes.clock import FakeClock
from tests.fakes.flaky_store import FlakyStore
from tests.fakes.token_room import KEY, SEAL, TokenRoom

IDENTITY = "0123456789abcdef"
OTHER_KEY = "token/stripe/0123456789abcdef"
FAILURE = Failure(Reason.NETWORK, "refused", permanent=False, until=1_010.0)


class LossyStore(FlakyStore):
    """Takes what it is given; while `loses_answers`, it says that it failed."""

    loses_answers = False

    async def uptime(self) -> float:
        return 40.0

    async def save(self, key: str, record: Record) -> Record:
        standing = await super().save(key, record)
        if self.loses_answers:
            raise StoreError("the answer was lost")
        return standing


class Listening:
    """A follower that writes down what it hears."""

    is_durable = False

    def __init__(self, world: "World") -> None:
        self.heard: list[TokenRecord] = []
        self.catching: list[str] = world.catching
        self.error: Exception | None = None
        self.passes = asyncio.Event()
        self.passes.set()

    def hear(self, record: TokenRecord) -> None:
        self.heard.append(record)

    async def catch_up(self) -> None:
        self.catching.append("begins")
        await self.passes.wait()
        self.catching.append("ends")
        if self.error is not None:
            raise self.error


class World:
    """A vault, and a second one that is another process's."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.reported: list[BaseException] = []
        self.runtime = Runtime(self.clock, lambda name, error: self.reported.append(error))
        self.store = LossyStore(MemorySettings(), self.runtime)
        self.events = EventLog(self.clock)
        self.vault = Vault(self.store, SEAL, self.runtime, self.events)
        self.theirs = Vault(self.store, SEAL, self.runtime, EventLog(self.clock))
        self.catching: list[str] = []

    def record(self, generation: int, text: str = "planted-1", lifetime: float | None = 300.0) -> TokenRecord:
        now = self.clock.now()
        expires_at = None if lifetime is None else now + lifetime
        variables = {"refresh_token": Secret("planted-refresh")}
        return TokenRecord(IDENTITY, generation, token=Token(Secret(text), now, expires_at, generation, variables))

    async def raw(self, key: str = KEY) -> Record:
        """Return what the store itself holds."""
        record = await self.store.memory.load(key)
        assert record is not None
        return record

    async def put(self, data: bytes, order: int = 7 * STEPS) -> Record:
        """Put these bytes into the store."""
        return await self.store.memory.save(KEY, Record(order, data, ttl=300.0))

    async def damage(self, order: int = 7 * STEPS) -> None:
        """Put something there that was sealed with our key, and does not open."""
        await self.put(sealed.close(SEAL, KEY, order, b"{}")[:-1], order)

    def follow(self, key: str = KEY) -> Listening:
        follower = Listening(self)
        self.vault.follow(key, follower)
        return follower

    def told(self) -> list[str]:
        return [event.event.value for event in self.events.query().events]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.runtime.close()
    assert world.reported == []


# What lies in the store


async def test_a_record_is_loaded_as_it_was_saved(world: World) -> None:
    record = world.record(7)
    assert await world.vault.load(KEY) is None
    assert await world.vault.save(KEY, record) is record
    assert await world.theirs.load(KEY) == record


async def test_a_record_grows_older_in_the_store(world: World) -> None:
    record = world.record(7)
    await world.vault.save(KEY, record)
    await world.clock.advance(seconds=100)
    assert await world.theirs.load(KEY) == record


async def test_what_lies_in_the_store_is_sealed(world: World) -> None:
    record = world.record(7)
    failed = record.fail(replace(FAILURE, detail="planted in a message"), IDENTITY)
    for step, saved in enumerate((record, failed, record.spend(1.0), record.revoke(durable=True))):
        await world.vault.save(f"{KEY}/{step}", saved, durable=True)
        raw = await world.raw(f"{KEY}/{step}")
        for planted in (b"planted", b"refresh", b"token", IDENTITY.encode(), b"network"):
            assert planted not in raw.data
        assert "planted" not in repr(raw)


async def test_two_records_that_are_alike_do_not_look_alike(world: World) -> None:
    await world.vault.save(KEY, world.record(7))
    await world.vault.save(OTHER_KEY, world.record(7))
    assert (await world.raw()).data != (await world.raw(OTHER_KEY)).data


async def test_the_store_knows_a_record_s_order_and_whether_it_is_durable(world: World) -> None:
    record = replace(world.record(7), step=3)
    await world.vault.save(KEY, record)
    assert ((await world.raw()).order, (await world.raw()).durable) == (record.order, False)
    await world.vault.save(KEY, record.spend(1.0), durable=True)
    assert ((await world.raw()).order, (await world.raw()).durable) == (record.order + 1, True)


@pytest.mark.parametrize(
    ("lifetime", "durable", "ttl"),
    [
        (300.0, False, 300.0 + KEPT),
        (-5.0, False, KEPT),
        (None, False, KEPT_FOREVER),
        (300.0, True, KEPT_DURABLE),
        (None, True, KEPT_DURABLE),
    ],
)
async def test_a_record_is_kept_longer_than_its_token_lives(
    world: World, lifetime: float | None, durable: bool, ttl: float
) -> None:
    await world.vault.save(KEY, world.record(7, lifetime=lifetime), durable=durable)
    assert (await world.raw()).ttl == ttl


@pytest.mark.parametrize(("durable", "ttl"), [(False, KEPT), (True, KEPT_DURABLE)])
async def test_a_record_without_token_is_kept_too(world: World, durable: bool, ttl: float) -> None:
    await world.vault.save(KEY, NOTHING.fail(FAILURE, IDENTITY), durable=durable)
    assert (await world.raw()).ttl == ttl


async def test_what_carries_nothing_is_not_kept_longer_for_being_durable(world: World) -> None:
    record = world.record(7)
    assert record.token is not None
    await world.vault.save(KEY, replace(record, token=replace(record.token, variables={})), durable=True)
    assert (await world.raw()).ttl == 300.0 + KEPT


async def test_what_is_announced_is_there_once_the_news_of_it_came_or_does_not_come(world: World) -> None:
    world.store.asked.clear()
    assert await world.vault.announce(KEY, world.record(7)) == world.record(7)
    assert world.store.asked == {"save": 1}
    world.store.memory._listeners.clear()
    announcing = asyncio.create_task(world.vault.announce(KEY, world.record(8)))
    await world.clock.settle()
    assert not announcing.done()
    await world.clock.advance(seconds=ECHO)
    assert (await announcing).generation == 8
    assert (await world.vault.announce(KEY, world.record(6))).generation == 8


async def test_a_newer_record_replaces_an_older_one_and_not_the_other_way_round(world: World) -> None:
    older, newer = world.record(7, "planted-older"), world.record(8, "planted-newer")
    await world.vault.save(KEY, newer)
    assert await world.theirs.save(KEY, older) == newer
    assert await world.vault.load(KEY) == newer
    newest = world.record(9)
    assert await world.theirs.save(KEY, newest) is newest
    assert await world.vault.load(KEY) == newest


async def test_of_two_that_save_at_once_the_second_learns_what_the_first_saved(world: World) -> None:
    first, second = world.record(7, "planted-first"), world.record(7, "planted-second")
    await world.vault.save(KEY, first)
    assert await world.theirs.save(KEY, second) == first


async def test_of_two_that_begin_to_spend_at_once_the_second_learns_that_it_is_not_the_first(world: World) -> None:
    record = world.record(7)
    mine, theirs = record.spend(1_000.0), record.spend(1_000.0)
    assert await world.vault.save(KEY, mine, durable=True) is mine
    assert await world.theirs.save(KEY, theirs, durable=True) is not theirs


async def test_a_record_that_was_saved_though_the_answer_was_lost_is_recognised(world: World) -> None:
    record = world.record(7)
    world.store.loses_answers = True
    with pytest.raises(StoreError):
        await world.vault.save(KEY, record)
    world.store.loses_answers = False
    await world.clock.advance(seconds=3)
    assert await world.vault.save(KEY, record) is record


async def test_an_error_of_the_store_is_passed_on(world: World) -> None:
    world.store.error = StoreError("the store is down")
    for work in (world.vault.load(KEY), world.vault.save(KEY, world.record(7)), world.vault.acquire(KEY)):
        with pytest.raises(StoreError, match="the store is down"):
            await work


# What cannot be read


ORDER = 7 * STEPS + 5
WHOLE = sealed.close(SEAL, KEY, ORDER, b"{}")
DAMAGED = {
    "nothing": b"",
    "noise": b"\x00" * 60,
    "cut short": WHOLE[:-1],
    "a bit": WHOLE[:-1] + bytes([WHOLE[-1] ^ 1]),
    "no record inside": WHOLE,
    "of another key": sealed.close(SEAL, OTHER_KEY, ORDER, b"{}"),
    "of another order": sealed.close(SEAL, KEY, ORDER - 1, b"{}"),
    "not sealed": b'{"format": 1, "token": "planted"}',
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
async def test_a_damaged_record_counts_as_an_empty_one_of_its_order(world: World, data: bytes) -> None:
    await world.put(data, ORDER)
    assert await world.vault.load(KEY) == TokenRecord(generation=7, step=5, is_damaged=True)
    event = world.events.query().events[0]
    assert (event.event.value, event.level, KEY in event.detail) == ("record_damaged", "error", True)
    assert "planted" not in repr(event)


async def test_a_damaged_record_is_told_of_once_however_often_it_is_met(world: World) -> None:
    await world.damage()
    follower = world.follow()
    for _ in range(3):
        await world.vault.load(KEY)
        await world.vault.save(KEY, world.record(7))
        world.store.tell(News(Change.SAVED, KEY, await world.raw()))
    assert len(follower.heard) == 3
    assert world.told() == ["record_damaged"]


async def test_a_record_that_is_damaged_anew_is_told_of_anew(world: World) -> None:
    await world.damage()
    await world.vault.load(KEY)
    await world.damage(8 * STEPS)
    await world.vault.load(KEY)
    await world.vault.save(KEY, world.record(9))
    await world.vault.load(KEY)
    await world.store.memory.drop(KEY, 9 * STEPS)
    await world.damage(8 * STEPS)
    await world.vault.load(KEY)
    assert world.told() == ["record_damaged"] * 3


async def test_the_next_record_replaces_a_damaged_one(world: World) -> None:
    await world.damage()
    record = world.record(8)
    assert await world.vault.save(KEY, record) is record
    assert await world.vault.load(KEY) == record
    assert world.told() == []


async def test_who_saves_what_is_not_newer_than_a_damaged_record_learns_of_it(world: World) -> None:
    await world.damage()
    found = await world.vault.save(KEY, world.record(7))
    assert (found.is_damaged, found.order) == (True, 7 * STEPS)


@contextmanager
def refused(match: str) -> Iterator[None]:
    with pytest.raises(StoreError, match=match) as caught:
        yield
    assert KEY in str(caught.value)
    assert "planted" not in str(caught.value)
    assert caught.value.__suppress_context__


async def foreign(world: World) -> None:
    """Have a process save there whose key is not configured here."""
    await Vault(world.store, Seal.of_this_process(), world.runtime, world.events).save(KEY, world.record(7))


async def newer(world: World) -> None:
    """Have a newer version save there."""
    plain = json.dumps({"format": 2, "token": "planted, and in another way"}).encode()
    await world.put(sealed.close(SEAL, KEY, 7 * STEPS, plain))


@pytest.mark.parametrize(("save", "remedy"), [(foreign, "add that key to seal.keys"), (newer, "update this one")])
async def test_what_is_not_for_us_to_read_is_an_error_and_stays(world: World, save: object, remedy: str) -> None:
    assert callable(save)
    await save(world)
    before = await world.raw()
    with refused(remedy):
        await world.vault.load(KEY)
    for order in (6, 7):
        with refused(remedy):
            await world.vault.save(KEY, world.record(order))
    assert await world.raw() == before
    assert world.told() == ["record_unreadable"]


@pytest.mark.parametrize("save", [foreign, newer])
async def test_followers_do_not_hear_what_is_not_for_us_to_read(world: World, save: object) -> None:
    assert callable(save)
    follower = world.follow()
    waiting = asyncio.create_task(world.vault.news(KEY, 60.0))
    await world.clock.settle()
    await save(world)
    await world.clock.settle()
    assert follower.heard == []
    assert waiting.done()  # it is news all the same


# News


async def test_who_follows_a_key_hears_what_is_saved_there_and_nothing_else(world: World) -> None:
    follower, second, other = world.follow(), world.follow(), world.follow(OTHER_KEY)
    record = world.record(7)
    await world.theirs.save(KEY, record)
    await world.theirs.save(KEY, world.record(6))
    await world.store.drop(KEY, record.order)
    assert follower.heard == second.heard == [record]
    assert other.heard == []


async def test_who_no_longer_follows_hears_nothing_and_others_do(world: World) -> None:
    follower, second = world.follow(), world.follow()
    world.vault.unfollow(KEY, follower)
    world.vault.unfollow(KEY, follower)
    await world.theirs.save(KEY, world.record(7))
    assert (follower.heard, len(second.heard)) == ([], 1)
    world.vault.unfollow(KEY, second)
    await world.theirs.save(KEY, world.record(8))
    assert len(second.heard) == 1


async def test_what_nobody_follows_is_not_opened(world: World) -> None:
    await world.theirs.save(OTHER_KEY, world.record(7))
    await world.damage()
    world.store.tell(News(Change.SAVED, KEY, await world.raw()))
    assert world.told() == []


async def wait(world: World, key: str = KEY, seconds: float = 60.0) -> asyncio.Task[None]:
    task = asyncio.create_task(world.vault.news(key, seconds))
    await world.clock.settle()
    assert not task.done()
    return task


async def test_who_waits_is_woken_by_what_is_saved(world: World) -> None:
    waiting = await wait(world)
    other = await wait(world, OTHER_KEY)
    await world.theirs.save(KEY, world.record(7))
    await world.clock.settle()
    assert (waiting.done(), other.done()) == (True, False)
    other.cancel()


async def test_who_waits_is_woken_when_the_lock_is_free(world: World) -> None:
    lease = await world.theirs.acquire(KEY)
    assert lease is not None
    assert await world.vault.acquire(KEY) is None
    waiting = await wait(world)
    await lease.release()
    await world.clock.settle()
    assert waiting.done()


async def test_who_waits_is_woken_when_the_time_is_over(world: World) -> None:
    waiting = await wait(world, seconds=5.0)
    await world.clock.advance(seconds=4.9)
    assert not waiting.done()
    await world.clock.advance(seconds=0.2)
    assert waiting.done()


async def test_all_who_wait_are_woken(world: World) -> None:
    waiting = [await wait(world) for _ in range(5)]
    await world.theirs.save(KEY, world.record(7))
    await world.clock.settle()
    assert all(task.done() for task in waiting)


@pytest.mark.parametrize("end", ["news", "time", "cancel"])
async def test_waiting_leaves_nothing_behind(world: World, end: str) -> None:
    waiting = [await wait(world, seconds=5.0) for _ in range(3)]
    if end == "cancel":
        for task in waiting:
            task.cancel()
    elif end == "news":
        await world.theirs.save(KEY, world.record(7))
    await world.clock.advance(seconds=6.0 * (end == "time"))
    await asyncio.gather(*waiting, return_exceptions=True)
    await world.clock.settle()
    assert [task.cancelled() for task in waiting] == [end == "cancel"] * 3
    assert (world.runtime.tasks, world.clock.sleepers) == (0, 0)
    assert not world.vault._waiters


async def test_one_who_leaves_takes_the_news_from_nobody(world: World) -> None:
    first, second = await wait(world), await wait(world)
    first.cancel()
    await world.clock.settle()
    await world.theirs.save(KEY, world.record(7))
    await world.clock.settle()
    assert second.done()
    assert not second.cancelled()


# Catching up


async def test_when_news_may_have_been_missed_all_catch_up_one_after_the_other(world: World) -> None:
    followers = [world.follow(), world.follow(), world.follow(OTHER_KEY)]
    world.store.tell(News(Change.MISSED))
    assert world.catching == []  # whoever tells does not wait for it
    await world.clock.settle()
    assert world.catching == ["begins", "ends"] * len(followers)
    assert world.runtime.tasks == 0


async def test_a_follower_that_fails_stops_nobody(world: World) -> None:
    first, _ = world.follow(), world.follow()
    first.error = StoreError("the store is down again")
    world.store.tell(News(Change.MISSED))
    await world.clock.settle()
    assert world.catching == ["begins", "ends"] * 2


async def test_what_was_missed_meanwhile_is_caught_up_with_once_more(world: World) -> None:
    first, _ = world.follow(), world.follow()
    first.passes.clear()
    for _ in range(3):
        world.store.tell(News(Change.MISSED))
        await world.clock.settle()
    assert world.catching == ["begins"]
    first.passes.set()
    await world.clock.settle()
    assert world.catching == ["begins", "ends"] * 4
    world.store.tell(News(Change.MISSED))
    await world.clock.settle()
    assert world.catching == ["begins", "ends"] * 6


async def test_who_comes_or_goes_while_others_catch_up_disturbs_nobody(world: World) -> None:
    first, second, third = world.follow(), world.follow(), world.follow(OTHER_KEY)
    first.passes.clear()
    world.store.tell(News(Change.MISSED))
    await world.clock.settle()
    world.vault.unfollow(KEY, first)
    world.vault.unfollow(KEY, second)
    world.vault.unfollow(OTHER_KEY, third)
    world.follow("token/a/third")
    first.passes.set()
    await world.clock.settle()
    assert world.catching[:2] == ["begins", "ends"]
    assert world.runtime.tasks == 0


async def test_it_passes_on_for_how_long_the_store_has_served_what_it_holds(world: World) -> None:
    assert await world.vault.uptime() == 40.0


async def test_who_waits_sleeps_on_when_news_was_missed_for_they_look_for_themselves(world: World) -> None:
    waiting = await wait(world, seconds=0.1)
    world.store.tell(News(Change.MISSED))
    await world.clock.settle()
    assert not waiting.done()
    await world.clock.advance(seconds=0.1)
    assert waiting.done()


# Abandoned


async def test_what_nobody_here_needs_any_more_is_left_to_the_store(world: World) -> None:
    await world.vault.save(KEY, world.record(7))
    world.vault.abandon(KEY)
    assert await world.vault.load(KEY) is None


async def test_what_another_credential_here_follows_is_spared(world: World) -> None:
    follower = world.follow()
    await world.vault.save(KEY, world.record(7))
    world.vault.abandon(KEY)
    assert await world.vault.load(KEY) is not None
    world.vault.unfollow(KEY, follower)
    world.vault.abandon(KEY)
    assert await world.vault.load(KEY) is None


async def test_it_shows_no_secret(world: World) -> None:
    await world.vault.save(KEY, world.record(7))
    assert repr(world.vault) == "<Vault, <FlakyStore>>"


async def test_what_cannot_be_had_again_is_looked_after_for_a_store_may_forget_it() -> None:
    room = TokenRoom(lineage=("first",))
    await room.source.obtain()
    watching = room.runtime.spawn(room.vault.watch(), name="watch")
    await room.store.drop(room.key, 2**53 - 1)
    assert await room.stored() is None
    await room.clock.advance(seconds=LOOK)
    stored = await room.stored()
    assert stored is not None
    assert stored.variables["refresh_token"].reveal() == "planted-refresh-1"
    watching.cancel()
    await room.runtime.close()


async def test_what_can_be_had_again_is_not_looked_after() -> None:
    room = TokenRoom()
    await room.source.obtain()
    room.runtime.spawn(room.vault.watch(), name="watch")
    await room.store.drop(room.key, 2**53 - 1)
    await room.clock.advance(seconds=LOOK)
    assert await room.stored() is None
    await room.runtime.close()


async def test_of_many_that_are_looked_after_each_gets_its_turn() -> None:
    room = TokenRoom()
    turns: Counter[int] = Counter()

    class Durable:
        is_durable = True

        def __init__(self, number: int) -> None:
            self.number = number

        def hear(self, record: TokenRecord) -> None:
            raise AssertionError("there is no news")

        async def catch_up(self) -> None:
            turns[self.number] += 1
            if self.number == 3:
                raise StoreError("away")

    for number in range(2 * LOOKS + 1):
        room.vault.follow(f"token/{number}", Durable(number))
    room.runtime.spawn(room.vault.watch(), name="watch")
    await room.clock.advance(seconds=LOOK)
    assert turns == Counter(range(LOOKS))
    await room.clock.advance(seconds=2 * LOOK)
    assert turns == Counter(range(2 * LOOKS + 1))
    await room.clock.advance(seconds=LOOK)
    assert turns == Counter(range(2 * LOOKS + 1)) + Counter(range(LOOKS))
    await room.runtime.close()
