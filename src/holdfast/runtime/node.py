"""One process of a party: an acquirer's worker or an issuer. Run as `python -m holdfast.runtime.node`, configured by
one line on its standard input (see `config.NodeConfig`).

It is put together here and nowhere else: store, keys, party, engine, links, driver, door. It serves once it has its
log, and dies with whoever started it.
"""

import asyncio
import gc
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import uvloop

from holdfast.domain.policy import Policy
from holdfast.domain.records import ACQUIRER_TABLES, ISSUER_TABLES, ISSUERS
from holdfast.errors import BadInput, Fenced, HoldfastError, StoreError, Unreachable
from holdfast.keys.file import FileKeys
from holdfast.parties.acquirer import Acquirer
from holdfast.parties.advancing import ADVANCE_CLOCK
from holdfast.parties.issuer import Issuer
from holdfast.parties.restored import Restored
from holdfast.parties.step import Command
from holdfast.runtime import advances, continuity, launcher
from holdfast.runtime.business_clock import BusinessClock, machine_us, refuse_time_before
from holdfast.runtime.clock_file import Advance
from holdfast.runtime.config import (
    ACQUIRER,
    HERE,
    ISSUER,
    Address,
    IssuerNotice,
    NodeConfig,
    load_node_config,
    parse_address,
    read_file,
    write_file,
)
from holdfast.runtime.continuity import LETTERS, Logs
from holdfast.runtime.door import Door
from holdfast.runtime.driver import CountedLinks, Driver
from holdfast.runtime.engine import LEASE_S, Engine, Log
from holdfast.runtime.kept import KeptCheckpoint
from holdfast.runtime.logs import forward_libraries, open_log
from holdfast.runtime.tcp import HOST_LIMITS, HostLinks, Limits, Station, listen
from holdfast.store.interface import Store
from holdfast.store.postgres import PostgresStore
from holdfast.store.postgres_link import CONNECT_TIMEOUT_S
from holdfast.store.postgres_reader import PostgresReader
from holdfast.wire.dialect import ASCII_1987, UNIONPAY

TAKE_INTERVAL_S = 0.5
WATCH_INTERVAL_S = 0.5
"""How often an issuer that waits asks for its log, and a worker looks where its issuers are."""

DATABASE_PATIENCE_S = 30.0
DATABASE_RETRY_S = 0.1

LINKS_PATIENCE_S = 2.0
LINKS_POLL_S = 0.01

GARBAGE_LOOKED_FOR_AFTER = 50_000
"""Objects more than before: a few batches of the longest kind."""

FILES_MAX = 65_536
OWN_FILES_MAX = 64
"""Log, keys, door, links to hosts and connections to the database, with some to spare."""

EXIT_BUG, EXIT_REFUSED, EXIT_FENCED = 1, 4, 5

_LEASE_HOLDER = "SELECT holder FROM logs WHERE log = $1"


_Connected = TypeVar("_Connected")


