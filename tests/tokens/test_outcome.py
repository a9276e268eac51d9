"""Why the token endpoint was not asked is no word about the endpoint."""

from proxy.core.errors import Reason
from proxy.tokens.outcome import not_asked


def test_who_was_not_asked_has_not_failed() -> None:
    error = not_asked("another replica is at it", retry_after=7.0)
    assert str(error) == "another replica is at it"
    assert (error.reason, error.retry_after) == (Reason.INTERNAL, 7.0)
    assert not error.asked


def test_what_kept_us_from_asking_will_pass() -> None:
    error = not_asked("another replica is at it")
    assert not error.permanent
    assert error.retry_after is None
