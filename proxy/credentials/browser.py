"""The step of a workflow that a person takes: an address that is opened in their browser."""

from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import AfterValidator

from proxy.core.settings import Settings
from proxy.core.template import Template
from proxy.credentials.request import RequestSettings, address

STATE: Final = "STATE"
"""Tells us which sign-in somebody comes back from; whoever does not know it was not sent by us."""
REDIRECT_URI: Final = "REDIRECT_URI"
"""Where they come back to."""
VERIFIER: Final = "VERIFIER"
"""A secret that stays here until they are back, for providers that know PKCE (RFC 7636)."""
MADE: Final = frozenset({STATE, REDIRECT_URI, VERIFIER})
"""The variables that each sign-in has of its own accord."""


class BrowserSettings(Settings):
    """What a person opens in their browser."""

    url: Annotated[Template, AfterValidator(address)]
    """The address, https unless the credential says `allow_plain_http`. It may use `variables`, what earlier steps
    brought, `{{ STATE }}`, which has to come back as the parameter `state`, `{{ REDIRECT_URI }}`, and for PKCE
    `{{ VERIFIER | sha256 | base64url }}`."""
    service: str = ""
    """What people call the service, for the pages that they see. Default: the host name of `url`."""
    callback: Literal["shared", "own"] = "shared"
    """Where the person comes back to: `/.countersign/callback`, or an address of this credential's own,
    `/.countersign/callback/NAME`."""

    @cached_property
    def as_request(self) -> RequestSettings:
        """Return the request that the browser makes of it."""
        return RequestSettings.model_validate({"method": "GET", "url": self.url.source})
