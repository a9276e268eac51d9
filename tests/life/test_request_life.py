"""The life of a request, end to end in one process: a real listener, a real socket to an API that follows a script."""

import asyncio
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass, field
from types import coroutine
from typing import Any, Final

import pytest

from proxy.core.breaker import BreakerState
from proxy.core.rejection import RejectionSettings
from tests.fakes.caller import Caller
from tests.fakes.credential import MARKER
from tests.fakes.gateway_room import GatewayRoom, gateway
from tests.fakes.raw_client import Answer, RawClient
from tests.fakes.raw_server import OK, Link, RawServer, Step, always, answer_each, close, head, request, send
from tests.fakes.token_room import transient
from tests.fakes.until import until

KiB: Final = 1024
REFUSED: Final = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"
EXPIRED: Final = b'HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n{"error":{"code":"EXPIRED"}}'
LIMITS: Final = {
    "replay": {"memory": "4KiB", "disk": "12KiB"},
    "breaker": {"failures": 3, "ratio": 0.5, "window": "30s", "cooldown": "10s"},
}
RULES: Final = (
    RejectionSettings(status=401),
    RejectionSettings.model_validate({"status": 200, "json": "$.error.code", "equals": "EXPIRED"}),
)


def asking(method: str = "GET", body: bytes = b"", *, path: str = "/x") -> bytes:
    framing = f"Content-Length: {len(body)}\r\n" if body or method not in {"GET", "HEAD"} else ""
    return f"{method} {path} HTTP/1.1\r\nHost: api.example\r\n{framing}\r\n".encode() + body


async def ask(room: GatewayRoom, data: bytes = b"") -> Answer:
    """Send the bytes on a connection of their own, and return the answer."""
    async with RawClient(room.port) as caller:
        await caller.send(data or asking())
        return await caller.answer((data or asking()).split(b" ")[0].decode())


def open_files() -> int:
    """Return how many files this process has open; sockets and pipes are none."""
    count = 0
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - they are numbers
        try:
            count += stat.S_ISREG(os.fstat(int(name)).st_mode)
        except OSError:  # the one that listed them
            continue
    return count


@dataclass
class Judge:
    """An API that takes one token, and refuses it when told to."""

    good: int = 1
    """The number of the token that is taken."""
    refusal: bytes = REFUSED
    overrides: dict[bytes, bytes] = field(default_factory=dict)
    """What is answered at these paths, whatever the token."""

    async def __call__(self, link: Link) -> None:
        number = 0
        while True:
            number += 1
            await link.until(lambda: len(link.requests) >= number)  # noqa: B023 - it is awaited before that
            one = link.requests[-1]
            is_good = one.one("Authorization") == b"Bearer %b-%d" % (MARKER.encode(), self.good)
            await link.send(self.overrides.get(one.target, OK if is_good else self.refusal))

    def revoke(self) -> None:
        """Take the next token only."""
        self.good += 1


