"""Measures what users with tokens of their own cost, and writes its section of bench/RESULTS.md.

First, one process takes pushes of all users into Redis, and shows whether its memory grows with those it does not
remember. Then a real proxy under load, one core: requests of one user, of a hot set that it remembers, and of users
drawn from all, most of whom it has to find in Redis first. A hot set must cost the same as one user (`LIMIT`).
"""

import argparse
import asyncio
import base64
import logging
import os
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import fleet
import measure
import run
import structlog
import uvloop

sys.path.insert(0, str(run.ROOT))

from proxy import stores
from proxy.core.clock import SystemClock
from proxy.core.seal import Seal
from proxy.core.secret import Secret
from proxy.credentials import KINDS
from proxy.net.endpoint import Endpoint
from proxy.net.runtime import Runtime
from proxy.stores.documents import Documents
from proxy.stores.watched import WatchedStore
from proxy.telemetry.events import EventLog
from proxy.telemetry.metrics import Metrics
from proxy.tokens.sources import build_sources
from proxy.tokens.vault import Vault
from proxy.tokens.workshop import Workshop
from proxy.users.identity import USER, USER_HASH, user_hash
from proxy.users.push import Pushes
from proxy.users.registry import Registry

LIMIT: Final = 1.10
"""How much more CPU a request of a remembered user may cost than one where there is a single user."""
REMEMBERED: Final = 10_000
HOT: Final = 5_000
AT_ONCE: Final = 64
PORT: Final = 9024
HEADING: Final = "## Users"
SETTINGS: Final = {"kind": "user_token", "verify": {"shape": "opaque"}}
LUA: Final = """
local users = {{}}
for line in io.lines("{path}") do
  local id, hash = line:match("(%S+) (%S+)")
  users[#users + 1] = {{["{user}"] = id, ["{hash}"] = hash, ["Authorization"] = "Bearer {key}"}}
end
math.randomseed({seed})
request = function()
  return wrk.format("GET", "/v1/customers/cus_N", users[math.random(#users)])
end
"""


def main() -> None:
    """Measure, write the section, print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-c", type=int, default=64, help="connections")
    parser.add_argument("-d", type=int, default=3, help="seconds per measurement")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--output", type=Path, default=run.HERE / "RESULTS.md")
    args = parser.parse_args()
    seal, identity, key = base64.b64encode(secrets.token_bytes(32)).decode(), secrets.token_hex(32), secrets.token_hex()
    with tempfile.TemporaryDirectory(prefix="countersign-bench-") as made, ExitStack() as stack:
        scratch = Path(made)
        stack.enter_context(fleet.redis(scratch))
        pushed = uvloop.run(pushing(args.users, seal, scratch))
        stack.enter_context(proxy(scratch, seal, identity, f"csk_{key}"))
        cpu = requests(args, scratch, identity, f"csk_{key}")
    section = report(pushed, cpu, args)
    page = args.output.read_text() if args.output.exists() else ""
    args.output.write_text(page.partition(HEADING)[0].rstrip() + "\n\n" + section)
    print(section)


async def pushing(count: int, seal_key: str, scratch: Path) -> dict[str, float]:
    """Push a token for each user; return how many a second, and what memory that took."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    runtime = Runtime(SystemClock(), fleet.fail)
    settings = stores.KINDS["redis"].Settings.model_validate(fleet.store_settings("redis", scratch))
    metrics, events = Metrics(), EventLog(runtime.clock)
    store = WatchedStore(stores.KINDS["redis"](settings, runtime), metrics, events, runtime)
    store.start()
    seal = Seal((Secret(seal_key),))
    endpoint = Endpoint(runtime.clock)
    vault = Vault(store, seal, runtime, events)
    workshop = Workshop(endpoint, vault, seal.derive("identity"), runtime, metrics, events)
    credentials = {"api": KINDS["user_token"].Settings.model_validate(SETTINGS)}
    sources = await build_sources(credentials, workshop, remembered=REMEMBERED)
    registry = Registry(Documents(store, seal), seal.derive("users"))
    pushes = Pushes(lambda: sources, endpoint, runtime, events)

    async def push(numbers: range) -> None:
        for number in numbers:
            person = registry.person(f"user-{number}")
            await pushes.take(person, {"api": f"token-of-{number}-{'x' * 200}"}, via="bench")

    mine = [os.getpid()]
    warm = min(count, 2 * REMEMBERED)
    began = time.perf_counter()
    await asyncio.gather(*(push(range(first, warm, AT_ONCE)) for first in range(AT_ONCE)))
    full = measure.rss_mib(mine)
    await asyncio.gather(*(push(range(warm + first, count, AT_ONCE)) for first in range(AT_ONCE)))
    took = time.perf_counter() - began
    held = len(sources.pools["api"])
    await store.close()
    await endpoint.close()
    await runtime.close()
    return {"rate": count / took, "warm": warm, "full": full, "after": measure.rss_mib(mine), "held": held}


