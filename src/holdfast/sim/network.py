"""Connections between machines: what is written at one end arrives at the other, late, twice, out of order or never.

A connection that is cut is closed at both ends, or at one end only: then the other goes on writing into nothing until
it notices. What is on its way still arrives where the end is open. A connection may also be dead in one direction for
a while, or be out of step by one message until it ends.
"""

from collections.abc import Callable
from functools import partial
from random import Random

from holdfast.sim.faults import (
    CLOG,
    COPY,
    CUT,
    DELAY,
    HALF_CUT,
    LOSS,
    ONE_WAY,
    OUT_OF_STEP,
    REORDERED,
    Faults,
    between,
)
from holdfast.sim.scheduler import Scheduler
from holdfast.wire.dialect import Dialect
from holdfast.wire.framing import Frames

Received = Callable[[bytes], None]
Between = Callable[[bytes], list[tuple[int, bytes]]]
"""A frame -> what is sent in its place, and how much later."""

LATENCY_S = (0.003, 0.06)
LONG_DELAY_S = (1.0, 3 * 3600.0)
"""Up to minutes, so that a request arrives after its own reversal; and up to hours."""
CLOG_S = (5.0, 120.0)
NOTICE_S = (0.05, 1.0)
"""How soon an end learns that the other closed."""
HALF_OPEN_S = (5.0, 90.0)
"""How long an end may not notice that the other is gone."""
HALF_CUT_SHARE = 0.35
LEARNS_LATE_SHARE = 0.5
"""So often something stands between that passes on what it still has, long after one end has hung up."""
ONE_WAY_S = (5.0, 180.0)


def nothing_received(body: bytes) -> None:
    """Nobody listens yet."""


def nothing_lost() -> None:
    """Nobody minds."""


def as_it_is(frame: bytes) -> list[tuple[int, bytes]]:
    """Nobody stands between."""
    return [(0, frame)]


class End:
    """One end of a connection: a `runtime.links.Link` for the machine there."""

    def __init__(self, network: "Network", dialect: Dialect, name: str) -> None:
        self.dialect = dialect
        self.tpdu = b""
        self.header = b""
        self.name = name
        self.open = True
        self.other = self
        self.clogged_until_us = 0
        self.dead_until_us = 0
        """Until then nothing that is written here arrives."""
        self.out_of_step = False
        self.dice = network.dice_of(name)
        self.received: Received = nothing_received
        self.lost: Callable[[], None] = nothing_lost
        self.between: Between = as_it_is
        """Whoever stands between this end and the connection."""
        self._frames = Frames()
        self._network = network
        self._held: bytes | None = None
        self._sent = self._newest = 0

    def number(self) -> int:
        """The number of one more frame on the way from here."""
        self._sent += 1
        return self._sent

    def overtakes(self, number: int) -> bool:
        """Whether a frame of the other end came after one that was sent later."""
        late, self._newest = number < self._newest, max(number, self._newest)
        return late

    def in_step(self, frame: bytes) -> bytes | None:
        """What leaves when this is written: itself, or, out of step, what was written before it."""
        if not self.out_of_step:
            return frame
        held, self._held = self._held, frame
        return held

    def write(self, frame: bytes) -> None:
        """Send these bytes; never raises."""
        for delay_us, each in self.between(frame):
            self._network.carry(self, each, delay_us)

    def arrive(self, frame: bytes) -> None:
        """Bytes of the other end."""
        for body in self._frames.feed(frame):
            self.received(body)

    def hang_up(self) -> None:
        """The machine here ends the connection; the other end learns of it, soon or after all that is on its way."""
        if self.open:
            self._network.abandon(self.other, self.dice.random() < LEARNS_LATE_SHARE)
            self.close()

    def close(self) -> None:
        """The machine here learns that the connection is gone."""
        if self.open:
            self.open = False
            self.lost()


class Network:
    """Carries frames between the ends of connections."""

    def __init__(self, scheduler: Scheduler, faults: Faults, seed: str = "") -> None:
        self._scheduler = scheduler
        self._faults = faults
        self._seed = seed
        self._dice: dict[str, Random] = {}

    def dice_of(self, name: str) -> Random:
        """How long frames of one way take: each way has dice of its own, which outlive its connections."""
        if name not in self._dice:
            self._dice[name] = Random(f"{self._seed}/{name}")
        return self._dice[name]

    def connect(self, dialect: Dialect, near: str, far: str) -> tuple[End, End]:
        """A new connection: the end of who called, the end of who was called."""
        ends = End(self, dialect, f"{near}>{far}"), End(self, dialect, f"{far}>{near}")
        ends[0].other, ends[1].other = ends[1], ends[0]
        return ends

    def carry(self, end: End, frame: bytes, later_us: int = 0) -> None:
        """What becomes of one frame, which is sent so much later."""
        if not end.open:
            return
        faults = self._faults
        leaves = end.in_step(frame)
        if leaves is None:
            return
        kind = OUT_OF_STEP if end.out_of_step else ""
        dead = end.dead_until_us > self._scheduler.now_us
        if dead or faults.strikes(LOSS):
            if end.other.open:
                faults.count(ONE_WAY if dead else LOSS)
                self._scheduler.note(f"lost {end.name}", leaves)
            return
        self._send(end, leaves, kind, later_us)
        if faults.strikes(COPY):
            self._send(end, leaves, COPY, later_us)

    def cut(self, end: End) -> None:
        """The connection breaks: seen at both ends, or at one of them and at the other much later."""
        if not end.open or not end.other.open:
            return
        faults = self._faults
        half = faults.dice.random() < HALF_CUT_SHARE
        faults.count(HALF_CUT if half else CUT)
        first, second = (end, end.other) if faults.dice.random() < 0.5 else (end.other, end)
        self._scheduler.note(f"cut {first.name} {half}")
        first.close()
        self.abandon(second, half)

    def deaden(self, end: End) -> None:
        """What is written at this end is lost for a while; what the other end writes arrives."""
        self._scheduler.note(f"dead {end.name}")
        end.dead_until_us = self._scheduler.now_us + self._faults.between(*ONE_WAY_S)

    def shift(self, end: End) -> None:
        """From now on this end is out of step, until the connection is gone."""
        self._scheduler.note(f"out of step {end.name}")
        end.out_of_step = True

    def clog(self, end: End) -> None:
        """What is written at this end waits, for a while."""
        self._scheduler.note(f"clog {end.name}")
        end.clogged_until_us = self._scheduler.now_us + self._faults.between(*CLOG_S)

    def abandon(self, end: End, unnoticed: bool) -> None:
        """The other side of `end` is gone; it learns of it soon, or much later."""
        delay_us = between(end.dice, *(HALF_OPEN_S if unnoticed else NOTICE_S))
        self._scheduler.after(delay_us, end.close)

    def _send(self, end: End, frame: bytes, kind: str, later_us: int) -> None:
        faults = self._faults
        delay_us = between(end.dice, *LATENCY_S) + later_us
        if faults.strikes(DELAY):
            delay_us += faults.of_any_size(*LONG_DELAY_S)
            kind = kind or DELAY
        if end.clogged_until_us > self._scheduler.now_us:
            delay_us += end.clogged_until_us - self._scheduler.now_us
            kind = kind or CLOG
        self._scheduler.after(delay_us, partial(self._arrive, end.other, frame, kind, end.number()))

    def _arrive(self, end: End, frame: bytes, kind: str, number: int) -> None:
        if not end.open:
            return
        if kind:
            self._faults.count(kind)
        if end.overtakes(number):
            self._faults.count(REORDERED)
        self._scheduler.note(f"to {end.name}", frame)
        end.arrive(frame)
