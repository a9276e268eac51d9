"""News are read as they were written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.stores.base import Change, News, Record
from proxy.stores.redis_message import LONGEST_KEY, read, written
from tests.compliance.stores import KEY

SAVED = written(Change.SAVED, KEY, Record(7, b"unused", 60.0), 60_000)


@given(
    key=st.text(min_size=1, max_size=100),
    order=st.integers(0, 2**53 - 1),
    ttl=st.integers(0, 2**40),
    data=st.binary(max_size=100),
    durable=st.booleans(),
)
def test_a_saved_record_is_told_whole(key: str, order: int, ttl: int, data: bytes, durable: bool) -> None:
    record = Record(order, data, ttl / 1000, durable=durable)
    assert read(written(Change.SAVED, key, record, ttl) + data) == News(Change.SAVED, key, record)


@pytest.mark.parametrize("change", [Change.DROPPED, Change.RELEASED])
def test_other_changes_are_told_by_their_key(change: Change) -> None:
    assert read(written(change, KEY)) == News(change, KEY)


@given(st.binary(max_size=200))
def test_whatever_is_sent_to_us_is_read_without_an_error(message: bytes) -> None:
    assert read(message) is None or isinstance(read(message), News)


@given(st.binary(max_size=60))
def test_what_begins_as_news_is_read_without_an_error(rest: bytes) -> None:
    assert read(b"\x01S" + rest) is None or isinstance(read(b"\x01S" + rest), News)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"planted",
        SAVED[:-1],
        b"\x02" + SAVED[1:],
        b"\x01X" + SAVED[2:],
        b"\x01D" + SAVED[2:] + b"data",
        SAVED[:2] + (2**53).to_bytes(8, "big") + SAVED[10:],
        SAVED[:19] + b"\x00\x00" + SAVED[21:],
        SAVED[:19] + b"\xff\xff" + SAVED[21:],
        written(Change.RELEASED, "k" * (LONGEST_KEY + 1)),
        written(Change.RELEASED, "k") + b"more",
        written(Change.RELEASED, "k")[:-1] + b"\xff",
    ],
)
def test_what_is_no_news_is_ignored(message: bytes) -> None:
    assert read(message) is None
