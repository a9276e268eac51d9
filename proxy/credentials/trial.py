"""Tries a credential once, before anybody's request depends on it, and tells a person what happened and what to do.

A credential whose every fetch needs what the one before it brought is not tried. What it uses up may work only once,
and a trial keeps nothing: the successor would be lost, and with it the way to any further token.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from proxy.core.errors import FetchError
from proxy.core.expression import UndefinedVariableError
from proxy.core.message import Reply
from proxy.core.secret import scrub
from proxy.core.symptom import TokenRequestError
from proxy.core.token import Token, plan, safety_window
from proxy.credentials.base import Credential
from proxy.credentials.diagnosis import Diagnosis, failed, succeeded
from proxy.credentials.fitting import lacking
from proxy.credentials.showing import (
    sent_values,
    show_address,
    show_answered,
    show_clocks,
    show_headers,
    show_received,
    show_sent,
)
from proxy.injectors import inject_all
from proxy.injectors.base import InjectError
from proxy.net.endpoint import Endpoint, EndpointRequest


@dataclass(frozen=True, slots=True)
class Step:
    """One request and its reply, fit to be shown: texts masked, keys and numbers left; or why there was none."""

    name: str = ""
    """What the configuration calls it; empty where there is but one."""
    note: str | None = None
    """Why it was skipped, or what else is to be said of it; then there was no request."""
    method: str = ""
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    sent: Any = None
    """The body, as a tree where it has one; None: none."""
    status: int | None = None
    """None: there was no reply."""
    content_type: str = ""
    answered: dict[str, str] = field(default_factory=dict)
    """The reply's headers."""
    received: Any = None
    """The reply's body, as a tree when it is JSON or a form."""
    seconds: float = 0.0

    def lines(self) -> Iterator[str]:
        """Tell it to a person."""
        title = f"step {self.name}: " if self.name else ""
        if self.note is not None:
            yield f"{title}{self.note}"
            return
        yield f"{title}{self.method} {self.url}"
        yield from (f"  {name}: {value}" for name, value in self.headers.items())
        if self.sent is not None:
            yield f"  {json.dumps(self.sent)}"
        yield f"-> {self.status or 'no reply'} {self.content_type} after {self.seconds:.3f} s"
        yield from (f"  {name}: {value}" for name, value in self.answered.items())
        if self.received is not None:
            yield f"  {json.dumps(self.received)}"


@dataclass(frozen=True, slots=True)
class Saved:
    """A variable that goes with the token."""

    name: str
    place: str
    """Where it was looked for."""
    found: bool


@dataclass(frozen=True, slots=True)
class Renewal:
    """When a token would be replaced, in seconds from its arrival."""

    earliest: float
    """From then on it is stale: used, and replaced behind the requests. Each token's moment is drawn anew."""
    latest: float
    safety_window: float
    """Seconds before its end in which it is stale in any case."""

    def __str__(self) -> str:
        moments = f"{self.earliest:.0f} to {self.latest:.0f} s"
        return f"{moments} after it came, behind the requests; safety window {self.safety_window:g} s"


@dataclass(frozen=True, slots=True)
class Trial:
    """What one try of a credential showed. Holds no secret."""

    credential: str
    steps: tuple[Step, ...]
    diagnosis: Diagnosis
    token_at: str | None = None
    """Where the token was found; None: there is none."""
    token_fingerprint: str | None = None
    expiry_at: str | None = None
    """Where its expiry was found."""
    lifetime: float | None = None
    """Seconds; None: for ever, or there is no token."""
    renewal: Renewal | None = None
    """None: never, or there is no token."""
    saved: tuple[Saved, ...] = ()
    """What the reply brings beside the token."""
    clock_offset: float | None = None
    """Seconds by which the issuer's clock is ahead of this machine's; None: no reply said what time it is there."""

    @property
    def succeeded(self) -> bool:
        """Return True when there is a token that can be used."""
        return self.token_at is not None

    def lines(self) -> Iterator[str]:
        """Tell it to a person: every step, where things were found, when it will be renewed, the diagnosis."""
        for step in self.steps:
            yield from step.lines()
        if self.succeeded:
            lifetime = "does not expire" if self.lifetime is None else f"lives {self.lifetime:g} s"
            yield f"token:  found at {self.token_at}, fingerprint {self.token_fingerprint}"
            nowhere = (self.expiry_at or "").startswith("nowhere")
            yield f"expiry: {'' if nowhere else 'found at '}{self.expiry_at}; {lifetime}"
        for one in self.saved:
            yield f"saved:  {one.name} {'' if one.found else 'not '}found at {one.place}"
        if self.renewal:
            yield f"renews: {self.renewal}"
        if differing := show_clocks(self.clock_offset):
            yield f"clock:  {differing}"
        yield f"{self.diagnosis.code}: {self.diagnosis.sentence}"
        if self.diagnosis.candidates:
            yield f"it might be at: {', '.join(map(str, self.diagnosis.candidates))}"
        if self.diagnosis.remedy:
            yield f"what to do: {self.diagnosis.remedy}"


