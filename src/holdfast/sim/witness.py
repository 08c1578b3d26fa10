"""Who looks on while the world runs: at every receipt the moment it is printed, and at what is open once it has healed.

I1 is judged here, because afterwards nobody can tell whether an entry was durable before or after its receipt. The
receipt of a standard terminal names no entry: the RRN tells which request it is about.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

import orjson

from holdfast.domain.records import REQUESTS
from holdfast.domain.tables import DUE
from holdfast.sim.facts import audit_slip
from holdfast.sim.labels import Labels
from holdfast.sim.logbook import Facts, Kept
from holdfast.sim.own_register import ADVICE, BALANCE, OPENING, of_business

LATER = ("expire:", "release:")
"""What is not due within an hour: the end of a hold, and the rest of one that was completed."""


class Receipt(NamedTuple):
    """What stands on a receipt that says approved."""

    terminal_id: str
    trace_key: str
    amount_minor: int
    register_entry: str | None


class Clean(Protocol):
    """A till, as far as it can owe something."""

    name: str

    @property
    def clean(self) -> bool:
        """Whether nothing is open and nothing owed."""


class Witness:
    """Sees receipts and the acquirer's database."""

    def __init__(self, register: Kept, complain: Callable[[str], None], labels: Labels | None = None) -> None:
        self.receipts: list[Receipt] = []
        self._register = register
        self._complain = complain
        self._labels = labels or Labels()
        self._read: dict[str, int] = {}
        self._opened: dict[str, Facts] = {}
        self._approved: dict[str, Facts] = {}
        self._stands: dict[str, str] = {}
        """Entries that refuse a reversal because what it means stands, and what that is."""

    def receipt(self, terminal_id: str, told: Mapping[str, Any]) -> None:
        """A receipt that says approved is being printed: its entry must be durable now."""
        receipt = Receipt(terminal_id, told["trace_key"], told["amount"], told.get("register_entry"))
        self.receipts.append(receipt)
        self._read_on()
        facts = self._approved.get(receipt.trace_key)
        named = receipt.register_entry
        if facts is None:
            self._complain(f"I1: {terminal_id} printed approved for {receipt.trace_key}, and no entry says so")
        elif named is not None and receipt.trace_key != self._stands.get(named) and named != _entry_of(facts):
            self._complain(f"I1: the receipt for {receipt.trace_key} names {named}, which does not say approved")
        elif named is None and told.get("rrn", "") == "":
            self._complain(f"I1: the receipt for {receipt.trace_key} names nothing")
        if facts is not None:
            audit_slip(told, self._opened[receipt.trace_key], facts, self._complain)

    def _read_on(self) -> None:
        for name, log in self._register.logs.items():
            first = self._read.get(name, 0)
            for entry in log.entries[first:]:
                facts = orjson.loads(entry.body)
                if facts.get("phase") in OPENING and "trace_key" in facts:
                    self._opened[facts["trace_key"]] = facts
                if of_business(facts):
                    self._approved[facts["trace_key"]] = facts
                if facts.get("undoes") == "built upon":
                    self._stands[_entry_of(facts)] = facts["reverses"]
            self._read[name] = len(log.entries)

    def healed(self, tills: Iterable[Clean], issuer: Kept) -> None:
        """An hour after the last misfortune nothing may be in doubt any more (I5); holds may still wait to expire."""
        self._nothing_open("an hour after the world healed")
        for till in tills:
            if not till.clean:
                self._complain(f"I5: terminal {till.name} still owes something an hour after the world healed")
        for whose, database in (("acquirer", self._register), ("issuer", issuer)):
            for key in waiting(database):
                if not key.startswith(LATER) and not self._never_ends(key):
                    self._complain(f"I5: {whose}: {key} still waits an hour after the world healed")

    def quiet(self, databases: Mapping[str, Kept]) -> None:
        """At the very end nobody waits for anything (I5)."""
        self._nothing_open("at the end")
        for whose, database in databases.items():
            for key in waiting(database):
                if not self._never_ends(key):
                    self._complain(f"I5: {whose}: {key} still waits at the end")

    def _never_ends(self, key: str) -> bool:
        """A reversal that an issuer refuses for ever, because it booked more than it was asked, has its finding.

        What came after it about the same hold waits with it.
        """
        rows = self._register.table(REQUESTS).rows
        row = rows.get(key.partition(":")[2])
        if row is None or not self._labels.of_the_issuer(row.trace_key, row.hold_id or ""):
            return False
        return any(each.undo == "objected" and each.hold_id == row.hold_id for each in rows.values())

    def _nothing_open(self, when: str) -> None:
        rows = self._register.table(REQUESTS).rows
        for row in sorted(rows.values()):
            what = still_open(row)
            if what and not (row.delivery == "owed" and self._never_ends(f"tell:{row.trace_key}")):
                self._complain(f"I5: {what} {when}")


def still_open(row: Any) -> str:
    """What is open about a row of `requests`, "" when nothing is."""
    key = row.trace_key
    if row.outcome == "asked" or (row.outcome == "unknown" and row.kind != BALANCE):
        return f"request {key} is {row.outcome}"
    if row.undo == "owed":
        return f"the issuer is owed the reversal of {key}, which is {row.outcome},"
    return f"the issuer is owed the advice {key}" if row.delivery == "owed" and row.kind == ADVICE else ""


def waiting(database: Kept) -> list[str]:
    """The keys of all due rows."""
    return sorted(row.key for row in database.table(DUE).rows.values())


def _entry_of(facts: Facts) -> str:
    return f"{facts['log']}-{facts['number']:06d}"
