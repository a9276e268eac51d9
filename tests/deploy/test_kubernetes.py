import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from proxy import __version__
from proxy.config.schema import ListenSettings
from proxy.core.settings import parse_duration
from tests.deploy.tools import DEPLOY, run

KUBERNETES = DEPLOY / "kubernetes"
MONITORS = ("podmonitor.yaml", "servicemonitor.yaml")
SCHEMA = json.loads((Path(__file__).parent / "schemas" / "monitors.json").read_text())
MANIFESTS = tuple(
    path for path in sorted(KUBERNETES.glob("*/*.yaml")) if path.name not in {"kustomization.yaml", "countersign.yaml"}
)
LISTEN = ListenSettings()
PORTS = {name: getattr(LISTEN, name).port for name in ("proxy", "admin", "metrics")}


def within(path: Path) -> str:
    return str(path.relative_to(KUBERNETES))


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def pods() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield each pod with our container in it."""
    for path in MANIFESTS:
        if path.name == "deployment.yaml":
            pod = load(path)["spec"]["template"]["spec"]
            (ours,) = [
                one for one in (*pod.get("initContainers", ()), *pod["containers"]) if one["name"] == "countersign"
            ]
            yield pod, ours


OURS = tuple(ours for _, ours in pods())


@pytest.mark.parametrize("path", [path for path in MANIFESTS if path.name not in MONITORS], ids=within)
def test_kubernetes_knows_every_field(path: Path) -> None:
    said = run("kubernetes-validate", "--kubernetes-version", "1.33", "--strict", path)
    assert "passed for resource" in said
    assert "WARN" not in said


@pytest.mark.parametrize("name", MONITORS)
def test_the_prometheus_operator_knows_every_field(name: str) -> None:
    jsonschema.validate(load(KUBERNETES / "monitoring" / name), SCHEMA)


@pytest.mark.parametrize("folder", ["base", "gateway", "sidecar", "monitoring"])
def test_a_kustomization_names_what_lies_in_its_folder(folder: str) -> None:
    kustomization = load(KUBERNETES / folder / "kustomization.yaml")
    resources = kustomization["resources"]
    files = [name for one in kustomization.get("configMapGenerator", ()) for name in one["files"]]
    lying = {path.name for path in (KUBERNETES / folder).iterdir()} - {"kustomization.yaml"}
    assert {name for name in (*resources, *files) if "/" not in name} == lying
    assert all((KUBERNETES / folder / name).resolve().exists() for name in resources)


def test_there_is_a_gateway_and_a_sidecar() -> None:
    assert len(OURS) == 2


@pytest.mark.parametrize("ours", OURS)
def test_a_container_uses_the_default_ports_and_paths(ours: dict[str, Any]) -> None:
    ports = {port["name"]: port["containerPort"] for port in ours["ports"]}
    assert ports == {name: PORTS[name] for name in ports}
    assert ours["startupProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}
    assert ours["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "metrics"}


@pytest.mark.parametrize("ours", OURS)
def test_a_container_may_do_no_more_than_it_must(ours: dict[str, Any]) -> None:
    security = ours["securityContext"]
    assert security["allowPrivilegeEscalation"] is False
    assert security["readOnlyRootFilesystem"] is True
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert "memory" in ours["resources"]["limits"]
    assert "/tmp" in [mount["mountPath"] for mount in ours["volumeMounts"]]


@pytest.mark.parametrize("pod", [pod for pod, _ in pods()])
def test_a_pod_runs_as_nobody_and_holds_no_key_to_the_cluster(pod: dict[str, Any]) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False


@pytest.mark.parametrize("pod", [pod for pod, _ in pods()])
def test_no_service_sets_our_options_by_its_name(pod: dict[str, Any]) -> None:
    assert pod["enableServiceLinks"] is False


def test_the_sidecar_is_native_and_ready_before_the_application_starts() -> None:
    pod = load(KUBERNETES / "sidecar" / "deployment.yaml")["spec"]["template"]["spec"]
    (sidecar,) = pod["initContainers"]
    assert sidecar["restartPolicy"] == "Always"
    assert "startupProbe" in sidecar


def test_only_the_sidecar_holds_the_secrets() -> None:
    pod = load(KUBERNETES / "sidecar" / "deployment.yaml")["spec"]["template"]["spec"]
    assert not any(container.get("volumeMounts") for container in pod["containers"])


def test_the_gateway_waits_for_its_longest_answer_before_it_dies() -> None:
    pod = load(KUBERNETES / "base" / "deployment.yaml")["spec"]["template"]["spec"]
    drain = load(KUBERNETES / "gateway" / "countersign.yaml")["drain"]
    waits = sum(parse_duration(drain[name]) for name in ("delay", "timeout"))
    assert waits < pod["terminationGracePeriodSeconds"]


def test_every_selector_of_the_gateway_finds_its_pods() -> None:
    labels = load(KUBERNETES / "base" / "deployment.yaml")["spec"]["template"]["metadata"]["labels"]
    selectors = (
        load(KUBERNETES / "base" / "service.yaml")["spec"]["selector"],
        load(KUBERNETES / "base" / "deployment.yaml")["spec"]["selector"]["matchLabels"],
        load(KUBERNETES / "base" / "poddisruptionbudget.yaml")["spec"]["selector"]["matchLabels"],
        load(KUBERNETES / "base" / "networkpolicy.yaml")["spec"]["podSelector"]["matchLabels"],
    )
    assert all(selector == labels for selector in selectors)


def test_the_monitors_find_the_metrics() -> None:
    service = load(KUBERNETES / "base" / "service.yaml")
    worker = load(KUBERNETES / "sidecar" / "deployment.yaml")["spec"]["template"]
    by_service = load(KUBERNETES / "monitoring" / "servicemonitor.yaml")["spec"]
    by_pod = load(KUBERNETES / "monitoring" / "podmonitor.yaml")["spec"]
    assert by_service["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert by_service["endpoints"][0]["port"] in [port["name"] for port in service["spec"]["ports"]]
    assert by_pod["selector"]["matchLabels"].items() <= worker["metadata"]["labels"].items()
    assert by_pod["podMetricsEndpoints"][0]["port"] in [
        port["name"] for port in worker["spec"]["initContainers"][0]["ports"]
    ]


def test_the_admin_port_is_offered_to_nobody() -> None:
    assert str(PORTS["admin"]) not in "".join(path.read_text() for path in MANIFESTS)


def test_the_manifests_name_this_version() -> None:
    tags = [
        image["newTag"]
        for folder in ("gateway", "sidecar")
        for image in load(KUBERNETES / folder / "kustomization.yaml")["images"]
    ]
    assert {*tags, *(ours["image"].rpartition(":")[2] for ours in OURS)} == {__version__}
