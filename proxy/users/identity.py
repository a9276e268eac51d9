"""Who the user is: an id counts only with a proof, whichever of the three it is.

The proofs: a `user_hash`, which the operator's back end makes with a secret that browsers never see; a JWT of an issuer
that the configuration names; or a caller that is believed whichever user it names. What is shown and wrong is refused,
even where another proof would have done: somebody is trying.

Theory. Proofs that were right are remembered, so that a user's second request costs two lookups; wrong ones never are.
A JWT is verified again every `TRUSTED`, so that it does not outlive by long the key that signed it, should its issuer
withdraw that. Nothing here waits, unless a JWT was signed with a key that is not known yet.
"""

import hmac
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, NoReturn, TypeVar

from proxy.core.clock import Clock
from proxy.core.errors import DependencyUnavailableError, UserRequiredError, UserUnprovenError
from proxy.core.jwt_claims import ClaimsError, Expected, check_times, read_header, told_issuer, verify
from proxy.core.message import RequestHead
from proxy.core.person import Person
from proxy.core.secret import Secret
from proxy.net.endpoint import Endpoint
from proxy.net.jwks import COOLDOWN, Jwks, JwksError
from proxy.net.runtime import Runtime
from proxy.users.settings import UserIssuerSettings, UsersSettings

USER: Final = "X-Countersign-User"
USER_HASH: Final = "X-Countersign-User-Hash"
USER_TOKEN: Final = "X-Countersign-User-Token"  # noqa: S105 - a header's name
HEADERS: Final = frozenset(name.lower().encode() for name in (USER, USER_HASH, USER_TOKEN))
"""They never go upstream."""
P = TypeVar("P")
Q = TypeVar("Q")
LONGEST_ID: Final = 256
TRUSTED: Final = 300.0
"""Seconds for which a JWT that was verified is not verified again."""


class Claim(NamedTuple):
    """Who somebody says they are, and what they show for it."""

    user: str | None = None
    user_hash: str | None = None
    token: str | None = None

    def __repr__(self) -> str:
        return f"<Claim to be {self.user!r}>"  # what is shown may be secret


def claimed(head: RequestHead) -> Claim:
    """Return what a request claims.

    Raises:
        UserUnprovenError: it claims more than one thing.
    """
    found: dict[bytes, str] = {}
    for name, value in head.headers:
        if (lowered := name.lower()) in HEADERS:
            if lowered in found:
                raise UserUnprovenError(f"the header {name.decode('latin-1')} is there more than once")
            found[lowered] = _text(value)
    return Claim(*(found.get(name.lower().encode()) for name in (USER, USER_HASH, USER_TOKEN)))


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise UserUnprovenError("a header that tells of the user is not UTF-8") from None


def user_hash(user: str, secret: Secret) -> str:
    """Return the proof of that user id: HMAC-SHA256 in lower-case hex digits."""
    return hmac.digest(secret.reveal().encode(), user.encode(), "sha256").hex()


