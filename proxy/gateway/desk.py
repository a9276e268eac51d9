"""Carries a browser's call to the portal, and the portal's answer back to the browser.

Nothing here is on the way of a request: what lies under the reserved prefix never goes upstream, portal or not.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from proxy.core.errors import DrainingError, RequestInvalidError, RequestTooLargeError, RouteNotFoundError
from proxy.core.message import RequestHead
from proxy.gateway.inbound import Inbound
from proxy.gateway.refuse import STATUS_LINES
from proxy.users.people import People
from proxy.users.portal import LONGEST_BODY, Answer, Call

PATIENCE: Final = 10.0
"""Seconds within which a call's body must be here."""


async def serve(
    people: People | None,
    inbound: Inbound,
    head: RequestHead,
    identifier: str,
    *,
    is_draining: Callable[[], bool],
    refusing: bool,
) -> int:
    """Answer the call, and return the status.

    `is_draining` tells whether the answer ends its connection; `refusing`: the time for new calls is over.

    Raises:
        ProxyError: it is refused.
    """
    if people is None:
        raise RouteNotFoundError("there are no users here: see `users` in the configuration")
    with people.portal.readable(head):
        if refusing:
            raise DrainingError(retry_after=1.0)
        body = await _body(inbound)
    answer = await people.portal.answer(Call(head, body=body))
    inbound.keep_alive = inbound.keep_alive and inbound.body_is_here and not is_draining()
    inbound.answered = True
    inbound.write(_written(answer, identifier, with_body=head.method != "HEAD", keep_alive=inbound.keep_alive))
    return answer.status


async def _body(inbound: Inbound) -> bytes:
    if not inbound.has_body:
        return b""
    body = b""
    try:
        async with asyncio.timeout(PATIENCE):
            while piece := await inbound.read(PATIENCE):
                body += piece
                if len(body) > LONGEST_BODY:
                    raise RequestTooLargeError(f"a call has at most {LONGEST_BODY // 1024} KiB")
    except TimeoutError:
        raise RequestInvalidError("the rest of the request body did not arrive in time") from None
    return body


def _written(answer: Answer, identifier: str, *, with_body: bool, keep_alive: bool) -> bytes:
    lines = [STATUS_LINES[answer.status]]
    lines += [b"%s: %s\r\n" % (name.encode("ascii"), value.encode("latin-1")) for name, value in answer.headers.items()]
    lines += [b"Set-Cookie: %s\r\n" % cookie.encode("ascii") for cookie in answer.cookies]
    if answer.status not in (204, 304):
        lines.append(b"Content-Length: %d\r\n" % len(answer.body))
    lines.append(b"X-Request-Id: %s\r\n" % identifier.encode("ascii"))
    if not keep_alive:
        lines.append(b"Connection: close\r\n")
    lines.append(b"\r\n")
    if with_body:
        lines.append(answer.body)
    return b"".join(lines)
