"""What can be seen to be wrong with a token request, and what to do about it: the troubleshooting table.

A symptom knows its reason for machines (`Reason`), whether asking again can help, and the remedy for people. The same
row is an error's message at run time and the diagnosis of `countersign test`.
"""

from enum import Enum
from typing import Final

from proxy.core.errors import FetchError, Reason
from proxy.core.secret import scrub

_NETWORK: Final = Reason.NETWORK
_REFUSED: Final = Reason.PROVIDER_4XX
_MALFORMED: Final = Reason.MALFORMED_RESPONSE


class Symptom(Enum):
    """One row of the table: code, reason, remedy."""

    DNS = "dns", _NETWORK, "check the host name in `url`, and the resolver of this machine"
    CONNECT = "connect", _NETWORK, "check host, port and firewall, and that the service runs"
    CONNECT_TIMEOUT = (
        "connect-timeout",
        _NETWORK,
        "check host and port, and the firewalls on the way: one that drops packets says nothing",
    )
    TLS_EXPIRED = "tls-expired", _NETWORK, "have the service renew its certificate, and check this machine's clock"
    TLS_HOST = "tls-host", _NETWORK, "check the host name in `url`: it has to be one that the certificate names"
    TLS_SELF_SIGNED = (
        "tls-self-signed",
        _NETWORK,
        "name the service's own authority as `ca` under `tls`; if there should be none, somebody may stand in between",
    )
    TLS_ISSUER = (
        "tls-issuer",
        _NETWORK,
        "name the issuer's authority as `ca` under `tls`, and have the service show its whole chain",
    )
    TLS_CLIENT = "tls-client-certificate", _NETWORK, "give a `certificate` that the service accepts, under `tls`"
    TLS = "tls", _NETWORK, "check that scheme and port of `url` are those of a service that speaks TLS 1.2 or newer"
    TIMEOUT = "timeout", _NETWORK, "check that the service answers, or raise `timeout`"
    BROKEN_OFF = "broken-off", _NETWORK, "check the service and whatever stands before it"
    NOT_HTTP = "not-http", _MALFORMED, "check scheme and port of `url`"
    TOO_LARGE = "too-large", _MALFORMED, "check that `url` is the address of a token endpoint, not of a page or file"
    ENCODING = "encoding", _MALFORMED, "let the service answer without compression"
    REDIRECT = (
        "redirect",
        _MALFORMED,
        "redirects are not followed, for they would carry the secret elsewhere: put the final address into `url`",
    )
    INVALID_CLIENT = (
        "invalid-client",
        Reason.INVALID_CLIENT,
        "the provider does not accept the client's id or secret: check both, and how they are sent",
    )
    INVALID_GRANT = (
        "invalid-grant",
        Reason.INVALID_GRANT,
        "the provider does not accept the user name, password, code or refresh token: renew it",
    )
    BAD_REQUEST = (
        "bad-request",
        _REFUSED,
        "a required parameter is missing or misspelt: compare the keys that are sent with the provider's manual",
    )
    FORBIDDEN = (
        "credentials-refused",
        _REFUSED,
        "the credentials are wrong or expired or lack a right: check secrets, scopes and headers",
    )
    PROXY_AUTH = (
        "proxy-authentication",
        _REFUSED,
        "a proxy on the way wants credentials, and none are sent to it: let this machine reach the service directly",
    )
    NOT_FOUND = "not-found", _REFUSED, "check the path of `url`"
    METHOD = "wrong-method", _REFUSED, "check `method`: most token endpoints want POST"
    CONTENT_TYPE = "wrong-content-type", _REFUSED, "send the body as the provider wants it: form, json or body"
    CLIENT_ERROR = "client-error", _REFUSED, "compare the request with the provider's manual"
    BUSY = "busy", _REFUSED, "the provider asks to try again later"
    RATE_LIMITED = "rate-limited", _REFUSED, "the provider wants fewer requests: wait"
    PROVIDER = "provider-failing", Reason.PROVIDER_5XX, "wait, or look at the provider's status page and logs"
    STATUS = "unexpected-status", _MALFORMED, "check that `url` is the address of a token endpoint"
    NOT_JSON = (
        "not-json",
        _MALFORMED,
        "make the service answer application/json (an Accept header may do), or find the token with `from: text`",
    )
    PAGE = (
        "html-page",
        _MALFORMED,
        "an HTML page is for people: check that `url` is the token endpoint's address, and not that of a login form",
    )
    FORMAT = "wrong-format", _MALFORMED, "check `from`: it has to be the format that the service answers in"
    TOKEN_NOT_FOUND = "token-not-found", _MALFORMED, "check `token`: `countersign test` lists the keys of the reply"
    TOKEN_EMPTY = (
        "token-empty",
        _MALFORMED,
        "check that `token` names the token's place, and whether the reply says why there is none",
    )
    TOKEN_CONTROL = (
        "token-control-characters",
        _MALFORMED,
        "a token is one line of printable characters: check that `token` names the token, and not a text around it",
    )
    TOKEN_UNUSABLE = (
        "token-unusable",
        _MALFORMED,
        "check that `token` names the token's place: a token is a text that a header can hold",
    )
    NOT_OAUTH = (
        "not-oauth",
        _MALFORMED,
        "check that `token_url` is the address of an OAuth 2 token endpoint; other replies are for kind `http_request`",
    )
    TOKEN_TYPE = (
        "token-type",
        _MALFORMED,
        "only bearer tokens can be used; if it is one by another name, put that name into `token_type`",
    )
    EXPIRY_NOT_FOUND = "expiry-not-found", _MALFORMED, "check `expiry`: without it a token is replaced after 5 minutes"
    EXPIRY_WRONG = "expiry-wrong", _MALFORMED, "wrong expiry key or type: check `expiry`, and this machine's clock"
    EXPIRY_DOUBTFUL = (
        "expiry-doubtful",
        _MALFORMED,
        "probably another unit: compare the lifetime with the provider's manual, and correct `expiry.type`",
    )
    STEP_REFUSED = (
        "step-refused",
        _REFUSED,
        "the reply says that the step did not succeed: compare `succeeds_when` with what `countersign test` shows",
    )
    VARIABLE_NOT_FOUND = (
        "variable-not-found",
        _MALFORMED,
        "check `extract`: `countersign test` shows the reply; a variable that may be missing needs a `default`",
    )
    DISCOVERY = (
        "discovery",
        _MALFORMED,
        "check `issuer`, which has to be written exactly as its metadata have it, or give `token_url` instead",
    )
    REQUEST = "request", Reason.INTERNAL, "check the templates and variables of the request"

    def __init__(self, code: str, reason: Reason, remedy: str) -> None:
        self.code = code
        self.reason = reason
        self.remedy = remedy

    @property
    def is_permanent(self) -> bool:
        """Return True when asking again cannot help until somebody changes something."""
        return self.reason in _PERMANENT and self not in {Symptom.BUSY, Symptom.RATE_LIMITED}

    @property
    def is_retried(self) -> bool:
        """Return True when the same call may succeed a moment later."""
        return self in _RETRIED


