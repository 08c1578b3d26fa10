"""`holdfast open`: everything that is in doubt or owed, since when, whose duty it is, what happens next, and when.

Exit code 0: nothing is open. 1: something is. 4: somebody who was meant could not be asked, and nobody else has
anything open; what could be read is shown all the same.
"""

import asyncio
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from holdfast.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US, rfc3339
from holdfast.edges.open_reader import installation, open_reader
from holdfast.edges.output import person, print_json
from holdfast.edges.places import DataOption, DbOption, JsonOption, KeysOption, business_time_us, data_path
from holdfast.errors import StoreError, Unreachable
from holdfast.money import format_amount
from holdfast.reading.in_doubt import (
    ACQUIRER,
    ADVISED,
    FOUND,
    RELEASED,
    TERMINAL,
    Open,
    at_acquirer,
    doubts_of,
    in_terminal_files,
    oldest_first,
)
from holdfast.runtime.pos import files_of

OPEN, NOT_ASKED = 1, 4
"""Exit codes: something is open; somebody could not be asked."""

MOMENT_US = 2 * SECOND_US

SHOWN_MAX = 100
"""So many are shown to a person, the oldest; `--json` gives all."""

ABOUT_CHARS = 28
"""How wide sentences about an item are: a trace key is not much narrower, and never broken, for it is copied."""

IN_CHINESE = {
    "answer": "未明",
    "reversal": "冲正",
    "refund": "退货",
    "advice": "通知",
    "release": "剩余解冻",
    "finding": "差错",
    "settlement": "批结算",
}
NOT_YET_REGISTERED = "待上送"
"""An advice that only its terminal knows of."""

NOTHING = "nothing is in doubt, and nothing is owed"


class Found(NamedTuple):
    """What is open, oldest first; why somebody could not be asked; and the business time of the look."""

    items: list[Open]
    missing: list[str]
    now_us: int


