"""A text with places in it, `{{ NAME }}` or `%%NAME%%`, that are filled in when it is used.

Between braces there may be more than a name: `{{ USER + ":" + PASSWORD | base64 }}` (see `proxy.core.expression`). The
values of variables are never read as templates themselves, so a secret that happens to contain `{{` goes into one.
"""

import re
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Final, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from proxy.core import expression
from proxy.core.expression import Expression, UndefinedVariableError, Variables
from proxy.core.moment import Moment

__all__ = ["JsonTemplate", "Template", "UndefinedVariableError"]

_PLACE: Final = re.compile(r"\{\{(?!\{)|%%([A-Za-z_][A-Za-z0-9_]*)%%")
"""Where a place begins; the last two of several braces do."""


class Template:
    """A text that was taken apart once. Its literal parts may be secret, so it prints only the names."""

    __slots__ = ("_parts", "names", "needs_moment", "source")

    def __init__(self, text: str) -> None:
        self.names: frozenset[str] = frozenset()
        """The variables that it needs."""
        self._parts: tuple[str | Expression, ...] = _parts(text)
        places = [part for part in self._parts if isinstance(part, Expression)]
        self.names = frozenset(name for place in places for name in place.names)
        self.needs_moment = any(place.needs_moment for place in places)
        """True when it says the time or a random number: it renders differently each time."""
        self.source = "".join(part if isinstance(part, str) else part.source for part in self._parts)
        """The text in its one canonical spelling. May be secret."""

    @classmethod
    def literal(cls, text: str) -> Self:
        """Return a template of that very text, without places, whatever stands in it."""
        template = cls("")
        template._parts, template.source = (text,), text
        return template

    def render(self, variables: Variables, moment: Moment | None = None, *, encode: Callable[[str], str] = str) -> str:
        """Return the text with its places filled in.

        `moment` is what `now`, `uuid` and `timestamp` are taken of. `encode` is applied to what goes into each place,
        after its filters.

        Raises:
            UndefinedVariableError: a variable has no value; or there is no moment, and one is needed.
            UnicodeEncodeError: a value holds what UTF-8 cannot write, and a filter needs its bytes.
        """
        return "".join(part if isinstance(part, str) else encode(part.value(variables, moment)) for part in self._parts)

    def filled_with(self, stand_in: str) -> str:
        """Return the text with the same in every place, to see what it is like; nothing is computed."""
        return "".join(part if isinstance(part, str) else stand_in for part in self._parts)

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

    __slots__ = ("_value", "names", "needs_moment")

    def __init__(self, value: Any) -> None:
        self.names: frozenset[str] = frozenset()
        """The variables that it needs."""
        templates: list[Template] = []
        self._value = _compile(value, templates)
        self.names = frozenset(name for template in templates for name in template.names)
        self.needs_moment = any(template.needs_moment for template in templates)
        """As of `Template`."""

    @property
    def source(self) -> Any:
        """The value with its texts in their one canonical spelling. May be secret."""
        return _each(self._value, lambda template: template.source)

    def render(self, variables: Variables, moment: Moment | None = None) -> Any:
        """Return the value with the places of its texts filled in.

        Raises:
            UndefinedVariableError: as of `Template.render`.
            UnicodeEncodeError: as of `Template.render`.
        """
        return _each(self._value, lambda template: template.render(variables, moment))

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


def _compile(value: Any, templates: list[Template]) -> Any:
    if isinstance(value, str):
        templates.append(Template(value))
        return templates[-1]
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ValueError("the keys of a JSON object are texts; put the key in quotes")
        return {key: _compile(child, templates) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_compile(child, templates) for child in value]
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and isfinite(value)):
        return value
    raise ValueError("JSON knows texts, numbers, true, false, null, lists and objects; put anything else in quotes")


def _each(value: Any, change: Callable[[Template], str]) -> Any:
    """Return the value with its templates changed into texts."""
    if isinstance(value, Template):
        return change(value)
    if isinstance(value, dict):
        return {key: _each(child, change) for key, child in value.items()}
    if isinstance(value, list):
        return [_each(child, change) for child in value]
    return value


def _parts(text: str) -> tuple[str | Expression, ...]:
    parts: list[str | Expression] = []
    at = 0
    while found := _PLACE.search(text, at):
        parts.append(text[at : found.start()])
        if found[1]:
            place, at = expression.read(f"{found[1]}}}}}", 0)[0], found.end()
        else:
            place, at = expression.read(text, found.end())
        parts.append(place)
    parts.append(text[at:])
    if any("{{" in part for part in parts if isinstance(part, str)):
        raise ValueError(expression.REMEDY)
    return tuple(parts)
