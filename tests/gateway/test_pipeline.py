"""The stages of a request's life: each one that does not say yes refuses, and every permit comes back exactly once."""

import asyncio
import json
from dataclasses import replace
from typing import Any, cast

import pytest

from proxy.callers.api_key import ApiKey, ApiKeySettings, hash_key
from proxy.core.breaker import BreakerState
from proxy.core.errors import RequestInvalidError, UserRequiredError
from proxy.core.person import Person
from proxy.telemetry.metrics import UNMATCHED
from proxy.users.people import People
from tests.fakes.gateway_room import ROUTE, GatewayRoom, gateway
from tests.fakes.raw_client import Answer, NoAnswerError, RawClient
from tests.fakes.raw_server import OK, Step, always, answer_each, close, head, request, reset, send, when
from tests.fakes.token_room import transient
from tests.fakes.until import until

KEY = "csk_the-key-of-the-tests"
BREAKER = {"breaker": {"failures": 3, "ratio": 0.5, "window": "30s", "cooldown": "10s"}}


def asking(path: str = "/x", *, method: str = "GET", more: str = "", body: bytes = b"") -> bytes:
    framing = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: api.example\r\n{framing}{more}\r\n".encode() + body


def status(code: int) -> bytes:
    return b"HTTP/1.1 %d \r\nContent-Length: 2\r\n\r\nno" % code


async def ask(room: GatewayRoom, data: bytes = b"") -> Answer:
    """Send the bytes on a connection of their own, and return the answer."""
    data = data or asking()
    async with RawClient(room.port) as caller:
        await caller.send(data)
        return await caller.answer(data.split(b" ")[0].decode())


def problem(answer: Answer) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(answer.body)
    assert answer.header("Content-Type") == b"application/problem+json"
    assert document["status"] == answer.status
    return document


def code(answer: Answer) -> str:
    return str(problem(answer)["type"]).rpartition("/")[2]


def state(room: GatewayRoom) -> BreakerState:
    return room.plan.breaker.state(room.clock.monotonic())


def at_rest(room: GatewayRoom) -> bool:
    return room.plan.metrics.in_flight == 0 and room.plan.upstream.connections == len(room.plan.upstream._idle)


# Refusals


async def test_a_request_that_no_route_takes_is_not_found_and_counted_under_no_route() -> None:
    async with gateway(match={"path": "/billing/"}) as (room, api):
        answer = await ask(room, asking("/elsewhere"))
        assert (answer.status, code(answer)) == (404, "route-not-found")
        assert room.metrics.route(UNMATCHED).answers[404, "proxy"] == 1
        assert room.lines.seen[0] | {"request_id": 0, "time": 0} == {
            "time": 0,
            "level": "info",
            "event": "request",
            "request_id": 0,
            "route": None,
            "caller": None,
            "user": None,
            "status": 404,
            "duration_ms": 0.0,
            "upstream_ms": None,
            "credential": None,
            "generation": None,
            "reason": "route-not-found",
            "replayed": False,
        }
        assert api.links == []


@pytest.mark.parametrize("path", ["/a/../b", "/a/%2e%2E/b", "/a/.", "/a/..;x/b"])
async def test_dot_segments_are_refused_unless_the_route_lets_them_pass(path: str) -> None:
    async with gateway() as (room, api):
        assert code(await ask(room, asking(path))) == "request-invalid"
        assert api.links == []
    async with gateway(dot_segments="pass") as (room, api):
        assert (await ask(room, asking(path))).status == 200
        assert api.requests[0].target == path.encode()


