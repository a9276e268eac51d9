"""A refused token is renewed and the same bytes go out once more: any method, any remembered body, never twice."""

import asyncio
import gzip
import os
import zlib
from typing import Any

import pytest

from proxy.core.errors import FetchError, Reason
from proxy.core.rejection import PREFIX_LIMIT, RejectionSettings
from proxy.gateway.replay import TOO_LARGE
from proxy.injectors.header import HeaderSettings
from proxy.tokens.allowance import REGAINED_IN, RENEWALS
from tests.fakes.gateway_room import CREDENTIAL, GatewayRoom, gateway
from tests.fakes.raw_client import Answer, RawClient
from tests.fakes.raw_server import OK, Link, Step, always, close, head, request, reset, send, when
from tests.fakes.strict import Request
from tests.fakes.token_room import permanent, transient
from tests.fakes.until import until

KiB = 1024
REFUSED = b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer error="invalid_token"\r\nContent-Length: 2\r\n\r\nno'
RULE = f"{CREDENTIAL}.rejected_when[0]"
END = b"0\r\n\r\n"
SMALL_BUDGET = {"replay": {"memory": "1KiB", "disk": "3KiB"}}
CHUNKED = b"POST /x HTTP/1.1\r\nHost: api.example\r\nTransfer-Encoding: chunked\r\n\r\n"


def rules(*rules: dict[str, Any]) -> tuple[RejectionSettings, ...]:
    return tuple(map(RejectionSettings.model_validate, rules))


def asking(method: str = "GET", body: bytes = b"") -> bytes:
    framing = f"Content-Length: {len(body)}\r\n" if body or method not in {"GET", "HEAD"} else ""
    return f"{method} /x?a=%2F HTTP/1.1\r\nHost: api.example\r\n{framing}\r\n".encode() + body


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


async def ask(room: GatewayRoom, data: bytes) -> Answer:
    """Send the bytes on a connection of their own, and return the answer."""
    async with RawClient(room.port) as caller:
        await caller.send(data)
        return await caller.answer(data.split(b" ")[0].decode())


async def judging(link: Link) -> None:
    """Answer each request: 401 if it is signed with the first token, else 200."""
    number = 0
    while True:
        number += 1
        await link.until(lambda: len(link.requests) >= number)  # noqa: B023 - it is awaited before the number grows
        await link.send(REFUSED if link.requests[-1].one("Authorization") == b"Bearer planted-1" else OK)


refusing = always(REFUSED)


def unsigned(one: Request) -> tuple[str, bytes, list[tuple[bytes, bytes]], bytes]:
    """Return the request without its token."""
    return one.method, one.target, [line for line in one.headers if line[0].lower() != b"authorization"], one.body


# What is replayed


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
async def test_any_method_is_replayed_with_the_same_bytes_and_a_new_token(method: str) -> None:
    body = b"" if method in {"GET", "HEAD"} else bytes(range(256))
    async with gateway((judging,)) as (room, api):
        assert (await ask(room, asking(method, body))).status == 200
        first, second = api.requests
        assert unsigned(first) == unsigned(second)
        assert second.body == body
        assert [one.one("Authorization") for one in api.requests] == [b"Bearer planted-1", b"Bearer planted-2"]
        assert (room.replays, room.credential.count) == ({"succeeded": 1}, 2)
        line = room.lines.seen[0]
        assert (line["replayed"], line["generation"], line["reason"]) == (True, 2, RULE)


@pytest.mark.parametrize("size", [0, 1, KiB, KiB + 1, 3 * KiB, 4 * KiB])
@pytest.mark.parametrize("framing", ["length", "chunked", "chunked, late"])
async def test_a_body_is_replayed_from_memory_and_from_disk(size: int, framing: str) -> None:
    body = os.urandom(size)
    async with gateway((judging,), **SMALL_BUDGET) as (room, api), RawClient(room.port) as caller:
        if framing == "length":
            await caller.send(asking("POST", body)[: -max(1, size)])
            await caller.send(asking("POST", body)[-max(1, size) :])
        else:
            await caller.send(CHUNKED)
            if framing == "chunked, late":
                await until(lambda: api.links)
            await caller.send((chunked(body) if body else b"") + END)
        answer = await caller.answer("POST")
        assert (answer.status, answer.body) == (200, b"ok")
        assert [one.body for one in api.requests] == [body, body]
        assert room.replays == {"succeeded": 1}


