"""Cookies come back to whom they came from, and to nobody else."""

import pytest

from proxy.core.message import Reply
from proxy.credentials.jar import LONGEST, MOST, Jar

NOW = 1_800_000_000.0
HERE = "https://login.api.example/app/login"


def jar(*lines: str, url: str = HERE) -> Jar:
    """Return a jar after a reply that sets these."""
    made = Jar()
    made.take(url, reply(*lines))
    return made


def reply(*lines: str) -> Reply:
    return Reply(200, tuple(("Set-Cookie", line) for line in lines), b"", NOW)


@pytest.mark.parametrize(
    ("line", "url", "is_sent"),
    [
        ("a=1", HERE, True),
        ("a=1", "https://login.api.example/app", True),
        ("a=1", "https://login.api.example/application", False),
        ("a=1", "https://login.api.example/", False),
        ("a=1; Path=/", "https://login.api.example/anything", True),
        ("a=1; Path=/other", "https://login.api.example/other/x", True),
        ("a=1; Path=/", "https://api.example/", False),
        ("a=1; Path=/", "https://x.login.api.example/", False),
        ("a=1; Path=/; Domain=api.example", "https://data.api.example/", True),
        ("a=1; Path=/; Domain=.API.example", "https://api.example/", True),
        ("a=1; Path=/; Domain=api.example", "https://evilapi.example/", False),
        ("a=1; Path=/; Domain=other.example", HERE, False),
        ("a=1; Path=/; Domain=example", HERE, False),
        ("a=1; Path=/; Secure", "https://login.api.example/", True),
        ("a=1; Path=/; Secure", "http://login.api.example/", False),
        ("a=1; Path=/; Expires=Fri, 15 Jan 2027 08:00:01 GMT", HERE, True),
        ("a=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT", HERE, False),
        ("a=1; Path=/; Max-Age=0; Expires=Fri, 15 Jan 2037 08:00:01 GMT", HERE, False),
        ("a=1; Path=/; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", HERE, True),
        ("a=1; Path=/; Expires=whenever", HERE, True),
        ("a=1; Path=/; Expires=Mon, 01 Jan 2020 00:00:00 +99999999999999", HERE, True),
        ("a=1; Path=/; Max-Age=soon; Expires=Thu, 01 Jan 1970 00:00:00 GMT", HERE, False),
    ],
)
def test_a_cookie_goes_where_a_browser_would_send_it(line: str, url: str, is_sent: bool) -> None:
    assert jar(line).line(url) == ("a=1" if is_sent else "")


def test_a_cookie_of_an_address_goes_to_that_address_alone() -> None:
    made = jar("a=1; Path=/; Domain=127.0.0.1", url="http://127.0.0.1:80/x")
    assert made.line("http://127.0.0.1:9000/") == "a=1"
    assert made.line("http://x.127.0.0.1/") == ""


def test_a_later_one_replaces_an_earlier_one_and_an_end_removes_it() -> None:
    made = jar("a=1; Path=/", "b=2; Path=/", "a=3; Path=/")
    assert made.line(HERE) == "b=2; a=3"
    made.take(HERE, reply("a=; Path=/; Max-Age=0"))
    assert made.line(HERE) == "b=2"


def test_the_longest_path_comes_first() -> None:
    assert jar("a=1; Path=/", "a=2; Path=/app").line(HERE) == "a=2; a=1"


def test_all_of_a_host_are_told_whatever_their_path() -> None:
    assert jar("a=1", "b=2; Path=/elsewhere", "c=3; Secure").all_for("https://login.api.example/") == "a=1; b=2; c=3"


def test_what_is_saved_can_be_opened_again() -> None:
    made = jar("a=1; Path=/; Domain=api.example; Secure", 'b="x y"')
    again = Jar.opened(made.saved())
    assert again.saved() == made.saved()
    assert again.line(HERE) == made.line(HERE)


@pytest.mark.parametrize("text", ["", "no json", "{}", "[[1]]", "7"])
def test_what_is_no_jar_opens_as_an_empty_one(text: str) -> None:
    assert Jar.opened(text).line(HERE) == ""


@pytest.mark.parametrize("line", ["", "no-pair", "=x", "a=é", "a=\x01", "a=" + "x" * LONGEST])
def test_what_is_malformed_is_left_out(line: str) -> None:
    assert jar(line).saved() == "[]"


def test_a_flood_is_bounded() -> None:
    made = jar(*(f"c{number}=1; Path=/" for number in range(MOST + 10)))
    assert len(made.line(HERE).split("; ")) == MOST
    made.take(HERE, reply("c0=2; Path=/"))
    assert "c0=2" in made.line(HERE)


def test_it_shows_no_value() -> None:
    made = jar("a=the-secret")
    assert "the-secret" not in repr(made) + repr([*made._kept.values()])
