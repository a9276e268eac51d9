"""The real oidc-provider, the real Countersign before its API, and people with browsers."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, TypeVar

import aiohttp

from proxy.core.secret import Secret
from proxy.users.identity import user_hash
from tests.fakes.process import Proxy
from tests.providers.clients import Identities
from tests.providers.provider import OidcProvider
from tests.providers.visitor import Page, Visitor

SECRET: Final = "0123456789abcdef0123456789abcdef"
CLIENT: Final = "web"
BRIEF: Final = "brief"
"""A client whose tokens end after four seconds."""
CLIENT_SECRET: Final = "the-secret-of-the-web-client"
APP: Final = "https://app.example"
SEALING_KEY: Final = "c2VhbGluZyBrZXkgb2YgdGhlIHRlc3RzLCAzMiBieXQ="
T = TypeVar("T")


class WebProvider(OidcProvider):
    """One that also knows two web clients, whose people come back to these addresses."""

    def __init__(self, identities: Identities, redirect_uris: tuple[str, ...]) -> None:
        super().__init__(identities)
        self._redirect_uris = redirect_uris

    def _setup(self) -> dict[str, Any]:
        setup = super()._setup()
        web = {
            "client_id": CLIENT,
            "client_secret": CLIENT_SECRET,
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "redirect_uris": list(self._redirect_uris),
            "scope": "openid offline_access read",
        }
        return {**setup, "clients": [*setup["clients"], web, {**web, "client_id": BRIEF}]}


class SignInWorld:
    """One provider, replicas of Countersign that share a store, an application, and visitors."""

    def __init__(self, provider: WebProvider, proxies: list[Proxy], session: aiohttp.ClientSession) -> None:
        self.provider = provider
        self.proxies = proxies
        self._session = session

    @property
    def proxy(self) -> Proxy:
        """The first replica, whose address browsers know."""
        return self.proxies[0]

    async def ask(self, user: str | None, credential: str = "drive", *, replica: int = 0) -> tuple[int, Any]:
        """Send a request on that user's behalf, as their application does."""
        headers = proven(user) if user else {}
        async with self._session.get(f"{self.proxies[replica].url}/{credential}/things", headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def invitation(self, user: str, credential: str = "drive", **more: str) -> str:
        """Return the link that the user's application gets in a refusal."""
        status, problem = await self.ask(user, credential)
        assert (status, problem["type"].rpartition("/")[2]) == (403, "login-required"), problem
        return str(problem["login_url"]) + "".join(f"&{name}={value}" for name, value in more.items())

    async def sign_in(self, user: str, visitor: Visitor, credential: str = "drive", **more: str) -> Page:
        """Let somebody go all the way."""
        link = await self.invitation(user, credential, **more)
        return await in_browser(lambda: visitor.follow(visitor.get(link), until=APP))

    async def to_callback(self, user: str, visitor: Visitor, credential: str = "drive", **more: str) -> str:
        """Let somebody sign in and consent; return the address with which the provider sends them back."""
        link = await self.invitation(user, credential, **more)
        until = f"{self.proxy.url}/.countersign/callback"
        return (await in_browser(lambda: visitor.follow(visitor.get(link), until=until))).url

    async def forget(self, token: str, **more: str) -> None:
        """Let the provider take a token back."""
        async with self._session.post(self.provider.at.forget, data={"token": token, **more}) as answer:
            assert answer.status == 200

    async def is_good(self, token: str) -> bool:
        """Tell whether the provider's API takes that token."""
        headers = {"Authorization": f"Bearer {token}"}
        async with self._session.get(self.provider.at.api, headers=headers) as answer:
            return answer.status == 200

    async def sign_out(self, user: str, credential: str = "drive", **more: str) -> tuple[int, Any]:
        """Take back what the user has allowed, as their application does."""
        said = {"user_id": user, "user_hash": user_hash(user, Secret(SECRET)), **more}
        url = f"{self.proxy.url}/.countersign/logout/{credential}"
        async with self._session.post(url, json=said, headers={"Origin": APP}) as answer:
            return answer.status, await answer.json(content_type=None)

    async def events(self, credential: str = "drive", *, replica: int = 0) -> list[dict[str, Any]]:
        """Return what was written down of a credential, newest first."""
        answer = await self.proxies[replica].admin("GET", f"/api/v1/events?credential={credential}")
        events: list[dict[str, Any]] = answer["events"]
        return events


async def in_browser(way: Callable[[], T]) -> T:
    """Let a visitor do something."""
    return await asyncio.to_thread(way)


def proven(user: str) -> dict[str, str]:
    """Return what an application shows for its user."""
    return {"X-Countersign-User": user, "X-Countersign-User-Hash": user_hash(user, Secret(SECRET))}


@asynccontextmanager
async def signing_in(
    identities: Identities,
    credentials: Callable[[WebProvider], Mapping[str, Mapping[str, Any]]],
    *,
    replicas: int = 1,
    store: str = "{kind: memory}",
    expected_errors: tuple[str, ...] = (),
    **users: Any,
) -> AsyncIterator[SignInWorld]:
    """Start everything. `credentials` yields them by name; each has a route of that name. `users`: further settings."""
    async with AsyncExitStack() as stack:
        proxies = [Proxy("", store=store, expected_errors=expected_errors) for _ in range(replicas)]
        public = proxies[0].url
        names = ["callback", *(f"callback/{name}" for name in ("own", "drive"))]
        redirect_uris = tuple(f"{public}/.countersign/{name}" for name in names)
        provider = await stack.enter_async_context(WebProvider(identities, redirect_uris))
        known = credentials(provider)
        routes = {
            name: {
                "match": {"path": f"/{name}/"},
                "upstream": provider.at.api,
                "credential": name,
                "callers": ["here"],
            }
            for name in known
        }
        parts = {
            "seal": {"keys": [SEALING_KEY]},
            "users": {"identity_secret": SECRET, "public_url": public, "origins": [APP], **users},
            "callers": {"here": {"kind": "anonymous"}},
            "credentials": known,
            "routes": routes,
        }
        for proxy in proxies:
            proxy.config = "\n".join(f"{name}: {json.dumps(part)}" for name, part in parts.items())
            await stack.enter_async_context(proxy)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield SignInWorld(provider, proxies, session)


def drive(provider: WebProvider, **more: Any) -> dict[str, Any]:
    """Return a credential for which people sign in."""
    return {
        "kind": "authorization_code",
        "issuer": provider.at.issuer,
        "client_id": CLIENT,
        "client_secret": CLIENT_SECRET,
        "scope": "openid offline_access read",
        "parameters": {"prompt": "consent"},
        "allow_plain_http": True,
        **more,
    }


def by_steps(provider: WebProvider, **more: Any) -> dict[str, Any]:
    """Return a workflow that does the same step by step, with a provider that answers behind the `#`."""
    at = provider.at
    address = (
        f"{at.authorize}?response_type=code&response_mode=fragment&client_id={CLIENT}&prompt=consent"
        "&scope=openid%20offline_access%20read&state={{ STATE }}&redirect_uri={{ REDIRECT_URI }}"
        "&code_challenge={{ VERIFIER | sha256 | base64url }}&code_challenge_method=S256"
    )
    extract = {name: {"from": "json", "path": name.lower()} for name in ("ACCESS_TOKEN", "REFRESH_TOKEN", "EXPIRES_IN")}
    redeem = {"grant_type": "authorization_code", "code": "{{ CODE }}", "redirect_uri": "{{ REDIRECT_URI }}"}
    renew = {"grant_type": "refresh_token", "refresh_token": "{{ REFRESH_TOKEN }}"}
    headers = {"Authorization": f'Basic {{{{ "{CLIENT}:" + CLIENT_SECRET | base64 }}}}'}

    def ask(name: str, form: dict[str, str]) -> dict[str, Any]:
        return {"name": name, "request": {"url": at.token, "headers": headers, "form": form}, "extract": extract}

    return {
        "kind": "workflow",
        "per_user": True,
        "variables": {"CLIENT_SECRET": CLIENT_SECRET},
        "steps": [{"name": "consent", "browser": {"url": address, "service": "The Old Drive"}}],
        "on_callback": [ask("redeem", {**redeem, "code_verifier": "{{ VERIFIER }}"})],
        "refresh": [ask("renew", renew)],
        "allow_plain_http": True,
        **more,
    }