async def test_a_request_lives() -> None:
    judge = Judge()
    files = open_files()
    async with gateway((judge,), rules=RULES, limits={"in_flight": 60}, **LIMITS) as (room, api):
        issuer, plan = room.credential, room.plan

        # Fifty callers come before there is a token: one fetch, and everybody is served.
        assert {one.status for one in await asyncio.gather(*(ask(room) for _ in range(50)))} == {200}
        assert issuer.count == 1

        # The API refuses the token: fifty callers, bodies in memory and on disk, one renewal, and nobody knows.
        judge.revoke()
        bodies = [os.urandom(size) for size in (0, 1, 4 * KiB, 4 * KiB + 1, 16 * KiB) for _ in range(10)]
        answers = await asyncio.gather(*(ask(room, asking("POST", body)) for body in bodies))
        assert {(one.status, one.body) for one in answers} == {(200, b"ok")}
        served = [
            one.body for one in api.requests if one.method == "POST" and one.one("Authorization") == b"Bearer planted-2"
        ]
        assert sorted(served) == sorted(bodies)
        assert (issuer.count, room.replays) == (2, {"succeeded": 50})

        # It says so with a 200 and an error in JSON: the rules know.
        judge.revoke()
        judge.refusal = EXPIRED
        assert (await ask(room, asking("DELETE", b"x"))).body == b"ok"
        assert (issuer.count, room.replays) == (3, {"succeeded": 51})

        # A body that is not remembered: the caller gets the refusal with a notice, and the next one a new token.
        judge.revoke()
        judge.refusal = REFUSED
        answer = await upload(room, api, os.urandom(16 * KiB + 1))
        assert (answer.status, answer.body) == (401, b"no")
        assert b"too large to be replayed" in answer.header("Proxy-Status")
        await until(lambda: issuer.count == 4)
        assert (await ask(room)).status == 200
        assert (issuer.count, room.replays) == (4, {"succeeded": 51, "too_large": 1})

        # Something else is wrong than the token: the second refusal is the caller's, unchanged.
        judge.overrides[b"/forbidden"] = REFUSED.replace(b"no", b"NO")
        answer = await ask(room, asking(path="/forbidden"))
        assert (answer.status, answer.body, answer.all("Proxy-Status")) == (401, b"NO", [])
        assert room.replays == {"succeeded": 51, "too_large": 1, "rejected_again": 1}
        judge.good = issuer.count

        # A not-found and an unprocessable never count against the API.
        for number in (404, 422):
            judge.overrides[b"/%d" % number] = b"HTTP/1.1 %d \r\nContent-Length: 0\r\n\r\n" % number
            assert {(await ask(room, asking(path=f"/{number}"))).status for _ in range(10)} == {number}
        assert plan.breaker.opened_total == 0

        # The issuer goes down: the token is used for as long as it lives.
        issuer.always = transient(retry_after=20.0)
        await room.clock.advance(seconds=299)
        assert (await ask(room)).status == 200

        # Then callers are told why there is none, and when to come back; the API is not asked.
        await room.clock.advance(seconds=2)
        heard = len(api.requests)
        answer = await ask(room)
        assert (answer.status, b'"reason":"provider_5xx"' in answer.body) == (502, True)
        assert 1 <= int(answer.header("Retry-After")) <= 20

        # It goes on: the route's circuit opens.
        while plan.breaker.opened_total == 0:
            assert (await ask(room)).status in {502, 503}
        answer = await ask(room)
        assert (answer.status, b"circuit-open" in answer.body) == (503, True)
        assert len(api.requests) == heard

        # The issuer is back: it closes by itself.
        issuer.always = None
        await room.clock.advance(seconds=61)
        judge.good = issuer.count + 1
        assert (await ask(room)).status == 200
        assert plan.breaker.state(room.clock.monotonic()) is BreakerState.CLOSED

        # All of it is written down, once each, and no token in it.
        await until(lambda: plan.metrics.in_flight == 0)
        assert len(room.lines.seen) == sum(room.answers.values())
        names = room.event_names()
        assert [names.count(name) for name in ("replay_given_up", "breaker_opened")] == [
            1,
            names.count("breaker_closed"),
        ]
        said = repr((room.lines.seen, room.events.query(limit=1000), room.metrics.render("")[0], plan, room.source))
        assert MARKER not in said
        assert room.reported == []
        assert (open_files(), api.faults) == (files, [])


async def upload(room: GatewayRoom, api: RawServer, body: bytes) -> Answer:
    """Send a body whose last byte comes late, so that it streams."""
    async with RawClient(room.port) as caller:
        heard = len(api.received)
        await caller.send(asking("PUT", body)[:-1])
        await until(lambda: len(api.received) >= heard + len(body) - 1)
        await caller.send(body[-1:])
        return await caller.answer()


# Nothing waits before the wire


@coroutine
def resumed(work: Coroutine[Any, Any, bool], waited: Any) -> Generator[Any, None, bool]:
    """Go on with work that was begun by hand and waits for that."""
    while True:
        yield waited
        try:
            waited = work.send(None)
        except StopIteration as end:
            return bool(end.value)


