"""Each script does its one thing, once or twice in a row; names that belong together stay together in a cluster."""

import pytest
from redis.crc import key_slot

from proxy.stores.base import Record
from proxy.stores.redis_scripts import (
    ACQUIRE,
    DROP,
    LOAD,
    LONGEST,
    RELEASE,
    RENEW,
    SAVE,
    SCRIPTS,
    SWAP,
    Argument,
    Keys,
    Script,
    as_record,
    milliseconds,
)
from tests.fakes.redis import RedisServer


class Runner:
    """Runs scripts on the key `k`."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server

    def run(self, script: Script, *arguments: Argument) -> object:
        return self.server.do(*script.whole(script.call("k", *arguments)))

    def save(self, order: int, data: bytes = b"data", ttl: int = 60_000) -> object:
        return self.run(SAVE, order, data, ttl, 0, "news", b"head")


@pytest.fixture
def runner(server: RedisServer) -> Runner:
    return Runner(server)


@pytest.mark.parametrize("script", SCRIPTS.values())
def test_a_script_is_known_by_the_digest_that_redis_gives_it(server: RedisServer, script: Script) -> None:
    assert server.do("SCRIPT", "LOAD", script.text) == script.digest.encode()
    assert SCRIPTS[script.digest] is script


def test_a_record_is_kept_for_its_time(runner: Runner) -> None:
    runner.save(1, ttl=60_000)
    assert 50_000 < runner.server.do("PTTL", "k") <= 60_000
    runner.save(2, ttl=5_000)
    assert 0 < runner.server.do("PTTL", "k") <= 5_000


def test_saving_the_same_again_tells_what_stands_and_that_is_the_same(runner: Runner) -> None:
    assert runner.save(7) is None
    again = runner.save(7)
    assert isinstance(again, list)
    assert again[:2] == [b"7", b"data"]


def test_the_oldest_of_ages_is_told_on_the_servers_clock(runner: Runner) -> None:
    runner.save(1)
    now = runner.server.do("TIME")
    runner.server.do("HSET", "k", "saved_ms", int(now[0]) * 1000 - 90_000)
    found = runner.run(LOAD)
    assert isinstance(found, list)
    assert 89.0 < as_record(found).age < 100.0


def test_a_record_from_the_future_is_of_age_zero(runner: Runner) -> None:
    runner.save(1)
    runner.server.do("HSET", "k", "saved_ms", 2**52)
    found = runner.run(LOAD)
    assert isinstance(found, list)
    assert as_record(found) == Record(1, b"data", 60.0, 0.0)


@pytest.mark.parametrize("field", ["order", "saved_ms", "ttl_ms"])
@pytest.mark.parametrize("value", ["planted", "", "-1", "1e3", "nan", "0x10"])
def test_a_damaged_record_is_none_and_is_replaced(runner: Runner, field: str, value: str) -> None:
    runner.save(5)
    runner.server.do("HSET", "k", field, value)
    assert runner.run(LOAD) is None
    assert runner.save(1) is None
    assert runner.server.do("HGET", "k", "order") == b"1"


@pytest.mark.parametrize("script", [LOAD, SAVE, DROP, SWAP])
def test_what_somebody_else_put_there_is_no_record(runner: Runner, script: Script) -> None:
    runner.server.do("SET", "k", "planted")
    arguments: dict[Script, tuple[Argument, ...]] = {
        LOAD: (),
        SAVE: (1, b"data", 1000, 0, "news", b""),
        DROP: (9, "news", b""),
        SWAP: (b"old", b"new"),
    }
    assert runner.run(script, *arguments[script]) in {None, 0}


@pytest.mark.parametrize("script", [ACQUIRE, RENEW, RELEASE])
def test_what_somebody_else_put_there_is_no_lock(runner: Runner, script: Script) -> None:
    runner.server.do("LPUSH", "k", "planted")
    arguments: dict[Script, tuple[Argument, ...]] = {
        ACQUIRE: ("me", 1000),
        RENEW: ("me", 1000),
        RELEASE: ("me", "news", b""),
    }
    assert runner.run(script, *arguments[script]) == (1 if script is ACQUIRE else 0)


def test_a_record_is_dropped_once(runner: Runner) -> None:
    runner.save(3)
    assert runner.run(DROP, 2, "news", b"") == 0
    assert runner.run(DROP, 3, "news", b"") == 1
    assert runner.run(DROP, 3, "news", b"") == 0


def test_data_that_was_swapped_already_is_swapped(runner: Runner) -> None:
    runner.save(3, b"old")
    assert runner.run(SWAP, b"old", b"new") == 1
    assert runner.run(SWAP, b"old", b"new") == 1
    assert runner.run(SWAP, b"old", b"newer") == 0
    assert runner.run(LOAD)[:2] == [b"3", b"new"]  # type: ignore[index]  # it is a list


def test_a_lock_is_taken_by_one_and_by_that_one_again(runner: Runner) -> None:
    assert runner.run(ACQUIRE, "me", 5_000) == 1
    assert runner.run(ACQUIRE, "another", 5_000) == 0
    assert runner.run(ACQUIRE, "me", 9_000) == 1
    assert runner.server.do("PTTL", "k") > 5_000


def test_a_lock_is_renewed_and_freed_by_its_holder_alone(runner: Runner) -> None:
    runner.run(ACQUIRE, "me", 5_000)
    assert runner.run(RENEW, "another", 9_000) == 0
    assert runner.run(RELEASE, "another", "news", b"") == 0
    assert runner.run(RENEW, "me", 9_000) == 1
    assert runner.server.do("PTTL", "k") > 5_000
    assert runner.run(RELEASE, "me", "news", b"") == 1
    assert runner.run(RENEW, "me", 9_000) == 0


@pytest.mark.parametrize(
    ("seconds", "sent"), [(60.0, 60_000), (0.0, 1), (-5.0, 1), (0.0004, 1), (float("inf"), round(LONGEST * 1000))]
)
def test_a_time_to_live_is_sent_as_redis_takes_it(seconds: float, sent: int) -> None:
    assert milliseconds(seconds) == sent


# What things are called


KEYS = Keys("countersign")


def test_everything_begins_with_the_prefix() -> None:
    names = [KEYS.record("k"), KEYS.lock("k"), KEYS.mark("k"), KEYS.probe(3), KEYS.news, KEYS.echo("me"), KEYS.records]
    assert all(name.startswith("countersign:") for name in names)
    assert len(set(names)) == len(names)


def test_what_belongs_to_a_key_falls_into_one_slot() -> None:
    names = [KEYS.record("token/billing/abc"), KEYS.lock("token/billing/abc"), KEYS.mark("token/billing/abc")]
    assert len({key_slot(name.encode()) for name in names}) == 1
    assert len({key_slot(KEYS.record(f"token/{number}").encode()) for number in range(20)}) > 10


def test_a_records_name_is_read_back_as_its_key() -> None:
    assert KEYS.key(KEYS.record("token/billing/abc").encode()) == "token/billing/abc"
    assert KEYS.key(KEYS.record("odd}:{key").encode()) == "odd}:{key"


def test_a_name_that_is_no_records_is_no_key() -> None:
    for name in (KEYS.lock("k"), KEYS.probe(0), "other:{k}:record", "countersign:{:record", "countersign:{k}:records"):
        assert KEYS.key(name.encode()) is None
    assert KEYS.key(b"countersign:{\xff}:record") is None
