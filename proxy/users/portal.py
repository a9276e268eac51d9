"""What users' browsers reach under `/.countersign/`: pages and calls, each behind the same few checks.

A handler is one function from a call to an answer. Whatever it answers is not cached, not framed, not sniffed, and
leaks no address to other sites. Calls that pages of other origins may make are marked; they are answered to the
configured origins alone (the Fetch standard's CORS protocol), and never with cookies.
"""

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from proxy.core.errors import ProxyError, RequestInvalidError, RouteNotFoundError
from proxy.core.message import RequestHead

PREFIX: Final = "/.countersign/"
LONGEST_BODY: Final = 64 * 1024
"""Bytes of a call's body."""
SAFE: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Stands in every answer, unless the handler says otherwise."""
_PREFLIGHT_LIVES: Final = "600"
_READABLE: Final = {"Access-Control-Expose-Headers": "Retry-After, X-Request-Id"}
"""What pages of other origins may read besides the few headers that they always may."""
_LINES: Final = ("\r", "\n", "\0")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a browser."""

    head: RequestHead = field(repr=False)
    rest: str = ""
    """What follows the handler's path: the credential in `login/stripe`."""
    body: bytes = field(default=b"", repr=False)

    def parameters(self) -> dict[str, str]:
        """Return the query's parameters, or a posted form's.

        Raises:
            RequestInvalidError: one is there twice, or they are no text.
        """
        text = self.head.query[1:] if self.head.method in {"GET", "HEAD"} else self.body.decode("latin-1")
        try:
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=50)
        except ValueError:
            raise RequestInvalidError("the parameters cannot be read") from None
        if len(dict(pairs)) < len(pairs):
            raise RequestInvalidError("a parameter is there twice")
        return dict(pairs)

    def json(self) -> dict[str, Any]:
        """Return the body's JSON object.

        Raises:
            RequestInvalidError: it is none.
        """
        media_type = self.head.fields.get("Content-Type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":  # a form of any page can be posted here without asking; this cannot
            raise RequestInvalidError("send JSON, with Content-Type: application/json")
        try:
            document = orjson.loads(self.body)  # strict: what is no Unicode could be neither written nor hashed later
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise RequestInvalidError("the body is no JSON object")
        return document

    def cookie(self, name: str) -> str | None:
        """Return a cookie's value; None: it is not there, or there with several values.

        The header is taken apart as browsers put it together (RFC 6265 §5.4): whatever the cookies of others look like,
        which sites next door may set for us, too, they neither hide one of ours nor stand in for it.
        """
        lines = (value.decode("latin-1") for line, value in self.head.headers if line.lower() == b"cookie")
        pairs = (pair.partition("=") for line in lines for pair in line.split(";"))
        found = {value.strip() for known_as, is_pair, value in pairs if is_pair and known_as.strip() == name}
        return found.pop() if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler answers."""

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    cookies: tuple[str, ...] = field(default=(), repr=False)
    """Whole `Set-Cookie` values."""

    def with_cookies(self, *cookies: str) -> "Answer":
        """Return the same answer with these cookies, too."""
        return replace(self, cookies=(*self.cookies, *cookies))


Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that the portal serves."""

    method: str
    path: str
    """Behind the prefix; one that ends in `/` takes what follows, too."""
    handler: Handler
    cross_origin: bool = False
    """Whether pages of the configured origins may call it."""

    def takes(self, path: str) -> bool:
        """Tell whether that path, behind the prefix, is this entry's."""
        return path.startswith(self.path) and (path != self.path if self.path.endswith("/") else path == self.path)


class Portal:
    """All entries, its own origin, and the other origins whose pages may call those entries that are marked."""

    def __init__(self, entries: tuple[Entry, ...], own: str, origins: tuple[str, ...]) -> None:
        self._entries = entries
        self._own = own
        self._origins = frozenset(origins)

    def add(self, *entries: Entry) -> None:
        """Serve these, too."""
        self._entries += entries

    async def answer(self, call: Call) -> Answer:
        """Answer one call.

        Raises:
            ProxyError: it is refused; the error carries the headers that a page needs in order to read it.
        """
        with self.readable(call.head) as headers:
            answer = await self._handle(call)
        return Answer(answer.status, answer.body, {**headers, **answer.headers}, answer.cookies)

    @contextmanager
    def readable(self, head: RequestHead) -> Iterator[Mapping[str, str]]:
        """Let the page that makes this call read why it is refused. Yields the headers that every answer to it has."""
        headers = {**SAFE, **self._shared(head)}
        try:
            yield headers
        except ProxyError as error:
            error.headers = {**headers, **error.headers}
            raise

    def _there(self, head: RequestHead) -> list[Entry]:
        path = head.path.removeprefix(PREFIX)
        return [entry for entry in self._entries if entry.takes(path)]

    async def _handle(self, call: Call) -> Answer:
        path, there = call.head.path.removeprefix(PREFIX), self._there(call.head)
        method = "GET" if call.head.method == "HEAD" else call.head.method
        if method == "OPTIONS" and any(entry.cross_origin for entry in there):
            return _preflight(there)
        for entry in there:
            if entry.method == method:
                self._check_origin(call, entry)
                return await entry.handler(Call(call.head, path.removeprefix(entry.path), call.body))
        if there:
            methods = ", ".join(sorted({entry.method for entry in there}))
            raise RequestInvalidError(f"this is reached with {methods}")
        raise RouteNotFoundError("nothing is served under this address")

    def _check_origin(self, call: Call, entry: Entry) -> None:
        """Refuse what a page of a foreign origin sends: a browser sends it even where the page may not read the answer.

        Raises:
            RequestInvalidError: it does.
        """
        origin = call.head.fields.get("Origin")
        if entry.method == "GET" or origin is None or origin == self._own:
            return
        if not entry.cross_origin or origin not in self._origins:
            raise RequestInvalidError("pages of this origin may not call this; see `users.origins`")

    def _shared(self, head: RequestHead) -> dict[str, str]:
        if not any(entry.cross_origin for entry in self._there(head)):
            return {}
        origin = head.fields.get("Origin")
        return {"Vary": "Origin"} | (
            {"Access-Control-Allow-Origin": origin, **_READABLE} if origin in self._origins else {}
        )


def _preflight(there: list[Entry]) -> Answer:
    methods = ", ".join(sorted(entry.method for entry in there if entry.cross_origin))
    headers = {"Access-Control-Allow-Methods": methods, "Access-Control-Allow-Headers": "Content-Type"}
    return Answer(204, headers={**headers, "Access-Control-Max-Age": _PREFLIGHT_LIVES})


def page(html: str, *, status: int = 200, style: str = "", forms: str = "'none'", script: str = "") -> Answer:
    """Return a page. `style` and `script` are the hashes of what stands in it, `forms` where its forms may go to."""
    sources = {"style-src": style, "script-src": script}
    policy = "; ".join(f"{name} {value}" for name, value in sources.items() if value)
    policy = f"{SAFE['Content-Security-Policy']}; form-action {forms}" + (f"; {policy}" if policy else "")
    headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy}
    return Answer(status, html.encode(), headers)


def told(document: Mapping[str, Any], *, status: int = 200) -> Answer:
    """Return an answer in JSON."""
    return Answer(status, json.dumps(document).encode(), {"Content-Type": "application/json"})


def redirect(location: str, *, cookies: tuple[str, ...] = ()) -> Answer:
    """Send the browser elsewhere with a GET."""
    if any(line in location for line in _LINES):
        raise RequestInvalidError("the address to go to is malformed")
    return Answer(303, headers={"Location": location}, cookies=cookies)
