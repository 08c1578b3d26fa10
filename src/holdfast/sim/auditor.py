"""Who judges a world that has come to rest, by the invariants of the design and by folds of its own.

    I1  each receipt that said approved is about a request that is in force (the moment it was printed: `witness`)
    I2  for every trace key: terminal's belief = register = issuer's book, and both hosts fold a hold to the same acts
    I3  one key is one request, one exchange is one answer, a hold is completed once (`folds`)
    I4  postings sum to zero; every account lies where its holds put it; no money was made or lost
    I5  nothing is open and nothing waits (`witness`)
    I6  logs are gapless and verify down to the signature (`logbook`)
    I7  every row equals what the entries come to

In these worlds nobody outside our control forgets, doubles or refuses anything towards a host. So a finding is a
complaint, and so is a decision that failed.

Standard terminals are outside our control, and so their beliefs bind only where our parties gave them the answer. One
that ends a request at an approval or a sealed decline is right to do so: what it believes must be so at both hosts,
for ever. One that was refused without a seal (A0, 77, 97) has not been received as far as it can know, but a copy of
its message may have been: nothing follows. One whose reversal was acknowledged must find nothing in force. One that
gave its reversal up has forgotten: nothing follows for it, and the hosts must still agree with each other.
"""

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from holdfast.domain.records import ACCOUNTS, ANSWERS, DEVICES, FREEZES, HOLDS, REQUESTS, SALES
from holdfast.domain.tables import Table
from holdfast.sim.folds import OwnAnswer, OwnBook, OwnHold, OwnJournal, OwnRegister, OwnRequest
from holdfast.sim.logbook import Complain, Facts, read
from holdfast.sim.standard import StandardTerminal
from holdfast.sim.witness import Receipt
from holdfast.store.memory_database import MemoryDatabase

MAC_FIELD = 64


