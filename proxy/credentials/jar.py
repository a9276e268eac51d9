"""The cookies of one workflow: what a host set goes back to it, as from a browser (RFC 6265).

Theory. A jar begins empty, or with what was saved of the one before. Replies change it, requests read it. A cookie
returns to the host that set it, or to the domain that it names if that host is a part of it; to paths at or below its
own; and, if it is `Secure`, by https alone. What is malformed, or too much, is left out.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from proxy.core.message import Reply
from proxy.extractors.cookie import is_over

MOST: Final = 50
"""Cookies in a jar; further ones are left out."""
LONGEST: Final = 4096
"""Characters of a cookie, its name included."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One cookie. Prints nothing that may be secret."""

    name: str
    value: str
    host: str
    path: str
    is_for_domain: bool
    """True: hosts below `host` get it too."""
    is_secure: bool

    def __repr__(self) -> str:
        return f"<Kept {self.name} of {self.host}>"

    @property
    def place(self) -> tuple[str, str, str]:
        """Of two cookies of one place the later one counts."""
        return self.name, self.host, self.path

    def goes_to(self, url: SplitResult) -> bool:
        """Tell whether a request to that address carries it."""
        path = url.path or "/"
        below = path.startswith(self.path) and (self.path.endswith("/") or path[len(self.path) :][:1] in {"", "/"})
        return self.is_for_host(url) and below and (url.scheme == "https" or not self.is_secure)

    def is_for_host(self, url: SplitResult) -> bool:
        """Tell whether it goes to that address's host, by some path."""
        host = url.hostname or ""
        return host == self.host or (self.is_for_domain and _is_below(host, self.host))


class Jar:
    """The cookies that are kept."""

    def __init__(self, kept: Iterable[Kept] = ()) -> None:
        self._kept = {cookie.place: cookie for cookie in kept}

    @classmethod
    def opened(cls, saved: str) -> "Jar":
        """Return the jar that was saved as this text; an empty one if it is none."""
        with suppress(ValueError, TypeError):
            return cls(Kept(*fields) for fields in json.loads(saved))
        return cls()

    def __repr__(self) -> str:
        return f"<Jar of {len(self._kept)}>"

    def saved(self) -> str:
        """Return all of it as a text."""
        fields = ([c.name, c.value, c.host, c.path, c.is_for_domain, c.is_secure] for c in self._kept.values())
        return json.dumps(list(fields), separators=(",", ":"))

    def take(self, url: str, reply: Reply) -> None:
        """Keep what the reply sets, and drop what it ends."""
        for name, line in reply.headers:
            if name.lower() == "set-cookie":
                self._take(urlsplit(url), line, reply)

    def line(self, url: str) -> str:
        """Return what the header Cookie of a request to that address says; the longest path first (§5.4)."""
        parts = urlsplit(url)
        kept = sorted((c for c in self._kept.values() if c.goes_to(parts)), key=lambda c: -len(c.path))
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in kept)

    def all_for(self, url: str) -> str:
        """Return everything that the address's host gets, whatever the path, as one line."""
        parts = urlsplit(url)
        return "; ".join(f"{c.name}={c.value}" for c in self._kept.values() if c.is_for_host(parts))

    def _take(self, url: SplitResult, line: str, reply: Reply) -> None:
        pair, *rest = line.split(";")
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not (name and equals and len(name) + len(value) <= LONGEST and (name + value).isascii()):
            return
        if not (name + value).isprintable():
            return
        given = {key.strip().lower(): word.strip() for key, _, word in (part.partition("=") for part in rest)}
        host = url.hostname or ""
        path = given.get("path", "")
        cookie = Kept(
            name,
            value,
            host,
            path if path.startswith("/") else (url.path.rpartition("/")[0] or "/"),
            is_for_domain=False,
            is_secure="secure" in given,
        )
        if domain := given.get("domain", "").lower().removeprefix("."):
            if domain != host and not (_is_below(host, domain) and "." in domain):
                return  # it is not for this host to say (§5.3 step 6)
            cookie = replace(cookie, host=domain, is_for_domain=not _is_address(host))
        self._kept.pop(cookie.place, None)
        if not is_over(given, reply) and len(self._kept) < MOST:
            self._kept[cookie.place] = cookie


def _is_below(host: str, domain: str) -> bool:
    return host.endswith(f".{domain}") and not _is_address(host)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
