"""What a Redis that does not do it means for the operator: one sentence with the remedy, and nothing secret.

Redis may repeat in an error what it was sent, a password included. So no text of its own is shown: only its code, and
the name of a command.
"""

import re
import socket
import ssl
from collections.abc import Iterator
from typing import Final

from redis import exceptions


class GoneError(Exception):
    """There is no connection, or it ended before the answer was whole. The message says why, as a predicate."""


class RefusedError(Exception):
    """The server answered with an error. Its own text may hold anything, so that it is not for showing."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code)
        self.code = code
        """Its first word, `AUTH` when the password is wrong or missing."""
        self.text = text


ENDED: Final = "ended the connection"
NOT_REDIS: Final = "answers, but not as a Redis does; check host and port, and write rediss:// if it speaks TLS there"
UNREADABLE: Final = "is not asked: a file that store.tls names cannot be read, or holds no certificate or key"
UNSETTLED: Final = "has members that do not agree on who keeps our keys; redis-cli --cluster check says more"
RIGHTS: Final = "give it the rights that docs/reference/stores.md lists"
TROUBLE: Final = (
    *(exceptions.RedisError, exceptions.RedisClusterException, GoneError, OSError),
    *(ValueError, TypeError, AttributeError, LookupError, RuntimeError),
)
"""What a call of redis-py may raise: answers that are none, and connections that end under it, make the second line."""

_INNER: Final = re.compile(r"-(READONLY|OOM|MISCONF|NOPERM|NOREPLICAS|CLUSTERDOWN|MASTERDOWN|LOADING)\b")
"""How Redis 6 tells which error a script met."""
_COMMAND: Final = re.compile(r"(?:the|unknown command) ['`]([A-Za-z|_-]{2,30})['`]")

_TELLING: Final = (exceptions.ResponseError, exceptions.ConnectionError, exceptions.TimeoutError, GoneError)

_SENTENCES: Final = {
    "AUTH": "does not accept the user name or password; correct store.username and store.password, or store.url",
    "READONLY": "is a read-only replica; let store.url lead to the primary, or name the sentinels: redis+sentinel://",
    "OOM": "is full; raise its maxmemory, or make room",
    "MISCONF": "refuses to write because it cannot save to its disk; its log says why",
    "LOADING": "is still loading its data; it will be there in a moment",
    "MASTERDOWN": "is a replica that has lost its master; let store.url lead to the primary",
    "CLUSTERDOWN": "belongs to a cluster that is down; redis-cli --cluster check says which part of it",
    "TRYAGAIN": "is moving our keys to another member of the cluster; it will be there in a moment",
    "NOREPLICAS": "refuses to write because too few replicas follow it (min-replicas-to-write)",
    "CROSSSLOT": "belongs to a cluster; write store.url as redis+cluster://",
    "MOVED": "belongs to a cluster; write store.url as redis+cluster://",
    "NOSCRIPT": "forgets our scripts as soon as they are sent; let nothing call SCRIPT FLUSH all the time",
}


def understood(error: BaseException) -> GoneError | RefusedError | TimeoutError:
    """Return what happened to a call of redis-py, in our own words."""
    if isinstance(error, exceptions.RedisClusterException):  # about the members that it asked: the last one's trouble
        error = next((one for one in _causes(error) if isinstance(one, _TELLING)), error)
    if isinstance(error, GoneError | RefusedError):
        return error
    if isinstance(error, exceptions.TimeoutError | TimeoutError):
        return TimeoutError()
    if isinstance(error, exceptions.AuthenticationError):
        return RefusedError("AUTH", str(error))
    if isinstance(error, exceptions.SlotNotCoveredError):
        return RefusedError("CLUSTERDOWN", "")
    if isinstance(error, exceptions.ConnectionError) and "previous master is now a slave" in str(error):
        return RefusedError("READONLY", "")
    code = getattr(error, "status_code", None)  # the error's first word, where the package took it off the text
    if code or isinstance(error, exceptions.ResponseError):
        return RefusedError(code or str(error).partition(" ")[0], str(error))
    if isinstance(error, exceptions.InvalidResponse | ValueError | TypeError | LookupError):
        return GoneError(NOT_REDIS)
    return GoneError(breakage(error))


def refusal(error: RefusedError | GoneError) -> str:
    """Return what it means, as a predicate: "is full; …"."""
    if isinstance(error, GoneError):
        return str(error)
    inner = _INNER.search(error.text)
    code = inner[1] if inner else error.code
    if code in _SENTENCES:
        return _SENTENCES[code]
    command = _COMMAND.search(error.text)
    named = command[1].upper().replace("|", " ") if command else ""
    if code == "NOPERM" or "ermission" in error.text:
        what = f"call {named}" if named else "use our keys or channels"
        return f"does not let this user {what}; {RIGHTS}"
    if "can't run this command" in error.text:
        return f"does not let this user call what our scripts call; {RIGHTS}"
    if "max number of clients" in error.text:
        return "has no connection left; raise its maxclients, or lower store.connections"
    if "unknown command" in error.text:
        if named == "HELLO":
            return "does not speak RESP3; set store.protocol to 2"
        return f"does not know {named or 'a command that we need'}; use Redis 6.2 or newer, or Valkey"
    return f"answered with the error {code[:20] if code.isalpha() else 'ERR'}; its log may say more"


def breakage(error: BaseException) -> str:
    """Return why there is no connection, as a predicate: "refuses the connection; …"."""
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                why = (cause.verify_message or "it cannot be verified").rstrip(".")
                return f"shows a certificate that is not believed ({why}); correct store.tls.ca or the host name"
            case ssl.SSLError():
                return (
                    "does not complete the TLS handshake; check that it speaks TLS on that port, and whether it wants "
                    "a client certificate (store.tls.certificate)"
                )
            case socket.gaierror():
                return "has a host name that cannot be resolved; correct store.url"
            case ConnectionRefusedError():
                return "refuses the connection; start it, or correct store.url"
            case FileNotFoundError():
                return "is not there: the socket does not exist; start it, or correct store.url"
            case PermissionError():
                return "may not be opened by this process; let its user use the socket (unixsocketperm)"
    return ENDED


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and what it came of."""
    seen = 0
    while error is not None and seen < 10:
        yield error
        error, seen = error.__cause__ or error.__context__, seen + 1
