"""What operators see of a token."""

import asyncio

import pytest

from proxy.core.errors import Reason
from tests.fakes.token_room import TokenRoom, permanent


async def test_before_the_first_fetch_there_is_none() -> None:
    status = TokenRoom().source.status()
    assert (status.state, status.generation, status.fingerprint, status.expires_at) == ("none", 0, None, None)
    assert status.failure is None
    assert status.breaker == "closed"


async def test_a_held_token_is_seen_by_its_age_and_its_fingerprint() -> None:
    room = TokenRoom()
    held = await room.source.obtain()
    room.source.close()
    status = room.source.status()
    assert (status.state, status.generation) == ("fresh", 1)
    assert status.fingerprint == held.token.value.fingerprint()
    assert (status.issued_at, status.stale_at, status.expires_at) == (
        1_800_000_000.0,
        1_800_000_240.0,
        1_800_000_300.0,
    )
    await room.clock.advance(seconds=240)
    assert room.source.status().state == "stale"
    await room.clock.advance(seconds=60)
    assert room.source.status().state == "expired"


async def test_a_token_that_never_expires_has_no_moments() -> None:
    room = TokenRoom(lifetime=None)
    await room.source.obtain()
    status = room.source.status()
    assert (status.stale_at, status.expires_at) == (None, None)


async def test_a_failure_is_seen_with_its_reason_and_wait() -> None:
    room = TokenRoom()
    room.credential.fail(permanent())
    await asyncio.gather(room.source.obtain(), return_exceptions=True)
    await room.clock.advance(seconds=100)
    failure = room.source.status().failure
    assert failure is not None
    assert failure.reason is Reason.INVALID_CLIENT
    assert failure.permanent
    assert failure.retry_after == pytest.approx(500.0)
    await room.clock.advance(seconds=1000)
    failure = room.source.status().failure
    assert failure is not None
    assert failure.retry_after == 0.0


async def test_a_fetch_in_the_air_is_seen() -> None:
    room = TokenRoom()
    room.credential.hold()
    caller = asyncio.create_task(room.source.obtain())
    await room.clock.settle()
    assert room.source.status().is_fetching
    room.credential.release()
    await caller
    assert not room.source.status().is_fetching
    await room.runtime.close()


async def test_it_shows_no_secret() -> None:
    room = TokenRoom()
    await room.source.obtain()
    assert "planted" not in repr(room.source.status())
    await room.runtime.close()
