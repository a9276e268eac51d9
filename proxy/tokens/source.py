"""The only owner of a token's state: gives the token that is good now, and sees to it that there is a next one.

Theory. A source holds at most one token. FRESH: `current` returns it. STALE: `current` returns it too, and one
replacement is under way behind the requests. EXPIRED, rejected or not there: `current` returns None, and whoever needs
it waits in `obtain` for the one flight. `renew` takes a rejected generation out of use.

State changes in synchronous steps alone: a flight departs, a flight lands, a token is rejected or revoked, another
replica made something of the record (`hear`). A flight is a task of its own, so a caller that leaves harms nobody, and
everybody who waits gets its outcome. After a failure nobody departs until its wait is over, and nobody asks an endpoint
whose circuit is open. Generations only grow: what lands is newer than what was held before.
"""

import random as chance
from collections.abc import Callable
from contextlib import suppress

from proxy.core.errors import ProxyError
from proxy.core.rejection import Rejection
from proxy.core.token import Token
from proxy.credentials.base import Credential
from proxy.injectors.base import Injector
from proxy.net.runtime import Runtime
from proxy.stores.base import StoreError
from proxy.telemetry.counts import CredentialMetrics
from proxy.telemetry.events import EventLog, EventName
from proxy.tokens.account import Account
from proxy.tokens.circuit import Circuit
from proxy.tokens.flight import land
from proxy.tokens.held import Held, renderer
from proxy.tokens.outcome import Trigger
from proxy.tokens.record import TokenRecord
from proxy.tokens.renewal import Renewal, RenewalOutcome
from proxy.tokens.replacer import Replacer
from proxy.tokens.saving import Savings, receive
from proxy.tokens.status import SourceStatus, status_of
from proxy.tokens.surrender import surrender
from proxy.tokens.vault import Vault


