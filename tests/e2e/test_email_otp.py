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
from tests.fakes.world import eventually

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


async def test_a_route_without_a_requirement_needs_no_user_and_one_with_it_does(world: World) -> None:
    async with world.http.get(f"{world.proxies[0].url}/free/x") as answer:
        assert answer.status == 200
    async with world.http.get(f"{world.proxies[0].url}/billing/x") as answer:
        assert (answer.status, (await answer.json(content_type=None))["type"].rpartition("/")[2]) == (
            400,
            "user-required",
        )


async def test_a_verification_counts_for_its_route_or_its_group_alone(world: World) -> None:
    user = await world.user("cid")
    await verified(world, user)
    assert (await world.ask(user, "other")).code == "verification-required"
    await until_another_may_be_sent(world, user)
    await verified(world, user, "one", letters=2)
    assert (await world.ask(user, "two")).status == 200
    assert (await world.ask(user, "other")).code == "verification-required"


async def until_another_may_be_sent(world: World, user: str) -> None:
    """Make half a minute pass for one user, by what the store says of when codes were sent."""
    key = f"verification/{world.registry.pseudonym(user)}"
    documents = world.registry._documents
    await documents.change(key, lambda old: {**(old or {}), "sent": []}, ttl=3600.0)


async def test_a_code_for_another_route_or_of_another_user_is_refused(world: World) -> None:
    dan, eve = await world.user("dan"), await world.user("eve")
    handle = await world.handle(dan)
    await world.start(handle)
    code = await world.mail.code_for("dan@mail.example")
    elsewhere = [await world.handle(dan, "other"), await world.handle(eve), await world.handle(eve, "other")]
    assert {(await world.check(other, code)).code for other in elsewhere} == {"code-refused"}
    assert {(await world.ask(user, route)).status for user in (dan, eve) for route in ("billing", "other")} == {403}


async def test_a_code_works_once(world: World) -> None:
    user = await world.user("fay")
    code = await verified(world, user, "other")
    handle = await world.handle(user)
    assert (await world.check(handle, code)).code == "code-refused"
    again = await world.check(str((await world.ask(user, "billing")).document["handle"]), code, replica=1)
    assert again.code == "code-refused"


async def test_of_many_guesses_at_once_on_two_replicas_five_are_looked_at(world: World) -> None:
    user = await world.user("gus")
    handle = await world.handle(user)
    await world.start(handle)
    code = await world.mail.code_for("gus@mail.example")
    guesses = [f"{(int(code) + 1 + n) % 10**6:06d}" for n in range(40)]
    told = await asyncio.gather(*(world.check(handle, guess, replica=n % 2) for n, guess in enumerate(guesses)))
    assert [one.code for one in told].count("code-refused") == 5
    assert {one.code for one in told} <= {"code-refused", "verification-limited", "dependency-unavailable"}
    late = await world.check(handle, code)
    assert (late.status, late.code) == (429, "verification-limited")
    assert 600 < int(late.headers["Retry-After"]) <= 900
    assert (await world.ask(user)).code == "verification-required"


async def test_a_new_code_takes_no_failure_back_and_the_one_before_counts_no_more(world: World) -> None:
    user = await world.user("hal")
    handle = await world.handle(user)
    await world.start(handle)
    first = await world.mail.code_for("hal@mail.example")
    assert [(await world.check(handle, wrong(first))).code for _ in range(3)] == ["code-refused"] * 3
    await until_another_may_be_sent(world, user)
    assert (await world.start(handle)).status == 202
    second = await world.mail.code_for("hal@mail.example", count=2)
    assert (await world.check(handle, first if first != second else wrong(second))).code == "code-refused"
    assert (await world.check(handle, wrong(second))).code == "code-refused"
    assert (await world.check(handle, second)).code == "verification-limited"
    assert (await world.start(handle)).code == "verification-limited"


async def test_codes_are_not_sent_one_after_another(world: World) -> None:
    user = await world.user("ida")
    handle = await world.handle(user)
    told = await asyncio.gather(*(world.start(handle, replica=n % 2) for n in range(6)))
    assert sorted({one.status for one in told} - {503}) == [202, 429]
    assert [one.status for one in told].count(202) == 1
    assert {one.headers.get("Retry-After") for one in told if one.status == 429} <= {"30", "29"}


async def test_a_changed_address_takes_codes_and_verifications_with_it(world: World) -> None:
    user = await world.user("jan")
    await verified(world, user)
    assert {(await world.ask(user, replica=replica)).status for replica in (0, 1)} == {200}
    await world.user("jan", "jan@other.example")
    async with asyncio.timeout(5):
        while {(await world.ask(user, replica=replica)).status for replica in (0, 1)} != {403}:  # noqa: ASYNC110 - news
            await asyncio.sleep(0.02)
    await until_another_may_be_sent(world, user)
    handle = await world.handle(user)
    await world.start(handle)
    code = await world.mail.code_for("jan@other.example")
    await world.user("jan")
    assert (await world.check(handle, code)).code == "code-refused"


