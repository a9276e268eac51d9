"""A route's requirement stands between who a user is and what is done for them, and costs nothing when it is met."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import ValidationError

from proxy.core.errors import InternalError, VerificationRequiredError
from proxy.core.person import Person
from proxy.gateway.require import EmailOtpSettings, Requirement, require
from proxy.gateway.settings import RouteSettings
from proxy.net.endpoint import Endpoint
from proxy.users.doubts import Doubts
from proxy.users.handles import Handle
from proxy.users.people import People
from tests.fakes.code_room import CodeRoom


@pytest.fixture
async def room() -> AsyncIterator[CodeRoom]:
    async with CodeRoom() as made:
        yield made


def people_of(room: CodeRoom) -> People:
    people = People(room.settings, room.registry, Endpoint(room.clock), room.runtime, Doubts(room.events, room.clock))
    people.verify = room.verify
    return people


def of(*settings: dict[str, Any], route: str = "billing") -> tuple[Requirement, ...]:
    return tuple(Requirement(EmailOtpSettings.model_validate({"kind": "email_otp"} | one), route) for one in settings)


async def verified(room: CodeRoom, scope: str) -> Person:
    person = await room.user("ann")
    await room.documents.change(f"verification/{person.pseudonym}", lambda old: old and {**old, "sent": []}, ttl=3600.0)
    issued = await room.verifications.issue(Handle("ann", scope))
    await room.verifications.check(Handle("ann", scope), issued.code.reveal())
    return person


def without_waiting(people: People, person: Person, requirements: tuple[Requirement, ...]) -> None:
    """Fail if it has to wait."""
    with pytest.raises(StopIteration):
        require(people, person, requirements).send(None)


def test_a_requirement_is_of_its_route_or_of_a_group() -> None:
    assert [(one.scope, one.valid_for) for one in of({}, {"scope": "money", "valid_for": "1h"})] == [
        ("route/billing", 900.0),
        ("group/money", 3600.0),
    ]


def test_a_group_is_never_taken_for_a_route() -> None:
    assert of({"scope": "billing"})[0].scope != of({}, route="billing")[0].scope


@pytest.mark.parametrize(
    "settings",
    [{"valid_for": "0s"}, {"valid_for": "31d"}, {"valid_for": 900}, {"scope": "A b"}, {"scope": ""}, {"kind": "sms"}],
)
def test_a_requirement_that_makes_no_sense_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EmailOtpSettings.model_validate({"kind": "email_otp"} | settings)


def test_a_route_may_have_requirements() -> None:
    route = {"upstream": "https://api.example", "callers": ["a"], "require": [{"kind": "email_otp"}]}
    assert RouteSettings.model_validate(route).require == (EmailOtpSettings(kind="email_otp"),)


async def test_what_is_known_to_be_met_is_told_without_waiting(room: CodeRoom) -> None:
    person = await verified(room, "route/billing")
    people, requirements = people_of(room), of({})
    await require(people, person, requirements)
    without_waiting(people, person, requirements)
    before = room.memory.loads
    without_waiting(people, person, requirements * 3)
    assert room.memory.loads == before


async def test_every_requirement_has_to_be_met(room: CodeRoom) -> None:
    person = await verified(room, "route/billing")
    people = people_of(room)
    both = of({}, {"scope": "money"})
    with pytest.raises(VerificationRequiredError) as caught:
        await require(people, person, both)
    assert room.verifications.handles.read(caught.value.members["handle"]) == Handle("ann", "group/money")
    await verified(room, "group/money")
    await require(people, person, both)


async def test_each_route_of_a_group_says_for_itself_how_long_it_counts(room: CodeRoom) -> None:
    person = await verified(room, "group/money")
    people = people_of(room)
    await room.clock.advance(minutes=10)
    await require(people, person, of({"scope": "money", "valid_for": "1h"}, route="a"))
    with pytest.raises(VerificationRequiredError):
        await require(people, person, of({"scope": "money", "valid_for": "5m"}, route="b"))


async def test_without_a_desk_nobody_goes_through(room: CodeRoom) -> None:
    people = people_of(room)
    people.verify = None
    with pytest.raises(InternalError):
        await require(people, room.registry.person("ann"), of({}))
