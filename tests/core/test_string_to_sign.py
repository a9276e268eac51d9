"""What a string to sign may say of a request."""

import hashlib

import pytest

from proxy.core.string_to_sign import NAMES, is_of_the_request, to_bytes, variables, wanted
from proxy.core.tailored import WHOLE, UnfitError
from tests.compliance.injectors import prepared_of

BODY = b"b=2+2&a=%C3%A9&a=1"
REQUEST = prepared_of(
    method="POST",
    host="api.example:8443",
    path="/v2/\udcffx",
    query="b=2&a=%2F&&a",
    lines=((b"x-a", b"1"), (b"x-a", b"\xff"), (b"content-type", b"text/plain")),
    body=BODY,
    digests={name: hashlib.new(name, BODY).digest() for name in ("sha256", "sha512", "md5")},
)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("METHOD", "POST"),
        ("HOST", "api.example:8443"),
        ("PATH", "/v2/\udcffx"),
        ("QUERY", "b=2&a=%2F&&a"),
        ("SORTED_QUERY", "a&a=%2F&b=2"),
        ("URL", "https://api.example:8443/v2/\udcffx?b=2&a=%2F&&a"),
        ("BODY", BODY.decode()),
        ("SORTED_FORM", "a1aéb2 2"),
        ("HEADER_CONTENT_TYPE", "text/plain"),
        ("HEADER_X_A", "1, \udcff"),
        ("HEADER_X_B", ""),
    ],
)
def test_each_variable_is_read_from_the_request_as_it_is_sent(name: str, said: str) -> None:
    assert variables(frozenset({name, "TENANT"}), REQUEST) == {name: said}


@pytest.mark.parametrize("function", ["sha256", "sha512", "md5"])
def test_a_hash_is_written_in_two_ways(function: str) -> None:
    name = f"BODY_{function.upper()}"
    found = variables(frozenset({name, f"{name}_BASE64"}), REQUEST)
    assert found[name] == hashlib.new(function, BODY).hexdigest()
    assert len(found[f"{name}_BASE64"]) < len(found[name])


def test_what_must_be_known_of_the_body_follows_from_the_names() -> None:
    assert wanted(frozenset({"BODY_SHA256", "BODY_SHA256_BASE64", "PATH", "TENANT", "HEADER_X"})) == {"sha256"}
    assert wanted(frozenset({"BODY"})) == wanted(frozenset({"SORTED_FORM"})) == {WHOLE}


def test_other_variables_are_the_credentials() -> None:
    assert all(map(is_of_the_request, NAMES | {"HEADER_HOST"}))
    assert not is_of_the_request("TENANT")


def test_bytes_of_the_request_are_signed_as_they_were() -> None:
    assert to_bytes("é\udcff") == b"\xc3\xa9\xff"
    with pytest.raises(UnfitError, match="UTF-8"):
        to_bytes("\ud800")
