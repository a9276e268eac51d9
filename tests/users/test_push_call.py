"""A page pushes by one call, which names the user, proves it and brings the tokens; nothing else counts."""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from proxy.core.errors import ProxyError, UserTokenRefusedError, UserUnprovenError
from proxy.core.seal import Seal
from proxy.core.secret import Secret
from proxy.stores.documents import Documents
from proxy.users.identity import user_hash
from proxy.users.people import People
from proxy.users.portal import Answer, Call, Portal
from proxy.users.push_call import push_entry
from proxy.users.registry import Registry
from proxy.users.settings import UsersSettings
from tests.fakes.heads import head_of
from tests.fakes.pushing import PushRoom, push_room

SECRET: Final = Secret("0123456789abcdef0123456789abcdef")
APP: Final = "https://app.example"


class Page:
    """A page that calls."""

    def __init__(self, replica: PushRoom) -> None:
        settings = UsersSettings.model_validate({"identity_secret": SECRET})
        self.registry = Registry(Documents(replica.store, Seal.of_this_process()), b"key")
        people = People(settings, self.registry, replica.endpoint, replica.runtime, replica.pushes.doubts)
        self.portal = Portal((push_entry(replica.pushes, people.named_in),), "", (APP,))

    async def push(self, document: Any, *, origin: str = APP, content_type: str = "application/json") -> Answer:
        headers = (("Content-Type", content_type), ("Origin", origin))
        head = head_of("/.countersign/user-tokens", method="POST", headers=headers)
        return await self.portal.answer(Call(head, body=json.dumps(document).encode()))


@pytest.fixture
async def here() -> AsyncIterator[PushRoom]:
    async with push_room() as room:
        yield room


@pytest.fixture
def page(here: PushRoom) -> Page:
    return Page(here)


def proven(user: str = "ann", **tokens: Any) -> dict[str, Any]:
    return {"user_id": user, "user_hash": user_hash(user, SECRET), "auth_tokens": tokens}


async def test_a_page_pushes_tokens_and_learns_when_they_end(page: Page, here: PushRoom) -> None:
    token = here.token()
    answer = await page.push(proven(crm=token, erp="opaque"))
    told = json.loads(answer.body)["auth_tokens"]
    assert told["crm"]["expires_at"] == "2027-01-15T08:10:00+00:00"
    assert told["erp"]["expires_at"] is None
    assert token not in answer.body.decode()
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    assert await here.used(person=page.registry.person("ann")) == token


async def test_a_token_that_never_ends_in_effect_is_told_when_it_does_and_one_past_all_dates_is_refused(
    page: Page, here: PushRoom
) -> None:
    answer = await page.push(proven(crm=here.token(exp=253_402_300_799)))
    assert json.loads(answer.body)["auth_tokens"]["crm"]["expires_at"] == "9999-12-31T23:59:59+00:00"
    with pytest.raises(UserTokenRefusedError, match="`exp` is no date"):
        await page.push(proven(crm=here.token(exp=999_999_999_999)))


async def test_a_proof_that_is_refused_is_told_of(page: Page, here: PushRoom) -> None:
    with pytest.raises(UserUnprovenError):
        await page.push({**proven(crm=here.token()), "user_hash": "0" * 64})
    assert here.told()[-1] == ("user_unproven", None, page.registry.pseudonym("ann"))


async def test_a_push_without_tokens_proves_who_the_user_is(page: Page) -> None:
    document = proven()
    del document["auth_tokens"]
    assert json.loads((await page.push(document)).body) == {"auth_tokens": {}}
    with pytest.raises(UserUnprovenError):
        await page.push({**document, "user_hash": "0" * 64})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"user_id": "ben"}, "user-unproven"),
        ({"user_hash": None}, "user-unproven"),
        ({"user_hash": "0" * 64}, "user-unproven"),
        ({"user_jwt": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ."}, "user-unproven"),
        ({"user_id": None}, "user-required"),
        ({"user_id": 7}, "request-invalid"),
        ({"colour": "red"}, "request-invalid"),
        ({"auth_tokens": {"crm": "two\r\nlines"}}, "user-token-refused"),
        ({"auth_tokens": {"nobody": "x"}}, "request-invalid"),
        ({"auth_tokens": "x"}, "request-invalid"),
    ],
)
async def test_a_push_that_is_not_proven_or_not_right_is_refused_and_plants_nothing(
    page: Page, here: PushRoom, change: dict[str, Any], code: str
) -> None:
    with pytest.raises(ProxyError) as caught:
        await page.push({**proven(crm=here.token()), **change})
    assert caught.value.code == code
    assert caught.value.headers["Access-Control-Allow-Origin"] == APP  # the page may read why
    assert "save" not in here.store.asked


@pytest.mark.parametrize("refused", [{"origin": "https://evil.example"}, {"content_type": "text/plain"}])
async def test_what_a_foreign_page_can_send_is_refused(page: Page, here: PushRoom, refused: dict[str, str]) -> None:
    with pytest.raises(ProxyError) as caught:
        await page.push(proven(crm=here.token()), **refused)
    assert caught.value.status == 400
    assert "save" not in here.store.asked
