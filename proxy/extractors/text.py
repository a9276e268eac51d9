"""Finds a value in the body by a regular expression, or takes the whole body."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from proxy.core.message import Reply
from proxy.core.pattern import Pattern, PatternTimeoutError
from proxy.extractors.base import ExtractError, Extractor, ExtractorSettings, NotFoundError


def _checked(pattern: str) -> str:
    groups = Pattern(pattern).groups
    if groups > 1:
        raise ValueError(f"the pattern has {groups} groups; keep one around the value, and write the others (?:...)")
    return pattern


class TextSettings(ExtractorSettings):
    """A value in a body of plain text."""

    from_: Literal["text"] = Field(alias="from")
    """Look at the body as text."""
    pattern: Annotated[str, AfterValidator(_checked)] | None = None
    """A regular expression of Python's `re`; its group, or else all that it matches, is the value. None: the whole body
    is. A search may take 50 ms."""


class Text(Extractor):
    """The first match of a pattern in the body, or the body."""

    Settings = TextSettings

    def __init__(self, settings: TextSettings) -> None:
        super().__init__(settings)
        self._pattern = None if settings.pattern is None else Pattern(settings.pattern)
        self.place = "text" if settings.pattern is None else f"text /{settings.pattern}/"

    def find(self, reply: Reply) -> str:
        """Return what the pattern's group matched, or the whole body."""
        if self._pattern is None:
            return reply.text()
        try:
            match = self._pattern.search(reply.text())
        except PatternTimeoutError as error:
            raise ExtractError(f"it is not known whether the body matches {self.place}: {error}") from None
        value = match and match[self._pattern.groups]
        if value is None:
            raise NotFoundError(f"the body does not match {self.place}")
        return value
