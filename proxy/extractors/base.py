"""The one verb of an extractor: find a value in a reply."""

from abc import ABC, abstractmethod
from typing import ClassVar

from proxy.core.message import Reply
from proxy.core.settings import Settings

Found = str | int | float


class ExtractError(Exception):
    """Nothing usable was found; the message says what was looked for, and holds no value of the reply."""


class ExtractorSettings(Settings):
    """What every extractor's settings share: which kind it is (`from:`)."""


class Extractor(ABC):
    """Finds one value in a reply. Compiled when the configuration is loaded."""

    Settings: ClassVar[type[ExtractorSettings]]

    @abstractmethod
    def extract(self, reply: Reply) -> Found:
        """Return the value.

        Raises:
            ExtractError: there is none, or several, or it is not a text or number.
        """
