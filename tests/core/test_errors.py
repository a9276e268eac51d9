"""The table of errors that callers are told of, and the two that stay inside."""

import re

import pytest

from proxy.core.errors import (
    FetchError,
    InternalError,
    ProxyError,
    Reason,
    TokenUnavailableError,
)

TOLD = ProxyError.__subclasses__()

RFC_9209 = {
    "dns_timeout", "dns_error", "destination_not_found", "destination_unavailable", "destination_ip_prohibited",
    "destination_ip_unroutable", "connection_refused", "connection_terminated", "connection_timeout",
    "connection_read_timeout", "connection_write_timeout", "connection_limit_reached", "tls_protocol_error",
    "tls_certificate_error", "tls_alert_received", "http_request_error", "http_request_denied",
    "http_response_incomplete", "http_response_header_section_size", "http_response_header_size",
    "http_response_body_size", "http_response_trailer_section_size", "http_response_trailer_size",
    "http_response_transfer_coding", "http_response_content_coding", "http_response_timeout", "http_upgrade_failed",
    "http_protocol_error", "proxy_internal_response", "proxy_internal_error", "proxy_configuration_error",
    "proxy_loop_detected",
}  # fmt: skip
"""The error types of RFC 9209 §2.3."""


def test_each_code_is_there_once_with_its_status() -> None:
    assert {error.code: error.status for error in TOLD} == {
        "route-not-found": 404,
        "caller-unauthenticated": 401,
        "caller-forbidden": 403,
        "user-required": 400,
        "user-unproven": 401,
        "login-required": 403,
        "user-token-missing": 403,
        "user-token-refused": 422,
        "verification-required": 403,
        "verification-limited": 429,
        "code-refused": 403,
        "request-invalid": 400,
        "request-too-large": 413,
        "header-too-large": 431,
        "token-unavailable": 502,
        "circuit-open": 503,
        "upstream-unreachable": 502,
        "upstream-timeout": 504,
        "upstream-protocol": 502,
        "dependency-unavailable": 503,
        "draining": 503,
        "overloaded": 503,
        "internal-error": 500,
    }
    assert len({error.code for error in TOLD}) == len(TOLD)


@pytest.mark.parametrize("error", TOLD)
def test_each_is_a_sentence_and_an_error_type_of_the_standard(error: type[ProxyError]) -> None:
    assert re.fullmatch(r"[A-Z][^.]+", error.title)
    assert error.proxy_error in RFC_9209


def test_an_error_carries_what_the_caller_is_told() -> None:
    error = InternalError("more", retry_after=3.0, headers={"X": "1"}, proxy_error="proxy_loop_detected", login="url")
    assert (error.detail, error.retry_after, error.headers) == ("more", 3.0, {"X": "1"})
    assert (error.proxy_error, error.members, str(error)) == ("proxy_loop_detected", {"login": "url"}, "more")
    assert InternalError.proxy_error == "proxy_internal_error"


def test_an_error_without_detail_is_its_title() -> None:
    assert str(InternalError()) == InternalError.title


def test_a_token_that_cannot_be_had_says_why_and_whose_it_is() -> None:
    error = TokenUnavailableError(Reason.NETWORK, "no answer", credential="billing", retry_after=2.0)
    assert error.members == {"reason": "network", "credential": "billing"}
    assert (error.reason, error.retry_after) == (Reason.NETWORK, 2.0)


def test_a_failed_fetch_may_be_tried_again_unless_it_says_otherwise() -> None:
    assert not FetchError(Reason.PROVIDER_5XX, "down").permanent
    assert FetchError(Reason.INVALID_CLIENT, "unknown client", permanent=True).permanent
