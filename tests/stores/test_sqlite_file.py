"""The database file is private, survives what happens to files, and says what is wrong with it."""

import os
import sqlite3
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import pytest

from proxy.stores import sqlite_file
from proxy.stores.base import StoreError, StoreTimeoutError
from proxy.stores.sqlite_file import DatabaseFile
from proxy.stores.sqlite_schema import MIGRATIONS

NOBODY: Final = 65534
SAVE: Final = "INSERT OR REPLACE INTO record VALUES (?, 1, 60.0, 0.0, 0, ?)"


class Files:
    """Opens the same file as several processes would, and closes it behind the test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: list[DatabaseFile] = []

    def open(self) -> DatabaseFile:
        self._opened.append(DatabaseFile(self.path, time.monotonic))
        return self._opened[-1]

    def close(self) -> None:
        for file in self._opened:
            file.close()

    def beside(self) -> set[Path]:
        return set(self.path.parent.glob(f"{self.path.name}*"))


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    files = Files(tmp_path / "tokens.db")
    yield files
    files.close()


def save(file: DatabaseFile, key: str = "key", data: bytes = b"data") -> None:
    file.write(lambda connection: connection.execute(SAVE, (key, data)), time.monotonic() + 2.0)


def keys(file: DatabaseFile) -> list[str]:
    return file.read(
        lambda connection: [row[0] for row in connection.execute("SELECT key FROM record ORDER BY key")], 0.0
    )


def modes(paths: set[Path]) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in paths}


def pragma(file: DatabaseFile, name: str) -> object:
    return file.read(lambda connection: connection.execute(f"PRAGMA {name}").fetchone()[0], 0.0)


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def powerless() -> Iterator[Path]:
    """Yield a directory while file modes count, for root too."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        is_root = os.geteuid() == 0
        if is_root:
            os.chown(directory, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        try:
            yield directory
        finally:
            if is_root:
                os.seteuid(0)
            directory.chmod(0o755)


# What it is


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o777])
def test_the_file_and_those_beside_it_are_private_from_the_start_whatever_the_umask(
    files: Files, mask: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "_tighten", lambda path: None)
    with umask(mask):
        save(files.open())
    assert {path.suffix for path in files.beside()} == {".db", ".db-wal", ".db-shm"}
    assert modes(files.beside()) == {0o600}


def test_a_file_that_others_could_read_is_made_private(files: Files) -> None:
    with umask(0):
        save(files.open())
    for path in files.beside():
        path.chmod(0o664)
    save(files.open())
    assert modes(files.beside()) == {0o600}


def test_a_file_of_another_user_that_others_can_read_is_refused(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    save(files.open())
    files.path.chmod(0o666)

    def refuse(path: Path, mode: int) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "chmod", refuse)
    with pytest.raises(StoreError, match="belongs to another user; give it to Countersign's, mode 600"):
        keys(files.open())


def test_what_is_saved_is_on_the_disk_before_it_is_acknowledged(files: Files) -> None:
    file = files.open()
    save(file)
    assert (pragma(file, "journal_mode"), pragma(file, "synchronous"), pragma(file, "fullfsync")) == ("wal", 2, 1)


def test_what_need_not_survive_is_done_sooner_and_the_next_save_is_as_safe_as_ever(files: Files) -> None:
    file = files.open()
    file.write(lambda connection: connection.execute(SAVE, ("key", b"data")), 0.0, survives=False)
    assert pragma(file, "synchronous") == 1
    save(file)
    assert pragma(file, "synchronous") == 2


def test_what_is_forgotten_is_overwritten(files: Files) -> None:
    file = files.open()
    save(file, data=b"planted" * 100)
    file.write(lambda connection: connection.execute("DELETE FROM record"), 0.0)
    file.close()
    assert {path.suffix for path in files.beside()} == {".db"}
    assert b"planted" not in files.path.read_bytes()