class Node:
    """What a worker and an issuer have in common."""

    def __init__(self, config: NodeConfig, log: Log, store: Store, keys: FileKeys, logs: Logs | None = None) -> None:
        """`logs` are those of the party in this database, by default the ones of a register that was never restored."""
        self.config = config
        self.log = log
        self.logs = logs or Logs(LETTERS[config.party], {})
        self._store = store
        self._keys = keys
        self.links = CountedLinks(keys)
        issues = config.party == ISSUER
        party = Issuer(Policy()) if issues else Acquirer(Policy(), self.logs.ended)
        self.clock = BusinessClock(Path(config.folder))
        self._recorded: set[str] = set()
        """The advances of the clock that our log tells of, or that happened before it began."""
        self._taken_up: set[str] = set()
        """These, and those that are being recorded."""
        names = self.logs.names
        self.engine = Engine(
            party, store, keys, self.links, self.clock.now_us, log, config.holder, names, self.clock.leaps
        )
        self.driver = Driver(self.engine, self.links, log)
        dialect, limits = (ASCII_1987, HOST_LIMITS) if issues else (UNIONPAY, Limits(links_max=room_for_links()))
        self.station = Station(self.links, self.engine, self.driver.wake, log, dialect, limits)
        self.door = Door(self.links, self.driver.offer, self.status)
        self.kept = KeptCheckpoint(Path(config.keys), machine_us())

    async def go_on(self) -> None:
        """Make sure that the log which was taken is as long as it ever was; RegisterBroken when it is not.

        The first log after a restore begins with the entry that says so.
        """
        head, keys = self.engine.head, Path(self.config.keys)
        kept = continuity.newest_kept(keys)
        # Whoever was stopped for so long that another took the log over has lost it: what that one wrote is not gone.
        await self._store.renew(head, LEASE_S)
        continuity.refuse_shortened(head.log, head, kept, keys)
        if head.log == self.logs.first and head.frontier.size == 0:
            told = continuity.newest_restoration(keys, self._keys.public_key())
            writer = Engine(
                *(Restored(), self._store, self._keys, self.links, self.clock.now_us, self.log),
                *(self.config.holder, (head.log,)),
            )
            await continuity.record_restore(writer, self.logs, told)
            await self.engine.take()
        dsn, party, known = self.config.dsn, self.config.party, self.clock.advances
        last_us = await advances.newest_of_log_us(dsn, party, head.log)
        refuse_time_before(self.clock.now_us(), last_us, f"log {head.log}", "start `holdfast up` again")
        missing = await advances.unrecorded(dsn, party, head.log, known)
        self._recorded = {advance.id for advance in known} - {advance.id for advance in missing}
        self._taken_up = set(self._recorded)
        self.record_advances()
        await self.engine.turn(claim=False)

    def record_advances(self) -> None:
        """Have every advance of a sandbox's clock recorded; one that is appointed, before it takes place."""
        for advance in self.clock.advances:
            if advance.id not in self._taken_up:
                self._taken_up.add(advance.id)
                self._record(advance)

    def _record(self, advance: Advance) -> None:
        def told(answer: Mapping[str, Any]) -> None:
            self.links.drop(caller)
            if answer["ok"]:
                self._recorded.add(advance.id)

        caller = self.links.add_caller(told)
        self.driver.offer(Command(caller, ADVANCE_CLOCK, advances.facts_of(advance), advance.actor))

    async def serve(self, listener: socket.socket) -> None:
        """Accept connections and run the engine until it is told to stop; the log has been taken."""
        # Events, wants and rows are made by the hundred and die with their batch, without cycles: looking for cycles
        # after every 700 of them (the default) takes an eighth of the time. What is here already stays.
        gc.freeze()
        gc.set_threshold(GARBAGE_LOOKED_FOR_AFTER)
        server = await listen(self.station, listener)
        await self.door.open(Path(self.config.door))

        def stop() -> None:
            server.close()
            self.station.stop_reading()
            self.driver.stop()

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
        head = self.engine.head
        self.log("serving", log=head.log, epoch=head.epoch, entries=head.frontier.size)
        try:
            await self.driver.run(self.after_turn, self.each_second)
            self.kept.keep(self.engine.signed)
        finally:
            self.door.close()
            self.station.close()
        self.log("drained", waiting=len(self.engine.waiting))

    def after_turn(self) -> None:
        """Before the engine rests."""
        self.station.relax()
        self.record_advances()

    def each_second(self) -> None:
        """After the engine has signed what it wrote."""
        self.station.sweep()
        self.kept.keep(self.engine.signed)

    def status(self) -> dict[str, Any]:
        """What this process answers at its door about itself."""
        head = self.engine.head
        return {
            "ok": True,
            "process": self.config.name,
            "pid": os.getpid(),
            "log": head.log,
            "entries": head.frontier.size,
            "waiting": len(self.engine.waiting),
            "in_flight": self.links.in_flight,
            "links": len(self.station.open),
            "hosts": sorted(self.links.hosts()),
            "advance": self.newest_advance(),
        }

    def newest_advance(self) -> str:
        """The id of the advance that our clock has followed last, once the log tells of it; "" before the first."""
        newest = self.clock.newest
        return newest if newest in self._recorded else ""


def room_for_links() -> int:
    """How many links this process may have, so that files are left for what it needs itself."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(soft - OWN_FILES_MAX, 1)


def raise_file_limit() -> None:
    """As many files as we are allowed: each link is one, and the usual 1024 are few terminals."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, FILES_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


# --- the acquirer's worker ----------------------------------------------------------------------------------------


async def run_acquirer(config: NodeConfig, log: Log) -> None:
    """Serve terminals on the socket that was handed to us, linked to every issuer of the table."""
    keys = FileKeys.open(Path(config.keys))
    store = await patiently(lambda: PostgresStore.connect(config.dsn, ACQUIRER, ACQUIRER_TABLES))
    reader = await patiently(lambda: PostgresReader.connect(config.dsn, ACQUIRER))
    logs = await continuity.logs_of(config.dsn, ACQUIRER)
    node = Node(config, log, store, keys, logs)
    await take_log(node)
    hosts = HostLinks(Station(node.links, node.engine, node.driver.wake, log, ASCII_1987, HOST_LIMITS))
    watching = asyncio.create_task(watch_issuers(node, reader, hosts))
    try:
        await wait_for_links(hosts)
        serving = asyncio.create_task(node.serve(socket.socket(fileno=config.listen)))
        await asyncio.wait((serving, watching), return_when=asyncio.FIRST_COMPLETED)
        # Watching has no end, so if it ended it raised.
        await (watching if watching.done() else serving)
    finally:
        watching.cancel()
        await hosts.close()
        await reader.close()
        await store.close()


async def watch_issuers(node: Node, reader: PostgresReader, hosts: HostLinks) -> None:
    """Keep links to where the issuers are: the rows may be imported anew, and our own issuer may move.

    An issuer that nobody can tell the place of is where it was: no link is given up for that.
    """
    known: dict[str, Address] = {}
    while True:
        try:
            rows = await reader.select(ISSUERS, {})
        except StoreError:
            await asyncio.sleep(WATCH_INTERVAL_S)
            continue
        addresses = {row.issuer_id: address_of(row.address, node.config) or known.get(row.issuer_id) for row in rows}
        known = {issuer_id: address for issuer_id, address in addresses.items() if address is not None}
        hosts.want(known)
        await asyncio.sleep(WATCH_INTERVAL_S)


