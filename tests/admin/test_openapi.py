import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from proxy.admin.openapi import describe
from proxy.admin.operation import BASE, Operation
from proxy.admin.operations import OPERATIONS
from tests.admin.conftest import Operator, Process, billing
from tests.fakes.token_room import transient
from tests.fakes.token_server import TokenServer

DESCRIPTION = describe(OPERATIONS)
BODIES = {
    "setBreaker": {"state": "open"},
    "putUser": {"email": "ann@mail.example"},
    "putUserTokens": {"auth_tokens": {"crm": "planted"}},
    "putUserToken": {"value": "planted"},
}


def described() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DESCRIPTION["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": DESCRIPTION["components"]})


def test_it_describes_every_operation_and_nothing_else() -> None:
    assert {(method, path, operation["operationId"]) for method, path, operation in described()} == {
        (operation.method, BASE + operation.path, operation.name) for operation in OPERATIONS
    }


def test_every_schema_is_one_and_every_reference_leads_somewhere() -> None:
    schemas = DESCRIPTION["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    references = set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(DESCRIPTION)))
    assert references == {f"#/components/schemas/{name}" for name in schemas}


def test_every_parameter_of_a_path_is_described() -> None:
    for _, path, operation in described():
        places = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
        assert places == set(re.findall(r"{(\w+)}", path))


def test_the_filters_of_events_are_those_of_the_contract() -> None:
    operation = DESCRIPTION["paths"][f"{BASE}/events"]["get"]
    assert [parameter["name"] for parameter in operation["parameters"]] == [
        "route",
        "credential",
        "user",
        "level",
        "since",
        "limit",
        "cursor",
    ]
    assert all(parameter["description"] for parameter in operation["parameters"])


def test_every_operation_needs_a_key() -> None:
    assert DESCRIPTION["security"] == [{"adminKey": []}]
    assert not any("security" in operation for _, _, operation in described())


def test_every_field_that_is_shown_is_required() -> None:
    for name, schema in DESCRIPTION["components"]["schemas"].items():
        if name.endswith("View"):
            assert set(schema["required"]) == set(schema["properties"]), name


@pytest.mark.parametrize(
    "operation",
    [operation for operation in OPERATIONS if operation.name != "startLogin"],  # it needs a provider
    ids=lambda operation: operation.name,
)
async def test_every_answer_is_as_described(operator: Operator, process: Process, operation: Operation) -> None:
    async with TokenServer(process.clock) as server:
        settings = {**process.sources.settings, "billing": billing(server.url)}
        process.sources = replace(process.sources, settings=settings)
        await check_answers(operator, process, operation)


async def check_answers(operator: Operator, process: Process, operation: Operation) -> None:
    await process.room.source.obtain()
    process.room.credential.fail(transient())
    await operator.post(f"{BASE}/credentials/billing/refresh")
    path = BASE + operation.path
    body = BODIES.get(operation.name)
    called = path.replace("{name}", "billing").replace("{id}", "ann").replace("{credential}", "crm")
    if operation.name == "getUser":
        await operator.ask("PUT", called, body=BODIES["putUser"])
    answers = DESCRIPTION["paths"][path][operation.method.lower()]["responses"]
    good = await operator.ask(operation.method, called, body=body)
    assert good.status == 200
    validator(answers["200"]["content"]["application/json"]["schema"]).validate(good.json)
    bad = await operator.ask(operation.method, f"{called}/x" if called.endswith("/ann") else f"{called}x", body=body)
    assert bad.status == 404
    validator(answers["default"]["content"]["application/problem+json"]["schema"]).validate(bad.json)


async def test_it_is_served(operator: Operator) -> None:
    assert (await operator.get(f"{BASE}/openapi.json")).json == DESCRIPTION
