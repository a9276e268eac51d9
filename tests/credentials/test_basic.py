"""User names and passwords."""

from base64 import b64decode
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from proxy.credentials.basic import BasicSettings
from tests.compliance.credentials import CredentialCompliance
from tests.fakes.token_server import TokenServer


class TestBasic(CredentialCompliance):
    word: ClassVar[str] = "basic"
    secret: ClassVar[str] = "s3cret:pässword"

    def settings(self, server: TokenServer) -> dict[str, Any]:
        return {"username": "Aladdin", "password": self.secret + "\n"}

    async def test_the_pair_is_encoded_as_utf_8(self) -> None:
        async with self.made() as (credential, _):
            token = await credential.fetch(None)
            assert b64decode(token.value.reveal()).decode() == "Aladdin:s3cret:pässword"
            assert credential.settings.inject[0].model_dump(exclude_defaults=True) == {
                "kind": "header",
                "name": "Authorization",
                "prefix": "Basic ",
            }


@pytest.mark.parametrize("username", ["a:b", "a\nb", "a\x7f"])
def test_a_user_name_that_would_be_read_otherwise_is_refused(username: str) -> None:
    with pytest.raises(ValidationError, match="no colon"):
        BasicSettings.model_validate({"kind": "basic", "username": username, "password": "x"})


def test_a_password_with_a_line_break_is_refused_and_an_empty_one_is_not() -> None:
    with pytest.raises(ValidationError, match="one line"):
        BasicSettings.model_validate({"kind": "basic", "username": "a", "password": "x\ny"})
    assert not BasicSettings.model_validate({"kind": "basic", "username": "a", "password": ""}).password
