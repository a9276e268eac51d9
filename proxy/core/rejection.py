"""Says what an upstream's answer means for the token it was sent, by rules on its status, headers and first bytes.

Theory. Rules are looked at in order, and the first that fits decides; the conditions of one rule must all hold. Which
rules can concern a status is worked out once: for the answers of every other status nothing is looked at. A body is
asked for only when the head leaves it to the body, and never of a stream of events, which may say nothing for hours.
What cannot be read (an unknown coding, JSON cut off by the limit, a search that takes too long) fits no rule: a token
is renewed on evidence only.
"""

from collections.abc import Iterable
from enum import Enum
from typing import Annotated, Any, Final, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, model_validator

from proxy.core import prefix
from proxy.core.challenge import AnyChallenge, ChallengeCondition
from proxy.core.headers import TOKEN
from proxy.core.json_path import JsonPath
from proxy.core.message import RawHeaders
from proxy.core.pattern import Pattern, PatternTimeoutError
from proxy.core.prefix import Prefix, is_readable, is_stream, values_of
from proxy.core.settings import Settings
from proxy.core.statuses import Statuses, statuses_of

PREFIX_LIMIT: Final = prefix.LIMIT
"""Bytes of a body that rules look at, before and after decompression."""

Scalar = str | int | bool


class Action(Enum):
    """What a rule that fits asks for."""

    RENEW = "renew"
    """The token is refused: renew it, and send the request again, once."""
    RENEW_ONLY = "renew_only"
    """The token is refused: renew it for the requests that follow; this answer passes."""
    COUNT = "count"
    """The answer passes, and counts as a failure of the route's breaker."""
    PASS = "pass"  # noqa: S105 - the answer passes
    """The answer passes, whatever the rules below say."""


def _path(text: str) -> str:
    JsonPath(text)
    return text


def _pattern(text: str) -> str:
    Pattern(text)
    return text


def _header(text: str) -> str:
    if not TOKEN.fullmatch(text.partition(":")[0]):
        raise ValueError("name a header, X-Error, or a header and its value, 'X-Error: expired'")
    return text


class RejectionSettings(Settings):
    """A sign by which an answer is known, and what becomes of it. The conditions of a rule must all hold."""

    status: Statuses | None = None
    """The answer's status code: `401`, `4xx`, `400-403`, or a list of these."""
    header: Annotated[str, AfterValidator(_header)] | None = None
    """A header of the answer: `X-Error`, or with its value `X-Error: expired`."""
    www_authenticate: AnyChallenge | None = None
    """The `error` of a challenge in `WWW-Authenticate`, such as `invalid_token`, or `{scheme: Bearer, error: …}`."""
    json_path: Annotated[str, AfterValidator(_path)] | None = Field(default=None, alias="json")
    """A JSONPath into the answer's body; something other than null, false, 0 or an empty value stands there."""
    text: Annotated[str, AfterValidator(_pattern)] | None = None
    """A regular expression that is found in the answer's body."""
    equals: Scalar | Annotated[tuple[Scalar, ...], Field(strict=False)] | None = None
    """The very value that stands at `json`, or without `json` in `header`; or a list: any of them."""
    action: Literal["renew", "renew_only", "count", "pass"] = "renew"
    """What is done: renew the token and send the request again; renew it and pass this answer on; pass it on and count
    it as a failure of the route's breaker; pass it on, whatever the rules below say."""

    @model_validator(mode="after")
    def _has_a_condition(self) -> Self:
        conditions = (self.status, self.header, self.www_authenticate, self.json_path, self.text)
        if all(condition is None for condition in conditions):
            raise ValueError("a rule needs a condition: status, header, www_authenticate, json or text")
        if self.equals == ():
            raise ValueError("the list of equals is empty; name the values that it is compared with")
        if self.equals is not None and self.json_path is None:
            if self.header is None or ":" in self.header:
                raise ValueError("equals needs a json path or the name of a header to compare with")
            if not all(isinstance(value, str) for value in self.wanted):
                raise ValueError("a header's value is text: put quotes around the value of equals")
        return self

    @property
    def wanted(self) -> tuple[Scalar, ...]:
        """The values of `equals`, be it one or several."""
        if self.equals is None:
            return ()
        return self.equals if isinstance(self.equals, tuple) else (self.equals,)


DEFAULT_RULES: Final = (RejectionSettings(status=401),)


class Verdict(NamedTuple):
    """What the rules say of an answer."""

    action: Action | None
    """None: its first bytes are needed to tell."""
    rule: int | None = None
    """The place of the rule that decided, from 0; None: none did."""


PASSED: Final = Verdict(Action.PASS)
"""No rule fits."""
UNREADABLE: Final = Verdict(Action.PASS)
"""No rule fits, though one might if the body were in a coding that can be undone."""
NEEDS_BODY: Final = Verdict(None)
"""Show the first bytes of the body to `judge`."""


