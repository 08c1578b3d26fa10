"""The baseline: the same business as per-request SQL, run by PostgreSQL's own pgbench at its best client count."""

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from holdfast.errors import Unreachable
from holdfast.runtime.embedded import find_binaries

HERE = Path(__file__).parent
CLIENTS = (8, 16, 32, 64)


class Naive(NamedTuple):
    """pgbench's figures at one client count."""

    clients: int
    per_second: float
    latency_ms: float


def prepare(dsn: str) -> None:
    """Make the naive tables."""
    _run([str(find_binaries() / "psql"), dsn, "-q", "-v", "ON_ERROR_STOP=1", "-f", str(HERE / "naive_schema.sql")])


def best(dsn: str, seconds: int) -> Naive:
    """The best of the client counts, fsync on, prepared statements, two threads."""
    return max((measure(dsn, clients, seconds) for clients in CLIENTS), key=lambda row: row.per_second)


def measure(dsn: str, clients: int, seconds: int) -> Naive:
    """One client count."""
    command = [str(find_binaries() / "pgbench"), "-n", "-M", "prepared", "-j", str(min(2, clients)), "-c", str(clients)]
    printed = _run([*command, "-T", str(seconds), "-f", str(HERE / "naive.sql"), dsn])
    rate = re.search(r"tps = ([\d.]+)", printed)
    latency = re.search(r"latency average = ([\d.]+) ms", printed)
    if rate is None or latency is None:
        raise Unreachable(f"pgbench printed no figures: {printed.strip()[-200:]}")
    return Naive(clients, float(rate[1]), float(latency[1]))


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unreachable(f"{Path(command[0]).name} failed: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout
