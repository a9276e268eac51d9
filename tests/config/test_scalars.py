import re

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from proxy.config.scalars import AmbiguousError, read

CORE_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
CORE_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def core_type(word: str) -> type:
    """What YAML 1.2.2 §10.3.2 says of the word."""
    if word in {"", "~", "null", "Null", "NULL"}:
        return type(None)
    if word in {"true", "True", "TRUE", "false", "False", "FALSE"}:
        return bool
    return int if CORE_INT.fullmatch(word) else float if CORE_FLOAT.fullmatch(word) else str


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("0", 0),
        ("-12", -12),
        ("1.5", 1.5),
        ("1.5e+3", 1500.0),
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("30s", "30s"),
        ("1.2.3", "1.2.3"),
        ("yesterday", "yesterday"),
        ("/billing/", "/billing/"),
        ("sha256:00", "sha256:00"),
        ("2026-11-21-beta", "2026-11-21-beta"),
    ],
)
def test_a_word_that_every_reader_reads_alike_is_read_so(word: str, value: object) -> None:
    assert read(word) == value
    assert type(read(word)) is type(value)


@pytest.mark.parametrize(
    ("word", "remedy"),
    [
        *((word, 'write true, or "') for word in ("yes", "Yes", "YES", "on", "ON", "y", "Y")),
        *((word, 'write false, or "') for word in ("no", "No", "NO", "off", "n", "N")),
        *((word, "in base 60") for word in ("1:30", "190:20:30", "-1:30", "1:30.5")),
        *((word, "leading 0") for word in ("012", "0o12", "089", "00", "+07")),
        *((word, "plain digits") for word in ("1_000", "1e3", "1.5e3", ".5", "0b11", "0x1F", "9" * 19, "1.0e+999")),
        *((word, "infinity") for word in (".inf", "-.INF", ".nan")),
        *((word, "date") for word in ("2026-11-21", "2026-11-21T10:00:00Z", "2026-11-21 10:00:00")),
        *((word, "meaning of its own") for word in ("=", "<<")),
    ],
)
def test_a_word_that_readers_read_differently_is_refused_with_what_to_write(word: str, remedy: str) -> None:
    with pytest.raises(AmbiguousError, match=re.escape(remedy)):
        read(word)


@given(st.text("0123456789+-._:eExobTZnyaf~=", max_size=12) | st.text(max_size=12))
def test_what_is_read_is_what_both_versions_of_yaml_say(word: str) -> None:
    assume(word not in {"!", "&", "*"} and "\n" not in word)  # a parser never takes these for words
    try:
        value = read(word)
    except AmbiguousError:
        return
    tag: str = yaml.SafeLoader("").resolve(yaml.ScalarNode, word, (True, False))  # type: ignore[no-untyped-call]  # stubs
    assert tag.rpartition(":")[2] == {bool: "bool", int: "int", float: "float", str: "str"}.get(type(value), "null")
    assert core_type(word) is type(value)


@given(st.from_regex(r"0[0-9]{4,12}|[0-9]{4}-[0-9]{2}-[0-9]{2}|[1-9]{4}_[0-9]{4}", fullmatch=True))
def test_a_message_does_not_repeat_a_number(word: str) -> None:
    with pytest.raises(AmbiguousError) as caught:
        read(word)
    assert word not in str(caught.value)
