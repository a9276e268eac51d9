"""Writes a token record down as bytes and reads it again, on another machine with other clocks if need be.

No instant is written, only how long ago or how long from now it is; what reads adds how long the bytes have lain.
"""

import json
from typing import Any, Final, TypeVar

from proxy.core.clock import Clock
from proxy.core.errors import Reason
from proxy.core.secret import Secret
from proxy.core.token import Token
from proxy.tokens.failures import Failure
from proxy.tokens.record import TokenRecord

FORMAT: Final = 1

Kind = TypeVar("Kind")


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
        },
        ensure_ascii=False,
    ).encode("utf-8", "surrogatepass")


def decode(data: bytes, age: float, clock: Clock) -> TokenRecord:
    """Return the record that was written `age` seconds ago.

    Raises:
        UnknownFormatError: a newer version wrote it.
        ValueError: this is no record.
    """
    try:
        read = json.loads(data.decode("utf-8", "surrogatepass"))
        if read["format"] != FORMAT:
            raise UnknownFormatError
        return _read(read, clock.now() - age, clock.monotonic() - age)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise ValueError("not a token record") from None  # what is wrong with it may quote a secret


def _read(read: dict[str, Any], written: float, began: float) -> TokenRecord:
    """`written` is when that was by our wall clock, `began` by our monotonic one."""
    generation = _of(int, read["generation"])
    return TokenRecord(
        identity=_of(str, read["identity"]),
        generation=generation,
        step=_of(int, read["step"]),
        token=None if read["token"] is None else _read_token(read["token"], generation, written),
        is_rejected=_of(bool, read["rejected"]),
        trusted=None if read["trusted"] is None else float(read["trusted"]),
        failure=None if read["failure"] is None else _read_failure(read["failure"], began),
        spending_since=None if read["spending"] is None else began - read["spending"],
        may_be_spent=_of(bool, read["spent"]),
    )


def _token(token: Token, now: float) -> dict[str, Any]:
    return {
        "value": token.value.reveal(),
        "age": now - token.issued_at,
        "left": None if token.expires_at is None else token.expires_at - now,
        "variables": {name: secret.reveal() for name, secret in token.variables.items()},
    }


def _read_token(read: dict[str, Any], generation: int, written: float) -> Token:
    return Token(
        Secret(_of(str, read["value"])),
        issued_at=written - read["age"],
        expires_at=None if read["left"] is None else written + read["left"],
        generation=generation,
        variables={name: Secret(_of(str, text)) for name, text in read["variables"].items()},
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
        Reason(read["reason"]),
        _of(str, read["detail"]),
        permanent=_of(bool, read["permanent"]),
        until=began + read["left"],
        in_a_row=_of(int, read["in_a_row"]),
    )


def _of(kind: type[Kind], value: Any) -> Kind:
    """Return the value, which is to be of that very type: True is no number here."""
    if type(value) is not kind:
        raise TypeError
    return value
