"""Where a token endpoint is: as configured, or as its issuer's own metadata says (RFC 8414, OpenID Connect Discovery).

Theory. What an issuer says of itself is believed if the document names that issuer exactly, and was fetched where the
standards say that it stands. It is KNOWN for as long as the reply may be cached, an hour if that says nothing; then it
is asked for again, once, and what was known goes on to count while the issuer cannot be reached, a minute at a time.
FORGOTTEN, because what it led to was no token endpoint, it is asked for at the next fetch. Who asks meanwhile waits for
the one answer.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol
from urllib.parse import urlsplit, urlunsplit

from proxy.core.clock import Clock
from proxy.core.message import Reply
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.credentials.request import check_address, is_plain_http
from proxy.extractors.base import FormatError
from proxy.extractors.json import parse
from proxy.net.endpoint import Endpoint, EndpointRequest

KNOWN_FOR: Final = 3600.0
"""Seconds, where the reply does not say."""
SHORTEST: Final = 60.0
LONGEST: Final = 86_400.0
"""Seconds. No reply can have it asked for more or less often."""

_ABSENT: Final = frozenset({Symptom.NOT_FOUND, Symptom.METHOD, Symptom.FORBIDDEN, Symptom.NOT_JSON, Symptom.REDIRECT})
"""What an issuer that speaks one of the two standards may answer to the other one's question."""
_LONGEST_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Place:
    """Where tokens are asked for."""

    token_url: str
    issuer: str | None = None
    """None: the configuration does not say."""
    methods: frozenset[str] = frozenset()
    """How clients may prove themselves there, in the words of RFC 8414; empty: nobody says."""
    authorization_url: str = ""
    """Where a person is asked; empty: nobody says."""
    revocation_url: str = ""
    """Where tokens are given back (RFC 7009); empty: nowhere."""
    jwks_url: str = ""
    """Where the issuer's public keys are; empty: nobody says."""
    names_itself: bool = False
    """The issuer says who it is when it sends a person back (RFC 9207 §3)."""


class Places(Protocol):
    """What knows the place."""

    requests: int
    """How many requests it may take to find it."""

    async def find(self) -> Place:
        """Return it. Raises TokenRequestError: it cannot be found."""

    def forget(self) -> bool:
        """Take note that there was nothing; return whether it may be found elsewhere."""


class FixedPlace:
    """The address is configured."""

    requests = 0

    def __init__(self, place: Place) -> None:
        self._place = place

    async def find(self) -> Place:
        """Return it."""
        return self._place

    def forget(self) -> bool:
        """Return False."""
        return False


