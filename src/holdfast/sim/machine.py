"""A machine that runs the real engine on a store in memory, and may stop, crash and start again at any point.

The engine's coroutines are driven by hand: wherever the store would let others run, the rest of the work is queued for
a little later, and that is where a machine crashes or is stopped for a while. What a crash leaves behind is the
database; links, callers and events that waited are gone.
"""

from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from functools import partial
from random import Random
from types import coroutine
from typing import Any, Literal, NamedTuple

from holdfast.domain.tables import Entry
from holdfast.errors import Fenced, StoreError, WireError
from holdfast.keys.interface import Keys
from holdfast.parties.step import Command, Party, Received
from holdfast.parties.unwritten import UNWRITTEN
from holdfast.runtime.engine import Engine
from holdfast.runtime.links import Links
from holdfast.sim.faults import (
    CRASH_AFTER,
    CRASH_BEFORE,
    CRASH_RECOVERY,
    STALL,
    UNKNOWN,
    WRITE_FAILS,
    Faults,
    between,
)
from holdfast.sim.labels import Labels
from holdfast.sim.network import End, Network
from holdfast.sim.scheduler import Scheduler
from holdfast.sim.site import Site
from holdfast.store.memory import MemoryStore, crash
from holdfast.wire.codec import decode
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.message import Message, swapped_tpdu

PAUSE_US = {"lock": (2_000, 20_000), "commit": (300, 4_000), "committed": (10, 300)}
"""How long a store takes at its points, in microseconds; a point that is not named takes USUAL_PAUSE_US."""
USUAL_PAUSE_US = (20, 400)
WAKE_US = (20, 1_500)
POLL_US = 250_000
"""Due rows that somebody else holds are looked at again so much later."""
KEEP_US = 2_000_000
STALL_S = (0.5, 15.0)
RETRY_US = 500_000
LOST_COMMIT_SHARE = 0.5
UNNOTICED_SHARE = 0.2
"""So often nobody at the other end notices at once that a machine is gone."""

EVERY_POINT = frozenset({"begin", "fetch", "find", "claim", "write", "lock", "commit", "committed", "taken"})
COMMITS = frozenset({"lock", "commit", "committed", "taken"})
"""Where a machine pauses whose database is its own: nobody could come between the other points."""


class Stage(NamedTuple):
    """What all machines of one world share."""

    scheduler: Scheduler
    faults: Faults
    network: Network
    seed: str
    complain: Callable[[str], None]
    labels: Labels


class Role(NamedTuple):
    """What a machine is: its party, engine, logs, and how long it is down after a crash.

    `refused` and `waits_us_max` see `Driver` and `Engine`.
    """

    party: Party
    engine: type[Engine]
    logs: Sequence[str]
    down_s: tuple[float, float]
    points: frozenset[str] = COMMITS
    refused: Callable[[Command, bool], Mapping[str, Any]] | None = None
    waits_us_max: int | None = None


def nothing_overheard(message: Message) -> None:
    """Nobody listens in."""


@coroutine
def _hand_over(point: str) -> Generator[str, None, None]:
    yield point