async def test_nobody_in_particular_is_asked_for_a_proof_and_a_stranger_to_the_route_is_turned_away() -> None:
    async with gateway() as (room, api):
        room.callers["backend"] = ApiKey("backend", ApiKeySettings(kind="api_key", keys=(hash_key(KEY),)))
        room.callers["other"] = ApiKey("other", ApiKeySettings(kind="api_key", keys=(hash_key("other-key"),)))
        room.load(**{ROUTE: {**room.settings, "callers": ["backend"]}})
        answer = await ask(room)
        assert (answer.status, code(answer)) == (401, "caller-unauthenticated")
        assert answer.header("WWW-Authenticate").startswith(b"Bearer")
        answer = await ask(room, asking(more="Authorization: Bearer other-key\r\n"))
        assert (answer.status, code(answer)) == (403, "caller-forbidden")
        assert api.links == []
        assert (await ask(room, asking(more=f"Authorization: Bearer {KEY}\r\n"))).status == 200
        assert KEY.encode() not in api.received
        assert [line["caller"] for line in room.lines.seen] == [None, None, "backend"]


async def test_a_token_is_not_asked_for_before_the_caller_is_known() -> None:
    async with gateway() as (room, _):
        room.callers["backend"] = ApiKey("backend", ApiKeySettings(kind="api_key", keys=(hash_key(KEY),)))
        room.load(**{ROUTE: {**room.settings, "callers": ["backend"]}})
        await ask(room)
        assert room.credential.count == 0


async def test_what_a_refusal_says_names_the_request_and_nothing_of_it() -> None:
    async with gateway(match={"path": "/billing/"}) as (room, _):
        answer = await ask(room, asking("/s3cret?s3cret=1", more="X-Request-Id: r-7\r\nX-Other: s3cret\r\n"))
        assert problem(answer)["instance"] == "r-7"
        assert answer.header("X-Request-Id") == b"r-7"
        assert b"s3cret" not in answer.body
        answer = await ask(room, asking("/s3cret", more="X-Request-Id: <s3cret>\r\n"))
        assert b"s3cret" not in answer.body
        assert problem(answer)["instance"] == room.lines.seen[1]["request_id"]


async def test_a_refused_head_request_gets_the_head_only() -> None:
    async with gateway(match={"path": "/billing/"}) as (room, _), RawClient(room.port) as caller:
        await caller.send(asking(method="HEAD") + asking("/billing/x"))
        answer = await caller.answer("HEAD")
        assert (answer.status, int(answer.header("Content-Length")) > 0) == (404, True)
        assert (await caller.answer()).status == 200


@pytest.mark.parametrize(
    ("data", "goes_on"),
    [
        (asking("/none"), True),
        (asking("/none", method="POST", body=b"whole"), True),
        (asking("/none", method="POST", body=b"whole")[:-1], False),
        (asking("/billing/../x"), False),
    ],
    ids=["no body", "whole body", "half a body", "malformed"],
)
async def test_a_refusal_ends_the_connection_only_where_the_next_request_could_not_be_found(
    data: bytes, goes_on: bool
) -> None:
    async with gateway(match={"path": "/billing/"}) as (room, _), RawClient(room.port) as caller:
        await caller.send(data)
        answer = await caller.answer()
        assert answer.header("Connection") == (b"" if goes_on else b"close")
        await caller.send(asking("/billing/x"))
        if goes_on:
            assert (await caller.answer()).status == 200
        else:
            with pytest.raises(NoAnswerError):
                await caller.answer()


async def test_a_request_that_could_not_be_read_is_answered_and_written_down() -> None:
    async with gateway() as (room, _), RawClient(room.port) as caller:
        await caller.send(b"GET /s3cret HTTP/1.1\r\nHost : api.example\r\n\r\n")
        answer = await caller.answer()
        assert (answer.status, code(answer), answer.header("Connection")) == (400, "request-invalid", b"close")
        assert b"s3cret" not in answer.body
        assert room.metrics.route(UNMATCHED).answers[400, "proxy"] == 1
        assert room.lines.seen[0]["reason"] == "request-invalid"


