"""WWW-Authenticate, as servers send it."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from proxy.core.challenge import AnyChallenge, Challenge, ChallengeCondition, ChallengeSettings, challenges

SETTING = TypeAdapter[Any](AnyChallenge)
ERROR = {"error": "invalid_token"}
TOKEN = st.text("abcXYZ019!#$%&'*+.^_`|~-", min_size=1, max_size=6)
TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=12)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["Bearer"], [("bearer", None, {})]),
        (['Bearer error="invalid_token"'], [("bearer", None, ERROR)]),
        (["Bearer error=invalid_token"], [("bearer", None, ERROR)]),
        (["BEARER  Error\t=  invalid_token"], [("bearer", None, ERROR)]),
        (
            ['Bearer realm="a, b=\\"c\\"", error="invalid_token", error_description="The token expired, sorry"'],
            [("bearer", None, {"realm": 'a, b="c"', **ERROR, "error_description": "The token expired, sorry"})],
        ),
        (
            ['Newauth realm="apps", type=1, title="Login to \\"apps\\"", Basic realm="simple"'],
            [
                ("newauth", None, {"realm": "apps", "type": "1", "title": 'Login to "apps"'}),
                ("basic", None, {"realm": "simple"}),
            ],
        ),
        (["Basic, Bearer"], [("basic", None, {}), ("bearer", None, {})]),
        (["Basic", "Bearer error=invalid_token"], [("basic", None, {}), ("bearer", None, ERROR)]),
        (["Bearer realm=x", "error=invalid_token"], [("bearer", None, {"realm": "x", **ERROR})]),
        (["Negotiate oRQwEqADCgED/+a==", "NTLM"], [("negotiate", "oRQwEqADCgED/+a==", {}), ("ntlm", None, {})]),
        (["Negotiate YQ==, Bearer error=invalid_token"], [("negotiate", "YQ==", {}), ("bearer", None, ERROR)]),
        ([", ,Bearer,, error=invalid_token ,"], [("bearer", None, ERROR)]),
        (['Bearer error=""'], [("bearer", None, {"error": ""})]),
        (["Bearer error=a, error=b"], [("bearer", None, {"error": "a"})]),
        (['Bearer realm="\\\\", error=invalid_token'], [("bearer", None, {"realm": "\\", **ERROR})]),
        ([""], []),
        (["error=invalid_token"], []),
        (['Bearer realm="never ends, error=invalid_token'], []),
        (['Bearer realm=x, error="invalid_token'], [("bearer", None, {"realm": "x"})]),
        (['Bearer realm="', "Bearer error=invalid_token"], [("bearer", None, ERROR)]),
        (["Bearer error = invalid token, realm=x"], [("bearer", None, {"realm": "x"})]),
        (["Bearer error='invalid_token'"], [("bearer", None, {"error": "'invalid_token'"})]),
        (["{json: 1}", "Bearer"], [("bearer", None, {})]),
    ],
)
def test_the_challenges_of_all_lines_are_found(lines: list[str], expected: list[tuple[str, str | None, Any]]) -> None:
    assert challenges(lines) == [Challenge(*one) for one in expected]


@given(
    st.lists(
        st.tuples(TOKEN, st.dictionaries(TOKEN.map(str.lower), st.tuples(TEXT, st.booleans()), max_size=3)), max_size=3
    )
)
def test_what_is_written_by_the_grammar_is_read_back(written: list[tuple[str, dict[str, tuple[str, bool]]]]) -> None:
    def spelled(value: str, escape_all: bool) -> str:
        return '"' + "".join(f"\\{char}" if escape_all or char in '"\\' else char for char in value) + '"'

    line = ", ".join(
        f"{scheme} " + ", ".join(f"{name}={spelled(*value)}" for name, value in parameters.items())
        for scheme, parameters in written
    )
    assert challenges([line]) == [
        Challenge(scheme.lower(), None, {name: value for name, (value, _) in parameters.items()})
        for scheme, parameters in written
    ]


@given(st.lists(st.one_of(st.text(max_size=60), st.text('abB="\\, \t=/+', max_size=60)), max_size=4))
def test_no_line_makes_it_raise(lines: list[str]) -> None:
    found = challenges(lines)
    assert all(one.scheme and one.scheme == one.scheme.lower() for one in found)
    assert ChallengeCondition(ChallengeSettings(error=("invalid_token",))).fits(lines) in {True, False}


@pytest.mark.parametrize(
    "line", ['"', '\\"', '"\\', "a=", "a ", ",", '""', 'a="', "a =", "\t", 'x="\\"', "=", "a b", "a=a", "a=,"]
)
def test_a_long_line_takes_no_longer_than_its_length_allows(line: str) -> None:
    began = time.process_time()
    challenges([line * (64 * 1024 // len(line))])
    challenges(["Bearer " + line * (64 * 1024 // len(line))])
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("settings", "line", "fits"),
    [
        ("invalid_token", 'Bearer error="invalid_token"', True),
        ("invalid_token", 'DPoP error="invalid_token"', True),
        ("invalid_token", 'Bearer error="insufficient_scope"', False),
        ("invalid_token", 'Bearer error="Invalid_Token"', False),
        ("invalid_token", 'Bearer error_description="invalid_token"', False),
        ("invalid_token", "Bearer", False),
        ({"scheme": "bearer"}, "BEARER", True),
        ({"scheme": "Bearer"}, "Basic, bearer realm=x", True),
        ({"scheme": "Bearer"}, "Basic realm=Bearer", False),
        ({"error": ["expired", "invalid_token"]}, "Bearer error=expired", True),
        ({"error": ["expired", "invalid_token"]}, "Bearer error=other", False),
        ({"scheme": "Bearer", "error": "invalid_token"}, "DPoP error=invalid_token, Bearer", False),
        ({"scheme": "Bearer", "error": "invalid_token"}, "DPoP, Bearer error=invalid_token", True),
    ],
)
def test_one_challenge_must_have_all_that_is_named(settings: Any, line: str, fits: bool) -> None:
    assert ChallengeCondition(SETTING.validate_python(settings)).fits([line]) is fits


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({}, "name the scheme or the error"),
        ("", "at least one error"),
        (3, "valid dictionary"),
        ({"scheme": "a b"}, "one word, such as Bearer"),
        ({"error": ""}, "at least one error"),
        ({"error": []}, "at least one error"),
        ({"eror": "x"}, "Extra inputs"),
    ],
)
def test_a_condition_that_says_nothing_is_refused_once_and_with_the_remedy(settings: Any, remedy: str) -> None:
    with pytest.raises(ValidationError, match=remedy) as caught:
        SETTING.validate_python(settings)
    assert caught.value.error_count() == 1


def test_editors_are_told_of_the_short_form() -> None:
    long, short = SETTING.json_schema()["anyOf"]
    assert short == {"type": "string"}
    assert long == {"$ref": "#/$defs/ChallengeSettings"}
