import asyncio
import json
import re

import pytest
import structlog
from aiohttp import web

from proxy.admin.access import LOCK, TRIES
from proxy.admin.api import admin_app
from proxy.admin.operation import BASE
from proxy.admin.operations import OPERATIONS
from proxy.telemetry.events import Event, EventName
from tests.admin.conftest import KEY, Operator, Process
from tests.fakes.credential import MARKER
from tests.fakes.token_room import transient

PATHS = [
    *((operation.method, BASE + re.sub(r"\{\w+\}", "billing", operation.path)) for operation in OPERATIONS),
    ("GET", f"{BASE}/openapi.json"),
    ("GET", "/"),
    ("GET", "/nowhere"),
    ("DELETE", f"{BASE}/status"),
    ("OPTIONS", f"{BASE}/status"),
]


def recorded(process: Process) -> list[Event]:
    names = {EventName.ADMIN_ACTION, EventName.ADMIN_REFUSED, EventName.ADMIN_LOCKED_OUT}
    return [event for event in reversed(process.events.query().events) if event.event in names]


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize("key", [None, "", "csk_wrong"])
async def test_a_stranger_gets_the_same_answer_everywhere(
    operator: Operator, method: str, path: str, key: str | None
) -> None:
    answer = await operator.ask(method, path, key=key)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="countersign admin"'
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["type"].endswith("/admin-unauthenticated")


async def test_a_stranger_is_told_how_to_send_a_key(operator: Operator) -> None:
    answer = await operator.get("/", key=None)
    assert answer.json["detail"] == "send an admin key as `Authorization: Bearer KEY`"


async def test_every_route_of_the_listener_is_in_the_list_of_operations(process: Process) -> None:
    served = {
        (route.method, resource.canonical)
        for resource in admin_app(process).router.resources()
        for route in resource
        if route.method != "HEAD"
    }
    listed = {(operation.method, BASE + operation.path) for operation in OPERATIONS}
    assert served - listed == {("GET", f"{BASE}/openapi.json")}


async def test_without_configured_keys_everybody_is_told_what_to_do(operator: Operator, process: Process) -> None:
    process.admin_keys = {}
    for path in (f"{BASE}/status", "/", "/nowhere"):
        answer = await operator.get(path)
        assert answer.status == 401
        assert "countersign hash-key" in answer.json["detail"]
        assert "admin: keys:" in answer.json["detail"]


async def test_a_reload_that_takes_a_key_away_takes_effect_at_once(operator: Operator, process: Process) -> None:
    assert (await operator.get(f"{BASE}/status")).status == 200
    process.admin_keys = {"ops": "sha256:" + "0" * 64}
    assert (await operator.get(f"{BASE}/status")).status == 401


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8081", "", "127.0.0.1.evil.example"])
async def test_a_page_that_points_its_own_name_here_learns_nothing(operator: Operator, host: str) -> None:
    answer = await operator.get(f"{BASE}/status", headers={"Host": host})
    assert answer.status == 421
    assert answer.json["type"].endswith("/admin-host-refused")


@pytest.mark.parametrize("host", ["localhost:8081", "ADMIN.example", "[::1]:8081"])
async def test_the_listeners_own_names_are_answered(operator: Operator, host: str) -> None:
    assert (await operator.get(f"{BASE}/status", headers={"Host": host})).status == 200


async def test_whoever_guesses_keys_is_locked_out_and_recorded(operator: Operator, process: Process) -> None:
    for _ in range(TRIES):
        assert (await operator.get("/", key="csk_wrong")).status == 401
    answer = await operator.get(f"{BASE}/status")
    assert (answer.status, answer.headers["Retry-After"]) == (429, str(int(LOCK)))
    names = [event.event for event in recorded(process)]
    assert names == [EventName.ADMIN_REFUSED] * (TRIES - 1) + [EventName.ADMIN_LOCKED_OUT]
    assert recorded(process)[-1].fields["peer"] == "127.0.0.1"
    assert "csk_wrong" not in repr(recorded(process))
    await process.room.clock.advance(seconds=LOCK)
    assert (await operator.get(f"{BASE}/status")).status == 200


async def test_a_browser_that_comes_without_key_is_not_locked_out(operator: Operator, process: Process) -> None:
    for _ in range(2 * TRIES):
        await operator.get("/", key=None)
    assert (await operator.get(f"{BASE}/status")).status == 200
    assert recorded(process) == []


@pytest.mark.parametrize(
    ("method", "path", "key", "status"),
    [
        ("GET", f"{BASE}/status", KEY, 200),
        ("GET", f"{BASE}/status", None, 401),
        ("GET", "/nowhere", KEY, 404),
        ("DELETE", f"{BASE}/status", KEY, 405),
    ],
)
async def test_every_answer_forbids_browsers_everything(
    operator: Operator, method: str, path: str, key: str | None, status: int
) -> None:
    answer = await operator.ask(method, path, key=key)
    assert answer.status == status
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Server"] == "countersign"
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_an_order_is_recorded_with_who_gave_it_and_what_it_was(operator: Operator, process: Process) -> None:
    assert (await operator.post(f"{BASE}/credentials/billing/refresh")).status == 200
    assert (await operator.post(f"{BASE}/routes/billing/breaker", {"state": "open"})).status == 200
    first, second = recorded(process)
    assert (first.level, first.credential, first.route) == ("info", "billing", None)
    assert first.fields == {
        "who": "ops",
        "action": "refreshCredential",
        "outcome": "done",
        "peer": "127.0.0.1",
    }
    assert (second.credential, second.route) == (None, "billing")
    assert second.fields["state"] == "open"


