"""A configuration takes another's place as a whole; what did not change goes on, what nobody uses any more ends."""

import asyncio
from typing import Any

import pytest

from proxy.callers.anonymous import Anonymous, AnonymousSettings
from proxy.gateway.graph import NO_GRAPH
from tests.fakes.gateway_room import CREDENTIAL, ROUTE, GatewayRoom, gateway
from tests.fakes.heads import head_of
from tests.fakes.raw_client import RawClient
from tests.fakes.raw_server import OK, RawServer, answer_each, request, send, when
from tests.fakes.until import until

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def route(room: GatewayRoom, **change: Any) -> dict[str, Any]:
    return {**room.settings, **change}


async def test_requests_find_their_routes() -> None:
    room = GatewayRoom("http://127.0.0.1:1")
    graph = room.load(
        billing=route(room, match={"path": "/billing/"}),
        all=route(room),
        other=route(room, match={"host": "x.example"}),
    )
    found = [graph.routes.match(head) for head in (head_of("/billing/x"), head_of("/"), head_of("/", host="x.example"))]
    assert [plan.name for plan in found if plan is not None] == ["billing", "all", "other"]


async def test_there_is_a_graph_of_nothing() -> None:
    assert NO_GRAPH.routes.match(head_of("/")) is None


async def test_a_route_that_did_not_change_goes_on_with_its_connections_and_its_circuit() -> None:
    async with gateway() as (room, api), RawClient(room.port) as caller:
        await caller.send(GET)
        assert (await caller.answer()).status == 200
        before = room.plan
        room.load(**{ROUTE: room.settings})
        assert room.plan is before
        await caller.send(GET)
        assert (await caller.answer()).status == 200
        assert len(api.links) == 1


async def test_a_route_that_changed_begins_anew_and_lets_its_connections_go() -> None:
    async with gateway() as (room, api), RawClient(room.port) as caller:
        await caller.send(GET)
        assert (await caller.answer()).status == 200
        room.load(**{ROUTE: route(room, strip_prefix=False)})
        await until(api.links[0].ended.is_set)
        await caller.send(GET)
        assert (await caller.answer()).status == 200
        assert len(api.links) == 2


@pytest.mark.parametrize("goes", ["changed", "gone"])
async def test_a_request_ends_on_the_graph_it_began_on(goes: str) -> None:
    answer = asyncio.Event()
    async with gateway([request(), when(answer), send(OK)]) as (room, api), RawClient(room.port) as caller:
        await caller.send(GET)
        await until(lambda: api.requests)
        old = room.plan
        room.load(**({ROUTE: route(room, upstream="http://127.0.0.1:1")} if goes == "changed" else {}))
        answer.set()
        assert (await caller.answer()).status == 200
        await until(api.links[0].ended.is_set)
        assert old.upstream.connections == 0


async def test_the_next_request_of_the_same_connection_takes_the_new_graph() -> None:
    async with gateway() as (room, first), RawServer() as second, RawClient(room.port) as caller:
        await caller.send(GET)
        await caller.answer()
        room.load(**{ROUTE: route(room, upstream=second.url)})
        await caller.send(GET)
        assert (await caller.answer()).status == 200
        room.load()
        await caller.send(GET)
        assert (await caller.answer()).status == 404
        assert (len(first.requests), len(second.requests)) == (1, 1)


async def test_requests_under_way_count_for_the_limit_whatever_is_loaded() -> None:
    answer = asyncio.Event()
    limits = {"in_flight": 1}
    async with (
        gateway([request(), when(answer), send(OK)], limits=limits) as (room, api),
        RawClient(room.port) as first,
        RawClient(room.port) as second,
    ):
        await first.send(GET)
        await until(lambda: api.requests)
        room.load(**{ROUTE: route(room, strip_prefix=False)})
        await second.send(GET)
        assert (await second.answer()).status == 503
        answer.set()
        assert (await first.answer()).status == 200
        assert room.plan.metrics.in_flight == 0


@pytest.mark.parametrize("change", [{}, {"strip_prefix": False}])
async def test_what_was_counted_is_kept_and_counted_once_however_often_something_is_loaded(
    change: dict[str, Any],
) -> None:
    room = GatewayRoom("http://127.0.0.1:1", breaker={"failures": 1})
    plan = room.plan
    plan.record(plan.breaker.admit(room.clock.monotonic()), ok=False)
    for _ in range(3):
        room.load(**{ROUTE: route(room, **change)})
    assert room.plan.metrics.breaker_opened() == 1
    assert room.plan.breaker.opened_total == (0 if change else 1)


async def test_a_source_that_nobody_uses_any_more_begins_nothing_more() -> None:
    room = GatewayRoom("http://127.0.0.1:1")
    await room.source.obtain()
    alarms = room.clock.sleepers
    sources, room.sources = room.sources, {}
    room.load()
    await room.clock.settle()
    assert (alarms, room.clock.sleepers) == (1, 0)
    assert sources[CREDENTIAL].current() is not None


async def test_a_source_that_is_still_used_goes_on() -> None:
    room = GatewayRoom("http://127.0.0.1:1")
    await room.source.obtain()
    room.load(**{ROUTE: route(room, strip_prefix=False)})
    await room.clock.settle()
    assert room.clock.sleepers == 1
    await room.runtime.close()


async def test_other_routes_are_not_touched_by_one_that_changes() -> None:
    room = GatewayRoom("http://127.0.0.1:1")
    first, second = route(room, match={"path": "/a/"}), route(room, match={"path": "/b/"})
    before = room.load(first=first, second=second).plans
    after = room.load(second={**second, "strip_prefix": False}, first=first).plans
    assert after["first"] is before["first"]
    assert after["second"] is not before["second"]


async def test_a_route_whose_credential_or_caller_is_another_begins_anew() -> None:
    room = GatewayRoom("http://127.0.0.1:1")
    first = room.plan
    room.sources = {name: room._source(name, (), ()) for name in room.sources}
    second = room.load(**{ROUTE: room.settings}).plans[ROUTE]
    room.callers = {"anyone": Anonymous("anyone", AnonymousSettings(kind="anonymous"))}
    third = room.load(**{ROUTE: room.settings}).plans[ROUTE]
    assert len({first, second, third}) == 3
    assert room.load(**{ROUTE: room.settings}).plans[ROUTE] is third


async def test_a_circuit_that_is_open_stays_open_unless_its_route_changes() -> None:
    room = GatewayRoom("http://127.0.0.1:1", breaker={"failures": 1})
    room.plan.record(room.plan.breaker.admit(room.clock.monotonic()), ok=False)
    for change, state in (({}, 2), ({"strip_prefix": False}, 0)):
        room.load(**{ROUTE: route(room, **change)})
        assert room.plan.breaker.state(room.clock.monotonic()) == state
        assert room.plan.metrics.breaker_state is not None
        assert room.plan.metrics.breaker_state() == state, "a scrape reads the one that is in use"


async def test_a_replay_happens_on_the_graph_on_which_the_request_began() -> None:
    go = asyncio.Event()
    refused = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
    scripts = ((request(), when(go), send(refused)), (answer_each,))
    async with gateway(*scripts) as (room, api), RawClient(room.port) as caller:
        await caller.send(GET)
        await until(lambda: api.requests)
        room.load()
        go.set()
        assert (await caller.answer()).status == 200
        assert [one.one("Authorization") for one in api.requests] == [b"Bearer planted-1", b"Bearer planted-2"]
