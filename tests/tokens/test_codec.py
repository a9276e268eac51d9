"""A record is the same after it was written and read, on another machine with other clocks."""

import json
import traceback
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.errors import Reason
from proxy.core.secret import Secret
from proxy.core.token import Token
from proxy.tokens.codec import FORMAT, UnknownFormatError, decode, encode
from proxy.tokens.failures import Failure
from proxy.tokens.record import NOTHING, TokenRecord
from tests.fakes.clock import FakeClock

OURS = "0123456789abcdef"
TEN_MINUTES = 600.0


def at(now: float, monotonic: float) -> FakeClock:
    """Return the clock of a machine that reads these instants now."""
    clock = FakeClock(now)
    clock._monotonic = monotonic
    return clock


CLOCK = at(1_800_000_000.0, 1_000.0)
FULL = TokenRecord(
    OURS,
    7,
    3,
    Token(Secret("planted-1"), 1_799_999_990.0, 1_800_000_290.0, 7, {"refresh_token": Secret("planted-refresh")}),
    is_rejected=True,
    trusted=120.0,
    failure=Failure(Reason.PROVIDER_5XX, "the provider is failing", permanent=True, until=1_600.0, in_a_row=4),
    spending_since=995.0,
    may_be_spent=True,
)

texts = st.text(st.characters(exclude_categories=()))
"""Also what UTF-8 cannot write."""
seconds = st.floats(-4e8, 4e8)
tokens = st.builds(
    Token,
    value=st.builds(Secret, texts),
    issued_at=seconds.map(lambda age: CLOCK.now() + age),
    expires_at=st.none() | seconds.map(lambda left: CLOCK.now() + left),
    generation=st.just(7),
    variables=st.dictionaries(texts, st.builds(Secret, texts)),
)
failures = st.builds(
    Failure,
    reason=st.sampled_from(Reason),
    detail=texts,
    permanent=st.booleans(),
    until=seconds,
    in_a_row=st.integers(1, 10**9),
)
records = st.builds(
    TokenRecord,
    identity=texts,
    generation=st.just(7),
    step=st.integers(0, 2**20),
    token=st.none() | tokens,
    is_rejected=st.booleans(),
    trusted=st.none() | st.floats(0.0, 4e8),
    failure=st.none() | failures,
    spending_since=st.none() | seconds,
    may_be_spent=st.booleans(),
)


def moved(record: TokenRecord, wall: float, monotonic: float) -> TokenRecord:
    """Return the record as it looks by clocks that read so much more."""
    token, failure, since = record.token, record.failure, record.spending_since
    if token is not None:
        expires_at = None if token.expires_at is None else token.expires_at + wall
        token = replace(token, issued_at=token.issued_at + wall, expires_at=expires_at)
    if failure is not None:
        failure = replace(failure, until=failure.until + monotonic)
    since = None if since is None else since + monotonic
    return replace(record, token=token, failure=failure, spending_since=since)


def assert_alike(read: TokenRecord, expected: TokenRecord) -> None:
    """Assert that both say the same, to the microsecond or so: sums of floats are not exact."""
    instants, expected_instants = instants_of(read), instants_of(expected)
    assert instants == pytest.approx(expected_instants, rel=0.0, abs=1e-5)
    assert without_instants(read) == without_instants(expected)


def instants_of(record: TokenRecord) -> dict[str, float]:
    token, failure = record.token, record.failure
    instants = {
        "issued_at": None if token is None else token.issued_at,
        "expires_at": None if token is None else token.expires_at,
        "until": None if failure is None else failure.until,
        "spending_since": record.spending_since,
    }
    return {name: instant for name, instant in instants.items() if instant is not None}


def without_instants(record: TokenRecord) -> TokenRecord:
    token = record.token and replace(record.token, issued_at=0.0, expires_at=None)
    return replace(record, token=token, failure=record.failure and replace(record.failure, until=0.0), spending_since=0)


# Round trips


@pytest.mark.parametrize("record", [NOTHING, FULL], ids=["nothing", "full"])
def test_a_record_is_read_as_it_was_written(record: TokenRecord) -> None:
    assert decode(encode(record, CLOCK), 0.0, CLOCK) == record


