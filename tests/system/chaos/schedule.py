"""What goes wrong and when, drawn from a seed before anything begins: the same seed, the same schedule.

Each kind comes so often a minute, once at least, in slots of equal length with a random moment in each. Whom it hits
is a dice number here: which processes there are is only known when it strikes.
"""

import random
from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple

import orjson

TERMINAL, ACQUIRER, ISSUER, UP, POSTGRES = "terminal", "acquirer", "issuer", "up", "postgres"
COMPONENTS = (TERMINAL, ACQUIRER, ISSUER, UP, POSTGRES)

KILL_BACKEND = "kill postgres backend"
"""A backend is a part of PostgreSQL; its postmaster then ends all others and recovers."""

LINE_FAULTS = (
    "lose questions",
    "lose answers",
    "lose bytes",
    "delay questions",
    "delay answers",
    "slow line",
    "cut",
    "half cut",
    "refuse",
)
"""What a relay can do to one terminal's line."""


class Kind(NamedTuple):
    """How often it comes, and how long it lasts."""

    a_minute: float
    lasts_s: tuple[float, float] = (0.0, 0.0)


KINDS = {
    f"kill {TERMINAL}": Kind(17.0),
    f"kill {ACQUIRER}": Kind(12.0),
    f"kill {ISSUER}": Kind(7.0),
    f"kill {UP}": Kind(5.0),
    f"kill {POSTGRES}": Kind(4.4),
    KILL_BACKEND: Kind(3.0),
    # Longer than a terminal's patience, than a lease, than an idle transaction may last.
    f"stop {TERMINAL}": Kind(2.0, (4.0, 6.0)),
    f"stop {ACQUIRER}": Kind(1.4, (11.0, 14.0)),
    f"stop {ISSUER}": Kind(1.0, (11.0, 14.0)),
    f"stop {POSTGRES}": Kind(0.8, (4.0, 7.0)),
    "stop postgres backend": Kind(0.8, (6.0, 8.0)),
    "restart postgres fast": Kind(0.8),
    "restart postgres immediate": Kind(0.8),
    "fill the database's disk": Kind(0.8, (3.0, 5.0)),
    "fill the terminals' disk": Kind(0.6, (2.0, 4.0)),
    "connection storm": Kind(1.0, (1.0, 3.0)),
    **{f"line: {fault}": Kind(1.6, (1.0, 5.0)) for fault in LINE_FAULTS},
}

OF_EVERYBODY = frozenset(
    kind for kind in KINDS if kind.startswith(("restart", f"kill {UP}", f"kill {POSTGRES}", f"kill {ISSUER}"))
)
"""Where it strikes nobody is served for a while."""


class Misfortune(NamedTuple):
    """One of them. `at_s` from the beginning; `whom` is a dice number below 2**30."""

    at_s: float
    kind: str
    whom: int
    lasts_s: float


def drawn(seed: int, seconds: float) -> list[Misfortune]:
    """The schedule of so many seconds, in order."""
    dice = random.Random(f"{seed}/chaos")
    return sorted(one for kind in KINDS for one in _of_kind(dice, kind, seconds))


def _of_kind(dice: random.Random, kind: str, seconds: float) -> Iterator[Misfortune]:
    a_minute, lasts_s = KINDS[kind]
    count = max(round(a_minute * seconds / 60), 1)
    slot_s = seconds / count
    for number in range(count):
        lasts = round(min(dice.uniform(*lasts_s), seconds / 2), 3)
        # What lasts ends with the traffic at the latest.
        at_s = min(slot_s * (number + dice.random()), seconds - lasts)
        yield Misfortune(round(at_s, 3), kind, dice.randrange(1 << 30), lasts)


def hash_of(schedule: list[Misfortune]) -> str:
    """Names a schedule."""
    return sha256(orjson.dumps([list(misfortune) for misfortune in schedule])).hexdigest()
