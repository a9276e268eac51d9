"""Tokens that are written down."""

from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from proxy.credentials.text import TextSettings
from tests.compliance.credentials import CredentialCompliance
from tests.fakes.token_server import TokenServer


class TestText(CredentialCompliance):
    word: ClassVar[str] = "text"
    secret: ClassVar[str] = "s3cret-key"

    def settings(self, server: TokenServer) -> dict[str, Any]:
        return {"value": self.secret}


def text(value: str, **more: Any) -> TextSettings:
    return TextSettings.model_validate({"kind": "text", "value": value, **more})


@pytest.mark.parametrize("value", ["abc", "abc\n", "abc\r\n"])
def test_the_line_break_at_a_file_s_end_is_dropped(value: str) -> None:
    assert text(value).value.reveal() == "abc"


@pytest.mark.parametrize("value", ["s3cret\n\n", "s3\ncret", "s3\rcret", "s3\x00cret", "s3\x1bcret", "s3\u200bcret"])
def test_an_inner_control_character_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(ValidationError) as caught:
        text(value)
    assert "one line of printable characters" in caught.value.errors()[0]["msg"]
    assert value not in caught.value.errors()[0]["msg"]


@pytest.mark.parametrize("value", ["", "\n"])
def test_an_empty_value_is_refused(value: str) -> None:
    with pytest.raises(ValidationError, match="the value is empty"):
        text(value)


def test_a_value_that_cannot_stand_where_it_goes_is_refused_when_it_is_loaded() -> None:
    with pytest.raises(ValidationError, match="in the header Authorization"):
        text("schlüssel-€")
    with pytest.raises(ValidationError, match="in the cookie c"):
        text("a b", inject=[{"kind": "cookie", "name": "c"}])
    assert text("schlüssel-€", inject=[{"kind": "query", "name": "k"}]).value.reveal() == "schlüssel-€"


@pytest.mark.parametrize(
    "injector",
    [
        {"kind": "header", "name": "X", "value": "{{ TENANT }}"},
        {"kind": "body", "form": "x", "value": "{{ TENANT }}"},
        {"kind": "hmac", "sign": "{{ TENANT }}", "header": "X"},
        {"kind": "aws_sigv4", "region": "r", "service": "s3", "access_key_id": "{{ TENANT }}"},
    ],
    ids=lambda injector: str(injector["kind"]),
)
def test_an_injector_has_the_token_alone_which_is_found_when_it_is_loaded(injector: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"TENANT, which this credential does not have; it has TOKEN alone"):
        text("abc", inject=[injector])
    with_token = {key: value.replace("TENANT", "TOKEN") for key, value in injector.items()}
    assert len(text("abc", inject=[with_token]).inject) == 1


def test_two_injectors_do_not_share_a_place_and_a_signature_takes_all_of_its_own() -> None:
    amazon = {"kind": "aws_sigv4", "region": "r", "service": "s3", "access_key_id": "id"}
    with pytest.raises(ValidationError, match="the header authorization twice"):
        text("abc", inject=[amazon, {"kind": "header", "name": "Authorization"}])
    with pytest.raises(ValidationError, match="the header x-was twice"):
        text("abc", inject=[{"kind": "header", "name": "X", "move_to": "X-Was"}, {"kind": "header", "name": "x-was"}])
    appending = {"kind": "header", "name": "X", "mode": "append"}
    assert len(text("abc", inject=[{"kind": "header", "name": "X"}, appending]).inject) == 2