@given(records)
def test_every_record_is_read_as_it_was_written(record: TokenRecord) -> None:
    assert_alike(decode(encode(record, CLOCK), 0.0, CLOCK), record)


@given(records, st.floats(-TEN_MINUTES, TEN_MINUTES), st.floats(0.0, 4e8))
def test_durations_are_the_same_on_a_machine_whose_clocks_are_not(
    record: TokenRecord, wall: float, monotonic: float
) -> None:
    theirs = at(CLOCK.now() + wall, monotonic)
    read = decode(encode(record, CLOCK), 0.0, theirs)
    assert_alike(read, moved(record, wall, monotonic - CLOCK.monotonic()))


@given(records, st.floats(0.0, 400 * 86_400.0))
def test_the_time_that_the_bytes_have_lain_is_added(record: TokenRecord, age: float) -> None:
    later = at(CLOCK.now() + age, CLOCK.monotonic() + age)
    assert_alike(decode(encode(record, CLOCK), age, later), record)


def test_a_token_lives_as_long_as_the_store_says_whatever_the_clocks_say() -> None:
    theirs = at(CLOCK.now() - TEN_MINUTES, 5.0)
    read = decode(encode(FULL, CLOCK), 40.0, theirs)
    assert read.token is not None
    assert read.token.expires_at is not None
    assert theirs.now() - read.token.issued_at == 10.0 + 40.0
    assert read.token.expires_at - theirs.now() == 290.0 - 40.0
    assert read.failure is not None
    assert read.failure.until - theirs.monotonic() == 600.0 - 40.0
    assert read.spending_since is not None
    assert theirs.monotonic() - read.spending_since == 5.0 + 40.0


def test_a_token_without_expiry_stays_without() -> None:
    token = Token(Secret("planted-1"), CLOCK.now(), None, 7)
    read = decode(encode(TokenRecord(OURS, 7, token=token), CLOCK), 86_400.0, CLOCK)
    assert read.token == replace(token, issued_at=CLOCK.now() - 86_400.0)


@pytest.mark.parametrize(
    "text", ["", "\x00", "a\x00b", "\ud800", "\udfff tail", "\ud83d\ude00", "😀", "\u2028", '"\\', "é" * 5000]
)
def test_odd_texts_are_kept_to_the_letter(text: str) -> None:
    token = Token(Secret(text), CLOCK.now(), None, 7, {text: Secret(text), "other": Secret("planted")})
    read = decode(encode(TokenRecord(OURS, 7, token=token), CLOCK), 0.0, CLOCK)
    assert read.token == token


def test_that_a_record_is_damaged_is_not_written() -> None:
    damaged = TokenRecord(generation=7, step=3, is_damaged=True)
    assert decode(encode(damaged, CLOCK), 0.0, CLOCK) == TokenRecord(generation=7, step=3)


# What is no record


def written(**changes: Any) -> bytes:
    """Return the bytes of a record, changed as told."""
    return json.dumps({**json.loads(encode(FULL, CLOCK)), **changes}).encode()


@pytest.mark.parametrize("version", [FORMAT + 1, 99, 0, "2", None])
def test_what_another_version_wrote_is_told_from_what_is_damaged(version: object) -> None:
    with pytest.raises(UnknownFormatError):
        decode(written(format=version, token="of some other shape"), 0.0, CLOCK)


def test_what_a_newer_version_wrote_in_addition_is_passed_over() -> None:
    assert decode(written(novelty=[1, 2]), 0.0, CLOCK) == FULL


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\xff\xfe",
        b"null",
        b"7",
        b'"planted"',
        b"[]",
        b"{}",
        b'{"format": 1}',
        b"{",
        b'{"format": 1}{"format": 1}',
        b'{"format": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        "{}".encode("utf-16"),
        encode(FULL, CLOCK)[:-1],
        encode(FULL, CLOCK) + b"}",
        b"\xef\xbb\xbf" + encode(FULL, CLOCK),
        encode(FULL, CLOCK).decode().encode("utf-16"),
    ],
    ids=lambda data: repr(data[:12]),
)
def test_bytes_that_are_no_record_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a token record"):
        decode(data, 0.0, CLOCK)


