"""What a person may see of requests and replies."""

import json
from typing import Any

import pytest

from proxy.core.message import Reply
from proxy.core.secret import Secret
from proxy.credentials.request import RequestSettings
from proxy.credentials.showing import (
    mask,
    sent_values,
    show_address,
    show_answered,
    show_clocks,
    show_headers,
    show_received,
    show_sent,
)
from proxy.net.endpoint import EndpointRequest


def reply(document: Any) -> Reply:
    return Reply(200, (), json.dumps(document).encode(), 0.0)


def sent(body: bytes, content_type: str) -> Any:
    return show_sent(EndpointRequest("POST", "https://a.example/", (("Content-Type", content_type),), body))


def test_texts_are_masked_and_keys_and_numbers_are_not() -> None:
    document = {
        "access_token": "s3cret",
        "expires_in": 3600,
        "token_type": "Bearer",
        "ok": True,
        "l": ["s3cret", 1.5, "abcd", ""],
    }
    assert mask(document) == {
        "access_token": "***",
        "expires_in": 3600,
        "token_type": "Bearer",
        "ok": True,
        "l": ["***", 1.5, "***", ""],
    }


@pytest.mark.parametrize("pin", ["a", "1234", "Bearer", "s3cret-" * 9])
def test_a_text_is_masked_however_short_or_common_it_is(pin: str) -> None:
    assert mask({"access_token": pin, "nested": {"error": {"code": pin}, "scope": [pin]}}) == {
        "access_token": "***",
        "nested": {"error": {"code": "***"}, "scope": ["***"]},
    }
    assert sent(json.dumps({"pin": pin}).encode(), "application/json") == {"pin": "***"}


def test_texts_under_harmless_keys_are_shown_without_known_secrets_and_up_to_a_length() -> None:
    secret = Secret("s3cret-one")
    assert mask({"error": "invalid_grant", "scope": "a s3cret-one", "token_type": "x" * 101}) == {
        "error": "invalid_grant",
        "scope": f"a {secret}",
        "token_type": "***",
    }


@pytest.mark.parametrize("text", ["no such key: abc", "sk_live_4711", "INVALID", "a" * 101])
def test_a_text_under_a_harmless_key_is_masked_unless_it_has_a_harmless_form(text: str) -> None:
    assert mask({"error": text}) == {"error": "***"}


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("access_token", "access_token"),
        ("http://schemas.example/claims/2005", "***"),
        ("oauth2_session_v1_id", "oauth2_session_v1_id"),
        ("0123456789abcdef0123", "***"),
        ("x" * 61, "***"),
        ("42", "42"),
    ],
)
def test_a_key_that_is_an_identifier_is_masked(key: str, shown: str) -> None:
    assert mask({key: 1}) == {shown: 1}


def test_what_is_hidden_is_shown_nowhere_not_even_as_a_number() -> None:
    document = {"sid": 123456, "expires_in": 300, "error": "sid 123456", "ok": [123456, True]}
    shown = {"sid": "***", "expires_in": 300, "error": "***", "ok": ["***", True]}
    assert mask(document, {"123456"}) == shown
    assert show_received(reply(document), {"123456"}) == shown


def test_an_endless_document_is_cut() -> None:
    deep: Any = "x"
    for _ in range(500):
        deep = [deep]
    assert str(mask(deep)).count("[") == 8
    assert len(mask(list(range(1000)))) == 51
    assert mask({str(number): number for number in range(60)})["..."] == 10


def test_what_was_filled_into_a_path_is_masked_however_short_it_is() -> None:
    settings = RequestSettings.model_validate({"url": "https://a.example/t/{{ PIN }}/token?x={{ PIN }}"})
    request = settings.build({"PIN": Secret("7")})
    assert request.url == "https://a.example/t/7/token?x=7"
    assert show_address(request) == "https://a.example/t/***/token?x=***"


def test_an_address_keeps_its_path_and_the_names_of_its_query() -> None:
    key = Secret("s3cret-in-path")
    request = EndpointRequest("GET", f"https://a.example/{key.reveal()}/token?client_secret=s3cret&empty=&id=1&s3cret")
    assert show_address(request) == "https://a.example/***/token?client_secret=***&empty=***&id=***&***"


