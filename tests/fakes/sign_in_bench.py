"""Sign-ins without sockets on our side: the portal, real sources, a provider that is a fake, and browsers with cookies.

In a test: `async with SignInBench() as bench: answer = await bench.browser().open(bench.link("ann"))`.
"""

from collections.abc import Mapping
from http.cookies import SimpleCookie
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlencode, urlsplit

from multidict import CIMultiDict

from proxy.core.message import RequestHead
from proxy.core.seal import Seal
from proxy.credentials.authorization_code import AuthorizationCodeSettings
from proxy.net.endpoint import Endpoint
from proxy.net.runtime import Runtime
from proxy.stores.documents import Documents
from proxy.stores.memory import MemorySettings
from proxy.telemetry.events import EventLog
from proxy.telemetry.metrics import Metrics
from proxy.tokens.sources import NO_SOURCES, Sources, build_sources
from proxy.tokens.vault import Vault
from proxy.tokens.workshop import Workshop
from proxy.users.doubts import Doubts
from proxy.users.people import People
from proxy.users.portal import Answer, Call
from proxy.users.registry import Registry
from proxy.users.settings import UsersSettings
from proxy.users.sign_ins import SignIns, sign_ins
from tests.fakes.authorization_server import CLIENT, SECRET
from tests.fakes.clock import FakeClock
from tests.fakes.flaky_store import FlakyStore
from tests.fakes.sign_in_server import SignInServer

OWN: Final = "https://proxy.example"
APP: Final = "https://app.example"
USERS_SECRET: Final = "0123456789abcdef0123456789abcdef"
CALLBACK: Final = f"{OWN}/.countersign/callback"


class Browser:
    """Keeps cookies, and nothing else."""

    def __init__(self, people: People) -> None:
        self._people = people
        self.cookies: dict[str, str] = {}

    async def open(self, url: str, *, method: str = "GET") -> Answer:
        """Ask for an address."""
        return await self._ask(method, url, b"", {})

    async def send(self, url: str, fields: Mapping[str, str], **headers: str) -> Answer:
        """Send a form of our own page."""
        return await self._ask("POST", url, urlencode(fields).encode(), {"Origin": OWN, **headers})

    async def post(self, url: str, body: bytes, **headers: str) -> Answer:
        """Send something else."""
        return await self._ask("POST", url, body, headers)

    async def _ask(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        parts = urlsplit(url)
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        fields = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()} | {"Cookie": cookie})
        raw = tuple((name.encode(), value.encode()) for name, value in fields.items())
        query = f"?{parts.query}" if parts.query else ""
        head = RequestHead(method, parts.path, query, "proxy.example", raw, fields, "127.0.0.1")
        answer = await self._people.portal.answer(Call(head, body=body))
        for line in answer.cookies:
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        return answer


class SignInBench:
    """One process, one provider. The credentials are `drive`, each user's own, and `shared`.

    `users`: settings of users that differ.
    """

    sources: Sources
    people: People
    sign_ins: SignIns

    def __init__(self, **users: Any) -> None:
        self._users = users
        self.clock = FakeClock()
        self.server = SignInServer(self.clock)
        self.runtime = Runtime(self.clock, lambda name, error: None)
        self.events = EventLog(self.clock)
        self.endpoint = Endpoint(self.clock, jitter=lambda: 0.0)
        self.store = FlakyStore(MemorySettings(kind="memory"), self.runtime)
        self.seal = Seal.of_this_process()
        self.documents = Documents(self.store, self.seal)
        self.registry = Registry(self.documents, b"key")
        vault = Vault(self.store, self.seal, self.runtime, self.events)
        self.workshop = Workshop(self.endpoint, vault, b"key", self.runtime, Metrics(), self.events)

    async def __aenter__(self) -> Self:
        await self.server.__aenter__()
        self.sources = await build_sources(
            {"drive": self.settings(), "shared": self.settings(per_user=False)}, self.workshop, NO_SOURCES
        )
        self.sign_ins = sign_ins(lambda: self.sources, self.registry, self.documents, self.seal, self.workshop)
        told = {"identity_secret": USERS_SECRET, "public_url": OWN, "origins": [APP], **self._users}
        settings = UsersSettings.model_validate(told)
        self.people = People(settings, self.registry, self.endpoint, self.runtime, Doubts(self.events, self.clock))
        self.people.let_sign_in(self.sign_ins)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.runtime.close()
        await self.endpoint.close()
        await self.server.__aexit__(kind, error, trace)

    def settings(self, **more: Any) -> AuthorizationCodeSettings:
        """Return a credential for which people sign in."""
        given = {"client_id": CLIENT, "client_secret": SECRET, "scope": "openid read", "allow_plain_http": True}
        return AuthorizationCodeSettings.model_validate(
            {"kind": "authorization_code", "issuer": self.server.issuer, **given, **more}
        )

    def browser(self) -> Browser:
        """Return a new browser."""
        return Browser(self.people)

    def link(self, user: str | None, credential: str = "drive", **more: str) -> str:
        """Return a link for that user's sign-in."""
        assert self.people.login is not None
        more_said = "".join(f"&{urlencode({name: value})}" for name, value in more.items())
        return self.people.login.address(credential, user) + more_said

    async def to_callback(
        self, browser: Browser, user: str | None = "ann", credential: str = "drive", **more: str
    ) -> str:
        """Let somebody go to the provider and agree; return the address with which they come back."""
        link = self.link(user, credential, **more)
        answer = await browser.open(link)
        if answer.status != 303:
            answer = await browser.send(link, fields_of(answer))
        return self.server.consent(address_of(answer))

    async def value(self, user: str | None, credential: str = "drive") -> str | None:
        """Return the token that a request on that user's behalf gets."""
        source, _ = await self.sign_ins.source(credential, user)
        return None if source.token is None else source.token.value.reveal()

    def reasons(self) -> list[str | None]:
        """Return why sign-ins were refused, newest first."""
        return [event.reason for event in self.events.query().events if event.event == "sign_in_refused"]


def fields_of(answer: Answer) -> dict[str, str]:
    """Return the fields of the form in a page."""
    text = answer.body.decode()
    return {
        piece.partition('"')[0]: piece.partition('value="')[2].partition('"')[0]
        for piece in text.split('<input type="hidden" name="')[1:]
    }


def address_of(answer: Answer) -> str:
    """Return where a page, or a redirect, leads."""
    if "Location" in answer.headers:
        return answer.headers["Location"]
    text = answer.body.decode()
    assert 'content="0; url=' in text, text
    return text.partition('content="0; url=')[2].partition('"')[0].replace("&amp;", "&")
