"""How many rejected tokens are renewed in a row."""

from proxy.tokens.allowance import REGAINED_IN, RENEWALS, Allowance


def spent(now: float) -> Allowance:
    allowance = Allowance()
    for generation in range(1, 1 + RENEWALS):
        assert allowance.is_left(now)
        allowance.spend(now, generation)
    return allowance


def test_a_few_renewals_follow_each_other_at_once_and_then_none() -> None:
    assert not spent(50.0).is_left(50.0)


def test_one_more_is_allowed_after_each_while() -> None:
    allowance = spent(50.0)
    assert not allowance.is_left(50.0 + REGAINED_IN - 0.1)
    now = 50.0 + REGAINED_IN
    assert allowance.is_left(now)
    allowance.spend(now, RENEWALS + 1)
    assert not allowance.is_left(now)
    assert allowance.is_left(now + REGAINED_IN)


def test_asking_costs_nothing() -> None:
    allowance = Allowance()
    assert all(allowance.is_left(0.0) for _ in range(100))


def test_a_long_rest_gives_everything_back_and_no_more() -> None:
    allowance = spent(0.0)
    for number in range(RENEWALS):
        assert allowance.is_left(10_000.0)
        allowance.spend(10_000.0, RENEWALS + 1 + number)
    assert not allowance.is_left(10_000.0)


def test_one_renewal_counts_once_however_often_it_is_heard_of() -> None:
    allowance = Allowance()
    for _ in range(100):
        allowance.spend(50.0, 7)
    assert allowance.is_left(50.0)