class Source:
    """One credential at work. It survives a reload that leaves its `identity` the same.

    `key` is that of its record in the store; `safety_window` is in seconds, None: the default. `circuit`: that of its
    token endpoint, None: one of its own.
    """

    __slots__ = ("__weakref__", "_account", "_clock", "_events", "_gate", "_hand", "_metrics", "_now", "_replacer",
                 "_runtime", "_vault", "at_rest", "credential", "identity", "is_durable", "name", "rejection",
                 "renewable", "was_used")  # fmt: skip

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
        circuit: Circuit | None = None,
    ) -> None:
        self.name, self.identity = name, identity
        self.credential, self.renewable, self.rejection = credential, credential.renewable, rejection
        self._runtime, self._clock, self._now = runtime, runtime.clock, runtime.clock.now
        self._vault, self._metrics, self._events = vault, metrics, events
        render = renderer(injectors, window=safety_window, renewable=credential.renewable, random=random)
        self.is_durable = durable = not (credential.lineage is credential.brought is None)
        whose = identity if credential.brought is None else key  # what was brought is good under other settings, too
        self._account = Account(vault, key, whose, render=render, clock=runtime.clock, durable=durable)
        self._replacer = Replacer(
            name,
            credential,
            self._account,
            render=render,
            runtime=runtime,
            metrics=metrics,
            events=events,
            random=random,
            circuit=circuit,
        )
        self._gate, self._hand = self._replacer.gate, self._replacer.hand
        self.at_rest = False
        """It begins nothing more, and is to be asked no more if there is another one."""
        self.was_used = False  # since a pool looked last
        if self.renewable:
            vault.follow(key, self)

    def __repr__(self) -> str:
        return f"<Source {self.name}, {self._hand!r}, generation {self._generation}, {self._replacer!r}>"

    def watch(self) -> None:
        """Let a scrape read this source's state under its name; of several, the last to ask is read."""
        self._metrics.watch(lambda: self._hand.expires_at, lambda: self._generation, lambda: self._gate.state.value)

    # What requests ask

    def current(self) -> Held | None:
        """Return the token that may be used now, without waiting; None: `obtain` it. Stands on the hot path."""
        hand = self._hand
        held = hand.held
        if held is None:
            return None
        if (now := self._now()) < held.stale_at:
            self._metrics.hit += 1
            hand.was_used = True
            return held
        if now >= held.expires_at:
            return None
        self._metrics.stale += 1
        hand.was_used = True
        if not self.at_rest:
            self._replacer.behind()
        return held

    @property
    def token(self) -> Token | None:
        """Return the token that requests get now, if there is one; nothing is counted, and nothing begins."""
        held = self._hand.held
        return held.token if held is not None and self._now() < held.expires_at else None

    async def obtain(self) -> Held:
        """Return a token that is good now; waits for the flight when there is none.

        Raises:
            TokenUnavailableError: none can be had; why, and when to ask again.
            CircuitOpenError: the token endpoint kept failing and is left alone for now.
        """
        held = self.current()
        if held is not None:
            return held
        return await self._replacer.wait(self._hand.missing if self._hand.held is None else Trigger.EXPIRED)

    async def renew(self, rejected: Held) -> Renewal:
        """Return another token than the one the upstream rejected, or why there is none.

        A newer one that is held costs nothing; else the rejected one goes out of use, and all wait for one flight.
        """
        if not self.renewable:
            return Renewal(RenewalOutcome.NOT_RENEWABLE)
        held = self._hand.held
        if held is not None and held.is_same_token_as(rejected):
            if not self._replacer.allowance.is_left(self._clock.monotonic()):
                return Renewal(RenewalOutcome.TOO_YOUNG)
            if self._hand.withdraw():
                self._replacer.tell(EventName.TOKEN_REJECTED, held)
            if self.is_fetching:  # else the flight that departs now does it
                self._runtime.spawn(self._account.reject(held.token.generation), name=f"reject {self.name}")
        elif held is not None and self._now() < held.expires_at:
            return Renewal(RenewalOutcome.SUPERSEDED, held)
        try:
            return Renewal(RenewalOutcome.RENEWED, await self._replacer.wait(Trigger.REJECTED))
        except ProxyError as error:
            self._hand.make_do()
            return Renewal(RenewalOutcome.FAILED, error=error)

    # What operators order

    async def prime(self) -> None:
        """Fetch a token that is part of the configuration, once, so that no request waits; a failure meets them."""
        if not self.renewable and self._hand.held is None:
            with suppress(ProxyError):
                await self._replacer.wait(Trigger.FIRST)

    async def refresh(self) -> Held:
        """Fetch a new token now, whatever is held and whatever failed before.

        Raises:
            TokenUnavailableError: the fetch failed; the token that was held stays.
        """
        if (task := self._replacer.task) is not None:
            await land(task)  # it may have asked before there was reason to
        return await self._replacer.wait(Trigger.FORCED)

    async def revoke(self) -> Token | None:
        """Forget the token, here and in the fleet. The next request fetches.

        What a person has brought is forgotten for good, and returned: its issuer may want to hear of it.

        Raises:
            StoreError: others may still use it; here it is forgotten.
        """
        self._hand.forget()
        while (task := self._replacer.task) is not None:
            await land(task)  # what it brings was asked for before, and goes the same way
            self._hand.forget()
        self._events.record("info", EventName.TOKEN_REVOKED, credential=self.name, generation=self._generation)
        if self.credential.brought is not None:
            try:
                return await surrender(self._account, self._clock)
            finally:
                self._hand.forget()  # what was heard of meanwhile goes the same way
        if self.renewable:
            await self._account.revoke()
        return None

    def status(self) -> SourceStatus:
        """Return what operators see."""
        about = {"renewable": self.renewable, "is_fetching": self.is_fetching}
        return status_of(self.name, self._hand.held, self._gate, self._clock, generation=self._generation, **about)

    @property
    def is_fetching(self) -> bool:
        """Return True while a fetch is under way."""
        return self._replacer.task is not None

    def rest(self) -> None:
        """Begin nothing more; a flight in the air lands. What stands in the store stays, for whoever comes next."""
        self.at_rest = True
        self._hand.close()
        self._vault.unfollow(self._account.key, self)

    def close(self) -> None:
        """Do the same for good. Requests on the old graph are served."""
        self.rest()
        self._replacer.retire()

    async def finish(self) -> None:
        """Let a fetch land that is under way, if what it brings cannot be had again."""
        if self.is_durable and (task := self._replacer.task) is not None:
            await land(task)

    def follow_on(self, former: "Source") -> None:
        """Go on from what the source with the former settings met with: a cure is told, and nobody waits for it."""
        self._gate.follow_on(former._gate)

    # What other replicas do

    def hear(self, record: TokenRecord) -> None:
        """Let what others made of the record count here."""
        was_rejected = self._account.record.is_rejected
        if self._account.hear(record):
            self._reckon(was_rejected=was_rejected)

    async def receive(self, given: Token) -> None:
        """Let the variables of a token count that another credential's run brought.

        Raises:
            StoreError: others do not know of them.
        """
        was_rejected = self._account.record.is_rejected
        try:
            await receive(self._account, self.credential, given, self._clock)
        finally:
            self._reckon(was_rejected=was_rejected)

    async def plant(self, token: Token, check: Callable[[Token], None] | None = None) -> None:
        """Let a token count that a person has brought, in the whole fleet, and with whoever gets what fetches bring.

        `check` sees the one that is in use when it comes to that, and raises if it is to stay.

        Raises:
            StoreError: it counts nowhere, unless the store took it and could not say so.
        """
        was_rejected = self._account.record.is_rejected
        try:
            await self._account.plant(token, check)
        finally:
            self._reckon(was_rejected=was_rejected)
        if self._replacer.savings is not None:
            self._replacer.savings.pass_on(token)

    def give_to(self, savings: Savings | None) -> None:
        """Pass on what each fetch brings from now on; None: to nobody."""
        self._replacer.savings = savings

    def _reckon(self, *, was_rejected: bool) -> None:
        """Let the account's record count, which is not of our own making."""
        account, held, record = self._account, self._hand.held, self._account.record
        if (usable := account.usable()) is not None:
            if held is None or not held.is_same_token_as(usable):
                self._hand.take(usable, even_if_unused=False)
                self._gate.heard_success()
                if was_rejected:
                    self._replacer.allowance.spend(self._clock.monotonic(), record.generation)
        elif account.is_withdrawn:
            self._hand.withdraw(for_good=account.record.is_revoked)
        if (failure := account.failure) is not None:
            self._gate.heard_failure(failure)
            self._hand.make_do()

    async def look(self) -> None:
        """Learn what the store has, if it says: a token that is there needs no flight."""
        with suppress(StoreError):
            await self.catch_up()

    async def catch_up(self) -> None:
        """Compare with the store, for news may have been missed. May raise StoreError."""
        self._gate.relent()
        if (record := await self._account.catch_up()) is not None:
            self.hear(record)

    @property
    def _generation(self) -> int:
        return self._account.record.generation
