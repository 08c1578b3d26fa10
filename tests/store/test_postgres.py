"""What only PostgreSQL can do to a store: go away, keep one waiting, end a stopped writer; and how its schema moves."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Protocol

import asyncpg
import pytest

from holdfast.domain.commands import FINDING
from holdfast.domain.records import ACQUIRER_TABLES, HOLDS, ISSUER_TABLES
from holdfast.domain.tables import DUE, Due, Table, insert
from holdfast.errors import CommitUnknown, Conflict, StoreError, Unreachable, Unstorable
from holdfast.runtime.roles import RoleDsns
from holdfast.store import migrate as migrations
from holdfast.store import postgres_link
from holdfast.store.columns import create_postgres, shapes_of
from holdfast.store.interface import Batch, LogState, Reader, Store
from holdfast.store.migrate import migrate, newest_revision, upgrade_sql
from holdfast.store.postgres import PostgresStore
from holdfast.store.postgres_reader import PostgresReader
from holdfast.store.postgres_sql import Touched, write_statement
from holdfast.store.questions import due_of, rare_entries

LEASE_S = 30.0
WRITERS = "SELECT pid, query FROM pg_stat_activity WHERE application_name = 'holdfast' AND pid <> pg_backend_pid()"


class Harness(Protocol):
    dsns: RoleDsns

    async def store(self) -> Store: ...
    async def reader(self) -> Reader: ...


def a_batch(log: LogState, *keys: str) -> Batch:
    return Batch(log, log._replace(batch=log.batch + 1), (), (), [insert(DUE, Due(key, 1, 0, 1)) for key in keys])


async def cut(dsn: str) -> None:
    """End every writer's session, as a restart of the server does."""
    await asked(dsn, f"SELECT pg_terminate_backend(pid) FROM ({WRITERS}) w")


async def asked(dsn: str, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(statement, *arguments)]
    finally:
        await connection.close()


# --- losing the server --------------------------------------------------------------------------------------------


async def test_a_connection_lost_while_idle_is_made_again_unnoticed(postgres_harness: Harness) -> None:
    store = await postgres_harness.store()
    log = await store.take_log("A", "worker-1", LEASE_S)
    await cut(postgres_harness.dsns.acquirer)
    transaction = await store.begin()
    await transaction.write(a_batch(log, "a"))
    await transaction.commit()
    await cut(postgres_harness.dsns.acquirer)
    await store.renew(log, LEASE_S)
    assert await store.reference_version() == 0


async def test_a_connection_lost_in_a_batch_is_a_store_error_and_nothing_stays(postgres_harness: Harness) -> None:
    store, reader = await postgres_harness.store(), await postgres_harness.reader()
    log = await store.take_log("A", "worker-1", LEASE_S)
    transaction = await store.begin()
    await transaction.write(a_batch(log, "a"))
    await cut(postgres_harness.dsns.acquirer)
    with pytest.raises(StoreError) as raised:
        await transaction.fetch(DUE, ["a"])
    assert not isinstance(raised.value, (Conflict, CommitUnknown))
    await transaction.rollback()
    assert await reader.select(DUE, {}) == []
    transaction = await store.begin()
    await transaction.write(a_batch(log, "a"))
    await transaction.commit()


async def test_a_connection_lost_at_commit_is_unknown_and_then_read_back(postgres_harness: Harness) -> None:
    store = await postgres_harness.store()
    log = await store.take_log("A", "worker-1", LEASE_S)
    transaction = await store.begin()
    await transaction.write(a_batch(log, "a"))
    await cut(postgres_harness.dsns.acquirer)
    with pytest.raises(CommitUnknown):
        await transaction.commit()
    await transaction.rollback()
    again = await store.take_log("A", "worker-1", LEASE_S)
    assert again == log._replace(epoch=2)
    transaction = await store.begin()
    await transaction.write(a_batch(again, "a"))
    await transaction.commit()


async def test_a_cancelled_batch_gives_its_locks_back(postgres_harness: Harness) -> None:
    first, second = await postgres_harness.store(), await postgres_harness.store()
    log = await first.take_log("A", "worker-1", LEASE_S)
    transaction = await first.begin()
    await transaction.write(a_batch(log, "a"))
    await transaction.commit()
    mine, other = await first.begin(), await second.begin()
    await mine.fetch(DUE, ["a"])
    waiting = asyncio.ensure_future(other.fetch(DUE, ["a"]))
    await asyncio.sleep(0.02)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await other.rollback()
    await mine.rollback()
    other = await second.begin()
    assert len(await other.fetch(DUE, ["a"])) == 1
    await other.rollback()


