from collections.abc import Callable

import pytest

from proxy.config.sentences import MOST_LISTED, closest, type_sentence
from tests.config.conftest import GOOD

Problems = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "upstream: https:",
            "upstrem: https:",
            "23:5: routes.billing.upstrem: unknown key 'upstrem'; known: match, upstream",
        ),
        ("upstream: https:", "upstrem: https:", "did you mean 'upstream'?"),
        (
            "    upstream: https://api.example.com/v2\n",
            "",
            "21:3: routes.billing: the key 'upstream' is missing: The API",
        ),
        (
            "kind: text",
            "kind: vault",
            "8:11: credentials.stripe.kind: unknown kind 'vault'; credentials knows: text, basic",
        ),
        ("kind: text", "kind: txt", "did you mean 'text'?"),
        ("    kind: text\n", "", "7:3: credentials.stripe: the key 'kind' is missing"),
        (
            "{from: json, path: $.access_token}",
            "{path: $.access_token}",
            "16:5: credentials.billing.token: the key 'from' is missing",
        ),
        (
            "kind: header",
            "kind: heder",
            "18:21: credentials.billing.inject[0].kind: unknown kind 'heder'; inject knows: header",
        ),
        ("failures: 5", 'failures: "5"', "26:25: routes.billing.breaker.failures: must be a whole number"),
        ("failures: 5", "failures: 5.5", "must be a whole number"),
        ("failures: 5", "failures: 0", "must be 1 or more"),
        ("ratio: 0.5", "ratio: 1.5", "must be 1.0 or less"),
        ("custom_grant", "5", "15:81: credentials.billing.request.form.grant_type: must be a text; put it in quotes"),
        ("[GET, POST]", "GET", "22:50: routes.billing.match.methods: must be a list, such as [a, b]"),
        ("callers: [backend]", "callers: []", "25:5: routes.billing.callers: needs at least 1 of them"),
        (
            "{connect: 5s, response: 60s, idle: 5m}",
            "5s",
            "28:15: routes.billing.timeouts: must be a mapping of keys to values",
        ),
        ("connect: 5s", "connect: 5", "5 is not a duration; write a number with its unit"),
        ("connect: 5s", "connect: 0s", "must be greater than 0"),
        ("256KiB", "256KB", "'256KB' is not a size; write a number with its unit"),
        ("type: seconds", "type: weeks", "must be 'datetime', 'seconds', 'milliseconds', 'epoch', 'epoch_ms' or 'jwt'"),
        ("equals: SESSION_EXPIRED", "equals: {a: b}", "must be a text or a whole number or true or false"),
        (
            "  stripe:\n    match",
            "  Stripe:\n    match",
            "29:3: routes.Stripe: a name must be made of a-z, 0-9, _ and -",
        ),
        ('"sha256:2c26', '"sha256:zz26', "5:12: callers.backend.keys"),
        (
            "https://api.example.com/v2",
            "ftp://api.example.com",
            "23:15: routes.billing.upstream: an upstream is an https://",
        ),
        ("https://api.example.com/v2", "https://me:pw@api.example.com", "holds no user or password"),
        ("https://api.example.com/v2", "https://api.example.com/?a=b", "ends with its path"),
        ("$.error.code", "$..x", "19:56: credentials.billing.rejected_when[1]"),
        ("path: /billing/", "path: billing/", "a path begins with /"),
    ],
)
def test_a_problem_says_where_it_is_and_what_to_write(problems: Problems, old: str, new: str, problem: str) -> None:
    assert old in GOOD
    found = problems(GOOD.replace(old, new, 1))
    assert any(problem in one for one in found), found


def test_an_admin_key_is_a_hash(problems: Problems) -> None:
    (problem,) = problems(GOOD + 'admin: {keys: {ops: "password"}}\n')
    assert "admin.keys.ops: this must be sha256: and 64 hexadecimal digits, as `countersign hash-key`" in problem
    assert "password" not in problem


def test_a_list_whose_items_are_wrong_is_not_called_too_short_as_well(problems: Problems) -> None:
    assert len(problems(GOOD.replace("kind: header", "kind: heder"))) == 1


def test_a_problem_of_a_key_and_one_of_its_value_are_two(problems: Problems) -> None:
    assert len(problems(GOOD + 'admin: {keys: {Ops: "x"}}\n')) == 2


def test_a_long_list_of_names_is_cut() -> None:
    names = [f"name{n}" for n in range(100)]
    said = closest("name7x", names)
    assert said.count(",") == MOST_LISTED
    assert "did you mean 'name7" in said
    assert closest("x", []) == "known: nothing yet"


def test_types_are_said_together_only_if_all_problems_are_about_types() -> None:
    assert type_sentence(["int_type", "bool_type"]) == "must be a whole number or true or false"
    assert type_sentence(["int_type", "value_error"]) is None
