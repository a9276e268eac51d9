"""What templates may know beside variables: the time, and a number that was never drawn before.

A moment is taken once for a request, so that a time or a nonce in a header is the one that was signed in the body.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

from proxy.core.clock import Clock

_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DIRECTIVE: Final = re.compile(r"%(.?)", re.DOTALL)
_DIRECTIVES: Final[Mapping[str, Callable[[datetime], str]]] = {
    "Y": lambda at: f"{at.year:04}",
    "y": lambda at: f"{at.year % 100:02}",
    "m": lambda at: f"{at.month:02}",
    "d": lambda at: f"{at.day:02}",
    "j": lambda at: f"{at.timetuple().tm_yday:03}",
    "H": lambda at: f"{at.hour:02}",
    "I": lambda at: f"{(at.hour + 11) % 12 + 1:02}",
    "p": lambda at: "AM" if at.hour < 12 else "PM",
    "M": lambda at: f"{at.minute:02}",
    "S": lambda at: f"{at.second:02}",
    "L": lambda at: f"{at.microsecond // 1000:03}",
    "f": lambda at: f"{at.microsecond:06}",
    "a": lambda at: _DAYS[at.weekday()][:3],
    "A": lambda at: _DAYS[at.weekday()],
    "b": lambda at: _MONTHS[at.month - 1][:3],
    "B": lambda at: _MONTHS[at.month - 1],
    "s": lambda at: str(int(at.timestamp())),
    "z": lambda at: "+0000",
    "Z": lambda at: "UTC",
    "%": lambda at: "%",
}
"""English whatever the locale: these are texts for machines."""
NAMED_FORMATS: Final[Mapping[str, str]] = {
    "iso8601": "%Y-%m-%dT%H:%M:%SZ",
    "iso8601_ms": "%Y-%m-%dT%H:%M:%S.%LZ",
    "iso8601_basic": "%Y%m%dT%H%M%SZ",
    "date": "%Y-%m-%d",
    "http_date": "%a, %d %b %Y %H:%M:%S GMT",
    "epoch": "%s",
    "epoch_ms": "%s%L",
}
"""Formats that have a name, in the order in which they are listed for people."""


def check_format(given: str) -> str:
    """Return a format that `Moment.write` takes.

    Raises:
        ValueError: it has a directive that is not known; the message lists the known ones.
    """
    unknown = sorted(set(_DIRECTIVE.findall(given)) - _DIRECTIVES.keys())
    if unknown:
        known = " ".join(f"%{letter}" for letter in _DIRECTIVES)
        raise ValueError(f"the format of now() knows no %{unknown[0]}; it knows {known}")
    return given


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading of the clock and one random number."""

    now: float
    """Unix seconds."""
    uuid: str = field(repr=False)
    """A random UUID (RFC 9562 §5.4), in lower case with hyphens."""

    @classmethod
    def of(cls, clock: Clock, draw: Callable[[], UUID] = uuid4) -> "Moment":
        """Return this moment."""
        return cls.at(clock.now(), draw)

    @classmethod
    def at(cls, now: float, draw: Callable[[], UUID] = uuid4) -> "Moment":
        """Return the moment of that time, in Unix seconds."""
        return cls(now, str(draw()))

    @property
    def timestamp(self) -> str:
        """Return the whole Unix seconds as a text."""
        return str(int(self.now))

    def write(self, format: str) -> str:  # noqa: A002 - what everybody calls it
        """Return the time in UTC, as a format that was checked says."""
        at = datetime.fromtimestamp(self.now, UTC)
        return _DIRECTIVE.sub(lambda found: _DIRECTIVES[found[1]](at), format)
