"""A sign-in ends once, in the browser in which it began, within ten minutes."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.core.seal import Seal
from proxy.core.secret import Secret
from proxy.net.runtime import Runtime
from proxy.stores.documents import Documents
from proxy.stores.memory import Memory, MemorySettings
from proxy.users.attempts import LIFETIME, Attempt, AttemptError, Attempts, new_state
from tests.fakes.clock import FakeClock

ATTEMPT = Attempt("drive", "ann", "https://proxy.example/back", "https://app.example/", "ops", {"v": Secret("x")})


class Desk:
    def __init__(self, runtime: Runtime, clock: FakeClock) -> None:
        self.clock = clock
        self.store = Memory(MemorySettings(), runtime)
        self.attempts = Attempts(Documents(self.store, Seal.of_this_process()))

    async def refused(self, state: str, browser: str | None) -> AttemptError:
        with pytest.raises(AttemptError) as caught:
            await self.attempts.take(state, browser)
        return caught.value


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    clock = FakeClock()
    runtime = Runtime(clock, lambda name, error: None)
    yield Desk(runtime, clock)
    await runtime.close()


async def test_who_began_it_gets_it_back_as_it_was(desk: Desk) -> None:
    await desk.attempts.keep("st4te", ATTEMPT, "b1")
    assert await desk.attempts.take("st4te", "b1") == ATTEMPT


async def test_it_is_over_then(desk: Desk) -> None:
    await desk.attempts.keep("st4te", ATTEMPT, "b1")
    await desk.attempts.take("st4te", "b1")
    for browser in ("b1", "b2", None):
        error = await desk.refused("st4te", browser)
        assert (error.reason, error.credential, error.user) == ("state_used", "drive", "ann")


async def test_another_browser_gets_nothing_and_spoils_nothing(desk: Desk) -> None:
    await desk.attempts.keep("st4te", ATTEMPT, "b1")
    for browser in ("b2", "", None):
        error = await desk.refused("st4te", browser)
        assert (error.reason, error.credential, error.user) == ("other_browser", "drive", "ann")
    assert await desk.attempts.take("st4te", "b1") == ATTEMPT


async def test_what_nobody_began_is_not_known(desk: Desk) -> None:
    for state in ("", "st4te", "\udcff"):
        error = await desk.refused(state, "b1")
        assert (error.reason, error.credential) == ("state_unknown", None)


async def test_it_is_forgotten_after_ten_minutes(desk: Desk) -> None:
    await desk.attempts.keep("st4te", ATTEMPT, "b1")
    await desk.clock.advance(seconds=LIFETIME + 1)
    assert (await desk.refused("st4te", "b1")).reason == "state_unknown"


async def test_somebody_is_expected_back_until_they_come_or_their_time_is_up(desk: Desk) -> None:
    for state in ("one", "two"):
        await desk.attempts.keep(state, ATTEMPT, "b1")
    await desk.attempts.take("one", "b1")
    assert [await desk.attempts.is_open(state) for state in ("one", "two", "three")] == [False, True, False]
    await desk.clock.advance(seconds=LIFETIME + 1)
    assert not await desk.attempts.is_open("two")


async def test_of_many_who_come_back_at_once_one_is_let_in(desk: Desk) -> None:
    await desk.attempts.keep("st4te", ATTEMPT, "b1")
    outcomes = await asyncio.gather(*(desk.attempts.take("st4te", "b1") for _ in range(5)), return_exceptions=True)
    assert [outcome for outcome in outcomes if isinstance(outcome, Attempt)] == [ATTEMPT]


def test_states_cannot_be_guessed_and_nothing_of_an_attempt_is_printed() -> None:
    assert len({new_state() for _ in range(100)}) == 100
    assert len(new_state()) >= 43
    assert "'x'" not in repr(ATTEMPT)
