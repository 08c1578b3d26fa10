"""The store of one terminal: an SQLite file that one process at a time writes.

Calls are direct and short, without threads: a terminal does one thing at a time. WAL with `synchronous=FULL` makes a
commit durable when it returns. Everything that is wrong with the file is said when it is opened.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any

from holdfast.domain.tables import DUE, Due, Entry, Find, Key, Row, Table
from holdfast.errors import Fenced, StoreError
from holdfast.register.tree import EMPTY, HASH_BYTES, frontier_bytes, parse_frontier
from holdfast.store.changes import Changes, changes_of, moves_reference
from holdfast.store.columns import columns_of, quoted, shape_of
from holdfast.store.interface import Batch, Checkpoint, LogState
from holdfast.store.questions import due_of, question, rare_entries
from holdfast.store.sqlite_file import FileLock, connect, connect_reader, refuse, refuse_commit
from holdfast.store.sqlite_wal import cut_unfinished

_HEAD = "log, epoch, batch, frontier, previous"

_TAKE = f"""
INSERT INTO logs (log, holder, epoch, batch, size, frontier, previous, lease_until_us) VALUES (?, ?, 1, 0, 0, ?, ?, ?)
ON CONFLICT (log) DO UPDATE SET holder = excluded.holder, epoch = epoch + 1, lease_until_us = excluded.lease_until_us
RETURNING {_HEAD}"""

_LEASES = "SELECT log, holder, lease_until_us FROM logs"

_LEASE = "UPDATE logs SET lease_until_us = ? WHERE log = ? AND epoch = ?"

_MOVE = """
UPDATE logs SET batch = ?, size = ?, frontier = ?, previous = ? WHERE log = ? AND epoch = ? AND batch = ?"""


class SqliteStore:
    """A terminal's file, opened for writing. `clock_s` measures the lease while the file is open."""

    def __init__(
        self,
        path: Path,
        tables: Sequence[Table],
        clock_s: Callable[[], float] = monotonic,
        lock: FileLock | None = None,
    ) -> None:
        """Unreachable when the file is in use or cannot be opened, RegisterBroken when it is damaged.

        `lock` is that of the file, where the caller has taken it already; it is given back with the file.
        """
        self._path = path
        self._clock_s = clock_s
        self._lock = lock or FileLock(path)
        try:
            # We hold the file alone: whoever had a lease on it is gone, and monotonic time ends with its machine.
            self._connection = connect(path, tables, "UPDATE logs SET lease_until_us = 0")
        except BaseException:
            self._lock.release()
            raise
        self._turn = asyncio.Lock()

    async def take_log(self, names: Sequence[str], holder: str, lease_s: float) -> LogState:
        """See `Store.take_log`."""
        async with self._turn:
            known = {log: (owner, until) for log, owner, until in self._ask(_LEASES)}
            own = [name for name in names if name in known and known[name][0] == holder]
            free = [name for name in names if name not in known or known[name][1] <= self._now_us()]
            for name in (own + free)[:1]:
                until_us = self._now_us(lease_s)
                arguments = (name, holder, frontier_bytes(EMPTY), bytes(HASH_BYTES), until_us)
                return _state(self._ask(_TAKE, arguments)[0])
        raise Fenced(f"others hold all of the logs {', '.join(names)}")

    async def renew(self, log: LogState, lease_s: float) -> None:
        """See `Store.renew`."""
        async with self._turn:
            if self._change(_LEASE, (self._now_us(lease_s), log.log, log.epoch)) != 1:
                raise Fenced(f"log {log.log} has a newer epoch than {log.epoch}")

    async def release(self, log: LogState) -> None:
        """See `Store.release`."""
        async with self._turn:
            self._change(_LEASE, (0, log.log, log.epoch))

    async def begin(self) -> "SqliteTransaction":
        """See `Store.begin`."""
        await self._turn.acquire()
        try:
            self._change("BEGIN IMMEDIATE")
        except BaseException:
            self._turn.release()
            raise
        return SqliteTransaction(self._connection, self._turn, self._tidy)

    async def reference_version(self) -> int:
        """See `Store.reference_version`."""
        return int(self._ask("SELECT version FROM versions WHERE name = 'reference'")[0][0])

    async def put_checkpoint(self, checkpoint: Checkpoint) -> None:
        """See `Store.put_checkpoint`."""
        async with self._turn:
            self._change("INSERT INTO checkpoints VALUES (?, ?, ?) ON CONFLICT DO NOTHING", checkpoint)

    async def close(self) -> None:
        """Give the file back."""
        self._connection.close()
        self._lock.release()

    def _now_us(self, plus_s: float = 0.0) -> int:
        return round((self._clock_s() + plus_s) * 1_000_000)

    def _ask(self, statement: str, arguments: Sequence[Any] = ()) -> list[Any]:
        try:
            return _ask(self._connection, statement, arguments)
        except StoreError:
            self._tidy()
            raise

    def _change(self, statement: str, arguments: Sequence[Any] = ()) -> int:
        try:
            return self._connection.execute(statement, arguments).rowcount
        except sqlite3.Error as error:
            self._tidy()
            refuse(error)

    def _tidy(self) -> None:
        """What could not be written leaves nothing that looks like a torn write. A disk that refuses this, too, keeps
        it: then the journal is checked and mended when it is opened again.
        """
        with suppress(OSError):
            cut_unfinished(self._path)


