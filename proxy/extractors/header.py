"""Finds a value in a header of the reply."""

from typing import Annotated, Literal

from pydantic import Field

from proxy.core.headers import TOKEN
from proxy.core.message import Reply
from proxy.extractors.base import ExtractError, Extractor, ExtractorSettings, NotFoundError


class HeaderSettings(ExtractorSettings):
    """A value in a header."""

    from_: Literal["header"] = Field(alias="from")
    """Look at a header of the reply."""
    name: Annotated[str, Field(pattern=f"^{TOKEN.pattern}$")]
    """The header's name, in any case."""


class Header(Extractor):
    """One header of the reply."""

    Settings = HeaderSettings

    def __init__(self, settings: HeaderSettings) -> None:
        super().__init__(settings)
        self._name = settings.name.lower()
        self.place = f"header {settings.name}"

    def find(self, reply: Reply) -> str:
        """Return the header's value."""
        found = [value for name, value in reply.headers if name.lower() == self._name]
        if not found:
            raise NotFoundError(f"the reply has no {self.place}")
        if len(found) > 1:
            raise ExtractError(f"the reply has {len(found)} lines of {self.place}, not one")
        return found[0]
