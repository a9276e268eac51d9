"""The same settings have the same identity, and any change of them another."""

from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from proxy.core.secret import Secret
from proxy.core.settings import Settings
from proxy.core.template import JsonTemplate, Template
from proxy.net.tls import TlsSettings
from proxy.tokens import identity
from proxy.tokens.identity import lineage_of, place_of_brought
from tests.fakes.certificates import Authority

KEY = b"0" * 32


def identity_of(settings: Settings, key: bytes = KEY) -> str:
    return identity.identity_of(settings, key)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Inner(Settings):
    password: Secret = Secret("planted-password")
    names: tuple[str, ...] = ("a", "b")


class Outer(Settings):
    inner: Inner = Inner()
    text: Template = Template("client={{ID}}&secret=planted")
    body: JsonTemplate = JsonTemplate({"user": "%%USER%%", "numbers": [1, 2.5, None, True]})
    headers: dict[str, Secret] = Field(default_factory=lambda: {"X-Key": Secret("planted-key")})
    scopes: frozenset[str] = frozenset({"read", "write"})
    colour: Colour = Colour.RED
    ca: Path | None = Path("ca.pem")


def test_equal_settings_have_one_identity() -> None:
    assert identity_of(Outer()) == identity_of(Outer(inner=Inner(password=Secret("planted-password"))))


@pytest.mark.parametrize(
    "change",
    [
        {"inner": Inner(password=Secret("planted-other"))},
        {"inner": Inner(names=("b", "a"))},
        {"text": "client={{ID}}&secret=other"},
        {"text": "client={{ OTHER }}&secret=planted"},
        {"text": "client={{ ID | upper }}&secret=planted"},
        {"text": "client={{ ID + '' }}&secret=planted"},
        {"body": {"user": "%%USER%%", "numbers": [1, 2.5, None, False]}},
        {"headers": {"X-Key": Secret("planted-other")}},
        {"headers": {"X-Other": Secret("planted-key")}},
        {"scopes": frozenset({"read"})},
        {"colour": Colour.BLUE},
        {"ca": None},
    ],
)
def test_any_change_secret_or_not_is_another_identity(change: dict[str, Any]) -> None:
    assert identity_of(Outer.model_validate(change)) != identity_of(Outer())


def test_another_certificate_file_is_another_identity_and_another_content_of_it_is_not(tmp_path: Path) -> None:
    class Called(Settings):
        tls: TlsSettings

    authority, one, other = Authority(tmp_path), tmp_path / "one.pem", tmp_path / "other.pem"
    for file in (one, other):
        shown = authority.client()
        file.write_bytes(shown.chain + shown.key)
    called = Called(tls=TlsSettings(certificate=one))
    before = identity_of(called)
    assert identity_of(Called(tls=TlsSettings(certificate=other))) != before
    one.write_bytes(other.read_bytes())
    assert identity_of(Called(tls=TlsSettings(certificate=one))) == before
    assert called.tls.files.context is not None
    assert identity_of(called) == before, "what it was used for counts for nothing"


def test_the_two_spellings_of_a_variable_are_the_same_setting() -> None:
    assert identity_of(Outer.model_validate({"text": "client=%%ID%%&secret=planted"})) == identity_of(Outer())


def test_another_key_gives_another_identity_so_that_a_guess_cannot_be_checked() -> None:
    assert len({identity_of(Outer()), identity_of(Outer(), b"1" * 32), identity_of(Outer(), b"2" * 32)}) == 3


def test_it_shows_nothing_but_hex_digits() -> None:
    identity = identity_of(Outer())
    assert len(identity) == 32
    assert set(identity) <= set("0123456789abcdef")


def test_a_value_that_cannot_be_read_is_refused_rather_than_overlooked() -> None:
    class Odd(Settings):
        value: object = Field(default_factory=object)

    with pytest.raises(TypeError, match="object"):
        identity_of(Odd())


def test_a_lineage_is_the_same_for_the_same_beginning_wherever_it_is_read() -> None:
    begun = ("https://auth.example/token", "client", Secret("planted-first"))
    assert lineage_of(begun) == lineage_of(begun)
    assert lineage_of(begun) == "4259891ebfa7af3166dce4e0c597c88e"
    assert lineage_of((*begun[:2], Secret("planted-other"))) != lineage_of(begun)
    assert lineage_of((*begun[:2], "planted-first")) != lineage_of(begun)


def test_what_people_bring_stands_apart_by_credential_issuer_person_and_key() -> None:
    place = place_of_brought("crm", ("https://id.example",), b"key", "ann")
    others = {
        place_of_brought("erp", ("https://id.example",), b"key", "ann"),
        place_of_brought("crm", ("https://other.example",), b"key", "ann"),
        place_of_brought("crm", ("https://id.example",), b"key", "ben"),
        place_of_brought("crm", ("https://id.example",), b"key"),
        place_of_brought("crm", ("https://id.example",), b"other", "ann"),
    }
    assert place == place_of_brought("crm", ("https://id.example",), b"key", "ann")
    assert len(others - {place}) == 5
