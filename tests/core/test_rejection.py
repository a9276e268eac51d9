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

from proxy.core.rejection import PREFIX_LIMIT, Rejection, RejectionSettings, Verdict

JSON = (b"Content-Type", b"application/json")
EXPIRED = b'{"error": {"code": "SESSION_EXPIRED"}}'
Headers = tuple[tuple[bytes, bytes], ...]


def rules_of(*rules: dict[str, Any]) -> Rejection:
    return Rejection(map(RejectionSettings.model_validate, rules))


def rejects(rejection: Rejection, status: int = 200, headers: Headers = (JSON,), body: bytes = b"{}") -> bool:
    """Ask as the gateway does: for the body only when it is needed."""
    verdict = rejection.verdict(status, headers)
    if verdict is Verdict.NEEDS_BODY:
        return rejection.judge(status, headers, body[:PREFIX_LIMIT])
    return verdict is Verdict.REJECTED


def test_by_default_only_401_refuses_a_token() -> None:
    rejection = Rejection()
    assert [status for status in range(100, 600) if rejects(rejection, status)] == [401]
    assert rejection.verdict(401, ()) is Verdict.REJECTED
    assert rejection.verdict(403, ()) is Verdict.PASS


def test_no_rules_refuse_nothing() -> None:
    assert rules_of().verdict(401, ()) is Verdict.PASS
    assert not rules_of().judge(401, (), b"")


def test_rules_on_the_status_alone_tell_which_statuses_those_are() -> None:
    assert rules_of({"status": 401}, {"status": 419}).statuses == frozenset({401, 419})
    assert rules_of().statuses == frozenset()
    assert rules_of({"status": 401}, {"status": 200, "json": "$.error"}).statuses is None


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
    assert rejection.judge(401, (), b"")
    assert not rejection.judge(201, ((b"X-Error", b""),), b"expired")
    assert not rejection.judge(200, (), b"expired")


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
        ({"header": "X-Error: é"}, ((b"X-Error", b"\xe9"),), True),
    ],
)
def test_a_header_is_there_or_has_the_value(rule: dict[str, Any], headers: Headers, expected: bool) -> None:
    assert rejects(rules_of(rule), 200, headers) is expected
    assert rules_of(rule).verdict(200, headers) is not Verdict.NEEDS_BODY


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
    assert rejection.verdict(200, (JSON,)) is Verdict.NEEDS_BODY
    assert rejection.judge(200, (JSON,), body) is expected


def test_a_body_is_not_asked_for_when_the_head_decides() -> None:
    rejection = rules_of({"status": 401}, {"header": "X-Error"}, {"status": 200, "json": "$.error"})
    assert rejection.verdict(401, ()) is Verdict.REJECTED
    assert rejection.verdict(200, ((b"X-Error", b""),)) is Verdict.REJECTED
    assert rejection.verdict(404, ()) is Verdict.PASS
    assert rejection.verdict(200, ()) is Verdict.NEEDS_BODY


@pytest.mark.parametrize("kind", [b"text/event-stream", b"Text/Event-Stream; charset=utf-8", b"application/x-ndjson"])
def test_the_body_of_a_stream_is_not_waited_for(kind: bytes) -> None:
    assert rules_of({"text": "expired"}).verdict(200, ((b"content-type", kind),)) is Verdict.PASS


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
    assert rejection.verdict(200, headers) is Verdict.PASS
    assert not rejection.judge(200, headers, EXPIRED)


def test_a_body_that_does_not_decode_refuses_nothing_whatever_the_pattern() -> None:
    assert not rules_of({"text": ""}).judge(200, ((b"content-encoding", b"gzip"),), b"not gzip")


def test_a_compression_bomb_is_read_up_to_the_limit() -> None:
    bomb = gzip.compress(b"x" * 50_000_000 + b"expired")
    headers = ((b"content-encoding", b"gzip"),)
    assert not rules_of({"text": "expired"}).judge(200, headers, bomb)
    assert rules_of({"text": rf"\Ax{{{PREFIX_LIMIT}}}\Z"}).judge(200, headers, bomb)


def test_bytes_past_the_limit_are_not_looked_at() -> None:
    body = b"x" * PREFIX_LIMIT + b"expired"
    assert not rules_of({"text": "expired"}).judge(200, (), body)


def test_json_that_the_limit_cuts_off_refuses_nothing() -> None:
    body = json.dumps({"error": "expired", "more": "x" * PREFIX_LIMIT}).encode()
    assert not rejects(rules_of({"json": "$.error"}), body=body)


@given(
    st.integers(100, 599),
    st.lists(
        st.tuples(
            st.sampled_from([b"Content-Encoding", b"Content-Type", b"X-Error"]),
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
        {"json": "$.a[*].b", "equals": 1},
        {"text": "[a-z]+"},
    )
    assert isinstance(rejects(rejection, status, tuple(headers), body), bool)
    assert isinstance(rejection.judge(status, headers, body), bool)


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
        ({"status": 99}, "greater than or equal to 100"),
        ({"status": "401"}, "valid integer"),
        ({"status": True}, "valid integer"),
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
