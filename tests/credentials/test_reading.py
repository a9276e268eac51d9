"""Tokens in replies."""

import json
import math
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from proxy.core.message import Reply
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.core.token import Token
from proxy.credentials.expiry import DEFAULT_LIFETIME
from proxy.credentials.reading import EXPIRIES, LONGEST_TOKEN, AnyExpiry, Expiries, TokenReader, clean
from proxy.extractors import KINDS, AnyExtractor, Places
from proxy.extractors.base import Found

NOW = 1_800_000_000.0


def reader(expiry: Any = None, **token: Any) -> TokenReader:
    return TokenReader(
        TypeAdapter[Places](AnyExtractor).validate_python(token or {"from": "json", "path": "token"}),
        None if expiry is None else TypeAdapter[Expiries](AnyExpiry).validate_python(expiry),
    )


def read(made: TokenReader, body: str, **headers: str) -> Token:
    return made.read("POST auth.example", Reply(200, tuple(headers.items()), body.encode(), NOW))


def refused(made: TokenReader, body: str, **headers: str) -> TokenRequestError:
    with pytest.raises(TokenRequestError) as caught:
        read(made, body, **headers)
    assert "s3cret" not in str(caught.value)
    assert "POST auth.example" in str(caught.value)
    return caught.value


def test_token_and_expiry_are_read() -> None:
    expiry = {"from": "json", "path": "expires_in", "type": "seconds"}
    token = read(reader(expiry), '{"token": " abc\\n", "expires_in": 60}')
    assert (token.value.reveal(), token.issued_at, token.expires_at) == ("abc", NOW, NOW + 60)


def test_they_may_stand_in_different_places() -> None:
    made = reader({"from": "header", "name": "X-Expires", "type": "epoch"}, **{"from": "text"})
    token = read(made, "abc\n", **{"x-expires": str(NOW + 60)})
    assert (token.value.reveal(), token.expires_at) == ("abc", NOW + 60)


@pytest.mark.parametrize(
    "expiry", [None, {"type": "jwt"}, {"from": "token", "type": "jwt"}, {"from": "json", "path": "id", "type": "jwt"}]
)
def test_a_jwt_says_itself_when_it_expires(expiry: dict[str, Any] | None) -> None:
    token = jwt.encode({"exp": int(NOW) + 60}, "k" * 32, algorithm="HS256")
    assert read(reader(expiry), json.dumps({"token": token, "id": token})).expires_at == NOW + 60


@pytest.mark.parametrize("body", ['{"token": "abc"}', '{"token": "abc", "expires_in": null}'])
def test_a_provider_may_leave_the_expiry_out(body: str) -> None:
    assert read(reader({"from": "json", "path": "expires_in", "type": "seconds"}), body).expires_at == NOW + 300


def test_every_extractor_finds_expiries() -> None:
    assert [*EXPIRIES] == [*KINDS, "token"]


@pytest.mark.parametrize(
    ("expiry", "body"),
    [
        ({"from": "xml", "path": "/session/@ttl", "type": "seconds"}, '<session ttl="60">abc</session>'),
        ({"from": "form", "name": "expires", "type": "milliseconds"}, "expires=60000"),
        ({"from": "cookie", "name": "ends", "type": "epoch"}, ""),
        ({"from": "text", "pattern": "ends ([0-9]+)", "type": "epoch"}, f"ends {NOW + 60:.0f}"),
    ],
)
def test_an_expiry_may_stand_wherever_a_token_may(expiry: dict[str, Any], body: str) -> None:
    made = reader(expiry, **{"from": "header", "name": "X-Token"})
    headers = {"X-Token": "abc", "Set-Cookie": f"ends={NOW + 60:.0f}"}
    assert read(made, body, **headers).expires_at == NOW + 60


SECONDS = {"from": "json", "path": "expires_in", "type": "seconds"}
EPOCH = {"from": "json", "path": "expires_at", "type": "epoch"}


