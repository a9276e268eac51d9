"""The credentials of one route, seen together."""

import gc
import weakref
from collections.abc import Mapping

import pytest

from proxy.core.errors import TokenUnavailableError
from proxy.core.message import NOTHING
from proxy.core.person import Person
from proxy.core.rejection import RejectionSettings
from proxy.core.secret import Secret
from proxy.credentials.http_request import HttpRequest
from proxy.gateway.signing import Signer, Signers
from proxy.injectors.base import InjectorSettings
from proxy.injectors.cookie import CookieSettings
from proxy.injectors.header import HeaderSettings
from proxy.injectors.query import QuerySettings
from proxy.net.endpoint import Endpoint
from proxy.tokens.personal import build_pool
from proxy.tokens.pool import Pool
from proxy.tokens.workshop import Workshop
from tests.fakes.gateway_room import GatewayRoom
from tests.fakes.token_room import transient

UNAUTHORIZED = (RejectionSettings(status=401),)


def room_of(*inject: InjectorSettings, static: bool = False) -> GatewayRoom:
    """Return a room with a credential for each injector, of which the first goes into Authorization."""
    others = {f"c{number}": (UNAUTHORIZED, (settings,)) for number, settings in enumerate(inject, 2)}
    return GatewayRoom("http://127.0.0.1:1", others=others, static=static)


def signer_of(room: GatewayRoom) -> Signer:
    return Signer(tuple(room.sources.values()))


THREE = (
    HeaderSettings(kind="header", name="X-Tenant-Key"),
    QuerySettings(kind="query", name="key"),
    CookieSettings(kind="cookie", name="sid"),
)


async def test_no_credential_signs_with_nothing_and_never_waits() -> None:
    signer = Signer(())
    assert signer.current() == await signer.obtain() == ()
    assert signer.injection(()) is NOTHING or signer.injection(()) == NOTHING
    assert not signer.can_renew


async def test_one_credential_signs_with_what_its_token_adds() -> None:
    room = room_of()
    signer = signer_of(room)
    assert signer.current() is None
    signature = await signer.obtain()
    assert signer.current() == signature
    assert signer.injection(signature) is signature[0].injection
    assert signer.injection(signature).lines == b"Authorization: Bearer planted-1\r\n"


async def test_several_credentials_each_add_their_part_in_the_routes_order() -> None:
    signer = signer_of(room_of(*THREE))
    injection = signer.injection(await signer.obtain())
    assert injection.lines == b"Authorization: Bearer planted-1\r\nX-Tenant-Key: planted-1\r\n"
    assert injection.replaces == {b"authorization", b"x-tenant-key"}
    assert (injection.query, injection.query_names) == (b"key=planted-1", frozenset({b"key"}))
    assert injection.cookies == ((b"sid", b"planted-1"),)


async def test_two_parameters_are_joined() -> None:
    signer = signer_of(room_of(QuerySettings(kind="query", name="a"), QuerySettings(kind="query", name="b")))
    injection = signer.injection(await signer.obtain())
    assert (injection.query, injection.query_names) == (b"a=planted-1&b=planted-1", frozenset({b"a", b"b"}))


async def test_as_long_as_one_token_is_missing_there_is_no_signature() -> None:
    room = room_of(*THREE)
    signer = signer_of(room)
    for name, source in room.sources.items():
        assert signer.current() is None, name
        await source.obtain()
    assert signer.current() is not None


async def test_only_what_is_missing_is_waited_for() -> None:
    room = room_of(*THREE)
    await room.source.obtain()
    await signer_of(room).obtain()
    assert [credential.count for credential in room.credentials.values()] == [1, 1, 1, 1]


async def test_one_that_cannot_be_had_is_named() -> None:
    room = room_of(*THREE)
    room.credentials["c3"].fail(transient())
    with pytest.raises(TokenUnavailableError) as caught:
        await signer_of(room).obtain()
    assert caught.value.members["credential"] == "c3"


async def test_what_they_add_is_rendered_once_per_combination_of_generations() -> None:
    room = room_of(*THREE)
    signer = signer_of(room)
    signature = await signer.obtain()
    first = signer.injection(signature)
    assert signer.injection(signer.current() or ()) is first
    await room.sources["c2"].renew(signature[1])
    newer = await signer.obtain()
    assert signer.injection(newer).lines == b"Authorization: Bearer planted-1\r\nX-Tenant-Key: planted-2\r\n"
    assert signer.injection(signature).lines == first.lines


