"""The embedded PostgreSQL is real: these tests start it, kill it, and try to get in."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import uvloop

import holdfast
from holdfast.errors import Unreachable
from holdfast.runtime import embedded, unprivileged
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.embedded import EmbeddedPostgres, find_binaries, sync_method, why
from holdfast.runtime.strays import postgres_in
from holdfast.runtime.unprivileged import find_identity, spawn

NOBODY = 65534
AS_NOBODY: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
SOURCES = Path(holdfast.__file__).parents[1]
STARTER = """
import asyncio, os, sys
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.embedded import EmbeddedPostgres

async def stay():
    folder = DataFolder(sys.argv[1])
    with folder.lock("up"):
        postgres = EmbeddedPostgres(folder)
        await postgres.start()
        print(os.geteuid(), postgres.pid, flush=True)
        await asyncio.sleep(float(sys.argv[2]))
        await postgres.stop()

asyncio.run(stay())
"""


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[EmbeddedPostgres]:
    folder = DataFolder(path)
    with folder.lock("up"):
        postgres = EmbeddedPostgres(folder)
        await postgres.start()
        try:
            yield postgres
        finally:
            await postgres.stop()


async def ask(dsn: str, *statements: str) -> object:
    """Run statements on a connection of their own; the first column of the last one's first row."""
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close()


