import pytest

from proxy.admin.operation import BASE
from proxy.admin.operations import OPERATIONS
from proxy.core.breaker import BreakerState
from proxy.credentials.refresh_token import RefreshTokenSettings
from proxy.stores.base import Record, StoreError
from proxy.telemetry.events import EventName
from proxy.tokens.sources import Sources
from tests.admin.conftest import Operator, Process, billing
from tests.fakes.authorization_server import CLIENT, SECRET, AuthorizationServer
from tests.fakes.token_room import permanent, transient, value
from tests.fakes.token_server import TokenServer


def test_names_and_paths_are_given_once() -> None:
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)
    assert len({(operation.method, operation.path) for operation in OPERATIONS}) == len(OPERATIONS)


def test_what_names_something_says_what() -> None:
    assert all(bool(operation.names) == (operation.subject is not None) for operation in OPERATIONS)
    assert all(len(operation.names) <= 2 for operation in OPERATIONS)


async def test_the_status_tells_how_the_process_is(operator: Operator, process: Process) -> None:
    await process.room.clock.advance(seconds=90)
    process.metrics.watch_log(lambda: 3)
    process.graph.plans["billing"].metrics.in_flight = 2
    process.metrics.store_up = False
    answer = (await operator.get(f"{BASE}/status")).json
    assert answer.pop("version")
    assert answer == {
        "started_at": "2027-01-15T08:00:00.000Z",
        "uptime_seconds": 90.0,
        "ready": True,
        "reasons": [],
        "draining": False,
        "store": {"kind": "memory", "up": False},
        "requests_in_flight": 2,
        "log_lines_dropped": 3,
        "routes": {"closed": 1, "half_open": 0, "open": 0},
        "credentials": {"fresh": 0, "stale": 0, "expired": 0, "none": 1},
        "failing": [],
    }
    process.health.is_draining = True
    answer = (await operator.get(f"{BASE}/status")).json
    assert (answer["ready"], answer["draining"]) == (False, True)
    assert answer["reasons"] == ["the process is about to stop"]


async def test_a_credential_is_shown_with_everything_but_its_value(operator: Operator, process: Process) -> None:
    held = await process.room.source.obtain()
    answer = (await operator.get(f"{BASE}/credentials/billing")).json
    assert answer == {
        "name": "billing",
        "kind": "http_request",
        "description": "Finance team",
        "routes": ["billing"],
        "state": "fresh",
        "generation": 1,
        "fingerprint": held.token.value.fingerprint(),
        "issued_at": "2027-01-15T08:00:00.000Z",
        "refresh_at": answer["refresh_at"],
        "expires_at": "2027-01-15T08:05:00.000Z",
        "fetching": False,
        "renewable": True,
        "breaker": "closed",
        "failure": None,
    }
    assert "2027-01-15T08:03" <= answer["refresh_at"] < "2027-01-15T08:05"
    assert value(held) not in str(answer)
    assert (await operator.get(f"{BASE}/credentials")).json == {"credentials": [answer]}


async def test_a_refresh_brings_a_new_token_although_the_old_one_is_good(operator: Operator, process: Process) -> None:
    before = await process.room.source.obtain()
    answer = await operator.post(f"{BASE}/credentials/billing/refresh")
    assert (answer.status, answer.json["generation"]) == (200, 2)
    assert answer.json["fingerprint"] != before.token.value.fingerprint()


async def test_a_refresh_that_fails_says_why_and_leaves_the_old_token(operator: Operator, process: Process) -> None:
    before = await process.room.source.obtain()
    process.room.credential.fail(permanent())
    answer = await operator.post(f"{BASE}/credentials/billing/refresh")
    assert answer.status == 502
    assert answer.json["type"].endswith("/admin-order-failed")
    assert answer.json["reason"] == "invalid_client"
    assert "does not accept the client" in answer.json["detail"]
    assert process.room.source.current() == before
    shown = (await operator.get(f"{BASE}/credentials/billing")).json["failure"]
    assert (shown["reason"], shown["permanent"]) == ("invalid_client", True)
    assert shown["retry_after_seconds"] > 60
    assert (await operator.get(f"{BASE}/status")).json["failing"] == ["billing"]


