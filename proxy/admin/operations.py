"""What operators can ask and order, one entry each: from here come the routes, the audit log and the documentation."""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field

from proxy import credentials
from proxy.admin import showing, views
from proxy.admin.inspectable import Inspectable
from proxy.admin.operation import Call, Operation, Parameters, existing
from proxy.admin.problem import OrderFailedError, OrderInvalidError
from proxy.admin.users import USERS
from proxy.admin.views import View
from proxy.core.errors import ProxyError, TokenUnavailableError
from proxy.credentials.trial import trial
from proxy.stores.base import StoreError
from proxy.telemetry.events import LONGEST_PAGE
from proxy.telemetry.line import Level, rfc3339
from proxy.users.identity import LONGEST_ID
from proxy.users.tickets import LIFETIME as TICKET_LIVES


class EventsQuery(Parameters):
    """Which events to show."""

    route: str | None = None
    """Only those of this route."""
    credential: str | None = None
    """Only those of this credential."""
    user: str | None = None
    """Only those of this user."""
    level: Level | None = None
    """Only those of this level, and graver ones."""
    since: AwareDatetime | None = None
    """Only those from this moment on: RFC 3339 or Unix seconds."""
    limit: Annotated[int, Field(ge=1, le=LONGEST_PAGE)] = 100
    """How many at most."""
    cursor: Annotated[int, Field(ge=1)] | None = None
    """The `cursor` of the page before, for what is older."""


class BreakerOrder(Parameters):
    """What a circuit shall be."""

    state: Literal["open", "closed", "auto"]
    """`open` and `closed` hold until they are taken back with `auto`."""


class TrialOrder(Parameters):
    """Whose token shall be tried."""

    user: Annotated[str, Field(min_length=1, max_length=LONGEST_ID)] | None = None
    """The id of the user, of a credential of which each user has a token of their own."""


class LoginOrder(Parameters):
    """Who shall sign in."""

    user: Annotated[str, Field(min_length=1, max_length=LONGEST_ID)] | None = None
    """The id of the user whose access it is, of a credential of which each user has their own."""


async def _status(app: Inspectable, _: Call) -> View:
    return showing.status(app)


async def _credentials(app: Inspectable, _: Call) -> View:
    return views.CredentialsView(credentials=tuple(showing.credential(app, name) for name in app.sources.by_name))


async def _credential(app: Inspectable, call: Call) -> View:
    return showing.credential(app, existing(app.sources.by_name, call.name, "credential"))


async def _refresh(app: Inspectable, call: Call) -> View:
    source = app.sources.by_name[name := existing(app.sources.by_name, call.name, "credential")]
    try:
        await source.refresh()
    except TokenUnavailableError as error:
        failure = source.status().failure
        detail = error.detail if failure is None else failure.detail
        raise OrderFailedError(detail, reason=error.reason.value) from error
    except ProxyError as error:
        raise OrderFailedError(error.detail) from error
    return showing.credential(app, name)


async def _revoke(app: Inspectable, call: Call) -> View:
    name = existing(app.sources.by_name, call.name, "credential")
    try:
        if app.sources.settings[name].signs_in and app.graph.people and app.graph.people.sign_ins:
            await app.graph.people.sign_ins.end(name, None, call.who)
        else:
            await app.sources.by_name[name].revoke()
    except StoreError as error:
        raise OrderFailedError(
            f"the token is forgotten here, but the store may still have it: {error}; revoke again once it answers"
        ) from error
    return showing.credential(app, name)


async def _login(app: Inspectable, call: Call) -> View:
    settings = app.sources.settings[existing(app.sources.settings, call.name, "credential")]
    login = app.graph.people and app.graph.people.login
    if not settings.signs_in or not login:
        raise OrderInvalidError(f"nobody signs in for a credential of kind {settings.kind}")
    user = call.parameters.user
    if settings.per_user is (user is None):
        each = "each user gives access of their own: say whose, as `user`"
        raise OrderInvalidError(each if user is None else "one person gives access for all: take `user` out")
    ends = app.clock.now() + TICKET_LIVES
    return views.LoginView(url=login.address(call.name, user, call.who), expires_at=rfc3339(ends))


