import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from proxy.admin.health import Health, health_app
from proxy.admin.listener import open_listener
from proxy.telemetry.metrics import Metrics


@pytest.fixture
async def port() -> AsyncIterator[int]:
    runner = await open_listener(health_app(Health(), Metrics()), "127.0.0.1", 0)
    yield runner.addresses[0][1]
    await runner.cleanup()


async def exchange(port: int, raw: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /livez HTTP/1.1\r\nHost: a\r\nAuth orization: Bearer MARKER\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer MARKER\x00\r\n\r\n",
        b"GET /MARKER HTTP/9.9\r\nHost: MARKER\r\n\r\n",
        b"MARKER\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nX: " + b"MARKER" * 3000 + b"\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: MARKER\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nMARKER",
    ],
)
async def test_what_cannot_be_read_is_repeated_to_nobody(
    port: int, caplog: pytest.LogCaptureFixture, raw: bytes
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = await exchange(port, raw)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 400 Bad Request\r\n")
    assert b"Content-Type: application/problem+json" in head
    assert b"admin-request-invalid" in body
    for text in (answer.decode(), caplog.text):
        assert "MARKER" not in text
        assert "aiohttp/" not in text
    assert "a request from 127.0.0.1 could not be read: " in caplog.text


async def test_a_mistake_of_ours_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(_: web.Request) -> web.Response:
        raise RuntimeError("MARKER")

    app = web.Application()
    app.router.add_get("/", fail)
    runner = await open_listener(app, "127.0.0.1", 0)
    answer = await exchange(runner.addresses[0][1], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await runner.cleanup()
    assert b" 500 Internal Server Error\r\n" in answer
    assert b"admin-internal" in answer
    assert b"MARKER" not in answer
    assert "RuntimeError: MARKER" in caplog.text


async def test_an_address_that_is_taken_is_an_error(port: int) -> None:
    with pytest.raises(OSError, match=str(port)):
        await open_listener(health_app(Health(), Metrics()), "127.0.0.1", port)


async def test_connections_are_kept_and_end_with_the_runner(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"200 OK" in await reader.readuntil(b"ok\n")
    writer.close()
    await writer.wait_closed()
