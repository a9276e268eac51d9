"""When a token expires: from what a reply says, or the token itself, to a moment on our clock.

`seconds` and `milliseconds` count from the moment the reply was read; `datetime`, `epoch` and `epoch_ms` name the
moment; a `jwt` carries it as `exp`. Where nothing is said, the `exp` of a token that is a JWT counts, else
`DEFAULT_LIFETIME`. A number that means a moment in the past, or more than `LONGEST_LIFETIME` ahead, is of another unit
or no expiry at all, and is refused; only a date or a JWT may say `never` (`9999-12-31`).
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Literal

import jwt

from proxy.extractors.base import Found

ExpiryType = Literal["datetime", "seconds", "milliseconds", "epoch", "epoch_ms", "jwt"]

DEFAULT_LIFETIME: Final = 300.0
LONGEST_LIFETIME: Final = 3653 * 86_400.0
"""Ten years, in seconds."""
_NEVER: Final = 253_402_300_799.0
"""The last second of the year 9999: the end of what dates can say."""
_LARGEST: Final = 1e300
"""Neither infinity nor NaN is less."""
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?")


class ExpiryError(ValueError):
    """What was found is no expiry of that type; the message never shows it, for it may be a secret found by mistake."""


def expires_at(found: Found | None, kind: ExpiryType | None, *, received_at: float, token: str) -> float:
    """Return when the token expires, in Unix seconds. `found` None: the reply says nothing.

    Raises:
        ExpiryError: what was found is not of that type, is in the past, or absurdly far ahead.
    """
    if kind is None or (found is None and kind != "jwt"):
        return _by_itself(token, received_at)
    at = _READERS[kind](token if found is None else found, received_at)
    if at <= received_at:
        raise ExpiryError("a token that had expired before it arrived")
    if kind not in _DATES and at - received_at > LONGEST_LIFETIME:
        raise ExpiryError(f"a number that, read as {kind}, is more than ten years ahead")
    return min(at, _NEVER)


def _by_itself(token: str, received_at: float) -> float:
    at = jwt_expiry(token)
    if at is None:
        return received_at + DEFAULT_LIFETIME
    if at <= received_at:
        raise ExpiryError("a JWT whose own `exp` had passed before it arrived")
    return min(at, _NEVER)


def jwt_expiry(token: str) -> float | None:
    """Return a JWT's `exp` (RFC 7519 §4.1.4), or None.

    The signature is not verified: the token is for the API to judge, we only ask when to replace it. A token that lies
    costs a replacement too early or a rejection, never access.
    """
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return None
    return _finite(claims.get("exp"))


def _finite(value: object) -> float | None:
    """Return a number as a float; None: it is infinite, NaN, or no number, as a boolean is none."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST:
        return float(value)
    return None


def _number(found: Found) -> float:
    if isinstance(found, str) and _NUMBER.fullmatch(found.strip()):
        found = float(found)
    number = _finite(found)
    if number is None:
        raise ExpiryError("something that is not a number")
    return number


def _seconds(found: Found, received_at: float) -> float:
    return received_at + _number(found)


def _milliseconds(found: Found, received_at: float) -> float:
    return received_at + _number(found) / 1000


def _epoch(found: Found, _: float) -> float:
    return _number(found)


def _epoch_ms(found: Found, _: float) -> float:
    return _number(found) / 1000


def _datetime(found: Found, _: float) -> float:
    """Read ISO 8601; a time without a zone is UTC, as most servers mean it."""
    if not isinstance(found, str) or found.strip().isdigit():
        raise ExpiryError("a number, which is no date of ISO 8601")
    try:
        moment = datetime.fromisoformat(found.strip().upper())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ExpiryError("something that is not a date of ISO 8601, such as 2030-01-31T12:00:00Z") from None


def _jwt(found: Found, _: float) -> float:
    at = jwt_expiry(str(found))
    if at is None:
        raise ExpiryError("something that is not a JWT with an `exp`")
    return at


_READERS: Final[Mapping[ExpiryType, Callable[[Found, float], float]]] = {
    "datetime": _datetime,
    "seconds": _seconds,
    "milliseconds": _milliseconds,
    "epoch": _epoch,
    "epoch_ms": _epoch_ms,
    "jwt": _jwt,
}
_DATES: Final = frozenset({"datetime", "jwt"})
