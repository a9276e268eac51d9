"""AWS Signature Version 4, by its public specification: what a request is in canonical form, and how that is signed.

Everything is read from the request as it will be sent, so what the service sees is what was signed.
"""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from proxy.core import urlencoded

ALGORITHM: Final = "AWS4-HMAC-SHA256"
UNSIGNED: Final = "UNSIGNED-PAYLOAD"
S3: Final = frozenset({"s3", "s3-object-lambda", "s3-outposts", "s3express"})
"""Services that take a path encoded once, and bodies that are not signed."""

_ALWAYS_SIGNED: Final = frozenset({b"host", b"content-type", b"content-md5"})
_SAFE: Final = "-_.~"


class Scope(NamedTuple):
    """Where and when a signature counts."""

    date: str
    """As `20260102`, in UTC."""
    region: str
    service: str

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"

    def key(self, secret: str) -> bytes:
        """Return the signing key: the same all day."""
        key = f"AWS4{secret}".encode()
        for part in (*self, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key


class Canonical(NamedTuple):
    """A request in canonical form."""

    text: str
    signed_headers: str
    """Their names, joined by semicolons."""


def canonical(
    method: str, path: str, query: str, lines: Iterable[tuple[bytes, bytes]], payload: str, *, service: str
) -> Canonical:
    """Return a request in canonical form. `payload`: the hex digits of the body's SHA-256, or what stands for them."""
    fields: dict[str, list[str]] = {}
    for name, value in lines:
        if name in _ALWAYS_SIGNED or name.startswith(b"x-amz-"):
            fields.setdefault(name.decode("ascii"), []).append(_text(b" ".join(value.split())))
    names = sorted(fields)
    headers = "".join(f"{name}:{','.join(fields[name])}\n" for name in names)
    signed = ";".join(names)
    place = canonical_path(path, service=service)
    return Canonical("\n".join((method, place, canonical_query(query), headers, signed, payload)), signed)


def canonical_path(path: str, *, service: str) -> str:
    """Return the path: of S3 encoded once, whatever it was; of all others without dot segments, and encoded again."""
    if service in S3:
        return "/".join(quote(unquote_to_bytes(_bytes(segment)), safe=_SAFE) for segment in path.split("/"))
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in {"", "."}:
            kept.append(segment)
    end = "/" if kept and path.endswith("/") else ""
    return quote(_bytes(f"/{'/'.join(kept)}{end}"), safe=f"/{_SAFE}")


def canonical_query(query: str) -> str:
    """Return the parameters in order, each encoded anew."""
    pairs = [(quote(name, safe=_SAFE), quote(value, safe=_SAFE)) for name, value in urlencoded.pairs(query)]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def signature(request: Canonical, scope: Scope, timestamp: str, key: bytes) -> str:
    """Return the signature in hex digits. `timestamp`: as `20260102T030405Z`."""
    digest = hashlib.sha256(request.text.encode("utf-8", "surrogateescape")).hexdigest()
    return hmac.new(key, f"{ALGORITHM}\n{timestamp}\n{scope}\n{digest}".encode(), hashlib.sha256).hexdigest()


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
