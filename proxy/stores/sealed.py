"""Closes what goes into a store and opens what comes out of it, each record bound to its key and its order.

A record that stands under another key, or with another order, than it was closed for does not open: whoever can write
to the store can lose a record, and make none pass for another.
"""

from proxy.core.seal import Seal
from proxy.stores.base import Record


def close(seal: Seal, key: str, order: int, plain: bytes) -> bytes:
    """Return the data of a record of that order under that key."""
    return seal.close(plain, _place(key, order))


def open_(seal: Seal, key: str, record: Record) -> bytes:
    """Return what was closed into the record that stands under that key.

    Raises:
        UnknownKeyError: it was sealed with a key that is not configured.
        SealError: it is damaged, or was closed for another key or another order.
    """
    return seal.open(record.data, _place(key, record.order))


def _place(key: str, order: int) -> bytes:
    """No digit is a space, so that no two places are written alike."""
    return f"{order} {key}".encode("utf-8", "surrogatepass")
