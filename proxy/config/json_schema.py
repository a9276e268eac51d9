"""The JSON Schema that editors complete and check configuration files with.

It differs from what pydantic makes in what editors need: draft 7, which is what the YAML language server reads;
defaults spelled as an operator would write them; and `${env:NAME}` allowed wherever a number, a switch or a text of a
certain form stands.
"""

from typing import Any, Final

from pydantic import TypeAdapter

from proxy.config.known import raw_schema
from proxy.config.references import PATTERN
from proxy.core.settings import Duration, Size, spell_duration, spell_size

ID: Final = "https://countersign.example/countersign.schema.json"

_REFERENCE: Final = {"type": "string", "pattern": PATTERN}
_DURATION: Final = TypeAdapter(Duration).json_schema()["pattern"]
_SIZE: Final = TypeAdapter(Size).json_schema()["pattern"]
_FORMS: Final = ("pattern", "format", "enum", "minLength", "maxLength")
_ABOUT: Final = ("description", "default", "examples")
_DROPPED: Final = ("title", "discriminator")


def editor_schema() -> dict[str, Any]:
    """Return the schema."""
    raw = raw_schema()
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": ID,
        "title": "Countersign configuration",
        **_node({key: value for key, value in raw.items() if key != "$defs"}),
        "definitions": {_defined(name): _node(schema) for name, schema in sorted(raw["$defs"].items())},
    }


def _node(schema: dict[str, Any]) -> dict[str, Any]:
    """Return one schema as an editor wants it, with everything in it."""
    if ref := schema.get("$ref"):
        there = {"$ref": f"#/definitions/{_defined(ref.rpartition('/')[2])}"}
        # Draft 7 lets a reference stand alone: what is beside it does not count.
        return {"description": schema["description"], "allOf": [there]} if "description" in schema else there
    about: dict[str, Any] = {key: schema[key] for key in ("description", "examples") if key in schema}
    if (default := _default(schema)) is not None:
        about["default"] = default
    inner = {key: _inner(key, value) for key, value in schema.items() if key not in (*_ABOUT, *_DROPPED)}
    if "patternProperties" in inner:
        inner["additionalProperties"] = False
    if tags := [key for key, value in schema.get("properties", {}).items() if "const" in value]:
        inner["required"] = list(dict.fromkeys([*tags, *schema.get("required", ())]))
    is_formed = schema.get("type") == "string" and any(form in schema for form in _FORMS)
    if schema.get("type") in ("integer", "number", "boolean") or is_formed:
        return {**about, "anyOf": [inner, _REFERENCE]}
    return {**about, **inner}


def _inner(key: str, value: Any) -> Any:
    if key in ("properties", "patternProperties"):
        return {name: _node(schema) for name, schema in value.items()}
    if key in ("anyOf", "oneOf"):
        return [_node(schema) for schema in value]
    return _node(value) if key in ("items", "additionalProperties") and isinstance(value, dict) else value


def _default(schema: dict[str, Any]) -> Any:
    """Return the default as an operator writes it; None: there is none worth showing."""
    default = schema.get("default")
    patterns = [option.get("pattern") for option in (schema, *schema.get("anyOf", ()))]
    if isinstance(default, dict | list) or default is None:
        return None
    if _DURATION in patterns:
        return spell_duration(default)
    return spell_size(default) if _SIZE in patterns else default


def _defined(name: str) -> str:
    """Return a definition's name without the package that it shares with all of them."""
    return name.removeprefix("proxy__").replace("__", ".")
