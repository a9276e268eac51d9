"""From what a reply says to a moment on our clock."""

import math
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.message import Reply
from proxy.credentials.expiry import (
    DEFAULT_LIFETIME,
    LONGEST_LIFETIME,
    ExpiryError,
    ExpiryType,
    SpentError,
    expires_at,
)

NOW = datetime(2025, 9, 14, 12, 0, 0, tzinfo=UTC).timestamp()
TYPES: list[ExpiryType] = ["datetime", "seconds", "milliseconds", "epoch", "epoch_ms", "jwt"]


IN_STEP = "Sun, 14 Sep 2025 12:00:00 GMT"
TEN_MINUTES_AHEAD = "Sun, 14 Sep 2025 12:10:00 GMT"


def reply(**headers: str) -> Reply:
    return Reply(200, tuple(headers.items()), b"", NOW)


def lifetime(found: Any, kind: ExpiryType | None, token: str = "opaque", **headers: str) -> float:
    return expires_at(found, kind, reply=reply(**headers), token=token) - NOW


def signed(**claims: Any) -> str:
    return jwt.encode(claims, "k" * 32, algorithm="HS256")


@pytest.mark.parametrize(
    ("found", "kind", "seconds"),
    [
        (900, "seconds", 900),
        (0.5, "seconds", 0.5),
        ("900", "seconds", 900),
        (" 900.5 ", "seconds", 900.5),
        ("9e2", "seconds", 900),
        (900_000, "milliseconds", 900),
        ("1500", "milliseconds", 1.5),
        (NOW + 60, "epoch", 60),
        (str(int(NOW) + 60), "epoch", 60),
        ((NOW + 60) * 1000, "epoch_ms", 60),
        (str(int(NOW + 60) * 1000), "epoch_ms", 60),
        ("2025-09-14T12:34:56Z", "datetime", 2096),
        ("2025-09-14T12:34:56z", "datetime", 2096),
        ("2025-09-14t12:34:56Z", "datetime", 2096),
        ("2025-09-14 12:34:56Z", "datetime", 2096),
        ("2025-09-14T12:34:56", "datetime", 2096),
        (" 2025-09-14T12:34:56Z\n", "datetime", 2096),
        ("2025-09-14T12:34:56.5Z", "datetime", 2096.5),
        ("2025-09-14T12:34:56,5", "datetime", 2096.5),
        ("2025-09-14T12:34:56.1234567Z", "datetime", 2096.123456),
        ("2025-09-14T14:34:56+02:00", "datetime", 2096),
        ("2025-09-14T14:34:56+0200", "datetime", 2096),
        ("2025-09-14T07:04:56-05:30", "datetime", 2096),
        ("2025-09-14T12:34", "datetime", 2040),
        ("20250914T123456Z", "datetime", 2096),
        ("2025-09-15", "datetime", 43_200),
        (signed(exp=int(NOW) + 60), "jwt", 60),
    ],
)
def test_an_expiry_is_read_by_its_type(found: Any, kind: ExpiryType, seconds: float) -> None:
    assert lifetime(found, kind) == pytest.approx(seconds, abs=1e-5)


def test_a_time_without_a_zone_is_utc_wherever_we_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert lifetime("2025-09-14T12:34:56", "datetime") == 2096
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_jwt_may_be_the_token_itself() -> None:
    assert lifetime(None, "jwt", signed(exp=int(NOW) + 60)) == 60


def test_no_expiry_is_the_jwt_s_own_or_five_minutes() -> None:
    assert lifetime(None, None) == DEFAULT_LIFETIME
    assert lifetime(None, "seconds") == DEFAULT_LIFETIME
    assert lifetime(None, None, signed(exp=int(NOW) + 60)) == 60
    assert lifetime(None, "seconds", signed(exp=int(NOW) + 60)) == 60


