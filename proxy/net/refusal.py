"""What it means when a token endpoint answers with anything but success."""

import json
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from proxy.core.message import Reply
from proxy.core.symptom import Symptom, TokenRequestError

_LONGEST_WAIT: Final = 86_400.0
_OAUTH: Final = {
    # RFC 6749 §5.2, RFC 8707 §2
    "invalid_client": Symptom.INVALID_CLIENT,
    "unauthorized_client": Symptom.INVALID_CLIENT,
    "invalid_grant": Symptom.INVALID_GRANT,
    "invalid_request": Symptom.BAD_REQUEST,
    "unsupported_grant_type": Symptom.BAD_REQUEST,
    "invalid_target": Symptom.BAD_REQUEST,
    "invalid_scope": Symptom.FORBIDDEN,
    # RFC 6749 §4.1.2.1 and RFC 8628 §3.5 have these for other endpoints and grants; some use them at this one
    "server_error": Symptom.PROVIDER,
    "temporarily_unavailable": Symptom.PROVIDER,
    "slow_down": Symptom.RATE_LIMITED,
    # OpenID Connect Core §3.1.2.6: a person has to sign in again
    "interaction_required": Symptom.INVALID_GRANT,
    "login_required": Symptom.INVALID_GRANT,
    # GitHub and Slack, who say so with status 200
    "bad_refresh_token": Symptom.INVALID_GRANT,
    "invalid_refresh_token": Symptom.INVALID_GRANT,
    "invalid_code": Symptom.INVALID_GRANT,
    "incorrect_client_credentials": Symptom.INVALID_CLIENT,
    "invalid_client_id": Symptom.INVALID_CLIENT,
    "bad_client_secret": Symptom.INVALID_CLIENT,
    "ratelimited": Symptom.RATE_LIMITED,
    "internal_error": Symptom.PROVIDER,
    "fatal_error": Symptom.PROVIDER,
}
"""What the `error` of a token endpoint means. Only these words are ever repeated; any other may be a secret."""
_OAUTH_STATUSES: Final = frozenset({200, 400, 401, 403})
"""RFC 6749 §5.2 says 400 and 401; some providers say `invalid_grant` with 403, and some say everything with 200."""

_BY_STATUS: Final = {
    200: Symptom.BAD_REQUEST,
    400: Symptom.BAD_REQUEST,
    401: Symptom.FORBIDDEN,
    403: Symptom.FORBIDDEN,
    404: Symptom.NOT_FOUND,
    405: Symptom.METHOD,
    408: Symptom.BUSY,
    410: Symptom.NOT_FOUND,
    415: Symptom.CONTENT_TYPE,
    422: Symptom.BAD_REQUEST,
    425: Symptom.BUSY,
    429: Symptom.RATE_LIMITED,
}
_BY_CLASS: Final = {3: Symptom.REDIRECT, 4: Symptom.CLIENT_ERROR, 5: Symptom.PROVIDER}


def refusal(subject: str, reply: Reply) -> TokenRequestError:
    """Return the error for a reply that is not 2xx, or is an OAuth error nonetheless.

    `subject` is the request as a message may name it.
    """
    code = _oauth_error(reply) if reply.status in _OAUTH_STATUSES else ""
    named = _OAUTH.get(code)
    symptom = named or _BY_STATUS.get(reply.status) or _BY_CLASS.get(reply.status // 100, Symptom.STATUS)
    sentence = f"{subject} answered {reply.status} ({reply.media_type})" + (f": {code}" if named else "")
    if symptom is Symptom.REDIRECT:
        sentence += f" and pointed to {_host(reply.header('Location'))}"
    wait = retry_after(reply)
    return TokenRequestError(symptom, sentence, retry_after=wait, unheeded=reply.status == 503 and wait is not None)


def _oauth_error(reply: Reply) -> str:
    """Return the `error` member of an OAuth error response (RFC 6749 §5.2), or nothing."""
    try:
        document = json.loads(reply.text())
    except (ValueError, RecursionError):
        return ""
    error = document.get("error") if isinstance(document, dict) else None
    return error if isinstance(error, str) else ""


def _host(location: str | None) -> str:
    """Return where a redirect leads, without its path and query: they may repeat the secret."""
    try:
        host = urlsplit(location or "").hostname
    except ValueError:
        host = None
    return host if host and host.isprintable() else "another path"


def retry_after(reply: Reply) -> float | None:
    """Return the seconds that the reply asks to wait (RFC 9110 §10.2.3), at most a day; None: it does not."""
    value = (reply.header("Retry-After") or "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), _LONGEST_WAIT)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    theirs = reply.received_at + (reply.clock_offset or 0.0)  # the sender's clock, which it wrote the date by
    return min(max(0.0, at - theirs), _LONGEST_WAIT)
