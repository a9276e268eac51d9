"""OAuth 2 grants: the settings that they share, and the one call to a token endpoint (RFC 6749 §3.2, §5.1, §5.2)."""

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, Self
from urllib.parse import quote_plus, urlencode

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, WithJsonSchema, model_validator

from proxy.core.clock import Clock
from proxy.core.message import Reply
from proxy.core.secret import Secret
from proxy.core.settings import Duration
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.core.template import Template
from proxy.core.token import NO_VARIABLES, Token
from proxy.credentials.base import Credential, CredentialSettings
from proxy.credentials.reading import AnyExpiry, TokenReader, found_in
from proxy.credentials.request import check_address, is_plain_http
from proxy.credentials.text import one_line, present
from proxy.extractors import make_extractor
from proxy.extractors.base import FormatError
from proxy.extractors.json import JsonSettings, parse
from proxy.net.endpoint import Endpoint, EndpointRequest
from proxy.net.refusal import refusal

REFRESH_TOKEN: Final = "refresh_token"  # noqa: S105 - a name, not a password
"""The parameter, the member of a reply and the variable of a token: one word for all three."""

_OURS: Final = frozenset({"grant_type", "client_id", "client_secret", "scope"})
_SCOPE: Final = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*")
"""RFC 6749 §3.3."""
_TYPE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,19}")
"""What may be repeated as the name of a token's type."""
_EXPIRY: Final = TypeAdapter(AnyExpiry).validate_python({"from": "json", "path": "expires_in", "type": "seconds"})


def _joined(scope: Any) -> Any:
    """Join a list of scopes by spaces."""
    return " ".join(scope) if isinstance(scope, list) and all(isinstance(one, str) for one in scope) else scope


def _scope(scope: str) -> str:
    if scope and not _SCOPE.fullmatch(scope):
        raise ValueError("scopes are words of printable ASCII without quotes and backslashes, one space between them")
    return scope


def _fixed(template: Template) -> Template:
    if template.names:
        raise ValueError(f"there are no variables here: {{{{ {min(template.names)} }}}} has no value")
    return template


