"""Odd expiries: lives, moments, and what a JWT says of itself."""

from typing import Any, Final

import jwt

from proxy.core.symptom import Symptom
from tests.faults.odd_replies.row import NOW, Odd, expiring, reply, typed

WRONG: Final = Symptom.EXPIRY_WRONG
NEVER: Final = 253_402_300_799.0 - NOW
"""Seconds until the year 9999 ends."""


def signed(**claims: Any) -> str:
    return jwt.encode(claims, "k" * 32, algorithm="HS256")


def bearing(token: str, *lines: str, expiry: str = "") -> bytes:
    return reply(f'{{"access_token": "{token}", "token_type": "Bearer"{expiry}}}', *lines)


def claiming(words: str, plain: float | Symptom, oauth: float | Symptom, *, expiry: str = "", **claims: Any) -> Odd:
    token = signed(**claims)
    return Odd(words, bearing(token, expiry=expiry), plain, oauth, token=token)


LIVES: Final = (
    Odd("a number of seconds", expiring("3600"), 3600, 3600),
    Odd("a negative number", expiring("-3600"), WRONG, 300),
    Odd("zero", expiring("0"), WRONG, 300),
    Odd("minus zero", expiring("-0.0"), WRONG, 300),
    Odd("a fraction", expiring("3599.5"), 3599.5, 3599.5),
    Odd("scientific notation", expiring("3.6e3"), 3600, 3600),
    Odd("a text of digits", expiring('"3600"'), 3600, 3600),
    Odd("a text of digits with blanks around", expiring('" 3600 "'), 3600, 3600),
    Odd("a text in scientific notation", expiring('"3.6e3"'), 3600, 3600),
    Odd("a text with a unit", expiring('"3600s"'), WRONG, 300),
    Odd("a text with a comma", expiring('"3,600"'), WRONG, 300),
    Odd("a text of Arabic digits", expiring('"٣٦٠٠"'), WRONG, 300),
    Odd("an empty text", expiring('""'), WRONG, 300),
    Odd("`null`", expiring("null"), 300, 300),
    Odd("`true`", expiring("true"), WRONG, 300),
    Odd("a list", expiring("[3600]"), WRONG, 300),
    Odd("an object", expiring('{"seconds": 3600}'), WRONG, 300),
    Odd("the largest number of 64 bits", expiring("9223372036854775807"), WRONG, 300),
    Odd("a number of 400 digits", expiring("9" * 400), WRONG, 300),
    Odd("a number of 5000 digits", expiring("9" * 5000), Symptom.NOT_JSON, Symptom.NOT_JSON),
    Odd("a number beyond all doubles", expiring("1e999"), WRONG, 300),
    Odd("`NaN`", expiring("NaN"), Symptom.NOT_JSON, Symptom.NOT_JSON),
    Odd("a moment in place of a life", expiring(str(NOW + 3600)), WRONG, 300),
    Odd("milliseconds where seconds are read", expiring("3600000"), 3_600_000, 3_600_000, doubtful=True),
    Odd("seconds where milliseconds are read", expiring("3600"), 3.6, given=typed("milliseconds"), doubtful=True),
    Odd("milliseconds", expiring("3600000"), 3600, given=typed("milliseconds")),
    Odd("no such key", bearing("abc-def"), 300, 300),
    Odd("the key twice", expiring('1, "expires_in": 3600'), 3600, 3600),
    Odd("a reply that lay in a cache for ten minutes", expiring("3600", "Age: 600"), 3000, 3000),
    Odd("a reply that lay in a cache for longer than it lives", expiring("3600", "Age: 7200"), WRONG, 300),
    Odd(
        "several matches of the path",
        reply('{"access_token": "abc-def", "all": [{"life": 60}, {"life": 90}]}'),
        WRONG,
        given={"expiry": {"from": "json", "path": "$.all[*].life", "type": "seconds"}},
    ),
)


def moment(words: str, value: str, outcome: float | Symptom, kind: str = "datetime", *lines: str) -> Odd:
    return Odd(words, expiring(value, *lines), outcome, given=typed(kind))


