"""What a caller gets when we are the ones who refuse: a problem document, and how to tell it from the upstream's."""

import json
from typing import Any, NamedTuple

import pytest

from proxy.core.errors import (
    DOCUMENTATION,
    CallerUnauthenticatedError,
    CircuitOpenError,
    ProxyError,
    Reason,
    RequestInvalidError,
    RouteNotFoundError,
    TokenUnavailableError,
    UpstreamUnreachableError,
)
from proxy.gateway.refuse import STATUS_LINES, problem, refusal


class Refusal(NamedTuple):
    """A refusal, taken apart."""

    status_line: str
    headers: dict[str, str]
    body: bytes


def read(answer: bytes) -> Refusal:
    """Take an answer apart; no header line comes twice."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    pairs = [line.split(": ", 1) for line in lines]
    headers = {name.lower(): value for name, value in pairs}
    assert len(headers) == len(pairs)
    return Refusal(status_line, headers, body)


def document(error: ProxyError, identifier: str = "") -> dict[str, Any]:
    document: dict[str, Any] = json.loads(problem(error, identifier))
    return document


EVERY_KIND: dict[str, ProxyError] = {
    kind.code: kind("what happened") for kind in ProxyError.__subclasses__() if kind is not TokenUnavailableError
} | {TokenUnavailableError.code: TokenUnavailableError(Reason.NETWORK, "what happened", credential="billing")}


@pytest.mark.parametrize("error", EVERY_KIND.values(), ids=EVERY_KIND)
def test_every_kind_of_error_is_a_whole_answer_that_names_it(error: ProxyError) -> None:
    answer = read(refusal(error, "id-1", keep_alive=True))
    assert answer.status_line == STATUS_LINES[error.status].decode().strip()
    assert answer.status_line.startswith(f"HTTP/1.1 {error.status} ")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["x-request-id"] == "id-1"
    assert answer.headers["proxy-status"] == f"countersign; error={error.proxy_error}"
    assert "connection" not in answer.headers
    body = json.loads(answer.body)
    assert body["type"] == DOCUMENTATION + error.code
    assert (body["title"], body["status"]) == (error.title, error.status)
    assert (body["detail"], body["instance"]) == ("what happened", "id-1")


def test_the_reason_of_a_missing_token_is_a_member_of_its_own() -> None:
    error = TokenUnavailableError(Reason.INVALID_GRANT, "renew it", credential="billing", retry_after=7.0)
    body = document(error)
    assert (body["reason"], body["credential"]) == ("invalid_grant", "billing")
    assert read(refusal(error, "", keep_alive=True)).headers["retry-after"] == "7"


def test_the_cause_of_a_broken_connection_stands_in_proxy_status() -> None:
    error = UpstreamUnreachableError("gone", proxy_error="dns_error")
    assert read(refusal(error, "", keep_alive=True)).headers["proxy-status"] == "countersign; error=dns_error"


def test_what_is_not_known_is_left_out() -> None:
    assert document(RouteNotFoundError()).keys() == {"type", "title", "status"}
    headers = read(refusal(RouteNotFoundError(), "", keep_alive=True)).headers
    assert headers.keys() == {"content-type", "cache-control", "proxy-status", "content-length"}


@pytest.mark.parametrize(
    ("seconds", "header"), [(0.0, "1"), (0.001, "1"), (1.0, "1"), (1.2, "2"), (29.01, "30"), (86400.0, "86400")]
)
def test_the_time_to_wait_is_in_whole_seconds_and_never_too_short(seconds: float, header: str) -> None:
    answer = read(refusal(CircuitOpenError(retry_after=seconds), "", keep_alive=True))
    assert answer.headers["retry-after"] == header


@pytest.mark.parametrize("error", EVERY_KIND.values(), ids=EVERY_KIND)
def test_only_a_caller_who_must_prove_something_is_challenged(error: ProxyError) -> None:
    headers = read(refusal(error, "", keep_alive=True)).headers
    assert ("www-authenticate" in headers) == (error.status == 401)


def test_the_challenge_is_the_proxy_s_own() -> None:
    headers = read(refusal(CallerUnauthenticatedError(), "", keep_alive=True)).headers
    assert headers["www-authenticate"] == 'Bearer realm="countersign"'


def test_headers_that_an_error_brings_are_added() -> None:
    error = RequestInvalidError("no", headers={"Allow": "GET, HEAD"})
    assert read(refusal(error, "", keep_alive=True)).headers["allow"] == "GET, HEAD"


def test_the_last_answer_of_a_connection_says_so() -> None:
    assert read(refusal(RouteNotFoundError(), "", keep_alive=False)).headers["connection"] == "close"


def test_an_answer_to_head_describes_the_body_that_it_does_not_have() -> None:
    whole = refusal(RouteNotFoundError("no"), "id-1", keep_alive=True)
    head = refusal(RouteNotFoundError("no"), "id-1", keep_alive=True, with_body=False)
    assert read(whole).body
    assert whole == head + read(whole).body


def test_details_beyond_ascii_are_utf_8() -> None:
    answer = read(refusal(RouteNotFoundError("route 'bücher' ☂"), "", keep_alive=True))
    assert json.loads(answer.body.decode("utf-8"))["detail"] == "route 'bücher' ☂"
    assert answer.headers["content-length"] == str(len(answer.body))


def test_half_a_character_from_outside_does_not_keep_a_refusal_from_being_told() -> None:
    answer = refusal(RequestInvalidError("\ud800 is not known", name="\udfff"), "id", keep_alive=True)
    document = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (document["detail"], document["name"]) == ("\ud800 is not known", "\udfff")


def test_a_detail_cannot_leave_the_document() -> None:
    answer = read(refusal(RouteNotFoundError('a"}\r\n\r\nHTTP/1.1 200 OK'), "", keep_alive=True))
    assert b"\r\n" not in answer.body
    assert json.loads(answer.body)["detail"] == 'a"}\r\n\r\nHTTP/1.1 200 OK'


@pytest.mark.parametrize(
    ("status", "line"),
    [(200, b"HTTP/1.1 200 OK\r\n"), (404, b"HTTP/1.1 404 Not Found\r\n"), (299, b"HTTP/1.1 299 \r\n")],
)
def test_a_status_line_has_the_usual_phrase_or_none(status: int, line: bytes) -> None:
    assert STATUS_LINES[status] == line


def test_there_is_a_status_line_for_every_final_status() -> None:
    assert set(STATUS_LINES) == set(range(200, 600))
    assert all(line.startswith(b"HTTP/1.1 %d " % status) for status, line in STATUS_LINES.items())
    assert all(line.isascii() and line.endswith(b"\r\n") and line.count(b"\n") == 1 for line in STATUS_LINES.values())
