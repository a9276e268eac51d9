"""A lease that renews itself while it is held, for stores whose locks run out."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from proxy.net.runtime import Runtime
from proxy.stores.base import LEASE, Lease, StoreError

RENEWALS: Final = 3
"""How often within one lease it is renewed: two may fail before it is lost."""


class RenewedLease(Lease):
    """Held from `taken_at` (monotonic seconds, read before the store was asked) for as long as renewing it succeeds.

    `renew` returns False when another holds the lock by now; `let_go` frees the lock if it is still ours. Both may
    raise StoreError. What counts is when the store was asked, not when it answered: an answer can be late.
    """

    def __init__(
        self,
        runtime: Runtime,
        name: str,
        *,
        taken_at: float,
        renew: Callable[[], Awaitable[bool]],
        let_go: Callable[[], Awaitable[None]],
    ) -> None:
        self._clock = runtime.clock
        self._renew = renew
        self._let_go = let_go
        self._until = taken_at + LEASE
        self._released = False
        self._task = runtime.spawn(self._keep(), name=f"renew the lease of {name}")

    def __repr__(self) -> str:
        return f"<RenewedLease, {'held' if self.is_held else 'over'}>"

    @property
    def is_held(self) -> bool:
        """True while nobody else can hold it."""
        return not self._released and self._clock.monotonic() < self._until

    async def release(self) -> None:
        """Let go, and never of a lock that another holds by now; doing it twice is no error."""
        if not self._released:
            self._released = True
            self._task.cancel()
            await self._let_go()

    async def _keep(self) -> None:
        while self.is_held:
            await self._clock.sleep(LEASE / RENEWALS)
            asked_at = self._clock.monotonic()
            with suppress(StoreError):
                self._until = asked_at + LEASE if await self._renew() else asked_at
