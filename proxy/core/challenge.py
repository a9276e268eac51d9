"""Reads WWW-Authenticate (RFC 9110 §11.6.1): which schemes an answer asks for, and what it says of the token sent.

Theory. One pass over each line, split at the commas that stand outside quoted strings. An element that is `name=value`
belongs to the challenge before it, be that in the line before; any other begins a challenge. Lines come from outside:
what fits no grammar is left out, nothing raises, and what follows a quote that never ends is not read.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from proxy.core.headers import TOKEN
from proxy.core.settings import Settings

_PIECE: Final = re.compile(r'[^",]+|"(?:[^"\\]|\\.)*+"|,|"')
_PARAMETER: Final = re.compile(rf'({TOKEN.pattern})[ \t]*=[ \t]*(?:({TOKEN.pattern})|"((?:[^"\\]|\\.)*+)")')
_CHALLENGE: Final = re.compile(rf"({TOKEN.pattern})(?:[ \t]+(.+))?")
_TOKEN68: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_ESCAPED: Final = re.compile(r"\\(.)")


@dataclass(slots=True)
class Challenge:
    """One way to authenticate that the answer names."""

    scheme: str
    """In lower case: `bearer`."""
    token68: str | None = None
    """What follows the scheme in place of parameters."""
    parameters: dict[str, str] = field(default_factory=dict)
    """By name in lower case; the first of several counts."""


def challenges(lines: Iterable[str]) -> list[Challenge]:
    """Return the challenges of all WWW-Authenticate lines, in order."""
    found: list[Challenge] = []
    for line in lines:
        for element in _elements(line):
            if match := _PARAMETER.fullmatch(element):
                if found:
                    _add(found[-1], match)
            elif match := _CHALLENGE.fullmatch(element):
                found.append(_begun(match[1], match[2]))
    return found


def _elements(line: str) -> Iterator[str]:
    """Yield what stands between the commas of a line, up to a quote that never ends."""
    element = ""
    for match in _PIECE.finditer(line):
        if match[0] == '"':
            return
        if match[0] == ",":
            yield element.strip(" \t")
            element = ""
        else:
            element += match[0]
    yield element.strip(" \t")


def _begun(scheme: str, rest: str | None) -> Challenge:
    challenge = Challenge(scheme.lower())
    if rest is None:
        return challenge
    if match := _PARAMETER.fullmatch(rest):
        _add(challenge, match)
    elif _TOKEN68.fullmatch(rest):
        challenge.token68 = rest
    return challenge


def _add(challenge: Challenge, match: re.Match[str]) -> None:
    name, plain, quoted = match.groups()
    value = plain if quoted is None else _ESCAPED.sub(r"\1", quoted)
    challenge.parameters.setdefault(name.lower(), value)


def _scheme(text: str) -> str:
    if not TOKEN.fullmatch(text):
        raise ValueError("a scheme is one word, such as Bearer")
    return text


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _named(errors: tuple[str, ...]) -> tuple[str, ...]:
    if not all(errors) or not errors:
        raise ValueError("name at least one error, such as invalid_token, and no empty one")
    return errors


Errors = Annotated[
    tuple[str, ...],
    Field(strict=False),
    AfterValidator(_named),
    BeforeValidator(_listed, json_schema_input_type=str | tuple[str, ...]),
]
"""One text, or a list of them."""


class ChallengeSettings(Settings):
    """A challenge of the answer's `WWW-Authenticate`. What is named must all hold for one and the same challenge."""

    scheme: Annotated[str, AfterValidator(_scheme)] | None = None
    """Its scheme, in any case: `Bearer`, `DPoP`."""
    error: Errors | None = None
    """Its `error`, or any of several: `invalid_token` (RFC 6750 §3.1)."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.scheme is None and self.error is None:
            raise ValueError("name the scheme or the error of a challenge, such as {error: invalid_token}")
        return self


def _spelled_out(value: Any) -> Any:
    return {"error": value} if isinstance(value, str) else value


AnyChallenge = Annotated[
    ChallengeSettings, BeforeValidator(_spelled_out, json_schema_input_type=ChallengeSettings | str)
]
"""A text stands for the `error` alone."""


class ChallengeCondition:
    """Such settings, ready to be asked."""

    __slots__ = ("_errors", "_scheme")

    def __init__(self, settings: ChallengeSettings) -> None:
        self._scheme = settings.scheme.lower() if settings.scheme is not None else None
        self._errors = settings.error

    def fits(self, lines: Iterable[str]) -> bool:
        """Return whether a challenge of these WWW-Authenticate lines is the one that is meant."""
        return any(
            self._scheme in (None, challenge.scheme)
            and (self._errors is None or challenge.parameters.get("error") in self._errors)
            for challenge in challenges(lines)
        )
