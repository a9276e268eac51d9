"""Measures what the store costs, with memory, SQLite and Redis in one run, and writes its section of bench/RESULTS.md.

A request with a cached token must cost the same with each (`LIMIT`): real processes under load, one core each. A
renewal asks the store: how often, and how many renewals a second that allows, is measured in this process, with a
credential that answers at once. Redis and the load have the other core. Needs nginx, redis-server and wrk.
"""

import argparse
import asyncio
import base64
import logging
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import measure
import run
import structlog
import uvloop

sys.path.insert(0, str(run.ROOT))

from proxy import injectors, stores
from proxy.core.clock import SystemClock
from proxy.core.rejection import Rejection
from proxy.core.seal import Seal
from proxy.core.secret import Secret
from proxy.core.token import Token
from proxy.credentials.base import BEARER, Credential, CredentialSettings
from proxy.net.endpoint import Endpoint
from proxy.net.runtime import Runtime
from proxy.stores.base import Store
from proxy.stores.watched import WatchedStore
from proxy.telemetry.events import EventLog
from proxy.telemetry.metrics import Metrics
from proxy.tokens.source import Source
from proxy.tokens.spending import DOUBT
from proxy.tokens.vault import Vault

LIMIT: Final = 1.05
"""How much more CPU a request with a cached token may cost than with the memory store."""
REDIS: Final = 9079
PORTS: Final = {"memory": 9011, "sqlite": 9012, "redis": 9013}
VERBS: Final = ("load", "save", "drop", "swap", "acquire")
CREDENTIALS: Final = 50
HEADING: Final = "## Stores"


class Prompt(Credential):
    """Has a new token at once: what is left is what the store costs."""

    Settings = CredentialSettings

    async def fetch(self, previous: Token | None) -> Token:
        """Return a new one."""
        now = self.clock.now()
        return Token(Secret(secrets.token_urlsafe(24)), now, now + 300.0, 0)


