from proxy.admin import showing
from proxy.admin.views import BREAKERS, STATES
from proxy.core.secret import Secret
from proxy.telemetry.events import EventName
from tests.admin.conftest import Process
from tests.fakes.token_room import TokenRoom


async def test_a_token_is_shown_as_it_ages(process: Process) -> None:
    states = [showing.credential(process, "billing").state]
    await process.room.source.obtain()
    process.room.source.close()  # nothing is refreshed behind our back
    for seconds in (0, 250, 60):
        await process.room.clock.advance(seconds=seconds)
        states.append(showing.credential(process, "billing").state)
    assert states == ["none", "fresh", "stale", "expired"]


async def test_a_token_that_never_expires_has_no_moments(process: Process) -> None:
    process.room.credential.lifetime = None
    await process.room.source.obtain()
    view = showing.credential(process, "billing")
    assert (view.state, view.expires_at) == ("fresh", None)


async def test_a_fetch_under_way_is_shown(process: Process) -> None:
    process.room.credential.hold()
    task = process.room.runtime.spawn(process.room.source.obtain(), name="obtain")
    await process.room.clock.settle()
    assert showing.credential(process, "billing").fetching
    process.room.credential.release()
    await task
    assert not showing.credential(process, "billing").fetching


def test_counts_stand_at_zero_when_there_is_nothing_to_count(process: Process) -> None:
    view = showing.status(process)
    assert set(view.routes) == set(BREAKERS)
    assert set(view.credentials) == set(STATES)


def test_a_clock_that_was_set_back_makes_no_negative_uptime(process: Process) -> None:
    process.room.clock.jump(-3600)
    assert showing.status(process).uptime_seconds == 0.0


def test_a_secret_that_stands_in_a_match_is_masked(process: Process) -> None:
    secret = Secret("acme-MARKER")
    settings = process.graph.plans["billing"].settings
    match = settings.match.model_copy(update={"headers": {"X-Tenant": secret.reveal()}})
    process.graph.plans["billing"].settings = settings.model_copy(update={"match": match})
    assert showing.route(process, "billing").match.headers == {"X-Tenant": "***"}


def test_what_a_reference_brought_into_an_address_is_masked(process: Process) -> None:
    secret = Secret("acme-MARKER")
    settings = process.graph.plans["billing"].settings
    match = settings.match.model_copy(update={"path": "/acme-MARKER/", "host": "acme-MARKER"})
    process.graph.plans["billing"].settings = settings.model_copy(
        update={"match": match, "upstream": f"https://api.example/{secret.reveal()}/v1"}
    )
    view = showing.route(process, "billing")
    assert view.upstream == "https://api.example/***/v1"
    assert (view.match.path, view.match.host) == ("/***/", "***")


def test_a_credential_names_the_routes_that_it_signs(process: Process) -> None:
    assert showing.credential(process, "billing").routes == ("billing",)


def test_events_keep_their_order_and_their_cursor(room: TokenRoom) -> None:
    for _ in range(3):
        room.events.record("info", EventName.TOKEN_FETCHED, credential="billing")
    view = showing.events(room.events.query(limit=2))
    assert ([event.id for event in view.events], view.cursor) == ([3, 2], 2)
