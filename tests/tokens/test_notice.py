"""What a notice says, and that its signature is the one that receivers everywhere know how to check."""

import base64
import hashlib
import hmac
import json

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.core.secret import Secret
from proxy.telemetry.events import Event, EventLog, EventName
from proxy.tokens.notice import Notice, SigningSecret, sign
from tests.fakes.clock import FakeClock

PLAIN = Secret("a plain text of twenty-four bytes")
SIGNING = TypeAdapter(SigningSecret)


def event(detail: str = "answered 503") -> Event:
    log = EventLog(FakeClock(now=1_800_000_000.25))
    log.record("warning", EventName.REFRESH_FAILED, credential="billing", reason="provider_5xx", detail=detail)
    return log.query().events[0]


def test_the_published_example_of_the_standard_has_its_published_signature() -> None:
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signature = sign([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_without_the_prefix_signs_as_it_stands() -> None:
    expected = hmac.new(PLAIN.reveal().encode(), b"evt_1.17.{}", hashlib.sha256).digest()
    assert sign([PLAIN], "evt_1", 17, b"{}") == f"v1,{base64.b64encode(expected).decode()}"


def test_each_secret_signs_in_its_turn() -> None:
    other = Secret("another text of more than twenty-four bytes")
    both = sign([other, PLAIN], "evt_1", 17, b"{}")
    assert both == f"{sign([other], 'evt_1', 17, b'{}')} {sign([PLAIN], 'evt_1', 17, b'{}')}"


@pytest.mark.parametrize(
    ("identifier", "timestamp", "body"), [("evt_2", 17, b"{}"), ("evt_1", 18, b"{}"), ("evt_1", 17, b"{ }")]
)
def test_whatever_differs_makes_another_signature(identifier: str, timestamp: int, body: bytes) -> None:
    assert sign([PLAIN], identifier, timestamp, body) != sign([PLAIN], "evt_1", 17, b"{}")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "at least 24 bytes"),
        ("x" * 23, "at least 24 bytes"),
        ("whsec_", "at least 24 bytes"),
        ("whsec_" + base64.b64encode(b"x" * 23).decode(), "at least 24 bytes"),
        ("whsec_this is not base64, though it is long", "is not base64"),
        ("whsec_" + "x" * 41, "is not base64"),
        ("whsec_" + "ä" * 40, "is not base64"),
    ],
)
def test_a_secret_that_cannot_sign_is_refused_and_not_shown(text: str, why: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SIGNING.validate_python(text)
    [error] = caught.value.errors()
    assert why in error["msg"]
    assert text in ("", "whsec_") or text.removeprefix("whsec_") not in error["msg"]


@pytest.mark.parametrize("text", ["x" * 24, "ä" * 12, "whsec_" + base64.b64encode(b"x" * 24).decode()])
def test_twenty_four_bytes_suffice(text: str) -> None:
    assert SIGNING.validate_python(text).reveal() == text


def test_a_notice_says_what_happened_to_which_credential_and_when() -> None:
    notice = Notice(event(), tries=2)
    assert json.loads(notice.body("replica-1")) == {
        "id": notice.id,
        "type": "refresh_failed",
        "time": "2027-01-15T08:00:00.250Z",
        "credential": "billing",
        "reason": "provider_5xx",
        "detail": "answered 503",
        "instance": "replica-1",
        "attempt": 2,
    }


def test_what_a_notice_does_not_know_is_there_all_the_same() -> None:
    log = EventLog(FakeClock())
    log.record("info", EventName.REFRESH_RECOVERED, credential="billing")
    said = json.loads(Notice(log.query().events[0]).body("replica-1"))
    assert (said["reason"], said["detail"]) == (None, "")


def test_no_secret_is_said_and_odd_characters_travel_safely() -> None:
    secret = Secret("MARKER-of-a-secret")
    body = Notice(event(f"said {secret.reveal()} ü \udcff\n")).body("replica-1")
    assert b"MARKER" not in body
    assert json.loads(body)["detail"] == "said *** ü \\udcff\n"


def test_each_notice_has_an_id_of_its_own_that_no_full_stop_can_spoil() -> None:
    ids = {Notice(event()).id for _ in range(100)}
    assert len(ids) == 100
    assert all(one.startswith("evt_") and one.isascii() and "." not in one for one in ids)


def test_the_headers_carry_id_time_and_signature() -> None:
    notice = Notice(event())
    body = notice.body("replica-1")
    assert dict(notice.headers([PLAIN], 1_800_000_001, body)) == {
        "Content-Type": "application/json",
        "Accept": "*/*",
        "webhook-id": notice.id,
        "webhook-timestamp": "1800000001",
        "webhook-signature": sign([PLAIN], notice.id, 1_800_000_001, body),
    }
