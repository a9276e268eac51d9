"""The route table beside a naive one, the order of precedence, its explanations, and what a look-up costs."""

import operator
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core import match as match_module
from proxy.core import route as route_module
from proxy.core.message import RequestHead
from proxy.core.route import MatchSettings, RouteTable
from tests.fakes.heads import head_of

SEGMENTS = st.sampled_from(["a", "ab", "", "%2F"])
PATHS = st.lists(SEGMENTS, min_size=1, max_size=4).map(lambda segments: "/" + "/".join(segments))
RAW_PATHS = st.one_of(
    PATHS,
    PATHS.map(lambda path: path + "/\xe9\xff"),
    st.sampled_from(["", "*", "a", "a/b"]),
    st.text(st.characters(max_codepoint=255), max_size=8).map(lambda text: "/" + text),
)
NAMES = ["a.example", "x.a.example", "y.x.a.example", "b.example"]
HOSTS = st.sampled_from(["*", "*.example", "*.a.example", *NAMES])
REQUEST_HOSTS = st.sampled_from(["", ".", "example", ".example", ".a.example", "z.y.x.a.example", "[::1]", *NAMES])
METHODS = st.lists(st.sampled_from(["GET", "POST"]), max_size=2, unique=True).map(tuple)
HEADERS = st.dictionaries(st.sampled_from(["X-Tenant", "x-tenant", "X-Kind"]), st.sampled_from("12"), max_size=2)
MATCHES = st.builds(MatchSettings, host=HOSTS, path=PATHS, methods=METHODS, headers=HEADERS)


@st.composite
def tables_and_heads(draw: st.DrawFn) -> tuple[list[MatchSettings], RequestHead]:
    """Draw routes, some of them alike, and a request that often has to do with them."""
    matches = draw(st.lists(MATCHES, max_size=6))
    matches = draw(st.permutations(matches + matches[:2]))
    configured = st.sampled_from([match.path for match in matches] or ["/"])
    below = st.builds(operator.add, configured, st.sampled_from(["", "/", "/a", "a", "%2F", "//\xe9"]))
    head = head_of(
        draw(st.one_of(below, RAW_PATHS)),
        method=draw(st.sampled_from(["GET", "POST", "PUT"])),
        host=draw(REQUEST_HOSTS),
        headers=tuple(draw(st.lists(st.tuples(st.sampled_from(["X-TENANT", "X-Kind"]), st.sampled_from("123"))))),
    )
    return matches, head


def table_of(*matches: dict[str, Any]) -> RouteTable[int]:
    """Return a table whose routes are known by their place."""
    return RouteTable((MatchSettings.model_validate(match), place) for place, match in enumerate(matches))


def naive(matches: list[MatchSettings], head: RequestHead) -> int | None:
    """Return the place of the best of all that match; of equals, the first."""
    best = None
    for place, match in enumerate(matches):
        if list(match.misfits(head)):
            continue
        if best is None or match.precedence > matches[best].precedence:
            best = place
    return best


@settings(max_examples=500)
@given(tables_and_heads())
def test_the_table_finds_what_looking_at_every_route_finds(drawn: tuple[list[MatchSettings], RequestHead]) -> None:
    matches, head = drawn
    table = RouteTable((match, place) for place, match in enumerate(matches))
    assert table.match(head) == naive(matches, head)


@given(tables_and_heads())
def test_an_explanation_gives_every_route_its_reason_and_one_the_choice(
    drawn: tuple[list[MatchSettings], RequestHead],
) -> None:
    matches, head = drawn
    table = RouteTable((match, place) for place, match in enumerate(matches))
    told = table.explain(head)
    assert [place for place, _ in told] == list(range(len(matches)))
    chosen = [place for place, reason in told if reason == "matches, and is the first choice"]
    assert chosen == [place for place in [table.match(head)] if place is not None]
    fits = [place for place, reason in told if reason.startswith("matches")]
    assert fits == [place for place, match in enumerate(matches) if not list(match.misfits(head))]


def test_the_longest_path_wins_whatever_the_order() -> None:
    table = table_of({"path": "/"}, {"path": "/a/b"}, {"path": "/a/"}, {"path": "/a"}, {"path": "/a/b/"})
    paths = ["/x", "/a", "/a/", "/a/x", "/a/bc", "/a/b", "/a/b/c"]
    assert [table.match(head_of(path)) for path in paths] == [0, 3, 2, 2, 2, 1, 4]


def test_a_longer_path_wins_over_a_more_exact_host() -> None:
    table = table_of({"path": "/", "host": "api.example"}, {"path": "/a/", "host": "*"})
    assert table.match(head_of("/a/x", host="api.example")) == 1


