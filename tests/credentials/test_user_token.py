"""Tokens that users push: what is said of them, and what a request is told that comes without."""

from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from proxy.core.errors import FetchError, UserTokenMissingError
from proxy.core.secret import Secret
from proxy.core.token import Token
from proxy.credentials.user_token import UserToken, UserTokenSettings
from proxy.injectors import inject_all, make_injector
from proxy.net.endpoint import Endpoint
from tests.compliance.credentials import CredentialCompliance
from tests.fakes.clock import FakeClock
from tests.fakes.token_server import TokenServer


class TestUserToken(CredentialCompliance):
    word: ClassVar[str] = "user_token"
    secret: ClassVar[str] = "s3cret"

    def settings(self, server: TokenServer) -> dict[str, Any]:
        return {"verify": {"shape": "opaque"}}

    async def test_a_token_is_new_and_dated(self) -> None:
        async with self.made() as (credential, server):
            with pytest.raises(FetchError, match="is not fetched"):
                await credential.fetch(None)
            assert server.count == 0

    async def test_fetching_again_renews_what_is_renewable(self) -> None:
        async with self.made() as (credential, _):
            assert credential.renewable  # by a person
            assert isinstance(credential.lacks(None), UserTokenMissingError)

    async def test_a_token_can_stand_where_it_goes_by_default(self) -> None:
        async with self.made() as (credential, _):
            injection = inject_all(map(make_injector, credential.settings.inject), Token(Secret("pushed"), 0.0))
            assert injection.lines == b"Authorization: Bearer pushed\r\n"

    async def test_nothing_secret_is_printed(self) -> None:
        async with self.made() as (credential, _):
            told = credential.lacks(Token(Secret(self.secret), 0.0))
            assert self.secret not in f"{told!r} {told} {credential!r}"


def settings(**more: Any) -> UserTokenSettings:
    return UserTokenSettings.model_validate({"kind": "user_token", **more})


def credential(**more: Any) -> tuple[UserToken, FakeClock]:
    clock = FakeClock()
    return UserToken("crm", settings(**more), Endpoint(clock), clock), clock


def test_each_user_has_a_token_of_their_own_without_saying_so() -> None:
    assert settings().per_user
    with pytest.raises(ValidationError, match="each user's own"):
        settings(per_user=False)


@pytest.mark.parametrize(("age", "words"), [(0.0, "was rejected"), (61.0, "has expired")])
def test_who_comes_without_a_good_token_is_told_which_one_to_push_and_why(age: float, words: str) -> None:
    made, clock = credential()
    now = clock.now()
    with pytest.raises(UserTokenMissingError, match=words) as caught:
        raise made.lacks(Token(Secret("old"), now - age, now - age + 60.0))
    assert caught.value.members == {"credential": "crm"}
    assert "has been pushed" in str(made.lacks(None))


def test_what_was_pushed_stays_good_whatever_changes_but_its_issuer() -> None:
    before = credential(verify={"issuer": "https://id.example"})[0].brought
    inject = [{"kind": "header", "name": "X-Key"}]
    assert credential(inject=inject, verify={"issuer": "https://id.example", "audience": "api"})[0].brought == before
    assert credential(verify={"issuer": "https://other.example"})[0].brought != before


@pytest.mark.parametrize(
    ("verify", "words"),
    [
        ({"shape": "opaque", "issuer": "https://id.example"}, "says nothing of its issuer"),
        ({"jwks_url": "https://id.example/jwks"}, "say whose keys"),
        ({"jwks_url": "http://id.example/jwks", "issuer": "https://id.example"}, "is not https"),
        ({"max_lifetime": "0s"}, "greater than 0"),
        ({"algorithms": ["HS256"]}, "Input should be"),
    ],
)
def test_what_does_not_fit_together_is_refused(verify: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        settings(verify=verify)


def test_only_what_must_say_something_must_be_a_jwt() -> None:
    assert not settings().verify.needs_jwt
    assert not settings(verify={"shape": "opaque"}).verify.needs_jwt
    for verify in ({"shape": "jwt"}, {"issuer": "https://id.example"}, {"audience": "api"}):
        assert settings(verify=verify).verify.needs_jwt