class Discovery:
    """Asks one issuer for its metadata.

    `question` is a request to the issuer's own address: metadata are asked for in the same way. `plain`: the token
    endpoint may have an `http://` address. `mutual`: the client shows a certificate, whatever proves who it is, and has
    the addresses that are for those who do (RFC 8705 §5).
    """

    requests = 2

    def __init__(
        self, question: EndpointRequest, endpoint: Endpoint, clock: Clock, *, plain: bool = False, mutual: bool = False
    ) -> None:
        self._issuer = question.url
        self._question = question
        self._endpoint = endpoint
        self._clock = clock
        self._plain = plain
        self._mutual = mutual
        self._asking = asyncio.Lock()
        self._known: Place | None = None
        self._until = 0.0

    async def find(self) -> Place:
        """Return the place, from memory while that is good.

        Raises:
            TokenRequestError: the issuer does not say.
        """
        async with self._asking:
            if self._known is None or self._clock.monotonic() >= self._until:
                try:
                    self._known, lifetime = await self._ask()
                    self._until = self._clock.monotonic() + lifetime
                except TokenRequestError as error:
                    if self._known is None or not error.symptom.is_retried:
                        raise
                    self._until = self._clock.monotonic() + SHORTEST
            return self._known

    def forget(self) -> bool:
        """Ask again at the next occasion; return True."""
        self._until = 0.0
        return True

    async def _ask(self) -> tuple[Place, float]:
        """Return the place, and for how many seconds it is good."""
        absent = ""
        question = replace(self._question, spends=self._question.spends or self._known is not None)
        for url in well_known(self._issuer):
            try:
                reply = await self._endpoint.call(replace(question, url=url))
                return self._read(_object(reply)), _lifetime(reply)
            except TokenRequestError as error:
                if error.symptom not in _ABSENT:
                    raise
                absent = absent or error.sentence
        raise TokenRequestError(Symptom.DISCOVERY, f"the issuer has no metadata: {absent}")

    def _read(self, document: Mapping[str, Any]) -> Place:
        if document.get("issuer") != self._issuer:
            named = _shown(document.get("issuer"))
            raise TokenRequestError(Symptom.DISCOVERY, f"the metadata of the issuer name another one{named}")
        aliases = document.get("mtls_endpoint_aliases")
        places = {**document, **(aliases if self._mutual and isinstance(aliases, dict) else {})}
        methods = document.get("token_endpoint_auth_methods_supported")
        return Place(
            self._checked("token_endpoint", places),
            self._issuer,
            frozenset(one for one in methods if isinstance(one, str)) if isinstance(methods, list) else frozenset(),
            authorization_url=self._usable("authorization_endpoint", places),
            revocation_url=self._usable("revocation_endpoint", places),
            jwks_url=self._usable("jwks_uri", places),
            names_itself=document.get("authorization_response_iss_parameter_supported") is True,
        )

    def _usable(self, name: str, places: Mapping[str, Any]) -> str:
        """Return an address that not every client needs; empty: there is none that could be used."""
        with suppress(TokenRequestError):
            return self._checked(name, places)
        return ""

    def _checked(self, name: str, places: Mapping[str, Any]) -> str:
        url = places.get(name)
        if not isinstance(url, str):
            raise TokenRequestError(Symptom.DISCOVERY, f"the metadata of the issuer name no `{name}`")
        try:
            check_address(url)
        except ValueError:
            raise TokenRequestError(Symptom.DISCOVERY, f"the `{name}` of the issuer is no address") from None
        if is_plain_http(url) and not self._plain:
            raise TokenRequestError(Symptom.DISCOVERY, f"the `{name}` of the issuer is not https")
        return url


def check_issuer(issuer: str) -> str:
    """Return an issuer's identifier (RFC 8414 §2).

    Raises:
        ValueError: it is none.
    """
    check_address(issuer)
    if "?" in issuer:
        raise ValueError("an issuer has no query; give the address of its token endpoint as `token_url`")
    if "/.well-known/" in issuer:
        raise ValueError("give the issuer alone, without `/.well-known/` and what follows")
    return issuer


def well_known(issuer: str) -> Iterator[str]:
    """Yield where the metadata may stand: appended as OpenID has it, inserted as RFC 8414 §3.1 has it."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    for found in (f"{path}/.well-known/openid-configuration", f"/.well-known/oauth-authorization-server{path}"):
        yield urlunsplit((parts.scheme, parts.netloc, found, "", ""))


def _object(reply: Reply) -> Mapping[str, Any]:
    try:
        document = parse(reply)
    except FormatError as error:
        raise TokenRequestError(Symptom.NOT_JSON, f"in the issuer's metadata {error}") from None
    if not isinstance(document, dict):
        raise TokenRequestError(Symptom.NOT_JSON, "the issuer's metadata are no JSON object")
    return document


def _lifetime(reply: Reply) -> float:
    return KNOWN_FOR if reply.max_age is None else min(max(reply.max_age, SHORTEST), LONGEST)


def _shown(issuer: object) -> str:
    try:
        return f", {check_address(str(issuer))}" if len(str(issuer)) <= _LONGEST_SHOWN else ""
    except ValueError:
        return ""
