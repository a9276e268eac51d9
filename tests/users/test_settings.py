"""What an operator may say of users, and what is refused with the remedy."""

from typing import Any

import pytest
from pydantic import ValidationError

from proxy.users.settings import UsersSettings

ISSUER = {"issuer": "https://id.example", "audience": "countersign", "jwks_url": "https://id.example/jwks"}
SECRET = "0123456789abcdef0123456789abcdef"


def test_origins_and_addresses_are_taken_as_browsers_write_them() -> None:
    made = UsersSettings.model_validate(
        {"origins": ["https://App.example", "http://localhost:3000"], "public_url": "https://proxy.example/"}
    )
    assert made.origins == ("https://app.example", "http://localhost:3000")
    assert made.public_url == "https://proxy.example"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"identity_secret": "short"}, "fewer than 32 characters"),
        ({"sign_in": {"finished_by": "application"}}, "needs `origins`"),
        ({"sign_in": {"finished_by": "nobody"}}, "'browser' or 'application'"),
        ({"origins": ["https://app.example/"]}, "an origin is a scheme and a host"),
        ({"origins": ["https://app.example/path"]}, "an origin is a scheme and a host"),
        ({"origins": ["*"]}, "https://"),
        ({"public_url": "http://proxy.example"}, "must be https"),
        ({"issuers": {"id": {**ISSUER, "jwks_url": "http://id.example/jwks"}}}, "must be https"),
        ({"issuers": {"id": {**ISSUER, "algorithms": ["HS256"]}}}, "RS256"),
        ({"issuers": {"id": {**ISSUER, "algorithms": ["none"]}}}, "RS256"),
        ({"issuers": {"id": ISSUER, "id2": ISSUER}}, "the same `issuer`"),
        ({"remembered": 0}, "greater than 0"),
    ],
)
def test_what_would_let_anybody_in_is_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        UsersSettings.model_validate(settings)


def test_the_secret_is_not_shown() -> None:
    assert SECRET not in repr(UsersSettings.model_validate({"identity_secret": SECRET}))
