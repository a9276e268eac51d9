"""Operators and back ends write down who users are and what tokens they have; values go in and do not come out."""

import asyncio
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from proxy.admin.operation import BASE
from proxy.core.errors import UserTokenMissingError
from proxy.credentials.http_request import HttpRequestSettings
from proxy.stores.base import StoreError
from proxy.telemetry.events import EventName
from proxy.users.registry import Registry, User
from tests.admin.conftest import Operator, Process
from tests.fakes.token_room import value
from tests.fakes.token_server import TokenServer

ANN = f"{BASE}/users/ann"


async def token_of(process: Process, user: str = "ann") -> str:
    people = process.graph.people
    assert people is not None
    source = await process.sources.pools["crm"].obtain(people.registry.person(user))
    return value(await source.obtain())


async def known(process: Process, user: str = "ann") -> dict[str, str]:
    people = process.graph.people
    assert people is not None
    values = await people.registry.person(user).values(frozenset({"USER_EMAIL", "USER_NAME", "TENANT", "OTHER"}))
    return {name: secret.reveal() for name, secret in values.items()}


async def test_a_user_is_written_down_and_shown_without_values(operator: Operator, process: Process) -> None:
    assert (await operator.get(ANN)).status == 404
    order = {"email": "ann@mail.example", "name": "Ann", "variables": {"TENANT": "planted-tenant"}}
    answer = await operator.ask("PUT", ANN, body=order)
    assert (answer.status, answer.json["variables"]) == (200, ["TENANT"])
    assert (answer.json["email"], answer.json["name"]) == ("ann@mail.example", "Ann")
    assert answer.json == (await operator.get(ANN)).json
    assert "planted" not in answer.body.decode()
    assert await known(process) == {"USER_EMAIL": "ann@mail.example", "USER_NAME": "Ann", "TENANT": "planted-tenant"}


async def test_an_order_says_everything_but_variables_may_be_left_as_they_are(
    operator: Operator, process: Process
) -> None:
    await operator.ask("PUT", ANN, body={"email": "ann@mail.example", "variables": {"TENANT": "one"}})
    await operator.ask("PUT", ANN, body={"name": "Ann"})
    assert await known(process) == {"USER_NAME": "Ann", "TENANT": "one"}
    await operator.ask("PUT", ANN, body={"variables": {"OTHER": "two"}})
    assert await known(process) == {"OTHER": "two"}


