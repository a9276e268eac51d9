"""Signs each request for AWS, and for whoever speaks the same language (Signature Version 4)."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self
from urllib.parse import quote

from pydantic import Field

from proxy.core.headers import encode_value
from proxy.core.message import Injection
from proxy.core.secret import Secret
from proxy.core.sigv4 import ALGORITHM, S3, UNSIGNED, Canonical, Scope, canonical, signature
from proxy.core.tailored import Prepared, Signed, Tailored, UnfitError
from proxy.core.template import Template
from proxy.core.token import NO_VARIABLES, Token
from proxy.injectors.base import THE_TOKEN, TOKEN, InjectError, Injector, InjectorSettings, rendered

_EXPIRES: Final = 300
"""Seconds for which a signature in the query counts: it is used at once."""
_WORD: Final = re.compile(r"[!-~]+")
_PART: Final = r"^[A-Za-z0-9_-]+$"
_CHUNKED: Final = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
"""How a client of S3 says that its body is in chunks of AWS's own, none of them signed."""
_PARAMETERS: Final = (
    *("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders"),
    *("X-Amz-Security-Token", "X-Amz-Signature"),
)
_HEADERS: Final = ("Authorization", "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-SHA256")
_QUERY_NAMES: Final = frozenset(name.encode() for name in _PARAMETERS)
_REPLACES: Final = frozenset(name.lower().encode() for name in _HEADERS)


