"""A ledger of codes lets nobody guess more often than it should, whatever order things come in."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.errors import VerificationLimitedError
from proxy.users.codes import (
    DIGITS,
    FIRST_LOCK,
    HOUR,
    HOURLY,
    LIFETIME,
    LONGEST_LOCK,
    LONGEST_VALID,
    PAUSE,
    SKEW,
    TRIES,
    Coder,
    Ledger,
    counts,
)
from proxy.users.verification import HOURLY_PER_ADDRESS

CODER = Coder(b"key")
NOW = 1_800_000_000.0


def test_the_numbers_are_those_that_the_documentation_promises() -> None:
    assert (DIGITS, LIFETIME, PAUSE, HOURLY) == (6, 600.0, 30.0, 6)
    assert (TRIES, FIRST_LOCK, LONGEST_LOCK) == (5, 900.0, 86_400.0)
    assert HOURLY_PER_ADDRESS == 20


def test_a_code_has_six_digits_and_all_of_them_come() -> None:
    codes = [CODER.new() for _ in range(2000)]
    assert all(len(code) == 6 and code.isdecimal() for code in codes)
    assert {code[0] for code in codes} == set("0123456789")
    assert len(set(codes)) > 1900


def test_what_is_kept_of_a_code_is_its_own_for_each_key_user_scope_and_address() -> None:
    place = {"user": "ann", "scope": "route/a", "address": "x"}
    others = [{"user": "ben"}, {"scope": "route/b"}, {"address": "y"}]
    digests = {CODER.digest("123456", **place | other) for other in [{}, *others]}
    digests |= {CODER.digest("123457", **place), Coder(b"other").digest("123456", **place)}
    assert len(digests) == 6
    assert not any("123456" in digest for digest in digests)


def test_parts_that_run_together_are_told_apart() -> None:
    assert CODER.digest("1", user="a", scope="bc", address="") != CODER.digest("1", user="ab", scope="c", address="")


def test_an_address_is_the_same_however_it_is_capitalised() -> None:
    assert CODER.address("Ann@Mail.example") == CODER.address("ann@mail.example") != CODER.address("ann@mail.exampl")
    others = ["fass@x", "faß@x", "FAẞ@x", "åsa@x", "ÅSA@x", "a\ud800@x"]
    assert len({CODER.address(other) for other in others}) == len(others)


def test_the_right_code_is_right_once_and_until_its_time_is_over() -> None:
    ledger = Ledger().with_code("a", "right", NOW)
    after, ok = ledger.judged("a", "right", "address", NOW + LIFETIME - 1)
    assert ok
    assert after.verified["a"].at == NOW + LIFETIME - 1
    assert not after.judged("a", "right", "address", NOW + LIFETIME - 1)[1]
    assert not ledger.judged("a", "right", "address", NOW + LIFETIME)[1]


def test_a_code_counts_in_its_own_scope_alone_and_a_new_one_takes_its_place() -> None:
    ledger = Ledger().with_code("a", "one", NOW).with_code("b", "two", NOW + PAUSE)
    assert not ledger.judged("b", "one", "x", NOW + PAUSE)[1]
    ledger = ledger.with_code("a", "three", NOW + 2 * PAUSE)
    assert not ledger.judged("a", "one", "x", NOW + 2 * PAUSE)[1]
    assert ledger.judged("b", "two", "x", NOW + 2 * PAUSE)[1]


def test_a_code_that_could_be_sent_nowhere_is_never_right() -> None:
    ledger = Ledger().with_code("a", "", NOW)
    assert not ledger.judged("a", CODER.digest("000000", user="ann", scope="a", address=""), "", NOW)[1]


def test_after_five_wrong_tries_nothing_is_looked_at_for_a_while_then_twice_as_long() -> None:
    ledger, now, waits = Ledger(), NOW, []
    for _ in range(12):
        for _ in range(TRIES):
            ledger, ok = ledger.judged("a", "wrong", "x", now)
            assert not ok
        with pytest.raises(VerificationLimitedError) as caught:
            ledger.judged("a", "wrong", "x", now)
        with pytest.raises(VerificationLimitedError):
            ledger.with_code("a", "new", now)
        waits.append(caught.value.retry_after)
        now = ledger.locked_until
    assert waits[:4] == [FIRST_LOCK, 2 * FIRST_LOCK, 4 * FIRST_LOCK, 8 * FIRST_LOCK]
    assert waits[-1] == LONGEST_LOCK


def test_the_fifth_wrong_try_ends_every_code() -> None:
    ledger = Ledger().with_code("a", "right", NOW)
    for _ in range(5):
        ledger, _ = ledger.judged("b", "wrong", "x", NOW)
    assert not replace(ledger, locked_until=0.0).judged("a", "right", "x", NOW)[1]


def test_a_new_code_takes_no_failure_back_and_a_right_one_takes_all() -> None:
    ledger = Ledger().with_code("a", "one", NOW)
    for _ in range(TRIES - 1):
        ledger, _ = ledger.judged("a", "wrong", "x", NOW)
    ledger = ledger.with_code("a", "two", NOW + PAUSE)
    assert ledger.failed == TRIES - 1
    ledger, ok = ledger.judged("a", "two", "x", NOW + PAUSE)
    assert (ok, ledger.failed) == (True, 0)


def test_codes_come_neither_too_fast_nor_too_many() -> None:
    ledger = Ledger().with_code("a", "x", NOW)
    with pytest.raises(VerificationLimitedError) as caught:
        ledger.with_code("b", "x", NOW + PAUSE - 1)
    assert caught.value.retry_after == 1
    for n in range(1, HOURLY):
        ledger = ledger.with_code("a", "x", NOW + n * PAUSE)
    with pytest.raises(VerificationLimitedError) as caught:
        ledger.with_code("a", "x", NOW + HOURLY * PAUSE)
    assert caught.value.retry_after == HOUR - HOURLY * PAUSE
    assert ledger.with_code("a", "x", NOW + HOUR).sent[-1] == NOW + HOUR


def test_what_is_over_is_not_kept() -> None:
    ledger = Ledger().with_code("a", "x", NOW).judged("a", "x", "address", NOW)[0].with_code("b", "y", NOW + PAUSE)
    later = NOW + LONGEST_VALID + 1
    after = ledger.with_code("c", "z", later).judged("c", "z", "address", later)[0]
    assert (set(after.codes), set(after.verified), after.sent) == (set(), {"c"}, (later,))


YEAR = 365 * 86_400.0


def test_what_a_clock_noted_that_was_a_year_ahead_neither_gives_nor_takes_anything() -> None:
    ledger = Ledger().with_code("a", "right", NOW + YEAR)
    assert not ledger.judged("a", "right", "x", NOW)[1]
    assert ledger.with_code("a", "x", NOW).sent == (NOW,)
    for _ in range(TRIES):
        ledger, _ = ledger.judged("a", "wrong", "x", NOW + YEAR)
    after, ok = ledger.judged("a", "wrong", "x", NOW)
    assert (ok, after.failed) == (False, TRIES + 1)  # what was wrong before is not forgotten


def test_clocks_that_differ_a_little_do_no_harm() -> None:
    ledger = Ledger().with_code("a", "right", NOW + SKEW)
    with pytest.raises(VerificationLimitedError):
        ledger.with_code("a", "x", NOW)
    assert ledger.judged("a", "right", "x", NOW)[1]
    assert [counts(NOW + SKEW, 1, NOW), counts(NOW + SKEW + 1, 1, NOW), counts(NOW, 1, NOW + 1)] == [True, False, False]


def test_a_ledger_is_read_as_it_was_written() -> None:
    ledger = Ledger().with_code("a", "x", NOW).judged("a", "x", "address", NOW)[0].with_code("b", "y", NOW + PAUSE)
    assert Ledger.read(json.loads(json.dumps(ledger.written()))) == ledger
    assert Ledger.read(None) == Ledger()


deeds = st.lists(st.tuples(st.sampled_from(["code", "guess"]), st.sampled_from("ab"), st.floats(0, 900)), max_size=60)


@given(deeds)
def test_in_no_order_of_events_are_there_more_than_five_guesses_in_a_quarter_of_an_hour(
    done: list[tuple[str, str, float]],
) -> None:
    ledger, now, looked_at = Ledger(), NOW, []
    for deed, scope, wait in done:
        now += wait
        try:
            if deed == "code":
                ledger = ledger.with_code(scope, "right", now)
            else:
                ledger, ok = ledger.judged(scope, "wrong", "x", now)
                looked_at.append(now)
                assert not ok
        except VerificationLimitedError:
            continue
    starts = looked_at[::TRIES]  # every sixth guess waits out a lock that the fifth began
    fifths = looked_at[TRIES - 1 :: TRIES]
    assert all(start - fifth >= FIRST_LOCK for fifth, start in zip(fifths, starts[1:], strict=False))
