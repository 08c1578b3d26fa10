"""`bench authorize`: durable, answered pre-authorizations per second against a naive pgbench script, in the same run.

Rows: `pgbench-naive` (best of 8/16/32/64 clients), `acquirer` (a real worker whose issuer answers in memory; "asked"
and "answered" both committed) and `three-party` (terminal, acquirer, issuer; both hosts durable). The load comes from a
process of its own over TCP, MAC on, fsync on. Rounds are interleaved; the median of each is printed.
"""

import asyncio
import contextlib
import os
import signal
import socket
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import orjson

from holdfast.bench import naive
from holdfast.bench.installation import (
    AVAILABLE_MINOR,
    CARDS,
    ISSUER_ID,
    ZONE_MAC,
    ZONE_PIN,
    acquirer_rows,
    card_number,
)
from holdfast.errors import HoldfastError, Unreachable
from holdfast.keys.file import FileKeys
from holdfast.runtime import config, supervise
from holdfast.runtime.config import ACQUIRER, HERE, ISSUER, Address, NodeConfig
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.door import call
from holdfast.runtime.embedded import EmbeddedPostgres
from holdfast.runtime.listeners import bind_listeners
from holdfast.runtime.roles import RoleDsns, ensure_database
from holdfast.store.migrate import migrate

NAIVE_DATABASE = "holdfast_bench_naive"
READY_S = 60.0


class Row(NamedTuple):
    """One line of a benchmark."""

    what: str
    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None


class Ground(NamedTuple):
    """Where everything of one run lies."""

    folder: DataFolder
    server: str
    dsns: RoleDsns


async def authorize(
    seconds: float, rounds: int, connections: int, workers: int, tell: Callable[[str], None]
) -> list[Row]:
    """Measure; the folder and its database are thrown away afterwards."""
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as place:
        folder = DataFolder(Path(place) / "data")
        with folder.lock("bench"):
            postgres = EmbeddedPostgres(folder)
            server = await postgres.start()
            try:
                return await _measure(await _prepare(folder, server), seconds, rounds, connections, workers, tell)
            finally:
                await postgres.stop()


async def _prepare(folder: DataFolder, server: str) -> Ground:
    dsns = await ensure_database(server, folder.keys)
    for party, dsn in ((ACQUIRER, dsns.acquirer), (ISSUER, dsns.issuer)):
        await migrate(dsn, party, party)
    FileKeys.create(folder.keys)
    connection = await asyncpg.connect(server)
    await connection.execute(f"CREATE DATABASE {NAIVE_DATABASE}")
    await connection.close()
    return Ground(folder, server, dsns)


async def _measure(
    ground: Ground, seconds: float, rounds: int, connections: int, workers: int, tell: Callable[[str], None]
) -> list[Row]:
    naive_dsn = ground.server.replace("/postgres?", f"/{NAIVE_DATABASE}?")
    await asyncio.to_thread(naive.prepare, naive_dsn)
    kept: dict[str, list[dict[str, float]]] = {"acquirer": [], "three-party": []}
    baselines: list[float] = []
    for number in range(1, rounds + 1):
        best = await asyncio.to_thread(naive.best, naive_dsn, max(1, round(seconds / 2)))
        baselines.append(best.per_second)
        tell(f"round {number}: pgbench-naive {best.per_second:,.0f}/s at {best.clients} clients")
        for what, running in (("acquirer", alone(ground, workers)), ("three-party", three_party(ground, workers))):
            async with running as address:
                figures = await load(address, connections, seconds)
            kept[what].append(figures)
            tell(f"round {number}: {what} {figures['approved'] / figures['seconds']:,.0f}/s")
    return rows_of(statistics.median(baselines), kept)


def rows_of(baseline: float, kept: dict[str, list[dict[str, float]]]) -> list[Row]:
    """Medians, and their ratios to the baseline."""
    rows = [Row("pgbench-naive", baseline, "per second")]
    for what, figures in kept.items():
        rate = statistics.median(round_["approved"] / round_["seconds"] for round_ in figures)
        rows.append(Row(what, rate, "per second", baseline, rate / baseline))
        rows += [Row(f"{what} {p}", statistics.median(f[p] for f in figures), "ms") for p in ("p50", "p99")]
    return rows