async def _test(app: Inspectable, call: Call) -> View:
    settings = app.sources.settings[existing(app.sources.settings, call.name, "credential")]
    user, people = call.parameters.user, app.graph.people
    if settings.per_user is (user is None):
        each = "each user has a token of their own: say whose, as `user`"
        raise OrderInvalidError(each if user is None else "there is one token for all: take `user` out")
    if user is not None and people is not None:
        try:
            settings = settings.for_user(await people.registry.person(user).values(settings.user_variables))
        except StoreError as error:
            raise OrderFailedError(f"what is known of the user cannot be looked up: {error}") from error
    credential = credentials.KINDS[settings.kind](call.name, settings, app.endpoint, app.clock)
    return showing.trial(await trial(credential))


async def _routes(app: Inspectable, _: Call) -> View:
    return views.RoutesView(routes=tuple(showing.route(app, name) for name in app.graph.plans))


async def _route(app: Inspectable, call: Call) -> View:
    return showing.route(app, existing(app.graph.plans, call.name, "route"))


async def _breaker(app: Inspectable, call: Call) -> View:
    name = existing(app.graph.plans, call.name, "route")
    shall_be_open = {"open": True, "closed": False, "auto": None}[call.parameters.state]
    app.graph.plans[name].breaker.force(shall_be_open, app.clock.monotonic())
    return showing.route(app, name)


async def _events(app: Inspectable, call: Call) -> View:
    query: EventsQuery = call.parameters
    since = query.since.timestamp() if isinstance(query.since, datetime) else None
    page = app.events.query(**query.model_dump(exclude={"since"}), since=since)
    return showing.events(page)


OPERATIONS: Final = (
    Operation("getStatus", "GET", "/status", "How the process is", _status, views.StatusView),
    Operation("listCredentials", "GET", "/credentials", "All credentials", _credentials, views.CredentialsView),
    Operation(
        "getCredential",
        "GET",
        "/credentials/{name}",
        "One credential",
        _credential,
        views.CredentialView,
        subject="credential",
    ),
    Operation(
        "refreshCredential",
        "POST",
        "/credentials/{name}/refresh",
        "Fetch a new token now, whatever is held",
        _refresh,
        views.CredentialView,
        subject="credential",
    ),
    Operation(
        "revokeCredential",
        "POST",
        "/credentials/{name}/revoke",
        "Forget the token, here and in the store",
        _revoke,
        views.CredentialView,
        subject="credential",
    ),
    Operation(
        "startLogin",
        "POST",
        "/credentials/{name}/login",
        "Get a link with which one person can sign in, and give the access that the credential needs",
        _login,
        views.LoginView,
        takes=LoginOrder,
        subject="credential",
    ),
    Operation(
        "testCredential",
        "POST",
        "/credentials/{name}/test",
        "Send the credential's request once, keep nothing, and say what happened",
        _test,
        views.TrialView,
        takes=TrialOrder,
        subject="credential",
    ),
    Operation("listRoutes", "GET", "/routes", "All routes", _routes, views.RoutesView),
    Operation("getRoute", "GET", "/routes/{name}", "One route", _route, views.RouteView, subject="route"),
    Operation(
        "setBreaker",
        "POST",
        "/routes/{name}/breaker",
        "Force a route's circuit open or closed, or let it decide again",
        _breaker,
        views.RouteView,
        takes=BreakerOrder,
        subject="route",
    ),
    Operation(
        "listEvents", "GET", "/events", "What happened, newest first", _events, views.EventsView, takes=EventsQuery
    ),
    *USERS,
)
"""The paths stand under `BASE`. The API's description, `/openapi.json`, is made from this list."""
