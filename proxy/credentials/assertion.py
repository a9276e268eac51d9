"""Assertions: short-lived signed claims that a client makes of itself or of somebody else (RFC 7523).

Theory. What a token endpoint believes depends on its own clock, and on seeing each assertion once. So an assertion is
signed anew for each try, with a `jti` of its own; it begins a little before it was made, for clocks that are a little
behind; and it is dated by the clock of the issuer, as far as that is known: see `IssuerClock`.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import AfterValidator, Field, model_validator

from proxy.core.clock import Clock
from proxy.core.message import CLOCK_TOLERANCE
from proxy.core.moment import Moment
from proxy.core.secret import Secret
from proxy.core.settings import Duration, Settings
from proxy.core.template import JsonTemplate
from proxy.credentials.signing_key import Algorithm, SigningKey, read_certificate, read_key, thumbprint
from proxy.credentials.text import present

BACKDATED: Final = 10.0
"""Seconds by which `iat` lies before the moment of signing: an issuer whose clock is behind must not see the future."""
SHORTEST_LIFE: Final = 30.0
LONGEST_LIFE: Final = 3600.0

_SET_HERE: Final = frozenset({"iss", "sub", "aud", "exp", "iat", "jti", "scope"})
_HEADERS: Final = frozenset({"alg", "b64", "crit"})


@dataclass(frozen=True, slots=True)
class Occasion:
    """One try: where it goes, whom it is for, and what time it is there."""

    token_url: str
    """Where the request goes."""
    issuer: str | None
    """Who is asked, when the configuration says so."""
    now: float
    """Unix seconds on the issuer's clock, as far as it is known."""


class IssuerClock:
    """What time it is where assertions are judged.

    Theory. OURS: nothing is known against our own clock. CORRECTED: an assertion was refused by a reply whose `Date`
    shows another time, and signed anew by that time it was accepted. A Date alone moves nothing, for it may be wrong
    itself: what was tried in vain is taken back. A correction that no longer holds is refused, and corrected likewise.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offset = 0.0
        """Seconds by which that clock is taken to be ahead of ours."""

    def now(self) -> float:
        """Return the time there, in Unix seconds."""
        return self._clock.now() + self.offset

    def is_contradicted_by(self, seen: float | None) -> bool:
        """Return True when a reply's clock is ahead by another number of seconds, by enough to spoil an assertion."""
        return seen is not None and abs(seen - self.offset) > CLOCK_TOLERANCE


def _readable(text: Secret) -> Secret:
    read_certificate(text)
    return text


def _without_names(template: JsonTemplate) -> JsonTemplate:
    if template.names:
        raise ValueError(f"there are no variables here: {{{{ {min(template.names)} }}}} has no value")
    return template


FixedJson = Annotated[JsonTemplate, AfterValidator(_without_names)]
Name = Annotated[str, Field(min_length=1)]


class SigningSettings(Settings):
    """How an assertion is signed, and what it says beside the names."""

    set_here: ClassVar[frozenset[str]] = _SET_HERE

    aud: str = ""
    """Whom the assertion is for (`aud`), where the provider wants another name than usual."""
    lifetime: Annotated[Duration, Field(ge=SHORTEST_LIFE, le=LONGEST_LIFE)] = 300.0
    """Seconds from `iat` to `exp`. `iat` lies 10 s back, for issuers whose clock is behind."""
    claims: Mapping[Name, FixedJson] = {}
    """More claims, as JSON."""
    headers: Mapping[Name, FixedJson] = {}
    """More JOSE headers, such as `x5t`."""
    kid: str = ""
    """The key's name (`kid`), as the provider knows it. Empty: what a JWK says itself, else none."""
    certificate: Annotated[Secret, AfterValidator(present), AfterValidator(_readable)] | None = None
    """The key's certificate as PEM, such as `${file:certificate.pem}`: its thumbprint goes into `x5t#S256`."""

    @model_validator(mode="after")
    def _says_nothing_twice(self) -> Self:
        if taken := sorted(self.claims.keys() & self.set_here):
            raise ValueError(f"claims: {taken[0]} is set anyway; take it out")
        if taken := sorted(self.headers.keys() & _HEADERS):
            raise ValueError(f"headers: {taken[0]} is not for the configuration; take it out")
        return self

    def check_certificate(self, key: SigningKey) -> None:
        """Hold the certificate against the key.

        Raises:
            ValueError: it is another's.
        """
        if self.certificate is not None and not key.is_certified_by(read_certificate(self.certificate)):
            raise ValueError("the certificate is not that of the key")


class KeyedSettings(SigningSettings):
    """How an assertion is signed with a private key."""

    key: Annotated[Secret, AfterValidator(present)]
    """The private key as PEM or JWK, such as `${file:key.pem}`; or the key file of a Google service account."""
    algorithm: Algorithm | None = None
    """How it signs. Default: by the key, RS256, ES256, ES384, ES512 or EdDSA."""

    @model_validator(mode="after")
    def _can_sign(self) -> Self:
        self.check_certificate(self.signing_key())
        return self

    def signing_key(self) -> SigningKey:
        """Read the key.

        Raises:
            ValueError: there is none, or it is not for the algorithm.
        """
        return read_key(self.key, self.algorithm)


class Signer:
    """Signs assertions. Made once from the settings."""

    def __init__(self, settings: SigningSettings, key: SigningKey) -> None:
        certificate, kid = settings.certificate, settings.kid or key.kid
        certified = {"x5t#S256": thumbprint(read_certificate(certificate))} if certificate else {}
        self._settings = settings
        self._key = key
        self._header = certified | ({"kid": kid} if kid else {})

    def sign(self, occasion: Occasion, claims: Mapping[str, Any]) -> str:
        """Return an assertion that counts now and once; of the claims given, empty ones are left out."""
        settings = self._settings
        begins = int(occasion.now - BACKDATED)
        told = {name: value for name, value in claims.items() if value}
        dates = {"iat": begins, "exp": begins + int(settings.lifetime), "jti": secrets.token_urlsafe(24)}
        moment = Moment.at(occasion.now)
        more = {name: template.render({}, moment) for name, template in settings.claims.items()}
        header = {name: template.render({}, moment) for name, template in settings.headers.items()}
        return self._key.sign({**self._header, **header}, {**told, **dates, **more})
