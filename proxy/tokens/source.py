"""The only owner of a token's state: gives the token that is good now, and sees to it that there is a next one.

Theory. A source holds at most one token. FRESH: `current` returns it. STALE: `current` returns it too, and one
replacement is under way behind the requests. EXPIRED, rejected or not there: `current` returns None, and whoever needs
it waits in `obtain` for the one flight. `renew` takes a rejected generation out of use.

State changes in synchronous steps alone: a flight departs, a flight lands (`_adopt` or `_fail`), a token is rejected or
revoked. A flight is a task of its own, so a caller that leaves harms nobody, and everybody who waits gets its outcome.
After a failure nobody departs until its wait is over, and nobody asks an endpoint whose circuit is open. Generations
only grow: what lands is newer than everything that was held before.
"""

import asyncio
import random as chance
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from proxy.core.breaker import Breaker, BreakerSettings
from proxy.core.errors import FetchError, ProxyError, Reason, TokenUnavailableError
from proxy.core.rejection import Rejection
from proxy.core.token import FOREVER, Token, plan
from proxy.credentials.base import Credential
from proxy.injectors.base import Injector
from proxy.net.runtime import Runtime
from proxy.stores.base import Store
from proxy.telemetry.counts import CredentialMetrics
from proxy.telemetry.events import EventLog, EventName
from proxy.tokens.alarm import Alarm
from proxy.tokens.allowance import Allowance
from proxy.tokens.failures import Failure
from proxy.tokens.flight import Flight, land
from proxy.tokens.gate import Gate, Permit
from proxy.tokens.held import Held, hold
from proxy.tokens.refresher import Known, Refresher, Replacement, Trigger
from proxy.tokens.renewal import Renewal, RenewalOutcome
from proxy.tokens.status import SourceStatus, status_of

BREAKER: Final = BreakerSettings()
"""A token endpoint's circuit opens as a route's does by default."""


