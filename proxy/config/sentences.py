"""What pydantic found, said so that an operator knows what to type."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, Final

from pydantic_core import ErrorDetails

from proxy.config.known import keys_at
from proxy.config.schema import KEY_HASH, NAME

_TYPES: Final = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list, such as [a, b]",
    "tuple_type": "a list, such as [a, b]",
    "set_type": "a list, such as [a, b]",
    "frozen_set_type": "a list, such as [a, b]",
    "dict_type": "a mapping of keys to values",
    "mapping_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "path_type": "a path",
}
_BOUNDS: Final = {
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "string_too_short": "must not be shorter than {min_length} characters",
    "string_too_long": "must not be longer than {max_length} characters",
    "too_short": "needs at least {min_length} of them",
    "too_long": "takes at most {max_length} of them",
    "string_unicode": "must be UTF-8 text",
    "finite_number": "must be a finite number",
    "none_required": "must be left out",
}
_PATTERNS: Final = {
    NAME: "be made of a-z, 0-9, _ and -, and begin with a letter or digit",
    KEY_HASH: "be sha256: and 64 hexadecimal digits, as `countersign hash-key` prints it",
}
_VALUELESS: Final = frozenset(
    (*_TYPES, *_BOUNDS, "missing", "extra_forbidden", "union_tag_not_found", "string_pattern_mismatch", "literal_error")
)
MOST_LISTED: Final = 20
"""Names that are listed in one sentence."""
SILENT: Final = frozenset({"is_instance_of"})
"""What only code could mend."""


def holds_no_value(error: ErrorDetails) -> bool:
    """Return True when the error's sentence is made of words of the schema alone."""
    return error["type"] in _VALUELESS


def sentence(error: ErrorDetails) -> str:
    """Return what is wrong and what to type instead."""
    kind, context, way = error["type"], error.get("ctx", {}), error["loc"]
    if kind == "missing":
        return _missing(way)
    if kind == "extra_forbidden":
        return _unknown_key(way)
    if kind == "union_tag_not_found":
        return f"the key {_unquoted(context['discriminator'])!r} is missing; it says which kind this is"
    if kind == "union_tag_invalid":
        return _unknown_kind(error, context)
    if kind == "string_pattern_mismatch":
        return _pattern(way, context["pattern"])
    if kind == "literal_error":
        return f"must be {context['expected']}"
    if kind in _BOUNDS:
        return _BOUNDS[kind].format(**context)
    return error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")


def type_sentence(kinds: Sequence[str]) -> str | None:
    """Return what the value must be when it is of none of the types that may stand there; None: these are not types."""
    wanted = dict.fromkeys(_TYPES[kind] for kind in kinds if kind in _TYPES)
    if not all(kind in _TYPES for kind in kinds):
        return None
    remedy = "; put it in quotes" if list(wanted) == ["a text"] else ""
    return f"must be {' or '.join(wanted)}{remedy}"


def closest(word: str, known: Sequence[str]) -> str:
    """Return what is known, and which of it was meant."""
    listed = ", ".join(known[:MOST_LISTED]) + (", …" if len(known) > MOST_LISTED else "")
    return f"known: {listed or 'nothing yet'}{_meant(word, known)}"


def _meant(word: str, known: Sequence[str]) -> str:
    close = get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _missing(way: Sequence[str | int]) -> str:
    key = way[-1]
    description = str(keys_at(way[:-1]).get(str(key), {}).get("description", "")).partition("\n")[0]
    meaning = f": {description.partition('. ')[0].rstrip('.')}" if description else ""
    return f"the key {key!r} is missing{meaning}"


def _unknown_key(way: Sequence[str | int]) -> str:
    return f"unknown key {way[-1]!r}; {closest(str(way[-1]), list(keys_at(way[:-1])))}"


def _unknown_kind(error: ErrorDetails, context: Any) -> str:
    known = [_unquoted(tag) for tag in context["expected_tags"].split(", ")]
    tag = error["input"].get(_unquoted(context["discriminator"]))
    words = [step for step in error["loc"] if isinstance(step, str)]
    family = words[0] if len(words) == len(error["loc"]) == 2 else words[-1]
    return f"unknown kind {tag!r}; {family} knows: {', '.join(known)}{_meant(str(tag), known)}"


def _pattern(way: Sequence[str | int], pattern: str) -> str:
    subject = "a name" if way[-1] == "[key]" else "this"
    return f"{subject} must {_PATTERNS.get(pattern, f'match {pattern}')}"


def _unquoted(word: str) -> str:
    return word.removeprefix("'").removesuffix("'")