@pytest.mark.parametrize(
    ("body", "life"),
    [
        ({"expires_in": 60, "expires_at": NOW + 90}, 60),
        ({"expires_at": NOW + 90}, 90),
        ({"expires_in": None, "expires_at": NOW + 90}, 90),
        ({"expires_in": "", "expires_at": NOW + 90}, 90),
        ({}, DEFAULT_LIFETIME),
    ],
)
def test_of_several_expiries_each_has_its_own_type(body: dict[str, Any], life: float) -> None:
    assert read(reader([SECONDS, EPOCH]), json.dumps({"token": "abc", **body})).expires_at == NOW + life


def test_a_default_is_an_expiry_of_its_type() -> None:
    made = reader([EPOCH, {**SECONDS, "default": 1200}])
    assert read(made, '{"token": "abc"}').expires_at == NOW + 1200
    assert read(reader({**SECONDS, "default": "1200"}), '{"token": "abc"}').expires_at == NOW + 1200
    error = refused(reader({**SECONDS, "default": "s3cret"}), '{"token": "abc"}')
    assert "has at the default of json $.expires_in something that is not a number" in str(error)


@pytest.mark.parametrize("body", ["<!DOCTYPE html><form>", "<html>\n<input type=password>\n</html>"])
def test_a_page_is_no_token_even_where_the_whole_body_is_one(body: str) -> None:
    assert refused(reader(**{"from": "text"}), body).symptom is Symptom.PAGE


def test_the_token_itself_may_be_asked_last() -> None:
    made = reader([SECONDS, {"type": "jwt"}])
    token = jwt.encode({"exp": int(NOW) + 60}, "k" * 32, algorithm="HS256")
    assert made.expiry is not None
    assert made.expiry.place == "json $.expires_in or the token"
    assert read(made, json.dumps({"token": token})).expires_at == NOW + 60
    assert read(made, '{"token": "abc", "expires_in": 90}').expires_at == NOW + 90
    assert "a JWT with an `exp`" in str(refused(made, '{"token": "abc"}'))


@pytest.mark.parametrize(
    ("expiry", "message"),
    [
        ([{"type": "jwt"}, SECONDS], "put it last"),
        ([{**SECONDS, "default": 60}, EPOCH], "give it to the last"),
        ([], "at least 1 item"),
        ({"type": "jwt", "default": 60}, "should be None"),
    ],
)
def test_alternatives_that_could_never_be_asked_are_refused(expiry: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        reader(expiry)


def test_a_token_may_have_several_places_too() -> None:
    made = TokenReader(
        TypeAdapter[Places](AnyExtractor).validate_python(
            [{"from": "json", "path": "token"}, {"from": "cookie", "name": "sid"}, {"from": "xml", "path": "/token"}]
        ),
        None,
    )
    assert read(made, "{}", **{"Set-Cookie": "sid=abc"}).value.reveal() == "abc"
    assert read(made, "<token> abc </token>").value.reveal() == "abc"
    error = refused(made, '{"token": ""}')
    assert error.symptom is Symptom.TOKEN_NOT_FOUND
    for said in ("an empty text stands at json $.token", "sets no cookie sid", "the body is not XML"):
        assert said in str(error)


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("seconds", '"s3cret"'),
        ("seconds", "true"),
        ("seconds", "{}"),
        ("epoch", "60"),
        ("datetime", "60"),
        ("jwt", "60"),
    ],
)
def test_a_wrong_expiry_is_named_with_its_place_and_remedy(kind: str, found: str) -> None:
    made = reader({"from": "json", "path": "e", "type": kind})
    error = refused(made, f'{{"token": "abc", "e": {found}}}')
    assert error.symptom is Symptom.EXPIRY_WRONG
    assert "wrong expiry key or type" in str(error)
    assert "json $.e" in str(error)


def test_a_token_that_is_over_is_named_without_the_place_of_an_expiry_that_is_right() -> None:
    spent = jwt.encode({"exp": int(NOW) - 60}, "k" * 32, algorithm="HS256")
    made = reader({"from": "json", "path": "e", "type": "seconds"})
    error = refused(made, json.dumps({"token": spent, "e": 60}), Date="Fri, 15 Jan 2027 08:00:00 GMT")
    assert error.symptom is Symptom.EXPIRY_WRONG
    assert "has a JWT whose own `exp` had passed" in str(error)
    assert "this machine's clock" in str(error)


