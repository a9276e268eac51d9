"""The pairs of a query or a form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.urlencoded import decoded, has, name_of, pairs, without

encoded = st.text(st.sampled_from("ab=&+%26é\udcff"), max_size=20)


def test_a_name_is_found_however_it_is_spelled() -> None:
    assert has("x=1&a+b=2", b"a b")
    assert has("%61%20b", b"a b")
    assert not has("a=1&ab=2", b"b")
    assert name_of("k%65y=1=2") == b"key"


def test_what_is_left_keeps_its_bytes_and_order() -> None:
    assert without("b=%zz&key=1&&a=+&k%65y", {b"key"}) == "b=%zz&&a=+"


def test_odd_bytes_and_escapes_are_kept() -> None:
    assert decoded("a+%20%C3%A9%zz\udcff") == b"a  \xc3\xa9%zz\xff"


def test_pairs_have_names_and_values_and_empty_parts_are_none() -> None:
    assert list(pairs("a=1&&b&c=d=e&=f")) == [(b"a", b"1"), (b"b", b""), (b"c", b"d=e"), (b"", b"f")]


@given(encoded)
def test_nothing_is_lost_that_is_not_named(text: str) -> None:
    assert without(text, {b"no such name"}) == text


@given(encoded, st.sampled_from([b"a", b"b", b"ab", b""]))
def test_nothing_is_left_that_is_named(text: str, name: bytes) -> None:
    assert name not in {found for found, _ in pairs(without(text, {name}))}


@pytest.mark.parametrize(
    "name", ["API_Key", "+api_key", "api_key%20", "%00api_key", "api_key%00x", "api_key%09", "api%5Fkey"]
)
def test_what_a_careless_server_takes_for_the_name_is_dropped_with_it(name: str) -> None:
    assert without(f"a=1&{name}=mine&b", {b"api_key"}) == "a=1&b"
    assert without(f"a=1&{name}&b", {b"Api_Key"}) == "a=1&b"


@pytest.mark.parametrize("name", ["apikey", "api-key", "api+key", "api_key[]", "%FF", "api.key", "x%00api_key", ""])
def test_another_name_stays_as_it_is(name: str) -> None:
    assert without(f"a=1&{name}=mine&b", {b"api_key"}) == f"a=1&{name}=mine&b"


def test_only_the_very_name_is_there() -> None:
    assert has("a=1&api%5Fkey=2", b"api_key")
    assert not has("API_KEY=1&+api_key=2&api_key%00=3", b"api_key")