def all_gone(cluster: Path, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while postgres_in(cluster):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def open_parent() -> Iterator[Path]:
    """A folder that every user may enter, so that only what lies inside can keep them out."""
    path = Path(tempfile.mkdtemp(dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


async def test_it_starts_keeps_what_was_committed_and_starts_again(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as postgres:
        await ask(postgres.dsn, "create table kept as select 7 as n", "select 1")
        for name, value in {"listen_addresses": "", "fsync": "on", "data_checksums": "on", "jit": "off"}.items():
            assert await ask(postgres.dsn, f"show {name}") == value
        assert await postgres.start() == postgres.dsn
    assert not postgres.running
    assert postgres.pid is None
    assert postgres_in(tmp_path / "data" / "postgres") == []
    await asyncio.wait_for(postgres.wait_dead(), 1)
    async with running(tmp_path / "data") as postgres:
        assert await ask(postgres.dsn, "select n from kept") == 7


def test_it_runs_under_uvloop_and_reports_the_death_of_the_postmaster(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path / "data") as postgres:
            await ask(postgres.dsn, "create table kept as select 7 as n", "select 1")
            busy = asyncio.create_task(ask(postgres.dsn, "select pg_sleep(60)"))
            await asyncio.sleep(0.1)
            assert postgres.pid is not None
            os.kill(postgres.pid, signal.SIGKILL)
            await asyncio.wait_for(postgres.wait_dead(), 5)
            assert not postgres.running
            await postgres.start()
            assert await ask(postgres.dsn, "select n from kept") == 7
            with pytest.raises((asyncpg.PostgresError, OSError)):
                await busy

    uvloop.run(story())


async def test_two_folders_run_side_by_side_even_with_awkward_names(
    tmp_path: Path, open_parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(open_parent))
    awkward = tmp_path / ("so long that no socket fits into it, and " * 3 + "'quoted' ü %41 @x")
    async with running(tmp_path / "plain") as one, running(awkward) as two:
        assert one.pid != two.pid
        for postgres in (one, two):
            home = await ask(postgres.dsn, "show data_directory")
            assert Path(str(home)).name == "postgres"
            assert await ask(postgres.dsn, f"select {postgres.pid}") == postgres.pid
        assert await ask(two.dsn, "show data_directory") == str(awkward / "postgres")


async def test_nobody_but_the_owner_connects_or_reads(open_parent: Path) -> None:
    async with running(open_parent / "data") as postgres:
        password_file = open_parent / "data" / "keys" / "postgres.password"
        socket = open_parent / "data" / "run" / "postgres" / ".s.PGSQL.5432"
        assert socket.is_socket()
        assert password_file.stat().st_mode & 0o777 == 0o600
        closed = (open_parent / "data", socket.parent.parent, socket.parent, password_file.parent)
        assert [path.stat().st_mode & 0o777 for path in closed] == [0o700] * len(closed)
        if os.geteuid() == 0:
            # Even with the right password in hand.
            for command in (["cat", str(password_file)], ["ls", str(closed[0])], [_psql(), postgres.dsn, "-c", ""]):
                attempt = await asyncio.to_thread(_run, command, **AS_NOBODY)
                assert attempt.returncode != 0
                assert "Permission denied" in attempt.stderr
        entered = await asyncio.to_thread(_run, [_psql(), postgres.dsn, "-c", "select 1"])
        assert "1 row" in entered.stdout
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(postgres.dsn.replace(password_file.read_text(), "guessed"))


def _psql() -> str:
    return str(find_binaries() / "psql")


def _run(command: list[str], **who: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=_environment(), capture_output=True, text=True, timeout=30, **who)


def test_an_ordinary_user_starts_it_too(open_parent: Path) -> None:
    path = open_parent / "home" / "data"
    path.parent.mkdir(mode=0o700)
    python, who = _ordinary_user(path.parent)
    started = _run([*python, "-c", STARTER, str(path), "0"], **who)
    assert started.returncode == 0, started.stderr
    assert int(started.stdout.split()[0]) != 0
    assert path.joinpath("postgres", "PG_VERSION").read_text() == "18\n"


def _ordinary_user(home: Path) -> tuple[list[str], dict[str, Any]]:
    """Python as somebody who is not root: ourselves, or nobody, or (where nobody reaches no Python) by a namespace."""
    if os.geteuid() != 0:
        return [sys.executable], {}
    for python in (sys.executable, "/usr/bin/python3"):
        with suppress(OSError):
            if _run([python, "-c", "import asyncpg"], **AS_NOBODY).returncode == 0:
                os.chown(home, NOBODY, NOBODY)
                return [python], AS_NOBODY
    return ["unshare", "-U", "--map-user=1", "--map-group=1", sys.executable], {}


def _environment() -> dict[str, str]:
    package = find_spec("asyncpg")
    assert package is not None
    assert package.origin is not None
    return {**os.environ, "PYTHONPATH": f"{SOURCES}:{Path(package.origin).parents[1]}", "HOME": "/nonexistent"}


def test_the_postmaster_dies_with_its_starter_and_the_next_one_takes_over(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(tmp_path / "data")]
    with subprocess.Popen([*command, "60"], env=_environment(), stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        postmaster = int(starter.stdout.readline().split()[1])
        assert postmaster in postgres_in(tmp_path / "data" / "postgres")
        starter.kill()
    # At once, not after the other has gone: the start has to wait by itself.
    subprocess.run([*command, "0"], env=_environment(), capture_output=True, check=True, timeout=20)
    assert all_gone(tmp_path / "data" / "postgres", 1)


def test_all_of_it_is_gone_soon_after_its_starter(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(tmp_path / "data"), "60"]
    with subprocess.Popen(command, env=_environment(), stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        starter.stdout.readline()
        starter.kill()
    assert all_gone(tmp_path / "data" / "postgres", 6)


def test_a_killed_initdb_is_not_taken_for_a_cluster(tmp_path: Path) -> None:
    fresh = tmp_path / "data" / "postgres.new"
    command = [sys.executable, "-c", STARTER, str(tmp_path / "data")]
    with subprocess.Popen([*command, "60"], env=_environment(), stdout=subprocess.PIPE) as starter:
        deadline = time.monotonic() + 10
        while not (fresh / "base").exists():
            assert time.monotonic() < deadline
            time.sleep(0.005)
        starter.kill()
    assert not (tmp_path / "data" / "postgres" / "PG_VERSION").exists()
    subprocess.run([*command, "0"], env=_environment(), capture_output=True, check=True, timeout=20)
    assert not fresh.exists()


async def test_an_orphan_is_ended_and_a_strangers_process_is_not(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as postgres:
        await ask(postgres.dsn, "create table kept as select 7 as n", "select 1")
    cluster = tmp_path / "data" / "postgres"
    await _start_orphan(cluster, tmp_path / "data" / "run" / "postgres")
    orphan = int((cluster / "postmaster.pid").read_text().split()[0])
    async with running(tmp_path / "data") as postgres:
        assert orphan not in postgres_in(cluster)
        assert await ask(postgres.dsn, "select n from kept") == 7
    # After a reboot the number in a stale file belongs to somebody else: here to this test, which must survive.
    (cluster / "postmaster.pid").write_text(f"{os.getpid()}\n{cluster}\n1\n5432\n/\n\n0 0\nready\n")
    async with running(tmp_path / "data") as postgres:
        assert await ask(postgres.dsn, "select n from kept") == 7


async def _start_orphan(cluster: Path, sockets: Path) -> None:
    """A server that nobody's death ends: pg_ctl starts it in the background and leaves."""
    binaries = find_binaries()
    options = f"-c listen_addresses='' -c unix_socket_directories={sockets}"
    pg_ctl = await spawn(
        await find_identity(binaries / "postgres"),
        [str(binaries / "pg_ctl"), "-w", "-D", str(cluster), "-o", options, "-l", "/dev/null", "start"],
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await pg_ctl.wait() == 0


async def test_a_cancelled_start_leaves_nothing_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path / "data"):
        pass
    folder = DataFolder(tmp_path / "data")
    with folder.lock("up"):
        postgres = EmbeddedPostgres(folder)
        spawned = asyncio.Event()
        monkeypatch.setattr(embedded, "_ask_once", lambda dsn: _never_answers(spawned))
        start = asyncio.create_task(postgres.start())
        await spawned.wait()
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        assert not postgres.running
    assert all_gone(folder.postgres, 1)


async def _never_answers(asked: asyncio.Event) -> None:
    asked.set()
    await asyncio.Event().wait()


async def test_what_keeps_it_from_starting_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path / "data"):
        pass
    cluster = tmp_path / "data" / "postgres"
    password = tmp_path / "data" / "keys" / "postgres.password"
    right = password.read_text()
    password.write_text("another")
    assert "is not the password of" in await _refusal(tmp_path / "data")
    password.write_text(right)

    control = cluster / "global" / "pg_control"
    control.write_bytes(b"")
    assert 'did not start: could not read file "global/pg_control"' in await _refusal(tmp_path / "data")

    (cluster / "PG_VERSION").write_text("16\n")
    assert "was made by PostgreSQL 16, and this Holdfast brings 18" in await _refusal(tmp_path / "data")

    (cluster / "PG_VERSION").unlink()
    assert "is not a database folder" in await _refusal(tmp_path / "data")

    monkeypatch.setattr(embedded, "find_spec", lambda name: None)
    assert "is not installed" in await _refusal(tmp_path / "data")


async def _refusal(path: Path) -> str:
    with pytest.raises(Unreachable) as refused:
        async with running(path):
            pass
    assert "\n" not in str(refused.value)
    assert postgres_in(path / "postgres") == []
    return str(refused.value)


def test_a_full_disk_is_called_so() -> None:
    said = 'PANIC:  could not write to file "pg_wal/xlogtemp.9": No space left on device\nLOG:  aborting startup\n'
    assert why(said) == "the disk is full: free some space and start again"
    assert why("") == "it said nothing"
    assert why("LOG:  one\nLOG:  two\n") == "LOG:  one; LOG:  two"


def test_what_it_answers_to_our_own_asking_is_no_complaint() -> None:
    early = "2026-11-23 05:08:41.162 UTC [304] postgres FATAL:  the database system is starting up\n"
    assert why(early) == "it said nothing"
    ended = "2026-11-23 05:08:41.170 UTC [300]  LOG:  received immediate shutdown request\n"
    assert why(early + ended + early) == "received immediate shutdown request"


async def test_who_is_killed_while_it_starts_is_said_to_be(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    with folder.lock("up"):
        postgres = EmbeddedPostgres(folder)
        await postgres.start()
        await postgres.stop()
        starting = asyncio.create_task(postgres.start())
        while postgres.pid is None:  # noqa: ASYNC110 - it comes to be in the task
            await asyncio.sleep(0)
        os.kill(postgres.pid, signal.SIGKILL)
        with pytest.raises(Unreachable, match="was killed while it started: start it again"):
            await starting


@pytest.mark.parametrize(
    ("release", "method"), [("4.19.0-25-amd64", "fsync"), ("5.8.0", "syncfs"), ("6.18.44-x", "syncfs"), ("", "fsync")]
)
def test_a_crashed_cluster_is_made_durable_in_one_call_where_errors_are_told(release: str, method: str) -> None:
    assert sync_method(release) == method


async def test_after_a_crash_it_answers_again_at_once(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as postgres:
        assert postgres.pid is not None
        assert await ask(postgres.dsn, "show recovery_init_sync_method") == sync_method(os.uname().release)
        os.kill(postgres.pid, signal.SIGKILL)
        await postgres.wait_dead()
        await asyncio.wait_for(postgres.start(), 4)


async def test_without_user_namespaces_root_lends_the_database_to_a_user_of_its_own(
    open_parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidates = [one for one in unprivileged._candidates() if not one.word.startswith("namespace")]
    if os.geteuid() == 0:
        nobody = pwd.getpwuid(NOBODY)
        monkeypatch.setattr(unprivileged, "DEDICATED_USERS", (nobody.pw_name,))
        candidates = [one for one in unprivileged._candidates() if not one.word.startswith("namespace")]
    owner = NOBODY if os.geteuid() == 0 else os.geteuid()
    async with running(open_parent / "data"):
        pass
    with monkeypatch.context() as without_namespaces:
        without_namespaces.setattr(unprivileged, "_candidates", lambda: candidates)
        async with running(open_parent / "data") as postgres:
            assert (open_parent / "data" / "postgres" / "base").stat().st_uid == owner
            assert await ask(postgres.dsn, "select 1") == 1
        async with running(open_parent / "new"):
            assert (open_parent / "new" / "postgres" / "base").stat().st_uid == owner
        without_namespaces.setattr(unprivileged, "_candidates", list)
        assert "no user namespace can be made here" in await _refusal(open_parent / "data")
    async with running(open_parent / "data"):
        assert (open_parent / "data" / "postgres" / "base").stat().st_uid == os.geteuid()


async def test_no_statement_and_no_value_reaches_a_log(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as postgres:
        await ask(postgres.dsn, "create table card (token text unique)", "insert into card values ('LETMEOUT')")
        for statement in ("insert into card values ('LETMEOUT')", "select 1/0 as LETMEOUT", "selec 'LETMEOUT'"):
            with pytest.raises(asyncpg.PostgresError):
                await ask(postgres.dsn, statement)
        connection = await asyncpg.connect(postgres.dsn)
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute("insert into card values ($1)", "LETMEOUT")
        await connection.close()
    logs = b"".join(path.read_bytes() for path in (tmp_path / "data" / "logs").rglob("*") if path.is_file())
    assert b"duplicate key value" in logs
    assert b"LETMEOUT" not in logs
