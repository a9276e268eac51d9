"""What no single section can know: names that lead nowhere, listeners in each other's way, callers from anywhere."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from proxy import stores
from proxy.callers.anonymous import AnonymousSettings
from proxy.config.address import Address
from proxy.config.continued import continuation_flaws, continued, continuing, excused, unheeded
from proxy.config.outward import tls_faults
from proxy.config.personal import mixable, personal_flaws
from proxy.config.positions import Loc
from proxy.config.schema import Config
from proxy.config.sentences import closest
from proxy.config.workflows import repeated_beginnings, workflow_flaws
from proxy.core.clock import SystemClock
from proxy.core.origin import parse_upstream
from proxy.core.seal import is_same_line
from proxy.credentials.base import CredentialSettings
from proxy.gateway.receive import METHODS, has_dot_segment
from proxy.gateway.settings import RouteSettings


@dataclass(frozen=True, slots=True)
class Flaw:
    """A problem between sections."""

    loc: Loc
    message: str
    """`{value}` in it stands for the value."""
    value: str = ""
    warning: bool = False
    absent: bool = False
    """True: it is about a file that is not here, and may be elsewhere."""


def check(config: Config, data: Any) -> Iterator[Flaw]:
    """Yield what is wrong between the sections.

    Args:
        config: the sections that are sound in themselves.
        data: the whole file as dicts and lists: a name that it holds is known, even if its section is not sound.
    """
    yield from _listeners(config)
    yield from _anonymous(config)
    yield from _seal(config, data)
    known = {section: _names(data, section) for section in ("callers", "credentials")}
    for name, route in config.routes.items():
        yield from _names_of(name, route, known)
        yield from _same_place(name, route, config.credentials)
        yield from _signed_again(name, route, config.credentials)
        yield from _upstream(name, route)
        yield from _never_sent(name, route)
    yield from _between_credentials(config, known["credentials"], excused(config, data))
    yield from _twins(config.routes)
    for loc, fault in tls_faults(config, SystemClock.now()):
        yield Flaw(loc, fault.message, warning=fault.warning, absent=fault.absent)
    yield from _unused(config)


def _between_credentials(config: Config, known: Collection[str], excused: Collection[str]) -> Iterator[Flaw]:
    whole = continued(config)
    for loc, message, value in continuation_flaws(config, known):
        yield Flaw(loc, message, value)
    for loc, message, value in workflow_flaws(whole.credentials, known, excused):
        yield Flaw(loc, message, value)
    for loc, message in personal_flaws(whole):
        yield Flaw(loc, message)
    for loc, message in (*unheeded(config), *repeated_beginnings(whole.credentials), *mixable(whole)):
        yield Flaw(loc, message, warning=True)
    yield from _forgetful(whole)


def _names(data: Any, section: str) -> Collection[str]:
    named = data.get(section) if isinstance(data, dict) else None
    return named.keys() if isinstance(named, dict) else ()


def _listeners(config: Config) -> Iterator[Flaw]:
    earlier: dict[str, Address] = {}
    for name in type(config.listen).model_fields:
        address = getattr(config.listen, name)
        if not isinstance(address, Address):
            continue
        for other, taken in earlier.items():
            if address.collides_with(taken):
                yield Flaw(("listen", name), f"listen.{other} has this address already; give each its own port")
        earlier[name] = address


def _anonymous(config: Config) -> Iterator[Flaw]:
    if config.listen.proxy.is_loopback:
        return
    for name, caller in config.callers.items():
        if isinstance(caller, AnonymousSettings) and not caller.allow_remote:
            yield Flaw(
                ("callers", name),
                "listen.proxy can be reached from other machines, and this lets anybody there use the credentials; "
                "listen on 127.0.0.1, use a caller of kind api_key, or say allow_remote: true",
            )


def _seal(config: Config, data: Any) -> Iterator[Flaw]:
    section = data.get("seal") if isinstance(data, dict) else None
    is_keyed = isinstance(section, dict) and section.get("keys")
    if stores.KINDS[config.store.kind].holds_secrets and not is_keyed:
        yield Flaw(
            ("store",),
            "it keeps tokens where others may come to read them, and there is no key to seal them with; "
            'write what `countersign keygen` prints into a file, and name that: `seal: {keys: ["${file:seal-key}"]}`',
        )
    keys = config.seal.keys
    for index, key in enumerate(keys):
        if key in keys[:index]:
            yield Flaw(("seal", "keys", index), f"seal.keys[{keys.index(key)}] is the same key; keep one")
    if not all(is_same_line(key, keys[-1]) for key in keys):
        yield Flaw(
            ("seal", "keys"),
            "one of these keys was not made to replace the last one; replicas whose last keys differ share no tokens, "
            "and without that one all are fetched anew; make the new key with `countersign keygen --after FILE`",
            warning=True,
        )


def _forgetful(config: Config) -> Iterator[Flaw]:
    if stores.KINDS[config.store.kind].holds_secrets:
        return
    for name, credential in config.credentials.items():
        if credential.spends and not credential.starts_over:
            yield Flaw(
                ("credentials", name),
                "what it spends may work only once, and this store forgets at a restart what came in its place: "
                "the first one would be spent again, and refused; keep tokens in a store of kind sqlite or redis",
                warning=True,
            )


def _names_of(name: str, route: RouteSettings, known: Mapping[str, Collection[str]]) -> Iterator[Flaw]:
    if not route.credential_names:
        yield Flaw(
            ("routes", name),
            "a route signs its requests with a credential; add `credential: NAME`, "
            f"{closest('', list(known['credentials']))}",
        )
    wanted = [("credentials", loc, credential) for loc, credential in _credentials(name, route)]
    wanted += [("callers", ("routes", name, "callers", i), caller) for i, caller in enumerate(route.callers)]
    seen = set()
    for section, loc, word in wanted:
        if word not in known[section]:
            yield Flaw(
                loc, f"no {section.removesuffix('s')} is called {{value}}; {closest(word, list(known[section]))}", word
            )
        elif (section, word) in seen:
            yield Flaw(loc, "{value} stands here twice; keep one", word)
        seen.add((section, word))


def _credentials(name: str, route: RouteSettings) -> Iterator[tuple[Loc, str]]:
    if route.credential is not None:
        yield ("routes", name, "credential"), route.credential
    for index, credential in enumerate(route.credentials):
        yield ("routes", name, "credentials", index), credential


def _same_place(name: str, route: RouteSettings, known: Mapping[str, CredentialSettings]) -> Iterator[Flaw]:
    taken: dict[tuple[str, str], str] = {}
    for loc, credential in _credentials(name, route):
        for place in known[credential].places if credential in known else ():
            other = taken.setdefault(place, credential)
            if other != credential:
                yield Flaw(
                    loc,
                    f"{{value}} goes into the {place[0]} {place[1]}, and {other} does too; change the inject of one",
                    credential,
                )


def _signed_again(name: str, route: RouteSettings, known: Mapping[str, CredentialSettings]) -> Iterator[Flaw]:
    """Find what changes the address that another one has signed."""
    signed = False
    for loc, credential in _credentials(name, route):
        for settings in known[credential].inject if credential in known else ():
            if settings.signature is not None and signed and settings.signature[1]:
                yield Flaw(
                    loc,
                    "an injector of {value} puts its signature into the address, which one before it has signed; "
                    "let the one that goes into the query come first",
                    credential,
                )
            signed = signed or settings.signature is not None


def _upstream(name: str, route: RouteSettings) -> Iterator[Flaw]:
    origin, _ = parse_upstream(route.upstream)
    if not (origin.is_tls or origin.is_loopback or route.allow_plain_http):
        yield Flaw(
            ("routes", name, "upstream"),
            "the credential would travel readable to another machine; "
            "write https://, or say allow_plain_http: true on the route",
        )
    if route.tls.certificate and not origin.is_tls:
        yield Flaw(
            ("routes", name, "tls", "certificate"),
            "the upstream is not https, so nobody would be shown this certificate; take it out, or write https://",
        )


def _never_sent(name: str, route: RouteSettings) -> Iterator[Flaw]:
    if route.dot_segments == "refuse" and has_dot_segment(route.match.path):
        yield Flaw(
            ("routes", name, "match", "path"),
            "requests for {value} are refused for its dot segments; write the path without, or say dot_segments: pass",
            route.match.path,
        )
    for index, method in enumerate(route.match.methods):
        if method not in METHODS:
            remedy = f"write one of {', '.join(sorted(METHODS))}"
            yield Flaw(("routes", name, "match", "methods", index), f"callers cannot send {{value}}; {remedy}", method)


def _twins(routes: Mapping[str, RouteSettings]) -> Iterator[Flaw]:
    first: dict[Any, str] = {}
    for name, route in routes.items():
        match = route.match
        headers = frozenset((header.lower(), value) for header, value in match.headers.items())
        taken = first.setdefault((match.host.lower(), match.path, frozenset(match.methods), headers), name)
        if taken != name:
            yield Flaw(
                ("routes", name),
                f"route {taken!r} takes exactly these requests, so this one would get none; change its match",
            )


def _unused(config: Config) -> Iterator[Flaw]:
    if not config.routes:
        yield Flaw(("routes",), "there are no routes, so every request will be answered with 404", warning=True)
    used = {
        "credentials": continuing(config).union(*(route.credential_names for route in config.routes.values())),
        "callers": {name for route in config.routes.values() for name in route.callers},
    }
    for section, names in used.items():
        for name in getattr(config, section):
            if name not in names:
                yield Flaw((section, name), "no route uses it", warning=True)
