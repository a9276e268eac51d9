"""The judge of assertions believes what is signed, timely, new and for it, and nothing else."""

from typing import Any

import jwt
import pytest

from tests.fakes import keys
from tests.fakes.assertions import Judge, RefusedError, said

NOW = 1_800_000_000


def assertion(sort: str = "p256", number: int = 0, **claims: Any) -> str:
    told = {"iss": "me", "aud": "here", "iat": NOW - 10, "exp": NOW + 290, "jti": "1", **claims}
    told = {name: value for name, value in told.items() if value is not None}
    return jwt.encode(told, keys.key(sort, number), "ES256")


def judged(judge: Judge, token: str, algorithm: str = "ES256") -> Any:
    return judge.judge(token, keys.key("p256").public_key(), {algorithm}, {"here"}, NOW)


def test_what_is_in_order_counts_once() -> None:
    judge = Judge()
    assert judged(judge, assertion())["iss"] == "me"
    with pytest.raises(RefusedError, match="seen before"):
        judged(judge, assertion())
    assert (len(judge.accepted), judge.refusals) == (1, ["it has been seen before"])


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"number": 1}, "Signature verification failed"),
        ({"aud": "elsewhere"}, "Audience"),
        ({"iat": NOW + 1}, "not the time"),
        ({"exp": NOW}, "not the time"),
        ({"iat": NOW - 3500, "exp": NOW + 200}, "too long"),
        ({"jti": None}, "jti"),
        ({"exp": None}, "exp"),
    ],
)
def test_what_is_not_is_refused(claims: dict[str, Any], why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        judged(Judge(), assertion(**claims))


def test_another_algorithm_and_an_unknown_signer_are_refused() -> None:
    with pytest.raises(RefusedError, match="alg"):
        judged(Judge(), assertion(), "RS256")
    with pytest.raises(RefusedError, match="nobody is known"):
        Judge().judge(assertion(), None, {"ES256"}, {"here"}, NOW)


def test_what_it_says_can_be_read_whether_it_is_true_or_not() -> None:
    assert said(assertion(number=1))["iss"] == "me"
    assert said("nonsense") == {}
