"""No secret is found where it must not be: markers are planted in all of them, everything fails, and we hunt.

What is hunted: ten thousand log lines, every answer to a caller, the metrics, the admin API, the command line, and the
repr of every object of ours that is alive.
"""

import asyncio
import gc
import json
import random
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest

from proxy.app import App
from proxy.config.load import load
from proxy.telemetry.logs import configure
from tests.fakes.forks import said
from tests.fakes.marked import CREDENTIALS, ENVIRONMENT, MARKS, hunted, marked
from tests.fakes.process import Proxy, completed, free_ports
from tests.fakes.raw_client import NoAnswerError, RawClient

LINES: Final = 10_000
WORKERS: Final = 20
EXPECTED: Final = ("config_refused", "credential_needs_person", "refresh_failed", "breaker_opened")


def failing_requests() -> list[bytes]:
    """Return requests that all fail, and all carry secrets of the caller's."""
    own = f"Authorization: Bearer {MARKS['own']}\r\nCookie: session={MARKS['cookie']}\r\n"
    paths = [f"/{credential}/{name}/x?key={MARKS['target']}" for credential in CREDENTIALS for name in ("dead", "echo")]
    requests = [f"GET {path} HTTP/1.1\r\nHost: x\r\n{own}\r\n" for path in paths]
    requests += [f"POST {path} HTTP/1.1\r\nHost: x\r\n{own}Content-Length: 3\r\n\r\nabc" for path in paths]
    requests += [
        f"GET /nowhere/{MARKS['target']} HTTP/1.1\r\nHost: x\r\n{own}\r\n",
        f"GET /text/dead/../{MARKS['target']} HTTP/1.1\r\nHost: x\r\n{own}\r\n",
        f"GET /text/dead/x#{MARKS['target']} HTTP/1.1\r\nHost: x\r\n{own}\r\n",
        f"GET /text/dead/x HTTP/1.1\r\nHost: {MARKS['target']} \x01\r\n{own}\r\n",
        f"GET /text/dead/x HTTP/1.1\r\nHost: x\r\nX: y\x00\r\n{own}\r\n",
        f"GET /text/dead/x HTTP/1.1\r\nHost: x\r\n{own.replace(':', ' :')}\r\n",
        f"GET /text/dead/x HTTP/9.9\r\nHost: x\r\n{own}\r\n",
        f"POST /text/dead/x HTTP/1.1\r\nHost: x\r\n{own}Content-Length: {MARKS['own']}\r\n\r\n",
        f"POST /text/dead/x HTTP/1.1\r\nHost: x\r\n{own}Transfer-Encoding: chunked\r\n\r\n{MARKS['own']}\r\n",
        f"TRACE /text/dead/x HTTP/1.1\r\nHost: x\r\n{own}\r\n",
        f"GET /private/x HTTP/1.1\r\nHost: x\r\n{own}\r\n",
        f"GET /private/x HTTP/1.1\r\nHost: x\r\nX-Countersign-Key: {MARKS['wrong']}\r\n\r\n",
        f"GET /private/x HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Bearer {MARKS['caller']}\r\n\r\n",
    ]
    return [request.encode() for request in requests]


async def fail(port: int, count: int, seed: int) -> bytes:
    """Send that many failing requests, and return everything that came back."""
    chance, requests, seen, sent = random.Random(seed), failing_requests(), b"", 0
    while sent < count:
        async with RawClient(port) as client:
            try:
                while sent < count:
                    sent += 1
                    await client.send(chance.choice(requests))
                    answer = await client.answer()
                    assert answer.status >= 400, answer
                    if b"close" in answer.header("Connection"):
                        break
            except (NoAnswerError, OSError):
                pass
            seen += client.seen
    return seen


def leaks(text: str) -> list[str]:
    """Return the secrets that stand in a text."""
    return [secret for secret in hunted() if secret in text]


async def command(*arguments: str) -> str:
    """Run a command of ours and return what it wrote."""
    _, stdout, stderr = await said(*arguments, environment=ENVIRONMENT)
    return stdout + stderr


async def test_ten_thousand_failures_leak_no_secret() -> None:
    async with marked() as world:
        async with Proxy(world.config, expected_errors=EXPECTED, environment=ENVIRONMENT) as proxy:
            seen = await asyncio.gather(*(fail(proxy.port, LINES // WORKERS, seed) for seed in range(WORKERS)))
            assert leaks(b"".join(seen).decode("latin-1")) == []
            proxy.write_config(world.config.replace("kind: basic", f"kind: {MARKS['password']}"))
            await proxy.line_with("config_refused")
            assert leaks(await proxy.metrics_text()) == []
            for path in ("status", "credentials", "routes", "events?limit=1000", "openapi.json"):
                assert leaks(json.dumps(await proxy.admin("GET", f"/api/v1/{path}"))) == [], path
            proxy.write_config(world.config)
            called = commands(str(proxy.config_file))
            outputs = await asyncio.gather(*(command(*arguments) for arguments in called))
            for arguments, output in zip(called, outputs, strict=True):
                assert output, arguments
                assert leaks(output) == [], (arguments, output)
        assert len([line for line in proxy.log_lines if line.get("event") == "request"]) >= LINES
        assert leaks("\n".join([*map(json.dumps, proxy.log_lines), *proxy.other_lines])) == []


def commands(file: str) -> list[list[str]]:
    """Return the commands that read a configuration with secrets in it."""
    tried = ("text", "basic", "issued", "refused", "hidden", "broken")
    explain = ["explain", "GET", "/queried/echo/x?a=b", "--config", file, "--header"]
    return [
        ["check", file],
        [*explain, f"Authorization: Bearer {MARKS['own']}"],
        [*explain, f"Cookie: session={MARKS['cookie']}", "--json"],
        *(["test", credential, "--config", file] for credential in tried),
    ]


async def test_no_repr_shows_a_secret(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(marked())
        ports = free_ports(3)
        file = tmp_path / "countersign.yaml"
        file.write_text(completed(world.config, *ports))
        stream = stack.enter_context((tmp_path / "log").open("w"))
        logs = configure(stream)
        app = App(file, load(file, ENVIRONMENT), logs)
        try:
            await app.start()
            await asyncio.gather(*(fail(ports[0], 100, seed) for seed in range(4)))
            shown: dict[str, set[str]] = {}
            for one in our_objects():
                shown.setdefault(type(one).__qualname__, set()).update(shows(one))
        finally:
            await app.drain()
            await app.close()
            logs.close()
    assert len(shown) > 50
    assert {name: found for name, found in shown.items() if found} == {}


def our_objects() -> list[object]:
    """Return every object of a class of ours that is alive."""
    gc.unfreeze()
    return [one for one in gc.get_objects() if str(type(one).__module__).startswith("proxy.")]


def shows(one: object) -> list[str]:
    """Return the secrets in an object's repr and text."""
    return leaks(f"{one!r} {one!s}")


@pytest.mark.parametrize("secret", hunted())
def test_the_hunt_finds_what_it_hunts(secret: str) -> None:
    assert leaks(f"x {secret} y") != []
