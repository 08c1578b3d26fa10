"""Two `holdfast up` on one database, terminals with a relay each, and who is who among all these processes.

Whatever ends is started again: a terminal and `up` by us, at once, as a person or a service manager would; the rest by
`up`. Terminals come to both `up` in turn, and to the other one where one does not answer.
"""

import asyncio
import contextlib
import os
import random
import signal
from collections import Counter
from functools import partial
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import orjson

from holdfast.runtime.config import issuer_notice_of, parse_address, read_file
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.embedded import EmbeddedPostgres
from holdfast.runtime.strays import postgres_in
from holdfast.sim.relay import Relay
from tests.system import busy_terminal
from tests.system.chaos import disk
from tests.system.installation import Installation, parent_of, wait_until

CARDS = 16
WORKERS = ("acquirer-1", "acquirer-2")
LOOK_EVERY_S = 0.05
OPENING_S_MAX, CLOSING_S_MAX = 60.0, 150.0

Facts = dict[str, Any]


class Town:
    """Everything that runs; `folder` has the disks in it."""

    def __init__(self, folder: Path, seed: int, terminals: int) -> None:
        self.folder = folder
        self.one = Installation(folder / disk.DATABASE, "--sample", "--workers", len(WORKERS))
        self.one.tills = folder / disk.TERMINALS
        self.database = EmbeddedPostgres(DataFolder(self.one.data)).dsn
        keys = self.one.data / "keys"
        self.two = Installation(folder / "two", "--db", self.database, "--keys", keys, "--workers", len(WORKERS))
        self.ups = (self.one, self.two)
        self.cluster = self.one.data / "postgres"
        self.cards = [self.one.new_card() for _ in range(CARDS)]
        self.terminals = [self.one.new_terminal() for _ in range(terminals)]
        self.relays: dict[str, Relay] = {}
        self.ended: Counter[str] = Counter()
        """What ended by itself and was started again by us."""
        self.killed: set[int] = set()
        """Process ids of ours that were killed: their end is no surprise."""
        self._dice = random.Random(f"{seed}/terminals")
        self._context = get_context("forkserver")
        self._context.set_forkserver_preload(["__main__", busy_terminal.__name__])
        self.tills: dict[str, BaseProcess] = {}
        self._at: dict[str, str] = {}
        self._keeper: asyncio.Task[None] | None = None
        self._closing = False

    # --- life -----------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Everything starts, and every terminal has served a guest."""
        for up in self.ups:
            await asyncio.to_thread(up.start)
            if up is self.one:
                await asyncio.to_thread(up.import_own)
        (self.folder / "told").mkdir()
        places = [parse_address(up.at) for up in self.ups]
        servers = [(place.host, place.port) for place in places if place.port is not None]
        for terminal_id in self.terminals:
            relay = self.relays[terminal_id] = Relay(*servers[0], *servers[1:])
            self._at[terminal_id] = f"127.0.0.1:{await relay.open()}"
            self._switch_on(terminal_id)
            servers.reverse()
        for terminal_id in self.terminals:
            await asyncio.to_thread(wait_until, f"{terminal_id} works", partial(self.told, terminal_id), OPENING_S_MAX)
        self._keeper = asyncio.create_task(self._keep())

    async def close_shops(self) -> list[str]:
        """Every terminal finishes what is open, settles and ends by itself; -> those that did not."""
        self._closing = True
        for till in self.tills.values():
            till.terminate()
        until_s = asyncio.get_running_loop().time() + CLOSING_S_MAX
        while left := [name for name, till in self.tills.items() if till.is_alive()]:
            if asyncio.get_running_loop().time() > until_s:
                break
            await asyncio.sleep(LOOK_EVERY_S)
        return left

    async def end(self) -> None:
        """However it stands: nothing of it runs any more."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        for till in self.tills.values():
            till.kill()
        for relay in self.relays.values():
            await relay.close()
        for up in (self.two, self.one):
            await asyncio.to_thread(up.end)

    def _switch_on(self, terminal_id: str) -> None:
        """A terminal's process; each start throws other dice."""
        folder, told = self.one.tills, self.folder / "told"
        shift = busy_terminal.Shift(folder, told, terminal_id, self._at[terminal_id], self._dice.random(), self.cards)
        till = self._context.Process(target=busy_terminal.serve, args=(shift,), daemon=True)
        till.start()
        self.tills[terminal_id] = till

    async def _keep(self) -> None:
        while True:
            for terminal_id, till in list(self.tills.items()):
                if not till.is_alive() and not (self._closing and till.exitcode == 0):
                    self._ended("terminal", till.pid, till.exitcode)
                    self._switch_on(terminal_id)
                    if self._closing:
                        await asyncio.sleep(LOOK_EVERY_S)
                        self.tills[terminal_id].terminate()
            for up in self.ups:
                if up.up is not None and up.up.poll() is not None:
                    self._ended("up", up.up.pid, up.up.returncode)
                    up.kill()
                    up.launch()
            await asyncio.sleep(LOOK_EVERY_S)

    def _ended(self, what: str, pid: int | None, code: int | None) -> None:
        if pid not in self.killed:
            self.ended[f"{what} ended {code}"] += 1

    # --- who is who -----------------------------------------------------------------------------------------------

    def workers(self) -> dict[int, list[str]]:
        """The acquirers' workers that live, and the terminals that each of them is linked to."""
        pids = [pid for up in self.ups for name in WORKERS if (pid := up.pid_of(name)) is not None]
        by_inode = {inode: pid for pid in pids for inode in sockets_of(pid)}
        ports = {link.server_port: name for name, relay in self.relays.items() for link in relay.links}
        linked: dict[int, list[str]] = {pid: [] for pid in pids}
        for port, inode in connected_sockets(frozenset(ports)):
            if inode in by_inode:
                linked[by_inode[inode]].append(ports[port])
        return linked

    def linked_to(self, up: Installation) -> list[str]:
        """The terminals that are linked to this `up`."""
        return [name for name, relay in self.relays.items() if any(_is(link.server_at, up) for link in relay.links)]

    def active_issuer(self) -> int | None:
        """The issuer that answers now, or else any."""
        for up in self.ups:
            folder = DataFolder(up.data)
            notice = read_file(issuer_notice_of(folder))
            if notice and Path(notice["door"]).parent == folder.run and (pid := up.pid_of("issuer")):
                return pid
        return next((pid for up in self.ups if (pid := up.pid_of("issuer"))), None)

    def postmaster(self) -> int | None:
        """PostgreSQL itself."""
        return self.one.pid_of("postmaster")

    def backends(self) -> list[int]:
        """The processes of PostgreSQL that serve our parties."""
        return [pid for pid in postgres_in(self.cluster) if "holdfast_" in command_of(pid) and parent_of(pid)]

    def in_flight(self, terminals: list[str]) -> int:
        """How many requests of these terminals have reached an acquirer and are not answered."""
        return sum(self.relays[name].in_flight for name in terminals)

    @property
    def answers(self) -> int:
        """How many answers have come to terminals so far."""
        return sum(relay.answers for relay in self.relays.values())

    def told(self, terminal_id: str) -> list[Facts]:
        """What a cashier was told; a line that was cut off by a kill was not."""
        file = busy_terminal.told_file(self.folder / "told", terminal_id)
        text = file.read_bytes() if file.exists() else b""
        return [orjson.loads(line) for line in text.split(b"\n")[:-1] if line.endswith(b"}")]


def send(pid: int | None, number: signal.Signals) -> None:
    """A signal, unless nobody is there any more."""
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def command_of(pid: int) -> str:
    """The command line of a process, "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def sockets_of(pid: int) -> set[str]:
    """The inodes of a process's sockets."""
    found: set[str] = set()
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                name = entry.readlink().name
                found |= {name[8:-1]} if name.startswith("socket:[") else set()
    return found


def connected_sockets(ports: frozenset[int]) -> list[tuple[int, str]]:
    """The other ends of connections that go out from these ports of ours: port and inode."""
    rows = (line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:])
    ends = ((int(row[2].rpartition(":")[2], 16), row[9]) for row in rows)
    return [(port, inode) for port, inode in ends if port in ports]


def _is(server_at: tuple[str, int], up: Installation) -> bool:
    return f"{server_at[0]}:{server_at[1]}" == up.at
