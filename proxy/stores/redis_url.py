"""Where the Redis is: one server, the master that sentinels name, or a cluster, read from a URL."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Literal, NamedTuple
from urllib.parse import parse_qsl, unquote

from proxy.core.secret import Secret

EXAMPLES: Final = (
    "write redis://host:6379/0, rediss://host:6379/0 (TLS), unix:///run/redis.sock?db=0, "
    "redis+sentinel://host1:26379,host2,host3/SERVICE/0 or redis+cluster://host1:6379,host2; "
    "percent-encode what a user name or password holds of @ : / ? # and %"
)
SERVER_PORT: Final = 6379
SENTINEL_PORT: Final = 26379

_URL: Final = re.compile(
    r"(?P<scheme>rediss?|unix)(?:\+(?P<topology>sentinel|cluster))?://"
    r"(?:(?P<login>[^/]*)@)?(?P<hosts>[^/?#@]*)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?"
)
_HOST: Final = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.%]+)\]|(?P<name>[^:\[\]\s]+))(?::(?P<port>[0-9]{1,5}))?")
_DATABASE: Final = re.compile(r"[0-9]{1,5}")

Topology = Literal["server", "sentinel", "cluster"]


class Address(NamedTuple):
    """A host and its port, or the path of a Unix socket and 0."""

    host: str
    port: int

    def __str__(self) -> str:
        if self.is_socket:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_socket(self) -> bool:
        """True for a Unix socket."""
        return self.port == 0

    @property
    def is_near(self) -> bool:
        """True when what is sent there does not leave this machine."""
        try:
            return self.is_socket or self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Place:
    """What a URL says."""

    topology: Topology
    addresses: tuple[Address, ...]
    """Of the server; of the sentinels; of the members of the cluster that are asked first."""
    tls: bool = False
    service: str = ""
    """What the sentinels call the master."""
    database: int = 0
    username: str | None = None
    password: Secret | None = None

    def __str__(self) -> str:
        match self.topology:
            case "sentinel":
                return f"Redis, master {self.service!r} of the sentinels at {self.addresses[0]},"
            case "cluster":
                return f"Redis, the cluster at {self.addresses[0]},"
            case "server":
                return f"Redis at {self.addresses[0]}"


def parse(url: str) -> Place:
    """Return what the URL says.

    Raises:
        ValueError: it says nothing that a Redis could be reached by; tells the remedy, and nothing of the URL.
    """
    match = _URL.fullmatch(url)
    if match is None or (match["scheme"] == "unix" and (match["topology"] or match["hosts"])):
        raise ValueError(f"is not the address of a Redis; {EXAMPLES}")
    username, password = _login(match["login"])
    options = dict(parse_qsl(match["query"] or "", keep_blank_values=True))
    if match["scheme"] == "unix":
        path = unquote(match["path"] or "")
        if not path.strip("/") or options.keys() - {"db"}:
            raise ValueError(f"names no socket, or has other options than db; {EXAMPLES}")
        database = _database(options.get("db", ""))
        return Place("server", (Address(path, 0),), database=database, username=username, password=password)
    if options:
        raise ValueError(f"has options, which stand beside it as settings of the store; {EXAMPLES}")
    topology: Topology = match["topology"] or "server"  # type: ignore[assignment]  # the expression knows only these
    service, database = _path(topology, unquote(match["path"] or "").strip("/"))
    return Place(
        topology,
        _addresses(
            match["hosts"], SENTINEL_PORT if topology == "sentinel" else SERVER_PORT, many=bool(match["topology"])
        ),
        tls=match["scheme"] == "rediss",
        service=service,
        database=database,
        username=username,
        password=password,
    )


def _login(text: str | None) -> tuple[str | None, Secret | None]:
    username, _, password = (text or "").partition(":")
    return unquote(username) or None, Secret(unquote(password)) if password else None


def _addresses(text: str, port: int, *, many: bool) -> tuple[Address, ...]:
    matches = [_HOST.fullmatch(part.strip()) for part in text.split(",")]
    if len(matches) > 1 and not many:
        raise ValueError(f"names several servers of which nobody says how they belong together; {EXAMPLES}")
    found = [Address(match["v6"] or match["name"], int(match["port"] or port)) for match in matches if match]
    if len(found) < len(matches) or any(not 0 < address.port < 2**16 for address in found):
        raise ValueError(f"names a host or a port that cannot be one; {EXAMPLES}")
    return tuple(found)


def _path(topology: Topology, path: str) -> tuple[str, int]:
    """Return the service and the database."""
    if topology != "sentinel":
        database = _database(path)
        if topology == "cluster" and database:
            raise ValueError(f"names a database, and a cluster has only number 0; {EXAMPLES}")
        return "", database
    service, _, database_text = path.partition("/")
    if not service:
        raise ValueError(f"does not say what the sentinels call the master; {EXAMPLES}")
    return service, _database(database_text)


def _database(text: str) -> int:
    if text and not _DATABASE.fullmatch(text):
        raise ValueError(f"names a database that is not a number; {EXAMPLES}")
    return int(text or 0)
