"""A local API that speaks enough of Stripe's and OpenAI's for their own SDKs: forms, idempotency, pages, streams.

Each part wants its own key as a bearer token and answers 401 in its vendor's shape otherwise.
"""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from tests.fakes.served import Served

STRIPE_KEY: Final = "sk_live_the_real_stripe_key"
OPENAI_KEY: Final = "sk-the-real-openai-key"
WORDS: Final = ("Every ", "request ", "arrives ", "authenticated.")


@dataclass
class VendorApi(Served):
    """Listens on a loopback port while its block runs."""

    customers: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """Method, path with query and headers of everything that arrived."""
    failures: int = 0
    """How many of the next requests are answered 500, for SDKs that retry."""

    def __post_init__(self) -> None:
        self.go_on = asyncio.Event()
        """A stream waits for this behind its first word."""
        self.go_on.set()
        self._by_idempotency_key: dict[str, str] = {}

    def app(self) -> web.Application:
        """Return both vendors' parts."""
        app = web.Application(middlewares=[self._guard])
        app.router.add_post("/v1/customers", self._create)
        app.router.add_get("/v1/customers", self._list)
        app.router.add_get("/v1/customers/{id}", self._retrieve)
        app.router.add_post("/v1/chat/completions", self._complete)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append((request.method, request.path_qs, dict(request.headers)))
        if self.failures > 0:
            self.failures -= 1
            return _error(500, "api_error", "A failure that was asked for.")
        key = OPENAI_KEY if "chat" in request.path else STRIPE_KEY
        if request.headers.getall("Authorization", []) != [f"Bearer {key}"]:
            return _error(401, "invalid_request_error", "Invalid API Key provided")
        response: web.StreamResponse = await handler(request)
        return response

    async def _create(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        known = self._by_idempotency_key.get(request.headers.get("Idempotency-Key", ""))
        if known is not None:
            return web.json_response(self.customers[known], headers={"Idempotent-Replayed": "true"})
        identifier = f"cus_{len(self.customers)}"
        metadata = {name[9:-1]: value for name, value in form.items() if name.startswith("metadata[")}
        customer: dict[str, Any] = {"id": identifier, "object": "customer", "metadata": metadata}
        customer.update((name, str(value)) for name, value in form.items() if "[" not in name)
        self.customers[identifier] = customer
        self._by_idempotency_key[request.headers.get("Idempotency-Key", identifier)] = identifier
        return web.json_response(customer)

    async def _retrieve(self, request: web.Request) -> web.StreamResponse:
        customer = self.customers.get(request.match_info["id"])
        if customer is None:
            return _error(404, "invalid_request_error", f"No such customer: '{request.match_info['id']}'")
        return web.json_response(customer)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        limit = int(request.query.get("limit", "10"))
        everybody = list(self.customers.values())
        after = request.query.get("starting_after")
        start = next((n + 1 for n, customer in enumerate(everybody) if customer["id"] == after), 0)
        page = everybody[start : start + limit]
        more = start + limit < len(everybody)
        return web.json_response({"object": "list", "url": "/v1/customers", "has_more": more, "data": page})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        question = await request.json()
        base = {"id": "chatcmpl-1", "created": 1, "model": question["model"]}
        if question.get("stream"):
            return await self._stream(request, base)
        message = {"role": "assistant", "content": "".join(WORDS)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": len(WORDS), "total_tokens": 1 + len(WORDS)}
        return web.json_response(base | {"object": "chat.completion", "choices": [choice], "usage": usage})

    async def _stream(self, request: web.Request, base: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for word in WORDS:
            choice = {"index": 0, "delta": {"content": word}, "finish_reason": None}
            chunk = base | {"object": "chat.completion.chunk", "choices": [choice]}
            await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
            await self.go_on.wait()
        await response.write(b"data: [DONE]\n\n")
        return response


def _error(status: int, kind: str, message: str) -> web.Response:
    return web.json_response({"error": {"type": kind, "message": message, "code": None}}, status=status)
