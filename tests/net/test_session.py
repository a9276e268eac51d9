"""The session does nothing that nobody asked for."""

import aiohttp
import pytest

from proxy.net.session import open_session
from tests.fakes.token_server import TokenServer


async def test_a_broken_idempotent_request_is_not_sent_again() -> None:
    async with TokenServer() as server, open_session() as session:
        server.knobs.drop = True
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await session.get(server.url)
        assert server.count == 1


async def test_the_switch_against_silent_retries_still_exists() -> None:
    async with aiohttp.ClientSession() as session:
        assert session._retry_connection is True


async def test_no_cookie_is_kept() -> None:
    async with TokenServer() as server, open_session() as session:
        server.knobs.headers = {"Set-Cookie": "a=b"}
        url = server.url.replace("127.0.0.1", "localhost")
        for _ in range(2):
            async with session.get(url):
                pass
        assert "Cookie" not in server.requests[1].headers


async def test_the_environment_is_not_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with TokenServer() as server, open_session() as session, session.get(server.url) as answer:
        assert answer.status == 200


async def test_each_connection_serves_one_call() -> None:
    async with TokenServer() as server, open_session() as session:
        async with session.get(server.url) as answer:
            await answer.read()
        assert session.connector is not None
        assert server.requests[0].headers.get("Connection") == "close"
