"""People sign in at a real provider, and what they allow is used for them alone."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio

from tests.fakes.redis import RedisServer
from tests.providers.clients import USER, Identities
from tests.providers.sign_in_world import APP, SignInWorld, by_steps, drive, in_browser, signing_in
from tests.providers.visitor import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(identities: Identities) -> AsyncIterator[SignInWorld]:
    async with signing_in(
        identities,
        lambda provider: {
            "drive": drive(provider),
            "own": drive(provider, callback="own", scope="offline_access read"),
            "shared": drive(provider, per_user=False),
            "steps": by_steps(provider),
            "fragment": drive(provider, parameters={"prompt": "consent", "response_mode": "fragment"}),
        },
        expected_errors=("invalid_grant",),
    ) as world:
        yield world


@pytest.fixture
def visitor() -> Visitor:
    return Visitor()


async def test_a_user_signs_in_and_requests_work_until_the_grant_ends(world: SignInWorld, visitor: Visitor) -> None:
    page = await world.sign_in("ann", visitor)
    assert (page.status, page.title) == (200, "You are signed in")
    assert "code=" not in page.url
    status, first = await world.ask("ann")
    assert (status, first["user"], first["client"]) == (200, USER, "web")
    await world.forget(first["token"])
    status, second = await world.ask("ann")
    assert (status, second["user"]) == (200, USER)
    assert second["token"] != first["token"]
    await world.forget(second["token"], consent="withdrawn")
    assert "ticket=" in await world.invitation("ann")
    page = await world.sign_in("ann", visitor)
    assert page.title == "You are signed in"
    assert (await world.ask("ann"))[0] == 200


async def test_what_one_user_allows_is_of_no_use_to_another(world: SignInWorld, visitor: Visitor) -> None:
    await world.sign_in("bea", visitor)
    assert (await world.ask("bea"))[0] == 200
    status, problem = await world.ask("cyd")
    assert (status, problem["credential"]) == (403, "drive")


async def test_the_link_tells_nobody_who_the_user_is(world: SignInWorld) -> None:
    link = await world.invitation("somebody-special")
    assert urlsplit(link).path == "/.countersign/login/drive"
    assert set(parse_qs(urlsplit(link).query)) == {"ticket"}
    assert "special" not in link


async def test_the_first_page_names_the_service_and_asks(world: SignInWorld, visitor: Visitor) -> None:
    link = await world.invitation("dorothea")
    page = await in_browser(lambda: visitor.get(link))
    assert page.title == "Sign in to 127.0.0.1?"
    assert "do…" in page.text
    assert "dorothea" not in page.text
    assert (await world.ask("dorothea"))[0] == 403


async def test_the_browser_goes_back_to_the_application(world: SignInWorld, visitor: Visitor) -> None:
    page = await world.sign_in("eva", visitor, return_to=f"{APP}/settings?tab=1")
    assert page.url == f"{APP}/settings?tab=1"
    assert (await world.ask("eva"))[0] == 200


async def test_a_browser_that_is_known_to_be_the_users_is_not_asked_again(world: SignInWorld, visitor: Visitor) -> None:
    await world.sign_in("fay", visitor)
    _, answer = await world.ask("fay")
    await world.forget(answer["token"], consent="withdrawn")
    link = await world.invitation("fay")
    page = await in_browser(lambda: visitor.get(link))
    assert (page.status, page.headers["Location"].partition("?")[0]) == (303, world.provider.at.authorize)
    link = await world.invitation("gil")
    page = await in_browser(lambda: visitor.get(link))
    assert "Somebody else has signed in with this browser" in page.text


async def test_a_provider_may_have_an_address_of_its_own_to_come_back_to(world: SignInWorld, visitor: Visitor) -> None:
    url = await world.to_callback("hal", visitor, "own")
    assert urlsplit(url).path == "/.countersign/callback/own"
    page = await in_browser(lambda: visitor.follow(visitor.get(url)))
    assert page.title == "You are signed in"
    assert (await world.ask("hal", "own"))[0] == 200


async def test_a_person_who_says_no_is_told_so_and_nothing_else_happens(world: SignInWorld, visitor: Visitor) -> None:
    url = await world.to_callback("ida", visitor)
    state, issuer = (parse_qs(urlsplit(url).query)[name][0] for name in ("state", "iss"))
    no = f"error=access_denied&error_description=<script>x</script>&state={state}&iss={issuer}"
    page = await in_browser(lambda: visitor.get(f"{url.partition('?')[0]}?{no}"))
    assert page.status == 400
    assert "said no" in page.text
    assert "<script>" not in page.text
    assert (await world.ask("ida"))[0] == 403
    event = (await world.events())[0]
    assert (event["event"], event["reason"], event["level"]) == ("sign_in_refused", "access_denied", "info")


async def test_events_tell_of_it_by_pseudonym(world: SignInWorld, visitor: Visitor) -> None:
    await world.sign_in("jan-the-user", visitor)
    event = next(event for event in await world.events() if event["event"] == "signed_in")
    assert len(event["user"]) == 32
    assert "jan-the-user" not in repr(world.proxy.log_lines)


async def test_a_sign_in_that_began_at_one_replica_ends_at_another(identities: Identities) -> None:
    with RedisServer() as redis:
        store = f"{{kind: redis, url: '{redis.url}'}}"
        async with signing_in(
            identities, lambda provider: {"drive": drive(provider)}, replicas=2, store=store
        ) as world:
            visitor = Visitor()
            assert (await world.ask("ann", replica=1))[0] == 403
            url = await world.to_callback("ann", visitor)
            elsewhere = url.replace(world.proxies[0].url, world.proxies[1].url)
            page = await in_browser(lambda: visitor.get(elsewhere))
            assert page.status == 303, page.text
            for replica in (0, 1):
                assert (await world.ask("ann", replica=replica))[0] == 200


async def test_who_signs_out_has_taken_everything_back(world: SignInWorld, visitor: Visitor) -> None:
    await world.sign_in("kay", visitor)
    _, before = await world.ask("kay")
    assert await world.sign_out("kay") == (200, {"status": "signed_out", "revoked": True})
    assert (await world.ask("kay"))[0] == 403
    assert not await world.is_good(before["token"])
    event = (await world.events())[0]
    assert (event["event"], event["fields"]["outcome"]) == ("signed_out", "revoked")
    assert await world.sign_out("kay") == (200, {"status": "signed_out", "revoked": False})


async def test_nobody_signs_somebody_else_out(world: SignInWorld, visitor: Visitor) -> None:
    await world.sign_in("lou", visitor)
    assert (await world.sign_out("lou", user_hash="0" * 64))[0] == 401
    assert (await world.sign_out("lou", credential="shared"))[0] == 400
    assert (await world.ask("lou"))[0] == 200


async def test_an_operator_has_one_person_sign_in_for_all(world: SignInWorld, visitor: Visitor) -> None:
    status, problem = await world.ask(None, "shared")
    assert (status, problem["type"].rpartition("/")[2]) == (403, "login-required")
    assert "login_url" not in problem
    order = await world.proxy.admin("POST", "/api/v1/credentials/shared/login")
    page = await in_browser(lambda: visitor.get(order["url"]))
    assert "everybody who uses this connection" in page.text
    assert "ops" in page.text
    page = await in_browser(lambda: visitor.follow(visitor.get(order["url"])))
    assert page.title == "You are signed in"
    status, answer = await world.ask(None, "shared")
    assert (status, answer["user"]) == (200, USER)
    event = (await world.events("shared"))[0]
    assert (event["event"], event["user"], event["fields"]["who"]) == ("signed_in", None, "ops")
    await world.proxy.admin("POST", "/api/v1/credentials/shared/revoke")
    assert not await world.is_good(answer["token"])
    assert (await world.ask(None, "shared"))[0] == 403


async def test_an_operator_can_get_a_link_for_a_user(world: SignInWorld, visitor: Visitor) -> None:
    order = await world.proxy.admin("POST", "/api/v1/credentials/drive/login", json={"user": "moe-the-user"})
    await in_browser(lambda: visitor.follow(visitor.get(order["url"])))
    assert (await world.ask("moe-the-user"))[0] == 200
    assert "moe-the-user" not in repr(world.proxy.log_lines)


@pytest.mark.parametrize("credential", ["fragment", "steps"])
async def test_an_answer_behind_the_hash_is_understood(world: SignInWorld, visitor: Visitor, credential: str) -> None:
    url = await world.to_callback("nat", visitor, credential, return_to=f"{APP}/x")
    assert "#" in url
    assert "code=" not in url.partition("#")[0]
    page = await in_browser(lambda: visitor.follow(visitor.get(url), until=APP))
    assert page.url == f"{APP}/x"
    status, first = await world.ask("nat", credential)
    assert (status, first["user"]) == (200, USER)
    await world.forget(first["token"])
    status, second = await world.ask("nat", credential)
    assert status == 200
    assert second["token"] != first["token"]
    await world.forget(second["token"], consent="withdrawn")
    assert "ticket=" in await world.invitation("nat", credential)


async def test_a_workflow_that_a_person_takes_part_in_is_each_users_own(world: SignInWorld, visitor: Visitor) -> None:
    link = await world.invitation("olf", "steps")
    assert "Sign in to The Old Drive?" in (await in_browser(lambda: visitor.get(link))).title
    await world.sign_in("olf", visitor, "steps")
    assert (await world.ask("olf", "steps"))[0] == 200
    assert (await world.ask("pam", "steps"))[0] == 403
    assert await world.sign_out("olf", "steps") == (200, {"status": "signed_out", "revoked": False})
    assert (await world.ask("olf", "steps"))[0] == 403
