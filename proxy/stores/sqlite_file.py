"""The file of the token database: private, opened at first use, opened anew after a failure, and patient for a while.

Theory. One thread uses a `DatabaseFile`; it blocks. It is closed, or open on one file, told by device and inode: one
that was deleted or replaced meanwhile is noticed at the next use, and what stands there now is opened, or made. What
another process holds is tried again until the deadline. Every failure becomes a `StoreError` that says what to do; a
failure of the file rather than of the moment also closes it, so that the next use begins from the start.
"""

import os
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from proxy.stores.base import StoreError, StoreTimeoutError
from proxy.stores.sqlite_faults import FORBIDDEN, HELD, OTHERS, UNFIT, fault_of
from proxy.stores.sqlite_schema import check, prepare

TRY: Final = 0.25
"""Seconds for which SQLite itself waits for other processes. It asks ever less often, so that we begin anew."""
PAUSE: Final = 0.005
"""Seconds between two tries, for SQLite does not wait in all cases."""
PRIVATE: Final = 0o600

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]


class DatabaseFile:
    """Does jobs on the database. For one thread."""

    def __init__(self, path: Path, monotonic: Callable[[], float]) -> None:
        self._path = path
        self._monotonic = monotonic
        self._connection: sqlite3.Connection | None = None
        self._identity = (0, 0)
        self.openings = 0
        """How often it was opened: what somebody knows of an earlier opening may be of another file."""

    def read(self, job: Job[T], deadline: float) -> T:
        """Do a job of one statement that changes nothing.

        Args:
            job: may be done more than once.
            deadline: monotonic seconds past which it is not tried again.

        Raises:
            StoreError: it was not done.
            StoreTimeoutError: others held the database until the deadline.
        """
        while True:
            try:
                return job(self._opened())
            except StoreError:
                self.close()
                raise
            except (sqlite3.Error, OSError) as error:
                fault = fault_of(error)
                if not fault.passes:
                    self.close()
                if fault is not HELD:
                    raise StoreError(fault.message) from None
                if self._monotonic() >= deadline:
                    raise StoreTimeoutError(fault.message) from None
            time.sleep(PAUSE)

    def write(self, job: Job[T], deadline: float, *, survives: bool = True) -> T:
        """Do a job that changes something: wholly or not at all, and alone among all processes.

        Args:
            job: may be done more than once; only the last time counts.
            deadline: monotonic seconds past which it is not tried again.
            survives: once it is done, a loss of power does not undo it. That takes longer.

        Raises:
            StoreError: it was not done, or that cannot be told.
        """
        return self.read(lambda connection: _transaction(connection, job, survives=survives), deadline)

    def close(self) -> None:
        """Close the file, if it is open."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is not None and _identity(self._path) != self._identity:
            self.close()
        if self._connection is None:
            path = self._path.resolve()
            self._identity = _identity(path) or _made(path)
            _check_access(path)
            self._connection = _connected(path)
            self.openings += 1
        return self._connection


def _transaction(connection: sqlite3.Connection, job: Job[T], *, survives: bool) -> T:
    connection.execute(f"PRAGMA synchronous = {'FULL' if survives else 'NORMAL'}")
    connection.execute("BEGIN IMMEDIATE")
    try:
        check(connection)
        done = job(connection)
        connection.execute("COMMIT")
        return done
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _check_access(path: Path) -> None:
    """Make sure that we may write; SQLite would begin to read and leave files behind that nobody can write to.

    Raises:
        StoreError: we may not.
    """
    effective = os.access in os.supports_effective_ids
    if not all(os.access(place, os.W_OK, effective_ids=effective) for place in (path, path.parent)):
        raise StoreError(FORBIDDEN.message)


def _connected(path: Path) -> sqlite3.Connection:
    """Open a file that is there. From now on nothing else in this process may open it.

    On POSIX, closing any other descriptor of the file would drop the locks that SQLite has on it.
    """
    connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=TRY)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # macOS: through the disk's own cache
        connection.execute("PRAGMA secure_delete = ON")
        prepare(connection)
        _log_ahead(connection)
        _tighten(path)
    except BaseException:
        connection.close()
        raise
    return connection


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Have readers and a writer not wait for each other, and commits be one write each: sqlite.org/wal.html.

    Raises:
        StoreError: the file system cannot share memory between processes.
    """
    if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
        raise StoreError(UNFIT.message)


def _made(path: Path) -> tuple[int, int]:
    """Make an empty file that is nobody else's business; SQLite gives those beside it the same mode."""
    with suppress(FileExistsError):  # another process was faster
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE))
        path.chmod(PRIVATE)  # whatever the umask took away
    return _identity(path) or (0, 0)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells the file from others, or None if there is none.

    Raises:
        StoreError: what stands there is no file.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(UNFIT.message)
    return found.st_dev, found.st_ino


def _tighten(path: Path) -> None:
    """Take away from others what they may do with the files.

    Raises:
        StoreError: they are another user's.
    """
    for suffix in ("", "-wal", "-shm"):
        file = path.with_name(path.name + suffix)
        try:
            if stat.S_IMODE(file.stat().st_mode) & ~PRIVATE:
                file.chmod(PRIVATE)
        except FileNotFoundError:
            pass
        except PermissionError:
            raise StoreError(OTHERS.message) from None
