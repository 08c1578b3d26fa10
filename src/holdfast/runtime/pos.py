"""A terminal as a process: its party and engine on its own file, one link to the acquirer, commands one by one.

Rule 1: before anything new is asked, what an earlier run left open (a request in flight, a reversal) is brought to its
end; and before that the terminal signs on if it has to.
Rule 2: a request that was refused for the sign-on or the batch alone is asked once more after a sign-on, under a new
trace number, and only when the first one is surely not in force.
Rule 3: what is told until it is answered (an advice, a refund of unknown outcome) holds nothing up; it is hurried where
that helps: after an advice was entered, before a settlement, and when somebody asks what waits.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from holdfast.clock import MINUTE_US, SECOND_US
from holdfast.domain import responses
from holdfast.domain.journal import DOWNLOAD_NOTICE, OWED
from holdfast.domain.records import DEVICES, SALES, TERMINAL_LOGS, TERMINAL_TABLES, Device, Sale
from holdfast.domain.tables import DUE, Due
from holdfast.errors import HoldfastError, KeyRefused, Unreachable
from holdfast.keys.file import FileKeys
from holdfast.keys.folder import SIGNING_FILE
from holdfast.parties.advices import TELL
from holdfast.parties.page import believed
from holdfast.parties.settings import ACQUIRER, TerminalSettings
from holdfast.parties.step import Command
from holdfast.parties.terminal import Terminal
from holdfast.parties.unwritten import UNWRITTEN, in_doubt, unwritten
from holdfast.runtime.business_clock import BusinessClock, refuse_time_before
from holdfast.runtime.config import Address
from holdfast.runtime.driver import CountedLinks, Driver, StoreWords
from holdfast.runtime.engine import Engine, Log
from holdfast.runtime.journal_mend import KEPT, Mended, made_sound, recorded, recovered_in_words
from holdfast.runtime.tcp import CONNECT_TIMEOUT_S, HOST_LIMITS, HostLinks, Station
from holdfast.store.sqlite import SqliteReader, SqliteStore
from holdfast.store.sqlite_file import FileLock, make_private
from holdfast.wire.dialect import UNIONPAY

FOLDER = "terminals"
LOOK_EVERY_S = 0.02
ANSWER_MARGIN_S = 15.0
"""Past the party's own patience nothing should keep an outcome away; then something is broken."""

SETTLEMENT_PATIENCE_S = 900.0
"""A batch upload of a full journal is hundreds of messages, each acknowledged before the next."""

REBUILD_PATIENCE_S = 120.0
"""Asking the register for all that a journal may lack takes several messages."""

REBUILT = "the journal was rebuilt from the register: compare the slips that were printed shortly before it was damaged"

JOURNAL_WORDS = StoreWords("the journal cannot be written", "the journal can be written again")

TOLD_WAIT_S = 3.0
"""How long an advice that was just entered is waited for before it is shown as stored."""

SET_RIGHT = (
    "set the clock right, or have its folder follow the sandbox again that it was used with: `holdfast clock advance "
    "1s --terminals DIR`"
)
"""What to do where a terminal is at a time before its own journal."""

SYSTEM = "system"
"""Who does what no operator asked for."""

SIGN_ON_CODES = frozenset({responses.SIGN_ON_AGAIN, responses.MAC_ERROR})

SILENT = "silent"


class NotReady(NamedTuple):
    """Why a terminal can ask nothing new. `outcome` is declined (the acquirer says no), silent (it says nothing), or
    unknown (an earlier request is still open).
    """

    outcome: str
    says: str
    response_code: str = ""


Value = Mapping[str, Any]


def file_of(folder: Path, terminal_id: str) -> Path:
    """Where that terminal's journal and rows lie."""
    return folder / FOLDER / f"{terminal_id}.sqlite"


def files_of(folder: Path) -> list[Path]:
    """Those of all terminals of a folder. A damaged journal that is kept beside the new one is no terminal's."""
    return sorted(path for path in (folder / FOLDER).glob("*.sqlite") if KEPT not in path.name)


def keys_of(folder: Path) -> FileKeys:
    """The key store of a folder of terminals, made when it is not there yet."""
    place = folder / "keys"
    if not (place / SIGNING_FILE).exists():
        with contextlib.suppress(KeyRefused):  # Another terminal of the folder was first.
            return FileKeys.create(place)
    return FileKeys.open(place)


