"""Regular expressions with a time bound."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.pattern import TIME_LIMIT, Pattern, PatternTimeoutError

WORDS = ["a", "(a|b)", "{e}", "{e<=1}", "{2}", "{1,}", "{,1}", "{", "}", r"\{", "[{]", "x{}", '{"k":', r"\N{DIGIT ONE}"]


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("token=(?P<value>[a-z]+)", "token=abc;", "token=abc"),
        ("(?i)EXPIRED", "it Expired", "Expired"),
        (r"\Aab\Z", "ab", "ab"),
        (r"(?:a){e<=1}", "a{e<=1}", "a{e<=1}"),
        ('{"error":', 'x{"error":1}', '{"error":'),
        (r"(?<=x)a++(?!b)", "xaac", "aa"),
        ("[[]a", "[a", "[a"),
        ("b$", "a\nb\n", "b"),
        ("a", "b", None),
    ],
)
def test_what_re_understands_is_understood(pattern: str, text: str, found: str | None) -> None:
    match = Pattern(pattern).search(text)
    assert (match and match[0]) == found


def test_braces_mean_what_they_mean_to_re() -> None:
    @given(st.lists(st.sampled_from(WORDS), max_size=5).map("".join), st.text("ab{}e<=12,x", max_size=12))
    def holds(pattern: str, text: str) -> None:
        try:
            theirs = re.search(pattern, text)
        except re.error:
            with pytest.raises(ValueError, match="not a regular expression"):
                Pattern(pattern)
            return
        ours = Pattern(pattern).search(text)
        assert (ours and ours.span()) == (theirs and theirs.span())

    holds()


@pytest.mark.parametrize("pattern", ["(", "[z-a]", "a{99999999999}", r"\p{L}", "a(?i)b", "*", "(?R)", "(" * 5000])
def test_what_re_refuses_is_refused_with_a_remedy(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"not a regular expression .* write a backslash"):
        Pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(a|aa)+$", "a" * 60 + "b"),
        ("(.*)*x(.*)*y$", "xy" + "a" * 5_000),
        (r"(\w+\s?)*!$", "!" + "word " * 5_000 + "! "),
        ("a*a*a*a*a*a*a*b$", "a" * 65_536 + "b "),
    ],
)
def test_a_search_ends_in_time_and_says_that_it_was_given_up(pattern: str, text: str) -> None:
    began = time.monotonic()
    with pytest.raises(PatternTimeoutError, match=r"given up after 50 ms; make the pattern simpler") as caught:
        Pattern(pattern).search(text)
    assert time.monotonic() - began < 40 * TIME_LIMIT
    assert text not in str(caught.value)


def test_a_search_that_ends_at_once_for_regex_is_not_given_up() -> None:
    assert Pattern("(a+)+$").search("a" * 40 + "b") is None


@pytest.mark.parametrize(
    "pattern",
    [
        "((a{1000}){1000}){1000}",
        "(a){100001}",
        "(?:[ab]{60000}){900}",
        "(?:[](]{1001}){100,}",
        r"x|((\)){1001}){100,200}",
        "a{6000000}",
        "(a{1000}b{1}){100}",
        "(?:(?:ab{500}){10}c){20}",
    ],
)
def test_a_pattern_that_would_fill_the_memory_is_refused_with_a_remedy(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"more than 100000 characters; use \+ or \*"):
        Pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}",
        "(?:[ab]{0,60000}c){0,900}",
        r"(?:a\{900\}[{900}]){100}",
        "a){9}{9}",
    ],
)
def test_one_that_repeats_little_or_only_may_repeat_is_not(pattern: str) -> None:
    try:
        refused = ""
        Pattern(pattern)
    except ValueError as error:
        refused = str(error)
    assert "written out" not in refused


def test_the_groups_are_counted() -> None:
    assert Pattern("(a)(?:b)(?P<c>c)").groups == 2
    assert repr(Pattern("a")) == "Pattern('a')"
