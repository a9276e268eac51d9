"""How many tokens in a row may be renewed because they were rejected: a few at once, then one in a while.

An API that rejects every token, or one path of it that does, must not make us ask the token endpoint with every
request. A token that is really revoked early is renewed at once, as long as that does not become a habit. Every replica
counts what it hears of, so that a fleet does not renew more often than one process would.
"""

from typing import Final

RENEWALS: Final = 5
"""How many renewals may follow each other at once."""
REGAINED_IN: Final = 10.0
"""Seconds until one more is allowed. So when nothing is left, the held token is younger than this."""


class Allowance:
    """Time is passed in: seconds on the monotonic clock."""

    __slots__ = ("_at", "_counted", "_spent")

    def __init__(self) -> None:
        self._counted = 0
        self._spent = 0.0
        self._at = 0.0

    def is_left(self, now: float) -> bool:
        """Return whether one more renewal is allowed."""
        return self._still_spent(now) + 1.0 <= RENEWALS

    def spend(self, now: float, generation: int) -> None:
        """Count the renewal that brought that generation, by whichever replica; each counts once."""
        if generation <= self._counted:
            return
        self._counted = generation
        self._spent = self._still_spent(now) + 1.0
        self._at = now

    def _still_spent(self, now: float) -> float:
        return max(0.0, self._spent - (now - self._at) / REGAINED_IN)
