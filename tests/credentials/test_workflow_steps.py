"""One step: what it sends, what it takes for a success, and what it brings."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import ValidationError

from proxy.core.secret import Secret
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.credentials.jar import Jar
from proxy.credentials.workflow_steps import LONGEST_VALUE, Brought, Step, StepSettings
from proxy.net.endpoint import Endpoint
from tests.fakes.clock import FakeClock
from tests.fakes.token_server import TokenServer


class Bench:
    """A server, and steps that ask it."""

    def __init__(self, server: TokenServer, clock: FakeClock) -> None:
        self.server = server
        self.clock = clock
        self.endpoint = Endpoint(clock)

    def step(self, *, optional: str = "", spent: str = "", brought: str = "", **more: Any) -> Step:
        request = {"url": self.server.url, **more.pop("request", {})}
        settings = StepSettings.model_validate({"name": "one", "request": request, **more})
        sets = [frozenset(words.split()) for words in (optional, spent, brought)]
        return Step(settings, self.endpoint, self.clock, optional=sets[0], spent=sets[1], brought=sets[2])

    async def take(self, step: Step, *, jar: Jar | None = None, kept: str = "", **variables: str) -> Brought:
        given = {name: Secret(value) for name, value in variables.items()}
        return await step.take(given, kept=set(kept.split()), jar=jar)

    async def failure(self, step: Step, **more: Any) -> TokenRequestError:
        with pytest.raises(TokenRequestError, match=r"^step one: ") as caught:
            await self.take(step, **more)
        return caught.value

    def answer(self, **members: Any) -> None:
        self.server.knobs.body = json.dumps(members)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    clock = FakeClock()
    async with TokenServer(clock) as server:
        bench = Bench(server, clock)
        yield bench
        await bench.endpoint.close()


A = {"A": {"from": "json", "path": "a"}}
B = {"B": {"from": "json", "path": "b"}}


async def test_it_sends_variables_and_brings_what_it_extracts(bench: Bench) -> None:
    bench.answer(a="x", b=7)
    step = bench.step(request={"json": {"v": "{{ V }}"}}, extract=A | B)
    came = await bench.take(step, V="value")
    assert json.loads(bench.server.requests[0].body) == {"v": "value"}
    assert came.values == {"A": Secret("x"), "B": Secret("7")}
    assert came.request.step == "one"


async def test_what_is_missing_ends_it_unless_it_may_stay_as_it_was(bench: Bench) -> None:
    bench.answer(a="x")
    step = bench.step(extract=A | B)
    error = await bench.failure(step)
    assert error.symptom is Symptom.VARIABLE_NOT_FOUND
    assert (await bench.take(step, kept="B")).values.keys() == {"A"}


async def test_what_a_condition_asks_for_may_be_missing_and_is_gone(bench: Bench) -> None:
    bench.answer(a="x")
    assert (await bench.take(bench.step(extract=A | B, optional="B"))).gone == {"B"}


async def test_a_refusal_by_condition_comes_before_a_complaint_about_what_is_missing(bench: Bench) -> None:
    bench.answer(b="locked")
    step = bench.step(extract=A | B, optional="B", succeeds_when={"all": [{"variable": "B", "present": False}]})
    error = await bench.failure(step)
    assert error.symptom is Symptom.STEP_REFUSED
    assert "locked" not in str(error)


async def test_a_former_value_does_not_answer_for_this_reply(bench: Bench) -> None:
    bench.answer()
    step = bench.step(extract=B, optional="B", succeeds_when={"all": [{"variable": "B", "equals": "ok"}]})
    assert (await bench.failure(step, B="ok")).symptom is Symptom.STEP_REFUSED


async def test_only_the_configured_statuses_are_a_success(bench: Bench) -> None:
    bench.server.knobs.status = 302
    assert (await bench.failure(bench.step())).symptom is Symptom.REDIRECT
    assert (await bench.take(bench.step(succeeds_when={"status": 302}))).reply.status == 302
    bench.server.knobs.status = 200
    assert (await bench.failure(bench.step(succeeds_when={"status": 302}))).symptom is Symptom.STEP_REFUSED


async def test_a_body_of_another_format_is_named(bench: Bench) -> None:
    bench.server.knobs.body, bench.server.knobs.content_type = "<p>", "text/html"
    error = await bench.failure(bench.step(extract=A))
    assert "the body is not JSON but text/html" in str(error)
    assert not error.permanent


async def test_a_boolean_is_a_word_that_conditions_can_ask_for(bench: Bench) -> None:
    bench.answer(a=True, b=False)
    came = await bench.take(bench.step(extract=A | B, optional="B"))
    assert came.values == {"A": Secret("true"), "B": Secret("false")}


async def test_a_value_is_bounded(bench: Bench) -> None:
    bench.answer(a="x" * (LONGEST_VALUE + 1))
    assert "more than 64 KiB" in str(await bench.failure(bench.step(extract=A)))


async def test_what_may_be_used_up_goes_with_an_error_that_comes_after_it(bench: Bench) -> None:
    bench.answer(a="the-successor")
    error = await bench.failure(bench.step(extract=A | B, spent="A"))
    assert error.variables == {"A": Secret("the-successor")}


@pytest.mark.parametrize("odd", [{"a": {"no": "text"}}, {"a": "x" * (LONGEST_VALUE + 1)}])
async def test_what_may_be_used_up_is_found_behind_something_odd_too(bench: Bench, odd: dict[str, Any]) -> None:
    bench.answer(**odd, b="the-successor")
    error = await bench.failure(bench.step(extract=A | B, spent="B"))
    assert "POST 127.0.0.1" in str(error)
    assert ", A: " in str(error)
    assert error.variables == {"B": Secret("the-successor")}


async def test_it_is_skipped_when_a_condition_does_not_hold(bench: Bench) -> None:
    step = bench.step(when=[{"variable": "A", "present": True}, {"variable": "B", "equals": "x"}])
    assert step.skipped_for({"A": Secret("a"), "B": Secret("x")}) is None
    assert step.skipped_for({"B": Secret("x")}) == "`when` asks whether A is there"
    assert step.skipped_for({"A": Secret("a")}) == "`when` asks whether B equals what is configured"


async def test_cookies_go_with_the_request_beside_its_own(bench: Bench) -> None:
    jar = Jar()
    bench.server.knobs.headers = {"Set-Cookie": "a=1; Path=/"}
    await bench.take(bench.step(), jar=jar)
    await bench.take(bench.step(request={"headers": {"cookie": "b={{ V }}; a=mine"}}), jar=jar, V="2")
    await bench.take(bench.step(), jar=jar)
    assert [request.headers.get("Cookie") for request in bench.server.requests] == [None, "b=2; a=mine", "a=1"]


@pytest.mark.parametrize(
    ("method", "is_once"), [("POST", True), ("PUT", True), ("GET", False), ("HEAD", False), ("OPTIONS", False)]
)
async def test_what_changes_something_is_sent_once_if_it_carries_what_a_reply_brought(
    bench: Bench, method: str, is_once: bool
) -> None:
    request = {"method": method, "query": {"v": "{{ V }}"}}
    assert (await bench.take(bench.step(request=request, brought="V"), V="x")).request.spends is is_once
    assert (await bench.take(bench.step(request=request, spent="V"), V="x")).request.spends
    assert not (await bench.take(bench.step(request=request), V="x")).request.spends


async def test_another_try_tells_its_own_time_and_draws_its_own_number(bench: Bench) -> None:
    bench.server.knobs.status = 503
    headers = {"X-Time": "{{ now(epoch_ms) }}", "X-Nonce": "{{ uuid }}"}
    failing = asyncio.create_task(bench.failure(bench.step(request={"headers": headers})))
    while not failing.done():
        await bench.clock.advance(seconds=0.25)
    await failing
    first, second, third = (request.headers for request in bench.server.requests)
    assert int(first["X-Time"]) < int(second["X-Time"]) < int(third["X-Time"])
    assert len({one["X-Nonce"] for one in (first, second, third)}) == 3


async def test_it_says_where_it_finds_what(bench: Bench) -> None:
    bench.answer(a="x")
    step = bench.step(extract=A)
    assert step.places == {"A": "json $.a of step one"}
    assert step.secrets_in((await bench.take(step)).reply) == {"x"}


@pytest.mark.parametrize("name", ["", " a", "a\n", "x" * 65])
def test_a_name_is_a_line_that_messages_can_show(name: str) -> None:
    with pytest.raises(ValidationError):
        StepSettings.model_validate({"name": name, "request": {"url": "https://auth.example/"}})


def test_a_status_must_be_one() -> None:
    with pytest.raises(ValidationError, match="is not a status"):
        StepSettings.model_validate(
            {"name": "a", "request": {"url": "https://auth.example/"}, "succeeds_when": {"status": 99}}
        )
