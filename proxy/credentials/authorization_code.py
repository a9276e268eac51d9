"""OAuth 2 authorization codes: a person signs in at the provider and gives access (RFC 6749 §4.1, RFC 7636, RFC 9700).

Theory. Nobody but a person brings the first token; each further one comes of the refresh token that came with the one
before it, spent as `refresh_token` does and with the same care. When there is none, or the provider does not accept it
any more, requests are told that the person has to sign in. What a sign-in brought belongs to the provider and the
client for which it was given, so that other settings can change and nobody has to sign in again.

On the way to the provider and back each sign-in has a secret of its own (PKCE, always S256) and a nonce, so that a code
that was issued for another one is of no use here.
"""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, ClassVar, Final, Literal, Self
from urllib.parse import urlencode, urlsplit

from pydantic import AfterValidator, model_validator

from proxy.core.clock import Clock
from proxy.core.errors import FetchError, ProxyError, Reason
from proxy.core.secret import Secret
from proxy.core.symptom import TokenRequestError
from proxy.core.token import Token
from proxy.credentials.assertion import Occasion
from proxy.credentials.client_auth import ClientId
from proxy.credentials.discovery import Place
from proxy.credentials.fitting import lacking
from proxy.credentials.grant_reply import ID_TOKEN, REFRESH_TOKEN
from proxy.credentials.oauth2 import OURS, OAuth2, OAuth2Settings
from proxy.credentials.parameters import RESOURCE_CHECKED, ParameterName, Values, rendered, written
from proxy.credentials.provider_answer import check_answer
from proxy.credentials.request import check_address, is_plain_http
from proxy.credentials.sign_in import Arrival, Departure, Errand, IdToken, SignInError, SignsIn, login_required
from proxy.net.endpoint import Endpoint, EndpointRequest

OPENID: Final = "openid"
_OF_THE_WAY: Final = frozenset(
    {"response_type", "redirect_uri", "state", "nonce", "code_challenge", "code_challenge_method"}
)
_OF_TOKEN_REQUESTS: Final = frozenset({"code", "code_verifier", "redirect_uri", REFRESH_TOKEN})
_VERIFIER: Final = "verifier"
_NONCE: Final = "nonce"
_PAUSES: Final = (0.5, 1.5)
"""Seconds between tries to have a code heeded: a person is waiting."""
_SECRET_BYTES: Final = 32
"""256 bits; RFC 7636 §7.1 wants as many."""


