"""Reads what a token endpoint answers (RFC 6749 §5.1), and an error that calls itself 200."""

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter

from proxy.core.message import Reply
from proxy.core.secret import Secret
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.core.token import NO_VARIABLES, Token
from proxy.credentials.reading import AnyExpiry, TokenReader, found_in
from proxy.credentials.unreadable import unreadable
from proxy.extractors import make_extractor
from proxy.extractors.base import FormatError
from proxy.extractors.json import JsonSettings, parse
from proxy.net.refusal import refusal

REFRESH_TOKEN: Final = "refresh_token"  # noqa: S105 - a name, not a password
"""The parameter, the member of a reply and the variable of a token: one word for all three."""
ID_TOKEN: Final = "id_token"  # noqa: S105 - a name, not a password
"""The member of a reply, and the variable of a token."""
TOKEN_TYPE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,19}")
"""The name of a token's type."""
_SHOWN_TYPE: Final = re.compile(r"[A-Za-z_-]{1,20}")
"""What may be repeated of it: a token that came in its place has digits."""

_EXPIRY: Final = TypeAdapter(AnyExpiry).validate_python({"from": "json", "path": "expires_in", "type": "seconds"})
_ISSUED: Final = "issued_token_type"


class GrantReader:
    """Reads the replies to one client's requests.

    `types` are the names of token types that are as good as Bearer, in any case; `requested` is the type of token that
    was asked for in an exchange (RFC 8693 §2.2.1), or empty. `identifies`: a person has just signed in, and what the
    reply says of them goes with the token, too.
    """

    def __init__(self, types: frozenset[str], requested: str = "", *, identifies: bool = False) -> None:
        self.usual = TokenReader(_at("access_token"), _EXPIRY)
        self._undated = TokenReader(_at("access_token"), None)
        self._secret_places = tuple(make_extractor(_at(name)) for name in ("access_token", REFRESH_TOKEN, ID_TOKEN))
        self._types = {"bearer", *map(str.lower, types)}
        self._requested = requested
        self._identifies = identifies

    def secrets_in(self, reply: Reply) -> frozenset[str]:
        """Return the tokens in the reply."""
        return found_in(reply, *self._secret_places)

    def read(self, subject: str, reply: Reply, spent: Secret | None) -> Token:
        """Return the token of a reply with status 2xx; its variables hold the refresh token that is good now.

        `subject` is the request as a message may name it; `spent` the refresh token that it carried, which stays good
        where the reply brings no other (RFC 6749 §6).

        Raises:
            TokenRequestError: there is no token that can be used.
        """
        document = _document(subject, reply)
        if isinstance(document.get("error"), str) and not document.get("access_token"):
            raise refusal(subject, reply)
        successor = document.get(REFRESH_TOKEN)
        kept = Secret(successor) if isinstance(successor, str) and successor else spent
        variables = NO_VARIABLES if kept is None else {REFRESH_TOKEN: kept}
        if self._identifies and isinstance(said := document.get(ID_TOKEN), str):
            variables = {**variables, ID_TOKEN: Secret(said)}
        try:
            self._check(subject, document)
            return self.usual.read(subject, reply, variables)
        except TokenRequestError as error:
            if error.symptom is not Symptom.EXPIRY_WRONG:
                error.variables = variables  # a refresh token was spent for it, and its successor must not be lost
                raise
        return self._undated.read(subject, reply, variables)  # nobody could set right what the provider says

    def _check(self, subject: str, document: Mapping[str, Any]) -> None:
        """Refuse what has no token, or one of a type that nobody has told us how to use (RFC 6749 §7.1)."""
        if not isinstance(document.get("access_token"), str):
            raise TokenRequestError(Symptom.NOT_OAUTH, f"the reply to {subject} has no `access_token`")
        named = document.get("token_type") or "Bearer"
        if str(named).lower() not in self._types:
            shown = f" {named}" if _SHOWN_TYPE.fullmatch(str(named)) else ""
            raise TokenRequestError(Symptom.TOKEN_TYPE, f"the reply to {subject} brings a token of another type{shown}")
        if self._requested and document.get(_ISSUED, self._requested) != self._requested:
            raise TokenRequestError(
                Symptom.TOKEN_TYPE, f"the reply to {subject} brings another `{_ISSUED}` than was requested"
            )


def _at(name: str) -> JsonSettings:
    return JsonSettings.model_validate({"from": "json", "path": name})


def _document(subject: str, reply: Reply) -> Mapping[str, Any]:
    try:
        document = parse(reply)
    except FormatError as error:
        raise unreadable(subject, reply, error) from None
    if not isinstance(document, dict):
        raise TokenRequestError(Symptom.NOT_OAUTH, f"the reply to {subject} is no JSON object")
    return document
