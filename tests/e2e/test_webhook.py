"""A receiver is told by the real process that a credential fails, needs a person and recovers, signed and in order."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp

from proxy.core.secret import Secret
from proxy.tokens.notice import sign
from tests.fakes.process import ADMIN_KEY, Proxy, Swift
from tests.fakes.receiver import Delivery, Receiver
from tests.fakes.token_server import TokenServer
from tests.fakes.world import eventually

SECRET: Final = "a-webhook-secret-of-the-tests"
OTHER: Final = "another-webhook-secret-of-the-tests"
CLIENT_SECRET: Final = "a-client-secret-of-the-tests"
EXPECTED: Final = ("credential_needs_person", "refresh_failed")
"""What stands in log lines of level error that these tests bring about."""
CONFIG: Final = """
events: {{webhook: {{url: '{receiver}', secret: {secret}, allow_plain_http: true}}}}
callers: {{anyone: {{kind: anonymous}}}}
credentials:
  session:
    kind: http_request
    allow_plain_http: true
    request: {{url: '{issuer}', form: {{client_secret: {client_secret}}}}}
    token: {{from: json, path: $.access_token}}
    expiry: {{from: json, path: $.expires_in, type: seconds}}
routes:
  api: {{upstream: 'http://127.0.0.1:1', callers: [anyone], credential: session}}
"""


@dataclass(frozen=True)
class World:
    """Everything that runs."""

    issuer: TokenServer
    receiver: Receiver
    proxy: Proxy
    session: aiohttp.ClientSession

    async def refresh(self) -> int:
        """Have the token fetched now, and return the admin API's answer."""
        url = f"http://127.0.0.1:{self.proxy.admin_port}/api/v1/credentials/session/refresh"
        async with self.session.post(url, headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as answer:
            return answer.status

    async def told(self, count: int) -> Delivery:
        """Wait until that many deliveries have arrived, and return the last."""
        await eventually(lambda: len(self.receiver.deliveries) >= count)
        return self.receiver.deliveries[-1]

    def refuse(self, error: str) -> None:
        """Have the token endpoint refuse with that OAuth error."""
        self.issuer.knobs.status, self.issuer.knobs.body = 400, json.dumps({"error": error})


def configured(receiver: Receiver, issuer: TokenServer, secret: str) -> str:
    return CONFIG.format(receiver=receiver.url, issuer=issuer.url, secret=secret, client_secret=CLIENT_SECRET)


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    async with (
        TokenServer() as issuer,
        Receiver() as receiver,
        aiohttp.ClientSession() as session,
        Swift(configured(receiver, issuer, SECRET), expected_errors=EXPECTED) as proxy,
    ):
        yield World(issuer, receiver, proxy, session)


def is_signed(delivery: Delivery, secret: str) -> bool:
    at = int(delivery.headers["webhook-timestamp"])
    return delivery.headers["webhook-signature"] == sign([Secret(secret)], delivery.said["id"], at, delivery.body)


async def test_each_change_of_a_credential_is_told_once() -> None:
    async with world() as w:
        w.issuer.knobs.status = 503
        assert await w.refresh() == 502
        assert (await w.told(1)).said["reason"] == "provider_5xx"
        w.refuse("invalid_grant")
        for _ in range(3):
            assert await w.refresh() == 502
        assert (await w.told(2)).said["reason"] == "invalid_grant"
        w.issuer.knobs.status, w.issuer.knobs.body = 200, None
        for _ in range(2):
            assert await w.refresh() == 200
        await w.told(3)
        assert w.receiver.types == ["refresh_failed", "credential_needs_person", "refresh_recovered"]
        assert all(is_signed(delivery, SECRET) for delivery in w.receiver.deliveries)
        assert {delivery.said["credential"] for delivery in w.receiver.deliveries} == {"session"}
        samples = await w.proxy.metrics()
        assert samples.of("countersign_webhook_deliveries_total", outcome="delivered") == 3
        everything = b"".join(delivery.body for delivery in w.receiver.deliveries).decode()
        assert not any(secret in everything for secret in (CLIENT_SECRET, SECRET, *w.issuer.issued))
    assert not any(secret in w.proxy.story() for secret in (SECRET, "s3cret-path"))


async def test_a_reload_changes_whom_and_with_which_secret() -> None:
    async with world() as w, Receiver() as other:
        w.refuse("invalid_grant")
        assert await w.refresh() == 502
        assert is_signed(await w.told(2), SECRET)
        w.proxy.write_config(configured(other, w.issuer, OTHER))
        await w.proxy.line_with("config_reloaded")
        w.issuer.knobs.status, w.issuer.knobs.body = 200, None
        assert await w.refresh() == 200
        await eventually(lambda: other.types == ["refresh_recovered"])
        assert is_signed(other.deliveries[0], OTHER)
        assert len(w.receiver.deliveries) == 2


async def test_a_process_that_is_told_to_stop_tries_once_more() -> None:
    async with world() as w:
        w.receiver.status = 503
        w.issuer.knobs.status = 503
        assert await w.refresh() == 502
        first = await w.told(1)
        line = await w.proxy.line_with("webhook_failed")
        assert (line["level"], line["reason"]) == ("warning", "status")
        w.receiver.status = 204
        assert await w.proxy.stop() == 0
        assert w.receiver.deliveries[-1].said["id"] == first.said["id"]
        assert await w.proxy.line_with("webhook_recovered")
