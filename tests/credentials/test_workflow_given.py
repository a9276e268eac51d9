"""Who lives on what another one saves has it run when that makes no new token."""

from collections.abc import Mapping

import pytest

from proxy.core.errors import FetchError, Reason
from proxy.core.secret import Secret
from proxy.core.token import NO_VARIABLES, Token
from proxy.credentials.workflow_given import from_giver

OLD = {"KEY": Secret("old")}


class Giver:
    """Has a token, and makes a new one when it runs."""

    def __init__(self) -> None:
        self.asked: list[bool] = []

    async def __call__(self, *, fresh: bool) -> Token:
        self.asked.append(fresh)
        return Token(Secret("new" if True in self.asked else "old"), 0.0)


def make(given: Token, former: Mapping[str, Secret]) -> Token:
    return Token(Secret(f"of-{given.value.reveal()}"), 0.0, variables=former)


async def test_what_the_giver_has_will_do_at_first() -> None:
    giver = Giver()
    token = await from_giver(giver, None, make, renews=False)
    assert (token.value.reveal(), token.variables, giver.asked) == ("of-old", NO_VARIABLES, [False])


async def test_a_giver_whose_token_makes_the_same_again_is_made_to_run() -> None:
    giver = Giver()
    token = await from_giver(giver, Token(Secret("of-old"), 0.0, variables=OLD), make, renews=False)
    assert (token.value.reveal(), token.variables, giver.asked) == ("of-new", OLD, [False, True])


@pytest.mark.parametrize(
    ("variables", "renews", "asked"),
    [(NO_VARIABLES, False, [True]), (OLD, False, [False]), (OLD, True, [True])],
)
async def test_what_was_revoked_is_not_asked_for_again(
    variables: Mapping[str, Secret], renews: bool, asked: list[bool]
) -> None:
    giver = Giver()
    await from_giver(giver, Token(Secret(""), 0.0, variables=variables), make, renews=renews)
    assert giver.asked == asked


async def test_without_a_giver_there_is_nothing() -> None:
    with pytest.raises(FetchError, match="it has no steps") as caught:
        await from_giver(None, None, make, renews=False)
    assert (caught.value.reason, caught.value.permanent, caught.value.asked) == (Reason.NO_REFRESH_TOKEN, False, False)
