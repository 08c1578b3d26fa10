"""A small town for tests of reading: real parties, real engines and real keys, with the wire between them in memory.

The registers that it writes are those of a real installation; only the clock is moved by hand.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import asyncpg

from holdfast.clock import SECOND_US, mmdd
from holdfast.domain.commands import Kind, Means
from holdfast.domain.policy import Policy
from holdfast.domain.records import ACQUIRER_LOGS, ACQUIRER_TABLES, ISSUER_LOGS, ISSUER_TABLES
from holdfast.edges import sample
from holdfast.keys.file import FileKeys
from holdfast.parties.acquirer import Acquirer
from holdfast.parties.issuer import Issuer
from holdfast.parties.step import Command, Received
from holdfast.runtime.engine import Engine
from holdfast.runtime.links import Links
from holdfast.runtime.roles import RoleDsns
from holdfast.store.columns import shapes_of
from holdfast.store.interface import Reader, Store
from holdfast.store.memory import MemoryDatabase, MemoryReader, MemoryStore
from holdfast.store.postgres import PostgresStore
from holdfast.store.postgres_reader import PostgresReader
from holdfast.store.sqlite import SqliteReader, SqliteStore
from holdfast.wire.codec import decode
from holdfast.wire.dialect import ASCII_1987, UNIONPAY, Dialect
from holdfast.wire.message import Message
from holdfast.wire.settlement import Detail, Totals, pack_details, pack_end, pack_totals
from tests.standard_terminal import StandardTerminal

START_US = 1_795_000_000 * SECOND_US
"""In November 2026, when the sample's cards are valid."""

STEP_US = 1_000
KEYS = FileKeys(bytes(range(32)), bytes(range(32, 64)))
ISSUERS = tuple(row["issuer_id"] for row in sample.ISSUERS)
TABLES = {"acquirer": ACQUIRER_TABLES, "issuer": ISSUER_TABLES}


class Ground(Protocol):
    """Where a town keeps its books. `spoil` changes what is stored behind everybody's back: SQL with $1, $2, …"""

    async def store(self, party: str) -> Store: ...
    async def reader(self, party: str) -> Reader: ...
    async def spoil(self, party: str, statement: str, *arguments: object) -> None: ...
    async def close(self) -> None: ...


class MemoryGround:
    def __init__(self) -> None:
        self.shared = {party: MemoryDatabase(lambda: 0.0) for party in TABLES}

    async def store(self, party: str) -> Store:
        return MemoryStore(self.shared[party])

    async def reader(self, party: str) -> Reader:
        return MemoryReader(self.shared[party])

    async def spoil(self, party: str, statement: str, *arguments: object) -> None:
        raise AssertionError("what lies in memory is spoiled by hand")

    async def close(self) -> None: ...


class SqliteGround:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.open: list[Store | Reader] = []

    def path(self, party: str) -> Path:
        return self.folder / f"{party}.sqlite"

    async def store(self, party: str) -> Store:
        store = SqliteStore(self.path(party), TABLES[party], lambda: 0.0)
        self.open.append(store)
        return store

    async def reader(self, party: str) -> Reader:
        reader = SqliteReader(self.path(party))
        self.open.append(reader)
        return reader

    async def spoil(self, party: str, statement: str, *arguments: object) -> None:
        # In one process nobody can write a file at which somebody looks: the looking is over.
        for reader in [each for each in self.open if isinstance(each, SqliteReader)]:
            self.open.remove(reader)
            await reader.close()
        connection = sqlite3.connect(self.path(party), isolation_level=None)
        connection.execute(statement.replace("$", "?"), arguments)
        connection.close()

    async def close(self) -> None:
        for each in self.open:
            await each.close()