async def test_nobody_learns_whether_there_is_a_user_or_an_address(world: World) -> None:
    users = [await world.user("kim"), await world.user("lea", None), "nobody-at-all"]
    handles = [await world.handle(user) for user in users]
    assert len({len(handle) // 20 for handle in handles}) <= 2  # an id's own length is all that it shows
    for answer in (
        [await world.start(handle) for handle in handles],
        [await world.check(handle, WRONG) for handle in handles],
        [await world.start(handle) for handle in handles],
    ):
        assert len({(one.status, str(without_id(one.document))) for one in answer}) == 1
    again = [[(await world.check(handle, WRONG)).status for _ in range(6)] for handle in handles]
    assert again == [[403] * 4 + [429] * 2] * 3
    await world.mail.letter_to("kim@mail.example")
    assert not any(to.startswith("lea") for to, _ in world.mail.letters)


def without_id(document: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in document.items() if name != "instance"}


async def test_a_handle_of_somebody_else_beside_a_proof_is_refused(world: World) -> None:
    mia, ned = await world.user("mia"), await world.user("ned")
    handle = await world.handle(mia)
    for told in (await world.start(handle, as_user=ned), await world.check(handle, WRONG, as_user=ned)):
        assert (told.status, told.code) == (401, "user-unproven")
    assert (await world.start(handle, as_user=mia)).status == 202


@pytest.mark.parametrize("handle", ["", "x", "A" * 80, "é", "A" * 9000, "..%2f"])
async def test_a_handle_that_was_made_up_is_refused(world: World, handle: str) -> None:
    assert (await world.start(handle)).code == "request-invalid"


async def test_the_link_shows_nothing_of_the_user(world: World) -> None:
    user = await world.user("olga-with-a-name")
    refused = await world.ask(user)
    assert "olga" not in str({**refused.document, "instance": ""})


async def test_what_happened_is_told_by_pseudonym_and_counted(world: World) -> None:
    user = await world.user("pia")
    handle = await world.handle(user)
    await world.start(handle)
    code = await world.mail.code_for("pia@mail.example")
    await world.check(handle, wrong(code))
    await world.check(handle, code)
    await world.start(await world.handle(user, "other"))
    await told_of(world, user, "verification_sent", "verification_refused", "verified", "verification_limited")
    pseudonym = world.registry.pseudonym(user)
    asked = [line for line in world.proxies[0].log_lines if (line["event"], line.get("user")) == ("request", pseudonym)]
    assert {(line["route"], line["status"], line["reason"]) for line in asked} >= {
        ("billing", 403, "verification-required"),
        ("other", 403, "verification-required"),
    }
    metrics = await world.proxies[0].metrics()
    for outcome in ("sent", "verified", "refused", "limited"):
        assert metrics.of("countersign_verifications_total", outcome=outcome) >= 1
    lines = repr([proxy.log_lines for proxy in world.proxies])
    assert code not in lines
    assert "pia" not in lines


async def test_while_the_mail_server_is_down_codes_are_refused_soon_and_verified_users_go_on(world: World) -> None:
    user = await world.user("ron")
    await verified(world, user)
    handle = await world.handle(user, "other")
    await until_another_may_be_sent(world, user)
    await world.mail.stop()
    try:
        before = time.monotonic()
        told = await world.start(handle)
        assert (told.status, told.code) == (503, "dependency-unavailable")
        assert time.monotonic() - before < 5
        assert (await world.ask(user)).status == 200
    finally:
        await world.mail.start()
    assert (await world.start(handle)).status == 202


async def test_a_process_that_ends_sends_what_waited_for_another_try(tmp_path: Path) -> None:
    async with mailboxes(tmp_path, answers="451 later") as world:
        handle = await world.handle(await world.user("tom"))
        assert (await world.start(handle)).status == 202
        await eventually(lambda: not world.mail.answers)
        assert world.mail.letters == []
        assert await world.proxies[0].stop() == 0
        assert await world.mail.code_for("tom@mail.example")


async def test_an_address_on_file_that_is_none_gets_no_mail_and_adds_no_header(world: World) -> None:
    user = await world.user("sam", "sam@mail.example\r\nBcc: eve@mail.example")
    assert (await world.start(await world.handle(user))).status == 202
    assert not [line for line in world.proxies[0].log_lines if "eve@mail" in str(line)]
    await told_of(world, user, "verification_failed")
    assert not [to for to, _ in world.mail.letters if to.startswith(("sam", "eve"))]


async def told_of(world: World, user: str, *events: str) -> None:
    """Wait until the log has these events about the user."""
    pseudonym = world.registry.pseudonym(user)
    lines = world.proxies[0].log_lines
    for event in events:
        await eventually(lambda: any((line["event"], line.get("user")) == (event, pseudonym) for line in lines))  # noqa: B023 - asked at once
