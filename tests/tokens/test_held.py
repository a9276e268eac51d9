"""A token in hand is rendered once, and shows nothing of itself."""

import pytest

from proxy.core.errors import FetchError, Reason
from proxy.core.message import NOTHING
from proxy.core.secret import Secret
from proxy.core.token import FOREVER, Lifetime, Token, TokenState
from proxy.injectors.header import Header, HeaderSettings
from proxy.injectors.query import Query, QuerySettings
from proxy.tokens.held import hold

TOKEN = Token(Secret("planted-value"), 1000.0, 1300.0, 3)
INJECTORS = (
    Header(HeaderSettings(kind="header", name="Authorization", prefix="Bearer ")),
    Query(QuerySettings(kind="query", name="key")),
)


def test_every_injector_adds_its_part() -> None:
    held = hold(TOKEN, INJECTORS, Lifetime(1200.0, 1300.0))
    assert held.injection.lines == b"Authorization: Bearer planted-value\r\n"
    assert held.injection.query == b"key=planted-value"
    assert held.token is TOKEN


def test_a_credential_without_injectors_adds_nothing() -> None:
    assert hold(TOKEN, (), FOREVER).injection is NOTHING


def test_it_knows_its_age() -> None:
    held = hold(TOKEN, (), Lifetime(1200.0, 1300.0))
    assert [held.state(now) for now in (1199.0, 1200.0, 1300.0)] == [
        TokenState.FRESH,
        TokenState.STALE,
        TokenState.EXPIRED,
    ]


@pytest.mark.parametrize("bad", ["planted\r\nX: 1", "planted\nx", "planted\x00"])
def test_a_token_that_must_not_stand_in_a_header_is_a_malformed_response(bad: str) -> None:
    with pytest.raises(FetchError) as caught:
        hold(Token(Secret(bad), 1000.0), INJECTORS, FOREVER)
    assert caught.value.reason is Reason.MALFORMED_RESPONSE
    assert "planted" not in str(caught.value)


def test_it_shows_no_secret() -> None:
    assert "planted" not in repr(hold(TOKEN, INJECTORS, FOREVER))