@pytest.mark.parametrize("claims", [{}, {"exp": True}, {"exp": "soon"}, {"exp": math.inf}, {"exp": math.nan}])
def test_a_jwt_without_a_usable_exp_says_nothing(claims: dict[str, Any]) -> None:
    assert lifetime(None, None, signed(**claims)) == DEFAULT_LIFETIME
    with pytest.raises(ExpiryError, match="not a JWT with an `exp`"):
        lifetime(None, "jwt", signed(**claims))


@pytest.mark.parametrize("token", ["", "a.b.c", "\udc80.a.b", "." * 100_000])
def test_what_is_no_jwt_says_nothing(token: str) -> None:
    assert lifetime(None, None, token) == DEFAULT_LIFETIME


def test_never_is_a_date_of_the_year_9999() -> None:
    never = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
    assert expires_at("9999-12-31T23:59:59-01:00", "datetime", reply=reply(), token="t") == never
    assert expires_at(None, None, reply=reply(), token=signed(exp=10**15)) == never
    assert expires_at(None, "jwt", reply=reply(), token=signed(exp=10**15)) == never


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (0, "seconds"),
        (-1, "seconds"),
        ("-1", "seconds"),
        (-1, "milliseconds"),
        (NOW, "epoch"),
        (NOW - 1, "epoch"),
        (3600, "epoch"),
        (NOW + 60, "epoch_ms"),
        ("2025-09-14T11:59:59Z", "datetime"),
        ("0001-01-01T00:00:00+23:59", "datetime"),
        (signed(exp=int(NOW) - 1), "jwt"),
    ],
)
def test_a_token_that_is_dead_on_arrival_is_refused(found: Any, kind: ExpiryType) -> None:
    with pytest.raises(ExpiryError, match="expired before it arrived"):
        lifetime(found, kind)


def test_a_jwt_that_is_dead_on_arrival_is_refused_unasked() -> None:
    with pytest.raises(SpentError, match="own `exp` had passed"):
        lifetime(None, None, signed(exp=int(NOW)))


@pytest.mark.parametrize(
    ("found", "kind"),
    [(3600, "seconds"), (3_600_000, "milliseconds"), (NOW + 3600, "epoch"), ("2025-09-14T13:00:00Z", "datetime")],
)
def test_the_earlier_end_counts_of_what_the_reply_and_what_the_token_says(found: Any, kind: ExpiryType) -> None:
    assert lifetime(found, kind, signed(exp=int(NOW) + 60)) == 60
    assert lifetime(found, kind, signed(exp=int(NOW) + 7200)) == 3600
    assert lifetime(signed(exp=int(NOW) + 90), "jwt", signed(exp=int(NOW) + 60)) == 60


@pytest.mark.parametrize("token", ["opaque", signed(sub="me"), signed(exp=0), "e30.a.b.c.d"])
def test_a_token_that_says_nothing_leaves_the_reply_its_word(token: str) -> None:
    assert lifetime(3600, "seconds", token) == 3600


def test_moments_are_the_issuer_s_and_durations_are_nobody_s() -> None:
    there = NOW + 600
    assert lifetime(there + 60, "epoch", Date=TEN_MINUTES_AHEAD) == 60
    assert lifetime((there + 60) * 1000, "epoch_ms", Date=TEN_MINUTES_AHEAD) == 60
    assert lifetime("2025-09-14T12:11:00Z", "datetime", Date=TEN_MINUTES_AHEAD) == 60
    assert lifetime(signed(exp=there + 60), "jwt", Date=TEN_MINUTES_AHEAD) == 60
    assert lifetime(None, None, signed(exp=there + 60), Date=TEN_MINUTES_AHEAD) == 60
    assert lifetime(60, "seconds", Date=TEN_MINUTES_AHEAD) == 60
    assert lifetime(60_000, "milliseconds", Date=TEN_MINUTES_AHEAD) == 60
    assert lifetime(None, None, Date=TEN_MINUTES_AHEAD) == DEFAULT_LIFETIME


