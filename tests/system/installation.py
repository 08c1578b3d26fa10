"""A whole installation in a folder of a test: real processes, real PostgreSQL, real TCP; and its command line.

Everything is done as a user would do it, by commands. Only killing needs to know which process is which: that is asked
of `status` and of the kernel.
"""

import asyncio
import contextlib
import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from holdfast.edges import sample
from holdfast.ids import luhn_valid
from holdfast.runtime.config import door_of
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.door import STATUS, call
from holdfast.runtime.strays import postgres_in

READY_S = 60.0
COMMAND_S = 90.0
DRAIN_S = 40.0
POLL_S = 0.02

HOTEL = sample.MERCHANTS[0]["merchant_id"]
BOOKSHOP = sample.MERCHANTS[3]["merchant_id"]
"""The one without the pre-authorization right."""

OWN_TERMINALS = 200
OWN_CARDS = 200
OWN_AVAILABLE_MINOR = 1_000_000


class Ran(NamedTuple):
    """What a command gave: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its only JSON object."""
        return orjson.loads(self.out)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Its JSON objects, one a line."""
        return [orjson.loads(line) for line in self.out.splitlines()]

    @property
    def complaint(self) -> str:
        """Its only line on stderr; no traceback."""
        lines = self.err.splitlines()
        assert len(lines) == 1, f"one clear line is promised, this was said:\n{self.err}"
        assert lines[0].startswith("holdfast: "), self.err
        return lines[0].removeprefix("holdfast: ")


def holdfast(*arguments: object, timeout_s: float = COMMAND_S, **popen: Any) -> Ran:
    """Run one command to its end."""
    command = [sys.executable, "-m", "holdfast", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False, **popen)
    return Ran(done.returncode, done.stdout, done.stderr)


class Installation:
    """One data folder and, while it is started, its `holdfast up`."""

    def __init__(self, folder: Path, *options: object) -> None:
        self.folder = folder
        self.data = folder / "acquirer"
        self.tills = folder / "terminals"
        self.options = options
        self.before: tuple[str, ...] = ()
        """A command that runs `up` under other conditions."""
        self.at = ""
        """Where terminals connect, once it has been started; the next start takes the same port."""
        self.up: subprocess.Popen[str] | None = None
        self._cards = iter(own_cards())
        self._terminals = (terminal["terminal_id"] for terminal in own_terminals())

    # --- life -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """`holdfast up`, until it says that it is ready."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """`holdfast up`, without waiting."""
        command = [*self.before, sys.executable, "-m", "holdfast", "up", "--data", str(self.data), "--json"]
        command += map(str, self.options)
        if "--pos" not in self.options:
            command += ["--pos", self.at or "127.0.0.1:0"]
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / "up.stderr").open("a") as said:
            self.up = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True)

    def wait_ready(self) -> Mapping[str, Any]:
        """Its ready line."""
        assert self.up is not None, "launch() comes first"
        assert self.up.stdout is not None, "its output is ours"
        line = self.up.stdout.readline()
        assert line, f"`holdfast up` ended {self.up.wait()} before it was ready:\n{self.said()}"
        ready: Mapping[str, Any] = orjson.loads(line)
        assert ready["ready"] is True
        self.at = ready["pos"]
        return ready

    def stop(self) -> None:
        """Drain: SIGTERM, and exit code 0."""
        assert self.up is not None, "it was started"
        self.up.send_signal(signal.SIGTERM)
        code = self.up.wait(DRAIN_S)
        self._closed()
        assert code == 0, f"`holdfast up` ended {code}:\n{self.said()}"

    def kill(self) -> None:
        """`kill -9` of `up`."""
        assert self.up is not None, "it was started"
        self.up.kill()
        self.up.wait()
        self._closed()

    def end(self) -> None:
        """However it stands: nothing of it runs any more."""
        if self.up is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.up.send_signal(signal.SIGTERM)
            self.up.wait(DRAIN_S)
        self.kill()
        for pid in postgres_in(self.data / "postgres"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _closed(self) -> None:
        if self.up is not None and self.up.stdout is not None:
            self.up.stdout.close()
        self.up = None

    def said(self) -> str:
        """What `up` said to whoever started it."""
        return (self.folder / "up.stderr").read_text()

    # --- who is who -----------------------------------------------------------------------------------------------

    def pid_of(self, who: str) -> int | None:
        """The process id of `up`, `issuer`, `acquirer-1`, … or of PostgreSQL's `postmaster`; None while it is gone."""
        if who == "up":
            return self.up.pid if self.up is not None else None
        if who == "postmaster":
            return postmaster_in(self.data / "postgres")
        return next((pid for pid in nodes_of(self.up.pid) if log_of(pid) == f"{who}.log"), None) if self.up else None

    def log(self, name: str) -> list[dict[str, Any]]:
        """The lines of a process's log."""
        text = (self.data / "logs" / f"{name}.log").read_text(encoding="utf-8")
        return [orjson.loads(line) for line in text.splitlines()]

    def in_flight(self, who: str) -> int:
        """How many requests a process says that it is working on."""
        status = asyncio.run(call(door_of(DataFolder(self.data), who), STATUS))
        return int(status["in_flight"])

    # --- commands -------------------------------------------------------------------------------------------------

    def run(self, *arguments: object, expect: int | None = 0) -> Ran:
        """A command about this installation; its exit code must be `expect`."""
        return expected(holdfast(*arguments, "--data", self.data), expect, arguments)

    def terminal(self, terminal_id: str, *arguments: object, expect: int | None = 0, at: str = "") -> Ran:
        """A command of a terminal, whose journal lies in this installation's folder of terminals."""
        options = ("--id", terminal_id, "--data", self.tills, "--host", at or self.at, "--json")
        return expected(holdfast("terminal", *options, *arguments), expect, arguments)

    def register(self, *filters: object) -> list[dict[str, Any]]:
        """`register list`."""
        return self.run("register", "list", "--json", *filters).rows

    def row(self, trace_key: str) -> dict[str, Any] | None:
        """The register's row of one request."""
        rows = self.register("--trace-key", trace_key)
        assert len(rows) <= 1, "a trace key names one request"
        return rows[0] if rows else None

    # --- what is its own ------------------------------------------------------------------------------------------

    def import_own(self) -> None:
        """Terminals and cards for `new_terminal` and `new_card`: tests that share the installation share neither."""
        file = self.folder / "own.csv"
        write_csv(file, (*({"type": "terminal", **row} for row in own_terminals()), *map(account_of, own_cards())))
        self.run("import", file, "--json")

    def import_terminal(self, terminal_id: str, **columns: str) -> None:
        """One more terminal of the hotel, or the same with other columns."""
        file = self.folder / "terminal.csv"
        row = {"type": "terminal", "terminal_id": terminal_id, "merchant_id": HOTEL}
        write_csv(file, [{**row, "tmk": sample.test_key(f"terminal {terminal_id}"), **columns}])
        self.run("import", file, "--json")

    def new_terminal(self) -> str:
        """A terminal of the hotel that nobody has used."""
        return next(self._terminals)

    def new_card(self) -> str:
        """The number of a card that nobody has used; it has 10 000.00."""
        return next(self._cards)

    def load_key(self, terminal_id: str) -> None:
        """Tell a terminal that is not of the sample who it is."""
        merchant = ("--merchant", HOTEL, "--merchant-name", "East Lake Hotel")
        self.terminal(terminal_id, "load-key", "--tmk", sample.test_key(f"terminal {terminal_id}"), *merchant)


