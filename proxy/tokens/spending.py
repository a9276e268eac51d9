"""Fetches with what can be used once: no crash, outage or race loses a credential that cannot be had again.

Theory. Such a credential's record carries what its next fetch uses up (a one-time refresh token). Under the lock of the
fleet, the record is marked as BEING SPENT and saved; then comes the fetch; then what it brought is saved, before use.
So at each moment the store holds the newest that is known, or says that something newer may be on its way.

Found marked, with the lock free, the record is IN DOUBT: its holder may be dead, or alive and not able to save. It gets
`DOUBT` seconds. So does every process when the store has been away, for it may have come back with less than it had.
Then what the record carries is tried again, for there is no other way on: many issuers forgive that for a while; one
that does not ends the grant, and the failure says why.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from math import inf
from typing import Final

from proxy.core.clock import Clock
from proxy.core.errors import FetchError, Reason
from proxy.stores.base import LEASE, Lease, StoreError
from proxy.tokens.account import Account
from proxy.tokens.failures import Failure
from proxy.tokens.held import Held
from proxy.tokens.outcome import Fail, Outcome, Replacement, Setback, Trigger, not_asked
from proxy.tokens.record import TokenRecord

DOUBT: Final = 15.0
"""Seconds; more than a lease, and more than the store's guard takes to find out that the store is back."""
SAVE_TRIES: Final = 7
SAVE_PAUSE: Final = 0.5
"""Seconds between tries to save what a fetch brought, before requests go on with what only this process knows."""


class Spending:
    """One credential's fetches. `fetch` asks the token endpoint with what the account's record carries.

    `longest_try` is in seconds: a holder that lost its lease may be waiting for so long.
    """

    def __init__(
        self,
        account: Account,
        fetch: Callable[[Trigger], Awaitable[tuple[Held, TokenRecord]]],
        clock: Clock,
        longest_try: float,
    ) -> None:
        self._account = account
        self._fetch = fetch
        self._clock = clock
        self._doubt = max(DOUBT, longest_try + LEASE / 2)

    async def spend(self, lease: Lease, trigger: Trigger, than: int, fail: Fail) -> Outcome:
        """Return the next token, or why there is none."""
        account = self._account
        for is_last in (False, True):
            was_sent_before = account.record.may_be_spent
            if (objection := await self._write_down(lease)) is not None:
                newer = await account.newer(than)
                return Setback(fail(objection), ours=True) if newer is None else Replacement(newer, fetched=False)
            spent, began = account.record, self._clock.monotonic()
            try:
                held, record = await self._fetch(trigger)
                await self._save(record, began)
                return Replacement(account.usable() or held, fetched=True, had_failed=spent.failure is not None)
            except FetchError as error:
                try:
                    await account.look()
                except StoreError as away:
                    error = _undecided(error, away)
                if not error.variables and (newer := account.usable(than)) is not None:
                    return Replacement(newer, fetched=False)
                has_moved_on = account.record.variables != spent.variables
                if error.reason is Reason.INVALID_GRANT and has_moved_on and not is_last:
                    continue
                failure = fail(_explained(error, was_sent_before))
                await self._give_up(spent, began, failure, error, was_sent_before=was_sent_before)
                return Setback(failure, ours=True)
        raise AssertionError("the second round always returns")

    async def _give_up(
        self, spent: TokenRecord, began: float, failure: Failure, error: FetchError, *, was_sent_before: bool
    ) -> None:
        """Save that the fetch failed, and what its reply brought for the next one all the same."""
        account = self._account
        if error.variables:
            carrying = spent.carry(error.variables, self._clock.now())
            await self._save(carrying.fail(failure, account.identity), began)
        else:
            basis = account.record if account.record.generation == spent.generation else spent
            record = replace(basis, may_be_spent=was_sent_before) if error.unheeded else basis
            await account.keep(record.fail(failure, account.identity))

    async def _write_down(self, lease: Lease) -> FetchError | None:
        """Mark the record as being spent; return why it is not to be spent now."""
        account, before = self._account, self._account.record
        try:
            if (wait := await self._doubtful_for(before.spending_since)) > 0:
                why = "another process may still save what came of what can be spent once"
                return not_asked(why, retry_after=wait)
            marked = lease.is_held and await account.save(before.spend(self._clock.monotonic()))
            if not marked or not lease.is_held:
                return not_asked("another process is renewing what can be spent once")
        except StoreError as error:
            account.record = before
            return not_asked(f"{error}; what is about to be spent once could not be written down")
        return None

    async def _doubtful_for(self, since: float | None) -> float:
        """Return for how many seconds somebody may still know better what to spend. Raises StoreError."""
        uptime = await self._account.store_uptime()
        spending_for = inf if since is None else self._clock.monotonic() - since
        return max(DOUBT - uptime, self._doubt - spending_for)

    async def _save(self, record: TokenRecord, began: float) -> None:
        """Save what came of the fetch that began then, in monotonic seconds, whatever others have saved meanwhile.

        What was issued to them since then came of a later fetch, and counts; anything older gives way.
        """
        account, clock = self._account, self._clock
        for _ in range(SAVE_TRIES):
            try:
                if await account.save(record):
                    break
                standing = account.record
                if clock.now() - standing.issued_at < clock.monotonic() - began:
                    break
                record = record.renumber(standing.generation + 1)
            except StoreError:
                await clock.sleep(SAVE_PAUSE)


def _undecided(error: FetchError, away: StoreError) -> FetchError:
    """Return the error, unless it may be that the store knows better."""
    if error.reason is not Reason.INVALID_GRANT:
        return error
    return not_asked(f"{error}; whether somebody has brought what follows on it cannot be told, for {away}")


def _explained(error: FetchError, was_sent_before: bool) -> FetchError:
    if error.reason is not Reason.INVALID_GRANT or not was_sent_before:
        return error
    why = "it had been sent before, and the process or the connection broke before what it brought could be kept"
    return FetchError(error.reason, f"{error}; {why}: somebody has to sign in again", permanent=True)
