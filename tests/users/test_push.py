"""What users push is looked at as a whole, planted in the fleet, and nothing of a bad push counts."""

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from proxy.core.errors import (
    DependencyUnavailableError,
    RequestInvalidError,
    TokenUnavailableError,
    UserTokenMissingError,
    UserTokenRefusedError,
)
from proxy.core.person import Person
from proxy.stores.base import StoreError
from proxy.tokens.source import Source
from proxy.users.push import MOST
from tests.fakes.pushing import ANN, BEN, PushRoom, push_room, unknown


@pytest.fixture
async def here() -> AsyncIterator[PushRoom]:
    async with push_room() as room:
        yield room


async def test_what_is_pushed_is_used_at_once_on_every_replica_and_by_nobody_else(here: PushRoom) -> None:
    there = await here.replica().load()
    with pytest.raises(UserTokenMissingError):
        await there.used()
    for number in range(3):
        token = here.token(iat=here.clock.now(), jti=str(number))
        taken = await here.pushes.take(ANN, {"crm": token}, via="browser")
        assert await here.used() == await there.used() == token
        assert taken["crm"].expires_at == pytest.approx(here.clock.now() + 600)
        assert token not in repr(taken)
    with pytest.raises(UserTokenMissingError):
        await here.used(person=BEN)
    assert here.told()[1:] == [("user_token_pushed", "crm", "pseudonym-of-ann")] * 3


async def test_of_a_push_with_one_bad_token_none_counts_and_what_was_there_stays(here: PushRoom) -> None:
    before = here.token()
    await here.pushes.take(ANN, {"crm": before}, via="browser")
    with pytest.raises(UserTokenRefusedError) as caught:
        await here.pushes.take(ANN, {"erp": "good", "crm": here.token("ben")}, via="browser")
    assert caught.value.members == {"credential": "crm"}
    assert await here.used() == before
    with pytest.raises(UserTokenMissingError):
        await here.used("erp")
    assert here.told()[-1] == ("user_token_refused", "crm", "pseudonym-of-ann")


@pytest.mark.parametrize(
    "tokens",
    [{"shared": "x"}, {"nobody": "x"}, {"crm": 1}, {"crm": None}, ["crm"], None, {str(n): "" for n in range(MOST + 1)}],
)
async def test_what_is_no_push_is_refused(here: PushRoom, tokens: Any) -> None:
    with pytest.raises(RequestInvalidError):
        await here.pushes.take(ANN, tokens, via="browser")


async def test_keys_of_an_issuer_that_cannot_be_had_are_told_of(here: PushRoom) -> None:
    verify = {"issuer": "https://id.example", "jwks_url": "http://127.0.0.1:1/jwks"}
    await here.load({"crm": {"kind": "user_token", "verify": verify}})
    es = jwt.encode({"sub": "ann"}, ec.generate_private_key(ec.SECP256R1()), "ES256")
    pushing = asyncio.create_task(here.pushes.take(ANN, {"crm": es}, via="browser"))
    while not pushing.done():
        await here.clock.advance(seconds=1)  # it is tried again
        await asyncio.sleep(0.01)
    with pytest.raises(DependencyUnavailableError):
        await pushing
    assert here.told()[-1] == ("keys_unavailable", "crm", None)
    await here.endpoint.close()


async def test_what_cannot_stand_where_it_goes_is_refused(here: PushRoom) -> None:
    with pytest.raises(UserTokenRefusedError, match="in the header Authorization"):
        await here.pushes.take(ANN, {"erp": "schlüssel-€"}, via="browser")
    inject = [{"kind": "header", "name": "X-User", "value": "{{ TENANT }}:{{ TOKEN }}"}]
    await here.load({"crm": {"kind": "user_token", "inject": inject}})
    with pytest.raises(UserTokenRefusedError, match="TENANT has no value"):
        await here.pushes.take(ANN, {"crm": here.token()}, via="browser")


async def test_the_same_push_again_changes_nothing(here: PushRoom) -> None:
    token = here.token()
    await here.pushes.take(ANN, {"crm": token, "erp": "opaque"}, via="browser")
    saves = here.store.asked["save"]
    again = await here.pushes.take(ANN, {"crm": token, "erp": "opaque"}, via="browser")
    assert here.store.asked["save"] == saves
    assert again.keys() == {"crm", "erp"}


