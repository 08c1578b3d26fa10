"""Misfortune that comes by the minute: to a connection, a machine, a terminal or an issuer, whoever it meets."""

from collections.abc import Callable
from functools import partial

import orjson

from holdfast.clock import DAY_US
from holdfast.sim.devices import TORN_COMMITS_MAX, Workshop
from holdfast.sim.faults import (
    CLOG,
    CUT,
    DISK_FULL,
    ISSUER_DOWN,
    JUMP,
    KILL,
    LOST_DEVICE,
    ONE_WAY,
    OUT_OF_STEP,
    POWER_OFF,
    SKEW,
    SWAP,
    TORN,
    Faults,
)
from holdfast.sim.labels import ISSUER_AWAY, JOURNAL_TORN
from holdfast.sim.machine import Machine, Stage
from holdfast.sim.network import End, Network
from holdfast.sim.site import Site
from holdfast.sim.tills import OurTill, StandardTill

Act = Callable[[], None]

DISK_FULL_S = (5.0, 400.0)
SKEW_S, SKEWED_S = (0.2, 5.0), (20.0, 3600.0)
"""How wrong a clock is, and for how long."""
WILD_SHARE = 0.3
WILD_US = (DAY_US, 365 * DAY_US)
"""So often, and by so much, a terminal's clock is set to another day, or to another year."""
JUMP_S, TERMINAL_JUMP_S, JUMPED_S = (0.5, 60.0), (0.5, 3600.0), (5.0, 600.0)
HOST_SHARE = 0.5
ISSUER_DOWN_S = (3600.0, 86_400.0)


class Mishaps:
    """Whom it may meet, and what happens then. `begin` starts them; they come no more once the world has healed."""

    def __init__(
        self,
        stage: Stage,
        acquirers: list[Machine],
        issuers: list[Machine],
        tills: list[OurTill | StandardTill],
        workshop: Workshop,
    ) -> None:
        self._faults: Faults = stage.faults
        self._network: Network = stage.network
        self._scheduler = stage.scheduler
        self._labels = stage.labels
        self._hosts = [*acquirers, *issuers]
        self._issuers = issuers
        self._tills = tills
        self._set: dict[str, int] = {}
        """How often each clock was set."""
        self._away: list[Machine] = []
        self._ours = [till for till in tills if isinstance(till, OurTill)]
        self._workshop = workshop
        self._acts: dict[str, Act] = {
            CLOG: partial(self._to_a_way, self._network.clog),
            CUT: partial(self._to_a_way, self._network.cut),
            ONE_WAY: partial(self._to_a_way, self._network.deaden),
            OUT_OF_STEP: partial(self._to_a_way, self._network.shift),
            KILL: self._kill,
            POWER_OFF: self._power_off,
            DISK_FULL: self._fill_a_disk,
            TORN: self._tear,
            SKEW: self._skew,
            JUMP: self._jump,
            ISSUER_DOWN: self._issuer_down,
            SWAP: partial(self._replace, SWAP),
            LOST_DEVICE: partial(self._replace, LOST_DEVICE),
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
        for machine in (*self._hosts, *self._terminals):
            machine.set_clock(0)
        for machine in self._away:
            machine.power_on()
        self._away.clear()

    @property
    def _terminals(self) -> list[Machine]:
        return [till.machine for till in self._ours]

    @property
    def _sites(self) -> list[Site]:
        return list(dict.fromkeys(machine.site for machine in (*self._hosts, *self._terminals)))

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

    def _tear(self) -> None:
        """A power cut, after which the journal of a terminal ends earlier than it did: it sees that when it starts."""
        till, commits = self._faults.dice.choice(self._ours), self._faults.dice.randint(1, TORN_COMMITS_MAX)
        if not till.powered:
            return
        lost = till.machine.tear(commits)
        self._scheduler.note(f"torn {till.name} {len(lost)}")
        if lost:
            self._faults.count(TORN)
            self._labels.put(till.name, JOURNAL_TORN)
        for key in sorted({str(orjson.loads(entry.body).get("trace_key", "")) for entry in lost} - {""}):
            self._labels.put(key, JOURNAL_TORN)

    def _issuer_down(self) -> None:
        """It may be that it is away until everything heals; nobody can be asked meanwhile."""
        machine = self._faults.dice.choice(self._issuers)
        if machine.ready:
            self._faults.count(ISSUER_DOWN)
            self._labels.put(machine.name, ISSUER_AWAY)
            self._away.append(machine)
            machine.crash(self._faults.between(*ISSUER_DOWN_S))

    def _skew(self) -> None:
        machine, dice = self._with_a_clock(), self._faults.dice
        wild = machine in self._terminals and dice.random() < WILD_SHARE
        size_us = dice.choice(WILD_US) if wild else self._faults.between(*SKEW_S)
        self._set_clock(SKEW, machine, size_us, SKEWED_S)

    def _jump(self) -> None:
        machine = self._with_a_clock()
        size_s = TERMINAL_JUMP_S if machine in self._terminals else JUMP_S
        self._set_clock(JUMP, machine, self._faults.of_any_size(*size_s), JUMPED_S)

    def _with_a_clock(self) -> Machine:
        dice = self._faults.dice
        return dice.choice(self._hosts if dice.random() < HOST_SHARE else self._terminals)

    def _set_clock(self, kind: str, machine: Machine, size_us: int, wrong_s: tuple[float, float]) -> None:
        """It is wrong for a while, and then right again."""
        if not machine.ready:
            return
        self._faults.count(kind)
        machine.set_clock(size_us if self._faults.dice.random() < 0.5 else -size_us)
        times = self._set[machine.name] = self._set.get(machine.name, 0) + 1
        self._scheduler.after(self._faults.of_any_size(*wrong_s), partial(self._set_right, machine, times))

    def _set_right(self, machine: Machine, times: int) -> None:
        if self._set[machine.name] == times:
            machine.set_clock(0)

    def _replace(self, kind: str) -> None:
        self._workshop.replace(kind, self._faults.dice.choice(self._ours))

    def _power_off(self) -> None:
        till = self._faults.dice.choice(self._tills)
        if till.powered:
            self._faults.count(POWER_OFF)
            till.power_off()
