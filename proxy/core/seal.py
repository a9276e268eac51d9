"""Seals what outlives the process, so that only a holder of one of the keys can read it, and only in its own place.

Theory. The first key seals, any key opens: to change keys, put the new one in front, seal everything again, take the
old one away. A sealed text begins with its format and the id of its key, in the clear; the rest is AES-256-GCM under
a random nonce (NIST SP 800-38D §8.2.2: at most 2**32 sealings a key). It opens only in the context that it was closed
in, so that whoever may write to a store cannot put one record in another's place. What is used of a key is derived
from it by HKDF (RFC 5869), a value for each purpose.

A key may carry the line of the key that it replaces, in 32 more bytes: what `derive` yields belongs to the line, and
outlives each of its keys.
"""

import base64
import os
from collections.abc import Sequence
from typing import Annotated, Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from pydantic import AfterValidator, Field

from proxy.core.secret import Secret
from proxy.core.settings import Settings

_KEY_BYTES: Final = 32
_FORMAT: Final = b"\x01"
_LATER_FORMATS: Final = tuple(bytes([number]) for number in range(2, 16))
_ID_BYTES: Final = 8
_NONCE_BYTES: Final = 12
_HEAD_BYTES: Final = len(_FORMAT) + _ID_BYTES
_FRONT_BYTES: Final = _HEAD_BYTES + _NONCE_BYTES
_WHAT_A_KEY_IS: Final = (
    "a sealing key is 32 random bytes in base64, 44 characters on one line, or 88 when it replaces another; "
    "`countersign keygen` prints a new one"
)


class SealError(Exception):
    """This does not open: it is damaged, or was closed in another context. Says which part; holds no secret."""


class UnknownKeyError(SealError):
    """This was sealed with a key that is not among ours, or in a way that we do not know: it is not ours to judge."""


def new_key(after: Secret | None = None) -> str:
    """Return a new key as it is written; one `after` another carries on its line.

    Raises:
        ValueError: the other is no key.
    """
    line = b"" if after is None else _read(after)[1]
    return base64.b64encode(os.urandom(_KEY_BYTES) + line).decode()


def is_same_line(one: Secret, other: Secret) -> bool:
    """Return True when one key was made to replace the other, or both to replace a third.

    Raises:
        ValueError: one of them is no key.
    """
    return _read(one)[1] == _read(other)[1]


def checked_key(key: Secret) -> Secret:
    """Return the key.

    Raises:
        ValueError: it is none; says what one looks like and nothing of this one.
    """
    _read(key)
    return key


SealingKey = Annotated[Secret, AfterValidator(checked_key)]
"""32 random bytes in base64, perhaps with the line of the key that it replaces."""


class SealSettings(Settings):
    """What seals everything secret that is stored."""

    keys: Annotated[tuple[SealingKey, ...], Field(strict=False)] = ()
    """Newest first: the first one seals, any of them opens. `countersign keygen` makes one."""


class Seal:
    """Closes and opens with a set of keys."""

    def __init__(self, keys: Sequence[Secret]) -> None:
        """Read the keys, newest first.

        Raises:
            ValueError: there is none, or one of them is no key.
        """
        if not keys:
            raise ValueError("a seal needs a key; `countersign keygen` prints a new one")
        roots, lines = zip(*map(_read, keys), strict=True)
        self._ciphers = {_derived(root, "key id", _ID_BYTES): AESGCM(_derived(root, "AES-256-GCM")) for root in roots}
        self._newest = next(iter(self._ciphers))
        self._line = lines[-1]

    def __repr__(self) -> str:
        return f"<Seal, {len(self._ciphers)} keys>"

    @classmethod
    def of_this_process(cls) -> Self:
        """Return a seal whose only key is random and dies with the process."""
        return cls([Secret(new_key())])

    def close(self, plain: bytes, context: bytes) -> bytes:
        """Return the text, sealed with the newest key; it opens in this context alone."""
        head, nonce = _FORMAT + self._newest, os.urandom(_NONCE_BYTES)
        return head + nonce + self._ciphers[self._newest].encrypt(nonce, plain, head + context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            UnknownKeyError: with a key that is not among ours.
            SealError: it is damaged, or it was closed in another context.
        """
        if not sealed.startswith(_FORMAT):
            if sealed[:1] in _LATER_FORMATS:
                raise UnknownKeyError("this was sealed by a newer Countersign")
            raise SealError("this is not sealed")
        if len(sealed) < _FRONT_BYTES:
            raise SealError("what was sealed is cut short")
        head, nonce = sealed[:_HEAD_BYTES], sealed[_HEAD_BYTES:_FRONT_BYTES]
        cipher = self._ciphers.get(head[len(_FORMAT) :])
        if cipher is None:
            raise UnknownKeyError("this was sealed with a key that is not configured")
        try:
            return cipher.decrypt(nonce, sealed[_FRONT_BYTES:], head + context)
        except InvalidTag:
            raise SealError("what was sealed is damaged, or was sealed for another place") from None

    def is_current(self, sealed: bytes) -> bool:
        """Return True when it was sealed with the newest key, in the format of today."""
        return sealed.startswith(_FORMAT + self._newest)

    def derive(self, purpose: str) -> bytes:
        """Return 32 secret bytes for that purpose, the same in every process whose oldest key is of the same line.

        A key that is added in front changes none of them.
        """
        return _derived(self._line, f"purpose {purpose}")


def _read(key: Secret) -> tuple[bytes, bytes]:
    """Return what everything about the key is derived from, and its line."""
    try:
        value = base64.b64decode(key.reveal(), validate=True)
    except ValueError:
        raise ValueError(_WHAT_A_KEY_IS) from None
    root, line = value[:_KEY_BYTES], value[_KEY_BYTES:]
    if len(root) != _KEY_BYTES or len(line) not in (0, _KEY_BYTES):
        raise ValueError(_WHAT_A_KEY_IS)
    return root, line or _derived(root, "line")


def _derived(root: bytes, purpose: str, length: int = _KEY_BYTES) -> bytes:
    """RFC 5869 §2.3; §3.3 lets a uniformly random key do without the first step."""
    info = b"countersign seal: " + purpose.encode()
    return HKDFExpand(algorithm=SHA256(), length=length, info=info).derive(root)
