"""Everything that `holdfast up` keeps running: PostgreSQL (when embedded), the issuer, the acquirer's workers, and the
watcher.

Rule 1: each is a process of its own, so that none delays or takes down another. What dies is started again, at once the
first time and then with pauses that grow; what it held is taken back under the same name.
Rule 2: the sockets that terminals connect to belong to the supervisor: while a worker is started again, connections
wait, and nobody else can take the port.
Rule 3: it ends in the order of the flow: workers drain, then the issuer, then the database.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from holdfast.domain.records import ISSUERS
from holdfast.errors import HoldfastError, Unreachable
from holdfast.runtime import config
from holdfast.runtime.business_clock import machine_us
from holdfast.runtime.config import ACQUIRER, HERE, ISSUER, NodeConfig, Notice, WatchConfig
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.door import STATUS, call
from holdfast.runtime.embedded import EmbeddedPostgres
from holdfast.runtime.engine import Log
from holdfast.runtime.listeners import address_of
from holdfast.runtime.node import issuer_holder
from holdfast.runtime.preparing import make_keys_folder, outlasting, prepare
from holdfast.runtime.roles import RoleDsns
from holdfast.store.postgres_reader import PostgresReader

RESTART_S_MIN, RESTART_S_MAX = 0.1, 2.0
HEALTHY_S = 30.0
"""Who has lived so long is started again at once."""

DRAIN_S = 15.0
"""A node gives itself a few seconds; past this it hangs."""

KILLED_S = 5.0
"""A killed process is gone once the disk lets it go; it dies with us in any case."""

WATCHER = "watcher"
POSTGRES_STARTS_MAX = 5
"""Whoever kills it more often than that means it."""

KILLED = "PostgreSQL was killed while it started; starting it again"

READY_S = 120.0
POLL_S = 0.05


class Plan(NamedTuple):
    """What is to be run. `db` is "" for the embedded PostgreSQL."""

    folder: DataFolder
    keys: Path
    db: str
    workers: int


class Child:
    """One process, started again whenever it ends, until `stop`."""

    def __init__(self, node: NodeConfig | WatchConfig, log: Log, tell: Callable[[str], None]) -> None:
        self._node = node
        self._log = log
        self._tell = tell
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Keep it running from now on."""
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Have it drain; whoever does not end is ended. Nothing of it is left afterwards."""
        if self._keeper is not None:
            # First of all, or it would start another one meanwhile.
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._process is None or self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), DRAIN_S)
        if self._process.returncode is None:
            self._log("does not end and is killed", process=self._node.name)
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), KILLED_S)

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        pause_s = 0.0
        while True:
            started_s = loop.time()
            how = await self._live()
            lived_s = loop.time() - started_s
            pause_s = RESTART_S_MIN if lived_s > HEALTHY_S else min(max(2 * pause_s, RESTART_S_MIN), RESTART_S_MAX)
            self._log("is started again", process=self._node.name, reason=how, pause_s=pause_s)
            self._tell(f"{self._node.name} {how}; starting it again, see {self._node.log}")
            await asyncio.sleep(pause_s)

    async def _live(self) -> str:
        """One life; how it ended."""
        try:
            process = await self._spawn()
        except OSError as error:
            # No room for its log, no memory, too many files: whatever it is, it may pass.
            return f"cannot be started ({error.strerror or error})"
        return f"ended ({_reason(await process.wait())})"

    async def _spawn(self) -> asyncio.subprocess.Process:
        descriptor = os.open(self._node.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            process = self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", self._node.module),
                stdin=asyncio.subprocess.PIPE,
                stdout=descriptor,
                stderr=descriptor,
                pass_fds=(self._node.listen,) if self._node.listen >= 0 else (),
                # Ctrl-C is for us: we have it drain, in our order.
                start_new_session=True,
            )
        finally:
            os.close(descriptor)
        assert process.stdin is not None, "a pipe was asked for"
        with contextlib.suppress(ConnectionError):
            process.stdin.write(self._node.dump())
            await process.stdin.drain()
        process.stdin.close()
        return process


class Supervisor:
    """The processes of one installation, whose folder is locked. `tell` hears a line for the person at the terminal.

    With `pages` a watcher answers at that socket.
    """

    def __init__(
        self,
        plan: Plan,
        listeners: list[socket.socket],
        log: Log,
        tell: Callable[[str], None],
        pages: socket.socket | None = None,
    ) -> None:
        assert len(listeners) == plan.workers, "each worker has its own listener"
        self._plan = plan
        self._listeners = listeners
        self._pages = pages
        self._log = log
        self._tell = tell
        self._postgres: EmbeddedPostgres | None = None
        self._postgres_keeper: asyncio.Task[None] | None = None
        self._issuer: Child | None = None
        self._workers: list[Child] = []
        self._watcher: Child | None = None
        self._database = self._reader_dsn = ""

    async def start(self) -> RoleDsns:
        """Start everything; returns where the roles connect. `ready` waits until a terminal can be served."""
        make_keys_folder(self._plan.keys)
        dsns = await self._start_database()
        self._database, self._reader_dsn = config.without_login(dsns.acquirer), dsns.reader_acquirer
        nodes = self._nodes(dsns)
        self._issuer = Child(nodes[0], self._log, self._tell)
        self._workers = [Child(node, self._log, self._tell) for node in nodes[1:]]
        if self._pages is not None:
            self._watcher = Child(self._watch(dsns, self._pages), self._log, self._tell)
        self._put_notice(ready=False)
        for child in (self._issuer, *self._workers, *([self._watcher] if self._watcher else [])):
            child.start()
        return dsns

    async def wait_for_doors(self) -> None:
        """Until every worker, and the active issuer, takes commands."""
        for name in config.acquirer_names(self._plan.workers):
            await self._until(f"{name} takes commands", partial(self._status, name))
        await self._until("an issuer takes commands", self._issuer_status)

    async def ready(self) -> None:
        """Until a terminal can be served: every worker has its log and a link to each issuer of ours."""
        await self.wait_for_doors()
        ours = await outlasting(self._issuers_here, self._tell)
        for name in config.acquirer_names(self._plan.workers):
            await self._until(f"{name} is linked to issuers {ours}", partial(self._is_linked, name, ours))
        self._put_notice(ready=True)

    async def stop(self) -> None:
        """Drain in the order of the flow."""
        await asyncio.gather(*(child.stop() for child in (*self._workers, self._watcher) if child is not None))
        if self._issuer is not None:
            await self._issuer.stop()
        if self._postgres_keeper is not None:
            self._postgres_keeper.cancel()
            await asyncio.gather(self._postgres_keeper, return_exceptions=True)
        if self._postgres is not None:
            await self._postgres.stop()
        config.drop_notice(self._plan.folder)

    # --- the database ---------------------------------------------------------------------------------------------

    async def _start_database(self) -> RoleDsns:
        """Where each role connects, once all is there that they need."""
        folder, keys, tell = self._plan.folder, self._plan.keys, self._tell
        if self._plan.db:
            return await prepare(self._plan.db, folder, keys, tell)
        self._postgres = EmbeddedPostgres(folder, tell)
        server = await self._start_postgres(self._postgres)
        self._postgres_keeper = asyncio.create_task(self._keep_postgres(self._postgres))
        return await outlasting(lambda: prepare(server, folder, keys, tell), tell)

    async def _start_postgres(self, postgres: EmbeddedPostgres) -> str:
        """Start it; once more where it was killed before it was ready, for nothing is wrong with it then."""
        for _ in range(POSTGRES_STARTS_MAX - 1):
            try:
                return await postgres.start()
            except Unreachable:
                if not postgres.killed:
                    raise
                self._tell(KILLED)
        return await postgres.start()

    async def _keep_postgres(self, postgres: EmbeddedPostgres) -> None:
        """Start it again whenever it dies."""
        while True:
            await postgres.wait_dead()
            self._log("PostgreSQL ended, is started again")
            self._tell("PostgreSQL ended; starting it again")
            await self._start_again(postgres)

    async def _start_again(self, postgres: EmbeddedPostgres) -> None:
        """Try until it runs: a disk that is full has room again some time."""
        pause_s, told = 0.0, ""
        while True:
            try:
                await postgres.start()
            except HoldfastError as error:
                says = KILLED if postgres.killed else f"{error}; trying again"
                if says != told:
                    self._tell(says)
                    told = says
            else:
                return
            pause_s = min(max(2 * pause_s, RESTART_S_MIN), RESTART_S_MAX)
            await asyncio.sleep(pause_s)

    # --- the nodes ------------------------------------------------------------------------------------------------

    def _nodes(self, dsns: RoleDsns) -> list[NodeConfig]:
        installation = config.installation_of(self._plan.folder)
        holder = issuer_holder(installation, self._plan.folder.run)
        nodes = [self._node(ISSUER, ISSUER, dsns.issuer, holder, -1)]
        names = config.acquirer_names(self._plan.workers)
        for name, listener in zip(names, self._listeners, strict=True):
            nodes.append(self._node(ACQUIRER, name, dsns.acquirer, f"{installation}/{name}", listener.fileno()))
        return nodes

    def _node(self, party: str, name: str, dsn: str, holder: str, listen: int) -> NodeConfig:
        folder = self._plan.folder
        return NodeConfig(
            party=party,
            name=name,
            parent=os.getpid(),
            dsn=dsn,
            keys=str(self._plan.keys),
            holder=holder,
            door=str(config.door_of(folder, name)),
            log=str(folder.logs / f"{name}.log"),
            listen=listen,
            issuer_notice=str(config.issuer_notice_of(folder)),
            folder=str(folder.path),
        )

    def _watch(self, dsns: RoleDsns, pages: socket.socket) -> WatchConfig:
        folder = self._plan.folder
        return WatchConfig(
            name=WATCHER,
            parent=os.getpid(),
            acquirer_dsn=dsns.reader_acquirer,
            issuer_dsn=dsns.reader_issuer,
            folder=str(folder.path),
            log=str(folder.logs / f"{WATCHER}.log"),
            listen=pages.fileno(),
        )

    def _put_notice(self, ready: bool) -> None:
        notice = Notice(
            pid=os.getpid(),
            pos=address_of(self._listeners[0]),
            http=address_of(self._pages) if self._pages is not None else "",
            workers=self._plan.workers,
            database=self._database,
            keys=str(self._plan.keys),
            since_us=machine_us(),
            ready=ready,
        )
        config.put_notice(self._plan.folder, notice)

    # --- readiness ------------------------------------------------------------------------------------------------

    async def _until(self, what: str, check: Callable[[], Awaitable[object]]) -> None:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + READY_S
        while not await check():
            if loop.time() > until_s:
                raise Unreachable(f"not ready after {READY_S:.0f} s: waited until {what}; see {self._plan.folder.logs}")
            await asyncio.sleep(POLL_S)

    async def _status(self, name: str) -> dict[str, Any] | None:
        return await _status_at(config.door_of(self._plan.folder, name))

    async def _issuer_status(self) -> dict[str, Any] | None:
        notice = config.read_file(config.issuer_notice_of(self._plan.folder))
        return await _status_at(Path(notice["door"])) if notice else None

    async def _is_linked(self, name: str, issuers: list[str]) -> bool:
        status = await self._status(name)
        return status is not None and set(issuers) <= set(status["hosts"])

    async def _issuers_here(self) -> list[str]:
        reader = await PostgresReader.connect(self._reader_dsn, ACQUIRER)
        try:
            return [row.issuer_id for row in await reader.select(ISSUERS, {}) if row.address == HERE]
        finally:
            await reader.close()


async def _status_at(door: Path) -> dict[str, Any] | None:
    """What a process says of itself; None while nobody answers, or when the answer was lost with the process."""
    try:
        answer = await call(door, STATUS, timeout_s=5.0)
    except Unreachable:
        return None
    return answer if answer["ok"] else None


def _reason(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"by {signal.Signals(-code).name}"
    return f"exit code {code}"
