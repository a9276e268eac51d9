"""Seals small values into texts that can stand in addresses, forms and cookies: for us to read, and for nobody else."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final

from proxy.core.seal import Seal, SealError

LONGEST: Final = 4096
"""Characters of such a text."""


def closed(seal: Seal, value: Any, context: bytes) -> str:
    """Return the value, which JSON can write, as a text."""
    plain = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")  # escapes would make it too long
    return urlsafe_b64encode(seal.close(plain, context)).decode("ascii").rstrip("=")


def opened(seal: Seal, text: str, context: bytes) -> Any:
    """Return the value.

    Raises:
        SealError: this was not sealed by us in this context.
    """
    try:
        sealed = urlsafe_b64decode(text[:LONGEST] + "=" * (-len(text) % 4))
    except ValueError:
        raise SealError("this is not sealed") from None
    return json.loads(seal.open(sealed, context))
