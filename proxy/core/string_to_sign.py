"""What a string to sign may say of a request: variables of templates, read from the request as it will be sent."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Final

from proxy.core import urlencoded
from proxy.core.tailored import WHOLE, Prepared, UnfitError

HEADER: Final = "HEADER_"
"""What begins the variable of a header: `HEADER_CONTENT_TYPE`."""


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _body(prepared: Prepared) -> bytes:
    return prepared.body or b""


def _sorted_form(prepared: Prepared) -> str:
    """Return names and decoded values run together, in the order of the names."""
    pairs = sorted(urlencoded.pairs(_text(_body(prepared))))
    return _text(b"".join(name + value for name, value in pairs))


_READERS: Final[Mapping[str, tuple[Callable[[Prepared], str], str | None]]] = {
    "METHOD": (lambda prepared: prepared.method, None),
    "HOST": (lambda prepared: prepared.host, None),
    "PATH": (lambda prepared: prepared.path, None),
    "QUERY": (lambda prepared: prepared.query, None),
    "SORTED_QUERY": (lambda prepared: "&".join(sorted(filter(None, prepared.query.split("&")))), None),
    "URL": (lambda prepared: prepared.url, None),
    "BODY": (lambda prepared: _text(_body(prepared)), WHOLE),
    "SORTED_FORM": (_sorted_form, WHOLE),
    "BODY_SHA256": (lambda prepared: prepared.digests["sha256"].hex(), "sha256"),
    "BODY_SHA256_BASE64": (lambda prepared: b64encode(prepared.digests["sha256"]).decode(), "sha256"),
    "BODY_SHA512": (lambda prepared: prepared.digests["sha512"].hex(), "sha512"),
    "BODY_SHA512_BASE64": (lambda prepared: b64encode(prepared.digests["sha512"]).decode(), "sha512"),
    "BODY_MD5": (lambda prepared: prepared.digests["md5"].hex(), "md5"),
    "BODY_MD5_BASE64": (lambda prepared: b64encode(prepared.digests["md5"]).decode(), "md5"),
}
"""By variable: how it is read, and what must be known of the body for that."""

NAMES: Final = frozenset(_READERS)
"""The variables, without those of headers."""


def is_of_the_request(name: str) -> bool:
    """Tell whether the variable says something of the request, and nothing of the credential."""
    return name in _READERS or name.startswith(HEADER)


def wanted(names: frozenset[str]) -> frozenset[str]:
    """Return what must be known of the body for these variables: names of hash functions, or `WHOLE`."""
    return frozenset(need for name in names if name in _READERS and (need := _READERS[name][1]) is not None)


def variables(names: frozenset[str], prepared: Prepared) -> dict[str, str]:
    """Return those of these variables that say something of the request. A header that it has not is empty."""
    known = {}
    for name in names:
        if name in _READERS:
            known[name] = _READERS[name][0](prepared)
        elif name.startswith(HEADER):
            wanted_name = name.removeprefix(HEADER).replace("_", "-").lower().encode()
            known[name] = _text(b", ".join(value for given, value in prepared.lines if given == wanted_name))
    return known


def to_bytes(text: str) -> bytes:
    """Return a string to sign as the bytes that are signed: what came from the request is what was in it.

    Raises:
        UnfitError: it holds what no text can hold.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise UnfitError("the string to sign holds characters that UTF-8 cannot write") from None
