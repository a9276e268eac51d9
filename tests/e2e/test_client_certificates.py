"""Client certificates on their way to a real nginx, as an API and as a token endpoint, and their change while requests
run: none fails, and the new serial arrives.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.fakes import nginx
from tests.fakes.certificates import PASSWORD, Authority, Shown
from tests.fakes.mutual_nginx import SLOW, MutualNginx
from tests.fakes.process import POLL, Proxy, Swift

pytestmark = pytest.mark.skipif(nginx.BINARY is None, reason=nginx.MISSING)

PATIENCE = 15.0
ROTATIONS = 3
CALLERS = 4


@dataclass
class World:
    """A proxy before that nginx, and the files that it shows."""

    folder: Path
    authority: Authority
    api: MutualNginx
    proxy: Proxy
    session: aiohttp.ClientSession
    statuses: list[int] = field(default_factory=list)
    """Of every answer to `keep_asking`."""

    async def ask(self, path: str = "/api/x") -> tuple[int, dict[str, Any]]:
        async with self.session.get(self.proxy.url + path) as answer:
            return answer.status, json.loads(await answer.read())

    async def keep_asking(self) -> None:
        while True:
            with contextlib.suppress(ValueError):
                status, _ = await self.ask()
                self.statuses.append(status)

    async def told(self, event: str, times: int) -> None:
        """Wait until the log tells of that event for the so-manieth time."""
        await becomes(lambda: sum(line.get("event") == event for line in self.proxy.log_lines) >= times)

    async def renew_token(self) -> str:
        """Have new tokens fetched in both ways, and return what the API is then shown."""
        for credential in ("tokens", "client"):
            await self.proxy.admin("POST", f"/api/v1/credentials/{credential}/refresh")
        (_, seen), (_, too) = await self.ask("/signed/x"), await self.ask("/granted/x")
        assert seen == too
        return str(seen["authorization"])


async def becomes(condition: Callable[[], bool]) -> None:
    """Wait until what another process does makes it so."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - another process makes it so
            await asyncio.sleep(POLL)


def swap(folder: Path, shown: Shown, generation: int, *, key: bytes | None = None) -> None:
    """Put both files in place of the former in one step, as Kubernetes does: `..data` leads to another directory."""
    there = folder / f"..generation-{generation}"
    there.mkdir()
    (there / "client.pem").write_bytes(shown.chain)
    (there / "client.key").write_bytes(key or shown.key)
    draft = folder / "..draft"
    draft.symlink_to(there.name)
    draft.rename(folder / "..data")
    for name in ("client.pem", "client.key"):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")


def config(api: MutualNginx, tls: str) -> str:
    proof = "mtls" if "certificate" in tls else "none"
    return f"""
callers: {{anyone: {{kind: anonymous}}}}
credentials:
  fixed: {{kind: text, value: fixed-token}}
  tokens:
    kind: http_request
    request: {{url: '{api.url}/token', {tls}}}
    token: {{from: json, path: $.access_token}}
    expiry: {{from: json, path: $.expires_in, type: seconds}}
  client: {{kind: client_credentials, token_url: '{api.url}/token', client_id: us, client_auth: {proof}, {tls}}}
routes:
  api: {{match: {{path: /api/}}, upstream: '{api.url}', callers: [anyone], credential: fixed, {tls}}}
  signed: {{match: {{path: /signed/}}, upstream: '{api.url}', callers: [anyone], credential: tokens, {tls}}}
  granted: {{match: {{path: /granted/}}, upstream: '{api.url}', callers: [anyone], credential: client, {tls}}}
"""


@asynccontextmanager
async def world(
    folder: Path,
    *,
    tls: str = "{files}",
    shown: Shown | None = None,
    encrypted: bool = False,
    expected_errors: tuple[str, ...] = (),
    protocol: str = "TLSv1.3",
) -> AsyncIterator[World]:
    authority = Authority(folder)
    files = f"ca: '{folder}/ca.pem', certificate: '{folder}/client.pem', key: '{folder}/client.key'"
    async with MutualNginx(folder / "nginx", authority, protocol=protocol) as api, aiohttp.ClientSession() as session:
        shown = shown or authority.client()
        swap(folder, shown, 0, key=shown.encrypted_key if encrypted else None)
        text = config(api, f"tls: {{{tls.format(folder=folder, files=files)}}}")
        async with Swift(text, expected_errors=expected_errors) as proxy:
            yield World(folder, authority, api, proxy, session)


@pytest.mark.parametrize("protocol", ["TLSv1.2", "TLSv1.3"])
async def test_the_api_and_the_token_endpoint_are_shown_the_certificate(tmp_path: Path, protocol: str) -> None:
    async with world(tmp_path, protocol=protocol) as one:
        shown = one.api.serials
        assert (await one.ask())[0] == 200
        status, seen = await one.ask("/signed/x")
        (serial,) = set(shown("/x"))
        assert status == 200
        assert seen == {"serial": serial, "authorization": f"Bearer token-of-{serial}"}
        assert await one.ask("/granted/x") == (200, seen), "a client whose certificate is its proof (RFC 8705 §2)"


