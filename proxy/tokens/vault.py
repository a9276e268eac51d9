"""Keeps token records in the store, sealed, and passes on what the store tells of them.

Theory. Above the vault there are records, below it sealed bytes. A record that is damaged counts as an empty one of its
order, so that the next token replaces it. A record that this process cannot read, because its key or its format is
unknown here, is somebody else's: that is an error of the store, and nothing is put in its place. Whoever follows a key
hears of each change to it, and is asked to catch up when changes may have been missed; one after the other, so that a
store that has just come back is not overrun.
"""

import asyncio
from collections import defaultdict
from contextlib import suppress
from typing import Final, Protocol

from proxy.core.seal import Seal, SealError, UnknownKeyError
from proxy.net.runtime import Runtime
from proxy.stores import sealed
from proxy.stores.base import Change, Lease, News, Record, Store, StoreError
from proxy.telemetry.events import EventLog, EventName
from proxy.tokens.codec import UnknownFormatError, decode, encode
from proxy.tokens.record import STEPS, TokenRecord

KEPT: Final = 86_400.0
"""Seconds that a record outlives its token: the next one goes on counting where it left off."""
KEPT_FOREVER: Final = 30 * KEPT
"""Seconds that a token without expiry is kept; who still holds it saves it again with the next change."""
KEPT_DURABLE: Final = 400 * KEPT
"""Seconds that what cannot be had again is kept, counted from its last use; a token with an end is worth nothing after
that, unless it carries something."""
ECHO: Final = 0.5
"""Seconds that the news of our own doing may take at most before we go on without it."""
LOOK: Final = 10.0
"""Seconds after which it is seen to that the store still has what cannot be had again."""
LOOKS: Final = 100
"""How many are looked after at once; where there are more, users' own mostly, they take turns."""


class Follower(Protocol):
    """Who wants to know what becomes of a record."""

    is_durable: bool
    """What the record carries cannot be had again."""

    def hear(self, record: TokenRecord) -> None:
        """Take note of what stands in the store now."""

    async def catch_up(self) -> None:
        """Compare with the store, for news may have been missed. May raise StoreError."""


