"""A connection that is kept up: whoever calls dials again whenever it is lost."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

from holdfast.sim.faults import between
from holdfast.sim.machine import Machine, Stage
from holdfast.sim.network import End
from holdfast.wire.dialect import Dialect

REDIAL_S = (0.2, 5.0)


class Caller(Protocol):
    """Who keeps a line up."""

    name: str
    ready: bool
    on_ready: list[Callable[[], None]]
    on_crash: list[Callable[[], None]]

    def attach(self, end: End, host: str, peer: str, lost: Callable[[], None]) -> None:
        """The line is up: this is its end."""


def nobody(end: End) -> None:
    """Nobody stands between."""


class Line:
    """A connection that is kept up to one of several machines, calling again whenever it is lost.

    `host` is how the caller names whom it reaches, `peer` how the callee names the caller ("" for a terminal), and
    whoever stands between them takes his place at the callee's end.
    """

    def __init__(
        self,
        stage: Stage,
        caller: Caller,
        callees: Sequence[Machine],
        dialect: Dialect,
        host: str,
        peer: str,
        stands_between: Callable[[End], None] = nobody,
    ) -> None:
        self._stage = stage
        self._dice = Random(f"{stage.seed}/{caller.name}/{host}/line")
        self._stands_between = stands_between
        self._caller = caller
        self._callees = callees
        self._dialect = dialect
        self._host = host
        self._peer = peer
        self._end: End | None = None
        caller.on_ready.append(self.dial)
        caller.on_crash.append(self._forget)

    def dial(self) -> None:
        """Call somebody who is up."""
        if not self._caller.ready or self._end is not None:
            return
        up = [machine for machine in self._callees if machine.ready]
        if not up:
            self._again()
            return
        callee = self._dice.choice(up)
        near, far = self._stage.network.connect(self._dialect, self._caller.name, callee.name)
        self._end = near
        self._caller.attach(near, self._host, self._host, self._lost)
        callee.attach(far, "", self._peer, nothing_to_do)
        self._stands_between(far)

    def _lost(self) -> None:
        self._end = None
        self._again()

    def _forget(self) -> None:
        self._end = None

    def _again(self) -> None:
        self._stage.scheduler.after(between(self._dice, *REDIAL_S), self.dial)


def nothing_to_do() -> None:
    """Who was called waits to be called again."""
