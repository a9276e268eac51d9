"""Gives up for good what a person has brought: fleet-wide, and so that nobody who is renewing it brings it back.

That is done under the lock. Whoever is spending a refresh token has it, and saves what came of it before we look; so
what is returned is the newest, and the one to be given back to the provider.
"""

from contextlib import suppress
from typing import Final

from proxy.core.clock import Clock
from proxy.core.token import Token
from proxy.stores.base import Lease, StoreError
from proxy.tokens.account import TRIES, Account
from proxy.tokens.turn import POLL

PATIENCE: Final = 15.0
"""Seconds that we wait for who is spending; then it is given up all the same."""


async def surrender(account: Account, clock: Clock) -> Token | None:
    """Return the token that is used nowhere any more, with what it carried; None: there was none.

    Raises:
        StoreError: others may still use it.
    """
    lease = await _turn(account, clock)
    try:
        for _ in range(TRIES):
            await account.look()
            last = account.record.token
            if await account.save(account.record.end()):
                return last
        raise StoreError(f"the record {account.key} keeps changing, its token could not be given up; try again")
    finally:
        if lease is not None:
            with suppress(StoreError):
                await lease.release()


async def _turn(account: Account, clock: Clock) -> Lease | None:
    end = clock.monotonic() + PATIENCE
    while clock.monotonic() < end:
        if (lease := await account.acquire()) is not None:
            return lease
        await account.news(POLL)
    return None
