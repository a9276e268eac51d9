"""A server of the tests has an address while its block runs, and ends whoever waits there."""

import asyncio

import aiohttp
import pytest
from aiohttp import web

from tests.fakes.served import Served
from tests.fakes.until import until


class Waiting(Served):
    """Answers once it is told to, or has to end."""

    def __init__(self) -> None:
        self.arrived = 0
        self.may_answer = asyncio.Event()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/", self._wait)
        return app

    def release(self) -> None:
        self.may_answer.set()

    async def _wait(self, _: web.Request) -> web.Response:
        self.arrived += 1
        await self.may_answer.wait()
        return web.Response(text="at last")


async def ask(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.text()


async def test_it_answers_while_its_block_runs_and_then_no_more() -> None:
    async with Waiting() as server:
        server.release()
        assert await ask(server.url) == "at last"
    with pytest.raises(aiohttp.ClientConnectionError):
        await ask(server.url)


async def test_who_still_waits_is_answered_before_the_end() -> None:
    async with Waiting() as server:
        waiting = asyncio.create_task(ask(server.url))
        await until(lambda: server.arrived)
    assert await waiting == "at last"


async def test_it_has_the_same_address_when_it_begins_again() -> None:
    server = Waiting()
    server.release()
    async with server:
        before = server.url
    async with server:
        assert server.url == before
        assert await ask(before) == "at last"
