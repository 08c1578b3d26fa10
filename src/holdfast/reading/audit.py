"""`register verify`: a party's logs are checked, its rows rebuilt from them, and both compared with what is stored.

It runs beside a party that goes on writing, and never takes a change for a fault:

1. Read the heads of all logs, one question, and follow the logs up to there: that is the long part.
2. Read the heads again and follow up to there. Then scan the stored rows. A scan is one consistent view, taken at some
   moment after these heads. A row that is not as rebuilt is not yet wrong, but in doubt: it may have changed since.
3. Read the heads once more and follow. What a scan saw lies between the two heads, so a stored row in doubt must be
   one of the versions that its entries make in between. What stays in doubt is wrong.
4. Add up the rebuilt rows: money and totals must agree over all of them together (`sums`).
"""

from collections.abc import Sequence
from functools import partial
from sqlite3 import Error as SqliteError
from typing import NamedTuple

from holdfast.clock import rfc3339
from holdfast.domain.generations import is_of
from holdfast.domain.records import Answer, Batch, Freeze, Hold, Request
from holdfast.domain.tables import DUE, Row, Table
from holdfast.errors import RegisterBroken
from holdfast.ids import entry_id
from holdfast.reading.log_audit import LogAudit, Problems
from holdfast.reading.order import in_order
from holdfast.reading.rebuild import Book, Facts, OpenOrders, Place
from holdfast.reading.workbook import Workbook
from holdfast.register import checkpoint as notes
from holdfast.register.restoration import Ended, Restoration, ending_of, is_restoration
from holdfast.register.restoration import verify as verify_restoration
from holdfast.store.interface import Reader

FIELDS_TOLD_MAX = 3
"""So many differing fields of a row are named."""


class CheckedLog(NamedTuple):
    """One log as far as it was checked; `root` is that of its head, hex."""

    log: str
    size: int
    root: str


class Audited(NamedTuple):
    """What an audit found; `problems` are whole sentences, and so are `notes`: what is no fault, but must be known."""

    entries: int
    logs: list[CheckedLog]
    problems: list[str]
    notes: list[str]

    @property
    def ok(self) -> bool:
        """Whether there is nothing wrong."""
        return not self.problems


async def verify(reader: Reader, book: Book, public_key: bytes, kept: Sequence[str] = ()) -> Audited:
    """Audit one party. `public_key` (32 bytes) is the signer of the installation. StoreError when it cannot be read.

    `kept` are signed checkpoints, of any log, that lay outside the database before this began: none may be gainsaid,
    save by a signed note, among them, that says where a restore ended a log.
    """
    audit = _Audit(reader, book, public_key)
    audit.remember(kept)
    try:
        try:
            await audit.run()
        except RegisterBroken as broken:
            audit.problems.add(f"{book.party}: {broken}")
        return audit.result()
    finally:
        audit.workbook.close()