@pytest.mark.parametrize(
    ("body", "symptom"),
    [
        ("<html>s3cret</html>", Symptom.PAGE),
        ("", Symptom.NOT_JSON),
        ('{"access_token": "s3cret"}', Symptom.TOKEN_NOT_FOUND),
        ('{"token": null}', Symptom.TOKEN_NOT_FOUND),
        ('{"token": {"value": "s3cret"}}', Symptom.TOKEN_NOT_FOUND),
        ('{"token": true}', Symptom.TOKEN_NOT_FOUND),
        ('{"token": ""}', Symptom.TOKEN_EMPTY),
        ('{"token": " \\t"}', Symptom.TOKEN_EMPTY),
        ('{"token": 1.5}', Symptom.TOKEN_UNUSABLE),
        ('{"token": "s3cret\\r\\nX: 1"}', Symptom.TOKEN_CONTROL),
    ],
)
def test_a_reply_without_a_token_is_named(body: str, symptom: Symptom) -> None:
    assert refused(reader(), body, **{"Content-Type": "text/html"}).symptom is symptom


@pytest.mark.parametrize(("found", "value"), [(" abc\n", "abc"), (12345, "12345"), ("a b", "a b"), ("é~!", "é~!")])
def test_white_space_around_a_token_is_dropped(found: Found, value: str) -> None:
    assert clean(found) == value


@pytest.mark.parametrize(
    "found",
    [
        "a\rb",
        "a\nb",
        "a\x00b",
        "a\tb",
        "a\x7fb",
        "a\x85b",
        "a\xa0b",
        "a€",
        "a\udc80",
        "a\u200b",
        "x" * (LONGEST_TOKEN + 1),
    ],
)
def test_what_cannot_stand_in_a_header_is_no_token(found: str) -> None:
    with pytest.raises(ValueError, match="token") as caught:
        clean(found)
    assert found not in str(caught.value)


