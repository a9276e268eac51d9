"""Replaces one token for the whole fleet: waits for its turn, looks again, fetches, and saves before use.

Theory. The store's lock makes it one fetch per fleet. When the store cannot be reached, each process fetches for itself
and keeps what it got until the store is back. What cannot be had again is spent with more care (`spending`): without
the lock it is not spent at all.
"""

import random as chance
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from proxy.core.clock import Clock
from proxy.core.errors import FetchError, Reason
from proxy.core.expression import UndefinedVariableError
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.core.token import REVOKED, Token
from proxy.credentials.base import Credential
from proxy.credentials.fitting import lacking
from proxy.stores.base import Lease, StoreError
from proxy.telemetry.counts import FETCH_SUCCEEDED, CredentialMetrics
from proxy.tokens.account import Account
from proxy.tokens.held import Held, Render
from proxy.tokens.outcome import Fail, Outcome, Replacement, Setback, Trigger, not_asked
from proxy.tokens.record import TokenRecord
from proxy.tokens.spending import Spending
from proxy.tokens.turn import look, take_turn

UNLOCKED_SPREAD: Final = 0.25
"""Seconds over which replicas that cannot take turns spread their fetches."""


class Refresher:
    """One credential's way to its next token."""

    def __init__(
        self,
        credential: Credential,
        account: Account,
        *,
        render: Render,
        clock: Clock,
        metrics: CredentialMetrics,
        random: Callable[[], float] = chance.random,
    ) -> None:
        self._credential = credential
        self._account = account
        self._render = render
        self._clock = clock
        self._metrics = metrics
        self._random = random
        self._spending = Spending(account, self._fetch, clock, credential.longest_try) if account.durable else None
        self._retired = False

    def __repr__(self) -> str:
        return f"<Refresher {self._account!r}>"

    async def replace(self, trigger: Trigger, than: int, fail: Fail) -> Outcome:
        """Return a token newer than that generation, or why there is none."""
        account = self._account
        if not self._credential.renewable:  # the token is part of the configuration: nobody else has a newer one
            return await self._ask(trigger, than, fail, kept=False)
        began = self._clock.monotonic()
        if trigger is Trigger.REJECTED:  # so that nobody begins with it meanwhile, whoever's turn it is
            await account.reject(than)
        try:
            turn = await take_turn(account, than, trigger, self._clock, self._random)
        except StoreError as error:
            return await self._alone(trigger, than, fail, error)
        finally:
            self._metrics.lock_wait(self._clock.monotonic() - began)
        if not isinstance(turn, Lease):
            return turn
        try:
            return await self._lead(turn, than, trigger, fail)
        finally:
            if self._retired:
                account.abandon()
            with suppress(StoreError):
                await turn.release()

    def retire(self) -> None:
        """Leave nothing behind in a store that is this process's own, now and after each replacement to come."""
        self._retired = True
        self._account.abandon()

    async def _lead(self, lease: Lease, than: int, trigger: Trigger, fail: Fail) -> Outcome:
        try:
            if (settled := await look(self._account, than, trigger)) is not None:
                return settled
        except StoreError as error:
            if self._spending is not None:
                return await self._alone(trigger, than, fail, error)
        if self._spending is not None:
            return await self._spending.spend(lease, trigger, than, fail)
        return await self._ask(trigger, than, fail)

    async def _alone(self, trigger: Trigger, than: int, fail: Fail, error: StoreError) -> Outcome:
        """Do without the fleet; what can be spent once is left alone, and where that will do, the fetch begins anew."""
        if self._spending is not None and not self._credential.starts_over:
            return self._too_risky(fail, error)
        await self._clock.sleep(UNLOCKED_SPREAD * self._random())
        return await self._ask(trigger, than, fail, anew=self._spending is not None)

    def _too_risky(self, fail: Fail, error: StoreError) -> Setback:
        why = f"{error}; what can be spent once is not spent without the fleet's lock"
        return Setback(fail(not_asked(why)), ours=True)

    async def _ask(self, trigger: Trigger, than: int, fail: Fail, *, kept: bool = True, anew: bool = False) -> Outcome:
        account = self._account
        had_failed = account.record.failure is not None
        try:
            held, record = await self._fetch(trigger, anew=anew)
        except FetchError as error:
            if kept and (newer := await account.newer(than)) is not None:
                return Replacement(newer, fetched=False)
            failure = fail(error)
            if kept:
                await account.keep(account.record.fail(failure, account.identity))
            return Setback(failure, ours=True)
        if kept:
            await account.keep(record)
        else:
            account.record = record
        return Replacement(account.usable(record.generation - 1) or held, fetched=True, had_failed=had_failed)

    async def _fetch(self, trigger: Trigger, *, anew: bool = False) -> tuple[Held, TokenRecord]:
        """Return a new token, ready for use, and the record that it begins. Raises FetchError.

        Its generation follows on that which there was when the fetch began: what others bring meanwhile is newer.
        """
        account, before = self._account, self._account.record
        began = self._clock.monotonic()
        outcome = Reason.INTERNAL.value
        try:
            token = await self._credential.fetch(None if anew else _former(before))
            basis = account.record if account.record.generation == before.generation else before
            record = basis.succeed(token, account.identity, self._clock.now())
            held = self._made_ready(record.token or token, record.trusted)
            outcome = FETCH_SUCCEEDED
        except UndefinedVariableError as error:
            raise lacking(error.name) from None
        except FetchError as error:
            outcome = error.reason.value
            raise
        finally:
            self._metrics.fetched(trigger.value, outcome, self._clock.monotonic() - began)
        return held, record

    def _made_ready(self, token: Token, trusted: float | None) -> Held:
        try:
            if token.expires_at is not None and token.expires_at <= self._clock.now():
                raise TokenRequestError(Symptom.EXPIRY_WRONG, "the token had expired when it arrived")
            return self._render(token, trusted)
        except FetchError as error:
            error.variables = token.variables  # the token is of no use, and what came with it still is
            raise


def _former(record: TokenRecord) -> Token | None:
    """Return the token before; None: there was none."""
    is_revoked = record.token is None and record.is_rejected and record.generation > 0
    return REVOKED if is_revoked else record.token
