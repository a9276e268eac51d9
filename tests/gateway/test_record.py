"""Every request is written down once, however it ended: in the numbers and in the log."""

from typing import Any

import pytest

from proxy.gateway.record import CALLER_LEFT, Trace
from proxy.telemetry.metrics import UNMATCHED
from tests.fakes.gateway_room import CREDENTIAL, ROUTE, GatewayRoom


@pytest.fixture
async def room() -> GatewayRoom:
    return GatewayRoom("http://127.0.0.1:1")


def written(room: GatewayRoom, trace: Trace) -> dict[str, Any]:
    """Record the trace, and return the one line that was written."""
    before = len(room.lines.seen)
    room.recorder.record(trace)
    (line,) = room.lines.seen[before:]
    return line


async def test_an_answer_of_the_upstream_is_written_down_with_its_way(room: GatewayRoom) -> None:
    trace = Trace(room.clock.monotonic())
    trace.identifier, trace.plan, trace.caller = "id-1", room.plan, "anyone"
    await room.clock.advance(seconds=0.5)
    trace.sent = room.clock.monotonic()
    trace.signature = (await room.source.obtain(),)
    await room.clock.advance(seconds=0.25)
    trace.answered(201, room.clock.monotonic())
    await room.clock.advance(seconds=1.0)
    line = written(room, trace)
    assert (line["event"], line["request_id"], line["route"], line["caller"]) == ("request", "id-1", ROUTE, "anyone")
    assert (line["status"], line["duration_ms"], line["upstream_ms"]) == (201, 1750.0, 250.0)
    assert (line["credential"], line["generation"], line["replayed"]) == (CREDENTIAL, 1, False)
    assert line["reason"] is None
    assert room.answers == {(201, "upstream"): 1}
    assert room.plan.metrics.durations.sum == pytest.approx(1.75)
    assert room.plan.metrics.upstream.sum == pytest.approx(0.25)


async def test_a_refusal_of_ours_is_told_from_an_answer_of_the_upstream(room: GatewayRoom) -> None:
    trace = Trace(room.clock.monotonic())
    trace.plan, trace.reason = room.plan, "circuit-open"
    trace.refused(503)
    line = written(room, trace)
    assert (line["status"], line["reason"], line["upstream_ms"], line["level"]) == (
        503,
        "circuit-open",
        None,
        "warning",
    )
    assert room.answers == {(503, "proxy"): 1}
    assert sum(room.plan.metrics.upstream.counts) == 0


async def test_a_request_of_no_route_is_counted_apart(room: GatewayRoom) -> None:
    trace = Trace(room.clock.monotonic())
    trace.refused(404)
    line = written(room, trace)
    assert (line["route"], line["credential"], line["generation"], line["caller"]) == (None, None, None, None)
    assert room.answers == {}
    assert room.metrics.route(UNMATCHED).answers[404, "proxy"] == 1


async def test_a_caller_that_left_before_any_answer_is_neither_of_the_two(room: GatewayRoom) -> None:
    trace = Trace(room.clock.monotonic())
    trace.plan = room.plan
    assert written(room, trace)["status"] == CALLER_LEFT == 499
    assert room.answers == {(499, "proxy"): 1}


async def test_a_refusal_behind_an_answer_is_what_the_caller_got(room: GatewayRoom) -> None:
    trace = Trace(room.clock.monotonic())
    trace.plan = room.plan
    trace.sent = room.clock.monotonic()
    trace.answered(401, room.clock.monotonic())
    trace.refused(502)
    assert written(room, trace)["status"] == 502
    assert room.answers == {(502, "proxy"): 1}


async def test_the_upstream_s_time_is_that_of_the_request_that_was_sent_last(room: GatewayRoom) -> None:
    trace = Trace(room.clock.monotonic())
    trace.plan, trace.replayed = room.plan, True
    for seconds in (3.0, 2.0):
        trace.sent = room.clock.monotonic()
        await room.clock.advance(seconds=seconds)
        trace.answered(200, room.clock.monotonic())
    line = written(room, trace)
    assert (line["duration_ms"], line["upstream_ms"], line["replayed"]) == (5000.0, 2000.0, True)


async def test_requests_do_not_share_what_is_known_of_them() -> None:
    first, second = Trace(1.0), Trace(2.0)
    first.identifier, first.replayed = "id-1", True
    first.refused(404)
    assert (second.identifier, second.replayed, second.status, second.started) == ("", False, CALLER_LEFT, 2.0)


async def test_no_secret_is_written_down(room: GatewayRoom) -> None:
    held = await room.source.obtain()
    trace = Trace(room.clock.monotonic())
    trace.plan, trace.signature = room.plan, (held,)
    assert held.token.value.reveal() not in str(written(room, trace))
