"""The first of a route's callers that knows its proof is who calls; nobody else gets in."""

import pytest

from proxy.callers.anonymous import Anonymous, AnonymousSettings
from proxy.callers.api_key import ApiKey, ApiKeySettings, KeyRing, hash_key
from proxy.callers.base import Caller
from proxy.core.errors import CallerForbiddenError, CallerUnauthenticatedError
from proxy.core.message import RequestHead
from proxy.core.principal import Principal
from proxy.gateway.identify import identify
from tests.fakes.heads import head_of


def api_key(name: str, *keys: str) -> ApiKey:
    return ApiKey(name, ApiKeySettings(kind="api_key", keys=tuple(map(hash_key, keys))))


BACKEND = api_key("backend", "backend-key", "shared-key")
CI = api_key("ci", "ci-key", "shared-key")
LOCAL = Anonymous("local", AnonymousSettings(kind="anonymous"))
ALL: tuple[Caller, ...] = (BACKEND, CI, LOCAL)


def showing(key: str, *, header: str = "X-Countersign-Key", peer: str = "127.0.0.1") -> RequestHead:
    return head_of(headers=((header, key),), peer=peer)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Proxy-Authorization", "Bearer backend-key"),
        ("X-Countersign-Key", "backend-key"),
        ("Authorization", "Bearer backend-key"),
    ],
)
def test_a_caller_is_known_by_its_key_and_the_header_that_carried_it_is_noted(header: str, value: str) -> None:
    principal = identify(showing(value, header=header), (BACKEND,), ALL)
    assert principal == Principal("backend", "api_key", frozenset({header.lower().encode()}))


def test_the_route_s_order_decides_between_callers_that_share_a_key() -> None:
    assert identify(showing("shared-key"), (BACKEND, CI), ALL).name == "backend"
    assert identify(showing("shared-key"), (CI, BACKEND), ALL).name == "ci"


def test_a_later_caller_of_the_route_is_asked_when_an_earlier_one_does_not_know_the_proof() -> None:
    assert identify(showing("ci-key"), (BACKEND, CI), ALL).name == "ci"
    assert identify(head_of(), (BACKEND, LOCAL), ALL).name == "local"


def test_whoever_shows_a_key_is_known_by_it_though_the_route_asks_for_none() -> None:
    for allowed in ((LOCAL, BACKEND), (BACKEND, LOCAL)):
        principal = identify(showing("Bearer backend-key", header="Authorization"), allowed, ALL)
        assert principal == Principal("backend", "api_key", frozenset({b"authorization"}))
        assert identify(showing("wrong-key"), allowed, ALL).name == "local"


def test_a_known_caller_that_may_not_use_the_route_is_told_so() -> None:
    with pytest.raises(CallerForbiddenError, match="'ci' may not use this route"):
        identify(showing("ci-key"), (BACKEND,), ALL)


@pytest.mark.parametrize("head", [head_of(), showing("wrong-key"), showing("", header="Authorization")])
def test_nobody_gets_in_without_a_proof_and_the_way_to_show_one_is_told(head: RequestHead) -> None:
    with pytest.raises(CallerUnauthenticatedError, match="X-Countersign-Key") as caught:
        identify(head, (BACKEND, CI), ALL)
    assert "wrong-key" not in str(caught.value)


def test_being_known_to_the_route_only_without_proof_is_not_to_be_forbidden() -> None:
    with pytest.raises(CallerUnauthenticatedError):
        identify(head_of(), (BACKEND,), ALL)


def test_a_caller_from_another_machine_is_not_local() -> None:
    with pytest.raises(CallerUnauthenticatedError):
        identify(head_of(peer="192.0.2.7"), (LOCAL,), ALL)


def test_a_route_that_nobody_may_use_lets_nobody_in() -> None:
    with pytest.raises(CallerForbiddenError):
        identify(showing("backend-key"), (), ALL)
    with pytest.raises(CallerUnauthenticatedError):
        identify(head_of(), (), ALL)


def test_a_key_never_goes_upstream_whoever_it_belongs_to() -> None:
    ring = KeyRing(ALL)
    head = head_of(headers=(("Authorization", "Bearer ci-key"), ("X-Countersign-Key", "backend-key")))
    principal = identify(head, (BACKEND,), ALL, ring)
    assert principal.name == "backend"
    assert principal.proof_headers == {b"authorization", b"x-countersign-key"}
    unproven = identify(showing("ci-key"), (LOCAL,), ALL, ring)
    assert (unproven.name, unproven.proof_headers) == ("local", frozenset({b"x-countersign-key"}))


def test_a_header_that_carries_no_key_stays_the_callers() -> None:
    ring = KeyRing(ALL)
    head = head_of(headers=(("Authorization", "Bearer of-the-api"),))
    for _ in range(2):
        assert identify(head, (LOCAL,), ALL, ring).proof_headers == frozenset()
