"""An installation's own patience, and how its limits relate; the trade's rules are in `rules`."""

from datetime import datetime, time, timedelta
from typing import NamedTuple

from holdfast import clock
from holdfast.clock import DAY_US, MINUTE_US, SECOND_US, local_date, to_us


class Policy(NamedTuple):
    """What an installation may choose. Times in microseconds."""

    zone: str = "Asia/Shanghai"
    currency: str = "156"
    issuer_patience_us: int = 12 * SECOND_US
    """How long the acquirer waits for an issuer: shorter than any terminal's patience, so that it gives up first."""
    undo_repeat_us: int = 5 * SECOND_US
    """First pause before a reversal is repeated towards the issuer; it doubles up to `undo_repeat_max_us`."""
    undo_repeat_max_us: int = 2 * MINUTE_US
    refused_repeat_max_us: int = 30 * MINUTE_US
    """The same towards an issuer that refuses it: it answers, and has its finding already."""
    undo_finding_attempts: int = 20
    """After so many unanswered reversals a finding names an owner; the reversal is repeated all the same."""
    previous_mak_us: int = 5 * MINUTE_US
    """The MAC key before the last sign-on still verifies: a message may have been under way."""
    expiry_grace_us: int = 10 * MINUTE_US
    """The issuer expires holds; the acquirer books that a little later, past any skew of clocks."""
    finding_due_us: int = DAY_US
    release_after_us: int = DAY_US
    """When the unused part of a completed hold is freed by us: after the day on which the completion can be voided."""


TERMINAL_PATIENCE_S_MIN = 20
"""The shortest reply timeout that terminals are configured with (domain.md §4.3: 20 to 90 s, usually 30)."""

assert Policy().issuer_patience_us < TERMINAL_PATIENCE_S_MIN * SECOND_US, (
    "the acquirer must give up before the terminal"
)
assert Policy().expiry_grace_us > 2 * Policy().issuer_patience_us, "an answer under way must find its hold unexpired"


def expires_us(placed_us: int, validity_days: int, edge: str, zone: str) -> int:
    """When a hold ends: after the same minute so many days later, or (`day`) after the whole last day."""
    if edge == "day":
        last = local_date(placed_us, zone) + timedelta(days=validity_days + 1)
        return to_us(datetime.combine(last, time(0), clock.zone(zone)))
    return placed_us // MINUTE_US * MINUTE_US + MINUTE_US + validity_days * DAY_US
