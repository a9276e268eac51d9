"""What can be used once is spent under the lock, written down before, and not lost while there is a way back."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.core.errors import FetchError, ProxyError, Reason, TokenUnavailableError
from proxy.core.secret import Secret
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.core.token import Token
from proxy.net.runtime import Runtime
from proxy.stores.base import Change, News
from proxy.tokens.record import TokenRecord
from proxy.tokens.spending import DOUBT
from tests.fakes.clock import FakeClock
from tests.fakes.grant import FIRST, Issuer, SpendingCredential
from tests.fakes.stepped_store import SteppedStore
from tests.fakes.token_room import TokenRoom, transient, value

LINEAGE = ("https://auth.example/token", "client", FIRST)


class Fleet:
    """One issuer, one store, and a replica to begin with."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.issuer = Issuer()
        self.first = SteppedStore(Runtime(self.clock, lambda name, error: None))
        self.rooms: list[TokenRoom] = []
        self.one = self.replica(self.first)

    def replica(self, store: SteppedStore | None = None, identity: str = "one", longest_try: float = 10.0) -> TokenRoom:
        """Return one more process."""
        store = store or SteppedStore(Runtime(self.clock, lambda name, error: None), self.first.shared)
        room = TokenRoom(
            credential=SpendingCredential,
            store=store,
            clock=self.clock,
            lineage=LINEAGE,
            identity=identity,
            longest_try=longest_try,
        )
        assert isinstance(room.credential, SpendingCredential)
        room.credential.issuer = self.issuer
        room.credential.count = 100 * len(self.rooms)
        self.rooms.append(room)
        return room

    async def stored(self) -> TokenRecord:
        """Return what stands in the store."""
        record = await self.replica().stored()
        assert record is not None
        return record

    def store_of(self, room: TokenRoom) -> SteppedStore:
        """Return that replica's way to the store."""
        assert isinstance(room.store, SteppedStore)
        return room.store

    async def obtain(self, room: TokenRoom) -> str:
        """Return the token that this replica gets, however long it takes."""
        task = asyncio.create_task(room.source.obtain())
        for _ in range(100):
            await self.clock.advance(seconds=0.1)
            if task.done():
                return value(await task)
        task.cancel()
        raise AssertionError("ten seconds are over")

    async def refused(self, room: TokenRoom) -> TokenUnavailableError:
        """Return why this replica gets none."""
        with pytest.raises(TokenUnavailableError) as caught:
            await self.obtain(room)
        return caught.value


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    fleet = Fleet()
    yield fleet
    for room in fleet.rooms:
        await room.runtime.close()


async def test_each_refresh_token_is_spent_once_and_its_successor_is_kept_in_the_store(fleet: Fleet) -> None:
    for _ in range(3):
        await fleet.obtain(fleet.one)
        await fleet.clock.advance(hours=1)
    assert fleet.issuer.spent_each_once
    assert len(fleet.issuer.spent) >= 3
    record = await fleet.stored()
    assert record.variables["refresh_token"].reveal() == fleet.issuer.good
    assert record.spending_since is None
    assert not record.may_be_spent


async def test_what_is_spent_is_written_down_before_it_is_sent(fleet: Fleet) -> None:
    fleet.one.credential.hold()
    caller = asyncio.create_task(fleet.one.source.obtain())
    await fleet.clock.advance(seconds=1)
    assert fleet.issuer.spent == [FIRST]
    assert (await fleet.stored()).spending_since is not None
    fleet.one.credential.release()
    await caller


async def test_a_new_process_goes_on_where_the_last_one_ended(fleet: Fleet) -> None:
    await fleet.obtain(fleet.one)
    await fleet.one.runtime.close()
    await fleet.clock.advance(hours=1)
    await fleet.obtain(fleet.replica())
    assert fleet.issuer.spent_each_once
    assert len(fleet.issuer.spent) == 2


async def test_other_settings_go_on_with_the_same_chain_but_not_with_the_token(fleet: Fleet) -> None:
    first = await fleet.obtain(fleet.one)
    other = fleet.replica(identity="other scopes")
    second = await fleet.obtain(other)
    assert first != second
    assert fleet.issuer.spent == ["refresh-0", "refresh-1"]
    assert value(fleet.one.source.current()) == first


