"""How entries become rows: each phase of a request, and each change of a hold."""

from typing import Any

import pytest

from holdfast.domain.hold import load
from holdfast.domain.projections import continued, hold_after, opened, placed, reversed_by
from holdfast.domain.records import Hold, Request

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
HOLD = {
    "id": "A-000007",
    "version": 1,
    "act": ["place", "A-000007", 500_00],
    "placed_on": "2026-11-22",
    "expires": 9_000,
}
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
        {**LATER, "phase": "unknown", "response_code": "98"},
        {"outcome": "unknown", "undo": "owed", "entry": "B-000009"},
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


@pytest.mark.parametrize(
    ("undo", "undoes", "outcome", "after"),
    [
        ("", "taken out", "reversed", "owed"),
        ("owed", "taken out", "reversed", "owed"),
        ("done", "taken out", "reversed", "done"),
        ("", "built upon", "asked", ""),
        ("", "nothing", "asked", ""),
    ],
)
def test_a_reversal_takes_a_request_out_of_force(undo: str, undoes: str, outcome: str, after: str) -> None:
    request = reversed_by(asked(undo=undo), {"undoes": undoes, "undo": "owed"})
    assert (request.outcome, request.undo) == (outcome, after)


def put(before: Hold, version: int, **change: Any) -> Hold:
    return hold_after(before, {"hold": {"id": before.hold_id, "version": version, **change}})


def test_a_hold_follows_the_acts_in_force() -> None:
    new = hold_after(placed({**APPROVED, "hold": HOLD}, opened(ASKED)), {"hold": HOLD})
    assert (new.hold_id, new.version, new.state, new.authorization_code) == ("A-000007", 1, "held", "123456")
    assert (new.batch, new.stan, new.placed_on, new.expires_us) == ("000002", "000003", "2026-11-22", 9_000)
    completed = put(new, 2, act=["complete", "A-000008", 460_50])
    assert (completed.state, completed.completed_minor, completed.version) == ("completed", 460_50, 2)
    again = put(completed, 3, out="A-000008")
    assert again == new._replace(version=3)
    both = put(completed, 3, out="A-000008", act=["expire", "A-000009", 0])
    assert (both.state, both.completed_minor, len(load(both.acts))) == ("expired", 0, 2)
    gone = put(both, 4, out="A-000007")
    assert (gone.state, gone.acts, gone.version) == ("reversed", "[]", 4)
