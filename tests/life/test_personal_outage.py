"""The token endpoint of a credential that each user has a token of goes down and comes back, told from end to end."""

import asyncio
import gc
import json
import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from proxy.app import App
from proxy.config.load import load
from proxy.core.clock import SystemClock
from proxy.core.secret import Secret
from proxy.telemetry.logs import configure
from proxy.users.identity import user_hash
from tests.fakes.raw_client import Answer, RawClient
from tests.fakes.raw_server import RawServer, answer_each
from tests.fakes.token_server import TokenServer

SECRET: Final = "0123456789abcdef0123456789abcdef"
CONFIG: Final = """
listen: {{proxy: '127.0.0.1:0', admin: '127.0.0.1:0', metrics: '127.0.0.1:0'}}
users: {{identity_secret: '{secret}'}}
callers:
  anyone: {{kind: anonymous}}
credentials:
  own:
    kind: http_request
    per_user: true
    allow_plain_http: true
    request: {{url: '{issuer}', form: {{user: '{{{{ USER_ID }}}}'}}}}
    token: {{from: json, path: access_token}}
    expiry: {{from: json, path: expires_in, type: seconds}}
routes:
  own: {{upstream: '{api}', callers: [anyone], credential: own}}
"""
DOWN: Final[Mapping[str, Mapping[str, Any]]] = {"failing": {"status": 503}, "unreachable": {"drop": True}}


class LeapingClock(SystemClock):
    """Runs as the machine's does, and leaps ahead when a test says so."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


class World:
    """A running proxy between callers, an issuer and an API."""

    def __init__(self, app: App, issuer: TokenServer, clock: LeapingClock) -> None:
        self.app, self.issuer, self.clock = app, issuer, clock

    async def ask(self, user: str) -> Answer:
        """Send a request for that user."""
        proof = user_hash(user, Secret(SECRET))
        async with RawClient(int(self.app.server.sockets[0].getsockname()[1])) as caller:
            await caller.send(
                f"GET /x HTTP/1.1\r\nHost: api.example\r\nX-Countersign-User: {user}\r\n"
                f"X-Countersign-User-Hash: {proof}\r\n\r\n".encode()
            )
            return await caller.answer()

    async def ask_all(self, *users: str) -> list[tuple[int, str]]:
        """Send a request for each of them at once; return the status and code of each answer, told apart."""
        answers = await asyncio.gather(*map(self.ask, users))
        return sorted({(answer.status, code(answer)) for answer in answers})

    def turn(self, **knobs: Any) -> None:
        """Turn the issuer's knobs."""
        for name, value in knobs.items():
            setattr(self.issuer.knobs, name, value)

    def breaker_events(self) -> list[str]:
        page = self.app.events.query(limit=1000).events
        told = [event for event in reversed(page) if event.event.value.startswith("breaker")]
        assert {event.credential for event in told} <= {"own"}
        return [event.event.value for event in told]

    def metric(self, name: str) -> float:
        found = re.search(rf"^{re.escape(name)} (.*)$", self.app.metrics.render("")[0].decode(), re.MULTILINE)
        assert found, name
        return float(found[1])


def code(answer: Answer) -> str:
    """Return the error's code; empty: there is none."""
    return "" if answer.status == 200 else json.loads(answer.body)["type"].rpartition("/")[2]


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """Undo what starting does to the collector."""
    threshold = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    clock = LeapingClock()
    monkeypatch.setattr("proxy.app.SystemClock", lambda: clock)
    file = tmp_path / "countersign.yaml"
    async with RawServer(scripts=((answer_each,),)) as api, TokenServer(clock) as issuer:
        issuer.knobs.lifetime = 3600
        file.write_text(CONFIG.format(secret=SECRET, issuer=issuer.url, api=api.url))
        with (tmp_path / "log").open("w") as stream:
            logs = configure(stream)
            app = App(file, load(file, {}), logs)
            try:
                await app.start()
                yield World(app, issuer, clock)
            finally:
                app.server.close()
                for connection in app.listener.connections:
                    connection.force_close()
                await app.close()
                logs.close()
                await asyncio.sleep(0)


@pytest.mark.parametrize("how", DOWN)
async def test_some_users_find_out_that_the_endpoint_is_down_and_the_others_are_told_until_it_is_back(
    world: World, how: str
) -> None:
    issuer, first = world.issuer, [f"first-{number}" for number in range(5)]
    assert (await world.ask("ann")).status == 200
    assert world.metric('countersign_token_breaker_state{credential="own"}') == 0

    # It goes down. Five users find out, each with all their tries.
    world.turn(**DOWN[how])
    assert await world.ask_all(*first) == [(502, "token-unavailable")]
    asked = issuer.count
    assert asked == 1 + 5 * 3

    # Everybody else is told at once, and nobody asks it. Who has a token that lives is served.
    others = [f"other-{number}" for number in range(100)]
    assert await world.ask_all("ben", *others) == [(503, "circuit-open")]
    told = await world.ask("ben")
    assert 0 < int(told.header("Retry-After")) <= 38
    assert await world.ask_all(*["ann"] * 50) == [(200, "")]
    assert issuer.count == asked

    # It is told once, and seen; the route's own circuit has nothing to do with it.
    assert world.breaker_events() == ["breaker_opened"]
    assert world.metric('countersign_token_breaker_state{credential="own"}') == 2
    assert world.metric("countersign_breaker_opened_total") == 1
    assert world.metric('countersign_breaker_state{route="own"}') == 0

    # Its cool-down is over, and it is down yet: one user asks for all.
    world.clock.ahead += 31
    assert await world.ask_all("ben", *others) == [(502, "token-unavailable"), (503, "circuit-open")]
    assert issuer.count == asked + 3
    assert (await world.ask("cat")).status == 503

    # It comes back: one user's request finds out, and everybody is served.
    world.turn(status=200, drop=False)
    world.clock.ahead += 31
    assert (await world.ask("ben")).status == 200
    assert await world.ask_all("ann", "ben", "cat", *first, *others) == [(200, "")]
    assert world.breaker_events() == ["breaker_opened", "breaker_closed"]
    assert world.metric('countersign_token_breaker_state{credential="own"}') == 0


async def test_users_who_are_refused_one_by_one_keep_nobody_from_the_endpoint(world: World) -> None:
    world.turn(status=400, body='{"error": "invalid_grant"}')
    assert await world.ask_all(*[f"refused-{number}" for number in range(50)]) == [(502, "token-unavailable")]
    world.turn(status=200, body=None)
    assert await world.ask_all("ann", "ben") == [(200, "")]
    assert (await world.ask("refused-1")).status == 502
    assert world.breaker_events() == []
