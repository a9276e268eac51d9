"""Sealing keys change under running replicas, from the first to the last step: no token is fetched anew, and a chain of
one-time refresh tokens goes on.
"""

import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import aiohttp

from proxy.core.seal import new_key
from proxy.core.secret import Secret
from tests.fakes.authorization_server import CLIENT, SECRET, AuthorizationServer
from tests.fakes.forks import said
from tests.fakes.process import Proxy, Swift

OLD: Final = new_key()
NEW: Final = new_key(after=Secret(OLD))
STRANGE: Final = new_key()


class World:
    """One database, one grant, and replicas that come and go."""

    def __init__(self, server: AuthorizationServer, directory: Path, stack: AsyncExitStack) -> None:
        self.server = server
        self.first = server.grant()
        self.store = f"{{kind: sqlite, path: '{directory / 'tokens.db'}'}}"
        self.stack = stack
        self.session = aiohttp.ClientSession()
        stack.push_async_callback(self.session.close)

    async def replica(self, *keys: str) -> Proxy:
        """Start one with these keys, newest first."""
        config = f"""
seal: {{keys: [{", ".join(keys)}]}}
callers: {{anyone: {{kind: anonymous}}}}
credentials:
  crm:
    kind: refresh_token
    allow_plain_http: true
    token_url: '{self.server.url}'
    client_id: '{CLIENT}'
    client_secret: '{SECRET}'
    refresh_token: '{self.first}'
  plain:
    kind: http_request
    allow_plain_http: true
    request:
      url: '{self.server.url}'
      form: {{grant_type: client_credentials, client_id: '{CLIENT}', client_secret: '{SECRET}'}}
    token: {{from: json, path: $.access_token}}
    expiry: {{from: json, path: $.expires_in, type: seconds}}
routes:
  crm: {{match: {{path: /crm/}}, upstream: '{self.server.api}', callers: [anyone], credential: crm}}
  plain: {{match: {{path: /plain/}}, upstream: '{self.server.api}', callers: [anyone], credential: plain}}
"""
        return await self.stack.enter_async_context(Swift(config, store=self.store))

    async def ask(self, replica: Proxy, route: str = "crm") -> int:
        async with self.session.get(f"{replica.url}/{route}/x") as answer:
            return answer.status

    @property
    def spent(self) -> dict[str, int]:
        """What became of the refresh tokens that were sent."""
        return {outcome: count for (grant, outcome), count in self.server.counts.items() if grant == "refresh_token"}


async def reseal(replica: Proxy) -> dict[str, Any]:
    """Run the command on the configuration of a replica."""
    code, stdout, _ = await said("reseal", "--json", "-c", str(replica.config_file))
    return {"exit": code, **json.loads(stdout)}


async def test_tokens_outlive_the_key_that_they_were_sealed_with(tmp_path: Path) -> None:
    async with AuthorizationServer() as server, AsyncExitStack() as stack:
        world = World(server, tmp_path, stack)
        earlier = await world.replica(OLD)
        for step, keys in enumerate(((OLD, NEW), (NEW, OLD), (NEW,)), 1):
            assert [await world.ask(earlier, route) for route in ("crm", "plain")] == [200, 200]
            if keys == (NEW,):
                assert await reseal(earlier) == {"exit": 0, "resealed": 2, "current": 0, "unreadable": []}
            later = await world.replica(*keys)
            assert [await world.ask(later, route) for route in ("crm", "plain")] == [200, 200]
            assert world.spent == {"issued": 2 * step - 1}, "a token was there, and was not found"
            for replica in (later, earlier):
                await replica.admin("POST", "/api/v1/credentials/crm/refresh")
                assert [await world.ask(one) for one in (earlier, later)] == [200, 200]
            assert world.spent == {"issued": 2 * step + 1}
            assert await earlier.stop() == 0
            earlier = later
        assert server.is_alive(world.first)
        assert server.counts["client_credentials", "issued"] == 1


async def test_a_replica_that_lacks_the_key_spends_no_refresh_token_and_harms_no_record(tmp_path: Path) -> None:
    async with AuthorizationServer() as server, AsyncExitStack() as stack:
        world = World(server, tmp_path, stack)
        keyed = await world.replica(OLD)
        assert await world.ask(keyed) == 200
        stranger = await world.replica(STRANGE)
        stranger.expected_errors = ("add that key to seal.keys",)
        assert await world.ask(stranger) == 502
        assert await world.ask(stranger, "plain") == 200
        assert world.spent == {"issued": 1}
        await stranger.line_with("add that key to seal.keys")
        await keyed.admin("POST", "/api/v1/credentials/crm/refresh")
        assert await world.ask(keyed) == 200
        assert world.spent == {"issued": 2}
