"""All that a terminal's file holds, as far as it can be read, for whoever judges whether it is whole.

Nothing is written, not even what SQLite would tidy up; what cannot be read is said and left out. Entries come in order
up to the first that cannot be read, because a journal is only as good as its unbroken beginning.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from holdfast.domain.tables import Entry, Key, Row, Table
from holdfast.errors import Unreachable
from holdfast.register.tree import Node
from holdfast.store.columns import CHECKPOINTS, ENTRIES, LOGS, NODES, CheckpointRow, LogRow, Shape, quoted, shape_of
from holdfast.store.sqlite import rows_made
from holdfast.store.sqlite_file import BROKEN, open_file, primary_code, why_not_ours
from holdfast.store.sqlite_wal import why_torn


class Contents(NamedTuple):
    """What a file says, and what is wrong with it as a file, the most telling complaint first. `new`: it says nothing
    yet. Entries and nodes are those of the log `log`.
    """

    new: bool
    complaints: tuple[str, ...]
    heads: Sequence[LogRow] = ()
    entries: Sequence[Entry] = ()
    nodes: Sequence[Node] = ()
    checkpoints: Sequence[CheckpointRow] = ()
    rows: Mapping[Table, Sequence[Row]] = {}


class Damaged(Exception):
    """This part cannot be read."""


def contents_of(path: Path, tables: Sequence[Table], log: str) -> Contents:
    """Everything in a file that nobody has open. Unreachable when the machine will not let it be read."""
    if not path.exists() or not path.stat().st_size:
        return Contents(new=True, complaints=())
    torn = _torn(path)
    found: dict[str, list[Any]] = {}
    complaints = [torn] if torn else []
    try:
        with_file = open_file(path, "ro")
        try:
            complaints += _own_check(with_file, tables)
            for name, rows in _parts(with_file, tables, log):
                found[name] = kept = []
                try:
                    kept.extend(_until_damaged(rows, kept))
                except Damaged as damage:
                    complaints.append(f"{name} cannot be read: {damage}")
        finally:
            with_file.close()
    except Damaged as damage:
        complaints.append(str(damage))
    made = {table: rows_made(table, found.get(table.name, [])) for table in tables}
    return Contents(
        False,
        tuple(complaints),
        [LogRow._make(row) for row in found.get(LOGS.name, ())],
        [Entry._make(row) for row in found.get(ENTRIES.name, ())],
        [Node._make(row) for row in found.get(NODES.name, ())],
        [CheckpointRow._make(row) for row in found.get(CHECKPOINTS.name, ())],
        made,
    )