class AwsSigv4Settings(InjectorSettings):
    """An AWS signature (version 4) of each request. The caller's own signature, if it makes one, is dropped."""

    kind: Literal["aws_sigv4"]
    """Sign each request for AWS."""
    region: Annotated[str, Field(pattern=_PART)]
    """The region, such as `eu-central-1`."""
    service: Annotated[str, Field(pattern=_PART)]
    """The service as signatures name it, such as `s3` or `execute-api`."""
    access_key_id: Template
    """The access key's id, or a saved variable: `{{ AccessKeyId }}`."""
    secret_access_key: Template | None = None
    """The secret key; by default `{{ TOKEN }}`."""
    session_token: Template | None = None
    """The session token of temporary keys, such as `{{ SessionToken }}`."""
    payload: Literal["signed", "unsigned"] | None = None
    """Whether the body is signed. None: it is, unless it streams to S3 over TLS."""
    place: Literal["header", "query"] = "header"
    """Where the signature goes; in the query it is what AWS calls a presigned address."""

    @property
    def templates(self) -> tuple[Template, ...]:
        """Return what is filled in once for each token."""
        keys = (self.access_key_id, self.secret_access_key or THE_TOKEN)
        return keys if self.session_token is None else (*keys, self.session_token)

    @property
    def signature(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return what it adds."""
        return self.adds

    @property
    def masked(self) -> Self:
        """Return it with the token alone for all its keys."""
        keys = dict.fromkeys(("access_key_id", "secret_access_key"), THE_TOKEN)
        return self.model_copy(update={**keys, "session_token": self.session_token and THE_TOKEN})

    @property
    def names(self) -> frozenset[str]:
        """Return the variables that it needs beside the token itself."""
        return frozenset[str]().union(*(template.names for template in self.templates)) - {TOKEN}

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """Return every header and parameter that it sets or drops."""
        return (*(("header", name.lower()) for name in _HEADERS), *(("query", name) for name in _PARAMETERS))

    @property
    def adds(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the headers and the parameters that it sets."""
        token = self.session_token is not None
        if self.place == "query":
            return (), tuple(name for name in _PARAMETERS if token or name != "X-Amz-Security-Token")
        headers = [name for name in _HEADERS if token or name != "X-Amz-Security-Token"]
        if self.service not in S3 and self.payload != "unsigned":
            headers.remove("X-Amz-Content-SHA256")
        return tuple(headers), ()


class AwsSigv4(Injector):
    """One signature."""

    Settings = AwsSigv4Settings

    def __init__(self, settings: AwsSigv4Settings, fixed: Mapping[str, Secret] = NO_VARIABLES) -> None:
        super().__init__(settings, fixed)
        self._settings = settings

    def inject(self, injection: Injection, token: Token) -> Injection:
        """Add what signs each request."""
        known = self.variables(token)
        keys = [rendered(template, known).strip() for template in self._settings.templates]
        if not all(map(_WORD.fullmatch, keys)):
            raise InjectError("keys and session tokens of AWS are printable ASCII without spaces; one of these is not")
        signer = Sigv4Signer(self._settings, *map(Secret, keys))
        part = Injection(replaces=_REPLACES, query_names=_QUERY_NAMES, tailored=Tailored(signers=(signer,)))
        return injection.joined(part)


class Sigv4Signer:
    """Signs requests with one generation of a token. The day's signing key is kept."""

    def __init__(
        self, settings: AwsSigv4Settings, key_id: Secret, secret: Secret, session_token: Secret | None = None
    ) -> None:
        self._settings = settings
        self._key_id = key_id
        self._secret = secret
        self._session_token = session_token
        self._key: tuple[Scope, bytes] | None = None
        self.adds = settings.adds

    def __repr__(self) -> str:
        return "<Sigv4Signer>"

    def wants(self, given: Mapping[str, str], *, streams: bool, is_tls: bool) -> frozenset[str]:
        """Return that the body's hash must be known, where it is signed."""
        settings = self._settings
        is_s3 = settings.service in S3
        if self._is_never_signed or (is_s3 and self._may_be_chunked(is_tls) and _is_chunked(given)):
            return frozenset()
        if settings.payload is None and streams and is_s3 and is_tls:
            return frozenset()
        return frozenset({"sha256"})

    def sign(self, prepared: Prepared) -> Signed:
        """Return the signature, and what is sent beside it."""
        payload = self._payload(prepared)
        timestamp = prepared.moment.write("%Y%m%dT%H%M%SZ")
        scope = Scope(timestamp[:8], self._settings.region, self._settings.service)
        if self._settings.place == "query":
            return self._in_query(prepared, payload, timestamp, scope)
        lines = b"X-Amz-Date: " + timestamp.encode() + b"\r\n"
        if self._session_token is not None:
            lines += b"X-Amz-Security-Token: " + encode_value(self._session_token.reveal()) + b"\r\n"
        if self._settings.service in S3 or payload == UNSIGNED:
            lines += b"X-Amz-Content-SHA256: " + payload.encode() + b"\r\n"
        request = self._canonical(prepared.with_more(lines, b""), payload)
        authorization = (
            f"{ALGORITHM} Credential={self._key_id.reveal()}/{scope}, SignedHeaders={request.signed_headers}, "
            f"Signature={signature(request, scope, timestamp, self._day_key(scope))}"
        )
        return Signed(lines + b"Authorization: " + encode_value(authorization) + b"\r\n")

    def _in_query(self, prepared: Prepared, payload: str, timestamp: str, scope: Scope) -> Signed:
        pairs = [
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", f"{self._key_id.reveal()}/{scope}"),
            ("X-Amz-Date", timestamp),
            ("X-Amz-Expires", str(_EXPIRES)),
            ("X-Amz-SignedHeaders", self._canonical(prepared, payload).signed_headers),
        ]
        if self._session_token is not None:
            pairs.append(("X-Amz-Security-Token", self._session_token.reveal()))
        query = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in pairs).encode()
        request = self._canonical(prepared.with_more(b"", query), payload)
        signed = signature(request, scope, timestamp, self._day_key(scope))
        return Signed(query=query + b"&X-Amz-Signature=" + signed.encode())

    def _canonical(self, prepared: Prepared, payload: str) -> Canonical:
        return canonical(
            prepared.method, prepared.path, prepared.query, prepared.lines, payload, service=self._settings.service
        )

    def _payload(self, prepared: Prepared) -> str:
        """Return what stands for the body in what is signed."""
        given = prepared.given.get("X-Amz-Content-SHA256", "")
        if self._settings.service in S3 and self._may_be_chunked(prepared.is_tls) and _is_chunked(prepared.given):
            return _CHUNKED
        if given.startswith("STREAMING-"):
            raise UnfitError(
                "the body is in chunks that the caller signed with a key of its own, or that nobody signed though this "
                "route signs bodies; have the client send it whole"
            )
        digest = None if self._is_never_signed else prepared.digests.get("sha256")
        return UNSIGNED if digest is None else digest.hex()

    @property
    def _is_never_signed(self) -> bool:
        """Whether no body is signed; a presigned address of S3 leaves it open."""
        settings = self._settings
        return settings.payload == "unsigned" or (settings.place == "query" and settings.service in S3)

    def _may_be_chunked(self, is_tls: bool) -> bool:
        """Whether a caller may send chunks that nobody signs: where it is configured so, or TLS keeps them whole."""
        return self._settings.payload == "unsigned" or (self._settings.payload is None and is_tls)

    def _day_key(self, scope: Scope) -> bytes:
        if self._key is None or self._key[0] != scope:
            self._key = scope, scope.key(self._secret.reveal())
        return self._key[1]


def _is_chunked(given: Mapping[str, str]) -> bool:
    return given.get("X-Amz-Content-SHA256", "") == _CHUNKED
