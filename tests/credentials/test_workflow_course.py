"""Steps are taken in order, those that are skipped are told of, and what works once outlives a failure."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxy.core.secret import Secret
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.core.template import Template
from proxy.credentials.workflow_course import Course, is_over
from proxy.credentials.workflow_run import TokenMaker
from proxy.credentials.workflow_steps import Step, StepSettings
from proxy.net.endpoint import Endpoint
from tests.fakes.clock import FakeClock
from tests.fakes.token_server import TokenServer

BROUGHT = frozenset({"ACCESS_TOKEN", "REFRESH_TOKEN"})
SPENT = frozenset({"REFRESH_TOKEN"})


class Bench:
    def __init__(self, server: TokenServer, endpoint: Endpoint, clock: FakeClock) -> None:
        self.server, self.endpoint, self.clock = server, endpoint, clock
        self.skipped: list[tuple[str, str]] = []
        self.course = Course(
            TokenMaker(Template("{{ ACCESS_TOKEN }}"), None, BROUGHT),
            {"USER": Secret("ada")},
            brought=BROUGHT,
            spent=SPENT,
            keeps_cookies=False,
            starts_over=False,
            watcher=self,
        )

    def watch_step(self, name: str, note: str) -> None:
        self.skipped.append((name, note))

    def step(self, name: str, *, sends: str = "USER", **more: Any) -> Step:
        bring = {variable: {"from": "json", "path": "access_token"} for variable in sorted(BROUGHT)}
        request = {"url": self.server.url, "form": {"value": f"{{{{ {sends} }}}}"}}
        settings = StepSettings.model_validate({"name": name, "request": request, "extract": bring, **more})
        return Step(settings, self.endpoint, self.clock, optional=frozenset({"MFA"}), spent=SPENT, brought=BROUGHT)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    clock = FakeClock()
    endpoint = Endpoint(clock, jitter=lambda: 0.0)
    async with TokenServer(clock) as server:
        yield Bench(server, endpoint, clock)
    await endpoint.close()


async def test_steps_are_taken_in_order_and_make_a_token(bench: Bench) -> None:
    token = await bench.course.take((bench.step("one"), bench.step("two")), {})
    assert (bench.server.count, token.value.reveal()) == (2, bench.server.issued[-1])
    assert set(token.variables) == BROUGHT


async def test_a_step_that_is_skipped_is_told_of(bench: Bench) -> None:
    skipped = bench.step("maybe", when=[{"variable": "MFA", "present": True}])
    await bench.course.take((skipped, bench.step("one")), {})
    assert [name for name, _ in bench.skipped] == ["maybe"]
    assert bench.server.count == 1


async def test_what_works_once_goes_with_the_error_of_a_later_step(bench: Bench) -> None:
    bench.server.knobs.failures = 0
    steps = bench.step("renew", sends="REFRESH_TOKEN"), bench.step("next", sends="NOBODY")
    with pytest.raises(TokenRequestError) as caught:
        await bench.course.take(steps, {"REFRESH_TOKEN": Secret("r1")})
    assert caught.value.variables["REFRESH_TOKEN"].reveal() == bench.server.issued[0]


async def test_a_run_may_have_first_values_of_its_own(bench: Bench) -> None:
    run = bench.course.begin({"KEPT": Secret("k")}, STATE=Secret("s"))
    assert {name: value.reveal() for name, value in run.variables.items()} == {"USER": "ada", "KEPT": "k", "STATE": "s"}
    await bench.course.walk((bench.step("one", sends="STATE"),), run)
    assert "STATE" not in run.saved
    assert run.saved["KEPT"].reveal() == "k"


@pytest.mark.parametrize(
    ("symptom", "over"),
    [
        (Symptom.INVALID_GRANT, True),
        (Symptom.REDIRECT, True),
        (Symptom.PAGE, True),
        (Symptom.TIMEOUT, False),
        (Symptom.PROVIDER, False),
    ],
)
def test_a_refusal_or_a_login_page_is_the_end(symptom: Symptom, *, over: bool) -> None:
    assert is_over(TokenRequestError(symptom, "so it is")) is over