class AuthorizationCodeSettings(OAuth2Settings):
    """A token that a person gives access for, in a browser."""

    parameters_of_the_grant: ClassVar[frozenset[str]] = _OF_THE_WAY

    kind: Literal["authorization_code"]
    """A token that a person gives access for, in a browser."""
    per_user: bool = True
    """Each user gives access of their own. False: one person, whom an operator asks to, gives it for all requests."""
    client_id: ClientId
    """Who asks: the client's id as the provider issued it."""
    authorization_url: Annotated[str, AfterValidator(check_address)] | None = None
    """Where the person is asked, beside a `token_url`. An `issuer` says so itself."""
    revocation_url: Annotated[str, AfterValidator(check_address)] | None = None
    """Where tokens are given back when somebody signs out (RFC 7009). An `issuer` says so itself."""
    parameters: Annotated[Mapping[ParameterName, Values], RESOURCE_CHECKED] = {}
    """More parameters of the address to which the person is sent, such as `prompt`, `audience` or `access_type`."""
    token_parameters: Annotated[Mapping[ParameterName, Values], RESOURCE_CHECKED] = {}
    """More parameters of token requests, such as `resource`."""
    service: str = ""
    """What people call the service, for the pages that they see. Default: the provider's host name."""
    callback: Literal["shared", "own"] = "shared"
    """Where the person comes back to, as the provider has it registered: `/.countersign/callback`, or an address of
    this credential's own, `/.countersign/callback/NAME`, for a provider that does not say who it is (`iss`)."""

    @property
    def place(self) -> Place:
        """Return what is configured of the provider's addresses."""
        return Place(
            self.token_url or "",
            authorization_url=self.authorization_url or "",
            revocation_url=self.revocation_url or "",
        )

    @property
    def sent_along(self) -> Mapping[str, tuple[str, ...]]:
        """Return what token requests say beside the grant; the scope is what the person has agreed to."""
        return {name: rendered(values) for name, values in self.token_parameters.items()}

    @property
    def identifies(self) -> bool:
        """Return True when the provider is to say who has signed in."""
        return OPENID in self.scope.split()

    @property
    def spends(self) -> bool:
        """Return True."""
        return True

    @property
    def signs_in(self) -> bool:
        """Return True."""
        return True

    @model_validator(mode="after")
    def _can_be_signed_in_to(self) -> Self:
        if (self.token_url is None) is not (self.authorization_url is None):
            raise ValueError("authorization_url and token_url go together; or give an issuer, which names both")
        if self.identifies and self.issuer is None:
            raise ValueError(
                "scope: with openid the provider says who has signed in, and that is checked against its `issuer`; "
                "give that in place of the addresses, or take openid out"
            )
        for word, url in (("authorization_url", self.authorization_url), ("revocation_url", self.revocation_url)):
            if url is not None and is_plain_http(url) and not self.allow_plain_http:
                raise ValueError(f"{word} is not https; codes would travel readable unless `allow_plain_http: true`")
        if "form_post" in rendered(self.parameters.get("response_mode", ())):
            raise ValueError("parameters: response_mode: form_post is not understood here; query and fragment are")
        if taken := sorted(self.token_parameters.keys() & (OURS | _OF_TOKEN_REQUESTS)):
            raise ValueError(f"token_parameters: {taken[0]} is sent anyway; take it out")
        return self


