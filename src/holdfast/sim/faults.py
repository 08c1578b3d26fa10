"""What goes wrong in a world, and how often: drawn once per seed, kind by kind, so that every mixture is met.

A kind's rate is none, low or high. Each kind has dice of its own, and each strike again (its victim, its length), so
that a world from which one strike is taken out is otherwise the same as far as can be: a story can be made shorter.
What is counted is what took effect: a message that was lost had somebody to reach, a machine that crashed was running.
"""

from math import exp, log
from random import Random
from typing import NamedTuple

# --- the network --------------------------------------------------------------------------------------------------

LOSS = "loss"
COPY = "copy"
DELAY = "delay"
CLOG = "clog"
"""A way is stopped up: whatever is sent on it arrives, out of order, when it is free again."""
CUT = "cut"
HALF_CUT = "half-cut"
"""A cut that one end does not notice for long."""
ONE_WAY = "one-way"
"""One direction of a connection is dead for a while, the other one lives."""
OUT_OF_STEP = "out-of-step"
"""From now on each message of one end comes when the next one is sent: answers arrive for the question before."""

# --- machines -----------------------------------------------------------------------------------------------------

CRASH_BEFORE = "crash-before-commit"
CRASH_AFTER = "crash-after-commit"
"""After the commit, and before anything was sent."""
CRASH_RECOVERY = "crash-in-recovery"
"""While it starts, or in what it does first afterwards."""
KILL = "kill"
POWER_OFF = "power-off"
UNKNOWN = "commit-unknown"
STALL = "stall"
"""A machine stops in the middle of what it does, and goes on later."""
DISK_FULL = "disk-full"
"""For a while nothing can be written at all."""
WRITE_FAILS = "write-fails"
"""One write fails, and surely did not happen."""
TORN = "torn-journal"
"""The last commits of a terminal's journal are gone after a power cut, and the terminal sees that."""
SKEW = "clock-skew"
"""A machine's clock is wrong by seconds, or by a day."""
JUMP = "clock-jump"
"""A machine's clock is set, forwards or backwards."""

# --- issuers and networks that are not ours -----------------------------------------------------------------------

FOREIGN_LATE = "foreign-late"
"""A network that is not ours answers when nobody waits any more."""
FOREIGN_TWICE = "foreign-twice"
FOREIGN_98 = "foreign-98"
"""It answers that its issuer did not answer; the issuer may have."""
FOREIGN_PART = "foreign-part"
"""It answers that a part was approved, or that the issuer wants to be asked about it."""
FOREIGN_AGAIN = "issuer-not-idempotent"
"""A copy of a question is booked once more."""
FOREIGN_FORGETS = "issuer-forgets"
"""The issuer loses a hold that it had answered."""
ISSUER_DOWN = "issuer-down"
"""The issuer is away for hours, or for a day."""

# --- people -------------------------------------------------------------------------------------------------------

WALKS_AWAY = "walks-away"
"""A cardholder leaves, or the cashier serves the next one, while the answer is still on its way."""
CANCELS = "cancels"
"""A cashier presses cancel and does the same again."""
SWITCHES_OFF = "switches-off"
"""A cashier switches the device off while it waits for an answer."""
SIGNS_OFF = "signs-off"
"""A cashier signs off in the middle."""
SWAP = "device-swapped"
"""A terminal is replaced by a new device, after all that it owed was delivered."""
LOST_DEVICE = "device-lost"
"""A terminal is gone with what it had not delivered, and replaced by a new device."""

# --- what comes of the others, and of the calendar ----------------------------------------------------------------

OVERTAKEN = "overtaken"
"""A request arrives after its own reversal. It is not drawn, but comes of the others; so much depends on it."""
REORDERED = "reordered"
"""A message arrives before one that was sent earlier on the same way."""
CUT_OVER = "cut-over"
"""The settlement date changes while requests are under way."""
NEW_YEAR = "new-year"
"""MMDD turns from 1231 to 0101 between a hold and what is done about it."""

