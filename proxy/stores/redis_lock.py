"""Locks in Redis: a key with its holder's name in it, that runs out unless the holder renews it.

Theory. Only the holder renews and frees a lock: scripts compare the name first. A question for a lock that was never
answered may have been heard: then the lock is ours without our knowing. So it is freed in the background, lest it stop
the whole fleet until its lease is over.
"""

import asyncio
import secrets
from contextlib import suppress
from typing import Final

from proxy.net.runtime import Runtime
from proxy.stores.base import LEASE, Change, Lease, StoreError
from proxy.stores.lease import RenewedLease
from proxy.stores.redis_keys import Keys
from proxy.stores.redis_link import Link
from proxy.stores.redis_news import written
from proxy.stores.redis_scripts import ACQUIRE, RELEASE, RENEW

LEASE_MS: Final = round(LEASE * 1000)
AFTERWARDS: Final = 1.0
"""Seconds until a lock is freed that may be ours, and between the tries to do so."""


class Locks:
    """One lock for each key."""

    def __init__(self, runtime: Runtime, link: Link, keys: Keys) -> None:
        self._runtime = runtime
        self._link = link
        self._keys = keys

    async def acquire(self, key: str) -> Lease | None:
        """Take the key's lock if it is free; None: another holds it.

        Raises:
            StoreError: see `Link`.
        """
        owner = secrets.token_hex(16)
        taken_at = self._runtime.clock.monotonic()
        name = self._keys.lock(key)
        try:
            (taken,) = await self._link.ask(name, ACQUIRE.call(name, owner, LEASE_MS))
        except (StoreError, asyncio.CancelledError):
            self._runtime.spawn(self._free_later(key, owner), name=f"free the lock of {key}")
            raise
        if not taken:
            return None
        return RenewedLease(
            self._runtime,
            key,
            taken_at=taken_at,
            renew=lambda: self._renew(key, owner),
            let_go=lambda: self._free(key, owner),
        )

    async def _renew(self, key: str, owner: str) -> bool:
        name = self._keys.lock(key)
        (is_ours,) = await self._link.ask(name, RENEW.call(name, owner, LEASE_MS))
        return bool(is_ours)

    async def _free(self, key: str, owner: str) -> None:
        name, news = self._keys.lock(key), written(Change.RELEASED, key)
        await self._link.ask(name, RELEASE.call(name, owner, self._keys.news, news))

    async def _free_later(self, key: str, owner: str) -> None:
        for _ in range(round(LEASE / AFTERWARDS)):
            await self._runtime.clock.sleep(AFTERWARDS)
            with suppress(StoreError):
                await self._free(key, owner)
                return