async def test_without_the_store_nothing_is_spent_and_what_is_held_serves_on(fleet: Fleet) -> None:
    held = await fleet.obtain(fleet.one)
    fleet.first.is_gone = True
    await fleet.clock.advance(seconds=290)
    assert value(fleet.one.source.current()) == held
    assert fleet.issuer.spent == [FIRST]
    await fleet.clock.advance(seconds=10)
    refusal = await fleet.refused(fleet.one)
    assert refusal.reason is Reason.INTERNAL
    assert refusal.retry_after is not None
    assert fleet.issuer.spent == [FIRST]
    assert fleet.one.source.status().breaker == "closed"


async def test_when_the_store_is_back_others_get_time_to_save_before_anything_is_spent(fleet: Fleet) -> None:
    await fleet.obtain(fleet.one)
    fleet.first.is_gone = True
    await fleet.clock.advance(hours=1)
    await fleet.refused(fleet.one)
    fleet.first.is_gone, fleet.first.up_for = False, 0.0
    fleet.first.tell(News(Change.MISSED))
    refusal = await fleet.refused(fleet.one)
    assert refusal.retry_after is not None
    assert 0 < refusal.retry_after <= DOUBT
    assert fleet.issuer.spent == [FIRST]
    fleet.first.up_for = DOUBT
    await fleet.clock.advance(seconds=DOUBT)
    await fleet.obtain(fleet.one)
    assert fleet.issuer.spent_each_once
    assert len(fleet.issuer.spent) == 2


async def test_a_store_that_was_restarted_may_know_less_than_the_fleet_and_is_not_believed_at_once(
    fleet: Fleet,
) -> None:
    fleet.first.up_for = 5.0
    refusal = await fleet.refused(fleet.one)
    assert refusal.retry_after is not None
    assert 0 < refusal.retry_after <= 10
    assert fleet.issuer.spent == []
    fleet.first.up_for = DOUBT
    await fleet.clock.advance(seconds=10)
    await fleet.obtain(fleet.one)
    assert fleet.issuer.spent == [FIRST]


async def test_a_store_that_does_not_write_down_keeps_it_from_being_spent(fleet: Fleet) -> None:
    fleet.first.stepper.stop_at = 6  # before the mark is saved
    caller = asyncio.create_task(fleet.one.source.obtain())
    await fleet.clock.settle()
    assert fleet.first.stepper.seen[-1] == "before save"
    fleet.first.is_gone = True
    fleet.first.stepper.go.set()
    with pytest.raises(TokenUnavailableError):
        await caller
    assert fleet.issuer.spent == []


async def test_what_the_store_does_not_take_is_kept_here_and_saved_when_it_is_back(fleet: Fleet) -> None:
    fleet.one.credential.hold()
    caller = asyncio.create_task(fleet.one.source.obtain())
    await fleet.clock.advance(seconds=1)
    fleet.first.is_gone = True
    fleet.one.credential.release()
    await fleet.clock.advance(seconds=2)
    assert not caller.done()  # it is saved before use, if that can be had soon
    await fleet.clock.advance(seconds=2)
    assert value(await caller) == "planted-1"
    assert (await fleet.stored()).spending_since is not None
    fleet.first.is_gone = False
    fleet.first.tell(News(Change.MISSED))
    await fleet.clock.settle()
    record = await fleet.stored()
    assert record.variables["refresh_token"].reveal() == "refresh-1"
    assert record.spending_since is None


async def test_nobody_spends_what_another_may_have_spent_before_that_one_had_time_to_say_so(fleet: Fleet) -> None:
    two = fleet.replica()
    fleet.one.credential.hold()
    caller = asyncio.create_task(fleet.one.source.obtain())
    await fleet.clock.advance(seconds=1)
    fleet.first.is_gone = True  # it lives, and cannot reach the store
    fleet.one.credential.release()
    await fleet.clock.advance(seconds=4)
    assert value(await caller) == "planted-1"
    await fleet.clock.advance(seconds=6)  # the lease has run out
    refusal = await fleet.refused(two)
    assert refusal.retry_after is not None
    assert 0 < refusal.retry_after <= DOUBT
    fleet.first.is_gone = False
    fleet.first.tell(News(Change.MISSED))
    await fleet.clock.settle()
    assert value(two.source.current()) == "planted-1"
    assert fleet.issuer.spent == [FIRST]


