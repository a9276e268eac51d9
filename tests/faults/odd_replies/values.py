"""Odd values in the token's place."""

from typing import Any, Final

from proxy.core.symptom import Symptom
from tests.faults.odd_replies.row import Odd, holding, reply

NOT_FOUND: Final = Symptom.TOKEN_NOT_FOUND
NOT_OAUTH: Final = Symptom.NOT_OAUTH
UNUSABLE: Final = Symptom.TOKEN_UNUSABLE
CONTROL: Final = Symptom.TOKEN_CONTROL
EMPTY: Final = Symptom.TOKEN_EMPTY


def at(path: str) -> dict[str, Any]:
    return {"token": {"from": "json", "path": path}}


def both(words: str, wire: bytes, outcome: float | Symptom, **more: Any) -> Odd:
    return Odd(words, wire, outcome, outcome, **more)


TOKENS: Final = (
    both("a line break at the end", holding('"abc-def\\n"'), 3600),
    both("blanks around", holding('"  abc-def\\t"'), 3600),
    both("a line break inside", holding('"abc\\r\\nX-Admin: 1"'), CONTROL),
    both("a tab inside", holding('"abc\\tdef"'), CONTROL),
    both("a NUL", holding('"abc\\u0000"'), CONTROL),
    both("a delete character", holding('"abc\\u007fdef"'), CONTROL),
    both("a line separator of Unicode", holding('"abc\\u2028def"'), CONTROL),
    both("a blank inside", holding('"abc def"'), 3600, token="abc def"),
    both("`Bearer` before it", holding('"Bearer abc-def"'), 3600, token="Bearer abc-def"),
    both("quotes around, inside the text", holding('"\\"abc-def\\""'), 3600, token='"abc-def"'),
    both("a letter of latin-1", holding('"abc-d\\u00e9f"'), 3600, token="abc-déf"),
    both("letters beyond latin-1", holding('"ключ-ключ"'), UNUSABLE),
    both("a blank of no width", holding('"abc\\u200bdef"'), UNUSABLE),
    both("half a surrogate pair", holding('"abc\\ud800"'), UNUSABLE),
    both("an emoji", holding('"abc-😀"'), UNUSABLE),
    both("16 KiB", holding('"' + "a" * 16_384 + '"'), 3600, token="a" * 16_384),
    both("20 KB", holding('"' + "a" * 20_000 + '"'), UNUSABLE),
    both("an empty text", holding('""'), EMPTY),
    both("a text of blanks", holding('"  "'), EMPTY),
    Odd("a number", holding("4711"), 3600, NOT_OAUTH, token="4711"),
    Odd("a number of 20 digits", holding("12345678901234567890"), 3600, NOT_OAUTH, token="12345678901234567890"),
    Odd("a fraction", holding("0.5"), UNUSABLE, NOT_OAUTH),
    Odd("`true`", holding("true"), NOT_FOUND, NOT_OAUTH),
    Odd("`null`", holding("null"), NOT_FOUND, NOT_OAUTH),
    Odd("a list", holding('["abc-def"]'), NOT_FOUND, NOT_OAUTH),
    Odd("an object", holding('{"value": "abc-def"}'), NOT_FOUND, NOT_OAUTH),
    both("the key twice, of which the last counts", holding('"abc", "access_token": "abc-def"'), 3600),
    Odd("the key in another case", reply('{"Access_Token": "abc-def"}'), NOT_FOUND, NOT_OAUTH),
    Odd("camel case", reply('{"accessToken": "abc-def", "expiresIn": 3600}'), NOT_FOUND, NOT_OAUTH),
    Odd("deeper than it should be", reply('{"data": {"access_token": "abc-def"}}'), NOT_FOUND, NOT_OAUTH),
    Odd("deeper, as configured", reply('{"data": {"jwt": "abc-def"}}'), 300, given=at("$.data.jwt")),
    Odd("several matches", reply('{"all": [{"t": "abc"}, {"t": "def"}]}'), NOT_FOUND, given=at("$.all[*].t")),
    Odd("one match of several that could be", reply('{"all": [{"t": "abc-def"}]}'), 300, given=at("$.all[*].t")),
    Odd("an `id_token` alone", reply('{"id_token": "abc-def", "expires_in": 3600}'), NOT_FOUND, NOT_OAUTH),
    both("no token type", reply('{"access_token": "abc-def", "expires_in": 3600}'), 3600),
    both("a token type in small letters", reply('{"access_token": "abc-def", "token_type": "bearer"}'), 300),
    Odd("a token of another type", reply('{"access_token": "abc-def", "token_type": "mac"}'), 300, Symptom.TOKEN_TYPE),
    Odd(
        "a token type that is a number", reply('{"access_token": "abc-def", "token_type": 1}'), 300, Symptom.TOKEN_TYPE
    ),
)
