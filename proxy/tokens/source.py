"""The only owner of a token's state: gives the token that is good now, and sees to it that there is a next one.

Theory. A source holds at most one token. FRESH: `current` returns it. STALE: `current` returns it too, and one
replacement is under way behind the requests. EXPIRED, rejected or not there: `current` returns None, and whoever needs
it waits in `obtain` for the one flight. `renew` takes a rejected generation out of use.

State changes in synchronous steps alone: a flight departs, a flight lands, a token is rejected or revoked, another
replica made something of the record (`hear`). A flight is a task of its own, so a caller that leaves harms nobody, and
everybody who waits gets its outcome. After a failure nobody departs until its wait is over, and nobody asks an endpoint
whose circuit is open. Generations only grow: what lands is newer than what was held before.
"""

import asyncio
import random as chance
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

from proxy.core.breaker import Breaker, BreakerSettings
from proxy.core.errors import FetchError, ProxyError, Reason, TokenUnavailableError
from proxy.core.rejection import Rejection
from proxy.core.token import Token
from proxy.credentials.base import Credential
from proxy.injectors.base import Injector
from proxy.net.runtime import Runtime
from proxy.telemetry.counts import CredentialMetrics
from proxy.telemetry.events import EventLog, EventName
from proxy.tokens.account import Account
from proxy.tokens.allowance import Allowance
from proxy.tokens.failures import Failure
from proxy.tokens.flight import Flight, land
from proxy.tokens.gate import Gate, Permit
from proxy.tokens.hand import Hand
from proxy.tokens.held import Held, renderer
from proxy.tokens.outcome import Outcome, Replacement, Trigger
from proxy.tokens.record import TokenRecord
from proxy.tokens.refresher import Refresher
from proxy.tokens.renewal import Renewal, RenewalOutcome
from proxy.tokens.status import SourceStatus, status_of
from proxy.tokens.vault import Vault

BREAKER: Final = BreakerSettings()  # a token endpoint's circuit opens as a route's does by default


