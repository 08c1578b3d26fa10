"""All that a terminal's file holds, as far as it can be read, for whoever judges whether it is whole.

Nothing is written, not even what SQLite would tidy up. What cannot be read is said and left out; entries come in order
up to the first that cannot be read, because a journal is only as good as its unbroken beginning.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from struct import Struct
from typing import Any, NamedTuple

from holdfast.domain.tables import Entry, Key, Row, Table
from holdfast.errors import RegisterBroken, Unreachable
from holdfast.register.tree import Node
from holdfast.store.columns import CHECKPOINTS, ENTRIES, LOGS, NODES, CheckpointRow, LogRow, quoted, shape_of
from holdfast.store.sqlite import rows_made
from holdfast.store.sqlite_file import is_as_made, is_empty, is_of_another, open_to_look, primary_code
from holdfast.store.sqlite_wal import committed_pages, why_torn

_OF_THE_MACHINE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)
"""Errors that say nothing about the file."""

UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
"""The second is what becomes of a complaint of SQLite's that quotes damaged text."""

EMPTY_FILE = "its file is empty or was deleted"

PAGE_BYTES = 4096
_HEAD = Struct(">16sH6B12I20xII")
"""How a SQLite file begins; see its file format."""


def _head(pages: int) -> bytes:
    """The head of a file of ours with so many pages and no log beside it: a format of 4, text in UTF-8, zeros."""
    return _HEAD.pack(
        b"SQLite format 3\0", PAGE_BYTES, 1, 1, 0, 64, 32, 32, 0, pages, 0, 0, 0, 4, 0, 0, 1, 0, 0, 0, 0, 0
    )


_BY_LOG = "WHERE log = ? ORDER BY"
_PARTS = (
    (LOGS, f"{_BY_LOG} log"),
    (ENTRIES, f"{_BY_LOG} number"),
    (NODES, f'{_BY_LOG} level, "index"'),
    (CHECKPOINTS, f"{_BY_LOG} size"),
)


class Contents(NamedTuple):
    """What a file says of the log `log` and its rows, and what is wrong with it as a file, the most telling first."""

    complaints: tuple[str, ...]
    head: LogRow | None
    entries: Sequence[Entry]
    nodes: Sequence[Node]
    checkpoints: Sequence[CheckpointRow]
    rows: Mapping[Table, Sequence[Row]]


def contents_of(path: Path, tables: Sequence[Table], log: str) -> Contents | None:
    """Everything in a file that nobody has open; None for one that another Holdfast made, which is not ours to judge.

    Unreachable when the machine will not let it be read.
    """
    try:
        torn = why_torn(path)
    except OSError as error:
        raise Unreachable(f"terminal file {path} cannot be read: {error.strerror}") from error
    empty = is_empty(path)
    complaints = [*([EMPTY_FILE] if empty else []), *([torn] if torn else [])]
    found: dict[str, list[Any]] = {}
    connection = _what_is_left(path) if empty else _opened(path)
    try:
        try:
            if is_of_another(connection, tables):
                return None
            complaints += _complaints_of(connection, tables)
        except UNREADABLE as error:
            complaints.append(_damage_by(error, path))
            connection.close()
            connection = _what_is_left(path)
        for name, rows in _parts(connection, tables, log):
            found[name] = []
            found[name].extend(_as_far_as_it_goes(rows, name, complaints, path))
    finally:
        connection.close()
    return Contents(
        tuple(complaints),
        next((LogRow._make(row) for row in found.get(LOGS.name, ())), None),
        [Entry._make(row[1:]) for row in found.get(ENTRIES.name, ())],
        [Node._make(row[1:]) for row in found.get(NODES.name, ())],
        [CheckpointRow._make(row) for row in found.get(CHECKPOINTS.name, ())],
        {table: rows_made(table, found.get(table.name, ())) for table in tables},
    )


def values_of(path: Path, table: Table, columns: Sequence[str], keys: Sequence[Key]) -> dict[Key, tuple[Any, ...]]:
    """These columns of the rows with these keys in a damaged file, as many as can still be read, one by one."""
    asked = f'SELECT {quoted(columns)} FROM "{table.name}" WHERE "{shape_of(table).key[0]}" = ?'
    found: dict[Key, tuple[Any, ...]] = {}
    connection = _what_is_left(path)
    for key in keys:
        try:
            row = connection.execute(asked, (key,)).fetchone()
        except UNREADABLE:
            # What was wrong with the file has been said before this is asked.
            continue
        if row is not None:
            found[key] = row
    connection.close()
    return found


def _opened(path: Path) -> sqlite3.Connection:
    try:
        return open_to_look(path)
    except RegisterBroken:
        raise AssertionError("SQLite reads nothing before it is asked") from None


def _what_is_left(path: Path) -> sqlite3.Connection:
    """What is left of a damaged file, in memory, under a head that SQLite takes.

    With that pragma it also reads a file that is too short, or one of whose definitions is damaged.
    """
    image = bytearray(path.read_bytes())
    for page, content in committed_pages(path):
        start = (page - 1) * len(content)
        image.extend(bytes(max(0, start - len(image))))
        image[start : start + len(content)] = content
    pages = max(1, -(-len(image) // PAGE_BYTES))
    image.extend(bytes(pages * PAGE_BYTES - len(image)))
    image[: _HEAD.size] = _head(pages)
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(bytes(image))
    connection.execute("PRAGMA writable_schema = ON")
    return connection


def _complaints_of(connection: sqlite3.Connection, tables: Sequence[Table]) -> Iterator[str]:
    """What SQLite finds wrong by itself, and whether the tables are defined as we define them."""
    for (complaint,) in connection.execute("PRAGMA integrity_check(1)"):
        if complaint != "ok":
            yield " ".join(complaint.split())
    if not is_as_made(connection, tables):
        yield "its tables are not defined as they were"


def _parts(connection: sqlite3.Connection, tables: Sequence[Table], log: str) -> Iterator[tuple[str, Iterator[Any]]]:
    for shape, rest in _PARTS:
        yield shape.name, _selected(connection, f'SELECT {quoted(shape.names)} FROM "{shape.name}" {rest}', log)
    for table in tables:
        shape = shape_of(table)
        yield shape.name, _selected(connection, f'SELECT {quoted(shape.names)} FROM "{shape.name}"')


def _selected(connection: sqlite3.Connection, statement: str, *arguments: str) -> Iterator[Any]:
    yield from connection.execute(statement, arguments)


def _as_far_as_it_goes(rows: Iterator[Any], name: str, complaints: list[str], path: Path) -> Iterator[Any]:
    try:
        yield from rows
    except UNREADABLE as error:
        complaints.append(f"{name} cannot be read to the end: {_damage_by(error, path)}")


def _damage_by(error: Exception, path: Path) -> str:
    """The error in words, when it is the file's; Unreachable when it is the machine's."""
    if isinstance(error, sqlite3.Error) and primary_code(error) in _OF_THE_MACHINE:
        raise Unreachable(f"terminal file {path} cannot be read: {error}") from error
    return " ".join(str(error).split())
