import pytest
from pydantic import ValidationError

from proxy.admin.operations import OPERATIONS
from proxy.admin.views import BREAKERS, STATES, StoreView, View
from proxy.core.breaker import BreakerState
from proxy.core.token import TokenState


def test_every_view_says_what_it_is() -> None:
    views = {operation.shows for operation in OPERATIONS} | set(View.__subclasses__())
    assert all(view.__doc__ and view.__doc__ != View.__doc__ for view in views)


def test_a_view_shows_nothing_that_is_not_documented() -> None:
    with pytest.raises(ValidationError):
        StoreView.model_validate({"kind": "memory", "up": True, "password": "MARKER"})


def test_the_words_for_circuits_and_tokens_are_those_of_the_core() -> None:
    assert set(BREAKERS) == {state.name.lower() for state in BreakerState}
    assert set(STATES) == {state.value for state in TokenState} | {"none"}
