"""Tokens in headers."""

from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from proxy.core.message import NOTHING, Injection
from proxy.core.tailored import Tailored
from proxy.injectors.header import Header, HeaderSettings
from tests.compliance.injectors import PlacedCompliance, token_of


class TestHeader(PlacedCompliance):
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


def test_append_adds_a_line_and_leaves_the_callers() -> None:
    injection = header(name="X-Scope", mode="append").inject(NOTHING, token_of("abc"))
    assert (injection.lines, injection.replaces, injection.tailored) == (b"X-Scope: abc\r\n", frozenset(), None)


@pytest.mark.parametrize("name", ["Authorization", "content-type", "User-Agent"])
def test_a_header_of_which_a_request_has_one_is_not_appended_to(name: str) -> None:
    with pytest.raises(ValidationError, match="a request has one"):
        header(name=name, mode="append")


def test_keep_waits_for_the_request() -> None:
    injection = header(name="X-Key", mode="keep").inject(NOTHING, token_of("abc"))
    assert injection.lines == b""
    assert injection.tailored == Tailored(unless_header=((b"x-key", b"X-Key: abc\r\n"),))


def test_the_callers_own_may_go_on_under_another_name_of_which_it_sends_none_itself() -> None:
    injection = header(name="Authorization", move_to="X-Original-Authorization").inject(NOTHING, token_of("abc"))
    assert injection.tailored == Tailored(moves=((b"authorization", b"X-Original-Authorization"),))
    assert injection.replaces == {b"authorization", b"x-original-authorization"}


@pytest.mark.parametrize("target", ["Proxy-Authorization", "Host", "Via", "X-Countersign-Key", "Cookie", "a b"])
def test_it_cannot_go_where_it_would_be_taken_for_something_else(target: str) -> None:
    with pytest.raises(ValidationError):
        header(name="Authorization", move_to=target)


def test_the_other_name_is_a_place_too() -> None:
    settings = HeaderSettings(kind="header", name="Authorization", move_to="X-Original-Authorization")
    assert settings.places == (("header", "authorization"), ("header", "x-original-authorization"))


@pytest.mark.parametrize("mode", ["append", "keep"])
def test_only_what_is_dropped_can_be_moved(mode: str) -> None:
    with pytest.raises(ValidationError, match="move_to"):
        header(name="X-Key", mode=mode, move_to="X-Original-Key")
