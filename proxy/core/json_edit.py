"""Puts one text into a JSON document and leaves every other byte of it as it was: numbers, order, duplicates, spaces.

A copy of the key that is there already is given the new value wherever it stands, for parsers differ in which of
several they believe.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, NoReturn

Mode = Literal["replace", "append", "keep"]

_SPACE: Final = " \t\n\r"
_DECODER: Final = json.JSONDecoder(parse_int=str, parse_float=str)


class UnreadableError(ValueError):
    """The document is no JSON that can be edited; says why."""


class _Member(NamedTuple):
    key: str
    begins: int
    ends: int


class _Change(NamedTuple):
    begins: int
    ends: int
    text: str


def put(document: str, path: tuple[str, ...], value: str, mode: Mode) -> str:
    """Return the document with the text at that path of keys; objects that are missing on the way are made.

    `append` adds it to the list that stands there; `keep` leaves a value that stands there.

    Raises:
        UnreadableError: it is not JSON, or what stands on the way is no object, or no list to append to.
    """
    try:
        json.loads(document, parse_constant=_no_constant, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        raise UnreadableError("it is not JSON (RFC 8259)") from None
    changes = list(_Editor(document, json.dumps(value), mode).changes(_skip(document, 0), path))
    for begins, ends, text in reversed(changes):
        document = document[:begins] + text + document[ends:]
    return document


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


@dataclass(frozen=True)
class _Editor:
    """Finds where a sound document changes."""

    document: str = field(repr=False)
    value: str = field(repr=False)
    """As JSON."""
    mode: Mode

    def changes(self, at: int, path: tuple[str, ...], way: str = "$") -> Iterator[_Change]:
        """Yield what changes in the object that begins there, in order."""
        if self.document[at] != "{":
            raise UnreadableError(f"what stands at {way} is no object")
        members = list(self._members(at))
        key, rest = path[0], path[1:]
        copies = [member for member in members if member.key == key]
        for copy in copies:
            if rest:
                yield from self.changes(copy.begins, rest, f"{way}.{key}")
            elif self.mode == "append":
                yield self._appended(copy, f"{way}.{key}")
            elif self.mode == "replace":
                yield _Change(copy.begins, copy.ends, self.value)
        if not copies:
            end = members[-1].ends if members else at + 1
            yield _Change(end, end, ("," if members else "") + f"{json.dumps(key)}:{self._nested(rest)}")

    def _appended(self, copy: _Member, way: str) -> _Change:
        if self.document[copy.begins] != "[":
            raise UnreadableError(f"what stands at {way} is no list to append to")
        end = copy.ends - 1
        is_empty = not self.document[copy.begins + 1 : end].strip(_SPACE)
        return _Change(end, end, self.value if is_empty else f",{self.value}")

    def _nested(self, path: tuple[str, ...]) -> str:
        text = f"[{self.value}]" if self.mode == "append" else self.value
        for key in reversed(path):
            text = f"{{{json.dumps(key)}:{text}}}"
        return text

    def _members(self, at: int) -> Iterator[_Member]:
        """Yield the members of the object that begins there."""
        document = self.document
        at = _skip(document, at + 1)
        while document[at] == '"':
            key, at = _DECODER.raw_decode(document, at)
            begins = _skip(document, _skip(document, at) + 1)
            _, ends = _DECODER.raw_decode(document, begins)
            yield _Member(key, begins, ends)
            at = _skip(document, ends)
            if document[at] == ",":
                at = _skip(document, at + 1)


def _skip(document: str, at: int) -> int:
    while document[at] in _SPACE:
        at += 1
    return at
