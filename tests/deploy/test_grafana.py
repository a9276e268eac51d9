import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.metrics import unknown
from tests.deploy.tools import DEPLOY, run

DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "countersign.json").read_text())
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
VARIABLES = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def title(panel: dict[str, Any]) -> str:
    return str(panel["title"])


def plain(expression: str) -> str:
    """Put a value where Grafana puts one."""
    for name, value in {"__rate_interval": "5m", **dict.fromkeys(VARIABLES, ".*")}.items():
        expression = expression.replace(f"${name}", value)
    return expression


def expressions() -> Iterator[str]:
    yield from (plain(target["expr"]) for panel in PANELS for target in panel["targets"])
    yield from (plain(note["expr"]) for note in DASHBOARD["annotations"]["list"])


def test_prometheus_can_parse_every_expression(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(expressions())]
    written = tmp_path / "rules.yaml"
    written.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(rules)} rules found" in run("promtool", "check", "rules", written)


@pytest.mark.parametrize("expression", tuple(expressions()))
def test_an_expression_reads_metrics_that_exist(expression: str) -> None:
    assert list(unknown(expression)) == []


@pytest.mark.parametrize("panel", PANELS, ids=title)
def test_a_panel_says_what_it_shows_and_in_which_unit(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]


@pytest.mark.parametrize("panel", PANELS, ids=title)
def test_a_panel_asks_the_data_source_that_the_reader_chose(panel: dict[str, Any]) -> None:
    assert panel["datasource"] == SOURCE
    assert all(target["datasource"] == SOURCE for target in panel["targets"])


@pytest.mark.parametrize("panel", PANELS, ids=title)
def test_a_panel_follows_the_variables(panel: dict[str, Any]) -> None:
    assert all("$job" in target["expr"] for target in panel["targets"])


def test_the_variables_are_filled_from_metrics_that_exist() -> None:
    assert {"datasource", "job", "route", "credential"} == VARIABLES.keys()
    asked = [variable["query"]["query"] for variable in VARIABLES.values() if variable["type"] == "query"]
    selectors = [query.removeprefix("label_values(").rsplit(",", 1)[0] for query in asked]
    assert [list(unknown(plain(selector))) for selector in selectors] == [[]] * 3


def test_the_rows_stand_in_the_order_in_which_one_looks() -> None:
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows == ["Now", "Requests", "Tokens", "Circuits", "Store", "Process"]


def test_no_two_panels_lie_on_the_same_spot() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        spots = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not spots & taken, panel["title"]
        taken |= spots
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
