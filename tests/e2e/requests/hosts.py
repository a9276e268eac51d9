"""The Host header and the absolute form (RFC 9110 §7.2, RFC 9112 §3.2): who is asked is never in doubt."""

from typing import Final

from tests.e2e.requests.case import CLOSE, Case, passed, refused
from tests.e2e.requests.framing import SMUGGLED


def _host(name: str, line: bytes) -> Case:
    return refused(f"host-{name}", b"GET /a HTTP/1.1\r\n" + line + b"\r\n\r\n" + SMUGGLED)


def _absolute(name: str, address: bytes, target: bytes, host: bytes = b"{h}") -> Case:
    return passed(f"absolute-{name}", b"GET " + address + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n", target)


def _bad_absolute(name: str, address: bytes) -> Case:
    return refused(f"absolute-{name}", b"GET " + address + b" HTTP/1.1\r\nHost: {h}\r\n\r\n")


CASES: Final = (
    refused("host-missing", b"GET /a HTTP/1.1\r\n\r\n" + SMUGGLED),
    _host("twice-the-same", b"Host: {h}\r\nHost: {h}"),
    _host("twice-different", b"Host: {h}\r\nHost: other.example"),
    _host("twice-in-another-case", b"Host: {h}\r\nhOST: other.example"),
    _host("empty", b"Host:"),
    _host("blank", b"Host:  "),
    _host("with-space", b"Host: {h} other.example"),
    _host("list", b"Host: {h}, other.example"),
    _host("userinfo", b"Host: user@{h}"),
    _host("userinfo-behind", b"Host: {h}@evil.example"),
    _host("hashes", b"Host: ###"),
    _host("with-path", b"Host: {h}/a"),
    _host("with-query", b"Host: {h}?a"),
    _host("with-fragment", b"Host: {h}#a"),
    _host("with-backslash", b"Host: {h}\\a"),
    _host("with-scheme", b"Host: http://{h}"),
    _host("only-a-port", b"Host: :80"),
    _host("port-too-large", b"Host: {h}:99999"),
    _host("port-0", b"Host: {h}:0"),
    _host("port-of-letters", b"Host: {h}:http"),
    _host("port-negative", b"Host: {h}:-80"),
    _host("port-twice", b"Host: {h}:80:80"),
    _host("bracket-open", b"Host: [::1"),
    _host("bracket-close", b"Host: ::1]"),
    _host("bracket-name", b"Host: [{h}]"),
    _host("nul", b"Host: {h}\x00.evil.example"),
    _host("non-ascii", b"Host: \xe9.example"),
    _host("quote", b'Host: "{h}"'),
    _host("percent-unfinished", b"Host: {h}%2"),
    _host("space-before-colon", b"Host : {h}"),
    _host("folded", b"Host:\r\n {h}"),
    passed("host-with-port", b"GET /a HTTP/1.1\r\nHost: {h}:8080\r\n\r\n"),
    passed("host-upper-case", b"GET /a HTTP/1.1\r\nHost: {H}\r\n\r\n"),
    passed("host-with-final-dot", b"GET /a HTTP/1.1\r\nHost: {h}.\r\n\r\n"),
    passed("host-between-tabs", b"GET /a HTTP/1.1\r\nHost:\t{h}\t\r\n\r\n"),
    passed("host-last", b"GET /a HTTP/1.1\r\nX: y\r\nHost: {h}\r\n\r\n"),
    Case("host-unknown", b"GET /a HTTP/1.1\r\nHost: nobody.example\r\n\r\n", (404,), code="route-not-found"),
    Case("host-missing-on-http-1-0", b"GET /a HTTP/1.0\r\n\r\n", (404,), then=CLOSE, code="route-not-found"),
    _absolute("plain", b"http://{h}/a?b=c", b"/a?b=c"),
    _absolute("https", b"https://{h}/a", b"/a"),
    _absolute("upper-case-scheme", b"HTTP://{h}/a", b"/a"),
    _absolute("with-port", b"http://{h}:80/a", b"/a"),
    _absolute("without-path", b"http://{h}", b"/"),
    _absolute("only-query", b"http://{h}?b=c", b"/?b=c"),
    _absolute("wins-over-host", b"http://{h}/a", b"/a", host=b"nobody.example"),
    _absolute("raw-bytes", b"http://{h}//a%2Fb/%zz?x=http://y/..", b"//a%2Fb/%zz?x=http://y/.."),
    _bad_absolute("userinfo", b"http://user:word@{h}/a"),
    _bad_absolute("empty-host", b"http:///a"),
    _bad_absolute("one-slash", b"http:/{h}/a"),
    _bad_absolute("no-slashes", b"http:a"),
    _bad_absolute("ftp", b"ftp://{h}/a"),
    _bad_absolute("file", b"file:///etc/passwd"),
    _bad_absolute("javascript", b"javascript:alert"),
    _bad_absolute("no-scheme", b"://{h}/a"),
    _bad_absolute("port-too-large", b"http://{h}:99999/a"),
    _bad_absolute("backslash", b"http://{h}\\@evil.example/a"),
    _bad_absolute("fragment", b"http://{h}/a#b"),
    _bad_absolute("dot-segments", b"http://{h}/a/../b"),
    refused("absolute-without-host-header", b"GET http://{h}/a HTTP/1.1\r\n\r\n"),
    _absolute("ignores-a-bad-host-header", b"http://{h}/a", b"/a", host=b"a b"),
)
