"""An issuer's keys are fetched once for all who wait, follow its rotations, and outlast its outages."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec

from proxy.core.jwt_claims import Header
from proxy.net.endpoint import Endpoint
from proxy.net.jwks import COOLDOWN, DEFAULT_LIFE, LONGEST_USE, SHORTEST_LIFE, Jwks, JwksError
from proxy.net.runtime import Runtime
from tests.fakes.clock import FakeClock
from tests.fakes.token_server import TokenServer
from tests.fakes.until import until

OLD: Final = Header("ES256", "old")
NEW: Final = Header("ES256", "new")


def document(*key_ids: str) -> str:
    keys = []
    for key_id in key_ids:
        key = ec.generate_private_key(ec.SECP256R1()).public_key()
        keys.append({**jwt.algorithms.ECAlgorithm.to_jwk(key, as_dict=True), "kid": key_id})
    return json.dumps({"keys": keys})


class Room:
    """An issuer on a real socket, and who asks it for keys."""

    def __init__(self, server: TokenServer) -> None:
        self.server = server
        self.clock = FakeClock()
        self.runtime = Runtime(self.clock, lambda name, error: None)
        self.endpoint = Endpoint(self.clock)
        self.jwks = Jwks(server.url, self.endpoint, self.runtime)
        self.shows("old")

    def shows(self, *key_ids: str, **knobs: Any) -> None:
        self.server.knobs.body = document(*key_ids)
        for name, value in knobs.items():
            setattr(self.server.knobs, name, value)

    @property
    def fetches(self) -> int:
        return len(self.server.requests)

    async def fails(self) -> None:
        """The issuer is down from now on, and retries are not waited for."""
        self.server.knobs.status = 404


@pytest_asyncio.fixture
async def room() -> AsyncIterator[Room]:
    async with TokenServer() as server:
        made = Room(server)
        yield made
        await made.runtime.close()
        await made.endpoint.close()


async def test_nothing_is_fetched_before_a_token_asks(room: Room) -> None:
    assert room.jwks.known(OLD) == ()
    assert room.fetches == 0


async def test_a_hundred_who_wait_share_one_fetch(room: Room) -> None:
    found = await asyncio.gather(*(room.jwks.find(OLD) for _ in range(100)))
    assert all(len(keys) == 1 for keys in found)
    assert room.fetches == 1
    assert len(room.jwks.known(OLD)) == 1


async def test_one_who_leaves_takes_nothing_from_the_others(room: Room) -> None:
    leaver, other = asyncio.ensure_future(room.jwks.find(OLD)), asyncio.ensure_future(room.jwks.find(OLD))
    await asyncio.sleep(0)
    leaver.cancel()
    assert len(await other) == 1
    assert room.fetches == 1


async def test_a_key_that_was_rotated_in_is_found_at_once(room: Room) -> None:
    await room.jwks.find(OLD)
    room.shows("old", "new")
    await room.clock.advance(seconds=COOLDOWN)
    assert len(await room.jwks.find(NEW)) == 1
    assert room.fetches == 2


async def test_invented_key_ids_cost_the_issuer_one_request_in_a_while(room: Room) -> None:
    await room.jwks.find(OLD)
    await room.clock.advance(seconds=COOLDOWN)
    for number in range(50):
        assert await room.jwks.find(Header("ES256", f"invented-{number}")) == ()
    assert room.fetches == 2


async def test_keys_that_grow_old_are_fetched_again_behind_whoever_uses_them(room: Room) -> None:
    await room.jwks.find(OLD)
    await room.clock.advance(seconds=DEFAULT_LIFE)
    assert len(room.jwks.known(OLD)) == 1
    await until(lambda: room.fetches == 2)
    assert len(room.jwks.known(OLD)) == 1


@pytest.mark.parametrize(
    ("said", "seconds"), [("max-age=60", SHORTEST_LIFE), ("public, max-age=7200", 7200), ("no-store", DEFAULT_LIFE)]
)
async def test_the_reply_says_for_how_long_its_keys_are_fresh(room: Room, said: str, seconds: float) -> None:
    room.server.knobs.headers = {"Cache-Control": said}
    await room.jwks.find(OLD)
    await room.clock.advance(seconds=seconds - 1)
    room.jwks.known(OLD)
    assert room.runtime.tasks == 0
    await room.clock.advance(seconds=1)
    room.jwks.known(OLD)
    assert room.runtime.tasks == 1


async def test_an_issuer_that_is_down_takes_no_keys_back(room: Room) -> None:
    await room.jwks.find(OLD)
    await room.fails()
    await room.clock.advance(seconds=DEFAULT_LIFE)
    assert len(room.jwks.known(OLD)) == 1
    await until(lambda: room.fetches == 2)
    assert len(await room.jwks.find(OLD)) == 1
    await room.clock.advance(seconds=LONGEST_USE)
    assert room.jwks.known(OLD) == ()


async def test_without_any_keys_the_reason_is_told_and_the_issuer_left_alone_for_a_while(room: Room) -> None:
    await room.fails()
    with pytest.raises(JwksError, match="404"):
        await room.jwks.find(OLD)
    with pytest.raises(JwksError, match="a moment ago"):
        await room.jwks.find(OLD)
    assert room.fetches == 1
    room.shows("old", status=200)
    await room.clock.advance(seconds=COOLDOWN)
    assert len(await room.jwks.find(OLD)) == 1


async def test_what_is_no_key_set_is_refused_and_changes_nothing(room: Room) -> None:
    await room.jwks.find(OLD)
    room.server.knobs.body = "<html>"
    await room.clock.advance(seconds=COOLDOWN)
    with pytest.raises(JwksError, match="no key set"):
        await room.jwks.find(NEW)
    assert len(room.jwks.known(OLD)) == 1
    assert "1 keys" in repr(room.jwks)
