"""Notices what was changed in the token database, whoever changed it, by looking often and cheaply.

Theory. A `Watcher` remembers which opening of the file it looked at, the number of the last change it has seen, and
SQLite's `data_version`, which differs once another connection has committed. While that stands still, a look is one
small question. After a look that failed, or when the file was opened anew, it cannot know what it missed: it says so,
and goes on from there. It is used on the file's thread.
"""

import sqlite3
from collections.abc import Callable

from proxy.stores.base import Change, News, StoreError
from proxy.stores.sqlite_file import DatabaseFile
from proxy.stores.sqlite_schema import number
from proxy.stores.sqlite_tables import changes, newest

_NEVER = 0


class Watcher:
    """Looks for news. The first look finds none: it learns where things stand."""

    def __init__(self, file: DatabaseFile, now: Callable[[], float]) -> None:
        self._file = file
        self._now = now
        self._opening = _NEVER
        self._seen = 0
        self._version = 0
        self._failed = False

    def look(self, deadline: float, *, own: bool = False) -> list[News]:
        """Return what has changed since the last look, oldest first.

        Args:
            deadline: monotonic seconds past which it is not tried again.
            own: we changed something ourselves; `data_version` does not tell of that.

        Raises:
            StoreError: it could not look; the next look that can will say MISSED.
        """
        try:
            news = self._file.read(lambda connection: self._look(connection, own=own), deadline)
        except StoreError:
            self._failed = True
            raise
        if self._failed:
            self._failed = False
            return [News(Change.MISSED)]
        return news

    def _look(self, connection: sqlite3.Connection, *, own: bool) -> list[News]:
        version = number(connection, "data_version")
        if self._opening != self._file.openings:
            news = [] if self._opening == _NEVER else [News(Change.MISSED)]
            self._seen = newest(connection)
        elif version != self._version or own:
            self._seen, news = changes(connection, self._seen, self._now())
        else:
            news = []
        self._opening, self._version = self._file.openings, version
        return news
