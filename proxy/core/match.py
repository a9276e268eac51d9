"""Which requests a route takes: by host, path, method and headers, compared with the bytes that the caller sent."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from proxy.core.headers import TOKEN
from proxy.core.message import RequestHead
from proxy.core.settings import Settings

_NAME: Final = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*"
_HOST: Final = re.compile(rf"\*|(?:\*\.)?{_NAME}|\[[0-9a-f:.]+\]")
_PATH: Final = re.compile(r"/[!-~]*")
_METHOD: Final = re.compile(r"[A-Z0-9!#$%&'*+.^_`|~-]+")


def _host(host: str) -> str:
    if not _HOST.fullmatch(host.lower()):
        raise ValueError(
            "a host is a name without scheme and port (api.example, [::1]), `*.api.example` for everything below it, "
            "or `*`; write other alphabets in their xn-- form"
        )
    return host.lower()


def _path(path: str) -> str:
    if not _PATH.fullmatch(path) or "?" in path or "#" in path:
        raise ValueError(
            "a path begins with / and is written as callers send it: percent-encoded (%20), without ? and #"
        )
    return path


def _method(method: str) -> str:
    if not _METHOD.fullmatch(method):
        raise ValueError("a method is one word in capitals, such as GET")
    return method


def _header(name: str) -> str:
    if not TOKEN.fullmatch(name):
        raise ValueError("a header name consists of letters, digits and !#$%&'*+-.^_`|~ (RFC 9110 §5.6.2)")
    return name


class MatchSettings(Settings):
    """Which requests a route takes. All four must fit."""

    host: Annotated[str, AfterValidator(_host)] = "*"
    """The host that the caller asks for, without port: a name, `*.api.example` for all names below it, or `*`."""
    path: Annotated[str, AfterValidator(_path)] = "/"
    """Where the path begins, byte for byte: `/billing` also takes `/billing/x`, `/billing/` only what is below it."""
    methods: Annotated[tuple[Annotated[str, AfterValidator(_method)], ...], Field(strict=False)] = ()
    """The methods, in capitals; none: every method."""
    headers: Mapping[Annotated[str, AfterValidator(_header)], str] = Field(default_factory=dict)
    """Headers that the request must carry with exactly these values."""

    def misfits(self, head: RequestHead) -> Iterator[str]:
        """Yield each reason for which this route does not take the request; none: it takes it."""
        if not self._takes_host(head.host):
            yield f"the host is not {self.host}"
        if not self._takes_path(head.path):
            yield f"the path does not begin with {self.path}"
        if self.methods and head.method not in self.methods:
            yield f"the method is not {' or '.join(self.methods)}"
        for name, value in self.headers.items():
            if head.fields.get(name) != value:
                yield f"the header {name} is not the one asked for"

    @property
    def precedence(self) -> tuple[int, bool, int]:
        """The greater one wins when two routes take a request: the longer path, the exact host, the longer wildcard."""
        return len(self.path), not self.host.startswith("*"), len(self.host)

    def _takes_host(self, host: str) -> bool:
        if not self.host.startswith("*."):
            return self.host in ("*", host)
        return host.endswith(self.host[1:]) and len(host) >= len(self.host)

    def _takes_path(self, path: str) -> bool:
        if self.path.endswith("/"):
            return path.startswith(self.path)
        return path == self.path or path.startswith(self.path + "/")
