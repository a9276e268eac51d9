"""Values of cookies."""

from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from proxy.core.message import Reply
from proxy.extractors.base import ExtractError, NotFoundError
from proxy.extractors.cookie import Cookie, CookieSettings
from tests.compliance.extractors import ExtractorCompliance, reply_of

PAST, FUTURE = "Fri, 15 Jan 2027 07:59:59 GMT", "Fri, 15 Jan 2027 08:00:01 GMT"


class TestCookie(ExtractorCompliance):
    word: ClassVar[str] = "cookie"
    settings: ClassVar[dict[str, Any]] = {"name": "sid"}

    def reply(self, value: str) -> Reply:
        return reply_of(b"", ("set-cookie", f"sid={value}; Path=/; HttpOnly; SameSite=Lax"), ("Set-Cookie", "other=x"))


def found(*lines: str, **more: str) -> str:
    headers = [("Set-Cookie", line) for line in lines] + list(more.items())
    return Cookie(CookieSettings.model_validate({"from": "cookie", "name": "sid"})).find(reply_of(b"", *headers))


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("sid=abc", "abc"),
        (" sid = a b ;secure", "a b"),
        ("sid=a=b==; Path=/", "a=b=="),
        ('sid="abc"', '"abc"'),
        (f"sid=abc; Expires={FUTURE}", "abc"),
        ("sid=abc; Max-Age=1", "abc"),
        (f"sid=abc; Max-Age=60; Expires={PAST}", "abc"),
        ("sid=abc; Max-Age=soon; Expires=never", "abc"),
        ("sid=abc; Max-Age; Expires", "abc"),
    ],
)
def test_the_value_is_had_without_attributes(line: str, value: str) -> None:
    assert found(line) == value


@pytest.mark.parametrize(
    "line",
    [
        "SID=s3cret",
        "sid2=s3cret",
        "sid=",
        "sid",
        "sid=s3cret; Max-Age=0",
        "sid=s3cret; Max-Age=-1",
        "sid=s3cret; max-age=000",
        f"sid=s3cret; Expires={PAST}",
        "sid=s3cret; expires=Thu, 01-Jan-1970 00:00:00 GMT",
        "sid=s3cret; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/",
    ],
)
def test_another_name_an_empty_value_and_a_cookie_that_is_over_are_nothing(line: str) -> None:
    with pytest.raises(NotFoundError, match="the reply sets no cookie sid") as caught:
        found(line)
    assert "s3cret" not in str(caught.value)


def test_the_server_s_own_clock_says_whether_a_cookie_is_over() -> None:
    line = "sid=abc; Expires=Fri, 15 Jan 2027 07:30:00 GMT"
    assert found(line, Date="Fri, 15 Jan 2027 07:00:00 GMT") == "abc"
    with pytest.raises(NotFoundError):
        found(line)


def test_of_two_for_one_place_the_later_one_counts() -> None:
    assert found("sid=old; Path=/", "sid=new; path=/") == "new"
    assert found("sid=; Max-Age=0; Path=/", "sid=new; Path=/") == "new"
    assert found("sid=; Max-Age=0; Path=/old", "sid=new; Path=/") == "new"
    assert found("sid=same; Path=/a", "sid=same; Path=/b") == "same"
    with pytest.raises(NotFoundError):
        found("sid=new; Path=/", "sid=; Max-Age=0; Path=/")


def test_two_values_for_different_places_are_not_one() -> None:
    with pytest.raises(ExtractError, match="2 values of cookie sid, not one") as caught:
        found("sid=s3cret; Path=/a", "sid=s4cret; Path=/b")
    assert "cret" not in str(caught.value)


@given(st.text(st.characters(max_codepoint=0xFF)), st.text(st.sampled_from("0123456789-: GMTJanFri,"), max_size=80))
def test_any_line_is_a_value_or_an_extract_error(line: str, date: str) -> None:
    for written in (line, f"sid={line}", f"sid=x; expires={date}; max-age={date[:3]}"):
        try:
            value = found(written)
        except ExtractError:
            continue
        assert value
        assert ";" not in value


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a;b"])
def test_what_is_no_name_of_a_cookie_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        CookieSettings.model_validate({"from": "cookie", "name": name})
