"""Shows requests and replies to a person: every key and number, no text that could be a secret."""

import json
import re
from collections.abc import Collection, Iterator
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from proxy.core.message import Reply
from proxy.core.secret import MASK, SHORTEST_SCRUBBED, scrub
from proxy.credentials.unreadable import outline
from proxy.extractors.base import FormatError
from proxy.extractors.json import parse
from proxy.net.endpoint import EndpointRequest

_DEPTH: Final = 8
_BREADTH: Final = 50
_MORE: Final = "..."

_SHOWN: Final = {
    "error": re.compile(r"[a-z]{2,}(?:_[a-z]+){0,6}"),
    "grant_type": re.compile(r"[a-z_]{1,40}|urn:ietf:params:oauth:[a-z:0-9_-]{1,60}"),
    "scope": re.compile(r"[!-~ ]+"),
    "token_type": re.compile(r"[A-Za-z_-]{1,20}"),
}
"""Keys of RFC 6749 whose texts are nobody's secret while they have this form."""
_LONGEST_NAME: Final = 60
_SHORTEST_ID: Final = 16
_DIGITS_OF_AN_ID: Final = 3
"""A key that is so long, or holds so many digits at such a length, is not shown."""
_LONGEST_SHOWN: Final = 100
"""Characters. A longer text is masked even there."""
_WORTH_TELLING: Final = 30.0
"""Seconds by which clocks differ before anybody needs to know."""
_UNITS: Final = (("days", 86_400), ("h", 3600), ("min", 60))
_PUBLIC_HEADERS: Final = frozenset({"accept", "accept-encoding", "content-type", "user-agent"})


_SECONDS: Final = re.compile(r"[0-9]{1,10}")
_MOMENT: Final = re.compile(r"(?:[A-Z][a-z]{2}, )?[0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT")
_CODING: Final = re.compile(r"identity|x-gzip|gzip|deflate|br|zstd|compress|chunked", re.IGNORECASE)
_HARMLESS: Final = {
    "age": _SECONDS,
    "content-encoding": _CODING,
    "content-length": _SECONDS,
    "date": _MOMENT,
    "expires": _MOMENT,
    "retry-after": re.compile(f"{_SECONDS.pattern}|{_MOMENT.pattern}"),
    "transfer-encoding": _CODING,
    "www-authenticate": re.compile(r"Basic|Bearer|Digest|DPoP|Negotiate|NTLM", re.IGNORECASE),
}
"""Headers of replies whose values may be shown, if they have this form."""
_TELL_NOTHING: Final = frozenset({"connection", "keep-alive", "server", "strict-transport-security", "vary", "via"})
"""Headers of replies that say nothing of a token."""
_COOKIE: Final = re.compile(r"\s*([A-Za-z0-9_.~-]{1,60})\s*=")


def show_address(request: EndpointRequest) -> str:
    """Return the request's address with what was filled into its path, and the values of its query, masked."""
    parts = urlsplit(request.url)
    path = parts.path if request.shown_path is None else request.shown_path
    pairs = parts.query.split("&") if parts.query else []
    query = "&".join(f"{pair.partition('=')[0]}={MASK}" if "=" in pair else MASK for pair in pairs)
    return scrub(f"{parts.scheme}://{parts.netloc}{path}" + (f"?{query}" if query else ""))


