"""What one webhook delivery says, and the signature that proves who says it.

The form is that of Standard Webhooks 1.0.0: three headers, and an HMAC-SHA256 over the id, the time of the try and the
very bytes of the body, joined by full stops.
"""

import base64
import binascii
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final

from pydantic import AfterValidator

from proxy.core.secret import Secret
from proxy.telemetry.events import Event
from proxy.telemetry.line import rfc3339

PREFIX: Final = "whsec_"
"""What stands before the base64 of a secret's bytes."""
SHORTEST_SECRET: Final = 24
"""Bytes."""


def _signing(secret: Secret) -> Secret:
    if len(_key(secret)) < SHORTEST_SECRET:
        raise ValueError(
            f"a secret that signs has at least {SHORTEST_SECRET} bytes; "
            f"write {PREFIX} and what `countersign keygen` prints"
        )
    return secret


def _key(secret: Secret) -> bytes:
    """Return the bytes that the HMAC is keyed with.

    Raises:
        ValueError: it is to be base64, and is not.
    """
    text = secret.reveal()
    if not text.startswith(PREFIX):
        return text.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"what follows {PREFIX} is not base64; write what `countersign keygen` prints") from None


SigningSecret = Annotated[Secret, AfterValidator(_signing)]
"""Long enough to sign with: `whsec_` and base64, or any other text as it stands."""


def sign(keys: Sequence[Secret], identifier: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: one signature for each key, in their order."""
    signed = f"{identifier}.{timestamp}.".encode("ascii") + body
    return " ".join(f"v1,{base64.b64encode(hmac.digest(_key(key), signed, 'sha256')).decode()}" for key in keys)


@dataclass(slots=True)
class Notice:
    """One event on its way to the receiver."""

    event: Event
    id: str = field(default_factory=lambda: f"evt_{secrets.token_hex(16)}")
    """The same for each try, so that a receiver can drop what it has seen."""
    tries: int = 0
    """How often it has been sent, the try under way included."""

    def body(self, instance: str) -> bytes:
        """Return what is said, as JSON; `instance` is the name of the process that says it."""
        event = self.event
        said = {
            "id": self.id,
            "type": event.event.value,
            "time": rfc3339(event.time),
            "credential": event.credential,
            "reason": event.reason,
            "detail": event.detail,
            "instance": instance,
            "attempt": self.tries,
        }
        return json.dumps(said, separators=(",", ":")).encode("ascii")

    def headers(self, keys: Sequence[Secret], timestamp: int, body: bytes) -> tuple[tuple[str, str], ...]:
        """Return the headers of a try at that time (Unix seconds)."""
        return (
            ("Content-Type", "application/json"),
            ("Accept", "*/*"),
            ("webhook-id", self.id),
            ("webhook-timestamp", str(timestamp)),
            ("webhook-signature", sign(keys, self.id, timestamp, body)),
        )
