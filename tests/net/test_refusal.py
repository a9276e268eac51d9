"""What the answers of a token endpoint mean."""

import json
import time

import pytest

from proxy.core.errors import Reason
from proxy.core.message import Reply
from proxy.core.symptom import Symptom
from proxy.net.refusal import refusal, retry_after

NOW = 1_800_000_000.0
"""Fri, 15 Jan 2027 08:00:00 GMT."""


def reply(status: int, body: str = "", **headers: str) -> Reply:
    lines = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Reply(status, lines, body.encode(), NOW)


def oauth(status: int, error: object) -> Reply:
    return reply(status, json.dumps({"error": error, "error_description": "s3cret"}))


@pytest.mark.parametrize(
    ("answer", "reason", "permanent"),
    [
        (oauth(400, "invalid_client"), Reason.INVALID_CLIENT, True),
        (oauth(401, "invalid_client"), Reason.INVALID_CLIENT, True),
        (oauth(400, "invalid_grant"), Reason.INVALID_GRANT, True),
        (oauth(403, "invalid_grant"), Reason.INVALID_GRANT, True),
        (oauth(400, "unauthorized_client"), Reason.INVALID_CLIENT, True),
        (oauth(400, "interaction_required"), Reason.INVALID_GRANT, True),
        (oauth(400, "temporarily_unavailable"), Reason.PROVIDER_5XX, False),
        (oauth(400, "server_error"), Reason.PROVIDER_5XX, False),
        (oauth(401, "server_error"), Reason.PROVIDER_4XX, True),
        (oauth(400, "slow_down"), Reason.PROVIDER_4XX, False),
        (oauth(200, "bad_refresh_token"), Reason.INVALID_GRANT, True),
        (oauth(200, "bad_client_secret"), Reason.INVALID_CLIENT, True),
        (oauth(200, "s3cret"), Reason.PROVIDER_4XX, True),
        (oauth(400, "invalid_request"), Reason.PROVIDER_4XX, True),
        (oauth(400, ["invalid_grant"]), Reason.PROVIDER_4XX, True),
        (oauth(500, "invalid_grant"), Reason.PROVIDER_5XX, False),
        (oauth(429, "invalid_client"), Reason.PROVIDER_4XX, False),
        (reply(400, "[" * 100_000), Reason.PROVIDER_4XX, True),
        (reply(404), Reason.PROVIDER_4XX, True),
        (reply(408), Reason.PROVIDER_4XX, False),
        (reply(418), Reason.PROVIDER_4XX, True),
        (reply(425), Reason.PROVIDER_4XX, False),
        (reply(429), Reason.PROVIDER_4XX, False),
        (reply(500), Reason.PROVIDER_5XX, False),
        (reply(503), Reason.PROVIDER_5XX, False),
        (reply(302), Reason.MALFORMED_RESPONSE, False),
        (reply(199), Reason.MALFORMED_RESPONSE, False),
        (reply(304), Reason.MALFORMED_RESPONSE, False),
    ],
)
def test_a_status_has_a_reason(answer: Reply, reason: Reason, permanent: bool) -> None:
    error = refusal("POST auth.example", answer)
    assert (error.reason, error.permanent) == (reason, permanent)


@pytest.mark.parametrize(
    ("answer", "unheeded"),
    [
        (reply(503, Retry_After="5"), True),
        (reply(429), True),
        (reply(503), False),
        (reply(500, Retry_After="5"), False),
        (reply(504, Retry_After="5"), False),
        (oauth(400, "invalid_grant"), False),
    ],
)
def test_only_who_turns_a_request_away_has_not_heeded_it(answer: Reply, unheeded: bool) -> None:
    assert refusal("POST auth.example", answer).unheeded is unheeded


def test_a_message_repeats_a_word_of_oauth_and_no_other() -> None:
    assert "answered 400 (no content-type): invalid_scope;" in str(refusal("POST a", oauth(400, "invalid_scope")))
    assert "s3cret" not in str(refusal("POST a", oauth(400, "s3cret")))


