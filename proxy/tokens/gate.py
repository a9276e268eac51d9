"""Says whether a token endpoint may be asked now: not while its circuit is open, nor soon after it failed.

Theory. Whoever fetches enters first and reports afterwards how it went, exactly once: `succeeded`, `failed` or `left`.
Two memories learn from it, the failure memory (how long this very failure stands) and the circuit (whether the endpoint
keeps failing). Each user's token has a gate and a failure memory of its own, and a circuit that all users share. Each
change for the worse or the better is one event in the fleet, told by whoever met it first, however many requests and
replicas meet it after.
"""

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Final

from proxy.core.breaker import BreakerOpen, BreakerState
from proxy.core.clock import Clock
from proxy.core.errors import CircuitOpenError, FetchError, Reason, TokenUnavailableError
from proxy.telemetry.events import EventLog, EventName
from proxy.tokens.circuit import Circuit
from proxy.tokens.failures import Failure, FailureMemory

WORDS: Final = {
    Reason.NETWORK: "its token endpoint cannot be reached",
    Reason.INVALID_CLIENT: "its token endpoint does not accept the client",
    Reason.INVALID_GRANT: "its token endpoint does not accept the grant",
    Reason.PROVIDER_4XX: "its token endpoint refuses the request",
    Reason.PROVIDER_5XX: "its token endpoint is failing",
    Reason.MALFORMED_RESPONSE: "the answer of its token endpoint cannot be used",
    Reason.NO_REFRESH_TOKEN: "somebody has to sign in again",
    Reason.INTERNAL: "its token could not be asked for",
}
"""What a caller is told of a failure. Where the endpoint is and what to do about it is for operators only."""

Permit = int | None
"""What `enter` gave; None: let in by force past an open circuit, which then learns nothing from it."""


class Gate:
    """Stands before one credential's token endpoint."""

    def __init__(
        self, credential: str, circuit: Circuit, *, clock: Clock, events: EventLog, random: Callable[[], float]
    ) -> None:
        self.circuit = circuit
        self._credential = credential
        self._clock = clock
        self._events = events
        self._memory = FailureMemory(random)
        self._counted_at = -inf
        """When a failure of ours counted last for the circuit, in monotonic seconds."""

    def __repr__(self) -> str:
        return f"<Gate {self._credential}, {self.state.name.lower()}, {self._memory.last}>"

    @property
    def state(self) -> BreakerState:
        """The circuit's state now."""
        return self.circuit.state

    @property
    def failure(self) -> Failure | None:
        """The failure that no success has followed yet."""
        return self._memory.last

    def enter(self, *, forced: bool = False) -> Permit:
        """Let a fetch through; a forced one always.

        Raises:
            CircuitOpenError: the endpoint keeps failing.
            TokenUnavailableError: the last failure still stands.
        """
        now = self._clock.monotonic()
        failure = self._memory.remembered(now)
        try:
            permit = self.circuit.admit()
        except BreakerOpen as error:
            if forced:
                return None
            wait = max(error.retry_after, failure.until - now if failure is not None else 0.0)
            detail = f"the token endpoint of {self._credential} kept failing and is left alone for now"
            raise CircuitOpenError(detail, retry_after=wait) from None
        if failure is None or forced:
            return permit
        self.circuit.release(permit)
        raise self.refusal(failure)

    def succeeded(self, permit: Permit, *, had_failed: bool = False) -> None:
        """The endpoint gave a token; `had_failed`: others, or a former process, had asked in vain."""
        if permit is not None:
            self.circuit.record(permit, ok=True)
        if self._memory.last is not None or had_failed:
            self._memory.forget()
            self._events.record("info", EventName.REFRESH_RECOVERED, credential=self._credential)

    def heard_success(self) -> None:
        """Another replica got a token; it tells so itself, unless the failure was ours alone."""
        before = self._memory.last
        if before is not None:
            self._memory.forget()
            if not before.asked:
                self._events.record("info", EventName.REFRESH_RECOVERED, credential=self._credential)

    def heard_failure(self, failure: Failure) -> None:
        """Another replica met with a failure, and tells so itself."""
        self._memory.hear(failure)

    def follow_on(self, former: "Gate") -> None:
        """Remember that it failed with former settings, though with these it is worth asking at once."""
        if (failure := former.failure) is not None:
            self._memory.hear(replace(failure, until=self._clock.monotonic(), in_a_row=0, permanent=False))

    def relent(self) -> None:
        """What kept us from asking has passed: it is worth asking at once."""
        failure = self._memory.last
        if failure is not None and not failure.asked:
            self._memory.hear(replace(failure, until=self._clock.monotonic()))

    def failed(self, permit: Permit, error: FetchError) -> Failure:
        """Remember that the fetch failed."""
        before = self._memory.last
        failure = self._memory.remember(error, self._clock.monotonic())
        if before is None:
            self._tell(EventName.REFRESH_FAILED, failure)
        if failure.permanent and (before is None or not before.permanent):
            self._tell(EventName.CREDENTIAL_NEEDS_PERSON, failure)
        if permit is not None and self.circuit.blames(error, self._counted_at):
            self._counted_at = self._clock.monotonic()
            self.circuit.record(permit, ok=False)
        else:
            self.left(permit)
        return failure

    def left(self, permit: Permit) -> None:
        """Nothing was learnt of the endpoint: it was not asked, or the asking was broken off."""
        if permit is not None:
            self.circuit.release(permit)

    def refusal(self, failure: Failure) -> TokenUnavailableError:
        """Return what a request is told that needs a token while the failure stands."""
        wait = max(0.0, failure.until - self._clock.monotonic())
        detail = f"there is no token for {self._credential}: {WORDS[failure.reason]}"
        return TokenUnavailableError(
            failure.reason, detail, credential=self._credential, retry_after=wait, asked=failure.asked
        )

    def _tell(self, event: EventName, failure: Failure) -> None:
        self._events.record(
            "error" if failure.permanent else "warning",
            event,
            credential=self._credential,
            reason=failure.reason.value,
            detail=failure.detail,
        )