class _Rule:
    """One rule, compiled."""

    def __init__(self, place: int, settings: RejectionSettings) -> None:
        self.verdict = Verdict(Action(settings.action), place)
        self.statuses = None if settings.status is None else statuses_of(settings.status)
        name, has_value, value = (settings.header or "").partition(":")
        self._name = name.lower().encode("ascii")
        self._values: frozenset[Any] | None = frozenset({value.strip()}) if has_value else None
        challenge = settings.www_authenticate
        self._challenge = None if challenge is None else ChallengeCondition(challenge)
        self._path = JsonPath(settings.json_path) if settings.json_path is not None else None
        self._pattern = Pattern(settings.text) if settings.text is not None else None
        self._equals = settings.wanted
        if self._path is None and settings.wanted:
            self._values = frozenset(settings.wanted)
        self.wants_body = self._path is not None or self._pattern is not None
        self.is_plain = not (self._name or self._challenge or self.wants_body)
        """Nothing but the status counts."""

    def concerns(self, status: int) -> bool:
        return self.statuses is None or status in self.statuses

    def fits_head(self, headers: RawHeaders) -> bool:
        if self._name:
            values = values_of(headers, self._name)
            if not (values if self._values is None else self._values.intersection(values)):
                return False
        return self._challenge is None or self._challenge.fits(values_of(headers, b"www-authenticate"))

    def fits_body(self, body: Prefix) -> bool:
        if self._path is not None and not self._fits_json(self._path, body.document):
            return False
        return self._pattern is None or _is_found(self._pattern, body)

    def _fits_json(self, path: JsonPath, document: Any) -> bool:
        found = [] if document is prefix.UNREADABLE else path.find(document)
        if not self._equals:
            return any(found)
        return any(type(value) is type(wanted) and value == wanted for value in found for wanted in self._equals)


class Rejection:
    """The rules of one credential."""

    __slots__ = ("_any", "_by_status", "_counted", "_statuses", "renews")

    def __init__(self, rules: Iterable[RejectionSettings] = DEFAULT_RULES) -> None:
        compiled = [_Rule(place, settings) for place, settings in enumerate(rules)]
        self._statuses = _together(compiled)
        self._counted = _together(rule for rule in compiled if rule.verdict.action is Action.COUNT)
        self.renews = any(rule.verdict.action is Action.RENEW for rule in compiled)
        """Whether an answer can be a reason to send the request again."""
        named = frozenset[int]().union(*(rule.statuses or () for rule in compiled))
        self._by_status = {status: _reached(rule for rule in compiled if rule.concerns(status)) for status in named}
        self._any = _reached(rule for rule in compiled if rule.statuses is None)

    def statuses_for(self, renewable: bool) -> frozenset[int] | None:
        """Return the only statuses of which a rule can make anything; None: any. A fixed token can only be counted."""
        return self._statuses if renewable else self._counted

    def verdict(self, status: int, headers: RawHeaders) -> Verdict:
        """Return what an answer's head says; NEEDS_BODY: show its first bytes to `judge`."""
        passed = PASSED
        for rule in self._by_status.get(status, self._any):
            if rule.is_plain:
                return rule.verdict
            if rule.fits_head(headers):
                if not rule.wants_body:
                    return rule.verdict
                if not is_stream(headers):
                    if is_readable(headers):
                        return NEEDS_BODY
                    passed = UNREADABLE
        return passed

    def judge(self, status: int, headers: RawHeaders, given: bytes | None) -> Verdict:
        """Return what an answer says; never NEEDS_BODY.

        `given`: its body, or the first `PREFIX_LIMIT` bytes of it; None: it is an answer that has no body, to HEAD say.
        """
        body = Prefix(headers, given)
        for rule in self._by_status.get(status, self._any):
            if rule.fits_head(headers) and (not rule.wants_body or rule.fits_body(body)):
                return rule.verdict
        return PASSED


def _is_found(pattern: Pattern, body: Prefix) -> bool:
    if body.text is None or body.is_given_up:
        return False
    try:
        return pattern.search(body.text) is not None
    except PatternTimeoutError:
        body.is_given_up = True
        return False


def _together(rules: Iterable[_Rule]) -> frozenset[int] | None:
    sets = [rule.statuses for rule in rules]
    return None if None in sets else frozenset[int]().union(*filter(None, sets))


def _reached(rules: Iterable[_Rule]) -> tuple[_Rule, ...]:
    """Return the rules up to the first that fits whatever the answer says."""
    reached = []
    for rule in rules:
        reached.append(rule)
        if rule.is_plain:
            break
    return tuple(reached)
