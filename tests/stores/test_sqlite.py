"""The SQLite store keeps the family's promises, through crashes, failures and many processes."""

import asyncio
import random
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import ValidationError

from proxy.core.clock import Clock, SystemClock
from proxy.net.runtime import Runtime
from proxy.stores import sqlite
from proxy.stores import sqlite_tables as tables
from proxy.stores.base import LEASE, Change, Record, Store, StoreError, StoreTimeoutError
from proxy.stores.sqlite import Sqlite, SqliteSettings
from tests.compliance.stores import KEY, Ear, StoreCompliance, contents, record
from tests.fakes.clock import FakeClock
from tests.fakes.database_processes import LOCKED, Process, add_up, hold, listen, offer, report, write
from tests.fakes.until import PATIENCE, until

KILLS: Final = 25
WITHIN: Final = 0.05
"""Seconds in which a change is heard by other processes."""


def make(path: Path, clock: Clock | None = None) -> Sqlite:
    return Sqlite(SqliteSettings(kind="sqlite", path=path), Runtime(clock or SystemClock(), lambda name, error: None))


class TestSqliteStore(StoreCompliance):
    @pytest.fixture(autouse=True)
    def _in_a_directory_of_its_own(self, tmp_path: Path) -> None:
        self.path = tmp_path / "tokens.db"

    def make(self) -> Store:
        return make(self.path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.db"


Maker = Callable[..., Sqlite]


@pytest.fixture
async def stores(path: Path) -> AsyncIterator[Maker]:
    """Make stores on one file, as processes would; they are closed behind the test."""
    made: list[Sqlite] = []

    def another(clock: Clock | None = None) -> Sqlite:
        made.append(make(path, clock))
        return made[-1]

    yield another
    for store in made:
        await store.close()


def look_into(path: Path, question: str) -> list[tuple[object, ...]]:
    """Ask the file itself, as the sqlite3 program would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(question).fetchall()


class Ahead(SystemClock):
    """The machine's clock, some seconds later."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def monotonic(self) -> float:
        return time.monotonic() + self._seconds


def threads() -> list[threading.Thread]:
    """Return the threads that work for stores of this process."""
    return [thread for thread in threading.enumerate() if thread.name == "token-database"]


def spoil(path: Path) -> None:
    """Put something there that is no file."""
    if path.exists():
        path.rename(path.with_name("away"))
    path.mkdir()


def repair(path: Path) -> None:
    """Put back what stood there."""
    path.rmdir()
    if path.with_name("away").exists():
        path.with_name("away").rename(path)


def delete(path: Path) -> None:
    """Take the file away with all that is beside it."""
    for file in path.parent.iterdir():
        file.unlink()


def names_beside(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


async def keys(store: Store) -> list[str]:
    return sorted([key async for key in aiter(store.keys())])


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Have somebody else write, and not come to an end."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


# Settings


def test_the_file_is_named_relative_to_the_configuration() -> None:
    context = {"place": Path("/etc/countersign").joinpath}
    settings = SqliteSettings.model_validate({"kind": "sqlite", "path": "./tokens.db"}, context=context)
    assert settings.path == Path("/etc/countersign/tokens.db")
    with pytest.raises(ValidationError, match="path"):
        SqliteSettings.model_validate({"kind": "sqlite"})


# The thread


async def test_nothing_is_opened_before_the_first_use_and_nothing_is_left_open(path: Path) -> None:
    store = make(path)
    assert (threads(), names_beside(path)) == ([], [])
    await store.save(KEY, record())
    assert len(threads()) == 1
    await store.close()
    assert threads() == []
    assert names_beside(path) == [path.name]
    await store.close()


async def test_a_closed_store_does_nothing_more(stores: Maker) -> None:
    store = stores()
    lease = await store.acquire(KEY)
    await store.close()
    assert lease is not None
    for refused in (store.load(KEY), store.save(KEY, record()), store.ping(), lease.release()):
        with pytest.raises(StoreError, match="was closed"):
            await refused
    store.listen(lambda news: None)
    assert threads() == []


async def test_the_loop_runs_on_while_the_database_blocks(stores: Maker, path: Path) -> None:
    store = stores()
    await store.ping()
    with held(path):
        saving = asyncio.ensure_future(store.save(KEY, record()))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not saving.done()
    assert (await saving).order == 1


async def test_a_database_that_is_held_costs_a_caller_its_patience_and_no_more(
    stores: Maker, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = stores()
    await store.ping()
    with held(path), monkeypatch.context() as patch:
        patch.setattr(sqlite, "PATIENCE", 0.3)
        begun = time.monotonic()
        with pytest.raises(StoreTimeoutError, match="held by another process"):
            await store.save(KEY, record())
        assert 0.3 <= time.monotonic() - begun < 2.0
    await store.save(KEY, record())


async def test_a_disk_that_hangs_costs_a_caller_its_patience_and_no_more(
    stores: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "PATIENCE", 0.01)
    store = stores()
    gate = threading.Event()
    store._worker.submit(gate.wait)
    with pytest.raises(StoreTimeoutError, match="does not answer; look after its disk"):
        await store.load(KEY)
    gate.set()


async def test_a_file_that_cannot_be_opened_is_tried_again_at_every_use(stores: Maker, path: Path) -> None:
    store = stores()
    spoil(path)
    for _ in range(2):
        with pytest.raises(StoreError, match="name a file on a local disk"):
            await store.save(KEY, record())
    repair(path)
    await store.save(KEY, record())
    assert await contents(store) == (1, record().data)


async def test_a_full_disk_is_down_until_there_is_room(stores: Maker) -> None:
    store = stores()

    async def pragma(text: str) -> int:
        job = partial(store._file.read, lambda db: db.execute(f"PRAGMA {text}").fetchone()[0], 0.0)
        return int(await store._worker.do(job, PATIENCE))

    await store.save(KEY, record())
    await pragma(f"max_page_count = {await pragma('page_count')}")
    for refused in (store.save("large", record(data=bytes(tables.ROOM))), store.ping()):
        with pytest.raises(StoreError, match="cannot grow; make room"):
            await refused
    assert await contents(store) == (1, record().data)
    await pragma("max_page_count = 1000000")
    await store.ping()
    await store.save("large", record(data=bytes(tables.ROOM)))


async def test_what_may_lose_records_is_told(stores: Maker, path: Path) -> None:
    path.parent.chmod(0o777)
    assert any(risk.startswith("Everybody on this machine may write") for risk in await stores().risks())


# Records


async def test_a_record_outlives_the_process(stores: Maker) -> None:
    store = stores()
    await store.save(KEY, Record(7, b"data", 300.0, durable=True))
    await store.close()
    standing = await stores().load(KEY)
    assert standing is not None
    assert (standing.order, standing.data, standing.ttl, standing.durable) == (7, b"data", 300.0, True)


async def test_a_record_ages_and_is_forgotten_at_the_end_of_its_time(stores: Maker, path: Path) -> None:
    clock = FakeClock()
    store = stores(clock)
    await store.save(KEY, record(ttl=60.0))
    await clock.advance(seconds=59)
    standing = await store.load(KEY)
    assert standing is not None
    assert standing.age == 59.0
    await clock.advance(seconds=1)
    assert await store.load(KEY) is None
    assert await keys(store) == []


async def test_what_ran_out_is_swept_away_now_and_then(stores: Maker, path: Path) -> None:
    clock = FakeClock()
    store = stores(clock)
    for number in range(3):
        await store.save(f"token/{number}", record(ttl=60.0))
    await clock.advance(seconds=sqlite.SWEEP)
    await store.save(KEY, record())
    await store.ping()
    assert look_into(path, "SELECT key FROM record") == [(KEY,)]


async def test_a_clock_that_is_set_back_makes_nobody_older_than_they_are(stores: Maker) -> None:
    clock = FakeClock()
    store = stores(clock)
    await store.save(KEY, record(ttl=60.0))
    clock.jump(-3600)
    standing = await store.load(KEY)
    assert standing is not None
    assert standing.age == 0.0


async def test_more_keys_than_a_page_are_listed(stores: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "PAGE", 3)
    store = stores()
    wanted = [f"token/{number}" for number in range(7)]
    for key in wanted:
        await store.save(key, record())
    assert await keys(store) == wanted


# Locks


async def test_a_lock_lasts_while_its_holder_lives(stores: Maker) -> None:
    clock = FakeClock()
    store, other = stores(clock), stores(clock)
    lease = await store.acquire(KEY)
    assert lease is not None
    for _ in range(4 * round(LEASE)):
        await clock.advance(seconds=1)
        await store.ping()  # by now it was renewed
        assert await other.acquire(KEY) is None
    assert lease.is_held
    await lease.release()
    assert await other.acquire(KEY) is not None


async def test_a_wall_clock_that_is_set_takes_no_lock_from_anybody(stores: Maker) -> None:
    clock = FakeClock()
    store, other = stores(clock), stores(clock)
    lease = await store.acquire(KEY)
    for seconds in (7200, -36_000):
        clock.jump(seconds)
        assert await other.acquire(KEY) is None
    assert lease is not None
    assert lease.is_held


async def test_a_lease_that_was_lost_takes_the_lock_from_nobody(stores: Maker) -> None:
    clock, later = FakeClock(), FakeClock()
    store, other = stores(clock), stores(later)
    lost = await store.acquire(KEY)
    await later.advance(seconds=LEASE)
    taken = await other.acquire(KEY)
    assert lost is not None
    assert taken is not None
    await clock.advance(seconds=LEASE / 3)
    await store.ping()
    await until(lambda: not lost.is_held)
    await lost.release()
    assert await other.acquire(KEY) is None
    assert taken.is_held


async def test_a_lock_that_was_asked_for_by_somebody_who_left_is_free(
    stores: Maker, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, taking = stores(), threading.Event()
    await store.ping()
    write = store._file.write

    def begin_to_write(*args: Any, **options: Any) -> Any:
        taking.set()
        return write(*args, **options)

    monkeypatch.setattr(store._file, "write", begin_to_write)
    with held(path):
        asking = asyncio.ensure_future(store.acquire(KEY))
        await until(taking.is_set)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    await store.ping()  # by now the lock was taken, and let go
    assert await stores().acquire(KEY) is not None


# News


async def test_our_own_changes_are_heard_before_they_are_acknowledged(stores: Maker) -> None:
    store = stores()
    ear = Ear(store)
    for order in range(1, 20):
        await store.save(KEY, record(order))
        assert [news.record.order for news in ear.heard if news.record] == [*range(1, order + 1)]


async def test_news_is_told_on_the_event_loop(stores: Maker) -> None:
    store, other = stores(), stores()
    told: list[str] = []
    store.listen(lambda news: told.append(threading.current_thread().name))
    await store.ping()  # by now it hears
    await other.save(KEY, record())
    await until(lambda: told)
    assert told == [threading.current_thread().name]


async def test_news_is_heard_however_busy_the_thread_is(stores: Maker) -> None:
    store, other = stores(), stores()
    ear = await TestSqliteStore.ear(TestSqliteStore(), store)
    await other.save(KEY, record())
    async with asyncio.timeout(PATIENCE):
        while (ear.heard[-1].change, ear.heard[-1].key) != (Change.SAVED, KEY):
            await asyncio.gather(*(store.load(KEY) for _ in range(10)))


async def test_a_store_to_which_nobody_listens_does_not_look_for_news(stores: Maker) -> None:
    store = stores()
    await store.save(KEY, record())
    assert store._worker.pause is None


async def test_of_a_file_that_was_replaced_everything_was_missed(stores: Maker, path: Path) -> None:
    store = stores()
    ear = await TestSqliteStore.ear(TestSqliteStore(), store)
    delete(path)
    await ear.hears(Change.MISSED, "")
    await store.save(KEY, record(7))
    told = (await ear.hears(Change.SAVED)).record
    assert told is not None
    assert told.order == 7


async def test_news_that_cannot_be_looked_for_is_missed_and_looked_for_ever_less_often(
    stores: Maker, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "SELDOM", 0.1)
    store = stores()
    ear = Ear(store)
    await store.save(KEY, record())
    spoil(path)
    await until(lambda: store._worker.pause == sqlite.SELDOM)
    assert Change.MISSED not in {news.change for news in ear.heard}
    repair(path)
    await ear.hears(Change.MISSED, "")
    assert store._worker.pause == sqlite.EVERY


def test_another_process_hears_of_a_change_within_fifty_milliseconds(path: Path) -> None:
    with Process(listen, path) as process:
        assert process.says() == "listens"
        late = asyncio.run(_changes_heard(path, process))
    assert late[len(late) // 2] < WITHIN, late


async def _changes_heard(path: Path, process: Process) -> list[float]:
    """Change all that there is to change; return how much later the process heard of it, in order."""
    store, late = make(path), []
    for order in range(1, 6):
        lease = await store.acquire(KEY)
        assert lease is not None
        for change, key, does in (
            ("saved", KEY, store.save(KEY, record(order))),
            ("dropped", KEY, store.drop(KEY, order)),
            ("released", KEY, lease.release()),
        ):
            await does
            changed_at = time.monotonic()
            *news, heard_at = process.says()
            assert news == [change, key, order if change == "saved" else None]
            late.append(heard_at - changed_at)
    await store.close()
    return sorted(late)


# Processes


@pytest.mark.parametrize("begins", ["anew", "where the one before was killed"])
def test_what_was_saved_survives_a_kill_at_any_instant(path: Path, begins: str) -> None:
    chance = random.Random(begins)
    saved: dict[str, int] = {}
    for _ in range(KILLS // 2):
        if begins == "anew":
            saved = {}
            delete(path)
        with Process(write, path, max(saved.values(), default=0) + 1) as process:
            assert process.says() == "begins"
            said = process.says_within(chance.uniform(0.0, 0.04))
            process.kill()
            saved |= dict(said + process.rest())
        if path.exists():
            assert look_into(path, "PRAGMA integrity_check") == [("ok",)]
        assert_holds(path, saved)
    assert begins == "anew" or saved


def assert_holds(path: Path, saved: dict[str, int]) -> None:
    """Fail unless a store on that file has every record that was acknowledged, or the one that was under way."""
    with Process(report, path, list(saved)) as process:
        found = process.says()
    newest = max(saved.values(), default=0)
    for key, order in saved.items():
        assert found[key] in {order, newest + 1}


def test_processes_that_open_a_new_file_together_meet_in_it(path: Path) -> None:
    processes = [Process(offer, path, b"%d" % number, 1) for number in range(6)]
    standing = [process.says() for process in processes]
    for process in processes:
        process.kill()
    assert len(set(standing)) == 1


def test_under_the_lock_no_process_undoes_anothers_work(path: Path) -> None:
    processes = [Process(add_up, path, 50) for _ in range(4)]
    assert [process.says() for process in processes] == ["done"] * 4
    for process in processes:
        process.kill()
    assert look_into(path, f"SELECT ordinal, data FROM record WHERE key = '{LOCKED}'") == [(200, b"200")]


def test_of_one_order_all_processes_see_the_same_first(path: Path) -> None:
    names = [b"%d" % number for number in range(4)]
    processes = [Process(offer, path, name, 40) for name in names]
    seen = [[process.says() for _ in range(40)] for process in processes]
    for process in processes:
        process.kill()
    for orders in seen:
        assert all(standing >= order for order, (standing, _) in enumerate(orders, 1))
        assert orders == sorted(orders, key=lambda standing: standing[0])
    winners = {standing for orders in seen for standing in orders}
    assert len({order for order, _ in winners}) == len(winners)
    assert max(winners)[0] == 40


async def test_the_lock_of_a_process_that_was_killed_is_free_when_its_lease_has_run_out(stores: Maker) -> None:
    with Process(hold, stores()._path) as process:
        assert process.says() == "held"
        process.kill()
    assert await stores().acquire(LOCKED) is None
    assert await stores(Ahead(LEASE - 2)).acquire(LOCKED) is None
    assert await stores(Ahead(LEASE)).acquire(LOCKED) is not None
