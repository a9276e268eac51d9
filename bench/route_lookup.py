"""What looking up a route costs among 10 000, beside among one.

python bench/route_lookup.py
"""

import time
from collections.abc import Callable
from statistics import median
from typing import Final

from multidict import CIMultiDict

from proxy.core.message import RequestHead
from proxy.core.route import MatchSettings, RouteTable

ROUTES: Final = 10_000
LOOKUPS: Final = 20_000
ROUNDS: Final = 41
SHAPES: Final[dict[str, Callable[[int], MatchSettings]]] = {
    "by path": lambda n: MatchSettings(path=f"/service-{n:05}/"),
    "by deep path": lambda n: MatchSettings(path=f"/v1/tenants/{n:05}/billing"),
    "by host": lambda n: MatchSettings(host=f"service-{n:05}.example"),
    "by wildcard": lambda n: MatchSettings(host=f"*.service-{n:05}.example"),
    "by header": lambda n: MatchSettings(headers={"X-Tenant": f"{n:05}"}),
}


def request(match: MatchSettings) -> RequestHead:
    fields = CIMultiDict(match.headers)
    host = match.host.replace("*", "x") if match.host != "*" else "api.example"
    return RequestHead("GET", match.path.rstrip("/") + "/items/17", "", host, (), fields, "127.0.0.1")


def seconds(table: RouteTable[int], head: RequestHead) -> float:
    begin = time.perf_counter()
    for _ in range(LOOKUPS):
        table.match(head)
    return (time.perf_counter() - begin) / LOOKUPS


def main() -> None:
    print(f"{'shape':14} {'1 route':>10} {f'{ROUTES} routes':>14} {'ratio':>7}")
    for shape, match in SHAPES.items():
        wanted = match(ROUTES // 2)
        one = RouteTable([(wanted, 0)])
        many = RouteTable((match(n), n) for n in range(ROUTES))
        head = request(wanted)
        assert one.match(head) == 0
        assert many.match(head) == ROUTES // 2
        pairs = [(seconds(one, head), seconds(many, head)) for _ in range(ROUNDS)]  # in turn: both meet the same noise
        alone, among = median(a for a, _ in pairs), median(b for _, b in pairs)
        ratio = median(b / a for a, b in pairs)
        print(f"{shape:14} {alone * 1e9:7.0f} ns {among * 1e9:11.0f} ns {ratio:7.3f}")


if __name__ == "__main__":
    main()
