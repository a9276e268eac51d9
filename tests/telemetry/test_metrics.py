import re
import shutil
import subprocess
import sys

import pytest

from proxy import __version__
from proxy.telemetry.metrics import CATALOGUE, UNMATCHED, WEBHOOK_OUTCOMES, Metrics


def scrape(metrics: Metrics) -> dict[str, float]:
    body, _ = metrics.render("")
    lines = (line for line in body.decode().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def busy() -> Metrics:
    metrics = Metrics()
    metrics.config_loaded(1_800_000_000.0)
    route = metrics.route("billing")
    route.watch_breaker(lambda: 2, lambda: 3)
    route.observe(200, "upstream", 0.02, 0.01)
    route.replay("succeeded")
    route.in_flight += 1
    credential = metrics.credential("billing")
    credential.watch(lambda: float("inf"), lambda: 4, lambda: 1)
    credential.fetched("rejected", "succeeded", 0.2)
    credential.lock_wait(0.01)
    metrics.store_errors("load")
    metrics.config_reloaded("refused", 1_800_000_100.0)
    metrics.verifications("verified")
    return metrics


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool comes with Prometheus")
def test_promtool_finds_nothing_to_complain_about() -> None:
    page, _ = busy().render("")
    result = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


def test_every_metric_of_the_catalogue_is_exposed_with_just_its_labels() -> None:
    page = busy().render("")[0].decode()
    for spec in CATALOGUE:
        assert f"# TYPE {spec.name} {spec.type}\n" in page
        sample = f"{spec.name}_bucket" if spec.type == "histogram" else spec.name
        found = re.findall(rf"^{sample}(?:{{(.*?)}})? ", page, flags=re.MULTILINE)
        assert found, spec.name
        for labels in found:
            names = set(re.findall(r'(\w+)="', labels)) - ({"le"} if spec.type == "histogram" else set())
            assert names == set(spec.labels), spec.name


def test_nothing_but_the_catalogue_and_the_process_is_exposed() -> None:
    page = busy().render("")[0].decode()
    exposed = set(re.findall(r"^# TYPE (\S+)", page, flags=re.MULTILINE))
    others = exposed - {spec.name for spec in CATALOGUE}
    assert all(name.startswith(("process_", "python_gc_")) for name in others)
    if sys.platform == "linux":  # elsewhere there is no /proc to read them from
        assert {"process_resident_memory_bytes", "process_open_fds", "process_cpu_seconds_total"} <= others


def test_a_route_stands_at_zero_before_its_first_request() -> None:
    metrics = Metrics()
    metrics.route("billing")
    samples = scrape(metrics)
    for route in ("billing", UNMATCHED):
        assert samples[f'countersign_requests_total{{code="502",route="{route}",source="proxy"}}'] == 0
        assert samples[f'countersign_request_duration_seconds_count{{route="{route}"}}'] == 0
        assert samples[f'countersign_replays_total{{outcome="too_late",route="{route}"}}'] == 0


def test_buckets_are_cumulative_and_end_with_the_count() -> None:
    metrics = Metrics()
    route = metrics.route("billing")
    for seconds in (0.001, 0.02, 0.02, 99.0):
        route.observe(200, "upstream", seconds, None)
    samples = scrape(metrics)
    name = "countersign_request_duration_seconds"
    assert samples[f'{name}_bucket{{le="0.005",route="billing"}}'] == 1
    assert samples[f'{name}_bucket{{le="0.025",route="billing"}}'] == 3
    assert samples[f'{name}_bucket{{le="30.0",route="billing"}}'] == 3
    assert samples[f'{name}_bucket{{le="+Inf",route="billing"}}'] == samples[f'{name}_count{{route="billing"}}'] == 4
    assert samples[f'{name}_sum{{route="billing"}}'] == pytest.approx(99.041)


def test_the_same_name_gets_the_same_numbers_back() -> None:
    metrics = Metrics()
    assert metrics.route("billing") is metrics.route("billing")
    assert metrics.credential("billing") is metrics.credential("billing")


def test_a_reload_forgets_what_it_removed_and_never_lowers_a_total() -> None:
    metrics = busy()
    metrics.route("kept").watch_breaker(lambda: 0, lambda: 1)
    metrics.credential("billing").breaker_opened = 2
    metrics.keep(routes={"kept"}, credentials=())
    page = metrics.render("")[0].decode()
    assert 'route="billing"' not in page
    assert 'credential="billing"' not in page
    assert f'route="{UNMATCHED}"' in page
    assert scrape(metrics)["countersign_breaker_opened_total"] == 6
    assert scrape(metrics)["countersign_token_lock_wait_seconds_count"] == 1


def test_a_refused_configuration_counts_and_leaves_the_time_of_the_one_in_use() -> None:
    samples = scrape(busy())
    assert samples['countersign_config_reloads_total{outcome="refused"}'] == 1
    assert samples['countersign_config_reloads_total{outcome="succeeded"}'] == 0
    assert samples["countersign_config_last_reload_timestamp_seconds"] == 1_800_000_000.0


def test_an_accepted_configuration_moves_the_time() -> None:
    metrics = busy()
    metrics.config_reloaded("succeeded", 1_800_000_200.0)
    assert scrape(metrics)["countersign_config_last_reload_timestamp_seconds"] == 1_800_000_200.0


def test_the_store_and_the_log_are_asked_at_the_scrape() -> None:
    metrics = Metrics()
    assert scrape(metrics)["countersign_store_up"] == 1
    metrics.store_up = False
    metrics.watch_log(lambda: 17)
    samples = scrape(metrics)
    assert samples["countersign_store_up"] == 0
    assert samples["countersign_log_dropped_total"] == 17


def test_what_becomes_of_webhook_deliveries_is_counted_from_zero() -> None:
    metrics = Metrics()
    metrics.webhook_deliveries("delivered")
    metrics.webhook_deliveries("dropped", 3)
    samples = scrape(metrics)
    name = "countersign_webhook_deliveries_total"
    assert {outcome: samples[f'{name}{{outcome="{outcome}"}}'] for outcome in WEBHOOK_OUTCOMES} == {
        "delivered": 1,
        "given_up": 0,
        "gone": 0,
        "dropped": 3,
    }


def test_build_info_names_the_version() -> None:
    info = next(name for name in scrape(Metrics()) if name.startswith("countersign_build_info"))
    assert f'version="{__version__}"' in info
    assert 'python="3.' in info


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text; version=1.0.0,text/plain;version=0.0.4;q=0.5",
        "application/openmetrics-text; version=nonsense",
        "application/openmetrics-text; version=1.0.0; escaping=nonsense",
        "text/html, Application/OpenMetrics-Text",
    ],
)
def test_who_asks_for_openmetrics_gets_it_however_the_rest_is_spelled(accept: str) -> None:
    body, content_type = busy().render(accept)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith(b"# EOF\n")


@pytest.mark.parametrize("accept", ["", "*/*", "text/plain; version=nonsense", "application/json"])
def test_everybody_else_gets_the_text_format(accept: str) -> None:
    body, content_type = busy().render(accept)
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert b"# EOF" not in body


def test_circuits_of_routes_and_of_token_endpoints_count_together_when_they_open() -> None:
    metrics = Metrics()
    metrics.route("billing").watch_breaker(lambda: 2, lambda: 3)
    metrics.credential("billing").breaker_opened += 1
    assert scrape(metrics)["countersign_breaker_opened_total"] == 4
