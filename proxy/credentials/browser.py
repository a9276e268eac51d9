"""The step of a workflow that a person takes: an address that is opened in their browser."""

import re
from functools import cached_property
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from proxy.core.expression import VariableName
from proxy.core.origin import HOST
from proxy.core.settings import Settings
from proxy.core.template import Template
from proxy.credentials.request import RequestSettings, address, check_address

STATE: Final = "STATE"
"""Tells us which sign-in somebody comes back from; whoever does not know it was not sent by us."""
REDIRECT_URI: Final = "REDIRECT_URI"
"""Where they come back to."""
VERIFIER: Final = "VERIFIER"
"""A secret that stays here until they are back, for providers that know PKCE (RFC 7636)."""
MADE: Final = frozenset({STATE, REDIRECT_URI, VERIFIER})
"""The variables that each sign-in has of its own accord."""
LONGEST_ADDRESS: Final = 8192
"""Characters of an address that is opened; not every browser or proxy takes more."""
_HOST: Final = re.compile(rf"(?:{HOST.pattern})(?::[1-9][0-9]{{0,4}})?")
_PRINTABLE: Final = re.compile(r"[!-~]*")
_PORTS: Final = {"http": 80, "https": 443}


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError("a host is a name such as consent.example.com, and a port if it is not 443, as host:port")
    return text.lower()


class BrowserSettings(Settings):
    """What a person opens in their browser."""

    url: Annotated[Template, AfterValidator(address)] | None = None
    """The address, https unless the credential says `allow_plain_http`. It may use `variables`, what earlier steps
    brought, `{{ STATE }}`, which has to come back as the parameter `state`, `{{ REDIRECT_URI }}`, and for PKCE
    `{{ VERIFIER | sha256 | base64url }}`."""
    open: VariableName | None = None
    """In place of `url`: the variable that holds the whole address, as an earlier step brought it."""
    hosts: Annotated[tuple[Annotated[str, AfterValidator(_host)], ...], Field(strict=False)] = ()
    """With `open`, the hosts that may be opened: `consent.example.com`, or `consent.example.com:8443`. The first one
    stands for the service: with another one there, everybody signs in again."""
    service: str = ""
    """What people call the service, for the pages that they see. Default: the host name of `url`, or the first of
    `hosts`."""
    callback: Literal["shared", "own"] = "shared"
    """Where the person comes back to: `/.countersign/callback`, or an address of this credential's own,
    `/.countersign/callback/NAME`."""

    @cached_property
    def as_request(self) -> RequestSettings:
        """Return the request that the browser makes of it; for `open`, one that sends the same variable."""
        url = f"https://{self.hosts[0]}/?{{{{ {self.open} }}}}" if self.url is None else self.url.source
        return RequestSettings.model_validate({"method": "GET", "url": url})

    @property
    def place(self) -> str:
        """Return where people are sent, as it is written, without a query."""
        return self.as_request.place if self.open is None else f"https://{self.hosts[0]}"

    @property
    def origins(self) -> frozenset[str]:
        """Return from where people come back."""
        if self.open is not None:
            return frozenset(f"https://{host}" for host in self.hosts)
        parts = urlsplit(self.as_request.place)
        return frozenset({f"{parts.scheme}://{parts.netloc}"})

    @property
    def called(self) -> str:
        """Return what pages call the service."""
        return self.service or urlsplit(self.place).hostname or ""

    def check_opened(self, url: str, *, plain: bool) -> str:
        """Return the address that `open` holds, if a browser may be sent there; `plain`: by http, too.

        Raises:
            ValueError: it may not. The message shows the host of it, and nothing else.
        """
        if len(url) > LONGEST_ADDRESS:
            raise ValueError(f"it is longer than {LONGEST_ADDRESS} characters")
        before, _, after = url.partition("#")
        try:
            check_address(before)
        except ValueError:
            raise ValueError("it is not a whole address: https, a host without user or password, all ASCII") from None
        if not _PRINTABLE.fullmatch(after):
            raise ValueError("behind its `#` stands what is not printable ASCII")
        parts = urlsplit(before)
        if parts.scheme != "https" and not plain:
            raise ValueError("it is not https, and that is wanted unless `allow_plain_http: true`")
        usual = _PORTS[parts.scheme]
        name, port = parts.netloc.lower().removesuffix(f":{parts.port}"), usual if parts.port is None else parts.port
        if {f"{name}:{port}", name if port == usual else ""}.isdisjoint(self.hosts):
            raise ValueError(f"{parts.netloc.lower()} is none of its `hosts`")
        return url

    @model_validator(mode="after")
    def _has_one_address(self) -> Self:
        if (self.url is None) is (self.open is None):
            raise ValueError(
                "a browser has either a `url`, or `open`, the variable with the whole address, and its `hosts`"
                + (", not both" if self.url else "")
            )
        if self.open and not self.hosts:
            raise ValueError("`open` lets a reply say where people go; name under `hosts` what may be opened")
        if self.hosts and not self.open:
            raise ValueError("`hosts` go with `open`; the host of a `url` stands in it, so take them out")
        return self
