"""From the tree to the record: pydantic's verdict, with the places of the file and without the values of references.

Theory. A reference yields a text, but may stand where a number is wanted, and a reference that leads nowhere on this
machine must not hide the other problems. So every such place has a list of values that may stand there: the text and
what it reads as, or stand-ins of several types. They are tried until pydantic has nothing to say about the place. For
messages the tree is validated once more with `***` in place of every reference's value: a message that could show a
value is taken from there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from proxy.config.positions import Loc, Node, Spot, locate, plain
from proxy.config.references import Resolution, Surroundings
from proxy.config.scalars import AmbiguousError, read
from proxy.config.schema import Config
from proxy.config.sentences import SILENT, sentence, type_sentence
from proxy.core.secret import MASK

STAND_INS: Final = (
    "stand-in",
    1,
    False,
    "1s",
    "1KiB",
    "https://stand-in.example",
    "127.0.0.1:0",
    f"sha256:{'0' * 64}",
    "$.stand-in",
)
"""What stands in for a reference that leads nowhere here, until one of them fits."""
HIDDEN: Final = "is not accepted here; a reference brought it, so it is not shown"


_NAMED: Final = ("callers", "credentials", "routes")
_Way = tuple[str | int, ...]
_Masked = Mapping[_Way, ErrorDetails]


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem of one part of the tree."""

    spot: Spot
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a tree."""

    config: Config | None
    """The whole, when nothing is wrong with it."""
    usable: Config
    """What remains when every route, credential, caller and section with a problem is left out."""
    data: Any
    """The tree as dicts and lists, as it was validated."""
    findings: Sequence[Finding] = ()


def validate(root: Node, resolution: Resolution, open_ends: frozenset[Loc], surroundings: Surroundings) -> Verdict:
    """Return the record of the tree, or everything that is wrong with it.

    Args:
        root: the tree.
        resolution: what its references brought.
        open_ends: values that a problem was noted of already: stand-ins take their places.
        surroundings: where the files stand that the configuration names.
    """
    context = {"find": surroundings.find}
    options: dict[Loc, tuple[Any, ...]] = {loc: _readings(value) for loc, value in resolution.values.items()}
    options |= {loc: (value,) for loc, value in resolution.escaped.items()}
    options |= dict.fromkeys(open_ends, STAND_INS)
    chosen = dict.fromkeys(options, 0)
    while True:
        data = plain(root, {loc: options[loc][index] for loc, index in chosen.items()})
        errors = _errors(data, context)
        spots = [locate(root, data, error["loc"]) for error in errors]
        movable = {spot.loc for spot in spots if chosen.get(spot.loc, -1) + 1 < len(options.get(spot.loc, ()))}
        if not movable:
            break
        for loc in movable:
            chosen[loc] += 1
    if not errors:
        config = Config.model_validate(data, context=context)
        return Verdict(config, config, data)
    masked = _errors(plain(root, dict.fromkeys(resolution.values, MASK) | resolution.escaped), context)
    findings = _findings(
        zip(spots, errors, strict=True),
        {error["loc"]: error for error in masked},
        frozenset(resolution.values),
        open_ends,
    )
    return Verdict(None, _usable(data, spots, context), data, findings)


def _errors(data: Any, context: Mapping[str, Any]) -> list[ErrorDetails]:
    try:
        Config.model_validate(data, context=context)
    except ValidationError as error:
        return error.errors(include_url=False)
    return []


def _usable(data: Any, spots: Sequence[Spot], context: Mapping[str, Any]) -> Config:
    kept = dict(data) if isinstance(data, dict) else {}
    for spot in spots:
        section = spot.loc[0] if spot.loc else None
        if section in _NAMED and len(spot.loc) > 1 and section in kept:
            kept[section] = {name: value for name, value in kept[section].items() if name != spot.loc[1]}
        else:
            kept.pop(section, None)
    return Config.model_validate({key: kept[key] for key in kept.keys() & Config.model_fields}, context=context)


def _findings(
    found: Iterator[tuple[Spot, ErrorDetails]], masked: _Masked, referenced: frozenset[Loc], silent: frozenset[Loc]
) -> list[Finding]:
    """Say what was found, once for each place."""
    groups: dict[_Way, tuple[Spot, list[ErrorDetails]]] = {}
    for spot, error in found:
        is_rule = error["type"] == "value_error"
        if spot.loc in silent or (is_rule and _reaches(spot.loc, silent)):
            continue
        is_about_a_key = error["type"] in ("missing", "extra_forbidden")
        groups.setdefault(error["loc"] if is_about_a_key else spot.loc, (spot, []))[1].append(error)
    return [Finding(spot, _said(spot.loc, errors, masked, referenced)) for spot, errors in groups.values()]


def _said(loc: Loc, errors: Sequence[ErrorDetails], masked: _Masked, referenced: frozenset[Loc]) -> str:
    if _reaches(loc, referenced):
        errors = [masked[error["loc"]] for error in errors if error["loc"] in masked]
        if not errors:
            return HIDDEN
    telling = [error for error in errors if error["type"] not in SILENT] or errors
    return type_sentence([error["type"] for error in telling]) or sentence(telling[0])


def _reaches(outer: Loc, inner: frozenset[Loc]) -> bool:
    """Return True when one of the inner parts is the outer one, or stands in it."""
    return any(loc[: len(outer)] == outer for loc in inner)


def _readings(value: str) -> tuple[Any, ...]:
    try:
        reading = read(value)
    except AmbiguousError:
        return (value,)
    return (value,) if isinstance(reading, str) else (value, reading)
