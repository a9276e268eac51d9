"""What the token database is asked and told, each in one transaction: records, locks, and what has changed.

Theory. Whoever changes something leaves a row in `change`, in the same transaction; its number grows by one each time,
over all processes. A later change of the same sort to the same key takes the row's place, and of older ones only the
last `KEPT` numbers stay, so that a reader knows from the numbers alone whether it has missed any. Saved records are
dated by the wall clock, since they outlive the machine's uptime. Locks run out by the monotonic clock, which all
processes of a machine share and nobody can set; what it reads after a restart of the machine makes older locks look
as if they lay further ahead than a lease can, and those count as run out.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from proxy.stores.base import LEASE, Change, News, Record

KEPT: Final = 1024
"""Numbers of changes that a reader may lag behind before it has to look for itself."""
PAGE: Final = 512
"""Keys that are listed at a time."""
ROOM: Final = 16384
"""Bytes that have to fit in for the database to count as writable."""

_COLUMNS: Final = "ordinal, ttl, saved_at, durable, data"


def standing(db: sqlite3.Connection, key: str, now: float) -> Record | None:
    """Return the record under that key, unless its time is over."""
    row = db.execute(f"SELECT {_COLUMNS} FROM record WHERE key = ?", (key,)).fetchone()  # noqa: S608 - our own words
    return None if row is None else _record(row, now)


def put(db: sqlite3.Connection, key: str, record: Record, now: float) -> Record:
    """Put the record there if its order is higher than what stands; return what stands afterwards."""
    there = standing(db, key, now)
    if there is not None and there.order >= record.order:
        return there
    db.execute(
        f"INSERT OR REPLACE INTO record (key, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608 - our own words
        (key, record.order, record.ttl, now, record.durable, record.data),
    )
    _note(db, Change.SAVED, key)
    return replace(record, age=0.0)


def forget(db: sqlite3.Connection, key: str, order: int) -> None:
    """Forget the record unless its order is higher than that."""
    if db.execute("DELETE FROM record WHERE key = ? AND ordinal <= ?", (key, order)).rowcount:
        _note(db, Change.DROPPED, key)


def exchange(db: sqlite3.Connection, key: str, old: bytes, new: bytes) -> bool:
    """Put other data into the record if its data is still `old`."""
    return db.execute("UPDATE record SET data = ? WHERE key = ? AND data = ?", (new, key, old)).rowcount == 1


def keys_after(db: sqlite3.Connection, key: str, now: float) -> list[str]:
    """Return the next keys with a record in their order, or none."""
    rows = db.execute(
        "SELECT key FROM record WHERE key > ? AND ? - saved_at < ttl ORDER BY key LIMIT ?", (key, now, PAGE)
    )
    return [row[0] for row in rows]


def sweep(db: sqlite3.Connection, now: float, monotonic: float) -> None:
    """Forget the records and locks whose time is over."""
    db.execute("DELETE FROM record WHERE ? - saved_at >= ttl", (now,))
    db.execute("DELETE FROM lock WHERE until <= ?", (monotonic,))


def take_room(db: sqlite3.Connection) -> None:
    """Write as much as a large record has, as a lock that nobody can hold: `give_room` or a sweep removes it."""
    db.execute("INSERT OR REPLACE INTO lock (key, owner, until) VALUES ('', zeroblob(?), 0)", (ROOM,))


def give_room(db: sqlite3.Connection) -> None:
    """Leave the room to those who need it."""
    db.execute("DELETE FROM lock WHERE key = ''")


def is_locked(db: sqlite3.Connection, key: str, monotonic: float) -> bool:
    """Tell whether somebody holds the lock; the time is read once the database is ours, or a newer lock looks wrong."""
    row = db.execute("SELECT until FROM lock WHERE key = ?", (key,)).fetchone()
    return row is not None and monotonic < row[0] <= monotonic + LEASE


def take(db: sqlite3.Connection, key: str, owner: str, until: float, monotonic: float) -> bool:
    """Take the lock for that owner, if nobody holds it."""
    if is_locked(db, key, monotonic):
        return False
    db.execute("INSERT OR REPLACE INTO lock (key, owner, until) VALUES (?, ?, ?)", (key, owner, until))
    return True


def prolong(db: sqlite3.Connection, key: str, owner: str, until: float) -> bool:
    """Let the lock run out later, if it is still that owner's."""
    return db.execute("UPDATE lock SET until = ? WHERE key = ? AND owner = ?", (until, key, owner)).rowcount == 1


def let_go(db: sqlite3.Connection, key: str, owner: str) -> None:
    """Free the lock, if it is still that owner's."""
    if db.execute("DELETE FROM lock WHERE key = ? AND owner = ?", (key, owner)).rowcount:
        _note(db, Change.RELEASED, key)


def newest(db: sqlite3.Connection) -> int:
    """Return the number of the last change."""
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'change'").fetchone()
    return 0 if row is None else int(row[0])


def changes(db: sqlite3.Connection, seen: int, now: float) -> tuple[int, list[News]]:
    """Return the number of the last change, and the news since the one that was seen, oldest first."""
    rows = db.execute(
        f"SELECT seq, what, change.key, {_COLUMNS} FROM sqlite_sequence"  # noqa: S608 - our own words
        " LEFT JOIN change ON number > ? LEFT JOIN record ON what = ? AND record.key = change.key"
        " WHERE name = 'change' ORDER BY number",
        (seen, Change.SAVED.value),
    ).fetchall()
    last = rows[0][0] if rows else 0
    if not 0 <= last - seen <= KEPT:
        return last, [News(Change.MISSED)]
    return last, [news for _, what, key, *row in rows if what and (news := _news(Change(what), key, row, now))]


def _news(change: Change, key: str, row: Sequence[Any], now: float) -> News | None:
    """Return the news of one change; of a record that is gone again there is none, for that is a change of its own."""
    if change is not Change.SAVED:
        return News(change, key)
    record = None if row[0] is None else _record(row, now)
    return None if record is None else News(change, key, record)


def _record(row: Sequence[Any], now: float) -> Record | None:
    order, ttl, saved_at, durable, data = row
    age = max(0.0, now - saved_at)
    return Record(order, data, ttl, age, bool(durable)) if age < ttl else None


def _note(db: sqlite3.Connection, change: Change, key: str) -> None:
    cursor = db.execute("INSERT OR REPLACE INTO change (what, key) VALUES (?, ?)", (change.value, key))
    db.execute("DELETE FROM change WHERE number <= ?", ((cursor.lastrowid or 0) - KEPT,))
