"""When a token expires: from what a reply says, and the token itself, to a moment on our clock.

`seconds` and `milliseconds` count from the moment the reply was made; `datetime`, `epoch` and `epoch_ms` name a moment
on the issuer's clock, and a `jwt` carries one as `exp`: those are moved onto our clock (`proxy.credentials.skew`). A
token that is a JWT is asked too, whatever the reply says, and the earlier end counts. Where nobody says anything, it is
`DEFAULT_LIFETIME`.

A number that means a moment in the past, or more than `LONGEST_LIFETIME` ahead, is of another unit or no expiry at all,
and is refused; only a date or a JWT may say `never` (`9999-12-31`). So is a token that says of itself that it is over,
with one exception: if the reply counts its life from now, and has no Date by which to compare clocks, then our clock is
wrong or the token is, and a token is tried before it is given up.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Literal

from proxy.core.message import Reply
from proxy.credentials import claims
from proxy.credentials.skew import on_our_clock
from proxy.extractors.base import Found

ExpiryType = Literal["datetime", "seconds", "milliseconds", "epoch", "epoch_ms", "jwt"]

DEFAULT_LIFETIME: Final = 300.0
LONGEST_LIFETIME: Final = 3653 * 86_400.0
"""Ten years, in seconds."""
_NEVER: Final = 253_402_300_799.0
"""The last second of the year 9999: the end of what dates can say."""
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?")


class ExpiryError(ValueError):
    """What was found is no expiry of that type; the message never shows it, for it may be a secret found by mistake."""


class SpentError(ExpiryError):
    """The token says of itself that its time is over."""


def expires_at(found: Found | None, kind: ExpiryType | None, *, reply: Reply, token: str) -> float:
    """Return when the token expires, in Unix seconds on our clock. `found` None: the reply says nothing.

    Raises:
        ExpiryError: what was found is not of that type, is in the past, or absurdly far ahead; a `SpentError`, when it
            is the token that says so.
    """
    told = None if found is None or kind is None else _told(found, kind, reply)
    own = claims.ends_at(token, reply)
    if own is None and found is None and kind == "jwt":
        raise _no_jwt()
    if own is not None and own <= reply.received_at:
        if told is None or kind not in _COUNTED or reply.clock_offset is not None:
            raise SpentError("a JWT whose own `exp` had passed before it arrived")
        own = None
    ends = [at for at in (told, own) if at is not None]
    return min((*ends, _NEVER)) if ends else reply.received_at + DEFAULT_LIFETIME


def _told(found: Found, kind: ExpiryType, reply: Reply) -> float:
    at = _READERS[kind](found, reply)
    if at <= reply.received_at:
        raise ExpiryError("a token that had expired before it arrived")
    if kind not in _DATES and at - reply.received_at > LONGEST_LIFETIME:
        raise ExpiryError(f"a number that, read as {kind}, is more than ten years ahead")
    return at


def _number(found: Found) -> float:
    if isinstance(found, str) and _NUMBER.fullmatch(found.strip()):
        found = float(found)
    number = claims.finite(found)
    if number is None:
        raise ExpiryError("something that is not a number")
    return number


def _seconds(found: Found, reply: Reply) -> float:
    return reply.received_at - reply.age + _number(found)


def _milliseconds(found: Found, reply: Reply) -> float:
    return reply.received_at - reply.age + _number(found) / 1000


def _epoch(found: Found, reply: Reply) -> float:
    return on_our_clock(_number(found), reply)


def _epoch_ms(found: Found, reply: Reply) -> float:
    return on_our_clock(_number(found) / 1000, reply)


def _datetime(found: Found, reply: Reply) -> float:
    """Read ISO 8601; a time without a zone is UTC, as most servers mean it."""
    if not isinstance(found, str) or found.strip().isdigit():
        raise ExpiryError("a number, which is no date of ISO 8601")
    try:
        moment = datetime.fromisoformat(found.strip().upper())
        at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ExpiryError("something that is not a date of ISO 8601, such as 2030-01-31T12:00:00Z") from None
    return on_our_clock(at, reply)


def _jwt(found: Found, reply: Reply) -> float:
    at = claims.ends_at(str(found), reply)
    if at is None:
        raise _no_jwt()
    return at


def _no_jwt() -> ExpiryError:
    return ExpiryError("something that is not a JWT with an `exp`")


_READERS: Final[Mapping[ExpiryType, Callable[[Found, Reply], float]]] = {
    "datetime": _datetime,
    "seconds": _seconds,
    "milliseconds": _milliseconds,
    "epoch": _epoch,
    "epoch_ms": _epoch_ms,
    "jwt": _jwt,
}
_DATES: Final = frozenset({"datetime", "jwt"})
_COUNTED: Final = frozenset({"seconds", "milliseconds"})
