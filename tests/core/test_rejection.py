"""Rules that tell a refused token from any other answer."""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from proxy.core.pattern import Pattern, PatternTimeoutError
from proxy.core.rejection import (
    NEEDS_BODY,
    PASSED,
    PREFIX_LIMIT,
    UNREADABLE,
    Action,
    Rejection,
    RejectionSettings,
    Verdict,
)

JSON = (b"Content-Type", b"application/json")
EXPIRED = b'{"error": {"code": "SESSION_EXPIRED"}}'
Headers = tuple[tuple[bytes, bytes], ...]


def rules_of(*rules: dict[str, Any]) -> Rejection:
    return Rejection(map(RejectionSettings.model_validate, rules))


def ruled(rejection: Rejection, status: int = 200, headers: Headers = (JSON,), body: bytes = b"{}") -> Verdict:
    """Ask as the gateway does: for the body only when it is needed."""
    verdict = rejection.verdict(status, headers)
    return rejection.judge(status, headers, body[:PREFIX_LIMIT]) if verdict is NEEDS_BODY else verdict


def rejects(rejection: Rejection, status: int = 200, headers: Headers = (JSON,), body: bytes = b"{}") -> bool:
    return ruled(rejection, status, headers, body).action is Action.RENEW


def test_by_default_only_401_refuses_a_token() -> None:
    rejection = Rejection()
    assert [status for status in range(100, 600) if rejects(rejection, status)] == [401]
    assert rejection.verdict(401, ()) == (Action.RENEW, 0)
    assert rejection.verdict(403, ()) is PASSED
    assert rejection.statuses_for(renewable=True) == frozenset({401})


@pytest.mark.parametrize("challenge", [None, b"Bearer", b'Bearer error="insufficient_scope"', b'Basic realm="x"', b'"'])
def test_by_default_401_refuses_a_token_whatever_its_challenge(challenge: bytes | None) -> None:
    headers = () if challenge is None else ((b"WWW-Authenticate", challenge),)
    assert rejects(Rejection(), 401, headers)


def test_no_rules_refuse_nothing() -> None:
    assert rules_of().verdict(401, ()) is PASSED
    assert rules_of().judge(401, (), b"") is PASSED
    assert not rules_of().renews


@pytest.mark.parametrize(
    ("rules", "statuses"),
    [
        ([{"status": 401}, {"status": [419, "440-441"]}], frozenset({401, 419, 440, 441})),
        ([], frozenset()),
        ([{"status": 401}, {"status": 200, "json": "$.error"}], frozenset({401, 200})),
        ([{"status": 401}, {"header": "X-Error"}], None),
    ],
)
def test_the_only_statuses_that_a_rule_can_concern_are_known(
    rules: list[dict[str, Any]], statuses: frozenset[int] | None
) -> None:
    assert rules_of(*rules).statuses_for(renewable=True) == statuses


def test_of_a_token_that_cannot_be_renewed_only_those_that_count_matter() -> None:
    counted = {"status": 409, "action": "count"}
    assert rules_of({"text": "x"}, counted).statuses_for(renewable=False) == frozenset({409})
    assert rules_of({"text": "x", "action": "count"}, counted).statuses_for(renewable=False) is None
    assert rules_of({"text": "x"}).statuses_for(renewable=False) == frozenset()


@pytest.mark.parametrize("action", Action)
def test_a_rule_that_fits_says_what_is_done_and_which_one_it_is(action: Action) -> None:
    rejection = rules_of({"status": 403, "header": "X-Other"}, {"status": 403, "action": action.value})
    assert rejection.verdict(403, ()) == (action, 1)
    assert rejection.renews  # the first of the rules might


