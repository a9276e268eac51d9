"""An account knows the newest record there is, and the store gets what it lacks."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from math import inf

import pytest

from proxy.core.errors import FetchError, Reason
from proxy.core.secret import Secret
from proxy.core.token import Token, plan
from proxy.net.runtime import Runtime
from proxy.stores.base import Record, StoreError
from proxy.stores.memory import MemorySettings
from proxy.telemetry.events import EventLog
from proxy.tokens.account import Account
from proxy.tokens.failures import Failure
from proxy.tokens.held import Held, hold
from proxy.tokens.record import NOTHING, STEPS, TokenRecord
from proxy.tokens.vault import Vault
from tests.fakes.clock import FakeClock
from tests.fakes.flaky_store import FlakyStore
from tests.fakes.stepped_store import SteppedStore
from tests.fakes.token_room import KEY, SEAL, TokenRoom, value

IDENTITY = "0123456789abcdef"
DOWN = StoreError("the store is down")


class SlowStore(FlakyStore):
    """Saves only when it `begins`, and answers only when it `ends`."""

    up_for = inf

    def __init__(self, settings: MemorySettings, runtime: Runtime) -> None:
        super().__init__(settings, runtime)
        self.begins, self.ends = asyncio.Event(), asyncio.Event()
        self.begins.set()
        self.ends.set()

    async def save(self, key: str, record: Record) -> Record:
        await self.begins.wait()
        standing = await super().save(key, record)
        await self.ends.wait()
        return standing

    async def uptime(self) -> float:
        return self.up_for


class World:
    """One account, and the vault of another process on the same store."""

    def __init__(self, *, durable: bool = False) -> None:
        self.clock = FakeClock()
        self.runtime = Runtime(self.clock, lambda name, error: None)
        self.store = SlowStore(MemorySettings(), self.runtime)
        self.vault = Vault(self.store, SEAL, self.runtime, EventLog(self.clock))
        self.theirs = Vault(self.store.memory, SEAL, self.runtime, EventLog(self.clock))
        self.unfit: set[str] = set()
        self.account = Account(self.vault, KEY, IDENTITY, render=self.render, clock=self.clock, durable=durable)

    def render(self, token: Token, trusted: float | None) -> Held:
        if token.value.reveal() in self.unfit:
            raise FetchError(Reason.MALFORMED_RESPONSE, "it cannot stand there")
        return hold(token, (), plan(token, trusted=trusted))

    def record(self, generation: int, text: str = "planted-ours", lifetime: float = 300.0) -> TokenRecord:
        now = self.clock.now()
        variables = {"refresh_token": Secret(f"{text}-refresh")}
        return TokenRecord(IDENTITY, generation, token=Token(Secret(text), now, now + lifetime, generation, variables))

    def failure(self, seconds: float = 30.0) -> Failure:
        return Failure(Reason.PROVIDER_5XX, "failing", permanent=False, until=self.clock.monotonic() + seconds)

    async def damage(self, order: int) -> None:
        """Put something there that nobody can read."""
        await self.store.memory.save(KEY, Record(order, b"damaged", ttl=300.0))

    def knows(self) -> tuple[int, int, str | None]:
        """Return generation, step and value of what is known here."""
        return told(self.account.record)

    async def stored(self) -> tuple[int, int, str | None] | None:
        """Return the same of what stands in the store."""
        record = await self.theirs.load(KEY)
        return None if record is None else told(record)


def told(record: TokenRecord) -> tuple[int, int, str | None]:
    return record.generation, record.step, None if record.token is None else record.token.value.reveal()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.runtime.close()


# Hear


async def test_a_newer_record_is_taken(world: World) -> None:
    world.account.record = world.record(7)
    newer = [world.record(7).reject(world.clock.now()), world.record(8, "planted-theirs")]
    for record in newer:
        assert world.account.hear(record)
        assert world.account.record is record


async def test_word_of_the_same_token_that_was_long_under_way_is_not_taken_for_an_older_token() -> None:
    world = World(durable=True)
    issued = world.record(7)
    await world.clock.advance(seconds=0.2)
    world.account.record = world.record(7)  # what we know took a while to get here, so it looks younger than it is
    world.store.begins.clear()
    rejecting = asyncio.create_task(world.account.reject(7))
    await asyncio.sleep(0)
    spent = issued.reject(world.clock.now()).spend(world.clock.monotonic())
    await world.theirs.save(KEY, spent, durable=True)
    assert world.account.hear(spent)
    assert world.account.record is spent
    world.store.begins.set()
    await rejecting
    assert world.knows() == await world.stored() == (7, 2, "planted-ours")
    assert world.account.record.may_be_spent
    await world.runtime.close()


async def test_an_older_record_is_passed_over(world: World) -> None:
    known = world.account.record = world.record(7).reject(world.clock.now())
    for older in (world.record(7), world.record(6, "planted-theirs"), NOTHING):
        assert not world.account.hear(older)
        assert world.account.record is known


async def test_what_is_known_already_is_no_news(world: World) -> None:
    known = world.account.record = world.record(7)
    assert not world.account.hear(world.record(7))
    assert world.account.record is known


async def test_of_two_tokens_of_one_generation_the_store_s_counts(world: World) -> None:
    world.account.record = world.record(7)
    assert world.account.hear(world.record(7, "planted-theirs"))
    assert world.knows() == (7, 0, "planted-theirs")


@pytest.mark.parametrize("order", [7 * STEPS, 7 * STEPS + 9, 12 * STEPS])
async def test_a_damaged_record_wipes_out_nothing_and_what_is_known_comes_after_it(world: World, order: int) -> None:
    world.account.record = world.record(7)
    damaged = TokenRecord(generation=order // STEPS, step=order % STEPS, is_damaged=True)
    assert world.account.hear(damaged)
    assert world.knows() == (damaged.generation + 1, 0, "planted-ours")
    assert world.account.record.order > order
    assert world.account.usable() is not None
    assert not world.account.hear(damaged)


async def test_an_older_damaged_record_changes_nothing(world: World) -> None:
    known = world.account.record = world.record(7)
    assert not world.account.hear(TokenRecord(generation=6, step=3, is_damaged=True))
    assert world.account.record is known


async def test_who_knows_nothing_counts_on_after_a_damaged_record(world: World) -> None:
    assert world.account.hear(TokenRecord(generation=6, step=3, is_damaged=True))
    assert world.account.record.order == 6 * STEPS + 3
    assert world.account.usable() is None


async def test_what_others_say_who_found_a_damaged_record_wipes_out_nothing(world: World) -> None:
    world.account.record = world.record(7)
    theirs = TokenRecord(generation=7, step=3, is_damaged=True).fail(world.failure(), IDENTITY)
    assert world.account.hear(theirs)
    assert world.knows() == (8, 0, "planted-ours")
    assert world.account.usable() is not None


async def test_a_revocation_is_heard_though_it_leaves_no_token(world: World) -> None:
    world.account.record = world.record(7)
    assert world.account.hear(world.record(7).revoke(durable=False))
    assert world.knows() == (7, 1, None)
    assert world.account.is_withdrawn


# Usable


async def test_a_token_of_ours_that_is_neither_rejected_nor_expired_is_usable(world: World) -> None:
    world.account.record = world.record(7)
    assert value(world.account.usable()) == "planted-ours"


async def test_only_a_newer_generation_is_usable_where_a_newer_one_is_wanted(world: World) -> None:
    world.account.record = world.record(7)
    assert [world.account.usable(than) is not None for than in (-1, 0, 6, 7, 8)] == [True, True, True, False, False]


async def test_without_token_there_is_nothing_to_use(world: World) -> None:
    assert world.account.usable() is None
    world.account.record = replace(world.record(7), token=None)
    assert world.account.usable() is None


async def test_a_token_that_other_settings_fetched_is_not_usable(world: World) -> None:
    for identity in ("other", ""):
        world.account.record = replace(world.record(7), identity=identity)
        assert world.account.usable() is None


@pytest.mark.parametrize("durable", [True, False])
async def test_a_token_that_was_taken_out_of_use_is_not_usable(world: World, durable: bool) -> None:
    for record in (world.record(7).reject(world.clock.now()), world.record(7).revoke(durable=durable)):
        world.account.record = record
        assert world.account.usable() is None


async def test_a_token_is_usable_until_it_expires(world: World) -> None:
    world.account.record = world.record(7)
    await world.clock.advance(seconds=299)
    assert world.account.usable() is not None
    await world.clock.advance(seconds=1)
    assert world.account.usable() is None


async def test_a_token_that_cannot_be_put_into_a_request_is_not_usable(world: World) -> None:
    world.account.record = world.record(7)
    world.unfit = {"planted-ours"}
    assert world.account.usable() is None


async def test_what_was_learnt_of_its_life_plans_its_refresh(world: World) -> None:
    world.account.record = replace(world.record(7), trusted=100.0)
    held = world.account.usable()
    assert held is not None
    assert held.stale_at == world.clock.now() + 80.0


async def test_it_tells_whether_somebody_took_the_token_out_of_use(world: World) -> None:
    rejected = world.record(7).reject(world.clock.now())
    cases = {
        "in use": (world.record(7), False),
        "rejected": (rejected, True),
        "revoked": (world.record(7).revoke(durable=False), True),
        "revoked and durable": (world.record(7).revoke(durable=True), True),
        "failed": (world.record(7).fail(world.failure(), IDENTITY), False),
        "of other settings": (replace(rejected, identity="other"), False),
    }
    for what, (record, is_withdrawn) in cases.items():
        world.account.record = record
        assert world.account.is_withdrawn == is_withdrawn, what


# Failure


async def test_a_failure_stands_until_its_wait_is_over(world: World) -> None:
    failure = world.failure(30.0)
    world.account.record = world.record(7).fail(failure, IDENTITY)
    assert world.account.failure is failure
    await world.clock.advance(seconds=29)
    assert world.account.failure is failure
    await world.clock.advance(seconds=1)
    assert world.account.failure is None


async def test_a_failure_of_other_settings_says_nothing_of_ours(world: World) -> None:
    world.account.record = world.record(7).fail(world.failure(), "other")
    assert world.account.failure is None


async def test_there_is_no_failure_before_the_first_nor_after_a_success(world: World) -> None:
    assert world.account.failure is None
    failed = world.record(7).fail(world.failure(), IDENTITY)
    token = world.record(8).token
    assert token is not None
    world.account.record = failed.succeed(token, IDENTITY, world.clock.now())
    assert world.account.failure is None


# Look, save, keep


async def test_a_look_learns_what_stands_in_the_store(world: World) -> None:
    await world.account.look()
    assert world.account.record is NOTHING
    await world.theirs.save(KEY, world.record(7, "planted-theirs"))
    await world.account.look()
    assert world.knows() == (7, 0, "planted-theirs")


async def test_a_look_forgets_nothing_that_the_store_has_lost(world: World) -> None:
    await world.account.save(world.record(7))
    await world.store.drop(KEY, 9 * STEPS)
    await world.account.look()
    assert world.knows() == (7, 0, "planted-ours")


async def test_what_is_saved_counts_here_and_in_the_store(world: World) -> None:
    assert await world.account.save(world.record(7))
    assert world.knows() == await world.stored() == (7, 0, "planted-ours")


async def test_it_counts_here_before_the_store_has_answered(world: World) -> None:
    world.store.ends.clear()
    work = asyncio.create_task(world.account.save(world.record(7)))
    await world.clock.settle()
    assert world.knows() == (7, 0, "planted-ours")
    world.store.ends.set()
    assert await work


async def test_what_others_saved_counts_if_it_is_newer_or_came_first(world: World) -> None:
    await world.theirs.save(KEY, world.record(7, "planted-theirs"))
    for generation in (6, 7):
        assert not await world.account.save(world.record(generation))
        assert world.knows() == await world.stored() == (7, 0, "planted-theirs")


async def test_what_was_heard_while_the_store_answered_is_not_forgotten_for_its_answer(world: World) -> None:
    await world.theirs.save(KEY, world.record(8, "planted-theirs"))
    world.store.ends.clear()
    work = asyncio.create_task(world.account.save(world.record(7)))
    await world.clock.settle()
    world.account.hear(world.record(9, "planted-newest"))
    world.store.ends.set()
    assert not await work
    assert world.knows() == (9, 0, "planted-newest")


@pytest.mark.parametrize("order", [7 * STEPS, 9 * STEPS + 3])
async def test_a_damaged_record_in_the_way_wipes_out_nothing(world: World, order: int) -> None:
    await world.damage(order)
    assert not await world.account.save(world.record(7))
    assert world.knows() == (order // STEPS + 1, 0, "planted-ours")
    assert await world.account.save(world.account.record.reject(world.clock.now()))
    assert await world.stored() == (order // STEPS + 1, 1, "planted-ours")


async def test_what_the_store_does_not_take_counts_here_alone(world: World) -> None:
    world.store.error = DOWN
    with pytest.raises(StoreError):
        await world.account.save(world.record(7))
    assert world.knows() == (7, 0, "planted-ours")
    await world.account.keep(world.record(8))
    assert world.knows() == (8, 0, "planted-ours")
    assert await world.stored() is None


async def test_what_is_kept_is_saved_where_the_store_takes_it(world: World) -> None:
    await world.account.keep(world.record(7))
    assert await world.stored() == (7, 0, "planted-ours")


@pytest.mark.parametrize("durable", [True, False])
async def test_the_store_is_told_what_cannot_be_had_again(durable: bool) -> None:
    world = World(durable=durable)
    for generation, work in ((7, world.account.save), (8, world.account.keep)):
        await work(world.record(generation))
        raw = await world.store.load(KEY)
        assert raw is not None
        assert raw.durable is durable
    world.account.record = world.record(9)
    await world.account.catch_up()
    raw = await world.store.load(KEY)
    assert raw is not None
    assert (raw.order, raw.durable) == (9 * STEPS, durable)


# Catch up


async def test_the_store_gets_what_it_lacks(world: World) -> None:
    world.store.error = DOWN
    await world.account.keep(world.record(7))
    world.store.error = None
    standing = await world.account.catch_up()
    assert standing is world.account.record
    assert await world.stored() == (7, 0, "planted-ours")


async def test_the_store_gets_what_is_newer_than_what_it_has(world: World) -> None:
    await world.theirs.save(KEY, world.record(6, "planted-theirs"))
    world.account.record = world.record(7)
    assert await world.account.catch_up() is world.account.record
    assert await world.stored() == (7, 0, "planted-ours")


async def test_a_store_that_came_back_with_less_gets_all_of_it(world: World) -> None:
    rejected = world.record(7).reject(world.clock.now())
    await world.theirs.save(KEY, world.record(7))
    world.account.record = rejected
    await world.account.catch_up()
    stored = await world.theirs.load(KEY)
    assert stored is not None
    assert stored.is_rejected


@pytest.mark.parametrize("theirs", [(8, 0), (7, 3), (7, 0)])
async def test_the_store_s_record_is_returned_when_it_is_newer_or_came_first(
    world: World, theirs: tuple[int, int]
) -> None:
    generation, step = theirs
    await world.theirs.save(KEY, replace(world.record(generation, "planted-theirs"), step=step))
    world.account.record = world.record(7)
    standing = await world.account.catch_up()
    assert standing is not None
    assert world.account.hear(standing)
    assert world.knows() == await world.stored() == (generation, step, "planted-theirs")
    assert world.store.asked == {"load": 1}


@pytest.mark.parametrize("order", [0, 3, 7 * STEPS, 7 * STEPS + 9, 12 * STEPS])
async def test_a_damaged_record_is_replaced_by_what_is_known(world: World, order: int) -> None:
    await world.damage(order)
    world.account.record = world.record(7)
    standing = await world.account.catch_up()
    assert standing is world.account.record
    assert world.account.record.order > order
    assert value(world.account.usable()) == "planted-ours"
    assert await world.stored() == world.knows()


async def test_who_knows_nothing_gives_nothing(world: World) -> None:
    assert await world.account.catch_up() is None
    await world.damage(7 * STEPS)
    standing = await world.account.catch_up()
    assert standing is not None
    assert standing.is_damaged
    assert world.account.hear(standing)
    assert await world.account.catch_up() is not None
    assert world.store.asked.get("save", 0) == 0


async def test_who_knows_only_of_a_damaged_record_gives_nothing_to_a_store_that_lost_it(world: World) -> None:
    await world.damage(7 * STEPS)
    await world.account.look()
    await world.store.drop(KEY, 7 * STEPS)
    assert await world.account.catch_up() is None
    assert await world.stored() is None


async def test_nothing_is_written_when_both_know_the_same(world: World) -> None:
    await world.account.save(world.record(7))
    standing = await world.account.catch_up()
    assert standing is not None
    assert not world.account.hear(standing)
    assert world.store.asked == {"save": 1, "load": 1}


async def test_what_another_saves_meanwhile_is_returned(world: World) -> None:
    world.account.record = world.record(7)
    world.store.begins.clear()
    work = asyncio.create_task(world.account.catch_up())
    await world.clock.settle()
    await world.theirs.save(KEY, world.record(9, "planted-theirs"))
    world.store.begins.set()
    standing = await work
    assert standing is not None
    assert told(standing) == (9, 0, "planted-theirs")


@pytest.mark.parametrize("failing", ["load", "save"])
async def test_who_cannot_catch_up_says_so_and_knows_what_it_knew(world: World, failing: str) -> None:
    known = world.account.record = world.record(7)
    world.store.error, world.store.failing = DOWN, frozenset({failing})
    with pytest.raises(StoreError):
        await world.account.catch_up()
    assert world.account.record is known


# Revoke


async def test_a_revoked_token_is_gone_here_and_in_the_store(world: World) -> None:
    await world.account.save(world.record(7))
    await world.account.revoke()
    assert world.knows() == await world.stored() == (7, 1, None)
    assert world.account.record.variables == {}
    assert world.account.is_withdrawn


async def test_of_a_revoked_token_what_cannot_be_had_again_stays() -> None:
    world = World(durable=True)
    await world.account.save(world.record(7))
    await world.account.revoke()
    assert world.knows() == await world.stored() == (7, 1, "")
    assert world.account.is_withdrawn
    stored = await world.theirs.load(KEY)
    assert stored is not None
    assert stored.variables == {"refresh_token": Secret("planted-ours-refresh")}


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize(("generation", "step"), [(7, 1), (7, 5), (9, 0)])
async def test_a_token_is_revoked_though_others_were_ahead_of_us(durable: bool, generation: int, step: int) -> None:
    world = World(durable=durable)
    await world.theirs.save(KEY, replace(world.record(generation, "planted-theirs"), step=step))
    world.account.record = world.record(7)
    await world.account.revoke()
    stored = await world.theirs.load(KEY)
    assert stored is not None
    assert stored.is_revoked
    assert stored.order == generation * STEPS + step + 1
    assert ("refresh_token" in stored.variables) == durable


async def test_who_knows_nothing_yet_revokes_what_stands_in_the_store(world: World) -> None:
    await world.theirs.save(KEY, world.record(7, "planted-theirs"))
    await world.account.revoke()
    assert await world.stored() == (7, 1, None)


async def test_a_revocation_that_cannot_be_written_down_is_an_error_and_counts_here(world: World) -> None:
    await world.account.save(world.record(7))
    world.store.error = DOWN
    with pytest.raises(StoreError):
        await world.account.revoke()
    assert world.knows() == (7, 1, None)
    assert world.account.usable() is None
    world.store.error = None
    await world.account.catch_up()
    assert await world.stored() == (7, 1, None)


async def test_a_revocation_that_others_outrun_for_ever_is_an_error(world: World) -> None:
    full = replace(world.record(7), step=STEPS)
    await world.theirs.save(KEY, full)
    with pytest.raises(StoreError, match="try again"):
        await world.account.revoke()


# The lock and the rest


async def test_there_is_one_lock(world: World) -> None:
    lease = await world.account.acquire()
    assert lease is not None
    assert await world.theirs.acquire(KEY) is None
    assert await world.account.acquire() is None
    await lease.release()
    assert await world.theirs.acquire(KEY) is not None


async def test_news_of_the_record_wakes_who_waits_for_it(world: World) -> None:
    waiting = asyncio.create_task(world.account.news(60.0))
    await world.clock.settle()
    assert not waiting.done()
    await world.theirs.save(KEY, world.record(7))
    await world.clock.settle()
    assert waiting.done()


async def test_nothing_is_left_behind_in_a_store_of_our_own(world: World) -> None:
    await world.account.save(world.record(7))
    world.account.abandon()
    assert await world.stored() is None


async def test_it_shows_no_secret(world: World) -> None:
    world.account.record = world.record(7)
    assert repr(world.account) == f"<Account {KEY}, generation 7, step 0>"
    assert "planted" not in repr(world.account.record)


async def test_what_the_store_did_not_take_and_was_issued_later_is_not_given_up_for_what_stands_there() -> None:
    clock = FakeClock()
    store = SteppedStore(Runtime(clock, lambda name, error: None))
    one = TokenRoom(store=store, clock=clock, lineage=("first",))
    other = one.replica(store=SteppedStore(Runtime(clock, lambda name, error: None), store.shared))
    await one.source.obtain()
    account, later = one.source._account, Token(Secret("later"), clock.now() + 5, clock.now() + 300)
    store.is_gone = True
    await account.keep(account.record.succeed(later, "0123456789abcdef", clock.now()))
    await other.plant("earlier", 2)
    store.is_gone = False
    await account.catch_up()
    standing = await other.stored()
    assert standing is not None
    assert standing.token is not None
    assert (standing.token.value.reveal(), standing.generation) == ("later", 3)


async def test_what_is_being_spent_is_no_younger_for_a_clock_that_was_set_back() -> None:
    room = TokenRoom(lineage=("first",))
    account = room.source._account
    began = room.clock.monotonic()
    account.record = account.record.spend(began)
    await room.clock.advance(seconds=60)
    account.hear(replace(account.record, spending_since=room.clock.monotonic()))
    assert account.record.spending_since == began


async def test_what_is_brought_counts_once_the_store_has_it_and_follows_on_what_stands_there() -> None:
    room = TokenRoom()
    await room.plant("another replica's", generation=7)
    account = room.source._account
    await account.plant(Token(Secret("planted-brought"), room.clock.now()))
    stored = await room.stored()
    assert stored is not None
    assert stored.is_same_as(account.record)
    assert stored.generation == room.clock.now()
    await account.plant(Token(Secret("planted-again"), room.clock.now()))
    assert account.record.generation == room.clock.now() + 1


async def test_what_is_brought_stays_out_where_the_one_that_stands_in_the_store_is_to_stay() -> None:
    world = World(durable=True)
    await world.theirs.save(KEY, world.record(7, "planted-theirs"))
    seen: list[str] = []

    def refuse(in_use: Token) -> None:
        seen.append(in_use.value.reveal())
        raise LookupError

    with pytest.raises(LookupError):
        await world.account.plant(Token(Secret("planted-brought"), world.clock.now()), refuse)
    assert seen == ["planted-theirs"]
    assert world.knows() == await world.stored() == (7, 0, "planted-theirs")


async def test_what_is_brought_while_the_store_is_away_counts_nowhere() -> None:
    store = FlakyStore(MemorySettings(), Runtime(FakeClock(), lambda name, error: None))
    room = TokenRoom(store=store)
    account = room.source._account
    store.error = DOWN
    with pytest.raises(StoreError):
        await account.plant(Token(Secret("planted-brought"), room.clock.now()))
    assert account.record is NOTHING
    store.error, store.failing = DOWN, frozenset({"save"})
    with pytest.raises(StoreError):
        await account.plant(Token(Secret("planted-brought"), room.clock.now()))
    assert account.record is NOTHING
    store.error = None
    assert await account.catch_up() is None


async def test_what_is_brought_is_not_taken_for_older_by_whoever_remembers_more_than_the_store() -> None:
    here = TokenRoom()
    there = here.replica()
    await here.source._account.plant(Token(Secret("old"), here.clock.now(), here.clock.now() + 60))
    await here.clock.advance(hours=72)
    await here.store.drop(KEY, 2**53)
    there = here.replica()  # knows nothing, as the store does
    await there.source._account.plant(Token(Secret("new"), there.clock.now()))
    usable = here.source._account.usable()
    assert usable is not None
    assert value(usable) == "new"


async def test_who_brings_something_to_a_record_that_others_keep_changing_is_told_so() -> None:
    room = TokenRoom()
    account, vault = room.source._account, room.vault
    save = vault.save

    async def outrun(key: str, record: TokenRecord, *, durable: bool = False) -> TokenRecord:
        await save(key, record.succeed(Token(Secret("planted-another"), 0.0), IDENTITY, 0.0), durable=durable)
        return await save(key, record, durable=durable)

    vault.save = outrun  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="keeps changing"):
        await account.plant(Token(Secret("planted-brought"), room.clock.now()))
