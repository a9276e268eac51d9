"""What lies under the reserved prefix is answered by the portal or by nobody, and never goes upstream."""

import asyncio
import json
from dataclasses import replace
from typing import Final

import pytest

from proxy.net.endpoint import Endpoint
from proxy.stores.documents import Documents
from proxy.stores.memory import Memory, MemorySettings
from proxy.users.doubts import Doubts
from proxy.users.people import People
from proxy.users.portal import LONGEST_BODY, Answer, Call, Entry, Portal, told
from proxy.users.registry import Registry
from proxy.users.settings import UsersSettings
from tests.fakes.gateway_room import GatewayRoom, gateway
from tests.fakes.raw_client import RawClient
from tests.fakes.token_room import SEAL

APP: Final = "https://app.example"


async def echo(call: Call) -> Answer:
    return told({"rest": call.rest, "body": call.body.decode()})


async def fail(call: Call) -> Answer:
    raise RuntimeError(call.rest)


async def cookies(call: Call) -> Answer:
    return Answer(204, cookies=("a=1", "b=2"))


PORTAL = Portal(
    (Entry("GET", "see/", echo), Entry("POST", "say", echo), Entry("GET", "fail", fail), Entry("GET", "bake", cookies)),
    "http://proxy.example",
    (),
)


def with_portal(room: GatewayRoom, portal: Portal = PORTAL) -> None:
    registry = Registry(Documents(Memory(MemorySettings(), room.runtime), SEAL), b"key")
    people = People(UsersSettings(), registry, Endpoint(room.clock), room.runtime, Doubts(room.events, room.clock))
    people.portal = portal
    room.graph = room.pipeline.graph = replace(room.graph, people=people)


def request(method: str, path: str, body: bytes = b"", *lines: str) -> bytes:
    head = [f"{method} /.countersign/{path} HTTP/1.1", "Host: proxy.example", *lines]
    if body:
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode() + body


async def test_a_call_is_answered_and_the_connection_goes_on() -> None:
    async with gateway() as (room, _), RawClient(room.port) as browser:
        with_portal(room)
        await browser.send(request("GET", "see/me"))
        answer = await browser.answer()
        assert (answer.status, json.loads(answer.body)["rest"]) == (200, "me")
        assert answer.header("Cache-Control") == b"no-store"
        await browser.send(request("POST", "say", b"hello"))
        assert json.loads((await browser.answer()).body)["body"] == "hello"
        await browser.send(request("GET", "bake"))
        answer = await browser.answer()
        assert answer.status == 204
        assert [value for name, value in answer.headers if name == b"Set-Cookie"] == [b"a=1", b"b=2"]


async def test_while_draining_every_answer_is_the_last_on_its_connection() -> None:
    async with gateway() as (room, _), RawClient(room.port) as browser:
        with_portal(room)
        room.pipeline.draining = True
        await browser.send(request("GET", "see/me"))
        answer = await browser.answer()
        assert (answer.status, answer.header("Connection")) == (200, b"close")
        assert await browser.rest() == b""


async def test_so_it_is_if_draining_begins_while_the_call_is_answered() -> None:
    async with gateway() as (room, _), RawClient(room.port) as browser:
        with_portal(room)
        begun, go = asyncio.Event(), asyncio.Event()

        async def slow(call: Call) -> Answer:
            begun.set()
            await go.wait()
            return told({})

        assert room.graph.people is not None
        room.graph.people.portal = Portal((Entry("GET", "slow", slow),), "http://proxy.example", ())
        await browser.send(request("GET", "slow"))
        await begun.wait()
        room.pipeline.draining = True
        go.set()
        assert (await browser.answer()).header("Connection") == b"close"


async def test_what_comes_too_late_is_told_to_go_elsewhere() -> None:
    async with gateway() as (room, _), RawClient(room.port) as browser:
        with_portal(room)
        room.pipeline.draining = room.pipeline.refusing = True
        await browser.send(request("GET", "see/me"))
        answer = await browser.answer()
        assert (answer.status, json.loads(answer.body)["type"].rpartition("/")[2]) == (503, "draining")
        assert (answer.header("Connection"), answer.header("Retry-After")) == (b"close", b"1")


async def test_a_refusal_says_once_that_it_is_not_to_be_kept() -> None:
    async with gateway() as (room, _), RawClient(room.port) as browser:
        with_portal(room)
        await browser.send(request("GET", "nowhere"))
        answer = await browser.answer()
        assert answer.status == 404
        assert [value for name, value in answer.headers if name.lower() == b"cache-control"] == [b"no-store"]
        assert answer.header("Referrer-Policy") == b"no-referrer"


async def test_without_users_nothing_is_there_and_nothing_goes_upstream() -> None:
    async with gateway() as (room, api), RawClient(room.port) as browser:
        await browser.send(request("GET", "see/me"))
        answer = await browser.answer()
        assert (answer.status, json.loads(answer.body)["type"].rpartition("/")[2]) == (404, "route-not-found")
        assert not api.links


async def test_a_body_that_is_too_long_is_refused_before_it_is_all_here() -> None:
    async with gateway() as (room, _), RawClient(room.port) as browser:
        with_portal(room)
        await browser.send(request("POST", "say", b"x" * (LONGEST_BODY + 1)))
        assert (await browser.answer()).status == 413


async def test_a_mistake_of_a_handler_is_answered_without_its_words() -> None:
    async with gateway() as (room, _), RawClient(room.port) as browser:
        with_portal(room)
        await browser.send(request("GET", "fail"))
        answer = await browser.answer()
        assert answer.status == 500
        assert room.lines.seen[-1]["status"] == 500


@pytest.mark.parametrize(("draining", "size", "status"), [(True, 1, 503), (False, LONGEST_BODY + 1, 413)])
async def test_a_page_can_read_why_it_is_refused_at_the_door(draining: bool, size: int, status: int) -> None:
    async with gateway() as (room, _), RawClient(room.port) as browser:
        with_portal(room, Portal((Entry("POST", "say", echo, cross_origin=True),), "", (APP,)))
        room.pipeline.refusing = draining
        await browser.send(request("POST", "say", b"x" * size, f"Origin: {APP}"))
        answer = await browser.answer()
        assert (answer.status, answer.header("Access-Control-Allow-Origin")) == (status, APP.encode())
