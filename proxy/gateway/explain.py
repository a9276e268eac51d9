"""Tells what would become of a request, and why, without sending anything."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from multidict import CIMultiDict, CIMultiDictProxy

from proxy.callers import KINDS
from proxy.callers.base import CallerSettings
from proxy.core.errors import ProxyError, RequestInvalidError, RouteNotFoundError, UserRequiredError
from proxy.core.headers import TOKEN, encode_value
from proxy.core.message import Injection, RequestHead
from proxy.core.origin import parse_upstream
from proxy.core.principal import Principal
from proxy.core.route import RouteTable
from proxy.core.secret import MASK, Secret, scrub
from proxy.core.settings import spell_duration
from proxy.core.tailored import Tailored
from proxy.core.token import Token
from proxy.credentials.base import CredentialSettings
from proxy.gateway.identify import identify
from proxy.gateway.prepare import Preparer
from proxy.gateway.receive import absolute_form, examine, has_dot_segment
from proxy.gateway.settings import RouteSettings
from proxy.gateway.tailor import settled
from proxy.injectors import inject_all, make_injector

_TARGET: Final = re.compile(r"/[!\"$-~]*")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What would be sent upstream, without a secret in it."""

    method: str
    url: str
    headers: tuple[str, ...]
    """Names only: a value may be the caller's secret or the credential's."""
    body: tuple[str, ...] = ()
    """The fields that would be put into the body."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would become of a request."""

    route: str | None
    considered: tuple[tuple[str, str], ...]
    """Every route in order, and why it takes the request or does not."""
    callers: tuple[tuple[str, str], ...] = ()
    """Name and kind of everyone who may use the route."""
    caller: str | None = None
    """Who sent it."""
    credentials: tuple[str, ...] = ()
    user: str | None = None
    """For whom the request is, if whoever that is matters."""
    requires: tuple[str, ...] = ()
    """What that user must have shown lately."""
    refusal: ProxyError | None = None
    """Why it would go no further."""
    outgoing: Outgoing | None = None

    def lines(self) -> Iterator[str]:
        """Tell it to a person."""
        for name, reason in self.considered:
            yield f"route {name}: {reason}"
        if self.callers:
            yield "may be called by: " + ", ".join(f"{name} ({kind})" for name, kind in self.callers)
        if self.caller:
            yield f"this caller is: {self.caller}"
        if self.credentials:
            yield f"signed with: {', '.join(self.credentials)}" + (f", for the user {self.user}" if self.user else "")
        for requirement in self.requires:
            yield f"if the user {self.user} has shown lately: {requirement}"
        if self.refusal:
            yield f"refused: {self.refusal.status} {self.refusal.code}: {self.refusal}"
        if self.outgoing:
            yield f"would be sent: {self.outgoing.method} {self.outgoing.url}"
            yield from (f"  {name}: {MASK}" for name in self.outgoing.headers)
            yield from (f"  {field} in the body: {MASK}" for field in self.outgoing.body)


def head_of(method: str, url: str, headers: Sequence[str]) -> RequestHead:
    """Return the request head that a caller on this machine would send.

    Args:
        method: such as GET.
        url: `/path?query`, or with `http://host` before it.
        headers: lines, `Name: value`.

    Raises:
        ValueError: one of them is not what it should be.
        RequestInvalidError: it is a request, and would be refused.
    """
    target, authority = (url, "127.0.0.1") if url[:1] == "/" else _called(url)
    if not _TARGET.fullmatch(target):
        raise ValueError("the URL is a path such as /billing/x, or http://host/billing/x, percent-encoded")
    lines = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in headers)]
    if not TOKEN.fullmatch(method) or not all(":" in line for line in headers) or not all(map(_is_header, lines)):
        raise ValueError("a method is a word such as GET; a header is 'Name: value', such as 'Accept: text/html'")
    if not any(name.lower() == "host" for name, _ in lines):
        lines.insert(0, ("Host", authority))
    fields = CIMultiDict(lines)
    target, host = examine((1, 1), method, target, CIMultiDictProxy(fields))
    if len(fields.getall("Host")) > 1:
        raise RequestInvalidError("there is more than one Host header")
    raw = tuple((name.encode(), encode_value(value)) for name, value in lines)
    path, question_mark, query = target.partition("?")
    return RequestHead(method, path, question_mark + query, host, raw, fields, "127.0.0.1")


