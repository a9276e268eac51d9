"""How a client proves itself to a token endpoint: RFC 6749 §2.3, RFC 7523 §2.2, RFC 8705 §2."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, Self, TypeAlias
from urllib.parse import quote_plus

from pydantic import AfterValidator, Field, model_validator

from proxy.core.secret import Secret
from proxy.credentials.assertion import Occasion, Signer, SigningSettings
from proxy.credentials.base import CredentialSettings
from proxy.credentials.signing_key import Algorithm, SharedAlgorithm, SigningKey, read_key, shared_key
from proxy.credentials.text import one_line, present

Method: TypeAlias = Literal["basic", "post", "private_key_jwt", "client_secret_jwt", "mtls", "none"]
SecretLine = Annotated[Secret, AfterValidator(one_line), AfterValidator(present)]
"""A secret that is there and is one line."""
ClientId = Annotated[str, Field(pattern=r"^[ -~]+$")]

REGISTERED: Final[Mapping[Method, frozenset[str]]] = {
    "basic": frozenset({"client_secret_basic"}),
    "post": frozenset({"client_secret_post"}),
    "private_key_jwt": frozenset({"private_key_jwt"}),
    "client_secret_jwt": frozenset({"client_secret_jwt"}),
    "mtls": frozenset({"tls_client_auth", "self_signed_tls_client_auth"}),
    "none": frozenset({"none"}),
}
"""What an issuer's metadata calls each method (RFC 8414 §2, OpenID Connect Core §9, RFC 8705 §2)."""

_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_WITH_SECRET: Final = frozenset({"basic", "post", "client_secret_jwt"})
_WITH_ASSERTION: Final = frozenset({"private_key_jwt", "client_secret_jwt"})
_WITH: Final = {True: "without a secret", False: "with a client_secret"}


class ClientAssertionSettings(SigningSettings):
    """How a client signs what it says of itself."""

    key: Annotated[Secret, AfterValidator(present)] | None = None
    """The client's private key as PEM or JWK, such as `${file:key.pem}`, for `private_key_jwt`."""
    algorithm: Algorithm | SharedAlgorithm | None = None
    """How it signs. Default: by the key, RS256, ES256, ES384, ES512 or EdDSA; with a secret, HS256."""


class ClientSettings(CredentialSettings):
    """Who asks a token endpoint, and how it proves that."""

    client_id: ClientId | None = None
    """Who asks: the client's id as the provider issued it. Some grants need none."""
    client_secret: SecretLine | None = None
    """The client's secret. A public client has none."""
    client_auth: Method | None = None
    """`basic`: id and secret in a header; `post`: in the body; `private_key_jwt` and `client_secret_jwt`: an assertion
    signed with the client's key or secret; `mtls`: the client's certificate, and the id in the body; `none`: the id
    alone. Default: `basic` with a secret, `private_key_jwt` with a key, else `none`."""
    client_assertion: ClientAssertionSettings | None = None
    """What `private_key_jwt` and `client_secret_jwt` sign with, and what they say."""

    @property
    def proof(self) -> Method:
        """Return how the client proves itself."""
        by_key = self.client_assertion is not None and self.client_assertion.key is not None
        return self.client_auth or ("basic" if self.client_secret else "private_key_jwt" if by_key else "none")

    @model_validator(mode="after")
    def _can_prove_itself(self) -> Self:
        if (self.proof in _WITH_SECRET) is (self.client_secret is None):
            remedy = "take one of them out" if self.client_secret else "give one under `client_secret`"
            raise ValueError(f"client_auth: {self.proof} does not go {_WITH[self.client_secret is None]}; {remedy}")
        if self.client_assertion is not None and self.proof not in _WITH_ASSERTION:
            raise ValueError(f"client_auth: {self.proof} does not go with a client_assertion; take one of them out")
        if self.proof != "none" and self.client_id is None:
            raise ValueError(f"client_auth: {self.proof} does not go without a client_id; give one")
        if (key := signing_key(self)) is not None and self.client_assertion is not None:
            self.client_assertion.check_certificate(key)
        return self


def signing_key(settings: ClientSettings) -> SigningKey | None:
    """Return the key that signs the client's assertions; None: there are none.

    Raises:
        ValueError: it is missing, or not for the algorithm that is named.
    """
    if settings.proof not in _WITH_ASSERTION:
        return None
    signing = settings.client_assertion or ClientAssertionSettings()
    algorithm = signing.algorithm
    if settings.proof == "private_key_jwt":
        if signing.key is None:
            raise ValueError("client_auth: private_key_jwt does not go without client_assertion.key; give one")
        if algorithm in {"HS256", "HS384", "HS512"}:
            raise ValueError(
                f"client_assertion: {algorithm} signs with a secret; that is client_auth: client_secret_jwt"
            )
        return read_key(signing.key, algorithm)  # type: ignore[arg-type]  # those of shared secrets are refused above
    if signing.key is not None or signing.certificate is not None:
        raise ValueError("client_auth: client_secret_jwt signs with the client_secret; take key and certificate out")
    if algorithm not in {None, "HS256", "HS384", "HS512"}:
        raise ValueError(f"client_assertion: {algorithm} signs with a key, as client_auth: private_key_jwt does")
    return shared_key(settings.client_secret or Secret(""), algorithm or "HS256")


Fields: TypeAlias = dict[str, str]
Prove: TypeAlias = Callable[[Occasion], tuple[Fields, Fields]]
"""Yields what goes into the headers, and what into the body."""


def prover(settings: ClientSettings) -> Prove:
    """Return what proves the client, each time that it asks."""
    key, client_id = signing_key(settings), settings.client_id or ""
    if key is not None:
        return _Assertions(settings, key)
    secret = settings.client_secret or Secret("")
    if settings.proof == "basic":
        return lambda _: ({"Authorization": _basic(client_id, secret)}, {})
    return lambda _: ({}, {"client_id": client_id, "client_secret": secret.reveal()})


def _basic(client_id: str, secret: Secret) -> str:
    """Return id and secret, form-encoded before they are joined, so that a colon in either is no end of the id."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret.reveal())}"
    encoded = b64encode(pair.encode("ascii")).decode("ascii")
    secret.remember(encoded)
    return f"Basic {encoded}"


class _Assertions:
    """Proves the client by what it signs."""

    def __init__(self, settings: ClientSettings, key: SigningKey) -> None:
        signing = settings.client_assertion or ClientAssertionSettings()
        self._client_id = settings.client_id or ""
        self._aud = signing.aud
        self._signer = Signer(signing, key)

    def __call__(self, occasion: Occasion) -> tuple[Fields, Fields]:
        aud = self._aud or occasion.issuer or occasion.token_url
        claims: dict[str, Any] = {"iss": self._client_id, "sub": self._client_id, "aud": aud}
        fields = {"client_assertion_type": _ASSERTION_TYPE, "client_assertion": self._signer.sign(occasion, claims)}
        return {}, {"client_id": self._client_id, **fields}
