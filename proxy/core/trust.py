"""How long tokens of one credential are believed to work, learned from those that were refused before their time.

Theory: what is believed is one number, `trusted`: the age in seconds up to which such tokens have been seen to work, or
None, which is to believe what they say of themselves. A refusal sets it to the age at which it came; every token that
is replaced as planned without a refusal doubles it, until it means nothing any more and is forgotten, so that one bad
afternoon of a provider is not remembered for ever. It only plans refreshes (`proxy.core.token.plan`); no token is
thrown away for it.
"""

from math import inf
from typing import Final

SHORTEST_TELLING_AGE: Final = 30.0
"""Seconds. Who is refused sooner lacks a permission, asked for a wrong path or was revoked: no matter of age."""
LONGEST_TRUST: Final = 366 * 86_400.0
"""A year in seconds. Tokens that do not expire and have lived that long are believed again."""


def refused(trusted: float | None, age: float, lifetime: float | None) -> float | None:
    """Return what to believe after a token was refused at that age.

    Before `SHORTEST_TELLING_AGE`: nothing, and what was believed is forgotten, for it evidently was not about age.
    Later, and before the token's time: that age. After its time it was refused rightly, which changes nothing.

    Ages and lifetimes are in seconds; `lifetime` None: the token does not expire.
    """
    if age < SHORTEST_TELLING_AGE:
        return None
    return age if lifetime is None or age < lifetime else trusted


def survived(trusted: float | None, age: float, lifetime: float | None) -> float | None:
    """Return what to believe after a token was replaced at that age, as planned, and had not been refused.

    Twice what was believed; None once that reaches the lifetime. A token that was replaced before half of the believed
    age, which no plan does, has shown nothing.

    Ages and lifetimes are in seconds; `lifetime` None: the token does not expire.
    """
    if trusted is None or age < trusted / 2:
        return trusted
    longest = min(inf if lifetime is None else lifetime, LONGEST_TRUST)
    return trusted * 2 if trusted * 2 < longest else None