async def test_an_older_push_that_is_replayed_does_not_take_the_place_of_a_newer_one(here: PushRoom) -> None:
    older = here.token(iat=here.clock.now() - 10)
    newer = here.token(iat=here.clock.now())
    await here.pushes.take(ANN, {"crm": older}, via="browser")
    await here.pushes.take(ANN, {"crm": newer}, via="browser")
    with pytest.raises(UserTokenRefusedError, match="issued later"):
        await here.pushes.take(ANN, {"crm": older}, via="browser")
    assert await here.used() == newer


@pytest.mark.parametrize("is_older_first", [True, False])
async def test_of_two_pushes_at_once_the_newer_one_counts_on_whichever_replica(
    here: PushRoom, is_older_first: bool
) -> None:
    there = await here.replica().load()
    older, newer = here.token(iat=here.clock.now() - 10), here.token(iat=here.clock.now())
    for room in (here, there):
        await room.sources.pools["crm"].obtain(ANN)
    here.store.hang()  # neither knows of the other
    pushes = [
        here.pushes.take(ANN, {"crm": older}, via="browser"),
        there.pushes.take(ANN, {"crm": newer}, via="browser"),
    ]
    pushing = asyncio.gather(*(pushes if is_older_first else reversed(pushes)), return_exceptions=True)
    await here.clock.settle()
    here.store.resume()
    refused = [one for one in await pushing if isinstance(one, UserTokenRefusedError)]
    assert await here.used() == await there.used() == newer
    told = [event for event, _, _ in here.told()].count("user_token_refused")
    assert told == len(refused)


async def test_a_replica_that_has_not_heard_of_a_newer_one_does_not_put_an_older_one_in_its_place(
    here: PushRoom,
) -> None:
    there = await here.replica().load()
    source = await there.sources.pools["crm"].obtain(ANN)
    await there.pushes.take(ANN, {"crm": here.token(iat=here.clock.now() - 20)}, via="browser")
    there.workshop.vault.unfollow(source._account.key, source)  # its news are late
    newer = here.token(iat=here.clock.now())
    await here.pushes.take(ANN, {"crm": newer}, via="browser")
    with pytest.raises(UserTokenRefusedError, match="issued later"):
        await there.pushes.take(ANN, {"crm": here.token(iat=here.clock.now() - 10)}, via="browser")
    assert there.told()[-1] == ("user_token_refused", "crm", "pseudonym-of-ann")
    assert await here.used() == await there.used() == newer


async def test_opaque_tokens_may_follow_a_jwt(here: PushRoom) -> None:
    await here.pushes.take(ANN, {"crm": here.token(iat=here.clock.now())}, via="browser")
    await here.pushes.take(ANN, {"crm": "opaque"}, via="browser")
    assert await here.used() == "opaque"


async def test_a_push_whose_caller_leaves_is_carried_out_as_a_whole_and_told_of(here: PushRoom) -> None:
    for pool in here.sources.pools.values():
        await pool.obtain(ANN)  # what waits now is the planting
    here.store.hang()
    pushing = asyncio.create_task(here.pushes.take(ANN, {"erp": "opaque", "crm": here.token()}, via="browser"))
    await here.clock.settle()
    pushing.cancel()
    await asyncio.gather(pushing, return_exceptions=True)
    here.store.resume()
    await here.clock.settle()
    assert await here.used("erp") == "opaque"
    assert [event for event, _, _ in here.told()] == ["token_fetched", "user_token_pushed", "user_token_pushed"]


async def test_one_that_the_api_refused_gives_way_to_any_good_one(here: PushRoom) -> None:
    older, newer = here.token(iat=here.clock.now() - 10), here.token(iat=here.clock.now())
    await here.pushes.take(ANN, {"crm": newer}, via="browser")
    source = await here.sources.pools["crm"].obtain(ANN)
    renewal = await source.renew(await source.obtain())
    assert isinstance(renewal.error, UserTokenMissingError)
    with pytest.raises(UserTokenMissingError, match="rejected"):
        await here.used()
    await here.pushes.take(ANN, {"crm": older}, via="browser")
    assert await here.used() == older


