"""Reads what a person comes back with from the provider: the code, or why there is none (RFC 6749 §4.1.2, RFC 9207)."""

import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from proxy.credentials.discovery import Place
from proxy.credentials.sign_in import SignInError

LONGEST_CODE: Final = 4096
"""Characters."""
_SENTENCES: Final = {
    "access_denied": "You, or the service, said no. Nothing has changed.",
    "login_required": "The service wants you to sign in there first.",
    "consent_required": "The service wants you to agree first.",
    "interaction_required": "The service wants something from you first.",
    "account_selection_required": "The service wants you to choose an account first.",
    "temporarily_unavailable": "The service is busy. Try again in a while.",
    "server_error": "The service made a mistake. Try again in a while.",
    "invalid_scope": "The service does not give the access that was asked for.",
    "unauthorized_client": "The service does not let this application ask.",
    "invalid_request": "The service did not understand what it was asked.",
    "unsupported_response_type": "The service did not understand what it was asked.",
}
"""What is said of the errors that the standards know. Nothing of the answer itself is repeated."""


def check_answer(parameters: Mapping[str, str], place: Place, *, shared: bool) -> str:
    """Return the code.

    `shared`: people come back from other providers to the same address.

    Raises:
        SignInError: there is none, or it comes from somebody else than who was asked.
    """
    _check_issuer(parameters.get("iss"), place, shared=shared)
    if "error" in parameters:
        raise refused(parameters["error"])
    code = parameters.get("code", "")
    if not code or len(code) > LONGEST_CODE or not code.isascii() or not code.isprintable():
        raise SignInError("no_code", "The service sent you back without what is needed.", detail="there is no `code`")
    return code


def refused(error: str) -> SignInError:
    """Return what an `error` of the provider means to people."""
    if error == "access_denied":
        return SignInError("access_denied", _SENTENCES[error])
    known = error in _SENTENCES
    detail = f"the provider says {error}" if known else "the provider gives an error that no standard knows"
    sentence = _SENTENCES.get(error, "The service refused, and does not say why in words that we know.")
    return SignInError("provider_refused", sentence, detail=detail)


def _check_issuer(told: str | None, place: Place, *, shared: bool) -> None:
    """Refuse an answer of another provider (RFC 9207 §2.4): a code of one must never go to another (RFC 9700 §4.4)."""
    if told is None:
        if place.names_itself:
            raise _mixed_up("the issuer always says who it is (`iss`), and this answer does not")
    elif place.issuer is not None:
        if not hmac.compare_digest(told.encode(), place.issuer.encode()):
            raise _mixed_up("the answer names another issuer (`iss`) than the one that was asked")
    elif shared and _origin(told) != _origin(place.authorization_url):
        raise _mixed_up(
            "the answer names an issuer (`iss`) elsewhere than at `authorization_url`; "
            "give the `issuer` in place of the addresses, or `callback: own`"
        )


def _mixed_up(detail: str) -> SignInError:
    return SignInError("wrong_issuer", "This answer comes from another service than you were sent to.", detail=detail)


def _origin(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.scheme, parts.netloc
