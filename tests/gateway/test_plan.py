"""A route as the pipeline sees it: how many it takes, when it is the same as another, what is told of its breaker."""

from pathlib import Path
from typing import Any

import pytest
import trustme

from proxy.callers.anonymous import Anonymous, AnonymousSettings
from proxy.core.breaker import BreakerState
from proxy.core.errors import OverloadedError
from proxy.gateway.plan import RoutePlan
from proxy.gateway.settings import RouteSettings
from tests.fakes.gateway_room import ROUTE, GatewayRoom

ANYONE = Anonymous("anyone", AnonymousSettings(kind="anonymous"))
SETTINGS: dict[str, Any] = {
    "upstream": "https://api.example:8443/v2/",
    "match": {"path": "/billing/"},
    "callers": ["anyone"],
    "credentials": ["first", "second"],
    "breaker": {"failures": 2, "cooldown": "10s"},
    "limits": {"in_flight": 3},
}


class Room(GatewayRoom):
    """Where plans are made."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")

    def plan_of(self, **settings: Any) -> RoutePlan:
        return RoutePlan(
            ROUTE,
            RouteSettings.model_validate({**SETTINGS, **settings}),
            sources=(self.source,),
            callers=(ANYONE,),
            runtime=self.runtime,
            metrics=self.metrics.route(ROUTE),
            events=self.events,
        )

    def fail(self, plan: RoutePlan, *, ok: bool = False) -> None:
        plan.record(plan.breaker.admit(self.clock.monotonic()), ok=ok)


async def test_it_knows_where_it_leads_and_shows_nothing_else() -> None:
    plan = Room().plan_of()
    assert (plan.origin.authority, plan.origin.is_tls) == ("api.example:8443", True)
    assert plan.preparer.target("/billing/x") == "/v2/x"
    assert plan.credentials == "first+second"
    assert repr(plan) == "<RoutePlan billing -> api.example:8443>"


async def test_its_answers_are_for_one_user_alone_where_a_user_had_to_do_something_before() -> None:
    plans = [Room().plan_of(**one) for one in ({}, {"require": [{"kind": "email_otp"}]})]
    assert [plan.is_personal for plan in plans] == [False, True]
    assert [plan.drops_cookies for plan in plans] == [True, True]  # the account behind it is still everybody's


async def test_it_takes_as_many_as_it_is_told_and_says_when_to_come_back() -> None:
    plan = Room().plan_of()
    for _ in range(3):
        plan.admit()
    for _ in range(2):
        with pytest.raises(OverloadedError, match="3 requests under way") as caught:
            plan.admit()
        assert (caught.value.status, caught.value.retry_after) == (503, 1.0)
    assert plan.metrics.in_flight == 3
    plan.metrics.in_flight -= 1
    plan.admit()


@pytest.mark.parametrize(
    "change",
    [
        {"upstream": "https://api.example:8443/v3/"},
        {"match": {"path": "/billing"}},
        {"match": {"path": "/billing/", "methods": ["GET"]}},
        {"match": {"path": "/billing/", "headers": {"X-A": "1"}}},
        {"strip_prefix": False},
        {"credentials": ["first"]},
        {"breaker": {"failures": 3, "cooldown": "10s"}},
        {"limits": {"in_flight": 4}},
        {"limits": {"in_flight": 3, "body": "1MiB"}},
        {"replay": {"memory": "1KiB"}},
        {"timeouts": {"response": "1s"}},
        {"dot_segments": "pass"},
        {"cookies": "pass"},
        {"allow_plain_http": True},
    ],
    ids=str,
)
async def test_it_is_the_same_as_another_only_if_nothing_differs(change: dict[str, Any]) -> None:
    room = Room()
    assert room.plan_of().is_same_as(room.plan_of())
    assert not room.plan_of(**change).is_same_as(room.plan_of())


async def test_the_way_in_which_it_is_spelled_makes_no_difference() -> None:
    room = Room()
    spelled = room.plan_of(breaker={"failures": 2, "cooldown": "10000ms"}, dot_segments="refuse")
    assert spelled.is_same_as(room.plan_of())


async def test_other_authorities_make_it_another_and_a_new_content_of_their_file_does_not(tmp_path: Path) -> None:
    room, ca = Room(), tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(ca))
    before = room.plan_of(tls={"ca": str(ca)})
    trustme.CA().cert_pem.write_to_path(str(ca))
    assert room.plan_of(tls={"ca": str(ca)}).is_same_as(before)
    assert not room.plan_of().is_same_as(before)


async def test_authorities_that_cannot_be_read_are_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"ca\.pem"):
        Room().plan_of(tls={"ca": str(tmp_path / "ca.pem")})


async def test_a_plain_upstream_has_no_tls() -> None:
    assert Room().plan_of(upstream="http://127.0.0.1:1").upstream.tls is None


# The breaker, as it is told


async def test_its_breaker_is_told_when_it_opens_and_when_it_closes_and_at_no_other_time() -> None:
    room = Room()
    plan = room.plan_of()
    assert room.event_names() == []
    room.fail(plan)
    assert room.event_names() == []
    room.fail(plan)
    assert room.event_names() == ["breaker_opened"]
    for _ in range(3):
        await room.clock.advance(seconds=10)
        room.fail(plan)
    assert room.event_names() == ["breaker_opened"]
    await room.clock.advance(seconds=10)
    room.fail(plan, ok=True)
    assert room.event_names() == ["breaker_opened", "breaker_closed"]
    room.fail(plan, ok=True)
    for _ in range(2):
        room.fail(plan)
    assert room.event_names() == ["breaker_opened", "breaker_closed", "breaker_opened"]
    assert {event.route for event in room.events.query().events} == {ROUTE}


async def test_a_result_from_before_it_opened_tells_nothing() -> None:
    room = Room()
    plan = room.plan_of()
    early = plan.breaker.admit(room.clock.monotonic())
    room.fail(plan)
    room.fail(plan)
    plan.record(early, ok=True)
    assert room.event_names() == ["breaker_opened"]
    assert plan.breaker.state(room.clock.monotonic()) is BreakerState.OPEN


async def test_a_scrape_reads_its_breaker_as_it_stands() -> None:
    room = Room()
    plan = room.plan_of()
    plan.watch()
    read = plan.metrics.breaker_state
    assert read is not None
    assert (read(), plan.metrics.breaker_opened()) == (0, 0)
    room.fail(plan)
    room.fail(plan)
    assert (read(), plan.metrics.breaker_opened()) == (2, 1)
    await room.clock.advance(seconds=10)
    assert (read(), plan.metrics.breaker_opened()) == (1, 1)
