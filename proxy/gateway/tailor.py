"""Makes a request to measure: what a token adds to it depends on the request itself, its header, its body or all of it.

Few credentials need that; the others never come here. The caller's request stays as it is, so that a replay begins
from the same bytes, with another token, another date and another signature.
"""

from dataclasses import replace
from typing import Final

from proxy.core import urlencoded
from proxy.core.errors import RequestInvalidError
from proxy.core.message import NOTHING, Injection, RequestHead
from proxy.core.moment import Moment
from proxy.core.principal import Principal
from proxy.core.tailored import WHOLE, BodyEdit, Prepared, RequestSigner, Tailored, UnfitError
from proxy.gateway.body import NO_BODY, Body, Edited
from proxy.gateway.prepare import NEVER_PASSED, connection_named
from proxy.gateway.request import Request

_OF_THE_BODY: Final = frozenset({b"content-md5", b"digest", b"content-digest", b"repr-digest"})
"""What says how the caller's body hashes (RFC 9530): wrong once a field is put into it."""


async def tailored(request: Request, injection: Injection, moment: Moment) -> tuple[bytes, Body, bytes]:
    """Return head and body as they go upstream, and the parameters that were added to the address.

    Raises:
        RequestInvalidError: this request cannot carry what the token adds.
        RequestTooLargeError: its body is larger than may be kept.
    """
    parts = injection.tailored or Tailored()
    injection = settled(injection, request.head, request.principal)
    body = request.body
    if parts.edits:
        body = await _edited(request, parts.edits)
        injection = replace(injection, replaces=injection.replaces | _OF_THE_BODY)
    known: dict[str, bytes] = {}
    is_tls = request.plan.origin.is_tls
    for signer in parts.signers:
        await _learn(body, signer.wants(request.head.fields, streams=body.whole is None, is_tls=is_tls), known)
    head = request.plan.preparer.head(
        request.head, request.principal, injection, identifier=request.trace.identifier, length=body.length
    )
    added = [injection.query] if injection.query else []
    for signer in parts.signers:
        prepared = _prepared(head, request, body, known, moment)
        head, query = _signed(head, signer, prepared)
        added += [query] if query else []
    return head, body, b"&".join(added)


def settled(injection: Injection, head: RequestHead, principal: Principal) -> Injection:
    """Return the injection as it is for this request: what yields to the caller's own has yielded, or stands."""
    parts = injection.tailored
    if parts is None:
        return injection
    passed = _passed(head, principal)
    more = NOTHING
    for name, line in parts.unless_header:
        if not any(given == name for given, _ in passed):
            more = more.joined(Injection(lines=line, replaces=frozenset({name})))
    for name, parameter in parts.unless_query:
        if not urlencoded.has(head.query[1:], name):
            more = more.joined(Injection(query=parameter))
    cookies = {
        pair.partition(b"=")[0].strip() for name, value in passed if name == b"cookie" for pair in value.split(b";")
    }
    for cookie in parts.unless_cookie:
        if cookie[0] not in cookies:
            more = more.joined(Injection(cookies=(cookie,)))
    for name, target in parts.moves:
        moved = [b"%b: %b\r\n" % (target, value) for given, value in passed if given == name]
        more = more.joined(Injection(lines=b"".join(moved)))
    return injection.joined(more)


def _passed(head: RequestHead, principal: Principal) -> list[tuple[bytes, bytes]]:
    """Return the caller's header lines, names in lower case, without those that are not for the upstream."""
    drops = NEVER_PASSED | principal.proof_headers | connection_named(head)
    return [(name.lower(), value) for name, value in head.headers if name.lower() not in drops]


async def _edited(request: Request, edits: tuple[BodyEdit, ...]) -> Body:
    passed = _passed(request.head, request.principal)
    kinds = [value for name, value in passed if name == b"content-type"]
    codings = [value for name, value in passed if name == b"content-encoding"]
    if request.body.length == NO_BODY or len(kinds) != 1:
        raise RequestInvalidError(
            "this route's credential goes into the request body: send one, with one Content-Type header"
        )
    if any(value.strip().lower() != b"identity" for value in codings):
        raise RequestInvalidError("this route's credential goes into the body: send it without Content-Encoding")
    data = await request.body.gathered()
    try:
        for edit in edits:
            data = edit.apply(kinds[0].decode("latin-1"), data)
    except UnfitError as error:
        raise RequestInvalidError(str(error)) from None
    return Edited(data)


async def _learn(body: Body, wanted: frozenset[str], known: dict[str, bytes]) -> None:
    """Find out what a signer must know of the body."""
    if WHOLE in wanted:
        await body.gathered()
    for name in wanted - {WHOLE}:
        known[name] = await body.digest(name)


def _prepared(head: bytes, request: Request, body: Body, known: dict[str, bytes], moment: Moment) -> Prepared:
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    target = first.split(b" ")[1].decode("utf-8", "surrogateescape")
    path, _, query = target.partition("?")
    fields = [line.partition(b": ") for line in lines]
    return Prepared(
        request.head.method,
        request.plan.origin.authority,
        path,
        query,
        tuple((name.lower(), value) for name, _, value in fields),
        request.head.fields,
        request.plan.origin.is_tls,
        moment,
        body.whole,
        known,
    )


def _signed(head: bytes, signer: RequestSigner, prepared: Prepared) -> tuple[bytes, bytes]:
    """Return the head with what the signer adds, and the parameters among it."""
    try:
        signed = signer.sign(prepared)
    except UnfitError as error:
        raise RequestInvalidError(str(error)) from None
    if signed.query:
        method, target, rest = head.split(b" ", 2)
        head = b"%b %b%b%b %b" % (method, target, b"&" if b"?" in target else b"?", signed.query, rest)
    return head[:-2] + signed.lines + b"\r\n", signed.query
