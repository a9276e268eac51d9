"""Everything that can go wrong, by whose fault it is; each error knows the status, the code and what to say of it.

`ProxyError` is what a caller is told. `FetchError` is why a token could not be had: it stays inside, and reaches a
caller only as the reason of a `token-unavailable`.
"""

from collections.abc import Mapping
from enum import Enum
from typing import ClassVar, Final

from proxy.core.secret import Secret

DOCUMENTATION: Final = "https://countersign.example/errors/"


class Reason(Enum):
    """Why a token could not be had: the closed set that callers, logs and metrics see."""

    NETWORK = "network"
    INVALID_CLIENT = "invalid_client"
    INVALID_GRANT = "invalid_grant"
    PROVIDER_4XX = "provider_4xx"
    PROVIDER_5XX = "provider_5xx"
    MALFORMED_RESPONSE = "malformed_response"
    NO_REFRESH_TOKEN = "no_refresh_token"  # noqa: S105 - a reason, not a password
    INTERNAL = "internal"


class FetchError(Exception):
    """A credential could not fetch a token. The message names the thing and the remedy and holds no secret."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        permanent: bool = False,
        retry_after: float | None = None,
        asked: bool = True,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.asked = asked
        """False: the token endpoint was not asked, so this says nothing of it."""
        self.permanent = permanent
        """True: asking again cannot help until somebody changes something."""
        self.retry_after = retry_after
        """Seconds the provider asked us to wait, when it said so."""
        self.unheeded = not asked
        """True: the endpoint did nothing with what was sent. It was not reached, or turned the request away unread."""
        self.variables: Mapping[str, Secret] = {}
        """What the next fetch needs, when a reply brought that and no token that can be used: the next
        `Token.variables`. Empty: what was held before still counts."""


class ProxyError(Exception):
    """Base of what a caller is told. Subclasses are the rows of the error table in the documentation."""

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]
    proxy_error: str = "http_request_denied"
    """The error type of RFC 9209 §2.3 for the Proxy-Status header."""
    counts: bool = False
    """Whether a route's breaker counts it as a failure of the upstream, or of the way to its token."""

    def __init__(
        self,
        detail: str = "",
        *,
        retry_after: float | None = None,
        proxy_error: str | None = None,
        headers: Mapping[str, str] | None = None,
        **members: str,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        if proxy_error is not None:
            self.proxy_error = proxy_error
        self.retry_after = retry_after
        self.headers = dict(headers or {})
        self.members = members
        """Extension members of the problem document (RFC 9457 §3.2)."""


class RouteNotFoundError(ProxyError):
    """No route matches the request."""

    code = "route-not-found"
    status = 404
    title = "No route matches this request"
    proxy_error = "destination_not_found"


class CallerUnauthenticatedError(ProxyError):
    """Nobody who may use the route has proved who they are."""

    code = "caller-unauthenticated"
    status = 401
    title = "The caller has not proved who it is"


class CallerForbiddenError(ProxyError):
    """The caller is known, and may not use the route."""

    code = "caller-forbidden"
    status = 403
    title = "This caller may not use this route"


class UserRequiredError(ProxyError):
    """The route acts for a user, and the request names none."""

    code = "user-required"
    status = 400
    title = "The request names no user"
    proxy_error = "http_request_error"


class UserUnprovenError(ProxyError):
    """The request names a user, and does not prove that it comes from them."""

    code = "user-unproven"
    status = 401
    title = "The user has not been proved"


class LoginRequiredError(ProxyError):
    """The user has not given the access that the route needs; says where they can."""

    code = "login-required"
    status = 403
    title = "The user has to sign in"


class UserTokenMissingError(ProxyError):
    """Nobody has pushed a token for the user, or it has expired; says which credential wants one."""

    code = "user-token-missing"
    status = 403
    title = "The user has no valid token"


class UserTokenRefusedError(ProxyError):
    """A token that was pushed for a user is not accepted; says why. The one before it stays."""

    code = "user-token-refused"
    status = 422
    title = "The user's token is not accepted"


class VerificationRequiredError(ProxyError):
    """The route wants a fresh proof of the user's mailbox; says where it is given."""

    code = "verification-required"
    status = 403
    title = "The user has to prove their e-mail address"


class VerificationLimitedError(ProxyError):
    """Too many codes were asked for, or too many wrong ones were tried; says when to come again."""

    code = "verification-limited"
    status = 429
    title = "Too many codes were asked for or tried"


class CodeRefusedError(ProxyError):
    """The one-time code is not the one that was sent last, or its time or its tries are over."""

    code = "code-refused"
    status = 403
    title = "This code is not valid"


class RequestInvalidError(ProxyError):
    """The request is malformed or ambiguous."""

    code = "request-invalid"
    status = 400
    title = "The request is not valid"
    proxy_error = "http_request_error"


class RequestTooLargeError(ProxyError):
    """The request body exceeds the limit."""

    code = "request-too-large"
    status = 413
    title = "The request body is too large"
    proxy_error = "http_request_error"


class HeaderTooLargeError(ProxyError):
    """The request head exceeds the limit."""

    code = "header-too-large"
    status = 431
    title = "The request head is too large"
    proxy_error = "http_request_error"


class TokenUnavailableError(ProxyError):
    """No token can be had for the route; says why."""

    code = "token-unavailable"
    status = 502
    title = "No token is available"
    proxy_error = "proxy_internal_error"
    counts = True

    def __init__(
        self, reason: Reason, detail: str, *, credential: str, retry_after: float | None = None, asked: bool = True
    ) -> None:
        super().__init__(detail, retry_after=retry_after, reason=reason.value, credential=credential)
        self.reason = reason
        self.counts = asked  # what kept us from asking passes by itself, and has nothing to do with the route's way


class CircuitOpenError(ProxyError):
    """The upstream or a token endpoint kept failing; we do not ask it now."""

    code = "circuit-open"
    status = 503
    title = "The circuit is open"
    proxy_error = "destination_unavailable"
    counts = True


class UpstreamUnreachableError(ProxyError):
    """No connection to the upstream, or it broke before an answer."""

    code = "upstream-unreachable"
    status = 502
    title = "The upstream cannot be reached"
    proxy_error = "connection_refused"
    counts = True


class UpstreamTimeoutError(ProxyError):
    """The upstream did not answer in time."""

    code = "upstream-timeout"
    status = 504
    title = "The upstream did not answer in time"
    proxy_error = "http_response_timeout"
    counts = True


class UpstreamProtocolError(ProxyError):
    """The upstream's answer is not valid HTTP."""

    code = "upstream-protocol"
    status = 502
    title = "The upstream's answer is not valid HTTP"
    proxy_error = "http_protocol_error"
    counts = True


class DependencyUnavailableError(ProxyError):
    """What a call needs (the store, an issuer's keys) cannot be reached now. Nothing has changed; try again."""

    code = "dependency-unavailable"
    status = 503
    title = "Something that this needs cannot be reached now"
    proxy_error = "proxy_internal_error"


class DrainingError(ProxyError):
    """This process is about to stop."""

    code = "draining"
    status = 503
    title = "This proxy is shutting down"


class OverloadedError(ProxyError):
    """More requests are in flight than the configuration allows."""

    code = "overloaded"
    status = 503
    title = "Too many requests are in flight"
    proxy_error = "connection_limit_reached"


class InternalError(ProxyError):
    """A mistake of ours; the log says which."""

    code = "internal-error"
    status = 500
    title = "The proxy made a mistake"
    proxy_error = "proxy_internal_error"
