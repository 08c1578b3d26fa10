"""A log is never shorter than what was signed of it, and the first log after a restore begins by saying so."""

from pathlib import Path

import pytest

from holdfast.domain.records import ACQUIRER_TABLES
from holdfast.domain.tables import Entry
from holdfast.errors import Fenced, RegisterBroken, Unreachable
from holdfast.keys.file import FileKeys
from holdfast.parties.restored import Restored
from holdfast.register import checkpoint as notes
from holdfast.register.canonical import decode_strict, leaf_hash
from holdfast.register.restoration import Ended, Restoration
from holdfast.register.tree import EMPTY, append, root
from holdfast.runtime.config import ACQUIRER, NodeConfig, write_file
from holdfast.runtime.continuity import (
    LETTERS,
    Logs,
    logs_of,
    newest_kept,
    record_restore,
    refuse_shortened,
    refuse_shortened_party,
    retire_logs,
)
from holdfast.runtime.engine import Engine
from holdfast.runtime.kept import keep_text
from holdfast.runtime.links import Links
from holdfast.runtime.node import Node
from holdfast.runtime.roles import RoleDsns
from holdfast.store.interface import Batch, LogState
from holdfast.store.memory import MemoryDatabase, MemoryStore
from holdfast.store.postgres import PostgresStore
from holdfast.store.postgres_reader import PostgresReader
from tests.store.conftest import PostgresHarness, postgres, postgres_harness

__all__ = ["postgres", "postgres_harness"]

LEASE_S = 10.0
LEAVES = [leaf_hash(str(number).encode()) for number in range(200)]


def head(size: int, log: str = "A") -> LogState:
    return LogState(log, 1, 1, append(EMPTY, LEAVES[:size])[0], bytes(32))


@pytest.fixture
def keys(tmp_path: Path) -> FileKeys:
    return FileKeys.create(tmp_path / "keys")


def keep(keys: FileKeys, folder: Path, log: str, size: int) -> None:
    """As a worker keeps the newest checkpoint of its log."""
    body = notes.body(notes.Checkpoint(log, size, root(append(EMPTY, LEAVES[:size])[0]), 1))
    keep_text(folder, f"{log}-{size}", notes.assemble(body, keys.sign(body)).text)


