"""A terminal's file: whose it is, who may open it, and what is said when it is damaged."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from holdfast.domain.records import DEVICES, SALES, TERMINAL_TABLES
from holdfast.domain.tables import DUE, Due, Table, put
from holdfast.errors import CommitUnknown, Conflict, RegisterBroken, StoreError, Unreachable
from holdfast.register.tree import EMPTY
from holdfast.store.interface import Batch, LogState
from holdfast.store.sqlite import SqliteReader, SqliteStore
from holdfast.store.sqlite_file import refuse_commit


async def due_batch(store: SqliteStore, log: LogState, *keys: str) -> LogState:
    after = log._replace(batch=log.batch + 1)
    transaction = await store.begin()
    try:
        await transaction.write(Batch(log, after, (), (), [put(DUE, Due(key, 1, 0, 1)) for key in keys]))
        await transaction.commit()
    finally:
        await transaction.rollback()
    return after


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


async def test_the_file_is_the_owners_alone_and_lasts(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"
    store = SqliteStore(path, TERMINAL_TABLES)
    log = await due_batch(store, await store.take_log("J", "terminal", 30), "a", "b")
    assert modes(tmp_path) == {0o600}
    await store.close()
    again = SqliteStore(path, TERMINAL_TABLES)
    # Whoever opens the file has it alone: a lease that was not given back does not count.
    assert await again.take_log("J", "another terminal", 30) == log._replace(epoch=2, frontier=EMPTY)
    transaction = await again.begin()
    assert [row.key for row in await transaction.claim(1, 9)] == ["a", "b"]
    await transaction.rollback()
    await again.close()


async def test_a_second_user_is_told_who_has_it(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"
    store = SqliteStore(path, TERMINAL_TABLES)
    with pytest.raises(Unreachable, match=rf"t\.sqlite is in use by pid {os.getpid()}"):
        SqliteStore(path, TERMINAL_TABLES)
    await store.close()
    await SqliteStore(path, TERMINAL_TABLES).close()


@pytest.mark.parametrize("running", [True, False])
async def test_a_reader_reads_and_cannot_write(tmp_path: Path, running: bool) -> None:
    path = tmp_path / "t.sqlite"
    store = SqliteStore(path, TERMINAL_TABLES)
    await due_batch(store, await store.take_log("J", "terminal", 30), "a")
    if not running:
        await store.close()
    reader = SqliteReader(path)
    assert [row.key async for row in reader.scan(DUE)] == ["a"]
    with pytest.raises(sqlite3.OperationalError):
        reader._connection.execute("DELETE FROM due")
    await reader.close()
    await store.close()
    with pytest.raises(Unreachable, match="does not exist"):
        SqliteReader(tmp_path / "other.sqlite")


async def test_damage_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"
    store = SqliteStore(path, TERMINAL_TABLES)
    log = await store.take_log("J", "terminal", 30)
    await due_batch(store, log, *(f"due-{n:06}" for n in range(3000)))
    await store.close()
    whole = path.read_bytes()
    torn = whole[: len(whole) // 2]
    scribbled = whole[:8192] + b"\xff" * 20_000 + whole[28_192:]
    for damaged in (torn, scribbled, b"not a database at all" * 400):
        path.write_bytes(damaged)
        with pytest.raises(RegisterBroken, match=r"t\.sqlite is damaged") as raised:
            SqliteStore(path, TERMINAL_TABLES)
        assert "\n" not in str(raised.value)
    path.write_bytes(whole)
    await SqliteStore(path, TERMINAL_TABLES).close()


async def test_a_place_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="cannot be opened"):
        SqliteStore(tmp_path / "nowhere" / "t.sqlite", TERMINAL_TABLES)
    (tmp_path / "folder").mkdir()
    with pytest.raises(Unreachable, match="cannot be opened"):
        SqliteStore(tmp_path / "folder", TERMINAL_TABLES)


async def test_another_shape_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"
    await SqliteStore(path, TERMINAL_TABLES).close()
    other = Table(DEVICES.name, SALES.row)
    with pytest.raises(Unreachable, match="holds another devices"):
        SqliteStore(path, (other, SALES, DUE))
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(Unreachable, match="newer Holdfast"):
        SqliteStore(path, TERMINAL_TABLES)


async def test_a_full_disk_is_a_store_error_and_what_was_there_stays(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "t.sqlite", TERMINAL_TABLES)
    log = await due_batch(store, await store.take_log("J", "terminal", 30), "a")
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="full") as raised:
        await due_batch(store, log, *(f"due-{n:06}" for n in range(3000)))
    assert not isinstance(raised.value, (Conflict, CommitUnknown))
    store._connection.execute("PRAGMA max_page_count = 100000")
    await due_batch(store, log, "b")
    await store.close()


def test_a_commit_that_may_have_happened_is_unknown() -> None:
    meanings = (
        (sqlite3.SQLITE_FULL, StoreError),
        (sqlite3.SQLITE_IOERR_WRITE, StoreError),
        (sqlite3.SQLITE_IOERR_FSYNC, CommitUnknown),
        (sqlite3.SQLITE_IOERR, CommitUnknown),
    )
    for code, meaning in meanings:
        error = sqlite3.OperationalError("made up")
        error.sqlite_errorcode = code
        with pytest.raises(meaning) as raised:
            refuse_commit(error)
        assert type(raised.value) is meaning
