import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from tests.config.conftest import GOOD, Examine

Problems = Callable[..., list[str]]

ROUTE = GOOD[GOOD.index("routes:") :]
ANONYMOUS = "callers:\n  local: {kind: anonymous}\n"


def replaced(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        (
            replaced("credential: billing", "credential: biling"),
            "24:17",
            "no credential is called 'biling'; known: stripe, billing; did you mean 'billing'?",
        ),
        (
            replaced("credential: billing", "credentials: [stripe, none]"),
            "24:27",
            "routes.billing.credentials[1]: no credential is called 'none'; known: stripe, billing",
        ),
        (replaced("callers: [backend]", "callers: [backnd]"), "25:15", "no caller is called 'backnd'"),
        (replaced("callers: [backend]", "callers: [backend, backend]"), "25:24", "'backend' stands here twice"),
        (replaced("    credential: billing\n", ""), "21:3", "add `credential: NAME`, known: stripe, billing"),
        (
            replaced("credential: billing", "credentials: [billing, stripe]"),
            "24:28",
            "'stripe' goes into the header authorization, and billing does too",
        ),
        (
            replaced("https://api.stripe.example", "http://api.stripe.example"),
            "31:15",
            "readable to another machine; write https://, or say allow_plain_http: true",
        ),
        (
            replaced("match: {path: /stripe/}", 'match: {host: "*", path: /billing/, methods: [POST, GET]}'),
            "29:3",
            "route 'billing' takes exactly these requests",
        ),
        (
            replaced("methods: [GET, POST]", "methods: [GET, FOO-BAR]"),
            "22:56",
            "routes.billing.match.methods[1]: callers cannot send 'FOO-BAR'; write one of ACL, BIND,",
        ),
        (
            replaced("methods: [GET, POST]", "methods: [TRACE]"),
            "22:51",
            "callers cannot send 'TRACE'",
        ),
        (
            replaced("admin: 127.0.0.1:0", "admin: 127.0.0.1:9").replace("metrics: 127.0.0.1:0", "metrics: 0.0.0.0:9"),
            "1:59",
            "listen.metrics: listen.admin has this address already",
        ),
        (
            replaced("callers:\n", ANONYMOUS).replace("proxy: 127.0.0.1", "proxy: 0.0.0.0"),
            "3:3",
            "this lets anybody there use the credentials",
        ),
        (
            replaced("    replay:", "    tls: {ca: none.pem}\n    replay:"),
            "27:15",
            "cannot be read as PEM certificates",
        ),
        (replaced("    replay:", "    tls: {ca: secret}\n    replay:"), "27:15", "cannot be read as PEM certificates"),
    ],
)
def test_a_problem_between_sections_is_an_error_at_its_place(
    examined: Examine, text: str, place: str, message: str
) -> None:
    (problem,) = examined(text).errors
    assert f"{problem.line}:{problem.column}" == place
    assert message in problem.message


@pytest.mark.parametrize(
    "text",
    [
        replaced("https://api.stripe.example", "http://127.0.0.1:9000"),
        replaced("https://api.stripe.example", "http://[::1]:9000"),
        replaced("https://api.stripe.example", "http://localhost"),
        replaced("https://api.stripe.example", "http://api.internal\n    allow_plain_http: true"),
        replaced("callers:\n", ANONYMOUS).replace("[backend]", "[backend, local]", 1),
        replaced("callers:\n", ANONYMOUS.replace("anonymous", "anonymous, allow_remote: true"))
        .replace("[backend]", "[backend, local]", 1)
        .replace("proxy: 127.0.0.1", "proxy: 0.0.0.0"),
        replaced("match: {path: /stripe/}", "match: {path: /billing/, methods: [GET]}"),
    ],
)
def test_what_only_resembles_a_problem_is_none(problems: Problems, text: str) -> None:
    assert problems(text) == []


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (replaced("callers:\n", ANONYMOUS), "3:3: warning: callers.local: no route uses it"),
        (replaced("credential: billing", "credential: stripe"), "10:3: warning: credentials.billing: no route uses it"),
    ],
)
def test_what_no_route_uses_is_a_warning(problems: Problems, text: str, warning: str) -> None:
    assert problems(text) == [warning]


def test_a_configuration_without_routes_is_a_warning(problems: Problems) -> None:
    assert "1:1: warning: routes: there are no routes, so every request will be answered with 404" in problems("{}")


def test_names_are_checked_even_while_something_else_is_wrong(problems: Problems) -> None:
    text = replaced("failures: 5", "failures: five").replace("credential: billing", "credential: biling")
    assert [problem.split(":")[0] for problem in problems(text)] == ["24", "26"]


def test_a_section_that_is_wrong_in_itself_still_counts_as_known(problems: Problems) -> None:
    text = replaced("value: ${env:STRIPE_KEY}", "valu: x")
    assert [problem.split(":")[0] for problem in problems(text)] == ["7", "9"]


def test_an_own_authority_is_read_and_watched(tmp_path: Path, examined: Examine) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    found = examined(replaced("    replay:", "    tls: {ca: ca.pem}\n    replay:"))
    assert found.problems == ()
    assert tmp_path / "ca.pem" in found.files
    assert found.config is not None
    ca = found.config.routes["billing"].tls.ca
    assert ca == tmp_path / "ca.pem"
    ssl.create_default_context(cafile=str(ca))