async def refuse_set_back(path: Path, terminal_id: str, now_us: int) -> None:
    """Unreachable for a terminal whose journal was written at a later time than it is here."""
    reader = SqliteReader(path)
    try:
        for log in await reader.logs():
            for entry in await reader.entries(log.log, log.frontier.size, log.frontier.size):
                refuse_time_before(now_us, entry.at_us, f"terminal {terminal_id}", SET_RIGHT)
    finally:
        await reader.close()


class Pos:
    """One terminal at work. Use `open`, then commands, then `close`."""

    def __init__(
        self,
        path: Path,
        keys: FileKeys,
        store: SqliteStore,
        settings: TerminalSettings,
        clock: BusinessClock,
        log: Log,
    ) -> None:
        self._path = path
        self.keys = keys
        self.now_us = clock.now_us
        """The terminal's clock: business time."""
        self.settings = settings
        self.reader = SqliteReader(path)
        self._store = store
        self._log = log
        self._links = CountedLinks(keys)
        party = Terminal(settings)
        waits = settings.waits_us_max
        self._engine = Engine(
            party, store, keys, self._links, clock.now_us, log, "terminal", TERMINAL_LOGS, clock.leaps, waits
        )
        self._driver = Driver(self._engine, self._links, log, unwritten, JOURNAL_WORDS)
        self._station = Station(self._links, self._engine, self._driver.wake, log, UNIONPAY, HOST_LIMITS)
        self._hosts = HostLinks(self._station)
        self._running: asyncio.Task[None] | None = None
        self._mended: Mended | None = None
        """What was done to a damaged journal, until the terminal has recorded it."""

    @classmethod
    async def open(cls, folder: Path, settings: TerminalSettings, log: Log, load_again: bool = False) -> Self:
        """The terminal of this file; Unreachable when another process uses it.

        A damaged journal is mended first; RegisterBroken when nothing of it can be read, unless the terminal is to be
        loaded again.
        """
        path = file_of(folder, settings.terminal_id)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        clock, keys = BusinessClock(folder), keys_of(folder)
        lock = FileLock(path)
        try:
            if lock.was_taken and not path.exists():
                # It was deleted: damage like any other, and what its log may still hold is not thrown away.
                make_private(path)
            mended = await made_sound(path, keys, clock.now_us(), load_again)
            if path in files_of(folder):
                await refuse_set_back(path, settings.terminal_id, clock.now_us())
        except BaseException:
            lock.release()
            raise
        store = SqliteStore(path, TERMINAL_TABLES, lock=lock)
        pos = cls(path, keys, store, settings, clock, log)
        pos._mended = mended
        await pos._engine.take()
        if mended is not None and await pos.device() is not None:
            await pos._record_mending()
        pos._running = asyncio.create_task(pos._driver.run(lambda: None, pos._station.sweep))
        return pos

    async def load(self, given: Mapping[str, Any], actor: str) -> Value:
        """Tell the terminal who it is; one whose journal was lost asks the register from then on."""
        value = await self.tell("load", given, actor)
        if self._mended is not None and value["outcome"] == "approved":
            await self._record_mending()
        return value

    async def _record_mending(self) -> None:
        """The terminal records that its journal was damaged; until it has, the note beside the file stays."""
        assert self._mended is not None, "only a journal that was mended is"
        self._log(f"{self._mended.told}; nothing is sold until the register has been asked")
        arguments = {"kept": self._mended.kept, "says": self._mended.says}
        value = await (self.tell if self._running else self._told_first)("mend", arguments, SYSTEM)
        if value.get("outcome") != "approved":
            raise HoldfastError(f"the terminal cannot record that its journal was mended: {value.get('reason')}")
        recorded(self._path)
        self._mended = None

    async def _told_first(self, name: str, arguments: Mapping[str, Any], actor: str) -> Value:
        """One command before anything else is decided on, due rows included; its outcome comes at once."""
        outcomes: list[Value] = []
        caller = self._links.add_caller(outcomes.append)
        self._engine.offer(Command(caller, name, arguments, actor))
        await self._engine.turn(False)
        self._links.drop(caller)
        return outcomes[0] if outcomes else {}

    async def close(self) -> None:
        """Stop; what is open stays open in its rows."""
        await self._hosts.close()
        self._driver.stop(patience_s=0.0)
        if self._running is not None:
            await asyncio.gather(self._running, return_exceptions=True)
        await self.reader.close()
        await self._store.close()

    async def connect(self, address: Address) -> None:
        """Have a link to the acquirer, and keep it; Unreachable when nobody listens there."""
        self._hosts.want({ACQUIRER: address})
        until = time.monotonic() + CONNECT_TIMEOUT_S
        refused = asyncio.create_task(_refused(address))
        while ACQUIRER not in self._links.hosts():
            if refused.done() or time.monotonic() > until:
                raise Unreachable(f"no acquirer answers at {address}: is `holdfast up` running, and --host right?")
            await asyncio.sleep(LOOK_EVERY_S)
        refused.cancel()

    async def device(self) -> Device | None:
        """The terminal as its rows say."""
        row: Device | None = await self.reader.row(DEVICES, self.settings.terminal_id)
        return row

    async def sale(self, trace_key: str) -> Sale | None:
        """A request as its row says."""
        row: Sale | None = await self.reader.row(SALES, trace_key)
        return row

    async def owed(self) -> list[Sale]:
        """What is told until it is answered, the oldest first."""
        rows: list[Sale] = await self.reader.select(SALES, {"delivery": OWED})
        return sorted(rows, key=lambda sale: sale.sequence)

    async def tell(self, name: str, arguments: Mapping[str, Any], actor: str, patience_s: float | None = None) -> Value:
        """One command, and its outcome as soon as there is one."""
        outcome: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
        caller = self._links.add_caller(lambda value: None if outcome.done() else outcome.set_result(value))
        self._driver.offer(Command(caller, name, arguments, actor))
        assert self._running is not None, "open() starts the driver"
        patience_s = patience_s or self.settings.patience_us / SECOND_US
        waited: set[asyncio.Future[Any]] = {outcome, self._running}
        try:
            await asyncio.wait(waited, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
            if not self._driver.refusing:
                await asyncio.wait(waited, timeout=ANSWER_MARGIN_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._links.drop(caller)
        if not outcome.done():
            self._why_stopped()
            if self._driver.refusing:
                return in_doubt(name)
            raise HoldfastError(f"terminal {self.settings.terminal_id} gave no outcome in {patience_s:.0f} s")
        return outcome.result()

    def _why_stopped(self) -> None:
        if self._running is not None and self._running.done() and not self._running.cancelled():
            error = self._running.exception()
            if error is not None:
                raise error

    async def ready(self, actor: str, patience_s: float) -> NotReady | None:
        """Signed on and nothing open; else the reason why not, after so many seconds at the most.

        A journal that was damaged is rebuilt from the register first. A reversal that waits goes out at once when there
        is a line again, however long its pause has grown. Parameters that the acquirer wants to set are fetched on the
        way.
        """
        until = time.monotonic() + patience_s
        hurried = asked_for = was_mending = False
        while True:
            device = await self.device()
            if device is None:
                return NotReady("declined", "this terminal was never loaded")
            if not device.tmk:
                return NotReady("declined", "the terminal's master key was lost with its journal: load it again")
            if was_mending and not device.mending:
                self._log(REBUILT)
            was_mending = bool(device.mending)
            if not device.signed_on and not device.in_flight:
                signed = await self.tell("sign-on", {}, actor)
                if signed["outcome"] != "approved":
                    return not_signed_on(signed)
                continue
            if device.mending and not device.in_flight:
                no = await self._rebuilt()
                if no is not None:
                    return no
                continue
            open_key = device.in_flight or device.reversal
            if not open_key and DOWNLOAD_NOTICE in device.notices and not asked_for:
                asked_for = True
                await self.tell("download", {}, SYSTEM)
                continue
            if not open_key:
                return None
            linked = ACQUIRER in self._links.hosts()
            if linked and not hurried and not device.in_flight:
                await self.tell("deliver", {}, SYSTEM)
            hurried = linked
            if time.monotonic() >= until:
                what = "in flight" if device.in_flight else "reversal not acknowledged"
                return NotReady("unknown", f"still open: {open_key} ({what})")
            await asyncio.sleep(LOOK_EVERY_S)

    async def _rebuilt(self) -> NotReady | None:
        """A journal that was mended is rebuilt from the register; else the reason why it was not."""
        value = await self.tell("rebuild", {}, SYSTEM, REBUILD_PATIENCE_S)
        device = await self.device()
        if value["outcome"] == "approved" and device is not None and not device.mending:
            self._log(recovered_in_words(int(value.get("recovered") or 0)))
            return None
        if device is not None and device.in_flight:
            # It was being asked already.
            return None
        says = f"the journal was damaged and is not rebuilt from the register: {value.get('reason') or 'no answer'}"
        outcome = "declined" if value["outcome"] == "declined" else "unknown"
        return NotReady(outcome, says, str(value.get("response_code") or ""))

    async def ask(self, name: str, arguments: Mapping[str, Any], actor: str) -> Value:
        """A business request; asked once more where only the sign-on was in the way. An advice is waited for."""
        value = await self.tell(name, arguments, actor)
        if value["outcome"] == "stored":
            return await self._registered(value)
        if value.get("response_code") not in SIGN_ON_CODES or name == "repeat":
            return value
        still_open = await self.ready(actor, self.settings.patience_us / SECOND_US)
        sale = await self.sale(value["trace_key"])
        if still_open is not None or sale is None or sale.outcome not in ("declined", "reversed"):
            return value
        return await self.tell(name, arguments, actor)

    async def _registered(self, value: Value) -> Value:
        """What became of an advice within a moment: registered, refused, or stored as before."""
        until = time.monotonic() + TOLD_WAIT_S
        while time.monotonic() < until and ACQUIRER in self._links.hosts():
            sale = await self.sale(value["trace_key"])
            if sale is not None and not sale.delivery:
                return {**value, **{name: new for name, new in believed(sale).items() if new is not None}}
            await asyncio.sleep(LOOK_EVERY_S)
        return value

    async def tell_all(self, patience_s: float) -> list[Sale]:
        """Try all that is told until it is answered, once at least; what still waits then."""
        owed = await self.owed()
        if not owed:
            return []
        await self.tell("deliver", {}, SYSTEM)
        until = time.monotonic() + patience_s
        while time.monotonic() < until:
            await asyncio.sleep(LOOK_EVERY_S)
            left = await self.owed()
            due: Due | None = await self.reader.row(DUE, TELL)
            if not left or due is None or due.attempts > len(left):
                return left
        return await self.owed()

    async def settle(self, actor: str) -> Value:
        """The batch is settled: what waits is tried first; after a sign-on that was missing, the same once more."""
        patience_s = self.settings.patience_us / SECOND_US
        await self.tell_all(patience_s)
        value = await self.tell("settle", {}, actor, SETTLEMENT_PATIENCE_S)
        device = await self.device()
        if value["outcome"] != "unknown" or device is None or device.signed_on:
            return value
        if await self.ready(actor, patience_s) is not None:
            return value
        return await self.tell("settle", {}, actor, SETTLEMENT_PATIENCE_S)

    async def waits(self) -> dict[str, Any]:
        """What is open: names and trace keys, for whoever asks what will still be done."""
        device, owed = await self.device(), await self.owed()
        keys = {name: getattr(device, name, "") for name in ("in_flight", "reversal", "settling")}
        return {**{name: key for name, key in keys.items() if key}, **({"told": owed_keys(owed)} if owed else {})}

    async def stay(self, actor: str) -> None:
        """Keep syncing until cancelled: sign on when needed, deliver what is open."""
        while True:
            no = await self.ready(actor, MINUTE_US / SECOND_US)
            if no is not None:
                self._log(no.says)
            await asyncio.sleep(1.0)


def not_signed_on(signed: Value) -> NotReady:
    """What the outcome of a sign-on that failed means."""
    says = f"sign-on: {signed.get('reason') or 'no answer'}"
    if signed.get(UNWRITTEN):
        return NotReady(str(signed["outcome"]), says)
    code = str(signed.get("response_code") or "")
    return NotReady("declined" if code else SILENT, says, code)


def owed_keys(owed: list[Sale]) -> list[str]:
    """The trace keys of what is told until it is answered."""
    return [sale.trace_key for sale in owed]


async def _refused(address: Address) -> None:
    """Ends at once when a connection is refused, and not before the patience is over otherwise."""
    try:
        if address.port:
            _, writer = await asyncio.open_connection(address.host, address.port)
        else:
            _, writer = await asyncio.open_unix_connection(address.host)
    except OSError:
        return
    writer.close()
    await asyncio.sleep(CONNECT_TIMEOUT_S)