class PostgresGround:
    def __init__(self, dsns: RoleDsns) -> None:
        self.dsns = dsns
        self.open: list[Store | Reader] = []

    async def empty(self) -> None:
        for party, tables in TABLES.items():
            names = [f'"{shape.name}"' for shape in shapes_of(tables) if shape.name != "versions"]
            await self.spoil(party, f"TRUNCATE {', '.join(names)}")

    async def store(self, party: str) -> Store:
        store = await PostgresStore.connect(getattr(self.dsns, party), party, TABLES[party])
        self.open.append(store)
        return store

    async def reader(self, party: str) -> Reader:
        reader = await PostgresReader.connect(getattr(self.dsns, f"reader_{party}"), party)
        self.open.append(reader)
        return reader

    async def spoil(self, party: str, statement: str, *arguments: object) -> None:
        connection = await asyncpg.connect(getattr(self.dsns, party))
        try:
            await connection.execute(statement, *arguments)
        finally:
            await connection.close()

    async def close(self) -> None:
        for each in self.open:
            await each.close()


class Wire:
    """A link that hands each frame's body on."""

    tpdu = b""
    header = b""

    def __init__(self, dialect: Dialect, deliver: Callable[[bytes], None]) -> None:
        self.dialect = dialect
        self.deliver = deliver

    def hang_up(self) -> None:
        """It is in memory, and never down."""

    def write(self, frame: bytes) -> None:
        self.deliver(frame[2:])


class Town:
    """Acquirer (one engine or several), issuer, and terminals of the standard kind. Made by `built`."""

    issuer: Engine

    def __init__(self, keys: FileKeys) -> None:
        self.keys = keys
        self.now_us = START_US
        self.policy = Policy()
        self.acquirers: list[Engine] = []
        self.claims = 0
        """Which of the acquirers works on due rows."""
        self.issuer_listens = True
        self.unheard: list[Received] = []
        """What the issuer will hear when it wakes late."""
        self.heard: list[bytes] = []
        self._links: list[Links] = []

    @classmethod
    async def built(cls, ground: Ground, workers: int = 1, apart_us: int = 0, keys: FileKeys | None = None) -> "Town":
        """A town with the sample installation, its terminals not signed on yet.

        The clock of each worker is so much behind that of the one before it.
        """
        town = cls(keys or KEYS)
        issuer_links = Links(town.keys)
        town.issuer = Engine(
            Issuer(town.policy),
            await ground.store("issuer"),
            town.keys,
            issuer_links,
            town._tick,
            lambda event, **facts: None,
            "issuer",
            ISSUER_LOGS,
        )
        await town.issuer.take()
        for worker in range(workers):
            await town._add_acquirer(ground, f"worker {worker}", issuer_links, worker * apart_us)
        town.issuer.offer(Command(0, "open-accounts", sample.for_issuer(), "test"))
        town.acquirers[0].offer(Command(0, "import", sample.for_acquirer("here"), "test"))
        await town.settle()
        return town

    async def _add_acquirer(self, ground: Ground, holder: str, issuer_links: Links, behind_us: int) -> None:
        links = Links(self.keys)
        engine = Engine(
            Acquirer(self.policy),
            await ground.store("acquirer"),
            self.keys,
            links,
            lambda: self._tick() - behind_us,
            lambda event, **facts: None,
            holder,
            ACQUIRER_LOGS,
        )
        await engine.take()
        back: dict[str, int] = {}
        to_acquirer = Wire(
            ASCII_1987, lambda body: engine.offer(Received(back[issuer_of(body)], issuer_of(body), decode_1987(body)))
        )
        at_issuer = issuer_links.add(to_acquirer)
        to_issuer = Wire(ASCII_1987, lambda body: self._to_issuer(Received(at_issuer, "", decode_1987(body))))
        for issuer_id in ISSUERS:
            back[issuer_id] = links.add(to_issuer, issuer_id)
        self.acquirers.append(engine)
        self._links.append(links)

    def _to_issuer(self, event: Received) -> None:
        if self.issuer_listens:
            self.issuer.offer(event)
        else:
            self.unheard.append(event)

    def _tick(self) -> int:
        self.now_us += STEP_US
        return self.now_us

    # --- what happens ---------------------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Until nobody has anything to do."""
        await self.issuer.turn(True)
        await self.acquirers[self.claims].turn(True)
        while any(engine.waiting for engine in (self.issuer, *self.acquirers)):
            for engine in (self.issuer, *self.acquirers):
                await engine.turn(False)

    async def pass_time(self, seconds: float) -> None:
        """Time passes, and what is due happens."""
        self.now_us += round(seconds * SECOND_US)
        await self.settle()

    async def wake_issuer(self) -> None:
        """The issuer hears again, first of all what it has missed."""
        self.issuer_listens = True
        for event in self.unheard:
            self.issuer.offer(event)
        self.unheard.clear()
        await self.settle()

    async def sign_checkpoints(self) -> None:
        """What every engine does once a second."""
        for engine in (self.issuer, *self.acquirers):
            await engine.keep()

    async def terminal(self, number: int = 0, worker: int = 0) -> "Till":
        """A terminal of the sample, signed on."""
        row = sample.TERMINALS[number]
        till = Till(self, StandardTerminal(row["terminal_id"], row["merchant_id"], bytes.fromhex(row["tmk"])), worker)
        await till.ask(till.terminal.sign_on())
        assert till.terminal.take_keys(self.heard[-1]) == "00"
        return till

    def today(self) -> str:
        """MMDD."""
        return mmdd(self.now_us)


