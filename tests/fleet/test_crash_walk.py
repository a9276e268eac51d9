"""Killed, paused or asked to leave at any step of a renewal: the next process goes on, and no grant is lost for it.

Each case has a credential, a grant and processes of its own. The waits are real (leases, doubt), so all cases begin at
once, and each test looks at what has become of its own.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
import pytest_asyncio

from proxy.stores.base import LEASE
from proxy.stores.redis_scripts import SCRIPTS
from proxy.tokens.spending import DOUBT
from proxy.tokens.vault import LOOK
from tests.fakes.pointed_provider import ASKED, MOMENTS, REPLIED, SPENT, PointedProvider
from tests.fakes.process import Proxy
from tests.fakes.redis import RedisServer
from tests.fakes.redis_interposer import Interposer
from tests.fakes.scene import Scene, Told
from tests.fakes.world import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

BUSY: Final = 10.0
"""Seconds that a busy machine may add."""
ROUNDED: Final = 2.0
"""Seconds that looking now and then adds, and a caller who comes again when the second is over."""
AT_ONCE: Final = 4
"""Processes that start at the same time."""
SLOW: Final = 2.0
"""Seconds that a slow issuer takes, and a process that sleeps on."""
WAITS: Final = {"http_request": LEASE, "refresh_token": LEASE + DOUBT}
"""Seconds that a process may have to wait after another one was killed, by the kind of the credential."""
LONGEST_RENEWAL: Final = 0.08
"""Seconds, more or less."""


def both(*commands: str) -> Iterator[str]:
    for command in commands:
        yield f"before {command}"
        yield f"after {command}"


STEPS: Final = {
    "first": (*both("load", "acquire", "load 2", "save"), *MOMENTS, *both("save 2", "release")),
    "rejected": (*both("save", "acquire", "load", "save 2"), *MOMENTS, *both("save 3", "release")),
}
"""Of the renewal of a token that was never there, and of one that the API refuses."""


def is_fatal(why: str, step: str) -> bool:
    """Whether the grant was spent at that step, and nothing of what that brought could be kept."""
    steps = STEPS[why]
    kept = next(later for later in steps[steps.index(REPLIED) :] if later.startswith("after save"))
    return steps.index(SPENT) <= steps.index(step) < steps.index(kept)


FATAL: Final = [(why, step) for why in STEPS for step in STEPS[why] if is_fatal(why, step)]
HARMLESS: Final = [(why, step) for why in STEPS for step in STEPS[why] if not is_fatal(why, step)]
KILLS: Final = (*MOMENTS, *(f"at random {number}" for number in range(1, 11)))


@dataclass(frozen=True)
class Case:
    """One process that something happens to, and another that needs a token afterwards."""

    play: Callable[..., Awaitable[Any]]
    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        return "-".join((self.play.__name__, *self.arguments)).replace(" ", "-").replace("_", "-")

    def __str__(self) -> str:
        return "-".join(self.arguments)


def cases(play: Callable[..., Awaitable[Any]], choices: Iterable[tuple[str, ...]]) -> pytest.MarkDecorator:
    """Have a test look at what comes of each choice."""
    return pytest.mark.parametrize("case", [Case(play, chosen) for chosen in choices], ids=str)


class Stage:
    """What all cases share."""

    def __init__(self, server: RedisServer, issuers: Mapping[str, PointedProvider], place: Path) -> None:
        self.server = server
        self.issuers = issuers
        self.place = place
        self.starting = asyncio.Semaphore(AT_ONCE)
        self.settled = asyncio.Event()
        """Set when Redis knows our scripts, and has been up for as long as it is doubted."""
        self.cases: dict[Case, asyncio.Future[Any]] = {}

    async def settle(self) -> None:
        for digest, script in SCRIPTS.items():
            assert self.server.do("SCRIPT", "LOAD", script.text).decode() == digest
        await eventually(lambda: self.server.do("INFO", "server")["uptime_in_seconds"] > DOUBT, deadline=2 * DOUBT)
        self.settled.set()

    async def started(self, scene: Scene, between: Interposer) -> Proxy:
        """Start a process, and return it when it has done what it does at its start: it has heard itself twice."""
        process = await scene.process(store=self.redis(scene.name, between.url), starting=self.starting)
        await eventually(lambda: between.echoes >= 2, deadline=2 * DOUBT)
        await self.settled.wait()
        return process

    def redis(self, name: str, url: str | None = None) -> str:
        return f"{{kind: redis, url: '{url or self.server.url}', prefix: '{name}', timeout: 2s}}"

    def sqlite(self, name: str) -> str:
        return f"{{kind: sqlite, path: '{self.place / name}.db'}}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """All selected cases of this file, under way."""
    with RedisServer() as server:
        async with PointedProvider() as forgiving, PointedProvider() as strict, PointedProvider() as careless:
            forgiving.knobs.grace = 600.0
            careless.knobs.detects_reuse = False
            issuers = {"forgiving": forgiving, "strict": strict, "careless": careless}
            stage = Stage(server, issuers, tmp_path_factory.mktemp("stores"))
            for item in request.session.items:
                if item.path == request.path and isinstance(item, pytest.Function):
                    case = item.callspec.params["case"]
                    assert isinstance(case, Case)
                    stage.cases[case] = asyncio.ensure_future(case.play(stage, case.name, *case.arguments))
            under_way = [asyncio.create_task(stage.settle()), *stage.cases.values()]
            yield stage
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)


# A process is killed, and another one needs a token


async def ask_until_killed(scene: Scene, victim: Proxy, step: str) -> None:
    """Let a caller need a token, and kill the process at that step."""
    killed = asyncio.Event()

    async def kill() -> None:
        try:
            await victim.kill()
        finally:
            killed.set()

    async def pause() -> None:
        os.kill(victim.pid, signal.SIGSTOP)

    scene.points.at(step, kill, is_the_end=True)
    if step == REPLIED:
        scene.points.at(SPENT, pause)  # so that it does not read the reply before it is killed
    scene.points.watch()
    asking = asyncio.create_task(scene.asked_in_vain(victim))
    async with asyncio.timeout(BUSY):
        await killed.wait()
        await asking


async def between_looks(scene: Scene) -> None:
    """Return when the process has just looked after what cannot be had again: it will not do so again for a while."""
    scene.points.watch()
    await eventually(lambda: "after load" in scene.points.seen, deadline=LOOK + BUSY)


async def ask_until_killed_after(seconds: float, scene: Scene, victim: Proxy) -> None:
    """Let a caller need a token, and kill the process after that time, whatever it does by then."""
    asking = asyncio.create_task(scene.asked_in_vain(victim))
    await asyncio.sleep(seconds)
    await victim.kill()
    await asking


@dataclass(frozen=True)
class Heir:
    """What has become of the credential in the next process."""

    told: Told
    """What a caller was told at last."""
    view: dict[str, Any]
    """What an operator saw then."""
    again: Told
    """What a caller was told after that token had been revoked."""
    requests: int
    """How many token requests there had been before that, by either process."""
    outcomes: list[str]
    """What became of all of them."""
    needs_person: str = ""
    """What the log says of that."""


async def heir_of(stage: Stage, scene: Scene, *, within: float, is_lost: bool = False) -> Heir:
    """Start the next process, and let a caller ask until it is served or sent away, and then for the token after it."""
    expected = ("it had been sent before",) if is_lost else ()
    process = await scene.process(expected_errors=expected, starting=stage.starting)
    told = await scene.served(process, within=within + BUSY)
    view = await scene.view(process)
    requests = scene.provider.token_requests(scene.name)
    scene.reject()
    again = await scene.served(process, within=within + BUSY)
    needs_person = (await process.line_with("credential_needs_person"))["detail"] if is_lost else ""
    return Heir(told, view, again, requests, scene.provider.outcomes(scene.name), needs_person)


async def killed_on_redis(stage: Stage, name: str, issuer: str, why: str, step: str) -> Heir:
    scene = Scene(stage.issuers[issuer], name, kind="refresh_token", store=stage.redis(name))
    async with scene, Interposer(stage.server.port, scene.points) as between:
        victim = await stage.started(scene, between)
        if why == "rejected":
            assert (await scene.ask(victim)).status == 200
            scene.reject()
        await between_looks(scene)
        await ask_until_killed(scene, victim, step)
        is_lost = issuer == "strict" and is_fatal(why, step)
        return await heir_of(stage, scene, within=WAITS["refresh_token"], is_lost=is_lost)


async def killed_on_sqlite(stage: Stage, name: str, kind: str, step: str) -> Heir:
    scene = Scene(stage.issuers["forgiving"], name, kind=kind, store=stage.sqlite(name))
    async with scene:
        victim = await scene.process(starting=stage.starting)
        if step in MOMENTS:
            await ask_until_killed(scene, victim, step)
        else:
            await ask_until_killed_after(Random().uniform(0, LONGEST_RENEWAL), scene, victim)
        return await heir_of(stage, scene, within=WAITS[kind])


async def unharmed_on_redis(stage: Stage, name: str, why: str) -> list[str]:
    scene = Scene(stage.issuers["strict"], name, kind="refresh_token", store=stage.redis(name))
    async with scene, Interposer(stage.server.port, scene.points) as between:
        process = await stage.started(scene, between)
        if why == "rejected":
            assert (await scene.ask(process)).status == 200
            scene.reject()
        await between_looks(scene)
        scene.points.watch()
        assert (await scene.ask(process)).status == 200
        return scene.points.seen


@cases(unharmed_on_redis, [(why,) for why in STEPS])
async def test_the_steps_of_a_renewal_are_all_known(stage: Stage, case: Case) -> None:
    (why,) = case.arguments
    assert await stage.cases[case] == list(STEPS[why])


@cases(killed_on_redis, [("strict", *where) for where in HARMLESS])
async def test_a_process_that_is_killed_there_costs_nothing(stage: Stage, case: Case) -> None:
    heir = await stage.cases[case]
    _, why, _ = case.arguments
    assert heir.outcomes == ["issued"] * (2 if why == "first" else 3)
    assert heir.told.status == heir.again.status == 200
    assert heir.told.after <= LEASE + DOUBT + ROUNDED
    assert heir.view["failure"] is None


@cases(killed_on_redis, [("forgiving", *where) for where in FATAL])
async def test_what_a_killed_process_had_spent_is_spent_again_where_the_issuer_forgives_that(
    stage: Stage, case: Case
) -> None:
    heir = await stage.cases[case]
    _, why, _ = case.arguments
    assert heir.outcomes == [*(["issued"] if why == "rejected" else []), "issued", "repeated", "issued"]
    assert heir.told.status == heir.again.status == 200
    assert heir.told.after <= LEASE + DOUBT + ROUNDED
    assert heir.view["failure"] is None


@cases(killed_on_redis, [("strict", *where) for where in FATAL])
async def test_where_the_issuer_does_not_forgive_that_the_state_says_so_in_words_and_nobody_asks_again(
    stage: Stage, case: Case
) -> None:
    heir = await stage.cases[case]
    _, why, _ = case.arguments
    assert heir.outcomes == [*(["issued"] if why == "rejected" else []), "issued", "reused"]
    assert heir.told.reason == heir.again.reason == "invalid_grant"
    assert heir.told.after <= LEASE + DOUBT + ROUNDED
    failure = heir.view["failure"]
    assert failure["permanent"]
    for words in (failure["detail"], heir.needs_person):
        assert "it had been sent before" in words
        assert "somebody has to sign in again" in words


@cases(killed_on_sqlite, list(product(WAITS, KILLS)))
async def test_killed_at_any_instant_it_costs_a_token_request_at_most(stage: Stage, case: Case) -> None:
    heir = await stage.cases[case]
    kind, _ = case.arguments
    assert heir.requests <= 2
    assert set(heir.outcomes) <= {"issued", "repeated"}
    assert heir.told.status == heir.again.status == 200
    assert heir.told.after <= WAITS[kind] + ROUNDED
    assert heir.view["failure"] is None


# A process is asked to leave


@dataclass(frozen=True)
class Leave:
    """How a process took its leave while it was renewing, and what the next one did."""

    code: int
    """With which it ended."""
    answer: int | None
    """What its caller got; None: that one had left before."""
    requests: int
    """How many token requests there had been when the next process had served its first caller."""
    spent: list[str]
    """What was spent by the time that the next token had been fetched, too."""
    issued: list[str]
    """The refresh tokens that the issuer had given out by then."""


async def asked_to_leave(stage: Stage, name: str, caller: str) -> Leave:
    scene = Scene(stage.issuers["strict"], name, kind="refresh_token", store=stage.redis(name))
    spent = asyncio.Event()

    async def take_time() -> None:
        spent.set()
        await asyncio.sleep(SLOW)

    scene.points.at(SPENT, take_time)
    async with scene:
        await stage.settled.wait()
        leaving = await scene.process(starting=stage.starting)
        scene.points.watch()
        asking = asyncio.create_task(scene.ask(leaving))
        async with asyncio.timeout(BUSY):
            await spent.wait()
        if caller == "gone":
            asking.cancel()
            await asyncio.wait([asking])
        code = await leaving.stop()
        answer = (await asking).status if caller == "waiting" else None
        following = await scene.process(starting=stage.starting)
        assert (await scene.ask(following)).status == 200
        requests = scene.provider.token_requests(name)
        scene.reject()
        assert (await scene.ask(following)).status == 200
        issued = scene.provider.chain(scene.grant).refresh_tokens
        return Leave(code, answer, requests, scene.provider.spent_by(name), issued)


@cases(asked_to_leave, [("waiting",), ("gone",)])
async def test_a_process_that_is_asked_to_leave_waits_for_the_successor_of_what_it_spent_and_keeps_it(
    stage: Stage, case: Case
) -> None:
    left = await stage.cases[case]
    assert left.code == 0
    assert left.answer in {200, None}
    assert left.requests == 1
    assert left.spent == left.issued[:2]


# A process is paused for longer than its lease, and goes on


class Pause:
    """What happens where a process is to be paused: it is, until the end; and so is the issuer, if it is its turn."""

    def __init__(self, step: str) -> None:
        self.asleep = asyncio.Event()
        self.sleeper: Proxy | None = None
        self._step = step
        self._over = asyncio.Event()

    async def begin(self) -> None:
        assert self.sleeper is not None
        os.kill(self.sleeper.pid, signal.SIGSTOP)
        self.asleep.set()
        if self._step in MOMENTS:
            await self._over.wait()

    def end(self) -> None:
        assert self.sleeper is not None
        os.kill(self.sleeper.pid, signal.SIGCONT)
        self._over.set()


@dataclass(frozen=True)
class Awakening:
    """How things stood when the paused process had answered its caller."""

    told: Told
    """What the other process's caller had been told at last."""
    answer: int
    """What the paused process's caller got."""
    more_requests: int
    """How many token requests the paused process sent after it was woken."""
    views: list[dict[str, Any]]
    """What operators saw: before, in the other process; and after, in both."""
    again: Told
    """What the paused process's next caller was told, the token being revoked."""


