"""A secret shows itself nowhere but where it is revealed."""

import copy
import gc
import json
import pickle
import traceback
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from proxy.core import secret as secret_module
from proxy.core.secret import MASK, MOST_REMEMBERED, SHORTEST_SCRUBBED, Secret, scrub
from proxy.core.settings import Settings

VALUE = "correct horse"


class Holder(Settings):
    secret: Secret


@given(st.text(st.characters(exclude_characters="*"), min_size=1))
def test_however_it_is_printed_only_the_mask_is_seen(value: str) -> None:
    secret = Secret(value)
    printed = {repr(secret), str(secret), f"{secret}", f"{secret!r:>3}", f"{secret:x}", format(secret)}
    assert printed == {MASK}
    assert secret.reveal() == value


def test_a_record_with_a_secret_does_not_show_it() -> None:
    holder = Holder.model_validate({"secret": VALUE})
    assert holder.secret.reveal() == VALUE
    shown = f"{holder!r} {holder} {holder.model_dump()} {holder.model_dump_json()} {json.dumps(holder.model_dump())}"
    assert VALUE not in shown
    assert shown.count(MASK) == 5


@pytest.mark.parametrize("value", [None, 4711, b"4711", ["4711"], {"4711": 1}])
def test_what_is_no_text_is_refused_and_not_repeated(value: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        Holder.model_validate({"secret": value})
    assert "4711" not in "".join(traceback.format_exception(refused.value))


def test_for_editors_it_is_a_text() -> None:
    assert TypeAdapter(Secret).json_schema() == {"type": "string"}
    assert TypeAdapter(Secret).validate_json('"abc"').reveal() == "abc"


def test_a_secret_that_exists_already_is_taken_as_it_is() -> None:
    secret = Secret(VALUE)
    assert Holder(secret=secret).secret is secret


def test_it_is_compared_by_value_and_only_with_its_like() -> None:
    assert Secret(VALUE) == Secret(VALUE) != Secret("battery staple")
    assert {Secret(VALUE), Secret(VALUE)} == {Secret(VALUE)}
    assert Secret(VALUE) != VALUE
    assert Secret(VALUE).matches(VALUE)
    assert not Secret(VALUE).matches(VALUE + " ")
    assert not Secret("\udcff").matches("\xff")


def test_an_empty_one_is_false() -> None:
    assert [bool(Secret("")), bool(Secret("x"))] == [False, True]


def test_a_fingerprint_tells_values_apart_without_telling_them() -> None:
    assert Secret(VALUE).fingerprint() == Secret(VALUE).fingerprint() != Secret("battery staple").fingerprint()
    assert len(Secret(VALUE).fingerprint()) == 8
    assert Secret("\udcff").fingerprint()


@pytest.mark.parametrize("carry", [pickle.dumps, copy.deepcopy, copy.copy])
def test_it_is_neither_pickled_nor_copied(carry: Any) -> None:
    with pytest.raises(TypeError, match="seal it first"):
        carry(Secret(VALUE))


def test_a_text_of_somebody_else_is_scrubbed() -> None:
    secret = Secret(VALUE)
    assert scrub(f"GET /?key={VALUE}&again={VALUE}") == f"GET /?key={secret}&again={secret}"
    assert scrub("nothing to see") == "nothing to see"


@pytest.mark.parametrize("text", ["/p%C3%A4th%2F%20%2B/x", "key=p%C3%A4th%2F+%2B&x=1", "/päth/ +/x"])
def test_a_secret_is_known_as_it_stands_in_a_url(text: str) -> None:
    secret = Secret("päth/ +")
    shown = scrub(text)
    assert str(secret) in shown
    assert "th" not in shown


def test_of_a_secret_within_a_secret_nothing_is_left() -> None:
    secrets = [Secret("horse"), Secret("correct horse battery"), Secret("battery")]
    assert scrub("correct horse battery, horse, battery") == f"{secrets[0]}, {secrets[1]}, {secrets[2]}"


def test_values_too_short_to_be_recognised_are_left_in_the_text() -> None:
    secrets = [Secret("x" * (SHORTEST_SCRUBBED - 1)), Secret("y" * SHORTEST_SCRUBBED), Secret("")]
    assert scrub("xxxx yyyyy") == f"xxxx {MASK}"
    assert len(secrets) == 3


def test_of_two_equal_secrets_the_one_that_is_left_is_still_scrubbed() -> None:
    first, second = Secret(VALUE), Secret(VALUE)
    del first
    gc.collect()
    assert scrub(f"said {VALUE}") == f"said {second}"


def test_a_secret_that_is_gone_is_forgotten() -> None:
    secret = Secret("battery staple")
    assert scrub("said battery staple") == f"said {secret}"
    del secret
    gc.collect()
    assert scrub("said battery staple") == "said battery staple"


def test_what_was_made_of_a_secret_is_scrubbed_for_as_long_as_the_secret_lives() -> None:
    secret = Secret(VALUE)
    secret.remember("a+b/made=of it")
    assert scrub("a+b/made=of it, a%2Bb%2Fmade%3Dof%20it, correct horse") == ", ".join([MASK] * 3)
    del secret
    gc.collect()
    assert scrub("a+b/made=of it") == "a+b/made=of it"


def test_the_last_texts_that_were_made_are_remembered_and_those_in_use_among_them() -> None:
    secret = Secret(VALUE)
    for number in range(2 * MOST_REMEMBERED):
        secret.remember("in use all the time")
        secret.remember(f"<made {number}>")
    assert scrub("in use all the time") == MASK
    assert scrub("<made 0>") == "<made 0>"
    assert scrub(f"<made {2 * MOST_REMEMBERED - 1}>") == MASK


def test_what_a_text_costs_does_not_hang_on_how_many_secrets_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = [Secret(f"token {number:05d}") for number in range(20_000)]
    looked_at = 0
    ends = secret_module._lengths

    def counted(ending: tuple[Any, ...], text: str, at: int) -> set[int]:
        nonlocal looked_at
        looked_at += len(ending)
        return ends(ending, text, at)

    monkeypatch.setattr(secret_module, "_lengths", counted)
    assert scrub("of token 12345 and token 20000") == f"of {MASK} and token 20000"
    assert looked_at < 10
    del tokens
    gc.collect()


def test_of_secrets_that_overlap_nothing_is_left() -> None:
    secrets = [Secret("abcdefgh"), Secret("fghijklm"), Secret("nopqr")]
    assert scrub("-abcdefghijklmnopqr-") == f"-{secrets[0]}{secrets[2]}-"
    assert scrub("aaa-abcdefghabcdefgh") == f"aaa-{MASK}{MASK}"


def test_the_index_holds_nothing_of_secrets_that_are_gone() -> None:
    gc.collect()
    before = {end: len(known) for end, known in secret_module._ENDS.items()}
    secret = Secret("some value with / signs")
    for number in range(2 * MOST_REMEMBERED):
        secret.remember(f"made {number:04d}")
    del secret
    gc.collect()
    assert {end: len(known) for end, known in secret_module._ENDS.items()} == before


@given(st.lists(st.text(alphabet="ab/", min_size=5, max_size=9), max_size=6), st.text(alphabet="ab/%2F", max_size=60))
def test_no_spelling_of_a_secret_is_left_in_any_text(values: list[str], text: str) -> None:
    living = [Secret(value) for value in values]
    shown = scrub(text)
    for piece in shown.split(MASK):
        assert not any(value in piece or quote(value, safe="") in piece for value in values)
    assert len(living) == len(values)