@pytest.mark.parametrize("data", [asking(), asking("POST", b"the body"), asking("HEAD")], ids=["GET", "POST", "HEAD"])
async def test_with_a_fresh_token_nothing_waits_before_the_wire(data: bytes) -> None:
    async with gateway() as (room, api), Caller() as caller:
        assert (await ask(room)).status == 200
        (link,) = api.links
        inbound = await caller.ask(data)
        tasks = room.runtime.tasks
        handling = room.pipeline.handle(inbound)
        waits_for = handling.send(None)  # up to the first await that waits; no turn of the loop has passed

        api_side = link._writer.get_extra_info("socket")._sock
        on_the_wire = api_side.recv(64 * KiB, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        assert on_the_wire.startswith(data.partition(b" HTTP")[0])
        assert b"Authorization: Bearer planted-1\r\n" in on_the_wire
        assert on_the_wire.endswith(b"\r\n\r\n" + data.partition(b"\r\n\r\n")[2])
        assert (room.runtime.tasks, room.credential.count) == (tasks, 1)

        assert await resumed(handling, waits_for)
        assert caller.got.startswith(b"HTTP/1.1 200 OK\r\n")
        assert len(api.requests) == 2


# Callers that leave, wherever the request may be


@coroutine
def interrupted(
    work: Coroutine[Any, Any, bool], interrupt: Callable[[], None], at: int, points: list[int]
) -> Generator[Any, None, bool]:
    """Do the work, count in `points` where it waits, and interrupt it at the given one of those."""
    error: BaseException | None = None
    while True:
        try:
            waited = work.send(None) if error is None else work.throw(error)
        except StopIteration as end:
            return bool(end.value)
        points.append(len(points))
        if len(points) == at:
            interrupt()
        try:
            yield waited
            error = None
        except BaseException as thrown:  # noqa: BLE001 - it is the work's to handle
            error = thrown


@dataclass(frozen=True)
class Scene:
    """A request, and what the API does with it."""

    name: str
    scripts: tuple[tuple[Step, ...], ...]
    pieces: tuple[bytes, ...]
    """What the caller sends, with a few turns of the loop in between."""
    before: Callable[[GatewayRoom], Awaitable[None]] | None = None

    def __str__(self) -> str:
        return self.name


async def with_a_token(room: GatewayRoom) -> None:
    await room.source.obtain()


async def half_open(room: GatewayRoom) -> None:
    await room.source.obtain()
    for _ in range(3):
        room.plan.record(room.plan.breaker.admit(room.clock.monotonic()), ok=False)
    await room.clock.advance(seconds=10)
    assert room.plan.breaker.state(room.clock.monotonic()) is BreakerState.HALF_OPEN


def streamed(*pieces: bytes) -> tuple[bytes, ...]:
    head = b"POST /x HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n\r\n"
    return (head, *(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n\r\n")


LONG: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
SLOWLY: Final = (request(), send(LONG + b"012"), send(b"345", split=[1]), send(b"678", split=[2]))
REPLAYED: Final = ((request(), send(REFUSED), request(2), send(OK), close), (answer_each,))
SCENES: Final = (
    Scene("no token yet", ((answer_each,),), (asking(),)),
    Scene("a fresh token", ((answer_each,),), (asking(),), with_a_token),
    Scene("renewed and replayed", REPLAYED, (asking("POST", b"body"),), with_a_token),
    Scene("refused twice", ((always(REFUSED),),), (asking(),), with_a_token),
    Scene(
        "a small body that comes late", ((answer_each,),), (asking("POST", b"hello")[:-3], b"l", b"lo"), with_a_token
    ),
    Scene("a body in memory", REPLAYED, streamed(b"x" * KiB, b"y" * KiB), with_a_token),
    Scene("a body on disk", REPLAYED, streamed(b"x" * 5 * KiB, b"y" * 5 * KiB), with_a_token),
    Scene("a body given up", ((always(REFUSED),),), streamed(b"x" * 9 * KiB, b"y" * 9 * KiB), with_a_token),
    Scene(
        "an early refusal",
        ((head(), send(REFUSED), close), (answer_each,)),
        streamed(b"x" * 5 * KiB, b"y"),
        with_a_token,
    ),
    Scene("an answer that streams", (SLOWLY, (answer_each,)), (asking(),), with_a_token),
    Scene(
        "an answer that is looked into",
        ((request(), send(EXPIRED, split=[50]), request(2), send(OK), close),),
        (asking(),),
    ),
    Scene("a probe", ((answer_each,),), (asking(),), half_open),
    Scene("a probe that is replayed", REPLAYED, (asking("POST", b"body"),), half_open),
)


async def play(scene: Scene, interrupt_at: int = 0) -> int:
    """Play a scene, let the caller vanish at that point, and see that nothing is left; return the points there were."""
    files = open_files()
    points: list[int] = []
    async with gateway(*scene.scripts, rules=RULES, **LIMITS) as (room, _):
        if scene.before is not None:
            await scene.before(room)
        done = asyncio.Event()
        caller = Caller(room.listener)

        async def handle(inbound: Any) -> bool:
            try:
                return await interrupted(room.pipeline.handle(inbound), caller.vanish, interrupt_at, points)
            finally:
                done.set()

        room.listener.handle = handle
        async with caller:
            for piece in scene.pieces:
                if not caller.wire.closing:
                    caller.send(piece)
                for _ in range(3):
                    await asyncio.sleep(0)
            async with asyncio.timeout(10):
                await done.wait()
        room.listener.handle = room.pipeline.handle
        await at_rest(room, files)
        if interrupt_at:
            assert room.plan.breaker.opened_total == (1 if scene.before is half_open else 0)
            assert (await ask(room)).status in {200, 401}, "the next caller is served"
        await at_rest(room, files)
        assert room.reported == []
        assert "task_failed" not in room.event_names()
    return len(points)


async def at_rest(room: GatewayRoom, files: int) -> None:
    """Wait until nothing is under way: no request, no busy connection, no file, no task but the standing ones."""
    upstream = room.plan.upstream

    def rests() -> bool:
        return (
            room.plan.metrics.in_flight == 0
            and upstream.connections == len(upstream._idle)
            and all("idle" in repr(connection) for connection in upstream._idle)
            and open_files() == files
            and room.runtime.tasks <= 2  # the sweep of the connections, the alarm of the token
        )

    try:
        await until(rests)
    except TimeoutError:
        state = (room.plan.metrics.in_flight, upstream, open_files() - files, room.runtime._tasks)
        raise AssertionError(f"something is left: {state}") from None


@pytest.mark.parametrize("scene", SCENES, ids=str)
async def test_a_caller_that_leaves_at_any_point_leaves_nothing_behind(scene: Scene) -> None:
    points = await play(scene)
    assert points >= 1
    for point in range(1, points + 1):
        await play(scene, point)
