"""Odd statuses: successes that are none, refusals in other clothes, redirects."""

from typing import Final

from proxy.core.symptom import Symptom
from tests.faults.odd_replies.row import GOOD_BODY, Odd, reply
from tests.faults.odd_replies.values import NOT_FOUND, NOT_OAUTH, both

BAD: Final = Symptom.BAD_REQUEST


def good(status: str, *lines: str) -> bytes:
    return reply(GOOD_BODY, *lines, status=status)


def said(error: str) -> bytes:
    return reply(f'{{"error": {error}, "error_description": "s3cret"}}')


def refused(status: str, *lines: str, body: str = "{}") -> bytes:
    return reply(body, *lines, status=status)


def sent_to(status: str, location: str) -> bytes:
    return reply("", f"Location: {location}", status=status)


STATUSES: Final = (
    both("201", good("201 Created"), 3600),
    both("202", good("202 Accepted"), 3600),
    Odd("202 without a token yet", refused("202 Accepted", body='{"status": "pending"}'), NOT_FOUND, NOT_OAUTH),
    both("203", good("203 Non-Authoritative Information"), 3600),
    both("204", b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", Symptom.NOT_JSON),
    both("205", reply("", status="205 Reset Content"), Symptom.NOT_JSON),
    both("206", good("206 Partial Content", "Content-Range: bytes 0-71/72"), 3600),
    both("299", good("299 Miscellaneous"), 3600),
    Odd("200 and an error of OAuth", said('"invalid_grant"'), NOT_FOUND, Symptom.INVALID_GRANT),
    Odd("200 and an error of GitHub", said('"incorrect_client_credentials"'), NOT_FOUND, Symptom.INVALID_CLIENT),
    Odd("200 and an unknown error", said('"s3cret"'), NOT_FOUND, BAD),
    Odd("200 and an error that is an object", said('{"code": 7}'), NOT_FOUND, NOT_OAUTH),
    Odd("200 and an error of Slack", reply('{"ok": false, "error": "invalid_auth"}'), NOT_FOUND, BAD),
    Odd(
        "200 and too many requests for Slack",
        reply('{"ok": false, "error": "ratelimited"}'),
        NOT_FOUND,
        Symptom.RATE_LIMITED,
    ),
    Odd("200 and `success: false`", reply('{"success": false, "message": "s3cret"}'), NOT_FOUND, NOT_OAUTH),
    Odd("200 and a list of errors", reply('{"errors": [{"message": "s3cret"}]}'), NOT_FOUND, NOT_OAUTH),
    both("200, a token, and an empty error", reply(f'{GOOD_BODY[:-1]}, "error": ""}}'), 3600),
    both("200, a token, and an error", reply(f'{GOOD_BODY[:-1]}, "error": "none"}}'), 3600),
)

REFUSALS: Final = (
    both("302 to another host", sent_to("302 Found", "https://login.example/s3cret"), Symptom.REDIRECT),
    both("301 to another path", sent_to("301 Moved Permanently", "/v2/token"), Symptom.REDIRECT),
    both("303", sent_to("303 See Other", "/done"), Symptom.REDIRECT),
    both("307 with a token in its body", good("307 Temporary Redirect", "Location: /v2/token"), Symptom.REDIRECT),
    both("308 to http", sent_to("308 Permanent Redirect", "http://login.example/"), Symptom.REDIRECT),
    both("302 without a location", reply("", status="302 Found"), Symptom.REDIRECT),
    both("304", b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n", Symptom.STATUS),
    both("400 with a token in its body", good("400 Bad Request"), BAD),
    both("400 and nothing", refused("400 Bad Request", body=""), BAD),
    both("400 and `invalid_scope`", refused("400 Bad Request", body='{"error": "invalid_scope"}'), Symptom.FORBIDDEN),
    both("400 and `slow_down`", refused("400 Bad Request", body='{"error": "slow_down"}'), Symptom.RATE_LIMITED),
    both("401 with a challenge", refused("401 Unauthorized", 'WWW-Authenticate: Basic realm="x"'), Symptom.FORBIDDEN),
    both("401 and `invalid_client`", refused("401 No", body='{"error": "invalid_client"}'), Symptom.INVALID_CLIENT),
    both("403 and a page", refused("403 Forbidden", body="<html>"), Symptom.FORBIDDEN),
    both("403 and `invalid_grant`", refused("403 Forbidden", body='{"error": "invalid_grant"}'), Symptom.INVALID_GRANT),
    both("404", refused("404 Not Found"), Symptom.NOT_FOUND),
    both("405", refused("405 Method Not Allowed", "Allow: GET"), Symptom.METHOD),
    both("407", refused("407 Proxy Authentication Required", "Proxy-Authenticate: Basic"), Symptom.PROXY_AUTH),
    both("408", refused("408 Request Timeout"), Symptom.BUSY),
    both("410", refused("410 Gone"), Symptom.NOT_FOUND),
    both("415", refused("415 Unsupported Media Type"), Symptom.CONTENT_TYPE),
    both("418", refused("418 I'm a teapot"), Symptom.CLIENT_ERROR),
    both("422", refused("422 Unprocessable Content"), BAD),
    both("429 without a word of when", refused("429 Too Many Requests"), Symptom.RATE_LIMITED),
    both("429 for a day", refused("429 Too Many Requests", "Retry-After: 86400"), Symptom.RATE_LIMITED),
    both("500", refused("500 Internal Server Error"), Symptom.PROVIDER),
    both("500 and `invalid_grant`", refused("500 Oops", body='{"error": "invalid_grant"}'), Symptom.PROVIDER),
    both("502 and a page", refused("502 Bad Gateway", body="<html>"), Symptom.PROVIDER),
    both("503 until a date", refused("503 Down", "Retry-After: Fri, 15 Jan 2027 08:01:00 GMT"), Symptom.PROVIDER),
    both("600", refused("600 What"), Symptom.STATUS),
)
