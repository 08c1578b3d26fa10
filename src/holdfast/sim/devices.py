"""Where terminals of ours come from: the first device, and the ones that replace it.

    swapped  once everything that it owed was delivered; its journal stays, and is evidence like any other
    lost     with whatever it had not delivered, at a moment at which it owes something where there is one soon

A new device has the terminal's number and an empty journal of its own; it is loaded and signs on as any other. What the
former one had on its conscience nobody can deliver any more.
"""

from collections.abc import Sequence
from functools import partial

from holdfast.clock import SECOND_US
from holdfast.domain.records import TERMINAL_LOGS
from holdfast.parties.settings import ACQUIRER, TerminalSettings
from holdfast.parties.unwritten import unwritten
from holdfast.sim.faults import LOST_DEVICE, SWAP
from holdfast.sim.keys import SimKeys
from holdfast.sim.labels import DEVICE_LOST, DEVICE_REPLACED
from holdfast.sim.line import Line
from holdfast.sim.machine import Machine, Role, Stage
from holdfast.sim.site import Site
from holdfast.sim.tampering import Cast
from holdfast.sim.tills import OurTill
from holdfast.wire.dialect import UNIONPAY

DOWN_S = (2.0, 90.0)
COMES_S = (10.0, 600.0)
"""How long until a new device is there."""
TORN_COMMITS_MAX = 3
"""So many commits a power cut may cost."""
LOOKS_US = {SWAP: SECOND_US, LOST_DEVICE: SECOND_US // 10}
LOOKS_MAX = 300


class Workshop:
    """Makes devices, and replaces them."""

    def __init__(self, stage: Stage, cast: Cast, hosts: Sequence[Machine]) -> None:
        self._stage = stage
        self._cast = cast
        self._hosts = hosts
        self._made: dict[str, int] = {}

    def device(self, terminal_id: str) -> Machine:
        """One more device of this number, with keys and a store of its own; its line is up as soon as it runs."""
        number = self._made[terminal_id] = self._made.get(terminal_id, 0) + 1
        name = terminal_id if number == 1 else f"{terminal_id}#{number}"
        settings = TerminalSettings(terminal_id)
        role = Role(
            self._cast.terminal(terminal_id),
            self._cast.terminal_engine,
            TERMINAL_LOGS,
            DOWN_S,
            refused=unwritten,
            waits_us_max=settings.waits_us_max,
        )
        keys, site = SimKeys(name, f"{self._stage.seed}/{name}"), Site(self._stage.scheduler)
        site.database.remember(TORN_COMMITS_MAX)
        machine = Machine(self._stage, site, name, role, keys)
        Line(self._stage, machine, self._hosts, UNIONPAY, ACQUIRER, "")
        return machine

    def replace(self, kind: str, till: OurTill) -> None:
        """Swap or lose the device at a till, as soon as the moment is right: it is the strike of that kind."""
        self._look(kind, till, self._stage.faults.of_any_size(*COMES_S), LOOKS_MAX)

    def _look(self, kind: str, till: OurTill, comes_us: int, times: int) -> None:
        right = till.powered and till.device is not None and till.clean is (kind == SWAP)
        if not right and times:
            again = partial(self._look, kind, till, comes_us, times - 1)
            self._stage.scheduler.after(LOOKS_US[kind], again)
        elif right or (kind == LOST_DEVICE and till.powered and till.device is not None):
            self._take_away(kind, till, comes_us)

    def _take_away(self, kind: str, till: OurTill, comes_us: int) -> None:
        stage, lost = self._stage, kind == LOST_DEVICE
        stage.scheduler.note(f"{till.name} {kind}")
        stage.faults.count(kind)
        stage.labels.put(till.name, DEVICE_LOST if lost else DEVICE_REPLACED)
        till.take_away(lost)
        stage.scheduler.after(comes_us, partial(self._bring, till))

    def _bring(self, till: OurTill) -> None:
        machine = self.device(till.name)
        till.put_up(machine)
        machine.start()
