"""The admin listener: checks who asks, carries the order out, writes down who ordered what.

Theory. One guard stands before everything, what does not exist included, so a stranger learns nothing but that a key is
needed. The guard alone makes a `Call`, and only after the key was right.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
import structlog
from aiohttp import web
from pydantic import ValidationError

from proxy.admin.access import Lockout, check_host, identify
from proxy.admin.inspectable import Inspectable
from proxy.admin.openapi import describe
from proxy.admin.operation import BASE, Call, Operation
from proxy.admin.operations import OPERATIONS
from proxy.admin.problem import (
    AdminError,
    InternalError,
    MethodNotAllowedError,
    NotFoundError,
    OrderInvalidError,
    UnauthenticatedError,
)
from proxy.telemetry.events import EventName

BODY_LIMIT: Final = 64 * 1024
HEADERS: Final = {
    "Server": "countersign",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_WHO: Final = web.RequestKey("who", str)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def admin_app(app: Inspectable) -> web.Application:
    """Return what the admin listener serves."""
    description = orjson.dumps(describe(OPERATIONS))

    async def openapi(_: web.Request) -> web.Response:
        return _json(description)

    site = web.Application(middlewares=[_guard(app)], client_max_size=BODY_LIMIT)
    for operation in OPERATIONS:
        handler = _carry_out(app, operation)
        if operation.is_order:
            site.router.add_route(operation.method, BASE + operation.path, handler)
        else:
            site.router.add_get(BASE + operation.path, handler)
    site.router.add_get(f"{BASE}/openapi.json", openapi)
    site.on_response_prepare.append(_set_headers)
    return site


def _guard(app: Inspectable) -> Any:
    lockout = Lockout(app.clock)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            check_host(request.headers.get("Host", ""), (app.admin_host,))
            request[_WHO] = _admit(app, lockout, request)
            return await handler(request)
        except AdminError as error:
            return error.response()
        except web.HTTPException as error:
            return _translate(error).response()
        except Exception:  # noqa: BLE001 - whatever it was, a stranger gets no page of aiohttp's, and the log gets it all
            structlog.get_logger().exception("admin_failed", method=request.method, path=request.path)
            return InternalError("the log says what happened").response()

    return guard


def _admit(app: Inspectable, lockout: Lockout, request: web.Request) -> str:
    peer = request.remote or ""
    lockout.check(peer)
    who = identify(request.headers.get("Authorization"), app.admin_keys)
    if who is not None:
        return who
    if lockout.failed(peer):
        app.events.record("error", EventName.ADMIN_LOCKED_OUT, peer=peer, detail="too many wrong admin keys")
    else:
        app.events.record("warning", EventName.ADMIN_REFUSED, peer=peer, detail="a wrong admin key")
    raise UnauthenticatedError("the key is not one of those under `admin: keys:`")


def _carry_out(app: Inspectable, operation: Operation) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        name, part = (*(request.match_info[name] for name in operation.names), "", "")[:2]
        call = Call(
            who=request[_WHO],
            name=name,
            part=part,
            parameters=await _parameters(operation, request),
        )
        if not operation.is_order:
            return _json((await operation.run(app, call)).model_dump_json().encode())
        outcome = "failed"
        try:
            view = await operation.run(app, call)
            outcome = "done"
        except AdminError as error:
            outcome = error.code
            raise
        finally:
            _write_down(app, operation, call, outcome, request.remote or "")
        return _json(view.model_dump_json().encode())

    return handler


def _write_down(app: Inspectable, operation: Operation, call: Call, outcome: str, peer: str) -> None:
    people = app.graph.people
    app.events.record(
        "info" if outcome == "done" else "warning",
        EventName.ADMIN_ACTION,
        route=call.name if operation.subject == "route" else None,
        credential={"credential": call.name, "user": call.part or None}.get(operation.subject or ""),
        user=people.registry.pseudonym(call.name) if people and operation.subject == "user" else None,
        who=call.who,
        action=operation.name,
        outcome=outcome,
        peer=peer,
        **call.parameters.noted,
    )


async def _parameters(operation: Operation, request: web.Request) -> Any:
    try:
        if not operation.is_order:
            _refuse_repeats(request)
            return operation.takes.model_validate_strings(dict(request.query))
        body = await request.read()
        return operation.takes.model_validate_json(body or b"{}")
    except ValidationError as error:
        places = ((".".join(map(str, one["loc"])), one["msg"]) for one in error.errors(include_url=False))
        raise OrderInvalidError(
            "; ".join(f"{place}: {message}" if place else message for place, message in places)
        ) from None


def _refuse_repeats(request: web.Request) -> None:
    names = [name for name, _ in request.query.items()]
    for name in names:
        if names.count(name) > 1:
            raise OrderInvalidError(f"{name} is given more than once; keep one")


def _translate(error: web.HTTPException) -> AdminError:
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return MethodNotAllowedError(f"allowed here: {allowed}", headers={"Allow": allowed})
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return OrderInvalidError(f"the body is longer than {BODY_LIMIT} bytes")
    return NotFoundError(f"nothing stands at this path; {BASE}/openapi.json lists what there is")


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


async def _set_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
