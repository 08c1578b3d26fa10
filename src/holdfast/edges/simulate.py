"""`holdfast simulate`: made-up worlds with the real parties and the real engine; complaints, and how to replay them."""

import re
from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches
from functools import partial
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from holdfast.edges.output import person, print_json, print_table
from holdfast.edges.places import JsonOption
from holdfast.errors import BadInput
from holdfast.sim.plant import BUGS
from holdfast.sim.run import MINUTES_MAX, NOTHING, Report, Story, replay_command
from holdfast.sim.run import simulate as run_worlds
from holdfast.sim.shrink import shorten
from holdfast.sim.story import told as story_of
from holdfast.sim.world import Only

SEEDS_MAX = 10_000_000
SEEDS_USUAL = "20"
MINUTES_USUAL = 30
SEEDS_SHOWN_MAX = 20
LIST = "list"
STORIES_MAX = 3
"""So many worlds that complain are told, each made as short as can be; the others can be replayed."""
NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*:[0-9]{1,6}", re.ASCII)
NO = 1


def simulate(
    seeds: Annotated[str, typer.Option(metavar="N|A..B", help="So many seeds from 1 on, or these.")] = SEEDS_USUAL,
    minutes: Annotated[int, typer.Option(metavar="M", help="Minutes of traffic in each world.")] = MINUTES_USUAL,
    plant: Annotated[
        str | None, typer.Option(metavar="BUG", help="A bug to find; `--plant list` tells them all.")
    ] = None,
    cores: Annotated[int, typer.Option(metavar="N", help="Processes at work; 0 is one for each core.")] = 0,
    only: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Only these guests and strikes, as a complaint names them.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run hostile made-up worlds, and complain of every broken invariant.

    A complaint is told as its shortest story: the guests and strikes of misfortune without which the same does not
    happen. Below it stands the command that replays it.
    """
    if plant == LIST:
        print_table("Planted bugs", ("bug", "what it is"), [(name, bug.says) for name, bug in BUGS.items()])
        return
    which, named = seeds_of(seeds), names_of(only)
    if not 1 <= minutes <= MINUTES_MAX:
        raise BadInput(f"--minutes {minutes} is not between 1 and {MINUTES_MAX}")
    if plant is not None and plant not in BUGS:
        near = get_close_matches(plant, BUGS, 3) or ["`--plant list` tells them all"]
        raise BadInput(f"no bug is called {plant!r}; did you mean {' or '.join(near)}?")
    if cores < 0:
        raise BadInput(f"--cores {cores} is less than 0")
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("worlds", total=len(which))
        complaints, missing = 0, set(named or ())

        def told(story: Story) -> None:
            nonlocal complaints
            complaints += len(story.complaints)
            missing.intersection_update(story.missing)
            progress.update(bar, advance=1, description=f"worlds, {complaints} complaints")

        report = run_worlds(which, minutes, plant, cores or None, named, told)
        tell_stories(report, minutes, plant, named, progress)
    if missing:
        raise BadInput(f"--only: no guest or strike is called {', '.join(sorted(missing))} in these worlds")
    if json:
        print_json(report.as_json())
    else:
        print_report(report)
    if report.complaints:
        raise typer.Exit(NO)


def tell_stories(report: Report, minutes: int, bug: str | None, only: Only, progress: Progress) -> None:
    """The first complaint of the first worlds that complain gets its story, and the command that replays just that."""
    of_seed = {found["seed"]: found for found in reversed(report.complaints)}
    for seed in sorted(of_seed)[:STORIES_MAX]:
        found, names = of_seed[seed], only
        if names is None:
            bar = progress.add_task(f"the story of seed {seed}", total=None)
            shorter = shorten(seed, minutes, bug, found["what"], partial(progress.update, bar, advance=1))
            names = shorter.only
            found["events"] = {"of": shorter.of, "left": len(names), "tries": shorter.tries}
            progress.remove_task(bar)
        found["story"] = story_of(seed, minutes, bug, names)
        found["replay"] = replay_command(seed, minutes, bug, names)


def names_of(text: str | None) -> Only:
    """`T0000003:7,loss:2` -> these names; None is everything, `nothing` nothing; BadInput for what is no name."""
    if text is None or text == NOTHING:
        return None if text is None else frozenset()
    names = text.split(",")
    wrong = [name for name in names if NAME.fullmatch(name) is None]
    if wrong:
        raise BadInput(f"--only: {wrong[0]!r} is neither a guest like T0000003:7 nor a strike like loss:2")
    return frozenset(names)


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
        ("seconds that took", f"{report.seconds:,.1f}"),
        ("complaints", f"{len(report.complaints):,}"),
        ("trace", report.trace),
    ]
    print_table("Simulation", ("what", "value"), rows)
    kinds = [(kind, f"{count:,}", f"{report.worlds_with[kind]:.1%}") for kind, count in report.kinds.items()]
    print_table("Requests by kind", ("kind", "registered", "worlds with one approved"), kinds)
    faults = [(kind, f"{n:,}", f"{report.worlds_by_fault[kind]:.1%}") for kind, n in report.faults_by_kind.items()]
    print_table("Faults that took effect", ("kind", "times", "in so many worlds"), faults)
    if report.complaints:
        of_seed = Counter(found["seed"] for found in report.complaints)
        first = {found["seed"]: found["what"] for found in reversed(report.complaints)}
        shown = sorted(of_seed)[:SEEDS_SHOWN_MAX]
        title = f"Complaints: {len(report.complaints)}, of {len(of_seed)} worlds"
        print_table(title, ("seed", "complaints", "the first of them"), [(s, of_seed[s], first[s]) for s in shown])
    for found in report.complaints:
        if "story" in found:
            print_story(found)


def print_story(found: Mapping[str, Any]) -> None:
    """One complaint as it came about."""
    console, events = person(), found.get("events")
    short = f", {events['left']} of {events['of']} events after {events['tries']} tries" if events else ""
    console.print(f"The story of seed {found['seed']}{short}", style="bold")
    for line in found["story"]:
        console.print(line, markup=False, soft_wrap=True)
    console.print(f"replay: {found['replay']}", markup=False, soft_wrap=True)
