"""Keeps small JSON documents in a store, sealed, and changes them so that of two writers neither undoes the other.

Theory. A change is made to what was read, and saved under the next order; who finds that another was first reads again
and makes the change to that. A document that is taken away leaves an empty one behind for a day, so that a writer who
had read it before does not bring it back.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from proxy.core.seal import Seal, SealError
from proxy.stores import sealed
from proxy.stores.base import Record, Store, StoreError

Document = Mapping[str, Any]
Change = Callable[[Document | None], Document | None]
"""Makes the new document of the old one; None: there is none. What it raises ends the change."""

KEPT_EMPTY: Final = 86_400.0
"""Seconds that the place of a document that was taken away is remembered."""
_TRIES: Final = 20


class Documents:
    """The documents of one store. One per process."""

    def __init__(self, store: Store, seal: Seal) -> None:
        self._store = store
        self._seal = seal

    def __repr__(self) -> str:
        return f"<Documents, {self._store!r}>"

    async def read(self, key: str) -> Document | None:
        """Return the document under that key, or None.

        Raises:
            StoreError: the store does not say, or what it says is damaged.
        """
        record = await self._store.load(key)
        return None if record is None else self._open(key, record)

    async def change(self, key: str, change: Change, *, ttl: float, durable: bool = False) -> Document | None:
        """Change the document, and return what it is then. `ttl`: seconds that it is kept, counted from now.

        Raises:
            StoreError: nobody knows what stands there now.
        """
        record = await self._store.load(key)
        for _ in range(_TRIES):
            document = change(None if record is None else self._open(key, record))
            order = 1 if record is None else record.order + 1
            data = sealed.close(self._seal, key, order, json.dumps(document).encode())
            kept = KEPT_EMPTY if document is None else ttl
            record = await self._store.save(key, Record(order, data, kept, durable=durable))
            if record.data == data:
                return document
        raise StoreError(f"{key} is changed by too many at once")

    def _open(self, key: str, record: Record) -> Document | None:
        try:
            document = json.loads(sealed.open_(self._seal, key, record))
        except (SealError, ValueError):
            raise StoreError(f"the record {key} is damaged, or sealed with a key that is not configured") from None
        return document if isinstance(document, dict) else None