class Identifier:
    """Knows which proofs count. One per configuration."""

    def __init__(
        self, settings: UsersSettings, endpoint: Endpoint, runtime: Runtime, person: Callable[[str], Person]
    ) -> None:
        """`person` returns the user with an id."""
        self._person = person
        self._secret = settings.identity_secret
        self._issuers = {one.issuer: _Issuer(one, endpoint, runtime) for one in settings.issuers.values()}
        self._clock: Clock = runtime.clock
        self._most = settings.remembered
        self._hashes: OrderedDict[str, Person] = OrderedDict()
        """The users who were proved by these."""
        self._tokens: OrderedDict[Claim, tuple[Person, _Token]] = OrderedDict()
        """The users who were proved by a token, with what tells for how long."""

    def known(self, claim: Claim, *, believed: bool) -> Person | None:
        """Return the user, if that can be told at once; None: `find` has to wait for an issuer's keys.

        `believed`: whoever makes the claim may name any user.

        Raises:
            UserRequiredError: nobody is named.
            UserUnprovenError: somebody is, and it is not proved.
        """
        if claim.token is None:
            return self._by_hash(claim, believed=believed)
        if (remembered := self._tokens.get(claim)) is not None:
            person, token = remembered
            _still_counts(token.claims, self._clock.now())
            if self._clock.monotonic() < token.trusted_until:
                return person
        issuer = self._issuer_of(claim.token)
        keys = issuer.jwks.known(read_header(claim.token))
        return self._by_token(claim, issuer, keys) if keys else None

    async def find(self, claim: Claim, *, believed: bool) -> Person:
        """Return the user, after the issuer's keys have been asked for if need be.

        Raises:
            UserRequiredError: nobody is named.
            UserUnprovenError: somebody is, and it is not proved.
            DependencyUnavailableError: nobody can tell, for these keys cannot be had now.
        """
        if (known := self.known(claim, believed=believed)) is not None or claim.token is None:
            return known or _refuse("the user's token proves nothing")
        issuer = self._issuer_of(claim.token)
        try:
            keys = await issuer.jwks.find(read_header(claim.token))
        except JwksError as error:  # where they are, and what is wrong there, is not for everybody to know
            why = "the keys of the issuer of the user's token cannot be had now"
            raise DependencyUnavailableError(why, retry_after=COOLDOWN) from error
        return self._by_token(claim, issuer, keys)

    def _by_hash(self, claim: Claim, *, believed: bool) -> Person:
        if claim.user is None:
            raise UserRequiredError(f"name the user in {USER}, with a proof, or send {USER_TOKEN}")
        if claim.user_hash is None:
            return self._person(_id(claim.user)) if believed else _refuse(f"send a proof beside {USER}")
        if (known := self._hashes.get(claim.user_hash)) is not None and known.id == claim.user:
            return known
        if self._secret is None:
            _refuse("no `identity_secret` is configured, so that no user_hash proves anything")
        if not hmac.compare_digest(user_hash(claim.user, self._secret).encode(), claim.user_hash.lower().encode()):
            _refuse(f"{USER_HASH} is not the hash of this user's id")
        return _remembered(self._hashes, claim.user_hash, self._person(_id(claim.user)), self._most)

    def _issuer_of(self, token: str) -> "_Issuer":
        """Return who says that it issued a token. Not verified: it only chooses the keys."""
        try:
            issuer = self._issuers.get(told_issuer(token))
        except ClaimsError as error:
            _refuse(f"in {USER_TOKEN} {error}")
        return issuer or _refuse(f"the issuer of {USER_TOKEN} is not configured")

    def _by_token(self, claim: Claim, issuer: "_Issuer", keys: tuple[Any, ...]) -> Person:
        try:
            claims = verify(str(claim.token), keys, issuer.expected, self._clock.now())
        except ClaimsError as error:
            _refuse(f"{USER_TOKEN}: {error}")
        user = claims.get(issuer.user_claim)
        if not isinstance(user, str):
            _refuse(f"{USER_TOKEN} does not say in `{issuer.user_claim}` who the user is")
        if claim.user not in (None, user):
            _refuse(f"{USER} and {USER_TOKEN} name different users")
        if claim.user_hash is not None:
            self._by_hash(Claim(user, claim.user_hash), believed=False)
        trusted = _Token({"exp": claims["exp"]}, self._clock.monotonic() + TRUSTED)
        return _remembered(self._tokens, claim, (self._person(_id(user)), trusted), self._most)[0]


class _Token(NamedTuple):
    claims: Mapping[str, Any]
    """As far as they tell how long it counts."""
    trusted_until: float
    """Seconds on the monotonic clock."""


class _Issuer:
    def __init__(self, settings: UserIssuerSettings, endpoint: Endpoint, runtime: Runtime) -> None:
        self.expected = Expected(settings.issuer, settings.audience, settings.algorithms)
        self.user_claim = settings.user_claim
        self.jwks = Jwks(settings.jwks_url, endpoint, runtime)


def _remembered(proofs: OrderedDict[P, Q], proof: P, proves: Q, most: int) -> Q:
    """Return what this proves, from now on at once; of more than so many, the oldest is forgotten."""
    proofs[proof] = proves
    if len(proofs) > most:
        proofs.popitem(last=False)
    return proves


def _still_counts(claims: Mapping[str, Any], now: float) -> None:
    try:
        check_times(claims, now)
    except ClaimsError as error:
        _refuse(f"{USER_TOKEN}: {error}")


def _id(user: str) -> str:
    if not user or len(user) > LONGEST_ID or not user.isprintable():
        _refuse(f"a user's id has 1 to {LONGEST_ID} printable characters")
    return user


def _refuse(why: str) -> NoReturn:
    raise UserUnprovenError(why)
