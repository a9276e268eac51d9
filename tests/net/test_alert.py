"""An alert of the other side says what it has against our certificate, however late it comes."""

import ssl

import pytest

from proxy.core.errors import UpstreamUnreachableError
from proxy.net.alert import is_alert, refusal_of_ours


def error(reason: str | None) -> ssl.SSLError:
    made = ssl.SSLError(1, "some words")
    made.reason = reason or ""
    return made


@pytest.mark.parametrize(
    ("reason", "about_ours"),
    [
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", True),
        ("TLSV1_ALERT_UNKNOWN_CA", True),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", True),
        ("TLSV1_ALERT_PROTOCOL_VERSION", False),
    ],
)
def test_an_alert_is_told_from_other_failures(reason: str, about_ours: bool) -> None:
    assert is_alert(error(reason))
    assert (refusal_of_ours(error(reason)) is not None) is about_ours


@pytest.mark.parametrize("other", [None, OSError("alert"), UpstreamUnreachableError(), error(None), error("EOF")])
def test_what_is_no_alert_is_none(other: BaseException | None) -> None:
    assert not is_alert(other)
    assert refusal_of_ours(other) is None
