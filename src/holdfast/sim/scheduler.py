"""Virtual time: one queue of things to happen, in one order, with one trace.

Nothing in a world happens but through this queue; what happens at the same microsecond happens in the order in which it
was queued. The trace is a hash over everything that was noted, so that "same seed, same story" is one comparison.
"""

from collections.abc import Callable
from hashlib import sha256
from heapq import heappop, heappush

EVENTS_MAX = 3_000_000
"""A world of an hour needs a tenth of it: past this something goes round in circles."""


Tape = list[tuple[int, str, bytes]]
"""When, what, and the bytes that were seen."""


class Stuck(Exception):
    """The world never comes to rest."""


class Scheduler:
    """The clock of a world, and what is still to happen in it."""

    def __init__(self, start_us: int, events_max: int = EVENTS_MAX) -> None:
        self.now_us = start_us
        self.events = 0
        self._events_max = events_max
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._queued = 0
        self._trace = sha256()
        self.tape: Tape | None = None
        """What was noted and when, for whoever wants to read it afterwards."""

    def now_s(self) -> float:
        """The clock as a database's own."""
        return self.now_us / 1_000_000

    def after(self, delay_us: int, act: Callable[[], None]) -> None:
        """Let something happen so much later."""
        self._queued += 1
        heappush(self._queue, (self.now_us + delay_us, self._queued, act))

    def note(self, what: str, seen: bytes = b"") -> None:
        """Something happened: it becomes part of the trace."""
        self._trace.update(f"{self.now_us} {what} ".encode())
        self._trace.update(seen)
        if self.tape is not None:
            self.tape.append((self.now_us, what, seen))

    def run_until(self, until_us: int) -> None:
        """Let everything happen that is to happen up to this time; idle time costs nothing. Raises Stuck."""
        queue = self._queue
        while queue and queue[0][0] <= until_us:
            self.now_us, _, act = heappop(queue)
            self.events += 1
            if self.events > self._events_max:
                raise Stuck(f"{self.events} events, and no end of it")
            act()
        self.now_us = max(self.now_us, until_us)

    def trace(self) -> str:
        """The hash over all that was noted so far."""
        return self._trace.hexdigest()
