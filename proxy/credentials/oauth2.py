"""OAuth 2 grants: the settings that they share, and the one call to a token endpoint (RFC 6749 §3.2, §5.1, §5.2)."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, ClassVar, Final, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from proxy.core.clock import Clock
from proxy.core.expression import UndefinedVariableError
from proxy.core.message import Reply
from proxy.core.secret import Secret
from proxy.core.settings import Duration
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.core.template import Template
from proxy.core.token import Token
from proxy.credentials.assertion import IssuerClock, Occasion
from proxy.credentials.base import Credential
from proxy.credentials.client_auth import REGISTERED, ClientSettings, prover
from proxy.credentials.discovery import Discovery, FixedPlace, Place, Places, check_issuer
from proxy.credentials.grant_reply import TOKEN_TYPE, GrantReader
from proxy.credentials.parameters import RESOURCE_CHECKED, ParameterName, Scope, Values, rendered, written
from proxy.credentials.request import check_address, is_plain_http
from proxy.net.endpoint import Endpoint, EndpointRequest
from proxy.net.tls import TlsSettings

OURS: Final = frozenset(
    {"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "scope"}
)
"""Parameters that are ours to send."""
_MOVED: Final = frozenset({Symptom.NOT_FOUND, Symptom.METHOD, Symptom.REDIRECT})
"""What an address answers that is no token endpoint any more."""
_REFUSED: Final = frozenset({Symptom.INVALID_CLIENT, Symptom.INVALID_GRANT})
"""What an endpoint answers that does not believe an assertion, for its date among other things."""


class OAuth2Settings(ClientSettings):
    """What the settings of every OAuth 2 grant share."""

    parameters_of_the_grant: ClassVar[frozenset[str]] = frozenset()
    fits_users: ClassVar[frozenset[str]] = frozenset({"client_id", "scope", "parameters"})

    token_url: Annotated[str, AfterValidator(check_address)] | None = None
    """The address of the token endpoint, https unless the credential says `allow_plain_http`."""
    issuer: Annotated[str, AfterValidator(check_issuer)] | None = None
    """In place of `token_url`: who issues, exactly as its metadata say; they name the token endpoint."""
    scope: Scope = ""
    """What the token shall be good for, as a text or a list; empty: whatever the provider gives."""
    parameters: Annotated[Mapping[ParameterName, Values], RESOURCE_CHECKED] = {}
    """More parameters of the request, such as `audience` or `resource`; a list sends one several times, and empty ones
    are left out."""
    token_type: Annotated[str, Field(pattern=rf"^{TOKEN_TYPE.pattern}$")] = "Bearer"  # noqa: S105 - no password
    """What the provider calls a bearer token, in any case. A token of another type is not used."""
    timeout: Annotated[Duration, Field(gt=0, le=120)] = 10.0
    """How long one try may take, from the connection to the last byte."""
    tls: TlsSettings | None = None
    """How the provider proves itself, and which certificate the client shows, where that is not as usual."""

    @property
    def provider(self) -> str:
        """Return who is asked: the address of the token endpoint, or the issuer."""
        return self.token_url or self.issuer or ""

    @property
    def place(self) -> Place:
        """Return what is configured of the place where tokens are asked for."""
        return Place(self.token_url or "")

    @property
    def sent_along(self) -> Mapping[str, tuple[str, ...]]:
        """Return what every token request says beside the grant."""
        more = {name: rendered(values) for name, values in self.parameters.items()}
        return {"scope": (self.scope,), **more}

    @model_validator(mode="after")
    def _knows_its_variables(self) -> Self:
        for name in type(self).model_fields:
            value = getattr(self, name)
            stray = frozenset[str]() if self.per_user and name in self.fits_users else _names_of_templates(value)
            if stray:
                raise ValueError(f"{name}: there are no variables here: {{{{ {min(stray)} }}}} has no value")
        return self

    @model_validator(mode="after")
    def _safe_and_complete(self) -> Self:
        if (self.token_url is None) is (self.issuer is None):
            raise ValueError("give either token_url or issuer" + (", not both" if self.token_url else ""))
        if is_plain_http(self.provider) and not self.allow_plain_http:
            word = "token_url" if self.token_url else "issuer"
            raise ValueError(f"{word} is not https; secrets would travel readable unless `allow_plain_http: true`")
        if self.proof == "mtls" and (self.tls is None or self.tls.certificate is None):
            raise ValueError("client_auth: mtls does not go without a certificate; name its file under tls.certificate")
        if taken := sorted(self.parameters.keys() & (OURS | self.parameters_of_the_grant)):
            raise ValueError(f"parameters: {taken[0]} is sent anyway; take it out")
        return self


def _names_of_templates(value: object) -> frozenset[str]:
    """Return the variables of templates in a setting; texts and secrets are none."""
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, tuple):
        return frozenset[str]().union(*map(_names_of_templates, value))
    return value.names if isinstance(value, Template) else frozenset()


Grant: TypeAlias = Mapping[str, str | tuple[str, ...]]
"""Parameters of a request; a tuple is sent one by one, and what is empty not at all."""
Assertion: TypeAlias = Callable[[Occasion], Mapping[str, str]]
"""Yields the parameters of a grant that are made anew for each try."""


class OAuth2(Credential):
    """A client of a token endpoint. A kind says what it offers in exchange."""

    def __init__(
        self,
        name: str,
        settings: OAuth2Settings,
        endpoint: Endpoint,
        clock: Clock,
        *,
        signs: bool = False,
        types: frozenset[str] = frozenset(),
        requested: str = "",
        identifies: bool = False,
    ) -> None:
        """Make a client; `signs`: its grant does, too; what follows is that of `GrantReader`."""
        super().__init__(name, settings, endpoint, clock)
        self._client = settings
        self._places = _places(settings, endpoint, clock)
        self._prove = prover(settings)
        self._signs = signs or settings.proof in {"private_key_jwt", "client_secret_jwt"}
        self._issuer_clock = IssuerClock(clock)
        self._reading = GrantReader(types | {settings.token_type}, requested, identifies=identifies)
        self.reader = self._reading.usual
        looked_for = self._places.requests  # again, if there was no token endpoint, which is asked again then
        self.longest_try = settings.timeout * (1 + (self._signs or looked_for > 0) + 2 * looked_for)

    def secrets_in(self, reply: Reply) -> frozenset[str]:
        """Return the tokens in the reply."""
        return self._reading.secrets_in(reply)

    async def exchange(
        self,
        grant: Grant,
        *,
        assertion: Assertion | None = None,
        refresh_token: Secret | None = None,
        once: bool = False,
    ) -> Token:
        """Return the token that the endpoint gives for the grant: its parameters, `grant_type` among them.

        The token's variables hold the refresh token of the reply. With `refresh_token`, the grant spends that one: it
        is not sent twice when it may have been spent, and is kept where the reply brings no other (RFC 6749 §6).
        `once`: the grant is spent without that; it is not sent twice either.

        Raises:
            TokenRequestError: it gives none that can be used.
            UndefinedVariableError: a variable of the user has no value.
        """
        if self.settings.undefined is not None:
            raise UndefinedVariableError(self.settings.undefined)
        place = await self._places.find()
        spends = once or refresh_token is not None

        def write() -> EndpointRequest:
            return self._request(grant, place, assertion, spends=spends)

        try:
            return await self._ask(write(), refresh_token)
        except TokenRequestError as error:
            moved = await self._places.find() if error.symptom in _MOVED and self._places.forget() else place
            if moved != place:
                place = moved
            elif not self._signs or not self._is_about_time(error, spends=spends):
                raise _explained(error, place, self._client) from None
            else:
                return await self._ask_in_time(write, error, refresh_token)
        return await self._ask(write(), refresh_token)

    async def _ask(self, request: EndpointRequest, spent: Secret | None) -> Token:
        return self._reading.read(request.subject, await self.endpoint.call(request), spent)

    def _is_about_time(self, error: TokenRequestError, *, spends: bool) -> bool:
        """Return True when our assertion may have been refused for its date, and nothing was spent for that."""
        refused = {Symptom.INVALID_CLIENT} if spends else _REFUSED
        return error.symptom in refused and self._issuer_clock.is_contradicted_by(error.clock_offset)

    async def _ask_in_time(
        self, write: Callable[[], EndpointRequest], error: TokenRequestError, spent: Secret | None
    ) -> Token:
        """Ask once more, by the clock of the refusal; take that clock back if it helps nothing."""
        before, self._issuer_clock.offset = self._issuer_clock.offset, error.clock_offset or 0.0
        try:
            return await self._ask(write(), spent)
        except TokenRequestError as again:
            if again.symptom is error.symptom:
                self._issuer_clock.offset = before
            raise

    def _request(self, grant: Grant, place: Place, assertion: Assertion | None, *, spends: bool) -> EndpointRequest:
        client = self._client
        occasion = Occasion(place.token_url, place.issuer, self._issuer_clock.now())
        headers, proof = self._prove(occasion)
        asserted = assertion(occasion) if assertion else {}
        body = written((*grant.items(), *asserted.items(), *client.sent_along.items(), *proof.items()))
        again = partial(self._request, grant, place, assertion, spends=spends) if self._signs else None
        lines = (("Content-Type", "application/x-www-form-urlencoded"), *headers.items())
        return EndpointRequest(
            "POST", place.token_url, lines, body, client.timeout, spends=spends, again=again, tls=client.tls
        )


def _places(settings: OAuth2Settings, endpoint: Endpoint, clock: Clock) -> Places:
    if settings.issuer is None:
        return FixedPlace(settings.place)
    once = settings.spends  # a fetch that spends ends in time
    question = EndpointRequest("GET", settings.issuer, timeout=settings.timeout, spends=once, tls=settings.tls)
    shows = settings.tls is not None and settings.tls.certificate is not None
    return Discovery(question, endpoint, clock, plain=settings.allow_plain_http, mutual=shows)


def _explained(error: TokenRequestError, place: Place, client: OAuth2Settings) -> TokenRequestError:
    """Return the error; of a client that was refused, with what the issuer says of how clients prove themselves."""
    known = {word for words in REGISTERED.values() for word in words} & place.methods
    if error.symptom is not Symptom.INVALID_CLIENT or not known or REGISTERED[client.proof] & known:
        return error
    fitting = sorted(method for method, words in REGISTERED.items() if words & known)
    more = f"; this credential has client_auth: {client.proof}, and the issuer knows {' and '.join(fitting)}"
    return TokenRequestError(error.symptom, error.sentence + more, retry_after=error.retry_after)
