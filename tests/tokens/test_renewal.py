"""What becomes of a token that the upstream rejected."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.core.errors import TokenUnavailableError
from proxy.stores.base import Record
from proxy.stores.memory import Memory, MemorySettings
from proxy.tokens.allowance import REGAINED_IN, RENEWALS
from proxy.tokens.held import Held
from proxy.tokens.renewal import Renewal, RenewalOutcome
from tests.fakes.credential import StaticCredential
from tests.fakes.token_room import TokenRoom, permanent, transient, value


@pytest.fixture
async def room() -> AsyncIterator[TokenRoom]:
    room = TokenRoom()
    yield room
    await room.runtime.close()


async def rejected(room: TokenRoom, held: Held, times: int) -> list[Renewal]:
    return await asyncio.gather(*(room.source.renew(held) for _ in range(times)))


async def test_many_simultaneous_rejections_of_one_generation_cause_one_renewal(room: TokenRoom) -> None:
    held = await room.source.obtain()
    renewals = await rejected(room, held, 500)
    assert {renewal.outcome for renewal in renewals} == {RenewalOutcome.RENEWED}
    assert {value(renewal.held) for renewal in renewals} == {"planted-2"}
    assert room.credential.count == 2
    assert room.fetches()["rejected", "succeeded"] == 1
    assert room.event_names().count("token_rejected") == 1


async def test_a_late_rejection_of_an_old_generation_gets_the_held_token_without_a_fetch(room: TokenRoom) -> None:
    old = await room.source.obtain()
    new = (await room.source.renew(old)).held
    renewals = await rejected(room, old, 10)
    assert {(renewal.outcome, renewal.held) for renewal in renewals} == {(RenewalOutcome.SUPERSEDED, new)}
    assert room.credential.count == 2


async def test_a_rejected_token_is_out_of_use_from_that_moment(room: TokenRoom) -> None:
    held = await room.source.obtain()
    room.credential.hold()
    renewal = asyncio.create_task(room.source.renew(held))
    await room.clock.settle()
    assert room.source.current() is None
    waiter = asyncio.create_task(room.source.obtain())
    await room.clock.settle()
    room.credential.release()
    assert (await renewal).held is await waiter
    assert room.credential.count == 2


async def test_a_rejection_while_the_refresh_is_in_the_air_waits_for_that_one(room: TokenRoom) -> None:
    held = await room.source.obtain()
    room.credential.hold()
    await room.clock.advance(seconds=250)
    renewals = asyncio.gather(*(room.source.renew(held) for _ in range(10)))
    await room.clock.settle()
    room.credential.release()
    assert {value(renewal.held) for renewal in await renewals} == {"planted-2"}
    assert room.credential.count == 2


async def test_a_cancelled_request_leaves_the_renewal_to_the_others(room: TokenRoom) -> None:
    held = await room.source.obtain()
    room.credential.hold()
    first, second = (asyncio.create_task(room.source.renew(held)) for _ in range(2))
    await room.clock.settle()
    first.cancel()
    await room.clock.settle()
    room.credential.release()
    assert (await second).outcome is RenewalOutcome.RENEWED
    assert room.credential.count == 2


async def test_a_renewal_that_fails_reaches_all_and_is_remembered(room: TokenRoom) -> None:
    held = await room.source.obtain()
    room.credential.fail(permanent())
    for renewals in (await rejected(room, held, 100), await rejected(room, held, 100)):
        assert {(renewal.outcome, renewal.held) for renewal in renewals} == {(RenewalOutcome.FAILED, None)}
        assert {type(renewal.error) for renewal in renewals} == {TokenUnavailableError}
    assert room.credential.count == 2


async def test_a_rejected_token_that_cannot_be_replaced_stays_for_requests_that_may_do_with_it(room: TokenRoom) -> None:
    held = await room.source.obtain()
    room.credential.fail(*(transient() for _ in range(1000)))
    await room.source.renew(held)
    assert room.source.current() is held
    await room.clock.advance(seconds=held.expires_at - room.clock.now())
    assert room.source.current() is None


async def test_a_token_that_was_forgotten_meanwhile_does_not_come_back(room: TokenRoom) -> None:
    held = await room.source.obtain()
    room.credential.fail(transient())
    room.credential.hold()
    renewing = asyncio.get_running_loop().create_task(room.source.renew(held))
    await room.clock.settle()
    revoking = asyncio.get_running_loop().create_task(room.source.revoke())
    await room.clock.settle()
    room.credential.release()
    assert (await renewing).outcome is RenewalOutcome.FAILED
    await revoking
    assert room.source.current() is None


async def test_after_a_failed_renewal_the_next_rejection_past_the_wait_brings_a_new_token(room: TokenRoom) -> None:
    held = await room.source.obtain()
    room.credential.fail(transient())
    await room.source.renew(held)
    await room.clock.advance(seconds=1)
    assert value((await room.source.renew(held)).held) == "planted-3"
    assert room.fetches()["rejected", "succeeded"] == 1


async def test_a_brand_new_token_that_is_really_revoked_is_renewed_at_once(room: TokenRoom) -> None:
    held = await room.source.obtain()
    for number in range(2, 2 + RENEWALS):
        renewal = await room.source.renew(held)
        assert (renewal.outcome, value(renewal.held)) == (RenewalOutcome.RENEWED, f"planted-{number}")
        held = await room.source.obtain()


async def test_an_api_that_rejects_every_token_does_not_make_us_hammer_the_issuer(room: TokenRoom) -> None:
    for _ in range(1000):
        held = await room.source.obtain()
        await room.source.renew(held)
        await room.clock.advance(seconds=0.1)
    assert 1 + RENEWALS < room.credential.count <= 1 + RENEWALS + 100 / REGAINED_IN


async def test_an_api_that_rejects_every_token_does_not_make_a_fleet_hammer_the_issuer_either(room: TokenRoom) -> None:
    rooms = [room, *(room.replica() for _ in range(9))]
    for _ in range(100):
        for one in rooms:
            await one.source.renew(await one.source.obtain())
        await room.clock.advance(seconds=1)
    fetches = sum(sum(one.fetches().values()) for one in rooms)
    assert 1 + RENEWALS < fetches <= 1 + RENEWALS + 100 / REGAINED_IN
    for one in rooms:
        await one.runtime.close()


async def test_a_token_that_is_too_young_to_be_renewed_again_stays_in_use(room: TokenRoom) -> None:
    held = await room.source.obtain()
    for _ in range(RENEWALS):
        await room.source.renew(held)
        held = await room.source.obtain()
    assert await room.source.renew(held) == Renewal(RenewalOutcome.TOO_YOUNG)
    assert room.source.current() is held


async def test_a_configured_token_is_not_renewed() -> None:
    room = TokenRoom(credential=StaticCredential)
    await room.source.prime()
    held = await room.source.obtain()
    assert await room.source.renew(held) == Renewal(RenewalOutcome.NOT_RENEWABLE)
    assert room.source.current() is held
    assert room.credential.count == 1


class Forgetful(Memory):
    """A store that has lost everything whenever it is asked."""

    async def load(self, key: str) -> Record | None:
        return None


@pytest.mark.parametrize("store", [Memory, Forgetful])
async def test_the_fetch_of_a_renewal_is_given_the_rejected_token(room: TokenRoom, store: type[Memory]) -> None:
    room = TokenRoom(store=store(MemorySettings(), room.runtime))
    held = await room.source.obtain()
    await room.source.renew(held)
    previous = room.credential.previous[-1]
    assert previous is not None
    assert previous.variables["refresh_token"].reveal() == "planted-refresh-1"
    await room.runtime.close()


async def test_a_rejection_on_two_replicas_causes_one_renewal(room: TokenRoom) -> None:
    other = room.replica()
    ours, theirs = await room.source.obtain(), await other.source.obtain()
    renewals = await asyncio.gather(room.source.renew(ours), other.source.renew(theirs))
    assert len({value(renewal.held) for renewal in renewals}) == 1
    assert sum(one.fetches().get(("rejected", "succeeded"), 0) for one in (room, other)) == 1
    await other.runtime.close()


async def test_a_rejection_is_known_to_the_fleet_though_a_slow_renewal_is_under_way(room: TokenRoom) -> None:
    other = room.replica()
    held = await room.source.obtain()
    await other.source.obtain()
    other.source._hand.close()
    room.credential.hold()
    await room.clock.advance(seconds=250)
    renewal = asyncio.create_task(room.source.renew(held))
    await room.clock.settle()
    assert room.credential.in_flight == 1
    assert other.source.current() is None
    room.credential.release()
    assert (await renewal).outcome is RenewalOutcome.RENEWED
    await other.runtime.close()


async def test_a_rejection_is_known_to_the_fleet_though_another_holds_the_lock(room: TokenRoom) -> None:
    other = room.replica()
    held = await room.source.obtain()
    await other.source.obtain()
    lease = await room.store.acquire(room.key)
    renewal = asyncio.create_task(room.source.renew(held))
    await room.clock.settle()
    assert other.source.current() is None
    assert lease is not None
    await lease.release()
    await renewal
    await other.runtime.close()


async def test_a_token_that_is_refused_again_and_again_is_told_of_once(room: TokenRoom) -> None:
    held = await room.source.obtain()
    room.credential.always = transient()
    for _ in range(50):
        await room.source.renew(held)
        await room.clock.advance(seconds=0.1)
    assert room.event_names().count("token_rejected") == 1
