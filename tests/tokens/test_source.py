"""One credential's token, as requests and operators meet it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.core.errors import CircuitOpenError, ProxyError, Reason, TokenUnavailableError
from proxy.core.secret import Secret
from proxy.core.token import REVOKED, Token
from proxy.stores.base import Record, StoreError
from proxy.stores.memory import Memory, MemorySettings
from proxy.tokens.held import Held
from tests.fakes.credential import MARKER, StaticCredential
from tests.fakes.token_room import TokenRoom, permanent, transient, value

Outcome = Held | BaseException


@pytest.fixture
async def room() -> AsyncIterator[TokenRoom]:
    room = TokenRoom()
    yield room
    await room.runtime.close()


async def obtained(room: TokenRoom, callers: int) -> list[Outcome]:
    return await asyncio.gather(*(room.source.obtain() for _ in range(callers)), return_exceptions=True)


# Fresh


async def test_before_the_first_request_nothing_is_fetched_and_nothing_held(room: TokenRoom) -> None:
    assert room.source.current() is None
    assert room.credential.count == 0
    assert room.runtime.tasks == 0


async def test_a_thousand_callers_without_a_token_cause_one_fetch_and_get_the_same_token(room: TokenRoom) -> None:
    held = await obtained(room, 1000)
    assert room.credential.count == 1
    assert {value(one) for one in held if isinstance(one, Held)} == {"planted-1"}
    assert len(set(map(id, held))) == 1
    assert room.counts.wait == 1000


async def test_a_fresh_token_is_returned_without_a_task_or_a_call_of_the_store(room: TokenRoom) -> None:
    held = await room.source.obtain()
    tasks, fetches = room.runtime.tasks, room.credential.count
    assert [room.source.current() for _ in range(3)] == [held] * 3
    assert await room.source.obtain() is held
    assert (room.runtime.tasks, room.credential.count) == (tasks, fetches)
    assert room.counts.hit == 4


async def test_the_injection_is_rendered_with_the_token(room: TokenRoom) -> None:
    assert (await room.source.obtain()).injection.lines == b"Authorization: Bearer planted-1\r\n"


async def test_a_token_without_expiry_is_never_replaced() -> None:
    room = TokenRoom(lifetime=None)
    held = await room.source.obtain()
    await room.clock.advance(seconds=1e8)
    assert room.source.current() is held
    assert room.runtime.tasks == 0


async def test_a_configured_token_is_there_before_the_first_request_and_for_ever() -> None:
    room = TokenRoom(credential=StaticCredential)
    await room.source.prime()
    await room.source.prime()
    assert room.credential.count == 1
    held = room.source.current()
    assert value(held) == "planted-1"
    await room.clock.advance(seconds=1e8)
    assert room.source.current() is held
    assert await room.stored() is None


async def test_priming_a_token_that_must_be_fetched_does_nothing(room: TokenRoom) -> None:
    await room.source.prime()
    assert room.credential.count == 0


async def test_priming_that_fails_says_so_with_the_first_request() -> None:
    room = TokenRoom(credential=StaticCredential)
    room.credential.fail(permanent())
    await room.source.prime()
    with pytest.raises(TokenUnavailableError):
        await room.source.obtain()
    assert room.event_names() == ["refresh_failed", "credential_needs_person"]


# Cancelled callers


@pytest.mark.parametrize("leaver", [0, 1, 4])
async def test_a_cancelled_caller_the_first_one_too_leaves_the_fetch_unharmed(room: TokenRoom, leaver: int) -> None:
    room.credential.hold()
    callers = [asyncio.create_task(room.source.obtain()) for _ in range(5)]
    await room.clock.advance(seconds=1)
    callers.pop(leaver).cancel()
    await room.clock.advance(seconds=1)
    room.credential.release()
    assert {value(await caller) for caller in callers} == {"planted-1"}
    assert room.credential.count == 1


async def test_when_every_caller_leaves_the_fetch_still_lands(room: TokenRoom) -> None:
    room.credential.hold()
    callers = [asyncio.create_task(room.source.obtain()) for _ in range(5)]
    await room.clock.advance(seconds=1)
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    room.credential.release()
    await room.clock.advance(seconds=1)
    assert value(room.source.current()) == "planted-1"


async def test_callers_whose_fetch_is_broken_off_from_outside_are_told_and_not_cancelled(room: TokenRoom) -> None:
    room.credential.hold()
    callers = [asyncio.create_task(room.source.obtain()) for _ in range(3)]
    await room.clock.advance(seconds=1)
    await room.runtime.close()
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert [getattr(outcome, "reason", None) for outcome in outcomes] == [Reason.INTERNAL] * 3


# Stale


async def test_a_stale_token_is_served_while_its_replacement_is_slow(room: TokenRoom) -> None:
    held = await room.source.obtain()
    room.credential.hold()
    await room.clock.advance(seconds=290)
    assert [room.source.current() for _ in range(100)] == [held] * 100
    assert (room.credential.count, room.credential.in_flight, room.runtime.tasks) == (2, 1, 1)
    room.credential.release()
    await room.clock.advance(seconds=1)
    assert value(room.source.current()) == "planted-2"
    assert room.counts.stale == 100


async def test_a_stale_token_is_served_while_its_refresh_fails_until_it_expires(room: TokenRoom) -> None:
    held = await room.source.obtain()
    room.credential.always = transient()
    await room.clock.advance(seconds=240)
    for _ in range(59):
        assert room.source.current() is held
        await room.clock.advance(seconds=1)
    await room.clock.advance(seconds=1)
    assert room.source.current() is None
    with pytest.raises(ProxyError):
        await room.source.obtain()


async def test_an_expired_token_is_never_served_and_its_callers_wait_for_one_fetch(room: TokenRoom) -> None:
    await room.source.obtain()
    room.source.close()  # no planned refresh: the token lapses
    await room.clock.advance(seconds=300)
    assert room.source.current() is None
    assert {value(one) for one in await obtained(room, 100) if isinstance(one, Held)} == {"planted-2"}
    assert room.fetches() == {("first", "succeeded"): 1, ("expired", "succeeded"): 1}


async def test_the_planned_refresh_happens_once_and_no_request_finds_the_token_stale(room: TokenRoom) -> None:
    await room.source.obtain()
    for _ in range(10):
        await room.clock.advance(seconds=24.5)
        assert room.source.current() is not None
    assert room.fetches() == {("first", "succeeded"): 1, ("stale", "succeeded"): 1}
    assert value(room.source.current()) == "planted-2"
    assert room.counts.stale == 0


async def test_a_token_that_nobody_has_used_since_its_planned_refresh_lapses(room: TokenRoom) -> None:
    await room.source.obtain()
    await room.clock.advance(seconds=10_000)
    assert room.credential.count == 2
    assert room.runtime.tasks == 0


async def test_a_request_that_finds_a_token_stale_has_it_replaced_behind_it(room: TokenRoom) -> None:
    await room.source.obtain()
    await room.clock.advance(seconds=240 + 250)  # replaced as planned, and not used since
    assert value(room.source.current()) == "planted-2"
    await room.clock.settle()
    assert value(room.source.current()) == "planted-3"
    assert room.counts.stale == 1


async def test_a_planned_refresh_that_fails_is_tried_again_when_its_wait_is_over(room: TokenRoom) -> None:
    await room.source.obtain()
    room.credential.fail(transient(), transient())
    await room.clock.advance(seconds=239)
    assert room.credential.count == 1
    await room.clock.advance(seconds=1)
    assert room.credential.count == 2
    await room.clock.advance(seconds=4)
    assert value(room.source.current()) == "planted-4"
    assert room.event_names()[1:] == ["refresh_failed", "token_fetched", "refresh_recovered"]


async def test_a_planned_refresh_waits_for_an_open_circuit(room: TokenRoom) -> None:
    room = TokenRoom(lifetime=3600.0, safety_window=600.0)
    await room.source.obtain()
    room.credential.always = transient()
    await room.clock.advance(seconds=0.8 * 3600)
    while room.counts.breaker_opened == 0:
        assert room.source.current() is not None
        await room.clock.advance(seconds=1)
    asked = room.credential.count
    room.credential.always = None
    await room.clock.advance(seconds=31)
    assert room.credential.count == asked + 1
    assert room.source.status().state == "fresh"
    await room.runtime.close()


@pytest.mark.parametrize(("random", "share"), [(0.0, 0.72), (0.5, 0.8), (1.0, 0.88)])
async def test_chance_moves_the_planned_refresh_by_a_tenth_at_most(random: float, share: float) -> None:
    room = TokenRoom(lifetime=10_000.0, random=lambda: random)
    held = await room.source.obtain()
    assert held.stale_at - held.token.issued_at == pytest.approx(share * 10_000.0)
    await room.runtime.close()


async def test_a_configured_safety_window_is_kept_to_half_the_lifetime() -> None:
    room = TokenRoom(safety_window=1e6)
    held = await room.source.obtain()
    assert held.stale_at - held.token.issued_at == 150.0
    await room.runtime.close()


async def test_a_wall_clock_that_is_set_back_makes_no_refresh_early(room: TokenRoom) -> None:
    await room.source.obtain()
    room.clock.jump(-100.0)
    await room.clock.advance(seconds=339)
    assert room.credential.count == 1
    await room.clock.advance(seconds=2)
    assert room.credential.count == 2


async def test_a_wall_clock_that_jumps_ahead_costs_one_fetch(room: TokenRoom) -> None:
    await room.source.obtain()
    room.clock.jump(3600.0)
    await obtained(room, 100)
    await room.clock.advance(seconds=100)
    assert room.credential.count == 2


# Failed


async def test_a_failed_fetch_reaches_everybody_who_waits_and_is_remembered(room: TokenRoom) -> None:
    room.credential.fail(transient())
    outcomes = await obtained(room, 500)
    assert all(isinstance(outcome, TokenUnavailableError) for outcome in outcomes)
    assert {getattr(outcome, "reason", None) for outcome in outcomes} == {Reason.PROVIDER_5XX}
    assert len(set(map(id, outcomes))) == 500
    tasks = room.runtime.tasks
    with pytest.raises(TokenUnavailableError) as caught:
        await room.source.obtain()
    assert caught.value.retry_after is not None
    assert 0.0 < caught.value.retry_after <= 1.0
    assert room.credential.count == 1
    assert room.runtime.tasks == tasks
    assert (room.counts.wait, room.counts.negative) == (500, 1)


async def test_a_failed_fetch_is_made_good_after_its_wait(room: TokenRoom) -> None:
    room.credential.fail(transient())
    await obtained(room, 1)
    await room.clock.advance(seconds=1)
    assert value(await room.source.obtain()) == "planted-2"
    assert room.event_names() == ["refresh_failed", "token_fetched", "refresh_recovered"]


async def test_a_permanent_failure_is_not_asked_about_again_for_ten_minutes(room: TokenRoom) -> None:
    room.credential.always = permanent()
    for _ in range(10):
        await obtained(room, 10)
        await room.clock.advance(seconds=59)
    assert room.credential.count == 1
    await room.clock.advance(seconds=11)
    await obtained(room, 10)
    assert room.credential.count == 2
    assert room.event_names() == ["refresh_failed", "credential_needs_person"]


async def test_an_endpoint_that_keeps_failing_opens_its_circuit_and_closes_it_after_recovery(room: TokenRoom) -> None:
    room.credential.always = transient()
    outcomes: list[Outcome] = []
    for _ in range(20):
        outcomes += await obtained(room, 1)
        await room.clock.advance(seconds=1)
    assert room.credential.count == 5
    assert isinstance(outcomes[-1], CircuitOpenError)
    assert outcomes[-1].retry_after is not None
    assert room.source.status().breaker == "open"
    room.credential.always = None
    await room.clock.advance(seconds=30)
    assert value(await room.source.obtain()) == "planted-6"
    assert room.source.status().breaker == "closed"
    assert room.event_names() == [
        "refresh_failed",
        "breaker_opened",
        "token_fetched",
        "breaker_closed",
        "refresh_recovered",
    ]


async def test_an_error_of_our_own_is_a_failed_fetch_and_is_reported_once(room: TokenRoom) -> None:
    room.credential.fail(KeyError("planted"))
    outcomes = await obtained(room, 10)
    assert {getattr(outcome, "reason", None) for outcome in outcomes} == {Reason.INTERNAL}
    assert [type(error) for error in room.reported] == [KeyError]
    with pytest.raises(TokenUnavailableError) as caught:
        await room.source.obtain()
    failure = room.source.status().failure
    assert failure is not None
    assert "KeyError" in failure.detail
    assert "planted" not in failure.detail + caught.value.detail


async def test_a_token_that_must_not_stand_in_a_header_is_token_unavailable(room: TokenRoom) -> None:
    room.credential.suffix = "\r\nX-Evil: 1"
    with pytest.raises(TokenUnavailableError) as caught:
        await room.source.obtain()
    assert caught.value.reason is Reason.MALFORMED_RESPONSE
    assert room.reported == []


async def test_a_probe_that_is_broken_off_leaves_the_way_free_for_the_next(room: TokenRoom) -> None:
    room.credential.always = transient()
    while room.source.status().breaker != "open":
        await obtained(room, 1)
        await room.clock.advance(seconds=1)
    room.credential.always = None
    room.credential.hold()
    await room.clock.advance(seconds=31)
    probe = asyncio.create_task(room.source.obtain())
    await room.clock.settle()
    await room.runtime.close()
    await asyncio.gather(probe, return_exceptions=True)
    room.credential.release()
    assert isinstance(await room.source.obtain(), Held)


# What operators order


async def test_a_forced_refresh_fetches_whatever_is_held(room: TokenRoom) -> None:
    await room.source.obtain()
    assert value(await room.source.refresh()) == "planted-2"
    assert value(room.source.current()) == "planted-2"
    assert room.fetches()["forced", "succeeded"] == 1


async def test_a_forced_refresh_bypasses_what_is_remembered_and_an_open_circuit(room: TokenRoom) -> None:
    room.credential.always = transient()
    for _ in range(20):
        await obtained(room, 1)
        await room.clock.advance(seconds=1)
    asked = room.credential.count
    room.credential.always = None
    await room.source.refresh()
    assert room.credential.count == asked + 1
    assert room.source.current() is not None


async def test_a_forced_refresh_that_fails_leaves_the_token_in_use(room: TokenRoom) -> None:
    held = await room.source.obtain()
    room.credential.fail(transient())
    with pytest.raises(TokenUnavailableError):
        await room.source.refresh()
    assert room.source.current() is held


async def test_a_forced_refresh_is_not_content_with_a_fetch_that_began_before(room: TokenRoom) -> None:
    room.credential.hold()
    caller = asyncio.create_task(room.source.obtain())
    await room.clock.advance(seconds=1)
    operators = [asyncio.create_task(room.source.refresh()) for _ in range(2)]
    await room.clock.advance(seconds=1)
    room.credential.release()
    assert value(await caller) == "planted-1"
    assert {value(await operator) for operator in operators} == {"planted-2"}


async def test_after_a_revocation_the_next_request_fetches_and_nothing_is_reused(room: TokenRoom) -> None:
    first = await room.source.obtain()
    await room.source.revoke()
    assert room.source.current() is None
    stored = await room.stored()
    assert stored is not None
    assert stored.token is None
    second = await room.source.obtain()
    assert value(second) == "planted-2"
    assert second.token.generation == first.token.generation + 1
    assert room.credential.previous == [None, REVOKED]
    assert "token_revoked" in room.event_names()


async def test_a_revocation_takes_the_token_out_of_use_at_once_and_what_is_in_the_air_with_it(room: TokenRoom) -> None:
    await room.source.obtain()
    room.credential.hold()
    operator = asyncio.create_task(room.source.refresh())
    await room.clock.advance(seconds=1)
    revocation = asyncio.create_task(room.source.revoke())
    await room.clock.advance(seconds=1)
    assert room.source.current() is None
    room.credential.release()
    await asyncio.gather(operator, revocation)
    assert room.source.current() is None
    stored = await room.stored()
    assert stored is not None
    assert stored.token is None


async def test_a_revocation_that_the_store_does_not_hear_of_holds_here(room: TokenRoom) -> None:
    class Deaf(Memory):
        fails = False

        async def save(self, key: str, record: Record) -> Record:
            if self.fails:
                raise StoreError("the store does not answer")
            return await super().save(key, record)

    store = Deaf(MemorySettings(), room.runtime)
    room = TokenRoom(store=store)
    await room.source.obtain()
    store.fails = True
    with pytest.raises(StoreError):
        await room.source.revoke()
    assert value(await room.source.obtain()) == "planted-2"
    await room.runtime.close()


async def test_a_closed_source_begins_nothing_behind_requests_but_serves_those_in_flight(room: TokenRoom) -> None:
    room.credential.hold()
    caller = asyncio.create_task(room.source.obtain())
    await room.clock.advance(seconds=1)
    room.source.close()
    room.credential.release()
    held = await caller
    await room.clock.advance(seconds=290)
    assert room.source.current() is held
    assert room.credential.count == 1
    assert room.runtime.tasks == 0
    await room.clock.advance(seconds=10)
    assert value(await room.source.obtain()) == "planted-2"


@pytest.mark.parametrize("lineage", [("first",), None])
async def test_a_fetch_may_land_before_the_process_ends_if_what_it_brings_cannot_be_had_again(
    lineage: tuple[str, ...] | None,
) -> None:
    room = TokenRoom(lineage=lineage)
    await room.source.finish()
    room.credential.hold()
    caller = asyncio.create_task(room.source.obtain())
    await room.clock.settle()
    room.source.close()
    ending = asyncio.create_task(room.source.finish())
    await room.clock.settle()
    assert ending.done() is (lineage is None)
    room.credential.release()
    await ending
    assert value(await caller) == "planted-1"


# Replicas


async def test_a_replica_takes_the_token_that_another_has_fetched(room: TokenRoom) -> None:
    other = room.replica()
    await room.source.obtain()
    assert value(await other.source.obtain()) == "planted-1"
    assert other.fetches() == {}
    await other.runtime.close()


async def test_fifty_replicas_without_a_token_cause_one_fetch(room: TokenRoom) -> None:
    rooms = [room, *(room.replica() for _ in range(49))]
    held = await asyncio.gather(*(one.source.obtain() for one in rooms for _ in range(20)))
    assert {value(one) for one in held} == {value(held[0])}
    assert len(room.counts.fetches) > 0
    assert sum(sum(one.fetches().values()) for one in rooms) == 1
    for one in rooms:
        await one.runtime.close()


# Telemetry


async def test_metrics_follow_the_token(room: TokenRoom) -> None:
    assert "countersign_token_generation{" not in room.metrics.render("")[0].decode(), "nobody watches it yet"
    room.source.watch()
    page = room.metrics.render("")[0].decode()
    assert 'countersign_token_generation{credential="billing"} 0.0' in page
    assert "countersign_token_expires_at_seconds{" not in page
    await room.source.obtain()
    page = room.metrics.render("")[0].decode()
    assert 'countersign_token_generation{credential="billing"} 1.0' in page
    assert 'countersign_token_expires_at_seconds{credential="billing"} 1.8000003e+09' in page
    assert 'countersign_token_breaker_state{credential="billing"} 0.0' in page


async def test_no_secret_is_shown_anywhere(room: TokenRoom) -> None:
    held = await room.source.obtain()
    room.credential.fail(transient(), KeyError(value(held)))
    for _ in range(2):
        with pytest.raises(ProxyError):
            await room.source.refresh()
    renewal = await room.source.renew(held)
    await room.source.revoke()
    await room.clock.advance(seconds=60)
    await room.source.obtain()
    objects = [room.source, held, renewal, room.source.status(), room.store, room.source._gate.circuit]
    objects += [
        room.source._replacer,
        room.source._gate,
        room.source._replacer._refresher,
        room.source._hand,
        room.source._account,
        room.vault,
    ]
    shown = "".join(map(repr, objects)) + repr(room.events.query()) + room.metrics.render("")[0].decode()
    assert MARKER not in shown


# What a person brings


async def test_what_a_person_brings_is_used_by_the_next_request_on_every_replica(room: TokenRoom) -> None:
    there = room.replica()
    await room.source.obtain()
    await room.source.plant(Token(Secret("from-a-person"), room.clock.now()))
    assert [value(one.source.current()) for one in (room, there)] == ["from-a-person"] * 2
    await there.runtime.close()


async def test_what_a_person_brings_ends_the_memory_of_failures(room: TokenRoom) -> None:
    room.credential.fail(permanent())
    await obtained(room, 1)
    assert room.source.status().failure is not None
    await room.source.plant(Token(Secret("from-a-person"), room.clock.now()))
    assert room.source.status().failure is None
    assert value(await room.source.obtain()) == "from-a-person"


async def test_what_a_person_brings_while_a_fetch_is_under_way_stays(room: TokenRoom) -> None:
    room.credential.hold()
    fetching = asyncio.create_task(room.source.obtain())
    await room.clock.settle()
    await room.source.plant(Token(Secret("from-a-person"), room.clock.now()))
    room.credential.release()
    await fetching
    assert value(room.source.current()) == "from-a-person"