class Source:
    """One credential at work. It survives a reload that leaves its `identity` the same.

    `safety_window` is in seconds, None: the default; `random` returns from 0 up to 1.
    """

    def __init__(
        self,
        name: str,
        credential: Credential,
        *,
        injectors: tuple[Injector, ...],
        store: Store,
        runtime: Runtime,
        metrics: CredentialMetrics,
        events: EventLog,
        identity: str,
        rejection: Rejection,
        safety_window: float | None = None,
        breaker: BreakerSettings = BREAKER,
        random: Callable[[], float] = chance.random,
    ) -> None:
        self.name = name
        self.identity = identity
        self.rejection = rejection
        self.renewable = credential.renewable
        self._injectors = injectors
        self._window = safety_window
        self._random = random
        self._now = runtime.clock.now
        self._monotonic = runtime.clock.monotonic
        self._metrics = metrics
        self._events = events
        self._refresher = Refresher(
            credential,
            store,
            f"token/{name}/{identity}",
            render=self._render,
            clock=runtime.clock,
            metrics=metrics,
        )
        self._gate = Gate(name, Breaker(breaker), clock=runtime.clock, events=events, random=random)
        self._allowance = Allowance()
        self._flight: Flight[Held | Failure] = Flight(runtime, f"fetch {name}")
        self._alarm = Alarm(runtime, f"refresh {name}", self._planned_refresh)
        self._held: Held | None = None
        self._last: Token | None = None
        self._generation = 0
        self._missing = Trigger.FIRST
        self._uses_at_adoption = 0
        self._closed = False
        self.watch()

    def __repr__(self) -> str:
        state = "none" if self._held is None else self._held.state(self._now()).value
        return f"<Source {self.name}, {state}, generation {self._generation}, {self._flight!r}>"

    def watch(self) -> None:
        """Let a scrape read this source's state under its name; of several, the last to ask is read."""
        self._metrics.watch(self._expires_at, lambda: self._generation, lambda: self._gate.state.value)

    @property
    def breaker(self) -> Breaker:
        """The circuit of the token endpoint."""
        return self._gate.breaker

    # What requests ask

    def current(self) -> Held | None:
        """Return the token that may be used now, without waiting; None: `obtain` it. Stands on the hot path."""
        held = self._held
        if held is None:
            return None
        now = self._now()
        if now < held.stale_at:
            self._metrics.hit += 1
            return held
        if now < held.expires_at:
            self._metrics.stale += 1
            self._replace_behind()
            return held
        return None

    async def obtain(self) -> Held:
        """Return a token that is good now; waits for the flight when there is none.

        Raises:
            TokenUnavailableError: none can be had; why, and when to ask again.
            CircuitOpenError: the token endpoint kept failing and is left alone for now.
        """
        held = self.current()
        if held is not None:
            return held
        return await self._wait(self._missing if self._held is None else Trigger.EXPIRED)

    async def renew(self, rejected: Held) -> Renewal:
        """Return another token than the one the upstream rejected, or why there is none.

        A newer one that is held costs nothing; else the rejected one goes out of use, and all wait for one flight.
        """
        if not self.renewable:
            return Renewal(RenewalOutcome.NOT_RENEWABLE)
        held = self._held
        if held is not None and held.token.generation == rejected.token.generation:
            if not self._allowance.is_left(self._monotonic()):
                return Renewal(RenewalOutcome.TOO_YOUNG)
            self._reject(held)
        elif held is not None and self._now() < held.expires_at:
            return Renewal(RenewalOutcome.SUPERSEDED, held)
        try:
            return Renewal(RenewalOutcome.RENEWED, await self._wait(Trigger.REJECTED))
        except ProxyError as error:
            if self._held is None and self._last is rejected.token and self._now() < rejected.expires_at:
                self._held = rejected  # other requests may do with it; its expiry ends it
            return Renewal(RenewalOutcome.FAILED, error=error)

    # What operators order

    async def prime(self) -> None:
        """Fetch a token that is part of the configuration, once, so that no request waits; a failure meets them."""
        if not self.renewable and self._held is None:
            with suppress(ProxyError):
                await self._wait(Trigger.FIRST)

    async def refresh(self) -> Held:
        """Fetch a new token now, whatever is held and whatever failed before.

        Raises:
            TokenUnavailableError: the fetch failed; the token that was held stays.
        """
        if (task := self._flight.task) is not None:
            await land(task)  # it may have asked before there was reason to
        return await self._wait(Trigger.FORCED)

    async def revoke(self) -> None:
        """Forget the token, and what the store has of it. The next request fetches, and nothing of it is reused.

        Raises:
            StoreError: it may still be in the store; here it is forgotten.
        """
        self._forget()
        while (task := self._flight.task) is not None:
            await land(task)  # what it brings was asked for before, and goes the same way
            self._forget()
        self._events.record("info", EventName.TOKEN_REVOKED, credential=self.name, generation=self._generation)
        await self._refresher.revoke(self._generation)

    def status(self) -> SourceStatus:
        """Return what operators see."""
        return status_of(
            self.name,
            self._held,
            self._gate,
            generation=self._generation,
            renewable=self.renewable,
            is_fetching=self._flight.task is not None,
            now=self._now(),
            monotonic=self._monotonic(),
        )

    def close(self) -> None:
        """Begin nothing more behind requests. A flight in the air lands, and requests on the old graph are served."""
        self._closed = True
        self._alarm.close()
        self._refresher.retire()

    # The flight

    async def _wait(self, trigger: Trigger) -> Held:
        if (task := self._flight.task) is None:
            try:
                task = self._depart(trigger)
            except ProxyError:
                self._metrics.negative += 1
                raise
        self._metrics.wait += 1
        outcome = await land(task)
        if isinstance(outcome, Held):
            return outcome
        if outcome is None:
            raise TokenUnavailableError(Reason.INTERNAL, "the fetch was broken off", credential=self.name)
        raise self._gate.refusal(outcome)

    def _replace_behind(self) -> None:
        if self._flight.task is None and not self._closed:
            with suppress(ProxyError):
                self._depart(Trigger.STALE)

    def _depart(self, trigger: Trigger) -> asyncio.Task[Held | Failure]:
        permit = self._gate.enter(forced=trigger is Trigger.FORCED)
        return self._flight.depart(self._lead(trigger, permit))

    async def _lead(self, trigger: Trigger, permit: Permit) -> Held | Failure:
        try:
            replacement = await self._refresher.replace(Known(self._last, self._generation), trigger)
        except FetchError as error:
            return self._fail(permit, error)
        except Exception as error:
            self._fail(permit, FetchError(Reason.INTERNAL, f"{type(error).__name__} while fetching: a fault of ours"))
            raise  # the runtime reports it with its trace
        except BaseException:
            self._gate.left(permit)
            raise
        return self._adopt(permit, replacement, trigger)

    def _adopt(self, permit: Permit, replacement: Replacement, trigger: Trigger) -> Held:
        held = replacement.held
        self._held, self._last, self._generation = held, held.token, held.token.generation
        self._uses_at_adoption = self._uses() if trigger is Trigger.STALE else -1
        if replacement.fetched:
            self._tell(EventName.TOKEN_FETCHED, held, reason=trigger.value)
            if trigger is Trigger.REJECTED:
                self._allowance.spend(self._monotonic())
        self._gate.succeeded(permit, asked=replacement.fetched)
        self._alarm.set(held.stale_at - self._now())
        return held

    def _fail(self, permit: Permit, error: FetchError) -> Failure:
        failure = self._gate.failed(permit, error)
        self._alarm.set(failure.until - self._monotonic())
        return failure

    def _render(self, token: Token) -> Held:
        jitter = 2.0 * self._random() - 1.0
        lifetime = plan(token, window=self._window, jitter=jitter) if self.renewable else FOREVER
        return hold(token, self._injectors, lifetime)

    def _reject(self, held: Held) -> None:
        self._held, self._missing = None, Trigger.REJECTED
        self._tell(EventName.TOKEN_REJECTED, held)

    def _forget(self) -> None:
        self._held, self._last, self._missing = None, None, Trigger.FIRST

    def _tell(self, event: EventName, held: Held, reason: str | None = None) -> None:
        record, token, mark = self._events.record, held.token, held.token.value.fingerprint()
        record("info", event, credential=self.name, reason=reason, generation=token.generation, fingerprint=mark)

    # The planned refresh

    def _planned_refresh(self) -> None:
        """Replace the token before requests find it stale; one that nobody used since its own refresh lapses."""
        held, now = self._held, self._now()
        if held is None or now >= held.expires_at or self._uses() == self._uses_at_adoption:
            return
        if now < held.stale_at:  # the wall clock has been set back
            self._alarm.set(held.stale_at - now)
        elif self._flight.task is None:
            try:
                self._depart(Trigger.STALE)
            except ProxyError as refusal:
                self._alarm.set(refusal.retry_after or 0.0)

    def _uses(self) -> int:
        return self._metrics.hit + self._metrics.stale + self._metrics.wait

    def _expires_at(self) -> float | None:
        return None if self._held is None else self._held.expires_at