def proxy(scratch: Path, seal: str, identity: str, key: str) -> Any:
    """Run the API and a proxy before it, with the users' tokens in Redis."""
    upstream = run.HERE / "peers" / "upstream.nginx.conf"
    config = scratch / "users.yaml"
    store = ", ".join(f"{name}: {value!r}" for name, value in fleet.store_settings("redis", scratch).items())
    text = (run.HERE / "countersign.yaml").read_text()
    head, _, rest = text.partition("credentials:")
    personal = (
        "credentials:\n  api: {kind: user_token, verify: {shape: opaque}}\nroutes:" + rest.partition("routes:")[2]
    )
    config.write_text(
        (head + personal)
        .replace(":9004", f":{PORT}")
        .replace(":9084", f":{PORT + 80}")
        .replace(":9094", f":{PORT + 180}")
        .replace("{kind: memory}", f"{{{store}}}\nseal: {{keys: ['{seal}']}}")
        + f"\nusers: {{identity_secret: '{identity}', remembered: {REMEMBERED}}}\n"
    )
    stack = ExitStack()
    stack.enter_context(
        fleet.running(["nginx", "-p", f"{scratch}/", "-c", str(upstream), "-g", "daemon off;"], scratch)
    )
    environment = run.environment(key)
    started = stack.enter_context(fleet.running(run.proxy_command(config, "0"), scratch, cwd=run.ROOT, env=environment))
    run.wait_for(f"http://127.0.0.1:{PORT + 180}/readyz", started)
    return stack


def requests(args: argparse.Namespace, scratch: Path, identity: str, key: str) -> dict[str, list[float]]:
    """Return the CPU microseconds per request of each kind of crowd, round by round."""
    secret, draw = Secret(identity), random.Random(7)
    everybody = [f"user-{number}" for number in range(args.users)]
    hot = draw.sample(everybody, min(HOT, len(everybody)))
    one = hot[:1] * len(hot)  # drawn from as many, so that the load costs the same to make
    crowds = {"one user": one, "remembered": hot, "drawn from all": everybody}
    scripts = {}
    for name, users in crowds.items():
        listed, script = scratch / f"{name}.txt", scratch / f"{name}.lua"
        listed.write_text("".join(f"{user} {user_hash(user, secret)}\n" for user in users))
        script.write_text(LUA.format(path=listed, user=USER, hash=USER_HASH, key=key, seed=draw.randrange(1 << 30)))
        scripts[name] = script
    cpu: dict[str, list[float]] = {name: [] for name in crowds}
    for name in ("one user", "remembered"):  # the cold crowd drives the others out: it comes last
        load(scripts[name], args)
    order = ["one user", "remembered"]
    for _ in range(args.rounds):
        for name in order:
            cpu[name].append(load(scripts[name], args))
        order.reverse()
    for _ in range(max(1, args.rounds // 3)):
        cpu["drawn from all"].append(load(scripts["drawn from all"], args))
    return cpu


def load(script: Path, args: argparse.Namespace) -> float:
    """Return the CPU microseconds per request of one round."""
    pids = measure.listeners(PORT)
    before = measure.cpu_seconds(pids)
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{args.c}", f"-d{args.d}s", "--latency", "-s", str(script)]
    out = subprocess.run([*command, f"http://127.0.0.1:{PORT}/"], capture_output=True, text=True, check=True).stdout
    row = measure.read(out, measure.cpu_seconds(pids) - before)
    if row["bad"] or row["lost"]:
        raise SystemExit(f"{row['bad']} answers that were not 2xx, {row['lost']}")
    return float(row["cpu"])


def report(pushed: dict[str, float], cpu: dict[str, list[float]], args: argparse.Namespace) -> str:
    """Return the section."""
    base = statistics.median(cpu["one user"])
    ratio = statistics.median(own / one for own, one in zip(cpu["remembered"], cpu["one user"], strict=True))
    cold = statistics.median(cpu["drawn from all"])
    verdict = "kept" if ratio <= LIMIT else "BROKEN"
    return "\n".join(
        [
            HEADING,
            "",
            f"Made by `make bench`. {args.users} users have a pushed token each, in Redis; a process remembers",
            f"{REMEMBERED} of them. CPU per request, the user proved by a `user_hash`: {args.c} connections,",
            f"{args.rounds} rounds of {args.d} s in turn; the ratio of those who are remembered is the median of the",
            "rounds' ratios.",
            "",
            "| requests of | CPU µs/request | ÷ one user |",
            "|---|--:|--:|",
            f"| one user | {base:.1f} | 1.000 |",
            f"| {min(HOT, args.users)} users, remembered | {statistics.median(cpu['remembered']):.1f} | {ratio:.3f} |",
            f"| users drawn from all {args.users} | {cold:.1f} | {cold / base:.3f} |",
            "",
            f"The ratio for remembered users is {ratio:.3f} (the limit is {LIMIT:.2f}): {verdict}.",
            f"One process took {pushed['rate']:.0f} pushes a second, and held {pushed['held']:.0f} users in the end.",
            f"Its memory was {pushed['full']:.0f} MiB after {pushed['warm']:.0f} users,",
            f"and {pushed['after']:.0f} MiB after all of them.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
