"""A record is followed by the next one, and of two the later one counts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.errors import Reason
from proxy.core.secret import Secret
from proxy.core.token import Token
from proxy.tokens.failures import Failure
from proxy.tokens.record import NOTHING, STEPS, TokenRecord

NOW = 1_800_000_000.0
OURS = "0123456789abcdef"
FAILURE = Failure(Reason.PROVIDER_5XX, "the provider is failing", permanent=False, until=1_010.0)


def token(value: str = "planted-1", issued_at: float = NOW, lifetime: float | None = 300.0) -> Token:
    expires_at = None if lifetime is None else issued_at + lifetime
    return Token(Secret(value), issued_at, expires_at, 7, {"refresh_token": Secret("planted-refresh")})


def failed(reason: Reason) -> Failure:
    return replace(FAILURE, reason=reason)


RECORD = TokenRecord(OURS, 7, token=token())
STEP = {
    "reject": lambda record: record.reject(NOW),
    "revoke": lambda record: record.revoke(durable=False),
    "revoke what is durable": lambda record: record.revoke(durable=True),
    "spend": lambda record: record.spend(1_000.0),
    "carry": lambda record: record.carry({"refresh_token": Secret("planted-next")}, NOW),
    "fail": lambda record: record.fail(FAILURE, OURS),
    "succeed": lambda record: record.succeed(token("planted-2"), OURS, NOW),
}


def followed(record: TokenRecord, step: str) -> TokenRecord:
    """Return what comes of it, and assert that it is a record."""
    after = STEP[step](record)
    assert isinstance(after, TokenRecord)
    return after


@given(st.lists(st.sampled_from(sorted(STEP)), min_size=1, max_size=20))
def test_each_step_counts_more_than_the_one_before(steps: list[str]) -> None:
    record = NOTHING
    for step in steps:
        after = followed(record, step)
        assert after.order > record.order, step
        record = after


@given(st.lists(st.sampled_from([step for step in STEP if step != "succeed"]), max_size=20), st.integers(0, STEPS * 2))
def test_a_newer_token_counts_more_than_whatever_is_said_of_an_older_one(steps: list[str], step: int) -> None:
    record = replace(RECORD, step=step)
    newer = record.succeed(token("planted-2"), OURS, NOW)
    for name in steps:
        record = followed(record, name)
    assert newer.order > record.order


@pytest.mark.parametrize("step", [name for name in STEP if name != "succeed"])
def test_steps_never_run_into_the_next_generation(step: str) -> None:
    last = replace(RECORD, step=STEPS - 1)
    assert followed(last, step).order == last.order == 8 * STEPS - 1
    assert followed(last, "succeed").order == 8 * STEPS


def test_the_highest_order_fits_into_a_store() -> None:
    assert TokenRecord(generation=2**32, step=STEPS).order < 2**53


@pytest.mark.parametrize("step", STEP)
def test_a_record_itself_never_changes(step: str) -> None:
    before = TokenRecord(OURS, 7, 3, token(), trusted=100.0)
    followed(before, step)
    assert before == TokenRecord(OURS, 7, 3, token(), trusted=100.0)


@pytest.mark.parametrize("step", STEP)
def test_what_follows_a_damaged_record_can_be_read(step: str) -> None:
    damaged = TokenRecord(generation=7, step=3, is_damaged=True)
    assert not followed(damaged, step).is_damaged


def test_nobody_has_ever_fetched_a_token_at_first() -> None:
    assert (NOTHING.order, NOTHING.token, NOTHING.issued_at, NOTHING.variables) == (0, None, 0.0, {})
    assert NOTHING.is_revoked


def test_it_tells_what_its_token_carries_and_when_that_was_issued() -> None:
    assert RECORD.issued_at == NOW
    assert RECORD.variables == {"refresh_token": Secret("planted-refresh")}
    assert not RECORD.is_revoked


def test_a_record_is_blank_that_says_nothing_of_a_token_nor_that_it_is_gone() -> None:
    damaged = TokenRecord(generation=7, step=3, is_damaged=True)
    for blank in (NOTHING, damaged, damaged.fail(FAILURE, OURS), damaged.spend(1.0).fail(FAILURE, OURS)):
        assert blank.is_blank
    for other in (RECORD, RECORD.reject(NOW), RECORD.revoke(durable=True), RECORD.revoke(durable=False)):
        assert not other.is_blank


# Rejected and revoked


def test_a_rejected_token_goes_out_of_use_and_what_it_carries_stays() -> None:
    rejected = RECORD.reject(NOW)
    assert rejected == replace(RECORD, step=1, is_rejected=True)
    assert not rejected.is_revoked


def test_a_rejection_teaches_at_what_age_the_token_ended() -> None:
    assert RECORD.reject(NOW + 120.0).trusted == 120.0


def test_a_token_without_expiry_that_was_rejected_teaches_its_age_too() -> None:
    assert TokenRecord(OURS, 7, token=token(lifetime=None)).reject(NOW + 5000.0).trusted == 5000.0


@pytest.mark.parametrize(("age", "trusted"), [(29.0, None), (-60.0, None), (300.0, 80.0)])
def test_a_rejection_that_is_not_about_age_teaches_none(age: float, trusted: float | None) -> None:
    assert replace(RECORD, trusted=80.0).reject(NOW + age).trusted == trusted


def test_there_may_be_no_token_to_reject() -> None:
    assert replace(NOTHING, trusted=80.0).reject(NOW) == TokenRecord(step=1, is_rejected=True, trusted=80.0)


def test_a_revoked_token_is_forgotten_with_all_that_it_carries() -> None:
    revoked = RECORD.revoke(durable=False)
    assert revoked == replace(RECORD, step=1, token=None, is_rejected=True)
    assert revoked.is_revoked
    assert revoked.variables == {}


def test_of_a_revoked_token_what_cannot_be_had_again_is_kept() -> None:
    revoked = RECORD.revoke(durable=True)
    assert revoked.is_revoked
    assert revoked.is_rejected
    assert revoked.variables == {"refresh_token": Secret("planted-refresh")}
    assert revoked.token is not None
    assert revoked.token.value.reveal() == ""


@pytest.mark.parametrize("durable", [True, False])
def test_there_may_be_no_token_to_revoke(durable: bool) -> None:
    assert NOTHING.revoke(durable=durable) == TokenRecord(step=1, is_rejected=True)


# Spending


def test_it_is_written_down_since_when_somebody_spends_and_that_it_may_have_been_spent() -> None:
    assert RECORD.spend(1_000.0) == replace(RECORD, step=1, spending_since=1_000.0, may_be_spent=True)


@pytest.mark.parametrize("reason", Reason)
def test_only_an_answer_that_refuses_for_another_reason_shows_that_nothing_was_spent(reason: Reason) -> None:
    after = RECORD.spend(1_000.0).fail(failed(reason), OURS)
    assert after.spending_since is None
    assert after.may_be_spent == (reason not in {Reason.INVALID_CLIENT, Reason.PROVIDER_4XX})


@pytest.mark.parametrize("reason", Reason)
def test_a_failure_of_what_nobody_spends_spends_nothing(reason: Reason) -> None:
    assert not RECORD.fail(failed(reason), OURS).may_be_spent


def test_what_was_spent_once_stays_so_however_often_it_fails_until_an_answer_says_otherwise() -> None:
    record = RECORD.spend(1_000.0).fail(failed(Reason.NETWORK), OURS).fail(failed(Reason.PROVIDER_5XX), OURS)
    assert record.reject(NOW).may_be_spent
    assert not record.fail(failed(Reason.PROVIDER_4XX), OURS).may_be_spent


def test_a_new_token_carries_something_new_that_nobody_has_spent() -> None:
    after = RECORD.spend(1_000.0).succeed(token("planted-2"), OURS, NOW)
    assert (after.spending_since, after.may_be_spent) == (None, False)


def test_what_came_without_a_token_is_kept_beside_the_one_that_is_held() -> None:
    after = RECORD.spend(1_000.0).carry({"refresh_token": Secret("planted-next")}, NOW + 60.0)
    assert after.token == replace(token(), variables={"refresh_token": Secret("planted-next")})
    assert not after.is_rejected
    assert not after.may_be_spent
    assert not after.fail(failed(Reason.MALFORMED_RESPONSE), OURS).may_be_spent


def test_what_came_without_a_token_is_kept_though_none_is_held() -> None:
    after = NOTHING.spend(1_000.0).carry({"refresh_token": Secret("planted-next")}, NOW)
    assert after.variables == {"refresh_token": Secret("planted-next")}
    assert after.issued_at == NOW
    assert after.is_revoked
    assert after.is_rejected
    assert not after.is_blank
    assert not after.may_be_spent


# Failed and succeeded


def test_a_failure_leaves_the_token_in_use() -> None:
    assert RECORD.fail(FAILURE, OURS) == replace(RECORD, step=1, failure=FAILURE)


def test_a_token_that_other_settings_fetched_goes_out_of_use_with_ours() -> None:
    after = RECORD.fail(FAILURE, "other")
    assert after.is_rejected
    assert after.identity == "other"
    assert after.variables == RECORD.variables


def test_a_failure_takes_no_rejection_back() -> None:
    assert RECORD.reject(NOW).fail(FAILURE, OURS).is_rejected


def test_the_first_failure_of_all_rejects_nothing() -> None:
    assert NOTHING.fail(FAILURE, OURS) == TokenRecord(OURS, step=1, failure=FAILURE)


def test_a_new_token_begins_the_next_generation_and_clears_what_was_said_of_the_last() -> None:
    before = RECORD.fail(FAILURE, OURS).reject(NOW)
    after = before.succeed(token("planted-2"), "other", NOW)
    assert after == TokenRecord("other", 8, token=replace(token("planted-2"), generation=8))


def test_what_was_learnt_of_the_tokens_life_passes_on() -> None:
    learnt = RECORD.reject(NOW + 120.0)
    second = learnt.succeed(token("planted-2", NOW + 121.0), OURS, NOW + 121.0)
    assert second.trusted == 120.0
    for after in (second.fail(FAILURE, OURS), second.spend(1.0), second.revoke(durable=False), second.renumber(12)):
        assert after.trusted == 120.0


def test_a_token_that_is_replaced_unrejected_is_believed_longer() -> None:
    record = replace(RECORD, trusted=100.0)
    assert record.succeed(token("planted-2"), OURS, NOW + 80.0).trusted == 200.0
    assert record.succeed(token("planted-2"), OURS, NOW + 10.0).trusted == 100.0
    assert record.reject(NOW + 100.0).succeed(token("planted-2"), OURS, NOW + 100.0).trusted == 100.0
    assert replace(RECORD, trusted=200.0).succeed(token("planted-2"), OURS, NOW + 200.0).trusted is None


def test_what_was_learnt_outlives_a_token_that_is_gone() -> None:
    record = replace(RECORD, trusted=100.0, token=None)
    assert record.succeed(token("planted-2"), OURS, NOW).trusted == 100.0


# Renumbered and compared


def test_a_renumbered_record_gives_the_same_account_under_another_generation() -> None:
    record = RECORD.spend(1_000.0).fail(FAILURE, OURS)
    after = record.renumber(12)
    assert after == replace(record, generation=12, token=replace(token(), generation=12))
    assert after.order > record.order


def test_there_may_be_no_token_to_renumber() -> None:
    assert NOTHING.renumber(12) == TokenRecord(generation=12)


def test_two_records_are_the_same_if_they_say_the_same_of_the_same_token() -> None:
    assert RECORD.is_same_as(TokenRecord(OURS, 7, token=token(issued_at=NOW + 0.001)))
    assert NOTHING.is_same_as(TokenRecord())


@pytest.mark.parametrize(
    "other",
    [
        TokenRecord(OURS, 7, token=token("planted-2")),
        TokenRecord(OURS, 7, token=replace(token(), variables={"refresh_token": Secret("planted-next")})),
        TokenRecord(OURS, 7, token=replace(token(), variables={})),
        TokenRecord(OURS, 7),
        TokenRecord(OURS, 7, 1, token=token()),
        TokenRecord(OURS, 8, token=token()),
    ],
)
def test_another_token_or_another_step_is_not_the_same(other: TokenRecord) -> None:
    assert not RECORD.is_same_as(other)
    assert not other.is_same_as(RECORD)


def test_of_two_that_begin_to_spend_each_is_told_from_the_other() -> None:
    mine, theirs = RECORD.spend(1_000.0), RECORD.spend(1_000.0)
    assert not mine.is_same_as(theirs)
    assert mine.is_same_as(mine)
    rejected = RECORD.reject(NOW)
    assert rejected.order == mine.order
    assert not rejected.is_same_as(mine)
    assert not mine.is_same_as(rejected)


def test_it_shows_no_secret() -> None:
    assert "planted" not in repr((RECORD, RECORD.revoke(durable=True)))
