"""A route can ask for a fresh proof that the user reads their mailbox, and no trick gets around it."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.fakes import redis
from tests.fakes.mailboxes import World, mailboxes

pytestmark = [pytest.mark.asyncio(loop_scope="module")]

WRONG: Final = "000000"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    redis.needed()
    folder: Path = tmp_path_factory.mktemp("mailboxes")
    async with mailboxes(folder, replicas=2) as made:
        yield made


async def verified(world: World, user: str, route: str = "billing", *, letters: int = 1) -> str:
    """Have a user verified; return the code that did it."""
    handle = await world.handle(user, route)
    assert (await world.start(handle)).status == 202
    code = await world.mail.code_for(f"{user}@mail.example", count=letters)
    told = await world.check(handle, code)
    assert (told.status, told.document) == (200, {"status": "verified"})
    return code


def wrong(code: str) -> str:
    """Return another code."""
    return f"{(int(code) + 1) % 10**6:06d}"


async def test_a_user_is_refused_reads_a_code_types_it_and_may_go_on_until_it_is_over(world: World) -> None:
    user = await world.user("ann")
    refused = await world.ask(user, "brief")
    assert (refused.status, refused.code) == (403, "verification-required")
    assert refused.document["verify_url"].startswith(f"{world.proxies[0].url}/.countersign/verify?handle=")
    await verified(world, user, "brief")
    before = time.monotonic()
    assert (await world.ask(user, "brief")).status == 200 or time.monotonic() - before > 0.9
    async with asyncio.timeout(5):
        while (await world.ask(user, "brief")).status == 200:  # noqa: ASYNC110 - a second of validity, by its clock
            await asyncio.sleep(0.05)
    assert (await world.ask(user, "brief")).code == "verification-required"


async def test_what_one_replica_has_verified_another_knows(world: World) -> None:
    user = await world.user("ben")
    assert (await world.ask(user, replica=1)).code == "verification-required"
    await verified(world, user)
    assert [(await world.ask(user, replica=replica)).status for replica in (0, 1)] == [200, 200]
