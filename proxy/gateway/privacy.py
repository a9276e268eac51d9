"""Keeps the answer to one user out of caches that others share, whatever the API says of it (RFC 9111 §5.2.2.7).

A cache in front of us sees requests without an `Authorization` of the API, and so takes the answers for everybody's
(§3.5 protects only requests that have one). What an API says for itself, `private` or `no-store`, stays as it is; what
it says to shared caches alone, which heed that before all else, is taken out (RFC 9213, and what was there before it).
"""

import re
from typing import Final

from proxy.net.answer import Fields
from proxy.users.identity import USER, USER_TOKEN

_DIRECTIVE: Final = re.compile(rb'((?:[^,"]|"(?:[^"\\]|\\.)*"?)+)')
_ENOUGH: Final = frozenset({b"private", b"no-store"})
_CONTRADICTING: Final = frozenset({b"public", b"private", b"s-maxage"})
"""Directives, some of them with a value, that go when the answer is made private as a whole."""
_FOR_SHARED: Final = frozenset({b"x-accel-expires", b"surrogate-control", b"edge-control"})
_TARGETED: Final = b"-cache-control"
"""How the names of header lines end that speak to some caches: `CDN-Cache-Control`, and many a maker's own."""
_VARY: Final = (b"Vary", f"{USER}, {USER_TOKEN}".encode("ascii"))


def made_private(fields: Fields) -> Fields:
    """Return the header lines of an answer as no shared cache keeps it, and no other user's browser cache uses it."""
    fields = [(name, value) for name, value in fields if not _speaks_to_shared(name.lower())]
    said = [value for name, value in fields if name.lower() == b"cache-control"]
    directives = [one.strip() for value in said for one in _DIRECTIVE.findall(value) if one.strip()]
    if any(one.lower() in _ENOUGH for one in directives):
        return fields
    kept = [one for one in directives if one.partition(b"=")[0].strip().lower() not in _CONTRADICTING]
    others = [(name, value) for name, value in fields if name.lower() != b"cache-control"]
    return [*others, (b"Cache-Control", b", ".join([b"private", *kept])), _VARY]


def _speaks_to_shared(name: bytes) -> bool:
    return name in _FOR_SHARED or name.endswith(_TARGETED)