class Machine:
    """One engine, when it runs. `on_ready` and `on_crash` tell whoever stands before it."""

    def __init__(self, stage: Stage, site: Site, name: str, role: Role, keys: Keys) -> None:
        self.name = name
        self.site = site
        self.ready = False
        self.ahead_us = 0
        """How far the clock here is ahead of the true time, or behind it."""
        self.links = Links(keys)
        self.on_ready: list[Callable[[], None]] = []
        self.on_crash: list[Callable[[], None]] = []
        self.overheard: Callable[[Message], None] = nothing_overheard
        self._stage = stage
        self._dice = Random(f"{stage.seed}/{name}/machine")
        """How long things take here, when nothing goes wrong."""
        self._role = role
        self._keys = keys
        self._life = 0
        self._task: Coroutine[Any, Any, Any] | None = None
        self._off = True
        self._woken = False
        self._turns = 0
        self._dies: tuple[int, str] | None = None
        """In which turn, and where in it, it crashes in its recovery."""
        self._damage: Mapping[str, Any] | None = None
        """What is wrong with its journal, until that is recorded there."""
        self._alarm_us: int | None = None
        self._ends: list[End] = []
        self._store = MemoryStore(site.database)
        self.engine = self._new_engine()
        site.machines.append(self)

    # --- life and death -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Power comes on: a new engine on the database as it was left."""
        self._life += 1
        self._off = False
        self._store = MemoryStore(self.site.database, self._pause, self._fail_commit, fail_write=self._fail_write)
        self.links = Links(self._keys)
        self.engine = self._new_engine()
        faults = self._stage.faults
        self._turns, self._dies = 0, faults.dice.choice(EARLY) if faults.strikes(CRASH_RECOVERY) else None
        self._boot(self._life)

    def power_on(self) -> None:
        """A long absence is over."""
        if self._off:
            self.start()

    def crash(self, down_us: int | None = None) -> None:
        """Everything that was not committed is gone; it starts again after a while."""
        scheduler = self._stage.scheduler
        scheduler.note(f"crash {self.name}")
        was_ready, self.ready, self._woken = self.ready, False, False
        self._life += 1
        self._off = True
        crash(self._store)
        if self._task is not None:
            self._task.close()
            self._task = None
        ends, self._ends = self._ends, []
        for end in ends:
            end.open = False
            self._stage.network.abandon(end.other, self._dice.random() < UNNOTICED_SHARE)
        if was_ready:
            for tell in self.on_crash:
                tell()
        usual_us = between(self._dice, *self._role.down_s)
        scheduler.after(down_us or usual_us, partial(self._start_again, self._life))

    def _start_again(self, life: int) -> None:
        if life == self._life:
            self.start()

    def retire(self) -> None:
        """It is dark, and stays so."""
        self.crash()
        self._life += 1

    def _new_engine(self) -> Engine:
        role = self._role
        return role.engine(
            role.party,
            self._store,
            self._keys,
            self.links,
            self._now_us,
            self._say,
            self.name,
            role.logs,
            waits_us_max=role.waits_us_max,
        )

    def _now_us(self) -> int:
        return self._stage.scheduler.now_us + self.ahead_us

    def set_clock(self, ahead_us: int) -> None:
        """From now on the clock here is so much ahead, or behind; nobody is told."""
        if ahead_us != self.ahead_us:
            self._stage.scheduler.note(f"clock {self.name} {ahead_us}")
            self.ahead_us, self._alarm_us = ahead_us, None
            self.mind_due()

    def _say(self, event: str, **facts: object) -> None:
        self._stage.scheduler.note(f"{self.name} says {event}")

    def _boot(self, life: int) -> None:
        if life == self._life:
            self._woken = False
            self._task = self._take()
            self._go_on(life)

    async def _take(self) -> None:
        await self.engine.take()
        if self._damage is not None:
            # Before anything else is decided on, due rows included.
            caller = self.links.add_caller(self._recorded)
            self.engine.offer(Command(caller, "mend", self._damage, "system"))
            await self.engine.turn(False)
            self.links.drop(caller)

    def _recorded(self, told: Mapping[str, Any]) -> None:
        if told["outcome"] == "approved":
            self._damage = None
        elif not told.get(UNWRITTEN):
            self._stage.complain(f"{self.name}: that the journal was damaged is not recorded: {told.get('reason')}")

    def tear(self, commits: int) -> list[Entry]:
        """The power goes off, and the last commits are not on the disk; -> the entries that are gone."""
        self.crash()
        lost = self.site.database.tear(commits)
        if lost:
            self._damage = {"kept": lost[0].number - 1, "says": f"entry {lost[0].number} is damaged"}
        return lost

    # --- work -----------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Something waits: a turn begins soon, unless one is under way."""
        if self.ready and self._task is None and not self._woken:
            self._woken = True
            delay_us = self._dice.randint(*WAKE_US)
            self._stage.scheduler.after(delay_us, partial(self._turn, self._life))

    def try_again(self) -> None:
        """What the database refused may be written now."""
        self._woken = False
        self.wake()

    def mind_due(self) -> None:
        """Be awake when the next due row's time comes."""
        due_us, now_us = self._next_due_us(), self._stage.scheduler.now_us
        if due_us is None or not self.ready or (self._alarm_us is not None and now_us <= self._alarm_us <= due_us):
            return
        self._alarm_us = due_us if due_us > now_us else now_us + POLL_US
        self._stage.scheduler.after(self._alarm_us - now_us, partial(self._alarm, self._alarm_us))

    def _next_due_us(self) -> int | None:
        """When the next due row's time comes here, in true time."""
        due_us, max_us = self.site.next_due_us(), self._role.waits_us_max
        if due_us is None:
            return None
        if max_us is not None and self.site.last_due_us() > self._now_us() + max_us:
            return self._stage.scheduler.now_us
        return due_us - self.ahead_us

    def keep(self) -> None:
        """What the engine does between batches."""
        if self.ready:
            try:
                self.engine.keep().send(None)
            except StopIteration:
                return
            except Fenced:
                self.crash()
            except StoreError:
                return

    def _alarm(self, set_for_us: int) -> None:
        if self._alarm_us == set_for_us:
            self._alarm_us = None
            if self._due_now():
                self.wake()
            else:
                self.mind_due()

    def _due_now(self) -> bool:
        due_us = self._next_due_us()
        return due_us is not None and due_us <= self._stage.scheduler.now_us

    def _turn(self, life: int) -> None:
        if life != self._life or self._task is not None:
            return
        self._woken = False
        claim = self._due_now()
        if self.engine.waiting or claim:
            self._turns += 1
            self._task = self.engine.turn(claim)
            self._go_on(life)

    def _go_on(self, life: int) -> None:
        """One step of what is under way, up to the next point at which the store lets others run."""
        if life != self._life or self._task is None:
            return
        try:
            point = self._task.send(None)
        except StopIteration:
            self._ended()
        except Fenced:
            self.crash()
        except StoreError:
            self._task, self._woken = None, True
            delay_us = max(RETRY_US, self.site.full_for_us)
            if self._role.refused is not None:
                delay_us = RETRY_US
                self.engine.turn_away(self._role.refused)
            self._stage.scheduler.after(delay_us, partial(self._turn if self.ready else self._boot, life))
        except Exception as error:
            self._stage.complain(f"{self.name}: the engine raised {type(error).__name__}: {error}")
            self.crash()
        else:
            self._paused(point)

    def _ended(self) -> None:
        self._task = None
        if not self.ready:
            self.ready = True
            for tell in self.on_ready:
                tell()
        head = self.engine.head
        self._stage.scheduler.note(f"{self.name} at {head.log} {head.batch}", head.previous)
        if self.engine.waiting:
            self.wake()
        self.site.changed()

    def _paused(self, point: str) -> None:
        faults = self._stage.faults
        kind = CRASHES.get(point) if self.ready else None
        if self._dies is not None and self._dies_at(point):
            kind = CRASH_RECOVERY
        elif kind is not None and not faults.strikes(kind):
            kind = None
        if kind is not None:
            faults.count(kind)
            self.crash()
            return
        delay_us = self._dice.randint(*PAUSE_US.get(point, USUAL_PAUSE_US))
        if faults.strikes(STALL):
            faults.count(STALL)
            delay_us += faults.between(*STALL_S)
        self._stage.scheduler.after(delay_us, partial(self._go_on, self._life))

    def _dies_at(self, point: str) -> bool:
        """Whether this is where its recovery fails; nobody's does any more once the world heals."""
        assert self._dies is not None
        turn, where = self._dies
        if point != where or self._turns < turn:
            return False
        self._dies = None
        return self._stage.faults.rate(CRASH_RECOVERY) > 0

    async def _pause(self, point: str) -> None:
        if point in self._role.points:
            await _hand_over(point)

    def _fail_commit(self) -> Literal["before", "after"] | None:
        faults = self._stage.faults
        if not faults.strikes(UNKNOWN):
            return None
        faults.count(UNKNOWN)
        return "before" if faults.dice.random() < LOST_COMMIT_SHARE else "after"

    def _fail_write(self, what: str) -> bool:
        faults = self._stage.faults
        if self.site.refuses(faults):
            return True
        if what != "batch" or not faults.strikes(WRITE_FAILS):
            return False
        faults.count(WRITE_FAILS)
        return True

    # --- links ----------------------------------------------------------------------------------------------------

    def attach(self, end: End, host: str, peer: str, lost: Callable[[], None]) -> None:
        """This machine's end of a connection: `host` names whom it leads to, `peer` who speaks there."""
        link = self.links.add(end, host)
        self._ends.append(end)
        end.received = partial(self._received, end, link, peer)
        end.lost = partial(self._lost, end, link, lost)

    def _received(self, end: End, link: int, peer: str, body: bytes) -> None:
        try:
            message = decode(end.dialect, body)
        except WireError as error:
            self._stage.complain(f"{end.name}: our own bytes cannot be read: {error}")
            return
        if end.dialect is UNIONPAY:
            end.tpdu, end.header = swapped_tpdu(message.tpdu), message.header
            self.overheard(message)
        self.engine.offer(Received(link, peer, message))
        self.wake()

    def _lost(self, end: End, link: int, tell: Callable[[], None]) -> None:
        if end in self._ends:
            self._ends.remove(end)
            self.links.drop(link)
            tell()

    def lines(self) -> list[End]:
        """The ends of the connections that are up here."""
        return self._ends


CRASHES = {"commit": CRASH_BEFORE, "committed": CRASH_AFTER}
"""Points at which a machine may crash."""
EARLY = ((0, "taken"), (0, "commit"), (0, "committed"), (2, "commit"), (2, "committed"))
"""Where a machine crashes in its recovery: with its log taken, or in the first turns after that."""
