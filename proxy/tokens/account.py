"""What this process knows of one credential's record, and how it exchanges that with the store.

Theory. An account keeps the newest record it has made or heard of. What it makes counts here at once and stands in the
store as soon as the store takes it: what it does not take now, `catch_up` gives it later. If something newer stands
there, that is what counts here, too.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from proxy.core.clock import Clock
from proxy.core.errors import FetchError
from proxy.core.token import Token
from proxy.stores.base import Lease, StoreError
from proxy.tokens.failures import Failure
from proxy.tokens.held import Held, Render
from proxy.tokens.record import NOTHING, TokenRecord
from proxy.tokens.vault import Vault

TRIES: Final = 10
"""How often others may be ahead of a revocation, or of a token that somebody brings."""


class Account:
    """One credential's record. `durable`: what it carries cannot be had again."""

    def __init__(
        self,
        vault: Vault,
        key: str,
        identity: str,
        *,
        render: Render,
        clock: Clock,
        durable: bool = False,
    ) -> None:
        self.key = key
        self.identity = identity
        self.durable = durable
        self.record = NOTHING
        """The newest that is known here."""
        self._is_ours_alone = False
        """The store did not take what we gave it last, or did not say so."""
        self._vault = vault
        self._render = render
        self._clock = clock

    def __repr__(self) -> str:
        return f"<Account {self.key}, generation {self.record.generation}, step {self.record.step}>"

    def hear(self, record: TokenRecord) -> bool:
        """Take note of a record that stands in the store; False: we knew it, or a newer one."""
        known = self.record
        if record.order < known.order or record.is_same_as(known):
            return False
        is_ours = record.has_token_of(known)  # a little younger or older, for its age was reckoned at another moment
        is_older = self.durable and self._is_ours_alone and not is_ours and record.issued_at < known.issued_at
        if known.token is not None and (record.is_blank or is_older):
            record = known.renumber(record.generation + 1)  # so that what we know replaces it
        elif record.order == known.order and None not in (record.spending_since, known.spending_since):
            record = record.spend_since(known)
        self.record = record
        return True

    def usable(self, than: int = -1) -> Held | None:
        """Return the token ready for use, if it may be used now and its generation is higher than that."""
        return self.rendered(self.record) if self.record.generation > than else None

    def rendered(self, record: TokenRecord) -> Held | None:
        """Return that record's token ready for use, if it may be used now."""
        if record.token is None or record.is_rejected or record.identity != self.identity:
            return None
        with suppress(FetchError):
            held = self._render(record.token, record.trusted)
            if self._clock.now() < held.expires_at:
                return held
        return None

    @property
    def is_withdrawn(self) -> bool:
        """Return True when somebody took the token out of use before its time."""
        record = self.record
        return record.identity in {"", self.identity} and (record.is_rejected or record.is_revoked)

    @property
    def failure(self) -> Failure | None:
        """Return why there is no newer token, while that stands."""
        failure = self.record.failure
        if failure is None or self.record.identity != self.identity:
            return None
        return failure if self._clock.monotonic() < failure.until else None

    async def store_uptime(self) -> float:
        """Return for how many seconds others could save what only they knew. Raises StoreError."""
        return await self._vault.uptime()

    async def look(self) -> None:
        """Learn what stands in the store. Raises StoreError."""
        if (stored := await self._vault.load(self.key)) is not None:
            self.hear(stored)

    async def newer(self, than: int) -> Held | None:
        """Return a token of a higher generation that somebody has brought meanwhile, as far as the store says."""
        with suppress(StoreError):
            await self.look()
        return self.usable(than)

    async def reject(self, generation: int) -> None:
        """Let nobody begin with that token, whoever renews it, and whenever."""
        record = self.record
        if record.generation == generation and not record.is_rejected:
            await self.keep(record.reject(self._clock.now()))

    async def save(self, record: TokenRecord) -> bool:
        """Let that record count, here and in the store; False: another stands there, and counts.

        Raises:
            StoreError: it counts here alone for now.
        """
        self.record, self._is_ours_alone = record, True
        standing = await self._vault.save(self.key, record, durable=self.durable)
        self._is_ours_alone = False
        if standing is not record:
            self.hear(standing)
        return standing is record

    async def keep(self, record: TokenRecord) -> None:
        """Do the same, and leave it to `catch_up` when the store does not take it."""
        with suppress(StoreError):
            await self.save(record)

    async def catch_up(self) -> TokenRecord | None:
        """Give the store what it does not have; return what stands there. Raises StoreError."""
        stored = await self._vault.load(self.key)
        if stored is not None and stored.is_blank and self.record.token is not None:
            self.hear(stored)  # so that ours comes after it
        if stored is not None and self._is_ours_alone:
            self.hear(stored)  # so that ours comes after it, if it is the newer one
        known = self.record
        if known.is_damaged or known.order <= (0 if stored is None else stored.order):
            return stored
        standing = await self._vault.save(self.key, known, durable=self.durable)
        self._is_ours_alone = False
        return standing

    async def revoke(self) -> None:
        """Take the token out of use everywhere. Raises StoreError: it may still be in use elsewhere."""
        for _ in range(TRIES):
            if await self.save(self.record.revoke(durable=self.durable)):
                return  # else we knew less than the store: now we know which token to revoke
        raise StoreError(f"the record {self.key} keeps changing, its token could not be revoked; try again")

    async def plant(self, token: Token, check: Callable[[Token], None] | None = None) -> None:
        """Begin the next generation with a token that somebody has brought, unless `check` of the one in use raises.

        Generations are not below the time in Unix seconds: the store forgets a record when its token is long over, and
        whoever still remembers it must not take what is brought then for the older one.

        Raises:
            StoreError: it does not count, unless the store took it and could not say so.
        """
        for _ in range(TRIES):
            await self.look()
            if check is not None and (in_use := self.usable()) is not None:
                check(in_use.token)
            now = self._clock.now()
            record = self.record.succeed(token, self.identity, now)
            record = record.renumber(max(record.generation, int(now)))
            standing = await self._vault.announce(self.key, record, durable=self.durable)
            self.hear(standing)
            if standing is record:
                self._is_ours_alone = False
                return
        raise StoreError(f"the record {self.key} keeps changing, what was brought could not be saved; try again")

    async def acquire(self) -> Lease | None:
        """Take the lock if it is free. Raises StoreError."""
        return await self._vault.acquire(self.key)

    async def news(self, seconds: float) -> None:
        """Wait until something became of the record or its lock, or that many seconds."""
        await self._vault.news(self.key, seconds)

    def abandon(self) -> None:
        """Leave nothing behind in a store that is this process's own."""
        self._vault.abandon(self.key)
