"""Every raw request of the table gets the answer that the RFCs ask for, and nothing ambiguous ever arrives upstream.

All requests go through one proxy, many at a time; each has an upstream of its own, found by its Host. Each is sent
twice: in one piece, and byte by byte.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

import pytest
import pytest_asyncio

from tests.e2e.requests import CASES
from tests.e2e.requests.case import CLOSE, KEEP, Arrival, Case, head
from tests.fakes.process import Proxy
from tests.fakes.raw_client import Answer, NoAnswerError, RawClient
from tests.fakes.raw_server import RawServer
from tests.fakes.strict import Request

AT_A_TIME: Final = 24
SOON: Final = 5.0
MODES: Final = ("whole", "split")
TOKEN: Final = b"the-token-of-the-api"
KEY: Final = b"the-key-of-the-api"
PROBE: Final = Arrival(b"/probe")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Outcome:
    """What became of one request."""

    answers: list[Answer] = field(default_factory=list)
    rest: bytes = b""
    """What stood behind the last answer."""
    closed: bool = False
    arrived: list[Request] = field(default_factory=list)
    half: bool = False
    """True when the upstream waits for the rest of a request for ever."""
    trouble: str = ""


Played = tuple[dict[tuple[str, str], Outcome], dict[str, RawServer]]
"""What became of each request in each mode, and each request's upstream."""


def config(servers: dict[str, RawServer]) -> str:
    """Return the configuration with one route per case."""
    routes = [
        f"  {name}: {{match: {{host: {name}.example}}, upstream: '{server.url}', callers: [anyone], "
        f"credentials: [bearer, key]{', ' if extra else ''}{extra}}}"
        for (name, server), extra in zip(servers.items(), (case.route for case in CASES), strict=True)
    ]
    return f"""
callers: {{anyone: {{kind: anonymous}}}}
credentials:
  bearer: {{kind: text, value: {TOKEN.decode()}, inject: [{{kind: header, name: Authorization, prefix: "Bearer "}}]}}
  key: {{kind: text, value: {KEY.decode()}, inject: [{{kind: header, name: X-Api-Key}}]}}
routes:
{chr(10).join(routes)}
"""


async def play(case: Case, server: RawServer, port: int, mode: str) -> Outcome:
    """Send one request and collect what becomes of it."""
    outcome, before = Outcome(), len(server.requests)
    name = case.name.encode() + b".example"
    data = case.data.replace(b"{h}", name).replace(b"{H}", name.upper())
    try:
        async with RawClient(port) as client:
            await client.send(data, pieces=None if mode == "whole" else 1 if len(data) < 2000 else 97)
            if case.truncated:
                client.finish()
            await converse(client, case, outcome, name)
    except (NoAnswerError, OSError) as error:
        outcome.trouble = repr(error)
    outcome.arrived = server.requests[before:]
    outcome.half = not await whole_or_ended(server)
    return outcome


