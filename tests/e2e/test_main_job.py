"""Point a service at the proxy: every request arrives authenticated, whatever happens to the token.

Everything is real: the process, nginx and httpbin behind it, and a token server that revokes at will.
"""

import asyncio
import hashlib
import random
import time
from pathlib import Path
from typing import Any, Final

import pytest

from tests.fakes import nginx
from tests.fakes.proc import HAS_PROC
from tests.fakes.world import World, world

pytestmark = pytest.mark.skipif(nginx.BINARY is None, reason=nginx.MISSING)

CALLERS: Final = 1000
REPLAYS: Final = 500
SIZES: Final = (0, 1, 1000, 10_000, 100_000, 300_000)
"""Bytes of the bodies: none, one read, several, and more than is remembered in memory."""


async def get(world: World, path: str) -> tuple[int, Any]:
    async with world.session.get(path) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_a_thousand_callers_without_a_token_cause_one_token_request(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        answers = await asyncio.gather(*(get(w, "/nginx/api/x") for _ in range(CALLERS)))
        assert [answer for answer in answers if answer != (200, {"from": "nginx"})] == []
        assert w.issuer.count == 1
        metrics = await w.proxy.metrics()
        assert metrics.of("countersign_requests_total", route="nginx", code="200", source="upstream") == CALLERS
        assert metrics.of("countersign_token_fetches_total", credential="session") == 1


async def test_both_apis_get_the_token_and_the_caller_need_not_know_it(tmp_path: Path) -> None:
    async with world(tmp_path, with_httpbin=True) as w:
        status, echo = await get(w, "/bin/anything/a%2Fb?c=d")
        assert status == 200
        assert echo["headers"]["Authorization"] == f"Bearer {w.issuer.issued[-1]}"
        assert echo["args"] == {"c": "d"}
        assert echo["headers"]["Host"] == f"127.0.0.1:{w.httpbin.port}"
        assert await get(w, "/bin/bearer") == (200, {"authenticated": True, "token": w.issuer.issued[-1]})
        assert await get(w, "/nginx/api/x") == (200, {"from": "nginx"})
        assert w.issuer.count == 1


async def test_five_hundred_requests_with_a_revoked_token_cause_one_renewal_and_all_succeed(tmp_path: Path) -> None:
    chance = random.Random(1)
    bodies = {f"body-{n}": chance.randbytes(SIZES[n % len(SIZES)]) for n in range(REPLAYS)}

    async def post(w: World, name: str) -> int:
        async with w.session.post(f"/nginx/post/{name}", data=bodies[name]) as answer:
            await answer.read()
            return answer.status

    async with world(tmp_path) as w:
        assert (await get(w, "/nginx/api/x"))[0] == 200
        w.issuer.revoke_all()
        statuses = await asyncio.gather(*(post(w, name) for name in bodies))
        assert set(statuses) == {201}
        assert w.issuer.count == 2
        metrics = await w.proxy.metrics()
        assert metrics.of("countersign_token_fetches_total", credential="session", reason="rejected") == 1
        assert metrics.of("countersign_replays_total", route="nginx", outcome="succeeded") > 0
        assert metrics.of("countersign_replays_total", route="nginx", outcome="rejected_again") == 0
        assert not HAS_PROC or w.proxy.spooled() == 0
    kept = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in w.nginx.kept.iterdir()}
    assert kept == {name: hashlib.sha256(body).hexdigest() for name, body in bodies.items()}


async def test_a_dead_token_server_is_not_noticed_while_the_token_lives_and_heals_by_itself(tmp_path: Path) -> None:
    lifetime = 6.0
    breaker = ", breaker: {failures: 3, ratio: 0.5, window: 10s, cooldown: 1s}"
    async with world(tmp_path, with_httpbin=True, extra=breaker, expected_errors=("breaker_opened",)) as w:
        w.issuer.knobs.lifetime = lifetime
        began = time.monotonic()
        assert (await get(w, "/nginx/api/x"))[0] == 200
        w.issuer.knobs.status = 503
        while time.monotonic() - began < lifetime - 1.0:
            assert await get(w, "/nginx/api/x") == (200, {"from": "nginx"})
            await asyncio.sleep(0.1)
        refused = await wait_for_status(w, 502, deadline=lifetime)
        assert refused["type"].endswith("/token-unavailable")
        assert refused["reason"] == "provider_5xx"
        opened = await wait_for_status(w, 503, deadline=30.0)
        assert opened["type"].endswith("/circuit-open")
        await closes_again(w)


async def closes_again(w: World) -> None:
    """The token server is back: so are the requests, with no help from anybody."""
    w.issuer.knobs.status = 200
    w.issuer.knobs.lifetime = 300.0
    await wait_for_status(w, 200, deadline=45.0)
    for _ in range(5):
        assert (await get(w, "/nginx/api/x"))[0] == 200
        assert (await get(w, "/bin/bearer"))[0] == 200
    metrics = await w.proxy.metrics()
    assert metrics.of("countersign_breaker_state", route="nginx") == 0
    assert metrics.of("countersign_token_breaker_state", credential="session") == 0
    events = await w.proxy.admin("GET", "/api/v1/events?credential=session")
    assert events


async def wait_for_status(w: World, status: int, *, deadline: float) -> Any:
    """Ask until that status comes, and return its document; anything unexpected on the way fails."""
    async with asyncio.timeout(deadline):
        while True:
            async with w.session.get("/nginx/api/x") as answer:
                document = await answer.json(content_type=None)
                assert answer.status in {200, 502, 503}, document
                if answer.status in {502, 503}:
                    assert answer.headers["Content-Type"].startswith("application/problem+json")
                    assert int(answer.headers["Retry-After"]) >= 0
                if answer.status == status:
                    return document
            await asyncio.sleep(0.05)