def test_the_exact_host_wins_then_the_longest_wildcard() -> None:
    table = table_of({}, {"host": "*.example"}, {"host": "*.api.example"}, {"host": "x.api.example"})
    hosts = ["x.api.example", "y.api.example", "api.example", ".example", "localhost", ""]
    assert [table.match(head_of(host=host)) for host in hosts] == [3, 2, 1, 0, 0, 0]


def test_a_host_that_takes_no_such_method_leaves_the_request_to_the_next() -> None:
    table = table_of({}, {"host": "*.example", "methods": ["GET"]}, {"host": "api.example", "methods": ["PUT"]})
    assert [table.match(head_of(method=method)) for method in ("PUT", "GET", "POST")] == [2, 1, 0]


def test_a_path_that_takes_no_such_header_leaves_the_request_to_the_next() -> None:
    table = table_of({"path": "/"}, {"path": "/a/", "headers": {"X-Tenant": "acme"}})
    assert table.match(head_of("/a/x")) == 0
    assert table.match(head_of("/a/x", headers=(("x-tenant", "acme"),))) == 1


def test_among_equals_the_first_wins() -> None:
    plain: dict[str, Any] = {"path": "/a/"}
    choosy = {**plain, "methods": ["GET"]}
    for first, second in ((plain, choosy), (plain, plain), (choosy, plain), (choosy, choosy)):
        assert table_of(first, second).match(head_of("/a/x")) == 0


def test_no_route_takes_what_none_matches() -> None:
    assert table_of().match(head_of("/")) is None
    assert table_of({"path": "/a"}).match(head_of("/b")) is None


@pytest.mark.parametrize("target", ["*", "", "x/a", "http://api.example/a"])
def test_no_route_takes_what_is_not_a_path(target: str) -> None:
    assert table_of({"path": "/"}, {"path": "/a"}).match(head_of(target)) is None


@pytest.mark.parametrize("order", [({"path": "/a/b/c"}, {"path": "/z"}), ({"host": "*.c.b.example"}, {"host": "*.z"})])
def test_a_short_route_does_not_hide_a_long_one(order: tuple[dict[str, Any], dict[str, Any]]) -> None:
    head = head_of("/a/b/c/d", host="d.c.b.example")
    for table in (table_of(*order), table_of(*reversed(order))):
        assert table.match(head) is not None


def test_an_explanation_says_why_another_route_came_first() -> None:
    table = table_of(
        {"path": "/a/"},
        {"path": "/"},
        {"path": "/a/", "host": "*.example"},
        {"path": "/a/", "host": "*.example"},
        {"path": "/b", "methods": ["PUT"]},
    )
    assert [reason for _, reason in table.explain(head_of("/a/x"))] == [
        "matches, but *.example is a more exact host",
        "matches, but /a/ is a longer path",
        "matches, and is the first choice",
        "matches, but another one stands before it",
        "does not match: the path does not begin with /b; the method is not PUT",
    ]


def steps(work: Callable[[], object]) -> int:
    """Return how many lines of the route table's code are run."""
    files = {route_module.__file__, match_module.__file__}
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        if frame.f_code.co_filename not in files:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "variant",
    [
        lambda place: {"path": f"/{place}/"},
        lambda place: {"path": f"/v1/{place}"},
        lambda place: {"host": f"h{place}.example"},
        lambda place: {"host": f"*.h{place}.example"},
        lambda place: {"headers": {"X-Tenant": str(place)}},
        lambda place: {"path": "/a/", "methods": [f"M{place}"]},
    ],
    ids=["path", "deeper path", "host", "wildcard", "header", "method"],
)
def test_ten_thousand_routes_cost_the_steps_of_one(variant: Callable[[int], dict[str, Any]]) -> None:
    one, many = table_of(variant(0)), table_of(*map(variant, range(10_000)))
    heads = [
        head_of(path, host=host, method=method, headers=(("X-Tenant", "0"),))
        for path in ("/0/x", "/v1/0/x/y", "/a/b", "/none/of/them")
        for host in ("h0.example", "x.h0.example", "other")
        for method in ("M0", "GET")
    ]
    for head in heads:
        assert many.match(head) == one.match(head)
        assert steps(lambda head=head: many.match(head)) == steps(lambda head=head: one.match(head)) > 0  # type: ignore[misc]  # a lambda's default


def test_a_request_of_many_segments_and_labels_costs_no_more_than_the_deepest_route() -> None:
    table = table_of({"path": "/a/b", "host": "*.api.example"}, {"path": "/a/"})
    long = head_of("/a/b" + "/b" * 10_000, host="x." * 10_000 + "api.example")
    short = head_of("/a/b/b", host="x.x.api.example")
    assert table.match(long) == table.match(short) == 0
    assert steps(lambda: table.match(long)) == steps(lambda: table.match(short))
