"""A token that is pushed is looked at: what the API would refuse, or take for somebody else's, is refused here."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any, Final

import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec

from proxy.core.errors import DependencyUnavailableError, UserTokenRefusedError
from proxy.core.secret import Secret
from proxy.core.token import Token
from proxy.credentials.user_token import UserTokenSettings
from proxy.net.endpoint import Endpoint
from proxy.net.runtime import Runtime
from proxy.users.inspection import LONGEST, Inspector, issued_at, looks_like_jwt
from tests.fakes.clock import FakeClock
from tests.fakes.token_server import TokenServer

KEY: Final = ec.generate_private_key(ec.SECP256R1())
OTHER: Final = ec.generate_private_key(ec.SECP256R1())
SYMMETRIC: Final = "0123456789abcdef0123456789abcdef"


class Room:
    """An issuer on a real socket, and tokens that it could have issued."""

    def __init__(self, server: TokenServer) -> None:
        self.server = server
        keys = [jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True)]
        server.knobs.body = json.dumps({"keys": keys})
        self.clock = FakeClock()
        self.runtime = Runtime(self.clock, lambda name, error: None)
        self.endpoint = Endpoint(self.clock)

    def inspector(self, **verify: Any) -> Inspector:
        settings = UserTokenSettings.model_validate({"kind": "user_token", "verify": verify})
        return Inspector("crm", settings, self.endpoint, self.runtime)

    def strict(self, **more: Any) -> Inspector:
        rules = {"issuer": "https://id.example", "audience": "crm-api", "jwks_url": self.server.url}
        return self.inspector(**{**rules, **more})

    def token(self, key: Any = KEY, algorithm: str = "ES256", **claims: Any) -> str:
        said = {"iss": "https://id.example", "aud": "crm-api", "sub": "ann", "exp": self.clock.now() + 600}
        kept = {name: value for name, value in (said | claims).items() if value is not None}
        return jwt.encode(kept, key, algorithm)


@pytest_asyncio.fixture
async def room() -> AsyncIterator[Room]:
    async with TokenServer() as server:
        made = Room(server)
        yield made
        await made.runtime.close()
        await made.endpoint.close()


async def test_a_jwt_is_good_until_it_ends_and_is_used_from_now_on(room: Room) -> None:
    value = room.token(iat=room.clock.now() - 300)
    token = await room.strict().inspect(value, "ann")
    assert (token.value.reveal(), token.issued_at, token.expires_at) == (
        value,
        room.clock.now(),
        room.clock.now() + 600,
    )
    assert issued_at(token) == room.clock.now() - 300


async def test_keys_are_asked_for_once(room: Room) -> None:
    inspector = room.strict()
    for _ in range(5):
        await inspector.inspect(room.token(), "ann")
    assert room.server.count == 1


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"sub": "ben"}, "another user's"),
        ({"sub": None}, "another user's"),
        ({"aud": "billing-api"}, "another audience"),
        ({"aud": None}, "another audience"),
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"exp": 1_800_000_000 - 1}, "has expired"),
        ({"exp": 1_700_000_000}, "has expired"),
        ({"exp": None}, "does not say when it expires"),
        ({"exp": "soon"}, "is no date"),
        ({"nbf": 1_900_000_000}, "not valid yet"),
        ({"iat": 1_900_000_000}, "not valid yet"),
    ],
)
async def test_a_jwt_that_says_the_wrong_thing_is_refused(room: Room, claims: dict[str, Any], words: str) -> None:
    value = room.token(**claims)
    with pytest.raises(UserTokenRefusedError, match=words) as caught:
        await room.strict().inspect(value, "ann")
    assert caught.value.members == {"credential": "crm"}
    assert value not in str(caught.value)


async def test_a_jwt_that_its_issuer_did_not_sign_is_refused(room: Room) -> None:
    strict = room.strict()
    head, claims, signature = room.token().split(".")
    for forged in (
        room.token(OTHER),
        room.token(SYMMETRIC, "HS256"),
        room.token(None, "none"),
        f"{head}.{claims}.",
        f"{head}.{room.token(sub='ben').split('.')[1]}.{signature}",
    ):
        with pytest.raises(UserTokenRefusedError, match="sign"):
            await strict.inspect(forged, "ann")


async def test_where_nobody_can_check_its_signature_a_jwt_still_may_not_name_another_user_or_be_over(
    room: Room,
) -> None:
    inspector = room.inspector()
    assert (await inspector.inspect(room.token(SYMMETRIC, "HS256"), "ann")).expires_at == room.clock.now() + 600
    for bad in (room.token(sub="ben"), room.token(exp=1.0), room.token(None, "none"), "eyJ.not.jwt"):
        with pytest.raises(UserTokenRefusedError):
            await inspector.inspect(bad, "ann")


async def test_a_jwt_is_known_however_its_header_is_written(room: Room) -> None:
    _, claims, signature = room.token(SYMMETRIC, "HS256", sub="ben").split(".")
    for header in (b'{ "alg": "HS256"}', b'\n{"alg":"HS256"}', b'{\t"alg":"HS256"}'):
        spaced = base64.urlsafe_b64encode(header).rstrip(b"=").decode()
        with pytest.raises(UserTokenRefusedError, match="another user's"):
            await room.inspector().inspect(f"{spaced}.{claims}.{signature}", "ann")


@pytest.mark.parametrize("value", ["a.b.c", "1.2.3", "e30", "e30.e30", "e30.e30.e30.e30.e30", "é.é.é", "..", "[.].]"])
def test_what_only_has_dots_is_no_jwt(value: str) -> None:
    assert not looks_like_jwt(value)


async def test_of_two_that_say_when_they_were_issued_the_older_one_is_refused(room: Room) -> None:
    def at(issued: float | None) -> Token:
        return Token(Secret("opaque" if issued is None else room.token(iat=issued)), room.clock.now())

    now = room.clock.now()
    with pytest.raises(UserTokenRefusedError, match="issued later"):
        room.inspector().check_age(at(now - 1), at(now))
    for token, in_use in ((now, now), (now, now - 1), (None, now), (now, None), (None, None)):
        room.inspector().check_age(at(token), at(in_use))
    room.inspector(shape="opaque").check_age(at(now - 1), at(now))


async def test_an_operator_may_let_subjects_be_other_ids(room: Room) -> None:
    token = await room.strict(subject="any").inspect(room.token(sub="crm-4711"), "ann")
    assert token.expires_at is not None


async def test_what_is_no_jwt_is_taken_as_it_is_unless_it_has_to_be_one(room: Room) -> None:
    assert (await room.inspector().inspect("opaque-0815", "ann")).expires_at is None
    assert (await room.inspector(shape="opaque").inspect(room.token(sub="ben"), "ann")).expires_at is None
    for strict in (room.inspector(shape="jwt"), room.inspector(audience="crm-api"), room.strict()):
        with pytest.raises(UserTokenRefusedError, match="not a signed JWT"):
            await strict.inspect("opaque-0815", "ann")


async def test_a_token_is_used_no_longer_than_the_operator_lets_it(room: Room) -> None:
    now = room.clock.now()
    assert (await room.inspector(max_lifetime="1m").inspect("opaque-0815", "ann")).expires_at == now + 60
    assert (await room.strict(max_lifetime="1m").inspect(room.token(), "ann")).expires_at == now + 60
    assert (await room.strict(max_lifetime="1h").inspect(room.token(), "ann")).expires_at == now + 600
    assert (await room.strict(max_lifetime="1h").inspect(room.token(exp=None), "ann")).expires_at == now + 3600


@pytest.mark.parametrize("value", ["", "two\r\nlines", "two\nlines", "nul\0", "tab\t", "\x1b[2J", "x" * (LONGEST + 1)])
async def test_what_cannot_stand_in_a_request_is_refused(room: Room, value: str) -> None:
    with pytest.raises(UserTokenRefusedError) as caught:
        await room.inspector().inspect(value, "ann")
    assert not value or value not in caught.value.detail


async def test_while_the_issuers_keys_cannot_be_had_nothing_is_said_of_the_token(room: Room) -> None:
    room.server.knobs.status = 404
    with pytest.raises(DependencyUnavailableError) as caught:
        await room.strict().inspect(room.token(), "ann")
    assert caught.value.retry_after is not None


@pytest.mark.parametrize("value", ["opaque", "eyJ.x.y", "eyJhbGciOiJub25lIn0.eyJpYXQiOjF9."])
def test_what_says_nothing_of_when_it_was_issued_was_issued_at_no_time(value: str) -> None:
    assert issued_at(Token(Secret(value), 0.0)) is None