async def wait_for_links(hosts: HostLinks) -> None:
    """Let the links come up before terminals are served, or give up soon: an issuer that is down is answered 91."""
    until_s = asyncio.get_running_loop().time() + LINKS_PATIENCE_S
    while hosts.missing is None or hosts.missing:
        if asyncio.get_running_loop().time() > until_s:
            return
        await asyncio.sleep(LINKS_POLL_S)


def address_of(text: str, config: NodeConfig) -> Address | None:
    """Where an issuer is, None while that is not known."""
    if text == HERE:
        notice = read_file(Path(config.issuer_notice))
        text = str(notice["address"]) if notice else ""
    try:
        return parse_address(text)
    except BadInput:
        return None


# --- the issuer ---------------------------------------------------------------------------------------------------


async def run_issuer(config: NodeConfig, log: Log) -> None:
    """Answer acquirers, once the book is ours; several installations on one database have one active issuer."""
    keys = FileKeys.open(Path(config.keys))
    store = await patiently(lambda: PostgresStore.connect(config.dsn, ISSUER, ISSUER_TABLES))
    node = Node(config, log, store, keys, await continuity.logs_of(config.dsn, ISSUER))
    await take_log(node)
    place = folder_of(config.holder)
    path = issuer_socket(place)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    try:
        publish(config, place)
        await node.serve(listener)
    finally:
        await store.close()


def issuer_holder(installation: str, sockets: Path) -> str:
    """Under this name an issuer holds its book; it tells those that wait, and their workers, where it is."""
    return f"{installation}/{ISSUER} {sockets}"


def folder_of(holder: str) -> Path:
    """The folder of sockets that a holder's name gives."""
    return Path(holder.partition(" ")[2])


def issuer_socket(place: Path) -> Path:
    """Where an issuer listens for acquirers."""
    return place / f"{ISSUER}.iso"


def publish(config: NodeConfig, place: Path) -> None:
    """Tell the workers and commands of this installation where the active issuer is."""
    notice = IssuerNotice(str(Address(str(issuer_socket(place)), None)), str(place / f"{ISSUER}.door"))
    write_file(Path(config.issuer_notice), notice._asdict())


async def publish_holder(config: NodeConfig, log: str) -> None:
    """Publish the issuer of another installation, which has the book that this log is."""
    connection = await asyncpg.connect(
        config.dsn, timeout=CONNECT_TIMEOUT_S, server_settings={"search_path": ISSUER, "application_name": "holdfast"}
    )
    try:
        holder = await connection.fetchval(_LEASE_HOLDER, log)
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)
    if holder:
        publish(config, folder_of(holder))


# --- both ---------------------------------------------------------------------------------------------------------


async def patiently(connect: Callable[[], Awaitable[_Connected]]) -> _Connected:
    """Connect to a database that may be starting just now; Unreachable when it stays away."""
    until_s = asyncio.get_running_loop().time() + DATABASE_PATIENCE_S
    while True:
        try:
            return await connect()
        except Unreachable:
            if asyncio.get_running_loop().time() > until_s:
                raise
        await asyncio.sleep(DATABASE_RETRY_S)


async def take_log(node: Node) -> None:
    """Take a log, waiting as long as others hold them all."""
    told = False
    while True:
        try:
            await node.engine.take()
            return await node.go_on()
        except Fenced as error:
            if not told:
                node.log("waiting for a log", reason=str(error))
                told = True
        if node.config.party == ISSUER:
            await publish_holder(node.config, node.logs.names[0])
        await asyncio.sleep(TAKE_INTERVAL_S)


async def run(config: NodeConfig, log: Log) -> int:
    """Run the party of the configuration; returns the exit code."""
    task = asyncio.current_task()
    assert task is not None, "called from a task"
    # Until it serves, there is nothing to drain.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await (run_issuer(config, log) if config.party == ISSUER else run_acquirer(config, log))
    except asyncio.CancelledError:
        return 0
    except Fenced as error:
        log("another writer has the log: stopping", reason=str(error))
        return EXIT_FENCED
    except (HoldfastError, OSError, asyncpg.PostgresError) as error:
        log("cannot run", reason=str(error))
        return EXIT_REFUSED
    except Exception as error:
        # The frames and not the text: an exception may quote what a card said.
        frames = [
            f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
        ]
        log("a bug: stopping", error=type(error).__name__, frames=frames)
        return EXIT_BUG
    return 0


def main() -> None:
    """Read the configuration, tie our life to the starter's, and run."""
    os.umask(0o077)
    try:
        config = load_node_config(sys.stdin.readline())
        launcher.die_with(config.parent, signal.SIGKILL)
        raise_file_limit()
        log = open_log(Path(config.log), config.name)
    except (Unreachable, OSError) as error:
        sys.exit(f"holdfast: {error}")
    forward_libraries(log)
    sys.exit(uvloop.run(run(config, log)))


if __name__ == "__main__":
    main()
