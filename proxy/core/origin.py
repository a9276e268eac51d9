"""Where an upstream is: scheme, host, port and base path, taken apart once when the configuration is loaded."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, WithJsonSchema

_PORTS: Final = {"http": 80, "https": 443}
_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
HOST: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+\]")
"""A host name or an IP address, as an address spells it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The network side of an upstream's address."""

    scheme: str
    host: str
    """Without the brackets of an IPv6 address."""
    port: int

    @property
    def is_tls(self) -> bool:
        """Return True when the connection is encrypted."""
        return self.scheme == "https"

    @property
    def is_loopback(self) -> bool:
        """Return True when it is this machine itself, whatever the network does."""
        return is_loopback(self.host)

    @property
    def authority(self) -> str:
        """Return host and port as the Host header spells them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Return True for `localhost` and for the addresses by which a machine speaks to itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def parse_upstream(text: str) -> tuple[Origin, str]:
    """Take an upstream's URL apart into its origin and its base path (without a trailing slash).

    Raises:
        ValueError: it is not an http or https URL of a host, or says more than that.
    """
    parts = urlsplit(text)
    if parts.scheme not in _PORTS:
        raise ValueError("an upstream is an https:// (or http://) address, such as https://api.example.com/v2")
    if "@" in parts.netloc:
        raise ValueError(
            "an upstream's address holds no user or password; configure a credential of kind basic instead"
        )
    if parts.query or parts.fragment or "?" in text or "#" in text:
        raise ValueError("an upstream's address ends with its path; parameters are added by a credential's inject")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("the port of an upstream is a number from 1 to 65535")
    host = parts.netloc if port is None else parts.netloc.rsplit(":", 1)[0]
    # The whole text is looked at, for `urlsplit` leaves line breaks and tabs out without a word.
    if not HOST.fullmatch(host) or not text.isascii() or re.search(r"[\x00-\x20\x7f\\]", text):
        raise ValueError("an upstream needs a host name or an IP address, and a path of printable ASCII")
    return Origin(parts.scheme, host.strip("[]").lower(), port or _PORTS[parts.scheme]), parts.path.rstrip("/")


def _checked(text: str) -> str:
    parse_upstream(text)
    return text


UpstreamUrl = Annotated[
    str, AfterValidator(_checked), WithJsonSchema({"type": "string", "format": "uri", "pattern": "^https?://"})
]
