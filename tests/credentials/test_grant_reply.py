"""What a token endpoint answers is a token of a type that can be used, or an error; see also `test_oauth2`."""

import json
from typing import Any

import pytest

from proxy.core.message import Reply
from proxy.core.secret import Secret
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.credentials.grant_reply import GrantReader

NOW = 1_800_000_000.0


def reply(**members: Any) -> Reply:
    body = {"access_token": "at", "token_type": "Bearer", **members}
    return Reply(200, (("Content-Type", "application/json"),), json.dumps(body).encode(), NOW)


def test_a_refresh_token_of_the_reply_counts_before_the_one_that_was_spent() -> None:
    reader = GrantReader(frozenset())
    assert reader.read("POST a", reply(refresh_token="new"), Secret("old")).variables == {
        "refresh_token": Secret("new")
    }
    assert reader.read("POST a", reply(refresh_token=7), Secret("old")).variables == {"refresh_token": Secret("old")}
    assert reader.read("POST a", reply(), None).variables == {}


@pytest.mark.parametrize(("types", "named"), [({"bot"}, "Bot"), ({"N_A"}, "n_a"), (set(), "bearer")])
def test_a_type_is_one_in_any_case(types: set[str], named: str) -> None:
    assert GrantReader(frozenset(types)).read("POST a", reply(token_type=named), None).value == Secret("at")


def test_what_was_requested_is_what_must_be_issued() -> None:
    reader = GrantReader(frozenset(), "urn:wanted")
    assert reader.read("POST a", reply(issued_token_type="urn:wanted"), None).value
    with pytest.raises(TokenRequestError, match="another `issued_token_type` than was requested") as caught:
        reader.read("POST a", reply(issued_token_type="urn:s3cret"), None)
    assert caught.value.symptom is Symptom.TOKEN_TYPE
    assert "s3cret" not in str(caught.value)


def test_an_error_with_status_200_is_one() -> None:
    with pytest.raises(TokenRequestError, match="invalid_grant"):
        GrantReader(frozenset()).read("POST a", reply(access_token=None, error="invalid_grant"), None)
