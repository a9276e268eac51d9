"""One question to Redis, answered within its time: the turns, the bound, and the second try.

Theory. A question waits for its turn (`redis_turns`) as long as those before it are answered, for `PATIENCE` at most;
that there was no turn says nothing about Redis. Its time counts from its turn: then a task of its own calls redis-py,
and whoever asked waits for it for `timeout`, and no longer. A call is never cancelled, for its place in a pool could be
lost: who does not answer is left instead, which closes its connections. A connection that turns out dead is replaced
once, at once; so is a server that turns out to be no master. That is safe because every script of ours may run twice.
A server that does not answer is not asked again, that would take longer, and who waits for a turn is sent away.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from proxy.core.settings import spell_duration
from proxy.net.runtime import Runtime
from proxy.stores.base import StoreBusyError, StoreError, StoreTimeoutError
from proxy.stores.redis_client import Login, Pool
from proxy.stores.redis_cluster import Cluster
from proxy.stores.redis_faults import GoneError, RefusedError, refusal
from proxy.stores.redis_scripts import SCRIPTS, Command, Keys
from proxy.stores.redis_turns import Turns
from proxy.stores.redis_url import Place

PATIENCE: Final = 5.0
"""Seconds that a question may wait for its turn before its own time begins."""
STEPS: Final = 5
"""In so many parts a question's time is counted; one that ends late says that we were held up, and does not count."""
MOST_STEPS: Final = 15
"""Late ones included."""
LATE: Final = 0.5
"""The part of itself by which a step may end late and still count."""
_ELSEWHERE: Final = frozenset({"READONLY", "MASTERDOWN", "CLUSTERDOWN"})
"""Refusals after which another server may be the right one by now."""

_Outcome = list[Any] | GoneError | RefusedError | TimeoutError


@dataclass(slots=True)
class _Question:
    name: str
    commands: tuple[Command, ...]
    where: Any = None


class Link:
    """Asks the servers of one place. A refusal of the first command of a question is raised, of the others returned."""

    def __init__(self, runtime: Runtime, place: Place, keys: Keys, login: Login, sentinels: Login) -> None:
        self._runtime = runtime
        self._keys = keys
        self._timeout = login.timeout
        self._connections = login.connections
        self._turns = Turns(login.connections)
        self._servers: Pool | Cluster = (
            Cluster(place, login) if place.topology == "cluster" else Pool(place, login, sentinels)
        )
        self._subject = str(place)
        self._hint = ", and whether it speaks TLS there" if place.tls else ""
        self._calls = set[asyncio.Task[_Outcome]]()
        self._closed = False

    def __repr__(self) -> str:
        return f"<Link, {self._subject}>"

    async def ask(self, name: str, *commands: Command) -> list[Any]:
        """Return the answers to commands about what has that name.

        Raises:
            StoreError: see there.
        """
        if self._closed:
            raise StoreError("the connections to Redis are closed, for the process takes its leave")
        if not await self._turns.take(PATIENCE):
            raise StoreBusyError(
                f"{self._subject} has been asked {self._connections} questions and not answered them yet; find out "
                "what holds it up, or raise store.connections"
            )
        question = _Question(name, commands)
        call: asyncio.Task[_Outcome] = self._runtime.spawn(self._call(question), name="ask Redis")
        self._calls.add(call)
        call.add_done_callback(self._end)
        left = self._timeout
        try:
            await _patiently(call, left)
            left = 0.0
        finally:
            if not call.done():
                self._runtime.spawn(self._see_off(call, question, left), name="leave a Redis that does not answer")
        outcome = call.result() if call.done() and not call.cancelled() else TimeoutError()
        if isinstance(outcome, TimeoutError):
            self._turns.send_away()
            raise StoreTimeoutError(
                f"{self._subject} does not answer within {spell_duration(self._timeout)} (store.timeout); find out "
                f"what holds it up{self._hint}"
            )
        if isinstance(outcome, GoneError | RefusedError):
            raise StoreError(f"{self._subject} {refusal(outcome)}") from outcome
        return outcome

    async def names(self) -> Sequence[str]:
        """Return a name of ours for each server that keeps something, which is not looked up if it is known.

        Raises:
            StoreError: see there.
        """
        if not (names := self._servers.names(self._keys.probe)):
            await self.ask(self._keys.probe(0), ("PING",))
            names = self._servers.names(self._keys.probe)
        return names

    def address(self, name: str) -> str:
        """Return where what has that name was found."""
        return self._servers.address(name)

    def listener(self) -> Redis:
        """Return a client of one's own of any server that keeps something."""
        return self._servers.listener()

    async def close(self) -> None:
        """Answer nothing more; what is under way is answered, and that is bounded."""
        if not self._closed:
            self._closed = True
            for _ in range(self._connections):  # whoever asked before has the turns before
                await self._turns.take(PATIENCE)
        if self._calls:
            await asyncio.wait(self._calls)
        await self._servers.close()

    def _end(self, call: asyncio.Task[_Outcome]) -> None:
        self._calls.discard(call)
        self._turns.give_back()

    async def _call(self, question: _Question) -> _Outcome:
        outcome: _Outcome
        try:
            outcome = await self._answers(question)
        except (GoneError, RefusedError, TimeoutError) as error:
            outcome = error
        where = question.where
        if where is not None and (isinstance(outcome, TimeoutError) or self._servers.has_left(where)):
            await self._servers.leave(where)  # again: what was about to connect when it was left is connected now
        return outcome

    async def _answers(self, question: _Question) -> list[Any]:
        commands, tried_again = question.commands, False
        while True:
            question.where = None
            trouble: GoneError | RefusedError
            try:
                question.where = await self._servers.of(question.name)
                answers = await self._servers.ask(question.where, commands)
                if not isinstance(answers[0], RefusedError):
                    return answers
                trouble = answers[0]
            except (GoneError, RefusedError) as error:
                trouble = error
            if isinstance(trouble, RefusedError) and trouble.code not in _ELSEWHERE:
                if trouble.code != "NOSCRIPT" or commands[0][0] != "EVALSHA":
                    raise trouble
                commands = (SCRIPTS[str(commands[0][1])].whole(commands[0]), *commands[1:])
                continue
            if question.where is not None:
                await self._servers.leave(question.where)
            if tried_again:
                raise trouble
            tried_again = True

    async def _see_off(self, call: asyncio.Task[Any], question: _Question, left: float) -> None:
        """Let a call that nobody waits for come to its end; one that was about to connect is left once more."""
        if left:  # whoever asked has gone, and Redis may yet answer
            await _patiently(call, left)
        while not call.done():
            if question.where is not None:
                await self._servers.leave(question.where)
            await asyncio.wait([call], timeout=self._timeout)


async def _patiently(call: asyncio.Task[Any], seconds: float) -> None:
    """Wait for that many seconds, of which those do not count in which we were held up and heard nothing."""
    loop = asyncio.get_running_loop()
    step, left = seconds / STEPS, STEPS
    for _ in range(MOST_STEPS):
        due = loop.time() + step
        await asyncio.wait([call], timeout=step)
        left -= loop.time() <= due + step * LATE
        if call.done() or not left:
            return