async def test_a_refusal_matters_only_if_a_token_could_be_replaced() -> None:
    assert signer_of(room_of()).can_renew
    assert signer_of(room_of()).refusals == frozenset({401})
    assert not signer_of(room_of(static=True)).can_renew
    assert signer_of(room_of(static=True)).refusals == frozenset()


@pytest.mark.parametrize("action", ["renew_only", "count", "pass"])
async def test_a_request_need_not_be_remembered_if_no_rule_sends_it_again(action: str) -> None:
    room = GatewayRoom(
        "http://127.0.0.1:1", rules=(RejectionSettings.model_validate({"status": 401, "action": action}),)
    )
    assert not signer_of(room).can_renew
    assert signer_of(room).refusals == frozenset({401})


async def test_answers_count_against_the_upstream_of_a_token_that_cannot_be_replaced_too() -> None:
    rules = ({"status": 409, "action": "count"}, {"status": 401})
    room = GatewayRoom("http://127.0.0.1:1", rules=tuple(map(RejectionSettings.model_validate, rules)), static=True)
    assert signer_of(room).refusals == frozenset({409})


async def test_the_statuses_that_may_refuse_are_those_of_all_credentials_and_any_if_one_names_none() -> None:
    forbidden = (RejectionSettings(status=403), RejectionSettings(status=200, text="expired"))
    second, third = (forbidden, THREE[:1]), ((RejectionSettings(text="expired"),), THREE[1:2])
    two = GatewayRoom("http://127.0.0.1:1", others={"second": second})
    assert signer_of(two).refusals == frozenset({200, 401, 403})
    three = GatewayRoom("http://127.0.0.1:1", others={"second": second, "third": third})
    assert signer_of(three).refusals is None


# Users of their own


async def nothing_known() -> Mapping[str, Secret]:
    return {}


def named(user: str) -> Person:
    return Person(user, user, nothing_known)


def pool_of(room: GatewayRoom, most: int) -> Pool:
    """Return a pool whose users have sources of their own."""
    described = {"url": "https://auth.example/session", "form": {"who": "{{ USER_ID }}"}}
    token = {"from": "json", "path": "access_token"}
    settings = HttpRequest.Settings.model_validate(
        {"kind": "http_request", "per_user": True, "request": described, "token": token}
    )
    endpoint = Endpoint(room.clock)
    workshop = Workshop(endpoint, room.vault, b"0" * 32, room.runtime, room.metrics, room.events)
    return build_pool("own", settings, "identity", workshop, most)


async def test_a_user_keeps_the_signer_and_each_user_has_another() -> None:
    room = room_of()
    signers = Signers((pool_of(room, most=2), room.source))
    assert signers.current(named("ann")) is None
    of_ann, of_ben = await signers.obtain(named("ann")), await signers.obtain(named("ben"))
    assert signers.current(named("ann")) is of_ann
    assert signers.current(named("ben")) is of_ben
    assert of_ann.sources[0] is not of_ben.sources[0]
    assert of_ann.sources[1] is of_ben.sources[1] is room.source


async def test_a_user_whose_source_rests_gets_another_signer() -> None:
    room = room_of()
    pool = pool_of(room, most=2)
    signers = Signers((pool,))
    signer = await signers.obtain(named("ann"))
    pool.dismiss("ann")
    assert signers.current(named("ann")) is None
    again = await signers.obtain(named("ann"))
    assert signers.current(named("ann")) is again
    assert again.sources[0] is not signer.sources[0]


async def test_a_user_who_comes_back_is_spared_where_room_is_made() -> None:
    room = room_of()
    pool = pool_of(room, most=2)
    signers = Signers((pool,))
    ann, _ = await signers.obtain(named("ann")), await signers.obtain(named("ben"))
    signers.current(named("ann"))
    await signers.obtain(named("cat"))
    assert pool.current("ann") is ann.sources[0]
    assert pool.current("ben") is None


async def test_no_more_users_tokens_are_held_than_the_configuration_says() -> None:
    room = room_of()
    users = [f"user-{number}" for number in range(9)]
    signers = Signers((pool_of(room, most=2), room.source))
    made = [weakref.ref((await signers.obtain(named(user))).sources[0]) for user in users]
    gc.collect()
    assert [user for user, source in zip(users, made, strict=True) if source() is not None] == users[-2:]