async def trial(credential: Credential) -> Trial:
    """Fetch a token once, without retries and without keeping it; nothing is sent that may work only once."""
    if (lack := credential.lacks(None)) is not None:
        return Trial(credential.name, (), Diagnosis(lack.code, str(lack)))
    if credential.settings.spends and not credential.settings.starts_over:
        return Trial(credential.name, (), _not_tried(credential.name))
    recorder = _Recorder(credential.endpoint, credential)
    twin = type(credential)(credential.name, credential.settings, recorder, credential.clock)
    twin.watch_step = recorder.note  # type: ignore[method-assign]
    try:
        token = await twin.fetch(None)
        inject_all(credential.injectors, token)
    except (FetchError, InjectError, UndefinedVariableError) as caught:
        error = lacking(caught.name) if isinstance(caught, UndefinedVariableError) else caught
        diagnosis = failed(error, recorder.reply)
        return Trial(credential.name, tuple(recorder.steps), diagnosis, clock_offset=recorder.clock_offset)
    places, diagnosis = succeeded(twin, token, recorder.reply)
    return Trial(
        credential.name,
        tuple(recorder.steps),
        diagnosis,
        places.token,
        token.value.fingerprint(),
        places.expiry,
        None if token.expires_at is None else token.expires_at - token.issued_at,
        _renewal(token, credential.settings.safety_window),
        tuple(Saved(name, place, name in token.variables) for name, place in twin.saved_at.items()),
        recorder.clock_offset,
    )


def _not_tried(name: str) -> Diagnosis:
    return Diagnosis(
        "not-tried",
        "nothing was sent: what this credential spends may work only once, and a test would lose what it brings",
        f"let the running proxy renew the token, for it keeps what it gets: POST /api/v1/credentials/{name}/refresh"
        " of the admin API, which also says why it got none",
    )


def _renewal(token: Token, window: float | None) -> Renewal | None:
    if token.expires_at is None:
        return None
    life = token.expires_at - token.issued_at
    earliest, latest = (plan(token, window=window, jitter=jitter).stale_at - token.issued_at for jitter in (-1.0, 1.0))
    return Renewal(earliest, latest, safety_window(life, window))


class _Recorder(Endpoint):
    """Asks the real endpoint, once per call, and remembers what was said, masked."""

    def __init__(self, endpoint: Endpoint, credential: Credential) -> None:
        super().__init__(credential.clock)
        self._endpoint = endpoint
        self._credential = credential
        self.steps: list[Step] = []
        self.reply: Reply | None = None

    @property
    def clock_offset(self) -> float | None:
        return self.reply.clock_offset if self.reply else None

    def note(self, name: str, note: str) -> None:
        """Remember a step that was not taken."""
        self.steps.append(Step(name, f"skipped: {scrub(note)}"))

    async def call(self, request: EndpointRequest) -> Reply:
        return await self.once(request)

    async def ask(self, request: EndpointRequest) -> Reply:
        started = self._clock.monotonic()
        said = (
            request.step,
            None,
            request.method,
            show_address(request),
            show_headers(request.headers),
            show_sent(request),
        )
        self.reply = None
        try:
            self.reply = reply = await self._endpoint.ask(request)
        except TokenRequestError:
            self.steps.append(Step(*said, seconds=self._clock.monotonic() - started))
            raise
        hidden = self._credential.secrets_in(reply) | sent_values(request)
        heard = (reply.status, reply.media_type, show_answered(reply), show_received(reply, hidden))
        self.steps.append(Step(*said, *heard, seconds=self._clock.monotonic() - started))
        return reply
