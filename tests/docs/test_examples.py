"""Every configuration in the documentation is one that Countersign takes."""

import json
import textwrap
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from proxy.config.load import examine
from tests.docs.markdown import PAGES, ROOT, Fence, all_fences

FRAGMENT: Final = "fragment "
OTHERS: Final = {"kubernetes", "prometheus"}
"""What else is written in YAML."""
YAML: Final = all_fences("yaml")
CONFIGURATIONS: Final = [fence for fence in YAML if not fence.about]
FRAGMENTS: Final = [fence for fence in YAML if fence.about.startswith(FRAGMENT)]
HOLE: Final = "a-hole-to-fill"


def base() -> dict[str, Any]:
    """Return a configuration for fragments to be put into: a route `api`, and its credential `api`."""
    return {
        "callers": {"here": {"kind": "anonymous"}},
        "credentials": {
            "api": {
                "kind": "http_request",
                "request": {"url": "https://auth.example.com/token"},
                "token": {"from": "json", "path": "$.access_token"},
            },
            "session": {"kind": "text", "value": "a-session"},
            "app-key": {"kind": "text", "value": "a-key", "inject": [{"kind": "header", "name": "X-App"}]},
        },
        "routes": {"api": {"upstream": "https://api.example.com", "credential": "api", "callers": ["here"]}},
    }


def embedded(text: str, place: str) -> str:
    """Return the base configuration with the fragment's very text at that place, instead of what it replaces."""
    whole = base()
    around: Any = whole
    for step in filter(None, place.split(".")):
        around = around[step]
    for key in yaml.safe_load(text):
        around.pop(key, None)
        if key == "credentials" and place:
            del around["credential"]
    around[HOLE] = None
    lines = yaml.safe_dump(whole, sort_keys=False).splitlines()
    [hole] = [line for line in lines if line.strip() == f"{HOLE}: null"]
    indent = hole[: len(hole) - len(hole.lstrip())]
    return "\n".join(textwrap.indent(text, indent) if line == hole else line for line in lines)


def problems(text: str, directory: Path) -> list[str]:
    """Return what Countersign says against the configuration. That its secrets are not here does not count."""
    path = directory / "countersign.yaml"
    path.write_text(text)
    return [problem.message for problem in examine(path, {}, resolve=False).problems if not problem.warning]


@pytest.mark.parametrize("fence", CONFIGURATIONS, ids=str)
def test_a_configuration_in_the_documentation_is_sound(fence: Fence, tmp_path: Path) -> None:
    assert problems(fence.text, tmp_path) == []


@pytest.mark.parametrize("fence", FRAGMENTS, ids=str)
def test_a_part_of_a_configuration_is_sound_where_it_belongs(fence: Fence, tmp_path: Path) -> None:
    place = fence.about.removeprefix(FRAGMENT).strip(".")
    assert problems(embedded(fence.text, place), tmp_path) == []


def test_a_wrong_part_would_be_noticed(tmp_path: Path) -> None:
    assert problems(embedded("brakers: {failures: 5}", "routes.api"), tmp_path) != []
    assert problems(embedded("rejected_when: [{status: no}]", "credentials.api"), tmp_path) != []


def test_every_block_of_yaml_says_what_it_is() -> None:
    left = [str(fence) for fence in YAML if fence not in CONFIGURATIONS + FRAGMENTS and fence.about not in OTHERS]
    assert left == []


@pytest.mark.parametrize("fence", [fence for fence in YAML if fence.about in OTHERS], ids=str)
def test_other_yaml_is_yaml(fence: Fence) -> None:
    assert isinstance(yaml.safe_load(fence.text), dict)


@pytest.mark.parametrize("fence", all_fences("json"), ids=str)
def test_json_is_json(fence: Fence) -> None:
    assert json.loads(fence.text) is not None


@pytest.mark.parametrize("fence", all_fences("python"), ids=str)
def test_python_is_python(fence: Fence) -> None:
    assert compile(fence.text, str(fence), "exec").co_code


def test_every_example_has_its_line_in_the_documentation() -> None:
    examples = [*(ROOT / "config").glob("*.yaml"), *(ROOT / "config").glob("examples/*.yaml")]
    assert examples
    told = "\n".join(page.read_text() for page in PAGES)
    assert [path.name for path in examples if path.relative_to(ROOT).as_posix() not in told] == []
