"""The rules as data: when a hold ends, and how the limits relate."""

from hypothesis import given
from hypothesis import strategies as st

from holdfast.clock import DAY_US, MINUTE_US, SECOND_US
from holdfast.domain.policy import CEILING_PERCENT, TERMINAL_PATIENCE_S_MIN, VALIDITY_DAYS, Policy, expires_us


@given(st.integers(0, 4_000_000_000_000_000), st.integers(1, 60))
def test_a_hold_is_valid_through_the_same_minute_so_many_days_later(placed_us: int, days: int) -> None:
    end_us = expires_us(placed_us, days)
    assert end_us % MINUTE_US == 0
    same_minute_us = placed_us - placed_us % MINUTE_US + days * DAY_US
    assert end_us - 1 == same_minute_us + MINUTE_US - 1, "the last microsecond of that minute is the last one"


def test_what_the_rules_say() -> None:
    assert (CEILING_PERCENT, VALIDITY_DAYS) == (115, 30)
    policy = Policy()
    assert (policy.previous_mak_us, policy.undo_finding_attempts) == (5 * MINUTE_US, 20)
    assert {"7011", "7512", "8062"} <= policy.pre_auth_mccs


def test_who_gives_up_first() -> None:
    policy = Policy()
    assert policy.issuer_patience_us < TERMINAL_PATIENCE_S_MIN * SECOND_US
    assert policy.undo_repeat_us <= policy.undo_repeat_max_us
    assert policy.expiry_grace_us > 2 * policy.issuer_patience_us