@pytest.mark.parametrize("forgives", [True, False])
async def test_what_a_dead_process_began_to_spend_is_tried_again_for_there_is_no_other_way_on(
    fleet: Fleet, forgives: bool
) -> None:
    fleet.issuer.forgives = forgives
    fleet.one.credential.hold()
    caller = asyncio.create_task(fleet.one.source.obtain())
    await fleet.clock.advance(seconds=1)
    fleet.first.is_gone = True
    await fleet.one.runtime.close()  # killed, after the issuer had taken it
    assert (await asyncio.gather(caller, return_exceptions=True))[0] is not None
    await fleet.clock.advance(seconds=DOUBT)
    two = fleet.replica()
    if forgives:
        assert await fleet.obtain(two) == "planted-101"
    else:
        refusal = await fleet.refused(two)
        assert refusal.reason is Reason.INVALID_GRANT
        failure = two.source.status().failure
        assert failure is not None
        assert failure.permanent
        assert "it had been sent before" in failure.detail
        assert "sign in again" in failure.detail
        assert "credential_needs_person" in two.event_names()
    assert fleet.issuer.spent == [FIRST, FIRST]


async def test_a_grant_that_is_refused_at_once_is_called_dead_without_talk_of_crashes(fleet: Fleet) -> None:
    fleet.issuer.good = "another"
    await fleet.refused(fleet.one)
    failure = fleet.one.source.status().failure
    assert failure is not None
    assert "sent before" not in failure.detail
    assert len(fleet.issuer.spent) == 1


async def test_before_a_grant_is_called_dead_the_store_is_asked_for_what_follows_on_it(fleet: Fleet) -> None:
    await fleet.obtain(fleet.one)
    await fleet.clock.advance(hours=1)
    two = fleet.replica()
    assert isinstance(two.credential, SpendingCredential)
    two.credential.stepper.stop_at = 0  # before its request
    caller = asyncio.create_task(two.source.obtain())
    await fleet.clock.advance(seconds=1)
    fleet.issuer.punishes = False
    carried = fleet.issuer.good
    successor = fleet.issuer.spend(carried)  # by a process that does not keep to the lock
    record, now = await fleet.stored(), fleet.clock.now()
    theirs = Token(
        Secret("planted-theirs"), now - 900, now - 600, record.generation, {"refresh_token": Secret(successor)}
    )
    await fleet.one.plant("", record.generation, step=record.step + 1, token=theirs)
    two.credential.stepper.go.set()
    await fleet.clock.advance(seconds=1)
    assert value(await caller) == "planted-101"
    assert fleet.issuer.spent[-3:] == [carried, carried, successor]


async def test_a_storm_of_callers_against_a_dead_grant_makes_a_handful_of_requests_in_ten_minutes(fleet: Fleet) -> None:
    fleet.issuer.good = "another"
    rooms = [fleet.one, *(fleet.replica() for _ in range(9))]
    for _ in range(600):
        asked = [asyncio.create_task(room.source.obtain()) for room in rooms for _ in range(3)]
        await fleet.clock.advance(seconds=1)
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(outcome, ProxyError) for outcome in outcomes)
    assert len(fleet.issuer.spent) <= 2


async def test_a_transient_failure_loses_nothing(fleet: Fleet) -> None:
    fleet.one.credential.fail(transient())
    fleet.issuer.forgives = True
    await fleet.refused(fleet.one)
    await fleet.clock.advance(seconds=60)
    two = fleet.replica()
    two.credential.fail(transient())
    await fleet.refused(two)
    await fleet.clock.advance(seconds=60)
    await fleet.obtain(fleet.replica())
    assert fleet.issuer.refusals == 0


