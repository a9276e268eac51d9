"""Where things stand in a configuration file: the tree that was read, every part with its line and column."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

Scalar = str | int | float | bool | None
Loc = tuple[str | int, ...]
"""Which part of the tree: keys and list indices from the root down."""

TAGS: Final = ("kind", "from")
"""Keys whose value says of which kind a record is."""


class Place(NamedTuple):
    """A spot in the file; line and column count from 1."""

    line: int
    column: int


class Node(NamedTuple):
    """One value of the file."""

    value: "Scalar | tuple[Node, ...] | Mapping[str, Entry]"
    place: Place
    height: int = 1
    """How many levels stand in it, its own included."""
    size: int = 1
    """How many values stand in it, its own included, aliases written out."""


class Entry(NamedTuple):
    """A key of a mapping, and its value."""

    place: Place
    node: Node


def plain(node: Node, instead: Mapping[Loc, Any], loc: Loc = ()) -> Any:
    """Return the tree as dicts and lists, with the values of `instead` in their places."""
    if loc in instead:
        return instead[loc]
    if isinstance(node.value, Mapping):
        return {key: plain(entry.node, instead, (*loc, key)) for key, entry in node.value.items()}
    if isinstance(node.value, tuple):
        return [plain(item, instead, (*loc, index)) for index, item in enumerate(node.value)]
    return node.value


def place_of(root: Node, loc: Loc, *, key: bool = False) -> Place:
    """Return where a reader looks for a part of the tree: a single value at its first letter, the rest at its key.

    With `key`, always at the key.
    """
    node, place = root, root.place
    for step in loc:
        entry = _child(node, step)
        if entry is None:
            break
        node, place = entry.node, entry.place
    return place if key or isinstance(node.value, Mapping | tuple) else node.place


def loc_of(data: Any, way: Sequence[str | int]) -> Loc:
    """Follow the way that pydantic names down dicts and lists, as far as it exists.

    The way also holds words that stand nowhere in the file: the kind of a record, a key that is missing. They are
    skipped, so a missing key is found at the mapping that lacks it.
    """
    loc: list[str | int] = []
    untagged = True
    for step in way:
        if isinstance(data, dict) and untagged and any(data.get(tag) == step for tag in TAGS):
            untagged = False
        elif has(data, step):
            data, untagged = data[step], True
            loc.append(step)
    return tuple(loc)


def has(data: Any, step: str | int) -> bool:
    """Return True when that key or index stands in the dict or list."""
    if isinstance(data, list):
        return isinstance(step, int) and step < len(data)
    return isinstance(data, dict) and step in data


def values(node: Node, loc: Loc = ()) -> Iterator[tuple[Loc, Node]]:
    """Walk the single values of the tree."""
    if isinstance(node.value, Mapping):
        for key, entry in node.value.items():
            yield from values(entry.node, (*loc, key))
    elif isinstance(node.value, tuple):
        for index, item in enumerate(node.value):
            yield from values(item, (*loc, index))
    else:
        yield loc, node


def _child(node: Node, step: str | int) -> Entry | None:
    if isinstance(node.value, Mapping):
        return node.value.get(step) if isinstance(step, str) else None
    if isinstance(node.value, tuple) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return Entry(item.place, item)
    return None


def spelled(loc: Loc) -> str:
    """Return the way as people write it: `routes.billing.callers[0]`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc)
    return text.removeprefix(".")
