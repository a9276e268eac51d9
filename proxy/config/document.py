"""A file becomes a tree: YAML without its traps, with every problem at its line and column.

The parser's events are read, not its finished values: so a duplicate key is seen, a word that YAML's versions read
differently is refused, nesting is bounded before it costs anything, and aliases share what they name instead of copying
it.
"""

import re
from collections.abc import Callable
from typing import Any, Final

import yaml

from proxy.config.positions import Entry, Node, Place
from proxy.config.scalars import AmbiguousError, read

DEEPEST: Final = 32
"""Levels of nesting; the deepest setting stands at ten or so."""
LARGEST: Final = 500_000
"""Values in a file, aliases written out."""

Note = Callable[[Place, str], None]
"""Takes down a problem."""

_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_TEXT: Final = "tag:yaml.org,2002:str"


class UnreadableError(Exception):
    """The rest of the text cannot be made sense of; the problem has been noted."""


def parse(text: str, note: Note) -> Node:
    """Return the document's tree; note what is wrong with it and can be read past.

    Raises:
        UnreadableError: it cannot be read to its end.
    """
    if control := _CONTROL.search(text):
        line = text.count("\n", 0, control.start()) + 1
        column = control.start() - text.rfind("\n", 0, control.start())
        note(Place(line, column), f"the control character U+{ord(control[0]):04X} stands here; remove it")
        raise UnreadableError
    try:
        return _Document(text, note).root()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
        note(place, _syntax(error, text.split("\n"), place))
    except yaml.YAMLError as error:
        note(Place(1, 1), f"this is not YAML: {error}")
    raise UnreadableError


def _syntax(error: yaml.MarkedYAMLError, lines: list[str], place: Place) -> str:
    said = ", ".join(part for part in (error.context, error.problem) if part)
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    if "\t" in line[: place.column]:
        return f"this is not YAML: {said}; a tab cannot indent, use spaces"
    if "${" in line or "{{" in line:
        return f"this is not YAML: {said}; put quotes around a text that holds braces"
    return f"this is not YAML: {said}"


class _Document:
    """One pass over the parser's events."""

    def __init__(self, text: str, note: Note) -> None:
        self._events = yaml.parse(text, Loader=yaml.CSafeLoader)
        self._note = note
        self._anchors: dict[str, Node] = {}

    def root(self) -> Node:
        self._next()
        if isinstance(self._next(), yaml.StreamEndEvent):
            self._note(Place(1, 1), "the file is empty; a route, its credential and its callers are the least it holds")
            raise UnreadableError
        root = self._node(self._next(), 1)
        self._next()
        if not isinstance(event := self._next(), yaml.StreamEndEvent):
            self._note(_place(event), "a second document begins here; one file holds one configuration")
        return root

    def _next(self) -> Any:
        return next(self._events)

    def _node(self, event: Any, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        place = _place(event)
        if isinstance(event, yaml.ScalarEvent):
            node = Node(self._scalar(event), place)
        elif depth > DEEPEST:
            self._note(place, f"nested deeper than {DEEPEST} levels; no setting stands that deep")
            raise UnreadableError
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(place, depth)
        else:
            node = self._mapping(place, depth)
        self._refuse_tag(event, place)
        self._refuse_size(node)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: Any) -> Node:
        if event.anchor in self._anchors:
            return self._anchors[event.anchor]
        self._note(_place(event), f"*{event.anchor} names nothing that stands before it; write &{event.anchor} there")
        return Node(None, _place(event))

    def _sequence(self, place: Place, depth: int) -> Node:
        items: list[Node] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return _grown(tuple(items), items, place)

    def _mapping(self, place: Place, depth: int) -> Node:
        entries: dict[str, Entry] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event, depth)
            entry = Entry(_place(event), self._node(self._next(), depth + 1))
            if key is None:
                continue
            if key in entries:
                first = entries[key].place.line
                self._note(entry.place, f"the key {key!r} stands twice, first on line {first}; keep one")
                continue
            entries[key] = entry
        return _grown(entries, [entry.node for entry in entries.values()], place)

    def _key(self, event: Any, depth: int) -> str | None:
        """Return the key as it is written, or None when it cannot be one."""
        if not isinstance(event, yaml.ScalarEvent):
            self._node(event, depth + 1)
            self._note(_place(event), "a key is a plain word; put quotes around a text that begins with {, [ or *")
            return None
        if event.value == "<<" and event.implicit[0]:
            self._note(
                _place(event), "merge keys are not supported; write the keys out, or use an alias for a whole value"
            )
            return None
        self._scalar(event)
        return str(event.value)

    def _scalar(self, event: Any) -> Any:
        if not event.implicit[0]:
            return event.value
        try:
            return read(event.value)
        except AmbiguousError as error:
            self._note(_place(event), str(error))
            return event.value

    def _refuse_tag(self, event: Any, place: Place) -> None:
        if event.tag not in (None, "!", _TEXT):
            self._note(place, "tags have no meaning here; remove the word that begins with !")

    def _refuse_size(self, node: Node) -> None:
        """Aliases of aliases grow without growing the file; stop before anybody writes them out."""
        if node.height > DEEPEST or node.size > LARGEST:
            self._note(node.place, f"aliases make this deeper than {DEEPEST} levels or larger than {LARGEST} values")
            raise UnreadableError


def _grown(value: Any, children: list[Node], place: Place) -> Node:
    return Node(
        value,
        place,
        height=1 + max((child.height for child in children), default=0),
        size=1 + sum(child.size for child in children),
    )


def _place(event: Any) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)