@pytest.mark.parametrize(
    ("data", "number"),
    [
        (b"GET /x HTTP/1.1\r\nHost : api.example\r\n\r\n", 400),
        (asking(more="X-Long: %s\r\n" % ("x" * 20_000)), 431),
        (b"GET /x HTTP/1.1\r\n\r\n", 400),
        (asking(method="TRACE"), 400),
        (asking(more="Expect: wonders\r\n"), 400),
    ],
    ids=["unparsable", "too large", "no host", "a method not served", "an unknown expectation"],
)
async def test_what_is_refused_before_anything_is_known_of_it_has_an_id_like_every_other(
    data: bytes, number: int
) -> None:
    async with gateway() as (room, api):
        answers = [await ask(room, data) for _ in range(2)]
        identifiers = [answer.header("X-Request-Id").decode() for answer in answers]
        assert [answer.status for answer in answers] == [number] * 2
        assert all(identifiers)
        assert len(set(identifiers)) == 2
        assert [problem(answer)["instance"] for answer in answers] == identifiers
        assert [line["request_id"] for line in room.lines.seen] == identifiers
        assert api.links == []


async def test_a_mistake_of_ours_is_answered_and_told_and_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with gateway(**BREAKER) as (room, api):

        def fail(*_: object, **__: object) -> bytes:
            raise KeyError("detail")

        monkeypatch.setattr(room.plan.preparer, "head", fail)
        for _ in range(5):
            answer = await ask(room)
            assert (answer.status, code(answer)) == (500, "internal-error")
            assert b"detail" not in answer.body
        assert room.event_names().count("task_failed") == 5
        assert (state(room), at_rest(room), api.links) == (BreakerState.CLOSED, True, [])


# Who is the last hop


async def test_an_options_request_that_may_go_no_further_is_answered_here() -> None:
    async with gateway() as (room, api), RawClient(room.port) as caller:
        await caller.send(asking(method="OPTIONS", more="Max-Forwards: 0\r\n"))
        answer = await caller.answer("OPTIONS")
        assert (answer.status, answer.body, b"GET" in answer.header("Allow")) == (200, b"", True)
        assert api.links == []
        assert room.answers == {(200, "proxy"): 1}
        await caller.send(asking(method="OPTIONS", more="Max-Forwards: 3\r\n"))
        await caller.answer("OPTIONS")
        assert api.requests[0].one("Max-Forwards") == b"2"
        assert room.credential.count == 1


async def test_an_options_request_that_is_answered_here_ends_the_connection_if_its_body_is_still_coming() -> None:
    async with gateway() as (room, _), RawClient(room.port) as caller:
        data = asking(method="OPTIONS", more="Max-Forwards: 0\r\n", body=b"hello")
        await caller.send(data)
        assert (await caller.answer("OPTIONS")).header("Connection") == b""
        await caller.send(data[:-1])
        assert (await caller.answer("OPTIONS")).header("Connection") == b"close"


# As many as the route takes


async def test_more_than_the_route_takes_at_once_is_told_to_come_back_and_the_others_are_not_disturbed() -> None:
    go = asyncio.Event()
    async with gateway((request(), when(go), send(OK)), limits={"in_flight": 2}) as (room, api):
        async with RawClient(room.port) as first, RawClient(room.port) as second:
            await first.send(asking())
            await second.send(asking())
            await until(lambda: len(api.requests) == 2)
            assert room.plan.metrics.in_flight == 2
            answer = await ask(room)
            assert (answer.status, code(answer), answer.header("Retry-After")) == (503, "overloaded", b"1")
            assert room.plan.metrics.in_flight == 2
            go.set()
            assert [(await one.answer()).status for one in (first, second)] == [200, 200]
        await until(lambda: at_rest(room))
        assert len(api.requests) == 2


# The breaker