def opened(
    data: DataOption = None,
    db: DbOption = "",
    keys: KeysOption = None,
    terminals: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of terminals, as `terminal --data` has it; alone: only these."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Everything in doubt or owed: since when, whose duty, what next, when. Ends 1 when something is open, else 0."""
    found = asyncio.run(gathered(data, db, keys, terminals))
    for line in found.missing:
        sys.stderr.write(f"holdfast: {line}\n")
    if json:
        for item in found.items:
            print_json(as_json(item, found.now_us))
    elif found.items:
        print_open(found.items, found.now_us)
    elif not found.missing:
        person().print(NOTHING)
    if found.items or found.missing:
        raise typer.Exit(OPEN if found.items else NOT_ASKED)


async def gathered(data: Path | None, db: str, keys: Path | None, terminals: Path | None) -> Found:
    """Ask the acquirer and the terminals that are meant; Unreachable when nobody could be asked."""
    items: list[Open] = []
    missing: list[str] = []
    only_terminals = terminals is not None and data is None and not db
    if not only_terminals:
        try:
            async with open_reader(installation(data, db, keys).dsns) as reader:
                items += await at_acquirer(reader)
        except (Unreachable, StoreError) as error:
            missing.append(str(error))
    files = terminal_files(data, db, terminals)
    if terminals is not None and not files:
        missing.append(f"no terminal was ever used in {terminals}: name the folder that they have as --data")
    at_terminals, unread = await in_terminal_files(files)
    if missing and len(unread) == len(files):
        raise Unreachable("; ".join([*missing, *unread]))
    place = terminals if only_terminals else data
    return Found(oldest_first([*items, *at_terminals]), [*missing, *unread], business_time_us(place))


def terminal_files(data: Path | None, db: str, terminals: Path | None) -> list[Path]:
    """The files of the terminals that are meant: with a database elsewhere, only of a folder that was named."""
    if terminals is None and data is None and db:
        return []
    folder = data_path(data) if terminals is None else terminals
    return files_of(folder)


# --- for programs -------------------------------------------------------------------------------------------------


def as_json(item: Open, now_us: int) -> dict[str, Any]:
    """One thing that is open. Times as RFC 3339, `age_s` in seconds, `overdue` when its time has passed."""
    return {
        "party": item.party,
        "what": item.what,
        "in_doubt": item.in_doubt,
        "terminal_id": item.terminal_id,
        "trace_key": item.key,
        "entry": item.entry,
        "kind": item.kind,
        "amount": item.amount_minor,
        "currency": item.currency,
        "card": item.card,
        "since": rfc3339(item.since_us),
        "age_s": max(now_us - item.since_us, 0) // SECOND_US,
        "owner": item.owner,
        "next_action": item.next_action,
        "due": rfc3339(item.due_us) if item.due_us is not None else None,
        "overdue": is_overdue(item, now_us),
        "attempts": item.attempts,
        "reason": item.reason,
    }


def is_overdue(item: Open, now_us: int) -> bool:
    """Whether what was to happen has not happened: a moment more or less is the way of every clock."""
    return item.due_us is not None and now_us - item.due_us > MOMENT_US


# --- for people ---------------------------------------------------------------------------------------------------


def print_open(items: Sequence[Open], now_us: int) -> None:
    """A table, the oldest first, and a line that adds it up."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), header_style="bold")
    for column in ("since", "what", "about", "owner", "next action", "due"):
        table.add_column(column, overflow="fold", no_wrap=column in ("since", "what", "about", "due"))
    for item in items[:SHOWN_MAX]:
        table.add_row(*map(Text, cells(item, now_us)))
    console = person()
    console.print(table)
    if len(items) > SHOWN_MAX:
        console.print(f"These are the oldest {SHOWN_MAX} of {len(items)}: --json gives all.")
    console.print(added_up(items))


def cells(item: Open, now_us: int) -> tuple[str, ...]:
    """One row of the table."""
    amount = f" {format_amount(item.amount_minor)}" if item.amount_minor else ""
    told = f"{item.kind}{amount}" if item.kind else f"{item.entry}: {item.reason}"
    about = "\n".join(filter(None, (item.key, *textwrap.wrap(told, ABOUT_CHARS, break_on_hyphens=False))))
    chinese = NOT_YET_REGISTERED if (item.party, item.what) == (TERMINAL, ADVISED) else IN_CHINESE[item.what]
    since = f"{rfc3339(item.since_us)[5:16].replace('T', ' ')}\n{span(now_us - item.since_us)} ago"
    return since, f"{item.what}\n{chinese}", about, item.owner, item.next_action, due_in_words(item, now_us)


def due_in_words(item: Open, now_us: int) -> str:
    """`in 4 s`, `now`, `3 h overdue`; nothing where it waits for a person."""
    if item.due_us is None:
        return ""
    if is_overdue(item, now_us):
        return f"{span(now_us - item.due_us)}\noverdue"
    return f"in {span(item.due_us - now_us)}" if item.due_us > now_us else "now"


def span(us: int) -> str:
    """A length of time in plain words, of which the first unit says enough: `45 s`, `12 min`, `5 h`, `3 d`."""
    for unit_us, name, up_to in ((SECOND_US, "s", 90), (MINUTE_US, "min", 90), (HOUR_US, "h", 48)):
        if us < up_to * unit_us:
            return f"{max(us, 0) // unit_us} {name}"
    return f"{us // DAY_US} d"


def added_up(items: Sequence[Open]) -> str:
    """`2 in doubt at the acquirer, 1 at terminals; 1 finding open`."""
    doubts = {party: doubts_of(party, items).total for party in (ACQUIRER, TERMINAL)}
    whats = Counter(item.what for item in items if not item.in_doubt)
    told = [f"{doubts[ACQUIRER]} in doubt at the acquirer, {doubts[TERMINAL]} at terminals"]
    if whats[RELEASED]:
        told.append(f"{whats[RELEASED]} to be released on the day")
    if whats[FOUND]:
        told.append(f"{whats[FOUND]} finding{'s' * (whats[FOUND] > 1)} open")
    return "; ".join(told)
