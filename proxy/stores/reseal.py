"""Seals every record of a store again, with the newest key, so that the older ones can be taken away.

Replicas may go on meanwhile: a record that one of them changes between our look and our swap is looked at again. Every
record is opened, those of the newest key too: whatever is not named in the outcome can be read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from proxy.core.seal import Seal, SealError, UnknownKeyError
from proxy.stores.base import Store
from proxy.stores.sealed import close, open_

TRIES: Final = 10
"""How often a record that changes under our hands is looked at."""
MOST_NAMED: Final = 20
"""Records that are told to a person one by one."""

_DAMAGED: Final = "is damaged, or was moved here from another place; its credential begins anew"
_UNKNOWN: Final = "was sealed with a key that is not configured; add that key to seal.keys and run this again"
_RESTLESS: Final = "changed again and again; run this again"


@dataclass(frozen=True, slots=True)
class Resealed:
    """What came of it."""

    resealed: int = 0
    """Records that were sealed again."""
    current: int = 0
    """Records that the newest key had sealed already."""
    unreadable: tuple[tuple[str, str], ...] = ()
    """Records that were left as they are: the store's key, and why."""

    def lines(self) -> Iterator[str]:
        """Tell it to a person."""
        yield f"sealed again: {self.resealed}"
        yield f"already current: {self.current}"
        yield f"unreadable: {len(self.unreadable)}"
        yield from (f"  {key} {why}" for key, why in self.unreadable[:MOST_NAMED])
        if len(self.unreadable) > MOST_NAMED:
            yield "  … --json names them all"


async def reseal(store: Store, seal: Seal) -> Resealed:
    """Open each record with any key and seal it again with the newest, unless that was the one.

    Raises:
        StoreError: the store did not go along. What is done is done; the next run goes on from there.
    """
    resealed, current, unreadable = 0, 0, list[tuple[str, str]]()
    async for key in store.keys():
        try:
            was_sealed_again = await _reseal(store, seal, key)
        except UnknownKeyError:
            unreadable.append((key, _UNKNOWN))
        except SealError:
            unreadable.append((key, _DAMAGED))
        except _RestlessError:
            unreadable.append((key, _RESTLESS))
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
