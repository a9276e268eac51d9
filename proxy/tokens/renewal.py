"""What came of asking for another token because the upstream rejected one."""

from dataclasses import dataclass
from enum import Enum

from proxy.core.errors import ProxyError
from proxy.tokens.held import Held


class RenewalOutcome(Enum):
    """The closed set of answers."""

    RENEWED = "renewed"
    """There is a new token: replay with it."""
    SUPERSEDED = "superseded"
    """A newer one than the rejected was held already: replay with it."""
    TOO_YOUNG = "too_young"
    """Tokens were renewed and rejected time and again; the rejected one stays. Pass the upstream's answer on."""
    NOT_RENEWABLE = "not_renewable"
    """Fetching again yields the same value. Pass the upstream's answer on."""
    FAILED = "failed"
    """No other can be had now; `error` says why. The rejected one stays for requests that may do with it."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """The token to replay with, or why there is none."""

    outcome: RenewalOutcome
    held: Held | None = None
    error: ProxyError | None = None
    """Why there is none, as a caller is told; only of FAILED."""
