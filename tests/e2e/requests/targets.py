"""Path and query (RFC 9110 §7.7): byte for byte, except dot segments, which lead out of the upstream's base path."""

from typing import Final

from tests.e2e.requests.case import Case, head, passed, refused


def _exact(name: str, target: bytes) -> Case:
    return passed(f"target-{name}", head(target), target)


def _dots(name: str, target: bytes) -> Case:
    return refused(f"dots-{name}", head(target))


def _bad(name: str, target: bytes) -> Case:
    return refused(f"target-{name}", head(target))


CASES: Final = (
    _exact("root", b"/"),
    _exact("encoded-slash", b"/a%2Fb%2fc"),
    _exact("double-slash", b"//a"),
    _exact("double-slash-and-host", b"//evil.example/a"),
    _exact("triple-slash", b"///a"),
    _exact("inner-double-slash", b"/a//b///c/"),
    _exact("unfinished-escape", b"/%zz/%/%2"),
    _exact("needless-escape", b"/%61%7E~"),
    _exact("double-escape", b"/a%252e%252e/b"),
    _exact("plus-and-space", b"/a+b%20c?d+e=%20+"),
    _exact("empty-query", b"/a?"),
    _exact("query-of-odd-separators", b"/a?&&b==c&;d?e/f"),
    _exact("query-with-dots", b"/a?b=/../c&d=%2e%2e/"),
    _exact("query-with-address", b"/a?url=http://evil.example/../x"),
    _exact("brackets", b'/a[0]?b[1]={2}|^`"<>'),
    _exact("backslash", b"/a\\b"),
    _exact("at", b"/@evil.example/a"),
    _exact("colon", b"/:80/a"),
    _exact("parameters", b"/a;b=c;d/e,f"),
    _exact("encoded-non-utf-8", b"/caf%e9%FF?q=%80"),
    _exact("encoded-nul", b"/a%00b"),
    _exact("encoded-crlf", b"/a%0d%0aX:%20y"),
    _exact("encoded-fragment", b"/a%23b"),
    _exact("dots-in-names", b"/..a/b../.c/d./...e/...."),
    _exact("three-dots", b"/.../a"),
    _exact("encoded-dots-in-names", b"/a%2e%2eb/%2e%2e%2e"),
    _dots("parent", b"/a/../b"),
    _dots("parent-first", b"/../a"),
    _dots("parent-last", b"/a/.."),
    _dots("current", b"/a/./b"),
    _dots("current-last", b"/a/."),
    _dots("encoded", b"/a/%2e%2e/b"),
    _dots("encoded-upper-case", b"/a/%2E%2E/b"),
    _dots("half-encoded", b"/a/.%2e/b"),
    _dots("half-encoded-first", b"/a/%2e./b"),
    _dots("encoded-current", b"/%2e/a"),
    _dots("before-encoded-slash", b"/a/..%2fb"),
    _dots("behind-encoded-slash", b"/a%2f../b"),
    _dots("between-encoded-slashes", b"/a%2F%2e%2e%2Fb"),
    _dots("before-parameters", b"/a/..;x=y/b"),
    _dots("behind-backslash", b"/a\\..\\b"),
    _dots("behind-encoded-backslash", b"/a%5c..%5cb"),
    _dots("before-query", b"/a/..?b"),
    passed("dots-when-allowed", head(b"/a/../%2e%2e/b"), b"/a/../%2e%2e/b", route="dot_segments: pass"),
    _bad("with-fragment", b"/a#b"),
    _bad("with-empty-fragment", b"/a#"),
    _bad("with-fragment-in-query", b"/a?b#c"),
    _bad("with-nul", b"/a\x00b"),
    _bad("with-bare-cr", b"/a\rb"),
    _bad("with-bare-lf", b"/a\nb"),
    _bad("with-tab", b"/a\tb"),
    _bad("with-control", b"/a\x01b"),
    _bad("utf-8", "/caf\N{LATIN SMALL LETTER E WITH ACUTE}".encode()),  # RFC 3986: ASCII only
    _bad("non-utf-8", b"/caf\xe9"),
    _bad("non-utf-8-in-query", b"/a?q=\x80"),
    _bad("with-delete", b"/a\x7fb"),
    _bad("without-slash", b"a"),
    _bad("backslash-first", b"\\a"),
    _bad("only-query", b"?a"),
    _bad("dots-without-slash", b"../a"),
)
