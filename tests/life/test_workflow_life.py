"""A workflow at work in a fleet: real requests to a strict server, on a clock that the test moves."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxy.credentials.workflow import Workflow, WorkflowSettings
from proxy.net.endpoint import Endpoint
from proxy.net.runtime import Runtime
from proxy.stores.base import StoreError
from proxy.stores.memory import MemorySettings
from proxy.tokens.held import Held
from tests.credentials.test_workflow import challenge, with_profile
from tests.fakes.clock import FakeClock
from tests.fakes.flaky_store import FlakyStore
from tests.fakes.login_server import LoginServer
from tests.fakes.token_room import TokenRoom
from tests.fakes.until import until


class Fleet:
    """Replicas that share a store, a clock and a server."""

    def __init__(self, server: LoginServer, clock: FakeClock) -> None:
        self.server = server
        self.clock = clock
        self.endpoint = Endpoint(clock, jitter=lambda: 0.0)
        settings = with_profile(challenge(server.url), server.url)
        self.settings = WorkflowSettings.model_validate(settings)
        self.runtime = Runtime(clock, lambda name, error: None)
        self.store = FlakyStore(MemorySettings(), self.runtime)
        self.first = self.another()

    def another(self) -> TokenRoom:
        """Return another process on the same store."""

        def made(clock: FakeClock) -> Any:
            return Workflow("billing", self.settings, self.endpoint, clock)

        twin = made(self.clock)
        return TokenRoom(
            credential=made, clock=self.clock, store=self.store, lineage=twin.lineage, longest_try=twin.longest_try
        )

    async def obtained(self, room: TokenRoom) -> Held:
        """Let time pass until the replica has a token."""
        task = room.runtime.spawn(room.source.obtain(), name="obtain")
        await until(task.done)
        held: Held = task.result()
        return held


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    clock = FakeClock()
    async with LoginServer(clock) as server:
        fleet = Fleet(server, clock)
        await clock.advance(minutes=5)  # the store has been up for long enough
        yield fleet
        await fleet.first.runtime.close()
        await fleet.runtime.close()
        await fleet.endpoint.close()


async def test_replicas_share_the_token_and_the_variables_of_one_run(fleet: Fleet) -> None:
    held = await fleet.obtained(fleet.first)
    other = await fleet.obtained(fleet.another())
    assert other.is_same_token_as(held)
    assert other.token.variables == held.token.variables
    assert fleet.server.visits == ["POST /challenge", "POST /session"]


async def test_after_a_crash_between_two_steps_another_replica_goes_on_and_all_is_well(fleet: Fleet) -> None:
    held = await fleet.obtained(fleet.first)
    fleet.server.hold("/mfa")
    fleet.first.runtime.spawn(fleet.first.source.refresh(), name="refresh")
    await fleet.server.arrived("/mfa")
    await fleet.first.runtime.close()  # it dies behind the step that spent the refresh token
    fleet.server.release()
    stored = await fleet.first.stored()
    assert stored is not None
    assert stored.token is not None
    assert stored.token.variables == held.token.variables  # nothing of the half run was saved
    assert stored.may_be_spent

    other = fleet.another()
    await fleet.clock.advance(minutes=2)
    fleet.server.expire()
    assert (await other.source.refresh()).token.generation == 2
    assert fleet.server.visits[-3:] == ["POST /renew", "POST /challenge", "POST /session"]
    assert fleet.server.refusals == ["refresh token used twice"]
    await other.runtime.close()


async def test_a_failing_later_step_changes_nothing_but_what_was_spent(fleet: Fleet) -> None:
    held = await fleet.obtained(fleet.first)
    fleet.server.knobs.status["/mfa"] = 503
    with pytest.raises(Exception, match="its token endpoint is failing"):
        await fleet.first.source.refresh()
    stored = await fleet.first.stored()
    assert stored is not None
    assert stored.token is not None
    assert stored.token.value == held.token.value
    changed = {name for name, secret in stored.token.variables.items() if secret != held.token.variables[name]}
    assert changed == {"REFRESH_TOKEN"}
    assert stored.token.variables["REFRESH_TOKEN"].reveal() == fleet.server.sessions[0].refresh_token
    assert fleet.first.source.current() is not None


async def test_while_the_store_is_away_nothing_is_spent_and_each_process_logs_in_for_itself(fleet: Fleet) -> None:
    held = await fleet.obtained(fleet.first)
    fleet.store.error = StoreError("the store is away")
    fleet.server.visits.clear()
    task = fleet.first.runtime.spawn(fleet.first.source.refresh(), name="refresh")
    await fleet.clock.advance(seconds=1)
    await until(task.done)
    assert task.result().token.variables["REFRESH_TOKEN"] != held.token.variables["REFRESH_TOKEN"]
    assert fleet.server.visits == ["POST /challenge", "POST /session"]
    fleet.store.error = None
    await fleet.first.source.catch_up()
    stored = await fleet.first.stored()
    assert stored is not None
    assert stored.token is not None
    assert stored.token.value == task.result().token.value
    fleet.server.visits.clear()
    await fleet.first.source.refresh()
    assert fleet.server.visits == ["POST /renew", "POST /mfa"]
    assert fleet.server.refusals == []