@pytest.mark.parametrize("failure", [(request(), close), (request(), reset), (request(), send(b"rubbish\r\n\r\n"))])
async def test_it_opens_after_failures_and_refuses_without_asking_the_api(failure: tuple[Step, ...]) -> None:
    async with gateway(failure, **BREAKER) as (room, api):
        for _ in range(3):
            assert (await ask(room)).status == 502
        assert state(room) is BreakerState.OPEN
        asked = len(api.links)
        answer = await ask(room)
        assert (answer.status, code(answer), answer.header("Retry-After")) == (503, "circuit-open", b"10")
        assert len(api.links) == asked
        assert room.event_names().count("breaker_opened") == 1
        assert room.answers == {(502, "proxy"): 3, (503, "proxy"): 1}


@pytest.mark.parametrize("number", [502, 503, 504])
async def test_answers_of_a_gateway_that_fails_count_and_reach_the_caller(number: int) -> None:
    async with gateway((always(status(number)),), **BREAKER) as (room, _):
        for _ in range(3):
            answer = await ask(room)
            assert (answer.status, answer.body, answer.all("Proxy-Status")) == (number, b"no", [])
        assert state(room) is BreakerState.OPEN


@pytest.mark.parametrize("number", [200, 204, 301, 400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 501, 505])
async def test_no_other_answer_ever_counts(number: int) -> None:
    answer = status(number) if number != 204 else b"HTTP/1.1 204 \r\n\r\n"
    async with gateway((always(answer),), credentials=[], **BREAKER) as (room, _):
        for _ in range(10):
            assert (await ask(room)).status == number
        assert (state(room), room.plan.breaker.opened_total) == (BreakerState.CLOSED, 0)


async def test_an_api_that_is_not_there_counts() -> None:
    async with gateway(**BREAKER) as (room, api):
        api._server.close()
        for _ in range(3):
            assert code(await ask(room)) == "upstream-unreachable"
        assert state(room) is BreakerState.OPEN


async def test_an_api_that_does_not_answer_counts() -> None:
    async with gateway((head(),), timeouts={"response": "1s"}, **BREAKER) as (room, api):
        for number in range(1, 4):
            async with RawClient(room.port) as caller:
                await caller.send(asking())
                await until(lambda: len(api.requests) == number)  # noqa: B023 - it is awaited at once
                await room.clock.advance(seconds=1.2)
                assert code(await caller.answer()) == "upstream-timeout"
        assert state(room) is BreakerState.OPEN


BEGUN = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nok"
MOSTLY = {"breaker": BREAKER["breaker"] | {"ratio": 0.6}}
"""Opens at three failures only if successes are fewer than two."""


async def test_an_answer_that_breaks_off_is_one_failure_and_no_success_though_it_had_begun_well() -> None:
    async with gateway((request(), send(BEGUN), close), **MOSTLY) as (room, _):
        for number in range(1, 4):
            with pytest.raises(NoAnswerError):
                await ask(room)
            assert state(room) is (BreakerState.OPEN if number == 3 else BreakerState.CLOSED)
        assert room.event_names().count("breaker_opened") == 1


async def test_a_caller_that_leaves_in_the_middle_of_its_answer_counts_for_nothing() -> None:
    leaving = [(request(), send(BEGUN))] * 4
    async with gateway(*leaving, (request(), close), **MOSTLY) as (room, _):
        for _ in leaving:
            async with RawClient(room.port) as caller:
                await caller.send(asking())
                await until(lambda: caller.seen.endswith(b"ok"))
        await until(lambda: at_rest(room))
        assert (state(room), room.plan.breaker.opened_total) == (BreakerState.CLOSED, 0)
        for _ in range(3):
            assert (await ask(room)).status == 502
        assert state(room) is BreakerState.OPEN  # four successes would have kept it closed