def expected(ran: Ran, expect: int | None, arguments: Sequence[object]) -> Ran:
    """The same, if its exit code is the one that was expected; whatever else happens, no traceback is ever shown."""
    assert "Traceback" not in ran.err, ran.err
    assert expect is None or ran.code == expect, f"{arguments} ended {ran.code}, not {expect}:\n{ran.out}{ran.err}"
    return ran


# --- own terminals and cards --------------------------------------------------------------------------------------


def own_terminals() -> Iterator[dict[str, str]]:
    """Rows of an import file."""
    for number in range(1, OWN_TERMINALS + 1):
        terminal_id = f"S{number:07d}"
        yield {"terminal_id": terminal_id, "merchant_id": HOTEL, "tmk": sample.test_key(f"terminal {terminal_id}")}


def own_cards() -> Iterator[str]:
    """Card numbers of the sample's debit bank that are not the sample's."""
    for number in range(500_000_001, 500_000_001 + OWN_CARDS):
        body = f"622000{number}"
        yield next(body + digit for digit in "0123456789" if luhn_valid(body + digit))


def account_of(pan: str) -> dict[str, str]:
    """A row of an import file: the account of such a card."""
    return {
        "type": "account",
        "account_id": f"own-{pan[-6:]}",
        "issuer_id": sample.DEBIT_BANK,
        "pan": pan,
        "expiry": sample.EXPIRY,
        "kind": "debit",
        "available": f"{OWN_AVAILABLE_MINOR // 100}.00",
    }


def write_csv(file: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """An import file of rows that need not have the same columns."""
    rows = list(rows)
    columns = sorted({name for row in rows for name in row})
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


# --- processes ----------------------------------------------------------------------------------------------------


def nodes_of(parent: int) -> list[int]:
    """The living children of a process."""
    try:
        tasks = list(Path("/proc", str(parent), "task").iterdir())
        children = [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
    except OSError:
        return []
    return [pid for pid in children if not is_dead(pid)]


def log_of(pid: int) -> str:
    """The name of the file that a node's output goes to: each has its own."""
    try:
        return Path("/proc", str(pid), "fd", "2").readlink().name
    except OSError:
        return ""


def postmaster_in(cluster: Path) -> int | None:
    """The process id of the server of that folder, the one whose parent is none of it."""
    pids = postgres_in(cluster)
    return next((pid for pid in pids if parent_of(pid) not in pids), None)


def parent_of(pid: int) -> int:
    """The parent of a process, 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def is_dead(pid: int) -> bool:
    """A zombie is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def wait_until(what: str, check: Any, patience_s: float = 20.0) -> Any:
    """The first true answer of `check`."""
    until_s = time.monotonic() + patience_s
    while not (found := check()):
        assert time.monotonic() < until_s, f"waited {patience_s:.0f} s in vain until {what}"
        time.sleep(POLL_S)
    return found
