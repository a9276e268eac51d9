"""All that one configuration knows of users: whoever a request names is a person once that is proved."""

from collections.abc import AsyncIterator
from typing import Final

import pytest

from proxy.core.errors import UserRequiredError, UserUnprovenError
from proxy.core.principal import Principal
from proxy.core.seal import Seal
from proxy.core.secret import Secret
from proxy.net.endpoint import Endpoint
from proxy.net.runtime import Runtime
from proxy.stores.documents import Documents
from proxy.stores.memory import Memory, MemorySettings
from proxy.telemetry.events import EventLog
from proxy.users.doubts import Doubts
from proxy.users.identity import user_hash
from proxy.users.people import People
from proxy.users.portal import Call
from proxy.users.registry import Registry
from proxy.users.settings import UsersSettings
from tests.fakes.clock import FakeClock
from tests.fakes.code_room import CodeRoom
from tests.fakes.heads import head_of

SECRET: Final = Secret("0123456789abcdef0123456789abcdef")
ANYBODY: Final = Principal("anyone", "anonymous")
BACKEND: Final = Principal("backend", "api_key", acts_for_any=True)
PROVEN: Final = (("X-Countersign-User", "ann"), ("X-Countersign-User-Hash", user_hash("ann", SECRET)))


@pytest.fixture
async def people() -> AsyncIterator[People]:
    clock = FakeClock()
    runtime = Runtime(clock, lambda name, error: None)
    registry = Registry(Documents(Memory(MemorySettings(), runtime), Seal.of_this_process()), b"key")
    settings = UsersSettings.model_validate({"identity_secret": SECRET})
    endpoint = Endpoint(clock)
    yield People(settings, registry, endpoint, runtime, Doubts(EventLog(clock), clock))
    await runtime.close()
    await endpoint.close()


async def test_a_user_with_a_proof_is_known_at_once(people: People) -> None:
    person = people.known(head_of(headers=PROVEN), ANYBODY)
    assert person is not None
    assert person.id == "ann"
    assert person is await people.find(head_of(headers=PROVEN), ANYBODY)
    assert person.pseudonym == people.registry.pseudonym("ann")


async def test_without_a_proof_only_a_caller_that_acts_for_users_is_believed(people: People) -> None:
    named = head_of(headers=(("X-Countersign-User", "ann"),))
    with pytest.raises(UserUnprovenError):
        people.known(named, ANYBODY)
    with pytest.raises(UserRequiredError):
        people.known(head_of(headers=()), BACKEND)
    person = people.known(named, BACKEND)
    assert person is not None
    assert person.id == "ann"


async def test_a_call_proves_a_user_or_claims_nobody(people: People) -> None:
    assert await people.proven(head_of(headers=PROVEN)) == "ann"
    assert await people.proven(head_of()) is None
    for claim in (("X-Countersign-User", "ann"), ("X-Countersign-User-Token", "a.b.c")):
        with pytest.raises(UserUnprovenError):
            await people.proven(head_of(headers=(claim,)))


async def test_users_can_be_verified_once_there_is_a_desk(people: People) -> None:
    async with CodeRoom() as room:
        assert room.settings.mail is not None
        people.let_verify(room.verifications, room.settings.mail, room.runtime, room.events, room.metrics)
        assert people.verify is not None
        answer = await people.portal.answer(Call(head_of("/.countersign/verify")))
        assert answer.status == 400
