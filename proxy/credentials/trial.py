"""Tries a credential once, before anybody's request depends on it, and tells a person what happened and what to do.

A credential with a lineage is not tried. What its fetch uses up may work only once, and a trial keeps nothing: the
successor would be lost, and with it the way to any further token.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from proxy.core.errors import FetchError
from proxy.core.message import CLOCK_TOLERANCE, Reply
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.core.token import Token
from proxy.credentials.base import Credential
from proxy.credentials.claims import ends_at
from proxy.credentials.expiry import expires_at
from proxy.credentials.showing import (
    expiry_candidates,
    show_address,
    show_clocks,
    show_headers,
    show_received,
    show_sent,
    token_candidates,
)
from proxy.extractors.base import ExtractError
from proxy.injectors import inject_all
from proxy.injectors.base import InjectError
from proxy.net.endpoint import Endpoint, EndpointRequest


@dataclass(frozen=True, slots=True)
class Step:
    """One request and its reply, fit to be shown: texts masked, keys and numbers left."""

    method: str
    url: str
    headers: dict[str, str]
    sent: Any
    """The body, as a tree where it has one; None: none."""
    status: int | None = None
    """None: there was no reply."""
    content_type: str = ""
    received: Any = None
    """The reply's body, as a tree when it is JSON."""
    seconds: float = 0.0

    def lines(self) -> Iterator[str]:
        """Tell it to a person."""
        yield f"{self.method} {self.url}"
        yield from (f"  {name}: {value}" for name, value in self.headers.items())
        if self.sent is not None:
            yield f"  {json.dumps(self.sent)}"
        yield f"-> {self.status or 'no reply'} {self.content_type} after {self.seconds:.3f} s"
        if self.received is not None:
            yield f"  {json.dumps(self.received)}"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What happened, and what to do about it."""

    code: str
    """`ok`, `not-tried`, or a row of the troubleshooting table."""
    sentence: str
    remedy: str = ""
    candidates: tuple[str, ...] = ()
    """Paths in the reply where what was not found might stand."""


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
    clock_offset: float | None = None
    """Seconds by which the issuer's clock is ahead of this machine's; None: no reply said what time it is there."""

    @property
    def succeeded(self) -> bool:
        """Return True when there is a token that can be used."""
        return self.token_at is not None

    def lines(self) -> Iterator[str]:
        """Tell it to a person: every step, where token and expiry were found, the diagnosis."""
        for step in self.steps:
            yield from step.lines()
        if self.succeeded:
            lifetime = "does not expire" if self.lifetime is None else f"lives {self.lifetime:g} s"
            yield f"token:  found at {self.token_at}, fingerprint {self.token_fingerprint}"
            yield f"expiry: found at {self.expiry_at}; {lifetime}"
        if differing := show_clocks(self.clock_offset):
            yield f"clock:  {differing}"
        yield f"{self.diagnosis.code}: {self.diagnosis.sentence}"
        if self.diagnosis.candidates:
            yield f"it might be at: {', '.join(self.diagnosis.candidates)}"
        if self.diagnosis.remedy:
            yield f"what to do: {self.diagnosis.remedy}"


async def trial(credential: Credential) -> Trial:
    """Fetch a token once, without retries and without keeping it; nothing is sent that may work only once."""
    if credential.lineage is not None:
        return Trial(credential.name, (), _not_tried(credential.name))
    recorder = _Recorder(credential.endpoint, credential)
    twin = type(credential)(credential.name, credential.settings, recorder, credential.clock)
    try:
        token = await twin.fetch(None)
        inject_all(credential.settings.injectors(), token)
    except (FetchError, InjectError) as error:
        failure = _failure(error, recorder.reply)
        return Trial(credential.name, tuple(recorder.steps), failure, clock_offset=recorder.clock_offset)
    token_at, expiry_at, diagnosis = _found(twin, token, recorder.reply)
    return Trial(
        credential.name,
        tuple(recorder.steps),
        diagnosis,
        token_at,
        token.value.fingerprint(),
        expiry_at,
        None if token.expires_at is None else token.expires_at - token.issued_at,
        recorder.clock_offset,
    )


def _not_tried(name: str) -> Diagnosis:
    return Diagnosis(
        "not-tried",
        "nothing was sent: what this credential spends may work only once, and a test would lose what it brings",
        f"let the running proxy renew the token, for it keeps what it gets: POST /api/v1/credentials/{name}/refresh"
        " of the admin API, which also says why it got none",
    )


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

    async def call(self, request: EndpointRequest) -> Reply:
        return await self.once(request)

    async def ask(self, request: EndpointRequest) -> Reply:
        started = self._clock.monotonic()
        said = (request.method, show_address(request), show_headers(request.headers), show_sent(request))
        try:
            self.reply = reply = await self._endpoint.ask(request)
        except TokenRequestError:
            self.steps.append(Step(*said, seconds=self._clock.monotonic() - started))
            raise
        heard = (reply.status, reply.media_type, show_received(reply, self._credential.secrets_in(reply)))
        self.steps.append(Step(*said, *heard, seconds=self._clock.monotonic() - started))
        return reply


def _failure(error: FetchError | InjectError, reply: Reply | None) -> Diagnosis:
    if isinstance(error, InjectError):
        return Diagnosis(Symptom.TOKEN_UNUSABLE.code, str(error), Symptom.TOKEN_UNUSABLE.remedy)
    if not isinstance(error, TokenRequestError):
        return Diagnosis(error.reason.value, str(error))
    return _row(error.symptom, error.sentence, reply)


def _row(symptom: Symptom, sentence: str, reply: Reply | None) -> Diagnosis:
    candidates: tuple[str, ...] = ()
    if reply and symptom in {Symptom.TOKEN_NOT_FOUND, Symptom.TOKEN_UNUSABLE}:
        candidates = token_candidates(reply)
    elif reply and symptom in {Symptom.EXPIRY_NOT_FOUND, Symptom.EXPIRY_WRONG}:
        candidates = expiry_candidates(reply)
    return Diagnosis(symptom.code, sentence, symptom.remedy, candidates)


def _found(credential: Credential, token: Token, reply: Reply | None) -> tuple[str, str, Diagnosis]:
    """Return where token and expiry were found, and the diagnosis of a success."""
    reader = credential.reader
    if reader is None or reply is None:
        return "the configuration", "nowhere: it does not expire", Diagnosis("ok", "the token is written down")
    own = "the token's own `exp`"
    by_itself = own if ends_at(token.value.reveal(), reply) else "nowhere: five minutes are assumed"
    fine = Diagnosis("ok", "the reply brings a token that can be used")
    if reader.expiry is None:
        return reader.token.place, by_itself, fine
    try:
        found = reader.expiry.extract(reply)
    except ExtractError as error:
        return reader.token.place, by_itself, _row(Symptom.EXPIRY_NOT_FOUND, str(error), reply)
    expiry_at = f"{reader.expiry.place} ({reader.expiry_type})"
    told = expires_at(found, reader.expiry_type, reply=reply, token="")
    if token.expires_at is not None and told - token.expires_at > CLOCK_TOLERANCE:
        expiry_at = f"{own}, which comes before {expiry_at}"
    return reader.token.place, expiry_at, fine
