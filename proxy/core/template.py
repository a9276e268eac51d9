"""A text with names in it, `{{ NAME }}` or `%%NAME%%`, that are filled in when it is used.

The values of variables are never read as templates themselves, so a secret that happens to contain `{{` goes into one.
"""

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

_PLACE: Final = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}|%%([A-Za-z_][A-Za-z0-9_]*)%%")


class UndefinedVariableError(LookupError):
    """A template names a variable that has no value."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the variable {name} is not defined")
        self.name = name


class Template:
    """A text that was taken apart once. Its literal parts may be secret, so it prints only the names."""

    __slots__ = ("_parts", "names")

    def __init__(self, text: str) -> None:
        pieces = _PLACE.split(text)  # literal, {{ name }} or None, %%name%% or None, literal, ...
        literals = pieces[::3]
        names = [braces or percents for braces, percents in zip(pieces[1::3], pieces[2::3], strict=True)]
        self.names: frozenset[str] = frozenset(names)
        """The variables that it needs."""
        if any("{{" in literal for literal in literals):
            raise ValueError(
                "`{{` begins a name here: write {{ NAME }}, and put a value that contains `{{` into a variable"
            )
        self._parts = (*zip(literals, [*names, None], strict=True),)

    def render(self, variables: Mapping[str, str]) -> str:
        """Return the text with the variables' values in their places.

        Raises:
            UndefinedVariableError: a variable has no value.
        """
        try:
            return "".join(literal if name is None else literal + variables[name] for literal, name in self._parts)
        except KeyError as error:
            raise UndefinedVariableError(error.args[0]) from None

    def __repr__(self) -> str:
        return f"Template({', '.join(sorted(self.names))})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Parse from a string; print as the names."""
        return core_schema.no_info_after_validator_function(
            cls,
            core_schema.str_schema(strict=True),
            serialization=core_schema.plain_serializer_function_ser_schema(repr),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string"}


class JsonTemplate:
    """A JSON value whose strings are templates; keys, numbers and the rest stand as they are."""

    __slots__ = ("_value", "names")

    def __init__(self, value: Any) -> None:
        names: set[str] = set()
        self._value = _compile(value, names)
        self.names = frozenset(names)
        """The variables that it needs."""

    def render(self, variables: Mapping[str, str]) -> Any:
        """Return the value with the variables' values in their places.

        Raises:
            UndefinedVariableError: a variable has no value.
        """
        return _render(self._value, variables)

    def __repr__(self) -> str:
        return f"JsonTemplate({', '.join(sorted(self.names))})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Parse from what YAML made of it; print as the names."""
        return core_schema.no_info_plain_validator_function(
            cls, serialization=core_schema.plain_serializer_function_ser_schema(repr)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {}


def _compile(value: Any, names: set[str]) -> Any:
    if isinstance(value, str):
        template = Template(value)
        names |= template.names
        return template
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ValueError("the keys of a JSON object are texts; put the key in quotes")
        return {key: _compile(child, names) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_compile(child, names) for child in value]
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and isfinite(value)):
        return value
    raise ValueError("JSON knows texts, numbers, true, false, null, lists and objects; put anything else in quotes")


def _render(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, Template):
        return value.render(variables)
    if isinstance(value, dict):
        return {key: _render(child, variables) for key, child in value.items()}
    if isinstance(value, list):
        return [_render(child, variables) for child in value]
    return value