class Source:
    """One credential at work. It survives a reload that leaves its `identity` the same.

    `key` is that of its record in the store; `safety_window` is in seconds, None: the default.
    """

    def __init__(
        self,
        name: str,
        credential: Credential,
        *,
        injectors: tuple[Injector, ...],
        vault: Vault,
        key: str,
        identity: str,
        runtime: Runtime,
        metrics: CredentialMetrics,
        events: EventLog,
        rejection: Rejection,
        safety_window: float | None = None,
        random: Callable[[], float] = chance.random,
    ) -> None:
        self.name, self.identity = name, identity
        self.rejection = rejection
        self.renewable = credential.renewable
        self._vault = vault
        self._runtime, self._clock, self._now = runtime, runtime.clock, runtime.clock.now
        self._metrics = metrics
        self._events = events
        render = renderer(injectors, window=safety_window, renewable=credential.renewable, random=random)
        self.is_durable = durable = credential.lineage is not None
        self._account = Account(vault, key, identity, render=render, clock=runtime.clock, durable=durable)
        self._refresher = Refresher(
            credential, self._account, render=render, clock=runtime.clock, metrics=metrics, random=random
        )
        self._gate = Gate(name, Breaker(BREAKER), clock=runtime.clock, events=events, random=random)
        self._allowance = Allowance()
        self._flight: Flight[Held | Failure] = Flight(runtime, f"fetch {name}")
        self._hand = Hand(name, runtime, metrics, self._replace_behind)
        self._closed = False
        if self.renewable:
            vault.follow(key, self)
        self.watch()

    def __repr__(self) -> str:
        return f"<Source {self.name}, {self._hand!r}, generation {self._generation}, {self._flight!r}>"

    def watch(self) -> None:
        """Let a scrape read this source's state under its name; of several, the last to ask is read."""
        self._metrics.watch(lambda: self._hand.expires_at, lambda: self._generation, lambda: self._gate.state.value)

    # What requests ask

    def current(self) -> Held | None:
        """Return the token that may be used now, without waiting; None: `obtain` it. Stands on the hot path."""
        held = self._hand.held
        if held is None:
            return None
        now = self._now()
        if now < held.stale_at:
            self._metrics.hit += 1
            return held
        if now < held.expires_at:
            self._metrics.stale += 1
            if not self._closed:
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
        return await self._wait(self._hand.missing if self._hand.held is None else Trigger.EXPIRED)

    async def renew(self, rejected: Held) -> Renewal:
        """Return another token than the one the upstream rejected, or why there is none.

        A newer one that is held costs nothing; else the rejected one goes out of use, and all wait for one flight.
        """
        if not self.renewable:
            return Renewal(RenewalOutcome.NOT_RENEWABLE)
        held = self._hand.held
        if held is not None and held.is_same_token_as(rejected):
            if not self._allowance.is_left(self._clock.monotonic()):
                return Renewal(RenewalOutcome.TOO_YOUNG)
            if self._hand.withdraw():
                self._tell(EventName.TOKEN_REJECTED, held.token)
            if self._flight.task is not None:  # else the flight that departs now does it
                self._runtime.spawn(self._account.reject(held.token.generation), name=f"reject {self.name}")
        elif held is not None and self._now() < held.expires_at:
            return Renewal(RenewalOutcome.SUPERSEDED, held)
        try:
            return Renewal(RenewalOutcome.RENEWED, await self._wait(Trigger.REJECTED))
        except ProxyError as error:
            self._hand.make_do()
            return Renewal(RenewalOutcome.FAILED, error=error)

    # What operators order

    async def prime(self) -> None:
        """Fetch a token that is part of the configuration, once, so that no request waits; a failure meets them."""
        if not self.renewable and self._hand.held is None:
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
        """Forget the token, here and in the fleet. The next request fetches.

        Raises:
            StoreError: others may still use it; here it is forgotten.
        """
        self._hand.forget()
        while (task := self._flight.task) is not None:
            await land(task)  # what it brings was asked for before, and goes the same way
            self._hand.forget()
        self._events.record("info", EventName.TOKEN_REVOKED, credential=self.name, generation=self._generation)
        if self.renewable:
            await self._account.revoke()

    def status(self) -> SourceStatus:
        """Return what operators see."""
        about = {"renewable": self.renewable, "is_fetching": self._flight.task is not None}
        return status_of(self.name, self._hand.held, self._gate, self._clock, generation=self._generation, **about)

    def close(self) -> None:
        """Begin nothing more behind requests. A flight in the air lands, and requests on the old graph are served."""
        self._closed = True
        self._hand.close()
        self._vault.unfollow(self._account.key, self)
        self._refresher.retire()

    async def finish(self) -> None:
        """Let a fetch land that is under way, if what it brings cannot be had again."""
        if self.is_durable and (task := self._flight.task) is not None:
            await land(task)

    def follow_on(self, former: "Source") -> None:
        """Go on from what the source with the former settings met with: a cure is told, and nobody waits for it."""
        self._gate.follow_on(former._gate)

    # What other replicas do

    def hear(self, record: TokenRecord) -> None:
        """Let what others made of the record count here."""
        account, held, was_rejected = self._account, self._hand.held, self._account.record.is_rejected
        if not account.hear(record):
            return
        if (usable := account.usable()) is not None:
            if held is None or not held.is_same_token_as(usable):
                self._hand.take(usable, even_if_unused=False)
                self._gate.heard_success()
                if was_rejected:
                    self._allowance.spend(self._clock.monotonic(), record.generation)
        elif account.is_withdrawn:
            self._hand.withdraw(for_good=account.record.is_revoked)
        if (failure := account.failure) is not None:
            self._gate.heard_failure(failure)
            self._hand.make_do()

    async def catch_up(self) -> None:
        """Compare with the store, for news may have been missed. May raise StoreError."""
        self._gate.relent()
        if (record := await self._account.catch_up()) is not None:
            self.hear(record)

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

    def _replace_behind(self) -> float | None:
        """Begin to replace the token behind requests, or return for how many seconds that is of no use."""
        if self._flight.task is None:
            try:
                self._depart(Trigger.STALE)
            except ProxyError as refusal:
                return refusal.retry_after or 0.0
        return None

    def _depart(self, trigger: Trigger) -> asyncio.Task[Held | Failure]:
        permit = self._gate.enter(forced=trigger is Trigger.FORCED)
        return self._flight.depart(self._lead(trigger, self._generation, permit))

    async def _lead(self, trigger: Trigger, than: int, permit: Permit) -> Held | Failure:
        fail = partial(self._gate.failed, permit)
        try:
            outcome = await self._refresher.replace(trigger, than, fail)
        except Exception as error:
            failure = fail(FetchError(Reason.INTERNAL, f"{type(error).__name__} while fetching: a fault of ours"))
            self._settle_for(failure)
            raise  # the runtime reports it with its trace
        except BaseException:
            self._gate.left(permit)
            raise
        return self._land(outcome, trigger, permit)

    def _land(self, outcome: Outcome, trigger: Trigger, permit: Permit) -> Held | Failure:
        if not isinstance(outcome, Replacement):
            if not outcome.ours:
                self._gate.left(permit)
                self._gate.heard_failure(outcome.failure)
            self._settle_for(outcome.failure)
            return outcome.failure
        self._hand.take(outcome.held, even_if_unused=trigger is not Trigger.STALE)
        if trigger is Trigger.REJECTED:
            self._allowance.spend(self._clock.monotonic(), self._generation)
        if outcome.fetched:
            self._tell(EventName.TOKEN_FETCHED, outcome.held.token, reason=trigger.value)
            self._gate.succeeded(permit, had_failed=outcome.had_failed)
        else:
            self._gate.left(permit)
            self._gate.heard_success()
        return outcome.held

    def _settle_for(self, failure: Failure) -> None:
        self._hand.look_again_in(failure.until - self._clock.monotonic())
        self._hand.make_do()

    def _tell(self, event: EventName, token: Token, reason: str | None = None) -> None:
        mark, record = token.value.fingerprint(), self._events.record
        record("info", event, credential=self.name, reason=reason, generation=token.generation, fingerprint=mark)

    @property
    def _generation(self) -> int:
        return self._account.record.generation
