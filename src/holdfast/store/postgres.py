"""The store of acquirer and issuer: PostgreSQL, one schema per party.

Batches go over one connection. A second one serves leases, checkpoints and the reference version, so that these never
wait behind a batch. A batch takes one round trip to begin, one per table that it fetches, one per kind of look-up, one
for all that it writes, and one to commit.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import asyncpg

from holdfast.domain.tables import Due, Find, Key, Row, Table
from holdfast.errors import Conflict, Fenced, StoreError, Unreachable
from holdfast.register.tree import EMPTY, HASH_BYTES, frontier_bytes, parse_frontier
from holdfast.store import postgres_sql as sql
from holdfast.store.changes import changes_of
from holdfast.store.columns import shapes_of
from holdfast.store.interface import Batch, Checkpoint, LogState
from holdfast.store.postgres_link import (
    LEASE_LOCK_TIMEOUT_MS,
    LOST,
    WRITER_SETTINGS,
    Link,
    commit_refusal,
    one_line,
    refusal,
)

ROLLBACK_TIMEOUT_S = 5.0
_ERRORS = (*LOST, asyncpg.PostgresError)


class PostgresStore:
    """One engine's two connections to a party's schema. Made by `connect`."""

    def __init__(self, batches: Link, side: Link) -> None:
        self._batches = batches
        self._side = side
        self._turn = asyncio.Lock()
        self._side_turn = asyncio.Lock()

    @classmethod
    async def connect(cls, dsn: str, schema: str, tables: Sequence[Table]) -> "PostgresStore":
        """Connect to a migrated schema. Unreachable when there is no server, or when a table is missing there."""
        batches = Link(dsn, schema, WRITER_SETTINGS)
        side = Link(dsn, schema, WRITER_SETTINGS | {"lock_timeout": str(LEASE_LOCK_TIMEOUT_MS)})
        store = cls(batches, side)
        try:
            await batches.open()
            await side.open()
            await store._refuse_missing(schema, tables)
            await store._learn_row_types(tables)
        except BaseException:
            await store.close()
            raise
        return store

    async def take_log(self, names: Sequence[str], holder: str, lease_s: float) -> LogState:
        """See `Store.take_log`."""
        known = {row["log"]: row for row in await self._ask(sql.LEASES, list(names))}
        own = [name for name in names if name in known and known[name]["holder"] == holder]
        free = [name for name in names if name not in known or known[name]["free"]]
        for name in dict.fromkeys(own + free):
            # Somebody may have been quicker: then this takes nothing, and the next name is tried.
            arguments = (name, holder, _us(lease_s), frontier_bytes(EMPTY), bytes(HASH_BYTES))
            for row in await self._ask(sql.TAKE, *arguments):
                return state_of(row)
        raise Fenced(f"others hold all of the logs {', '.join(names)}")

    async def renew(self, log: LogState, lease_s: float) -> None:
        """See `Store.renew`."""
        if not await self._ask(sql.RENEW, log.log, log.epoch, _us(lease_s)):
            raise Fenced(f"log {log.log} has a newer epoch than {log.epoch}")

    async def release(self, log: LogState) -> None:
        """See `Store.release`."""
        await self._ask(sql.RELEASE, log.log, log.epoch)

    async def begin(self) -> "PostgresTransaction":
        """See `Store.begin`."""
        await self._turn.acquire()
        try:
            return PostgresTransaction(await self._begun(), self._batches, self._turn.release)
        except BaseException:
            self._turn.release()
            raise

    async def reference_version(self) -> int:
        """See `Store.reference_version`."""
        return int((await self._ask(sql.REFERENCE_VERSION))[0]["version"])

    async def put_checkpoint(self, checkpoint: Checkpoint) -> None:
        """See `Store.put_checkpoint`."""
        await self._ask(sql.PUT_CHECKPOINT, *checkpoint)

    async def close(self) -> None:
        """See `Store.close`."""
        await self._batches.close()
        await self._side.close()

    async def _begun(self) -> asyncpg.Connection:
        """A connection with an open transaction. One that was lost while idle is made again: nothing was on it."""
        connection = await self._batches.connection()
        try:
            await connection.execute("BEGIN")
        except _ERRORS:
            self._batches.drop()
        except BaseException:
            self._batches.drop()
            raise
        else:
            return connection
        connection = await self._batches.connection()
        try:
            await connection.execute("BEGIN")
        except _ERRORS as error:
            self._batches.drop()
            raise refusal(error) from error
        return connection

    async def _ask(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """One statement on the side connection, each of which may safely be said twice: a lost one is said again."""
        async with self._side_turn:
            try:
                return list(await (await self._side.connection()).fetch(statement, *arguments))
            except LOST:
                self._side.drop()
            except asyncpg.PostgresError as error:
                raise refusal(error) from error
            try:
                return list(await (await self._side.connection()).fetch(statement, *arguments))
            except _ERRORS as error:
                self._side.drop()
                raise refusal(error) from error

    async def _refuse_missing(self, schema: str, tables: Sequence[Table]) -> None:
        names = ["logs", *(table.name for table in tables)]
        found = await self._ask("SELECT name FROM unnest($1::text[]) name WHERE to_regclass(name) IS NULL", names)
        if found:
            missing = ", ".join(row["name"] for row in found)
            raise Unreachable(f"schema {schema} of the database lacks {missing}: it has not been migrated")

    async def _learn_row_types(self, tables: Sequence[Table]) -> None:
        """Now rather than in the first batch, which would keep its locks for tens of milliseconds longer."""
        try:
            await (await self._batches.connection()).prepare(sql.row_types_statement(shapes_of(tables)))
        except _ERRORS as error:
            raise Unreachable(f"the database does not say what its tables are: {one_line(error)}") from error


class PostgresTransaction:
    """One batch on the store's first connection."""

    def __init__(self, connection: asyncpg.Connection, link: Link, end: Callable[[], None]) -> None:
        self._connection = connection
        self._link = link
        self._end_turn = end
        self._failed = False
        self._over = False

    async def fetch(self, table: Table, keys: Sequence[Key]) -> dict[Key, Row]:
        """See `Transaction.fetch`."""
        make = table.row._make  # type: ignore[attr-defined]
        rows = await self._ask(sql.fetch_statement(table), list(dict.fromkeys(keys)))
        return {row[0]: make(row) for row in rows}

    async def find(self, finds: Sequence[Find]) -> list[list[Row]]:
        """See `Transaction.find`."""
        found: list[list[Row]] = [[] for _ in finds]
        alike: dict[tuple[Table, tuple[str, ...], int], list[int]] = {}
        for at, find in enumerate(finds):
            alike.setdefault((find.table, tuple(name for name, _ in find.where), find.limit), []).append(at)
        for (table, where, limit), group in alike.items():
            make = table.row._make  # type: ignore[attr-defined]
            values = zip(*((value for _, value in finds[at].where) for at in group), strict=True)
            for row in await self._ask(sql.find_statement(table, where, limit), *values):
                found[group[row[-1] - 1]].append(make(row[:-1]))
        return found

    async def claim(self, now_us: int, limit: int) -> list[Due]:
        """See `Transaction.claim`."""
        return [Due._make(row) for row in await self._ask(sql.CLAIM, now_us, limit)]

    async def write(self, batch: Batch) -> None:
        """See `Transaction.write`."""
        try:
            changes = changes_of(batch)
        except Conflict:
            self._failed = True
            raise
        statement, arguments = sql.write_of(batch, changes)
        moved = await self._ask(statement, *arguments)
        if moved[0][0] != 1:
            self._failed = True
            before = batch.before
            raise Fenced(f"log {before.log} is no longer at epoch {before.epoch}, batch {before.batch}")

    async def commit(self) -> None:
        """See `Transaction.commit`."""
        self._assert_open()
        try:
            status = await self._connection.execute("COMMIT")
        except _ERRORS as error:
            self._lose()
            raise commit_refusal(error) from error
        except BaseException:
            self._lose()
            raise
        self._end()
        if status != "COMMIT":
            raise StoreError("the database rolled the batch back instead of committing it")

    async def rollback(self) -> None:
        """See `Transaction.rollback`."""
        if self._over:
            return
        try:
            await self._connection.execute("ROLLBACK", timeout=ROLLBACK_TIMEOUT_S)
        except _ERRORS:
            # A connection that cannot even roll back is cut, and the server rolls back by itself.
            self._lose()
        except BaseException:
            self._lose()
            raise
        else:
            self._end()

    async def _ask(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        self._assert_open()
        try:
            return list(await self._connection.fetch(statement, *arguments))
        except LOST as error:
            self._lose()
            raise refusal(error) from error
        except asyncpg.PostgresError as error:
            self._failed = True
            raise refusal(error) from error
        except BaseException:
            self._lose()
            raise

    def _assert_open(self) -> None:
        if self._failed or self._over:
            raise StoreError("the transaction is over")

    def _lose(self) -> None:
        self._link.drop()
        self._end()

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._end_turn()


def state_of(row: asyncpg.Record) -> LogState:
    """The head of a log out of the columns `HEAD`."""
    log, epoch, batch, frontier, previous = row
    return LogState(log, epoch, batch, parse_frontier(frontier), previous)


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)
