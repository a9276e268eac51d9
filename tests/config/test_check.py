import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from proxy.core.seal import new_key
from proxy.core.secret import Secret
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
            replaced("match: {path: /stripe/}", "match: {path: /x/%2e%2E/}"),
            "30:19",
            "routes.stripe.match.path: requests for '/x/%2e%2E/' are refused for its dot segments; write the path",
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


IN_HEADER = "{kind: hmac, sign: '{{ QUERY }}', header: X-Sig}"
IN_QUERY = "{kind: hmac, sign: '{{ PATH }}', query: sig}"


def signing(*injectors: str) -> str:
    return replaced("    kind: text\n", f"    kind: text\n    inject: [{', '.join(injectors)}]\n")


def test_what_is_signed_is_not_changed_by_the_next_signature(examined: Examine) -> None:
    (problem,) = examined(signing(IN_HEADER, IN_QUERY)).errors
    assert "let the one that goes into the query come first" in problem.message
    assert not examined(signing(IN_QUERY, IN_HEADER)).errors


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


SPENDS = """  stripe: {kind: refresh_token, token_url: "https://auth.example/t", client_id: me, refresh_token: first}
"""


def test_a_credential_that_would_not_survive_a_restart_is_a_warning(problems: Problems) -> None:
    stripe = GOOD[GOOD.index("  stripe:") : GOOD.index("  billing:")]
    text = replaced(stripe, SPENDS)
    [warning] = problems(text)
    assert warning.startswith("7:3: warning: credentials.stripe: what it spends may work only once")
    assert "store of kind sqlite or redis" in warning
    kept = f'store: {{kind: sqlite, path: ./tokens.db}}\nseal: {{keys: ["{new_key()}"]}}\n'
    assert problems(kept + text) == []


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


OLD = new_key()
SUCCESSOR = new_key(after=Secret(OLD))
STRANGER = new_key()
STORED = f"store: {{kind: sqlite, path: tokens.db}}\n{GOOD}"
FIRST_KEY = len(STORED.splitlines()) + 3
"""The line that it stands in."""
NO_KEY = "1:1: store: it keeps tokens where others may come to read them, and there is no key to seal them with"


def sealed(*keys: str) -> str:
    return STORED + "seal:\n  keys:\n" + "".join(f"  - {key}\n" for key in keys)


@pytest.mark.parametrize("text", [STORED, STORED + "seal: {}\n", STORED + "seal: {keys: []}\n"])
def test_a_store_that_others_could_read_needs_a_key(problems: Problems, text: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith(NO_KEY)
    assert problem.endswith(
        'write what `countersign keygen` prints into a file, and name that: `seal: {keys: ["${file:seal-key}"]}`'
    )
    assert problems(text, resolve=False) == [problem]


def test_what_is_kept_in_memory_needs_none(problems: Problems) -> None:
    assert problems(GOOD) == problems(f"store: {{kind: memory}}\n{GOOD}") == []


@pytest.mark.parametrize("keys", [(OLD,), (SUCCESSOR, OLD), (OLD, SUCCESSOR), (SUCCESSOR,), ("${env:KEY}",)])
def test_a_store_with_keys_is_in_order(problems: Problems, keys: tuple[str, ...]) -> None:
    assert problems(sealed(*keys), environ={"STRIPE_KEY": "x", "KEY": SUCCESSOR}) == []


@pytest.mark.parametrize(
    "bad",
    ["correct-horse", "${env:KEY}", "0123456789abcdef" * 4, '""', OLD[:-4]],
    ids=["a word", "an environment variable", "hexadecimal digits", "nothing", "a part of one"],
)
def test_a_key_that_is_none_is_refused_at_its_place_and_not_shown(problems: Problems, bad: str) -> None:
    (problem,) = problems(sealed(OLD, bad), environ={"STRIPE_KEY": "x", "KEY": "correct-horse"})
    assert problem.startswith(f"{FIRST_KEY + 1}:5: seal.keys[1]: a sealing key is 32 random bytes")
    assert problem.endswith("`countersign keygen` prints a new one")
    assert "correct-horse" not in problem


def test_of_a_key_that_cannot_be_resolved_here_no_more_is_said(problems: Problems) -> None:
    missing = [
        f"{line}:5: warning: the environment variable KEY{n} is not set"
        for line, n in ((FIRST_KEY, 1), (FIRST_KEY + 1, 2))
    ]
    for text in (sealed("${env:KEY1}", "${env:KEY2}"), sealed("${env:KEY1}", "${env:KEY2}", OLD)):
        found = problems(text, resolve=False)
        assert [problem.partition(";")[0] for problem in found] == missing
    (only,) = problems(sealed(STRANGER, "${env:KEY1}"), resolve=False)
    assert only.startswith(f"{FIRST_KEY + 1}:5: warning: the environment variable KEY1 is not set")


def test_keys_that_cannot_be_resolved_leave_the_rest_usable(examined: Examine) -> None:
    found = examined(sealed("${env:KEY1}", "${env:KEY2}"), resolve=False)
    assert found.config is not None
    assert len(found.config.seal.keys) == 2
    assert len(examined(sealed("${env:KEY1}", "${env:KEY2}")).errors) == 2


def test_a_key_that_stands_twice_is_refused(problems: Problems) -> None:
    (problem,) = problems(sealed(SUCCESSOR, OLD, SUCCESSOR))
    assert problem == f"{FIRST_KEY + 2}:5: seal.keys[2]: seal.keys[0] is the same key; keep one"


def test_a_new_key_that_does_not_replace_the_old_one_is_a_warning(problems: Problems) -> None:
    (problem,) = problems(sealed(STRANGER, OLD))
    assert problem.startswith(
        f"{FIRST_KEY - 1}:3: warning: seal.keys: one of these keys was not made to replace the last one"
    )
    assert problem.endswith("make the new key with `countersign keygen --after FILE`")
    assert OLD not in problem