async def test_an_order_that_fails_is_recorded_too(operator: Operator, process: Process) -> None:
    process.room.credential.fail(transient())
    await operator.post(f"{BASE}/credentials/billing/refresh")
    await operator.post(f"{BASE}/credentials/nobody/refresh")
    assert [(event.level, event.fields["outcome"]) for event in recorded(process)] == [
        ("warning", "admin-order-failed"),
        ("warning", "admin-not-found"),
    ]


async def test_looking_is_not_recorded(operator: Operator, process: Process) -> None:
    for operation in OPERATIONS:
        if not operation.is_order:
            await operator.get(BASE + re.sub(r"\{\w+\}", "billing", operation.path))
    assert recorded(process) == []


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "says"),
    [
        ("GET", "/nowhere", 404, "admin-not-found", "openapi.json"),
        ("GET", f"{BASE}/credentials/nobody", 404, "admin-not-found", "GET /api/v1/credentials lists"),
        ("GET", f"{BASE}/routes/%3Cscript%3E", 404, "admin-not-found", "GET /api/v1/routes lists"),
        ("POST", f"{BASE}/status", 405, "admin-method-not-allowed", "GET"),
        ("GET", f"{BASE}/status?verbose=1", 400, "admin-request-invalid", "verbose: Extra inputs"),
        ("GET", f"{BASE}/events?limit=0", 400, "admin-request-invalid", "limit: "),
        ("GET", f"{BASE}/events?limit=many", 400, "admin-request-invalid", "limit: "),
        ("GET", f"{BASE}/events?level=loud", 400, "admin-request-invalid", "level: "),
        ("GET", f"{BASE}/events?since=yesterday", 400, "admin-request-invalid", "since: "),
        ("GET", f"{BASE}/events?since=2027-01-01T00:00:00", 400, "admin-request-invalid", "since: "),
        ("GET", f"{BASE}/events?cursor=-1", 400, "admin-request-invalid", "cursor: "),
        ("GET", f"{BASE}/events?limit=1&limit=2", 400, "admin-request-invalid", "more than once"),
    ],
)
async def test_a_mistake_is_answered_with_a_problem_that_says_what_to_do(
    operator: Operator, method: str, path: str, status: int, code: str, says: str
) -> None:
    answer = await operator.ask(method, path)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["type"].endswith(f"/{code}")
    assert answer.json["status"] == status
    assert answer.json["title"]
    assert says in answer.json["detail"]


async def test_a_wrong_method_is_told_which_ones_there_are(operator: Operator) -> None:
    assert (await operator.post(f"{BASE}/status")).headers["Allow"] == "GET, HEAD"
    assert (await operator.get(f"{BASE}/credentials/billing/refresh")).headers["Allow"] == "POST"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"{",
        b'{"state": "ajar"}',
        b'{"state": true}',
        b'{"state": "open", "by": "me"}',
        b"state=open",
        b"\xff\xfe",
        b'{"state": "' + b"x" * 100_000 + b'"}',
        b"[" * 50_000,
    ],
)
async def test_a_body_that_is_no_order_changes_nothing(operator: Operator, process: Process, body: bytes) -> None:
    answer = await operator.post(f"{BASE}/routes/billing/breaker", body)
    assert answer.status == 400
    assert answer.json["type"].endswith("/admin-request-invalid")
    assert len(answer.body) < 1000
    assert process.graph.plans["billing"].breaker.forced is None


async def test_an_order_without_parameters_takes_none(operator: Operator, process: Process) -> None:
    answer = await operator.post(f"{BASE}/credentials/billing/refresh", {"force": True})
    assert answer.status == 400
    assert process.room.credential.count == 0


async def test_a_mistake_of_ours_shows_nothing_and_is_logged(operator: Operator, process: Process) -> None:
    graph = process.graph
    del process.graph
    with structlog.testing.capture_logs() as said:
        answer = await operator.get(f"{BASE}/routes")
    process.graph = graph
    assert answer.status == 500
    assert answer.json["type"].endswith("/admin-internal")
    assert "graph" not in answer.body.decode()
    assert [line["event"] for line in said] == ["admin_failed"]


async def test_no_answer_and_no_record_holds_a_token_or_a_key(operator: Operator, process: Process) -> None:
    await operator.post(f"{BASE}/credentials/billing/refresh")
    bodies = []
    for method, path in PATHS:
        bodies.append((await operator.ask(method, path)).body.decode())
    assert len(bodies) == len(PATHS)
    everything = "\n".join([*bodies, repr(process.events.query(limit=1000)), json.dumps(str(process.admin_keys))])
    assert MARKER not in everything
    assert KEY not in everything
    assert not any(digest in body for digest in process.admin_keys.values() for body in bodies)


async def test_a_caller_who_leaves_does_not_stop_an_order(operator: Operator, process: Process) -> None:
    process.room.credential.hold()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(operator.post(f"{BASE}/credentials/billing/refresh"), 0.2)
    process.room.credential.release()
    await process.room.source.obtain()
    await process.room.clock.settle()
    assert process.room.source.status().generation == 1
    assert [event.fields["outcome"] for event in recorded(process)] == ["done"]


def test_the_listener_bounds_what_it_reads(process: Process) -> None:
    app = admin_app(process)
    assert isinstance(app, web.Application)
    assert app._client_max_size == 64 * 1024
