"""Events reach a real receiver in their order, again until they are heard, and harm nobody when they are not."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from proxy.core.secret import Secret
from proxy.net.endpoint import Endpoint
from proxy.net.runtime import Runtime
from proxy.telemetry.events import EventLog, EventName
from proxy.telemetry.metrics import WEBHOOK_OUTCOMES, Metrics
from proxy.tokens.delivery import WebhookSettings
from proxy.tokens.notice import sign
from proxy.tokens.webhook import AT_ONCE, JITTER, LONGEST_WAIT, QUEUE, WAITS, Webhook
from tests.fakes.clock import FakeClock
from tests.fakes.receiver import Receiver
from tests.fakes.until import until

SECRET: Final = "a-webhook-secret-of-the-tests"
FAILED, RECOVERED, NEEDS_PERSON = (
    EventName.REFRESH_FAILED,
    EventName.REFRESH_RECOVERED,
    EventName.CREDENTIAL_NEEDS_PERSON,
)


def settings(receiver: Receiver, **more: Any) -> WebhookSettings:
    said = {"url": receiver.url, "secret": SECRET, "allow_plain_http": True, **more}
    return WebhookSettings.model_validate(said)


class World:
    """A webhook that listens to an event log and speaks to a receiver."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.clock = FakeClock()
        self.broken: list[str] = []
        self.runtime = Runtime(self.clock, lambda name, error: self.broken.append(f"{name}: {error!r}"))
        self.endpoint = Endpoint(self.clock)
        self.events = EventLog(self.clock)
        self.metrics = Metrics()
        self.luck = 0.0
        self.webhook = Webhook(
            settings(receiver),
            self.runtime,
            self.endpoint,
            self.events,
            self.metrics,
            random=lambda: self.luck,
            instance="replica-1",
        )
        self.events.follow(self.webhook.hear)

    def record(self, event: EventName, credential: str = "billing", **more: Any) -> None:
        self.events.record("warning", event, credential=credential, **more)

    def counted(self) -> dict[str, int]:
        """Return how many notices came to which end, those that are not over left out."""
        lines = self.metrics.render("")[0].decode().splitlines()
        name = "countersign_webhook_deliveries_total"
        found = {one: f'{name}{{outcome="{one}"}} ' for one in WEBHOOK_OUTCOMES}
        counts = {
            one: int(float(line[len(start) :])) for one, start in found.items() for line in lines if start in line
        }
        return {one: count for one, count in counts.items() if count}

    def told(self) -> list[tuple[EventName, str | None]]:
        """Return what the event log says of the webhook itself, in order."""
        own = (EventName.WEBHOOK_FAILED, EventName.WEBHOOK_RECOVERED)
        return [(event.event, event.reason) for event in reversed(self.events.query().events) if event.event in own]

    async def arrived(self, count: int) -> None:
        """Return once so many requests have arrived, and nobody works on one any more."""
        await until(lambda: len(self.receiver.deliveries) >= count)
        await self.rest()

    async def rest(self) -> None:
        """Return once every lane waits for its next try, or is empty."""
        await until(lambda: self.clock.sleepers >= len(self.lanes()))

    def lanes(self) -> list[str]:
        """Return the names of tasks that work for the webhook."""
        return [
            name
            for task in asyncio.all_tasks()
            if (name := task.get_name()).startswith("webhook of ") and "waits" not in name
        ]

    async def close(self) -> None:
        await self.webhook.close(0.05)
        await self.runtime.close()
        await self.endpoint.close()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with Receiver() as receiver:
        made = World(receiver)
        yield made
        await made.close()
        assert made.broken == []
        assert made.runtime.tasks == 0


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let that many wait, so that a test need not send a thousand."""
    assert QUEUE == 1000
    monkeypatch.setattr("proxy.tokens.webhook.QUEUE", 30)
    return 30


async def test_a_failure_is_told_with_what_is_known_of_it(world: World) -> None:
    world.record(NEEDS_PERSON, reason="invalid_grant", detail="POST auth.example answered 400")
    await world.arrived(1)
    [got] = world.receiver.deliveries
    assert got.said | {"id": None, "time": None} == {
        "id": None,
        "type": "credential_needs_person",
        "time": None,
        "credential": "billing",
        "reason": "invalid_grant",
        "detail": "POST auth.example answered 400",
        "instance": "replica-1",
        "attempt": 1,
    }
    await until(lambda: world.counted() == {"delivered": 1})
    assert (world.told(), world.webhook.waiting) == ([], 0)


async def test_three_kinds_of_events_are_told_and_no_other(world: World) -> None:
    for event in EventName:
        world.record(event)
    await world.arrived(3)
    assert world.receiver.types == ["refresh_failed", "refresh_recovered", "credential_needs_person"]


async def test_hearing_takes_no_time_and_waits_for_nobody(world: World) -> None:
    world.receiver.hold()
    world.record(FAILED)
    assert world.receiver.deliveries == []
    assert world.webhook.waiting == 1


async def test_without_settings_nothing_is_sent(world: World) -> None:
    world.webhook.update(None)
    world.record(FAILED)
    await world.clock.settle()
    assert (world.webhook.waiting, world.counted(), world.lanes()) == (0, {}, [])


async def test_a_try_that_fails_is_repeated_under_the_same_id_and_signed_anew(world: World) -> None:
    world.receiver.statuses.extend([503, 503])
    world.record(FAILED)
    await world.arrived(1)
    await world.clock.advance(seconds=WAITS[0])
    await world.arrived(2)
    await world.clock.advance(seconds=WAITS[1])
    await world.arrived(3)
    first, second, third = world.receiver.deliveries
    assert first.said["id"] == second.said["id"] == third.said["id"] == third.headers["webhook-id"]
    assert [one.said["attempt"] for one in (first, second, third)] == [1, 2, 3]
    times = [int(one.headers["webhook-timestamp"]) for one in (first, second, third)]
    assert [later - times[0] for later in times] == [0, 1, 6]
    for one, at in zip((first, second, third), times, strict=True):
        assert one.headers["webhook-signature"] == sign([Secret(SECRET)], one.said["id"], at, one.body)


async def test_eight_tries_within_about_an_hour_and_then_it_is_given_up(world: World) -> None:
    world.receiver.status = 500
    began, tried = world.clock.monotonic(), []
    world.record(FAILED)
    for count in range(1, len(WAITS) + 2):
        await world.arrived(count)
        tried.append(world.clock.monotonic() - began)
        if count <= len(WAITS):
            await world.clock.advance(seconds=WAITS[count - 1] - 0.01)
            assert len(world.receiver.deliveries) == count
            await world.clock.advance(seconds=0.01)
    assert tried == pytest.approx([0, 1, 6, 36, 156, 756, 1956, 3756])
    await until(lambda: world.counted() == {"given_up": 1})
    await world.clock.advance(hours=10)
    assert len(world.receiver.deliveries) == 8
    assert world.told() == [(EventName.WEBHOOK_FAILED, "status")]


async def test_chance_takes_a_part_off_each_wait(world: World) -> None:
    world.luck = 0.999
    world.receiver.statuses.append(500)
    world.record(FAILED)
    await world.arrived(1)
    await world.clock.advance(seconds=WAITS[0] * (1 - JITTER) + 0.01)
    await world.arrived(2)
    assert world.counted() == {"delivered": 1}


@pytest.mark.parametrize(("asked", "waited"), [(0, WAITS[0]), (90, 90), (10**6, LONGEST_WAIT)])
async def test_a_receiver_that_asks_for_time_gets_it_within_reason(world: World, asked: int, waited: float) -> None:
    world.receiver.statuses.append(429)
    world.receiver.headers = {"Retry-After": str(asked)}
    world.record(FAILED)
    await world.arrived(1)
    await world.clock.advance(seconds=waited - 0.01)
    assert len(world.receiver.deliveries) == 1
    await world.clock.advance(seconds=0.01)
    await world.arrived(2)
    assert world.counted() == {"delivered": 1}


async def test_what_happened_to_one_credential_arrives_in_its_order(world: World) -> None:
    world.receiver.statuses.append(500)
    for event in (FAILED, NEEDS_PERSON, RECOVERED):
        world.record(event)
    await world.arrived(1)
    assert world.receiver.types == ["refresh_failed"]
    await world.clock.advance(seconds=WAITS[0])
    await world.arrived(4)
    assert world.receiver.types[1:] == ["refresh_failed", "credential_needs_person", "refresh_recovered"]


async def test_a_notice_that_is_refused_does_not_hold_up_other_credentials(world: World) -> None:
    world.receiver.refuses = lambda delivery: delivery.said["credential"] == "odd"
    world.record(FAILED, "odd")
    world.record(FAILED, "billing")
    await until(lambda: world.counted() == {"delivered": 1})
    assert world.webhook.waiting == 1


async def test_a_slow_receiver_is_asked_a_few_at_a_time(world: World) -> None:
    world.receiver.hold()
    for number in range(3 * AT_ONCE):
        world.record(FAILED, f"credential-{number}")
    await until(lambda: len(world.receiver.deliveries) == AT_ONCE)
    await world.clock.settle()
    assert len(world.receiver.deliveries) == AT_ONCE
    world.receiver.release()
    await until(lambda: world.counted() == {"delivered": 3 * AT_ONCE})


async def test_a_failing_receiver_is_said_once_and_its_recovery_once(world: World) -> None:
    world.receiver.statuses.extend([500, 500, 500])
    world.record(FAILED)
    for count, wait in enumerate(WAITS[:3], 1):
        await world.arrived(count)
        await world.clock.advance(seconds=wait)
    await until(lambda: world.counted() == {"delivered": 1})
    assert world.told() == [(EventName.WEBHOOK_FAILED, "status"), (EventName.WEBHOOK_RECOVERED, None)]
    [failed] = [event for event in world.events.query().events if event.event is EventName.WEBHOOK_FAILED]
    assert failed.detail == f"POST 127.0.0.1:{world.receiver.port} answered 500"
    assert "s3cret-path" not in repr(world.events.query())


async def test_a_receiver_that_is_gone_is_sent_nothing_more_until_the_settings_change(world: World) -> None:
    world.receiver.statuses.append(410)
    world.record(FAILED)
    world.record(RECOVERED)
    await until(lambda: world.counted() == {"gone": 2})
    world.record(FAILED, "other")
    await world.clock.advance(hours=10)
    assert (len(world.receiver.deliveries), world.counted()) == (1, {"gone": 3})
    assert world.told() == [(EventName.WEBHOOK_FAILED, "gone")]
    world.webhook.update(settings(world.receiver))
    world.record(FAILED)
    await world.clock.settle()
    assert len(world.receiver.deliveries) == 1, "a reload that changes nothing changes nothing"
    world.webhook.update(settings(world.receiver, secret="another-webhook-secret-of-the-tests"))
    world.record(FAILED)
    await until(lambda: world.counted() == {"gone": 4, "delivered": 1})
    assert world.told()[1:] == [(EventName.WEBHOOK_RECOVERED, None)]


async def test_that_a_failing_receiver_is_gone_is_news(world: World) -> None:
    world.receiver.statuses.extend([500, 410])
    world.record(FAILED)
    await world.arrived(1)
    await world.clock.advance(seconds=WAITS[0])
    await until(lambda: world.counted() == {"gone": 1})
    assert world.told() == [(EventName.WEBHOOK_FAILED, "status"), (EventName.WEBHOOK_FAILED, "gone")]


async def test_a_delivery_that_crosses_with_a_gone_is_no_recovery(world: World) -> None:
    world.receiver.hold()
    world.receiver.statuses.extend([410, 204])
    world.record(FAILED)
    world.record(FAILED, "other")
    await until(lambda: len(world.receiver.deliveries) == 2)
    world.receiver.release()
    await until(lambda: not world.lanes())
    assert (world.counted(), world.told()) == ({"gone": 2}, [(EventName.WEBHOOK_FAILED, "gone")])


async def test_who_still_waits_for_a_turn_when_the_receiver_is_gone_takes_none(world: World) -> None:
    world.receiver.hold()
    world.receiver.status = 410
    for number in range(AT_ONCE + 2):
        world.record(FAILED, f"credential-{number}")
    await until(lambda: len(world.receiver.deliveries) == AT_ONCE)
    world.receiver.release()
    await until(lambda: not world.lanes())
    assert (world.counted(), len(world.receiver.deliveries)) == ({"gone": AT_ONCE + 2}, AT_ONCE)


async def test_new_settings_are_tried_at_once_with_what_waits(world: World) -> None:
    world.receiver.status = 500
    world.record(FAILED)
    for count, wait in enumerate(WAITS[:3], 1):
        await world.arrived(count)
        await world.clock.advance(seconds=wait)
    await world.arrived(4)
    async with Receiver() as other:
        world.webhook.update(settings(other, secret="another-webhook-secret-of-the-tests"))
        await until(lambda: world.counted() == {"delivered": 1})
        [got] = other.deliveries
    assert got.said["id"] == world.receiver.deliveries[0].said["id"]
    assert got.said["attempt"] == 1
    assert world.clock.sleepers == 0, "nothing is left of the wait that was cut short"
    at = int(got.headers["webhook-timestamp"])
    another = Secret("another-webhook-secret-of-the-tests")
    assert got.headers["webhook-signature"] == sign([another], got.said["id"], at, got.body)


async def test_what_the_old_address_answers_late_does_not_count_against_the_new_one(world: World) -> None:
    world.receiver.hold()
    world.receiver.status = 410
    world.record(FAILED)
    await until(lambda: world.receiver.deliveries)
    async with Receiver() as other:
        world.webhook.update(settings(other))
        world.receiver.release()
        await until(lambda: world.counted() == {"delivered": 1})
        assert other.types == ["refresh_failed"]
    assert world.told() == []


async def test_a_webhook_that_is_taken_away_leaves_nothing_waiting(world: World) -> None:
    world.receiver.status = 500
    world.record(FAILED)
    world.record(RECOVERED)
    await world.arrived(1)
    world.webhook.update(None)
    await until(lambda: not world.lanes())
    assert (world.webhook.waiting, world.counted()) == (0, {"dropped": 2})


async def test_of_too_many_the_oldest_are_dropped_and_that_is_said_once(few: int, world: World) -> None:
    world.receiver.hold()
    for number in range(few + 3):
        world.record(FAILED, f"credential-{number % 7}", detail=str(number))
    assert world.webhook.waiting == few
    assert world.counted() == {"dropped": 3}
    assert world.told() == [(EventName.WEBHOOK_FAILED, "queue_full")]
    world.receiver.release()
    await until(lambda: world.counted() == {"delivered": few, "dropped": 3})
    numbers = [int(delivery.said["detail"]) for delivery in world.receiver.deliveries]
    assert sorted(numbers) == list(range(3, few + 3))
    for credential in range(7):
        own = [number for number in numbers if number % 7 == credential]
        assert own == sorted(own)


async def test_a_notice_that_is_dropped_while_it_waits_gives_way_to_the_next(few: int, world: World) -> None:
    world.receiver.statuses.append(500)
    for number in range(few):
        world.record(FAILED, detail=str(number))
    await world.arrived(1)
    world.record(RECOVERED, detail=str(few))
    await until(lambda: world.webhook.waiting == 0)
    numbers = [int(delivery.said["detail"]) for delivery in world.receiver.deliveries]
    assert numbers == [0, *range(1, few + 1)]
    assert world.counted() == {"delivered": few, "dropped": 1}


@pytest.mark.parametrize("answer", [204, 500, 410])
async def test_the_answer_to_a_notice_that_was_dropped_meanwhile_concerns_no_other(
    few: int, world: World, answer: int
) -> None:
    world.receiver.hold()
    world.receiver.statuses.append(answer)
    for number in range(few + 1):
        if number == few:
            await until(lambda: world.receiver.deliveries)
        world.record(FAILED, detail=str(number))
    world.receiver.release()
    await until(lambda: world.webhook.waiting == 0)
    assert [int(delivery.said["detail"]) for delivery in world.receiver.deliveries] == list(range(few + 1))
    assert world.counted() == {"delivered": few, "dropped": 1}


async def test_the_end_of_the_process_waits_for_what_is_under_way(world: World) -> None:
    world.receiver.hold()
    world.record(FAILED)
    await until(lambda: world.receiver.deliveries)
    closing = asyncio.create_task(world.webhook.close(5.0))
    await world.clock.settle()
    assert not closing.done()
    world.record(FAILED, "too-late")
    assert world.webhook.waiting == 1
    world.receiver.release()
    await closing
    assert (world.counted(), world.receiver.types) == ({"delivered": 1}, ["refresh_failed"])


async def test_the_end_of_the_process_is_a_last_chance_for_what_waits(world: World) -> None:
    world.receiver.statuses.append(500)
    world.record(FAILED)
    world.record(RECOVERED)
    await world.arrived(1)
    await world.webhook.close(5.0)
    assert world.receiver.types == ["refresh_failed", "refresh_failed", "refresh_recovered"]
    assert (world.counted(), world.lanes()) == ({"delivered": 2}, [])


async def test_what_fails_at_the_end_is_not_tried_again(world: World) -> None:
    world.receiver.status = 500
    world.record(FAILED)
    world.record(RECOVERED)
    await world.arrived(1)
    await world.webhook.close(5.0)
    assert world.receiver.types == ["refresh_failed", "refresh_failed", "refresh_recovered"]
    assert world.counted() == {"dropped": 2}


async def test_the_end_of_the_process_does_not_wait_for_long(world: World) -> None:
    world.receiver.hold()
    world.record(FAILED)
    world.record(RECOVERED)
    await until(lambda: world.receiver.deliveries)
    async with asyncio.timeout(2):
        await world.webhook.close(0.05)
    assert (world.counted(), world.lanes(), world.webhook.waiting) == ({"dropped": 2}, [], 0)


async def test_a_webhook_shows_neither_secret_nor_address(world: World) -> None:
    assert repr(world.webhook) == "<Webhook on, 0 waiting>"
    world.webhook.update(None)
    assert repr(world.webhook) == "<Webhook off, 0 waiting>"
