"""The one verb of an extractor: find a value in a reply."""

from abc import ABC, abstractmethod
from typing import ClassVar

from pydantic import Field

from proxy.core.message import Reply
from proxy.core.settings import Settings

Found = str | int | float


class ExtractError(Exception):
    """Nothing usable was found; the message says what was looked for, and holds no value of the reply."""


class NotFoundError(ExtractError):
    """Nothing stands there: no such key or header, null, or no match."""


class FormatError(ExtractError):
    """The body is not in the format that is looked into."""


class ExtractorSettings(Settings):
    """What every extractor's settings share."""

    from_: str = Field(alias="from")
    """Where to look: the kind of the extractor."""


class Extractor(ABC):
    """Finds one value in a reply. Compiled when the configuration is loaded."""

    Settings: ClassVar[type[ExtractorSettings]]
    place: str
    """What it looks for, in the words of the configuration: `json $.access_token`."""

    @abstractmethod
    def __init__(self, settings: ExtractorSettings) -> None:
        """Make an extractor from the settings of its own kind."""

    @abstractmethod
    def extract(self, reply: Reply) -> Found:
        """Return the value.

        Raises:
            ExtractError: there is none, or several, or it is not a text or number.
        """
