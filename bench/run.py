"""Measures Countersign beside nginx, HAProxy and Envoy in one run, one core each, and writes bench/RESULTS.md.

The peers inject a fixed header. Countersign does its whole job: it identifies the caller by its key, signs with a
fetched token, counts metrics and writes a log line per request. Rounds are interleaved; medians are printed.
"""

import argparse
import hashlib
import os
import platform
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import measure

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
NAMES = {9001: "nginx", 9002: "HAProxy", 9003: "Envoy `credential_injector`", 9004: "**Countersign**"}
ENVOY, COUNTERSIGN = 9003, 9004
COLUMNS = ("rps", "cpu", "p50", "p99", "rss")


def main() -> None:
    """Start everything, measure, write the table, stop everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-c", type=int, default=64, help="connections")
    parser.add_argument("-d", type=int, default=5, help="seconds per measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=HERE / "RESULTS.md")
    args = parser.parse_args()
    key = f"csk_{secrets.token_urlsafe(24)}"
    with tempfile.TemporaryDirectory(prefix="countersign-bench-") as scratch:
        processes = start(Path(scratch), key)
        try:
            cold = cold_start(Path(scratch), key)
            rows = measured(args, key)
        finally:
            stop(processes)
    args.output.write_text(report(rows, cold, args))
    sys.stdout.write(args.output.read_text())


def environment(key: str) -> dict[str, str]:
    """Return the environment in which Countersign finds the hash of the caller's key, and bytecode is kept as usual."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return inherited | {"BENCH_KEY_HASH": "sha256:" + hashlib.sha256(key.encode()).hexdigest()}


def proxy_command(config: Path, core: str) -> list[str]:
    """Return the command that runs Countersign on one core."""
    return ["taskset", "-c", core, sys.executable, "-m", "proxy", "run", "--config", str(config)]


def start(scratch: Path, key: str) -> list[subprocess.Popen[bytes]]:
    """Start the peers, the API, the token endpoint and Countersign."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["bash", HERE / "peers.sh", "up"], check=True, env=os.environ | {"PATH": path})
    log = (scratch / "countersign.log").open("wb")
    demo = subprocess.Popen([sys.executable, "-m", "proxy", "demo"], cwd=ROOT, stdout=log, stderr=log)
    wait_for("http://127.0.0.1:8090/health", demo, any_status=True)
    command = proxy_command(HERE / "countersign.yaml", "0")
    proxy = subprocess.Popen(command, cwd=ROOT, env=environment(key), stdout=log, stderr=log)
    wait_for("http://127.0.0.1:9094/readyz", proxy)
    return [proxy, demo]


def stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """Stop everything that `start` started."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(10)
    subprocess.run(["bash", HERE / "peers.sh", "down"], check=False)


def wait_for(url: str, process: subprocess.Popen[bytes], *, any_status: bool = False) -> None:
    """Return once the address answers."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1)
        except urllib.error.HTTPError:
            if any_status:
                return
        except OSError:
            pass
        else:
            return
        time.sleep(0.01)
    raise SystemExit(f"{url} did not answer")


def cold_start(scratch: Path, key: str) -> float:
    """Return the median seconds from `run` to a ready process, of five starts on ports of its own."""
    text = (HERE / "countersign.yaml").read_text()
    config = scratch / "cold.yaml"
    config.write_text(text.replace(":9004", ":9005").replace(":9084", ":9085").replace(":9094", ":9095"))
    taken = []
    for _ in range(5):
        began = time.monotonic()
        process = subprocess.Popen(
            proxy_command(config, "0"), cwd=ROOT, env=environment(key), stdout=subprocess.DEVNULL
        )
        wait_for("http://127.0.0.1:9095/readyz", process)
        taken.append(time.monotonic() - began)
        process.terminate()
        process.wait(10)
    return statistics.median(taken)


def measured(args: argparse.Namespace, key: str) -> dict[int, dict[str, float]]:
    """Return the medians per port."""
    args.header, args.path = [f"Authorization: Bearer {key}"], "/v1/customers/cus_N"
    runs: dict[int, list[dict[str, float]]] = {port: [] for port in NAMES}
    for _ in range(args.rounds):
        for port, rows in runs.items():
            row = measure.one(port, args)
            if row["bad"] or row["lost"]:
                raise SystemExit(f"{NAMES[port]}: {row['bad']} answers that were not 2xx, {row['lost']}")
            rows.append(row)
    return {
        port: {name: statistics.median(row[name] for row in rows) for name in COLUMNS} for port, rows in runs.items()
    }


def report(rows: dict[int, dict[str, float]], cold: float, args: argparse.Namespace) -> str:
    """Return the page."""
    envoy = rows[ENVOY]
    ratio = rows[COUNTERSIGN]["cpu"] / envoy["cpu"]
    lines = [
        "# Benchmark",
        "",
        "Made by `make bench`. One core per proxy, the API (nginx) and the load (wrk) on the other core; warm",
        f"keep-alive; GET, an answer of 166 bytes; {args.c} connections; medians of {args.rounds} interleaved rounds",
        f"of {args.d} s. The peers add a fixed header. Countersign identifies the caller by its key, signs with a",
        "fetched token, counts metrics and writes a JSON line per request.",
        "",
        "| proxy | requests/s | CPU µs/request | p50 ms | p99 ms | memory MiB | CPU ÷ Envoy | requests/s ÷ Envoy |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {NAMES[port]} | {row['rps']:.0f} | {row['cpu']:.1f} | {row['p50']:.2f} | {row['p99']:.2f} "
        f"| {row['rss']:.0f} | {row['cpu'] / envoy['cpu']:.2f} | {row['rps'] / envoy['rps']:.2f} |"
        for port, row in rows.items()
    ]
    lines += [
        "",
        f"Countersign's CPU per request is {ratio:.2f} times Envoy's (the limit is 1.3).",
        f"Cold start, from the command to a ready process: {cold:.2f} s (the limit is 1 s).",
        "",
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}.",
        "CPU time is read from the system for every process that listens, so it is steadier than requests/s on a busy",
        "machine; compare ratios within one table, not figures between tables.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
