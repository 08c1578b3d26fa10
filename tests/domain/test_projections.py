"""How entries become rows: each phase of a request, and each change of a hold."""

from typing import Any

import pytest

from holdfast.domain.hold import load
from holdfast.domain.projections import (
    batch_after,
    continued,
    hold_after,
    new_batch,
    opened,
    placed,
    rebuilt,
    reversed_by,
    side_of,
)
from holdfast.domain.records import BATCHES, HOLDS, REQUESTS, Hold, Request

ASKED: dict[str, Any] = {
    "log": "A",
    "number": 7,
    "at": 1_000,
    "kind": "pre-authorization",
    "phase": "asked",
    "outcome": "asked",
    "trace_key": "T0000001/000002/000003/0100",
    "question": "00" * 16,
    "terminal_id": "T0000001",
    "merchant_id": "102100070110001",
    "actor": "01",
    "business_date": "2026-11-22",
    "token": "token1",
    "card": "622000******0019",
    "issuer": "01020000",
    "amount": 500_00,
    "currency": "156",
    "rrn": "A00000000007",
    "hold_id": "A-000007",
}
LATER = {"log": "B", "number": 9, "at": 2_000, "trace_key": ASKED["trace_key"]}
PLACE = ["place", "A-000007", 500_00, {"code": "123456", "on": "2026-11-22", "expires_us": 9_000}]
HOLD = {"id": "A-000007", "version": 1, "act": PLACE}
APPROVED = {**LATER, "phase": "answered", "outcome": "approved", "response_code": "00", "authorization_code": "123456"}


def asked(**changed: Any) -> Request:
    return opened(ASKED)._replace(**changed)


def test_an_entry_opens_a_request() -> None:
    request = opened(ASKED)
    assert (request.entry, request.asked_entry, request.at_us, request.answered_us) == (
        "A-000007",
        "A-000007",
        1_000,
        0,
    )
    assert (request.echoes, request.undo, request.sequence, request.response_code) == ("pre-authorization", "", 0, None)


@pytest.mark.parametrize("outcome", ["declined", "tombstone"])
def test_what_we_decide_ourselves_is_answered_at_once(outcome: str) -> None:
    request = opened({**ASKED, "outcome": outcome, "response_code": "22", "sequence": 5, "echoes": "void"})
    assert (request.answered_us, request.response_code, request.sequence, request.echoes) == (1_000, "22", 5, "void")


PHASES: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({}, {**APPROVED, "hold": HOLD}, {"outcome": "approved", "authorization_code": "123456", "entry": "B-000009"}),
    (
        {},
        {**LATER, "phase": "answered", "outcome": "declined", "response_code": "22", "undo": "owed", "reason": "why"},
        {"outcome": "declined", "undo": "owed", "reason": "why", "response_code": "22", "entry": "B-000009"},
    ),
    (
        {},
        {**LATER, "phase": "unknown", "response_code": "98", "undo": "owed"},
        {"outcome": "unknown", "undo": "owed", "entry": "B-000009"},
    ),
    (
        {},
        {**LATER, "phase": "unknown", "response_code": "98"},
        {"outcome": "unknown", "undo": "", "entry": "B-000009"},  # nothing is undone that moved nothing
    ),
    (
        {},
        {**APPROVED, "hold": HOLD, "delivery": "owed"},
        {"outcome": "approved", "delivery": "owed"},
    ),
    (
        {"outcome": "approved", "delivery": "owed"},
        {**LATER, "phase": "delivered"},
        {"outcome": "approved", "delivery": "done", "entry": "A-000007"},
    ),
    (
        {"outcome": "approved", "delivery": "owed"},
        {**LATER, "phase": "disputed", "reason": "why"},
        {"outcome": "claimed", "delivery": "objected", "reason": "why", "entry": "A-000007"},
    ),
    ({"outcome": "unknown"}, {**LATER, "phase": "late", "undo": "owed"}, {"outcome": "unknown", "undo": "owed"}),
    (
        {"outcome": "unknown"},
        {**LATER, "phase": "objected", "undo": "objected"},
        {"outcome": "unknown", "undo": "objected"},
    ),
    (
        {"outcome": "unknown"},
        {**LATER, "phase": "undone"},
        {"outcome": "reversed", "undo": "done", "entry": "A-000007"},
    ),
    ({"outcome": "declined"}, {**LATER, "phase": "undone"}, {"outcome": "declined", "undo": "done"}),
    ({"outcome": "reversed"}, {**LATER, "phase": "undone"}, {"outcome": "reversed", "undo": "done"}),
]


@pytest.mark.parametrize(("before", "facts", "after"), PHASES)
def test_a_request_goes_on(before: dict[str, Any], facts: dict[str, Any], after: dict[str, Any]) -> None:
    request = continued(asked(**before), facts)
    assert {name: getattr(request, name) for name in after} == after


def test_no_other_phase_goes_on() -> None:
    with pytest.raises(AssertionError, match="no such phase"):
        continued(asked(), {**LATER, "phase": "invented"})


@pytest.mark.parametrize(("undo", "after"), [("", "owed"), ("owed", "owed"), ("done", "done")])
def test_a_reversal_takes_a_request_out_of_force(undo: str, after: str) -> None:
    request = reversed_by(asked(undo=undo, delivery="owed"), {"undoes": "taken out", "undo": "owed"})
    assert (request.outcome, request.undo, request.delivery) == ("reversed", after, "")


