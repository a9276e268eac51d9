"""One replacement at a time: everybody who needs another token gets the outcome of the one that is under way."""

import asyncio
from math import inf

import pytest

from proxy.core.errors import (
    CircuitOpenError,
    FetchError,
    LoginRequiredError,
    ProxyError,
    Reason,
    TokenUnavailableError,
)
from proxy.core.secret import Secret
from proxy.core.token import Token
from proxy.credentials.base import CredentialSettings
from proxy.tokens.outcome import Trigger
from tests.fakes.token_room import TokenRoom, permanent, transient, value


@pytest.fixture
def room() -> TokenRoom:
    return TokenRoom()


async def test_all_who_wait_get_the_token_of_one_flight(room: TokenRoom) -> None:
    replacer = room.source._replacer
    held = await asyncio.gather(*(replacer.wait(Trigger.FIRST) for _ in range(50)))
    assert len(set(map(id, held))) == 1
    assert replacer.task is None
    assert replacer.hand.held is held[0]


async def test_all_who_wait_get_the_failure_of_one_flight(room: TokenRoom) -> None:
    room.credential.fail(permanent())
    outcomes = await asyncio.gather(
        *(room.source._replacer.wait(Trigger.FIRST) for _ in range(50)), return_exceptions=True
    )
    assert {type(outcome) for outcome in outcomes} == {TokenUnavailableError}
    assert room.credential.count == 1


async def test_none_departs_while_the_last_failure_stands_and_behind_requests_the_wait_is_told(room: TokenRoom) -> None:
    room.credential.fail(transient(retry_after=7.0))
    with pytest.raises(ProxyError):
        await room.source._replacer.wait(Trigger.FIRST)
    with pytest.raises(ProxyError):
        await room.source._replacer.wait(Trigger.FIRST)
    assert room.counts.negative == 1
    assert room.source._replacer.behind() == pytest.approx(7.0)
    assert room.credential.count == 1


@pytest.mark.parametrize("per_user", [False, True])
async def test_what_fails_for_one_user_says_nothing_of_the_way_of_the_others(room: TokenRoom, per_user: bool) -> None:
    room.credential.settings = CredentialSettings(kind="scripted", per_user=per_user)
    room.credential.always = transient()
    errors: list[ProxyError] = []
    for trigger in (Trigger.FIRST, *[Trigger.FORCED] * 4, Trigger.FIRST):  # the last one meets an open circuit
        with pytest.raises(ProxyError) as caught:
            await room.source._replacer.wait(trigger)
        errors.append(caught.value)
    assert {type(error) for error in errors} == {TokenUnavailableError, CircuitOpenError}
    assert {error.counts for error in errors} == {not per_user}


async def test_a_mistake_of_ours_is_remembered_as_a_failure_and_reported(room: TokenRoom) -> None:
    room.credential.fail(KeyError("planted"))
    with pytest.raises(TokenUnavailableError):
        await room.source._replacer.wait(Trigger.FIRST)
    assert [type(error) for error in room.reported] == [KeyError]
    assert room.source.status().failure is not None


LACK = LoginRequiredError("sign in", login_url="https://proxy.example/.countersign/login/billing")


async def test_where_a_person_has_to_act_first_nothing_departs_and_the_request_is_told_just_that(
    room: TokenRoom,
) -> None:
    room.credential.lack = LACK
    for _ in range(10):
        with pytest.raises(LoginRequiredError) as caught:
            await room.source._replacer.wait(Trigger.FIRST)
        assert caught.value is LACK
    assert room.credential.count == 0
    assert room.credential.asked_for_lack == [None] * 10
    status = room.source.status()
    assert (status.failure, status.breaker) == (None, "closed")
    assert room.counts.negative == 10
    room.credential.lack = None
    assert value(await room.source.obtain()) == "planted-1"


async def test_behind_requests_nothing_departs_either_and_nobody_asks_again(room: TokenRoom) -> None:
    await room.source.obtain()
    room.credential.lack = LACK
    assert room.source._replacer.behind() == inf
    await room.clock.advance(seconds=299)
    assert value(room.source.current()) == "planted-1"  # to its end
    await room.clock.advance(seconds=2)
    with pytest.raises(LoginRequiredError):
        await room.source.obtain()
    assert room.credential.count == 1


async def test_a_grant_that_was_refused_for_good_is_as_good_as_none(room: TokenRoom) -> None:
    await room.source.obtain()
    room.credential.fail(FetchError(Reason.INVALID_GRANT, "it was withdrawn", permanent=True))
    with pytest.raises(TokenUnavailableError):
        await room.source.refresh()
    assert room.credential.asked_for_lack[-1] is None
    room.source._gate.heard_success()
    assert room.source._replacer._lack() is None
    assert room.credential.asked_for_lack[-1] is not None


async def test_whoever_waits_for_a_flight_that_ends_the_grant_is_told_what_to_do(room: TokenRoom) -> None:
    room.credential.fail(FetchError(Reason.INVALID_GRANT, "it was withdrawn", permanent=True))
    room.credential.hold()
    waiting = asyncio.create_task(room.source.obtain())
    await room.clock.settle()
    room.credential.lack = LACK
    room.credential.release()
    with pytest.raises(LoginRequiredError):
        await waiting


async def test_what_was_brought_to_another_replica_is_found_though_no_news_of_it_came() -> None:
    here = TokenRoom()
    there = here.replica()
    for room in (here, there):
        room.credential.lack = LACK
    here.vault.unfollow(here.key, here.source)
    await there.source.plant(Token(Secret("from-a-person"), here.clock.now()))
    assert here.source.current() is None
    found = await asyncio.gather(*(here.source._replacer.wait(Trigger.FIRST) for _ in range(20)))
    assert {value(held) for held in found} == {"from-a-person"}


async def test_one_that_was_brought_and_refused_is_not_used_again_and_the_next_one_is() -> None:
    here = TokenRoom()
    there = here.replica()
    for room in (here, there):
        room.credential.lack = LACK
    await there.source.plant(Token(Secret("planted-first"), here.clock.now()))
    held = here.source.current()
    assert held is not None
    assert value(held) == "planted-first"
    renewal = await here.source.renew(held)
    assert renewal.error is LACK
    for room in (here, there):
        assert room.source.current() is None
        with pytest.raises(LoginRequiredError):
            await room.source.obtain()
    await here.source.plant(Token(Secret("planted-second"), here.clock.now()))
    assert [value(await room.source.obtain()) for room in (here, there)] == ["planted-second", "planted-second"]
    assert here.event_names().count("token_rejected") == 1


async def test_one_that_is_brought_while_another_is_refused_takes_its_place() -> None:
    here = TokenRoom()
    there = here.replica()
    here.credential.lack = there.credential.lack = LACK
    await there.source.plant(Token(Secret("planted-first"), here.clock.now()))
    held = here.source.current()
    assert held is not None
    renewing = asyncio.create_task(here.source.renew(held))
    await there.source.plant(Token(Secret("planted-second"), here.clock.now()))
    renewal = await renewing
    assert renewal.held is not None
    assert value(renewal.held) == "planted-second"