async def test_a_lock_that_is_held_too_long_is_a_conflict(
    postgres_harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgres_link.WRITER_SETTINGS, "lock_timeout", "50")
    first, second = await postgres_harness.store(), await postgres_harness.store()
    log = await first.take_log("A", "worker-1", LEASE_S)
    transaction = await first.begin()
    await transaction.write(a_batch(log, "a"))
    await transaction.commit()
    mine, other = await first.begin(), await second.begin()
    await mine.fetch(DUE, ["a"])
    with pytest.raises(Conflict):
        await other.fetch(DUE, ["a"])
    with pytest.raises(StoreError):
        await other.commit()
    await other.rollback()
    await mine.rollback()


async def test_a_stopped_writer_does_not_keep_the_log(
    postgres_harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgres_link.WRITER_SETTINGS, "idle_in_transaction_session_timeout", "100")
    stopped, other = await postgres_harness.store(), await postgres_harness.store()
    log = await stopped.take_log("A", "worker-1", 0.01)
    transaction = await stopped.begin()
    await transaction.write(a_batch(log, "a"))
    await asyncio.sleep(0.02)
    taken = await other.take_log("A", "worker-2", LEASE_S)
    assert (taken.epoch, taken.batch) == (2, 0)
    with pytest.raises(CommitUnknown):
        await transaction.commit()
    await transaction.rollback()


async def test_a_server_that_stays_away_is_told_in_one_line(
    postgres_harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_link, "PATIENCE_S", 0.2)
    gone = "postgresql://somebody:secret@127.0.0.1:1/holdfast"
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1/holdfast cannot be reached") as raised:
        await PostgresStore.connect(gone, "acquirer", ACQUIRER_TABLES)
    assert "secret" not in str(raised.value)
    with pytest.raises(Unreachable):
        await PostgresReader.connect(gone, "acquirer")
    with pytest.raises(Unreachable):
        await migrate(gone, "acquirer", "acquirer")
    with pytest.raises(StoreError, match="stays away"):
        await postgres_link.Link(gone, "acquirer", {}).connection()


async def test_a_schema_that_was_not_migrated_is_refused(postgres_harness: Harness) -> None:
    with pytest.raises(Unreachable, match="lacks elsewhere"):
        await PostgresStore.connect(postgres_harness.dsns.acquirer, "acquirer", [Table("elsewhere", Due)])


# --- reading ------------------------------------------------------------------------------------------------------


async def test_a_reader_cannot_write_even_as_the_owner(postgres_harness: Harness) -> None:
    for dsn in (postgres_harness.dsns.reader_acquirer, postgres_harness.dsns.acquirer):
        reader = await PostgresReader.connect(dsn, "acquirer")
        with pytest.raises(StoreError, match="read-only transaction"):
            await reader._ask("DELETE FROM holds")
        await reader.close()


@pytest.mark.parametrize("party", ["acquirer", "issuer"])
async def test_a_reader_may_read_every_table_but_the_secret_ones(postgres: RoleDsns, party: str) -> None:
    tables = ACQUIRER_TABLES if party == "acquirer" else ISSUER_TABLES
    dsn = postgres.reader_acquirer if party == "acquirer" else postgres.reader_issuer
    barred = set()
    for shape in shapes_of(tables):
        try:
            await asked(dsn, f'SELECT * FROM {party}."{shape.name}"')
        except asyncpg.InsufficientPrivilegeError:
            barred.add(shape.name)
    assert barred == {table.name for table in tables if table.secret}
    assert bool(barred) == (party == "acquirer")


async def test_no_refusal_quotes_a_row(postgres_harness: Harness) -> None:
    store = await postgres_harness.store()
    log = await store.take_log("A", "worker-1", LEASE_S)
    transaction = await store.begin()
    await transaction.write(a_batch(log, "key-of-a-row"))
    await transaction.commit()
    transaction = await store.begin()
    with pytest.raises(Conflict, match="duplicate key") as raised:
        await transaction.write(a_batch(log._replace(batch=log.batch + 1), "key-of-a-row"))
    await transaction.rollback()
    assert "key-of-a-row" not in str(raised.value)


@pytest.mark.parametrize("key", ["nul\0", "".join(map(chr, range(256, 12_000)))], ids=["nul", "too long for an index"])
async def test_text_that_postgresql_cannot_hold_is_told_apart_from_a_database_that_is_away(
    postgres_harness: Harness, key: str
) -> None:
    store = await postgres_harness.store()
    log = await store.take_log("A", "worker-1", LEASE_S)
    transaction = await store.begin()
    with pytest.raises(Unstorable, match="cannot hold it"):
        await transaction.write(a_batch(log, key))
    await transaction.rollback()


