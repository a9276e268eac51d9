"""Tokens in headers."""

from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from proxy.core.message import NOTHING, Injection
from proxy.injectors.header import Header, HeaderSettings
from tests.compliance.injectors import InjectorCompliance, token_of


class TestHeader(InjectorCompliance):
    word: ClassVar[str] = "header"
    settings: ClassVar[dict[str, Any]] = {"name": "X-Key", "prefix": "Key:"}

    def seen(self, injection: Injection) -> list[str]:
        lines = injection.lines.decode("latin-1").removesuffix("\r\n").split("\r\n")
        return [line.partition(": Key:")[2] for line in lines if line]


def header(**settings: Any) -> Header:
    return Header(HeaderSettings.model_validate({"kind": "header", **settings}))


def test_a_bearer_token_is_one_whole_line() -> None:
    injection = header(name="Authorization", prefix="Bearer ").inject(NOTHING, token_of("abc"))
    assert injection.lines == b"Authorization: Bearer abc\r\n"
    assert injection.replaces == {b"authorization"}


def test_latin_1_is_sent_as_latin_1() -> None:
    assert header(name="X").inject(NOTHING, token_of("é")).lines == b"X: \xe9\r\n"


@pytest.mark.parametrize("name", ["Host", "Content-Length", "transfer-encoding", "Connection", "Cookie", "X Y", ""])
def test_a_header_that_is_not_a_token_s_place_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        header(name=name)


@pytest.mark.parametrize("prefix", ["Bearer\r\n", "a\x00", "€ "])
def test_a_prefix_that_could_break_out_is_refused(prefix: str) -> None:
    with pytest.raises(ValidationError, match="cannot hold"):
        header(name="X", prefix=prefix)