class SqliteTransaction:
    """One batch. The whole file is locked, so rows need no locks of their own. `tidy` follows what was refused."""

    def __init__(self, connection: sqlite3.Connection, turn: asyncio.Lock, tidy: Callable[[], None]) -> None:
        self._connection = connection
        self._turn = turn
        self._tidy = tidy
        self._over = False

    async def fetch(self, table: Table, keys: Sequence[Key]) -> dict[Key, Row]:
        """See `Transaction.fetch`."""
        statement = _select(table, f'WHERE "{shape_of(table).key[0]}" = ?')
        rows = (row for key in sorted(set(keys)) for row in self._ask(statement, (key,)))
        return {row[0]: row for row in rows_made(table, rows)}

    async def find(self, finds: Sequence[Find]) -> list[list[Row]]:
        """See `Transaction.find`."""
        return [self._find(find) for find in finds]

    async def claim(self, now_us: int, limit: int) -> list[Due]:
        """See `Transaction.claim`."""
        statement = _select(DUE, "WHERE due_us <= ? ORDER BY due_us, key LIMIT ?")
        return [Due._make(row) for row in self._ask(statement, (now_us, limit))]

    async def write(self, batch: Batch) -> None:
        """See `Transaction.write`."""
        self._assert_open()
        try:
            self._write(batch, changes_of(batch))
        except sqlite3.Error as error:
            self._end()
            self._tidy()
            refuse(error)
        except StoreError:
            self._end()
            raise

    async def commit(self) -> None:
        """See `Transaction.commit`."""
        self._assert_open()
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._end()
            self._tidy()
            refuse_commit(error)
        self._over = True
        self._turn.release()

    async def rollback(self) -> None:
        """See `Transaction.rollback`."""
        self._end()

    def _end(self) -> None:
        if self._over:
            return
        self._over = True
        try:
            # SQLite itself ends a transaction on some errors (a full disk): nothing is left to roll back then.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            # The next transaction will say what is wrong with the file; here nothing was promised.
            return
        finally:
            self._turn.release()

    def _assert_open(self) -> None:
        if self._over:
            raise StoreError("the transaction is over")

    def _ask(self, statement: str, arguments: Sequence[Any]) -> list[Any]:
        self._assert_open()
        return _ask(self._connection, statement, arguments)

    def _find(self, find: Find) -> list[Row]:
        conditions = " AND ".join(f'"{name}" = ?' for name, _ in find.where)
        key = shape_of(find.table).key[0]
        statement = _select(find.table, f'WHERE {conditions} ORDER BY "{key}" DESC LIMIT ?')
        return rows_made(find.table, self._ask(statement, [*(value for _, value in find.where), find.limit]))

    def _write(self, batch: Batch, changes: Sequence[Changes]) -> None:
        before, after = batch.before, batch.after
        moved = self._connection.execute(
            _MOVE,
            (after.batch, after.frontier.size, frontier_bytes(after.frontier), after.previous, *before[:3]),
        )
        if moved.rowcount != 1:
            raise Fenced(f"log {before.log} is no longer at epoch {before.epoch}, batch {before.batch}")
        many = self._connection.executemany
        many("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", ((before.log, *entry) for entry in batch.entries))
        many("INSERT INTO nodes VALUES (?, ?, ?, ?)", ((before.log, *node) for node in batch.nodes))
        for change in changes:
            name, key = change.table.name, shape_of(change.table).key[0]
            places = ", ".join("?" for _ in columns_of(change.table.row))
            # Names are those of our own tables; every value is an argument.
            many(f'DELETE FROM "{name}" WHERE "{key}" = ?', ((key,) for key in change.removed))
            many(f'INSERT INTO "{name}" VALUES ({places})', change.fresh)
            many(f'INSERT OR REPLACE INTO "{name}" VALUES ({places})', change.puts)
        if moves_reference(changes):
            self._connection.execute("UPDATE versions SET version = version + 1 WHERE name = 'reference'")


