"""Shows requests and replies to a person: every key and number, no text that could be a secret."""

import json
import re
from collections.abc import Collection, Iterator
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from proxy.core.message import Reply
from proxy.core.secret import MASK, scrub
from proxy.extractors.base import FormatError
from proxy.extractors.json import parse
from proxy.net.endpoint import EndpointRequest

_DEPTH: Final = 8
_BREADTH: Final = 50
_MORE: Final = "..."
_CANDIDATES: Final = 10

_SHOWN: Final = frozenset({"error", "grant_type", "scope", "token_type"})
"""Keys of RFC 6749 whose texts are nobody's secret."""
_LONGEST_SHOWN: Final = 100
"""Characters. A longer text is masked even there."""
_SHORTEST_TOKEN: Final = 5
"""Characters. A shorter text is not taken for a token that was missed."""
_WORTH_TELLING: Final = 30.0
"""Seconds by which clocks differ before anybody needs to know."""
_UNITS: Final = (("days", 86_400), ("h", 3600), ("min", 60))
_PUBLIC_HEADERS: Final = frozenset({"accept", "accept-encoding", "content-type", "user-agent"})

_DATE: Final = re.compile(r"\d{4}-?\d\d-?\d\d(?:[T ].*)?")
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LIKE_TOKEN: Final = re.compile(r"token|jwt|session|ticket|key|bearer|auth|sid|value", re.IGNORECASE)
_LIKE_EXPIRY: Final = re.compile(r"exp|ttl|valid|until|life|age|timeout", re.IGNORECASE)


def show_address(request: EndpointRequest) -> str:
    """Return the request's address with the values of its query masked."""
    parts = urlsplit(request.url)
    query = "&".join(f"{name}={MASK}" for name, _ in parse_qsl(parts.query, keep_blank_values=True))
    return scrub(f"{parts.scheme}://{parts.netloc}{parts.path}" + (f"?{query}" if query else ""))


def show_headers(headers: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Return the headers with every value masked but those that negotiate formats."""
    return {name: scrub(value) if name.lower() in _PUBLIC_HEADERS else MASK for name, value in headers}


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


def show_received(reply: Reply, hidden: Collection[str] = ()) -> Any:
    """Return the reply's body with its texts masked, as a tree when it is JSON; `hidden` as `mask` takes it."""
    try:
        return mask(parse(reply), hidden)
    except FormatError:
        return f"{MASK} ({len(reply.body)} bytes, {reply.media_type})" if reply.body else ""


def show_clocks(offset: float | None) -> str | None:
    """Return what to tell of an issuer's clock that is `offset` seconds ahead of ours; None: nothing to worry about."""
    if offset is None or abs(offset) <= _WORTH_TELLING:
        return None
    unit, size = next(((unit, size) for unit, size in _UNITS if abs(offset) >= 2 * size), ("s", 1))
    side = "ahead of" if offset > 0 else "behind"
    return f"the issuer's clock is {abs(offset) / size:.0f} {unit} {side} this machine's"


def mask(value: Any, hidden: Collection[str] = (), *, depth: int = 0, key: str = "") -> Any:
    """Return a JSON value whose texts are masked and whose extent is bounded; keys and numbers stay.

    `hidden` are texts that stand nowhere in it, not even as a number or under a key whose text is harmless.
    """
    if isinstance(value, str):
        is_shown = key in _SHOWN and len(value) <= _LONGEST_SHOWN and not any(one in value for one in hidden)
        return scrub(value) if is_shown else value and MASK
    if isinstance(value, dict | list) and value and depth >= _DEPTH:
        return _MORE
    if isinstance(value, dict):
        rows = list(value.items())[:_BREADTH]
        shown = {name: mask(child, hidden, depth=depth + 1, key=name) for name, child in rows}
        return shown | ({_MORE: len(value) - _BREADTH} if len(value) > _BREADTH else {})
    if isinstance(value, list):
        shown_items = [mask(child, hidden, depth=depth + 1) for child in value[:_BREADTH]]
        return shown_items + [_MORE] * (len(value) > _BREADTH)
    return MASK if str(value) in hidden else value


def token_candidates(reply: Reply) -> tuple[str, ...]:
    """Return the paths where a token might stand, the likeliest first."""
    paths = [
        (path, key) for path, key, value in _leaves(reply) if isinstance(value, str) and len(value) >= _SHORTEST_TOKEN
    ]
    return _likeliest(paths, _LIKE_TOKEN)


def expiry_candidates(reply: Reply) -> tuple[str, ...]:
    """Return the paths where an expiry might stand, the likeliest first."""
    paths = [
        (path, key)
        for path, key, value in _leaves(reply)
        if (isinstance(value, int | float) and not isinstance(value, bool) and value > 0)
        or (isinstance(value, str) and (value.isdigit() or _DATE.fullmatch(value)))
    ]
    return _likeliest(paths, _LIKE_EXPIRY)


def _likeliest(paths: list[tuple[str, str]], like: re.Pattern[str]) -> tuple[str, ...]:
    ranked = sorted(paths, key=lambda pair: like.search(pair[1]) is None)
    return tuple(path for path, _ in ranked[:_CANDIDATES])


def _leaves(reply: Reply) -> Iterator[tuple[str, str, Any]]:
    try:
        document = parse(reply)
    except FormatError:
        return
    yield from _walk(document, "$", "", 0)


def _walk(value: Any, path: str, key: str, depth: int) -> Iterator[tuple[str, str, Any]]:
    if depth > _DEPTH:
        return
    if isinstance(value, dict):
        for name, child in value.items():
            yield from _walk(child, path + _step(name), name, depth + 1)
    elif isinstance(value, list):
        for index, child in enumerate(value[:_BREADTH]):
            yield from _walk(child, f"{path}[{index}]", key, depth + 1)
    else:
        yield path, key, value


def _step(name: str) -> str:
    if _PLAIN_KEY.fullmatch(name):
        return f".{name}"
    return f'["{name}"]' if "'" in name else f"['{name}']"
