"""A configuration in which every secret is a marker, and servers that throw what they receive back in every bad way.

Whoever finds a marker in a log line, an error, a metric or a repr has found a leak.
"""

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, quote_plus

from tests.fakes.process import ADMIN_KEY, free_ports
from tests.fakes.raw_server import Link, RawServer
from tests.fakes.token_server import TokenServer

NAMES: Final = (
    *("text", "queried", "baked", "user", "password", "form", "header", "body", "issued"),
    *("caller", "wrong", "own", "cookie", "target", "way"),
)
MARKS: Final = {name: f"LEAK{name}OfTheTests" for name in NAMES} | {"variable": "LEAK variable/of the+tests"}
"""Every secret there is, by what it is."""


def hunted() -> tuple[str, ...]:
    """Return every spelling of a secret that must not be found anywhere."""
    pair = f"{MARKS['user']}:{MARKS['password']}"
    reprs = [base64.b64encode(text.encode()).decode().rstrip("=") for text in (pair, *MARKS.values())]
    in_urls = (quote(MARKS["variable"], safe=""), quote_plus(MARKS["variable"]))
    return (*(mark for name, mark in MARKS.items() if name != "user"), *reprs, *in_urls, ADMIN_KEY)


ENVIRONMENT: Final = {"LEAK_WAY": MARKS["way"]}
"""What the configuration refers to."""


@dataclass(frozen=True)
class Marked:
    """What runs around the proxy."""

    config: str
    token_server: TokenServer
    echo: RawServer


async def echo_malformed(link: Link) -> None:
    """Answer a request with itself, in answers of which each is unsound in another way."""
    await link.until(lambda: b"\r\n\r\n" in link.received)
    lines = bytes(link.received).replace(b"\r\n", b" ")
    answers = (
        b"HTTP/1.1 200 %b\x01\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 %b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n%b\r\n\r\n",
        b"%b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: \x00%b\r\n\r\n",
    )
    await link.send(answers[len(link.received) % len(answers)].replace(b"%b", lines))
    link.close()


async def echo_refusal(link: Link) -> None:
    """Answer a token request with an error that repeats it."""
    await link.until(lambda: bool(link.requests))
    body = b'{"error": "invalid_client", "error_description": "%s"}' % bytes(link.received).replace(b"\r\n", b" ")
    await link.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    link.close()


CONFIG: Final = """
callers:
  anyone: {{kind: anonymous}}
  service: {{kind: api_key, keys: ['sha256:{digest}']}}
credentials:
  text: {{kind: text, value: "{text}"}}
  queried: {{kind: text, value: "{queried}", inject: [{{kind: query, name: api_key}}]}}
  baked: {{kind: text, value: "{baked}", inject: [{{kind: cookie, name: session}}]}}
  basic: {{kind: basic, username: "{user}", password: "{password}"}}
  issued: {{kind: http_request, allow_plain_http: true, token: {token}, request: {{url: '{token_url}', {request}}}}}
  refused: {{kind: http_request, allow_plain_http: true, token: {token}, request: {{url: '{refusal}/', {request}}}}}
  dead: {{kind: http_request, allow_plain_http: true, token: {token}, request: {{url: '{dead}/', {request}}}}}
  hidden:
    kind: http_request
    allow_plain_http: true
    token: {token}
    variables: {{V: "{variable}"}}
    request: {{url: '{dead}/${{env:LEAK_WAY}}/{{{{ V }}}}/token', {request}}}
  broken: {{kind: http_request, allow_plain_http: true, token: {token}, request: {{url: '{echo}/', {request}}}}}
routes:
{routes}
"""
REQUEST: Final = (
    'method: POST, form: {{client_secret: "{form}"}}, headers: {{X-Secret: "{header}"}}, query: {{key: "{body}"}}'
)
CREDENTIALS: Final = ("text", "queried", "baked", "basic", "issued", "refused", "dead", "hidden", "broken")


@asynccontextmanager
async def marked() -> AsyncIterator[Marked]:
    """Start the servers and write the configuration."""
    async with AsyncExitStack() as stack:
        token_server = await stack.enter_async_context(TokenServer())
        token_server.knobs.body = f'{{"access_token": "{MARKS["issued"]}", "expires_in": 300}}'
        echo = await stack.enter_async_context(RawServer([[echo_malformed]]))
        refusal = await stack.enter_async_context(RawServer([[echo_refusal]]))
        dead = f"http://127.0.0.1:{free_ports(1)[0]}"
        # A circuit that is always open would hide every other failure.
        breaker = "breaker: {failures: 100000}"
        routes = [
            f"  {credential}-{name}: {{match: {{path: /{credential}/{name}/}}, upstream: '{upstream}', "
            f"callers: [anyone], credential: {credential}, {breaker}}}"
            for credential in CREDENTIALS
            for name, upstream in (("dead", dead), ("echo", echo.url))
        ]
        routes.append(
            f"  private: {{match: {{path: /private/}}, upstream: '{echo.url}', callers: [service], "
            f"credential: text, {breaker}}}"
        )
        config = CONFIG.format(
            **MARKS,
            digest=hashlib.sha256(MARKS["caller"].encode()).hexdigest(),
            token_url=token_server.url,
            refusal=refusal.url,
            dead=dead,
            echo=echo.url,
            token="{from: json, path: access_token}",
            request=REQUEST.format(**MARKS),
            routes="\n".join(routes),
        )
        yield Marked(config, token_server, echo)
