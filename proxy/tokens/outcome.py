"""What comes of replacing a token: another one, or why there is none."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from proxy.core.errors import FetchError, Reason
from proxy.tokens.failures import Failure
from proxy.tokens.held import Held


class Trigger(Enum):
    """Why a token is replaced."""

    FIRST = "first"
    STALE = "stale"
    EXPIRED = "expired"
    REJECTED = "rejected"
    FORCED = "forced"


@dataclass(frozen=True, slots=True)
class Replacement:
    """A token that is ready for use."""

    held: Held
    fetched: bool
    """False: somebody else had fetched it, the store had it."""
    had_failed: bool = False
    """Fetches had failed since the token before it, here or elsewhere."""


@dataclass(frozen=True, slots=True)
class Setback:
    """There is no token."""

    failure: Failure
    ours: bool
    """False: another replica met with it, or nobody did."""


Outcome = Replacement | Setback

Fail = Callable[[FetchError], Failure]
"""Remembers that a fetch of ours failed, and says for how long that stands."""


def not_asked(message: str, *, retry_after: float | None = None) -> FetchError:
    """Return why the token endpoint was not asked; that will pass."""
    return FetchError(Reason.INTERNAL, message, retry_after=retry_after, asked=False)
