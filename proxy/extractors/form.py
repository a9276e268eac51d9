"""Finds a value in a body that is a form, `token=…&expires=…`."""

from typing import Annotated, Final, Literal
from urllib.parse import parse_qsl

from pydantic import Field

from proxy.core.message import Reply
from proxy.extractors.base import ExtractError, Extractor, ExtractorSettings, FormatError, NotFoundError

MOST_FIELDS: Final = 1000
"""Fields of a form that is read."""
_OTHER_FORMATS: Final = ("<", "{", "[")
"""How the formats begin that have a `=` somewhere and are no forms."""


class FormSettings(ExtractorSettings):
    """A field of a body that is a form (application/x-www-form-urlencoded)."""

    from_: Literal["form"] = Field(alias="from")
    """Look into the body, which is a form whatever its Content-Type says."""
    name: Annotated[str, Field(min_length=1)]
    """The field's name, decoded."""


class Form(Extractor):
    """One field of a form."""

    Settings = FormSettings

    def __init__(self, settings: FormSettings) -> None:
        super().__init__(settings)
        self._name = settings.name
        self.place = f"form {settings.name}"

    def find(self, reply: Reply) -> str:
        """Return the field's decoded value; an empty one is none."""
        found = [value for name, value in _fields(reply) if name == self._name and value]
        if not found:
            raise NotFoundError(f"nothing stands at {self.place}")
        if len(found) > 1:
            raise ExtractError(f"{len(found)} values stand at {self.place}, not one")
        return found[0]


def _fields(reply: Reply) -> list[tuple[str, str]]:
    text = reply.text().strip()
    try:
        fields = [] if text.startswith(_OTHER_FORMATS) else parse_qsl(text, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise FormatError(f"the body has more than {MOST_FIELDS} fields, or is no form") from None
    if "=" not in text or text.startswith(_OTHER_FORMATS):
        raise FormatError(f"the body is not a form but {reply.media_type}")
    return fields