class Auditor:
    """Audits one world; complaints are sentences that begin with the invariant."""

    def __init__(self, register: MemoryDatabase, book: MemoryDatabase, complain: Complain) -> None:
        self._complain = complain
        self._register_rows, self._book_rows = register, book
        self.register = OwnRegister(_logs(register, "register", "acquirer", complain), complain)
        (log,) = _logs(book, "book", "issuer", complain)
        self.book = OwnBook(log, complain)
        self._by_trace: dict[str, list[tuple[str, OwnAnswer]]] = {}
        for exchange_id, answer in self.book.answers.items():
            if not exchange_id.endswith("#undo"):
                self._by_trace.setdefault(answer.facts["trace_key"], []).append((exchange_id, answer))

    def hosts(self) -> None:
        """Acquirer and issuer: by themselves, and with each other."""
        self._odd("register", self.register.odd)
        self._odd("book", self.book.odd)
        for trace_key in sorted({*self.register.requests, *self._by_trace}):
            self._same_request(trace_key)
        for hold_id in sorted({*self.register.holds, *self.book.holds}):
            self._same_hold(hold_id)
        self._money()
        self._register_equals()
        self._book_equals()

    def _odd(self, whose: str, odd: Iterable[Facts]) -> None:
        for facts in odd:
            what = facts.get("reason", "no reason given")
            self._complain(f"I2: {whose}: {facts['kind']} {facts['log']}-{facts['number']:06d}: {what}")

    # --- I2: the hosts with each other ----------------------------------------------------------------------------

    def _same_request(self, trace_key: str) -> None:
        request = self.register.requests.get(trace_key)
        exchanges = [
            (exchange_id, answer) for exchange_id, answer in self._by_trace.get(trace_key, ()) if answer.in_force
        ]
        if len(exchanges) > 1:
            self._complain(f"I3: {trace_key} is in force {len(exchanges)} times in the book")
        approved = request is not None and request.outcome == "approved" and request.opened["kind"] != "reversal"
        state = request.outcome if request is not None else "not registered"
        if approved != bool(exchanges):
            inside = "in force" if exchanges else "not in force"
            self._complain(f"I2: {trace_key} is {state} in the register and {inside} in the book")
        elif exchanges and request is not None:
            exchange_id, answer = exchanges[0]
            booked = exchange_id, answer.facts["amount"], answer.facts.get("authorization_code")
            told = request.exchange_id, request.amount_minor, request.told.get("authorization_code")
            if booked != told:
                self._complain(f"I2: {trace_key}: the register says {told}, the book {booked}")

    def _same_hold(self, hold_id: str) -> None:
        ours, theirs = self.register.holds.get(hold_id), self.book.holds.get(hold_id)
        said = ours.said() if ours else []
        booked = theirs.said() if theirs else []
        if said != booked:
            self._complain(f"I2: hold {hold_id}: in force at the acquirer is {said}, at the issuer {booked}")

    # --- I4 -------------------------------------------------------------------------------------------------------

    def _money(self) -> None:
        expected = self.book.expected()
        rows = rows_of(self._book_rows, ACCOUNTS)
        for account_id in sorted({*expected, *rows}):
            posted, row = self.book.accounts.get(account_id), rows.get(account_id)
            if posted != expected.get(account_id):
                self._complain(
                    f"I4: account {account_id} was posted {posted}, its holds want {expected.get(account_id)}"
                )
            if row is None or posted != {"available": row.available_minor, "held": row.held_minor}:
                self._complain(f"I4: account {account_id} has another balance than its postings {posted}")
        if sum(row.available_minor + row.held_minor for row in rows.values()) != 0:
            self._complain("I4: money was made or lost")

    # --- I7 -------------------------------------------------------------------------------------------------------

    def _register_equals(self) -> None:
        self._equal(self._register_rows, REQUESTS, self.register.requests, _request_row, _request_own)
        self._equal(self._register_rows, HOLDS, self.register.holds, _hold_row, _hold_own)

    def _book_equals(self) -> None:
        self._equal(self._book_rows, ANSWERS, self.book.answers, _answer_row, _answer_own)
        self._equal(self._book_rows, FREEZES, self.book.holds, _freeze_row, _freeze_own)

    def _equal(
        self,
        database: MemoryDatabase,
        table: Table,
        own: dict[str, Any],
        of_row: Callable[[Any], tuple[Any, ...]],
        of_own: Callable[[Any], tuple[Any, ...]],
    ) -> None:
        rows = rows_of(database, table)
        for key in sorted({*rows, *own}):
            stored = of_row(rows[key]) if key in rows else None
            rebuilt = of_own(own[key]) if key in own else None
            if stored != rebuilt:
                self._complain(f"I7: {table.name} {key} is {stored}, its entries come to {rebuilt}")

    # --- terminals ------------------------------------------------------------------------------------------------

    def terminal(self, terminal_id: str, database: MemoryDatabase) -> None:
        """A terminal of ours: its journal, its rows, and what it believes."""
        (log,) = _logs(database, terminal_id, terminal_id, self._complain)
        journal = OwnJournal(log)
        self._odd(terminal_id, journal.odd)
        for key, facts in journal.asked.items():
            if facts["kind"] in ("sign-on", "reversal"):
                continue
            if journal.outcomes[key] in ("asked", "unknown"):
                self._complain(f"I5: terminal {terminal_id} still believes {key} to be {journal.outcomes[key]}")
            self._believes(key, journal.outcomes[key], journal.told.get(key, facts), int(facts["amount"]))
        for key in sorted(self.register.requests):
            if key.startswith(terminal_id) and key not in journal.asked:
                self._complain(f"I2: {key} is registered, and terminal {terminal_id} never asked it")
        self._journal_equals(terminal_id, journal, database)

    def _believes(self, key: str, belief: str, told: Facts, amount_minor: int) -> None:
        request = self.register.requests.get(key)
        state = request.outcome if request is not None else "not registered"
        if (belief == "approved") != (state == "approved"):
            self._complain(f"I2: terminal believes {key} to be {belief}, in the register it is {state}")
        elif belief == "approved" and request is not None:
            facts = request.told
            registered = request.amount_minor, f"{facts['log']}-{facts['number']:06d}"
            if registered != (amount_minor, told.get("register_entry")):
                self._complain(
                    f"I2: {key}: the terminal was told {told.get('register_entry')}, registered is {registered}"
                )

    def _journal_equals(self, terminal_id: str, journal: OwnJournal, database: MemoryDatabase) -> None:
        rows = rows_of(database, SALES)
        for key in sorted({*rows, *journal.outcomes}):
            stored = rows[key].outcome if key in rows else None
            if stored != journal.outcomes.get(key):
                self._complain(f"I7: sales {key} is {stored}, its journal comes to {journal.outcomes.get(key)}")
        device = database.table(DEVICES).rows.get(terminal_id)
        own = journal.in_flight, journal.reversal, journal.stan
        if device is None or own != (device.in_flight, device.reversal, device.stan):
            self._complain(f"I7: the device of {terminal_id} has other counters than its journal comes to: {own}")

    def standard(self, terminal: StandardTerminal) -> None:
        """A standard terminal: see above what binds."""
        for paper in terminal.papers:
            request = self.register.requests.get(paper.trace_key)
            state = request.outcome if request is not None else "not registered"
            sealed = paper.answer is not None and MAC_FIELD in paper.answer.fields
            gone = paper.outcome == "reversed" or (paper.outcome == "declined" and sealed)
            if paper.outcome == "asked":
                self._complain(f"I5: standard terminal still waits for {paper.trace_key}")
            elif (paper.outcome == "approved" and state != "approved") or (gone and state == "approved"):
                self._complain(
                    f"I2: standard terminal believes {paper.trace_key} {paper.outcome}, registered is {state}"
                )
            elif paper.outcome == "approved" and request is not None and request.amount_minor != paper.amount_minor:
                self._complain(
                    f"I2: {paper.trace_key}: {paper.amount_minor} on paper, {request.amount_minor} registered"
                )

    def receipts(self, receipts: Iterable[Receipt]) -> None:
        """Whatever was printed as approved is in force (I1)."""
        for receipt in receipts:
            request = self.register.requests.get(receipt.trace_key)
            if request is None or request.outcome != "approved" or request.amount_minor != receipt.amount_minor:
                state = request.outcome if request is not None else "not registered"
                self._complain(f"I1: a receipt says approved for {receipt.trace_key}, which is {state}")


