"""Reads from a token that is a JWT when it ends, by its own words, on our clock.

The signature is not verified: the token is for the API to judge, we only ask when to replace it. A token that lies
costs a replacement too early or a rejection, never access. An opaque token says nothing, nor does one that is encrypted
(JWE, five parts), nor one without `exp`; an `exp` of 0 is how some libraries write that there is none.
"""

from typing import Any, Final

import jwt

from proxy.core.message import Reply
from proxy.credentials.skew import on_our_clock

_LAST_SECOND: Final = 253_402_300_799.0
"""The year 9999 ends. A claim beyond it was written in milliseconds, as JavaScript counts: it would never end else."""
_LARGEST: Final = 1e300
"""Neither infinity nor NaN is less."""


def finite(value: object) -> float | None:
    """Return a number as a float; None: it is infinite, NaN, or no number, as a boolean is none."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST:
        return float(value)
    return None


def ends_at(token: str, reply: Reply) -> float | None:
    """Return when the token ends (`exp`, RFC 7519 §4.1.4), in Unix seconds on our clock; None: it says nothing.

    Never later than `exp` - `iat` after the reply was made: nothing was issued before it was issued. Where the reply
    tells nothing of its sender's clock, that length is also what counts when by our own clock the token had ended
    before it came: a new token is likelier than a right clock. Else an end before the reply's arrival is an end.
    """
    claims = _claims(token)
    ends, began = _date(claims, "exp"), _date(claims, "iat")
    if ends is None:
        return None
    moment = on_our_clock(ends, reply)
    if began is None or began >= ends:
        return moment
    latest = reply.received_at - reply.age + (ends - began)
    is_lost = moment <= reply.received_at and reply.clock_offset is None
    return latest if is_lost else min(moment, latest)


def _claims(token: str) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return {}
    return claims


def _date(claims: dict[str, Any], name: str) -> float | None:
    date = finite(claims.get(name))
    if date is None or date <= 0:
        return None
    return date if date <= _LAST_SECOND else date / 1000
