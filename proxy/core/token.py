"""A token and its age: FRESH, STALE, EXPIRED, and when each begins.

FRESH    use it.
STALE    inside the safety window, or past its planned refresh: use it, and replace it behind the request.
EXPIRED  wait for the replacement.

The safety window is what the token endpoint gets in order to answer before the old token ends; the planned refresh is
jittered, so that what was issued together is not replaced together. What tokens of the credential have taught of their
true life (`proxy.core.trust`) brings the planned refresh forward, and nothing else: an early end is a belief, and while
there is no replacement the token in hand is still tried.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from types import MappingProxyType
from typing import Final

from proxy.core.secret import Secret

LONGEST_DEFAULT_WINDOW: Final = 60.0
"""Seconds of the default safety window, for a token that lives long enough."""
DEFAULT_WINDOW_SHARE: Final = 0.25
"""Share of its lifetime that a shorter-lived token's default safety window takes."""
LARGEST_WINDOW_SHARE: Final = 0.5
"""No window, configured or not, takes more of a lifetime: a token must be FRESH for a while, or every call fetches."""
PLANNED_REFRESH_SHARE: Final = 0.8
"""Share of the lifetime after which a token is replaced in the background."""
PLANNED_REFRESH_JITTER: Final = 0.1
"""How far the planned refresh moves to either side, as a share of itself."""

NO_VARIABLES: Final[Mapping[str, Secret]] = MappingProxyType({})


class TokenState(Enum):
    """How old a token is."""

    FRESH = "fresh"
    STALE = "stale"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Token:
    """The value a credential yields now."""

    value: Secret
    issued_at: float
    """Unix seconds on our clock, when the reply that brought it was read."""
    expires_at: float | None = None
    """Unix seconds on our clock; None: it does not expire."""
    generation: int = 0
    """Grows by one each time a new value is stored; 0: never stored."""
    variables: Mapping[str, Secret] = field(default_factory=lambda: NO_VARIABLES)
    """What else the reply brought, by name."""


REVOKED: Final = Token(Secret(""), 0.0)
"""What stood before a fetch when somebody revoked it and it left nothing: the next one is to be another."""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """When a token's states begin, in Unix seconds on our clock; inf: never."""

    stale_at: float
    expires_at: float

    def state(self, now: float) -> TokenState:
        """Return how old the token is at that moment."""
        if now < self.stale_at:
            return TokenState.FRESH
        return TokenState.STALE if now < self.expires_at else TokenState.EXPIRED


FOREVER: Final = Lifetime(inf, inf)


def safety_window(lifetime: float, configured: float | None = None) -> float:
    """Return how long before its end a token that lives that many seconds counts as STALE, in seconds."""
    window = min(LONGEST_DEFAULT_WINDOW, lifetime * DEFAULT_WINDOW_SHARE) if configured is None else configured
    return min(window, lifetime * LARGEST_WINDOW_SHARE)


def plan(token: Token, *, window: float | None = None, jitter: float = 0.0, trusted: float | None = None) -> Lifetime:
    """Return when the token becomes STALE and EXPIRED.

    `window` is the configured safety window in seconds; `jitter`, from -1 to 1, moves the planned refresh; `trusted` is
    the age in seconds up to which such tokens have been seen to work, None when nothing is known but what they say.
    """
    lifetime = inf if token.expires_at is None else max(0.0, token.expires_at - token.issued_at)
    believed = lifetime if trusted is None else min(lifetime, trusted)
    if believed == inf:
        return FOREVER
    stale_at = token.issued_at + believed * PLANNED_REFRESH_SHARE * (1.0 + PLANNED_REFRESH_JITTER * jitter)
    if token.expires_at is None:
        return Lifetime(stale_at, inf)
    return Lifetime(min(stale_at, token.expires_at - safety_window(lifetime, window)), token.expires_at)
