"""What it means when a token endpoint could not be asked, or its answer could not be read."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

import aiohttp

from proxy.core.symptom import Symptom, TokenRequestError
from proxy.net.alert import SILENT, refusal_of_ours

_CERTIFICATES: Final = {
    9: (Symptom.TLS_EXPIRED, "showed a certificate that is not valid yet"),
    10: (Symptom.TLS_EXPIRED, "showed a certificate that has expired"),
    18: (Symptom.TLS_SELF_SIGNED, "showed a certificate that it signed itself"),
    19: (Symptom.TLS_SELF_SIGNED, "showed a certificate whose chain ends at a root that this machine does not trust"),
    20: (Symptom.TLS_ISSUER, "showed a certificate of an issuer that this machine does not know"),
    21: (Symptom.TLS_ISSUER, "showed a certificate whose issuer it did not show, and that this machine does not know"),
    62: (Symptom.TLS_HOST, "showed a certificate of another host"),
    64: (Symptom.TLS_HOST, "showed a certificate of another address"),
}
"""By the numbers of OpenSSL's `X509_V_ERR_…` (openssl-verification-options(1))."""
_FAILURES: Final[tuple[tuple[type[Exception], Symptom, str], ...]] = (
    (TimeoutError, Symptom.TIMEOUT, "did not answer in time"),
    (aiohttp.ClientConnectorDNSError, Symptom.DNS, "has a host name that does not resolve"),
    (aiohttp.ClientConnectorCertificateError, Symptom.TLS, "showed a certificate that is not trusted"),
    (aiohttp.ClientSSLError, Symptom.TLS, "did not agree on TLS"),
    (aiohttp.ClientConnectorError, Symptom.CONNECT, "did not accept a connection"),
    (aiohttp.InvalidURL, Symptom.REQUEST, "is not a URL that can be called"),
    (aiohttp.ServerConnectionError, Symptom.BROKEN_OFF, "closed the connection without an answer"),
    (aiohttp.ClientPayloadError, Symptom.BROKEN_OFF, "broke off in the middle of its answer"),
    (aiohttp.ClientOSError, Symptom.BROKEN_OFF, "reset the connection"),
    (aiohttp.ClientError, Symptom.NOT_HTTP, "answered with something that is not valid HTTP"),
    (OSError, Symptom.CONNECT, "could not be reached"),
    (ValueError, Symptom.REQUEST, "is not a request that can be sent"),
)
"""From the particular to the general."""


@dataclass(slots=True)
class Progress:
    """How far one call has come: what a timeout means depends on it."""

    is_tls: bool = False
    """True: it goes to an https address."""
    connected: bool = False
    """True: there is a connection, TLS included."""
    status: int | None = None
    """The status of the answer; None: its head is not there yet."""


def progress_trace() -> aiohttp.TraceConfig:
    """Return what a session needs in order to keep the `Progress` that a call gave as its `trace_request_ctx`."""

    async def connected(_: aiohttp.ClientSession, context: SimpleNamespace, __: Any) -> None:
        if isinstance(context.trace_request_ctx, Progress):
            context.trace_request_ctx.connected = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(connected)
    return trace


def failure(subject: str, timeout: float, error: Exception, progress: Progress) -> TokenRequestError:
    """Return what went wrong. `subject` is the request as a message may name it, `timeout` its seconds."""
    symptom, words = next((symptom, words) for kind, symptom, words in _FAILURES if isinstance(error, kind))
    if symptom is Symptom.TIMEOUT:
        symptom, words = _too_slow(timeout, progress)
    elif isinstance(error, aiohttp.ClientConnectorCertificateError):
        symptom, words = _distrusted(error.certificate_error)
    elif why := _refusal_of_ours(error):
        symptom, words = Symptom.TLS_CLIENT, f"refused the TLS connection: {why}"
    elif symptom is Symptom.BROKEN_OFF and progress.is_tls and progress.status is None:
        words += f" ({SILENT})"
    return TokenRequestError(symptom, f"{subject} {words}")


def _too_slow(timeout: float, progress: Progress) -> tuple[Symptom, str]:
    if not progress.connected:
        return Symptom.CONNECT_TIMEOUT, f"did not accept a connection in time ({timeout:g} s)"
    if progress.status is None:
        return Symptom.TIMEOUT, f"accepted the connection, but did not answer in time ({timeout:g} s)"
    return Symptom.TIMEOUT, f"answered {progress.status}, but did not end its answer in time ({timeout:g} s)"


def _distrusted(error: Exception) -> tuple[Symptom, str]:
    code = getattr(error, "verify_code", 0)
    symptom, words = _CERTIFICATES.get(code, (Symptom.TLS, "showed a certificate that is not trusted"))
    return symptom, f"{words} ({getattr(error, 'verify_message', 'unknown cause')})"


def _refusal_of_ours(error: BaseException | None) -> str | None:
    """Return what the service has against our certificate, or the lack of one, whoever wrapped its alert."""
    while error is not None:
        if why := refusal_of_ours(error):
            return why
        error = error.__cause__ or error.__context__ or getattr(error, "os_error", None)
    return None
