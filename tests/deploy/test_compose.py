from typing import Any

import pytest
import yaml

from proxy import __version__
from proxy.config.schema import ListenSettings
from tests.deploy.tools import DEPLOY, ROOT, run

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
LISTEN = ListenSettings()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def load(path: str) -> Any:
    return yaml.safe_load((DEPLOY / path).read_text())


def mounts(service: str) -> dict[str, str]:
    """Return what lies where in a service, by the path inside."""
    split = (volume.split(":") for volume in SERVICES[service]["volumes"])
    return {inside: outside for outside, inside, mode in split if mode == "ro"}


def test_the_compose_file_follows_the_specification() -> None:
    assert "ok" in run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", ROOT / "compose.yaml")


def test_the_services_are_the_proxy_its_demo_and_who_watches() -> None:
    assert SERVICES.keys() == {"proxy", "demo", "prometheus", "grafana"}
    assert {SERVICES[name]["image"] for name in ("proxy", "demo")} == {f"countersign:{__version__}"}


@pytest.mark.parametrize("service", [name for name in SERVICES if "volumes" in SERVICES[name]])
def test_what_is_mounted_exists_and_cannot_be_changed_from_inside(service: str) -> None:
    assert len(mounts(service)) == len(SERVICES[service]["volumes"])
    assert all((ROOT / outside).exists() for outside in mounts(service).values())


@pytest.mark.parametrize("service", [name for name in SERVICES if "ports" in SERVICES[name]])
def test_a_service_is_published_on_loopback_only(service: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[service]["ports"])


def test_every_image_names_its_version() -> None:
    assert all(service["image"].rpartition(":")[2][:1] in "v0123456789" for service in SERVICES.values())


def test_the_proxy_is_published_on_its_default_ports() -> None:
    inside = {int(port.rpartition(":")[2]) for port in SERVICES["proxy"]["ports"]}
    assert inside == {LISTEN.proxy.port, LISTEN.metrics.port}


def test_prometheus_scrapes_the_metrics_port_of_the_proxy() -> None:
    (scrape,) = load("prometheus/prometheus.yml")["scrape_configs"]
    assert scrape["metrics_path"] == "/metrics"
    assert scrape["static_configs"] == [{"targets": [f"proxy:{LISTEN.metrics.port}"]}]
    assert mounts("prometheus")["/etc/prometheus"] == "./deploy/prometheus"


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    (source,) = load("grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    (provider,) = load("grafana/provisioning/dashboards/countersign.yaml")["providers"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    assert f"{provider['options']['path']}/countersign.json" in mounts("grafana")
    assert mounts("grafana")["/etc/grafana/provisioning"] == "./deploy/grafana/provisioning"