async def load(address: Address, connections: int, seconds: float) -> dict[str, float]:
    """Closed-loop terminals for so many seconds."""
    arguments = {"host": address.host, "port": address.port, "connections": connections, "seconds": seconds, "first": 0}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "holdfast.bench.load", orjson.dumps(arguments).decode()),
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    if process.returncode != 0 or not printed:
        raise HoldfastError(f"the load generator ended with code {process.returncode}")
    figures: dict[str, float] = orjson.loads(printed)
    if figures["approved"] != figures["answered"]:
        raise HoldfastError(f"{figures['answered'] - figures['approved']:.0f} requests were not approved")
    return figures


# --- what is measured ---------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def alone(ground: Ground, workers: int) -> AsyncIterator[Address]:
    """Workers whose issuer answers in memory."""
    listeners = bind_listeners(Address("127.0.0.1", 19_000), workers, may_move=True)
    nodes = [_alone_node(ground, number, listener) for number, listener in enumerate(listeners, 1)]
    processes = [await _start_alone(node) for node in nodes]
    try:
        for node in nodes:
            await _told(Path(node.door), "import", acquirer_rows(HERE))
        yield Address("127.0.0.1", listeners[0].getsockname()[1])
    finally:
        for process in processes:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
        await asyncio.gather(*(process.wait() for process in processes))
        for listener in listeners:
            listener.close()


def _alone_node(ground: Ground, number: int, listener: socket.socket) -> NodeConfig:
    name = f"alone-{number}"
    return NodeConfig(
        party=ACQUIRER,
        name=name,
        parent=os.getpid(),
        dsn=ground.dsns.acquirer,
        keys=str(ground.folder.keys),
        holder=f"bench/{name}",
        door=str(config.door_of(ground.folder, name)),
        log=str(ground.folder.logs / f"{name}.log"),
        listen=listener.fileno(),
        issuer_notice="",
        folder=str(ground.folder.path),
    )


async def _start_alone(node: NodeConfig) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "holdfast.bench.alone"),
        stdin=asyncio.subprocess.PIPE,
        pass_fds=(node.listen,),
    )
    assert process.stdin is not None, "a pipe was asked for"
    process.stdin.write(node.dump())
    process.stdin.close()
    return process


@contextlib.asynccontextmanager
async def three_party(ground: Ground, workers: int) -> AsyncIterator[Address]:
    """Workers and an issuer as `holdfast up` runs them."""
    listeners = bind_listeners(Address("127.0.0.1", 19_000), workers, may_move=True)
    plan = supervise.Plan(ground.folder, ground.folder.keys, ground.server, workers)
    supervisor = supervise.Supervisor(plan, listeners, _unheard, lambda line: None)
    try:
        await supervisor.start()
        await supervisor.wait_for_doors()
        await _told(config.door_of(ground.folder, config.acquirer_names(workers)[0]), "import", acquirer_rows(HERE))
        await _told(config.door_of(ground.folder, ISSUER), "open-accounts", issuer_rows())
        await supervisor.ready()
        yield Address("127.0.0.1", listeners[0].getsockname()[1])
    finally:
        await supervisor.stop()
        for listener in listeners:
            listener.close()


def _unheard(event: str, **facts: object) -> None:
    """A log that nobody reads."""


def issuer_rows() -> dict[str, Any]:
    """One issuer, and an account behind each test card."""
    zone = {"zone_mac": ZONE_MAC.hex(), "zone_pin": ZONE_PIN.hex()}
    account = {"issuer_id": ISSUER_ID, "kind": "debit", "expiry": "3012", "status": "normal", "frozen_percent": 100}
    accounts = [
        account | {"account_id": f"bench{n:06d}", "pan": card_number(n), "available_minor": AVAILABLE_MINOR}
        for n in range(CARDS)
    ]
    return {"links": [zone | {"issuer_id": ISSUER_ID, "imk_ac": None, "habits": ""}], "accounts": accounts}


async def _told(door: Path, command: str, arguments: dict[str, Any]) -> None:
    """Give a command once the door is open."""
    loop = asyncio.get_running_loop()
    until = loop.time() + READY_S
    while True:
        try:
            value = await call(door, command, arguments, actor="bench", timeout_s=READY_S)
            break
        except Unreachable:
            if loop.time() > until:
                raise
            await asyncio.sleep(0.05)
    if not value.get("ok"):
        raise HoldfastError(f"{command} was refused: {value.get('reason')}")