async def test_the_caller_gets_nothing_of_the_refused_attempt() -> None:
    async with gateway((judging,)) as (room, _), RawClient(room.port) as caller:
        await caller.send(asking())
        await caller.answer()
        assert b" 401 " not in caller.seen
        assert b"WWW-Authenticate" not in caller.seen


async def test_a_second_refusal_is_returned_unchanged_and_nothing_is_sent_a_third_time() -> None:
    again = REFUSED.replace(b"no", b"NO")
    async with gateway((request(), send(REFUSED), request(2), send(again))) as (room, api):
        answer = await ask(room, asking())
        assert (answer.status, answer.body) == (401, b"NO")
        assert answer.header("WWW-Authenticate") == b'Bearer error="invalid_token"'
        assert answer.all("Proxy-Status") == []
        assert (len(api.requests), room.credential.count) == (2, 2)
        assert room.replays == {"rejected_again": 1}
        assert room.lines.seen[0]["reason"] == "rejected_again"


async def test_new_tokens_that_are_rejected_too_are_told_once_each() -> None:
    refusing = (
        request(),
        send(REFUSED),
        request(2),
        send(REFUSED),
        request(3),
        send(REFUSED),
        request(4),
        send(REFUSED),
    )
    async with gateway(refusing) as (room, _):
        await ask(room, asking())
        assert room.event_names().count("rejected_again") == 1
        await ask(room, asking())
        assert room.event_names().count("rejected_again") == 2
        told = room.events.query().events[0]
        assert (told.event.value, told.route, told.level) == ("rejected_again", room.plan.name, "warning")


async def test_a_caller_who_leaves_while_its_token_is_renewed_is_counted_as_too_late() -> None:
    async with gateway((judging,)) as (room, _):
        await room.source.obtain()
        room.credential.hold()
        async with RawClient(room.port) as caller:
            await caller.send(asking())
            await until(lambda: room.credential.count == 2)
        await until(lambda: room.plan.metrics.in_flight == 0)
        assert room.replays == {"too_late": 1}
        room.credential.release()


async def test_the_replays_own_refusal_renews_nothing() -> None:
    async with gateway((request(), send(REFUSED), request(2), send(REFUSED))) as (room, _):
        await ask(room, asking())
        assert room.event_names().count("token_rejected") == 1


async def test_a_token_that_was_renewed_meanwhile_costs_no_fetch() -> None:
    go = asyncio.Event()
    slow = (request(), when(go), send(REFUSED), request(2), send(OK))
    async with gateway(slow, (judging,)) as (room, api), RawClient(room.port) as caller:
        await caller.send(asking())
        await until(lambda: api.requests)
        assert (await ask(room, asking())).status == 200
        assert room.credential.count == 2
        go.set()
        assert (await caller.answer()).status == 200
        assert room.credential.count == 2


async def test_many_refusals_at_once_cost_one_renewal_and_every_body_arrives_twice() -> None:
    async with gateway((judging,)) as (room, api):
        bodies = [b"body %d" % number for number in range(100)]
        answers = await asyncio.gather(*(ask(room, asking("POST", body)) for body in bodies))
        assert {answer.status for answer in answers} == {200}
        assert room.credential.count == 2
        accepted = [one.body for one in api.requests if one.one("Authorization") == b"Bearer planted-2"]
        assert sorted(accepted) == sorted(bodies)


async def test_the_refused_connection_is_used_again_when_its_answer_was_whole() -> None:
    async with gateway((judging,)) as (room, api):
        await ask(room, asking())
        assert [len(link.requests) for link in api.links] == [2]


async def test_a_refusal_without_end_is_not_read_to_its_end() -> None:
    endless = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 999999999\r\n\r\nno"
    async with gateway((request(), send(endless)), (request(), send(OK))) as (room, api):
        assert (await ask(room, asking())).status == 200
        await until(api.links[0].ended.is_set)


# By which signs