NEVER = (0.0, 0.0)
RATES: dict[str, tuple[float, float]] = {
    LOSS: (0.01, 0.10),
    COPY: (0.01, 0.10),
    DELAY: (0.01, 0.08),
    CLOG: (0.2, 1.5),
    CUT: (0.2, 1.5),
    ONE_WAY: (0.1, 0.5),
    OUT_OF_STEP: (0.1, 0.4),
    CRASH_BEFORE: (0.001, 0.008),
    CRASH_AFTER: (0.001, 0.008),
    CRASH_RECOVERY: (0.03, 0.25),
    KILL: (0.1, 0.5),
    POWER_OFF: (0.2, 1.0),
    UNKNOWN: (0.002, 0.03),
    STALL: (0.0005, 0.004),
    DISK_FULL: (0.03, 0.15),
    WRITE_FAILS: (0.001, 0.01),
    TORN: (0.03, 0.2),
    SKEW: (0.03, 0.15),
    JUMP: (0.03, 0.15),
    FOREIGN_LATE: (0.02, 0.15),
    FOREIGN_TWICE: (0.02, 0.15),
    FOREIGN_98: (0.02, 0.15),
    FOREIGN_PART: (0.02, 0.15),
    FOREIGN_AGAIN: (0.01, 0.1),
    FOREIGN_FORGETS: (0.01, 0.1),
    ISSUER_DOWN: (0.01, 0.05),
    WALKS_AWAY: (0.01, 0.08),
    CANCELS: (0.01, 0.08),
    SWITCHES_OFF: (0.01, 0.05),
    SIGNS_OFF: (0.01, 0.04),
    SWAP: (0.01, 0.05),
    LOST_DEVICE: (0.01, 0.05),
}
"""Kind -> its low and its high rate: a share of the messages, commits, pauses, boots, answers or visits.

By the minute come those of COMES.
"""

COMES = (CLOG, CUT, ONE_WAY, OUT_OF_STEP, KILL, POWER_OFF, DISK_FULL, TORN, SKEW, JUMP, ISSUER_DOWN, SWAP, LOST_DEVICE)
"""Kinds that come by the minute."""

KINDS = (*RATES, HALF_CUT, OVERTAKEN, REORDERED, CUT_OVER, NEW_YEAR)

QUIET_WEIGHT, LOW_WEIGHT, HIGH_WEIGHT = 4, 3, 3


class Hostility(NamedTuple):
    """How hostile one world is: kind -> rate."""

    rates: dict[str, float]

    @classmethod
    def drawn(cls, dice: Random) -> "Hostility":
        """Each kind by itself, in a fixed order."""
        weights = QUIET_WEIGHT, LOW_WEIGHT, HIGH_WEIGHT
        return cls({kind: dice.choices((0.0, *rates), weights)[0] for kind, rates in RATES.items()})

    @classmethod
    def none(cls) -> "Hostility":
        """A world in which nothing goes wrong."""
        return cls(dict.fromkeys(RATES, 0.0))


class Faults:
    """The dice of misfortune in one world; `heal` puts an end to it, until somebody sets `hostility` again.

    `only` names the strikes that may happen (`loss:3` is the third loss); None means all of them.
    """

    def __init__(self, hostility: Hostility, seed: str, only: frozenset[str] | None = None) -> None:
        self.hostility = hostility
        self.counts = dict.fromkeys(KINDS, 0)
        self.struck: list[str] = []
        """The strikes that happened, by name."""
        self.dice = Random(seed)
        """The dice of the strike that happened last: for its victim and its length."""
        self._seed = seed
        self._only = only
        self._times = dict.fromkeys(RATES, 0)
        self._streams = {kind: Random(f"{seed}/{kind}") for kind in RATES}

    def heal(self) -> None:
        """From now on nothing goes wrong any more."""
        self.hostility = Hostility.none()

    def rate(self, kind: str) -> float:
        """How often it happens now."""
        return self.hostility.rates[kind]

    def strikes(self, kind: str) -> bool:
        """Whether it happens this time; nothing is drawn for what never happens."""
        rate = self.hostility.rates[kind]
        return rate > 0 and self._streams[kind].random() < rate and self.befalls(kind)

    def pause_us(self, kind: str) -> int:
        """How long until the next one of a kind that comes by the minute."""
        return int(self._streams[kind].expovariate(self.rate(kind)) * 60_000_000)

    def befalls(self, kind: str) -> bool:
        """It is time for one of this kind: whether it happens, in the story that is told."""
        self._times[kind] += 1
        strike = f"{kind}:{self._times[kind]}"
        if self._only is not None and strike not in self._only:
            return False
        self.struck.append(strike)
        self.dice = Random(f"{self._seed}/{strike}")
        return True

    def count(self, kind: str) -> None:
        """It took effect."""
        self.counts[kind] += 1

    def between(self, low_s: float, high_s: float) -> int:
        """A time in microseconds, of the strike that happened last."""
        return between(self.dice, low_s, high_s)

    def of_any_size(self, low_s: float, high_s: float) -> int:
        """A time in microseconds; short ones are as likely to be met as long ones."""
        return int(exp(self.dice.uniform(log(low_s), log(high_s))) * 1_000_000)


def between(dice: Random, low_s: float, high_s: float) -> int:
    """A time in microseconds."""
    return int(dice.uniform(low_s, high_s) * 1_000_000)