def rows_of(database: MemoryDatabase, table: Table) -> dict[str, Any]:
    """The rows of a table whose keys are text."""
    return {str(key): row for key, row in database.table(table).rows.items()}


def _logs(database: MemoryDatabase, whose: str, installation: str, complain: Complain) -> list[list[Facts]]:
    return [read(database.logs[name], whose, installation, complain) for name in sorted(database.logs)]


def _request_row(row: Any) -> tuple[Any, ...]:
    return row.kind, row.outcome, row.response_code, row.entry, row.asked_entry, row.undo, row.amount_minor, row.hold_id


def _request_own(own: OwnRequest) -> tuple[Any, ...]:
    facts, told = own.opened, own.told
    hold_id = told["hold"]["id"] if told is not facts and "hold" in told else facts.get("hold_id")
    entry = f"{told['log']}-{told['number']:06d}"
    undo = "done" if own.owed else ""
    return (
        facts["kind"],
        own.outcome,
        told.get("response_code"),
        entry,
        own.exchange_id,
        undo,
        own.amount_minor,
        hold_id,
    )


def _hold_row(row: Any) -> tuple[Any, ...]:
    return row.version, row.state, orjson.loads(row.acts), row.completed_minor, row.expires_us, row.requested_minor


def _hold_own(own: OwnHold) -> tuple[Any, ...]:
    requested_minor = own.changes[0]["hold"]["act"][2]
    return len(own.changes), own.state, own.acts, own.completed_minor, own.terms.get("expires"), requested_minor


def _freeze_row(row: Any) -> tuple[Any, ...]:
    return (*_hold_row(row), row.held_minor, row.frozen_minor)


def _freeze_own(own: OwnHold) -> tuple[Any, ...]:
    frozen_minor = own.terms["frozen"]
    return (*_hold_own(own), frozen_minor if own.state == "held" else 0, frozen_minor)


def _answer_row(row: Any) -> tuple[Any, ...]:
    return row.outcome, row.response_code, row.entry, row.amount_minor


def _answer_own(own: OwnAnswer) -> tuple[Any, ...]:
    return own.outcome, own.facts["response_code"], own.entry, own.facts["amount"]
