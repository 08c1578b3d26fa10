"""Rules as data, each with its reason, and how the limits relate.

What differs by merchant stands in the merchant's row (ceiling, validity, the right to pre-authorise); what differs by
installation is a `Policy`.
"""

from typing import NamedTuple

from holdfast.clock import DAY_US, MINUTE_US, SECOND_US

PRE_AUTH_MCCS = frozenset({"7011", "7512", "7513", "4411", "4722", "5812", "5813", "8062", "8011"})
"""Merchant categories that may pre-authorise: lodging, car rental, cruises, travel, restaurants, hospitals."""

CEILING_PERCENT = 115
"""A completion may exceed the hold by 15 % (scheme rule); some acquirers allow 100 only: a merchant's parameter."""

VALIDITY_DAYS = 30
"""A hold that nobody completed is released after 30 days, to the minute."""

RELEASED_BY_ISSUER = "guaranteed"
"""A completion above the hold is guaranteed by the scheme: it posts even if available turns negative.

The other value is `if_available`: the part above the hold needs cover, else 51.
"""


class Policy(NamedTuple):
    """What an installation may choose. Times in microseconds."""

    zone: str = "Asia/Shanghai"
    currency: str = "156"
    pre_auth_mccs: frozenset[str] = PRE_AUTH_MCCS
    issuer_patience_us: int = 12 * SECOND_US
    """How long the acquirer waits for an issuer: shorter than any terminal's patience, so that it gives up first."""
    undo_repeat_us: int = 5 * SECOND_US
    """First pause before a reversal is repeated towards the issuer; it doubles up to `undo_repeat_max_us`."""
    undo_repeat_max_us: int = 2 * MINUTE_US
    undo_finding_attempts: int = 20
    """After so many unanswered reversals a finding names an owner; the reversal is repeated all the same."""
    previous_mak_us: int = 5 * MINUTE_US
    """The MAC key before the last sign-on still verifies: a message may have been under way."""
    expiry_grace_us: int = 10 * MINUTE_US
    """The issuer expires holds; the acquirer books that a little later, past any skew of clocks."""
    finding_due_us: int = DAY_US


TERMINAL_PATIENCE_S_MIN = 20
"""The shortest reply timeout that terminals are configured with (domain.md §4.3: 20 to 90 s, usually 30)."""

assert Policy().issuer_patience_us < TERMINAL_PATIENCE_S_MIN * SECOND_US, (
    "the acquirer must give up before the terminal"
)
assert Policy().expiry_grace_us > 2 * Policy().issuer_patience_us, "an answer under way must find its hold unexpired"


def expires_us(placed_us: int, validity_days: int) -> int:
    """When a hold ends: valid through the same minute so many days later, and not longer."""
    return placed_us // MINUTE_US * MINUTE_US + MINUTE_US + validity_days * DAY_US
