"""Finds the value of a cookie that the reply sets."""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Annotated, Final, Literal

from pydantic import Field

from proxy.core.headers import TOKEN
from proxy.core.message import Reply
from proxy.extractors.base import ExtractError, Extractor, ExtractorSettings, NotFoundError

_WHOLE: Final = re.compile(r"-?[0-9]+", re.ASCII)
_LONGEST_DATE: Final = 60
"""Characters."""


class CookieSettings(ExtractorSettings):
    """The value of a cookie that the reply sets."""

    from_: Literal["cookie"] = Field(alias="from")
    """Look at the cookies that the reply sets (Set-Cookie); those that it ends do not count."""
    name: Annotated[str, Field(pattern=f"^{TOKEN.pattern}$")]
    """The cookie's name, in its very case."""


class Cookie(Extractor):
    """One cookie that the reply sets."""

    Settings = CookieSettings

    def __init__(self, settings: CookieSettings) -> None:
        super().__init__(settings)
        self._name = settings.name
        self.place = f"cookie {settings.name}"

    def find(self, reply: Reply) -> str:
        """Return the cookie's value, without its attributes."""
        set_: dict[tuple[str, str], str] = {}
        for header, line in reply.headers:
            name, value, attributes = _read(line)
            if header.lower() != "set-cookie" or name != self._name:
                continue
            place = attributes.get("domain", "").lower(), attributes.get("path", "")
            set_.pop(place, None)  # of two for one place the later one counts (RFC 6265 §5.3)
            if value and not is_over(attributes, reply):
                set_[place] = value
        found = set(set_.values())
        if not found:
            raise NotFoundError(f"the reply sets no {self.place}")
        if len(found) > 1:
            raise ExtractError(f"the reply sets {len(found)} values of {self.place}, not one")
        return found.pop()


def _read(line: str) -> tuple[str, str, Mapping[str, str]]:
    """Return a cookie's name, value and attributes (RFC 6265 §5.2)."""
    pair, *rest = line.split(";")
    name, _, value = pair.partition("=")
    attributes = (part.partition("=") for part in rest)
    return name.strip(), value.strip(), {key.strip().lower(): given.strip() for key, _, given in attributes}


def is_over(attributes: Mapping[str, str], reply: Reply) -> bool:
    """Tell whether the reply ends the cookie; Max-Age comes before Expires (RFC 6265 §5.3 step 3).

    `attributes` are those of its Set-Cookie, by name in lower case.
    """
    age, date = attributes.get("max-age", ""), attributes.get("expires", "")
    if _WHOLE.fullmatch(age):
        return age.startswith("-") or not age.strip("0")
    try:
        end = parsedate_to_datetime(date[:_LONGEST_DATE])
        at = (end if end.tzinfo else end.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return False
    return at <= reply.received_at + (reply.clock_offset or 0.0)
