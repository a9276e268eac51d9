"""What operators see of a token: everything but its value."""

from dataclasses import dataclass
from math import isfinite

from proxy.core.clock import Clock
from proxy.core.errors import Reason
from proxy.tokens.gate import Gate
from proxy.tokens.held import Held


@dataclass(frozen=True, slots=True)
class FailureStatus:
    """The last fetch failed, and none has succeeded since."""

    reason: Reason
    detail: str
    permanent: bool
    """True: somebody has to change something."""
    retry_after: float
    """Seconds until it is worth asking again; 0: now."""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One credential's token at one moment. Times are Unix seconds."""

    name: str
    renewable: bool
    state: str
    """fresh, stale, expired, or none: nothing has been fetched, or what was fetched is forgotten."""
    generation: int
    """The newest there was, 0: none yet."""
    fingerprint: str | None
    """Tells two values apart and says nothing of either."""
    issued_at: float | None
    stale_at: float | None
    """None: never, or there is no token."""
    expires_at: float | None
    """None: never, or there is no token."""
    is_fetching: bool
    failure: FailureStatus | None
    breaker: str
    """closed, half_open or open: the token endpoint's circuit."""


def status_of(
    name: str,
    held: Held | None,
    gate: Gate,
    clock: Clock,
    *,
    generation: int,
    renewable: bool,
    is_fetching: bool,
) -> SourceStatus:
    """Return how things stand with a credential's token; read on its clock."""
    failure, now, monotonic = gate.failure, clock.now(), clock.monotonic()
    return SourceStatus(
        name=name,
        renewable=renewable,
        state="none" if held is None else held.state(now).value,
        generation=generation,
        fingerprint=None if held is None else held.token.value.fingerprint(),
        issued_at=None if held is None else held.token.issued_at,
        stale_at=None if held is None else _finite(held.stale_at),
        expires_at=None if held is None else _finite(held.expires_at),
        is_fetching=is_fetching,
        failure=None
        if failure is None
        else FailureStatus(failure.reason, failure.detail, failure.permanent, max(0.0, failure.until - monotonic)),
        breaker=gate.state.name.lower(),
    )


def _finite(moment: float) -> float | None:
    return moment if isfinite(moment) else None
