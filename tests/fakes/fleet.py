"""Several real proxies that share one store, before one provider, with callers that ask all of them at once.

In a test: `async with Fleet(provider, store=redis(server), size=20) as fleet: name = fleet.credential("http_request");
answers = await fleet.burst(name, callers=100)`. Each credential of the configuration is for one test; its route is
`/NAME/`. A replica that was killed is replaced by `revive`.
"""

import asyncio
import base64
import itertools
import json
import secrets
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Final, Self

from proxy.tokens.spending import DOUBT
from tests.fakes.authorization_server import CLIENT, SECRET
from tests.fakes.process import POLL, Launched, Proxy, Swift
from tests.fakes.provider import Provider
from tests.fakes.raw_client import Answer, RawClient
from tests.fakes.redis import RedisServer
from tests.fakes.world import eventually

KINDS: Final = {
    "http_request": """
  {name}:
    kind: http_request
    allow_plain_http: true
    request:
      url: '{token_url}'
      form: {{grant_type: client_credentials, client_id: '{client}', client_secret: '{secret}', credential: {name}}}
      timeout: {patience}
    token: {{from: json, path: $.access_token}}
    expiry: {{from: json, path: $.expires_in, type: seconds}}""",
    "jwt": """
  {name}:
    kind: http_request
    allow_plain_http: true
    request:
      url: '{token_url}'
      form: {{grant_type: client_credentials, client_id: '{client}', client_secret: '{secret}', credential: {name}}}
      timeout: {patience}
    token: {{from: json, path: $.access_token}}
    expiry: {{type: jwt}}""",
    "refresh_token": """
  {name}:
    kind: refresh_token
    allow_plain_http: true
    token_url: '{token_url}'
    client_id: '{client}'
    client_secret: '{secret}'
    parameters: {{credential: {name}}}
    refresh_token: {grant}""",
}
"""What a configuration says of a credential, by its kind; `jwt` is an `http_request` whose token says when it ends."""
ROUTE: Final = """
  {name}: {{match: {{path: /{name}/}}, upstream: '{api}', callers: [anyone], credential: {name}}}"""
CONFIG: Final = """
seal: {{keys: [{keys}]}}
callers: {{anyone: {{kind: anonymous}}}}
credentials:{credentials}
routes:{routes}
"""
PATIENCE: Final = 60.0
"""Seconds that an answer may take: longer than any lease."""


