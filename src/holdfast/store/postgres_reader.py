"""What is recorded in PostgreSQL, for those who answer from it. Nothing can be written over these connections.

The role itself may only read; that the session is read-only as well makes a slip an error even for an owner's login.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from holdfast.domain.tables import Due, Entry, Key, Row, Table
from holdfast.errors import Unreachable
from holdfast.store.columns import shape_of
from holdfast.store.interface import Checkpoint, LogState
from holdfast.store.postgres import state_of
from holdfast.store.postgres_link import CONNECT_TIMEOUT_S, LOST, one_line, refusal, where
from holdfast.store.postgres_sql import HEAD, rows_statement
from holdfast.store.questions import due_of, question, rare_entries

CONNECTIONS_MAX = 4
SCAN_ROWS = 500
"""Rows of a scan that travel at once."""

_ERRORS = (*LOST, asyncpg.PostgresError)

_LOGS = f"SELECT {HEAD} FROM logs ORDER BY log"
_ENTRIES = (
    "SELECT number, at_us, kind, body, leaf FROM entries WHERE log = $1 AND number BETWEEN $2 AND $3 ORDER BY number"
)
_LEAVES = "SELECT leaf FROM entries WHERE log = $1 AND number BETWEEN $2 AND $3 ORDER BY number"
_LEAVES_OF = "SELECT number, leaf FROM entries WHERE log = $1 AND number = ANY($2)"
_NODES = 'SELECT hash FROM nodes WHERE log = $1 AND level = $2 AND "index" BETWEEN $3 AND $4 ORDER BY "index"'
_CHECKPOINT = "SELECT log, size, signed FROM checkpoints WHERE log = $1 AND size >= $2 ORDER BY size DESC LIMIT 1"
_CHECKPOINT_OF = "SELECT log, size, signed FROM checkpoints WHERE log = $1 AND size = $2"


class PostgresReader:
    """A small pool of read-only connections. Made by `connect`."""

    def __init__(self, pool: asyncpg.Pool, dsn: str, settings: dict[str, str]) -> None:
        self._pool = pool
        self._dsn = dsn
        self._settings = settings

    @classmethod
    async def connect(cls, dsn: str, schema: str) -> "PostgresReader":
        """Connect to a party's schema; Unreachable when that fails."""
        settings = {"search_path": schema, "default_transaction_read_only": "on", "application_name": "holdfast reader"}
        try:
            pool = await asyncpg.create_pool(
                dsn, min_size=1, max_size=CONNECTIONS_MAX, timeout=CONNECT_TIMEOUT_S, server_settings=settings
            )
        except (*_ERRORS, ValueError) as error:
            raise Unreachable(f"the database at {where(dsn)} cannot be reached: {one_line(error)}") from error
        return cls(pool, dsn, settings)

    async def logs(self) -> list[LogState]:
        """See `Reader.logs`."""
        return [state_of(row) for row in await self._ask(_LOGS)]

    async def entries(self, log: str, first: int, last: int) -> list[Entry]:
        """See `Reader.entries`."""
        return [Entry._make(row) for row in await self._ask(_ENTRIES, log, first, last)]

    async def entries_of(self, log: str, kind: str) -> list[Entry]:
        """See `Reader.entries_of`."""
        return [Entry._make(row) for row in await self._ask(rare_entries(kind, _place), log)]

    async def leaves(self, log: str, first: int, last: int) -> list[bytes]:
        """See `Reader.leaves`."""
        return [row[0] for row in await self._ask(_LEAVES, log, first, last)]

    async def leaves_of(self, log: str, numbers: Sequence[int]) -> dict[int, bytes]:
        """See `Reader.leaves_of`."""
        return {row[0]: row[1] for row in await self._ask(_LEAVES_OF, log, list(numbers))}

    async def nodes(self, log: str, level: int, first: int, last: int) -> list[bytes]:
        """See `Reader.nodes`."""
        return [row[0] for row in await self._ask(_NODES, log, level, first, last)]

    async def checkpoint(self, log: str, size_min: int) -> Checkpoint | None:
        """See `Reader.checkpoint`."""
        return next((Checkpoint._make(row) for row in await self._ask(_CHECKPOINT, log, size_min)), None)

    async def checkpoint_of(self, log: str, size: int) -> Checkpoint | None:
        """See `Reader.checkpoint_of`."""
        return next((Checkpoint._make(row) for row in await self._ask(_CHECKPOINT_OF, log, size)), None)

    async def row(self, table: Table, key: Key) -> Row | None:
        """See `Reader.row`."""
        rows = await self.select(table, {shape_of(table).key[0]: key})
        return rows[0] if rows else None

    async def rows(self, table: Table, keys: Sequence[Key]) -> dict[Key, Row]:
        """See `Reader.rows`."""
        make = table.row._make  # type: ignore[attr-defined]
        return {row[0]: make(row) for row in await self._ask(rows_statement(table), list(keys))}

    async def select(
        self,
        table: Table,
        equal: Mapping[str, str | int | bytes],
        between: tuple[str, int, int] | None = None,
        order: str | None = None,
        limit: int | None = None,
    ) -> list[Row]:
        """See `Reader.select`."""
        statement, arguments = question(table, equal, between, order, limit, _place)
        make = table.row._make  # type: ignore[attr-defined]
        return [make(row) for row in await self._ask(statement, *arguments)]

    async def due(self, kind: str) -> list[Due]:
        """See `Reader.due`."""
        statement, arguments = due_of(kind, _place)
        return [Due._make(row) for row in await self._ask(statement, *arguments)]

    async def scan(self, table: Table) -> AsyncIterator[Row]:
        """See `Reader.scan`."""
        statement, _ = question(table, {}, None, None, None, str)
        make = table.row._make  # type: ignore[attr-defined]
        async with self._one_view() as connection:
            rows = connection.cursor(statement, prefetch=SCAN_ROWS).__aiter__()
            while True:
                try:
                    row = await anext(rows, None)
                except _ERRORS as error:
                    raise refusal(error) from error
                if row is None:
                    return
                yield make(row)

    async def close(self) -> None:
        """See `Reader.close`."""
        await self._pool.close()

    @asynccontextmanager
    async def _one_view(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of its own: who reads a scan slowly must not keep others from reading."""
        try:
            connection = await asyncpg.connect(self._dsn, timeout=CONNECT_TIMEOUT_S, server_settings=self._settings)
        except _ERRORS as error:
            raise refusal(error) from error
        try:
            await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield connection
        finally:
            # Nothing was written: closing the connection is the end of the transaction.
            connection.terminate()

    async def _ask(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        try:
            return list(await self._pool.fetch(statement, *arguments))
        except _ERRORS as error:
            raise refusal(error) from error


def _place(at: int) -> str:
    return f"${at}"