async def whole_or_ended(server: RawServer) -> bool:
    """Tell whether the upstream soon waits for the rest of no request."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SOON):
            for link in server.links:
                if not link.is_idle:
                    await link.ended.wait()
    return all(link.is_idle or link.ended.is_set() for link in server.links)


async def converse(client: RawClient, case: Case, outcome: Outcome, name: bytes) -> None:
    """Read the answers, and find out whether the connection goes on."""
    if case.truncated:
        outcome.rest, outcome.closed = await client.rest(), True
        return
    for _ in case.answers:
        outcome.answers.append(await client.answer(case.method))
        if case.early and outcome.answers[-1].status >= 400:
            break
    if case.then == CLOSE:
        outcome.rest, outcome.closed = await client.rest(), True
        return
    await client.send(head(PROBE.target).replace(b"{h}", name))
    try:
        outcome.answers.append(await client.answer())
    except NoAnswerError:
        outcome.rest, outcome.closed = await client.rest(), True


@pytest.fixture(scope="module", params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """In which pieces the requests are sent."""
    return str(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played() -> AsyncIterator[Played]:
    """Play every case in both ways and return what became of it."""
    async with contextlib.AsyncExitStack() as stack:
        servers = {case.name: await stack.enter_async_context(RawServer()) for case in CASES}
        proxy = await stack.enter_async_context(Proxy(config(servers)))
        gate = asyncio.Semaphore(AT_A_TIME)

        async def one(case: Case, mode: str) -> Outcome:
            async with gate:
                return await play(case, servers[case.name], proxy.port, mode)

        outcomes: dict[tuple[str, str], Outcome] = {}
        for mode in MODES:
            results = await asyncio.gather(*(one(case, mode) for case in CASES))
            outcomes |= {(case.name, mode): result for case, result in zip(CASES, results, strict=True)}
        yield outcomes, servers


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_raw_request_has_the_outcome_that_the_rfcs_ask_for(case: Case, mode: str, played: Played) -> None:
    outcome = played[0][case.name, mode]
    server = played[1][case.name]
    assert not outcome.trouble, outcome
    assert not server.faults
    check_answers(case, outcome)
    check_arrivals(case, outcome, server)


def check_answers(case: Case, outcome: Outcome) -> None:
    """Hold what the caller got against the table."""
    answers = list(outcome.answers)
    if case.truncated:
        assert outcome.rest == b"" or outcome.rest.startswith(b"HTTP/1.1 4"), outcome
        return
    assert outcome.rest == b"", outcome
    if case.then is not None:
        assert outcome.closed == (case.then == CLOSE), outcome
    if not outcome.closed:
        probe = answers.pop()
        assert (probe.status, probe.body) == (200, b"ok")
    statuses = tuple(answer.status for answer in answers)
    early = case.early and statuses == (400,)
    assert early or statuses == case.answers, outcome
    if case.interim is not None and answers:
        assert answers[0].interim == case.interim
    if outcome.closed and answers and case.then == CLOSE:
        assert b"close" in answers[-1].header("Connection").lower(), outcome
    for answer in answers:
        check_answer(case, answer)


def check_answer(case: Case, answer: Answer) -> None:
    """An answer of the upstream comes unchanged; one of ours is a problem document that repeats nothing."""
    if answer.status == 200:
        assert answer.body == (b"" if case.method == "HEAD" else b"ok")
        return
    assert answer.header("Content-Type").startswith(b"application/problem+json"), answer
    assert answer.header("Proxy-Status").startswith(b"countersign; error="), answer
    problem = json.loads(answer.body)
    assert problem["type"].rsplit("/", 1)[1] == case.code, problem
    assert problem["status"] == answer.status, problem
    whole = repr(answer).encode()
    assert not [secret for secret in (TOKEN, KEY, b"caller-secret", b"evil") if secret in whole], answer


def check_arrivals(case: Case, outcome: Outcome, server: RawServer) -> None:
    """Hold what the upstream received against the table."""
    assert not outcome.half, server.received
    passed = [answer for answer in outcome.answers if answer.status == 200]
    expected = [*case.arrives, *([] if outcome.closed else [PROBE])]
    if len(passed) < len(expected) and case.early:
        expected = expected[: len(passed)]
    assert [Arrival(one.target, one.body, one.method) for one in outcome.arrived] == expected
    for request in outcome.arrived:
        assert request.one("Host") == f"127.0.0.1:{server.port}".encode()
        assert request.one("Authorization") == b"Bearer " + TOKEN
        assert request.one("X-Api-Key") == KEY
        assert b"countersign" in (request.one("Via") or b"")
    for request in outcome.arrived[: len(case.arrives)]:
        names = [key.lower() for key, _ in request.headers]
        assert not [name for name in (*case.lacks, b"expect", b"trailer", b"upgrade", b"te") if name in names], request
        wanted = {key.lower() for key, _ in case.has}
        assert tuple(line for line in request.headers if line[0].lower() in wanted) == case.has, request


async def test_the_table_is_long_enough() -> None:
    assert len(CASES) >= 100
    assert {case.then for case in CASES} >= {CLOSE, KEEP}
