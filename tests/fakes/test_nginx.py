"""The nginx of the tests asks the token server, and keeps what it is sent."""

import hashlib
from pathlib import Path

import aiohttp
import pytest

from tests.fakes import nginx
from tests.fakes.httpbin import Httpbin
from tests.fakes.nginx import Nginx
from tests.fakes.token_server import TokenServer


@pytest.mark.skipif(nginx.BINARY is None, reason=nginx.MISSING)
async def test_a_good_token_opens_what_a_revoked_one_does_not(tmp_path: Path) -> None:
    body = b"0123456789abcdef" * 8192
    async with (
        TokenServer() as issuer,
        Nginx(tmp_path, token_server=issuer.base) as api,
        aiohttp.ClientSession(api.url) as session,
    ):
        async with session.get("/api/x") as answer:
            assert answer.status == 401
        async with session.post(issuer.url) as answer:
            headers = {"Authorization": f"Bearer {(await answer.json())['access_token']}"}
        async with session.get("/api/x", headers=headers) as answer:
            assert (answer.status, await answer.json()) == (200, {"from": "nginx"})
        async with session.post("/post/one", data=body, headers=headers) as answer:
            assert answer.status == 201
        async with session.put("/upload/two", data=body, headers=headers) as answer:
            assert answer.status == 201
        issuer.revoke_all()
        async with session.post("/post/three", data=body, headers=headers) as answer:
            assert answer.status == 401
    kept = {path.name: hashlib.sha256(path.read_bytes()).digest() for path in api.kept.iterdir()}
    assert kept == {"one": hashlib.sha256(body).digest(), "two": hashlib.sha256(body).digest()}


async def test_httpbin_answers() -> None:
    async with Httpbin() as api, aiohttp.ClientSession(api.url) as session, session.get("/get?a=b") as answer:
        assert (await answer.json())["args"] == {"a": "b"}
