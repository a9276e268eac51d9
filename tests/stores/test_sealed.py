"""A record opens where it was put, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.seal import Seal, SealError, UnknownKeyError
from proxy.stores.base import Record
from proxy.stores.sealed import close, open_

SEAL = Seal.of_this_process()
PLAIN = b'{"token": "planted"}'
KEY = "token/billing/0123456789abcdef"

places = st.tuples(st.text(), st.integers(0, 2**53 - 1))


def record(order: int, data: bytes) -> Record:
    return Record(order, data, ttl=300.0)


@given(places, st.binary())
def test_a_record_opens_in_its_place(place: tuple[str, int], plain: bytes) -> None:
    key, order = place
    assert open_(SEAL, key, record(order, close(SEAL, key, order, plain))) == plain


@given(places, places)
def test_a_record_opens_in_no_other_place(place: tuple[str, int], other: tuple[str, int]) -> None:
    data = close(SEAL, *place, PLAIN)
    key, order = other
    if place == other:
        assert open_(SEAL, key, record(order, data)) == PLAIN
    else:
        with pytest.raises(SealError):
            open_(SEAL, key, record(order, data))


@pytest.mark.parametrize(
    ("key", "order"),
    [
        ("token/stripe/0123456789abcdef", 7),
        (KEY, 8),
        (KEY, 6),
        (KEY, 0),
        (KEY, -7),
        (KEY, 2**53),
        (KEY, 2**70),
        (f"7 {KEY}", 7),
        ("", 7),
    ],
)
def test_a_record_that_was_moved_or_renumbered_does_not_open(key: str, order: int) -> None:
    with pytest.raises(SealError, match="another place"):
        open_(SEAL, key, record(order, close(SEAL, KEY, 7, PLAIN)))


def test_a_record_s_age_and_lifetime_are_the_store_s_to_tell() -> None:
    data = close(SEAL, KEY, 7, PLAIN)
    assert open_(SEAL, KEY, Record(7, data, ttl=1.0, age=0.5, durable=True)) == PLAIN


def test_a_record_of_another_key_is_told_from_a_damaged_one() -> None:
    with pytest.raises(UnknownKeyError):
        open_(SEAL, KEY, record(7, close(Seal.of_this_process(), KEY, 7, PLAIN)))
