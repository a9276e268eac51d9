"""What is said of a reply that cannot be read."""

import pytest

from proxy.core.message import Reply
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.credentials.unreadable import outline, unreadable
from proxy.extractors.base import FormatError

PAGE = "<!doctype html><html><head><title>Sign in</title></head><body>"


def said(body: str | bytes, place: str = "json $.token") -> TokenRequestError:
    sent = body.encode() if isinstance(body, str) else body
    reply = Reply(200, (("Content-Type", "text/html; charset=utf-8"),), sent, 0.0)
    return unreadable("POST a.example", reply, FormatError("the body is not JSON but text/html"), place)


@pytest.mark.parametrize(
    "page", [PAGE, f"\n <!-- a\nb --> {PAGE}", "<HTML>", "<html lang='en'>", "\ufeff<!DOCTYPE html>"]
)
def test_a_page_is_called_a_page(page: str) -> None:
    error = said(page)
    assert (error.symptom, error.sentence) == (Symptom.PAGE, "the reply to POST a.example is an HTML page (text/html)")


@pytest.mark.parametrize("field", ["<input type='password'>", '<INPUT class="x" type = "password"/>'])
def test_a_page_with_a_field_for_a_password_is_a_login_page(field: str) -> None:
    assert said(PAGE + "x" * 5000 + field).sentence.endswith("an HTML page (text/html), with a field for a password")


def test_what_is_no_page_is_shown_as_an_outline() -> None:
    error = said("access_token=s3cret-Value9&expires_in=3600")
    assert error.symptom is Symptom.NOT_JSON
    assert error.sentence == (
        "in the reply to POST a.example the body is not JSON but text/html"
        " and begins with xxxxxx_xxxxx=x0xxxx-xxxxx0&xxxxxxx_xx=0000"
    )


@pytest.mark.parametrize("body", ["", " \r\n"])
def test_an_empty_reply_is_called_empty(body: str) -> None:
    assert said(body).sentence.endswith("the body is not JSON but text/html, and empty")


def test_another_format_than_json_has_a_row_of_its_own() -> None:
    assert said("{}", "xml /token").symptom is Symptom.FORMAT


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<?xml version='1.0'?><Token>s3cret</Token>", "<?xml xxxxxxx='0.0'?><xxxxx>x0xxxx</xxxxx>"),
        ("<html><s3cret>", "<html><x0xxxx>"),
        ("callback({'a': 1})", "xxxxxxxx({'x': 0})"),
        ("ключ§%$#@\x00٣", "xxxxxxxxxx0"),
        ("a\nb\tc", "x x x"),
        ("x" * 100, "x" * 60),
        ("  {", "{"),
    ],
)
def test_an_outline_keeps_the_format_and_nothing_else(text: str, shown: str) -> None:
    assert outline(text) == shown


@pytest.mark.parametrize(
    "hostile",
    ["<" * 1_000_000, "<!--" * 250_000, "<!-- -->" * 125_000, "<input " * 150_000, "<input type" * 90_000],
)
def test_a_hostile_body_takes_no_time(hostile: str) -> None:
    assert said("<html>" + hostile).symptom is Symptom.PAGE
    assert said(hostile).symptom is Symptom.NOT_JSON
