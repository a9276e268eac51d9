"""The body of a call names its user in texts, and says nothing that is not known."""

from typing import Any

import pytest

from proxy.core.errors import RequestInvalidError, UserRequiredError
from proxy.users.identity import Claim
from proxy.users.proof import claim_in


def test_a_body_says_who_it_is_from_and_what_it_shows_for_it() -> None:
    assert claim_in({"user_id": "ann", "user_hash": "f0"}) == Claim("ann", "f0", None)
    assert claim_in({"user_jwt": "a.b.c", "user_id": None}) == Claim(None, None, "a.b.c")
    assert claim_in({"user_id": "ann", "code": 7}, "code") == Claim("ann")


@pytest.mark.parametrize("more", [{"code": "x"}, {"user_hash": 1}, {"user_jwt": ["a.b.c"]}])
def test_what_is_not_known_or_no_text_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(RequestInvalidError):
        claim_in({"user_id": "ann", **more})


@pytest.mark.parametrize("document", [{}, {"user_hash": "f0"}, {"user_id": None, "user_jwt": None}])
def test_a_body_that_names_nobody_is_told_how_to(document: dict[str, Any]) -> None:
    with pytest.raises(UserRequiredError, match="user_jwt"):
        claim_in(document)