async def test_a_certificate_that_changes_while_requests_run_fails_none_of_them(tmp_path: Path) -> None:
    async with world(tmp_path) as one, asyncio.TaskGroup() as callers:
        asking = [callers.create_task(one.keep_asking()) for _ in range(CALLERS)]
        await one.ask("/signed/x")
        slow = callers.create_task(one.session.get(f"{one.proxy.url}/api/slow"))
        for generation in range(1, ROTATIONS + 1):
            new = one.authority.client()
            swap(tmp_path, new, generation)
            await one.told("tls_renewed", generation)
            before = len(one.statuses)
            assert (await one.ask())[1]["serial"] == new.serial
            assert await one.renew_token() == f"Bearer token-of-{new.serial}"
            await becomes(lambda: len(one.statuses) >= before + 10 * CALLERS)  # noqa: B023 - it is awaited at once
            assert set(one.api.serials("/x")[-CALLERS:]) == {new.serial}
        async with await slow as answer:
            assert len(await answer.read()) == SLOW
        for task in asking:
            task.cancel()
    assert set(one.statuses) == {200}
    assert len(set(one.api.serials("/x"))) == ROTATIONS + 1


async def test_a_token_that_was_bound_to_the_former_certificate_is_renewed_when_the_api_refuses_it(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as one:
        assert (await one.ask("/signed/bound"))[0] == 200
        new = one.authority.client()
        swap(tmp_path, new, 1)
        await one.told("tls_renewed", 1)
        assert await one.ask("/signed/bound") == (200, {"serial": new.serial})
        first, second = one.api.serials("/token")
        assert (first != second, second) == (True, new.serial)


async def test_a_new_certificate_beside_the_old_key_leaves_the_former_in_use_until_its_key_comes(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, expected_errors=("is not that of the certificate",)) as one:
        _, first = await one.ask()
        new = one.authority.client()
        (tmp_path / "..data/client.pem").write_bytes(new.chain)
        await one.told("config_refused", 1)
        for _ in range(3):
            assert await one.ask() == (200, first)
            assert (await one.renew_token()).endswith(f"token-of-{first['serial']}")
        (tmp_path / "..data/client.key").write_bytes(new.key)
        await one.told("tls_renewed", 1)
        assert (await one.ask())[1]["serial"] == new.serial
        assert (await one.renew_token()).endswith(f"token-of-{new.serial}")


async def test_an_unrelated_mistake_in_the_configuration_keeps_no_certificate_from_changing(tmp_path: Path) -> None:
    async with world(tmp_path, expected_errors=("config_refused",)) as one:
        await one.ask()
        one.proxy.config_file.write_text(one.proxy.config_file.read_text() + "nonsense: 1\n")
        await one.told("config_refused", 1)
        new = one.authority.client()
        swap(tmp_path, new, 1)
        await one.told("tls_renewed", 1)
        assert (await one.ask())[1]["serial"] == new.serial


async def test_a_key_with_a_password_is_opened_and_the_password_never_shown(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    tls = "{files}, key_password: '${{file:{folder}/password}}'"
    async with world(tmp_path, tls=tls, encrypted=True) as one:
        status, seen = await one.ask("/signed/x")
        assert (status, seen["authorization"]) == (200, f"Bearer token-of-{seen['serial']}")
        shown = [one.proxy.story(), await one.proxy.admin("GET", "/api/v1/routes"), await one.proxy.metrics_text()]
        assert PASSWORD not in json.dumps(shown)


@pytest.mark.parametrize(
    ("others", "words"),
    [(False, "wants a client certificate, and was shown none"), (True, "does not accept our client certificate")],
    ids=["none", "another authority's"],
)
async def test_without_the_right_certificate_the_token_endpoint_and_the_api_refuse_and_it_is_said(
    tmp_path: Path, others: bool, words: str
) -> None:
    (tmp_path / "other").mkdir()
    shown = Authority(tmp_path / "other").client()
    tls = "{files}" if others else "ca: '{folder}/ca.pem'"
    async with world(tmp_path, tls=tls, shown=shown, expected_errors=("refresh_failed",)) as one:
        status, problem = await one.ask("/signed/x")
        assert (status, problem["reason"]) == (502, "network")
        assert words in json.dumps(await one.proxy.line_with("refresh_failed"))
        async with one.session.get(f"{one.proxy.url}/api/x") as answer:
            assert answer.status == 400  # nginx's own answer, which is passed on
            assert b"SSL certificate" in await answer.read()
