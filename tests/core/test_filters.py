"""Filters, against the vectors of the standards that define them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.filters import FILTERS, text_of


def through(text: str, *words: str, key: str = "") -> str:
    value: str | bytes = text
    for word in words:
        value = FILTERS[word].apply(value, key)
    return text_of(value)


@pytest.mark.parametrize(
    ("text", "words", "made"),
    [
        ("foobar", ["base64"], "Zm9vYmFy"),  # RFC 4648 §10
        ("fooba", ["base64"], "Zm9vYmE="),
        ("fooba", ["base64url"], "Zm9vYmE"),
        ("ü?>", ["base64"], "w7w/Pg=="),
        ("ü?>", ["base64url"], "w7w_Pg"),
        ("a b/ü~", ["urlencode"], "a%20b%2F%C3%BC~"),
        ('a"\n\\ü', ["json"], '"a\\"\\n\\\\\\u00fc"'),
        ("aÜß", ["upper"], "AÜSS"),
        ("AÜ", ["lower"], "aü"),
        ("abc", ["sha256"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),  # FIPS 180-4
        ("abc", ["sha256", "upper"], "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"),
        ("abc", ["sha256", "base64"], "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="),
        ("abc", ["sha256", "base64url"], "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"),
        ("abc", ["md5"], "900150983cd24fb0d6963f7d28e17f72"),  # RFC 1321 A.5
        ("", ["md5", "base64"], "1B2M2Y8AsgTpgAmY7PhCfg=="),
        ("abc", ["md5", "md5"], "ec0405c5aef93e771cd80e0db180b88b"),
    ],
)
def test_filters_do_what_their_names_say(text: str, words: list[str], made: str) -> None:
    assert through(text, *words) == made


def test_hmac_sha256_is_that_of_rfc_4231() -> None:
    made = through("what do ya want for nothing?", "hmac_sha256", key="Jefe")
    assert made == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    with_empty_key = "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"
    assert through("", "hmac_sha256", key="") == with_empty_key


@given(st.text())
def test_a_json_literal_is_read_back_as_the_text(text: str) -> None:
    assert json.loads(through(text, "json")) == text
    assert through(text, "json").isascii()


@given(st.text(), st.sampled_from(sorted(FILTERS)), st.sampled_from(sorted(FILTERS)))
def test_any_text_goes_through_any_chain_unless_utf_8_cannot_write_it(text: str, first: str, second: str) -> None:
    assert isinstance(through(text, first, second, key="key"), str)


def test_half_a_surrogate_pair_is_no_utf_8() -> None:
    with pytest.raises(UnicodeEncodeError):
        through("\udc80", "sha256")
