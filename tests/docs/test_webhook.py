"""What the page on webhooks tells a receiver to do is right: its code is run on what a real receiver gets."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from types import SimpleNamespace
from typing import Any, Final

import pytest

from proxy.core.settings import spell_duration
from proxy.net.endpoint import Endpoint
from proxy.telemetry.events import EventLog, EventName
from proxy.tokens.delivery import WebhookSettings, deliver
from proxy.tokens.notice import Notice
from proxy.tokens.webhook import PATIENCE, TOLD, WAITS
from tests.docs.markdown import ROOT, fences
from tests.fakes.clock import FakeClock
from tests.fakes.receiver import Delivery, Receiver

PAGE: Final = ROOT / "docs" / "how-to" / "webhook.md"
PREFIXED: Final = "whsec_c2VhbGVkLWJ5LXRoZS10ZXN0cy1vZi13ZWJob29rcw=="
PLAIN: Final = "another-secret-of-the-tests-of-webhooks"
OTHER: Final = "a-secret-that-signed-nothing-at-all"

IsGenuine = Callable[[Mapping[str, str], bytes, str], bool]


def block(language: str) -> str:
    [text] = [fence.text for fence in fences(PAGE) if fence.language == language]
    return text


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def is_genuine(clock: FakeClock) -> IsGenuine:
    """Return the function that the page gives, on the test's clock."""
    names: dict[str, Any] = {}
    exec(compile(block("python"), str(PAGE), "exec"), names)
    names["time"] = SimpleNamespace(time=clock.now)
    found: IsGenuine = names["is_genuine"]
    return found


@pytest.fixture
async def delivery(clock: FakeClock) -> AsyncIterator[Delivery]:
    """Return what arrives at a receiver while two secrets sign."""
    log, endpoint = EventLog(clock), Endpoint(clock)
    log.record("error", EventName.CREDENTIAL_NEEDS_PERSON, credential="billing", reason="invalid_grant", detail="…")
    async with Receiver() as receiver:
        said = {"url": receiver.url, "secret": [PREFIXED, PLAIN], "allow_plain_http": True}
        settings, notice = WebhookSettings.model_validate(said), Notice(log.query().events[0], tries=1)
        assert await deliver(notice, settings, instance="replica-1", endpoint=endpoint, clock=clock) is None
        await endpoint.close()
        yield receiver.deliveries[0]


@pytest.mark.parametrize("secret", [PREFIXED, PLAIN])
def test_what_countersign_sends_is_genuine_by_each_secret(
    is_genuine: IsGenuine, delivery: Delivery, secret: str
) -> None:
    assert is_genuine(delivery.headers, delivery.body, secret)


def test_what_another_secret_signed_is_not(is_genuine: IsGenuine, delivery: Delivery) -> None:
    assert not is_genuine(delivery.headers, delivery.body, OTHER)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "evt_0"},
        {"webhook-timestamp": "1800000001"},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "-1"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,ä"},
    ],
)
def test_what_was_changed_on_the_way_is_not(is_genuine: IsGenuine, delivery: Delivery, change: dict[str, str]) -> None:
    assert not is_genuine({**delivery.headers, **change}, delivery.body, PLAIN)


def test_a_body_that_was_changed_is_not(is_genuine: IsGenuine, delivery: Delivery) -> None:
    body = json.dumps({**delivery.said, "credential": "other"}).encode()
    assert not is_genuine(delivery.headers, body, PLAIN)
    assert not is_genuine(delivery.headers, json.dumps(delivery.said).encode(), PLAIN), "parsed and written again"


@pytest.mark.parametrize("seconds", [-301, 301])
async def test_what_was_kept_and_sent_again_is_not(
    is_genuine: IsGenuine, delivery: Delivery, clock: FakeClock, seconds: float
) -> None:
    clock.jump(seconds)
    assert not is_genuine(delivery.headers, delivery.body, PLAIN)
    clock.jump(-seconds)
    assert is_genuine(delivery.headers, delivery.body, PLAIN)


def test_the_page_shows_a_body_as_it_is(delivery: Delivery) -> None:
    shown = json.loads(block("json"))
    assert list(shown) == list(delivery.said)
    assert {key: type(value) for key, value in shown.items()} == {key: type(v) for key, v in delivery.said.items()}


def test_the_page_says_when_a_delivery_is_tried_again_and_what_is_sent() -> None:
    text = " ".join(PAGE.read_text().split())
    spelled = [spell_duration(wait).replace("m", " min").replace("s", " s") for wait in WAITS]
    assert f"after {', '.join(spelled[:-1])} and {spelled[-1]}," in text
    assert (len(WAITS), PATIENCE) == (7, 3.0)
    for event in TOLD:
        assert f"| `{event.value}` |" in text