async def test_a_holder_that_was_paused_does_not_spend_what_the_next_has_spent(fleet: Fleet) -> None:
    fleet.first.stepper.stop_at = 7  # the mark is saved, and it is not told yet
    paused = asyncio.create_task(fleet.one.source.obtain())
    await fleet.clock.settle()
    assert fleet.first.stepper.seen[-1] == "after save"
    lease = fleet.first.shared.held[fleet.one.key]
    lease.lapse()
    await fleet.clock.advance(seconds=2 * DOUBT)
    assert await fleet.obtain(fleet.replica()) == "planted-101"
    fleet.first.stepper.go.set()
    await fleet.clock.advance(seconds=1)
    outcome = (await asyncio.gather(paused, return_exceptions=True))[0]
    assert fleet.issuer.spent == [FIRST]
    assert outcome is not None
    assert value(await fleet.one.source.obtain()) == "planted-101"


async def test_a_successor_that_came_without_a_usable_token_is_spent_next(fleet: Fleet) -> None:
    broken = FetchError(Reason.MALFORMED_RESPONSE, "the token cannot be used")
    broken.variables = {"refresh_token": Secret("refresh-1")}
    fleet.one.credential.fail(broken)
    await fleet.refused(fleet.one)
    record = await fleet.stored()
    assert record.variables["refresh_token"].reveal() == "refresh-1"
    assert not record.may_be_spent
    assert fleet.one.source.current() is None
    await fleet.clock.advance(seconds=60)
    await fleet.obtain(fleet.replica())
    assert fleet.issuer.spent_each_once
    assert len(fleet.issuer.spent) == 2


async def test_a_token_that_arrives_expired_does_not_take_its_successor_with_it(fleet: Fleet) -> None:
    fleet.one.credential.lifetime = 0.0
    await fleet.refused(fleet.one)
    fleet.one.credential.lifetime = 300.0
    await fleet.clock.advance(seconds=60)
    await fleet.obtain(fleet.one)
    assert fleet.issuer.spent_each_once


async def test_a_token_that_is_held_stays_in_use_when_only_its_successor_came(fleet: Fleet) -> None:
    held = await fleet.obtain(fleet.one)
    broken = FetchError(Reason.MALFORMED_RESPONSE, "the token cannot be used")
    broken.variables = {"refresh_token": Secret("refresh-2")}
    fleet.one.credential.fail(broken)
    await fleet.clock.advance(seconds=240.5)
    assert len(fleet.issuer.spent) == 2
    assert value(fleet.one.source.current()) == held
    assert await fleet.obtain(fleet.replica()) == held
    await fleet.clock.advance(seconds=10)
    assert value(fleet.one.source.current()) != held
    assert fleet.issuer.spent_each_once


async def test_a_request_that_nobody_heeded_has_spent_nothing(fleet: Fleet) -> None:
    fleet.one.credential.fail(TokenRequestError(Symptom.CONNECT, "POST auth.example cannot be reached"))
    await fleet.refused(fleet.one)
    assert not (await fleet.stored()).may_be_spent


async def test_a_request_that_went_unanswered_may_have_spent_it(fleet: Fleet) -> None:
    fleet.one.credential.fail(TokenRequestError(Symptom.TIMEOUT, "POST auth.example did not answer"))
    await fleet.refused(fleet.one)
    assert (await fleet.stored()).may_be_spent


@pytest.mark.parametrize("hears", [True, False])
@pytest.mark.parametrize("gets", ["the token", "no answer"])
async def test_a_holder_that_was_paused_takes_what_others_brought_meanwhile_and_overwrites_nothing(
    fleet: Fleet, hears: bool, gets: str
) -> None:
    fleet.issuer.forgives = True
    fleet.one.credential.hold()
    if gets == "no answer":
        fleet.one.credential.fail(transient())
    paused = asyncio.create_task(fleet.one.source.obtain())
    await fleet.clock.advance(seconds=1)
    fleet.first.shared.held[fleet.one.key].lapse()
    fleet.first.is_gone = not hears
    two = fleet.replica()
    await fleet.clock.advance(seconds=2 * DOUBT)
    assert await fleet.obtain(two) == "planted-101"
    assert value(await two.source.refresh()) == "planted-102"
    fleet.first.is_gone = False
    fleet.one.credential.release()
    await fleet.clock.advance(seconds=1)
    assert value(await paused) == "planted-102"
    assert fleet.issuer.spent == [FIRST, FIRST, "refresh-1"]
    record = await fleet.stored()
    assert record.variables["refresh_token"].reveal() == fleet.issuer.good == "refresh-2"
    assert fleet.one.source.status().failure is None