@pytest.mark.parametrize(
    ("rule", "refusal"),
    [
        ({"status": 403}, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
        ({"header": "X-Error: expired"}, b"HTTP/1.1 200 OK\r\nX-Error: expired\r\nContent-Length: 0\r\n\r\n"),
        (
            {"status": 200, "json": "$.error.code", "equals": "SESSION_EXPIRED"},
            b'HTTP/1.1 200 OK\r\nContent-Length: 37\r\n\r\n{"error": {"code":"SESSION_EXPIRED"}}',
        ),
        ({"text": "expired"}, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nexp\r\n4\r\nired\r\n" + END),
    ],
    ids=["status", "header", "json", "text"],
)
async def test_what_a_rule_calls_a_refusal_is_one(rule: dict[str, Any], refusal: bytes) -> None:
    async with gateway((request(), send(refusal), request(2), send(OK)), rules=rules(rule)) as (room, _):
        assert (await ask(room, asking())).body == b"ok"
        assert room.replays == {"succeeded": 1}


@pytest.mark.parametrize(
    ("challenge", "count"),
    [
        (b'Bearer realm="a, b", error="invalid_token", error_description="expired, \\"sorry\\""', 2),
        (b'Basic realm="x"\r\nWWW-Authenticate: bearer Error=invalid_token', 2),
        (b'Bearer error="insufficient_scope", scope="invalid_token"', 1),
        (b"Bearer", 1),
    ],
)
async def test_a_challenge_tells_a_refused_token_from_another_403(challenge: bytes, count: int) -> None:
    refusal = b"HTTP/1.1 403 Forbidden\r\nWWW-Authenticate: %b\r\nContent-Length: 0\r\n\r\n" % challenge
    rule = {"status": 403, "www_authenticate": "invalid_token"}
    async with gateway((request(), send(refusal), request(2), send(OK)), rules=rules(rule)) as (room, api):
        assert (await ask(room, asking())).status == (200 if count == 2 else 403)
        assert (len(api.requests), room.credential.count) == (count, count)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_compressed_error_is_a_refusal_if_it_can_be_read(coding: str, framing: str) -> None:
    plain = b'\xef\xbb\xbf{"error": 1}'
    packed = {"gzip": gzip.compress(plain), "deflate": zlib.compress(plain), "br": plain}[coding]
    body = chunked(*(packed[place : place + 5] for place in range(0, len(packed), 5))) + END
    head_, tail = (
        (b"Transfer-Encoding: chunked", body) if framing == "chunked" else (b"Content-Length: %d" % len(packed), packed)
    )
    refusal = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\n%b\r\n\r\n%b" % (coding.encode(), head_, tail)
    rule = {"status": 200, "json": "$.error"}
    async with gateway((request(), send(refusal), request(2), send(OK)), rules=rules(rule)) as (room, api):
        answer = await ask(room, asking())
        assert answer.body == (packed if coding == "br" else b"ok")
        assert len(api.requests) == (1 if coding == "br" else 2)


@pytest.mark.parametrize(
    ("method", "head_"), [("HEAD", b"200 OK\r\nContent-Length: 9"), ("GET", b"204 No"), ("GET", b"304 Not")]
)
async def test_an_answer_that_has_no_body_is_not_waited_for(method: str, head_: bytes) -> None:
    steps = (request(), send(b"HTTP/1.1 %b\r\n\r\n" % head_))
    async with gateway(steps, rules=rules({"text": ""}, {"json": "$.error"})) as (room, api):
        assert (await ask(room, asking(method))).status == int(head_[:3])
        assert (len(api.requests), room.replays) == (1, {})


@pytest.mark.parametrize("status", [400, 403, 404, 407, 422, 429, 500, 503])
async def test_by_default_nothing_but_401_is_a_refusal(status: int) -> None:
    answer = b"HTTP/1.1 %d \r\nContent-Length: 2\r\n\r\nno" % status
    async with gateway((request(), send(answer))) as (room, api):
        assert (await ask(room, asking())).status == status
        assert (len(api.requests), room.credential.count, room.replays) == (1, 1, {})


async def test_an_answer_that_was_looked_into_and_refuses_nothing_reaches_the_caller_byte_for_byte() -> None:
    document = b'{"items": [' + b"1234567890, " * 20_000 + b"0]}"
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(document)
    steps = (request(), send(answer + document))
    async with gateway(steps, rules=rules({"json": "$.error"}, {"text": "expired"})) as (room, _):
        assert (await ask(room, asking())).body == document
        assert room.replays == {}


async def test_an_answer_that_breaks_off_while_it_is_looked_into_is_answered_as_such() -> None:
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"
    async with gateway((request(), send(begun), close), rules=rules({"json": "$.error"})) as (room, api):
        assert (await ask(room, asking())).status == 502
        assert (len(api.requests), room.plan.upstream.connections) == (1, 0)


async def test_a_replays_answer_that_breaks_off_while_it_is_looked_into_is_no_success() -> None:
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"
    steps = (request(), send(REFUSED), request(2), send(begun), close)
    async with gateway(steps, rules=rules({"status": 401}, {"json": "$.error"})) as (room, api):
        assert (await ask(room, asking())).status == 502
        assert (len(api.requests), room.replays, room.plan.upstream.connections) == (2, {}, 0)


async def test_an_answer_that_refuses_nothing_says_nothing_of_a_body_that_is_not_remembered() -> None:
    async with gateway((always(OK),), rules=rules({"json": "$.error"}), **SMALL_BUDGET) as (room, _):
        answer = await ask(room, asking("POST", b"x" * 300 * KiB))
        assert (answer.status, answer.all("Proxy-Status"), room.replays) == (200, [], {})


async def test_the_replays_answer_is_looked_into_too() -> None:
    refusal = b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"error":1}'
    async with gateway((request(), send(refusal), request(2), send(refusal)), rules=rules({"json": "$.error"})) as (
        room,
        _,
    ):
        assert (await ask(room, asking())).body == b'{"error":1}'
        assert room.replays == {"rejected_again": 1}


@pytest.mark.parametrize("framing", ["length", "chunked", "until the end"])
async def test_a_slow_answer_is_held_back_no_longer_than_that_and_passes_byte_for_byte(
    framing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.gateway.forward.HOLD", 0.005)
    begun, rest = b'{"items": [' + bytes(range(128, 256)), b'0], "error": "expired"}'
    heads = {
        "length": b"Content-Length: %d\r\n\r\n" % len(begun + rest),
        "chunked": b"Transfer-Encoding: chunked\r\n\r\n",
        "until the end": b"Connection: close\r\n\r\n",
    }
    first, second = (chunked(begun), chunked(rest) + END) if framing == "chunked" else (begun, rest)
    go = asyncio.Event()
    steps = (request(), send(b"HTTP/1.1 200 OK\r\n" + heads[framing] + first), when(go), send(second), close)
    async with gateway(steps, rules=rules({"json": "$.error", "equals": "expired"})) as (room, api):
        async with RawClient(room.port) as caller:
            await caller.send(asking())
            await until(lambda: begun in caller.seen)
            go.set()
            answer = await caller.answer()
        assert (answer.status, answer.body, answer.all("Proxy-Status")) == (200, begun + rest, [])
        assert (len(api.requests), room.credential.count, room.replays) == (1, 1, {})
        assert room.answers == {(200, "upstream"): 1}


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_no_more_than_the_beginning_is_held_back_however_much_time_there_would_be(
    framing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.gateway.forward.HOLD", 600.0)
    begun, rest = b"x" * PREFIX_LIMIT, b"expired"
    head_ = b"Transfer-Encoding: chunked" if framing == "chunked" else b"Content-Length: %d" % len(begun + rest)
    first, second = (chunked(begun), chunked(rest) + END) if framing == "chunked" else (begun, rest)
    go = asyncio.Event()
    steps = (request(), send(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % head_ + first), when(go), send(second))
    async with gateway(steps, rules=rules({"status": 200, "text": "expired"})) as (room, _):
        async with RawClient(room.port) as caller:
            await caller.send(asking())
            await until(lambda: len(caller.seen) > PREFIX_LIMIT)
            go.set()
            assert (await caller.answer()).body == begun + rest
        assert room.replays == {}


async def test_an_answer_that_trickles_is_held_back_no_longer_than_one_that_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("proxy.gateway.forward.HOLD", 0.02)
    enough = asyncio.Event()

    async def trickle(link: Link) -> None:
        while not enough.is_set():
            await link.send(chunked(b" "))
            await asyncio.sleep(0.001)
        await link.send(chunked(b"{}") + END)

    begun = send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    async with gateway((request(), begun, trickle), rules=rules({"json": "$.error"})) as (room, _):
        async with RawClient(room.port) as caller:
            await caller.send(asking())
            await until(lambda: caller.seen)
            enough.set()
            answer = await caller.answer()
        assert (answer.status, answer.body.strip(), room.replays) == (200, b"{}", {})


# What else a rule can ask for

FORBIDDEN = (
    b'HTTP/1.1 403 Forbidden\r\nWWW-Authenticate: Bearer error="insufficient_scope"\r\nContent-Length: 2\r\n\r\nno'
)
SCOPE = {"status": 403, "www_authenticate": "insufficient_scope"}


async def test_a_rule_that_says_pass_is_an_exception_from_those_below_it() -> None:
    steps = (always(FORBIDDEN.replace(b"403", b"401")),)
    async with gateway(steps, rules=rules({**SCOPE, "status": 401, "action": "pass"}, {"status": 401})) as (room, api):
        answer = await ask(room, asking("POST", b"x" * 300 * KiB))
        assert (answer.status, answer.body, answer.all("Proxy-Status")) == (401, b"no", [])
        assert (len(api.requests), room.credential.count, room.replays) == (1, 1, {})
        assert (room.lines.seen[0]["reason"], room.lines.seen[0]["replayed"]) == (RULE, False)


async def test_a_rule_that_blames_the_scope_does_not_loop() -> None:
    async with gateway((always(FORBIDDEN),), rules=rules(SCOPE)) as (room, api):
        assert [(await ask(room, asking())).status for _ in range(3)] == [403, 403, 403]
        assert (len(api.requests), room.credential.count) == (6, 4)
        assert room.replays == {"rejected_again": 3}


async def test_renew_only_passes_this_answer_and_the_next_request_has_a_new_token() -> None:
    async with gateway((judging,), rules=rules({"status": 401, "action": "renew_only"})) as (room, api):
        answer = await ask(room, asking("POST", b"x" * 300 * KiB))
        assert (answer.status, answer.body, answer.all("Proxy-Status")) == (401, b"no", [])
        assert (await ask(room, asking())).status == 200
        assert [one.one("Authorization") for one in api.requests] == [b"Bearer planted-1", b"Bearer planted-2"]
        assert (room.credential.count, room.replays) == (2, {})
        assert [(line["reason"], line["replayed"]) for line in room.lines.seen] == [(RULE, False), (None, False)]


async def test_renew_only_does_not_wait_for_the_renewal() -> None:
    async with gateway((judging,), rules=rules({"status": 401, "action": "renew_only"})) as (room, _):
        await room.source.obtain()
        room.credential.hold()
        assert (await ask(room, asking())).status == 401
        await until(lambda: room.credential.in_flight)
        room.credential.release()


@pytest.mark.parametrize("together", [1, 20])
async def test_renew_only_cannot_storm_the_token_endpoint(together: int) -> None:
    async with gateway((refusing,), rules=rules({"status": 401, "action": "renew_only"})) as (room, api):
        for number in range(1, 13):
            await asyncio.gather(*(ask(room, asking()) for _ in range(together)))
            await until(lambda: "fetch session" not in {task.get_name() for task in asyncio.all_tasks()})
            assert len(api.requests) == number * together
        assert room.credential.count == 1 + RENEWALS
        await room.clock.advance(seconds=REGAINED_IN)
        await ask(room, asking())
        await until(lambda: room.credential.count == 2 + RENEWALS)


async def test_a_renewal_that_fails_behind_an_answer_is_nobodys_error() -> None:
    async with gateway((judging,), rules=rules({"status": 401, "action": "renew_only"})) as (room, _):
        await room.source.obtain()
        room.credential.always = transient()
        assert (await ask(room, asking())).status == 401
        await until(lambda: "refresh_failed" in room.event_names())
        assert (await ask(room, asking())).status == 401
        assert room.reported == []


async def test_an_answer_that_counts_opens_the_routes_breaker_and_renews_nothing() -> None:
    rule = {"status": 200, "json": "$.error", "equals": ["overloaded", "maintenance"], "action": "count"}
    failing = b'HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n{"error":"maintenance"}'
    async with gateway((always(failing),), rules=rules(rule), breaker={"failures": 3, "ratio": 1.0}) as (room, api):
        for _ in range(3):
            assert (await ask(room, asking())).body == b'{"error":"maintenance"}'
        answer = await ask(room, asking())
        assert (answer.status, len(api.requests)) == (503, 3)
        assert (room.credential.count, room.replays) == (1, {})
        assert [line["reason"] for line in room.lines.seen] == [RULE, RULE, RULE, "circuit-open"]


async def test_an_answer_counts_for_a_token_that_is_part_of_the_configuration_too() -> None:
    rule = rules({"status": 401, "action": "count"}, {"status": 403})
    steps = (request(), send(FORBIDDEN), request(2), send(REFUSED))
    async with gateway(steps, rules=rule, breaker={"failures": 1, "ratio": 0.0}, static=True) as (room, _):
        assert (await ask(room, asking())).status == 403
        assert room.plan.breaker.opened_total == 0
        assert (await ask(room, asking())).status == 401
        assert room.plan.breaker.opened_total == 1


async def test_a_replays_answer_counts_by_its_own_rule() -> None:
    by_rule = rules({"status": 401}, {"status": 403, "action": "count"})
    steps = (request(), send(REFUSED), request(2), send(FORBIDDEN))
    async with gateway(steps, rules=by_rule, breaker={"failures": 1, "ratio": 1.0}) as (room, _):
        assert (await ask(room, asking())).status == 403
        assert (room.replays, room.plan.breaker.opened_total) == ({"succeeded": 1}, 1)
        assert room.lines.seen[0]["reason"] == f"{CREDENTIAL}.rejected_when[1]"


# When the body is not remembered


async def test_a_body_past_every_budget_loses_its_replay_and_the_answer_says_so() -> None:
    body = b"x" * (4 * KiB + 1)
    async with gateway((judging,), **SMALL_BUDGET) as (room, api), RawClient(room.port) as caller:
        await caller.send(asking("POST", body)[:-1])
        await until(lambda: api.received.endswith(b"x" * KiB))
        await caller.send(body[-1:])
        answer = await caller.answer()
        assert (answer.status, answer.body) == (401, b"no")
        assert answer.header("Proxy-Status") == TOO_LARGE.partition(b": ")[2].strip()
        assert [one.body for one in api.requests] == [body]
        assert room.replays == {"too_large": 1}
        assert room.lines.seen[0]["reason"] == "too_large"
        assert "replay_given_up" in room.event_names()
        await until(lambda: room.credential.count == 2)
        assert (await ask(room, asking())).status == 200
        assert room.credential.count == 2


async def test_a_body_that_outgrows_its_budget_while_the_token_is_renewed_is_never_replayed_in_part() -> None:
    begun, rest = b"begun" * 200, b"rest" * KiB
    steps = (head(), send(REFUSED), request())
    async with gateway(steps, (judging,), **SMALL_BUDGET) as (room, api), RawClient(room.port) as caller:
        await room.source.obtain()
        room.credential.hold()
        await caller.send(CHUNKED + chunked(begun))
        await until(lambda: room.credential.in_flight)
        await caller.send(chunked(rest))
        await until(lambda: rest in api.received)
        room.credential.release()
        answer = await caller.answer()
        assert answer.status == 401
        assert b"too large" in answer.header("Proxy-Status")
        assert len(api.links) == 1
        assert (room.replays, room.credential.count) == ({"too_large": 1}, 2)


async def test_a_body_that_is_still_coming_when_it_is_refused_is_replayed_to_its_end() -> None:
    pieces = [b"first" * 100, b"second" * 100, b"third" * 100]
    steps = (head(), send(REFUSED))
    async with gateway(steps, (judging,), **SMALL_BUDGET) as (room, api), RawClient(room.port) as caller:
        await caller.send(CHUNKED + chunked(pieces[0]))
        await until(lambda: len(api.links) == 2)
        await caller.send(chunked(pieces[1]))
        await until(lambda: pieces[1] in api.links[1].received)
        await caller.send(chunked(pieces[2]) + END)
        assert (await caller.answer()).status == 200
        assert [one.body for one in api.requests] == [b"".join(pieces)]
        assert room.replays == {"succeeded": 1}


async def test_a_body_that_grows_too_long_while_the_token_is_renewed_is_refused_and_never_sent_cut_short() -> None:
    begun, over = b"begun", b" and too long"
    steps = (head(), send(REFUSED))
    async with gateway(steps, (judging,), limits={"body": "10B"}) as (room, api), RawClient(room.port) as caller:
        await room.source.obtain()
        room.credential.hold()
        await caller.send(CHUNKED + chunked(begun))
        await until(lambda: room.credential.in_flight)
        await caller.send(chunked(over) + END)
        await until(lambda: "pour a request body" not in {task.get_name() for task in asyncio.all_tasks()})
        room.credential.release()
        answer = await caller.answer()
        assert (answer.status, b"/errors/request-too-large" in answer.body) == (413, True)
        await until(lambda: room.plan.metrics.in_flight == 0)
        assert room.plan.upstream.connections == 0
        await until(lambda: all(link.ended.is_set() for link in api.links))
        assert (api.requests, api.faults) == ([], [])
        assert (room.replays, room.answers) == ({}, {(413, "proxy"): 1})


# When there is no other token


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (transient(), "provider_5xx"),
        (permanent(), "invalid_client"),
        (FetchError(Reason.NETWORK, "nobody there", retry_after=7.0), "network"),
    ],
)
async def test_a_refused_token_that_cannot_be_replaced_is_told_with_its_reason(error: FetchError, reason: str) -> None:
    async with gateway((judging,)) as (room, api):
        await room.source.obtain()
        room.credential.fail(error)
        answer = await ask(room, asking())
        assert answer.status == 502
        assert b'"reason":"%b"' % reason.encode() in answer.body
        assert int(answer.header("Retry-After")) >= 1
        assert (len(api.requests), room.replays) == (1, {})
        assert room.plan.upstream.connections <= 1


async def test_a_path_that_refuses_every_token_takes_none_from_the_others_while_no_other_can_be_had() -> None:
    async def picky(link: Link) -> None:
        number = 0
        while True:
            number += 1
            await link.until(lambda: len(link.requests) >= number)  # noqa: B023 - it is awaited before the number grows
            await link.send(REFUSED if link.requests[-1].target.startswith(b"/picky") else OK)

    async with gateway((picky,)) as (room, api):
        await room.source.obtain()
        room.credential.always = transient()
        for _ in range(4):
            answer = await ask(room, asking().replace(b"/x", b"/picky"))
            assert (answer.status, b"/errors/token-unavailable" in answer.body) == (502, True)
            assert b'"reason":"provider_5xx"' in answer.body
            assert (await ask(room, asking())).status == 200
        assert {one.one("Authorization") for one in api.requests} == {b"Bearer planted-1"}
        assert (len(api.requests), room.credential.count) == (8, 2)


async def test_a_token_that_was_renewed_time_and_again_stays_and_the_refusal_passes() -> None:
    async with gateway((refusing,)) as (room, api):
        for _ in range(8):
            answer = await ask(room, asking())
            assert (answer.status, answer.body) == (401, b"no")
        asked = room.credential.count
        assert asked == 6
        sent = len(api.requests)
        await ask(room, asking())
        assert (room.credential.count, len(api.requests)) == (asked, sent + 1)
        assert (room.lines.seen[-1]["reason"], room.lines.seen[-1]["replayed"]) == ("renewed_too_often", False)


@pytest.mark.parametrize("end", [close, reset], ids=["closed", "reset"])
async def test_a_replay_that_gets_no_answer_is_the_apis_failure(end: Step) -> None:
    async with gateway((request(), send(REFUSED), request(2), end), (request(), end)) as (room, _):
        assert (await ask(room, asking("POST", b"x"))).status == 502
        assert room.replays == {}
        assert room.plan.upstream.connections == 0


# Several credentials on one route


def in_header(name: str) -> tuple[HeaderSettings, ...]:
    return (HeaderSettings(kind="header", name=name),)


SECOND = {"second": (rules({"status": 403}), in_header("X-Second"))}


async def test_only_the_credential_that_a_rule_blames_is_renewed() -> None:
    forbidden = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    async with gateway((request(), send(forbidden), request(2), send(OK)), others=SECOND) as (room, api):
        assert (await ask(room, asking())).status == 200
        assert {name: one.count for name, one in room.credentials.items()} == {"session": 1, "second": 2}
        assert [(one.one("Authorization"), one.one("X-Second")) for one in api.requests] == [
            (b"Bearer planted-1", b"planted-1"),
            (b"Bearer planted-1", b"planted-2"),
        ]


async def test_an_answer_that_refuses_them_all_renews_them_all_and_is_replayed_once() -> None:
    others = {"second": (rules({"text": "^no$"}), in_header("X-Second"))}
    async with gateway((request(), send(REFUSED), request(2), send(OK)), others=others) as (room, api):
        assert (await ask(room, asking())).status == 200
        assert {name: one.count for name, one in room.credentials.items()} == {"session": 2, "second": 2}
        assert len(api.requests) == 2


async def test_one_that_cannot_be_renewed_is_told_though_the_other_could() -> None:
    others = {"second": (rules({"status": 401}), in_header("X-Second"))}
    async with gateway((judging,), others=others) as (room, _):
        for source in room.sources.values():
            await source.obtain()
        room.credentials["second"].fail(transient())
        answer = await ask(room, asking())
        assert (answer.status, b'"credential":"second"' in answer.body) == (502, True)


async def test_where_they_disagree_the_request_is_sent_again_and_renew_only_is_for_the_next() -> None:
    others = {"second": (rules({"status": 401, "action": "renew_only"}), in_header("X-Second"))}
    steps = (request(), send(REFUSED), request(2), send(OK), request(3), send(OK))
    async with gateway(steps, others=others) as (room, api):
        assert (await ask(room, asking())).status == 200
        await until(lambda: room.credentials["second"].count == 2)
        assert (await ask(room, asking())).status == 200
        assert [(one.one("Authorization"), one.one("X-Second")) for one in api.requests] == [
            (b"Bearer planted-1", b"planted-1"),
            (b"Bearer planted-2", b"planted-1"),
            (b"Bearer planted-2", b"planted-2"),
        ]
        assert room.lines.seen[0]["reason"] == RULE


async def test_a_renewal_for_the_next_ones_that_fails_does_not_harm_the_replay() -> None:
    others = {"second": (rules({"status": 401, "action": "renew_only"}), in_header("X-Second"))}
    async with gateway((judging,), others=others) as (room, _):
        for source in room.sources.values():
            await source.obtain()
        room.credentials["second"].fail(transient())
        assert (await ask(room, asking())).status == 200
        await until(lambda: "refresh_failed" in room.event_names())


async def test_a_caller_who_leaves_during_the_renewal_does_not_keep_the_other_from_being_renewed() -> None:
    others = {"second": (rules({"status": 401, "action": "renew_only"}), in_header("X-Second"))}
    async with gateway((judging,), others=others) as (room, _):
        for source in room.sources.values():
            await source.obtain()
        room.credential.hold()
        async with RawClient(room.port) as caller:
            await caller.send(asking())
            await until(lambda: room.credential.in_flight)
        await until(lambda: room.credentials["second"].count == 2)
        room.credential.release()
        assert room.replays == {"too_late": 1}


@pytest.mark.parametrize("action", ["count", "pass"])
async def test_what_another_credential_says_does_not_keep_the_request_from_being_sent_again(action: str) -> None:
    others = {"second": (rules({"status": 401, "action": action}), in_header("X-Second"))}
    breaker = {"failures": 1, "ratio": 0.0}
    async with gateway((judging,), others=others, breaker=breaker) as (room, _):
        assert (await ask(room, asking())).status == 200
        assert (room.replays, room.plan.breaker.opened_total) == ({"succeeded": 1}, 0)


async def test_a_route_without_credentials_passes_every_refusal_on() -> None:
    async with gateway((request(), send(REFUSED)), credentials=[]) as (room, api):
        answer = await ask(room, asking("POST", b"x"))
        assert (answer.status, answer.body, len(api.requests)) == (401, b"no", 1)
        assert room.credential.count == 0


async def test_a_token_that_is_part_of_the_configuration_is_not_renewed() -> None:
    async with gateway((refusing,), static=True) as (room, api):
        for size in (1, 300 * KiB):
            answer = await ask(room, asking("POST", b"x" * size))
            assert (answer.status, answer.all("Proxy-Status")) == (401, [])
        assert (len(api.requests), room.credential.count) == (2, 1)
        assert room.replays == {}