def _called(url: str) -> tuple[str, str]:
    """Return what a client that calls this address asks for, and of which host."""
    try:
        target, authority = absolute_form(url)
    except RequestInvalidError:
        return "", ""
    return target, authority.rpartition("@")[2]


def _is_header(line: tuple[str, str]) -> bool:
    try:
        encode_value(line[1])
    except ValueError:
        return False
    return TOKEN.fullmatch(line[0]) is not None


def explain(
    method: str,
    url: str,
    headers: Sequence[str],
    *,
    routes: Mapping[str, RouteSettings],
    callers: Mapping[str, CallerSettings],
    credentials: Mapping[str, CredentialSettings],
    user: str | None = None,
) -> Explanation:
    """Return what would become of the request that `head_of` makes of the first three, for a user who is proved.

    Raises:
        ValueError: they are no request.
    """
    try:
        head = head_of(method, url, headers)
    except RequestInvalidError as error:
        return Explanation(None, (), refusal=error)
    table = RouteTable((route.match, name) for name, route in routes.items())
    considered = tuple((name, scrub(reason)) for name, reason in table.explain(head))
    name = table.match(head)
    if name is None:
        return Explanation(None, considered, refusal=RouteNotFoundError())
    route = routes[name]
    known = {caller: KINDS[settings.kind](caller, settings) for caller, settings in callers.items()}
    allowed = tuple((caller, callers[caller].kind) for caller in route.callers)
    try:
        if route.dot_segments == "refuse" and has_dot_segment(head.path):
            raise RequestInvalidError("the path has dot segments; the route lets them through if dot_segments is pass")
        principal = identify(head, tuple(known[caller] for caller in route.callers), known.values())
        signing = {one: credentials[one] for one in route.credential_names}
        personal = tuple(one for one, settings in signing.items() if settings.per_user)
        if personal and user is None:
            raise UserRequiredError(f"each user has a token of their own for {personal[0]}; say which one, with --user")
        if route.require and user is None:
            raise UserRequiredError("the route requires something of the user; say which one, with --user")
        outgoing = _outgoing(head, principal, route, signing.values())
    except ProxyError as error:
        return Explanation(name, considered, allowed, refusal=error)
    return Explanation(
        name,
        considered,
        allowed,
        principal.name,
        route.credential_names,
        user if personal or route.require else None,
        tuple(f"{one.kind}, not longer than {spell_duration(one.valid_for)} ago" for one in route.require),
        outgoing=outgoing,
    )


def _outgoing(
    head: RequestHead, principal: Principal, route: RouteSettings, credentials: Iterable[CredentialSettings]
) -> Outgoing:
    origin, base = parse_upstream(route.upstream)
    records = [settings.masked for credential in credentials for settings in credential.inject]
    variables = {name: Secret(MASK) for settings in records for name in settings.names}
    injection = inject_all(map(make_injector, records), Token(Secret(MASK), issued_at=0.0, variables=variables))
    tailored = injection.tailored or Tailored()
    injection = settled(injection, head, principal)
    for signer in tailored.signers:
        injection = injection.joined(_named(*signer.adds))
    preparer = Preparer(origin, base, route.match.path, strip_prefix=route.strip_prefix)
    sent = preparer.head(head, principal, injection, identifier=MASK, length=-1).decode("latin-1")
    first, *lines = sent.removesuffix("\r\n\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    url = f"{origin.scheme}://{origin.authority}{target.replace(quote(MASK, safe=''), MASK)}"
    fields = tuple(edit.field for edit in tailored.edits)
    return Outgoing(method, scrub(url), tuple(line.partition(":")[0] for line in lines), fields)


def _named(headers: Iterable[str], parameters: Iterable[str]) -> Injection:
    """Return what has these names, its values masked."""
    lines = "".join(f"{name}: {MASK}\r\n" for name in headers)
    query = "&".join(f"{quote(name, safe='')}={quote(MASK, safe='')}" for name in parameters)
    return Injection(lines=lines.encode("ascii"), query=query.encode("ascii"))
