"""What an operator is told when an order cannot be carried out: a problem document (RFC 9457) with the remedy."""

import math
from collections.abc import Mapping
from typing import ClassVar

import orjson
from aiohttp import web

from proxy.core.errors import DOCUMENTATION
from proxy.core.secret import scrub


class AdminError(Exception):
    """Base of the admin API's errors. The message names the thing and the remedy and holds no secret."""

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None, **members: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members

    def response(self) -> web.Response:
        """Return the error as an answer."""
        document = {
            "type": DOCUMENTATION + self.code,
            "title": self.title,
            "status": self.status,
            "detail": scrub(self.detail),
        }
        return web.Response(
            status=self.status,
            body=orjson.dumps(document | self.members),
            headers={"Content-Type": "application/problem+json", **self.headers},
        )


class HostRefusedError(AdminError):
    """The Host header names somebody else: a browser may have been tricked into asking (DNS rebinding)."""

    code = "admin-host-refused"
    status = 421
    title = "The admin API does not answer to this name"


class UnauthenticatedError(AdminError):
    """No valid admin key came with the request."""

    code = "admin-unauthenticated"
    status = 401
    title = "An admin key is needed"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="countersign admin"'})


class LockedOutError(AdminError):
    """Too many wrong keys came from this address."""

    code = "admin-locked-out"
    status = 429
    title = "Too many wrong admin keys"

    def __init__(self, seconds: float) -> None:
        wait = max(1, math.ceil(seconds))
        super().__init__(
            f"wrong keys came from this address; it may try again in {wait} s", headers={"Retry-After": str(wait)}
        )


class NotFoundError(AdminError):
    """There is nothing of that name or at that path."""

    code = "admin-not-found"
    status = 404
    title = "There is no such thing"


class MethodNotAllowedError(AdminError):
    """The path exists, the method does not."""

    code = "admin-method-not-allowed"
    status = 405
    title = "This method is not allowed here"


class OrderInvalidError(AdminError):
    """The parameters or the body are not what the operation takes."""

    code = "admin-request-invalid"
    status = 400
    title = "The request is not valid"


class OrderFailedError(AdminError):
    """The order was understood and could not be carried out: a token endpoint or the store did not do its part."""

    code = "admin-order-failed"
    status = 502
    title = "The order could not be carried out"


class UserTokenRefusedError(AdminError):
    """A user's token is not accepted; the one before it stays."""

    code = "admin-user-token-refused"
    status = 422
    title = "The user's token is not accepted"


class DependencyUnavailableError(AdminError):
    """The store, or an issuer's keys, cannot be reached now; the same order may be given again."""

    code = "admin-dependency-unavailable"
    status = 503
    title = "Something that this needs cannot be reached now"

    def __init__(self, detail: str, retry_after: float | None = None) -> None:
        super().__init__(detail, headers={"Retry-After": str(max(1, math.ceil(retry_after or 1.0)))})


class InternalError(AdminError):
    """A mistake of ours; the log has it."""

    code = "admin-internal"
    status = 500
    title = "The admin API made a mistake"
