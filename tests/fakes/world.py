"""The main job's whole surroundings: the real proxy, real nginx and real httpbin as APIs, a token server that revokes.

`async with world(tmp_path, with_httpbin=True) as w:` starts all of it; `/nginx/…` and `/bin/…` lead to the two APIs,
both signed by the credential `session`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from tests.fakes.httpbin import Httpbin
from tests.fakes.nginx import Nginx
from tests.fakes.process import POLL, Proxy
from tests.fakes.token_server import TokenServer

CONFIG: Final = """
callers: {{anyone: {{kind: anonymous}}}}
credentials:
  session:
    kind: http_request
    allow_plain_http: true
    request:
      method: POST
      url: {token_url}
      form: {{client_id: the-client, client_secret: {secret}, grant_type: custom}}
    token: {{from: json, path: $.access_token}}
    expiry: {{from: json, path: $.expires_in, type: seconds}}
    inject: [{{kind: header, name: Authorization, prefix: "Bearer "}}]
routes:
  nginx: {{match: {{path: /nginx/}}, upstream: '{nginx}', callers: [anyone], credential: session{extra}}}
  bin: {{match: {{path: /bin/}}, upstream: '{httpbin}', callers: [anyone], credential: session{extra}}}
"""
SECRET: Final = "a-client-secret-of-the-tests"


@dataclass(frozen=True)
class World:
    """Everything that runs."""

    issuer: TokenServer
    nginx: Nginx
    httpbin: Httpbin
    proxy: Proxy
    session: aiohttp.ClientSession
    """A caller: its addresses are relative to the proxy's."""


@asynccontextmanager
async def world(
    tmp_path: Path,
    *,
    kind: type[Proxy] = Proxy,
    with_httpbin: bool = False,
    extra: str = "",
    expected_errors: tuple[str, ...] = (),
) -> AsyncIterator[World]:
    """Start everything; `extra` are more settings of both routes, in YAML's flow style with a leading comma.

    httpbin takes as long to start as all the rest: only where it is asked for anything.
    """
    async with AsyncExitStack() as stack:
        issuer = await stack.enter_async_context(TokenServer())
        nginx = await stack.enter_async_context(Nginx(tmp_path, token_server=issuer.base))
        httpbin = Httpbin()
        if with_httpbin:
            await stack.enter_async_context(httpbin)
        config = CONFIG.format(token_url=issuer.url, secret=SECRET, nginx=nginx.url, httpbin=httpbin.url, extra=extra)
        proxy = await stack.enter_async_context(kind(config, expected_errors=expected_errors))
        session = await stack.enter_async_context(
            aiohttp.ClientSession(
                proxy.url, connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=60)
            )
        )
        yield World(issuer, nginx, httpbin, proxy, session)


async def eventually(condition: Callable[[], bool], *, deadline: float = 10.0) -> None:
    """Return once the condition holds; TimeoutError past the deadline (seconds)."""
    async with asyncio.timeout(deadline):
        while not condition():  # noqa: ASYNC110 - another process makes it true, and has no event to set
            await asyncio.sleep(POLL)
