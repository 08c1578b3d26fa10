"""Finds and ends what an earlier run left behind in a database folder.

A server counts as ours when it is a PostgreSQL whose working folder is that database folder. A process number written
in a file proves nothing: after a restart of the machine or a container somebody else has it. A zombie has no working
folder any more, so it counts as dead. Only for whoever holds the data folder's lock.
"""

import asyncio
import os
import signal
import time
from pathlib import Path

from holdfast.errors import Unreachable

IMMEDIATE_PATIENCE_S = 10.0
"""A postmaster gives its children five seconds after SIGQUIT before it kills them."""

KILL_PATIENCE_S = 30.0
"""A killed process is gone once the disk lets it go."""


async def end_strays(cluster: Path) -> int:
    """End every PostgreSQL that still runs in that folder and return how many there were.

    What they had committed is durable; the next start recovers it. Unreachable when one cannot be ended.
    """
    found = postgres_in(cluster)
    if not found:
        return 0
    for ending, patience_s in ((signal.SIGQUIT, IMMEDIATE_PATIENCE_S), (signal.SIGKILL, KILL_PATIENCE_S)):
        for pid in postgres_in(cluster):
            _send(pid, ending)
        if await _gone(cluster, patience_s):
            return len(found)
    left = ", ".join(map(str, postgres_in(cluster)))
    raise Unreachable(f"an earlier PostgreSQL in {cluster} does not end (pid {left}): end it, then start again")


def postgres_in(cluster: Path) -> list[int]:
    """Process ids of every living PostgreSQL whose working folder that is, postmaster or not."""
    try:
        home = cluster.stat()
    except OSError:
        return []
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return sorted(pid for pid in pids if _works_in(pid, home))


def _works_in(pid: int, home: os.stat_result) -> bool:
    entry = Path("/proc", str(pid))
    try:
        return os.path.samestat((entry / "cwd").stat(), home) and (entry / "exe").readlink().name.startswith("postgres")
    except OSError:
        return False


def _send(pid: int, ending: signal.Signals) -> None:
    try:
        os.kill(pid, ending)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise Unreachable(
            f"an earlier PostgreSQL (pid {pid}) runs here as another user: end it, then start again"
        ) from error


async def _gone(cluster: Path, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while postgres_in(cluster):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True
