"""Where things stand in a configuration file: the tree that was read, every part with its line and column."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Scalar = str | int | float | bool | None
Loc = tuple[str | int, ...]
"""Which part of the tree: keys and list indices from the root down."""

TAGS: Final = ("kind", "from")
"""Keys whose value says of which kind a record is."""


@dataclass(frozen=True, slots=True)
class Place:
    """A spot in the file; line and column count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Node:
    """One value of the file."""

    value: "Scalar | tuple[Node, ...] | Mapping[str, Entry]"
    place: Place
    height: int = 1
    """How many levels stand in it, its own included."""
    size: int = 1
    """How many values stand in it, its own included, aliases written out."""


@dataclass(frozen=True, slots=True)
class Entry:
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


@dataclass(frozen=True, slots=True)
class Spot:
    """A part of the file that somebody has something to say about."""

    loc: Loc
    place: Place
    """Where a reader looks for it: a single value at its first letter, a list or mapping at its key."""
    key: Place
    """Where its key stands."""


def spot_of(root: Node, loc: Loc) -> Spot:
    """Return where a part of the tree stands."""
    node, key = root, root.place
    for step in loc:
        entry = _child(node, step)
        if entry is None:
            break
        node, key = entry.node, entry.place
    return Spot(loc, key if isinstance(node.value, Mapping | tuple) else node.place, key)


def locate(root: Node, data: Any, way: Sequence[str | int]) -> Spot:
    """Follow the way that pydantic names down the tree, as far as it exists.

    pydantic's way also holds words that stand nowhere in the file: the kind of a record, a key that is missing. They
    are skipped, so a missing key is found at the mapping that lacks it.

    Args:
        root: the tree.
        data: the same as dicts and lists, its references resolved.
        way: the way as pydantic gives it.
    """
    node, untagged = root, True
    loc: list[str | int] = []
    for step in way:
        if untagged and isinstance(node.value, Mapping) and any(data.get(tag) == step for tag in TAGS):
            untagged = False
        elif entry := _child(node, step):
            node, data, untagged = entry.node, data[step], True
            loc.append(step)
    return spot_of(root, tuple(loc))


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