@pytest.mark.parametrize(
    "expiry",
    [
        {"type": "seconds"},
        {"from": "token", "type": "seconds"},
        {"from": "json", "path": "e", "type": "s"},
        {"from": "json", "path": "e"},
    ],
)
def test_an_incomplete_expiry_is_refused(expiry: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        reader(expiry)


class Issuer:
    """Issues tokens of a certain life by a clock of its own, and says so in every way there is."""

    def __init__(self, lasts: float, *, ahead: float = 0.0) -> None:
        self.lasts = lasts
        self.ahead = ahead

    def reply(self, kind: str | None, *, when: float, our_clock: float, way: float = 0.0, date: bool = True) -> Reply:
        """Return what it says at that true moment, as it is received on our clock `way` seconds later."""
        there = when + self.ahead
        ends = there + self.lasts
        bearer = "opaque"
        if kind in {"jwt", None}:
            bearer = jwt.encode({"iat": there, "exp": ends}, "k" * 32, algorithm="HS256")
        said: dict[str | None, Any] = {
            "seconds": self.lasts,
            "milliseconds": self.lasts * 1000,
            "epoch": ends,
            "epoch_ms": ends * 1000,
            "datetime": datetime.fromtimestamp(ends, UTC).isoformat(),
        }
        body = json.dumps({"token": bearer, "e": said.get(kind)}).encode()
        line = ("Date", format_datetime(datetime.fromtimestamp(math.floor(there), UTC), usegmt=True))
        return Reply(200, (line,) if date else (), body, our_clock + way)


def reader_of(kind: str | None) -> TokenReader:
    if kind is None:
        return reader()
    return reader({"type": "jwt"} if kind == "jwt" else {"from": "json", "path": "e", "type": kind})


def believed(kind: str | None, reply: Reply) -> float:
    token = reader_of(kind).read("POST auth.example", reply)
    assert token.expires_at is not None
    return token.expires_at - token.issued_at


MOMENTS: Final[list[str | None]] = ["datetime", "epoch", "epoch_ms", "jwt", None]
DURATIONS: Final[list[str | None]] = ["seconds", "milliseconds"]
WRONG = [-600.0, -31.0, 0.0, 31.0, 600.0]
CLOSE = 4.0
"""Seconds: whole ones in a Date, those of the way, and those by which clocks may differ and yet agree."""


@pytest.mark.parametrize("kind", MOMENTS + DURATIONS)
@pytest.mark.parametrize("ours", WRONG)
@pytest.mark.parametrize("theirs", WRONG)
def test_no_clock_that_is_ten_minutes_wrong_changes_what_is_believed_of_a_token_s_life(
    kind: str | None, ours: float, theirs: float
) -> None:
    for lasts in (60.0, 300.0, 3600.0):
        reply = Issuer(lasts, ahead=theirs).reply(kind, when=NOW, our_clock=NOW + ours)
        assert believed(kind, reply) == pytest.approx(lasts, abs=CLOSE)


CLOCKS = st.floats(-600.0, 600.0)


@given(
    kind=st.sampled_from(MOMENTS + DURATIONS),
    lasts=st.floats(10.0, 1e7),
    ours=CLOCKS,
    theirs=CLOCKS,
    when=st.floats(1.7e9, 2.2e9),
    way=st.floats(0.0, 1.0),
)
def test_the_life_that_is_believed_is_the_true_one_whatever_the_clocks_show(
    kind: str | None, lasts: float, ours: float, theirs: float, when: float, way: float
) -> None:
    reply = Issuer(lasts, ahead=theirs).reply(kind, when=when, our_clock=when + ours, way=way)
    assert believed(kind, reply) == pytest.approx(lasts, abs=CLOSE)


@given(kind=st.sampled_from(MOMENTS + DURATIONS), jump=CLOCKS, theirs=CLOCKS)
def test_after_our_clock_has_jumped_the_next_token_s_life_is_true_again(
    kind: str | None, jump: float, theirs: float
) -> None:
    issuer = Issuer(300.0, ahead=theirs)
    before = issuer.reply(kind, when=NOW, our_clock=NOW)
    after = issuer.reply(kind, when=NOW + 240, our_clock=NOW + 240 + jump)
    assert believed(kind, before) == pytest.approx(300, abs=CLOSE)
    assert believed(kind, after) == pytest.approx(300, abs=CLOSE)


@given(kind=st.sampled_from(DURATIONS), ours=CLOCKS, theirs=CLOCKS, lasts=st.floats(10.0, 1e7))
def test_what_is_counted_from_now_needs_no_clock_at_all(
    kind: str | None, ours: float, theirs: float, lasts: float
) -> None:
    reply = Issuer(lasts, ahead=theirs).reply(kind, when=NOW, our_clock=NOW + ours, date=False)
    assert believed(kind, reply) == pytest.approx(lasts)


@given(kind=st.sampled_from(["jwt", None]), ours=CLOCKS, theirs=CLOCKS, lasts=st.floats(10.0, 1e7))
def test_without_a_date_no_jwt_is_refused_and_none_is_believed_longer_than_it_was_made_for(
    kind: str | None, ours: float, theirs: float, lasts: float
) -> None:
    behind = max(0.0, ours - theirs)
    life = believed(kind, Issuer(lasts, ahead=theirs).reply(kind, when=NOW, our_clock=NOW + ours, date=False))
    assert 0 < life <= lasts + 1e-3
    assert life == pytest.approx(lasts - behind if lasts > behind else lasts, abs=1e-3)


@given(ours=CLOCKS, theirs=CLOCKS, date=st.booleans())
def test_an_opaque_token_of_unknown_life_gets_five_minutes_by_any_clock(ours: float, theirs: float, date: bool) -> None:
    reply = Issuer(7.0, ahead=theirs).reply("seconds", when=NOW, our_clock=NOW + ours, date=date)
    assert believed(None, reply) == DEFAULT_LIFETIME


@given(
    kind=st.sampled_from(MOMENTS + DURATIONS),
    lasts=st.floats(60.0, 86_400.0),
    absurd=st.integers(86_400, 10**9),
    sign=st.sampled_from([1, -1]),
)
def test_a_date_that_is_days_or_years_wrong_makes_nothing_worse(
    kind: str | None, lasts: float, absurd: int, sign: int
) -> None:
    true = Issuer(lasts).reply(kind, when=NOW, our_clock=NOW)
    date = format_datetime(datetime.fromtimestamp(NOW + sign * absurd, UTC), usegmt=True)
    assert believed(kind, Reply(200, (("Date", date),), true.body, NOW)) == pytest.approx(lasts, abs=1e-3)
