"""More than two hundred odd replies of token endpoints, byte for byte over a real socket, each with its outcome."""

import math
from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxy.core.symptom import Symptom, TokenRequestError
from proxy.core.token import Token
from proxy.credentials import KINDS
from proxy.credentials.base import Credential
from proxy.credentials.trial import trial
from proxy.net.endpoint import Endpoint
from tests.fakes.clock import FakeClock
from tests.fakes.raw_server import RawServer, Step, close, request, reset, send
from tests.faults.odd_replies import CHAPTERS, TABLE
from tests.faults.odd_replies.row import NOW, USUAL, Odd, Outcome

PATIENCE = "200ms"
"""For those who say nothing; the others are given longer."""


class HurriedFakeClock(FakeClock):
    """Nobody who waits waits, and it is always the same moment."""

    async def sleep(self, seconds: float) -> None:
        """Return at once."""


class Bench:
    """Credentials that ask a server of raw bytes."""

    def __init__(self) -> None:
        self.clock = HurriedFakeClock(NOW)
        self.endpoint = Endpoint(self.clock)

    def credential(self, kind: str, odd: Odd, url: str) -> Credential:
        is_slow = Symptom.TIMEOUT in {odd.plain, odd.oauth}
        patience = PATIENCE if is_slow else "10s"
        settings: dict[str, Any] = {"kind": kind, "allow_plain_http": True}
        if kind == "http_request":
            settings |= {"request": {"url": url, "form": {"client_secret": "s3cret"}, "timeout": patience}}
            settings |= {**USUAL, **odd.given}
        else:
            settings |= {"token_url": url, "client_id": "me", "client_secret": "s3cret", "timeout": patience}
        return KINDS[kind]("main", KINDS[kind].Settings.model_validate(settings), self.endpoint, self.clock)

    async def outcome(self, kind: str, odd: Odd) -> tuple[Outcome, str]:
        """Return what becomes of it and the token that was found."""
        async with RawServer(scripts=[script(odd)]) as server:
            try:
                token = await self.credential(kind, odd, server.url).fetch(None)
            except TokenRequestError as error:
                return error.symptom, odd.token if "s3cret" not in str(error) else str(error)
        return life(token), token.value.reveal()


def life(token: Token) -> float:
    return math.inf if token.expires_at is None else round(token.expires_at - token.issued_at, 3)


def script(odd: Odd) -> list[Step]:
    drip = range(1, len(odd.wire)) if odd.drips else None
    ends: dict[str, list[Step]] = {"close": [close], "reset": [reset], "stay": []}
    return [request(), send(odd.wire, split=drip), *ends[odd.end]]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.endpoint.close()


@pytest.mark.parametrize("odd", TABLE, ids=lambda odd: odd.words)
async def test_a_token_out_of_any_request_is_as_documented(bench: Bench, odd: Odd) -> None:
    assert await bench.outcome("http_request", odd) == (odd.plain, odd.token)


@pytest.mark.parametrize("odd", [odd for odd in TABLE if odd.oauth is not None], ids=lambda odd: odd.words)
async def test_a_token_of_oauth_is_as_documented(bench: Bench, odd: Odd) -> None:
    assert await bench.outcome("client_credentials", odd) == (odd.oauth, odd.token)


@pytest.mark.parametrize("odd", CHAPTERS["A life in seconds or milliseconds"], ids=lambda odd: odd.words)
async def test_a_trial_doubts_a_life_that_is_most_likely_of_another_unit(bench: Bench, odd: Odd) -> None:
    async with RawServer(scripts=[script(odd)]) as server:
        tried = await trial(bench.credential("http_request", odd, server.url))
    assert (tried.diagnosis.code == Symptom.EXPIRY_DOUBTFUL.code) is odd.doubtful
    assert tried.lifetime == (pytest.approx(odd.plain) if isinstance(odd.plain, int | float) else None)


def test_the_table_has_more_rows_than_it_needs_and_each_says_what_it_is_about() -> None:
    assert len(TABLE) >= 60
    assert len({(odd.words, odd.wire, str(odd.given)) for odd in TABLE}) == len(TABLE)
    for chapter in CHAPTERS.values():
        assert len({odd.words for odd in chapter}) == len(chapter)
