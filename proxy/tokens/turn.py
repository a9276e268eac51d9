"""Waits until it is this replica's turn to fetch, or until another one has settled the matter.

Theory. Who holds the lock fetches. Everybody else waits for news: of a newer token, of a failure, or that the lock is
free; and since news can be lost, looks for itself now and then. A holder that dies frees the lock with its lease.
"""

import random as chance
from collections.abc import Callable
from typing import Final

from proxy.core.clock import Clock
from proxy.stores.base import Lease
from proxy.tokens.account import Account
from proxy.tokens.failures import Failure
from proxy.tokens.outcome import Outcome, Replacement, Setback, Trigger, not_asked

PATIENCE: Final = 60.0
"""Seconds that we wait for another's fetch before we say that there is no token."""
POLL: Final = 0.1
"""Seconds, more or less, after which we look for ourselves."""


async def take_turn(
    account: Account, than: int, trigger: Trigger, clock: Clock, random: Callable[[], float] = chance.random
) -> Lease | Outcome:
    """Return the lock, or what has become of it in others' hands since the generation `than`.

    Raises:
        StoreError: the store can say neither.
    """
    began = clock.monotonic()
    if trigger is Trigger.FIRST and (settled := await look(account, than, trigger)) is not None:
        return settled
    while clock.monotonic() < began + PATIENCE:
        if (lease := await account.acquire()) is not None:
            return lease
        known = account.record
        await account.news(POLL * (0.5 + random()))
        if account.record is known:
            await account.look()
        if (settled := _settled(account, than, trigger)) is not None:
            return settled
    error = not_asked(f"another replica has been fetching the token for {PATIENCE:.0f} seconds")
    return Setback(Failure(error.reason, str(error), permanent=False, until=clock.monotonic(), asked=False), ours=False)


async def look(account: Account, than: int, trigger: Trigger) -> Outcome | None:
    """Return what has become of it by now, if anything. Raises StoreError."""
    await account.look()
    return _settled(account, than, trigger)


def _settled(account: Account, than: int, trigger: Trigger) -> Outcome | None:
    if trigger is Trigger.FORCED:
        return None
    if (held := account.usable(than)) is not None:
        return Replacement(held, fetched=False)
    return None if account.failure is None else Setback(account.failure, ours=False)
