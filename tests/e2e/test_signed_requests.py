"""Keys in bodies and signatures of requests, through the real process: with the first key, and with its successor."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import botocore.session
import pytest
from botocore.config import Config
from yarl import URL

from tests.fakes.proc import HAS_PROC
from tests.fakes.process import Proxy
from tests.fakes.signing_api import REGION, UNSIGNED, SigningApi
from tests.fakes.token_server import TokenServer
from tests.fakes.world import eventually

MIB: Final = 1024 * 1024
LOGIN: Final = """
    kind: http_request
    allow_plain_http: true
    request: {{url: '{token_url}'}}
    token: {{from: json, path: SecretAccessKey}}
    save: {{AccessKeyId: {{from: header, name: X-Key-Id}}, SessionToken: {{from: header, name: X-Session}}}}
    inject:
"""
INJECT: Final = {
    "hmac": """
      - kind: hmac
        sign: "{{{{ METHOD }}}}\\n{{{{ PATH }}}}?{{{{ QUERY }}}}\\n{{{{ HEADER_X_DATE }}}}\\n{{{{ BODY_SHA256 }}}}"
        headers: {{X-Date: "{{{{ now(http_date) }}}}"}}
        encoding: base64
        header: Authorization
        value: "HMAC me:{{{{ SIGNATURE }}}}"
""",
    "form": """
      - {{kind: body, form: api_key}}
""",
    "json": """
      - {{kind: body, json: $.auth.key}}
""",
    "aws": """
      - kind: aws_sigv4
        region: {region}
        service: s3
        access_key_id: "{{{{ AccessKeyId }}}}"
        session_token: "{{{{ SessionToken }}}}"
        payload: {payload}
""",
}


@dataclass(frozen=True)
class Scene:
    """Everything that runs."""

    issuer: TokenServer
    api: SigningApi
    proxy: Proxy
    session: aiohttp.ClientSession


@asynccontextmanager
async def scene(payload: str = "signed") -> AsyncIterator[Scene]:
    """Start an issuer of keys, an API that believes them, and the proxy between the API and its callers."""
    async with AsyncExitStack() as stack:
        issuer = await stack.enter_async_context(TokenServer())
        issuer.knobs.token_key = "SecretAccessKey"
        issuer.knobs.headers = {"X-Key-Id": "ASIAEXAMPLE", "X-Session": "the-session"}
        api = await stack.enter_async_context(SigningApi(issuer))
        words = {"token_url": issuer.url, "region": REGION, "payload": payload}
        credentials = "".join(f"  {name}:{(LOGIN + inject).format(**words)}" for name, inject in INJECT.items())
        routes = "".join(
            f"  {name}: {{match: {{path: /{name}/}}, upstream: '{api.url}', strip_prefix: false, callers: [anyone],"
            f" credential: {name}}}\n"
            for name in INJECT
        )
        config = f"callers: {{anyone: {{kind: anonymous}}}}\ncredentials:\n{credentials}routes:\n{routes}"
        proxy = await stack.enter_async_context(Proxy(config))
        session = await stack.enter_async_context(aiohttp.ClientSession(proxy.url))
        yield Scene(issuer, api, proxy, session)


CALLS: Final[dict[str, dict[str, Any]]] = {
    "hmac": {"data": b'{"n": 1.0}', "headers": {"Authorization": "HMAC eve:forged"}},
    "form": {"data": {"a": "b c", "api_key": "mine"}},
    "json": {"json": {"auth": {"key": "mine"}, "n": 1}},
    "aws": {"data": b"hello", "headers": {"X-Amz-Meta-A": "two  spaces", "X-Amz-Date": "20000101T000000Z"}},
}


async def test_a_rejected_key_is_renewed_and_the_same_request_goes_out_with_the_new_one() -> None:
    async with scene() as s:
        for kind in INJECT:
            await rejected_and_replayed(s, kind, f"/{kind}/a%20b?c=%2F&a")
            metrics = await s.proxy.metrics()
            assert metrics.of("countersign_replays_total", route=kind, outcome="succeeded") == 1


async def rejected_and_replayed(s: Scene, kind: str, target: str) -> None:
    """Ask once with a key that is good, and once with one that is not any more."""
    s.api.taken.clear()
    before = s.issuer.count
    for number in (1, 2):
        async with s.session.put(URL(f"{s.proxy.url}{target}", encoded=True), **CALLS[kind]) as answer:
            assert answer.status == 200, kind
        assert s.issuer.count == before + number
        s.issuer.revoke_all()
    assert [taken.status for taken in s.api.taken] == [200, 401, 200]
    assert {taken.path for taken in s.api.taken} == {target}
    if kind in {"hmac", "aws"}:
        assert len({taken.digest for taken in s.api.taken}) == 1
        assert len({taken.headers["Authorization"] for taken in s.api.taken}) > 1


async def test_a_request_that_cannot_take_the_field_is_refused_with_a_problem() -> None:
    async with scene() as s:
        async with s.session.put("/json/x", data=b"[]", headers={"Content-Type": "application/json"}) as answer:
            problem = json.loads(await answer.text())
            assert (answer.status, problem["type"].rpartition("/")[2]) == (400, "request-invalid")
        assert s.api.taken == []


async def upload() -> AsyncIterator[bytes]:
    """Yield 20 MiB without a length."""
    for number in range(20):
        yield bytes([number]) * MIB


DIGEST: Final = hashlib.sha256(b"".join(bytes([number]) * MIB for number in range(20))).hexdigest()


@pytest.mark.parametrize("payload", ["signed", "unsigned"])
async def test_an_upload_of_twenty_mebibytes_streams_and_is_replayed_with_a_new_signature(payload: str) -> None:
    async with scene(payload) as s:
        async with s.session.put("/aws/first", data=b"x") as answer:
            assert answer.status == 200
        s.issuer.revoke_all()
        if HAS_PROC:
            s.proxy.reset_peak()
        before = s.proxy.rss() if HAS_PROC else 0
        async with s.session.put("/aws/large", data=upload()) as answer:
            assert answer.status == 200, await answer.text()
        assert [(taken.status, taken.digest) for taken in s.api.taken[1:]] == [(401, DIGEST), (200, DIGEST)]
        wanted = UNSIGNED if payload == "unsigned" else DIGEST
        assert {taken.headers["X-Amz-Content-SHA256"] for taken in s.api.taken[1:]} == {wanted}
        lengths = {taken.headers.get("Content-Length") for taken in s.api.taken[1:]}
        assert lengths == ({str(20 * MIB)} if payload == "signed" else {None})
        if HAS_PROC:
            assert s.proxy.peak_rss() - before < 12 * MIB
            await eventually(lambda: s.proxy.spooled() == 0)


def put_object(endpoint: str) -> int:
    """Put an object with the SDK of AWS, which signs with keys of nobody; return the status."""
    client = botocore.session.Session().create_client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="nobody",
        aws_secret_access_key="nothing",
        aws_session_token="no-session",
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}),
    )
    try:
        answer = client.put_object(Bucket="bucket", Key="a b/é+", Body=b"hello", Metadata={"one": "two  three"})
        return int(answer["ResponseMetadata"]["HTTPStatusCode"])
    finally:
        client.close()


async def test_the_sdk_of_aws_needs_no_keys_that_anybody_knows() -> None:
    async with scene() as s:
        assert await asyncio.to_thread(put_object, f"{s.proxy.url}/aws") == 200
        (taken,) = s.api.taken
        assert taken.status == 200
        assert taken.path.startswith("/aws/bucket/a%20b/%C3%A9%2B")
        assert "nobody" not in str(taken.headers)