async def test_while_the_store_is_away_a_push_is_refused_and_what_was_there_stays(here: PushRoom) -> None:
    before = here.token()
    await here.pushes.take(ANN, {"crm": before}, via="browser")
    here.store.error = StoreError("down")
    with pytest.raises(DependencyUnavailableError) as caught:
        await here.pushes.take(ANN, {"crm": here.token(jti="2")}, via="browser")
    assert caught.value.status == 503
    with pytest.raises(DependencyUnavailableError):
        await here.pushes.take(BEN, {"crm": here.token("ben")}, via="browser")
    assert await here.used() == before
    here.store.error = None
    assert await here.used() == before
    with pytest.raises(UserTokenMissingError):
        await here.used(person=BEN)


async def test_while_the_store_is_away_nobody_is_told_that_a_token_is_missing_which_may_well_be_there(
    here: PushRoom,
) -> None:
    token = here.token()
    await here.pushes.take(ANN, {"crm": token}, via="browser")
    there = await here.replica().load()
    here.store.error = StoreError("down")
    for person in (ANN, BEN):
        with pytest.raises(TokenUnavailableError, match="cannot be looked up now") as caught:
            await there.used(person=person)
        assert (caught.value.retry_after, caught.value.counts) == (1.0, False)
    assert await here.used() == token
    here.store.error = None
    assert await there.used() == token
    with pytest.raises(UserTokenMissingError):
        await there.used(person=BEN)


async def test_what_was_pushed_survives_a_change_of_settings_and_a_restart(here: PushRoom) -> None:
    token = here.token()
    await here.pushes.take(ANN, {"crm": token}, via="browser")
    changed = {"crm": {"kind": "user_token", "inject": [{"kind": "header", "name": "X-Key"}]}}
    await here.load(changed)
    assert await here.used() == token
    assert await (await here.replica().load(changed)).used() == token


async def test_new_settings_count_for_the_next_push(here: PushRoom) -> None:
    await here.pushes.take(ANN, {"crm": "opaque"}, via="browser")
    await here.load({"crm": {"kind": "user_token", "verify": {"shape": "jwt"}}})
    with pytest.raises(UserTokenRefusedError):
        await here.pushes.take(ANN, {"crm": "opaque-too"}, via="browser")


async def test_an_expired_one_is_missing_before_anybody_is_asked(here: PushRoom) -> None:
    await here.pushes.take(ANN, {"crm": here.token()}, via="browser")
    await here.clock.advance(seconds=601)
    with pytest.raises(UserTokenMissingError, match="expired"):
        await here.used()


async def test_one_that_is_taken_back_is_used_no_more_on_any_replica(here: PushRoom) -> None:
    there = await here.replica().load()
    await here.pushes.take(ANN, {"crm": here.token(), "erp": "opaque"}, via="admin")
    await there.used()
    await here.pushes.take_back(ANN, ("crm",), via="admin")
    for replica in (here, there):
        with pytest.raises(UserTokenMissingError):
            await replica.used()
        assert await replica.used("erp") == "opaque"
    assert ("user_token_taken_back", "crm", "pseudonym-of-ann") in here.told()
    here.store.error = StoreError("down")
    with pytest.raises(DependencyUnavailableError):
        await here.pushes.take_back(ANN, ("erp",), via="admin")


async def test_credentials_that_users_push_tokens_for_have_names(here: PushRoom) -> None:
    assert here.pushes.names == ("crm", "erp")


async def test_many_users_take_no_more_memory_than_those_who_are_remembered(here: PushRoom) -> None:
    most = 20
    here.sources.pools["erp"].most = most
    await here.pushes.take(ANN, {"erp": "of-ann"}, via="browser")
    for number in range(1000):
        person = Person(f"user-{number}", f"pseudonym-{number}", unknown)
        await here.pushes.take(person, {"erp": f"token-{number}"}, via="browser")
        assert await here.used("erp", person) == f"token-{number}"
    gc.collect()
    vault = here.workshop.vault
    assert len(here.sources.pools["erp"]) == most
    assert len(vault._followers) == most
    assert len(vault._waiters) == 0
    assert sum(isinstance(one, Source) and one.name == "erp" for one in gc.get_objects()) == most
    assert await here.used("erp", ANN) == "of-ann"  # from the store