def test_a_log_that_grew_or_stayed_is_taken(keys: FileKeys, tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    refuse_shortened("A", head(150), newest_kept(folder), folder)
    for size in (120, 150, 130):
        keep(keys, folder, "A", size)
    keep_text(folder, "odd", "no checkpoint")
    assert newest_kept(folder)["A"].size == 150
    refuse_shortened("A", head(150), newest_kept(folder), folder)
    refuse_shortened("A", head(151), newest_kept(folder), folder)
    refuse_shortened("B", None, newest_kept(folder), folder)


def test_a_log_that_is_shorter_or_another_is_refused_in_one_line(keys: FileKeys, tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    keep(keys, folder, "A", 150)
    kept = newest_kept(folder)
    other = LogState("A", 1, 1, append(EMPTY, LEAVES[1:151])[0], bytes(32))
    for found, says in (
        (head(122), "log A ends at 122 entries, but .* has a checkpoint of 150 .* gone: A-000123 to A-000150"),
        (head(149), "gone: A-000150. It was cut"),
        (None, "log A ends at 0 entries"),
        (other, "log A has 150 entries, but not those that we signed"),
    ):
        with pytest.raises(RegisterBroken, match=says) as told:
            refuse_shortened("A", found, kept, folder)
        assert "`holdfast restore`" in str(told.value)
        assert "\n" not in str(told.value)


async def grown(store: PostgresStore, entries: int) -> None:
    before = await store.take_log(("A",), "worker-1", LEASE_S)
    rows = [
        Entry(number, number, "x", str(number - 1).encode(), LEAVES[number - 1]) for number in range(1, entries + 1)
    ]
    frontier, nodes = append(EMPTY, LEAVES[:entries])
    transaction = await store.begin()
    after = before._replace(batch=1, frontier=frontier, previous=LEAVES[entries - 1])
    await transaction.write(Batch(before, after, rows, nodes, ()))
    await transaction.commit()


async def test_a_log_that_another_up_writes_meanwhile_is_not_shortened(
    postgres_harness: PostgresHarness, keys: FileKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn, folder = postgres_harness.dsns.acquirer, tmp_path / "keys"
    store = await PostgresStore.connect(dsn, ACQUIRER, ACQUIRER_TABLES)
    await grown(store, 122)
    await store.close()
    keep(keys, folder, "A", 122)
    read = PostgresReader.logs

    async def logs_and_then_more(reader: PostgresReader) -> list[LogState]:
        found = await read(reader)
        keep(keys, folder, "A", 150)
        return found

    monkeypatch.setattr(PostgresReader, "logs", logs_and_then_more)
    await refuse_shortened_party(dsn, ACQUIRER, folder)


async def test_a_worker_that_was_stopped_until_another_had_its_log_has_lost_it_and_nothing_is_gone(
    keys: FileKeys, tmp_path: Path
) -> None:
    now_s = 0.0
    shared = MemoryDatabase(lambda: now_s)
    places = dict.fromkeys(("dsn", "door", "log", "issuer_notice"), "")
    config = NodeConfig(
        ACQUIRER, "acquirer-1", 1, keys=str(tmp_path / "keys"), holder="one", listen=-1, folder=str(tmp_path), **places
    )
    node = Node(config, lambda *_, **__: None, MemoryStore(shared), keys)
    await node.engine.take()
    now_s = 2 * LEASE_S
    await MemoryStore(shared).take_log(("A",), "two", LEASE_S)
    keep(keys, tmp_path / "keys", "A", 150)
    with pytest.raises(Fenced):
        await node.go_on()


def test_a_file_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"notice\.json cannot be written: No such file or directory"):
        write_file(tmp_path / "gone" / "notice.json", {})


async def test_after_a_restore_the_old_logs_rest_and_new_ones_begin_with_it(
    postgres_harness: PostgresHarness, keys: FileKeys, tmp_path: Path
) -> None:
    dsn, folder = postgres_harness.dsns.acquirer, tmp_path / "keys"
    assert await logs_of(dsn, ACQUIRER) == Logs(LETTERS[ACQUIRER], {})
    store = await PostgresStore.connect(dsn, ACQUIRER, ACQUIRER_TABLES)
    await grown(store, 122)
    keep(keys, folder, "A", 150)
    with pytest.raises(RegisterBroken, match="gone: A-000123 to A-000150"):
        await refuse_shortened_party(dsn, ACQUIRER, folder)
    await retire_logs(dsn, ACQUIRER, "Q")
    await refuse_shortened_party(dsn, ACQUIRER, folder)
    logs = await logs_of(dsn, ACQUIRER)
    assert (logs.names[:2], logs.ended, logs.first) == (("QA", "QB"), {"A": 122}, "QA")

    told = Restoration(9, 5, "Q", (Ended("A", 122, 150), Ended("C", 0, 4), Ended("I", 3, 8)))
    for _ in range(2):  # A worker that was killed right after it does the same again: once is enough.
        writer = Engine(Restored(), store, keys, Links(keys), lambda: 77, lambda *_, **__: None, "worker-1", ("QA",))
        await record_restore(writer, logs, told)
    await store.close()
    reader = await PostgresReader.connect(postgres_harness.dsns.reader_acquirer, ACQUIRER)
    (entry,) = await reader.entries("QA", 1, 10)
    assert decode_strict(entry.body) == {
        "log": "QA",
        "number": 1,
        "at": 77,
        "kind": "audit",
        "phase": "restored",
        "actor": "system",
        "ended": {"A": 122},
        "lost": {"A": [123, 150], "C": [1, 4]},
        "restored_at": 9,
        "backup_at": 5,
    }
    assert (await reader.logs())[0].frontier == head(122).frontier
    await reader.close()


async def test_an_issuer_is_asked_about_its_own_logs(postgres: RoleDsns) -> None:
    assert (await logs_of(postgres.issuer, "issuer")).names == ("I",)
