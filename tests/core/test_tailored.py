"""What has to look at each request."""

from proxy.core.message import NOTHING, Injection
from proxy.core.tailored import Signed, Tailored
from tests.compliance.injectors import prepared_of


def test_two_are_joined_in_their_order() -> None:
    one = Tailored(unless_header=((b"a", b"A: 1\r\n"),), unless_cookie=((b"c", b"1"),))
    two = Tailored(unless_header=((b"b", b"B: 1\r\n"),), unless_query=((b"q", b"q=1"),), moves=((b"x", b"Y"),))
    assert one.joined(two) == Tailored(
        (*one.unless_header, *two.unless_header), two.unless_query, one.unless_cookie, two.moves
    )
    assert one.joined(None) is one


def test_an_injection_without_any_has_none_after_joining() -> None:
    tailored = Tailored(moves=((b"x", b"Y"),))
    assert NOTHING.joined(Injection(lines=b"A: 1\r\n")).tailored is None
    assert NOTHING.joined(Injection(tailored=tailored)).tailored == tailored
    assert Injection(tailored=tailored).joined(NOTHING).tailored is tailored


def test_a_prepared_request_with_more_shows_it_as_the_wire_would() -> None:
    more = prepared_of(query="").with_more(b"X-Date: now: then\r\nX-Empty: \r\n", b"a=1&b=2")
    assert more.lines[-2:] == ((b"x-date", b"now: then"), (b"x-empty", b""))
    assert more.url == "https://api.example/v2/x?a=1&b=2"
    assert more.with_more(b"", b"c=3").query == "a=1&b=2&c=3"


def test_an_address_without_query_has_no_question_mark() -> None:
    assert prepared_of(query="", is_tls=False).url == "http://api.example/v2/x"


def test_nothing_of_it_is_printed() -> None:
    assert repr(Signed(b"Authorization: x\r\n", b"y")) == "<Signed>"
    assert "x" not in repr(Tailored(unless_query=((b"x", b"x=1"),))).removeprefix("Tailored(")