async def test_a_holder_whose_lease_is_over_writes_nothing_down(fleet: Fleet) -> None:
    fleet.issuer.punishes = False
    assert isinstance(fleet.one.credential, SpendingCredential)
    fleet.one.credential.stepper.stop_at = 0  # before its request
    paused = asyncio.create_task(fleet.one.source.obtain())
    await fleet.clock.advance(seconds=1)
    fleet.first.shared.held[fleet.one.key].lapse()
    await fleet.clock.advance(seconds=2 * DOUBT)
    two = fleet.replica()
    assert await fleet.obtain(two) == "planted-101"
    two.source.close()
    await fleet.clock.advance(minutes=10)
    fleet.one.credential.stepper.go.set()
    with pytest.raises(TokenUnavailableError):
        await paused
    assert fleet.issuer.spent == [FIRST, FIRST]
    assert (await fleet.stored()).spending_since is None


async def test_a_revoked_token_is_gone_and_the_chain_goes_on(fleet: Fleet) -> None:
    await fleet.obtain(fleet.one)
    two = fleet.replica()
    await fleet.obtain(two)
    await two.source.revoke()
    await fleet.clock.settle()
    assert fleet.one.source.current() is None
    assert (await fleet.stored()).is_revoked
    await fleet.obtain(fleet.one)
    assert fleet.issuer.spent == ["refresh-0", "refresh-1"]


async def test_a_failure_of_ours_leaves_the_mark_so_that_the_next_takes_care(fleet: Fleet) -> None:
    fleet.one.credential.fail(ZeroDivisionError("a fault of ours"))
    await fleet.refused(fleet.one)
    assert (await fleet.stored()).spending_since is not None
    error = await fleet.refused(fleet.replica())
    assert error.reason is Reason.INTERNAL
    assert len(fleet.issuer.spent) == 1


async def test_a_grant_is_not_called_dead_while_the_store_cannot_say_what_follows_on_it(fleet: Fleet) -> None:
    fleet.issuer.good = "another"
    credential = fleet.one.credential
    assert isinstance(credential, SpendingCredential)
    credential.stepper.stop_at = 0  # before its request
    caller = asyncio.create_task(fleet.one.source.obtain())
    await fleet.clock.settle()
    assert credential.stepper.reached.is_set()
    fleet.first.is_gone = True
    credential.stepper.go.set()
    await fleet.clock.advance(seconds=1)
    assert isinstance((await asyncio.gather(caller, return_exceptions=True))[0], TokenUnavailableError)
    failure = fleet.one.source.status().failure
    assert failure is not None
    assert not failure.permanent
    assert "cannot be told" in failure.detail
    assert "credential_needs_person" not in fleet.one.event_names()


async def test_a_failure_of_a_former_process_is_followed_by_its_recovery(fleet: Fleet) -> None:
    fleet.one.credential.fail(TokenRequestError(Symptom.CONNECT, "POST auth.example cannot be reached"))
    await fleet.refused(fleet.one)
    await fleet.one.runtime.close()
    await fleet.clock.advance(seconds=60)
    two = fleet.replica()
    two.credential.issuer.forgives = True  # type: ignore[attr-defined]
    await fleet.obtain(two)
    assert "refresh_recovered" in two.event_names()


async def test_the_longest_try_is_waited_for_before_what_it_may_have_spent_is_tried_again(fleet: Fleet) -> None:
    fleet.one.credential.hold()
    caller = asyncio.create_task(fleet.one.source.obtain())
    await fleet.clock.advance(seconds=1)
    fleet.first.is_gone = True
    await fleet.one.runtime.close()
    assert (await asyncio.gather(caller, return_exceptions=True))[0] is not None
    two = fleet.replica(longest_try=60.0)
    await fleet.clock.advance(seconds=50)
    await fleet.refused(two)
    assert fleet.issuer.spent == [FIRST]