# --- speed that must not be lost unnoticed ------------------------------------------------------------------------


def test_a_statement_is_made_once_per_kind_of_batch() -> None:
    touched = (Touched(HOLDS, True, True, True),)
    assert write_statement(True, False, False, touched) is write_statement(True, False, False, touched)


async def test_every_look_up_goes_by_an_index(postgres_harness: Harness) -> None:
    rows = await asked(
        postgres_harness.dsns.acquirer,
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'acquirer' AND tablename IN ('holds', 'due')",
    )
    found = " ".join(row[0] for row in rows)
    for columns in ("(token, hold_id)", "(merchant_id, authorization_code, hold_id)", "(due_us, key)"):
        assert columns in found


async def test_what_is_rare_is_found_by_its_index_however_long_the_log_is(postgres_harness: Harness) -> None:
    """Even without `enable_seqscan = off`, which readers do not set."""
    connection = await asyncpg.connect(postgres_harness.dsns.acquirer, server_settings={"search_path": "acquirer"})
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(
            "INSERT INTO entries SELECT 'A', n, n, CASE WHEN n % 5000 = 0 THEN 'finding' ELSE 'completion' END, '', ''"
            " FROM generate_series(1, 20000) AS n; INSERT INTO due SELECT 'expire:' || n, n, 0, n"
            " FROM generate_series(1, 20000) AS n; ANALYZE entries; ANALYZE due"
        )
        for statement, arguments in (
            (rare_entries(FINDING, "${}".format), ("A",)),
            due_of("undo", "${}".format),
        ):
            plan = " ".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement}", *arguments))
            assert "Seq Scan" not in plan
    finally:
        await transaction.rollback()
        await connection.close()


# --- migrations ---------------------------------------------------------------------------------------------------

_COLUMNS = """
SELECT table_name, column_name, ordinal_position, data_type, is_nullable, collation_name, column_default
FROM information_schema.columns WHERE table_schema = $1 AND table_name <> 'alembic_version'
ORDER BY table_name, ordinal_position"""

_INDEXES = """
SELECT tablename, indexname, indexdef
FROM pg_indexes WHERE schemaname = $1 AND tablename <> 'alembic_version' ORDER BY tablename, indexname"""


@pytest.mark.parametrize(("party", "tables"), [("acquirer", ACQUIRER_TABLES), ("issuer", ISSUER_TABLES)])
async def test_the_migrated_schema_is_the_one_that_the_rows_need(
    postgres: RoleDsns, party: str, tables: Sequence[Table]
) -> None:
    dsn = postgres.acquirer if party == "acquirer" else postgres.issuer
    shapes = shapes_of(tables)
    connection = await asyncpg.connect(dsn)
    transaction = connection.transaction()
    await transaction.start()
    try:
        migrated = await _catalogue(connection, party)
        # The same names in the same schema, so that nothing differs but what is meant; it is all rolled back.
        await connection.execute(f"DROP TABLE {', '.join(shape.name for shape in shapes)}")
        assert await _catalogue(connection, party) == [[], []], "the migrations make more than the rows need"
        await connection.execute("; ".join(statement for shape in shapes for statement in create_postgres(shape)))
        derived = await _catalogue(connection, party)
    finally:
        await transaction.rollback()
        await connection.close()
    assert migrated == derived, "records.py and the migrations differ: add a revision"


async def _catalogue(connection: asyncpg.Connection, schema: str) -> list[list[tuple[Any, ...]]]:
    return [[tuple(row) for row in await connection.fetch(question, schema)] for question in (_COLUMNS, _INDEXES)]


async def test_a_schema_at_its_newest_revision_needs_no_alembic(postgres: RoleDsns) -> None:
    program = (
        "import asyncio, sys; from holdfast.store.migrate import migrate; "
        f"assert not asyncio.run(migrate({postgres.acquirer!r}, 'acquirer', 'acquirer')); "
        "assert not [name for name in sys.modules if name.startswith(('alembic', 'sqlalchemy'))]"
    )
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program], check=True)


async def test_a_schema_of_a_newer_release_is_refused(postgres: RoleDsns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "newest_revision", lambda party: "0000")
    with pytest.raises(Unreachable, match="revision 0001, newer than this Holdfast"):
        await migrate(postgres.acquirer, "acquirer", "acquirer")


@pytest.mark.parametrize("party", ["acquirer", "issuer"])
def test_alembic_agrees_about_the_newest_revision(party: str) -> None:
    assert f"VALUES ('{newest_revision(party)}')" in upgrade_sql(party, None)
    assert "CREATE" not in upgrade_sql(party, newest_revision(party))
