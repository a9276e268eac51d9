"""Every raw answer of the table reaches the caller exactly, or as an honest failure; never half, never somebody else's.

All cases go through one proxy, many at a time; each has an upstream of its own, found by its Host.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import pytest
import pytest_asyncio

from tests.e2e.answers import CASES
from tests.e2e.answers.case import ABORTED, Case, following
from tests.fakes.process import Proxy
from tests.fakes.raw_client import Answer, NoAnswerError, RawClient
from tests.fakes.raw_server import RawServer

AT_A_TIME: Final = 24
TOKEN: Final = "the-token-of-the-api"
FINAL_STATUS_LINE: Final = re.compile(rb"^HTTP/1\.[01] [2-9]\d\d ", re.MULTILINE)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Outcome:
    """What the caller saw of one case."""

    answer: Answer | None = None
    """None: the connection was cut before an answer was whole."""
    seen: bytes = b""
    """Every byte of the case's answer."""
    following: Answer | None = None
    """The answer to the request that came next."""
    same_caller_connection: bool = False
    trouble: str = ""


Played = tuple[dict[str, Outcome], dict[str, RawServer]]
"""What became of each case, and each case's upstream."""


def config(servers: dict[str, RawServer]) -> str:
    """Return the configuration with one route per case."""
    routes = [
        f"  {case.name}: {{match: {{host: {case.name}.example}}, upstream: '{servers[case.name].url}', "
        f"callers: [anyone], credential: bearer, {case.route}}}"
        for case in CASES
    ]
    return f"""
callers: {{anyone: {{kind: anonymous}}}}
credentials:
  bearer: {{kind: text, value: {TOKEN}, inject: [{{kind: header, name: Authorization, prefix: "Bearer "}}]}}
routes:
{chr(10).join(routes)}
"""


def request(case: Case, target: bytes, method: str, version: bytes = b"HTTP/1.1") -> bytes:
    """Return a plain request to the case's route."""
    length = b"Content-Length: 3\r\n" if method in {"POST", "PATCH", "PUT"} else b""
    host = case.name.encode() + b".example"
    line = b"%s %s %s\r\nHost: %s\r\n%s\r\n" % (method.encode(), target, version, host, length)
    return line + (b"xyz" if length else b"")


async def play(case: Case, server: RawServer, port: int) -> Outcome:
    """Send the case's request, then another one."""
    outcome = Outcome()
    try:
        async with RawClient(port) as client:
            if case.warm:
                await client.send(request(case, b"/warm", "GET"))
                await client.answer()
            before = len(client.seen)
            data = case.request.replace(b"{h}", case.name.encode() + b".example")
            await client.send(data or request(case, b"/a", case.method, case.version))
            with contextlib.suppress(NoAnswerError):
                outcome.answer = await client.answer(case.method)
            outcome.seen = client.seen[before:]
            await settle(case, server)
            keeps = outcome.answer is not None and b"close" not in outcome.answer.header("Connection")
            outcome.same_caller_connection = keeps and case.version == b"HTTP/1.1"
            if outcome.same_caller_connection and outcome.answer and not outcome.answer.ended_by_close:
                await client.send(request(case, b"/next", "GET"))
                outcome.following = await client.answer()
                return outcome
            if outcome.answer is not None:
                outcome.seen += await client.rest()
        async with RawClient(port) as client:
            await client.send(request(case, b"/next", "GET"))
            outcome.following = await client.answer()
    except (NoAnswerError, OSError) as error:
        outcome.trouble = repr(error)
    return outcome


async def settle(case: Case, server: RawServer) -> None:
    """Wait until a connection that may not be used again is closed: what comes late must find nobody."""
    if case.reused is False:
        async with asyncio.timeout(5):
            await server.links[0].ended.wait()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played() -> AsyncIterator[Played]:
    """Play every case and return what became of it."""
    async with contextlib.AsyncExitStack() as stack:
        servers = {
            case.name: await stack.enter_async_context(RawServer([case.steps, (following(0),)])) for case in CASES
        }
        proxy = await stack.enter_async_context(Proxy(config(servers)))
        gate = asyncio.Semaphore(AT_A_TIME)

        async def one(case: Case) -> Outcome:
            async with gate:
                return await play(case, servers[case.name], proxy.port)

        results = await asyncio.gather(*map(one, CASES))
        yield {case.name: result for case, result in zip(CASES, results, strict=True)}, servers


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_raw_answer_reaches_the_caller_exactly_or_not_at_all(case: Case, played: Played) -> None:
    outcome = played[0][case.name]
    server = played[1][case.name]
    assert not outcome.trouble, outcome
    assert not server.faults
    check_answer(case, outcome)
    check_next(case, outcome, server)


def check_answer(case: Case, outcome: Outcome) -> None:
    """Hold what the caller got against the table."""
    assert len(FINAL_STATUS_LINE.findall(outcome.seen)) <= 1, outcome.seen[:1000]
    assert b"poison" not in outcome.seen
    assert TOKEN.encode() not in outcome.seen
    answer = outcome.answer
    if answer is None:
        assert ABORTED in case.outcomes, outcome.seen[:1000]
        return
    assert answer.status in case.outcomes, answer
    if case.interim is not None:
        assert answer.interim == case.interim
    if case.body is None:
        if answer.status >= 500:
            check_problem(case, answer)
        return
    assert answer.body == case.body, answer
    wanted = {name.lower() for name, _ in case.has}
    assert tuple(line for line in answer.headers if line[0].lower() in wanted) == case.has
    assert not [line for line in answer.headers if line[0].lower() in case.lacks]


def check_problem(case: Case, answer: Answer) -> None:
    """What we say of an upstream that failed."""
    problem = json.loads(answer.body)
    assert answer.header("Content-Type").startswith(b"application/problem+json"), answer
    assert answer.header("Proxy-Status").startswith(b"countersign; error="), answer
    assert problem["type"].rsplit("/", 1)[1] == case.code, problem
    assert problem["status"] == answer.status


def check_next(case: Case, outcome: Outcome, server: RawServer) -> None:
    """The request after it gets its own answer, over a sound connection."""
    assert outcome.following is not None
    assert (outcome.following.status, outcome.following.body) == (200, b"next"), outcome.following
    if case.reused is not None:
        assert len(server.links) == (1 if case.reused else 2), [bytes(link.received) for link in server.links]
    targets = [one.target for one in server.requests]
    assert targets.count(b"/next") == 1
    if not case.request:
        assert targets.count(b"/a") == case.upstream_requests


async def test_the_table_is_long_enough() -> None:
    assert len(CASES) >= 40
