"""What goes wrong in a world, and how often: drawn once per seed, kind by kind, so that every mixture is met.

A kind's rate is none, low or high. What is counted is what took effect: a message that was lost had somebody to reach,
a machine that crashed was running.
"""

from random import Random
from typing import NamedTuple

LOSS = "message lost"
COPY = "message copied"
DELAY = "message delayed"
CUT = "link cut"
HALF_CUT = "link cut at one end"
CRASH_BEFORE = "crash before commit"
CRASH_AFTER = "crash after commit, before send"
KILL = "machine killed"
POWER_OFF = "terminal power off"
UNKNOWN = "commit of unknown outcome"
STALL = "machine stopped for a while"
OVERTAKEN = "request after its own reversal"
"""Not drawn: it comes of delays, and is counted because so much depends on it."""

LEVELS: dict[str, tuple[float, float, float]] = {
    LOSS: (0.0, 0.01, 0.10),
    COPY: (0.0, 0.01, 0.10),
    DELAY: (0.0, 0.01, 0.08),
    CUT: (0.0, 0.2, 1.5),
    CRASH_BEFORE: (0.0, 0.001, 0.008),
    CRASH_AFTER: (0.0, 0.001, 0.008),
    KILL: (0.0, 0.1, 0.5),
    POWER_OFF: (0.0, 0.2, 1.0),
    UNKNOWN: (0.0, 0.002, 0.03),
    STALL: (0.0, 0.0005, 0.004),
}
"""Kind -> its rates: a share of the messages, commits or pauses, and for cuts, kills and power so many a minute."""

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
