"""One try against a real receiver: what is sent, and what each answer means."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import ValidationError

from proxy.core.secret import Secret
from proxy.net.endpoint import Endpoint
from proxy.telemetry.events import EventLog, EventName
from proxy.tokens.delivery import Miss, WebhookSettings, deliver
from proxy.tokens.notice import Notice, sign
from tests.fakes.clock import FakeClock
from tests.fakes.receiver import Receiver

SECRET = "a-webhook-secret-of-the-tests"
CLOCK = FakeClock(now=1_800_000_000.9)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        yield running


@pytest.fixture
def notice() -> Notice:
    log = EventLog(CLOCK)
    log.record("error", EventName.CREDENTIAL_NEEDS_PERSON, credential="billing", reason="invalid_grant", detail="gone")
    return Notice(log.query().events[0], tries=1)


def settings(url: str = "https://alarm.example.com/countersign", **more: Any) -> WebhookSettings:
    return WebhookSettings.model_validate({"url": url, "secret": SECRET, **more})


async def attempt(notice: Notice, receiver: Receiver, **more: Any) -> Miss | None:
    endpoint = Endpoint(CLOCK)
    try:
        there = settings(receiver.url, allow_plain_http=True, **more)
        return await deliver(notice, there, instance="replica-1", endpoint=endpoint, clock=CLOCK)
    finally:
        await endpoint.close()


async def test_a_notice_arrives_signed_with_the_time_of_the_try(notice: Notice, receiver: Receiver) -> None:
    assert await attempt(notice, receiver) is None
    [got] = receiver.deliveries
    assert (got.method, got.path_qs, got.body) == ("POST", "/hook?key=s3cret-path", notice.body("replica-1"))
    assert got.headers["content-type"] == "application/json"
    assert got.headers["webhook-id"] == notice.id == got.said["id"]
    assert got.headers["webhook-timestamp"] == "1800000000"
    assert got.headers["webhook-signature"] == sign([Secret(SECRET)], notice.id, 1_800_000_000, got.body)


async def test_of_several_secrets_each_signs(notice: Notice, receiver: Receiver) -> None:
    old = "the-webhook-secret-that-was-before"
    assert await attempt(notice, receiver, secret=[SECRET, old]) is None
    new_one, old_one = receiver.deliveries[0].headers["webhook-signature"].split(" ")
    body = receiver.deliveries[0].body
    assert new_one == sign([Secret(SECRET)], notice.id, 1_800_000_000, body)
    assert old_one == sign([Secret(old)], notice.id, 1_800_000_000, body)


@pytest.mark.parametrize("status", [200, 202, 204, 299])
async def test_every_2xx_is_a_delivery(notice: Notice, receiver: Receiver, status: int) -> None:
    receiver.status = status
    assert await attempt(notice, receiver) is None


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 429, 500, 503])
async def test_any_other_answer_is_none_and_redirects_are_not_followed(
    notice: Notice, receiver: Receiver, status: int
) -> None:
    receiver.status, receiver.headers = status, {"Location": receiver.url}
    miss = await attempt(notice, receiver)
    assert miss == Miss("status", f"POST 127.0.0.1:{receiver.port} answered {status}")
    assert len(receiver.deliveries) == 1


async def test_a_receiver_may_say_when_to_come_back(notice: Notice, receiver: Receiver) -> None:
    receiver.status, receiver.headers = 503, {"Retry-After": "120"}
    miss = await attempt(notice, receiver)
    assert miss is not None
    assert miss.retry_after == 120.0


async def test_a_receiver_may_want_nothing_more(notice: Notice, receiver: Receiver) -> None:
    receiver.status = 410
    miss = await attempt(notice, receiver)
    assert miss is not None
    assert miss.reason == "gone"


async def test_silence_ends_at_the_timeout(notice: Notice, receiver: Receiver) -> None:
    receiver.hold()
    async with asyncio.timeout(2):
        miss = await attempt(notice, receiver, timeout=0.05)
    assert miss == Miss(
        "network", f"POST 127.0.0.1:{receiver.port} accepted the connection, but did not answer in time (0.05 s)"
    )


async def test_a_receiver_that_is_not_there_is_told_without_its_path(notice: Notice, receiver: Receiver) -> None:
    await receiver.__aexit__(None, None, None)
    miss = await attempt(notice, receiver)
    assert miss == Miss("network", f"POST 127.0.0.1:{receiver.port} did not accept a connection")


def test_what_is_left_out_has_the_documented_defaults() -> None:
    made = settings()
    assert (made.timeout, made.allow_plain_http) == (5.0, False)
    assert made.secret == (Secret(SECRET),)


def test_neither_secret_nor_address_can_be_seen() -> None:
    made = settings("https://alarm.example.com/s3cret-path")
    assert "s3cret-path" not in repr(made)
    assert SECRET not in repr(made)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"url": "http://alarm.example.com/"}, "allow_plain_http: true"),
        ({"url": "http://127.0.0.1:9/"}, "allow_plain_http: true"),
        ({"url": "alarm.example.com"}, "write the whole address"),
        ({"url": "ftp://alarm.example.com/"}, "write the whole address"),
        ({"url": "https:///path"}, "write the whole address"),
        ({"url": "https://alarm.example.com:port/"}, "check host and port"),
        ({"url": "https://user:pass@alarm.example.com/"}, "holds no user"),
        ({"url": "https://alarm.example.com/#part"}, "percent-encode"),
        ({"url": "https://alarm.example.com/ä b"}, "percent-encode"),
        ({"url": "https://alarm.example.com/\nX: y"}, "percent-encode"),
        ({"secret": []}, "at least 1"),
        ({"secret": [SECRET, "short"]}, "at least 24 bytes"),
        ({"secret": "short"}, "at least 24 bytes"),
        ({"secret": 17}, "valid string"),
        ({"timeout": 0.0}, "greater than 0"),
        ({"timeout": 31.0}, "less than or equal to 30"),
        ({"uri": "x"}, "Extra inputs"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        settings(**change)


@pytest.mark.parametrize(
    "url", ["https://alarm.example.com", "https://alarm.internal:8443/a?b=c", "https://10.0.0.7/", "https://[::1]:9/"]
)
def test_any_host_may_be_told_private_ones_included(url: str) -> None:
    assert settings(url).url.reveal() == url
