"""What a store promises: records by key of which the newest stands, one lock a key, and news of what others changed.

Theory. A store sees sealed bytes and never a secret. Under a key stands at most one record. `save` puts a record there
only if its order is higher than what stands, so that a late writer cannot undo a newer one's work, and of two writers
with the same order the first wins and the second learns of it. A lock has one holder in the whole fleet; its lease runs
out when the holder no longer renews it, so that a dead holder stops nobody for long. Whoever listens is told of each
change, its own included; what it may have missed is told as MISSED, and then it looks for itself.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from typing import ClassVar, Final

from proxy.core.settings import Settings
from proxy.net.runtime import Runtime

LEASE: Final = 10.0
"""Seconds after which a lock that its holder does not renew is free for others."""


class StoreSettings(Settings):
    """What every store's settings share."""

    kind: str
    """Where the tokens are kept."""


class StoreError(Exception):
    """The store did not do it: unreachable, full, read-only, or damaged. Says which; holds no secret.

    It is always about the store as a whole, never about one record: what is damaged under one key counts as no record.
    Who raises it often enough is taken for down. One that did not answer in time raises `StoreTimeoutError`; one that
    was not even asked, because too much was to be asked before, `StoreBusyError`.
    """


class StoreTimeoutError(StoreError):
    """The store did not answer in the time that it is given, so that asking it costs that time."""


class StoreBusyError(StoreError):
    """The store was not asked, for it had not answered others yet. It says nothing of whether it does."""


@dataclass(frozen=True, slots=True)
class Record:
    """What stands under a key."""

    order: int
    """Below 2**53. Of two records under one key the one with the higher order stands."""
    data: bytes = field(repr=False)
    """Sealed."""
    ttl: float
    """Seconds, counted from `save`, after which the store may forget it; as given to `save`."""
    age: float = 0.0
    """Seconds since it was saved, on the store's own clock, for those of two replicas may differ. `load` tells it."""
    durable: bool = False
    """True: what it holds cannot be had again; `save` returns once it would survive a failover, as far as that goes."""


class Change(Enum):
    """What there is to hear."""

    SAVED = "saved"
    """The record under `key` is now `record`."""
    DROPPED = "dropped"
    """There is no record under `key` any more."""
    RELEASED = "released"
    """The lock of `key` is free."""
    MISSED = "missed"
    """Anything may have changed while the store could not tell; `key` is empty."""


@dataclass(frozen=True, slots=True)
class News:
    """One change that somebody made, ourselves included."""

    change: Change
    key: str = ""
    record: Record | None = None
    """Only of SAVED."""


Listener = Callable[[News], None]


class Lease(ABC):
    """A lock that is held. It says so itself, for a holder that was paused may have lost it."""

    @property
    @abstractmethod
    def is_held(self) -> bool:
        """True while nobody else can hold it."""

    @abstractmethod
    async def release(self) -> None:
        """Let go, and never of a lock that another holds by now; doing it twice is no error.

        Raises:
            StoreError: it is free only when its lease runs out.
        """


class Store(ABC):
    """Keeps records by key. Keys hold names and digests, never a secret. Every method may raise `StoreError`."""

    Settings: ClassVar[type[StoreSettings]]
    holds_secrets: ClassVar[bool] = True
    """False: nothing outlives the process, so that no sealing key has to be configured."""

    @abstractmethod
    def __init__(self, settings: StoreSettings, runtime: Runtime) -> None:
        """Prepare the store; opens nothing yet."""

    @abstractmethod
    async def load(self, key: str) -> Record | None:
        """Return the record under that key, with its age, or None."""

    @abstractmethod
    async def save(self, key: str, record: Record) -> Record:
        """Put the record there if its order is higher than what stands; return what stands afterwards, with its age."""

    @abstractmethod
    async def drop(self, key: str, order: int) -> None:
        """Forget the record unless its order is higher than that."""

    @abstractmethod
    async def swap(self, key: str, old: bytes, new: bytes) -> bool:
        """Put other data into the record if its data is still `old`; order, age and ttl stay. False: it is not."""

    @abstractmethod
    def keys(self) -> AsyncIterator[str]:
        """Yield every key that has a record; one that comes or goes meanwhile may be left out."""

    @abstractmethod
    async def acquire(self, key: str) -> Lease | None:
        """Take the key's lock if it is free; None: another holds it. Never waits for it."""

    @abstractmethod
    def listen(self, listener: Listener) -> None:
        """Tell this listener, on the event loop, of every change from now on. Returns at once; never raises."""

    @abstractmethod
    async def ping(self) -> None:
        """Find out whether the store can be reached and written to."""

    async def uptime(self) -> float:
        """Return for how many seconds the store has served what it holds; inf: what it held before, it holds still.

        A server that was restarted, or another one that took over, may know less than the processes that use it.
        """
        return inf

    async def risks(self) -> tuple[str, ...]:
        """Return what about the way the store is run may lose records: a sentence each, with the remedy."""
        return ()

    @abstractmethod
    def abandon(self, key: str) -> None:
        """Learn that nobody in this process needs that key any more; what other processes share stays."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of what the store holds open. Leases that are still held are left to run out."""