@pytest.mark.parametrize("undoes", ["built upon", "nothing"])
def test_a_reversal_that_takes_nothing_out_leaves_its_original_alone(undoes: str) -> None:
    reversal = {**ASKED, "kind": "reversal", "number": 8, "trace_key": "T0000001/000002/000003/0400"}
    reversal |= {"phase": "recorded", "outcome": "declined", "undoes": undoes, "reverses": ASKED["trace_key"]}
    assert rebuilt([ASKED, reversal])[REQUESTS, ASKED["trace_key"]] == opened(ASKED)


def put(before: Hold, version: int, **change: Any) -> Hold:
    return hold_after(before, {"hold": {"id": before.hold_id, "version": version, **change}})


def test_a_hold_follows_the_acts_in_force() -> None:
    new = hold_after(placed({**APPROVED, "hold": HOLD}, opened(ASKED)), {"hold": HOLD})
    assert (new.hold_id, new.version, new.state, new.authorization_code) == ("A-000007", 1, "held", "123456")
    assert (new.batch, new.stan, new.placed_on, new.expires_us) == ("000002", "000003", "2026-11-22", 9_000)
    more = put(
        new, 2, act=["increase", "A-000010", 200_00, {"code": "654321", "on": "2026-11-25", "expires_us": 12_000}]
    )
    assert (more.requested_minor, more.authorization_code, more.expires_us) == (700_00, "654321", 12_000)
    assert more.placed_on == "2026-11-22", "the date of the first slip names it; the others stand in its acts"
    assert put(more, 3, out="A-000010") == new._replace(version=3)
    completed = put(new, 2, act=["complete", "A-000008", 460_50])
    assert (completed.state, completed.completed_minor, completed.version) == ("completed", 460_50, 2)
    refunded = put(completed, 3, act=["refund", "A-000011", 60_50])
    assert (refunded.state, refunded.completed_minor, refunded.refunded_minor) == ("completed", 460_50, 60_50)
    again = put(completed, 3, out="A-000008")
    assert again == new._replace(version=3)
    both = put(completed, 3, out="A-000008", act=["expire", "A-000009", 0])
    assert (both.state, both.completed_minor, len(load(both.acts))) == ("expired", 0, 2)
    gone = put(both, 4, out="A-000007")
    assert (gone.state, gone.acts, gone.version) == ("reversed", "[]", 4)
    assert (gone.requested_minor, gone.placed_on) == (500_00, "2026-11-22"), "what was last said stays for who looks"


BATCH = "T0000001/000002"


def counts(side: str, amount: int, count: int, version: int) -> dict[str, Any]:
    return {"batch": {"id": BATCH, "version": version, "total": side, "count": count, "amount": amount}, "at": 5}


def test_a_batch_counts_by_side_and_takes_out_again() -> None:
    batch = batch_after(new_batch(BATCH), counts("debit", 460_50, 1, 1))
    batch = batch_after(batch, counts(side_of("credit", foreign=True), 60_00, 1, 2))
    assert (batch.debit_minor, batch.debit_count, batch.foreign_credit_minor, batch.foreign_credit_count) == (
        460_50,
        1,
        60_00,
        1,
    )
    batch = batch_after(batch, counts("debit", 460_50, -1, 3))
    assert (batch.debit_minor, batch.debit_count, batch.credit_minor, batch.version) == (0, 0, 0, 3)


def test_a_settlement_and_an_upload_change_what_was_said_of_a_batch_and_no_total() -> None:
    counted = batch_after(new_batch(BATCH), counts("debit", 1_00, 1, 1))
    settled = batch_after(counted, {"batch": {"id": BATCH, "version": 2, "settled": "1" * 62}, "at": 9})
    assert settled == counted._replace(version=2, settled="1" * 62, settled_us=9)
    uploaded = batch_after(settled, {"batch": {"id": BATCH, "version": 3, "uploaded": ["000001", "000002"]}, "at": 9})
    uploaded = batch_after(uploaded, {"batch": {"id": BATCH, "version": 4, "uploaded": ["000003"]}, "at": 9})
    assert uploaded == settled._replace(version=4, uploaded="000001 000002 000003")


def test_a_register_is_rebuilt_from_its_entries_alone() -> None:
    completing = {**ASKED, "number": 8, "kind": "completion", "trace_key": "T0000001/000002/000004/0200"}
    done = {**APPROVED, "number": 10, "kind": "completion", "trace_key": completing["trace_key"]}
    done |= {"hold": {"id": "A-000007", "version": 2, "act": ["complete", "A-000008", 500_00]}}
    done |= counts("debit", 500_00, 1, 1)
    expired = {"log": "A", "number": 11, "at": 3_000, "kind": "audit", "phase": "import"}
    rows = rebuilt([ASKED, {**APPROVED, "hold": HOLD}, completing, done, expired])
    assert {(table.name, key) for table, key in rows} == {
        ("requests", ASKED["trace_key"]),
        ("requests", completing["trace_key"]),
        ("holds", "A-000007"),
        ("batches", BATCH),
    }
    assert rows[HOLDS, "A-000007"].completed_minor == rows[BATCHES, BATCH].debit_minor == 500_00
