"""A family's table: the word in the YAML on the left, the class that it makes on the right."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Generic, Protocol, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, SerializationInfo, ValidatorFunctionWrapHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from proxy.core.settings import Settings


class Kind(Protocol):
    """What a table holds: a class that names the record it is configured by."""

    Settings: type[Settings]


K = TypeVar("K", bound=type)


class Table(Mapping[str, K], Generic[K]):
    """The kinds of one family, in the order in which they are listed for people."""

    def __init__(self, family: str, kinds: Mapping[str, K]) -> None:
        self.family = family
        self._kinds = dict(kinds)

    def __getitem__(self, kind: str) -> K:
        """Return the class of that kind.

        Raises:
            KeyError: with a message that lists the known kinds.
        """
        if kind not in self._kinds:
            raise KeyError(self.unknown(kind))
        return self._kinds[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)

    def unknown(self, kind: str) -> str:
        """Return the message for a kind that does not exist."""
        return f"unknown kind {kind!r}; {self.family} knows: {', '.join(self._kinds)}"


class OneOf:
    """Says of a settings field that it takes the settings of any kind of a family.

    Written `Annotated[InjectorSettings, OneOf(KINDS)]`: type checkers see the family's base, pydantic the kinds.
    With `or_several`, a list of records may stand there, too, and becomes a tuple of them.
    """

    def __init__(self, table: Table[Any], *, told_apart_by: str = "kind", or_several: bool = False) -> None:
        self.table = table
        self.told_apart_by = told_apart_by
        self.or_several = or_several

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Choose the record by its discriminator; a family of one kind is asked for it too."""
        one = core_schema.tagged_union_schema(
            {kind: handler.generate_schema(made.Settings) for kind, made in self.table.items()},
            discriminator=self.told_apart_by,
            serialization=_AS_IT_WAS,
        )
        if not self.or_several:
            return one
        several = core_schema.tuple_variable_schema(one, strict=False)
        return core_schema.no_info_wrap_validator_function(_one_or_several, several, serialization=_AS_IT_WAS)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe one record, or a list of them and one."""
        described = handler(schema)
        return {"anyOf": [{**described, "minItems": 1}, described["items"]]} if self.or_several else described


def _one_or_several(given: Any, parse: ValidatorFunctionWrapHandler) -> Any:
    """Parse a list as a list, and anything else as the one thing in it."""
    if not isinstance(given, list | tuple):
        return parse([given])[0]
    if not given:  # asked here: pydantic would also complain of a list that is empty because what it held was wrong
        raise ValueError("the list is empty: it needs at least 1 item")
    return parse(given)


def _dump(settings: Any, info: SerializationInfo) -> Any:
    """Write a record by its own class: pydantic would look for the discriminator's alias, which no attribute has."""
    if isinstance(settings, tuple):
        return [_dump(one, info) for one in settings]
    return settings.model_dump(mode=info.mode, by_alias=info.by_alias)


_AS_IT_WAS: Final = core_schema.plain_serializer_function_ser_schema(_dump, info_arg=True)
