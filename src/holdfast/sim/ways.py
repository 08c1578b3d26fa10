"""The ways of the trade in one world: each merchant's rules, each issuer's habits, and what a scheme wants here.

Every value of a choice is met over the seeds. Most worlds leave most things as they usually are, so that what differs
meets the usual as well as each other.
"""

from random import Random

from holdfast.domain.rules import CHOICES, HABIT_CHOICES, canonical

RULE_SHARE = 0.12
"""So often a merchant's agreement says something about one rule."""
EVERYWHERE_SHARE = 0.04
"""And so often the installation does, for all cards."""
HABIT_SHARE = 0.2
PARTS_ONLY_SHARE = 0.2
"""Of the issuers whose approvals are not 00, so many approve no more than a part: nothing comes of those."""

RULE_NUMBERS: dict[str, tuple[int, ...]] = {
    "ceiling_percent": (100, 115, 130),
    "validity_days": (5, 29, 30),
    "refund_days": (1, 30, 180),
    "velocity_count": (3, 12),
    "velocity_minor": (2_000_00, 6_000_00),
    "floor_minor": (200_00, 600_00),
    "amount_max_minor": (600_00, 850_00),
}
"""What a made-up agreement says where the rule is a number: near enough to what guests want to matter."""

HABIT_NUMBERS: dict[str, tuple[int, ...]] = {"validity_days": (5, 29, 30)}


def rules_drawn(dice: Random, share: float) -> str:
    """The rules of one agreement, as text."""
    return _drawn(dice, share, CHOICES, RULE_NUMBERS)


def habits_drawn(dice: Random) -> str:
    """How one issuer behaves, as text."""
    choices = HABIT_CHOICES | {"approves_with": tuple(c for c in HABIT_CHOICES["approves_with"] if c != "10")}
    if dice.random() < PARTS_ONLY_SHARE:
        choices |= {"approves_with": ("10",)}
    return _drawn(dice, HABIT_SHARE, choices, HABIT_NUMBERS)


def _drawn(dice: Random, share: float, choices: dict[str, tuple[str, ...]], numbers: dict[str, tuple[int, ...]]) -> str:
    values: dict[str, object] = {}
    for name, among in sorted({**choices, **numbers}.items()):
        if dice.random() < share:
            values[name] = dice.choice(among)
    return canonical(values)
