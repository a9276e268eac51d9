"""Users take back what they allowed, and nobody does it in their place."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxy.core.errors import (
    DependencyUnavailableError,
    RequestInvalidError,
    UserRequiredError,
    UserUnprovenError,
)
from proxy.core.secret import Secret
from proxy.stores.base import StoreError
from proxy.users.browser import USER
from proxy.users.identity import user_hash
from tests.fakes.sign_in_bench import APP, OWN, USERS_SECRET, SignInBench


@pytest.fixture
async def bench() -> AsyncIterator[SignInBench]:
    async with SignInBench() as bench:
        browser = bench.browser()
        await browser.open(await bench.to_callback(browser, "ann"))
        yield bench


def said(user: str, **more: Any) -> dict[str, Any]:
    return {"user_id": user, "user_hash": user_hash(user, Secret(USERS_SECRET)), **more}


async def sign_out(bench: SignInBench, document: Any, credential: str = "drive", **headers: str) -> Any:
    url, sent = (
        f"{OWN}/.countersign/logout/{credential}",
        {"Content-Type": "application/json", "Origin": APP, **headers},
    )
    answer = await bench.browser().post(url, json.dumps(document).encode(), **sent)
    assert any(cookie.startswith(f"{USER}=; Max-Age=0") for cookie in answer.cookies)
    return json.loads(answer.body)


async def test_it_is_gone_here_and_at_the_provider(bench: SignInBench) -> None:
    assert await sign_out(bench, said("ann")) == {"status": "signed_out", "revoked": True}
    assert await bench.value("ann") is None
    assert [one["token_type_hint"] for one in bench.server.revocations] == ["refresh_token", "access_token"]
    event = bench.events.query().events[0]
    assert (event.event, event.fields["outcome"]) == ("signed_out", "revoked")
    assert event.user == bench.registry.pseudonym("ann")


async def test_it_is_gone_here_whatever_the_provider_says(bench: SignInBench) -> None:
    bench.server.revocation_status = 400
    assert await sign_out(bench, said("ann")) == {"status": "signed_out", "revoked": False}
    assert await bench.value("ann") is None
    event = bench.events.query().events[0]
    assert (event.level, event.fields["outcome"]) == ("warning", "failed")


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"user_id": "ann"}, UserUnprovenError),
        ({"user_id": "ann", "user_hash": "0" * 64}, UserUnprovenError),
        (said("eve") | {"user_id": "ann"}, UserUnprovenError),
        ({}, UserRequiredError),
        (said("ann", more="x"), RequestInvalidError),
        ({"user_id": 7}, RequestInvalidError),
        ([], RequestInvalidError),
    ],
)
async def test_who_does_not_prove_it_takes_nothing_back(
    bench: SignInBench, document: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await sign_out(bench, document)
    assert await bench.value("ann")


async def test_a_user_ends_neither_what_is_shared_nor_what_is_not_there(bench: SignInBench) -> None:
    for credential in ("shared", "gone"):
        with pytest.raises(RequestInvalidError):
            await sign_out(bench, said("ann"), credential)


async def test_a_form_of_a_foreign_page_is_refused(bench: SignInBench) -> None:
    with pytest.raises(RequestInvalidError):
        await sign_out(bench, said("ann"), Origin="https://evil.example")
    with pytest.raises(RequestInvalidError):
        await sign_out(bench, said("ann"), Content_Type="text/plain")
    assert await bench.value("ann")


async def test_without_the_store_nobody_is_told_that_it_is_gone(bench: SignInBench) -> None:
    bench.store.error = StoreError("away")
    with pytest.raises(DependencyUnavailableError):
        await sign_out(bench, said("ann"))
    assert await bench.value("ann") is None
    bench.store.error = None
    assert (await sign_out(bench, said("ann")))["status"] == "signed_out"
