import threading
from collections.abc import AsyncIterator

import pytest

from proxy.admin.health import Health, health_app
from proxy.telemetry.metrics import Metrics
from tests.admin.conftest import Operator, listening


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def probe(health: Health, metrics: Metrics) -> AsyncIterator[Operator]:
    async with listening(health_app(health, metrics)) as probe:
        yield probe


async def test_the_process_lives_before_it_is_ready(probe: Operator) -> None:
    answer = await probe.get("/livez", key=None)
    assert (answer.status, answer.body) == (200, b"ok\n")


async def test_it_is_ready_between_its_first_configuration_and_its_draining(probe: Operator, health: Health) -> None:
    answer = await probe.get("/readyz", key=None)
    assert (answer.status, answer.json) == (
        503,
        {"status": "unready", "reasons": ["no configuration is in use yet"], "store": "up"},
    )
    health.is_configured = True
    answer = await probe.get("/readyz", key=None)
    assert (answer.status, answer.json) == (200, {"status": "ready", "reasons": [], "store": "up"})
    health.is_draining = True
    answer = await probe.get("/readyz", key=None)
    assert (answer.status, answer.json["reasons"]) == (503, ["the process is about to stop"])
    assert (await probe.get("/livez", key=None)).status == 200


async def test_a_verbose_probe_sees_every_check(probe: Operator, health: Health) -> None:
    health.is_configured = True
    health.is_draining = True
    answer = await probe.get("/readyz?verbose", key=None)
    assert answer.json["checks"] == [{"name": "configured", "passed": True}, {"name": "serving", "passed": False}]


async def test_a_store_that_is_down_is_told_and_does_not_make_it_unready(
    probe: Operator, health: Health, metrics: Metrics
) -> None:
    health.is_configured = True
    metrics.store_up = False
    answer = await probe.get("/readyz", key=None)
    assert (answer.status, answer.json) == (200, {"status": "ready", "reasons": [], "store": "down"})


async def test_prometheus_gets_the_format_it_asks_for(probe: Operator, metrics: Metrics) -> None:
    metrics.route("billing").observe(200, "upstream", 0.1, 0.1)
    for accept, content_type, end in (
        ("", "text/plain; version=0.0.4; charset=utf-8", b"\n"),
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            b"# EOF\n",
        ),
    ):
        answer = await probe.get("/metrics", key=None, headers={"Accept": accept})
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith(content_type)
        assert b'countersign_requests_total{code="200",route="billing",source="upstream"} 1.0\n' in answer.body
        assert answer.body.endswith(end)


async def test_a_scrape_is_written_beside_the_loop(probe: Operator, metrics: Metrics) -> None:
    threads: list[threading.Thread] = []

    def dropped() -> int:
        threads.append(threading.current_thread())
        return 0

    metrics.watch_log(dropped)
    await probe.get("/metrics", key=None)
    assert threads
    assert threading.main_thread() not in threads


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/", 404), ("POST", "/metrics", 405), ("HEAD", "/livez", 200)]
)
async def test_nothing_else_is_served(probe: Operator, method: str, path: str, status: int) -> None:
    answer = await probe.ask(method, path, key=None)
    assert answer.status == status
    assert answer.headers["Server"] == "countersign"
    assert answer.headers["Cache-Control"] == "no-store"
