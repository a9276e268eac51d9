import json
import re

import pytest

from proxy.admin.problem import AdminError, LockedOutError, OrderFailedError, UnauthenticatedError
from proxy.core.errors import DOCUMENTATION
from proxy.core.secret import Secret


def test_an_error_is_a_problem_document() -> None:
    response = OrderFailedError("the provider is failing", reason="network").response()
    assert response.status == 502
    assert response.content_type == "application/problem+json"
    assert isinstance(response.body, bytes)
    assert json.loads(response.body) == {
        "type": f"{DOCUMENTATION}admin-order-failed",
        "title": "The order could not be carried out",
        "status": 502,
        "detail": "the provider is failing",
        "reason": "network",
    }


def test_no_secret_stands_in_a_problem() -> None:
    secret = Secret("MARKER-secret")
    body = OrderFailedError(f"it said {secret.reveal()}").response().body
    assert isinstance(body, bytes)
    assert b"it said ***" in body


@pytest.mark.parametrize("error", AdminError.__subclasses__(), ids=lambda error: error.code)
def test_every_error_has_a_code_of_its_own(error: type[AdminError]) -> None:
    assert re.fullmatch(r"admin-[a-z-]+", error.code)
    assert 400 <= error.status <= 599
    assert error.title
    assert [other.code for other in AdminError.__subclasses__()].count(error.code) == 1


def test_who_is_locked_out_is_told_for_how_long() -> None:
    assert LockedOutError(0.2).response().headers["Retry-After"] == "1"
    assert LockedOutError(30.0).response().headers["Retry-After"] == "30"


def test_who_has_no_key_is_told_how_to_send_one() -> None:
    assert UnauthenticatedError("no").response().headers["WWW-Authenticate"].startswith("Bearer ")