@pytest.mark.parametrize(
    ("more", "settings", "reason"),
    [
        (b"zz\r\n", {}, "request-invalid"),
        (b"9\r\n123456789\r\n", {"limits": {"body": "8B"}}, "request-too-large"),
        (b"", {"timeouts": {"idle": "50ms"}}, "request-invalid"),
    ],
    ids=["malformed", "too large", "stalled"],
)
async def test_a_caller_that_spoils_its_body_behind_the_answers_beginning_ends_both_and_counts_for_nothing(
    more: bytes, settings: dict[str, Any], reason: str
) -> None:
    data = b"POST /x HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    async with gateway(*[(head(), send(BEGUN))] * 3, **BREAKER, **settings) as (room, api):
        for number in range(3):
            async with RawClient(room.port) as caller:
                await caller.send(data)
                await until(lambda: caller.seen.endswith(b"ok"))
                await caller.send(more)
                with pytest.raises(NoAnswerError):
                    await caller.answer()
                assert caller.was_reset
            await until(lambda: at_rest(room))
            await until(api.links[number].ended.is_set)
            assert room.lines.seen[-1]["reason"] == reason
        assert (state(room), room.plan.breaker.opened_total) == (BreakerState.CLOSED, 0)


async def test_a_token_that_cannot_be_had_counts_and_one_that_can_does_not() -> None:
    async with gateway(**BREAKER) as (room, api):
        room.credential.always = transient()
        for _ in range(3):
            assert code(await ask(room)) == "token-unavailable"
        assert code(await ask(room)) == "circuit-open"
        assert api.links == []


@pytest.mark.parametrize("body", [b"", b"x" * 100])
async def test_a_caller_that_leaves_never_counts(body: bytes) -> None:
    async with gateway((request(),), **BREAKER) as (room, api):
        for number in range(1, 8):
            async with RawClient(room.port) as caller:
                await caller.send(asking(method="POST", body=body))
                await until(lambda: len(api.requests) == number)  # noqa: B023 - it is awaited at once
        await until(lambda: at_rest(room))
        assert (state(room), room.plan.breaker.opened_total) == (BreakerState.CLOSED, 0)
        assert room.answers == {(499, "proxy"): 7}


async def test_a_request_that_is_refused_for_its_own_sake_never_counts() -> None:
    async with gateway((head(),), limits={"body": "10B"}, **BREAKER) as (room, api):
        for number in range(1, 8):
            async with RawClient(room.port) as caller:
                await caller.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
                await until(lambda: len(api.links) == number)  # noqa: B023 - it is awaited at once
                await caller.send(b"6\r\n world\r\n")
                answer = await caller.answer()
                assert (answer.status, answer.header("Connection")) == (413, b"close")
        assert state(room) is BreakerState.CLOSED
        await until(lambda: at_rest(room))


async def test_a_few_failures_among_many_successes_do_not_open_it() -> None:
    scripts = [(request(), send(OK), close)] * 10 + [(request(), close)] * 9
    async with gateway(*scripts, **BREAKER) as (room, _):
        for _ in range(19):
            await ask(room)
        assert state(room) is BreakerState.CLOSED
        await ask(room)
        assert state(room) is BreakerState.OPEN


async def opened(room: GatewayRoom) -> None:
    """Let the breaker open, and its cool-down pass."""
    for _ in range(3):
        await ask(room)
    await room.clock.advance(seconds=10)
    assert state(room) is BreakerState.HALF_OPEN


FAILING = [(request(), close)] * 3


async def test_after_its_cool_down_one_request_probes_and_closes_it() -> None:
    go = asyncio.Event()
    async with gateway(*FAILING, (request(), when(go), send(OK), close), (answer_each,), **BREAKER) as (room, api):
        await opened(room)
        async with RawClient(room.port) as probe:
            await probe.send(asking())
            await until(lambda: len(api.requests) == 4)
            assert [code(await ask(room)) for _ in range(3)] == ["circuit-open"] * 3
            go.set()
            assert (await probe.answer()).status == 200
        assert state(room) is BreakerState.CLOSED
        assert (await ask(room)).status == 200
        assert room.event_names()[-2:] == ["breaker_opened", "breaker_closed"]


