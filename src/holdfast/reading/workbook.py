"""The rows that an audit rebuilds.

Those of a register of millions do not fit into memory, so they lie in a temporary database of SQLite: in memory while
it is small, then in a file without a name, and gone when it is closed.
"""

# ruff: noqa: S608 - every name in a statement comes from our own table definitions, every value is an argument

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from holdfast.domain.tables import Row, Table
from holdfast.reading.rebuild import Place
from holdfast.store.columns import create_sqlite, quoted, shape_of

CACHE_KIB = 65_536


class Workbook(Mapping[Place, Row]):
    """Rebuilt rows by table and key. A row that is no more is not there."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        # Nothing here outlives the audit, and nothing is ever undone.
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._tables = tuple(tables)
        for table in tables:
            self._connection.execute(create_sqlite(shape_of(table))[0])

    def __getitem__(self, place: Place) -> Row:
        table, key = place
        statement = f'{_select(table)} WHERE "{shape_of(table).key[0]}" = ?'
        found = self._connection.execute(statement, (key,)).fetchone()
        if found is None:
            raise KeyError(f"no {table.name} {key!r}")
        return _row(table, found)

    def __iter__(self) -> Iterator[Place]:
        return ((table, row[0]) for table in self._tables for row in self.rows(table))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def put(self, place: Place, row: Row | None) -> None:
        """A row in place of what was there; None removes it. sqlite3.Error when a value has no such column."""
        table, key = place
        if row is None:
            self._connection.execute(f'DELETE FROM "{table.name}" WHERE "{shape_of(table).key[0]}" = ?', (key,))
            return
        places = ", ".join("?" * len(row))
        self._connection.execute(f'INSERT OR REPLACE INTO "{table.name}" VALUES ({places})', row)

    def rows(self, table: Table) -> Iterator[Row]:
        """All rows of a table by key, in the order in which every store compares text."""
        for found in self._connection.execute(f'{_select(table)} ORDER BY "{shape_of(table).key[0]}"'):
            yield _row(table, found)

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()


def _select(table: Table) -> str:
    return f'SELECT {quoted(shape_of(table).names)} FROM "{table.name}"'


def _row(table: Table, found: Sequence[Any]) -> Row:
    return table.row._make(found)  # type: ignore[attr-defined]
