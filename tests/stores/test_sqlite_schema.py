"""The token database is made, brought up to date, and left alone if it is not ours."""

import hashlib
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from proxy.stores.base import StoreError
from proxy.stores.sqlite_schema import APPLICATION_ID, MIGRATIONS, check, number, prepare

RELEASED: Final = ("1cb1",)
"""The beginnings of the digests of the migrations that are out in the world."""

LATER: Final = (*MIGRATIONS, ("ALTER TABLE record ADD COLUMN owner TEXT", "CREATE TABLE person (id TEXT)"))
DYING: Final = """
import os, signal, sqlite3, sys
from proxy.stores.sqlite_schema import MIGRATIONS, prepare
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.create_function("die", 0, lambda: os.kill(os.getpid(), signal.SIGKILL))
prepare(connection, (*MIGRATIONS, ("CREATE TABLE person (id TEXT)", "DELETE FROM record", "SELECT die()")))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.db"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def tables(connection: sqlite3.Connection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def fill(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO record VALUES ('token/billing/0', 7, 300.0, 1.0, 1, x'00ff')")


def test_an_empty_file_becomes_a_token_database(connection: sqlite3.Connection) -> None:
    prepare(connection)
    assert {"record", "lock", "change"} <= tables(connection)
    assert number(connection, "application_id") == APPLICATION_ID
    assert number(connection, "user_version") == len(MIGRATIONS)
    check(connection)


def test_what_is_up_to_date_is_not_written_to(connection: sqlite3.Connection, path: Path) -> None:
    prepare(connection)
    before = path.read_bytes()
    prepare(connection)
    assert path.read_bytes() == before


def test_an_older_database_gets_the_steps_that_it_lacks_and_keeps_what_it_holds(
    connection: sqlite3.Connection,
) -> None:
    prepare(connection)
    fill(connection)
    prepare(connection, LATER)
    assert number(connection, "user_version") == len(LATER)
    assert "person" in tables(connection)
    assert connection.execute("SELECT key, ordinal, data, owner FROM record").fetchall() == [
        ("token/billing/0", 7, b"\x00\xff", None)
    ]


def test_all_versions_are_reached_from_an_empty_file_too(connection: sqlite3.Connection) -> None:
    prepare(connection, LATER)
    assert number(connection, "user_version") == len(LATER)
    assert "person" in tables(connection)


def test_a_step_that_fails_undoes_those_before_it(connection: sqlite3.Connection) -> None:
    prepare(connection)
    fill(connection)
    with pytest.raises(sqlite3.OperationalError):
        prepare(connection, (*MIGRATIONS, ("CREATE TABLE person (id TEXT)", "DELETE FROM record", "no such thing")))
    assert not connection.in_transaction
    assert number(connection, "user_version") == len(MIGRATIONS)
    assert "person" not in tables(connection)
    assert connection.execute("SELECT count(*) FROM record").fetchone() == (1,)


def test_a_process_that_dies_between_the_steps_leaves_the_database_as_it_was(
    connection: sqlite3.Connection, path: Path
) -> None:
    prepare(connection)
    fill(connection)
    died = subprocess.run([sys.executable, "-c", DYING, path], check=False, cwd=Path(__file__).parents[2])
    assert died.returncode == -signal.SIGKILL
    assert number(connection, "user_version") == len(MIGRATIONS)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("SELECT count(*) FROM record").fetchone() == (1,)
    prepare(connection, LATER)
    assert "person" in tables(connection)


def test_a_database_of_a_newer_version_is_refused_and_left_alone(connection: sqlite3.Connection, path: Path) -> None:
    prepare(connection, LATER)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="newer Countersign; run that version, or name another file"):
        prepare(connection)
    with pytest.raises(StoreError, match="newer Countersign"):
        check(connection)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE song (title TEXT)", "PRAGMA user_version = 1", "PRAGMA application_id = 7"]
)
def test_a_database_of_another_program_is_refused_and_left_alone(
    connection: sqlite3.Connection, path: Path, statement: str
) -> None:
    connection.execute(statement)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="database of another program; it is left as it is: name another file"):
        prepare(connection)
    assert path.read_bytes() == before


def test_a_migration_that_was_released_is_never_changed() -> None:
    digests = [hashlib.sha256("\n".join(statements).encode()).hexdigest()[:4] for statements in MIGRATIONS]
    assert digests[: len(RELEASED)] == list(RELEASED)
    assert len(digests) == len(RELEASED), "add the new one's digest to RELEASED"
