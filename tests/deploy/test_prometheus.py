from typing import Any

import pytest
import yaml

from tests.deploy.metrics import unknown
from tests.deploy.tools import DEPLOY, run

PROMETHEUS = DEPLOY / "prometheus"


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_prometheus_accepts_the_rules() -> None:
    assert f"{len(alerts())} rules found" in run("promtool", "check", "rules", PROMETHEUS / "alerts.yaml")


def test_every_alert_rings_in_trouble_and_is_silent_in_health() -> None:
    assert "SUCCESS" in run("promtool", "test", "rules", PROMETHEUS / "alerts_test.yaml")


def test_no_alert_goes_untested() -> None:
    tests = yaml.safe_load((PROMETHEUS / "alerts_test.yaml").read_text())["tests"]
    expectations = [one for test in tests for one in test["alert_rule_test"]]
    assert {one["alertname"] for one in expectations if one["exp_alerts"]} == {rule["alert"] for rule in alerts()}


def test_prometheus_accepts_the_example_configuration() -> None:
    assert "SUCCESS" in run("promtool", "check", "config", PROMETHEUS / "prometheus.yml")


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_reads_metrics_that_exist(rule: dict[str, Any]) -> None:
    assert list(unknown(rule["expr"])) == []


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"].endswith(f"/runbook#{rule['alert'].lower()}")
    assert f"\n## {rule['alert']}\n" in (PROMETHEUS / "runbook.md").read_text()


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("rate(countersign_requests_total[5m])", []),
        ("sum by (route) (countersign_breaker_state) == 2", []),
        ("rate(countersign_request_total[5m])", ["countersign_request_total"]),
        ('countersign_store_up{route="x"}', ["countersign_store_up{route}"]),
        ("sum by (route) (countersign_store_up)", ["by (route)"]),
        ("sum(countersign_request_duration_seconds)", ["countersign_request_duration_seconds"]),
    ],
)
def test_a_name_that_does_not_exist_is_noticed(expression: str, complaint: list[str]) -> None:
    assert list(unknown(expression)) == complaint
