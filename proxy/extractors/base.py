"""The one verb of an extractor: find a value in a reply."""

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar

from pydantic import Field

from proxy.core.message import Reply
from proxy.core.settings import Settings

Found = str | int | float


class ExtractError(Exception):
    """Nothing usable was found; the message says what was looked for, and holds no value of the reply."""


class NotFoundError(ExtractError):
    """Nothing stands there: no such key or header, null, or no match."""


class BooleanError(ExtractError):
    """A boolean stands there. No token is one; a condition may ask for it."""

    def __init__(self, message: str, value: bool) -> None:
        super().__init__(message)
        self.value = value


class FormatError(ExtractError):
    """The body is not in the format that is looked into."""


class ExtractorSettings(Settings):
    """What every extractor's settings share."""

    from_: str = Field(alias="from")
    """Where to look: the kind of the extractor."""
    default: str | int | Annotated[float, Field(allow_inf_nan=False)] | None = None
    """The value when nothing stands there, or an empty text. Without one, that is an error."""


class Extractor(ABC):
    """Finds one value in a reply. Compiled when the configuration is loaded."""

    Settings: ClassVar[type[ExtractorSettings]]
    place: str
    """What it looks for, in the words of the configuration: `json $.access_token`."""

    def __init__(self, settings: ExtractorSettings) -> None:
        self._default = settings.default

    @abstractmethod
    def find(self, reply: Reply) -> Found:
        """Return what stands there.

        Raises:
            ExtractError: nothing does, or several things do, or it is not a text or number.
        """

    def extract(self, reply: Reply) -> Found:
        """Return the value: what stands there, or else the default.

        Raises:
            ExtractError: there is none, or several, or it is not a text or number.
        """
        return self.found(reply)[1]

    def found(self, reply: Reply) -> tuple[str, Found]:
        """Return where the value stands, as a message may name it, and the value.

        Raises:
            ExtractError: as of `extract`.
        """
        try:
            found = self.find(reply)
        except (NotFoundError, FormatError):
            if self._default is None:
                raise
        else:
            if self._default is None or not is_blank(found):
                return self.place, found
        return f"the default of {self.place}", self._default


def is_blank(found: Found) -> bool:
    """Return True for a text that is empty or nothing but white space."""
    return isinstance(found, str) and not found.strip()
