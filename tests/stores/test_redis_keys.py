"""What belongs together in Redis is called so that a cluster keeps it together."""

from redis.crc import key_slot

from proxy.stores.redis_scripts import Keys

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
