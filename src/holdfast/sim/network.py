"""Connections between machines: what is written at one end arrives at the other, late, twice, out of order or never.

A connection that is cut is closed at both ends, or at one end only: then the other goes on writing into nothing until
it notices. What is on its way still arrives where the end is open.
"""

from collections.abc import Callable
from functools import partial

from holdfast.sim.faults import CLOG, COPY, CUT, DELAY, HALF_CUT, LOSS, Faults
from holdfast.sim.scheduler import Scheduler
from holdfast.wire.dialect import Dialect
from holdfast.wire.framing import Frames

Received = Callable[[bytes], None]
Between = Callable[[bytes], list[tuple[int, bytes]]]
"""A frame -> what is sent in its place, and how much later."""

LATENCY_S = (0.003, 0.06)
LONG_DELAY_S = (1.0, 240.0)
"""Up to minutes, so that a request arrives after its own reversal."""
CLOG_S = (5.0, 120.0)
NOTICE_S = (0.05, 1.0)
"""How soon an end learns that the other closed."""
HALF_OPEN_S = (5.0, 90.0)
"""How long an end may not notice that the other is gone."""
HALF_CUT_SHARE = 0.35


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
        self.received: Received = nothing_received
        self.lost: Callable[[], None] = nothing_lost
        self.between: Between = as_it_is
        """Whoever stands between this end and the connection."""
        self._frames = Frames()
        self._network = network

    def write(self, frame: bytes) -> None:
        """Send these bytes; never raises."""
        for delay_us, each in self.between(frame):
            self._network.carry(self, each, delay_us)

    def arrive(self, frame: bytes) -> None:
        """Bytes of the other end."""
        for body in self._frames.feed(frame):
            self.received(body)

    def close(self) -> None:
        """The machine here learns that the connection is gone."""
        if self.open:
            self.open = False
            self.lost()


class Network:
    """Carries frames between the ends of connections."""

    def __init__(self, scheduler: Scheduler, faults: Faults) -> None:
        self._scheduler = scheduler
        self._faults = faults

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
        if faults.strikes(LOSS):
            if end.other.open:
                faults.count(LOSS)
            self._scheduler.note(f"lost {end.name}", frame)
            return
        self._send(end, frame, "", later_us)
        if faults.strikes(COPY):
            self._send(end, frame, COPY, later_us)

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

    def clog(self, end: End) -> None:
        """What is written at this end waits, for a while."""
        self._scheduler.note(f"clog {end.name}")
        end.clogged_until_us = self._scheduler.now_us + self._faults.between(*CLOG_S)

    def abandon(self, end: End, unnoticed: bool) -> None:
        """The other side of `end` is gone; it learns of it soon, or much later."""
        delay_us = self._faults.between(*(HALF_OPEN_S if unnoticed else NOTICE_S))
        self._scheduler.after(delay_us, end.close)

    def _send(self, end: End, frame: bytes, kind: str, later_us: int) -> None:
        faults = self._faults
        delay_us = faults.between(*LATENCY_S) + later_us
        if faults.strikes(DELAY):
            delay_us += faults.of_any_size(*LONG_DELAY_S)
            kind = kind or DELAY
        if end.clogged_until_us > self._scheduler.now_us:
            delay_us += end.clogged_until_us - self._scheduler.now_us
            kind = kind or CLOG
        self._scheduler.after(delay_us, partial(self._arrive, end.other, frame, kind))

    def _arrive(self, end: End, frame: bytes, kind: str) -> None:
        if not end.open:
            return
        if kind:
            self._faults.count(kind)
        self._scheduler.note(f"to {end.name}", frame)
        end.arrive(frame)
