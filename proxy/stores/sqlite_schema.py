"""What the token database holds, in which tables, and how an older one becomes today's.

Theory. `PRAGMA application_id` says that a file is ours, `PRAGMA user_version` how many of the migrations it has behind
it. A migration is never changed once it has been released: what comes next is appended. All that are missing run in one
transaction, so that a process that dies in between leaves the database as it was. Everything here is about one
connection, and may raise `sqlite3.Error`.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

from proxy.stores.base import StoreError

APPLICATION_ID: Final = 0x43736731
"""`Csg1`; sqlite.org/pragma.html#pragma_application_id."""

MIGRATIONS: Final[Sequence[Sequence[str]]] = (
    (
        """CREATE TABLE record (
            key TEXT PRIMARY KEY NOT NULL,
            ordinal INTEGER NOT NULL,
            ttl REAL NOT NULL,
            saved_at REAL NOT NULL,
            durable INTEGER NOT NULL,
            data BLOB NOT NULL
        )""",
        "CREATE TABLE lock (key TEXT PRIMARY KEY NOT NULL, owner TEXT NOT NULL, until REAL NOT NULL)",
        """CREATE TABLE change (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            what TEXT NOT NULL,
            key TEXT NOT NULL,
            UNIQUE (what, key)
        )""",
    ),
)
"""The statements that lead from each version to the next; the first lead from an empty file to version 1."""

FOREIGN: Final = (
    "the file that store.path names is a database of another program; it is left as it is: name another file"
)
NEWER: Final = (
    "the token database was made by a newer Countersign; run that version, or name another file in store.path"
)


def prepare(connection: sqlite3.Connection, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
    """Make an empty database ours, and bring an older one of ours up to date.

    Raises:
        StoreError: it is another program's, or a newer Countersign's; it was not touched.
    """
    if _version(connection, migrations) == len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statements in migrations[_version(connection, migrations) :]:  # again: another process may have been faster
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def check(connection: sqlite3.Connection) -> None:
    """Make sure, within a transaction, that nobody has taken the database beyond what we know since it was opened.

    Raises:
        StoreError: a newer Countersign has.
    """
    if number(connection, "user_version") != len(MIGRATIONS):
        raise StoreError(NEWER)


def number(connection: sqlite3.Connection, pragma: str) -> int:
    """Return the value of a pragma that is a number."""
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def _version(connection: sqlite3.Connection, migrations: Sequence[Sequence[str]]) -> int:
    """Return how many migrations the database has behind it."""
    version, owner = number(connection, "user_version"), number(connection, "application_id")
    if owner == APPLICATION_ID:
        if version > len(migrations):
            raise StoreError(NEWER)
        return version
    if version or owner or connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise StoreError(FOREIGN)
    return 0