class Till:
    """A terminal and its link to one worker."""

    def __init__(self, town: Town, terminal: StandardTerminal, worker: int) -> None:
        self.town = town
        self.terminal = terminal
        self.worker = worker
        self.link = town._links[worker].add(Wire(UNIONPAY, town.heard.append))

    def offer(self, body: bytes) -> None:
        """Send a message and wait for nothing."""
        self.town.acquirers[self.worker].offer(Received(self.link, "", decode(UNIONPAY, body)))

    async def ask(self, body: bytes) -> Message:
        """Send a message that is answered at once."""
        self.town.heard.clear()
        self.offer(body)
        await self.town.settle()
        (answer,) = self.town.heard
        return decode(UNIONPAY, answer)

    async def ask_in_vain(self, card: str, amount_minor: int) -> None:
        """Ask for a hold while the issuer hears nothing."""
        self.town.issuer_listens = False
        self.offer(self.terminal.pre_auth(pan_of(card), amount_minor, de14=sample.EXPIRY))
        await self.town.settle()

    async def pre_auth(self, card: str, amount_minor: int) -> Message:
        return await self.ask(self.terminal.pre_auth(pan_of(card), amount_minor, de14=sample.EXPIRY))

    async def complete(self, card: str, amount_minor: int, code: str, day: str = "") -> Message:
        day = day or self.town.today()
        return await self.ask(self.terminal.complete(pan_of(card), amount_minor, code, day, de14=sample.EXPIRY))

    async def void(self, card: str, amount_minor: int, code: str) -> Message:
        day = self.town.today()
        return await self.ask(self.terminal.void(pan_of(card), amount_minor, code, day, de14=sample.EXPIRY))

    async def do(self, kind: Kind, card: str, amount_minor: int, **more: str) -> Message:
        """Any kind of request; `more` are further fields (`de38`, …)."""
        return await self.ask(self.message(kind, card, amount_minor, **more))

    def message(self, kind: Kind, card: str, amount_minor: int, **more: str) -> bytes:
        """The bytes of any kind of request."""
        fields: dict[str, str | bytes] = {"de14": sample.EXPIRY, "de25": kind.condition, **more}
        wire = kind.mti, kind.processing_code, kind.message_type
        return self.terminal._business(*wire, pan_of(card), amount_minor, fields)

    async def on(self, kind: Kind, card: str, amount_minor: int, original: Message, **more: str) -> Message:
        """A request that refers to one that was answered so."""
        return await self.do(kind, card, amount_minor, **self.naming(kind, original), **more)

    def naming(self, kind: Kind, original: Message) -> dict[str, str]:
        """How a linked request says what it means."""
        posting = {"de37": original.get(37)} if kind.means is Means.POSTING else {}
        return {"de38": original.get(38), "de61": "0" * 12 + original.get(13), **posting}

    async def settlement(self, totals: Totals, batch: str = "") -> Message:
        """0500; afterwards the terminal is in the next batch."""
        batch = batch or self.terminal.batch
        answer = await self.ask(self._of_batch("0500", f"00{batch}201", pack_totals(totals)))
        self.terminal.batch = f"{int(batch) + 1:06d}"
        return answer

    async def upload(self, batch: str, details: list[Detail]) -> None:
        """The details of a batch, and the end of the upload."""
        await self.ask(self._of_batch("0320", f"00{batch}201", pack_details(details)))
        await self.ask(self._of_batch("0320", f"00{batch}202", pack_end(len(details))))

    def _of_batch(self, mti: str, control: str, said: str) -> bytes:
        fields: dict[int, str | bytes] = {11: self.terminal._trace(), 48: said, 49: "156", 60: control, 63: "01 "}
        return self.terminal._body(mti, fields)

    async def reverse(self) -> Message:
        assert self.terminal.sent is not None, "nothing was sent"
        return await self.ask(self.terminal.reverse(self.terminal.sent))


