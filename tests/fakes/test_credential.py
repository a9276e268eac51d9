"""The scripted credential does what its knobs say."""

import asyncio

import pytest

from proxy.core.errors import FetchError, Reason
from tests.fakes.clock import FakeClock
from tests.fakes.credential import ScriptedCredential


async def test_values_are_told_apart_by_the_number_of_the_fetch() -> None:
    credential = ScriptedCredential(FakeClock(now=1000.0), lifetime=60.0)
    tokens = [await credential.fetch(None) for _ in range(2)]
    assert [token.value.reveal() for token in tokens] == ["planted-1", "planted-2"]
    assert tokens[0].expires_at == 1060.0


async def test_the_script_comes_first_and_always_ever_after() -> None:
    credential = ScriptedCredential(FakeClock())
    credential.fail(FetchError(Reason.NETWORK, "first"), KeyError("second"))
    with pytest.raises(FetchError, match="first"):
        await credential.fetch(None)
    with pytest.raises(KeyError, match="second"):
        await credential.fetch(None)
    assert (await credential.fetch(None)).value.reveal() == "planted-3"
    credential.always = FetchError(Reason.NETWORK, "always")
    for _ in range(2):
        with pytest.raises(FetchError, match="always"):
            await credential.fetch(None)


async def test_a_held_fetch_waits_for_its_release() -> None:
    credential = ScriptedCredential(FakeClock())
    credential.hold()
    fetch = asyncio.create_task(credential.fetch(None))
    await asyncio.sleep(0)
    assert (credential.count, credential.in_flight) == (1, 1)
    credential.release()
    await fetch
    assert (credential.in_flight, credential.most_in_flight) == (0, 1)
