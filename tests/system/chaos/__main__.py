"""Two `up` on one database, twenty terminals, real sockets; everything that can break breaks; then all must agree.

    script/chaos [--minutes M] [--seed S] [--terminals N] [--json]

Ends 0 when no invariant is broken, 1 when one is, 2 on bad usage, 4 when it cannot be tried here.
"""

import argparse
import asyncio
import math
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NoReturn

import orjson

from holdfast.domain.records import REQUESTS
from holdfast.edges.open_reader import installation as installation_of
from holdfast.edges.open_reader import open_reader
from holdfast.errors import StoreError, Unreachable
from holdfast.sim.witness import still_open
from tests.system.chaos import disk, schedule
from tests.system.chaos.acts import Acts
from tests.system.chaos.audit import audited, evidence_of
from tests.system.chaos.report import Report, results
from tests.system.chaos.town import Town
from tests.system.installation import OWN_TERMINALS, holdfast

QUIET_S_MAX = 150.0
"""Reversals towards the issuer are repeated after 5, 10, 20, 40 s …"""
LOOK_EVERY_S = 0.2
IN_DOUBT = ({"outcome": "asked"}, {"outcome": "unknown"}, {"undo": "owed"}, {"delivery": "owed"})
NO_SPACE = "No space left on device"
MINUTES_MIN, MINUTES_MAX = 0.1, 1440.0


class Options(argparse.Namespace):
    """The command line."""

    minutes: float
    seed: int
    terminals: int
    json: bool
    folder: str


def options() -> Options:
    """What was asked for."""
    parser = OneLine(prog="script/chaos", description="Break anything, then audit everything.", allow_abbrev=False)
    parser.add_argument("--minutes", type=minutes, default=5.0, help="minutes of traffic and misfortune")
    parser.add_argument("--seed", type=int, default=1, help="draws the schedule")
    parser.add_argument("--terminals", type=terminals, default=20)
    parser.add_argument("--json", action="store_true", help="one object instead of lines")
    parser.add_argument("--inside", dest="folder", default="", help=argparse.SUPPRESS)
    return parser.parse_args(namespace=Options())


class OneLine(argparse.ArgumentParser):
    """What is wrong is one line."""

    def error(self, message: str) -> NoReturn:
        """Exit code 2."""
        self.exit(2, f"chaos: {message}: see {self.prog} --help\n")


def minutes(text: str) -> float:
    """How long it lasts."""
    value = float(text)
    if not (math.isfinite(value) and MINUTES_MIN <= value <= MINUTES_MAX):
        raise argparse.ArgumentTypeError(f"{text} is not {MINUTES_MIN:g} to {MINUTES_MAX:g}")
    return value


def terminals(text: str) -> int:
    """How many work."""
    value = int(text)
    if not 1 <= value <= OWN_TERMINALS:
        raise argparse.ArgumentTypeError(f"{text} is not 1 to {OWN_TERMINALS}")
    return value


def main() -> int:
    """First outside and then, with disks of our own, inside."""
    chosen = options()
    if chosen.folder:
        return asyncio.run(run(chosen))
    try:
        return disk.run_with_disks([sys.executable, "-m", "tests.system.chaos", *sys.argv[1:], "--inside"])
    except disk.NoDisk as no:
        sys.stderr.write(f"chaos: {no}\n")
        return 4


async def run(chosen: Options) -> int:
    """The whole of it."""
    seconds, folder = chosen.minutes * 60, Path(chosen.folder)
    misfortunes = schedule.drawn(chosen.seed, seconds)
    town = Town(folder, chosen.seed, chosen.terminals)
    acts = Acts(town)
    try:
        say(f"{len(misfortunes)} misfortunes in {seconds:.0f} s, schedule {schedule.hash_of(misfortunes)}")
        await town.open()
        say("everything runs")
        began_s = time.monotonic()
        await acts.run(misfortunes)
        lasted_s = time.monotonic() - began_s
        say("everything heals")
        resolved_s, left = await settled(town)
        say("everything is quiet")
        report = await judged(chosen, misfortunes, town, acts, (lasted_s, resolved_s))
    finally:
        await town.end()
    report.complaints.extend(f"I5: terminal {name} did not come to an end" for name in left)
    sys.stdout.write(
        orjson.dumps(report.as_json()).decode() + "\n"
        if chosen.json
        else "".join(f"{line}\n" for line in report.lines())
    )
    return 1 if report.complaints else 0


def say(line: str) -> None:
    """What happens now."""
    sys.stderr.write(f"chaos: {time.strftime('%H:%M:%S')} {line}\n")
    sys.stderr.flush()


async def settled(town: Town) -> tuple[float, list[str]]:
    """The shops close; -> how long it took until nothing was in doubt, and the terminals that did not end."""
    began_s = time.monotonic()
    closing = asyncio.create_task(town.close_shops())
    while time.monotonic() < began_s + QUIET_S_MAX:
        if not await in_doubt(town) and closing.done():
            break
        await asyncio.sleep(LOOK_EVERY_S)
    return time.monotonic() - began_s, await closing


async def in_doubt(town: Town) -> int:
    """How many requests of the register are open."""
    try:
        async with open_reader(installation_of(town.one.data, "", None).dsns) as reader:
            rows = [row for where in IN_DOUBT for row in await reader.select(REQUESTS, where)]
    except (StoreError, Unreachable):
        return 1  # It is not up again.
    return sum(bool(still_open(row)) for row in rows)


async def judged(
    chosen: Options, misfortunes: list[schedule.Misfortune], town: Town, acts: Acts, took_s: tuple[float, float]
) -> Report:
    """The auditor's judgement, and the product's own."""
    told = {terminal_id: town.told(terminal_id) for terminal_id in town.terminals}
    found = results(audited(await evidence_of(town.one, town.terminals), told), acts.kills, told)
    verified = await asyncio.to_thread(holdfast, "register", "verify", "--json", "--data", town.one.data)
    if verified.code != 0:
        found["complaints"].append(f"I6: `register verify` ended {verified.code}: {verified.out}{verified.err}")
    others = {kind: count for kind, count in acts.done.items() if not kind.startswith("kill")}
    return Report(
        seed=chosen.seed,
        seconds=chosen.minutes * 60,
        schedule=schedule.hash_of(misfortunes),
        replay=f"script/chaos --minutes {chosen.minutes:g} --seed {chosen.seed} --terminals {chosen.terminals}",
        terminals=chosen.terminals,
        misfortunes=others,
        missed=dict(acts.missed),
        disk_full=complaints_of_full_disks(town),
        ended=dict(town.ended),
        lasted_s=took_s[0],
        resolved_s=took_s[1],
        **found,
    )


def complaints_of_full_disks(town: Town) -> dict[str, int]:
    """How often who said that his disk was full."""
    counts: Counter[str] = Counter()
    for up in town.ups:
        for path in (up.data / "logs").rglob("*.log"):
            counts[path.name.partition(".")[0].partition("-")[0]] += path.read_text(errors="replace").count(NO_SPACE)
    for path in (town.folder / "told").glob("*.stderr"):
        counts["terminals"] += path.read_text(errors="replace").count("full")
    return {name: count for name, count in counts.items() if count}


if __name__ == "__main__":
    sys.exit(main())