def main() -> None:
    """Measure, write the section, print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-c", type=int, default=64, help="connections")
    parser.add_argument("-d", type=int, default=2, help="seconds per measurement")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--renewals", type=int, default=1000)
    parser.add_argument("--output", type=Path, default=run.HERE / "RESULTS.md")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="countersign-bench-") as made, ExitStack() as stack:
        scratch = Path(made)
        stack.enter_context(redis(scratch))
        costs = {kind: uvloop.run(renewing(kind, scratch, args.renewals)) for kind in PORTS}
        key = f"csk_{secrets.token_urlsafe(24)}"
        stack.enter_context(proxies(scratch, key))
        cpu = cached(args, key)
    section = report(costs, cpu, args)
    page = args.output.read_text() if args.output.exists() else ""
    args.output.write_text(page.partition(HEADING)[0].rstrip() + "\n\n" + section)
    print(section)


# Renewals, in this process


async def renewing(kind: str, scratch: Path, count: int) -> dict[str, float]:
    """Return what renewals come to with that store."""
    os.sched_setaffinity(0, {0})
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    runtime = Runtime(SystemClock(), fail)
    settings = stores.KINDS[kind].Settings.model_validate(store_settings(kind, scratch))
    inside: Any = Counted(stores.KINDS[kind](settings, runtime))
    metrics, events = Metrics(), EventLog(runtime.clock)
    store = WatchedStore(inside, metrics, events, runtime)
    store.start()
    vault = Vault(store, Seal.of_this_process(), runtime, events)
    endpoint = Endpoint(runtime.clock)

    def source(name: str, lineage: tuple[str, ...] | None = None) -> Source:
        credential = Prompt(name, CredentialSettings(kind="prompt"), endpoint, runtime.clock)
        credential.lineage = lineage
        return Source(
            name,
            credential,
            injectors=(injectors.KINDS["header"](BEARER),),
            vault=vault,
            key=f"token/{name}/0123456789abcdef",
            identity="0123456789abcdef",
            runtime=runtime,
            metrics=metrics.credential(name),
            events=events,
            rejection=Rejection(()),
        )

    plain = [source(f"plain-{number}") for number in range(CREDENTIALS)]
    once = source("once", lineage=("refresh token",))
    while await store.uptime() <= DOUBT:  # noqa: ASYNC110 - what works only once is not spent on a new Redis
        await asyncio.sleep(0.5)
    for one in (*plain, once):
        await one.refresh()
    trips = await per_renewal(plain[0], inside.asked, kind)
    trips_once = await per_renewal(once, inside.asked, kind)
    began = time.perf_counter()
    for _ in range(count):
        await plain[0].refresh()
    in_turn = count / (time.perf_counter() - began)
    began = time.perf_counter()
    await asyncio.gather(*(renew(one, count // CREDENTIALS) for one in plain))
    at_once = CREDENTIALS * (count // CREDENTIALS) / (time.perf_counter() - began)
    if not metrics.store_up:
        raise SystemExit(f"{kind}: the store went down")
    await store.close()
    await endpoint.close()
    await runtime.close()
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    return {"trips": trips, "trips_once": trips_once, "in_turn": in_turn, "at_once": at_once}


async def renew(source: Source, times: int) -> None:
    for _ in range(times):
        await source.refresh()


async def per_renewal(source: Source, asked: Counter[str], kind: str) -> float:
    """Return how often the store is asked for one renewal; for Redis, how many questions the server has counted."""
    times = 100
    before, before_there = asked.total(), questions() if kind == "redis" else 0
    await renew(source, times)
    counted = (asked.total() - before) / times
    if kind == "redis" and (there := (questions() - before_there) / times) != counted:
        raise SystemExit(f"Redis was asked {there} times for a renewal, and not {counted} times")
    return counted


class Counted:
    """A store, and how often it is asked, by verb."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        """Return the store's own, counted if it is a verb."""
        found = getattr(self._store, name)
        return self._counted(name, found) if name in VERBS else found

    def _counted(self, verb: str, ask: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def count(*arguments: Any) -> Any:
            self.asked[verb] += 1
            answer = await ask(*arguments)
            if verb == "acquire" and answer is not None:
                answer.release = self._counted("release", answer.release)
            return answer

        return count


def questions() -> int:
    """Return how many of our scripts Redis has run."""
    command = ["redis-cli", "-p", str(REDIS), "INFO", "commandstats"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    calls = (line.partition("calls=")[2] for line in lines if line.startswith("cmdstat_eval"))
    return sum(int(rest.partition(",")[0]) for rest in calls)


def fail(name: str, error: BaseException) -> None:
    raise SystemExit(f"{name}: {error!r}")


# Requests with a cached token, by real processes


def store_settings(kind: str, scratch: Path) -> dict[str, str]:
    """Return that store's settings."""
    more = {"sqlite": {"path": str(scratch / "tokens.db")}, "redis": {"url": f"redis://127.0.0.1:{REDIS}/0"}}
    return {"kind": kind, **more.get(kind, {})}


@contextmanager
def running(command: list[str], scratch: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run that while the block runs."""
    with (scratch / "output.log").open("ab") as log, subprocess.Popen(command, stdout=log, stderr=log, **options) as it:
        try:
            yield it
        finally:
            it.terminate()
            it.wait(10)


@contextmanager
def redis(scratch: Path) -> Iterator[None]:
    """Run a Redis that keeps nothing on the disk."""
    command = ["taskset", "-c", "1", "redis-server", "--port", str(REDIS), "--bind", "127.0.0.1", "--save", ""]
    with running([*command, "--dir", str(scratch)], scratch):
        for _ in range(100):
            if subprocess.run(["redis-cli", "-p", str(REDIS), "PING"], capture_output=True, check=False).stdout:
                break
            time.sleep(0.05)
        yield


@contextmanager
def proxies(scratch: Path, key: str) -> Iterator[None]:
    """Run the API, the token endpoint, and a proxy with each store."""
    upstream = run.HERE / "peers" / "upstream.nginx.conf"
    environment = run.environment(key) | {"BENCH_SEAL_KEY": base64.b64encode(secrets.token_bytes(32)).decode()}
    text = (run.HERE / "countersign.yaml").read_text()
    with ExitStack() as stack:
        stack.enter_context(running(["nginx", "-p", f"{scratch}/", "-c", str(upstream), "-g", "daemon off;"], scratch))
        demo = stack.enter_context(running([sys.executable, "-m", "proxy", "demo"], scratch, cwd=run.ROOT))
        run.wait_for("http://127.0.0.1:8090/health", demo, any_status=True)
        for kind, port in PORTS.items():
            store = ", ".join(f"{name}: {value!r}" for name, value in store_settings(kind, scratch).items())
            config = scratch / f"{kind}.yaml"
            config.write_text(
                text.replace(":9004", f":{port}")
                .replace(":9084", f":{port + 80}")
                .replace(":9094", f":{port + 180}")
                .replace("{kind: memory}", f'{{{store}}}\nseal: {{keys: ["${{env:BENCH_SEAL_KEY}}"]}}')
            )
            proxy = running(run.proxy_command(config, "0"), scratch, cwd=run.ROOT, env=environment)
            run.wait_for(f"http://127.0.0.1:{port + 180}/readyz", stack.enter_context(proxy))
        yield


def cached(args: argparse.Namespace, key: str) -> dict[str, list[float]]:
    """Return the CPU microseconds per request of each store, round by round."""
    args.header, args.path = [f"Authorization: Bearer {key}"], "/v1/customers/cus_N"
    cpu: dict[str, list[float]] = {kind: [] for kind in PORTS}
    kinds = list(PORTS)
    for number in range(args.rounds + 1):
        for kind in kinds:
            row = measure.one(PORTS[kind], args)
            if row["bad"] or row["lost"]:
                raise SystemExit(f"{kind}: {row['bad']} answers that were not 2xx, {row['lost']}")
            if number:  # the first round warms up
                cpu[kind].append(row["cpu"])
        kinds = [*kinds[1:], kinds[0]]  # whoever comes first in a round is not always the same
    return cpu


def report(costs: dict[str, dict[str, float]], cpu: dict[str, list[float]], args: argparse.Namespace) -> str:
    """Return the section."""
    ratios = {
        kind: statistics.median(own / base for own, base in zip(taken, cpu["memory"], strict=True))
        for kind, taken in cpu.items()
    }
    worst = max(ratios.values())
    lines = [
        HEADING,
        "",
        f"Made by `make bench`. CPU per request: a cached token, as above, {args.c} connections, {args.rounds} rounds",
        f"of {args.d} s in turn; the ratio is the median of the rounds' ratios. Renewals: one process on one core,",
        f"sealed records, a credential that answers at once; one credential, and {CREDENTIALS} at once. Redis is on",
        "the other core, without a disk. Round trips are the questions that a renewal asks the store (of Redis, the",
        "server has counted them); more for a credential whose refresh token can be spent once.",
        "",
        "| store | CPU µs/request | ÷ memory | round trips/renewal | spent once | renewals/s | many at once |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| `{kind}` | {statistics.median(cpu[kind]):.1f} | {ratios[kind]:.3f} | {cost['trips']:g} "
        f"| {cost['trips_once']:g} | {cost['in_turn']:.0f} | {cost['at_once']:.0f} |"
        for kind, cost in costs.items()
    ]
    verdict = "kept" if worst <= LIMIT else "BROKEN"
    lines += ["", f"The largest ratio is {worst:.3f} (the limit is {LIMIT}): {verdict}.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