async def live(town: Town) -> dict[str, Message]:
    """A day of everything, and what stays open after it; the answers by name."""
    last = len(town.acquirers) - 1
    till, other = await town.terminal(0), await town.terminal(2, last)
    told = await do_business(till, other)
    await town.sign_checkpoints()
    told |= await get_into_trouble(till, other)
    await town.pass_time(31 * 86_400)
    await town.sign_checkpoints()
    return told | await leave_open(await town.terminal(3))


async def do_business(till: "Till", other: "Till") -> dict[str, Message]:
    placed = await till.pre_auth("alice", 50_000)
    code = placed.get(38)
    voided = await other.pre_auth("henry", 20_000)
    return {
        "placed": placed,
        "over": await till.complete("alice", 57_501, code),
        "wrong date": await till.complete("alice", 46_050, code, "0101"),
        "completed": await till.complete("alice", 46_050, code),
        "twice": await till.complete("alice", 46_050, code),
        "voided": voided,
        "void": await other.void("henry", 20_000, voided.get(38)),
    }


async def get_into_trouble(till: "Till", other: "Till") -> dict[str, Message]:
    """Reversed; reversed before it came; never answered (98), undone; a hold that nobody completes."""
    told = {"reversed": await till.pre_auth("bob", 30_000), "reversal": await till.reverse()}
    late = till.terminal.pre_auth(pan_of("carol"), 1_000, de14=sample.EXPIRY)
    await till.reverse()
    told |= {"barred": await till.ask(late), "kept": await other.pre_auth("iris", 70_000)}
    town = till.town
    await till.ask_in_vain("dave", 12_300)
    town.claims = len(town.acquirers) - 1
    await town.pass_time(13)
    town.issuer_listens = True
    await town.pass_time(6)
    town.claims = 0
    return told


async def leave_open(till: "Till") -> dict[str, Message]:
    """A hold; a request that is unknown, its reversal owed; a request that is in flight."""
    told = {"open": await till.pre_auth("kate", 9_900)}
    await till.ask_in_vain("leo", 4_500)
    await till.town.pass_time(13)
    await till.ask_in_vain("mary", 4_400)
    return told


def pan_of(card: str) -> str:
    return next(str(row["pan"]) for row in sample.CARDS if row["name"] == card)


def decode_1987(body: bytes) -> Message:
    return decode(ASCII_1987, body)


def issuer_of(body: bytes) -> str:
    return decode_1987(body).get(48).split("|")[1]
