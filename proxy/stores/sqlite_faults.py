"""What can be wrong with a database file, each with the remedy; none says what stands in it."""

import errno
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that can be wrong."""

    message: str
    passes: bool = False
    """It is of the moment: what is open stays as good as it was."""


_FILE: Final = "the token database (store.path)"

HELD: Final = Fault(f"{_FILE} is being held by another process; look who has it open", passes=True)
FULL: Final = Fault(f"{_FILE} cannot grow; make room on its disk", passes=True)
FORBIDDEN: Final = Fault(f"{_FILE} cannot be written; let Countersign's user write to it and to its directory")
MISSING: Final = Fault(f"{_FILE} has no directory to stand in; create it, and let Countersign's user write there")
UNFIT: Final = Fault(f"{_FILE} cannot be opened; name a file on a local disk that Countersign's user may write")
BROKEN: Final = Fault(f"{_FILE} cannot be read or written; look after its disk")
OTHERS: Final = Fault(f"{_FILE} can be read by others and belongs to another user; give it to Countersign's, mode 600")
DAMAGED: Final = Fault(
    f"{_FILE} is damaged, or is none, and was left as it is; stop Countersign and put a backup there, or, to begin "
    "with an empty one, move the file away with those beside it whose names begin with its name"
)

_OF_SQLITE: Final[Mapping[int, Fault]] = {
    sqlite3.SQLITE_BUSY: HELD,
    sqlite3.SQLITE_LOCKED: HELD,
    sqlite3.SQLITE_PROTOCOL: HELD,
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_READONLY: FORBIDDEN,
    sqlite3.SQLITE_PERM: FORBIDDEN,
    sqlite3.SQLITE_CANTOPEN: UNFIT,
    sqlite3.SQLITE_IOERR: BROKEN,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
}
_OF_SYSTEM: Final[Mapping[int | None, Fault]] = {
    errno.ENOENT: MISSING,
    errno.ENOTDIR: MISSING,
    errno.EACCES: FORBIDDEN,
    errno.EPERM: FORBIDDEN,
    errno.EROFS: FORBIDDEN,
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
}


def fault_of(error: sqlite3.Error | OSError) -> Fault:
    """Return what is wrong: of SQLite's result codes the primary one, of the system's its number."""
    if isinstance(error, OSError):
        return _OF_SYSTEM.get(error.errno, BROKEN)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return _OF_SQLITE.get(code) or Fault(f"{_FILE} did not do it ({name}); see what its integrity_check says")