class _Audit:
    def __init__(self, reader: Reader, book: Book, public_key: bytes) -> None:
        self._reader = reader
        self._book = book
        self._public_key = public_key
        self._logs: dict[str, LogAudit] = {}
        self._kept: dict[str, dict[int, notes.Checkpoint]] = {}
        """Checkpoints from outside the database, by log and size."""
        self._restorations: list[Restoration] = []
        self._doubts: dict[Place, Row | None] = {}
        """Rows as they are stored (None: not there), where they are not as rebuilt."""
        self._notes: list[str] = []
        self._open_orders = OpenOrders()
        self.problems = Problems()
        self.workbook = Workbook(book.tables)

    def remember(self, kept: Sequence[str]) -> None:
        """Take over those of this party's logs."""
        for text in kept:
            try:
                if is_restoration(text):
                    self._restorations.append(verify_restoration(text, self._public_key))
                    continue
                said = notes.verify(text, self._public_key)
            except RegisterBroken as broken:
                self.problems.add(f"a checkpoint that was kept beside the keys: {broken}")
                continue
            if is_of(said.log, self._book.logs):
                self._kept.setdefault(said.log, {})[said.size] = said

    async def run(self) -> None:
        await self._follow()
        await self._follow()
        for table in self._book.tables:
            await self._compare(table)
        await self._follow()
        for log in self._logs.values():
            ending = ending_of(self._restorations, log.log)
            await log.beyond(ending[1].size if ending else None)
        self._tell_lost()
        await self._tell_headless()
        for place in sorted(self._doubts, key=lambda place: (place[0].name, place[1])):
            stored, rebuilt = self._doubts[place], self.workbook.get(place)
            if not self._open_orders.excuse(place, stored, rebuilt):
                self.problems.add(_difference(place, stored, rebuilt))
        for sentence in self._book.sums(self.workbook.rows):
            self.problems.add(sentence)

    def result(self) -> Audited:
        logs = [CheckedLog(log.log, log.size, log.root.hex()) for log in self._logs.values()]
        return Audited(sum(log.size for log in logs), logs, self.problems.told(), self._notes)

    # --- logs -----------------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Check all logs up to their present heads, and apply what their entries say."""
        heads = {head.log: head for head in await self._reader.logs()}
        streams = {name: self._log(name).follow(head) for name, head in heads.items()}
        ready = partial(self._book.ready, self.workbook)
        async for facts in in_order(streams, lambda facts: int(facts["at"]), ready):
            self._apply(facts)

    def _log(self, name: str) -> LogAudit:
        if name not in self._logs:
            self._logs[name] = LogAudit(self._reader, name, self._public_key, self.problems, self._kept.get(name, {}))
        return self._logs[name]

    def _apply(self, facts: Facts) -> None:
        name = entry_id(facts["log"], facts["number"])
        try:
            complaint = self._book.complaint(facts)
            if complaint is not None:
                self.problems.add(f"{name}: {complaint}")
            self._open_orders.note(facts)
            for place, row in self._book.changes(self.workbook, facts).items():
                self.workbook.put(place, row)
                if place in self._doubts and self._doubts[place] == row:
                    del self._doubts[place]
        except (KeyError, ValueError, TypeError, IndexError, AttributeError, AssertionError, SqliteError) as error:
            # An entry that the party itself wrote follows from those before it; whatever else it says is a fault.
            self.problems.add(f"{name}: does not follow from the entries before it ({_one_line(error)})")

    async def _tell_headless(self) -> None:
        """A log whose head was removed would not even be listed."""
        suspects = [
            name
            for name in sorted({*self._book.logs, *self._kept})
            if name not in self._logs
            and (
                (name in self._kept and ending_of(self._restorations, name) is None)
                or await self._reader.entries(name, 1, 1)
                or await self._reader.checkpoint(name, 0) is not None
            )
        ]
        # One that another worker has just begun has its head by now.
        listed = {head.log for head in await self._reader.logs()}
        for name in suspects:
            if name not in listed:
                self.problems.add(f"log {name} has entries or checkpoints, but no head")

    def _tell_lost(self) -> None:
        """What was signed once and is not here, because the register was restored from a backup made before."""
        named = {ended.log for restoration in self._restorations for ended in restoration.ended}
        for log in sorted(log for log in named if is_of(log, self._book.logs)):
            ending = ending_of(self._restorations, log)
            assert ending is not None, "one of them names it"
            restoration, ended = ending
            known = max([ended.known, *self._kept.get(log, ())])
            if known > ended.size:
                self._notes.append(lost_in_restore(restoration, ended._replace(known=known)))

    # --- rows -----------------------------------------------------------------------------------------------------

    async def _compare(self, table: Table) -> None:
        """Walk the stored and the rebuilt rows of a table side by side, both by key."""
        rebuilt = self.workbook.rows(table)
        due = next(rebuilt, None)
        async for row in self._reader.scan(table):
            stored = self._book.comparable(row)
            while due is not None and due[0] < stored[0]:
                self._doubts[table, due[0]] = None
                due = next(rebuilt, None)
            if due is not None and due[0] == stored[0]:
                if due != stored:
                    self._doubts[table, stored[0]] = stored
                due = next(rebuilt, None)
            elif not self._book.may_stay(self.workbook, stored):
                self._doubts[table, stored[0]] = stored
        while due is not None:
            self._doubts[table, due[0]] = None
            due = next(rebuilt, None)


def lost_in_restore(restoration: Restoration, ended: Ended) -> str:
    """One sentence about what a restore did not bring back."""
    entries = f"entry {ended.lost} was" if ended.known == ended.size + 1 else f"entries {ended.lost} were"
    at, backup_at = rfc3339(restoration.at_us), rfc3339(restoration.backup_us)
    return (
        f"restored at {at} from a backup of {backup_at}: {entries} lost in the restore; "
        "they were signed, so terminals and issuers may know of them"
    )


def _difference(place: Place, stored: Row | None, rebuilt: Row | None) -> str:
    """One sentence about a stored row that is not as its entries make it."""
    table, key = place
    name = f"row {key.hex() if isinstance(key, bytes) else key} of {table.name}{_entry_of(rebuilt or stored)}"
    if stored is None:
        return f"{name} is missing{': nothing would see to it' if table is DUE else ''}"
    if rebuilt is None:
        return f"{name} is there, but no entry says so"
    fields = [field for field, is_, said in zip(stored._fields, stored, rebuilt, strict=True) if is_ != said]
    told = [f"{f} is {_shown(getattr(stored, f))}, not {_shown(getattr(rebuilt, f))}" for f in fields]
    more = f" and {len(told) - FIELDS_TOLD_MAX} more" if len(told) > FIELDS_TOLD_MAX else ""
    return f"{name} is not what its entries say: {', '.join(told[:FIELDS_TOLD_MAX])}{more}"


def _entry_of(row: Row) -> str:
    """The entry to look at for this row."""
    if isinstance(row, Request | Answer):
        return f" ({row.entry})"
    return f" (version {row.version})" if isinstance(row, Hold | Freeze | Batch) else ""


def _shown(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else repr(value)


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