class AuthorizationCode(OAuth2, SignsIn):
    """Sends people to the provider, and spends what they come back with."""

    Settings = AuthorizationCodeSettings

    def __init__(self, name: str, settings: AuthorizationCodeSettings, endpoint: Endpoint, clock: Clock) -> None:
        super().__init__(name, settings, endpoint, clock, identifies=settings.identifies)
        self._grant = settings
        self.brought = (settings.kind, settings.provider, settings.client_id)
        self.service = settings.service or _host(settings.authorization_url or settings.provider)
        self.own_callback = settings.callback == "own"
        self.sign_in = self

    def lacks(self, previous: Token | None) -> ProxyError | None:
        """Return that the person has to sign in, unless there is a refresh token to spend."""
        if previous is not None and REFRESH_TOKEN in previous.variables:
            return None
        return login_required(self.name, personal=self.settings.per_user)

    async def fetch(self, previous: Token | None) -> Token:
        """Return a token for the newest refresh token that is known."""
        spent = previous.variables.get(REFRESH_TOKEN) if previous else None
        if spent is None:
            why = "there is no refresh token, for nobody has signed in, or the provider gave none"
            raise FetchError(Reason.NO_REFRESH_TOKEN, why, permanent=True, asked=False)
        grant = {"grant_type": REFRESH_TOKEN, REFRESH_TOKEN: spent.reveal()}
        try:
            return _parted(await self.exchange(grant, refresh_token=spent))[0]
        except TokenRequestError as error:
            error.variables = {name: value for name, value in error.variables.items() if name != ID_TOKEN}
            raise

    async def begin(self, errand: Errand) -> Departure:
        """Return the address of an authorization request (RFC 6749 §4.1.1)."""
        self._see_that_all_is_known()
        settings, place = self._grant, await self._places.find()
        if not place.authorization_url:
            detail = "the metadata of the issuer name no `authorization_endpoint` that could be used"
            raise SignInError("misconfigured", "The service does not say where to sign in.", detail=detail)
        verifier, nonce = secrets.token_urlsafe(_SECRET_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
        fields: list[tuple[str, str]] = [
            ("response_type", "code"),
            ("client_id", settings.client_id),
            ("redirect_uri", errand.redirect_uri),
            ("scope", settings.scope),
            ("state", errand.state),
            ("code_challenge", _challenge(verifier)),
            ("code_challenge_method", "S256"),
            ("nonce", nonce if settings.identifies else ""),
        ]
        fields += [(name, one) for name, values in settings.parameters.items() for one in rendered(values)]
        mark = "&" if "?" in place.authorization_url else "?"
        query = urlencode([(name, value) for name, value in fields if value])
        kept = {_VERIFIER: Secret(verifier), _NONCE: Secret(nonce)}
        return Departure(f"{place.authorization_url}{mark}{query}", kept)

    async def arrive(self, errand: Errand, kept: Mapping[str, Secret], parameters: Mapping[str, str]) -> Arrival:
        """Exchange the code for tokens (RFC 6749 §4.1.3)."""
        self._see_that_all_is_known()
        place = await self._places.find()
        code = check_answer(parameters, place, shared=not self.own_callback)
        token, said = _parted(await self._redeem(code, errand, kept[_VERIFIER]))
        if not self._grant.identifies:
            return Arrival(token)
        if said is None or place.issuer is None:
            detail = "`openid` is in the scope, and the reply to the code holds no `id_token`"
            raise SignInError("wrong_id_token", "The service does not say who has signed in.", detail=detail)
        tls = self._grant.tls
        return Arrival(token, IdToken(said, place.issuer, self._grant.client_id, kept[_NONCE], place.jwks_url, tls))

    def _see_that_all_is_known(self) -> None:
        """See that nobody is asked in words that still have gaps. Raises SignInError: they have."""
        if (name := self.settings.undefined) is not None:
            sentence = "Something is not known of you that the service has to be told. Tell whoever sent you here."
            raise SignInError("misconfigured", sentence, detail=str(lacking(name)))

    async def _redeem(self, code: str, errand: Errand, verifier: Secret) -> Token:
        """Exchange the code, once; sent again is only what the provider has not heeded."""
        back = {"code": code, "redirect_uri": errand.redirect_uri, "code_verifier": verifier.reveal()}
        for pause in _PAUSES:
            try:
                return await self.exchange({"grant_type": "authorization_code", **back}, once=True)
            except TokenRequestError as error:
                if not error.unheeded or not error.symptom.is_retried:
                    raise
            await self.clock.sleep(pause)
        return await self.exchange({"grant_type": "authorization_code", **back}, once=True)

    async def give_back(self, token: Token) -> bool:
        """Revoke the refresh token first, for the other tokens of the grant go with it (RFC 7009 §2.1)."""
        place = await self._places.find()
        url = self._grant.revocation_url or place.revocation_url
        if not url:
            return False
        refresh = token.variables.get(REFRESH_TOKEN)
        if refresh is not None:
            await self.endpoint.call(self._revocation(url, place, REFRESH_TOKEN, refresh))
        try:
            await self.endpoint.call(self._revocation(url, place, "access_token", token.value))
        except FetchError:
            if refresh is None:  # else it went with the refresh token, or ends by itself
                raise
        return True

    def _revocation(self, url: str, place: Place, hint: str, token: Secret) -> EndpointRequest:
        headers, proof = self._prove(Occasion(place.token_url, place.issuer, self._issuer_clock.now()))
        lines = (("Content-Type", "application/x-www-form-urlencoded"), *headers.items())
        body = written((("token", token.reveal()), ("token_type_hint", hint), *proof.items()))
        return EndpointRequest("POST", url, lines, body, self._grant.timeout, tls=self._grant.tls)


def _parted(token: Token) -> tuple[Token, Secret | None]:
    """Return the token without what the provider says of the person, and that."""
    variables = dict(token.variables)
    said = variables.pop(ID_TOKEN, None)
    return replace(token, variables=variables), said


def _challenge(verifier: str) -> str:
    """RFC 7636 §4.2."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).decode("ascii").rstrip("=")


def _host(url: str) -> str:
    return urlsplit(url).hostname or url
