"""Sets of status codes as an operator writes them: 401, 4xx, 400-403, or a list of these."""

import re
from typing import Annotated, Any, Final

from pydantic import PlainValidator, WithJsonSchema

_FIRST: Final = 100
_LAST: Final = 599
_CLASS: Final = re.compile(r"([1-5])[xX]{2}")
_RANGE: Final = re.compile(r"([1-5][0-9]{2})-([1-5][0-9]{2})")
_FORMS: Final = "a number from 100 to 599, a class such as 4xx, a range such as 400-403, or a list of these"

StatusText = int | str | tuple[int | str, ...]
"""What stands in the configuration, once it has been found to mean something."""


def statuses_of(given: Any) -> frozenset[int]:
    """Return every status that is meant.

    Raises:
        ValueError: it is none of the forms, or an empty list.
    """
    meant = frozenset[int]().union(*map(_meant, given)) if isinstance(given, list | tuple) else _meant(given)
    if not meant:
        raise ValueError(f"the list of statuses is empty; write {_FORMS}")
    return meant


def _meant(given: Any) -> frozenset[int]:
    if isinstance(given, int) and not isinstance(given, bool) and _FIRST <= given <= _LAST:
        return frozenset({given})
    if isinstance(given, str) and (match := _CLASS.fullmatch(given)):
        return frozenset(range(int(match[1]) * 100, int(match[1]) * 100 + 100))
    if isinstance(given, str) and (match := _RANGE.fullmatch(given)) and match[1] <= match[2]:
        return frozenset(range(int(match[1]), int(match[2]) + 1))
    raise ValueError(f"{given!r} is not a status; write {_FORMS}")


def _checked(given: Any) -> StatusText:
    statuses_of(given)
    return tuple(given) if isinstance(given, list) else given


_ONE: Final[list[dict[str, Any]]] = [
    {"type": "integer", "minimum": _FIRST, "maximum": _LAST},
    {"type": "string", "pattern": f"^({_CLASS.pattern}|{_RANGE.pattern})$"},
]

Statuses = Annotated[
    StatusText,
    PlainValidator(_checked),
    WithJsonSchema(
        {
            "anyOf": [*_ONE, {"type": "array", "items": {"anyOf": _ONE}, "minItems": 1}],
            "examples": [401, [401, 419], "4xx", "400-403"],
        }
    ),
]
"""The settings' type; `statuses_of` says what it means."""
