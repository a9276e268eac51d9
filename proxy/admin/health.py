"""Whether this process lives, whether it wants requests, and its numbers: what machines ask, on a listener of its own.

Readiness never depends on an upstream, a token endpoint or the store: one vendor's outage would take every route down.
How the store is stands in the answer all the same.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import orjson
from aiohttp import web

from proxy.telemetry.metrics import Metrics

HEADERS: Final = {"Server": "countersign", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Health:
    """What the process knows of its own state. The composition root sets it; probes read it."""

    def __init__(self) -> None:
        self.is_configured = False
        """A configuration is in use and the listeners stand."""
        self.is_draining = False
        """The process is about to stop: no new requests, please."""

    def checks(self) -> Iterator["Check"]:
        """Yield everything that readiness depends on."""
        yield Check("configured", self.is_configured, "no configuration is in use yet")
        yield Check("serving", not self.is_draining, "the process is about to stop")

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the process wants no requests now; empty: it does."""
        return tuple(check.objection for check in self.checks() if not check.passed)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that readiness depends on."""

    name: str
    passed: bool
    objection: str
    """What is wrong when it has not passed."""


def health_app(health: Health, metrics: Metrics) -> web.Application:
    """Return what the metrics listener serves: `/livez`, `/readyz` and `/metrics`."""

    async def live(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(request: web.Request) -> web.Response:
        answer: dict[str, object] = {
            "status": "unready" if health.reasons else "ready",
            "reasons": health.reasons,
            "store": "up" if metrics.store_up else "down",
        }
        if "verbose" in request.query:
            answer["checks"] = [{"name": check.name, "passed": check.passed} for check in health.checks()]
        return web.Response(
            status=503 if health.reasons else 200, body=orjson.dumps(answer), content_type="application/json"
        )

    async def scrape(request: web.Request) -> web.Response:
        # With thousands of routes a page takes a while to write; requests must not wait for it.
        body, content_type = await asyncio.to_thread(metrics.render, request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    app = web.Application()
    app.router.add_get("/livez", live)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/metrics", scrape)
    app.on_response_prepare.append(_set_headers)
    return app


async def _set_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
