"""Replaces one credential's token, once at a time: who needs another one gets the outcome of the flight in the air.

Theory. A flight is a task of its own, so a caller that leaves harms nobody. It departs only where the gate lets it, and
lands in one synchronous step: the hand takes the new token, or makes do with what it has, and the gate learns how it
went, exactly once. Where only a person can bring the next token, none departs: it is looked for in the store, for they
may have brought it to another replica; if it is not there, requests are told what is to be done, and nothing failed.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Final

from proxy.core.errors import FetchError, ProxyError, Reason, TokenUnavailableError
from proxy.credentials.base import Credential
from proxy.net.runtime import Runtime
from proxy.stores.base import StoreError
from proxy.telemetry.counts import CredentialMetrics
from proxy.telemetry.events import EventLog, EventName
from proxy.tokens.account import Account
from proxy.tokens.allowance import Allowance
from proxy.tokens.circuit import Circuit
from proxy.tokens.failures import Failure
from proxy.tokens.flight import Flight, land
from proxy.tokens.gate import Gate, Permit
from proxy.tokens.hand import Hand
from proxy.tokens.held import Held, Render
from proxy.tokens.outcome import Outcome, Replacement, Trigger
from proxy.tokens.refresher import Refresher
from proxy.tokens.saving import Savings

AWAY: Final = "whether somebody has brought a token cannot be looked up now"


class Replacer:
    """One credential's replacements. `circuit`: that of its token endpoint, if others share it."""

    def __init__(
        self,
        name: str,
        credential: Credential,
        account: Account,
        *,
        render: Render,
        runtime: Runtime,
        metrics: CredentialMetrics,
        events: EventLog,
        random: Callable[[], float],
        circuit: Circuit | None = None,
    ) -> None:
        self._name = name
        self._credential = credential
        self._account = account
        self._clock = runtime.clock
        self._metrics = metrics
        self._events = events
        self._refresher = Refresher(
            credential, account, render=render, clock=runtime.clock, metrics=metrics, random=random
        )
        circuit = circuit or Circuit(name, metrics, clock=runtime.clock, events=events)
        self.gate = Gate(name, circuit, clock=runtime.clock, events=events, random=random)
        self.savings: Savings | None = None
        """Who gets what each fetch brings, too."""
        self.allowance = Allowance()
        """How many more renewals rejections may force."""
        self.hand = Hand(name, runtime, self.behind)
        self._flight: Flight[Held | Failure] = Flight(runtime, f"fetch {name}")
        self._look: Flight[Held | StoreError | None] = Flight(runtime, f"look for what was brought to {name}")

    def __repr__(self) -> str:
        return f"<Replacer {self._name}, {self._flight!r}>"

    @property
    def task(self) -> "asyncio.Task[Held | Failure] | None":
        """The flight that is in the air."""
        return self._flight.task

    async def wait(self, trigger: Trigger) -> Held:
        """Return the token that the flight brings, which departs now if none is in the air.

        Raises:
            ProxyError: none departs, or this one brings none; says why.
        """
        try:
            return await self._awaited(trigger)
        except ProxyError as error:
            if self._credential.settings.per_user:  # others have tokens of their own: for them the route is as it was
                error.counts = False
            raise

    async def _awaited(self, trigger: Trigger) -> Held:
        if (task := self.task) is None:
            if (lack := self._lack()) is not None:
                return await self._brought(lack, trigger)
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
            raise TokenUnavailableError(Reason.INTERNAL, "the fetch was broken off", credential=self._name)
        raise self._lack() or self.gate.refusal(outcome)

    def behind(self) -> float | None:
        """Begin to replace the token behind requests, or return for how many seconds that is of no use."""
        if self.task is None:
            if self._lack() is not None:
                return inf
            try:
                self._depart(Trigger.STALE)
            except ProxyError as refusal:
                return refusal.retry_after or 0.0
        return None

    def retire(self) -> None:
        """Leave nothing behind in a store that is this process's own, now and after each flight to come."""
        self._refresher.retire()

    def tell(self, event: EventName, held: Held, reason: str | None = None) -> None:
        """Record what became of a token."""
        token = held.token
        mark, record = token.value.fingerprint(), self._events.record
        record("info", event, credential=self._name, reason=reason, generation=token.generation, fingerprint=mark)

    def _lack(self) -> ProxyError | None:
        """Return what a person has to do before there is any use in a flight."""
        failure = self.gate.failure
        is_dead = failure is not None and failure.permanent and failure.reason is Reason.INVALID_GRANT
        return self._credential.lacks(None if is_dead else self._account.record.token)

    async def _brought(self, lack: ProxyError, trigger: Trigger) -> Held:
        """Return what a person has brought, and we have not heard of.

        Raises:
            ProxyError: the lack: there is nothing; or, as far as we know, for the store does not say.
        """
        if trigger is Trigger.REJECTED:
            self.hand.withdraw(for_good=True)  # what was refused is not made do with
        if trigger is not Trigger.FORCED:
            task = self._look.task or self._look.depart(self._look_for_brought(trigger, self._generation))
            found = await land(task)
            if isinstance(found, Held):
                return found
            if isinstance(found, StoreError):  # they may have done what they are asked for
                lack = TokenUnavailableError(Reason.INTERNAL, AWAY, credential=self._name, retry_after=1.0, asked=False)
        self._metrics.negative += 1
        raise lack

    async def _look_for_brought(self, trigger: Trigger, refused: int) -> Held | StoreError | None:
        if trigger is Trigger.REJECTED:
            await self._account.reject(refused)
        try:
            await self._account.look()
        except StoreError as error:
            return error
        if (held := self._account.usable()) is not None:
            self.hand.take(held, even_if_unused=False)
            self.gate.heard_success()
        return held

    def _depart(self, trigger: Trigger) -> "asyncio.Task[Held | Failure]":
        permit = self.gate.enter(forced=trigger is Trigger.FORCED)
        return self._flight.depart(self._lead(trigger, self._generation, permit))

    async def _lead(self, trigger: Trigger, than: int, permit: Permit) -> Held | Failure:
        fail = partial(self.gate.failed, permit)
        try:
            outcome = await self._refresher.replace(trigger, than, fail)
        except Exception as error:
            failure = fail(FetchError(Reason.INTERNAL, f"{type(error).__name__} while fetching: a fault of ours"))
            self._settle_for(failure)
            raise  # the runtime reports it with its trace
        except BaseException:
            self.gate.left(permit)
            raise
        return self._land(outcome, trigger, permit)

    def _land(self, outcome: Outcome, trigger: Trigger, permit: Permit) -> Held | Failure:
        if not isinstance(outcome, Replacement):
            if not outcome.ours:
                self.gate.left(permit)
                self.gate.heard_failure(outcome.failure)
            self._settle_for(outcome.failure)
            return outcome.failure
        self.hand.take(outcome.held, even_if_unused=trigger is not Trigger.STALE)
        if trigger is Trigger.REJECTED:
            self.allowance.spend(self._clock.monotonic(), self._generation)
        if outcome.fetched:
            self.tell(EventName.TOKEN_FETCHED, outcome.held, reason=trigger.value)
            self.gate.succeeded(permit, had_failed=outcome.had_failed)
            if self.savings is not None:
                self.savings.pass_on(outcome.held.token)
        else:
            self.gate.left(permit)
            self.gate.heard_success()
        return outcome.held

    def _settle_for(self, failure: Failure) -> None:
        self.hand.look_again_in(failure.until - self._clock.monotonic())
        self.hand.make_do()

    @property
    def _generation(self) -> int:
        return self._account.record.generation
