"""Reads the dates of HTTP headers, in the three forms that RFC 9110 §5.6.7 wants understood."""

import re
from datetime import UTC, datetime
from typing import Final

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH: Final = f"(?P<month>{'|'.join(_MONTHS)})"
_DAY: Final = "[A-Z]{3,9}"
_TIME: Final = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_FORMS: Final = tuple(
    re.compile(form, re.ASCII | re.IGNORECASE)
    for form in (
        rf"{_DAY}, (?P<day>\d\d?) {_MONTH} (?P<year>\d{{4}}) {_TIME} (?:GMT|UTC)",  # IMF-fixdate
        rf"{_DAY}, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_TIME} GMT",  # RFC 850
        rf"{_DAY} {_MONTH} (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})",  # asctime
    )
)
_LEAP_SECOND: Final = 60


def read(text: str, now: float) -> float | None:
    """Return the moment in Unix seconds; None: it is no such date.

    `now`, also in Unix seconds, settles the century of a year of two digits: it is never more than 50 years ahead. The
    name of the day is not compared with the date.
    """
    found = next(filter(None, (form.fullmatch(text.strip()) for form in _FORMS)), None)
    if found is None:
        return None
    year, second = int(found["year"]), int(found["second"])
    if len(found["year"]) == 2:
        this_year = datetime.fromtimestamp(now, UTC).year
        year = this_year + 50 - (this_year + 50 - year) % 100
    try:
        minute = datetime(
            year,
            1 + _MONTHS.index(found["month"].lower()),
            int(found["day"]),
            int(found["hour"]),
            int(found["minute"]),
            tzinfo=UTC,
        )
    except ValueError:
        return None
    return minute.timestamp() + second if second <= _LEAP_SECOND else None
