"""One replacement at a time: everybody who needs another token gets the outcome of the one that is under way."""

import asyncio

import pytest

from proxy.core.errors import ProxyError, TokenUnavailableError
from proxy.tokens.outcome import Trigger
from tests.fakes.token_room import TokenRoom, permanent, transient


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


async def test_a_mistake_of_ours_is_remembered_as_a_failure_and_reported(room: TokenRoom) -> None:
    room.credential.fail(KeyError("planted"))
    with pytest.raises(TokenUnavailableError):
        await room.source._replacer.wait(Trigger.FIRST)
    assert [type(error) for error in room.reported] == [KeyError]
    assert room.source.status().failure is not None
