"""Who judges a world that has come to rest, by the invariants of the design and by folds of its own.

    I1  each receipt that said approved is about a request that is in force (the moment it was printed: `witness`)
    I2  for every trace key: terminal's belief = register = issuer's book, and both hosts fold a hold to the same acts
    I3  one key is one request, one exchange is one answer, a hold is completed once (`folds`)
    I4  postings sum to zero; every account lies where its holds put it; no money was made or lost
    I5  nothing is open and nothing waits (`witness`)
    I6  logs are gapless and verify down to the signature (`logbook`)
    I7  every row equals what the entries come to

A decision that failed is a complaint, and so is a finding that names nothing that nobody of ours could avoid: see
`findings`. Where one is named, the parties may differ on that request, and on nothing else.

Standard terminals are outside our control, and so their beliefs bind only where our parties gave them the answer. One
that ends a request at an approval or a sealed decline is right to do so: what it believes must be so at both hosts,
for ever. One that was refused without a seal (A0, 77, 97) has not been received as far as it can know, but a copy of
its message may have been: nothing follows. One whose reversal was acknowledged must find nothing in force. One that
gave its reversal up has forgotten: nothing follows for it, and the hosts must still agree with each other.
"""

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

from holdfast.domain.records import ACCOUNTS, ANSWERS, BATCHES, DEVICES, FREEZES, HOLDS, REQUESTS, SALES
from holdfast.domain.tables import Table
from holdfast.sim import amounts, ends, findings, not_found, own_rows, refusals
from holdfast.sim.facts import audit_currency, audit_hosts, audit_journal
from holdfast.sim.folds import entry_of
from holdfast.sim.labels import DEVICE_LOST, JOURNAL_TORN, TAKEN_BACK, Labels
from holdfast.sim.logbook import Complain, Facts, Given, Kept, read
from holdfast.sim.own_book import OwnAnswer, OwnBook
from holdfast.sim.own_journal import Former, OwnJournal
from holdfast.sim.own_register import ADVICE, BALANCE, CLAIM_MTI, OwnRegister
from holdfast.sim.standard import StandardTerminal
from holdfast.sim.witness import Receipt

MAC_FIELD = 64
OPEN = frozenset({"asked", "stored", "unknown"})
"""What a terminal believes of a request as long as it has something to do about it."""
WITHOUT_KEY = frozenset({"sign-on", "sign-off", "download", "expiry", "release"})
"""Kinds whose entries open no request, and say by being there that it was done."""


