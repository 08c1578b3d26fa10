"""Many worlds, one after the other or on all cores, and one report: the same seeds give the same report everywhere.

Each seed is a world by itself, so it does not matter which core runs it. Stories are put together in the order of the
seeds, whatever the order in which they end.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from hashlib import sha256
from multiprocessing import get_context
from time import monotonic
from typing import Any, NamedTuple

from holdfast.sim.faults import KINDS
from holdfast.sim.plant import BUGS, HONEST
from holdfast.sim.scheduler import Stuck, Tape
from holdfast.sim.world import Only, World

NOTHING = "nothing"
"""How `--only` is written when a world goes wrong in which nobody comes and nothing befalls."""

MINUTES_MAX = 24 * 60
"""A day of traffic; what is meant to take longer is more seeds."""


class Story(NamedTuple):
    """What came of one seed. `simulated_s` is its time of traffic, `trace` the hash over everything that happened.

    `missing` are names that were to be the only ones, and of which nothing happened.
    """

    seed: int
    complaints: tuple[str, ...]
    requests: int
    faults: dict[str, int]
    simulated_s: int
    trace: str
    kinds: dict[str, int]
    approved: frozenset[str]
    missing: tuple[str, ...] = ()


class Report(NamedTuple):
    """What came of many. Simulated seconds are those of traffic; `trace` is a hash over the traces of all worlds.

    `kinds` are registered requests by kind; `worlds_with` the share of worlds in which one of a kind was approved;
    `worlds_by_fault` the share in which a fault took effect.
    """

    seeds: int
    complaints: list[dict[str, Any]]
    requests: int
    kinds: dict[str, int]
    worlds_with: dict[str, float]
    faults_by_kind: dict[str, int]
    worlds_by_fault: dict[str, float]
    seconds: float
    simulated_seconds: int
    trace: str

    def as_json(self) -> dict[str, Any]:
        """The object that `simulate --json` prints: `complaints` counts, `found` says what and how to replay it."""
        counted = {"complaints": len(self.complaints), "seconds": round(self.seconds, 3)}
        return self._asdict() | counted | {"found": self.complaints}


def played(seed: int, minutes: int, bug: str | None = None, only: Only = None, tape: Tape | None = None) -> World:
    """One world, run to its end: its complaints say what went wrong with it. `only` names what may happen in it.

    What is noted while it runs is put on the tape.
    """
    world = World(seed, minutes, BUGS[bug].cast if bug else HONEST, only)
    world.scheduler.tape = tape
    try:
        world.run()
    except Stuck as stuck:
        world.complain(f"I5: {stuck}")
    except Exception as error:
        # A long sweep goes on: this seed says what happened, and its replay shows where.
        world.complain(f"the world broke: {type(error).__name__}: {error}")
    return world


def tell(seed: int, minutes: int, bug: str | None = None, only: Only = None) -> Story:
    """Run one world."""
    world = played(seed, minutes, bug, only)
    missing = sorted((only or frozenset()) - {*world.guests, *world.faults.struck})
    return Story(seed, tuple(world.complaints), *world.counts(), tuple(missing))


def simulate(
    seeds: Sequence[int],
    minutes: int,
    bug: str | None = None,
    cores: int | None = None,
    only: Only = None,
    told: Callable[[Story], None] = lambda story: None,
) -> Report:
    """Run all these worlds; `told` hears each story in the order of the seeds."""
    began_s = monotonic()
    cores = min(cores or os.cpu_count() or 1, len(seeds))
    one = partial(tell, minutes=minutes, bug=bug, only=only)
    if cores <= 1:
        return _report(map(one, seeds), minutes, bug, told, began_s)
    # Forked children know all modules already; a world uses no thread, socket or file that could be forked with it.
    with get_context("fork").Pool(cores, initializer=_leave_interrupts_to_the_parent) as pool:
        return _report(pool.imap(one, seeds), minutes, bug, told, began_s)


def _leave_interrupts_to_the_parent() -> None:
    """Ctrl-C ends the parent, which ends its children: they need not each tell of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _report(
    stories: Iterable[Story], minutes: int, bug: str | None, told: Callable[[Story], None], began_s: float
) -> Report:
    faults = dict.fromkeys(KINDS, 0)
    complaints: list[dict[str, Any]] = []
    kinds, with_kind, with_fault = Counter[str](), Counter[str](), Counter[str]()
    count, requests, simulated_s, trace = 0, 0, 0, sha256()
    for story in stories:
        told(story)
        count += 1
        requests += story.requests
        simulated_s += story.simulated_s
        trace.update(story.trace.encode())
        kinds.update(story.kinds)
        with_kind.update(story.approved)
        for kind, times in story.faults.items():
            faults[kind] += times
            with_fault[kind] += times > 0
        replay = replay_command(story.seed, minutes, bug)
        complaints += [{"seed": story.seed, "what": what, "replay": replay} for what in story.complaints]
    worlds_with = {kind: round(with_kind[kind] / count, 4) for kind in sorted(kinds)}
    worlds_by_fault = {kind: round(with_fault[kind] / count, 4) for kind in KINDS}
    seconds, counted = monotonic() - began_s, dict(sorted(kinds.items()))
    shares = counted, worlds_with, faults, worlds_by_fault
    return Report(count, complaints, requests, *shares, seconds, simulated_s, trace.hexdigest())


def replay_command(seed: int, minutes: int, bug: str | None, only: Only = None) -> str:
    """What to type to see the same world again."""
    planted = f" --plant {bug}" if bug else ""
    named = "" if only is None else f" --only {','.join(sorted(only)) or NOTHING}"
    return f"holdfast simulate --seeds {seed}..{seed} --minutes {minutes}{planted}{named}"
