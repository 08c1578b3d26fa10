"""A running installation, its processes as real as anybody's, and standard terminals that talk to it over TCP."""

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from holdfast.edges import sample
from holdfast.edges.status import gathered
from holdfast.runtime.config import parse_address
from holdfast.wire.message import Message
from tests.standard_terminal import StandardTerminal

HOLDFAST = (sys.executable, "-m", "holdfast")
READY_S = 60.0
ANSWER_S = 15.0


def holdfast(*arguments: str | Path, timeout_s: float = 60.0) -> "subprocess.CompletedProcess[str]":
    """One command, run to its end."""
    command = [*HOLDFAST, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)


class Up:
    """`holdfast up` as a child process."""

    def __init__(self, folder: Path, *arguments: str | Path) -> None:
        self.folder = folder
        self.arguments = ("--data", folder, "--json", *arguments)
        self.process: subprocess.Popen[str] | None = None
        self.ready: dict[str, Any] = {}

    def start(self) -> "Up":
        """Start it and wait for its ready line."""
        command = [*HOLDFAST, "up", *map(str, self.arguments)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"it did not start: {self.process.communicate()[1]}"
        self.ready = json.loads(line)
        return self

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def status(self) -> dict[str, Any]:
        """What `holdfast status` gathers."""
        with ThreadPoolExecutor(1) as aside:  # A test may have a loop of its own in this thread.
            return aside.submit(asyncio.run, gathered(self.folder, "", None)).result()

    def pids(self) -> dict[str, int]:
        """The processes that serve, by name."""
        return {row["process"]: row["pid"] for row in self.status()["processes"] if "pid" in row}

    def settle(self) -> None:
        """Wait until every process serves and every worker is linked to all issuers."""
        until(self._settled)

    def _settled(self) -> bool:
        rows = self.status()["processes"]
        if any(row["says"] != "serving" for row in rows):
            return False
        return all(len(row["hosts"]) == len(sample.ISSUERS) for row in rows if row["process"] != "issuer")

    def postmaster(self) -> int:
        """The process of the embedded PostgreSQL that is our child."""
        return int((self.folder / "postgres" / "postmaster.pid").read_text().splitlines()[0])

    def kill(self) -> None:
        """`kill -9`."""
        assert self.process is not None
        self.process.kill()
        self.process.communicate()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)
        return self.process.returncode

    def terminal(self, terminal_id: str = "T0000001") -> "Counter":
        """A standard terminal of the sample, signed on."""
        counter = Counter(str(self.ready["pos"]), terminal_id)
        counter.sign_on()
        return counter


@contextlib.contextmanager
def running(folder: Path, *arguments: str | Path) -> Iterator[Up]:
    """An installation that runs meanwhile."""
    up = Up(folder, *arguments).start()
    try:
        yield up
    finally:
        up.stop()


class Counter:
    """A standard terminal and its connection, made anew for each request, as dial-up terminals do."""

    def __init__(self, pos: str, terminal_id: str) -> None:
        address = parse_address(pos)
        self.place = (address.host, address.port)
        row = sample.terminal(terminal_id)
        assert row is not None
        self.terminal = StandardTerminal(terminal_id, row["merchant_id"], bytes.fromhex(row["tmk"]))

    def sign_on(self) -> None:
        assert self.terminal.take_keys(self.exchange(self.terminal.sign_on())) == "00"

    def exchange(self, body: bytes) -> bytes:
        """One frame out, one frame in; b"" when the connection ends without one."""
        with socket.create_connection(self.place, timeout=ANSWER_S) as connection:
            connection.sendall(len(body).to_bytes(2) + body)
            return read_frame(connection)

    def ask(self, body: bytes) -> Message:
        return self.terminal.read(self.exchange(body))

    def pre_auth(self, card: str = "alice", amount_minor: int = 500_00) -> Message:
        row = sample.card(card)
        assert row is not None
        return self.ask(self.terminal.pre_auth(row["pan"], amount_minor, **{"14": row["expiry"]}))


def read_frame(connection: socket.socket) -> bytes:
    """One frame's body, b"" at the end of the connection."""
    received = b""
    while len(received) < 2 or len(received) < 2 + int.from_bytes(received[:2]):
        chunk = connection.recv(4096)
        if not chunk:
            return b""
        received += chunk
    return received[2:]


def gone(pid: int) -> bool:
    """Whether that process has ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def until(check: Callable[[], object], within_s: float = 20.0) -> None:
    """Wait until that is so."""
    deadline = time.monotonic() + within_s
    while not check():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