def test_only_the_action_renew_can_send_a_request_again() -> None:
    assert not rules_of(*({"status": 401, "action": action} for action in ("renew_only", "count", "pass"))).renews
    assert rules_of({"status": 403, "action": "pass"}, {"status": 401}).renews


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ((), b"expired", (Action.RENEW, 1)),
        ((), b"other", (Action.COUNT, 3)),
        (((b"X-Error", b"1"),), b"expired", (Action.RENEW, 1)),
        (((b"X-Error", b"1"),), b"other", (Action.RENEW_ONLY, 2)),
        (((b"X-Fine", b"1"),), b"expired", (Action.PASS, 0)),
        (((b"Content-Encoding", b"br"),), b"expired", (Action.COUNT, 3)),
        (((b"Content-Type", b"text/event-stream"),), b"expired", (Action.COUNT, 3)),
    ],
)
def test_the_first_rule_that_fits_decides_whether_it_looks_at_head_or_body(
    headers: Headers, body: bytes, expected: tuple[Action, int]
) -> None:
    rejection = rules_of(
        {"status": 403, "header": "X-Fine", "action": "pass"},
        {"text": "expired"},
        {"status": "4xx", "header": "X-Error", "action": "renew_only"},
        {"status": 403, "action": "count"},
        {"status": 403, "action": "renew"},
    )
    assert ruled(rejection, 403, headers, body) == expected


def test_an_exception_stands_before_its_rule() -> None:
    exception = {"status": 401, "www_authenticate": "insufficient_scope", "action": "pass"}
    rejection = rules_of(exception, {"status": 401})
    assert rejection.verdict(401, ((b"WWW-Authenticate", b'Bearer error="insufficient_scope"'),)) == (Action.PASS, 0)
    assert rejection.verdict(401, ((b"www-authenticate", b'Bearer error="invalid_token"'),)) == (Action.RENEW, 1)
    assert rules_of({"status": 401}, exception).verdict(
        401, ((b"WWW-Authenticate", b'Bearer error="insufficient_scope"'),)
    ) == (Action.RENEW, 0)


@pytest.mark.parametrize("condition", ["invalid_token", {"scheme": "bearer", "error": ["invalid_token", "expired"]}])
def test_a_challenge_is_looked_for_in_every_line(condition: Any) -> None:
    rejection = rules_of({"status": ["4xx"], "www_authenticate": condition})
    lines = ((b"WWW-Authenticate", b'Basic realm="error=invalid_token"'), (b"www-authenticate", b"Bearer"))
    assert rejection.verdict(400, lines) is PASSED
    assert rejection.verdict(400, (*lines, (b"WWW-Authenticate", b"BEARER ERROR = invalid_token"))).action is not None


def test_one_rule_that_holds_suffices() -> None:
    rejection = rules_of({"status": 401}, {"status": 419}, {"status": 200, "json": "$.expired"})
    assert [rejects(rejection, status) for status in (401, 419, 403)] == [True, True, False]
    assert rejects(rejection, 200, body=b'{"expired": true}')


def test_all_conditions_of_a_rule_must_hold() -> None:
    rejection = rules_of({"status": 403, "header": "X-Error", "json": "$.code", "equals": 7, "text": "token"})
    body, headers = b'{"code": 7, "about": "token"}', (JSON, (b"x-error", b"1"))
    assert rejects(rejection, 403, headers, body)
    assert not rejects(rejection, 200, headers, body)
    assert not rejects(rejection, 403, (JSON,), body)
    assert not rejects(rejection, 403, headers, b'{"code": 8, "about": "token"}')
    assert not rejects(rejection, 403, headers, b'{"code": 7, "about": "you"}')


def test_with_a_json_path_equals_is_for_it_and_the_header_need_only_be_there() -> None:
    rejection = rules_of({"header": "X-Error", "json": "$.code", "equals": "expired"})
    assert rejects(rejection, 200, (JSON, (b"X-Error", b"1")), b'{"code": "expired"}')


def test_judging_asks_the_conditions_on_the_head_too() -> None:
    rejection = rules_of({"status": 401}, {"status": 200, "header": "X-Error", "text": "expired"})
    assert rejection.judge(401, (), b"") == (Action.RENEW, 0)
    assert rejection.judge(201, ((b"X-Error", b""),), b"expired") is PASSED
    assert rejection.judge(200, (), b"expired") is PASSED


def test_an_answer_without_a_body_fits_no_rule_that_looks_into_it() -> None:
    assert rules_of({"text": ""}, {"json": "$.a"}).judge(200, (JSON,), None) is PASSED
    assert rules_of({"text": "^$"}).judge(200, (JSON,), b"") == (Action.RENEW, 0)


@pytest.mark.parametrize(
    ("rule", "headers", "expected"),
    [
        ({"header": "X-Error"}, ((b"x-ERROR", b""),), True),
        ({"header": "X-Error"}, ((b"X-Errors", b""),), False),
        ({"header": "X-Error: expired"}, ((b"X-Error", b"expired "),), True),
        ({"header": "X-Error: expired"}, ((b"X-Error", b"other"), (b"X-Error", b"expired")), True),
        ({"header": "X-Error: expired"}, ((b"X-Error", b"token expired"),), False),
        ({"header": "X-Error", "equals": "expired"}, ((b"X-Error", b"expired"),), True),
        ({"header": "X-Error", "equals": "expired"}, ((b"X-Error", b"Expired"),), False),
        ({"header": "X-Error", "equals": ""}, ((b"X-Error", b"expired"),), False),
        ({"header": "X-Error", "equals": ["expired", "revoked"]}, ((b"X-Error", b"revoked"),), True),
        ({"header": "X-Error", "equals": ["expired", "revoked"]}, ((b"X-Error", b"other"),), False),
        ({"header": "X-Error: é"}, ((b"X-Error", b"\xe9"),), True),
    ],
)
def test_a_header_is_there_or_has_the_value(rule: dict[str, Any], headers: Headers, expected: bool) -> None:
    assert rejects(rules_of(rule), 200, headers) is expected
    assert rules_of(rule).verdict(200, headers) is not NEEDS_BODY


@pytest.mark.parametrize(
    ("rule", "body", "expected"),
    [
        ({"json": "$.error.code", "equals": "SESSION_EXPIRED"}, EXPIRED, True),
        ({"json": "error.code", "equals": "SESSION_EXPIRED"}, EXPIRED, True),
        ({"json": "$.error.code", "equals": "OTHER"}, EXPIRED, False),
        ({"json": "$.errors[*].code", "equals": 2}, b'{"errors": [{"code": 1}, {"code": 2}]}', True),
        ({"json": "$.code", "equals": 1}, b'{"code": true}', False),
        ({"json": "$.code", "equals": True}, b'{"code": 1}', False),
        ({"json": "$.code", "equals": True}, b'{"code": true}', True),
        ({"json": "$.ok", "equals": False}, b'{"ok": false}', True),
        ({"json": "$.code", "equals": 401}, b'{"code": "401"}', False),
        ({"json": "$.code", "equals": [401, "E1"]}, b'{"code": "E1"}', True),
        ({"json": "$.code", "equals": [401, "E1"]}, b'{"code": 401}', True),
        ({"json": "$.code", "equals": [401, "E1"]}, b'{"code": true}', False),
        ({"json": "$.code", "equals": [1]}, b'{"code": 1.0}', False),
        ({"json": "$.e[*].c", "equals": [7, 8]}, b'{"e": [{"c": 1}, {"c": 8}]}', True),
        ({"json": "$.e[*].c"}, b'{"e": [{"c": 0}, {"c": 3}]}', True),
        ({"json": "$.code", "equals": ""}, b'{"code": ""}', True),
        ({"json": "$.error"}, EXPIRED, True),
        ({"json": "$.error"}, b'{"error": null}', False),
        ({"json": "$.error"}, b'{"error": false}', False),
        ({"json": "$.errors"}, b'{"errors": []}', False),
        ({"json": "$.error"}, b"{}", False),
        ({"json": "$.error"}, b'\xef\xbb\xbf{"error": 1}', True),
        ({"json": "$.error"}, EXPIRED[:-1], False),
        ({"json": "$.error"}, b"", False),
        ({"json": "$.error"}, b"<error/>", False),
        ({"json": "$.error"}, b"[" * 5000, False),
        ({"text": "token (has )?expired"}, b"Your token expired.", True),
        ({"text": "^token"}, b"Your token expired.", False),
        ({"text": "(?i)EXPIRED"}, b"\xff expired", True),
        ({"text": "gelöscht"}, "Zugang gelöscht".encode(), True),
    ],
)
def test_a_body_is_looked_into(rule: dict[str, Any], body: bytes, expected: bool) -> None:
    rejection = rules_of(rule)
    assert rejection.verdict(200, (JSON,)) is NEEDS_BODY
    assert (rejection.judge(200, (JSON,), body).action is Action.RENEW) is expected


def test_a_body_is_not_asked_for_when_the_head_decides() -> None:
    rejection = rules_of({"status": 401}, {"header": "X-Error"}, {"status": 200, "json": "$.error"})
    assert rejection.verdict(401, ()) == (Action.RENEW, 0)
    assert rejection.verdict(200, ((b"X-Error", b""),)) == (Action.RENEW, 1)
    assert rejection.verdict(404, ()) is PASSED
    assert rejection.verdict(200, ()) is NEEDS_BODY


@pytest.mark.parametrize("kind", [b"text/event-stream", b"Text/Event-Stream; charset=utf-8", b"application/x-ndjson"])
def test_the_body_of_a_stream_is_not_waited_for(kind: bytes) -> None:
    assert rules_of({"text": "expired"}).verdict(200, ((b"content-type", kind),)) is PASSED


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        (b"gzip", gzip.compress),
        (b"GZip", gzip.compress),
        (b"x-gzip", gzip.compress),
        (b"deflate", zlib.compress),
        (b"deflate", raw_deflate),
        (b"identity", bytes),
    ],
)
def test_a_compressed_body_is_read(coding: bytes, pack: Callable[[bytes], bytes]) -> None:
    rejection = rules_of({"json": "$.error"})
    headers = (JSON, (b"Content-Encoding", coding))
    assert rejects(rejection, 200, headers, pack(EXPIRED))
    assert not rejects(rejection, 200, headers, pack(b"{}"))
    assert not rejects(rejection, 200, headers, b"\x00" + pack(EXPIRED))


@pytest.mark.parametrize("codings", [(b"br",), (b"zstd",), (b"gzip, gzip",), (b"gzip", b"br")])
def test_a_body_in_a_coding_that_cannot_be_read_passes(codings: tuple[bytes, ...]) -> None:
    headers = tuple((b"content-encoding", coding) for coding in codings)
    rejection = rules_of({"text": ""})
    assert rejection.verdict(200, headers) is UNREADABLE
    assert rejection.judge(200, headers, EXPIRED) is PASSED
    assert rules_of({"status": 403, "text": ""}).verdict(200, headers) is PASSED
    assert rules_of({"text": ""}, {"status": 200, "action": "count"}).verdict(200, headers) == (Action.COUNT, 1)


def test_a_body_that_does_not_decode_refuses_nothing_whatever_the_pattern() -> None:
    assert rules_of({"text": ""}).judge(200, ((b"content-encoding", b"gzip"),), b"not gzip") is PASSED


def test_a_compression_bomb_is_read_up_to_the_limit() -> None:
    bomb = gzip.compress(b"x" * 50_000_000 + b"expired")
    headers = ((b"content-encoding", b"gzip"),)
    assert rules_of({"text": "expired"}).judge(200, headers, bomb) is PASSED
    assert rules_of({"text": rf"\Ax{{{PREFIX_LIMIT}}}\Z"}).judge(200, headers, bomb).action is Action.RENEW


def test_bytes_past_the_limit_are_not_looked_at() -> None:
    body = b"x" * PREFIX_LIMIT + b"expired"
    assert rules_of({"text": "expired"}).judge(200, (), body) is PASSED


