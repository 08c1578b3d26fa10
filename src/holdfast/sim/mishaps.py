"""Misfortune that comes by the minute: to a connection, a machine, a terminal or an issuer, whoever it meets."""

from collections.abc import Callable
from functools import partial

from holdfast.sim.faults import CLOG, CUT, DISK_FULL, KILL, ONE_WAY, OUT_OF_STEP, POWER_OFF, Faults
from holdfast.sim.machine import Machine, Site, Stage
from holdfast.sim.network import End, Network
from holdfast.sim.tills import OurTill, StandardTill

Act = Callable[[], None]

DISK_FULL_S = (5.0, 400.0)


class Mishaps:
    """Whom it may meet, and what happens then. `begin` starts them; they come no more once the world has healed."""

    def __init__(self, stage: Stage, hosts: list[Machine], tills: list[OurTill | StandardTill]) -> None:
        self._faults: Faults = stage.faults
        self._network: Network = stage.network
        self._scheduler = stage.scheduler
        self._hosts = hosts
        self._tills = tills
        ours = [till.machine for till in tills if isinstance(till, OurTill)]
        self._sites: list[Site] = list(dict.fromkeys(machine.site for machine in (*hosts, *ours)))
        self._acts: dict[str, Act] = {
            CLOG: partial(self._to_a_way, self._network.clog),
            CUT: partial(self._to_a_way, self._network.cut),
            ONE_WAY: partial(self._to_a_way, self._network.deaden),
            OUT_OF_STEP: partial(self._to_a_way, self._network.shift),
            KILL: self._kill,
            POWER_OFF: self._power_off,
            DISK_FULL: self._fill_a_disk,
        }
        self._round = 0

    def begin(self) -> None:
        """From now on, as the world's hostility has it; what was to come of an earlier begin does not."""
        self._round += 1
        for kind in self._acts:
            self._comes_again(kind, self._round)

    def end(self) -> None:
        """No more, until it begins again; what lasts ends now."""
        self._round += 1
        for site in self._sites:
            site.clear()

    def _comes_again(self, kind: str, begun: int) -> None:
        if self._faults.rate(kind) > 0:
            self._scheduler.after(self._faults.pause_us(kind), partial(self._strikes, kind, begun))

    def _strikes(self, kind: str, begun: int) -> None:
        if begun == self._round:
            if self._faults.befalls(kind):
                self._acts[kind]()
            self._comes_again(kind, begun)

    def _to_a_way(self, act: Callable[[End], None]) -> None:
        """One direction of any connection that leads to a host."""
        ends = [end for machine in self._hosts for end in machine.lines()]
        if ends:
            end = self._faults.dice.choice(ends)
            act(end if self._faults.dice.random() < 0.5 else end.other)

    def _kill(self) -> None:
        machine = self._faults.dice.choice(self._hosts)
        if machine.ready:
            self._faults.count(KILL)
            machine.crash()

    def _fill_a_disk(self) -> None:
        site = self._faults.dice.choice(self._sites)
        self._scheduler.note(f"full {site.machines[0].name}")
        site.fill(self._faults.of_any_size(*DISK_FULL_S))

    def _power_off(self) -> None:
        till = self._faults.dice.choice(self._tills)
        if till.powered:
            self._faults.count(POWER_OFF)
            till.power_off()
