"""`holdfast simulate`: made-up worlds with the real parties and the real engine; complaints, and how to replay them."""

import re
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from holdfast.edges.output import print_json, print_table
from holdfast.edges.places import JsonOption
from holdfast.errors import BadInput
from holdfast.sim.plant import BUGS
from holdfast.sim.run import MINUTES_MAX, Report, Story
from holdfast.sim.run import simulate as run_worlds

SEEDS_MAX = 10_000_000
SEEDS_USUAL = "20"
MINUTES_USUAL = 30
COMPLAINTS_SHOWN_MAX = 20
NO = 1


def simulate(
    seeds: Annotated[str, typer.Option(metavar="N|A..B", help="So many seeds from 1 on, or these.")] = SEEDS_USUAL,
    minutes: Annotated[int, typer.Option(metavar="M", help="Minutes of traffic in each world.")] = MINUTES_USUAL,
    plant: Annotated[str, typer.Option(metavar="BUG", help=f"A bug to find: {', '.join(BUGS)}.")] = "",
    cores: Annotated[int, typer.Option(metavar="N", help="Processes at work; 0 is one for each core.")] = 0,
    json: JsonOption = False,
) -> None:
    """Run hostile made-up worlds, and complain of every broken invariant with the command that replays it."""
    which = seeds_of(seeds)
    if not 1 <= minutes <= MINUTES_MAX:
        raise BadInput(f"--minutes {minutes} is not between 1 and {MINUTES_MAX}")
    if plant and plant not in BUGS:
        raise BadInput(f"no bug is called {plant!r}; there is {', '.join(BUGS)}")
    if cores < 0:
        raise BadInput(f"--cores {cores} is less than 0")
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("worlds", total=len(which))
        found = 0

        def told(story: Story) -> None:
            nonlocal found
            found += len(story.complaints)
            progress.update(bar, advance=1, description=f"worlds, {found} complaints")

        report = run_worlds(which, minutes, plant or None, cores or None, told)
    if json:
        print_json(report.as_json())
    else:
        print_report(report)
    if report.complaints:
        raise typer.Exit(NO)


def seeds_of(text: str) -> range:
    """`N` -> the first N seeds, `A..B` -> these, both included; BadInput for anything else."""
    match = re.fullmatch(r"(\d{1,9})(?:\.\.(\d{1,9}))?", text, re.ASCII)
    if match is None:
        raise BadInput(f"--seeds {text!r} is neither a number nor a range: write it like 300 or 17..42")
    first, last = (int(match[1]), int(match[2])) if match[2] else (1, int(match[1]))
    if not 0 < last - first + 1 <= SEEDS_MAX:
        raise BadInput(f"--seeds {text!r} names no seed, or more than {SEEDS_MAX}")
    return range(first, last + 1)


def print_report(report: Report) -> None:
    """For people: what happened, what went wrong on purpose, and what should not have."""
    rows = [
        ("worlds", f"{report.seeds:,}"),
        ("requests", f"{report.requests:,}"),
        ("simulated seconds of traffic", f"{report.simulated_seconds:,}"),
        ("seconds", f"{report.seconds:,.1f}"),
        ("complaints", f"{len(report.complaints):,}"),
        ("trace", report.trace),
    ]
    print_table("Simulation", ("what", "value"), rows)
    kinds = [(kind, f"{count:,}", f"{report.worlds_with[kind]:.1%}") for kind, count in report.kinds.items()]
    print_table("Requests by kind", ("kind", "registered", "worlds with one approved"), kinds)
    faults = [(kind, f"{count:,}") for kind, count in report.faults_by_kind.items()]
    print_table("Faults that took effect", ("kind", "times"), faults)
    if report.complaints:
        shown = report.complaints[:COMPLAINTS_SHOWN_MAX]
        cells = [(complaint["seed"], complaint["what"], complaint["replay"]) for complaint in shown]
        print_table(f"Complaints, {len(shown)} of {len(report.complaints)}", ("seed", "what", "replay"), cells)
