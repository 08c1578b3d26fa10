"""An installation's patience: when a hold ends, and how the limits relate."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.clock import DAY_US, MINUTE_US, local_date, to_us, zone
from holdfast.domain.policy import TERMINAL_PATIENCE_S_MIN, Policy, expires_us

SHANGHAI = "Asia/Shanghai"
moments = st.integers(0, 4_000_000_000_000_000)


@given(moments, st.integers(1, 60))
def test_to_the_minute_a_hold_is_valid_through_the_same_minute_so_many_days_later(placed_us: int, days: int) -> None:
    end_us = expires_us(placed_us, days, "minute", SHANGHAI)
    assert end_us % MINUTE_US == 0
    same_minute_us = placed_us - placed_us % MINUTE_US + days * DAY_US
    assert end_us - 1 == same_minute_us + MINUTE_US - 1, "the last microsecond of that minute is the last one"


@given(moments, st.integers(1, 60))
def test_to_the_day_a_hold_is_valid_through_the_whole_last_day(placed_us: int, days: int) -> None:
    """As hosts do that compare dates: whatever the time of day was, the last day counts in full."""
    end_us = expires_us(placed_us, days, "day", SHANGHAI)
    last: date = local_date(placed_us, SHANGHAI) + timedelta(days=days)
    assert local_date(end_us - 1, SHANGHAI) == last
    assert local_date(end_us, SHANGHAI) == last + timedelta(days=1)


@pytest.mark.parametrize(
    ("edge", "days", "end"),
    [
        ("minute", 30, "2026-12-22T12:35:00"),
        ("minute", 29, "2026-12-21T12:35:00"),
        ("day", 30, "2026-12-23T00:00:00"),
        ("day", 29, "2026-12-22T00:00:00"),
    ],
)
def test_the_edge(edge: str, days: int, end: str) -> None:
    placed_us = to_us(datetime(2026, 11, 22, 12, 34, 56, tzinfo=zone()))
    assert expires_us(placed_us, days, edge, SHANGHAI) == to_us(datetime.fromisoformat(end).replace(tzinfo=zone()))


def test_who_gives_up_first() -> None:
    policy = Policy()
    assert policy.issuer_patience_us < TERMINAL_PATIENCE_S_MIN * 1_000_000
    assert policy.undo_repeat_us <= policy.undo_repeat_max_us
    assert policy.expiry_grace_us > 2 * policy.issuer_patience_us
    assert (policy.previous_mak_us, policy.undo_finding_attempts) == (5 * MINUTE_US, 20)


def test_what_a_completion_left_is_freed_after_the_day_on_which_it_can_be_voided() -> None:
    assert Policy().release_after_us >= DAY_US
