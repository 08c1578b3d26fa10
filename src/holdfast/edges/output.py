"""What every command prints: JSON for programs (one object a line), tables for people."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from rich import box
from rich.console import Console
from rich.table import Table


def print_json(value: Mapping[str, Any]) -> None:
    """One object, one line."""
    sys.stdout.write(orjson.dumps(value).decode() + "\n")
    sys.stdout.flush()


SHORT_KINDS = {
    "pre-authorization": "pre-auth",
    "moto-pre-authorization": "moto-pre-auth",
    "completion-advice": "advice",
}
"""Kinds of requests in a table, so that a line fits into eighty columns."""

UNBROKEN = frozenset({"at", "trace key"})
"""Columns that are never folded: what stands in them is copied, or compared."""

PIPE_COLUMNS = 100
"""How wide a table is when nobody's screen says."""


def person() -> Console:
    """Where text for people goes: as wide as their screen, or a hundred columns where there is none."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_COLUMNS)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table for a person; an empty one says so."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in UNBROKEN)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    console = person()
    if table.row_count:
        console.print(table)
    else:
        console.print(f"{title}: none")
