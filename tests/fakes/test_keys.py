"""Keys stay the same for a whole run, in every form."""

import json

import pytest

from tests.fakes import keys


@pytest.mark.parametrize("sort", keys.SORTS)
def test_a_key_is_made_once(sort: str) -> None:
    assert keys.pem(sort) == keys.pem(sort, 0)
    assert keys.pem(sort) != keys.pem(sort, 1)
    assert "d" in json.loads(keys.jwk(sort))
    assert keys.certificate(sort).startswith("-----BEGIN CERTIFICATE")


def test_an_rsa_key_may_be_of_another_size() -> None:
    assert "RSA" in json.loads(keys.jwk("rsa1024"))["kty"]
