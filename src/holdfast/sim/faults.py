"""What goes wrong in a world, and how often: drawn once per seed, kind by kind, so that every mixture is met.

A kind's rate is none, low or high. What is counted is what took effect: a message that was lost had somebody to reach,
a machine that crashed was running.
"""

from math import exp, log
from random import Random
from typing import NamedTuple

LOSS = "loss"
COPY = "copy"
DELAY = "delay"
CLOG = "clog"
"""A way is stopped up: whatever is sent on it arrives, out of order, when it is free again."""
CUT = "cut"
HALF_CUT = "half-cut"
"""A cut that one end does not notice for long."""
CRASH_BEFORE = "crash-before-commit"
CRASH_AFTER = "crash-after-commit"
"""After the commit, and before anything was sent."""
KILL = "kill"
POWER_OFF = "power-off"
UNKNOWN = "commit-unknown"
STALL = "stall"
"""A machine stops in the middle of what it does, and goes on later."""
FOREIGN_LATE = "foreign-late"
"""A network that is not ours answers when nobody waits any more."""
FOREIGN_TWICE = "foreign-twice"
FOREIGN_98 = "foreign-98"
"""It answers that its issuer did not answer; the issuer may have."""
FOREIGN_PART = "foreign-part"
"""It answers that a part was approved, or that the issuer wants to be asked about it."""
OVERTAKEN = "overtaken"
"""A request arrives after its own reversal. It is not drawn, but comes of the others; so much depends on it."""

LEVELS: dict[str, tuple[float, float, float]] = {
    LOSS: (0.0, 0.01, 0.10),
    COPY: (0.0, 0.01, 0.10),
    DELAY: (0.0, 0.01, 0.08),
    CLOG: (0.0, 0.2, 1.5),
    CUT: (0.0, 0.2, 1.5),
    CRASH_BEFORE: (0.0, 0.001, 0.008),
    CRASH_AFTER: (0.0, 0.001, 0.008),
    KILL: (0.0, 0.1, 0.5),
    POWER_OFF: (0.0, 0.2, 1.0),
    UNKNOWN: (0.0, 0.002, 0.03),
    STALL: (0.0, 0.0005, 0.004),
    FOREIGN_LATE: (0.0, 0.02, 0.15),
    FOREIGN_TWICE: (0.0, 0.02, 0.15),
    FOREIGN_98: (0.0, 0.02, 0.15),
    FOREIGN_PART: (0.0, 0.02, 0.15),
}
"""Kind -> its rates: a share of the messages, commits or pauses; clogs, cuts, kills and power-offs by the minute."""

KINDS = (*LEVELS, HALF_CUT, OVERTAKEN)


class Hostility(NamedTuple):
    """How hostile one world is: kind -> rate."""

    rates: dict[str, float]

    @classmethod
    def drawn(cls, dice: Random) -> "Hostility":
        """Each kind by itself, in a fixed order."""
        return cls({kind: dice.choice(levels) for kind, levels in LEVELS.items()})

    @classmethod
    def none(cls) -> "Hostility":
        """A world in which nothing goes wrong."""
        return cls(dict.fromkeys(LEVELS, 0.0))


class Faults:
    """The dice of misfortune in one world; `heal` puts an end to it."""

    def __init__(self, hostility: Hostility, dice: Random) -> None:
        self.hostility = hostility
        self.dice = dice
        self.counts = dict.fromkeys(KINDS, 0)

    def heal(self) -> None:
        """From now on nothing goes wrong any more."""
        self.hostility = Hostility.none()

    def rate(self, kind: str) -> float:
        """How often it happens now."""
        return self.hostility.rates[kind]

    def strikes(self, kind: str) -> bool:
        """Whether it happens this time; nothing is drawn for what never happens."""
        rate = self.hostility.rates[kind]
        return rate > 0 and self.dice.random() < rate

    def count(self, kind: str) -> None:
        """It took effect."""
        self.counts[kind] += 1

    def between(self, low_s: float, high_s: float) -> int:
        """A time in microseconds."""
        return int(self.dice.uniform(low_s, high_s) * 1_000_000)

    def of_any_size(self, low_s: float, high_s: float) -> int:
        """A time in microseconds; short ones are as likely to be met as long ones."""
        return int(exp(self.dice.uniform(log(low_s), log(high_s))) * 1_000_000)
