"""What is asked and told of the token database, each on its own."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Final

import pytest

from proxy.stores.base import LEASE, Change, News, Record
from proxy.stores.sqlite_schema import number, prepare
from proxy.stores.sqlite_tables import (
    KEPT,
    PAGE,
    ROOM,
    changes,
    exchange,
    forget,
    give_room,
    is_locked,
    keys_after,
    let_go,
    newest,
    prolong,
    put,
    standing,
    sweep,
    take,
    take_room,
)

KEY: Final = "token/billing/0123456789abcdef"
NOW: Final = 1_800_000_000.0


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        prepare(connection)
        yield connection


def heard(db: sqlite3.Connection, seen: int = 0) -> list[tuple[str, str, int | None]]:
    _, news = changes(db, seen, NOW)
    return [(one.change.value, one.key, one.record.order if one.record else None) for one in news]


def rows(db: sqlite3.Connection, table: str) -> int:
    return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


# Records


def test_a_record_is_kept_whole(db: sqlite3.Connection) -> None:
    record = Record(7, b"\x00\xff", 300.5, durable=True)
    assert put(db, KEY, record, NOW) == record
    assert standing(db, KEY, NOW + 12.5) == Record(7, b"\x00\xff", 300.5, 12.5, durable=True)


def test_a_record_whose_time_is_over_does_not_stand_any_more_and_stops_nobody(db: sqlite3.Connection) -> None:
    put(db, KEY, Record(7, b"old", 60.0), NOW)
    assert standing(db, KEY, NOW + 59.9) is not None
    assert standing(db, KEY, NOW + 60) is None
    assert keys_after(db, "", NOW + 60) == []
    assert put(db, KEY, Record(1, b"new", 60.0), NOW + 60).data == b"new"


def test_a_clock_that_was_set_back_makes_no_age_negative(db: sqlite3.Connection) -> None:
    put(db, KEY, Record(7, b"data", 60.0), NOW)
    record = standing(db, KEY, NOW - 3600)
    assert record is not None
    assert record.age == 0.0


def test_what_is_handed_in_with_an_age_is_as_young_as_its_save(db: sqlite3.Connection) -> None:
    assert put(db, KEY, Record(7, b"data", 60.0, age=50.0), NOW).age == 0.0
    record = standing(db, KEY, NOW)
    assert record is not None
    assert record.age == 0.0


def test_keys_are_listed_page_by_page_in_their_order(db: sqlite3.Connection) -> None:
    wanted = [f"token/{count:06}" for count in range(PAGE + 3)]
    for key in reversed(wanted):
        put(db, key, Record(1, b"data", 60.0), NOW)
    first = keys_after(db, "", NOW)
    assert len(first) == PAGE
    assert first + keys_after(db, first[-1], NOW) == wanted
    assert keys_after(db, wanted[-1], NOW) == []


def test_a_sweep_forgets_what_has_run_out_and_nothing_else(db: sqlite3.Connection) -> None:
    put(db, "short", Record(1, b"data", 60.0), NOW)
    put(db, "long", Record(1, b"data", 600.0), NOW)
    take(db, "short", "mine", 1010.0, 1000.0)
    take(db, "long", "mine", 1310.0, 1300.0)
    sweep(db, NOW + 300, 1301.0)
    assert (rows(db, "record"), rows(db, "lock")) == (1, 1)
    assert standing(db, "long", NOW + 300) is not None
    assert is_locked(db, "long", 1301.0)


def test_room_that_is_taken_is_given_back_and_is_nothing_that_was_kept(db: sqlite3.Connection) -> None:
    pages = number(db, "page_count")
    take_room(db)
    assert number(db, "page_count") * number(db, "page_size") >= pages * number(db, "page_size") + ROOM
    assert not is_locked(db, "", 0.0)
    assert keys_after(db, "", NOW) == []
    give_room(db)
    take_room(db)
    sweep(db, NOW, 1000.0)
    assert (rows(db, "lock"), newest(db)) == (0, 0)


# Locks


def test_a_lock_is_taken_by_one_until_it_runs_out(db: sqlite3.Connection) -> None:
    assert take(db, KEY, "mine", 1010.0, 1000.0)
    assert not take(db, KEY, "yours", 1019.0, 1009.0)
    assert is_locked(db, KEY, 1009.9)
    assert not is_locked(db, KEY, 1010.0)
    assert take(db, KEY, "yours", 1020.0, 1010.0)
    assert not prolong(db, KEY, "mine", 1030.0)
    let_go(db, KEY, "mine")
    assert is_locked(db, KEY, 1019.0)


def test_a_lock_that_is_prolonged_lasts_longer(db: sqlite3.Connection) -> None:
    take(db, KEY, "mine", 1010.0, 1000.0)
    assert prolong(db, KEY, "mine", 1013.0)
    assert is_locked(db, KEY, 1012.0)


def test_a_lock_of_before_the_machine_started_anew_counts_as_run_out(db: sqlite3.Connection) -> None:
    take(db, KEY, "mine", 900_010.0, 900_000.0)
    assert not is_locked(db, KEY, 30.0)
    assert take(db, KEY, "yours", 40.0, 30.0)
    assert is_locked(db, KEY, 39.0)


def test_a_lock_that_was_taken_this_instant_is_held(db: sqlite3.Connection) -> None:
    take(db, KEY, "mine", 1000.0 + LEASE, 1000.0)
    assert is_locked(db, KEY, 1000.0)


# Changes


def test_changes_are_told_in_their_order(db: sqlite3.Connection) -> None:
    put(db, KEY, Record(3, b"data", 60.0), NOW)
    put(db, "other", Record(4, b"data", 60.0), NOW)
    take(db, KEY, "mine", 1010.0, 1000.0)
    let_go(db, KEY, "mine")
    forget(db, "other", 4)
    assert heard(db) == [("saved", KEY, 3), ("released", KEY, None), ("dropped", "other", None)]
    assert heard(db, newest(db)) == []


def test_news_of_a_record_carries_it_with_its_age(db: sqlite3.Connection) -> None:
    put(db, KEY, Record(3, b"data", 60.0, durable=True), NOW - 5)
    assert changes(db, 0, NOW) == (1, [News(Change.SAVED, KEY, Record(3, b"data", 60.0, 5.0, durable=True))])


def test_what_changed_nothing_is_no_news(db: sqlite3.Connection) -> None:
    put(db, KEY, Record(3, b"data", 60.0), NOW)
    seen = newest(db)
    put(db, KEY, Record(3, b"again", 60.0), NOW)
    forget(db, KEY, 2)
    forget(db, "nothing", 2)
    let_go(db, KEY, "nobody")
    assert exchange(db, KEY, b"data", b"resealed")
    assert newest(db) == seen


def test_of_several_saves_of_one_key_the_last_is_told(db: sqlite3.Connection) -> None:
    for order in range(5):
        put(db, KEY, Record(order, b"data", 60.0), NOW)
    assert heard(db) == [("saved", KEY, 4)]


def test_a_save_after_a_drop_is_told_after_it(db: sqlite3.Connection) -> None:
    put(db, KEY, Record(9, b"data", 60.0), NOW)
    forget(db, KEY, 9)
    put(db, KEY, Record(1, b"data", 60.0), NOW)
    assert heard(db) == [("dropped", KEY, None), ("saved", KEY, 1)]


def test_a_record_that_was_dropped_meanwhile_is_told_as_dropped(db: sqlite3.Connection) -> None:
    put(db, KEY, Record(9, b"data", 60.0), NOW)
    forget(db, KEY, 9)
    assert heard(db) == [("dropped", KEY, None)]


def test_a_record_that_ran_out_meanwhile_is_no_news(db: sqlite3.Connection) -> None:
    put(db, KEY, Record(9, b"data", 60.0), NOW - 100)
    assert heard(db) == []


def test_old_changes_are_forgotten_and_who_lags_that_far_behind_missed_them(db: sqlite3.Connection) -> None:
    for count in range(KEPT + 10):
        put(db, f"token/{count}", Record(1, b"data", 60.0), NOW)
    assert rows(db, "change") == KEPT
    last, news = changes(db, 9, NOW)
    assert (last, news) == (KEPT + 10, [News(Change.MISSED)])
    last, news = changes(db, 10, NOW)
    assert last == KEPT + 10
    assert [one.key for one in news] == [f"token/{count}" for count in range(10, KEPT + 10)]


def test_numbers_that_went_back_mean_that_something_was_missed(db: sqlite3.Connection) -> None:
    put(db, KEY, Record(1, b"data", 60.0), NOW)
    assert changes(db, 2, NOW) == (1, [News(Change.MISSED)])


def test_before_the_first_change_there_is_no_news(db: sqlite3.Connection) -> None:
    assert newest(db) == 0
    assert changes(db, 0, NOW) == (0, [])
