import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from proxy.config.document import parse
from proxy.config.json_schema import editor_schema
from proxy.config.positions import plain
from tests.config.conftest import GOOD

SCHEMA = editor_schema()
COMMITTED = Path(__file__).parents[2] / "config" / "countersign.schema.json"
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


def data(text: str) -> Any:
    return plain(parse(text, lambda *_: None), {})


def schemas(node: Any, path: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Walk every schema in the schema."""
    if isinstance(node, dict):
        yield path, node
        for key, child in node.items():
            yield from schemas(child, f"{path}/{key}")
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from schemas(child, f"{path}/{index}")


def test_the_committed_schema_is_the_one_that_the_code_makes() -> None:
    assert json.loads(COMMITTED.read_text()) == SCHEMA, "run make docs"


def test_it_is_a_schema_of_draft_7_with_nothing_that_draft_does_not_know() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    words = {word for _, schema in schemas(SCHEMA) for word in schema}
    assert not words & {"prefixItems", "$defs", "unevaluatedProperties", "dependentRequired", "discriminator"}


def test_every_reference_leads_somewhere() -> None:
    for path, schema in schemas(SCHEMA):
        if "$ref" in schema:
            assert schema["$ref"].removeprefix("#/definitions/") in SCHEMA["definitions"], path
            assert schema.keys() == {"$ref"}, "draft 7 ignores what stands beside a reference"


def test_every_setting_is_described() -> None:
    for path, schema in schemas(SCHEMA):
        for name, setting in schema.get("properties", {}).items():
            there = SCHEMA["definitions"][setting["$ref"].rpartition("/")[2]] if "$ref" in setting else setting
            assert there.get("description"), f"{path}/{name}"


def test_a_default_is_spelled_as_the_setting_is() -> None:
    for path, schema in schemas(SCHEMA):
        if "default" in schema and "anyOf" in schema:
            jsonschema.Draft7Validator({**SCHEMA, "anyOf": schema["anyOf"], "type": []}).is_valid(schema["default"])
            assert any(_accepts(option, schema["default"]) for option in schema["anyOf"]), path
    timeouts = SCHEMA["definitions"]["TimeoutSettings"]["properties"]
    assert (timeouts["connect"]["default"], timeouts["idle"]["default"]) == ("5s", "5m")


def _accepts(schema: dict[str, Any], value: object) -> bool:
    resolved = {**schema, "definitions": SCHEMA["definitions"]}
    return jsonschema.Draft7Validator(resolved).is_valid(value)


def test_a_good_configuration_is_valid() -> None:
    assert list(VALIDATOR.iter_errors(data(GOOD))) == []


@pytest.mark.parametrize("number", range(len(GOOD.splitlines())))
def test_a_reference_may_stand_wherever_a_single_value_stands(number: int) -> None:
    """But for the words that say which kind a record is: an editor completes the rest of the record by them."""
    lines = GOOD.splitlines()
    line = re.sub(r"(?<!kind)(?<!from): (\"[^\"]*\"|[^\s{}\[\],\"$][^\s{}\[\],]*)", ': "${env:NAME}"', lines[number])
    assert list(VALIDATOR.iter_errors(data("\n".join([*lines[:number], line, *lines[number + 1 :]])))) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("upstream:", "upstrem:"),
        ("kind: text", "kind: txt"),
        ("    kind: text\n", ""),
        ("failures: 5", "failures: five"),
        ("30s", "30"),
        ("256KiB", "256KB"),
        ("type: seconds", "type: weeks"),
        ("callers: [backend]", "callers: []"),
        ("  stripe:\n    match", "  Stripe:\n    match"),
        ("listen:", "lissen:"),
        ("127.0.0.1:0", "localhost"),
    ],
)
def test_an_editor_sees_what_countersign_would_refuse(old: str, new: str) -> None:
    assert old in GOOD
    assert not VALIDATOR.is_valid(data(GOOD.replace(old, new, 1)))
