"""What one try of a credential showed, and what to do about it: a row of the troubleshooting table, or all is well.

Some rows are of tokens that can be used and will be replaced at the wrong time: a lifetime that was not found, or one
that is most likely another unit.
"""

from dataclasses import dataclass
from typing import Final

from proxy.core.errors import FetchError
from proxy.core.message import CLOCK_TOLERANCE, Reply
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.core.token import Token
from proxy.credentials.base import Credential
from proxy.credentials.candidates import (
    Candidate,
    expiry_candidates,
    likely_expiries,
    reads_like_milliseconds,
    token_candidates,
)
from proxy.credentials.claims import ends_at
from proxy.credentials.expiry import ExpiryError, expires_at
from proxy.credentials.reading import TokenReader
from proxy.extractors.base import ExtractError, Found
from proxy.injectors.base import InjectError

SHORTEST_LIKELY_LIFE: Final = 30.0
"""Seconds. That something was read as a smaller unit than it was written in is likelier than a shorter life."""
_TOKEN_ROWS: Final = frozenset(
    {
        Symptom.TOKEN_NOT_FOUND,
        Symptom.TOKEN_EMPTY,
        Symptom.TOKEN_CONTROL,
        Symptom.TOKEN_UNUSABLE,
        Symptom.NOT_OAUTH,
        Symptom.VARIABLE_NOT_FOUND,
        Symptom.NOT_JSON,
        Symptom.FORMAT,
    }
)
_EXPIRY_ROWS: Final = frozenset({Symptom.EXPIRY_NOT_FOUND, Symptom.EXPIRY_WRONG, Symptom.EXPIRY_DOUBTFUL})


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What happened, and what to do about it."""

    code: str
    """`ok`, `not-tried`, a row of the troubleshooting table, or a reason where nobody was asked."""
    sentence: str
    remedy: str = ""
    candidates: tuple[Candidate, ...] = ()
    """Where in the reply what was not found might stand."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where things were found."""

    token: str
    expiry: str


def failed(error: FetchError | InjectError, reply: Reply | None) -> Diagnosis:
    """Return the diagnosis of a try that brought no token that can be used; `reply` is the last one."""
    if isinstance(error, InjectError):
        return Diagnosis(Symptom.TOKEN_UNUSABLE.code, str(error), Symptom.TOKEN_UNUSABLE.remedy)
    if not isinstance(error, TokenRequestError):
        return Diagnosis(error.reason.value, str(error))
    return _row(error.symptom, error.sentence, reply)


def succeeded(credential: Credential, token: Token, reply: Reply | None) -> tuple[Places, Diagnosis]:
    """Return where token and expiry were found, and what is to be said of them."""
    if reply is None:
        places = Places(credential.token_at or "the configuration", "nowhere: it does not expire")
        return places, Diagnosis("ok", "the token is written down")
    own = "the token's own `exp`" if ends_at(token.value.reveal(), reply) else "nowhere: five minutes are assumed"
    fine = Diagnosis("ok", "the reply brings a token that can be used")
    reader = credential.reader
    if reader is None:
        return Places(credential.token_at or "the configuration", credential.expiry_at(token) or own), fine
    at = _token_at(reader, reply)
    if reader.expiry is None:
        is_missed = own.startswith("nowhere") and likely_expiries(reply)
        sentence = f"no `expiry` is configured, but the reply has what may be one; {_counts(own)}"
        return Places(at, own), _row(Symptom.EXPIRY_NOT_FOUND, sentence, reply) if is_missed else fine
    told = None
    try:
        told = reader.expiry.find(reply)
        if told.found is None:
            return Places(at, own), fine
        ends = expires_at(told.found, told.type, reply=reply, token="")
    except ExtractError as error:
        return Places(at, own), _row(Symptom.EXPIRY_NOT_FOUND, f"{error}; {_counts(own)}", reply)
    except ExpiryError as error:
        sentence = f"the reply has at {told.place if told else 'no place'} {error}; {_counts(own)}"
        return Places(at, own), _row(Symptom.EXPIRY_WRONG, sentence, reply)
    place = f"{told.place} ({told.type})"
    if token.expires_at is not None and ends - token.expires_at > CLOCK_TOLERANCE:
        return Places(at, f"{own}, which comes before {place}"), fine
    doubt = _doubt(told.found, told.type, ends - reply.received_at)
    return Places(at, place), _row(Symptom.EXPIRY_DOUBTFUL, doubt, reply) if doubt else fine


def _token_at(reader: TokenReader, reply: Reply) -> str:
    try:
        return reader.token.found(reply)[0]
    except ExtractError:
        return reader.token.place


def _row(symptom: Symptom, sentence: str, reply: Reply | None) -> Diagnosis:
    candidates: tuple[Candidate, ...] = ()
    if reply and symptom in _TOKEN_ROWS:
        candidates = token_candidates(reply)
    elif reply and symptom in _EXPIRY_ROWS:
        candidates = expiry_candidates(reply)
    return Diagnosis(symptom.code, sentence, symptom.remedy, candidates)


def _counts(own: str) -> str:
    return f"what counts is {own}" if own.startswith("the") else "so it is replaced after five minutes"


def _doubt(found: Found, kind: str, life: float) -> str:
    """Return why the life of a token is most likely not meant; empty: it is likely enough."""
    number = float(found) if isinstance(found, int | float) or str(found).strip().isdigit() else 0.0
    if kind == "milliseconds" and life < SHORTEST_LIKELY_LIFE:
        return f"read as milliseconds, the token lives {life:g} s; read as seconds, it would live {life * 1000:g} s"
    if kind == "seconds" and reads_like_milliseconds(number):
        return (
            f"read as seconds, the token lives {life / 86_400:.0f} days; read as milliseconds,"
            f" it would live {number / 1000:g} s"
        )
    if life < SHORTEST_LIKELY_LIFE:
        return f"read as {kind}, the token lives {life:.3g} s only"
    return ""
