"""Odd bodies: other formats, other encodings, other sizes."""

import gzip
import zlib
from typing import Any, Final

from proxy.core.symptom import Symptom
from tests.faults.odd_replies.row import GOOD_BODY, Odd, reply
from tests.faults.odd_replies.values import NOT_FOUND, NOT_OAUTH, at, both

NOT_JSON: Final = Symptom.NOT_JSON
ENCODING: Final = Symptom.ENCODING
TOO_LARGE: Final = Symptom.TOO_LARGE
HTML: Final = "text/html; charset=utf-8"
LOGIN: Final = "<!DOCTYPE html><html><body><form><input type='password'></form></body></html>"
MIB: Final = 1024 * 1024
RAW: Final = GOOD_BODY.encode()


def deflated(data: bytes) -> bytes:
    bare = zlib.compressobj(wbits=-15)
    return bare.compress(data) + bare.flush()


def padded(size: int) -> str:
    return GOOD_BODY[:-1] + ', "more": "' + "x" * (size - len(GOOD_BODY) - 12) + '"}'


def coded(coding: str, body: bytes) -> bytes:
    return reply(body, f"Content-Encoding: {coding}")


def looking(place: str, **more: str) -> dict[str, Any]:
    return {"token": {"from": place, **more}, "expiry": None}


BODIES: Final = (
    both("a page", reply("<html><h1>Welcome</h1></html>", kind=HTML), Symptom.PAGE),
    both("a login page", reply(LOGIN, kind=HTML), Symptom.PAGE),
    both("a page that calls itself JSON", reply(LOGIN), Symptom.PAGE),
    both("nothing", reply(""), NOT_JSON),
    both("blanks", reply(" \r\n"), NOT_JSON),
    Odd("`null`", reply("null"), NOT_FOUND, NOT_OAUTH),
    Odd("a bare text of JSON", reply('"abc-def"'), NOT_FOUND, NOT_OAUTH),
    Odd("a list", reply(f"[{GOOD_BODY}]"), NOT_FOUND, NOT_OAUTH),
    Odd("a list, as configured", reply(f"[{GOOD_BODY}]"), 300, given=at("$[0].access_token")),
    Odd("an empty object", reply("{}"), NOT_FOUND, NOT_OAUTH),
    both("a byte order mark", reply(b"\xef\xbb\xbf" + RAW), 3600),
    both("UTF-16", reply(GOOD_BODY.encode("utf-16")), NOT_JSON),
    both("latin-1 in another member", reply(f'{GOOD_BODY[:-1]}, "n": "é"}}'.encode("latin-1")), 3600),
    both("latin-1 in the token", reply(GOOD_BODY.replace("abc", "é").encode("latin-1")), Symptom.TOKEN_UNUSABLE),
    both("blanks and line breaks around", reply(f"\n\n  {GOOD_BODY}\r\n"), 3600),
    both("something behind it", reply(GOOD_BODY + "<!-- served by 7 -->"), NOT_JSON),
    both("a NUL behind it", reply(RAW + b"\0"), NOT_JSON),
    both("two documents", reply(f"{GOOD_BODY}\n{GOOD_BODY}"), NOT_JSON),
    both("comments", reply(GOOD_BODY.replace("{", "{/* token */", 1)), NOT_JSON),
    both("a comma too many", reply(GOOD_BODY.replace("}", ",}")), NOT_JSON),
    both("single quotes", reply(GOOD_BODY.replace('"', "'")), NOT_JSON),
    both("JSONP", reply(f"callback({GOOD_BODY})", kind="application/javascript"), NOT_JSON),
    both("a prefix against inclusion", reply(f")]}}',\n{GOOD_BODY}"), NOT_JSON),
    both("half of it", reply(GOOD_BODY[:40]), NOT_JSON),
    both("a line break inside a text", reply(GOOD_BODY.replace("Bearer", "Bea\nrer")), NOT_JSON),
    both("a hundred thousand brackets", reply("[" * 100_000), NOT_JSON),
    both("a document 200 deep", reply(f'{GOOD_BODY[:-1]}, "d": {"[" * 200}{"]" * 200}}}'), 3600),
    both("JSON that calls itself text", reply(GOOD_BODY, kind="text/plain"), 3600),
    both("JSON that calls itself a page", reply(GOOD_BODY, kind=HTML), 3600),
    both("JSON with an odd content type", reply(GOOD_BODY, kind="json"), 3600),
    both("a form", reply("access_token=abc-def&expires_in=3600", kind="application/x-www-form-urlencoded"), NOT_JSON),
    Odd(
        "a form, as configured",
        reply("access_token=abc-def&expires_in=3600", kind="application/x-www-form-urlencoded"),
        300,
        given=looking("form", name="access_token"),
    ),
    both("XML", reply("<session><token>abc-def</token></session>", kind="application/xml"), NOT_JSON),
    Odd(
        "XML, as configured",
        reply("<session><token>abc-def</token></session>", kind="application/xml"),
        300,
        given=looking("xml", path="/session/token"),
    ),
    Odd("a page in place of XML", reply(LOGIN, kind=HTML), Symptom.PAGE, given=looking("xml", path="/session/token")),
    Odd("JSON in place of XML", reply(GOOD_BODY), Symptom.FORMAT, given=looking("xml", path="/session/token")),
    Odd("the bare token", reply("abc-def\n", kind="text/plain"), NOT_JSON),
    Odd("the bare token, as configured", reply("abc-def\n", kind="text/plain"), 300, given=looking("text")),
    Odd("a page in place of the bare token", reply(LOGIN, kind=HTML), Symptom.PAGE, given=looking("text")),
    both("gzip that is announced", coded("gzip", gzip.compress(RAW)), 3600),
    both("gzip that is not announced", reply(gzip.compress(RAW)), NOT_JSON),
    both("gzip that is announced and none", coded("gzip", RAW), ENCODING),
    both("gzip that is cut short", coded("gzip", gzip.compress(RAW)[:60]), NOT_JSON),
    both("gzip that is damaged", coded("gzip", gzip.compress(RAW)[:10] + b"\xff" * 40), ENCODING),
    both("gzip twice", coded("gzip, gzip", gzip.compress(gzip.compress(RAW))), ENCODING),
    both("a bomb, 20 MB in 20 KB", coded("gzip", gzip.compress(b"0" * 20_000_000)), TOO_LARGE),
    both("deflate", coded("deflate", zlib.compress(RAW)), 3600),
    both("deflate without a frame", coded("deflate", deflated(RAW)), 3600),
    both("`br`", coded("br", b"\x8b\x01\x80\x03"), ENCODING),
    both("exactly 1 MiB", reply(padded(MIB)), 3600),
    both("1 MiB and a byte", reply(padded(MIB + 1)), TOO_LARGE),
    both("5 MiB", reply(padded(5 * MIB)), TOO_LARGE),
)
