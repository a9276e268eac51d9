"""A watcher hears of what was changed since it last looked, and knows when it may have missed something."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from proxy.stores.base import Change, News, Record, StoreError
from proxy.stores.sqlite_file import DatabaseFile
from proxy.stores.sqlite_news import Watcher
from proxy.stores.sqlite_tables import put

KEY: Final = "token/billing/0123456789abcdef"
NOW: Final = 1_800_000_000.0
MISSED: Final = [News(Change.MISSED)]


class World:
    """Two processes' views of one file: ours, which is watched, and the other's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = DatabaseFile(path, time.monotonic)
        self.other = DatabaseFile(path, time.monotonic)
        self.watcher = Watcher(self.file, lambda: NOW)

    def look(self, *, own: bool = False) -> list[News]:
        return self.watcher.look(0.0, own=own)

    def save(self, file: DatabaseFile, order: int) -> list[News]:
        """Save a record; return the news that there is to hear of it."""
        record = Record(order, b"data", 60.0)
        file.write(partial(put, key=KEY, record=record, now=NOW), 0.0)
        return [News(Change.SAVED, KEY, record)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "tokens.db")
    yield world
    world.file.close()
    world.other.close()


def test_the_first_look_learns_where_things_stand(world: World) -> None:
    world.save(world.other, 1)
    assert world.look() == []
    assert world.look() == []


def test_what_another_process_changed_is_heard_once(world: World) -> None:
    world.look()
    news = world.save(world.other, 1)
    assert world.look() == news
    assert world.look() == []


def test_what_we_changed_ourselves_is_heard_when_we_say_so(world: World) -> None:
    world.look()
    news = world.save(world.file, 1)
    assert world.look(own=True) == news
    assert world.look(own=True) == []


def test_a_look_at_what_we_changed_brings_what_others_changed_before(world: World) -> None:
    world.look()
    world.save(world.other, 1)
    news = world.save(world.file, 2)
    assert world.look(own=True) == news
    assert world.look() == []


def test_as_long_as_nothing_is_changed_nothing_is_read(world: World) -> None:
    world.look()
    statements: list[str] = []
    world.file.read(lambda connection: connection.set_trace_callback(statements.append), 0.0)
    world.look()
    assert statements == ["PRAGMA data_version"]


def test_a_file_that_was_opened_anew_may_have_changed(world: World) -> None:
    world.look()
    world.file.close()
    assert world.look() == MISSED
    news = world.save(world.other, 1)
    assert world.look() == news


def test_after_a_look_that_failed_something_was_missed(world: World) -> None:
    world.look()
    world.path.rename(world.path.with_name("away.db"))
    world.path.mkdir()
    for _ in range(2):
        with pytest.raises(StoreError):
            world.look()
    world.path.rmdir()
    assert world.look() == MISSED
    assert world.look() == []


def test_a_first_look_that_failed_missed_what_was_changed_meanwhile(world: World) -> None:
    world.path.mkdir()
    with pytest.raises(StoreError):
        world.look()
    world.path.rmdir()
    world.save(world.other, 1)
    assert world.look() == MISSED
    assert world.look() == []
