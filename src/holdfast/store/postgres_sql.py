"""The SQL of a batch, generated per set of tables that it touches, so that PostgreSQL prepares each text once.

Everything is set-based: rows go in as one array of the table's own row type, so that a batch of one and of a hundred
are the same statement; an array per column costs both sides twice as much. All writes of a batch are one statement, and
every part of it joins the fence: the update of the log's head that only hits while epoch and batch are those that the
writer knows. No hit, no effect.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple

from holdfast.domain.tables import DUE, Table
from holdfast.register.tree import frontier_bytes
from holdfast.store.changes import Changes, moves_reference
from holdfast.store.columns import ENTRIES, NODES, Column, Shape, quoted, shape_of
from holdfast.store.interface import Batch

STATEMENTS_MAX = 512
"""How many texts are kept, and how many stay prepared on a connection; the parties need some dozens."""

_ARRAYS = {str: "text[]", int: "bigint[]", bytes: "bytea[]", bool: "boolean[]"}

NOW_US = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
HEAD = "log, epoch, batch, frontier, previous"

LEASES = f"SELECT log, holder, lease_until_us <= {NOW_US} AS free FROM logs WHERE log = ANY($1)"

TAKE = f"""
INSERT INTO logs AS l (log, holder, epoch, batch, size, frontier, previous, lease_until_us)
VALUES ($1, $2, 1, 0, 0, $4, $5, {NOW_US} + $3)
ON CONFLICT (log) DO UPDATE SET holder = $2, epoch = l.epoch + 1, lease_until_us = {NOW_US} + $3
WHERE l.holder = $2 OR l.lease_until_us <= {NOW_US}
RETURNING {HEAD}"""

RENEW = f"UPDATE logs SET lease_until_us = {NOW_US} + $3 WHERE log = $1 AND epoch = $2 RETURNING log"
RELEASE = "UPDATE logs SET lease_until_us = 0 WHERE log = $1 AND epoch = $2"
REFERENCE_VERSION = "SELECT version FROM versions WHERE name = 'reference'"
PUT_CHECKPOINT = "INSERT INTO checkpoints (log, size, signed) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"

CLAIM = (
    f"SELECT {quoted(shape_of(DUE).names)} FROM due WHERE due_us <= $1 "
    'ORDER BY due_us, "key" LIMIT $2 FOR UPDATE SKIP LOCKED'
)

_FENCE = (
    "fence AS (UPDATE logs SET batch = $4, size = $5, frontier = $6, previous = $7 "
    "WHERE log = $1 AND epoch = $2 AND batch = $3 RETURNING log)"
)
_FENCE_ARGUMENTS = 7

_MOVE_REFERENCE = (
    "reference AS (UPDATE versions SET version = version + 1 FROM fence WHERE name = 'reference' RETURNING version)"
)


class Touched(NamedTuple):
    """What a batch does to one table."""

    table: Table
    fresh: bool
    puts: bool
    removed: bool


@lru_cache(maxsize=STATEMENTS_MAX)
def rows_statement(table: Table) -> str:
    """Rows by key, one argument: the keys."""
    shape = shape_of(table)
    key = shape.key[0]
    return f'SELECT {quoted(shape.names)} FROM "{table.name}" WHERE "{key}" = ANY($1) ORDER BY "{key}"'


@lru_cache(maxsize=STATEMENTS_MAX)
def fetch_statement(table: Table) -> str:
    """The same, locked in key order unless nothing is decided on them."""
    return rows_statement(table) + (" FOR UPDATE" if table.locks else "")


@lru_cache(maxsize=STATEMENTS_MAX)
def find_statement(table: Table, where: tuple[str, ...], limit: int) -> str:
    """Many look-ups at once: one array per column; each row is followed by the number of its look-up, from 1."""
    shape = shape_of(table)
    columns = {column.name: column for column in shape.columns}
    arrays = _unnested([columns[name] for name in where], count(1))
    asked = ", ".join(f"w{at}" for at in range(len(where)))
    conditions = " AND ".join(f't."{name}" = q.w{at}' for at, name in enumerate(where))
    key = shape.key[0]
    found = f'SELECT t.* FROM "{table.name}" t WHERE {conditions} ORDER BY t."{key}" DESC LIMIT {limit}'
    names = ", ".join(f'r."{name}"' for name in shape.names)
    return (
        f"SELECT {names}, q.number FROM {arrays} WITH ORDINALITY AS q({asked}, number) "
        f'CROSS JOIN LATERAL ({found}) r ORDER BY q.number, r."{key}" DESC'
    )


def write_of(batch: Batch, changes: Sequence[Changes]) -> tuple[str, list[Any]]:
    """The one statement that writes a batch, and its arguments. It returns how many heads it moved: one, or Fenced."""
    before, after = batch.before, batch.after
    arguments: list[Any] = [before.log, before.epoch, before.batch]
    arguments += [after.batch, after.frontier.size, frontier_bytes(after.frontier), after.previous]
    appended = [[(after.log, *row) for row in rows] for rows in (batch.entries, batch.nodes)]
    written = [rows for change in changes for rows in (change.fresh, change.puts, change.removed)]
    arguments += [rows for rows in (*appended, *written) if rows]
    touched = tuple(Touched(c.table, bool(c.fresh), bool(c.puts), bool(c.removed)) for c in changes)
    return write_statement(bool(batch.entries), bool(batch.nodes), moves_reference(changes), touched), arguments


@lru_cache(maxsize=STATEMENTS_MAX)
def write_statement(entries: bool, nodes: bool, reference: bool, touched: tuple[Touched, ...]) -> str:
    """The text for batches of that kind; the arguments come in the order of the parts."""
    places = count(_FENCE_ARGUMENTS + 1)
    appended = [shape for shape, some in ((ENTRIES, entries), (NODES, nodes)) if some]
    parts = [_FENCE, *(f"{shape.name}_new AS ({_insert(shape, places)})" for shape in appended)]
    for number, (table, fresh, puts, removed) in enumerate(touched):
        shape = shape_of(table)
        if fresh:
            parts.append(f"fresh_{number} AS ({_insert(shape, places)})")
        if puts:
            parts.append(f"put_{number} AS ({_insert(shape, places)} {_on_conflict(shape)})")
        if removed:
            parts.append(f"removed_{number} AS ({_delete(shape, places)})")
    if reference:
        parts.append(_MOVE_REFERENCE)
    return f"WITH {', '.join(parts)} SELECT count(*) FROM fence"


def row_types_statement(shapes: Sequence[Shape]) -> str:
    """Names the row type of every table: prepared once, a connection knows how to send rows of each."""
    return f"SELECT {', '.join(f'${at}::{_rows(shape)}' for at, shape in enumerate(shapes, 1))}"


def _rows(shape: Shape) -> str:
    return f'"{shape.name}"[]'


def _insert(shape: Shape, places: Iterator[int]) -> str:
    return f'INSERT INTO "{shape.name}" SELECT u.* FROM fence, unnest(${next(places)}::{_rows(shape)}) u'


def _on_conflict(shape: Shape) -> str:
    changed = ", ".join(f'"{name}" = excluded."{name}"' for name in shape.names[1:])
    return f"ON CONFLICT ({quoted(shape.key)}) DO UPDATE SET {changed}"


def _delete(shape: Shape, places: Iterator[int]) -> str:
    return f'DELETE FROM "{shape.name}" USING fence WHERE "{shape.key[0]}" = ANY(${next(places)})'


def _unnested(columns: Sequence[Column], places: Iterator[int]) -> str:
    arrays = (f"${next(places)}::{_ARRAYS[column.kind]}" for column in columns)
    return f"unnest({', '.join(arrays)})"