def test_headers_are_masked_unless_they_negotiate_formats() -> None:
    headers = (("Authorization", "Basic s3cret"), ("X", "1"), ("Content-Type", "text/xml"))
    assert show_headers(headers) == {"Authorization": "***", "X": "***", "Content-Type": "text/xml"}


def test_what_is_sent_is_masked_however_short_it_is() -> None:
    form = sent(b"grant_type=client_credentials&client_secret=abc", "application/x-www-form-urlencoded")
    assert form == {"grant_type": "client_credentials", "client_secret": "***"}
    assert sent(b'{"pin": "1", "n": 1}', "application/json") == {"pin": "***", "n": 1}
    assert sent(b"<pin>1</pin>", "text/xml") == "*** (12 bytes)"
    assert sent(b"", "text/xml") is None


@pytest.mark.parametrize(
    "body",
    [b"client_secret=s3cret&scope=read-all&pin=1234", b'{"a": [{"client_secret": "s3cret"}], "scope": "read-all"}'],
)
def test_what_was_sent_as_a_value_is_known_again_unless_it_is_nobody_s_secret(body: bytes) -> None:
    request = EndpointRequest("POST", "https://a.example/?key=s3cret-query&scope=read", (("X", "s3cret-head"),), body)
    assert sent_values(request) == {"s3cret", "s3cret-query", "s3cret-head"}


def test_a_reply_that_is_no_tree_is_only_measured() -> None:
    page = Reply(200, (("Content-Type", "text/html; charset=utf-8"),), b"<html>s3cret", 0.0)
    assert show_received(page) == "*** (12 bytes, text/html): <html>x0xxxx"
    assert show_received(Reply(204, (), b"", 0.0)) == ""


def test_a_reply_that_is_a_form_is_shown_as_a_tree() -> None:
    form = Reply(200, (("Content-Type", "application/x-www-form-urlencoded"),), b"access_token=s3cret&scope=repo", 0.0)
    assert show_received(form) == {"access_token": "***", "scope": "repo"}
    assert show_received(form, {"repo"}) == {"access_token": "***", "scope": "***"}


def test_the_headers_of_a_reply_are_masked_unless_they_have_a_harmless_form() -> None:
    headers = (
        ("Content-Type", "application/json; charset=s3cret"),
        ("Date", "Fri, 15 Jan 2027 08:00:00 GMT"),
        ("Retry-After", "120"),
        ("Age", "s3cret"),
        ("Content-Length", "s3cret"),
        ("Set-Cookie", "sid=s3cret; Path=/s3cret"),
        ("Set-Cookie", "s3cret"),
        ("Set-Cookie", "csrf=s3cret"),
        ("X-Auth-Token", "s3cret"),
        ("Location", "https://login.example/s3cret"),
        ("WWW-Authenticate", "Basic"),
    )
    assert show_answered(Reply(200, headers, b"", 0.0)) == {
        "Content-Type": "application/json",
        "Date": "Fri, 15 Jan 2027 08:00:00 GMT",
        "Retry-After": "120",
        "Age": "***",
        "Content-Length": "***",
        "Set-Cookie": "sid=***, ***, csrf=***",
        "X-Auth-Token": "***",
        "Location": "***",
        "WWW-Authenticate": "Basic",
    }


@pytest.mark.parametrize("offset", [None, 0.0, 30.0, -30.0])
def test_clocks_that_go_alike_are_not_told_of(offset: float | None) -> None:
    assert show_clocks(offset) is None


@pytest.mark.parametrize(
    ("offset", "said"),
    [
        (31.0, "31 s ahead of"),
        (-119.0, "119 s behind"),
        (600.4, "10 min ahead of"),
        (-7140.0, "119 min behind"),
        (7200.0, "2 h ahead of"),
        (-1e9, "11574 days behind"),
    ],
)
def test_clocks_that_differ_are_told_of_in_a_unit_that_a_person_can_compare(offset: float, said: str) -> None:
    assert show_clocks(offset) == f"the issuer's clock is {said} this machine's"
