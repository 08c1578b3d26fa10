"""The simulator's auditor on what a real installation recorded: it is content, and sees whatever is changed in it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from holdfast.domain.records import ACCOUNTS, DEVICES, HOLDS, REQUESTS, SALES
from holdfast.sim.evidence import Evidence, Stored, StoredLog, StoredRows
from tests.system.chaos.audit import audited, evidence_of
from tests.system.installation import Installation

Recorded = tuple[Evidence, str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def recorded(shared: Installation) -> Recorded:
    """What everybody recorded of a terminal that placed a hold and completed it, and what its cashier was told."""
    terminal_id, pan = shared.new_terminal(), shared.new_card()
    shared.load_key(terminal_id)
    hold = shared.terminal(terminal_id, "pre-auth", "--amount", "500.00", "--card", pan).json
    original = ("--original", hold["authorization_code"], "--card", pan)
    done = shared.terminal(terminal_id, "complete", "--amount", "460.50", *original).json
    return asyncio.run(evidence_of(shared, [terminal_id])), terminal_id, [hold, done]


def said(evidence: Evidence, told: dict[str, list[dict[str, Any]]]) -> set[str]:
    return set(audited(evidence, told).complaints)


def about(complaints: set[str], terminal_id: str) -> list[str]:
    """Other tests use the installation too, also such as break the rules: what they did is none of ours."""
    return [complaint for complaint in complaints if terminal_id in complaint]


def test_what_agrees_is_no_complaint_and_is_counted(recorded: Recorded) -> None:
    evidence, terminal_id, told = recorded
    found = audited(evidence, {terminal_id: told})
    assert about(set(found.complaints), terminal_id) == []
    assert (found.answered_rows, found.receipts) == (2, 2)
    assert found.kinds["completion"] == 1


def with_row(stored: Stored, table: Any, key: Any, row: Any) -> Stored:
    """The same with another row, or none."""
    rows = {**stored.tables[table.name].rows, key: row}
    kept = {each: value for each, value in rows.items() if value is not None}
    return stored._replace(tables={**stored.tables, table.name: StoredRows(kept)})


def with_log(stored: Stored, name: str, change: Callable[[StoredLog], StoredLog]) -> Stored:
    return stored._replace(logs={**stored.logs, name: change(stored.logs[name])})


def row_of(stored: Stored, table: Any, key: Any) -> Any:
    return stored.tables[table.name].rows[key]


def without_last_entry(log: StoredLog) -> StoredLog:
    return log._replace(entries=log.entries[:-1])


def with_another_seal(log: StoredLog) -> StoredLog:
    checkpoint = max(log.checkpoints.values())
    forged = checkpoint._replace(signed=checkpoint.signed.replace("\n\n", "0\n\n", 1))
    return log._replace(checkpoints={**log.checkpoints, forged.size: forged})


def spoilt_register(evidence: Evidence, key: str, change: Callable[[Stored, Any], Stored]) -> Evidence:
    return evidence._replace(register=change(evidence.register, row_of(evidence.register, REQUESTS, key)))


def spoilt_journal(evidence: Evidence, change: Callable[[Stored], Stored]) -> Evidence:
    [(terminal_id, journal)] = evidence.journals.items()
    return evidence._replace(journals={terminal_id: change(journal)})


def richer(book: Stored) -> Stored:
    account = min(row_of(book, ACCOUNTS, key) for key in book.tables[ACCOUNTS.name].rows)
    return with_row(book, ACCOUNTS, account.account_id, account._replace(held_minor=account.held_minor + 1))


def another_device(journal: Stored, terminal_id: str) -> Stored:
    device = row_of(journal, DEVICES, terminal_id)
    return with_row(journal, DEVICES, terminal_id, device._replace(stan=device.stan + 1))


SPOILT: dict[str, tuple[str, Callable[[Evidence, str, str], Evidence]]] = {
    "a request is another": (
        "I7",
        lambda e, t, key: spoilt_register(
            e, key, lambda s, row: with_row(s, REQUESTS, key, row._replace(outcome="declined"))
        ),
    ),
    "a request is gone": (
        "I7",
        lambda e, t, key: spoilt_register(e, key, lambda s, r: with_row(s, REQUESTS, key, None)),
    ),
    "a request is open": (
        "I5",
        lambda e, t, key: spoilt_register(
            e, key, lambda s, row: with_row(s, REQUESTS, key, row._replace(outcome="unknown"))
        ),
    ),
    "a hold is gone": (
        "I7",
        lambda e, t, key: spoilt_register(e, key, lambda s, row: with_row(s, HOLDS, row.hold_id, None)),
    ),
    "an entry of the register is gone": (
        "I6",
        lambda e, t, key: e._replace(register=with_log(e.register, min(e.register.logs), without_last_entry)),
    ),
    "the book is shorter": ("I6", lambda e, t, key: e._replace(book=with_log(e.book, "I", without_last_entry))),
    "a seal is forged": ("I6", lambda e, t, key: e._replace(book=with_log(e.book, "I", with_another_seal))),
    "money was made": ("I4", lambda e, t, key: e._replace(book=richer(e.book))),
    "a journal is shorter": ("I6", lambda e, t, key: spoilt_journal(e, lambda s: with_log(s, "J", without_last_entry))),
    "a sale is gone": ("I7", lambda e, t, key: spoilt_journal(e, lambda s: with_row(s, SALES, key, None))),
    "a counter is another": ("I7", lambda e, t, key: spoilt_journal(e, lambda s: another_device(s, t))),
    "others signed": ("I6", lambda e, t, key: e._replace(signers=dict.fromkeys(e.signers, bytes(32)))),
}


@pytest.mark.parametrize("what", SPOILT)
def test_what_is_changed_is_seen(recorded: Recorded, what: str) -> None:
    evidence, terminal_id, told = recorded
    invariant, spoil = SPOILT[what]
    usual = said(evidence, {terminal_id: told})
    found = said(spoil(evidence, terminal_id, told[0]["trace_key"]), {terminal_id: told}) - usual
    assert invariant in {complaint[:2] for complaint in found}


@pytest.mark.parametrize(
    ("change", "invariant"),
    [
        ({"amount": 1}, "I1"),
        ({"trace_key": "S0000000/000001/000001/0100"}, "I1"),
        ({"register_entry": "A-999999"}, "I1"),
        ({"outcome": "declined"}, "I2"),
    ],
)
def test_what_a_cashier_was_told_otherwise_is_seen(recorded: Recorded, change: dict[str, Any], invariant: str) -> None:
    evidence, terminal_id, told = recorded
    usual = said(evidence, {terminal_id: told})
    found = said(evidence, {terminal_id: [told[0] | change]}) - usual
    assert {complaint[:2] for complaint in found} == {invariant}