@given(st.binary())
def test_no_bytes_at_all_do_anything_else(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a token record"):
        decode(data, 0.0, CLOCK)


PATHS = [
    *((name,) for name in json.loads(encode(FULL, CLOCK))),
    *(("token", name) for name in ("value", "age", "left", "variables")),
    ("token", "variables", "refresh_token"),
    *(("failure", name) for name in ("reason", "detail", "permanent", "left", "in_a_row")),
]


def spoilt(path: tuple[str, ...], change: Any) -> bytes:
    """Return the bytes of a record in which something else stands there; `KeyError`: nothing."""
    read = json.loads(encode(FULL, CLOCK))
    place = read
    for name in path[:-1]:
        place = place[name]
    if change is KeyError:
        del place[path[-1]]
    else:
        place[path[-1]] = change
    return json.dumps(read).encode()


@pytest.mark.parametrize("path", [path for path in PATHS if len(path) < 3], ids=".".join)
def test_a_record_lacks_nothing(path: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="not a token record"):
        decode(spoilt(path, KeyError), 0.0, CLOCK)


WRONG: dict[str, list[Any]] = {
    "identity": [None, 7, [], {}],
    "generation": [None, "7", [], {}, 1.5, True],
    "step": [None, "7", [], {}, 1.5, True],
    "token": ["planted", 7, [], {}, True],
    "rejected": [None, "yes", 1, []],
    "trusted": ["x", [], {}, 10**400],
    "failure": ["planted", 7, [], {}, True],
    "spending": ["x", [], {}, 10**400],
    "spent": [None, "yes", 1, []],
    "value": [None, 7, [], {}, ["planted"] * 9],
    "age": [None, "x", [], {}, 10**400],
    "left": ["x", [], {}, 10**400],
    "variables": [None, "planted", 7, []],
    "refresh_token": [None, 7, [], {}, ["planted"] * 9],
    "reason": [None, "planted", 7, [], {}],
    "detail": [None, 7, [], {}],
    "permanent": [None, "yes", 1, []],
    "in_a_row": [None, "7", [], {}, 1.5],
}


@pytest.mark.parametrize("path", [path for path in PATHS if path != ("format",)], ids=".".join)
def test_each_part_of_a_record_is_what_it_should_be(path: tuple[str, ...]) -> None:
    for wrong in WRONG[path[-1]]:
        with pytest.raises(ValueError, match="not a token record"):
            decode(spoilt(path, wrong), 0.0, CLOCK)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
)


def read_or_refused(data: bytes) -> TokenRecord | str:
    """Return the record, or how it was refused; any other error is a mistake."""
    try:
        return decode(data, 0.0, CLOCK)
    except (ValueError, UnknownFormatError) as error:
        return str(error)


@given(st.sampled_from([path for path in PATHS if path != ("format",)]), anything)
def test_whatever_stands_in_a_record_it_is_read_or_refused(path: tuple[str, ...], change: Any) -> None:
    read = read_or_refused(spoilt(path, change))
    if isinstance(read, TokenRecord):
        assert decode(encode(read, CLOCK), 0.0, CLOCK).order == read.order
    else:
        assert read == "not a token record"


@given(st.integers(0, len(encode(FULL, CLOCK)) - 1), st.integers(0, 255))
def test_one_wrong_byte_is_read_or_refused(position: int, byte: int) -> None:
    data = bytearray(encode(FULL, CLOCK))
    data[position] = byte
    read = read_or_refused(bytes(data))
    assert isinstance(read, TokenRecord) or read in {"not a token record", ""}


# Secrets


@pytest.mark.parametrize(
    "data",
    [
        encode(FULL, CLOCK)[:-1],
        encode(FULL, CLOCK)[:-1] + b"\xff",
        spoilt(("token", "value"), ["planted"] * 9),
        spoilt(("token", "age"), "planted"),
        spoilt(("failure", "reason"), "planted"),
        written(format=99),
    ],
)
def test_no_error_shows_a_secret(data: bytes) -> None:
    with pytest.raises((ValueError, UnknownFormatError)) as caught:
        decode(data, 0.0, CLOCK)
    shown = "".join(traceback.format_exception(caught.value))
    assert "planted" not in shown + repr(caught.value) + repr(vars(caught.value))


def test_what_was_read_shows_no_secret() -> None:
    assert "planted" not in repr(decode(encode(FULL, CLOCK), 0.0, CLOCK))