def beside(said: list[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
    """The acts of a hold, completions that follow each other in the order of their names.

    An advice is registered at once, also while the issuer is asked about another part: which of the two comes first
    is for each host to say, and moves the same money.
    """
    ordered: list[tuple[str, str, int]] = []
    for _, run in groupby(said, key=lambda act: act[0]):
        acts = list(run)
        ordered += sorted(acts) if acts[0][0] == "complete" else acts
    return ordered


class Auditor:
    """Audits one world; complaints are sentences that begin with the invariant."""

    def __init__(
        self, register: Kept, book: Kept, given: Given, complain: Complain, labels: Labels | None = None
    ) -> None:
        self._complain = complain
        self._labels = labels
        self._given = given
        self._register_rows, self._book_rows = register, book
        self.register = OwnRegister(_logs(register, "register", "acquirer", given, complain), complain)
        (log,) = _logs(book, "book", "issuer", given, complain)
        self.book = OwnBook(log, complain)
        self._by_trace: dict[str, list[tuple[str, OwnAnswer]]] = {}
        for exchange_id, answer in self.book.answers.items():
            if "#" not in exchange_id:
                self._by_trace.setdefault(answer.facts["trace_key"], []).append((exchange_id, answer))

    def hosts(self) -> None:
        """Acquirer and issuer: by themselves, and with each other."""
        self._odd("register", self.register.odd)
        self._odd("book", self.book.odd)
        named = findings.audit(self.register, self.book, self._labels, self._complain)
        for trace_key in sorted({*self.register.requests, *self._by_trace} - named):
            request = self.register.requests.get(trace_key)
            if not self._of_an_issuer(trace_key, request.hold_id if request else ""):
                self._same_request(trace_key)
        unlike = frozenset(self.register.requests[key].exchange_id for key in named if key in self.register.requests)
        for hold_id in sorted({*self.register.holds, *self.book.holds}):
            if not self._of_an_issuer(hold_id):
                self._same_hold(hold_id, unlike)
        self._money()
        amounts.audit(self.register, self._given, self._complain)
        audit_hosts(self.register, self.book, self._complain)
        of_both = self.register, self.book, self._given, self._labels or Labels(), self._complain
        refusals.audit(*of_both)
        ends.audit(*of_both)
        self._register_equals()
        self._book_equals()

    def _of_an_issuer(self, *about: str) -> bool:
        """An issuer that is not ours has another idea of this, and nobody need know."""
        return self._labels is not None and self._labels.of_the_issuer(*about)

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
        if request is not None and request.kind == BALANCE and request.outcome == "unknown":
            # Nothing depends on it.
            return
        approved = request is not None and request.outcome == "approved" and request.of_money
        state = request.outcome if request is not None else "not registered"
        if approved != bool(exchanges):
            inside = "in force" if exchanges else "not in force"
            self._complain(f"I2: {trace_key} is {state} in the register and {inside} in the book")
        elif exchanges and request is not None:
            exchange_id, answer = exchanges[0]
            booked = exchange_id, answer.facts["amount"], code_of(answer.facts)
            told = request.exchange_id, request.amount_minor, code_of(request.told)
            if booked != told:
                self._complain(f"I2: {trace_key}: the register says {told}, the book {booked}")

    def _same_hold(self, hold_id: str, unlike: frozenset[str]) -> None:
        ours, theirs = self.register.holds.get(hold_id), self.book.holds.get(hold_id)
        said = ours.said(unlike) if ours else []
        booked = theirs.said(unlike) if theirs else []
        if beside(said) != beside(booked):
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
        register, rows = self.register, self._register_rows
        self._equal(rows, REQUESTS, register.requests, own_rows.request_row, own_rows.request_own)
        self._equal(rows, HOLDS, register.holds, own_rows.hold_row, own_rows.hold_own)
        self._equal(rows, BATCHES, register.batches, own_rows.batch_row, own_rows.batch_own)

    def _book_equals(self) -> None:
        self._equal(self._book_rows, ANSWERS, self.book.answers, own_rows.answer_row, own_rows.answer_own)
        self._equal(self._book_rows, FREEZES, self.book.holds, own_rows.freeze_row, own_rows.freeze_own)

    def _equal(
        self,
        database: Kept,
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

    def ended(self) -> None:
        """At the very end no hold stands any more (I5)."""
        for whose, holds in (("acquirer", self.register.holds), ("issuer", self.book.holds)):
            for hold_id in sorted(holds):
                if holds[hold_id].state == "held":
                    self._complain(f"I5: hold {hold_id} still stands at the {whose} at the end")
        ends.undelivered(self.register, self._labels or Labels(), self._complain)

    def kinds(self) -> tuple[dict[str, int], frozenset[str]]:
        """How many requests of each kind are registered, and the kinds of which one was approved at least."""
        counts: dict[str, int] = {}
        approved: set[str] = set()
        for facts in self.register.entries:
            kind, opens = facts["kind"], "question" in facts or facts["kind"] in WITHOUT_KEY
            if opens and not facts.get("trace_key", "").endswith(CLAIM_MTI):
                counts[kind] = counts.get(kind, 0) + 1
            if facts.get("outcome") == "approved" or kind in WITHOUT_KEY:
                approved.add(kind)
        return counts, frozenset(approved)

    # --- terminals ------------------------------------------------------------------------------------------------

    def terminal(self, terminal_id: str, database: Kept, signer: str = "", former: Iterable[Former] = ()) -> None:
        """A terminal of ours: its journal, its rows, and what it believes; and so of the devices that it was before.

        Each signs in its own name, `signer` the present one, as a rule the terminal's. What a lost device had not
        closed does not bind: nobody will ever deliver it.
        """
        asked: set[str] = set()
        signed_on = rebuilt = 0
        for device in (*former, Former(database, signer or terminal_id, False)):
            journal = self._device(terminal_id, device)
            for key in sorted(asked & journal.of_its_own):
                self._complain(f"I3: {key} was asked by two devices of terminal {terminal_id}")
            asked.update(journal.asked)
            signed_on += journal.signed_on
            rebuilt += journal.rebuilt
        findings.of_devices(self.register, terminal_id, signed_on, self._complain)
        findings.of_mendings(self.register, terminal_id, rebuilt, self._labels, self._complain)
        for key, request in sorted(self.register.requests.items()):
            if key.startswith(terminal_id) and request.of_money and key not in asked and not self._is_gone(key):
                self._complain(f"I2: {key} is registered, and terminal {terminal_id} never asked it")

    def _is_gone(self, key: str) -> bool:
        """A journal has lost this request, and its device was lost before the register told it again."""
        labels = self._labels
        return labels is not None and labels.has(key, JOURNAL_TORN) and labels.has(key[:8], DEVICE_LOST)

    def _device(self, terminal_id: str, device: Former) -> OwnJournal:
        (log,) = _logs(device.database, terminal_id, device.name, self._given, self._complain)
        journal = OwnJournal(log)
        self._odd(terminal_id, journal.odd)
        for key, facts in journal.of_money.items():
            belief = journal.outcomes[key]
            if device.lost and belief in OPEN:
                continue
            if belief in ("asked", "stored") or (belief == "unknown" and facts["kind"] != BALANCE):
                self._complain(f"I5: terminal {terminal_id} still believes {key} to be {belief}")
            self._believes(key, belief, journal.told.get(key, facts), int(facts["amount"]))
            said = str(facts.get("original_code", "")), str(facts.get("original_date", ""))
            not_found.audit(self.register, self.register.requests.get(key), *said, self._complain)
        audit_journal(terminal_id, journal, self.register, self._complain)
        self._journal_equals(terminal_id, journal, device.database)
        if not device.lost:
            ends.of_cards(terminal_id, journal, device.database, self._complain)
        return journal

    def _believes(self, key: str, belief: str, told: Facts, amount_minor: int) -> None:
        request = self.register.requests.get(key)
        state = request.outcome if request is not None else "not registered"
        if request is not None and request.kind == BALANCE and belief != "approved":
            # An answer to it may be lost, and nobody minds.
            return
        if (belief == "approved") != self._stands(key):
            self._complain(f"I2: terminal believes {key} to be {belief}, in the register it is {state}")
        elif belief == "approved" and request is not None:
            # Where a reversal was answered that the request stands, its entry is what the slip names.
            said_by = self.register.requests.get(told["trace_key"], request) if told["phase"] == "stands" else request
            registered = request.amount_minor, entry_of(said_by.told)
            if registered != (amount_minor, told.get("register_entry")):
                self._complain(
                    f"I2: {key}: the terminal was told {told.get('register_entry')}, registered is {registered}"
                )

    def _stands(self, key: str) -> bool:
        """Whether it is registered as approved; an advice is also registered where somebody objects to it."""
        request = self.register.requests.get(key)
        if request is None:
            return False
        return request.outcome == "approved" or (request.kind == ADVICE and request.outcome == "claimed")

    def _journal_equals(self, terminal_id: str, journal: OwnJournal, database: Kept) -> None:
        rows = rows_of(database, SALES)
        for key in sorted({*rows, *journal.outcomes}):
            stored = rows[key].outcome if key in rows else None
            if stored != journal.outcomes.get(key):
                self._complain(f"I7: sales {key} is {stored}, its journal comes to {journal.outcomes.get(key)}")
        device = database.table(DEVICES).rows.get(terminal_id)
        own = journal.in_flight, journal.reversal, journal.settling, journal.stan
        if device is None or own != (device.in_flight, device.reversal, device.settling, device.stan):
            self._complain(f"I7: the device of {terminal_id} has other counters than its journal comes to: {own}")

    def standard(self, terminal: StandardTerminal) -> None:
        """A standard terminal: see above what binds."""
        for paper in terminal.papers:
            request = self.register.requests.get(paper.trace_key)
            state = request.outcome if request is not None else "not registered"
            stands = self._stands(paper.trace_key)
            said = paper.request.get(38), paper.request.get(61)[12:16]
            not_found.audit(self.register, request, *said, self._complain)
            audit_currency(paper.trace_key, paper.request, paper.answer, self._complain)
            sealed = paper.answer is not None and MAC_FIELD in paper.answer.fields
            gone = paper.outcome == "reversed" or (paper.outcome == "declined" and sealed)
            if paper.outcome in ("asked", "stored"):
                self._complain(f"I5: standard terminal still waits for {paper.trace_key}")
            elif (paper.outcome == "approved" and not stands) or (gone and stands and paper.kind.name != BALANCE):
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
            if self._labels is not None and self._labels.has(receipt.trace_key, TAKEN_BACK):
                # What came of it is what terminal and register agree on.
                continue
            request = self.register.requests.get(receipt.trace_key)
            if not self._stands(receipt.trace_key) or (request and request.amount_minor != receipt.amount_minor):
                state = request.outcome if request is not None else "not registered"
                self._complain(f"I1: a receipt says approved for {receipt.trace_key}, which is {state}")


def code_of(facts: Facts) -> str:
    """An authorization code without the padding that a host may give it."""
    return str(facts.get("authorization_code") or "").strip().lstrip("0")


def rows_of(database: Kept, table: Table) -> dict[str, Any]:
    """The rows of a table whose keys are text."""
    return {str(key): row for key, row in database.table(table).rows.items()}


def _logs(database: Kept, whose: str, installation: str, given: Given, complain: Complain) -> list[list[Facts]]:
    return [read(database.logs[name], whose, installation, given, complain) for name in sorted(database.logs)]
