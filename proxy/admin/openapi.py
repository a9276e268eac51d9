"""The admin API's description (OpenAPI 3.1), made from the operations and the records that they show."""

from collections.abc import Iterable
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from proxy import __version__
from proxy.admin.operation import BASE, Operation, Parameters

_PROBLEM: Final = {
    "type": "object",
    "description": "RFC 9457. `type` ends in the error's code; `detail` says what to do.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}
_REFUSAL: Final = {
    "description": "Why not, and what to do about it",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def describe(operations: Iterable[Operation]) -> dict[str, Any]:
    """Return the description of these operations."""
    operations = tuple(operations)
    records = {operation.shows for operation in operations}
    orders = {operation.takes for operation in operations if operation.is_order and operation.takes is not Parameters}
    _, schemas = models_json_schema(
        [
            *((record, "serialization") for record in sorted(records, key=str)),
            *((order, "validation") for order in sorted(orders, key=str)),
        ],
        ref_template="#/components/schemas/{model}",
    )
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(BASE + operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Countersign admin API", "version": __version__},
        "security": [{"adminKey": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"adminKey": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Problem": _PROBLEM, **schemas["$defs"]},
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    description: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": list(_parameters(operation)),
        "responses": {
            "200": {
                "description": operation.summary,
                "content": {"application/json": {"schema": _reference(operation.shows.__name__)}},
            },
            "default": _REFUSAL,
        },
    }
    if operation.is_order and operation.takes is not Parameters:
        description["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _reference(operation.takes.__name__)}},
        }
    return description


def _parameters(operation: Operation) -> Iterable[dict[str, Any]]:
    for name in operation.names:
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    if not operation.is_order:
        for name, schema in operation.takes.model_json_schema().get("properties", {}).items():
            described = {key: value for key, value in schema.items() if key != "title"}
            yield {"name": name, "in": "query", "description": described.pop("description"), "schema": described}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
