"""Records in Redis, shared by the fleet: one server, the master that sentinels name, or a cluster.

Theory. Each verb is one script about one key (`redis_scripts`), asked through the link (`redis_link`), which knows for
how long; where to ask is for redis-py's clients to know (`redis_client`). Redis forgets records and locks by itself
when their time is over. What is saved, dropped or released is published by the same script, so that nobody can hear of
what was not done; the first listener opens the ear (`redis_news`). Only the holder renews and frees a lock: scripts
compare the name first. A question for a lock that was never answered may have been heard: then the lock is ours without
our knowing. So it is freed in the background, lest it stop the whole fleet until its lease is over.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from proxy.core.secret import Secret
from proxy.core.settings import Duration
from proxy.net.runtime import Runtime
from proxy.stores import redis_survey as survey
from proxy.stores.base import LEASE, Change, Lease, Listener, Record, Store, StoreBusyError, StoreError, StoreSettings
from proxy.stores.lease import RenewedLease
from proxy.stores.redis_message import written
from proxy.stores.redis_scripts import (
    ACQUIRE,
    DROP,
    LOAD,
    MARK_LIFE,
    RELEASE,
    RENEW,
    SAVE,
    SWAP,
    Argument,
    Keys,
    Script,
    as_record,
    milliseconds,
)
from proxy.stores.redis_tls import RedisTlsSettings
from proxy.stores.redis_url import parse

if TYPE_CHECKING:
    from proxy.stores.redis_news import Ear

LEASE_MS: Final = round(LEASE * 1000)
AFTERWARDS: Final = 1.0
"""Seconds until a lock is freed that may be ours, and between the tries to do so."""
REPLICA_PATIENCE: Final = 100
"""Milliseconds that a replica is given to take over what cannot be had again."""


def _readable(url: Secret) -> Secret:
    parse(url.reveal())
    return url


class RedisSettings(StoreSettings):
    """Keep tokens in Redis, shared by every Countersign that uses the same one and the same prefix."""

    kind: Literal["redis"] = "redis"
    """The store's kind."""
    url: Annotated[Secret, AfterValidator(_readable)]
    """Where it is: `redis://host:6379/0`, `unix:///path.sock?db=0`, `redis+sentinel://host1:26379,host2/SERVICE/0` or
    `redis+cluster://host1:6379,host2`; with `rediss` for TLS. May hold `user:password@`."""
    username: str | None = None
    """The user to log in as, unless the URL says it."""
    password: Secret | None = None
    """Its password, unless the URL says it."""
    sentinel_username: str | None = None
    """The user to log in to the sentinels as."""
    sentinel_password: Secret | None = None
    """Its password."""
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/:-]{1,64}$")] = "countersign"
    """What every key and channel begins with: two fleets that share a Redis need two."""
    tls: RedisTlsSettings = RedisTlsSettings()
    """Certificates, for a URL with `rediss`."""
    protocol: Literal[2, 3] = 3
    """The version of Redis's protocol; 2 for what stands in front of a Redis and does not speak RESP3."""
    timeout: Annotated[Duration, Field(gt=0)] = 0.25
    """How long one question to Redis may take, connecting included."""
    connections: Annotated[int, Field(gt=0)] = 16
    """How many questions may be under way at once, each on a connection of its own; others wait for their
    turn."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        place = parse(self.url.reveal())
        if (place.username and self.username) or (place.password and self.password):
            raise ValueError("the user name or password stands in url and beside it; say it once")
        if self.tls != RedisTlsSettings() and not place.tls:
            raise ValueError(
                "tls is set, but url is not for TLS; write rediss:// (rediss+sentinel://, rediss+cluster://)"
            )
        if self.tls.key is not None and self.tls.certificate is None:
            raise ValueError("tls.key belongs to a certificate; set tls.certificate too")
        if place.topology != "sentinel" and (self.sentinel_username or self.sentinel_password):
            raise ValueError("sentinel_username and sentinel_password are for redis+sentinel://")
        return self


class Redis(Store):
    """Whatever it cannot do is a StoreError within `timeout` and a tenth of a second."""

    Settings: ClassVar[type[StoreSettings]] = RedisSettings

    def __init__(self, settings: RedisSettings, runtime: Runtime) -> None:
        # redis-py takes a fifth of a cold start, so that only who keeps tokens there loads it
        from proxy.stores.redis_client import logins  # noqa: PLC0415
        from proxy.stores.redis_link import Link  # noqa: PLC0415

        self._runtime = runtime
        self._place = parse(settings.url.reveal())
        self._keys = Keys(settings.prefix)
        server, sentinels = logins(settings, self._place)
        self._has_password = server.password is not None
        self._link = Link(runtime, self._place, self._keys, server, sentinels)
        self._uptimes = survey.Uptimes()
        self._ear: Ear | None = None

    def __repr__(self) -> str:
        return f"<Redis, {self._place.topology} at {self._place.addresses[0]}>"

    async def load(self, key: str) -> Record | None:
        """Return the record under that key, with its age, or None."""
        found = await self._run(LOAD, self._keys.record(key))
        return as_record(found) if found else None

    async def save(self, key: str, record: Record) -> Record:
        """Put the record there if its order is higher than what stands; return what stands afterwards, with its age."""
        ttl = milliseconds(record.ttl)
        head = written(Change.SAVED, key, record, ttl)
        name = self._keys.record(key)
        call = SAVE.call(name, record.order, record.data, ttl, int(record.durable), self._keys.news, head)
        standing, *replication = await self._link.ask(
            name, call, *([("INFO", "replication")] if record.durable else [])
        )
        if standing:
            return as_record(standing)
        if replication and survey.has_replicas(replication[0]):
            await self._await_replica(key)
        return replace(record, age=0.0)

    async def drop(self, key: str, order: int) -> None:
        """Forget the record unless its order is higher than that."""
        await self._run(DROP, self._keys.record(key), order, self._keys.news, written(Change.DROPPED, key))

    async def swap(self, key: str, old: bytes, new: bytes) -> bool:
        """Put other data into the record if its data is still `old`; order, age and ttl stay. False: it is not."""
        return bool(await self._run(SWAP, self._keys.record(key), old, new))

    async def keys(self) -> AsyncIterator[str]:
        """Yield every key that has a record; one that comes or goes meanwhile may be left out."""
        async for key in survey.keys(self._link, self._keys):
            yield key

    async def acquire(self, key: str) -> Lease | None:
        """Take the key's lock if it is free; None: another holds it. Never waits for it."""
        owner = secrets.token_hex(16)
        taken_at = self._runtime.clock.monotonic()
        try:
            taken = await self._run(ACQUIRE, self._keys.lock(key), owner, LEASE_MS)
        except StoreBusyError:
            raise
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

    def listen(self, listener: Listener) -> None:
        """Tell this listener, on the event loop, of every change from now on. Returns at once; never raises."""
        from proxy.stores.redis_news import Ear  # noqa: PLC0415 - see above

        if self._ear is None:
            self._ear = Ear(self._runtime, self._link, self._keys)
        self._ear.add(listener)

    async def ping(self) -> None:
        """Write something that is gone in a moment to every server that keeps records."""
        await survey.ping(self._link)

    async def uptime(self) -> float:
        """Return for how many seconds all servers have served what they hold; inf when they would not say."""
        return await self._uptimes.least(self._link, self._runtime.clock.monotonic())

    async def risks(self) -> tuple[str, ...]:
        """Return what about the way Redis is run may lose or show records; nothing of a server that would not say."""
        return await survey.risks(self._link, self._place, has_password=self._has_password)

    def abandon(self, key: str) -> None:
        """Nothing of it is kept in this process."""

    async def close(self) -> None:
        """Hear nothing more and close the connections. Leases that are still held are left to run out."""
        if self._ear is not None:
            await self._ear.close()
        await self._link.close()

    async def _run(self, script: Script, name: str, *arguments: Argument) -> Any:
        return (await self._link.ask(name, script.call(name, *arguments)))[0]

    async def _await_replica(self, key: str) -> None:
        """Give a replica the time to take over what was saved: WAIT counts from a write on its own connection."""
        name = self._keys.mark(key)
        with suppress(StoreError):
            await self._link.ask(name, ("SET", name, "", "PX", MARK_LIFE), ("WAIT", 1, REPLICA_PATIENCE))

    async def _renew(self, key: str, owner: str) -> bool:
        return bool(await self._run(RENEW, self._keys.lock(key), owner, LEASE_MS))

    async def _free(self, key: str, owner: str) -> None:
        await self._run(RELEASE, self._keys.lock(key), owner, self._keys.news, written(Change.RELEASED, key))

    async def _free_later(self, key: str, owner: str) -> None:
        for _ in range(round(LEASE / AFTERWARDS)):
            await self._runtime.clock.sleep(AFTERWARDS)
            with suppress(StoreError):
                await self._free(key, owner)
                return