SecretLine = Annotated[Secret, AfterValidator(one_line), AfterValidator(present)]
"""A secret that is there and is one line."""
Scope = Annotated[
    str,
    BeforeValidator(_joined),
    AfterValidator(_scope),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
"""Scopes, as a text or a list."""


class OAuth2Settings(CredentialSettings):
    """What the settings of every OAuth 2 grant share."""

    parameters_of_the_grant: ClassVar[frozenset[str]] = frozenset()

    token_url: Annotated[str, AfterValidator(check_address)]
    """The address of the token endpoint, https unless the credential says `allow_plain_http`."""
    client_id: Annotated[str, Field(pattern=r"^[ -~]+$")]
    """Who asks: the client's id as the provider issued it."""
    client_secret: SecretLine | None = None
    """The client's secret. A public client has none."""
    client_auth: Literal["basic", "post", "none"] | None = None
    """`basic`: id and secret in a header; `post`: in the body; `none`: the id alone. Default: `basic` with a secret."""
    scope: Scope = ""
    """What the token shall be good for, as a text or a list; empty: whatever the provider gives."""
    parameters: Mapping[Annotated[str, Field(min_length=1)], Annotated[Template, AfterValidator(_fixed)]] = {}
    """More parameters of the request, such as `audience` or `resource`; empty ones are left out."""
    token_type: Annotated[str, Field(pattern=rf"^{_TYPE.pattern}$")] = "Bearer"  # noqa: S105 - a type, not a password
    """What the provider calls a bearer token, in any case. A token of another type is not used."""
    timeout: Annotated[Duration, Field(gt=0, le=120)] = 10.0
    """How long one try may take, from the connection to the last byte."""

    @property
    def proof(self) -> Literal["basic", "post", "none"]:
        """Return how the client proves itself."""
        return self.client_auth or ("basic" if self.client_secret else "none")

    @model_validator(mode="after")
    def _safe_and_complete(self) -> Self:
        if is_plain_http(self.token_url) and not self.allow_plain_http:
            raise ValueError("token_url is not https; secrets would travel readable unless `allow_plain_http: true`")
        if (self.proof == "none") is not (self.client_secret is None):
            remedy = "take one of them out" if self.client_secret else "give one under `client_secret`"
            raise ValueError(f"client_auth: {self.proof} does not go {_WITH[self.client_secret is None]}; {remedy}")
        if taken := sorted(self.parameters.keys() & (_OURS | self.parameters_of_the_grant)):
            raise ValueError(f"parameters: {taken[0]} is sent anyway; take it out")
        return self


_WITH: Final = {True: "without a secret", False: "with a client_secret"}


class OAuth2(Credential):
    """A client of a token endpoint. A kind says what it offers in exchange."""

    def __init__(self, name: str, settings: OAuth2Settings, endpoint: Endpoint, clock: Clock) -> None:
        super().__init__(name, settings, endpoint, clock)
        self._client = settings
        self.reader = self._reader = TokenReader(_at("access_token"), _EXPIRY)
        self._undated_reader = TokenReader(_at("access_token"), None)
        self._secret_places = tuple(make_extractor(_at(name)) for name in ("access_token", REFRESH_TOKEN, "id_token"))

    def secrets_in(self, reply: Reply) -> frozenset[str]:
        """Return the tokens in the reply."""
        return found_in(reply, *self._secret_places)

    async def exchange(self, grant: Mapping[str, str], *, refresh_token: Secret | None = None) -> Token:
        """Return the token that the endpoint gives for the grant: its parameters, `grant_type` among them.

        The token's variables hold the refresh token of the reply. With `refresh_token`, the grant spends that one: it
        is not sent twice when it may have been spent, and is kept where the reply brings no other (RFC 6749 §6).

        Raises:
            TokenRequestError: it gives none that can be used.
        """
        request = self._request(grant, spends=refresh_token is not None)
        reply = await self.endpoint.call(request)
        return self._read(request.subject, reply, refresh_token)

    def _request(self, grant: Mapping[str, str], *, spends: bool) -> EndpointRequest:
        client, headers = self._client, {"Content-Type": "application/x-www-form-urlencoded"}
        fields = {**grant, "scope": client.scope}
        fields |= {name: template.render({}) for name, template in client.parameters.items()}
        secret = client.client_secret.reveal() if client.client_secret else ""
        if client.proof == "basic":
            # Form-encoded before it is joined (RFC 6749 §2.3.1), so that a colon in either is no end of the id.
            pair = f"{quote_plus(client.client_id)}:{quote_plus(secret)}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode('ascii')).decode('ascii')}"
        else:
            fields |= {"client_id": client.client_id, "client_secret": secret}
        try:
            body = urlencode({name: value for name, value in fields.items() if value}).encode("ascii")
        except UnicodeEncodeError:
            raise TokenRequestError(Symptom.REQUEST, "a parameter holds text that UTF-8 cannot write") from None
        return EndpointRequest("POST", client.token_url, tuple(headers.items()), body, client.timeout, spends=spends)

    def _read(self, subject: str, reply: Reply, spent: Secret | None) -> Token:
        """Read a successful answer (RFC 6749 §5.1), or one that says 200 and means §5.2."""
        document = _document(subject, reply)
        if isinstance(document.get("error"), str) and not document.get("access_token"):
            raise refusal(subject, reply)
        successor = document.get(REFRESH_TOKEN)
        kept = Secret(successor) if isinstance(successor, str) and successor else spent
        variables = NO_VARIABLES if kept is None else {REFRESH_TOKEN: kept}
        try:
            self._check(subject, document)
            return self._reader.read(subject, reply, variables)
        except TokenRequestError as error:
            if error.symptom is not Symptom.EXPIRY_WRONG:
                error.variables = variables  # a refresh token was spent for it, and its successor must not be lost
                raise
        return self._undated_reader.read(subject, reply, variables)  # nobody could set right what the provider says

    def _check(self, subject: str, document: Mapping[str, Any]) -> None:
        """Refuse what has no token, or one of a type that nobody has told us how to use (RFC 6749 §7.1)."""
        if not isinstance(document.get("access_token"), str):
            raise TokenRequestError(Symptom.NOT_OAUTH, f"the reply to {subject} has no `access_token`")
        named = document.get("token_type") or "Bearer"
        if str(named).lower() not in {"bearer", self._client.token_type.lower()}:
            shown = f" {named}" if _TYPE.fullmatch(str(named)) else ""
            raise TokenRequestError(Symptom.TOKEN_TYPE, f"the reply to {subject} brings a token of another type{shown}")


def _at(name: str) -> JsonSettings:
    return JsonSettings.model_validate({"from": "json", "path": name})


def _document(subject: str, reply: Reply) -> Mapping[str, Any]:
    try:
        document = parse(reply)
    except FormatError as error:
        raise TokenRequestError(Symptom.NOT_JSON, f"in the reply to {subject} {error}") from None
    if not isinstance(document, dict):
        raise TokenRequestError(Symptom.NOT_OAUTH, f"the reply to {subject} is no JSON object")
    return document
