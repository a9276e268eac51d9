"""Callers that show a key."""

import base64
import hashlib
import re
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from proxy.callers.api_key import ApiKey, ApiKeySettings, hash_key, new_key
from proxy.core.message import RequestHead
from tests.compliance.callers import CallerCompliance
from tests.fakes.heads import head_of

KEY, SECOND, WRONG = "csk_first-key", "csk_second-key", "csk_wrong-key"
PROXY, OWN, COMMON = "Proxy-Authorization", "X-Countersign-Key", "Authorization"


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def caller_of(*keys: str) -> ApiKey:
    return ApiKey("backend", ApiKeySettings(kind="api_key", keys=tuple(map(hash_key, keys))))


def proof_of(*headers: tuple[str, str], caller: ApiKey | None = None) -> set[bytes] | None:
    """Return the headers in which the caller's proof was found; None: it is not this caller."""
    principal = (caller or caller_of(KEY, SECOND)).authenticate(head_of(headers=headers))
    return None if principal is None else set(principal.proof_headers)


class TestApiKey(CallerCompliance):
    word: ClassVar[str] = "api_key"
    settings: ClassVar[dict[str, Any]] = {"keys": [hash_key(KEY)]}

    def proven(self) -> RequestHead:
        return head_of(headers=((COMMON, f"Bearer {KEY}"),), peer="192.0.2.7")

    def unproven(self) -> list[RequestHead]:
        wrong = (((COMMON, f"Bearer {WRONG}"),), ((OWN, hash_key(KEY)),), ((COMMON, basic(WRONG)),))
        return [*super().unproven(), *(head_of(headers=headers) for headers in wrong)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (PROXY, f"Bearer {KEY}"),
        (OWN, KEY),
        (COMMON, f"Bearer {KEY}"),
        (COMMON, f"bearer {KEY}"),
        (COMMON, f"BEARER   {KEY}"),
        (COMMON, basic(f"{KEY}:")),
        (COMMON, basic(f":{KEY}")),
        (COMMON, basic(f"user:{KEY}")),
        (COMMON, basic(f"{KEY}:x")),
        (COMMON, basic(KEY)),
        ("AUTHORIZATION", f"Bearer {KEY}"),
        (OWN, SECOND),
    ],
)
def test_a_key_is_found_where_sdks_put_it(name: str, value: str) -> None:
    assert proof_of((name, value)) == {name.lower().encode()}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (PROXY, basic(f"{KEY}:")),
        (PROXY, KEY),
        (COMMON, KEY),
        (COMMON, f"Token {KEY}"),
        (COMMON, f"Bearer{KEY}"),
        (COMMON, f"Bearer {KEY}x"),
        (COMMON, f"Bearer {KEY[:-1]}"),
        (COMMON, f"Bearer {KEY} {KEY}"),
        (COMMON, basic(f"a:b:{KEY}")),
        (COMMON, basic(f"{KEY}:").replace("=", "!")),
        (COMMON, basic(f"{KEY}:") + "!"),
        (OWN, f"Bearer {KEY}"),
        (OWN, KEY.upper()),
        ("X-Api-Key", KEY),
        ("Cookie", f"key={KEY}"),
    ],
)
def test_elsewhere_or_otherwise_it_is_no_proof(name: str, value: str) -> None:
    assert proof_of((name, value)) is None


def test_every_header_with_a_key_is_named_so_that_none_goes_upstream() -> None:
    headers = ((COMMON, basic(f"{SECOND}:")), (OWN, KEY), (PROXY, f"Bearer {KEY}"))
    assert proof_of(*headers) == {b"authorization", b"x-countersign-key", b"proxy-authorization"}


def test_a_key_in_the_second_of_two_lines_is_found() -> None:
    assert proof_of((COMMON, "Bearer another-one"), (COMMON, f"Bearer {KEY}")) == {b"authorization"}


def test_a_wrong_key_beside_a_right_one_does_no_harm() -> None:
    assert proof_of((PROXY, f"Bearer {WRONG}"), (OWN, KEY)) == {b"x-countersign-key"}
    assert proof_of((PROXY, f"Bearer {KEY}"), (OWN, WRONG)) == {b"proxy-authorization"}


def test_an_authorization_that_is_not_our_key_stays_the_callers() -> None:
    assert proof_of((OWN, KEY), (COMMON, "Bearer their-own-token")) == {b"x-countersign-key"}
    assert proof_of((OWN, KEY), (COMMON, basic("user:password"))) == {b"x-countersign-key"}


def test_a_line_that_proved_right_proves_nothing_in_another_header_or_for_another_caller() -> None:
    caller = caller_of(KEY)
    assert proof_of((OWN, KEY), caller=caller) == {b"x-countersign-key"}
    assert proof_of((COMMON, KEY), caller=caller) is None
    assert proof_of((OWN, KEY), caller=caller_of(SECOND)) is None


def test_a_right_key_is_hashed_once_and_wrong_ones_are_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    caller = caller_of(KEY)
    hashed: list[bytes] = []
    sha256 = hashlib.sha256

    def counted(data: bytes) -> Any:
        hashed.append(data)
        return sha256(data)

    monkeypatch.setattr(hashlib, "sha256", counted)
    for number in range(2000):
        assert proof_of((OWN, KEY), (COMMON, f"Bearer wrong-{number}"), caller=caller) == {b"x-countersign-key"}
    assert hashed.count(KEY.encode()) == 1
    assert len(caller._proven) == 1


def test_what_is_remembered_is_bounded_though_a_right_key_can_be_written_in_many_ways() -> None:
    caller = caller_of(KEY)
    for number in range(3000):
        assert proof_of((COMMON, basic(f"{number}:{KEY}")), caller=caller) == {b"authorization"}
        assert len(caller._proven) <= 1024


def test_a_new_key_is_recognisable_and_never_the_same() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(re.fullmatch(r"csk_[A-Za-z0-9_-]{43}", key) for key in keys)


def test_the_hash_is_the_sha256_that_other_tools_print() -> None:
    assert hash_key("abc") == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert hash_key("caf\udcc3\udca9") == hash_key("café"), "an argument in bytes that are no text stays those bytes"


@pytest.mark.parametrize(
    "keys",
    [
        [KEY],
        ["sha256:" + KEY],
        [hash_key(KEY).upper()],
        [hash_key(KEY).removeprefix("sha256:")],
        [hash_key(KEY) + "0"],
        [hash_key(KEY)[:-1] + "\n"],
        [hash_key(KEY), ""],
    ],
)
def test_what_is_not_a_hash_is_refused_with_the_remedy_and_never_repeated(keys: list[str]) -> None:
    with pytest.raises(ValidationError, match="countersign hash-key") as refused:
        ApiKeySettings.model_validate({"kind": "api_key", "keys": keys})
    assert KEY not in str(refused.value)


def test_at_least_one_key_is_needed() -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        ApiKeySettings.model_validate({"kind": "api_key", "keys": []})


def test_a_caller_does_not_show_its_keys() -> None:
    caller = caller_of(KEY)
    assert proof_of((OWN, KEY), caller=caller)
    assert KEY not in repr(caller) + repr(caller.authenticate(head_of(headers=((OWN, KEY),))))