_PERMANENT: Final = frozenset({Reason.INVALID_CLIENT, Reason.INVALID_GRANT, Reason.PROVIDER_4XX, Reason.INTERNAL})
_UNREACHED: Final = frozenset({Symptom.DNS, Symptom.CONNECT, Symptom.CONNECT_TIMEOUT})
_NO_TLS: Final = frozenset(
    {
        Symptom.TLS_EXPIRED,
        Symptom.TLS_HOST,
        Symptom.TLS_SELF_SIGNED,
        Symptom.TLS_ISSUER,
        Symptom.TLS_CLIENT,
        Symptom.TLS,
    }
)
_RETRIED: Final = _UNREACHED | {Symptom.TIMEOUT, Symptom.BROKEN_OFF, Symptom.RATE_LIMITED, Symptom.PROVIDER}
_UNHEEDED: Final = _UNREACHED | _NO_TLS | {Symptom.REQUEST, Symptom.RATE_LIMITED}


class TokenRequestError(FetchError):
    """A token request failed, with the symptom that was seen."""

    def __init__(
        self, symptom: Symptom, sentence: str, *, retry_after: float | None = None, unheeded: bool = False
    ) -> None:
        sentence = scrub(sentence)  # a path, say, may have been made with a variable
        super().__init__(
            symptom.reason, f"{sentence}; {symptom.remedy}", permanent=symptom.is_permanent, retry_after=retry_after
        )
        self.symptom = symptom
        self.sentence = sentence
        """What was seen, without the remedy; holds no secret."""
        self.unheeded = unheeded or symptom in _UNHEEDED
        self.clock_offset: float | None = None
        """Seconds by which the clock of who refused was ahead of ours; None: nobody refused, or did not say."""
