"""The shape of every stored table, derived from the rows it holds, so that code and databases cannot drift.

A row's first field is the primary key. `str`, `int`, `bytes` and `bool` become columns that are never null, `| None`
makes them nullable. Text is compared by code point in every store (`COLLATE "C"` in PostgreSQL), because look-ups
promise an order. Each index is its columns and then the key: the greatest keys are found by walking it backwards.
"""

import types
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple, get_args, get_type_hints

from holdfast.domain.commands import FINDING
from holdfast.domain.tables import Due, Entry, Table
from holdfast.register.tree import Node


class Column(NamedTuple):
    """One column: its name, `str`, `int`, `bytes` or `bool`, and whether it may be null."""

    name: str
    kind: type
    nullable: bool


class Shape(NamedTuple):
    """One table as a database sees it. The columns of `indexes` include the key that ends each.

    `rare` are columns and values of which few rows are: these alone stand, by their key, in an index of their own.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...] = ()
    rare: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in the order of the row's fields."""
        return tuple(column.name for column in self.columns)


class LogRow(NamedTuple):
    """The head and the lease of one log; `frontier` and `previous` as in `LogState`."""

    log: str
    holder: str
    epoch: int
    batch: int
    size: int
    frontier: bytes
    previous: bytes
    lease_until_us: int


class CheckpointRow(NamedTuple):
    """A signed checkpoint."""

    log: str
    size: int
    signed: str


class VersionRow(NamedTuple):
    """A counter that grows whenever something changed; the only one is `reference`."""

    name: str
    version: int


@cache
def columns_of(row: type) -> tuple[Column, ...]:
    """The columns of a NamedTuple, in the order of its fields."""
    return tuple(_column(name, hint) for name, hint in get_type_hints(row).items())


def _column(name: str, hint: object) -> Column:
    nullable = isinstance(hint, types.UnionType) and types.NoneType in get_args(hint)
    kinds = [kind for kind in get_args(hint) if kind is not types.NoneType] if nullable else [hint]
    if len(kinds) != 1 or kinds[0] not in (str, int, bytes, bool):
        raise TypeError(f"field {name!r} of a stored row is {hint}, which is no column")
    return Column(name, kinds[0], nullable)


@cache
def shape_of(table: Table) -> Shape:
    """The shape of one of a party's tables."""
    columns = columns_of(table.row)
    key = columns[0].name
    # What is due is claimed by its time, which is no look-up by equality and so is not among the table's own indexes.
    looked_up = (("due_us",), *table.indexes) if table.row is Due else table.indexes
    return Shape(table.name, columns, (key,), tuple((*index, key) for index in looked_up))


_LOG = Column("log", str, False)

RARE_KINDS = (FINDING,)
"""Kinds of entries that are looked for among millions of others, to which the index costs nothing."""

LOGS = Shape("logs", columns_of(LogRow), ("log",))
ENTRIES = Shape(
    "entries", (_LOG, *columns_of(Entry)), ("log", "number"), rare=tuple(("kind", kind) for kind in RARE_KINDS)
)
NODES = Shape("nodes", (_LOG, *columns_of(Node)), ("log", "level", "index"))
CHECKPOINTS = Shape("checkpoints", columns_of(CheckpointRow), ("log", "size"))
VERSIONS = Shape("versions", columns_of(VersionRow), ("name",))

BOOKKEEPING = (LOGS, ENTRIES, NODES, CHECKPOINTS, VERSIONS)
"""What every party keeps beside its own tables."""


def shapes_of(tables: Sequence[Table]) -> tuple[Shape, ...]:
    """Everything that the store of a party with these tables holds."""
    return (*BOOKKEEPING, *(shape_of(table) for table in tables))


POSTGRES_TYPES = {str: 'text COLLATE "C"', int: "bigint", bytes: "bytea", bool: "boolean"}
SQLITE_TYPES = {str: "text", int: "integer", bytes: "blob", bool: "integer"}


def quoted(names: Sequence[str]) -> str:
    """Column names for a statement; they come from our own code, some are words of SQL (`index`, `key`)."""
    return ", ".join(f'"{name}"' for name in names)


def create_postgres(shape: Shape) -> list[str]:
    """The statements that make this table in the schema of the search path."""
    return _create(shape, POSTGRES_TYPES, "")


def create_sqlite(shape: Shape) -> list[str]:
    """The statements that make this table. STRICT: a value of another type is an error, as in PostgreSQL."""
    return _create(shape, SQLITE_TYPES, " STRICT, WITHOUT ROWID")


def _create(shape: Shape, kinds: dict[type, str], ending: str) -> list[str]:
    columns = [f'"{c.name}" {kinds[c.kind]}{"" if c.nullable else " NOT NULL"}' for c in shape.columns]
    columns.append(f"PRIMARY KEY ({quoted(shape.key)})")
    lines = ",\n    ".join(columns)
    table = f'CREATE TABLE "{shape.name}" (\n    {lines}\n){ending}'
    rare = (_create_rare_index(shape, column, value) for column, value in shape.rare)
    return [table, *(_create_index(shape, index) for index in shape.indexes), *rare]


def _create_index(shape: Shape, index: tuple[str, ...]) -> str:
    name = f"{shape.name}_by_{'_and_'.join(index[:-1])}"
    return f'CREATE INDEX "{name}" ON "{shape.name}" ({quoted(index)})'


def _create_rare_index(shape: Shape, column: str, value: str) -> str:
    name = f"{shape.name}_{value}"
    return f"""CREATE INDEX "{name}" ON "{shape.name}" ({quoted(shape.key)}) WHERE "{column}" = '{value}'"""
