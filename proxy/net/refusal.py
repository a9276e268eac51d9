"""What it means when a token endpoint answers with anything but success."""

import json
import re
from collections.abc import Collection, Iterator
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

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
_MISNAMED: Final = frozenset({(401, "server_error")})
"""Where the status says what it is: ServiceNow answers so to a wrong password, and locks out whoever tries again."""
_OAUTH_STATUSES: Final = frozenset({200, 400, 401, 403})
"""RFC 6749 §5.2 says 400 and 401; some providers say `invalid_grant` with 403, and some say everything with 200."""

_BY_STATUS: Final = {
    200: Symptom.BAD_REQUEST,
    304: Symptom.STATUS,
    400: Symptom.BAD_REQUEST,
    401: Symptom.FORBIDDEN,
    403: Symptom.FORBIDDEN,
    404: Symptom.NOT_FOUND,
    405: Symptom.METHOD,
    407: Symptom.PROXY_AUTH,
    408: Symptom.BUSY,
    410: Symptom.NOT_FOUND,
    415: Symptom.CONTENT_TYPE,
    422: Symptom.BAD_REQUEST,
    425: Symptom.BUSY,
    429: Symptom.RATE_LIMITED,
}
_BY_CLASS: Final = {3: Symptom.REDIRECT, 4: Symptom.CLIENT_ERROR, 5: Symptom.PROVIDER}


_CERTIFICATE_PAGES: Final = {
    "No required SSL certificate was sent": "it wants a client certificate, and was shown none",
    "The SSL certificate error": "it does not accept our client certificate",
}
"""What stands in nginx's pages for its own statuses 496 and 495, which it sends as 400."""
_NAMED: Final = frozenset({Symptom.BAD_REQUEST, Symptom.CLIENT_ERROR})
"""Whose reply may say which parameter it is about."""
_PARAMETERS: Final = frozenset(
    {
        "assertion",
        "audience",
        "client_assertion",
        "client_assertion_type",
        "client_id",
        "client_secret",
        "code_verifier",
        "device_code",
        "grant_type",
        "password",
        "redirect_uri",
        "refresh_token",
        "requested_token_type",
        "resource",
        "scope",
        "subject_token",
        "subject_token_type",
        "username",
    }
)
"""Parameters that RFC 6749, 7521, 7636, 8628, 8693 and 8707 name: nobody's secrets."""
_SHORTEST_NAME: Final = 3
"""Characters. A shorter name stands in too many texts by chance."""
_LONGEST_TEXT: Final = 4096
_WORD: Final = re.compile(r"[A-Za-z0-9_.-]+")
_SCHEMES: Final = {name.lower(): name for name in ("Basic", "Bearer", "Digest", "DPoP", "Negotiate", "NTLM")}


def refusal(subject: str, reply: Reply, keys: Collection[str] = (), url: str = "") -> TokenRequestError:
    """Return the error for a reply that is not 2xx, or is an OAuth error nonetheless.

    `subject` is the request as a message may name it; `keys` are the names of its parameters, and `url` its address:
    they are only compared with what the reply says.
    """
    code = _oauth_error(reply) if reply.status in _OAUTH_STATUSES else ""
    named = None if (reply.status, code) in _MISNAMED else _OAUTH.get(code)
    page = _certificate_page(reply)
    usual = _BY_STATUS.get(reply.status) or _BY_CLASS.get(reply.status // 100, Symptom.STATUS)
    symptom = named or (Symptom.TLS_CLIENT if page else usual)
    sentence = f"{subject} answered {reply.status} ({reply.media_type})" + (f": {code}" if named else "")
    wait = retry_after(reply)
    if symptom is Symptom.TLS_CLIENT:
        sentence += f": {page}"
    elif symptom is Symptom.REDIRECT:
        sentence += f" and pointed to {_target(reply.header('Location'), url)}"
    elif symptom in _NAMED:
        sentence += _about(reply, keys)
    elif reply.status == 401 and (scheme := _scheme(reply)):
        sentence += f" and wants {scheme}"
    elif wait is not None:
        sentence += f" and asks to wait {wait:.0f} s"
    unheeded = reply.status == 503 and wait is not None
    error = TokenRequestError(symptom, sentence, retry_after=wait, unheeded=unheeded)
    error.clock_offset = reply.clock_offset
    return error


def _certificate_page(reply: Reply) -> str:
    """Return what a server says of our certificate that checks it once the request is there, as nginx does."""
    if reply.status == 400 and "html" in reply.media_type:
        text = reply.text()[:_LONGEST_TEXT]
        return next((words for page, words in _CERTIFICATE_PAGES.items() if page in text), "")
    return ""


def _oauth_error(reply: Reply) -> str:
    """Return the `error` member of an OAuth error response (RFC 6749 §5.2), or nothing."""
    try:
        document = json.loads(reply.text())
    except (ValueError, RecursionError):
        return ""
    error = document.get("error") if isinstance(document, dict) else None
    return error if isinstance(error, str) else ""


def _target(location: str | None, url: str) -> str:
    """Return where a redirect leads, without its path and query: they may repeat the secret."""
    try:
        there, here = urlsplit(urljoin(url, location or "")), urlsplit(url)
        same = _origin(there) == _origin(here)
    except ValueError:
        return "an address that is malformed"
    host = there.hostname if there.hostname and there.hostname.isprintable() else "nowhere"
    if location is None:
        return "nowhere: there is no Location"
    if same and url:
        return "another path of the same host"
    plain = ", over plain http" if there.scheme == "http" and here.scheme != "http" else ""
    other = "another port of " if url and there.hostname == here.hostname and not plain else ""
    return f"{other}{host}{plain}"


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _scheme(reply: Reply) -> str:
    """Return the scheme of the reply's challenge (RFC 9110 §11.6.1), if it is one that everybody knows."""
    return _SCHEMES.get((reply.header("WWW-Authenticate") or "").partition(" ")[0].lower(), "")


def _about(reply: Reply, keys: Collection[str]) -> str:
    """Return which parameter the reply is about, if it names one whose name is ours or a standard's."""
    known = {key.lower(): key for key in (*_PARAMETERS, *keys) if len(key) >= _SHORTEST_NAME}
    words = [word.lower().strip(".-") for text in _texts(reply) for word in _WORD.findall(text)]
    named = list(dict.fromkeys(known[word] for word in words if word in known))
    if not named:
        return ""
    sent = ", ".join(f"`{name}`, which is {'sent' if name in keys else 'not sent'}" for name in named[:3])
    return f"; the reply names {sent}"


def _texts(reply: Reply) -> Iterator[str]:
    """Yield the texts of the reply, not the keys: of a JSON document, or of anything that is no page."""
    try:
        pending = [json.loads(reply.text())]
    except (ValueError, RecursionError):
        if "html" not in reply.media_type:
            yield reply.text()[:_LONGEST_TEXT]
        return
    seen = 0
    while pending and seen < _LONGEST_TEXT:
        value = pending.pop()
        seen += 1
        if isinstance(value, str):
            yield value[:_LONGEST_TEXT]
        elif isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)


def retry_after(reply: Reply) -> float | None:
    """Return the seconds that the reply asks to wait (RFC 9110 §10.2.3), at most a day; None: it does not."""
    value = (reply.header("Retry-After") or "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), _LONGEST_WAIT)
    try:
        date = parsedate_to_datetime(value)
        at = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    theirs = reply.received_at + (reply.clock_offset or 0.0)  # the sender's clock, which it wrote the date by
    return min(max(0.0, at - theirs), _LONGEST_WAIT)
