"""A JSONPath that names places in a document: keys, positions and `[*]`, nothing that searches.

The syntax is jsonpath-ng's. What it parsed is turned into plain steps: a lookup is one pass down the document.
A reply can be hostile, and `..`, filters and unions would let it decide how much work they are.
"""

import warnings
from collections.abc import Iterator
from typing import Any, Final

from jsonpath_ng.exceptions import JSONPathError
from jsonpath_ng.jsonpath import Child, Fields, Index, Root, Wildcard
from jsonpath_ng.parser import parse

_EVERY: Final = object()
_REMEDY: Final = "write it as $.key, $['odd key'], $.list[0].key or $.list[*].key"


class JsonPath:
    """One path, taken apart once. A bare key, `access_token`, means `$.access_token`."""

    __slots__ = ("_steps", "text")

    def __init__(self, text: str) -> None:
        self.text = text if text.startswith("$") else f"$.{text}"
        """The path, always from `$`."""
        try:
            with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # of what is refused below
                self._steps = tuple(_steps(parse(self.text)))
        except (JSONPathError, RecursionError, ValueError):
            raise ValueError(f"{text!r} is not a path to a value; {_REMEDY}") from None

    def find(self, document: Any) -> list[Any]:
        """Return the values that stand there, in order; none when nothing does."""
        found = [document]
        for step in self._steps:
            found = [child for parent in found for child in _children(parent, step)]
        return found

    def __repr__(self) -> str:
        return f"JsonPath({self.text!r})"


def _steps(path: Any) -> Iterator[Any]:
    if isinstance(path, Child):
        yield from _steps(path.left)
        yield from _steps(path.right)
    elif isinstance(path, Fields) and len(path.fields) == 1:
        yield path.fields[0]
    elif isinstance(path, Index) and len(path.indices) == 1:
        yield path.indices[0]
    elif isinstance(path, Wildcard):
        yield _EVERY
    elif not isinstance(path, Root):
        raise ValueError("not a plain path")


def _children(parent: Any, step: Any) -> Iterator[Any]:
    if step is _EVERY:
        yield from parent.values() if isinstance(parent, dict) else parent if isinstance(parent, list) else ()
    elif isinstance(step, str):
        if isinstance(parent, dict) and step in parent:
            yield parent[step]
    elif isinstance(parent, list) and -len(parent) <= step < len(parent):
        yield parent[step]
