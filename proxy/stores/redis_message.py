"""The form of a message that the fleet tells each other through Redis."""

import struct
from typing import Final

from proxy.stores.base import Change, News, Record

MOST_ORDER: Final = 2**53
LONGEST_KEY: Final = 1024

_HEAD: Final = struct.Struct(">BcQQ?H")
"""Version, change, order, time to live in ms, durable, length of the key in bytes; then key, then data."""
_VERSION: Final = 1
_MARKS: Final = {Change.SAVED: b"S", Change.DROPPED: b"D", Change.RELEASED: b"R"}
_CHANGES: Final = {mark: change for change, mark in _MARKS.items()}


def written(change: Change, key: str, record: Record | None = None, ttl: int = 0) -> bytes:
    """Return the message that this happened, up to the record's data, with the time to live in milliseconds."""
    name = key.encode()
    order, durable = (record.order, record.durable) if record is not None else (0, False)
    return _HEAD.pack(_VERSION, _MARKS[change], order, ttl, durable, len(name)) + name


def read(message: bytes) -> News | None:
    """Return what a message says; None when it says nothing that we understand."""
    if len(message) < _HEAD.size:
        return None
    version, mark, order, ttl, durable, length = _HEAD.unpack_from(message)
    change = _CHANGES.get(mark)
    data = message[_HEAD.size + length :]
    if version != _VERSION or change is None or not 0 < length <= min(LONGEST_KEY, len(message) - _HEAD.size):
        return None
    try:
        key = message[_HEAD.size : _HEAD.size + length].decode()
    except UnicodeDecodeError:
        return None
    if change is not Change.SAVED:
        return News(change, key) if not data else None
    return News(change, key, Record(order, data, ttl / 1000, durable=durable)) if order < MOST_ORDER else None
