import json
from collections.abc import Iterator

import pytest
import structlog

from proxy.core.secret import Secret
from proxy.telemetry.events import LONGEST_PAGE, Event, EventLog, EventName
from tests.fakes.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(now=1_800_000_000.0)


@pytest.fixture
def said() -> Iterator[list[structlog.typing.EventDict]]:
    with structlog.testing.capture_logs() as said:
        yield said


def test_an_event_is_remembered_and_said(clock: FakeClock, said: list[structlog.typing.EventDict]) -> None:
    log = EventLog(clock)
    log.record(
        "warning",
        EventName.REFRESH_FAILED,
        credential="billing",
        reason="provider_5xx",
        detail="answered 503",
        attempt=2,
    )
    (event,) = log.query().events
    assert (event.id, event.time, event.level, event.event) == (
        1,
        1_800_000_000.0,
        "warning",
        EventName.REFRESH_FAILED,
    )
    assert (event.credential, event.route, event.reason, event.detail) == (
        "billing",
        None,
        "provider_5xx",
        "answered 503",
    )
    assert event.fields == {"attempt": 2}
    assert said == [
        {
            "log_level": "warning",
            "event": "refresh_failed",
            "credential": "billing",
            "reason": "provider_5xx",
            "detail": "answered 503",
            "attempt": 2,
        }
    ]


def test_no_secret_is_remembered_or_said(clock: FakeClock, said: list[structlog.typing.EventDict]) -> None:
    secret = Secret("MARKER-secret")
    log = EventLog(clock)
    log.record(
        "error",
        EventName.REFRESH_FAILED,
        user=secret.reveal(),
        reason=secret.reveal(),
        detail=f"provider said {secret.reveal()}",
        url=f"https://auth.example/{secret.reveal()}?x=MARKER",
    )
    assert "MARKER" not in repr(log.query())
    assert "MARKER" not in json.dumps(said)


def test_the_newest_comes_first_and_the_oldest_is_forgotten(clock: FakeClock) -> None:
    log = EventLog(clock, size=3)
    for number in range(5):
        log.record("info", EventName.TOKEN_FETCHED, generation=number)
    assert [event.id for event in log.query().events] == [5, 4, 3]


async def test_filters_narrow_down_what_is_returned(clock: FakeClock) -> None:
    log = EventLog(clock)
    log.record("info", EventName.TOKEN_FETCHED, credential="billing")
    log.record("warning", EventName.REFRESH_FAILED, credential="billing")
    await clock.advance(seconds=60)
    log.record("error", EventName.BREAKER_OPENED, route="billing")
    log.record("debug", EventName.REJECTED_AGAIN, route="maps", user="ada")
    assert [event.id for event in log.query(credential="billing").events] == [2, 1]
    assert [event.id for event in log.query(route="billing").events] == [3]
    assert [event.id for event in log.query(user="ada").events] == [4]
    assert [event.id for event in log.query(level="warning").events] == [3, 2]
    assert [event.id for event in log.query(since=1_800_000_060.0).events] == [4, 3]
    assert [event.id for event in log.query(credential="billing", level="error").events] == []


def test_pages_neither_overlap_nor_leave_out(clock: FakeClock) -> None:
    log = EventLog(clock)
    for number in range(7):
        log.record("info" if number % 2 else "error", EventName.TOKEN_FETCHED)
    seen: list[int] = []
    cursor = None
    while True:
        page = log.query(level="error", limit=2, cursor=cursor)
        seen += [event.id for event in page.events]
        log.record("error", EventName.REFRESH_FAILED)  # what happens meanwhile belongs to no older page
        if (cursor := page.cursor) is None:
            break
    assert seen == [7, 5, 3, 1]


def test_a_page_that_is_just_full_is_the_last_one(clock: FakeClock) -> None:
    log = EventLog(clock)
    for _ in range(4):
        log.record("info", EventName.TOKEN_FETCHED)
    page = log.query(limit=2, cursor=3)
    assert ([event.id for event in page.events], page.cursor) == ([2, 1], None)


@pytest.mark.parametrize(("limit", "length"), [(0, 1), (-3, 1), (10**9, LONGEST_PAGE)])
def test_a_page_is_bounded(clock: FakeClock, limit: int, length: int) -> None:
    log = EventLog(clock)
    for _ in range(LONGEST_PAGE + 1):
        log.record("info", EventName.TOKEN_FETCHED)
    assert len(log.query(limit=limit).events) == length


def test_an_empty_log_has_an_empty_page(clock: FakeClock) -> None:
    page = EventLog(clock).query()
    assert (page.events, page.cursor) == ((), None)


def test_a_follower_is_told_of_each_event_as_it_is_recorded(clock: FakeClock) -> None:
    log, told = EventLog(clock), list[Event]()
    log.record("info", EventName.STARTED)
    log.follow(told.append)
    log.record("warning", EventName.REFRESH_FAILED, credential="billing", attempt=2)
    assert told == list(log.query().events)[:1]
    log.record("info", EventName.REFRESH_RECOVERED, credential="billing")
    assert [event.event for event in told] == [EventName.REFRESH_FAILED, EventName.REFRESH_RECOVERED]


def test_a_follower_is_told_no_secret(clock: FakeClock) -> None:
    secret = Secret("MARKER-secret")
    log, told = EventLog(clock), list[Event]()
    log.follow(told.append)
    log.record("error", EventName.REFRESH_FAILED, detail=f"provider said {secret.reveal()}", url=secret.reveal())
    assert "MARKER" not in repr(told)


def test_a_follower_that_fails_harms_neither_who_records_nor_the_other_followers(
    clock: FakeClock, said: list[structlog.typing.EventDict]
) -> None:
    secret = Secret("MARKER-secret")
    log, told = EventLog(clock), list[Event]()

    def broken(event: Event) -> None:
        raise ValueError(f"cannot take {event.event}: {secret.reveal()}")

    log.follow(broken)
    log.follow(told.append)
    log.record("info", EventName.TOKEN_FETCHED, credential="billing")
    assert [event.event for event in told] == [EventName.TOKEN_FETCHED]
    assert [(line["event"], line["log_level"]) for line in said] == [
        ("token_fetched", "info"),
        ("task_failed", "error"),
    ]
    assert said[1]["detail"] == "a follower of token_fetched: ValueError: cannot take token_fetched: ***"
    assert [event.event for event in log.query().events] == [EventName.TASK_FAILED, EventName.TOKEN_FETCHED]


def test_a_follower_may_record_what_it_finds(clock: FakeClock) -> None:
    log, told = EventLog(clock), list[EventName]()

    def answering(event: Event) -> None:
        told.append(event.event)
        if event.event is EventName.REFRESH_FAILED:
            log.record("warning", EventName.WEBHOOK_FAILED)

    log.follow(answering)
    log.record("warning", EventName.REFRESH_FAILED)
    assert told == [EventName.REFRESH_FAILED, EventName.WEBHOOK_FAILED]
    assert [event.id for event in log.query().events] == [2, 1]