def new_key() -> str:
    """Return a new sealing key."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def at(url: str) -> str:
    """Return what the configuration says of a store in the Redis at that address, for one fleet alone."""
    return f"{{kind: redis, url: '{url}', prefix: 'fleet-{secrets.token_hex(4)}'}}"


async def seasoned(server: RedisServer) -> None:
    """Return once a server has been up for so long that what can be spent once is spent on its word."""
    await eventually(lambda: server.do("INFO", "server")["uptime_in_seconds"] > DOUBT, deadline=2 * DOUBT)


class Replica(Swift):
    """A proxy that is there at once, unless many begin together."""

    start_limit = PATIENCE

    async def _launch(self) -> Launched:
        if self.environment:  # that has to be there before Python is
            return await Proxy._launch(self)
        return await super()._launch()


class Fleet:
    """The proxies, running while the block runs. `credentials`: how many there are of each kind."""

    def __init__(
        self,
        provider: Provider,
        *,
        store: str,
        size: int = 2,
        credentials: Mapping[str, int],
        expected_errors: tuple[str, ...] = (),
    ) -> None:
        self.provider = provider
        self.store = store
        self.key = new_key()
        self.expected_errors = expected_errors
        self.grants: dict[str, str] = {}
        """The first refresh token, by credential."""
        self._names = {kind: [f"{kind[0]}{n}" for n in range(count)] for kind, count in credentials.items()}
        self._config = self._configuration()
        self._unused = {kind: iter(names) for kind, names in self._names.items()}
        self._made: list[Proxy] = []
        self.replicas = [self.make() for _ in range(size)]

    @property
    def prefix(self) -> str:
        """What the names of the fleet's keys in Redis begin with."""
        return self.store.partition("prefix: '")[2].partition("'")[0]

    def credential(self, kind: str) -> str:
        """Return the name of a credential that no test has used yet."""
        return next(self._unused[kind])

    def make(self, *, keys: Iterable[str] = (), environment: Mapping[str, str] | None = None) -> Proxy:
        """Return one more proxy, not running yet; its sealing keys are the fleet's unless others are given."""
        listed = ", ".join(f"'{key}'" for key in keys or (self.key,))
        return Replica(
            self._config.format(keys=listed),
            store=self.store,
            expected_errors=self.expected_errors,
            environment=environment,
        )

    async def add(self, *, keys: Iterable[str] = (), environment: Mapping[str, str] | None = None) -> Proxy:
        """Start one more replica and return it."""
        replica = self.make(keys=keys, environment=environment)
        await self._start(replica)
        self.replicas.append(replica)
        return replica

    async def revive(self) -> None:
        """Put a new replica in the place of each that was killed."""
        for place, replica in enumerate(self.replicas):
            if not replica.is_running:
                self.replicas[place] = self.make()
                await self._start(self.replicas[place])

    async def ask(self, replica: Proxy, credential: str) -> Answer:
        """Let one caller ask that replica on a connection of its own."""
        async with RawClient(replica.port) as caller:
            await caller.send(request(credential))
            return await caller.answer(deadline=PATIENCE)

    async def insist(self, replica: Proxy, credential: str) -> list[Answer]:
        """Let one caller ask again as often as it is told when, and return all answers."""
        answers: list[Answer] = []
        async with RawClient(replica.port) as caller, asyncio.timeout(PATIENCE):
            while True:
                await caller.send(request(credential))
                answers.append(await caller.answer(deadline=PATIENCE))
                if not (wait := answers[-1].header("Retry-After")):
                    return answers
                await asyncio.sleep(float(wait))

    async def burst(self, credential: str, *, callers: int, among: Iterable[Proxy] | None = None) -> list[Answer]:
        """Let that many callers ask each replica, all at once."""
        replicas = self.replicas if among is None else list(among)
        return await asyncio.gather(*(self.ask(replica, credential) for _ in range(callers) for replica in replicas))

    async def at_rest(self, credential: str, count: int) -> None:
        """Return once that many requests for the credential are under way in the replicas that run."""
        async with asyncio.timeout(PATIENCE):
            while await self.metric("requests_in_flight", route=credential) < count:  # noqa: ASYNC110 - they are others
                await asyncio.sleep(10 * POLL)  # a scrape costs a process as much as many requests

    async def store_is(self, state: str) -> None:
        """Return once every replica that runs says at `/readyz` that the store is "up", or "down"."""
        async with asyncio.timeout(PATIENCE):
            for replica in self.replicas:
                while replica.is_running and (await replica.readiness())["store"] != state:  # noqa: ASYNC110 - the same
                    await asyncio.sleep(POLL)

    async def metric(self, name: str, **labels: str) -> float:
        """Return the sum over the replicas that run of that metric's samples with these labels."""
        scrapes = await asyncio.gather(*(replica.metrics_text() for replica in self.replicas if replica.is_running))
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = (line for scrape in scrapes for line in scrape.splitlines() if line.startswith(f"countersign_{name}"))
        samples = (line.rpartition(" ") for line in lines)
        return sum(
            float(value)
            for sample, _, value in samples
            if sample.partition("{")[0] == f"countersign_{name}" and all(label in sample for label in wanted)
        )

    def story(self) -> str:
        """Return what the replicas told of themselves, in order, for a failing test's message."""
        lines = (
            (place, line)
            for place, one in enumerate(self._made)
            for line in one.log_lines
            if line["event"] != "request"
        )
        told = sorted(lines, key=lambda pair: str(pair[1]["time"]))
        return "\n".join(f"{place} {json.dumps(line)}" for place, line in told)

    async def __aenter__(self) -> Self:
        try:
            await asyncio.gather(*map(self._start, self.replicas))
        except BaseException as error:
            await self.__aexit__(type(error), error, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ends = await asyncio.gather(
            *(replica.__aexit__(kind, error, trace) for replica in self._made), return_exceptions=True
        )
        if kind is None:
            self._keeps_secrets()
            for end in ends:
                if end is not None:
                    raise end

    async def _start(self, replica: Proxy) -> None:
        await replica.__aenter__()
        self._made.append(replica)

    def _keeps_secrets(self) -> None:
        """Fail if a log of any replica holds a token, a grant or a key."""
        told = "\n".join(
            itertools.chain.from_iterable((*map(repr, one.log_lines), *one.other_lines) for one in self._made)
        )
        chains = (refresh for chain in self.provider.chains for refresh in chain.refresh_tokens)
        for secret in (SECRET, self.key, *self.provider.issued, *chains):
            assert secret not in told

    def _configuration(self) -> str:
        """Return everything but the keys, as a template of these."""
        provider, credentials, routes = self.provider, "", ""
        for kind, names in self._names.items():
            for name in names:
                grant = self.grants[name] = provider.grant() if kind == "refresh_token" else ""
                credentials += KINDS[kind].format(
                    name=name,
                    token_url=provider.url,
                    client=CLIENT,
                    secret=SECRET,
                    grant=grant,
                    patience=f"{PATIENCE:g}s",
                )
                routes += ROUTE.format(name=name, api=provider.api_of(name))
        written = CONFIG.format(keys="KEYS", credentials=credentials, routes=routes)
        return written.replace("{", "{{").replace("}", "}}").replace("KEYS", "{keys}")


def request(credential: str) -> bytes:
    """Return what a caller sends to have a request signed with that credential."""
    return f"GET /{credential}/x HTTP/1.1\r\nHost: api.example\r\n\r\n".encode()


def refused(answers: Iterable[Answer]) -> list[Answer]:
    """Return those that are no answers of the API."""
    return [answer for answer in answers if answer.status != 200]