async def test_a_probe_that_fails_keeps_it_open() -> None:
    async with gateway((request(), close), **BREAKER) as (room, api):
        await opened(room)
        assert (await ask(room)).status == 502
        assert state(room) is BreakerState.OPEN
        assert code(await ask(room)) == "circuit-open"
        assert len(api.links) == 4
        assert room.event_names().count("breaker_opened") == 1


async def test_a_probe_whose_caller_leaves_makes_room_for_the_next_at_once() -> None:
    async with gateway(*FAILING, (request(),), (answer_each,), **BREAKER) as (room, api):
        await opened(room)
        async with RawClient(room.port) as probe:
            await probe.send(asking())
            await until(lambda: len(api.requests) == 4)
        await until(lambda: at_rest(room))
        assert (await ask(room)).status == 200
        assert state(room) is BreakerState.CLOSED


async def test_a_probe_that_is_refused_for_its_own_sake_makes_room_for_the_next_at_once() -> None:
    async with gateway(*FAILING, (head(),), (answer_each,), limits={"body": "10B"}, **BREAKER) as (room, api):
        await opened(room)
        async with RawClient(room.port) as probe:
            await probe.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            await until(lambda: len(api.links) == 4)
            await probe.send(b"6\r\n world\r\n")
            assert (await probe.answer()).status == 413
        assert (await ask(room)).status == 200
        assert state(room) is BreakerState.CLOSED


async def test_a_probe_whose_answer_breaks_off_keeps_it_open() -> None:
    async with gateway(*FAILING, (request(), send(BEGUN), close), **BREAKER) as (room, api):
        await opened(room)
        with pytest.raises(NoAnswerError):
            await ask(room)
        assert state(room) is BreakerState.OPEN
        assert code(await ask(room)) == "circuit-open"
        assert len(api.links) == 4
        assert "breaker_closed" not in room.event_names()


async def test_a_probe_with_a_length_closes_it_at_its_end_and_not_before() -> None:
    go = asyncio.Event()
    async with gateway(*FAILING, (request(), send(BEGUN), when(go), send(b"x" * 97)), **BREAKER) as (room, _):
        await opened(room)
        async with RawClient(room.port) as probe:
            await probe.send(asking())
            await until(lambda: probe.seen.endswith(b"ok"))
            assert state(room) is BreakerState.HALF_OPEN
            go.set()
            assert (await probe.answer()).status == 200
        assert state(room) is BreakerState.CLOSED


@pytest.mark.parametrize("framing", [b"Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n", b"\r\nfirst"])
async def test_a_probe_without_an_end_closes_it_at_its_first_byte(framing: bytes) -> None:
    endless = (request(), send(b"HTTP/1.1 200 OK\r\n" + framing))
    async with gateway(*FAILING, endless, (answer_each,), **BREAKER) as (room, _):
        await opened(room)
        async with RawClient(room.port) as probe:
            await probe.send(asking())
            await until(lambda: b"first" in probe.seen)
            assert state(room) is BreakerState.CLOSED
            assert (await ask(room)).status == 200
        await until(lambda: at_rest(room))
        assert state(room) is BreakerState.CLOSED


async def test_a_probe_whose_caller_leaves_in_the_middle_of_its_answer_makes_room_for_the_next() -> None:
    async with gateway(*FAILING, (request(), send(BEGUN)), (answer_each,), **BREAKER) as (room, _):
        await opened(room)
        async with RawClient(room.port) as probe:
            await probe.send(asking())
            await until(lambda: probe.seen.endswith(b"ok"))
        await until(lambda: at_rest(room))
        assert state(room) is BreakerState.HALF_OPEN
        assert (await ask(room)).status == 200
        assert state(room) is BreakerState.CLOSED


