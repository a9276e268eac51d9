"""Why the other side refuses our TLS connection: the alert that it sends (RFC 8446 §6.2), in words.

Over TLS 1.3 the alert about a client certificate comes after the handshake, when the request is on its way already.
"""

import ssl
from typing import Final

SILENT: Final = "over TLS that may be how it refuses our certificate, or the lack of one"
"""What to think of a connection that ends after the handshake, before a word was said on it."""
_MISSING: Final = "it wants a client certificate, and was shown none"
_WORDS: Final = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": _MISSING,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "most likely it wants a client certificate, or another one",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not know the authority of our client certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it does not accept our client certificate",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "it does not accept client certificates like ours",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it does not accept our client certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "our client certificate has expired",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "our client certificate has been revoked",
    "TLSV1_ALERT_ACCESS_DENIED": "it denies access to our client certificate",
    "TLSV1_ALERT_DECRYPT_ERROR": "it does not accept our client certificate",
}
"""By OpenSSL's names for the alerts that are about our certificate, or the lack of one."""


def refusal_of_ours(error: BaseException | None) -> str | None:
    """Return what the other side has against our certificate, or None: the error is not about that."""
    return _WORDS.get(_reason(error))


def is_alert(error: BaseException | None) -> bool:
    """Return True when the other side said by an alert why there is no connection."""
    return "_ALERT_" in _reason(error)


def _reason(error: BaseException | None) -> str:
    return str(getattr(error, "reason", "")) if isinstance(error, ssl.SSLError) else ""
