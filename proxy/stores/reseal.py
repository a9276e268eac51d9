"""Seals every record of a store again, with the newest key, so that the older ones can be taken away.

Replicas may go on meanwhile: a record that one of them changes between our look and our swap is looked at again. Every
record is opened, those of the newest key too: whatever is not named in the outcome can be read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.core.clock import SystemClock
from proxy.core.seal import Seal, SealError, UnknownKeyError
from proxy.core.secret import Secret
from proxy.net.runtime import Runtime
from proxy.stores import KINDS
from proxy.stores.base import Store, StoreSettings
from proxy.stores.sealed import close, open_

TRIES: Final = 10
"""How often a record that changes under our hands is looked at."""
MOST_NAMED: Final = 20
"""Records that are told to a person one by one."""

_DAMAGED: Final = "is damaged, or was moved here from another place; its credential begins anew"
_UNKNOWN: Final = "was sealed with a key that is not configured; add that key to seal.keys and run this again"
_RESTLESS: Final = "changed again and again; run this again"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that was left as it is."""

    key: str
    """The store's key."""
    reason: str
    """Why, and what to do."""


@dataclass(frozen=True, slots=True)
class Resealed:
    """What came of it."""

    resealed: int = 0
    """Records that were sealed again."""
    current: int = 0
    """Records that the newest key had sealed already."""
    unreadable: tuple[Unreadable, ...] = ()
    """Records that were left as they are."""

    @property
    def succeeded(self) -> bool:
        """True: the newest key opens everything."""
        return not self.unreadable

    def lines(self) -> Iterator[str]:
        """Tell it to a person."""
        yield f"sealed again: {self.resealed}"
        yield f"already current: {self.current}"
        yield f"unreadable: {len(self.unreadable)}"
        yield from (f"  {left.key} {left.reason}" for left in self.unreadable[:MOST_NAMED])
        if len(self.unreadable) > MOST_NAMED:
            yield "  … --json names them all"


async def reseal_in(settings: StoreSettings, keys: Sequence[Secret]) -> Resealed:
    """Do that in the store of these settings, with these keys, newest first.

    Raises:
        StoreError: the store did not go along.
    """
    runtime = Runtime(SystemClock(), lambda name, error: None)  # what fails in the back is told by the next call
    store = KINDS[settings.kind](settings, runtime)
    try:
        return await reseal(store, Seal(keys))
    finally:
        await store.close()
        await runtime.close()


async def reseal(store: Store, seal: Seal) -> Resealed:
    """Open each record with any key and seal it again with the newest, unless that was the one.

    Raises:
        StoreError: the store did not go along. What is done is done; the next run goes on from there.
    """
    resealed, current, unreadable = 0, 0, list[Unreadable]()
    async for key in store.keys():
        try:
            was_sealed_again = await _reseal(store, seal, key)
        except UnknownKeyError:
            unreadable.append(Unreadable(key, _UNKNOWN))
        except SealError:
            unreadable.append(Unreadable(key, _DAMAGED))
        except _RestlessError:
            unreadable.append(Unreadable(key, _RESTLESS))
        else:
            resealed += was_sealed_again is True
            current += was_sealed_again is False
    return Resealed(resealed, current, tuple(unreadable))


class _RestlessError(Exception):
    """The record was another one each time."""


async def _reseal(store: Store, seal: Seal, key: str) -> bool | None:
    """Return whether the record had to be sealed again; None: it is gone."""
    for _ in range(TRIES):
        record = await store.load(key)
        if record is None:
            return None
        plain = open_(seal, key, record)
        if seal.is_current(record.data):
            return False
        if await store.swap(key, record.data, close(seal, key, record.order, plain)):
            return True
    raise _RestlessError
