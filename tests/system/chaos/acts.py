"""Misfortunes as they strike, each at its moment; a kill waits a little for requests in flight, and counts them."""

import asyncio
import contextlib
import random
import signal
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import asyncpg

from holdfast.runtime.config import parse_address
from holdfast.sim.relay import Fate, Relay
from tests.system.chaos import disk, schedule
from tests.system.chaos.schedule import Misfortune
from tests.system.chaos.town import Town, send

VICTIM_PATIENCE_S = 10.0
IN_FLIGHT_PATIENCE_S = 4.0
ALIVE_PATIENCE_S = 10.0
"""What everybody depends on is not hit again before somebody was answered, or for so long."""
LOOK_EVERY_S = 0.004
FILL_EVERY_S = 0.1
SWITCH_S = 1.0
STORM_CONNECTIONS = 300
SLOW_LINE_S = 0.4


class Victim(NamedTuple):
    """A process, and the terminals that depend on it."""

    pid: int
    terminals: list[str]


class Kill(NamedTuple):
    """One `kill -9`: when (monotonic), of what, how many requests were in flight, and whose terminals suffered."""

    component: str
    at_s: float
    in_flight: int
    terminals: list[str]


class Acts:
    """Does what a schedule says to a town."""

    def __init__(self, town: Town) -> None:
        self.kills: list[Kill] = []
        self.done: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        """What found nobody to hit within its patience."""
        self._town = town
        self._one_at_a_time = asyncio.Lock()
        self._answers = 0
        """How many answers there were when everybody was hit last."""

    async def run(self, misfortunes: list[Misfortune]) -> None:
        """All of them, each at its time; returns when the last has ended."""
        began_s = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as tasks:
            for misfortune in misfortunes:
                await asyncio.sleep(began_s + misfortune.at_s - asyncio.get_running_loop().time())
                tasks.create_task(self._strike(misfortune))

    async def _strike(self, misfortune: Misfortune) -> None:
        verb, _, what = misfortune.kind.partition(" ")
        dice = random.Random(misfortune.whom)
        if misfortune.kind in schedule.OF_EVERYBODY:
            struck = await self._hit_everybody(verb, what, dice)
        elif verb == "kill":
            struck = await self._kill(what, dice)
        elif verb == "stop":
            struck = await self._stop(what, dice, misfortune.lasts_s)
        elif verb == "fill":
            place = disk.DATABASE if "database" in what else disk.TERMINALS
            struck = await self._fill(place, misfortune.lasts_s)
        elif verb == "connection":
            struck = await self._storm(dice, misfortune.lasts_s)
        else:
            struck = await self._line(what, dice, misfortune.lasts_s)
        (self.done if struck else self.missed)[misfortune.kind] += 1

    # --- processes ------------------------------------------------------------------------------------------------

    async def _hit_everybody(self, verb: str, what: str, dice: random.Random) -> bool:
        """One such misfortune at a time, and each while requests are served: on a slow machine they come later."""
        async with self._one_at_a_time:
            await self._somebody_is_answered()
            if verb == "kill":
                return await self._kill(what, dice)
            return self._restart(signal.SIGINT if what.endswith("fast") else signal.SIGQUIT)

    async def _somebody_is_answered(self) -> None:
        until_s = asyncio.get_running_loop().time() + ALIVE_PATIENCE_S
        while True:
            if self._town.answers != self._answers or asyncio.get_running_loop().time() > until_s:
                self._answers = self._town.answers
                return
            await asyncio.sleep(LOOK_EVERY_S)

    async def _kill(self, what: str, dice: random.Random) -> bool:
        victim = await self._found(what, dice)
        if victim is None:
            return False
        # The number is of the same moment as the signal: nothing else runs in between.
        in_flight = self._town.in_flight(victim.terminals)
        self._town.killed.add(victim.pid)
        send(victim.pid, signal.SIGKILL)
        component = what.partition(" ")[0]
        self.kills.append(Kill(component, asyncio.get_running_loop().time(), in_flight, victim.terminals))
        return True

    async def _stop(self, what: str, dice: random.Random, lasts_s: float) -> bool:
        victim = await self._found(what, dice)
        if victim is None:
            return False
        send(victim.pid, signal.SIGSTOP)
        await asyncio.sleep(lasts_s)
        send(victim.pid, signal.SIGCONT)
        return True

    def _restart(self, how: signal.Signals) -> bool:
        postmaster = self._town.postmaster()
        send(postmaster, how)
        return postmaster is not None

    async def _found(self, what: str, dice: random.Random) -> Victim | None:
        """Whom it hits: as soon as there is one with requests in flight, or one at least."""
        loop = asyncio.get_running_loop()
        until_s, in_flight_until_s = loop.time() + VICTIM_PATIENCE_S, loop.time() + IN_FLIGHT_PATIENCE_S
        while True:
            victims = self._victims(what)
            busy = [victim for victim in victims if self._town.in_flight(victim.terminals)]
            if busy or (victims and loop.time() > in_flight_until_s):
                return dice.choice(busy or victims)
            if loop.time() > until_s:
                return None
            await asyncio.sleep(LOOK_EVERY_S)

    def _victims(self, what: str) -> list[Victim]:
        town = self._town
        everybody = town.terminals
        if what == schedule.TERMINAL:
            return [Victim(till.pid, [name]) for name, till in town.tills.items() if till.pid and till.is_alive()]
        if what == schedule.ACQUIRER:
            return [Victim(pid, linked) for pid, linked in town.workers().items()]
        if what == schedule.UP:
            running = [up for up in town.ups if up.up is not None and up.up.poll() is None]
            return [Victim(up.up.pid, everybody if up is town.one else town.linked_to(up)) for up in running if up.up]
        if what == schedule.ISSUER:
            pids = [town.active_issuer()]
        elif what == schedule.POSTGRES:
            pids = [town.postmaster()]
        else:
            pids = [*town.backends()]
        return [Victim(pid, everybody) for pid in pids if pid is not None]

    # --- disks and lines ------------------------------------------------------------------------------------------

    async def _fill(self, place: str, lasts_s: float) -> bool:
        filler = disk.Filler(self._town.folder / place)
        until_s = asyncio.get_running_loop().time() + lasts_s
        try:
            while asyncio.get_running_loop().time() < until_s:
                filler.fill()
                if place == disk.DATABASE:
                    await self._use_up_log()
                await asyncio.sleep(FILL_EVERY_S)
        finally:
            filler.free()
        return True

    async def _use_up_log(self) -> None:
        """PostgreSQL has some segments of its log in store, and would not notice a full disk as long as these last."""
        with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection = await asyncpg.connect(self._town.database, timeout=SWITCH_S)
            try:
                await connection.execute("SELECT pg_switch_wal()", timeout=SWITCH_S)
            finally:
                connection.terminate()

    async def _storm(self, dice: random.Random, lasts_s: float) -> bool:
        """Hundreds of connections at once: some say nothing, some half a frame, some nonsense."""
        at = parse_address(dice.choice(self._town.ups).at)
        words = (b"", b"\x00\x60half a frame", b"\xff\xffnonsense" * 20)
        opened = [asyncio.open_connection(at.host, at.port) for _ in range(STORM_CONNECTIONS)]
        found = await asyncio.gather(*opened, return_exceptions=True)
        writers = [each[1] for each in found if not isinstance(each, BaseException)]
        for writer in writers:
            writer.write(dice.choice(words))
        await asyncio.sleep(lasts_s)
        for writer in writers:
            writer.transport.abort()
        return bool(writers)

    async def _line(self, fault: str, dice: random.Random, lasts_s: float) -> bool:
        """One terminal's line."""
        relay = self._town.relays[dice.choice(self._town.terminals)]
        LINE_ACTS[fault](relay)
        await asyncio.sleep(lasts_s)
        relay.heal()
        return True


def _set(name: str, value: Fate | float) -> Callable[[Relay], None]:
    return lambda relay: setattr(relay, name, value)


LINE_ACTS: dict[str, Callable[[Relay], None]] = {
    "lose questions": _set("to_server", Fate.LOSE),
    "lose answers": _set("to_client", Fate.LOSE),
    "lose bytes": _set("to_server", Fate.LOSE_SOME),
    "delay questions": _set("to_server", Fate.WAIT),
    "delay answers": _set("to_client", Fate.WAIT),
    "slow line": _set("delay_s", SLOW_LINE_S),
    "cut": Relay.cut,
    "half cut": Relay.cut_half,
    "refuse": _set("refuses", True),
}
assert set(LINE_ACTS) == set(schedule.LINE_FAULTS), "every fault of a line is an act"