DATES: Final = (
    moment("a date in UTC", '"2027-01-15T09:00:00Z"', 3600),
    moment("a date with small letters", '"2027-01-15t09:00:00z"', 3600),
    moment("a date without a zone", '"2027-01-15T09:00:00"', 3600),
    moment("a date with a blank in place of the T", '"2027-01-15 09:00:00"', 3600),
    moment("a date with an offset", '"2027-01-15T11:00:00+02:00"', 3600),
    moment("a date with an offset without a colon", '"2027-01-15T11:00:00+0200"', 3600),
    moment("a date with milliseconds", '"2027-01-15T09:00:00.500Z"', 3600.5),
    moment("a date with seven digits of a second", '"2027-01-15T09:00:00.5000000Z"', 3600.5),
    moment("a date without separators", '"20270115T090000Z"', 3600),
    moment("a day without a time", '"2027-01-16"', 57_600),
    moment("a date of HTTP", '"Fri, 15 Jan 2027 09:00:00 GMT"', WRONG),
    moment("a date of .NET", '"/Date(1800003600000)/"', WRONG),
    moment("a date of the past", '"2027-01-15T07:00:00Z"', WRONG),
    moment("a day that does not exist", '"2027-02-30T09:00:00Z"', WRONG),
    moment("the end of time", '"9999-12-31T23:59:59Z"', NEVER),
    moment("an empty date", '""', WRONG),
    moment("a number where a date is read", str(NOW + 3600), WRONG),
    moment("a number of Unix seconds", str(NOW + 3600), 3600, "epoch"),
    moment("a text of Unix seconds", f'"{NOW + 3600}"', 3600, "epoch"),
    moment("Unix seconds with a fraction", f"{NOW + 3600}.25", 3600.25, "epoch"),
    moment("Unix seconds of the past", str(NOW - 1), WRONG, "epoch"),
    moment("Unix milliseconds where seconds are read", str((NOW + 3600) * 1000), WRONG, "epoch"),
    moment("Unix seconds where milliseconds are read", str(NOW + 3600), WRONG, "epoch_ms"),
    moment("Unix milliseconds", str((NOW + 3600) * 1000), 3600, "epoch_ms"),
    moment("a date where a number is read", '"2027-01-15T09:00:00Z"', WRONG, "epoch"),
)


def dated(wire: bytes, date: str) -> bytes:
    return wire.replace(b"Date: Fri, 15 Jan 2027 08:00:00 GMT\r\n", date.encode())


LATE: Final = signed(iat=NOW - 86_400, exp=NOW - 85_800)
OVER: Final = signed(exp=NOW - 60)
AHEAD: Final = reply(f'{{"access_token": "abc-def", "expires_at": {NOW + 600 + 3600}}}')
BY_CLOCK: Final = {"expiry": {"from": "json", "path": "expires_at", "type": "epoch"}}
ITSELF: Final = {"expiry": {"type": "jwt"}}

JWTS: Final = (
    claiming("an `exp` and no `expires_in`", 600, 600, exp=NOW + 600),
    claiming("an `exp` before `expires_in`", 600, 600, expiry=', "expires_in": 3600', exp=NOW + 600),
    claiming("an `exp` after `expires_in`", 3600, 3600, expiry=', "expires_in": 3600', exp=NOW + 9000),
    claiming("an `exp` that has passed", WRONG, WRONG, exp=NOW - 60),
    claiming("an `exp` that has passed, beside `expires_in`", WRONG, WRONG, expiry=', "expires_in": 9', exp=NOW - 60),
    Odd(
        "an `exp` that has passed, beside `expires_in`, in a reply without a date",
        dated(bearing(OVER, expiry=', "expires_in": 3600'), ""),
        3600,
        3600,
        token=OVER,
    ),
    claiming("an `exp` in milliseconds", 600, 600, exp=(NOW + 600) * 1000),
    claiming("an `exp` of zero", 300, 300, exp=0),
    claiming("no `exp`", 300, 300, sub="me"),
    claiming("an `exp` and an `iat`", 600, 600, iat=NOW, exp=NOW + 600),
    Odd(
        "an `exp` and an `iat` by a clock a day behind, without a date", dated(bearing(LATE), ""), 600, 600, token=LATE
    ),
    Odd("no JWT where one should be", bearing("abc-def"), WRONG, given=ITSELF),
    Odd("two dots and no JWT", bearing("a.b.c"), 300, 300, token="a.b.c"),
    Odd("five parts, as an encrypted JWT has", bearing("a.b.c.d.e"), 300, 300, token="a.b.c.d.e"),
    Odd("a clock ten minutes ahead", dated(AHEAD, "Date: Fri, 15 Jan 2027 08:10:00 GMT\r\n"), 3600, given=BY_CLOCK),
    Odd("a clock nine hours ahead", dated(AHEAD, "Date: Fri, 15 Jan 2027 17:00:00 GMT\r\n"), 4200, given=BY_CLOCK),
    Odd("no date", dated(AHEAD, ""), 4200, given=BY_CLOCK),
    Odd("a date that is none", dated(AHEAD, "Date: today\r\n"), 4200, given=BY_CLOCK),
    Odd("two dates", dated(AHEAD, "Date: Fri, 15 Jan 2027 08:10:00 GMT\r\n" * 2), 4200, given=BY_CLOCK),
)