async def test_variables_are_left_as_they_are_even_if_they_change_at_the_same_time(
    operator: Operator, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, has_read, may_go_on = Registry.find, asyncio.Event(), asyncio.Event()

    async def slow_at_first(self: Registry, user: str) -> User | None:
        found = await find(self, user)
        if not has_read.is_set():
            has_read.set()
            await may_go_on.wait()
        return found

    await operator.ask("PUT", ANN, body={"variables": {"TENANT": "before"}})
    monkeypatch.setattr(Registry, "find", slow_at_first)
    naming = asyncio.create_task(operator.ask("PUT", ANN, body={"name": "Ann"}))
    await has_read.wait()
    await operator.ask("PUT", ANN, body={"variables": {"TENANT": "new"}})
    may_go_on.set()
    assert (await naming).status == 200
    assert (await known(process))["TENANT"] == "new"


@pytest.mark.parametrize(
    "order",
    [
        {"email": "nobody"},
        {"email": "a@b.example\r\nBcc: c@d.example"},
        {"name": ""},
        {"variables": {"USER_ID": "ben"}},
        {"variables": {"no name": "x"}},
        {"variables": {f"V{number}": "x" for number in range(101)}},
        {"colour": "red"},
    ],
)
async def test_what_is_wrong_is_refused_and_changes_nothing(operator: Operator, order: dict[str, Any]) -> None:
    answer = await operator.ask("PUT", ANN, body=order)
    assert answer.status == 400
    assert (await operator.get(ANN)).status == 404


async def test_a_back_end_pushes_tokens_and_takes_them_back(operator: Operator, process: Process) -> None:
    answer = await operator.ask("PUT", f"{ANN}/tokens/crm", body={"value": "planted-first"})
    (token,) = answer.json["tokens"]
    assert (token["credential"], token["kind"], token["state"]) == ("crm", "user_token", "fresh")
    assert await token_of(process) == "planted-first"
    await operator.ask("PUT", f"{ANN}/tokens", body={"auth_tokens": {"crm": "planted-second"}})
    assert await token_of(process) == "planted-second"
    assert "planted" not in (await operator.get(ANN)).body.decode()
    for path in ("tokens/crm", "tokens"):
        answer = await operator.ask("DELETE", f"{ANN}/{path}")
        assert answer.json["tokens"][0]["fingerprint"] is None
        with pytest.raises(UserTokenMissingError):
            await token_of(process)


async def test_a_user_who_is_forgotten_has_no_token_either(operator: Operator, process: Process) -> None:
    await operator.ask("PUT", ANN, body={"variables": {"TENANT": "one"}})
    await operator.ask("PUT", f"{ANN}/tokens/crm", body={"value": "planted"})
    await operator.ask("PUT", f"{BASE}/users/ben/tokens/crm", body={"value": "planted-ben"})
    assert (await operator.ask("DELETE", ANN)).status == 200
    assert (await operator.get(ANN)).status == 404
    with pytest.raises(UserTokenMissingError):
        await token_of(process)
    assert await token_of(process, "ben") == "planted-ben"
    assert (await operator.ask("DELETE", ANN)).status == 200


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/tokens/crm", {"value": "two\r\nlines"}, 422, "admin-user-token-refused"),
        ("/tokens", {"auth_tokens": {"crm": ""}}, 422, "admin-user-token-refused"),
        ("/tokens", {"auth_tokens": {"billing": "x"}}, 400, "admin-request-invalid"),
        ("/tokens", {"auth_tokens": {"crm": 7}}, 400, "admin-request-invalid"),
        ("/tokens/billing", {"value": "x"}, 404, "admin-not-found"),
        ("/tokens/nobody", {"value": "x"}, 404, "admin-not-found"),
    ],
)
async def test_a_token_that_is_bad_or_for_nothing_is_refused(
    operator: Operator, process: Process, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    await operator.ask("PUT", f"{ANN}/tokens/crm", body={"value": "token-before"})
    answer = await operator.ask("PUT", ANN + path, body=body)
    assert (answer.status, answer.json["type"].rpartition("/")[2]) == (status, code)
    assert await token_of(process) == "token-before"


@pytest.mark.parametrize("user", ["ann/ben", "müller@mail.example", "a b", "x" * 256])
async def test_any_printable_id_is_one_users(operator: Operator, process: Process, user: str) -> None:
    path = f"{BASE}/users/{quote(user, safe='')}/tokens/crm"
    answer = await operator.ask("PUT", path, body={"value": "planted"})
    assert (answer.status, answer.json["id"]) == (200, user)
    assert await token_of(process, user) == "planted"


@pytest.mark.parametrize("user", ["x" * 257, "%00", "%0D%0A"])
async def test_what_cannot_be_an_id_is_refused(operator: Operator, user: str) -> None:
    assert (await operator.get(f"{BASE}/users/{user}")).status in {400, 404}
    assert (await operator.ask("PUT", f"{BASE}/users/{user}", body={})).status in {400, 404}


async def test_orders_are_written_down_by_pseudonym_and_without_what_they_brought(
    operator: Operator, process: Process
) -> None:
    await operator.ask("PUT", ANN, body={"email": "ann@mail.example", "variables": {"TENANT": "planted-tenant"}})
    pseudonym = (await operator.ask("PUT", f"{ANN}/tokens/crm", body={"value": "planted-token"})).json["pseudonym"]
    await operator.ask("DELETE", f"{ANN}/tokens/crm")
    events = [event for event in process.events.query(user=pseudonym).events if event.event is EventName.ADMIN_ACTION]
    actions = [(event.fields["action"], event.credential) for event in reversed(events)]
    assert actions == [("putUser", None), ("putUserToken", "crm"), ("deleteUserToken", "crm")]
    assert not any(word in repr(process.events.query()) for word in ("planted", "mail.example", "'ann'"))


async def test_while_the_store_is_away_nothing_is_taken_and_the_order_may_be_repeated(
    operator: Operator, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> None:
        raise StoreError("the store is away")

    monkeypatch.setattr(process.room.store, "load", away)
    for method, path, body in (("PUT", "", {}), ("PUT", "/tokens/crm", {"value": "x"}), ("DELETE", "", None)):
        answer = await operator.ask(method, ANN + path, body=body)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert answer.json["type"].endswith("/admin-dependency-unavailable")


async def test_a_users_credential_is_tried_with_what_is_known_of_them(operator: Operator, process: Process) -> None:
    async with TokenServer() as server:
        own = HttpRequestSettings.model_validate(
            {
                "kind": "http_request",
                "per_user": True,
                "allow_plain_http": True,
                "request": {"url": server.url, "form": {"password": "{{ PASSWORD }}"}},
                "token": {"from": "json", "path": "access_token"},
            }
        )
        process.sources = replace(process.sources, settings={**process.sources.settings, "own": own})
        await operator.ask("PUT", ANN, body={"variables": {"PASSWORD": "planted-password"}})
        tried = (await operator.post(f"{BASE}/credentials/own/test", {"user": "ann"})).json
        assert tried["diagnosis"]["code"] in {"ok", "expiry-not-found"}
        assert b"planted-password" in server.requests[0].body
        missing = (await operator.post(f"{BASE}/credentials/own/test", {"user": "ben"})).json
        assert "the variable PASSWORD has no value" in missing["diagnosis"]["sentence"]
        pushed = (await operator.post(f"{BASE}/credentials/crm/test", {"user": "ann"})).json
        assert pushed["diagnosis"]["code"] == "user-token-missing"
        for name, body in (("own", {}), ("billing", {"user": "ann"})):
            assert (await operator.post(f"{BASE}/credentials/{name}/test", body)).status == 400


async def test_without_users_in_the_configuration_there_are_none(operator: Operator, process: Process) -> None:
    object.__setattr__(process.graph, "people", None)
    assert (await operator.get(ANN)).status == 404
    assert (await operator.ask("PUT", ANN, body={})).status == 404