def test_a_message_names_request_status_content_type_and_remedy_and_nothing_of_the_body() -> None:
    answer = reply(400, '{"error": "s3cret"}', Content_Type="application/json; charset=s3cret")
    assert str(refusal("POST auth.example", answer)) == (
        "POST auth.example answered 400 (application/json); " + Symptom.BAD_REQUEST.remedy
    )


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ('{"error_description": "client_id is missing"}', "; the reply names `client_id`, which is sent"),
        ('{"errors": [{"field": "Scope."}]}', "; the reply names `scope`, which is not sent"),
        ("tenant_name: s3cret", "; the reply names `tenant_name`, which is sent"),
        ('{"client_id": "s3cret"}', ""),
        ("an id is missing", ""),
        ("my_client_id_x", ""),
        ("[" * 100_000, ""),
        (
            '["client_id", "scope", "resource", "audience"]',
            "`audience`, which is not sent, `resource`, which is not sent",
        ),
    ],
)
def test_a_bad_request_that_names_a_parameter_is_told_with_that_name(body: str, named: str) -> None:
    keys = {"id", "client_id", "client_secret", "tenant_name"}
    sentence = refusal("POST a", reply(400, body, Content_Type="text/plain"), keys).sentence
    assert named in sentence
    assert ("the reply names" in sentence) is bool(named)
    assert "s3cret" not in sentence


def test_a_page_names_no_parameters() -> None:
    assert "names" not in refusal("POST a", reply(400, "<p>scope", Content_Type="text/html"), {"scope"}).sentence


@pytest.mark.parametrize(
    ("challenge", "said"),
    [("Basic realm=s3cret", " and wants Basic"), ("bearer", " and wants Bearer"), ("S3cret x", ""), ("", "")],
)
def test_a_challenge_is_told_by_its_scheme_alone(challenge: str, said: str) -> None:
    sentence = refusal("POST a", reply(401, "{}", WWW_Authenticate=challenge)).sentence
    assert sentence == f"POST a answered 401 (no content-type){said}"


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("https://login.example/s3cret?token=s3cret", "login.example"),
        ("http://login.example/s3cret", "login.example, over plain http"),
        ("http://auth.example/s3cret", "auth.example, over plain http"),
        ("https://auth.example:8443/s3cret", "another port of auth.example"),
        ("https://AUTH.example/s3cret", "another path of the same host"),
        ("//login.example", "login.example"),
        ("/s3cret", "another path of the same host"),
        ("", "another path of the same host"),
        ("http://[s3cret", "an address that is malformed"),
        ("mailto:s3cret", "nowhere"),
    ],
)
def test_a_redirect_is_refused_and_its_host_named(location: str, named: str) -> None:
    error = refusal("POST auth.example", reply(307, Location=location), url="https://auth.example/token")
    assert f"pointed to {named}; redirects are not followed" in str(error)
    assert "s3cret" not in str(error)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("9" * 400, 86_400),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0),
        ("Fri, 15 Jan 2100 07:00:00 GMT", 86_400),
        ("Fri, 15 Jan 2027 08:00:30 -0000", 30),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("", None),
        ("Fri, 99 Jan 2027 08:00:30 GMT", None),
        ("Fri, 15 Jan 2027 99999999999:00:30 GMT", None),
        ("Fri, 15 Jan 2027 08:00:30 +99999999999999", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after(reply(503, Retry_After=value)) == seconds


def test_a_date_without_a_zone_is_utc_wherever_we_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert retry_after(reply(503, Retry_After="Fri, 15 Jan 2027 08:00:30 -0000")) == 30
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("ahead", ["08:10:00", "07:50:00"])
def test_a_date_to_wait_for_is_by_the_clock_of_who_names_it(ahead: str) -> None:
    busy = {"Date": f"Fri, 15 Jan 2027 {ahead} GMT", "Retry_After": f"Fri, 15 Jan 2027 {ahead[:-2]}30 GMT"}
    assert retry_after(reply(503, **busy)) == 30


def test_without_retry_after_there_is_none() -> None:
    assert retry_after(reply(503)) is None


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("No required SSL certificate was sent", "it wants a client certificate, and was shown none"),
        ("The SSL certificate error", "it does not accept our client certificate"),
    ],
)
def test_nginx_says_on_a_page_that_it_wants_another_certificate(title: str, words: str) -> None:
    page = f"<html><head><title>400 {title}</title></head><body>s3cret</body></html>"
    error = refusal("POST x", reply(400, page, Content_Type="text/html"))
    assert (error.symptom, error.unheeded) == (Symptom.TLS_CLIENT, True)
    assert error.sentence == f"POST x answered 400 (text/html): {words}"
    assert refusal("POST x", reply(400, page, Content_Type="text/plain")).symptom is Symptom.BAD_REQUEST
    assert refusal("POST x", reply(403, page, Content_Type="text/html")).symptom is Symptom.FORBIDDEN