async def test_a_revoked_token_is_gone_here_and_in_the_store(operator: Operator, process: Process) -> None:
    await process.room.source.obtain()
    answer = await operator.post(f"{BASE}/credentials/billing/revoke")
    assert (answer.status, answer.json["state"], answer.json["fingerprint"]) == (200, "none", None)
    stored = await process.room.stored()
    assert stored is not None
    assert stored.token is None


async def test_a_store_that_does_not_forget_is_told_of(
    operator: Operator, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    await process.room.source.obtain()

    async def save(key: str, record: Record) -> Record:
        raise StoreError("connection refused")

    monkeypatch.setattr(process.room.store, "save", save)
    answer = await operator.post(f"{BASE}/credentials/billing/revoke")
    assert answer.status == 502
    assert "may still have it: connection refused; revoke again" in answer.json["detail"]
    assert process.room.source.current() is None


async def test_a_test_shows_every_step_and_keeps_nothing(operator: Operator, process: Process) -> None:
    async with TokenServer(process.clock) as server:
        process.sources = Sources({"billing": billing(server.url)}, process.sources.by_name)
        answer = await operator.post(f"{BASE}/credentials/billing/test")
    assert (answer.status, server.count) == (200, 1)
    (step,) = answer.json["steps"]
    assert (step["method"], step["url"], step["status"]) == ("POST", server.url, 200)
    assert step["sent"] == {"client_secret": "***"}
    assert (step["received"]["access_token"], step["received"]["expires_in"]) == ("***", 300)
    assert answer.json["succeeded"] is True
    assert (answer.json["token_at"], answer.json["lifetime"]) == ("json $.access_token", 300.0)
    assert answer.json["renewal"] == {"earliest": 216.0, "latest": 240.0, "safety_window": 60.0}
    assert (answer.json["saved"], answer.json["clock_offset"]) == ([], 0)
    assert answer.json["diagnosis"]["code"] == "ok"
    assert process.room.source.status().generation == 0
    assert not any(marker in answer.body.decode() for marker in (*server.issued, "MARKER"))


async def test_a_test_does_not_spend_what_may_work_only_once(operator: Operator, process: Process) -> None:
    async with AuthorizationServer(process.clock) as server:
        settings = RefreshTokenSettings.model_validate(
            {
                "kind": "refresh_token",
                "token_url": server.url,
                "client_id": CLIENT,
                "client_secret": SECRET,
                "refresh_token": server.grant(),
                "allow_plain_http": True,
            }
        )
        process.sources = Sources({"billing": settings}, process.sources.by_name)
        answer = await operator.post(f"{BASE}/credentials/billing/test")
        assert (answer.status, answer.json["succeeded"], answer.json["steps"], server.count) == (200, False, [], 0)
    assert answer.json["diagnosis"]["code"] == "not-tried"
    assert "POST /api/v1/credentials/billing/refresh" in answer.json["diagnosis"]["remedy"]


async def test_a_test_that_finds_no_token_says_where_it_might_stand(operator: Operator, process: Process) -> None:
    async with TokenServer(process.clock) as server:
        process.sources = Sources({"billing": billing(server.url, "$.token")}, process.sources.by_name)
        answer = await operator.post(f"{BASE}/credentials/billing/test")
    assert (answer.status, answer.json["succeeded"]) == (200, False)
    assert answer.json["diagnosis"]["code"] == "token-not-found"
    assert {"place": "$.access_token", "type": None} in answer.json["diagnosis"]["candidates"]


async def test_a_test_of_an_endpoint_that_is_not_there_says_so(operator: Operator, process: Process) -> None:
    async with TokenServer(process.clock) as server:
        gone = server.url
    process.sources = Sources({"billing": billing(gone)}, process.sources.by_name)
    answer = await operator.post(f"{BASE}/credentials/billing/test")
    assert (answer.status, answer.json["diagnosis"]["code"]) == (200, "connect")
    assert answer.json["steps"][0]["status"] is None


async def test_a_route_is_shown_with_its_match_and_its_circuit(operator: Operator, process: Process) -> None:
    process.graph.plans["billing"].metrics.in_flight = 4
    answer = (await operator.get(f"{BASE}/routes/billing")).json
    assert answer == {
        "name": "billing",
        "match": {"host": "*", "path": "/billing/", "methods": ["GET"], "headers": {"X-Tenant": "acme"}},
        "upstream": "https://api.example/v2",
        "credentials": ["billing"],
        "callers": ["backend"],
        "breaker": "closed",
        "breaker_held": False,
        "breaker_opened_total": 0,
        "in_flight": 4,
    }
    assert (await operator.get(f"{BASE}/routes")).json == {"routes": [answer]}


async def test_a_circuit_is_held_open_or_closed_until_it_may_decide_again(operator: Operator, process: Process) -> None:
    breaker = process.graph.plans["billing"].breaker
    for order, held, state in (
        ("open", True, BreakerState.OPEN),
        ("closed", True, BreakerState.CLOSED),
        ("open", True, BreakerState.OPEN),
        ("auto", False, BreakerState.CLOSED),
    ):
        answer = await operator.post(f"{BASE}/routes/billing/breaker", {"state": order})
        assert answer.status == 200
        assert (answer.json["breaker"], answer.json["breaker_held"]) == (state.name.lower(), held)
        await process.room.clock.advance(hours=1)
        assert breaker.state(process.clock.monotonic()) is state


async def test_events_are_shown_page_by_page(operator: Operator, process: Process) -> None:
    for number in range(5):
        process.events.record(
            "warning", EventName.REFRESH_FAILED, credential="billing", reason="network", detail="lost", attempt=number
        )
        await process.room.clock.advance(seconds=1)
    process.events.record("error", EventName.BREAKER_OPENED, route="billing")
    first = (await operator.get(f"{BASE}/events?credential=billing&limit=3")).json
    assert [event["fields"]["attempt"] for event in first["events"]] == [4, 3, 2]
    assert first["events"][0] == {
        "id": 5,
        "time": "2027-01-15T08:00:04.000Z",
        "level": "warning",
        "event": "refresh_failed",
        "route": None,
        "credential": "billing",
        "user": None,
        "reason": "network",
        "detail": "lost",
        "fields": {"attempt": 4},
    }
    second = (await operator.get(f"{BASE}/events?credential=billing&limit=3&cursor={first['cursor']}")).json
    assert [event["fields"]["attempt"] for event in second["events"]] == [1, 0]
    assert second["cursor"] is None


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", [3, 2, 1]),
        ("route=billing", [3]),
        ("user=ada", [2]),
        ("level=warning", [3, 2]),
        ("level=error", [3]),
        ("since=2027-01-15T08:00:01Z", [3, 2]),
        ("since=2027-01-15T10:00:02%2B02:00", [3]),
        ("since=1800000002", [3]),
        ("route=billing&user=ada", []),
    ],
)
async def test_events_are_found_by_what_is_known_of_them(
    operator: Operator, process: Process, query: str, ids: list[int]
) -> None:
    for level, fields in (("info", {}), ("warning", {"user": "ada"}), ("error", {"route": "billing"})):
        process.events.record(level, EventName.REFRESH_FAILED, **fields)  # type: ignore[arg-type]  # a table of literals
        await process.room.clock.advance(seconds=1)
    answer = await operator.get(f"{BASE}/events?{query}")
    assert [event["id"] for event in answer.json["events"]] == ids


async def test_a_failure_that_passes_is_shown_until_it_has_passed(operator: Operator, process: Process) -> None:
    process.room.credential.fail(transient())
    await operator.post(f"{BASE}/credentials/billing/refresh")
    assert (await operator.get(f"{BASE}/credentials/billing")).json["failure"]["permanent"] is False
    await operator.post(f"{BASE}/credentials/billing/refresh")
    assert (await operator.get(f"{BASE}/credentials/billing")).json["failure"] is None
