"""One bounded call to a token endpoint: limited in time and size, never redirected, retried only where it may help."""

import asyncio
import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from yarl import URL

from proxy import __version__
from proxy.core.clock import Clock
from proxy.core.coding import CodingError, decode
from proxy.core.message import Reply
from proxy.core.symptom import Symptom, TokenRequestError
from proxy.net.failing import Progress, failure
from proxy.net.refusal import refusal
from proxy.net.session import open_session
from proxy.net.tls import TlsError, TlsSettings

BODY_LIMIT: Final = 1024 * 1024
"""Bytes of a reply's body, before and after decompression."""
RETRIES: Final = 2
LONGEST_WAIT: Final = 30.0
"""Seconds between two tries; a provider that asks for more is told of as an error, with its Retry-After."""
_FIRST_WAIT: Final = 0.25
_DEFAULT_HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": f"countersign/{__version__}",
}


@dataclass(frozen=True, slots=True)
class EndpointRequest:
    """What is sent to a token endpoint. Prints nothing that may be secret."""

    method: str
    url: str = field(repr=False)
    """Percent-encoded already, with its query; sent as it stands."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    timeout: float = 10.0
    """Seconds for one try, from the first packet to the last byte of the body."""
    spends: bool = False
    """True: what it carries may work only once, and is sent once: a server that sees a spent refresh token again may
    revoke the whole grant (RFC 9700 §4.14.2), and who waits before another try may have lost the lock by then."""
    again: Callable[[], "EndpointRequest"] | None = field(default=None, repr=False, compare=False)
    """Writes it anew for another try, where it holds something that counts once. None: it is sent as it stands."""

    step: str = ""
    """The name of the step that it is of, where a credential has several."""
    accepts: frozenset[int] = frozenset()
    """Statuses that are successes too, beside 2xx."""
    shown_path: str | None = None
    """The path of `url` as a person may see it, without what was filled in; None: nothing was."""
    tls: TlsSettings | None = field(default=None, repr=False)
    """Whom to believe and what to show; None: the system's authorities, and nothing."""

    @property
    def keys(self) -> frozenset[str]:
        """Return the names of its parameters, in the query, and in a body that is a form or a JSON object."""
        kind = next((value for name, value in self.headers if name.lower() == "content-type"), "")
        is_form = kind.startswith("application/x-www-form-urlencoded")
        own = _names(self.body.decode("latin-1")) if is_form else _names_in(self.body)
        return frozenset({*_names(urlsplit(self.url).query), *own})

    @property
    def subject(self) -> str:
        """Return method, host and port, as a message may name them: path, query and user may be secret."""
        return f"{self.method} {urlsplit(self.url).netloc.rpartition('@')[2]}"


def _names(pairs: str) -> list[str]:
    """Return the names of pairs; what has no `=` is a value, and may be a secret."""
    return [name for pair in pairs.split("&") if "=" in pair for name, _ in parse_qsl(pair, keep_blank_values=True)]


def _names_in(body: bytes) -> Iterable[str]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ()
    return document if isinstance(document, dict) else ()


class Endpoint:
    """Calls token endpoints. One per process; its session is opened at the first call."""

    def __init__(
        self,
        clock: Clock,
        open_session: Callable[[], aiohttp.ClientSession] = open_session,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._open_session = open_session
        self._jitter = jitter
        self._session: aiohttp.ClientSession | None = None

    async def call(self, request: EndpointRequest) -> Reply:
        """Return the reply, which is a success (2xx).

        Raises:
            TokenRequestError: the last try's failure, when it was no use to try again.
        """
        tries = 0
        while True:
            try:
                return await self.once(request)
            except TokenRequestError as error:
                wait = None if request.spends else self._wait(error, tries)
                if wait is None:
                    raise
            tries += 1
            await self._clock.sleep(wait)
            request = request.again() if request.again else request

    async def once(self, request: EndpointRequest) -> Reply:
        """Return the reply of a single try, which is a success (2xx, or what the request accepts).

        Raises:
            TokenRequestError: there is none.
        """
        reply = await self.ask(request)
        if not 200 <= reply.status < 300 and reply.status not in request.accepts:
            raise refusal(request.subject, reply, request.keys, request.url)
        return reply

    async def ask(self, request: EndpointRequest) -> Reply:
        """Return the reply of a single try, whatever its status.

        Raises:
            TokenRequestError: there is none, or it is too large or unreadable.
        """
        progress = Progress(is_tls=request.url.startswith("https:"))
        try:
            async with asyncio.timeout(request.timeout):
                status, headers, body = await self._exchange(request, progress)
        except TlsError as error:
            words = f"{request.subject} was not asked, for the files of `tls` cannot be used: {error}"
            raise TokenRequestError(Symptom.REQUEST, words) from None
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            # aiohttp's errors print the whole URL
            raise failure(request.subject, request.timeout, error, progress) from None
        return _reply(request, status, headers, body, self._clock.now())

    async def close(self) -> None:
        """Close the session; a later call would open another."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def _exchange(
        self, request: EndpointRequest, progress: Progress
    ) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
        if self._session is None:
            self._session = self._open_session()
        given = {name.lower() for name, _ in request.headers}
        defaults = ((name, value) for name, value in _DEFAULT_HEADERS.items() if name.lower() not in given)
        async with self._session.request(
            request.method,
            URL(request.url, encoded=True),
            headers=(*defaults, *request.headers),
            data=request.body or None,
            allow_redirects=False,
            ssl=request.tls.files.context if request.tls else True,
            server_hostname=request.tls.server_name if request.tls else None,
            trace_request_ctx=progress,
        ) as response:
            progress.status = response.status
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > BODY_LIMIT:
                    break
            return response.status, tuple(response.headers.items()), bytes(body)

    def _wait(self, error: TokenRequestError, tries: int) -> float | None:
        """Return how long to wait before the next try, or None: there is none."""
        if tries >= RETRIES or not error.symptom.is_retried:
            return None
        if error.retry_after is not None:
            return error.retry_after if error.retry_after <= LONGEST_WAIT else None
        return _FIRST_WAIT * (1 << tries) * (1 + self._jitter())


def _reply(
    request: EndpointRequest, status: int, headers: tuple[tuple[str, str], ...], body: bytes, now: float
) -> Reply:
    raw = Reply(status, headers, body, now)
    try:
        decoded = decode(body, raw.header("Content-Encoding"), limit=BODY_LIMIT + 1) if body else b""
    except CodingError as error:
        raise TokenRequestError(
            Symptom.ENCODING, f"{request.subject} answered {status} with a body that cannot be read: {error}"
        ) from None
    if max(len(body), len(decoded)) > BODY_LIMIT:
        raise TokenRequestError(
            Symptom.TOO_LARGE, f"{request.subject} answered {status} with more than {BODY_LIMIT // 1024} KiB"
        )
    return Reply(status, headers, decoded, now)