@pytest.mark.parametrize("name", ["tok?ens#1.db", "tok %41 ens.db", "tökens'.db", "file:tokens.db"])
def test_a_name_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    file = DatabaseFile(tmp_path / name, time.monotonic)
    save(file)
    file.close()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_behind_a_symbolic_link_a_private_file_is_made(files: Files, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    target = tmp_path / "disk" / "tokens.db"
    files.path.symlink_to(target)
    with umask(0):
        save(files.open())
    assert modes(set(target.parent.iterdir())) == {0o600}


# What it does


def test_what_one_writes_the_other_reads(files: Files) -> None:
    one, other = files.open(), files.open()
    save(one, "first")
    save(other, "second")
    assert keys(one) == keys(other) == ["first", "second"]


def test_a_job_that_fails_is_undone_and_the_file_stays_in_use(files: Files) -> None:
    file = files.open()

    def spoil(connection: sqlite3.Connection) -> None:
        connection.execute(SAVE, ("spoilt", b"data"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        file.write(spoil, 0.0)
    save(file)
    assert (keys(file), file.openings) == (["key"], 1)


@contextmanager
def held(path: Path) -> Iterator[sqlite3.Connection]:
    """Have another process write, and not come to an end."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


def test_a_file_that_another_process_holds_is_waited_for(files: Files) -> None:
    file = files.open()
    save(file)
    with held(files.path) as other:
        letting_go = threading.Timer(0.3, other.rollback)
        letting_go.start()
        save(file, "second")
        letting_go.join()
    assert (keys(file), file.openings) == (["key", "second"], 1)


def test_a_file_that_is_held_for_too_long_is_waited_for_no_longer_and_can_still_be_read(files: Files) -> None:
    file = files.open()
    save(file)
    with held(files.path):
        begun = time.monotonic()
        with pytest.raises(StoreTimeoutError, match="held by another process; look who has it open"):
            file.write(lambda connection: connection.execute(SAVE, ("second", b"data")), begun + 0.3)
        assert 0.3 <= time.monotonic() - begun < 2.0
        assert keys(file) == ["key"]
    save(file, "third")
    assert (keys(file), file.openings) == (["key", "third"], 1)


def test_a_full_disk_is_told_and_what_is_there_can_be_read_and_room_helps(files: Files) -> None:
    file = files.open()
    save(file)
    pages = pragma(file, "page_count")
    file.read(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}"), 0.0)
    with pytest.raises(StoreError, match="cannot grow; make room"):
        save(file, "large", bytes(100_000))
    assert keys(file) == ["key"]
    file.read(lambda connection: connection.execute("PRAGMA max_page_count = 100000"), 0.0)
    save(file, "large", bytes(100_000))
    assert (keys(file), file.openings) == (["key", "large"], 1)


# What happens to files


def test_a_file_that_was_deleted_is_made_anew(files: Files) -> None:
    file = files.open()
    save(file, "lost")
    files.path.unlink()
    assert (keys(file), file.openings) == ([], 2)
    save(file)
    assert (keys(file), keys(files.open())) == (["key"], ["key"])
    assert modes(files.beside()) == {0o600}


def test_two_whose_file_was_deleted_with_all_that_is_beside_it_meet_in_the_new_one(files: Files) -> None:
    one, other = files.open(), files.open()
    save(one, "lost")
    save(other, "lost")
    for path in files.beside():
        path.unlink()
    save(one, "first")
    save(other, "second")
    assert keys(one) == keys(other) == ["first", "second"]
    assert pragma(one, "integrity_check") == "ok"


def test_two_whose_file_alone_was_deleted_meet_in_the_new_one(files: Files) -> None:
    one, other = files.open(), files.open()
    save(one, "lost")
    save(other, "lost")
    files.path.unlink()
    for file, key in ((one, "first"), (other, "second")):
        for _ in range(3):  # SQLite may stumble over what is left beside it, and begins anew
            try:
                save(file, key)
                break
            except StoreError:
                continue
    assert keys(one) == keys(other) == ["first", "second"]
    assert pragma(one, "integrity_check") == "ok"


def test_a_backup_that_was_put_in_its_place_is_used(files: Files, tmp_path: Path) -> None:
    backup = Files(tmp_path / "backup.db")
    save(backup.open(), "kept")
    backup.close()
    file = files.open()
    save(file, "lost")
    for path in files.beside():
        path.unlink()
    backup.path.rename(files.path)
    assert (keys(file), file.openings) == (["kept"], 2)


def test_a_newer_countersign_that_takes_over_meanwhile_is_not_disturbed(files: Files) -> None:
    file = files.open()
    save(file)
    newer = len(MIGRATIONS) + 1
    with closing(sqlite3.connect(files.path, isolation_level=None)) as other:
        other.execute(f"PRAGMA user_version = {newer}")
        with pytest.raises(StoreError, match="newer Countersign"):
            save(file, "second")
        with pytest.raises(StoreError, match="newer Countersign"):
            keys(file)
        assert other.execute("SELECT key FROM record").fetchall() == [("key",)]


def spoil_header(content: bytes) -> bytes:
    return b"#" * 100 + content[100:]


def spoil_tables(content: bytes) -> bytes:
    return content[:4096] + b"\xa5" * (len(content) - 4096)


@pytest.mark.parametrize(
    "spoil", [spoil_header, spoil_tables, lambda content: b"a letter to a friend\n", lambda content: content[:5000]]
)
def test_a_damaged_file_is_told_and_left_as_it_is(files: Files, spoil: Callable[[bytes], bytes]) -> None:
    file = files.open()
    for number in range(50):
        save(file, f"key {number}", bytes(1000))
    files.close()
    content = spoil(files.path.read_bytes())
    files.path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(StoreError, match="is damaged, or is none, and was left as it is; stop Countersign and put"):
            keys(files.open())
    with pytest.raises(StoreError):
        save(files.open(), "new", bytes(1000))
    files.close()
    assert files.path.read_bytes() == content


def test_a_file_that_is_repaired_is_used_again(files: Files) -> None:
    file = files.open()
    save(file)
    file.close()
    content = files.path.read_bytes()
    files.path.write_bytes(b"a letter to a friend\n")
    with pytest.raises(StoreError):
        keys(file)
    files.path.write_bytes(content)
    assert keys(file) == ["key"]


@pytest.mark.parametrize("name", ["missing/tokens.db", "a file/tokens.db"])
def test_a_missing_directory_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(StoreError, match="no directory to stand in; create it"):
        keys(DatabaseFile(tmp_path / name, time.monotonic))


@pytest.mark.parametrize("path", [Path("/"), Path("/dev/null")])
def test_what_is_no_file_is_no_database(path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened; name a file on a local disk"):
        keys(DatabaseFile(path, time.monotonic))


def test_a_directory_that_we_may_not_write_to_is_told_and_nothing_is_made_there() -> None:
    with powerless() as directory:
        directory.chmod(0o555)
        with pytest.raises(StoreError, match="cannot be written; let Countersign's user write to it and to its dir"):
            save(DatabaseFile(directory / "tokens.db", time.monotonic))
        assert list(directory.iterdir()) == []


@pytest.mark.parametrize(("name", "mode", "enough"), [("tokens.db", 0o400, 0o600), (".", 0o500, 0o700)])
def test_what_we_may_not_write_to_any_more_is_told_until_we_may(name: str, mode: int, enough: int) -> None:
    with powerless() as directory, closing(DatabaseFile(directory / "tokens.db", time.monotonic)) as file:
        save(file)
        file.close()
        (directory / name).chmod(mode)
        with pytest.raises(StoreError, match="cannot be written; let Countersign's user write to it"):
            save(file, "second")
        (directory / name).chmod(enough)
        save(file, "third")
        assert keys(file) == ["key", "third"]


def test_no_error_says_what_was_saved(files: Files) -> None:
    file = files.open()
    save(file)
    pages = pragma(file, "page_count")
    file.read(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}"), 0.0)
    with pytest.raises(StoreError) as caught:
        save(file, "planted", b"planted" * 10_000)
    assert caught.value.__suppress_context__
    assert "planted" not in str(caught.value) + repr(file)
