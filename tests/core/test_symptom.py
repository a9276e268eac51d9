"""The troubleshooting table."""

import pytest

from proxy.core.errors import Reason
from proxy.core.secret import Secret
from proxy.core.symptom import Symptom, TokenRequestError


def test_every_code_is_its_own() -> None:
    assert len({symptom.code for symptom in Symptom}) == len(Symptom)


def test_a_message_is_what_was_seen_and_the_remedy() -> None:
    error = TokenRequestError(Symptom.DNS, "api.example is not known", retry_after=3)
    assert str(error) == "api.example is not known; check the host name in `url`, and the resolver of this machine"
    assert (error.reason, error.permanent, error.retry_after) == (Reason.NETWORK, False, 3)


def test_a_known_secret_never_stands_in_a_message() -> None:
    secret = Secret("s3cret-in-the-path")
    error = TokenRequestError(Symptom.DNS, f"GET api.example/{secret.reveal()}")
    assert "s3cret" not in str(error) + error.sentence


@pytest.mark.parametrize(
    ("symptom", "permanent"),
    [
        (Symptom.INVALID_CLIENT, True),
        (Symptom.INVALID_GRANT, True),
        (Symptom.BAD_REQUEST, True),
        (Symptom.RATE_LIMITED, False),
        (Symptom.BUSY, False),
        (Symptom.PROVIDER, False),
        (Symptom.TLS, False),
        (Symptom.NOT_JSON, False),
    ],
)
def test_only_what_somebody_must_change_is_permanent(symptom: Symptom, permanent: bool) -> None:
    assert symptom.is_permanent is permanent


@pytest.mark.parametrize(
    ("symptom", "unheeded"),
    [
        (Symptom.DNS, True),
        (Symptom.CONNECT, True),
        (Symptom.TLS, True),
        (Symptom.RATE_LIMITED, True),
        (Symptom.REQUEST, True),
        (Symptom.TIMEOUT, False),
        (Symptom.BROKEN_OFF, False),
        (Symptom.PROVIDER, False),
        (Symptom.NOT_HTTP, False),
        (Symptom.INVALID_GRANT, False),
    ],
)
def test_only_what_was_not_reached_or_turned_the_request_away_has_not_heeded_it(
    symptom: Symptom, unheeded: bool
) -> None:
    assert TokenRequestError(symptom, "seen").unheeded is unheeded
    assert TokenRequestError(symptom, "seen", unheeded=True).unheeded


def test_what_cannot_change_by_itself_is_not_retried() -> None:
    assert not any(symptom.is_retried for symptom in Symptom if symptom.is_permanent)
    assert not Symptom.TLS.is_retried
