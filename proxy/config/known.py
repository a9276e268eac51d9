"""What stands where in the configuration: the schema, followed along the way that pydantic names."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from proxy import callers, credentials, extractors, injectors, stores
from proxy.config.schema import Config
from proxy.core.kinds import Table


@functools.cache
def raw_schema() -> dict[str, Any]:
    """Return the JSON Schema as pydantic makes it."""
    return Config.model_json_schema(by_alias=True, mode="validation")


def keys_at(way: Sequence[str | int]) -> Mapping[str, Any]:
    """Return the keys that a mapping may have, each with its schema; none when any key may stand there."""
    properties = _follow(way).get("properties", {})
    return dict(properties)


def families() -> dict[str, dict[str, Any]]:
    """Return every family's kinds, each with the JSON Schema of its settings."""
    tables: dict[str, Table[Any]] = {
        "callers": callers.KINDS,
        "credentials": credentials.KINDS,
        "stores": stores.KINDS,
        "extractors": extractors.KINDS,
        "injectors": injectors.KINDS,
    }
    return {
        family: {kind: made.Settings.model_json_schema(by_alias=True) for kind, made in table.items()}
        for family, table in tables.items()
    }


def _follow(way: Sequence[str | int]) -> dict[str, Any]:
    schema = _plain(raw_schema())
    for step in way:
        schema = _plain(_step(schema, step))
    return schema


def _step(schema: dict[str, Any], step: str | int) -> dict[str, Any]:
    tags = schema.get("discriminator", {}).get("mapping", {})
    if step in tags:
        return {"$ref": tags[step]}
    if step in schema.get("properties", {}):
        return dict(schema["properties"][step])
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            return dict(schema[key])
    return dict(next(iter(schema.get("patternProperties", {}).values()), {}))


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Resolve references and look through `… | None`."""
    while True:
        if ref := schema.get("$ref"):
            schema = raw_schema()["$defs"][ref.rpartition("/")[2]]
        elif options := [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]:
            schema = options[0]
        else:
            return schema
