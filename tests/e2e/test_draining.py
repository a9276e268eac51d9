"""A process that is told to end says so to whom it cannot serve any more, and ends in the time that it was given."""

import asyncio
import json
from typing import Final

from tests.fakes.process import Proxy
from tests.fakes.raw_client import RawClient
from tests.fakes.raw_server import RawServer, head
from tests.fakes.until import until

TIMEOUT: Final = 2.0
"""Seconds that requests have to finish."""
GRACE: Final = 1.0
"""Seconds in which all the rest of leaving is done."""


async def test_a_request_that_hangs_is_told_when_the_time_is_over_and_the_process_ends() -> None:
    clock = asyncio.get_running_loop().time
    async with RawServer(scripts=((head(),),)) as api:
        config = f"""
callers: {{anyone: {{kind: anonymous}}}}
credentials: {{bearer: {{kind: text, value: the-token-of-the-api}}}}
drain: {{timeout: {TIMEOUT:g}s}}
routes: {{hanging: {{upstream: '{api.url}', callers: [anyone], credential: bearer}}}}
"""
        async with Proxy(config) as proxy, RawClient(proxy.port) as caller:
            await caller.send(b"GET /x HTTP/1.1\r\nHost: api.example\r\n\r\n")
            await until(lambda: api.requests)
            began = clock()
            stopping = asyncio.get_running_loop().create_task(proxy.stop())
            answer = await caller.answer()
            answered = clock() - began
            assert await stopping == 0, proxy.story()
            ended = clock() - began
            assert (answer.status, answer.header("Connection")) == (503, b"close")
            assert answer.header("Retry-After") == b"1"
            assert json.loads(answer.body)["type"].endswith("/errors/draining")
            assert TIMEOUT <= answered <= ended < TIMEOUT + GRACE
            line = await proxy.line_with('"reason": "draining"')
            assert (line["status"], line["route"]) == (503, "hanging")
            assert line["request_id"] == answer.header("X-Request-Id").decode()
