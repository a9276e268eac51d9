"""Writes a token record down as bytes and reads it again, on another machine with other clocks if need be.

No instant is written, only how long ago or how long from now it is; what reads adds how long the bytes have lain.
"""

import json
from typing import Any, Final

from proxy.core.clock import Clock
from proxy.core.errors import Reason
from proxy.core.secret import Secret
from proxy.core.token import Token
from proxy.tokens.failures import Failure
from proxy.tokens.record import TokenRecord

FORMAT: Final = 1


class UnknownFormatError(Exception):
    """A newer version of Countersign wrote this."""


def encode(record: TokenRecord, clock: Clock) -> bytes:
    """Return the record as it is now."""
    now, monotonic = clock.now(), clock.monotonic()
    since = record.spending_since
    return json.dumps(  # not orjson: a provider's text may hold what UTF-8 cannot write
        {
            "format": FORMAT,
            "identity": record.identity,
            "generation": record.generation,
            "step": record.step,
            "token": None if record.token is None else _token(record.token, now),
            "rejected": record.is_rejected,
            "trusted": record.trusted,
            "failure": None if record.failure is None else _failure(record.failure, monotonic),
            "spending": None if since is None else monotonic - since,
            "spent": record.may_be_spent,
        }
    ).encode()


def decode(data: bytes, age: float, clock: Clock) -> TokenRecord:
    """Return the record that was written `age` seconds ago.

    Raises:
        UnknownFormatError: a newer version wrote it.
        ValueError: this is no record.
    """
    try:
        read = json.loads(data)
        if read["format"] != FORMAT:
            raise UnknownFormatError
        written, began = clock.now() - age, clock.monotonic() - age
        return TokenRecord(
            identity=read["identity"],
            generation=read["generation"],
            step=read["step"],
            token=None if read["token"] is None else _read_token(read["token"], read["generation"], written),
            is_rejected=read["rejected"],
            trusted=read["trusted"],
            failure=None if read["failure"] is None else _read_failure(read["failure"], began),
            spending_since=None if read["spending"] is None else began - read["spending"],
            may_be_spent=read["spent"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not a token record") from error


def _token(token: Token, now: float) -> dict[str, Any]:
    return {
        "value": token.value.reveal(),
        "age": now - token.issued_at,
        "left": None if token.expires_at is None else token.expires_at - now,
        "variables": {name: secret.reveal() for name, secret in token.variables.items()},
    }


def _read_token(read: dict[str, Any], generation: int, written: float) -> Token:
    return Token(
        Secret(read["value"]),
        issued_at=written - read["age"],
        expires_at=None if read["left"] is None else written + read["left"],
        generation=generation,
        variables={name: Secret(text) for name, text in read["variables"].items()},
    )


def _failure(failure: Failure, monotonic: float) -> dict[str, Any]:
    return {
        "reason": failure.reason.value,
        "detail": failure.detail,
        "permanent": failure.permanent,
        "left": failure.until - monotonic,
        "in_a_row": failure.in_a_row,
    }


def _read_failure(read: dict[str, Any], began: float) -> Failure:
    return Failure(
        Reason(read["reason"]), read["detail"], read["permanent"], began + read["left"], in_a_row=read["in_a_row"]
    )