def test_what_is_counted_from_now_is_counted_from_when_a_cached_reply_was_made() -> None:
    assert lifetime(300, "seconds", Age="100") == 200
    assert lifetime(300_000, "milliseconds", Age="100") == 200
    with pytest.raises(ExpiryError, match="expired before it arrived"):
        lifetime(300, "seconds", Age="300")


def test_a_token_that_is_over_by_a_clock_that_is_known_is_refused_whatever_the_reply_says() -> None:
    with pytest.raises(SpentError):
        lifetime(3600, "seconds", signed(exp=int(NOW) - 60), Date=IN_STEP)
    with pytest.raises(SpentError):
        lifetime(NOW + 3600, "epoch", signed(exp=int(NOW) - 60))


def test_a_token_that_is_over_by_our_clock_alone_is_tried_when_the_reply_counts_its_life_from_now() -> None:
    assert lifetime(3600, "seconds", signed(exp=int(NOW) - 60)) == 3600


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (LONGEST_LIFETIME + 1, "seconds"),
        (NOW, "seconds"),
        ((NOW + 60) * 1000, "seconds"),
        ((NOW + 60) * 1000, "epoch"),
        (NOW * 1000, "milliseconds"),
        (1e299, "seconds"),
    ],
)
def test_a_number_of_another_unit_is_refused(found: Any, kind: ExpiryType) -> None:
    with pytest.raises(ExpiryError, match=f"read as {kind}, is more than ten years ahead"):
        lifetime(found, kind)


@pytest.mark.parametrize("kind", ["seconds", "milliseconds", "epoch", "epoch_ms"])
@pytest.mark.parametrize(
    "found",
    [
        True,
        "",
        "s3cret",
        "1_000",
        "0x10",
        "nan",
        "inf",
        "1,5",
        "٣",
        "9" * 400,
        math.nan,
        math.inf,
        10**400,
        "1 h",
        "1e999",
    ],
)
def test_what_is_no_number_is_refused_and_not_shown(found: Any, kind: ExpiryType) -> None:
    with pytest.raises(ExpiryError) as caught:
        lifetime(found, kind)
    assert "s3cret" not in str(caught.value)
    assert "not a number" in str(caught.value)


@pytest.mark.parametrize(
    "found", [NOW, "20250914", "1757853296", "s3cret", "", "12:34:56", "2025-13-01", "Sun, 14 Sep 2025 12:34:56 GMT"]
)
def test_what_is_no_date_is_refused_and_not_shown(found: Any) -> None:
    with pytest.raises(ExpiryError, match="ISO 8601") as caught:
        lifetime(found, "datetime")
    assert "s3cret" not in str(caught.value)


@given(
    st.text() | st.integers() | st.floats(),
    st.sampled_from([*TYPES, None]),
    st.text(),
    st.dictionaries(st.sampled_from(["Date", "Age"]), st.text() | st.integers(0, 10**10).map(str)),
)
def test_anything_ends_in_a_moment_ahead_or_an_expiry_error(
    found: Any, kind: ExpiryType | None, token: str, headers: dict[str, str]
) -> None:
    try:
        at = expires_at(found, kind, reply=reply(**headers), token=token)
    except ExpiryError:
        return
    assert NOW < at <= datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()


@given(exp=st.integers() | st.floats(), iat=st.integers() | st.floats(), ahead=st.integers(-(10**9), 10**9))
def test_a_jwt_of_any_dates_ends_in_a_moment_ahead_or_an_expiry_error(exp: float, iat: float, ahead: int) -> None:
    date = format_datetime(datetime.fromtimestamp(NOW + ahead, UTC), usegmt=True)
    try:
        at = expires_at(None, None, reply=reply(Date=date), token=signed(exp=exp, iat=iat))
    except ExpiryError:
        return
    assert NOW < at <= datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
