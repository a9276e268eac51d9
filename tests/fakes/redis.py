"""Real Redis servers: one alone, a master and a replica with three sentinels, a cluster of six.

In a test: `with RedisServer() as server: ... server.url`. A server keeps its data in a directory of its own and listens
on a port, on a Unix socket, and, given certificates, on a port with TLS. All of this blocks for some milliseconds, so
that a server can be shared by tests that have event loops of their own.
"""

import contextlib
import os
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pytest
import redis
import trustme

BINARY: Final = shutil.which("redis-server") or shutil.which("redis-server", path="/usr/sbin:/opt/homebrew/bin")
MISSING: Final = "needs redis-server (Debian: apt-get install redis, macOS: brew install redis)"
PATIENCE: Final = 40.0
"""Seconds after which what has not come about has failed."""
POLL: Final = 0.01
SERVICE: Final = "tokens"
"""What the sentinels call the master."""
USER: Final = "countersign"
PASSWORD: Final = "a password: of/the @user"
_PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "stores.md"


def documented_user(password: str) -> list[str]:
    """Return the command by which the documentation makes Countersign's user."""
    (command,) = re.findall(r"^redis-cli (ACL SETUSER .*?[^\\\\])$", _PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [word.replace("PASSWORD", password) for word in shlex.split(command.replace("\\\n", ""))]


_GIVEN: Final[set[int]] = set()


def lasting_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, and that no connection will get for its own end: they can be used again."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(10_000, 30_000)
        with contextlib.suppress(OSError), socket.socket() as trial:
            trial.bind(("127.0.0.1", port))
            found += {port} - _GIVEN
            _GIVEN.add(port)
    return found


def needed() -> None:
    """Skip the test where there is no Redis; in CI there must be one."""
    if BINARY is None:
        if "CI" in os.environ:
            pytest.fail(MISSING)
        pytest.skip(MISSING)


def wait_until(condition: Callable[[], object]) -> None:
    """Block until that is so; a Redis that is not there yet is asked again."""
    end = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(redis.RedisError, OSError, LookupError, ValueError):
            if condition():
                return
        assert time.monotonic() < end, "it did not come about"
        time.sleep(POLL)


class Certificates:
    """An authority, what the server shows, and what a client shows, as PEM files in that directory."""

    def __init__(self, directory: Path) -> None:
        authority = trustme.CA()
        self.ca = directory / "ca.pem"
        self.server, self.server_key = directory / "server.pem", directory / "server.key"
        self.client, self.client_key = directory / "client.pem", directory / "client.key"
        self.other_ca = directory / "other-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        trustme.CA().cert_pem.write_to_path(str(self.other_ca))
        for identity, certificate, key in (
            ("127.0.0.1", self.server, self.server_key),
            ("countersign.example", self.client, self.client_key),
        ):
            issued = authority.issue_cert(identity)
            issued.cert_chain_pems[0].write_to_path(str(certificate))
            issued.private_key_pem.write_to_path(str(key))


class RedisServer:
    """One server process, running while its block runs."""

    def __init__(
        self,
        *options: str,
        port: int | None = None,
        certificates: Certificates | None = None,
        sentinel: bool = False,
    ) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="redis-")
        self.directory = Path(self._directory.name)
        self._options = options
        self._sentinel = sentinel
        self.port, self.tls_port = lasting_ports(2)
        self.port = port or self.port
        self.certificates = certificates
        self.password: str | None = None
        """The administrator's."""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The server's address."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def socket(self) -> Path:
        """Its Unix socket."""
        return self.directory / "redis.sock"

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def do(self, *command: str | bytes | int) -> Any:
        """Send a command as the administrator and return the answer."""
        with redis.Redis(port=self.port, protocol=2, socket_timeout=5, password=self.password) as client:
            return client.execute_command(*command)

    def start(self) -> None:
        """Start it on the same port, with the data that is in its directory."""
        needed()
        config = self.directory / "redis.conf"
        if not config.exists():
            config.write_text(self._config())
        arguments = [str(BINARY), str(config), *(["--sentinel"] if self._sentinel else [])]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
            )
        wait_until(self._is_up)

    def kill(self) -> None:
        """Kill it as the kernel would, with the child that may be writing its data: nothing is saved or said."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def restart(self, *, empty: bool) -> None:
        """Kill it and start it again, with its data or without."""
        self.kill()
        if empty:
            shutil.rmtree(self.directory / "appendonlydir", ignore_errors=True)
            (self.directory / "dump.rdb").unlink(missing_ok=True)
        self.start()

    def pause(self) -> None:
        """Let it hang: connections stand, nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on, with all that was sent meanwhile."""
        os.kill(self.pid, signal.SIGCONT)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Let it hang while the block runs."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

    def calls(self, command: str) -> int:
        """Return how often that command was called since the last `CONFIG RESETSTAT`."""
        stats = self.do("INFO", "commandstats")
        return int(stats.get(f"cmdstat_{command.lower()}", {}).get("calls", 0))

    def connections(self) -> int:
        """Return how many clients are connected, without the one that asks."""
        return int(self.do("INFO", "clients")["connected_clients"]) - 1

    def close(self) -> None:
        """End it and remove its data."""
        self.kill()
        wait_until(self._is_removed)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.directory / "log").read_text()
        return bool(self.do("PING"))

    def _is_removed(self) -> bool:
        self._directory.cleanup()
        return True

    def _config(self) -> str:
        lines = [f"port {self.port}", "bind 127.0.0.1", f"dir {self.directory}", "daemonize no"]
        if not self._sentinel:
            lines += [f"unixsocket {self.socket}", 'save ""', "appendonly no", "appendfsync always"]
        if self.certificates is not None:
            lines += [
                f"tls-port {self.tls_port}",
                f"tls-cert-file {self.certificates.server}",
                f"tls-key-file {self.certificates.server_key}",
                f"tls-ca-cert-file {self.certificates.ca}",
                "tls-auth-clients yes",
            ]
        return "\n".join([*lines, *self._options, ""])


_PACE: Final = ("info-period", 500, "ping-period", 400, "publish-period", 500)
"""Milliseconds: sentinels look more often than they do in earnest, but not so often that they fight over a failover."""


class RedisSentinel:
    """A master, a replica, and three sentinels that watch them."""

    def __init__(self) -> None:
        first, second = lasting_ports(2)
        self.servers = [
            RedisServer("repl-diskless-sync-delay 0", port=first),
            RedisServer("repl-diskless-sync-delay 0", f"replicaof 127.0.0.1 {first}", port=second),
        ]
        self.sentinels: list[RedisServer] = []

    @property
    def url(self) -> str:
        """The address of the service."""
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}/0"

    @property
    def master(self) -> RedisServer:
        """The server that is the master now, as the sentinels say."""
        port = _master_port(self.sentinels[-1])
        return next(server for server in self.servers if server.port == port)

    @property
    def replica(self) -> RedisServer:
        """The other one."""
        return next(server for server in self.servers if server is not self.master)

    def failover(self) -> None:
        """Let the sentinels make the replica the master, and return when they have."""
        before, after = self.master, self.replica

        def is_on_its_way() -> bool:
            """A failover that was given up, as it may be on a busy machine, is asked for again."""
            if _master_port(self.sentinels[0]) == before.port:
                self.sentinels[0].do("SENTINEL", "FAILOVER", SERVICE)
            return _master_port(self.sentinels[0]) == after.port

        wait_until(is_on_its_way)
        wait_until(lambda: self.master is after and after.do("ROLE")[0] == b"master")
        wait_until(lambda: before.do("ROLE")[0] == b"slave")

    def settle(self) -> None:
        """Return when the master has its replica and every sentinel knows of everybody."""
        wait_until(lambda: self.master.do("INFO", "replication")["slave0"]["state"] == "online")
        wait_until(lambda: all(map(_knows_everybody, self.sentinels)))

    def __enter__(self) -> Self:
        try:
            for server in self.servers:
                server.start()
            port = self.servers[0].port
            for _ in range(3):
                self.sentinels.append(
                    RedisServer(
                        f"sentinel monitor {SERVICE} 127.0.0.1 {port} 2",
                        f"sentinel down-after-milliseconds {SERVICE} 1500",
                        f"sentinel failover-timeout {SERVICE} 5000",
                        sentinel=True,
                    )
                )
                self.sentinels[-1].start()
                self.sentinels[-1].do("SENTINEL", "DEBUG", *_PACE)
            self.settle()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in (*self.sentinels, *self.servers):
            server.close()


def _master_port(sentinel: RedisServer) -> int:
    return int(sentinel.do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])


def _knows_everybody(sentinel: RedisServer) -> bool:
    master = _facts(sentinel.do("SENTINEL", "MASTER", SERVICE))
    (replica,) = map(_facts, sentinel.do("SENTINEL", "REPLICAS", SERVICE))
    return (
        (master["flags"], master["num-other-sentinels"]) == ("master", "2")
        and (replica["flags"], replica["role-reported"], replica["master-link-status"]) == ("slave", "slave", "ok")
        and replica["master-port"] == master["port"]
    )


def _facts(answer: Any) -> dict[str, str]:
    """Return what a sentinel says of a server, by name, whether the package read it already or not."""
    pairs = answer.items() if isinstance(answer, dict) else zip(answer[::2], answer[1::2], strict=True)
    return {str(_text(name)): str(_text(value)) for name, value in pairs}


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


class RedisCluster:
    """Six members: three masters with a third of the slots each, and a replica of each."""

    def __init__(self, certificates: Certificates) -> None:
        ports = lasting_ports(12)
        self.members = [
            RedisServer(
                "cluster-enabled yes",
                "cluster-node-timeout 1000",
                "cluster-replica-validity-factor 0",
                "repl-diskless-sync-delay 0",
                f"cluster-port {bus}",
                "tls-cluster yes",
                "tls-replication yes",
                port=port,
                certificates=certificates,
            )
            for port, bus in zip(ports[:6], ports[6:], strict=True)
        ]
        self._buses = ports[6:]

    @property
    def url(self) -> str:
        """The address of the cluster."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{member.port}" for member in self.members[:3])

    @property
    def tls_url(self) -> str:
        """The same, by TLS."""
        return "rediss+cluster://" + ",".join(f"127.0.0.1:{member.tls_port}" for member in self.members[:3])

    def do_all(self, *command: str) -> None:
        """Send a command to every member that is a master."""
        for member in self.members:
            with contextlib.suppress(redis.RedisError):
                if member.do("ROLE")[0] == b"master":
                    member.do(*command)

    def master_of(self, name: str) -> RedisServer:
        """Return the member that has the slot of that name now."""
        running = next(member for member in self.members if member._process is not None)
        port = _owner(running, int(running.do("CLUSTER", "KEYSLOT", name)))
        return next(member for member in self.members if member.port == port)

    def settle(self) -> None:
        """Return when every member that runs finds the cluster in order, with a replica for each master."""
        wait_until(lambda: all(map(_is_in_order, self.members)))

    def __enter__(self) -> Self:
        try:
            for index, member in enumerate(self.members):
                (member.directory / "nodes.conf").write_text(self._nodes(index))
                member.start()
            self.settle()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for member in self.members:
            member.close()

    @contextlib.contextmanager
    def moving(self, slot: int, source: RedisServer, target: RedisServer) -> Iterator[None]:
        """Move a slot; while the block runs, its keys may be here or there."""
        identities = {member.port: member.do("CLUSTER", "MYID") for member in (source, target)}
        target.do("CLUSTER", "SETSLOT", slot, "IMPORTING", identities[source.port])
        source.do("CLUSTER", "SETSLOT", slot, "MIGRATING", identities[target.port])
        try:
            yield
        finally:
            for member in (target, source):
                member.do("CLUSTER", "SETSLOT", slot, "NODE", identities[target.port])
            wait_until(lambda: all(_owner(member, slot) == target.port for member in self.members))

    def _nodes(self, me: int) -> str:
        """Return what a member knows when it starts: everybody, so that nobody has to be introduced."""
        identities = [f"{index:040x}" for index in range(1, 7)]
        bounds = (0, 5461, 10923, 16384)
        lines = []
        for index, (member, bus) in enumerate(zip(self.members, self._buses, strict=True)):
            myself = "myself," if index == me else ""
            where = f"{identities[index]} 127.0.0.1:{member.tls_port}@{bus}"
            epoch = index % 3 + 1
            if index < 3:
                slots = f"{bounds[index]}-{bounds[index + 1] - 1}"
                lines.append(f"{where} {myself}master - 0 0 {epoch} connected {slots}")
            else:
                lines.append(f"{where} {myself}slave {identities[index - 3]} 0 0 {epoch} connected")
        return "\n".join([*lines, "vars currentEpoch 3 lastVoteEpoch 0", ""])


def _owner(member: RedisServer, slot: int) -> int | None:
    """Return the port of the master that has that slot, as far as that member knows."""
    slots = member.do("CLUSTER", "SLOTS")
    return next((int(master[1]) for first, last, master, *_ in slots if first <= slot <= last), None)


def _is_in_order(member: RedisServer) -> bool:
    info = member.do("CLUSTER", "INFO")
    text = info.decode() if isinstance(info, bytes) else str(info)
    role = member.do("ROLE")
    synced = len(role[2]) == 1 if role[0] == b"master" else role[3] == b"connected"
    return re.search(r"cluster_state\W+ok", text) is not None and synced
