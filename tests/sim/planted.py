"""How many worlds catch each planted bug, on all cores; the table stands in docs.

Exit 1 when a bug is never caught, or when there is something to complain of where no bug is, or a harmless one.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from holdfast.sim.plant import BUGS, HARMLESS
from holdfast.sim.run import tell

DOCS = Path(__file__).parents[2] / "docs" / "simulator.md"
BEGIN, END = "<!-- planted bugs, by script/planted -->", "<!-- end of planted bugs -->"
SEEDS, MINUTES = 200, 10
NO_BUG = "none"
NOTHING_TO_CATCH = frozenset({NO_BUG, *HARMLESS})
FEW_SEEDS = 5

ONLY_RAISED = ("the engine raised", "the world broke")
"""A bug that only raises has shown itself: nobody had to catch it."""


class Caught(NamedTuple):
    """By how many of the worlds a bug was caught, by which first, and by which invariants."""

    bug: str
    seeds: int = 0
    caught: int = 0
    first: int = 0
    invariants: frozenset[str] = frozenset()

    def plus(self, seed: int, complaints: Sequence[str]) -> "Caught":
        """And by this world."""
        if not complaints:
            return self._replace(seeds=self.seeds + 1)
        seen = self.invariants | {complaint[:2] for complaint in complaints}
        return Caught(self.bug, self.seeds + 1, self.caught + 1, self.first or seed, seen)


def complaints_of(bug: str, seed: int, minutes: int) -> list[str]:
    """What the auditor says of one world with that bug."""
    complaints = tell(seed, minutes, None if bug == NO_BUG else bug).complaints
    return [complaint for complaint in complaints if not any(words in complaint for words in ONLY_RAISED)]


def caught(bug: str, seeds: int = SEEDS, minutes: int = MINUTES, once: bool = True) -> Caught:
    """Seeds from 1 on, up to the first world that catches it (`once`; a few where nothing should) or all of them."""
    found = Caught(bug)
    if once and bug in NOTHING_TO_CATCH:
        seeds = min(seeds, FEW_SEEDS)
    for seed in range(1, seeds + 1):
        found = found.plus(seed, complaints_of(bug, seed, minutes))
        if once and found.caught:
            break
    return found


def all_caught(bugs: Sequence[str], seeds: int = SEEDS, minutes: int = MINUTES, once: bool = True) -> Iterator[Caught]:
    """Each of these bugs, in the order in which their worlds are done, on all cores."""
    with get_context("fork").Pool(os.cpu_count()) as pool:
        yield from pool.imap_unordered(partial(caught, seeds=seeds, minutes=minutes, once=once), bugs)


def main() -> int:
    """From the command line."""
    parser = argparse.ArgumentParser(prog="script/planted", description="How many worlds catch each planted bug.")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"worlds for each ({SEEDS})")
    parser.add_argument("--minutes", type=int, default=MINUTES, help=f"minutes of traffic in each ({MINUTES})")
    parser.add_argument(
        "--first", action="store_true", help="only up to the first that catches it; docs stay as they are"
    )
    parser.add_argument("bugs", nargs="*", metavar="BUG", help="only these; docs stay as they are")
    chosen = parser.parse_args()
    bugs = chosen.bugs or [NO_BUG, *BUGS]
    if unknown := [bug for bug in bugs if bug not in (NO_BUG, *BUGS)]:
        parser.error(f"no bug is called {unknown[0]!r}; there is {', '.join(BUGS)}")
    found = {each.bug: each for each in watched(bugs, chosen.seeds, chosen.minutes, chosen.first)}
    in_order = [found[bug] for bug in bugs]
    sys.stdout.write(table(in_order))
    if not chosen.bugs and not chosen.first:
        write(table(in_order))
    return 0 if all(as_it_should_be(each) for each in in_order) else 1


def watched(bugs: Sequence[str], seeds: int, minutes: int, once: bool) -> Iterator[Caught]:
    """The same as `all_caught`, with a bar."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("bugs", total=len(bugs))
        for each in all_caught(bugs, seeds, minutes, once):
            progress.update(bar, advance=1, description=f"{each.bug}: {each.caught} of {each.seeds}")
            yield each


def as_it_should_be(found: Caught) -> bool:
    """Whether it was caught, or, where nothing is wrong, was not."""
    return bool(found.caught) != (found.bug in NOTHING_TO_CATCH)


def table(found: Sequence[Caught]) -> str:
    """The rows of the docs: those that must be caught, and those that cannot harm."""
    lines = ["| bug | what it is | caught by | first seed | by |", "|---|---|---|---|---|"]
    for each in found:
        if each.bug not in HARMLESS:
            says = BUGS[each.bug].says if each.bug in BUGS else "no bug at all"
            by = " ".join(sorted(each.invariants))
            lines.append(f"| `{each.bug}` | {says} | {each.caught} of {each.seeds} | {each.first or ''} | {by} |")
    apart = [each for each in found if each.bug in HARMLESS]
    if apart:
        lines += [
            "",
            "These cannot harm, and do not count:",
            "",
            "| bug | what it is | caught by | why |",
            "|---|---|---|---|",
        ]
    for each in apart:
        says, why = BUGS[each.bug].says, HARMLESS[each.bug]
        lines.append(f"| `{each.bug}` | {says} | {each.caught} of {each.seeds} | {why} |")
    return "\n".join(lines) + "\n"


def write(rows: str) -> None:
    """Put the table where the last one stood."""
    text = DOCS.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    DOCS.write_text(f"{before}{BEGIN}\n{rows}{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
