"""A condition on a variable: whether it is there, what it is, what it looks like. No code runs in it."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Annotated, Self

from pydantic import AfterValidator, model_validator

from proxy.core.expression import VariableName
from proxy.core.pattern import Pattern
from proxy.core.secret import Secret
from proxy.core.settings import Settings


def _pattern(text: str) -> str:
    Pattern(text)
    return text


class ConditionSettings(Settings):
    """A condition on one variable. A variable that is empty counts as one that is not there."""

    variable: VariableName
    """The variable that is looked at."""
    present: bool | None = None
    """true: it has a value. false: it has none."""
    equals: str | int | None = None
    """Its value is this one."""
    not_equals: str | int | None = None
    """Its value is another one, or it has none."""
    matches: Annotated[str, AfterValidator(_pattern)] | None = None
    """Its value, or a part of it, matches this regular expression."""

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if sum(given is not None for given in (self.present, self.equals, self.not_equals, self.matches)) != 1:
            raise ValueError("a condition asks one question: keep one of present, equals, not_equals and matches")
        return self

    @cached_property
    def _compiled(self) -> Pattern:
        return Pattern(self.matches or "")

    def holds(self, variables: Mapping[str, Secret]) -> bool:
        """Tell whether it holds for these variables.

        Raises:
            PatternTimeoutError: `matches` cannot be decided in time.
        """
        secret = variables.get(self.variable)
        value = secret.reveal() if secret else ""
        if self.present is not None:
            return bool(value) is self.present
        if self.equals is not None:
            return value == str(self.equals)
        if self.not_equals is not None:
            return value != str(self.not_equals)
        return bool(value) and self._compiled.search(value) is not None

    def __str__(self) -> str:
        """Say what it asks for, as a message may: without the value that it compares with."""
        if self.present is not None:
            return f"{self.variable} is {'there' if self.present else 'not there'}"
        word = next(word for word in ("equals", "not_equals", "matches") if getattr(self, word) is not None)
        return f"{self.variable} {word} what is configured"


def first_unmet(conditions: Iterable[ConditionSettings], variables: Mapping[str, Secret]) -> ConditionSettings | None:
    """Return the first condition that does not hold; None: they all do. May raise PatternTimeoutError."""
    return next((condition for condition in conditions if not condition.holds(variables)), None)
