"""What the rules of several credentials, taken together, say of one answer."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.core.rejection import RejectionSettings
from proxy.gateway.forward import Exchange
from proxy.gateway.ruling import Ruling, rule, suspected
from proxy.injectors.header import HeaderSettings
from tests.fakes.gateway_room import GatewayRoom

Rules = list[dict[str, Any]]
INJECT = (HeaderSettings(kind="header", name="X-Second"),)
UNAUTHORIZED: Rules = [{"status": 401}]


class Answered:
    """An exchange whose answer is here; `looks` counts how often its body was asked for."""

    def __init__(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        lines = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        self.answer = SimpleNamespace(status=status, headers=lines)
        self.body = body
        self.looks = 0

    async def hold(self, limit: int) -> bytes:
        self.looks += 1
        return self.body[:limit]


def compiled(rules: Rules) -> tuple[RejectionSettings, ...]:
    return tuple(map(RejectionSettings.model_validate, rules))


async def ruling_of(
    first: Rules, second: Rules, answered: Answered, *, method: str = "GET", static: bool = False
) -> Ruling:
    room = GatewayRoom(
        "http://127.0.0.1:1", rules=compiled(first), others={"second": (compiled(second), INJECT)}, static=static
    )
    exchange = cast("Exchange", answered)
    signer = room.plan.signer
    assert signer is not None
    suspects = suspected(signer, exchange, await signer.obtain())
    return await rule(method, exchange, suspects)


def told(ruling: Ruling) -> tuple[list[str], list[str], bool, str | None]:
    refused, outworn = ([source.name for source, _ in tokens] for tokens in (ruling.refused, ruling.outworn))
    return refused, outworn, ruling.counts, ruling.reason


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("renew", "renew", (["session", "second"], [], False, "session.rejected_when[0]")),
        ("renew_only", "renew", (["second"], ["session"], False, "second.rejected_when[0]")),
        ("count", "renew", (["second"], [], True, "second.rejected_when[0]")),
        ("pass", "renew", (["second"], [], False, "second.rejected_when[0]")),
        ("count", "renew_only", ([], ["second"], True, "second.rejected_when[0]")),
        ("pass", "count", ([], [], True, "second.rejected_when[0]")),
        ("pass", "pass", ([], [], False, "session.rejected_when[0]")),
    ],
)
async def test_each_credentials_rules_speak_of_its_own_token_and_the_strongest_is_the_reason(
    first: str, second: str, expected: tuple[list[str], list[str], bool, str]
) -> None:
    rules: tuple[Rules, Rules] = ([{"status": 401, "action": first}], [{"status": 401, "action": second}])
    assert told(await ruling_of(*rules, Answered(401))) == expected


async def test_an_answer_that_concerns_nobody_has_no_ruling() -> None:
    assert told(await ruling_of(UNAUTHORIZED, UNAUTHORIZED, Answered(200))) == ([], [], False, None)


async def test_the_rule_is_named_by_its_place() -> None:
    rules: Rules = [{"status": 403}, {"status": 401, "header": "X"}, {"status": "4xx", "action": "renew_only"}]
    assert (await ruling_of(rules, [], Answered(401))).reason == "session.rejected_when[2]"


async def test_of_tokens_that_cannot_be_replaced_only_a_count_is_heard() -> None:
    for action in ("renew", "renew_only"):
        rules: Rules = [{"status": 401, "action": action}, {"status": 401, "action": "count"}]
        assert told(await ruling_of(rules, [], Answered(401), static=True)) == ([], [], False, None)
    counts: Rules = [{"status": 401, "action": "count"}]
    assert told(await ruling_of(counts, [], Answered(401), static=True))[2:] == (True, "session.rejected_when[0]")
    looks: Rules = [{"text": "expired", "action": "renew"}, {"text": "busy", "action": "count"}]
    assert told(await ruling_of(looks, [], Answered(200, body=b"expired"), static=True)) == ([], [], False, None)
    assert (await ruling_of(looks, [], Answered(200, body=b"busy"), static=True)).counts


async def test_a_body_is_asked_for_once_however_many_look_into_it() -> None:
    answered = Answered(200, body=b"expired")
    assert told(await ruling_of([{"text": "expired"}], [{"text": "^exp", "action": "renew_only"}], answered)) == (
        ["session"],
        ["second"],
        False,
        "session.rejected_when[0]",
    )
    assert answered.looks == 1


async def test_a_body_is_not_asked_for_when_the_heads_decide() -> None:
    answered = Answered(401, body=b"expired")
    await ruling_of(UNAUTHORIZED, [{"status": 200, "text": "expired"}], answered)
    assert answered.looks == 0


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 205), ("GET", 304)])
async def test_an_answer_that_has_no_body_is_not_looked_into(method: str, status: int) -> None:
    answered = Answered(status)
    rules: Rules = [{"text": ""}, {"json": "$.a"}, {"status": [200, 204, 205, 304], "action": "count"}]
    assert told(await ruling_of(rules, [], answered, method=method)) == ([], [], True, "session.rejected_when[2]")
    assert answered.looks == 0


@pytest.mark.parametrize(("second", "reason"), [([], "unreadable"), (UNAUTHORIZED, "second.rejected_when[0]")])
async def test_that_a_body_could_not_be_read_is_the_reason_when_no_rule_decides(second: Rules, reason: str) -> None:
    answered = Answered(401, {"Content-Encoding": "br"}, b"expired")
    assert (await ruling_of([{"text": "expired"}], second, answered)).reason == reason
    assert answered.looks == 0
