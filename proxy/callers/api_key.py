"""A caller that shows a key: in a header of ours, or where an SDK puts the API key that it was given.

Theory. Only hashes of keys are configured; a key itself is seen in requests alone. Hashing takes longer than all else
that is done here, so a header line that proved right is remembered whole; a wrong one never is, so that nobody can fill
the memory. Every header that carries a right key is named in the principal: none of them goes upstream. A header whose
content is no key of this caller is the caller's own business, and stays in the request.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Iterator
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from proxy.callers.base import Caller, CallerSettings
from proxy.core.message import RequestHead
from proxy.core.principal import Principal

KEY_PREFIX: Final = "csk_"
"""Begins every key that we make, so that people and secret scanners recognise one."""
_KEY_BYTES: Final = 32
_HASH_PREFIX: Final = "sha256:"
_HASH_PATTERN: Final = rf"^{_HASH_PREFIX}[0-9a-f]{{64}}$"
_HEX_DIGITS: Final = frozenset("0123456789abcdef")
_PROVEN_LINES: Final = 1024
_SCHEMES: Final = {
    b"proxy-authorization": frozenset({b"bearer"}),
    b"authorization": frozenset({b"bearer", b"basic"}),
}
_PLAIN: Final = b"x-countersign-key"
_CARRIERS: Final = frozenset({*_SCHEMES, _PLAIN})


def new_key() -> str:
    """Return a new key of 256 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES)


def hash_key(key: str) -> str:
    """Return what the configuration says instead of the key."""
    return _HASH_PREFIX + hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def _checked(text: str) -> str:
    digits = text.removeprefix(_HASH_PREFIX)
    if digits == text or len(digits) != 64 or not _HEX_DIGITS.issuperset(digits):
        raise ValueError("not the hash of a key; write what `countersign hash-key` prints: sha256: and 64 hex digits")
    return text


KeyHash = Annotated[str, AfterValidator(_checked), WithJsonSchema({"type": "string", "pattern": _HASH_PATTERN})]
"""A key's SHA-256, as `countersign keygen` and `hash-key` print it."""


class ApiKeySettings(CallerSettings):
    """Let in whoever shows one of the keys."""

    kind: Literal["api_key"]
    """A key in `Proxy-Authorization: Bearer`, `X-Countersign-Key`, or `Authorization: Bearer` or `Basic`."""
    keys: Annotated[tuple[KeyHash, ...], Field(strict=False, min_length=1)]
    """The keys' hashes; several, so that a key can be replaced while both are good."""


class ApiKey(Caller):
    """Knows its keys by their hashes."""

    Settings = ApiKeySettings

    def __init__(self, name: str, settings: ApiKeySettings) -> None:
        self._name = name
        self._acts_for_any = settings.acts_for == "any"
        self.hashes = tuple(bytes.fromhex(key.removeprefix(_HASH_PREFIX)) for key in settings.keys)
        self._proven: set[tuple[bytes, bytes]] = set()
        self._principals: dict[frozenset[bytes], Principal] = {}

    def authenticate(self, head: RequestHead) -> Principal | None:
        """Return the principal if any header carries one of the keys."""
        proof = []
        for name, value in head.headers:
            lowered = name.lower()
            if lowered in _CARRIERS and self._accepts(lowered, value):
                proof.append(lowered)
        return self._principal(frozenset(proof)) if proof else None

    def _accepts(self, name: bytes, value: bytes) -> bool:
        line = (name, value)
        if line in self._proven:
            return True
        if not any(self._knows(key) for key in _keys(name, value)):
            return False
        if len(self._proven) >= _PROVEN_LINES:
            self._proven.clear()
        self._proven.add(line)
        return True

    def _knows(self, key: bytes) -> bool:
        presented = hashlib.sha256(key).digest()
        return any(hmac.compare_digest(presented, known) for known in self.hashes)

    def _principal(self, proof: frozenset[bytes]) -> Principal:
        principal = self._principals.get(proof)
        if principal is None:
            principal = self._principals[proof] = Principal(self._name, "api_key", proof, self._acts_for_any)
        return principal


class KeyRing:
    """Every caller's keys together: tells which header lines carry one, whoever it belongs to."""

    def __init__(self, callers: Iterable[Caller]) -> None:
        self._hashes = frozenset(known for caller in callers if isinstance(caller, ApiKey) for known in caller.hashes)
        self._seen: dict[tuple[bytes, bytes], bool] = {}

    def carriers(self, head: RequestHead) -> frozenset[bytes]:
        """Return the lower-case names of the headers that carry a key."""
        return frozenset(
            lowered
            for name, value in head.headers
            if (lowered := name.lower()) in _CARRIERS and self._is_key(lowered, value)
        )

    def _is_key(self, name: bytes, value: bytes) -> bool:
        known = self._seen.get((name, value))
        if known is None:
            known = any(hashlib.sha256(key).digest() in self._hashes for key in _keys(name, value))
            if len(self._seen) >= _PROVEN_LINES:
                self._seen.clear()
            self._seen[name, value] = known
        return known


def _keys(name: bytes, value: bytes) -> Iterator[bytes]:
    """Yield what may be a key in a header line. RFC 9110 §11.4: the scheme in any case, spaces, the credentials."""
    if name == _PLAIN:
        yield value
        return
    scheme, _, credentials = value.partition(b" ")
    scheme = scheme.lower()
    if scheme not in _SCHEMES[name]:
        return
    if scheme == b"bearer":
        yield credentials.strip()
    else:
        yield from _user_and_password(credentials.strip())


def _user_and_password(credentials: bytes) -> Iterator[bytes]:
    """Yield both (RFC 7617 §2): SDKs put a key into either."""
    try:
        user, _, password = base64.b64decode(credentials, validate=True).partition(b":")
    except binascii.Error:
        return
    yield user
    yield password