class SqliteReader:
    """Committed state of a terminal's file, which may be in use by its terminal meanwhile."""

    def __init__(self, path: Path) -> None:
        """Unreachable when there is no such file, RegisterBroken when it is damaged."""
        self._path = path
        self._connection = connect_reader(path)

    async def logs(self) -> list[LogState]:
        """See `Reader.logs`."""
        return [_state(row) for row in self._ask(f"SELECT {_HEAD} FROM logs ORDER BY log")]

    async def entries(self, log: str, first: int, last: int) -> list[Entry]:
        """See `Reader.entries`."""
        asked = "SELECT number, at_us, kind, body, leaf FROM entries WHERE log = ? AND number BETWEEN ? AND ?"
        return [Entry._make(row) for row in self._ask(f"{asked} ORDER BY number", (log, first, last))]

    async def entries_of(self, log: str, kind: str) -> list[Entry]:
        """See `Reader.entries_of`."""
        return [Entry._make(row) for row in self._ask(rare_entries(kind, _place), (log,))]

    async def leaves(self, log: str, first: int, last: int) -> list[bytes]:
        """See `Reader.leaves`."""
        asked = "SELECT leaf FROM entries WHERE log = ? AND number BETWEEN ? AND ? ORDER BY number"
        return [row[0] for row in self._ask(asked, (log, first, last))]

    async def leaves_of(self, log: str, numbers: Sequence[int]) -> dict[int, bytes]:
        """See `Reader.leaves_of`."""
        asked = "SELECT number, leaf FROM entries WHERE log = ? AND number = ?"
        return {row[0]: row[1] for number in numbers for row in self._ask(asked, (log, number))}

    async def nodes(self, log: str, level: int, first: int, last: int) -> list[bytes]:
        """See `Reader.nodes`."""
        asked = 'SELECT hash FROM nodes WHERE log = ? AND level = ? AND "index" BETWEEN ? AND ? ORDER BY "index"'
        return [row[0] for row in self._ask(asked, (log, level, first, last))]

    async def checkpoint(self, log: str, size_min: int) -> Checkpoint | None:
        """See `Reader.checkpoint`."""
        asked = "SELECT log, size, signed FROM checkpoints WHERE log = ? AND size >= ? ORDER BY size DESC LIMIT 1"
        return next((Checkpoint._make(row) for row in self._ask(asked, (log, size_min))), None)

    async def checkpoint_of(self, log: str, size: int) -> Checkpoint | None:
        """See `Reader.checkpoint_of`."""
        asked = "SELECT log, size, signed FROM checkpoints WHERE log = ? AND size = ?"
        return next((Checkpoint._make(row) for row in self._ask(asked, (log, size))), None)

    async def row(self, table: Table, key: Key) -> Row | None:
        """See `Reader.row`."""
        rows = await self.select(table, {shape_of(table).key[0]: key})
        return rows[0] if rows else None

    async def rows(self, table: Table, keys: Sequence[Key]) -> dict[Key, Row]:
        """See `Reader.rows`."""
        return {key: row for key in keys if (row := await self.row(table, key)) is not None}

    async def select(
        self,
        table: Table,
        equal: Mapping[str, str | int | bytes],
        between: tuple[str, int, int] | None = None,
        order: str | None = None,
        limit: int | None = None,
    ) -> list[Row]:
        """See `Reader.select`."""
        return rows_made(table, self._ask(*question(table, equal, between, order, limit, _place)))

    async def due(self, kind: str) -> list[Due]:
        """See `Reader.due`."""
        return [Due._make(row) for row in self._ask(*due_of(kind, _place))]

    async def scan(self, table: Table) -> AsyncIterator[Row]:
        """See `Reader.scan`."""
        # A connection of its own: its open cursor holds one view while others ask through the first.
        connection = connect_reader(self._path)
        try:
            statement, arguments = question(table, {}, None, None, None, str)
            for row in connection.execute(statement, arguments):
                for made in rows_made(table, [row]):
                    yield made
        except sqlite3.Error as error:
            refuse(error)
        finally:
            connection.close()

    async def close(self) -> None:
        """See `Reader.close`."""
        self._connection.close()

    def _ask(self, statement: str, arguments: Sequence[Any] = ()) -> list[Any]:
        return _ask(self._connection, statement, arguments)


def _place(at: int) -> str:
    return f"?{at}"


def _ask(connection: sqlite3.Connection, statement: str, arguments: Sequence[Any]) -> list[Any]:
    try:
        return connection.execute(statement, arguments).fetchall()
    except sqlite3.Error as error:
        refuse(error)


def _select(table: Table, rest: str) -> str:
    return f'SELECT {quoted(shape_of(table).names)} FROM "{table.name}" {rest}'


def rows_made(table: Table, found: Iterable[Sequence[Any]]) -> list[Row]:
    """Rows of the table out of SQLite's, whose truth values are integers."""
    truths = _truths(table)
    if not truths:
        return [table.row._make(row) for row in found]  # type: ignore[attr-defined]
    rows = []
    for row in found:
        values = list(row)
        for at in truths:
            values[at] = None if values[at] is None else bool(values[at])
        rows.append(table.row._make(values))  # type: ignore[attr-defined]
    return rows


@cache
def _truths(table: Table) -> tuple[int, ...]:
    return tuple(at for at, column in enumerate(columns_of(table.row)) if column.kind is bool)


def _state(row: Sequence[Any]) -> LogState:
    log, epoch, batch, frontier, previous = row
    return LogState(log, epoch, batch, parse_frontier(frontier), previous)