class Vault:
    """The token records of this process's credentials. One per process; it outlives reloads."""

    def __init__(self, store: Store, seal: Seal, runtime: Runtime, events: EventLog) -> None:
        self._store = store
        self._seal = seal
        self._runtime = runtime
        self._clock = runtime.clock
        self._events = events
        self._followers: defaultdict[str, list[Follower]] = defaultdict(list)
        self._waiters: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._closed_to_us: dict[str, int] = {}
        """The orders of the records that cannot be read here, and were told of."""
        self._catching_up: asyncio.Task[None] | None = None
        self._to_catch_up = False
        store.listen(self._hear)

    def __repr__(self) -> str:
        return f"<Vault, {self._store!r}>"

    async def load(self, key: str) -> TokenRecord | None:
        """Return what stands in the store, or None.

        Raises:
            StoreError: the store does not say, or what it says is not for us to read.
        """
        record = await self._store.load(key)
        return None if record is None else self._open(key, record)

    async def save(self, key: str, record: TokenRecord, *, durable: bool = False) -> TokenRecord:
        """Put the record there if its order is higher than what stands; return what stands afterwards.

        Raises:
            StoreError: nobody knows what stands there now.
        """
        data = sealed.close(self._seal, key, record.order, encode(record, self._clock))
        standing = await self._store.save(key, Record(record.order, data, self._ttl(record, durable), durable=durable))
        if standing.data == data:
            return record
        found = self._open(key, standing)
        return record if found.is_same_as(record) else found  # it had been saved, and the answer was lost

    async def announce(self, key: str, record: TokenRecord, *, durable: bool = False) -> TokenRecord:
        """Do the same as `save`, and return once the news of it is here, for then others have it too, or in a moment.

        Raises:
            StoreError: nobody knows what stands there now.
        """
        heard = self._runtime.spawn(self.news(key, ECHO), name="wait for the news of what was brought")
        try:
            await asyncio.sleep(0)  # it listens now
            standing = await self.save(key, record, durable=durable)
            if standing is record:
                await heard
        finally:
            heard.cancel()
        return standing

    async def uptime(self) -> float:
        """Return for how many seconds the store has served what it holds. Raises StoreError."""
        return await self._store.uptime()

    async def acquire(self, key: str) -> Lease | None:
        """Take the key's lock if it is free."""
        return await self._store.acquire(key)

    async def news(self, key: str, seconds: float) -> None:
        """Wait until there is news of that key, or that many seconds."""
        event = asyncio.Event()
        self._waiters[key].add(event)
        patience = self._runtime.spawn(self._ring(event, seconds), name="wait for news")
        try:
            await event.wait()
        finally:
            patience.cancel()
            self._waiters[key].discard(event)
            if not self._waiters[key]:
                del self._waiters[key]

    def follow(self, key: str, follower: Follower) -> None:
        """Tell this one what becomes of the record under that key."""
        self._followers[key].append(follower)

    def unfollow(self, key: str, follower: Follower) -> None:
        """Tell it no more."""
        if follower in self._followers[key]:
            self._followers[key].remove(follower)
        if not self._followers[key]:
            del self._followers[key]

    def abandon(self, key: str) -> None:
        """Learn that one of this process's credentials has no more need of that key; another may have."""
        if key not in self._followers:
            self._store.abandon(key)

    def _hear(self, news: News) -> None:
        if news.change is Change.MISSED:
            self._to_catch_up = True
            if self._catching_up is None or self._catching_up.done():
                self._catching_up = self._runtime.spawn(self._catch_up(), name="catch up with the store")
            return
        if news.record is not None and news.key in self._followers:
            with suppress(StoreError):
                record = self._open(news.key, news.record)
                for follower in tuple(self._followers[news.key]):
                    follower.hear(record)
        for event in self._waiters.get(news.key, ()):
            event.set()

    async def _catch_up(self) -> None:
        while self._to_catch_up:  # once more, if the store went and came back meanwhile
            self._to_catch_up = False
            for followers in tuple(self._followers.values()):
                for follower in tuple(followers):
                    with suppress(StoreError):
                        await follower.catch_up()

    async def watch(self) -> None:
        """Look after what cannot be had again, for ever: the store may forget it while nobody asks."""
        first = 0
        while True:
            await self._clock.sleep(LOOK)
            durable = [one for followers in self._followers.values() for one in followers if one.is_durable]
            for follower in durable[first : first + LOOKS]:
                with suppress(StoreError):
                    await follower.catch_up()
            first = first + LOOKS if first + LOOKS < len(durable) else 0

    async def _ring(self, event: asyncio.Event, seconds: float) -> None:
        await self._clock.sleep(seconds)
        event.set()

    def _open(self, key: str, record: Record) -> TokenRecord:
        try:
            opened = decode(sealed.open_(self._seal, key, record), record.age, self._clock)
        except UnknownKeyError:
            why = f"the record {key} is sealed with a key that is not configured; add that key to seal.keys"
            self._tell_once(key, record, EventName.RECORD_UNREADABLE, why)
            raise StoreError(why) from None
        except UnknownFormatError:
            why = f"the record {key} was written by a newer version; update this one"
            self._tell_once(key, record, EventName.RECORD_UNREADABLE, why)
            raise StoreError(why) from None
        except (SealError, ValueError):
            self._tell_once(key, record, EventName.RECORD_DAMAGED, f"the record {key} cannot be opened")
            return TokenRecord(generation=record.order // STEPS, step=record.order % STEPS, is_damaged=True)
        self._closed_to_us.pop(key, None)
        return opened

    def _tell_once(self, key: str, record: Record, event: EventName, detail: str) -> None:
        if self._closed_to_us.get(key) != record.order:
            self._closed_to_us[key] = record.order
            self._events.record("error", event, detail=detail)

    def _ttl(self, record: TokenRecord, durable: bool) -> float:
        token = record.token
        if durable and (token is None or token.variables or token.expires_at is None):
            return KEPT_DURABLE
        if token is None or token.expires_at is None:
            return KEPT_FOREVER if token is not None else KEPT
        return max(0.0, token.expires_at - self._clock.now()) + KEPT
