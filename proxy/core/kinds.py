"""A family's table: the word in the YAML on the left, the class that it makes on the right."""

from collections.abc import Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar

from pydantic import GetCoreSchemaHandler, SerializationInfo
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
    """

    def __init__(self, table: Table[Any], *, told_apart_by: str = "kind") -> None:
        self.table = table
        self.told_apart_by = told_apart_by

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Choose the record by its discriminator; a family of one kind is asked for it too."""
        return core_schema.tagged_union_schema(
            {kind: handler.generate_schema(made.Settings) for kind, made in self.table.items()},
            discriminator=self.told_apart_by,
            serialization=core_schema.plain_serializer_function_ser_schema(_dump, info_arg=True),
        )


def _dump(settings: Settings, info: SerializationInfo) -> Any:
    """Write a record by its own class: pydantic would look for the discriminator's alias, which no attribute has."""
    return settings.model_dump(mode=info.mode, by_alias=info.by_alias)
