"""What is left when parts are wrong, and how references are tried: seen through `examine`, which is how it is used."""

from collections.abc import Callable

import pytest

from tests.config.conftest import ENVIRON, GOOD, Examine

Problems = Callable[..., list[str]]


def test_several_missing_keys_of_one_record_are_several_problems(problems: Problems) -> None:
    text = GOOD.replace("    upstream: https://api.example.com/v2\n", "").replace("    callers: [backend]\n", "", 1)
    found = problems(text)
    assert [problem.split(":")[0] for problem in found] == ["21", "21"]
    assert "'upstream' is missing" in found[0] + found[1]
    assert "'callers' is missing" in found[0] + found[1]


def test_a_word_that_was_refused_already_is_not_refused_twice(problems: Problems) -> None:
    (problem,) = problems(GOOD.replace("failures: 5", "failures: 0x5"))
    assert "plain digits" in problem


@pytest.mark.parametrize("value", ["yes", "012", "1:30", "2026-01-01"])
def test_a_refused_word_hides_no_other_problem(problems: Problems, value: str) -> None:
    text = GOOD.replace("failures: 5", f"failures: {value}").replace("ratio: 0.5", "ratio: 2")
    assert len(problems(text)) == 2


def test_a_value_of_a_reference_that_does_not_fit_is_refused_without_showing_it(problems: Problems) -> None:
    text = GOOD.replace("window: 30s", 'window: "${env:WINDOW}"')
    (problem,) = problems(text, environ=ENVIRON | {"WINDOW": "planted"})
    assert problem.endswith("window: '***' is not a duration; write a number with its unit: 500ms, 30s, 5m, 1h")


def test_a_rule_over_several_settings_does_not_show_what_a_reference_brought(problems: Problems) -> None:
    text = GOOD.replace("url: https://auth.example.com/session", 'url: "http://${env:HOST}/{{ PLANTED }}"')
    found = problems(text, environ=ENVIRON | {"HOST": "planted.example"})
    assert found
    assert "planted.example" not in "".join(found)


def test_a_number_that_a_reference_brings_is_bounded_like_one_that_is_written(problems: Problems) -> None:
    text = GOOD.replace("failures: 5", 'failures: "${env:N}"')
    (problem,) = problems(text, environ=ENVIRON | {"N": "0"})
    assert problem == "26:25: routes.billing.breaker.failures: must be 1 or more"


def test_escaped_braces_are_the_characters_themselves(examined: Examine) -> None:
    config = examined(GOOD.replace("kind: text", 'kind: text\n    description: "$${x} and ${env:STRIPE_KEY}"')).config
    assert config is not None
    assert config.credentials["stripe"].description == "${x} and sk_live_marker"
    config = examined(GOOD.replace("kind: text", 'kind: text\n    description: "$${x}"')).config
    assert config is not None
    assert config.credentials["stripe"].description == "${x}"
    (problem,) = examined(GOOD.replace("path: /billing/", 'path: "$${x}"')).problems
    assert "a path begins with /" in problem.message
