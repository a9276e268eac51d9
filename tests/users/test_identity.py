"""A user id counts only with a proof, and a proof that is wrong is refused whatever else is shown."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.errors import DependencyUnavailableError, UserRequiredError, UserUnprovenError
from proxy.core.person import Person
from proxy.core.secret import Secret
from proxy.net.endpoint import Endpoint
from proxy.net.jwks import COOLDOWN
from proxy.net.runtime import Runtime
from proxy.users import identity
from proxy.users.identity import Claim, Identifier, claimed, user_hash
from proxy.users.settings import UsersSettings
from tests.fakes.clock import FakeClock
from tests.fakes.heads import head_of
from tests.fakes.token_server import TokenServer

SECRET: Final = Secret("0123456789abcdef0123456789abcdef")
HASH: Final = user_hash("ann", SECRET)
KEY: Final = ec.generate_private_key(ec.SECP256R1())
OTHER: Final = ec.generate_private_key(ec.SECP256R1())


def key_set(key: ec.EllipticCurvePrivateKey, **more: str) -> str:
    return json.dumps({"keys": [{**jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True), **more}]})


async def nothing() -> Mapping[str, Secret]:
    return {}


def somebody(user: str) -> Person:
    return Person(user, f"pseudonym-of-{user}", nothing)


class Room:
    """An issuer on a real socket, and a proxy that believes it."""

    def __init__(self, server: TokenServer, **settings: Any) -> None:
        self.server = server
        server.knobs.body = key_set(KEY)
        self.clock = FakeClock()
        self.runtime = Runtime(self.clock, lambda name, error: None)
        self.endpoint = Endpoint(self.clock)
        issuer = {"issuer": "https://id.example", "audience": "countersign", "jwks_url": server.url}
        self.settings = UsersSettings.model_validate(
            {"identity_secret": SECRET, "issuers": {"id": {**issuer, **settings}}}
        )
        self.identifier = Identifier(self.settings, self.endpoint, self.runtime, somebody)

    def token(self, key: ec.EllipticCurvePrivateKey = KEY, *, key_id: str | None = None, **claims: Any) -> str:
        said = {"iss": "https://id.example", "aud": "countersign", "sub": "ann", "exp": self.clock.now() + 600}
        return jwt.encode(said | claims, key, "ES256", None if key_id is None else {"kid": key_id})

    def known(self, claim: Claim, *, believed: bool) -> str | None:
        person = self.identifier.known(claim, believed=believed)
        return None if person is None else person.id

    async def find(self, claim: Claim, *, believed: bool = False) -> str:
        return (await self.identifier.find(claim, believed=believed)).id


@pytest_asyncio.fixture
async def room() -> AsyncIterator[Room]:
    async with TokenServer() as server:
        made = Room(server)
        yield made
        await made.runtime.close()
        await made.endpoint.close()


def test_a_request_claims_what_its_headers_say() -> None:
    head = head_of(headers=(("x-countersign-user", "ann"), ("X-Countersign-User-Hash", HASH)))
    assert claimed(head) == Claim("ann", HASH)
    assert claimed(head_of(headers=(("X-Countersign-User-Token", "a.b.c"),))) == Claim(token="a.b.c")
    assert claimed(head_of(headers=(("Authorization", "x"),))) == Claim()


def test_a_request_that_claims_two_things_is_refused() -> None:
    with pytest.raises(UserUnprovenError, match="more than once"):
        claimed(head_of(headers=(("X-Countersign-User", "ann"), ("x-countersign-user", "ben"))))


def test_a_claim_shows_nothing_of_its_proof() -> None:
    assert HASH not in repr(Claim("ann", HASH, "secret.jwt.here"))


async def test_the_hash_of_the_id_proves_it_at_once(room: Room) -> None:
    assert room.known(Claim("ann", HASH), believed=False) == "ann"
    assert room.known(Claim("ann", HASH.upper()), believed=False) == "ann"


async def test_a_hash_that_was_right_is_reckoned_once_and_a_wrong_one_each_time(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    reckoned: list[str] = []

    def counted(user: str, secret: Secret) -> str:
        reckoned.append(user)
        return user_hash(user, secret)

    monkeypatch.setattr(identity, "user_hash", counted)
    for _ in range(3):
        assert room.known(Claim("ann", HASH), believed=False) == "ann"
        with pytest.raises(UserUnprovenError):
            room.known(Claim("ben", HASH), believed=False)
    assert reckoned == ["ann", "ben", "ben", "ben"]


async def test_what_a_believed_caller_says_proves_nothing_for_others(room: Room) -> None:
    assert room.known(Claim("ann"), believed=True) == "ann"
    with pytest.raises(UserUnprovenError, match="send a proof"):
        room.known(Claim("ann"), believed=False)


async def test_a_caller_that_may_act_for_any_user_needs_no_proof(room: Room) -> None:
    assert await room.find(Claim("ben"), believed=True) == "ben"


async def test_a_token_of_the_issuer_proves_who_its_subject_is(room: Room) -> None:
    claim = Claim(token=room.token())
    assert room.known(claim, believed=False) is None
    assert await room.find(claim) == "ann"
    assert room.known(claim, believed=False) == "ann"
    assert len(room.server.requests) == 1


async def test_a_token_counts_until_it_ends_and_not_longer(room: Room) -> None:
    claim = Claim(token=room.token())
    await room.find(claim)
    await room.clock.advance(minutes=11)
    with pytest.raises(UserUnprovenError, match="has expired"):
        room.known(claim, believed=False)


async def test_a_key_that_the_issuer_has_rotated_in_is_asked_for(room: Room) -> None:
    room.server.knobs.body = key_set(KEY, kid="old")
    await room.find(Claim(token=room.token(key_id="old")))
    room.server.knobs.body = key_set(OTHER, kid="new")
    await room.clock.advance(seconds=COOLDOWN)
    assert await room.find(Claim(token=room.token(OTHER, key_id="new"))) == "ann"
    assert len(room.server.requests) == 2


async def test_another_claim_may_name_the_user() -> None:
    async with TokenServer() as server:
        room = Room(server, user_claim="email")
        assert await room.find(Claim(token=room.token(email="ann@mail.example"))) == "ann@mail.example"
        with pytest.raises(UserUnprovenError, match="does not say in `email`"):
            await room.find(Claim(token=room.token()))
        await room.runtime.close()
        await room.endpoint.close()


async def test_without_an_id_the_request_is_told_that_one_is_needed(room: Room) -> None:
    with pytest.raises(UserRequiredError, match="X-Countersign-User"):
        await room.find(Claim())
    with pytest.raises(UserRequiredError):
        await room.find(Claim(user_hash=HASH), believed=True)


@pytest.mark.parametrize("believed", [True, False])
async def test_what_is_shown_and_wrong_is_refused_whoever_shows_it(room: Room, believed: bool) -> None:
    token = room.token()
    for claim, why in [
        (Claim("ben", HASH), "not the hash"),
        (Claim("ann", ""), "not the hash"),
        (Claim("ann", HASH[:-1]), "not the hash"),
        (Claim("ann", "é" * 64), "not the hash"),
        (Claim("ben", token=token), "different users"),
        (Claim("ann", user_hash("ben", SECRET), token), "not the hash"),
        (Claim(token="no.jwt"), "not a signed JWT"),
        (Claim(token=room.token(iss="https://evil.example")), "is not configured"),
        (Claim(token=room.token(OTHER)), "no key of its issuer"),
        (Claim(token=room.token(aud="other")), "another audience"),
        (Claim(token=room.token(exp=1)), "has expired"),
        (Claim(token=room.token(sub=None)), "who the user is"),
        (
            Claim(token=jwt.encode({"iss": "https://id.example", "sub": "ann"}, "", "none")),
            "not signed|signed in a way",
        ),
    ]:
        with pytest.raises(UserUnprovenError, match=why):
            await room.find(claim, believed=believed)


async def test_an_id_alone_proves_nothing(room: Room) -> None:
    with pytest.raises(UserUnprovenError, match="send a proof"):
        await room.find(Claim("ann"))


async def test_without_a_secret_no_hash_proves_anything(room: Room) -> None:
    bare = Identifier(UsersSettings(), room.endpoint, room.runtime, somebody)
    with pytest.raises(UserUnprovenError, match="identity_secret"):
        bare.known(Claim("ann", user_hash("ann", Secret(""))), believed=False)


async def test_while_an_issuers_keys_cannot_be_had_nobody_is_told_where_they_are(room: Room) -> None:
    room.server.knobs.status = 404
    with pytest.raises(DependencyUnavailableError) as caught:
        await room.find(Claim(token=room.token()))
    assert caught.value.retry_after == COOLDOWN
    assert "127.0.0.1" not in caught.value.detail


async def test_a_token_does_not_outlive_by_long_the_key_that_its_issuer_withdraws(room: Room) -> None:
    room.server.knobs.body = key_set(KEY, kid="stolen")
    claim = Claim(token=room.token(key_id="stolen", exp=room.clock.now() + 30 * 86_400))
    await room.find(claim)
    room.server.knobs.body = key_set(OTHER, kid="new")
    await room.clock.advance(seconds=max(COOLDOWN, identity.TRUSTED - 1))
    await room.find(Claim(token=room.token(OTHER, key_id="new")))
    assert room.known(claim, believed=False) == "ann"
    await room.clock.advance(seconds=1)
    with pytest.raises(UserUnprovenError, match="no key of its issuer"):
        await room.find(claim)


@pytest.mark.parametrize("user", ["", "a" * 257, "a\nb", "a\x00"])
async def test_an_id_is_a_short_line(room: Room, user: str) -> None:
    with pytest.raises(UserUnprovenError, match="printable"):
        await room.find(Claim(user), believed=True)


def test_no_more_proofs_are_remembered_than_users() -> None:
    settings = UsersSettings.model_validate({"identity_secret": SECRET, "remembered": 3})
    identifier = Identifier(settings, Endpoint(FakeClock()), Runtime(FakeClock(), lambda name, error: None), somebody)
    for user in ("ann", "ben", "cat", "dan"):
        assert identifier.known(Claim(user, user_hash(user, SECRET)), believed=False) == somebody(user)
    assert [person.id for person in identifier._hashes.values()] == ["ben", "cat", "dan"]


@given(st.text(min_size=1, max_size=20), st.text(max_size=70))
def test_no_guess_at_a_hash_proves_an_id(user: str, guess: str) -> None:
    identifier = Identifier(
        UsersSettings.model_validate({"identity_secret": SECRET}),
        Endpoint(FakeClock()),
        Runtime(FakeClock(), lambda name, error: None),
        somebody,
    )
    with pytest.raises(UserUnprovenError):
        identifier.known(Claim(user, guess), believed=False)
