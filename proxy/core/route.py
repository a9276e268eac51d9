"""Finds the route that takes a request: the longest path wins, then the exact host before the wildcard, then order.

Theory. The routes stand in a tree of path segments; below each end of a path stand its hosts; below each host stand its
routes by method and header values. Each step is a look into a dict, and the walk is no longer than the deepest path in
the configuration, so ten thousand routes cost what one costs. Paths are cut at `/` and nowhere else: `%2F` is three
characters, and `//` has an empty segment between its slashes.
"""

from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

from proxy.core.match import MatchSettings
from proxy.core.message import RequestHead

__all__ = ["MatchSettings", "RouteTable"]

T = TypeVar("T")


class Entry(NamedTuple, Generic[T]):
    """One route in the table."""

    order: int
    match: MatchSettings
    value: T


class _Slot(Generic[T]):
    """The routes of one path and one host, by the names of the headers that they ask for."""

    __slots__ = ("_by_names", "_everything")

    def __init__(self) -> None:
        self._everything: Entry[T] | None = None
        """The first route, if it asks for no method and no header: then no other is ever reached."""
        self._by_names: dict[tuple[str, ...], dict[tuple[str | None, ...], Entry[T]]] = {}

    def add(self, entry: Entry[T]) -> None:
        """Put a route in; where it asks for the same as an earlier one, the earlier one stays."""
        if not (self._by_names or entry.match.methods or entry.match.headers):
            self._everything = entry
        wanted = sorted(entry.match.headers.items())
        entries = self._by_names.setdefault(tuple(name for name, _ in wanted), {})
        for method in entry.match.methods or (None,):
            entries.setdefault((method, *(value for _, value in wanted)), entry)

    def find(self, head: RequestHead) -> Entry[T] | None:
        """Return the first route in order that takes this method and these headers."""
        if self._everything is not None:
            return self._everything
        best: Entry[T] | None = None
        for names, entries in self._by_names.items():
            values = tuple([head.fields.get(name) for name in names])
            for method in (head.method, None):
                entry = entries.get((method, *values))
                if entry is not None and (best is None or entry.order < best.order):
                    best = entry
        return best


class _Hosts(Generic[T]):
    """The routes of one path, by host."""

    __slots__ = ("_any", "_below", "_dots", "_exact")

    def __init__(self) -> None:
        self._exact: dict[str, _Slot[T]] = {}
        self._below: dict[str, _Slot[T]] = {}
        """`*.api.example` stands under `.api.example`."""
        self._dots = 0
        """The most dots in any of those: no more are looked for in a host, however many it has."""
        self._any: _Slot[T] = _Slot()

    def add(self, entry: Entry[T]) -> None:
        """Put a route under its host."""
        host = entry.match.host
        if host == "*":
            slot = self._any
        elif host.startswith("*"):
            slot = self._below.setdefault(host[1:], _Slot())
            self._dots = max(self._dots, host.count("."))
        else:
            slot = self._exact.setdefault(host, _Slot())
        slot.add(entry)

    def find(self, head: RequestHead) -> Entry[T] | None:
        """Return the route under the most exact host that takes the request."""
        if self._exact or self._below:
            for slot in self._more_exact(head.host):
                entry = slot.find(head)
                if entry is not None:
                    return entry
        return self._any.find(head)

    def _more_exact(self, host: str) -> Iterator[_Slot[T]]:
        """Yield what stands under this host, then under its wildcards, the longest first."""
        if host in self._exact:
            yield self._exact[host]
        for suffix in reversed(tuple(_suffixes(host, self._dots))):
            if suffix in self._below:
                yield self._below[suffix]


class _Node(Generic[T]):
    """One segment of a path."""

    __slots__ = ("at", "below", "children")

    def __init__(self) -> None:
        self.at: _Hosts[T] | None = None
        """Routes whose path ends here, `/billing`: they take this segment and what is below it."""
        self.below: _Hosts[T] | None = None
        """Routes whose path ends with a slash here, `/billing/`: they take what is below it."""
        self.children: dict[str, _Node[T]] = {}


class RouteTable(Generic[T]):
    """Routes with whatever belongs to them, prepared for finding."""

    def __init__(self, entries: Iterable[tuple[MatchSettings, T]]) -> None:
        self._entries = tuple(Entry(order, match, value) for order, (match, value) in enumerate(entries))
        self._root: _Node[T] = _Node()
        self._cuts = 1
        """The most slashes in any path: a request's path is cut no further."""
        for entry in self._entries:
            self._add(entry)

    def match(self, head: RequestHead) -> T | None:
        """Return what belongs to the route that takes the request; None: no route does."""
        entry = self._find(head)
        return None if entry is None else entry.value

    def explain(self, head: RequestHead) -> list[tuple[T, str]]:
        """Return for every route, in order, why it takes the request or does not. Looks at each: for people's use."""
        chosen = self._find(head)
        return [(entry.value, _reason(entry, chosen, head)) for entry in self._entries]

    def _add(self, entry: Entry[T]) -> None:
        node = self._root
        *segments, last = entry.match.path.split("/")[1:]
        self._cuts = max(self._cuts, len(segments) + 2)
        for segment in segments:
            node = node.children.setdefault(segment, _Node())
        if last:
            node = node.children.setdefault(last, _Node())
            node.at = node.at or _Hosts()
            node.at.add(entry)
        else:
            node.below = node.below or _Hosts()
            node.below.add(entry)

    def _find(self, head: RequestHead) -> Entry[T] | None:
        for hosts in reversed(self._ends(head.path)):
            entry = hosts.find(head)
            if entry is not None:
                return entry
        return None

    def _ends(self, path: str) -> list[_Hosts[T]]:
        """Return the ends of configured paths that this path passes, the shortest first."""
        ends: list[_Hosts[T]] = []
        node = self._root
        start, *segments = path.split("/", self._cuts)
        if start:  # `*` and whatever else is not a path
            return ends
        for segment in segments:
            if node.below is not None:
                ends.append(node.below)
            child = node.children.get(segment)
            if child is None:
                break
            node = child
            if node.at is not None:
                ends.append(node.at)
        return ends


def _suffixes(host: str, dots: int) -> Iterator[str]:
    """Yield the last parts of a host, each from its dot on, the shortest first."""
    cut = len(host)
    for _ in range(dots):
        cut = host.rfind(".", 0, cut)
        if cut <= 0:
            return
        yield host[cut:]


def _reason(entry: Entry[T], chosen: Entry[T] | None, head: RequestHead) -> str:
    misfits = "; ".join(entry.match.misfits(head))
    if misfits or chosen is None:
        return f"does not match: {misfits}"
    if entry is chosen:
        return "matches, and is the first choice"
    if len(entry.match.path) < len(chosen.match.path):
        return f"matches, but {chosen.match.path} is a longer path"
    if entry.match.precedence < chosen.match.precedence:
        return f"matches, but {chosen.match.host} is a more exact host"
    return "matches, but another one stands before it"
