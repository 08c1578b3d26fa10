"""The log beside a terminal's file: cut anywhere, flipped anywhere, killed at any moment, or on a full disk."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.domain.records import TERMINAL_TABLES
from holdfast.domain.tables import DUE, Due, put
from holdfast.store.interface import Batch, LogState
from holdfast.store.sqlite import SqliteStore
from holdfast.store.sqlite_wal import cut_unfinished, index_of, scanned, wal_of, why_torn

HEADER, FRAME = 32, 24 + 4096


async def commit(store: SqliteStore, log: LogState, *keys: str) -> LogState:
    after = log._replace(batch=log.batch + 1)
    transaction = await store.begin()
    try:
        await transaction.write(Batch(log, after, (), (), [put(DUE, Due(key, 1, 0, 1)) for key in keys]))
        await transaction.commit()
    finally:
        await transaction.rollback()
    return after


async def some_commits(path: Path, first: int, count: int) -> SqliteStore:
    store = SqliteStore(path, TERMINAL_TABLES)
    log = await store.take_log("J", "terminal", 30)
    for n in range(first, first + count):
        log = await commit(store, log, f"due-{n:06}")
    return store


def in_a_process_that_dies(work: Callable[[], object]) -> None:
    """Its end is that of a killed process: nothing is closed."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def killed(path: Path, count: int = 12) -> bytes:
    """A file whose process was killed between two commits; -> its log."""
    in_a_process_that_dies(lambda: asyncio.run(some_commits(path, 0, count)))
    return wal_of(path).read_bytes()


def committed_keys(path: Path) -> list[str]:
    """What SQLite finds in the file."""
    connection = sqlite3.connect(path)
    try:
        return [key for (key,) in connection.execute("SELECT key FROM due ORDER BY key")]
    except sqlite3.DatabaseError:
        return []
    finally:
        connection.close()


def test_killed_between_commits_nothing_is_torn(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"
    log = killed(path)
    assert why_torn(path) == ""
    whole = scanned(log)
    assert whole.frames == (len(log) - HEADER) // FRAME > 12
    assert len(committed_keys(path)) == 12


@pytest.mark.parametrize("frames", [0.5, 1, 2.5])
def test_killed_in_a_commit_nothing_is_torn_as_long_as_the_machine_ran_on(tmp_path: Path, frames: float) -> None:
    path = tmp_path / "terminal.sqlite"
    log = killed(path)
    begun = int(frames * FRAME)
    wal_of(path).write_bytes(log + log[HEADER : HEADER + FRAME] * 3)
    os.truncate(wal_of(path), len(log) + begun)
    assert why_torn(path) == "", "its index says how many frames were confirmed"
    os.utime(index_of(path), (1, 1))
    assert why_torn(path), "of an earlier run of the machine, the index may lag behind"


def test_frames_of_an_older_generation_are_not_torn(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"

    async def begin_the_log_again() -> None:
        store = await some_commits(path, 0, 40)
        store._connection.execute("PRAGMA wal_checkpoint(RESTART)")
        await store.take_log("J", "terminal", 30)

    in_a_process_that_dies(lambda: asyncio.run(begin_the_log_again()))
    log = wal_of(path).read_bytes()
    assert scanned(log).frames * FRAME + HEADER < len(log) - 20 * FRAME
    assert why_torn(path) == ""
    wal_of(path).write_bytes(log[:-100])
    assert why_torn(path) == "", "what is cut there has long been in the main file"


def test_a_log_that_was_cut_anywhere_is_torn(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"
    log = killed(path)
    index = index_of(path).read_bytes()
    frames = (len(log) - HEADER) // FRAME
    boundaries = [0, HEADER, *(HEADER + n * FRAME for n in range(1, frames))]
    for end in sorted({*boundaries, *(at + more for at in boundaries for more in (1, 7, 13, 30, 2000))}):
        wal_of(path).write_bytes(log[:end])
        index_of(path).write_bytes(index)
        assert why_torn(path), f"cut to {end} bytes"
    index_of(path).unlink()
    for end in range(1, len(log), 997):
        wal_of(path).write_bytes(log[:end])
        # Without its index a log that ends with a commit looks whole; only the acquirer knows better then.
        assert why_torn(path) or scanned(log[:end]).frames == (end - HEADER) // FRAME


def test_a_byte_flipped_in_the_log_is_torn_or_was_in_no_frame_that_counts(tmp_path: Path) -> None:
    log = killed(tmp_path / "t.sqlite", 3)

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.integers(0, len(log) - 1), st.integers(1, 255))
    def flipped(at: int, by: int) -> None:
        assert scanned(log[:at] + bytes([log[at] ^ by]) + log[at + 1 :]).torn

    flipped()
    for at in range(HEADER):
        assert scanned(log[:at] + bytes([log[at] ^ 1]) + log[at + 1 :]).torn, f"byte {at} of the header"


def test_a_log_that_lies_in_the_main_file_already_may_be_gone(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"

    async def checkpointed() -> None:
        store = await some_commits(path, 0, 5)
        store._connection.execute("PRAGMA wal_checkpoint(FULL)")

    in_a_process_that_dies(lambda: asyncio.run(checkpointed()))
    wal_of(path).write_bytes(b"")
    assert why_torn(path) == ""
    assert len(committed_keys(path)) == 5


FULL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from holdfast.errors import CommitUnknown, StoreError
from tests.store.test_sqlite_wal import commit, some_commits

async def main(path, room):
    store = await some_commits(path, 0, 5)
    log = await store.take_log("J", "terminal", 30)
    size = path.with_name(path.name + "-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, resource.RLIM_INFINITY))
    try:
        await commit(store, log, *(f"lost-{n:04}" for n in range(300)))
    except StoreError as error:
        print(type(error).__name__, flush=True)
    if sys.argv[3] == "goes on":
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await commit(store, await store.take_log("J", "terminal", 30), "kept")

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
import os
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("then", ["dies", "goes on"])
@pytest.mark.parametrize("room", [0, 10, 24, 1000, FRAME, 2 * FRAME + 50])
def test_what_a_full_disk_cut_short_is_not_torn(tmp_path: Path, repository: Path, room: int, then: str) -> None:
    path = tmp_path / "t.sqlite"
    words = [sys.executable, "-c", FULL_DISK, str(path), str(room), then]
    done = subprocess.run(words, cwd=repository, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["StoreError"], done.stderr
    assert done.returncode == -signal.SIGKILL
    assert why_torn(path) == ""
    assert committed_keys(path) == [f"due-{n:06}" for n in range(5)] + (["kept"] if then == "goes on" else [])


async def test_a_whole_log_is_never_cut(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"
    store = await some_commits(path, 0, 5)
    log = wal_of(path).read_bytes()
    cut_unfinished(path)
    assert wal_of(path).read_bytes() == log
    damaged = bytearray(log)
    damaged[HEADER + FRAME + 300] ^= 1
    wal_of(path).write_bytes(damaged)
    cut_unfinished(path)
    assert wal_of(path).read_bytes() == damaged, "what is damaged in the middle is left for whoever looks at it"
    wal_of(path).write_bytes(log)
    await store.close()
