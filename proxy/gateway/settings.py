"""What an operator says of a route, beyond which requests it takes."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from proxy.core.breaker import BreakerSettings
from proxy.core.origin import UpstreamUrl
from proxy.core.route import MatchSettings
from proxy.core.settings import Duration, Settings, Size
from proxy.gateway.require import EmailOtpSettings
from proxy.net.tls import TlsSettings


class ReplaySettings(Settings):
    """How much of a request's body is remembered, so that it can be sent a second time."""

    memory: Size = 256 * 1024
    """Bytes kept in memory."""
    disk: Size = 64 * 1024 * 1024
    """Bytes kept in a temporary file once memory is full; past both the request flows on without a replay."""


class TimeoutSettings(Settings):
    """How long the upstream may take."""

    connect: Annotated[Duration, Field(gt=0)] = 5.0
    """Until the connection stands, TLS included."""
    response: Annotated[Duration, Field(gt=0)] = 60.0
    """From the end of the request until the head of the answer."""
    idle: Annotated[Duration, Field(gt=0)] = 300.0
    """Without a byte in either direction while a body is under way."""
    keepalive: Annotated[Duration, Field(ge=0)] = 4.0
    """How long an unused connection is kept; shorter than the upstream keeps it, or requests meet its closing."""


class LimitSettings(Settings):
    """How much one route may ask for at once."""

    in_flight: Annotated[int, Field(gt=0)] = 4096
    """Requests under way at the same time; the next one is answered `overloaded`."""
    body: Size | None = None
    """The longest request body accepted; none: any length."""


class RouteSettings(Settings):
    """Which requests go to which upstream, with which credentials, for which callers."""

    match: MatchSettings = MatchSettings()
    """Which requests this route takes."""
    upstream: UpstreamUrl
    """The API's address; its path is the base under which the request's path is put."""
    allow_plain_http: bool = False
    """Let an `http://` upstream that is not on this machine be used; the credential then travels readable."""
    strip_prefix: bool = True
    """Take the matched path off before the rest is put under the upstream's path."""
    credential: str | None = None
    """The credential that signs these requests."""
    credentials: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Several credentials, each adding its own part; instead of `credential`."""
    callers: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    """Who may use the route."""
    require: Annotated[tuple[EmailOtpSettings, ...], Field(strict=False)] = ()
    """What the user on whose behalf a request is must have done before; a route with requirements needs a user."""
    breaker: BreakerSettings = BreakerSettings()
    """When to stop asking an upstream that keeps failing."""
    replay: ReplaySettings = ReplaySettings()
    """What is remembered of a request's body for its replay."""
    timeouts: TimeoutSettings = TimeoutSettings()
    """How long the upstream may take."""
    tls: TlsSettings = TlsSettings()
    """How the upstream proves itself, and how we do."""
    limits: LimitSettings = LimitSettings()
    """How much the route may ask for at once."""
    dot_segments: Literal["refuse", "pass"] = "refuse"
    """What becomes of `..` and `%2e%2e` in a path: they lead out of the upstream's base path."""
    cookies: Literal["drop", "pass"] = "drop"
    """What becomes of the upstream's Set-Cookie: it belongs to the shared credential, not to the caller."""

    @model_validator(mode="after")
    def _one_spelling(self) -> Self:
        if self.credential and self.credentials:
            raise ValueError("both credential and credentials are given; keep one")
        return self

    @property
    def credential_names(self) -> tuple[str, ...]:
        """Return the names of the route's credentials, whichever spelling was used."""
        return (self.credential,) if self.credential else self.credentials


class DrainSettings(Settings):
    """How the process takes its leave after SIGTERM."""

    delay: Annotated[Duration, Field(ge=0)] = 0.0
    """Between readiness saying no and the sockets closing: give load balancers time to notice."""
    timeout: Annotated[Duration, Field(gt=0)] = 30.0
    """How long requests that are under way may take to finish."""
