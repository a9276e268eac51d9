"""Each thing that can be wrong with the file has its sentence and its remedy."""

import errno
import sqlite3

import pytest

from proxy.stores.sqlite_faults import BROKEN, DAMAGED, FORBIDDEN, FULL, HELD, MISSING, UNFIT, Fault, fault_of


def of_sqlite(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("planted")
    error.sqlite_errorcode = code
    error.sqlite_errorname = "SQLITE_OF_A_TEST"
    return error


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (sqlite3.SQLITE_BUSY, HELD),
        (sqlite3.SQLITE_BUSY_RECOVERY, HELD),
        (sqlite3.SQLITE_FULL, FULL),
        (sqlite3.SQLITE_READONLY, FORBIDDEN),
        (sqlite3.SQLITE_READONLY_DIRECTORY, FORBIDDEN),
        (sqlite3.SQLITE_CANTOPEN, UNFIT),
        (sqlite3.SQLITE_IOERR_WRITE, BROKEN),
        (sqlite3.SQLITE_CORRUPT_INDEX, DAMAGED),
        (sqlite3.SQLITE_NOTADB, DAMAGED),
    ],
)
def test_what_sqlite_says_is_told_by_its_primary_code(code: int, fault: Fault) -> None:
    assert fault_of(of_sqlite(code)) is fault


@pytest.mark.parametrize(
    ("number", "fault"),
    [
        (errno.ENOENT, MISSING),
        (errno.ENOTDIR, MISSING),
        (errno.EACCES, FORBIDDEN),
        (errno.EROFS, FORBIDDEN),
        (errno.ENOSPC, FULL),
        (errno.EDQUOT, FULL),
        (errno.EIO, BROKEN),
        (errno.ELOOP, BROKEN),
    ],
)
def test_what_the_system_says_is_told_by_its_number(number: int, fault: Fault) -> None:
    assert fault_of(OSError(number, "planted")) is fault


@pytest.mark.parametrize("error", [of_sqlite(sqlite3.SQLITE_ERROR), sqlite3.InterfaceError("planted")])
def test_what_is_not_foreseen_is_named_without_its_text(error: sqlite3.Error) -> None:
    fault = fault_of(error)
    assert "SQLITE_OF_A_TEST" in fault.message or "InterfaceError" in fault.message
    assert "planted" not in fault.message
    assert not fault.passes


@pytest.mark.parametrize("fault", [HELD, FULL, FORBIDDEN, MISSING, UNFIT, BROKEN, DAMAGED])
def test_a_fault_names_the_setting_and_the_remedy(fault: Fault) -> None:
    assert fault.message.startswith("the token database (store.path) ")
    assert "; " in fault.message


def test_only_what_is_of_the_moment_passes() -> None:
    assert {fault for fault in (HELD, FULL, FORBIDDEN, MISSING, UNFIT, BROKEN, DAMAGED) if fault.passes} == {HELD, FULL}