def show_headers(headers: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Return the headers with every value masked but those that negotiate formats."""
    return {name: scrub(value) if name.lower() in _PUBLIC_HEADERS else MASK for name, value in headers}


def show_answered(reply: Reply) -> dict[str, str]:
    """Return the reply's headers: what is of a harmless form stands, of cookies the name, the rest is masked."""
    shown: dict[str, str] = {}
    for name, value in reply.headers[:_BREADTH]:
        if name.lower() in _TELL_NOTHING:
            continue
        form = _HARMLESS.get(name.lower())
        text = value if form is not None and form.fullmatch(value) else MASK
        if name.lower() == "content-type":
            text = reply.media_type
        elif name.lower() == "set-cookie" and (cookie := _COOKIE.match(value)):
            text = f"{cookie[1]}={MASK}"
        shown[name] = f"{shown[name]}, {text}" if name in shown else text
    return {name: scrub(text) for name, text in shown.items()}


def show_sent(request: EndpointRequest) -> Any:
    """Return the request's body with its texts masked, as a tree where it has one; None: there is no body."""
    if not request.body:
        return None
    kind = {name.lower(): value for name, value in request.headers}.get("content-type", "")
    if kind.startswith("application/x-www-form-urlencoded"):
        return mask(dict(parse_qsl(request.body.decode("latin-1"))))
    try:
        return mask(json.loads(request.body))
    except (ValueError, RecursionError):
        return f"{MASK} ({len(request.body)} bytes)"


def sent_values(request: EndpointRequest) -> frozenset[str]:
    """Return the texts that a request sends as values: a reply may repeat them. None that is nobody's secret."""
    query, body = parse_qsl(urlsplit(request.url).query), request.body.decode("latin-1")
    try:
        pairs = list(_leaves(json.loads(request.body), ""))
    except (ValueError, RecursionError):
        pairs = parse_qsl(body)
    return frozenset(
        value
        for key, value in (*query, *pairs, *request.headers)
        if key not in _SHOWN and len(value) >= SHORTEST_SCRUBBED
    )


def _leaves(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, child in value.items():
            yield from _leaves(child, name)
    elif isinstance(value, list):
        for child in value:
            yield from _leaves(child, key)
    elif value is not None and not isinstance(value, bool):
        yield key, str(value)


def show_received(reply: Reply, hidden: Collection[str] = ()) -> Any:
    """Return the reply's body with its texts masked, as a tree when it is JSON; `hidden` as `mask` takes it."""
    try:
        return mask(parse(reply), hidden)
    except FormatError:
        pass
    if reply.media_type == "application/x-www-form-urlencoded":
        return mask(dict(parse_qsl(reply.text())), hidden)
    return f"{MASK} ({len(reply.body)} bytes, {reply.media_type}): {outline(reply.text())}" if reply.body else ""


def show_clocks(offset: float | None) -> str | None:
    """Return what to tell of an issuer's clock that is `offset` seconds ahead of ours; None: nothing to worry about."""
    if offset is None or abs(offset) <= _WORTH_TELLING:
        return None
    unit, size = next(((unit, size) for unit, size in _UNITS if abs(offset) >= 2 * size), ("s", 1))
    side = "ahead of" if offset > 0 else "behind"
    return f"the issuer's clock is {abs(offset) / size:.0f} {unit} {side} this machine's"


def is_name(key: str) -> bool:
    """Return True for a key that names its value; some replies have keys that are identifiers, or tokens."""
    return len(key) <= _LONGEST_NAME and (len(key) < _SHORTEST_ID or sum(map(str.isdigit, key)) < _DIGITS_OF_AN_ID)


def mask(value: Any, hidden: Collection[str] = (), *, depth: int = 0, key: str = "") -> Any:
    """Return a JSON value whose texts are masked and whose extent is bounded; names and numbers stay.

    `hidden` are texts that stand nowhere in it, not even as a number or under a key whose text is harmless.
    """
    if isinstance(value, str):
        form = _SHOWN.get(key)
        is_shown = (
            form is not None
            and len(value) <= _LONGEST_SHOWN
            and form.fullmatch(value) is not None
            and not any(one in value for one in hidden)
        )
        return scrub(value) if is_shown else value and MASK
    if isinstance(value, dict | list) and value and depth >= _DEPTH:
        return _MORE
    if isinstance(value, dict):
        rows = list(value.items())[:_BREADTH]
        shown = {
            name if is_name(name) else MASK: mask(child, hidden, depth=depth + 1, key=name) for name, child in rows
        }
        return shown | ({_MORE: len(value) - _BREADTH} if len(value) > _BREADTH else {})
    if isinstance(value, list):
        shown_items = [mask(child, hidden, depth=depth + 1) for child in value[:_BREADTH]]
        return shown_items + [_MORE] * (len(value) > _BREADTH)
    return MASK if str(value) in hidden else value
