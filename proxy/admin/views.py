"""What the admin API shows: one record per answer. Their docstrings are the documentation of its fields."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from proxy.telemetry.line import Level
from proxy.telemetry.redaction import Value

Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""RFC 3339, UTC."""
BREAKERS: Final = ("closed", "half_open", "open")
STATES: Final = ("fresh", "stale", "expired", "none")
BreakerName = Annotated[str, Field(json_schema_extra={"enum": list(BREAKERS)})]
StateName = Annotated[str, Field(json_schema_extra={"enum": list(STATES)})]


class View(BaseModel):
    """Base of everything that is shown. The docstrings below become the API's documentation."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True, use_attribute_docstrings=True)


class StoreView(View):
    """The token store."""

    kind: str
    up: bool
    """Whether it is used; false: it failed, and has not answered a probe yet. Held tokens go on serving."""


class StatusView(View):
    """How the process is."""

    version: str
    started_at: Moment
    uptime_seconds: float
    ready: bool
    """Whether it wants requests."""
    reasons: tuple[str, ...]
    """Why it wants none."""
    draining: bool
    store: StoreView
    requests_in_flight: int
    log_lines_dropped: int
    routes: Mapping[str, int]
    """How many routes there are, by the state of their circuit."""
    credentials: Mapping[str, int]
    """How many credentials there are, by the state of their token."""
    failing: tuple[str, ...]
    """The credentials whose last fetch failed."""


class FailureView(View):
    """Why the last fetch failed; shown until one succeeds."""

    reason: str
    detail: str
    permanent: bool
    """True: asking again cannot help until somebody changes something."""
    retry_after_seconds: float
    """Until it is worth asking again; 0: now."""


class CredentialView(View):
    """A credential, and the token it yields now."""

    name: str
    kind: str
    description: str
    routes: tuple[str, ...]
    """Which routes it signs."""
    state: StateName
    """The token's age; none: nothing has been fetched, or what was fetched is forgotten."""
    generation: int
    """Grows by one with each new value; 0: none yet."""
    fingerprint: str | None
    """Tells two values apart while this process runs, and says nothing of either."""
    issued_at: Moment | None
    refresh_at: Moment | None
    """When it is replaced behind the requests."""
    expires_at: Moment | None
    """Null: never, or there is no token."""
    fetching: bool
    """Whether a fetch is under way."""
    renewable: bool
    """False: the token is part of the configuration."""
    breaker: BreakerName
    """The token endpoint's circuit."""
    failure: FailureView | None


class StepView(View):
    """One request of a test, and its reply. Texts that could be secret are masked; keys and numbers stand."""

    name: str
    """What the configuration calls the step; empty where there is but one."""
    note: str | None
    """Why the step was skipped; then there was no request."""
    method: str
    url: str
    headers: Mapping[str, str]
    sent: Any
    """The request's body, as a tree where it has one."""
    status: int | None
    """Null: there was no reply."""
    content_type: str
    answered: Mapping[str, str]
    """The reply's headers."""
    received: Any
    """The reply's body, as a tree when it is JSON or a form."""
    seconds: float


class CandidateView(View):
    """Where in a reply something might stand that was not found."""

    place: str
    """A JSONPath, or the words of another extractor: `header X-Auth-Token`."""
    type: str | None
    """As what an expiry there would be read; null: it is the candidate for a token."""


class SavedView(View):
    """A variable that goes with the token."""

    name: str
    place: str
    """Where it was looked for."""
    found: bool


class RenewalView(View):
    """When a token would be replaced, in seconds from its arrival."""

    earliest: float
    """From then on it is stale: used, and replaced behind the requests. Each token's moment is drawn anew."""
    latest: float
    safety_window: float
    """Seconds before its end in which it is stale in any case."""


class DiagnosisView(View):
    """What a test showed, and what to do about it."""

    code: str
    """`ok`, `not-tried`, or a row of the troubleshooting table."""
    sentence: str
    remedy: str
    candidates: tuple[CandidateView, ...]
    """Where in the reply what was not found might stand."""


class TrialView(View):
    """One try of a credential, without retries; its token is not kept."""

    credential: str
    succeeded: bool
    """Whether there is a token that can be used."""
    steps: tuple[StepView, ...]
    diagnosis: DiagnosisView
    token_at: str | None
    """Where the token was found."""
    token_fingerprint: str | None
    expiry_at: str | None
    """Where its expiry was found."""
    lifetime: float | None
    """Seconds; null: for ever, or there is no token."""
    renewal: RenewalView | None
    """Null: never, or there is no token."""
    saved: tuple[SavedView, ...]
    """What the reply brings beside the token."""
    clock_offset: float | None
    """Seconds by which the issuer's clock is ahead of this machine's; null: no reply said what time it is there."""


class MatchView(View):
    """Which requests a route takes."""

    host: str
    path: str
    methods: tuple[str, ...]
    """Empty: all."""
    headers: Mapping[str, str]


class RouteView(View):
    """A route, and how its upstream is doing."""

    name: str
    match: MatchView
    upstream: str
    credentials: tuple[str, ...]
    callers: tuple[str, ...]
    breaker: BreakerName
    breaker_held: bool
    """True: an operator holds the circuit as it is."""
    breaker_opened_total: int
    """How often the circuit opened since this process started or the route changed."""
    in_flight: int
    """Requests being worked on now."""


class EventView(View):
    """Something that happened."""

    id: int
    time: Moment
    level: Level
    event: str
    route: str | None
    credential: str | None
    user: str | None
    reason: str | None
    detail: str
    fields: Mapping[str, Value]
    """What else is known of it."""


class CredentialsView(View):
    """All credentials, in the configuration's order."""

    credentials: tuple[CredentialView, ...]


class RoutesView(View):
    """All routes, in the configuration's order."""

    routes: tuple[RouteView, ...]


class EventsView(View):
    """Events, newest first."""

    events: tuple[EventView, ...]
    cursor: int | None
    """Ask for the next page with it; null: there is nothing older."""


class LoginView(View):
    """A link with which one person can sign in, once."""

    url: str
    """To be opened in that person's own browser. Whoever has it can give access in their place."""
    expires_at: Moment


class UserTokenView(View):
    """A user's token of one credential."""

    credential: str
    kind: str
    state: StateName
    fingerprint: str | None
    """Tells two tokens apart and says nothing of either."""
    issued_at: Moment | None
    """When it was fetched, or pushed."""
    expires_at: Moment | None
    """None: it does not expire, or there is none."""


class UserView(View):
    """What is known of one user."""

    id: str
    pseudonym: str
    """Stands for the user in logs and events."""
    email: str | None
    name: str | None
    variables: tuple[str, ...]
    """The names of what the templates of credentials may use; their values are not shown."""
    tokens: tuple[UserTokenView, ...]
    """Of each credential that is per user."""