async def paused(stage: Stage, name: str, issuer: str, step: str, patience: str) -> Awakening:
    """Pause one process; let another get a token, and if it can, the one after it; wake the paused one."""
    scene = Scene(
        stage.issuers[issuer],
        name,
        kind="refresh_token",
        store=stage.redis(name),
        settings=f"timeout: {patience}",
    )
    pause = Pause(step)
    scene.points.at(step, pause.begin)
    async with scene, Interposer(stage.server.port, scene.points) as between:
        sleeper = pause.sleeper = await stage.started(scene, between)
        scene.points.watch()
        asking = asyncio.create_task(scene.ask(sleeper))
        async with asyncio.timeout(BUSY):
            await pause.asleep.wait()
        other = await scene.process(expected_errors=("it had been sent before",), starting=stage.starting)
        told = await scene.served(other, within=LEASE + DOUBT + BUSY)
        if told.status == 200:
            scene.reject()
            assert (await scene.ask(other)).status == 200
        views = [await scene.view(other)]
        requests = scene.provider.token_requests(name)
        await asyncio.sleep(SLOW)  # so that what the paused process gets is later beyond doubt
        pause.end()
        answer = (await asking).status
        more = scene.provider.token_requests(name) - requests
        assert (await scene.ask(other)).status == 200
        views += [await scene.view(other), await scene.view(sleeper)]
        scene.reject()
        again = await scene.served(sleeper, within=LEASE + DOUBT + BUSY)
        return Awakening(told, answer, more, views, again)


PATIENCE: Final = "10s"
"""What a token request may take: less than a process is paused for, since others wait for longer than that."""


@cases(
    paused,
    [
        ("strict", "after save", PATIENCE),
        ("forgiving", SPENT, PATIENCE),
        ("careless", ASKED, PATIENCE),
    ],
)
async def test_a_process_that_was_paused_neither_spends_nor_overwrites_what_others_brought_meanwhile(
    stage: Stage, case: Case
) -> None:
    woken = await stage.cases[case]
    assert woken.told.status == woken.answer == woken.again.status == 200
    assert woken.more_requests == 0
    assert len({view["fingerprint"] for view in woken.views}) == 1
    assert {view["generation"] for view in woken.views} == {2}
    ends = [datetime.fromisoformat(view["expires_at"]) for view in woken.views]
    assert max(ends) - min(ends) < timedelta(seconds=1.5)  # what was said while it was paused is not taken for new