def test_a_search_that_takes_too_long_fits_no_rule_and_the_next_one_is_asked() -> None:
    pattern, body = "(a|aa)+$", b"a" * 60 + b"b"
    with pytest.raises(PatternTimeoutError):
        Pattern(pattern).search(body.decode())
    assert rules_of({"text": pattern}, {"status": 200, "action": "count"}).judge(200, (), body) == (Action.COUNT, 1)


def test_json_that_the_limit_cuts_off_refuses_nothing() -> None:
    body = json.dumps({"error": "expired", "more": "x" * PREFIX_LIMIT}).encode()
    assert not rejects(rules_of({"json": "$.error"}), body=body)


@given(
    st.integers(100, 599),
    st.lists(
        st.tuples(
            st.sampled_from([b"Content-Encoding", b"Content-Type", b"X-Error", b"WWW-Authenticate"]),
            st.one_of(st.binary(max_size=20), st.sampled_from([b"gzip", b"deflate", b"identity"])),
        ),
        max_size=3,
    ),
    st.one_of(
        st.binary(max_size=200), st.binary(max_size=60).map(gzip.compress), st.binary(max_size=60).map(zlib.compress)
    ),
)
def test_no_answer_of_an_upstream_makes_it_raise(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    rejection = rules_of(
        {"status": 401},
        {"header": "X-Error: 1", "text": "x"},
        {"www_authenticate": "invalid_token", "json": "$.x"},
        {"json": "$.a[*].b", "equals": [1, "x"]},
        {"text": "[a-z]+"},
    )
    assert ruled(rejection, status, tuple(headers), body).action in set(Action)
    assert rejection.judge(status, headers, body).action in set(Action)


@pytest.mark.parametrize(
    ("rule", "remedy"),
    [
        ({}, "needs a condition"),
        ({"equals": "x"}, "needs a condition"),
        ({"status": 401, "equals": "x"}, "equals needs a json path or the name of a header"),
        ({"header": "X-Error: a", "equals": "b"}, "equals needs a json path or the name of a header"),
        ({"header": "X-Error", "equals": 1}, "put quotes around"),
        ({"header": "X Error"}, "name a header"),
        ({"header": ""}, "name a header"),
        ({"json": "$..code"}, r"write it as \$\.key"),
        ({"json": ""}, r"write it as \$\.key"),
        ({"text": "("}, "write a backslash"),
        ({"text": "a{99999999999999}"}, "write a backslash"),
        ({"text": "(" * 5000 + ")" * 5000}, "write a backslash"),
        ({"status": 99}, "99 is not a status; write a number from 100 to 599, a class such as 4xx"),
        ({"status": 401, "www_authenticate": {}}, "name the scheme or the error"),
        ({"status": 401, "action": "retry"}, "'renew', 'renew_only', 'count' or 'pass'"),
        ({"json": "$.a", "equals": []}, "name the values that it is compared with"),
        ({"header": "X-Error", "equals": ["a", 1]}, "put quotes around"),
        ({"status": 401, "equal": 1}, "Extra inputs"),
    ],
)
def test_a_rule_that_says_nothing_or_something_wrong_is_refused_with_the_remedy(
    rule: dict[str, Any], remedy: str
) -> None:
    with pytest.raises(ValidationError, match=remedy):
        rules_of(rule)


def test_a_search_that_was_given_up_is_no_evidence() -> None:
    assert not rejects(rules_of({"text": "(a|aa)+$"}), 200, body=b"a" * 60 + b"b")


def test_many_slow_rules_hold_nobody_up_for_longer_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[Pattern] = []

    def slow(pattern: Pattern, text: str) -> None:
        searched.append(pattern)
        raise PatternTimeoutError(text)

    monkeypatch.setattr(Pattern, "search", slow)
    assert not rejects(rules_of(*({"text": f"slow {n}"} for n in range(20))), 200, body=b"x")
    assert len(searched) == 1
