"""From the tree to the record: pydantic's verdict, with the places of the file and without the values of references.

Theory. A reference yields a text, but may stand where a number is wanted, and a reference that leads nowhere on this
machine must not hide the other problems. So every such place has a list of values that may stand there: the text and
what it reads as, or stand-ins of several types. They are tried until pydantic has nothing to say about the place. A
message that could show a value which a reference brought is taken from another validation, with `***` in its place.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from proxy.config.positions import Loc, Node, has, loc_of, plain
from proxy.config.references import Resolution, Surroundings
from proxy.config.scalars import AmbiguousError, read
from proxy.config.schema import Config
from proxy.config.sentences import SILENT, holds_no_value, sentence, type_sentence
from proxy.core.secret import MASK

STAND_INS: Final = (
    "stand-in",
    1,
    200,
    False,
    "1s",
    "1KiB",
    "https://stand-in.example",
    "127.0.0.1:0",
    f"sha256:{'0' * 64}",
    "$.stand-in",
    "redis://stand-in.example",
    f"{'A' * 43}=",
)
"""What stands in for a reference that leads nowhere here, until one of them fits."""
HIDDEN: Final = "is not accepted here; a reference brought it, so it is not shown"


_Way = tuple[str | int, ...]
_Masked = Mapping[_Way, ErrorDetails]
_Told = Sequence[tuple[Loc, ErrorDetails]]


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem of one part of the tree."""

    loc: Loc
    message: str
    is_about_key: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a tree."""

    config: Config | None
    """The whole, when nothing is wrong with it."""
    usable: Config
    """What remains when every part with a problem is left out."""
    left_out: frozenset[Loc]
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
    context = {"find": surroundings.find, "place": surroundings.directory.joinpath}
    options: dict[Loc, tuple[Any, ...]] = {loc: _readings(value) for loc, value in resolution.values.items()}
    options |= {loc: (value,) for loc, value in resolution.escaped.items()}
    options |= dict.fromkeys(open_ends, STAND_INS)
    chosen = dict.fromkeys(options, 0)
    while True:
        data = plain(root, {loc: options[loc][index] for loc, index in chosen.items()})
        config, errors = _attempt(data, context)
        locs = {loc_of(data, error["loc"]) for error in errors}
        movable = {loc for loc in locs if chosen.get(loc, -1) + 1 < len(options.get(loc, ()))}
        if not movable:
            break
        for loc in movable:
            chosen[loc] += 1
    if config is not None:
        return Verdict(config, config, frozenset(), data)
    _, masked = _attempt(plain(root, dict.fromkeys(resolution.values, MASK) | resolution.escaped), context)
    told = [(loc_of(data, error["loc"]), error) for error in errors]
    told = [(loc, error) for loc, error in told if not _follows_from(loc, error, open_ends)]
    findings = _findings(told, {error["loc"]: error for error in masked}, frozenset(resolution.values))
    return Verdict(None, *_usable(data, context), data, tuple(findings))


def _attempt(data: Any, context: Mapping[str, Any]) -> tuple[Config | None, list[ErrorDetails]]:
    """Return the record, or what is wrong."""
    try:
        return Config.model_validate(data, context=context), []
    except ValidationError as error:
        return None, error.errors(include_url=False)


def _usable(data: Any, context: Mapping[str, Any]) -> tuple[Config, frozenset[Loc]]:
    """Leave out whatever has a problem, and what cannot do without it, until the rest is sound."""
    kept, left_out = deepcopy(data) if isinstance(data, dict) else {}, set[Loc]()
    while True:
        config, errors = _attempt(kept, context)
        if config is not None:
            return config, frozenset(left_out)
        for loc in [loc_of(kept, error["loc"]) for error in errors]:
            part = loc
            while part and isinstance(part[-1], int):
                part = part[:-1]
            left_out.add(part)
            _leave_out(kept, part)


def _leave_out(data: Any, loc: Loc) -> None:
    if not loc:
        data.clear()
        return
    for step in loc[:-1]:
        if not has(data, step):
            return
        data = data[step]
    data.pop(loc[-1], None)


def _follows_from(loc: Loc, error: ErrorDetails, open_ends: frozenset[Loc]) -> bool:
    """Return True when the error is about a stand-in, or about a rule that one may have broken."""
    if error["type"] == "union_tag_invalid":
        return (*loc, _tag(error)) in open_ends
    return loc in open_ends or (error["type"] == "value_error" and any(_reaches(loc, end) for end in open_ends))


def _findings(told: _Told, masked: _Masked, referenced: frozenset[Loc]) -> Iterator[Finding]:
    """Say what was found, once for each place."""
    groups: dict[tuple[_Way, bool], tuple[Loc, list[ErrorDetails]]] = {}
    for loc, error in told:
        is_about_key = error["type"] in ("missing", "extra_forbidden") or error["loc"][-1:] == ("[key]",)
        groups.setdefault((error["loc"] if is_about_key else loc, is_about_key), (loc, []))[1].append(error)
    for (_, is_about_key), (loc, errors) in groups.items():
        kind = errors[0]["type"]
        if kind == "too_short" and any(_reaches(loc, other) for other, _ in told if other != loc):
            continue  # those that are there were not counted, and have been told of
        message = _said(loc, errors, masked, referenced)
        yield Finding((*loc, _tag(errors[0])) if kind == "union_tag_invalid" else loc, message, is_about_key)


def _tag(error: ErrorDetails) -> str:
    return str(error["ctx"]["discriminator"]).strip("'")


def _said(loc: Loc, errors: Sequence[ErrorDetails], masked: _Masked, referenced: frozenset[Loc]) -> str:
    telling = [error for error in errors if error["type"] not in SILENT] or errors
    if any(_reaches(loc, inner) for inner in referenced):
        telling = [error if holds_no_value(error) else masked.get(error["loc"], error) for error in telling]
        telling = [error for error in telling if holds_no_value(error) or error["loc"] in masked]
        if not telling:
            return HIDDEN
    return type_sentence([error["type"] for error in telling]) or sentence(telling[0])


def _reaches(outer: Loc, inner: Loc) -> bool:
    """Return True when the inner part is the outer one, or stands in it."""
    return inner[: len(outer)] == outer


def _readings(value: str) -> tuple[Any, ...]:
    try:
        reading = read(value)
    except AmbiguousError:
        return (value,)
    return (value,) if isinstance(reading, str) else (value, reading)
