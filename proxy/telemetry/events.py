"""What happened that a person may want to know: a bounded history to query, each entry also a log line.

Theory. An event is recorded once per change of state, which is the duty of whoever records it: a hundred requests that
meet an open circuit are one event. Ids grow by one and are never given twice, so an id is a cursor.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Final

import structlog

from proxy.core.clock import Clock
from proxy.telemetry.line import LEVELS, Level
from proxy.telemetry.redaction import Value, clean_fields, tell

LONGEST_PAGE: Final = 1000


class EventName(StrEnum):
    """What can happen: the closed set."""

    STARTED = "started"
    """The listeners stand; `detail` says how many routes are served."""
    DRAINING = "draining"
    """The process was told to stop and takes its leave."""
    STOPPED = "stopped"
    """The last request has ended, or was cut at the deadline."""
    CONFIG_RELOADED = "config_reloaded"
    """A changed configuration is in use. As a warning: what changed in `listen` or `store` waits for a restart."""
    CONFIG_REFUSED = "config_refused"
    """A changed configuration has errors, listed in `detail`; the one before stays in use."""
    TLS_RENEWED = "tls_renewed"
    """A changed certificate, key or list of authorities is in use for new connections; `detail` names the settings."""
    TOKEN_FETCHED = "token_fetched"  # noqa: S105 - an event, not a password
    """A new token is in use; `reason` says why it was fetched, `generation` and `fingerprint` which one it is."""
    REFRESH_FAILED = "refresh_failed"
    """A fetch failed after one that had not; `reason` and `detail` say why. Further failures are not told again."""
    REFRESH_RECOVERED = "refresh_recovered"
    """A fetch succeeded after failures."""
    TOKEN_REJECTED = "token_rejected"  # noqa: S105 - an event, not a password
    """The upstream refused the token before its time; it is out of use, and a new one is fetched."""
    TOKEN_REVOKED = "token_revoked"  # noqa: S105 - an event, not a password
    """An operator had the token forgotten."""
    USER_TOKEN_PUSHED = "user_token_pushed"  # noqa: S105 - an event, not a password
    """A token was pushed for a user, and is in use; `via` says how it came, `fingerprint` which one it is."""
    USER_TOKEN_REFUSED = "user_token_refused"  # noqa: S105 - an event, not a password
    """A token that was pushed for a user is bad, `detail` says why; the one before it stays in use."""
    USER_TOKEN_TAKEN_BACK = "user_token_taken_back"  # noqa: S105 - an event, not a password
    """A user's token was deleted; requests are told to push a new one."""
    USER_UNPROVEN = "user_unproven"
    """Somebody said that they are the `user`, and did not prove it; `detail` says what is wrong, `via` how it came.
    Told once in ten minutes for each user, and twenty times for all."""
    KEYS_UNAVAILABLE = "keys_unavailable"
    """The public keys of an issuer cannot be had, `detail` says why; what users show that it issued cannot be verified.
    Told once in ten minutes."""
    USER_CREDENTIAL_USED = "user_credential_used"
    """The `route` used the `user`'s own token of the `credential`. Told when a process first does, at most once in ten
    minutes, and of two hundred users of a route; the log's line of each request says so, too."""
    SIGNED_IN = "signed_in"
    """Somebody has given access in a browser, and what came of it is in use: the `user`, or whom an operator (`who`)
    had asked to do it for all requests."""
    SIGN_IN_REFUSED = "sign_in_refused"
    """Nothing came of a sign-in, or it was not let begin; what was there before stays in use. `reason`: a link that is
    not valid (`ticket_invalid`, `ticket_expired`, `ticket_used`), a return that is (`state_used`, `other_browser`,
    `wrong_issuer`, `wrong_id_token`, `no_code`, `no_token`), the person or the provider (`access_denied`,
    `provider_refused`), what a token request may fail by (`invalid_grant`…), `misconfigured`, or `store_away`."""
    SIGNED_OUT = "signed_out"
    """The access that somebody had given is gone. `outcome` says whether the provider took the tokens back (`revoked`),
    did not (`failed`, `detail` says why), or cannot be asked to (`not_offered`)."""
    CREDENTIAL_NEEDS_PERSON = "credential_needs_person"
    """A fetch failed in a way that asking again cannot help: somebody has to change something."""
    SAVING_FAILED = "saving_failed"
    """What a credential's run brought could not be saved to another credential (`detail` says which, and why). It
    comes again with the next run."""
    REPLAY_GIVEN_UP = "replay_given_up"
    """A refused request was not sent again, because its body had outgrown what is remembered."""
    REJECTED_AGAIN = "rejected_again"
    """A token was renewed, and the upstream of the `route` rejected the new one as well; told once per new token."""
    BREAKER_OPENED = "breaker_opened"
    """A circuit opened: that of the `route`, or that of the `credential`'s token endpoint."""
    BREAKER_CLOSED = "breaker_closed"
    """A circuit that had opened is closed again."""
    STORE_FAILED = "store_failed"
    """The token store is down: it did not do what it was asked (`operation`), and `detail` says why. Held tokens go on
    serving; the store is probed until it answers."""
    RECORD_DAMAGED = "record_damaged"
    """What the token store holds of a credential cannot be read (`detail` says where); the next token replaces it."""
    RECORD_UNREADABLE = "record_unreadable"
    """What the token store holds of a credential is sealed with a key that is not configured here, or was written by a
    newer version (`detail` says which). It is left alone: this process goes on without the fleet, and spends nothing
    that works only once."""
    STORE_RECOVERED = "store_recovered"
    """The token store answers a probe, and is used again."""
    STORE_AT_RISK = "store_at_risk"
    """The way the token store is run may lose what it keeps: `detail` says how, and what to do about it."""
    TASK_FAILED = "task_failed"
    """A mistake of ours; `detail` says where."""
    ADMIN_ACTION = "admin_action"
    """An operator gave an order: `who`, `action`, `outcome`, and on what."""
    ADMIN_REFUSED = "admin_refused"
    """A wrong admin key came from `peer`."""
    ADMIN_LOCKED_OUT = "admin_locked_out"
    """Too many wrong admin keys came from `peer`; it is locked out for a minute."""
    VERIFICATION_SENT = "verification_sent"
    """The mail server took a letter with a one-time code for the `user`, of the `scope`: a route or a group of them."""
    VERIFICATION_FAILED = "verification_failed"
    """No code was sent to the `user`. `reason`: `mail_server` (`detail` says more; told once in ten minutes),
    `no_address`, or `address_limited`: too many went to that address within the hour."""
    VERIFICATION_REFUSED = "verification_refused"
    """Somebody tried a wrong code for the `user`, or one whose time was over; it came from `peer`."""
    VERIFICATION_LIMITED = "verification_limited"
    """Too many codes were asked for or tried for the `user`, or from `peer`; told once in ten minutes for each user."""
    VERIFIED = "verified"
    """The `user` has shown that they read their mailbox, for the `scope`."""
    WEBHOOK_FAILED = "webhook_failed"
    """A delivery failed after one that had not, the receiver wants nothing more (`gone`), or too many wait
    (`queue_full`); `reason` and `detail` say which. Not sent by webhook."""
    WEBHOOK_RECOVERED = "webhook_recovered"
    """A delivery succeeded after failures. Not sent by webhook."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. Every text in it has been cleaned of secrets."""

    id: int
    time: float
    """Unix seconds."""
    level: Level
    event: EventName
    route: str | None = None
    credential: str | None = None
    user: str | None = None
    reason: str | None = None
    detail: str = ""
    fields: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events, newest first, and where the next page begins."""

    events: tuple[Event, ...]
    cursor: int | None
    """Hand it to the next query for what is older; None: there is nothing older."""


class EventLog:
    """The last events of this process."""

    def __init__(self, clock: Clock, size: int = 10_000) -> None:
        self._clock = clock
        self._events: deque[Event] = deque(maxlen=size)
        self._last_id = 0
        self._logger = structlog.get_logger()
        self._followers: list[Callable[[Event], None]] = []

    def follow(self, follower: Callable[[Event], None]) -> None:
        """Tell this follower of each event from now on, as soon as it is recorded. What goes wrong in it is logged."""
        self._followers.append(follower)

    def record(
        self,
        level: Level,
        event: EventName,
        *,
        route: str | None = None,
        credential: str | None = None,
        user: str | None = None,
        reason: str | None = None,
        detail: str = "",
        **fields: Value,
    ) -> None:
        """Remember that this happened, now, and write it to the log. `detail` is for people."""
        said = {"route": route, "credential": credential, "user": user, "reason": reason, "detail": detail}
        recorded = self._remember(level, event, said, fields)
        for follower in self._followers:
            try:
                follower(recorded)
            except Exception as error:  # noqa: BLE001 - whoever recorded the event has nothing to do with it
                detail = f"a follower of {event.value}: {tell(error)}"
                self._remember("error", EventName.TASK_FAILED, {"detail": detail}, {})

    def _remember(
        self, level: Level, event: EventName, said: Mapping[str, str | None], fields: Mapping[str, Value]
    ) -> Event:
        """Add the event to the history and to the log."""
        clean = clean_fields({**said, **fields})
        self._last_id += 1
        recorded = Event(
            id=self._last_id,
            time=self._clock.now(),
            level=level,
            event=event,
            route=_text(clean.get("route")),
            credential=_text(clean.get("credential")),
            user=_text(clean.get("user")),
            reason=_text(clean.get("reason")),
            detail=str(clean["detail"]),
            fields={name: clean[name] for name in fields},
        )
        self._events.append(recorded)
        self._logger.log(
            LEVELS[level], event.value, **{name: value for name, value in clean.items() if value not in (None, "")}
        )
        return recorded

    def query(
        self,
        *,
        route: str | None = None,
        credential: str | None = None,
        user: str | None = None,
        level: Level | None = None,
        since: float | None = None,
        limit: int = 100,
        cursor: int | None = None,
    ) -> EventPage:
        """Return the newest events that match, at most `limit` (1 to `LONGEST_PAGE`).

        `level` means that level and graver ones, `since` Unix seconds, `cursor` that of the page before.
        """
        gravity = LEVELS[level] if level else 0
        matching = (
            event
            for event in reversed(self._events)
            if (cursor is None or event.id < cursor)
            and (since is None or event.time >= since)
            and (route is None or event.route == route)
            and (credential is None or event.credential == credential)
            and (user is None or event.user == user)
            and LEVELS[event.level] >= gravity
        )
        page = tuple(islice(matching, max(1, min(limit, LONGEST_PAGE))))
        more = next(matching, None) is not None
        return EventPage(page, page[-1].id if more else None)


def _text(value: Value) -> str | None:
    return None if value is None else str(value)
