"""Two vendors' own SDKs work unchanged with their base address and their key set to ours."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import openai
import pytest
import stripe

from tests.fakes.process import Proxy, Swift
from tests.fakes.vendor_api import OPENAI_KEY, STRIPE_KEY, WORDS, VendorApi

CALLER_KEY: Final = "csk-a-key-of-one-of-our-services"


@asynccontextmanager
async def proxied() -> AsyncIterator[tuple[VendorApi, Proxy]]:
    """Start the vendors' API and the proxy before it."""
    digest = hashlib.sha256(CALLER_KEY.encode()).hexdigest()
    async with VendorApi() as api:
        config = f"""
callers: {{service: {{kind: api_key, keys: ['sha256:{digest}']}}}}
credentials:
  stripe: {{kind: text, value: {STRIPE_KEY}, inject: [{{kind: header, name: Authorization, prefix: "Bearer "}}]}}
  openai: {{kind: text, value: {OPENAI_KEY}, inject: [{{kind: header, name: Authorization, prefix: "Bearer "}}]}}
routes:
  stripe: {{match: {{path: /stripe/}}, upstream: '{api.url}', callers: [service], credential: stripe}}
  openai: {{match: {{path: /openai/}}, upstream: '{api.url}', callers: [service], credential: openai}}
"""
        async with Swift(config) as proxy:
            yield api, proxy


def stripe_client(proxy: Proxy, key: str = CALLER_KEY) -> stripe.StripeClient:
    """Return Stripe's client, with base address and key set to ours."""
    return stripe.StripeClient(key, base_addresses={"api": f"{proxy.url}/stripe"}, max_network_retries=0)


def openai_client(proxy: Proxy, key: str = CALLER_KEY, retries: int = 0) -> openai.AsyncOpenAI:
    """Return OpenAI's client, with base address and key set to ours."""
    return openai.AsyncOpenAI(base_url=f"{proxy.url}/openai/v1", api_key=key, max_retries=retries)


async def test_stripe_creates_retrieves_and_lists_customers() -> None:
    async with proxied() as (api, proxy):
        customers = stripe_client(proxy).v1.customers
        made = [
            await asyncio.to_thread(
                customers.create,
                params={"name": f"Jane & Söhne {n}", "email": "j@x.example", "metadata": {"a b": "c+d=e"}},
                options={"idempotency_key": f"key-{n}"},
            )
            for n in range(3)
        ]
        again = await asyncio.to_thread(
            customers.create, params={"name": "Somebody"}, options={"idempotency_key": "key-0"}
        )
        assert again.id == made[0].id
        found = await asyncio.to_thread(customers.retrieve, made[1].id)
        assert found.name == "Jane & Söhne 1"
        assert found.metadata is not None
        assert found.metadata["a b"] == "c+d=e"
        page = await asyncio.to_thread(customers.list, params={"limit": 2})
        everybody = await asyncio.to_thread(lambda: [customer.id for customer in page.auto_paging_iter()])
        assert everybody == [customer.id for customer in made]
        assert len(api.customers) == 3
        check_headers(api)


async def test_stripes_errors_are_the_vendors_own() -> None:
    async with proxied() as (_, proxy):
        with pytest.raises(stripe.InvalidRequestError, match="No such customer") as missing:
            await asyncio.to_thread(stripe_client(proxy).v1.customers.retrieve, "cus_nobody")
        assert missing.value.http_status == 404


async def test_stripe_with_a_wrong_key_is_refused_by_us() -> None:
    async with proxied() as (api, proxy):
        with pytest.raises(stripe.APIError, match="caller-unauthenticated") as refused:
            await asyncio.to_thread(stripe_client(proxy, "csk-wrong").v1.customers.retrieve, "cus_0")
        assert refused.value.http_status == 401
        assert api.requests == []


async def test_openai_completes_a_chat() -> None:
    async with proxied() as (api, proxy), openai_client(proxy) as client:
        completion = await client.chat.completions.create(
            model="gpt-test", messages=[{"role": "user", "content": "What does Countersign do? ☃"}]
        )
        assert completion.choices[0].message.content == "".join(WORDS)
        check_headers(api)


async def test_openai_streams_word_by_word() -> None:
    async with proxied() as (api, proxy), openai_client(proxy) as client:
        api.go_on.clear()
        stream = await client.chat.completions.create(
            model="gpt-test", messages=[{"role": "user", "content": "Hello"}], stream=True
        )
        words = []
        async for chunk in stream:
            words.append(chunk.choices[0].delta.content)
            api.go_on.set()  # the rest is only sent once the first word is here: nothing is held back on the way
        assert words == list(WORDS)
        check_headers(api)


async def test_openai_retries_what_the_vendor_fails() -> None:
    async with proxied() as (api, proxy), openai_client(proxy, retries=1) as client:
        api.failures = 1
        completion = await client.chat.completions.create(
            model="gpt-test", messages=[{"role": "user", "content": "Hello"}]
        )
        assert completion.choices[0].finish_reason == "stop"
        assert len(api.requests) == 2


async def test_openai_with_a_wrong_key_is_refused_by_us() -> None:
    async with proxied() as (api, proxy), openai_client(proxy, "csk-wrong") as client:
        with pytest.raises(openai.AuthenticationError):
            await client.chat.completions.create(model="gpt-test", messages=[{"role": "user", "content": "Hello"}])
        assert api.requests == []


def check_headers(api: VendorApi) -> None:
    """Every request carried the vendor's key and nothing of ours, and the SDK's own headers."""
    for _, _, headers in api.requests:
        assert CALLER_KEY not in repr(headers)
        names = {name.lower() for name in headers}
        assert "user-agent" in names
        assert [name for name in names if name.startswith(("x-stripe-client", "x-stainless"))]
