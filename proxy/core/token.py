"""A token and its age: FRESH, STALE, EXPIRED, and when each begins.

FRESH    use it.
STALE    inside the safety window, or past its planned refresh: use it, and replace it behind the request.
EXPIRED  wait for the replacement.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final

from proxy.core.secret import Secret

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
    variables: Mapping[str, Secret] = field(default=NO_VARIABLES)
    """What else the reply brought, by name."""
