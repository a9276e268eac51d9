"""What a browser came back with waits for one user, once, and not for long."""

import pytest

from proxy.core.secret import Secret
from proxy.stores.documents import Documents
from proxy.users.attempts import Attempt
from proxy.users.returns import LIFETIME, Return, ReturnError, Returns
from tests.fakes.clock import FakeClock
from tests.fakes.token_room import SEAL, TokenRoom

ATTEMPT = Attempt("drive", "ann", "https://proxy.example/cb", "https://app.example/", "", {"verifier": Secret("v1")})
RETURN = Return(ATTEMPT, "the-state", {"code": "planted-code"}, "drive")


@pytest.fixture
async def room() -> TokenRoom:
    return TokenRoom(clock=FakeClock())


@pytest.fixture
def returns(room: TokenRoom) -> Returns:
    return Returns(Documents(room.store, SEAL))


async def test_it_is_found_as_it_was_by_a_code_that_the_store_does_not_know(room: TokenRoom, returns: Returns) -> None:
    code = await returns.keep(RETURN)
    names = [name async for name in room.store.keys()]  # noqa: SIM118 - no mapping
    assert (len(names), code in names[0]) == (1, False)
    assert await returns.take(code, "ann") == RETURN
    assert "planted-code" not in repr(RETURN)


async def test_it_is_found_once(returns: Returns) -> None:
    code = await returns.keep(RETURN)
    await returns.take(code, "ann")
    with pytest.raises(ReturnError, match="over already") as caught:
        await returns.take(code, "ann")
    assert caught.value.reason == "code_used"


async def test_another_user_gets_nothing_and_ends_it(returns: Returns) -> None:
    code = await returns.keep(RETURN)
    with pytest.raises(ReturnError, match="another user") as caught:
        await returns.take(code, "ben")
    assert (caught.value.reason, caught.value.attempt) == ("other_user", ATTEMPT)
    with pytest.raises(ReturnError, match="over already"):
        await returns.take(code, "ann")


async def test_a_code_that_was_made_up_or_is_too_old_finds_nothing(room: TokenRoom, returns: Returns) -> None:
    code = await returns.keep(RETURN)
    await room.clock.advance(seconds=LIFETIME)
    for wrong in (code, "made-up", "", "\ud800"):
        with pytest.raises(ReturnError, match="not known here") as caught:
            await returns.take(wrong, "ann")
        assert (caught.value.reason, caught.value.attempt) == ("code_unknown", None)
