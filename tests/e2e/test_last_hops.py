"""A request that must go no further is answered here: it came back to us, or its hops are used up (RFC 9110 §7.6)."""

import asyncio

import aiohttp

from tests.fakes.process import Swift
from tests.fakes.raw_client import RawClient
from tests.fakes.raw_server import RawServer

CONFIG = """
callers: {{anyone: {{kind: anonymous}}}}
credentials: {{key: {{kind: text, value: the-token-of-the-api}}}}
routes: {{api: {{upstream: '{url}', callers: [anyone], credential: key}}}}
"""


async def test_a_route_that_leads_back_here_ends_at_the_second_pass() -> None:
    proxy = Swift("")
    proxy.config = CONFIG.format(url=proxy.url)
    async with proxy, aiohttp.ClientSession(proxy.url) as session:
        async with asyncio.timeout(10), session.get("/a") as answer:
            assert answer.status == 400
            assert (await answer.json(content_type=None))["type"].endswith("/request-invalid")
        metrics = await proxy.metrics()
        assert metrics.of("countersign_requests_total", route="api", source="upstream") == 1
        assert metrics.of("countersign_requests_total", route="api", source="proxy") == 1


async def test_options_without_hops_left_is_answered_here() -> None:
    async with RawServer() as server, Swift(CONFIG.format(url=server.url)) as proxy, RawClient(proxy.port) as caller:
        for _ in range(2):
            await caller.send(b"OPTIONS /a HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\n\r\n")
            assert 200 <= (await caller.answer("OPTIONS")).status < 300
        assert server.received == b""