class SlowPeople:
    """Does not find out who a user is until it is let."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    def known(self, *_: object) -> None:
        """Know nobody."""

    async def find(self, *_: object) -> Person:
        await self.go.wait()
        raise UserRequiredError


async def test_who_waits_for_their_user_takes_one_of_the_routes_places() -> None:
    requires = {"require": [{"kind": "email_otp"}], "limits": {"in_flight": 1}}
    async with gateway(**requires) as (room, api), RawClient(room.port) as first, RawClient(room.port) as second:
        people = SlowPeople()
        room.graph = room.pipeline.graph = replace(room.graph, people=cast("People", people))
        await first.send(asking())
        await until(lambda: room.plan.metrics.in_flight == 1)
        await second.send(asking())
        answer = await second.answer()
        assert (answer.status, code(answer)) == (503, "overloaded")
        people.go.set()
        assert code(await first.answer()) == "user-required"
        assert room.plan.metrics.in_flight == 0
        assert api.links == []


# Taking leave


async def test_while_draining_every_answer_is_the_last_on_its_connection() -> None:
    async with gateway() as (room, _), RawClient(room.port) as caller:
        await caller.send(asking())
        assert (await caller.answer()).header("Connection") == b""
        room.pipeline.draining = True
        await caller.send(asking())
        answer = await caller.answer()
        assert (answer.status, answer.header("Connection")) == (200, b"close")
        assert await caller.rest() == b""


async def test_what_comes_too_late_is_told_to_go_elsewhere() -> None:
    async with gateway() as (room, api), RawClient(room.port) as caller:
        room.pipeline.draining = room.pipeline.refusing = True
        await caller.send(asking())
        answer = await caller.answer()
        assert (answer.status, code(answer)) == (503, "draining")
        assert (answer.header("Connection"), answer.header("Retry-After")) == (b"close", b"1")
        assert api.links == []


# What is written down


async def test_every_request_is_written_down_once_however_it_ends() -> None:
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nok"
    async with gateway((request(), send(OK), close), (request(), close), (request(), send(begun), close)) as (room, _):
        await ask(room)
        await ask(room)
        with pytest.raises(NoAnswerError):
            await ask(room)
        lines = [(line["status"], line["reason"]) for line in room.lines.seen]
        assert lines == [(200, None), (502, "upstream-unreachable"), (200, "upstream-unreachable")]
        assert room.answers == {(200, "upstream"): 2, (502, "proxy"): 1}


async def test_the_apis_share_of_the_time_is_told_apart() -> None:
    go, end = asyncio.Event(), asyncio.Event()
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no"
    async with gateway((request(), when(go), send(answer), when(end), send(b"k"))) as (room, api):
        async with RawClient(room.port) as caller:
            await caller.send(asking())
            await until(lambda: api.requests)
            await room.clock.advance(seconds=2)
            go.set()
            await until(lambda: caller.seen)
            await room.clock.advance(seconds=3)
            end.set()
            await caller.answer()
        line = room.lines.seen[0]
        assert (round(line["upstream_ms"]), round(line["duration_ms"])) == (2000, 5000)


async def test_a_small_body_that_breaks_off_never_reaches_the_api() -> None:
    async with gateway() as (room, api), RawClient(room.port) as caller:
        await caller.send(asking(method="POST", body=b"hello")[:-1])
        await until(lambda: room.plan.metrics.in_flight == 1)
        caller.abort()
        await until(lambda: room.lines.seen)
        assert (room.lines.seen[0]["status"], api.links, at_rest(room)) == (499, [], True)


async def test_a_small_body_that_does_not_come_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.gateway.body.PATIENCE", 0.01)
    async with gateway(**BREAKER) as (room, api), RawClient(room.port) as caller:
        await caller.send(asking(method="POST", body=b"hello")[:-1])
        answer = await caller.answer()
        assert (answer.status, code(answer)) == (400, RequestInvalidError.code)
        assert (answer.header("Connection"), api.links, at_rest(room)) == (b"close", [], True)
