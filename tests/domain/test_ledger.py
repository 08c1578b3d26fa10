"""Money follows from the acts in force, every posting sums to zero, and rows follow from entries alone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain import ledger
from holdfast.domain.hold import TRANSITIONS, Act, Acts, InForce, Reversal, State, dump, fold, take_out
from holdfast.domain.ledger import Line
from holdfast.domain.records import ACCOUNTS, ANSWERS, FREEZES, Account, Answer, Freeze
from holdfast.domain.tables import DUE, Due, Key, Row, Table, insert, put, remove

CLEARING = "01020000/clearing"
HOLD = Freeze("A-000001", 0, "none", "[]", "ACC", "01020000", "123456", 7, 99, 100_00, 115_00, 0, 0)


def living(*acts: InForce, frozen_minor: int = 115_00) -> Freeze:
    """The hold with these acts in force."""
    return HOLD._replace(acts=dump(acts), frozen_minor=frozen_minor, state=fold(acts).state.value)


PLACED = InForce(Act.PLACE, "A-000001", 100_00)
COMPLETED = InForce(Act.COMPLETE, "A-000002", 80_00)
EXPIRED = InForce(Act.EXPIRE, "I-000009", 0)


def put_in_force(act: InForce) -> dict[str, Any]:
    return {"act": [act.act.value, act.by, act.amount_minor]}


@pytest.mark.parametrize(
    ("before", "change", "lines"),
    [
        ((), put_in_force(PLACED), [["ACC", "available", -115_00], ["ACC", "held", 115_00]]),
        (
            (PLACED,),
            put_in_force(COMPLETED),
            [["ACC", "available", 35_00], ["ACC", "held", -115_00], [CLEARING, "available", 80_00]],
        ),
        (
            (PLACED,),
            put_in_force(COMPLETED._replace(amount_minor=115_00)),
            [["ACC", "held", -115_00], [CLEARING, "available", 115_00]],
        ),
        (
            (PLACED,),
            put_in_force(COMPLETED._replace(amount_minor=120_00)),
            [["ACC", "available", -5_00], ["ACC", "held", -115_00], [CLEARING, "available", 120_00]],
        ),
        ((PLACED,), put_in_force(EXPIRED), [["ACC", "available", 115_00], ["ACC", "held", -115_00]]),
        ((PLACED,), {"out": PLACED.by}, [["ACC", "available", 115_00], ["ACC", "held", -115_00]]),
        (
            (PLACED, COMPLETED),
            {"out": COMPLETED.by},
            [["ACC", "available", -35_00], ["ACC", "held", 115_00], [CLEARING, "available", -80_00]],
        ),
        # Past its end the hold does not stand again: all that was taken goes back to available.
        (
            (PLACED, COMPLETED),
            {"out": COMPLETED.by, **put_in_force(EXPIRED)},
            [["ACC", "available", 80_00], [CLEARING, "available", -80_00]],
        ),
        # What an expiry released is not released again.
        ((PLACED, EXPIRED), {"out": PLACED.by}, []),
    ],
)
def test_what_a_change_of_a_hold_moves(before: Acts, change: dict[str, Any], lines: list[Line]) -> None:
    moved = ledger.movement(living(*before), change)
    assert sorted(moved) == sorted(lines)


amounts = st.integers(1, 10**12 - 1)
choices = st.lists(st.tuples(st.sampled_from([*Act, "reverse"]), amounts), max_size=12)


@given(choices, amounts)
def test_money_is_where_the_acts_in_force_want_it(steps: list[tuple[str, int]], frozen_minor: int) -> None:
    """Whatever happens, in any order: each posting sums to zero, and their total depends on the acts in force alone."""
    acts: Acts = ()
    total: dict[tuple[str, str], int] = {}
    for number, (name, amount_minor) in enumerate(steps, 1):
        if name == "reverse":
            if not acts or take_out(acts, acts[-1].by)[0] is not Reversal.TAKEN_OUT:
                continue
            change: dict[str, Any] = {"out": acts[-1].by}
        elif (fold(acts).state if acts else State.NONE, Act(name)) not in TRANSITIONS:
            continue
        else:
            change = put_in_force(InForce(Act(name), f"A-{number:06d}", amount_minor))
        lines = ledger.movement(living(*acts, frozen_minor=frozen_minor), change)
        assert sum(amount for _, _, amount in lines) == 0
        for account, sub, amount in lines:
            total[account, sub] = total.get((account, sub), 0) + amount
        acts = ledger.acts_after(acts, change)

    completed_minor = fold(acts).completed_minor if acts else 0
    held_minor = frozen_minor if acts and fold(acts).state == "held" else 0
    wanted = {
        ("ACC", "available"): -held_minor - completed_minor,
        ("ACC", "held"): held_minor,
        (CLEARING, "available"): completed_minor,
    }
    assert {place: amount for place, amount in total.items() if amount} == {p: a for p, a in wanted.items() if a}


# --- rows from entries --------------------------------------------------------------------------------------------


def entry(number: int, kind: str, **facts: Any) -> dict[str, Any]:
    return {"log": "I", "number": number, "at": 1000 + number, "kind": kind, **facts}


def account(account_id: str, kind: str, **facts: Any) -> dict[str, Any]:
    told = {"id": account_id, "issuer": "01020000", "card": "", "kind": kind, "expiry": "", "status": "normal"}
    return {"phase": "opened", "account": {**told, "frozen_percent": 100}, **facts}


def exchange(exchange_id: str, **facts: Any) -> dict[str, Any]:
    return {"exchange_id": exchange_id, "issuer": "01020000", "amount": 100_00, "response_code": "00", **facts}


OPENED = [
    entry(1, "opening", **account(CLEARING, "clearing")),
    entry(2, "opening", **account("01020000/funding", "funding")),
    entry(3, "opening", **account("ACC", "debit", postings=ledger.funded("ACC", "01020000", 1000_00))),
]
PLACING = entry(
    4,
    "pre-authorization",
    **exchange("A-000001", phase="judged", outcome="approved", question="0a0b", account_id="ACC", hold_id="A-000001"),
    authorization_code="123456",
    hold={
        "id": "A-000001",
        "version": 1,
        "act": ["place", "A-000001", 100_00],
        "requested": 100_00,
        "frozen": 115_00,
        "expires": 5000,
    },
    postings=[["ACC", "available", -115_00], ["ACC", "held", 115_00]],
)
UNDOING = entry(
    5,
    "reversal",
    **exchange("A-000001", phase="recorded", outcome="approved", undoes="taken out", account_id="ACC"),
    hold_id="A-000001",
    hold={"id": "A-000001", "version": 2, "out": "A-000001"},
    postings=[["ACC", "available", 115_00], ["ACC", "held", -115_00]],
)
DEBIT = Account("ACC", "01020000", b"", "", "debit", "", "normal", None, 100, 0, 0)


def test_an_account_is_opened_with_what_its_funding_account_gives() -> None:
    rows = ledger.rebuilt(OPENED)
    assert rows[ACCOUNTS, "ACC"] == DEBIT._replace(available_minor=1000_00)
    assert rows[ACCOUNTS, "01020000/funding"].available_minor == -1000_00
    assert ledger.funded("ACC", "01020000", 0) == []


def test_a_placing_makes_hold_answer_and_due_row() -> None:
    rows = ledger.rebuilt([*OPENED, PLACING])
    acts = '[["place","A-000001",10000]]'
    hold = ("A-000001", 1, "held", acts, "ACC", "01020000", "123456", 1004, 5000, 100_00, 115_00, 115_00, 0)
    asked = ("A-000001", b"\x0a\x0b", "pre-authorization", "approved", "01020000", "ACC", "A-000001", 100_00)
    assert rows[FREEZES, "A-000001"] == Freeze(*hold)
    assert rows[ANSWERS, "A-000001"] == Answer(*asked, "00", "123456", "I-000004", 1004)
    assert rows[DUE, "expire:A-000001"] == Due("expire:A-000001", 5000, 0, 1004)
    assert rows[ACCOUNTS, "ACC"] == DEBIT._replace(available_minor=885_00, held_minor=115_00)


def test_a_reversal_is_an_answer_of_its_own_and_marks_the_one_it_undoes() -> None:
    rows = ledger.rebuilt([*OPENED, PLACING, UNDOING])
    assert rows[ANSWERS, "A-000001"].outcome == "reversed"
    undone = rows[ANSWERS, "A-000001#undo"]
    assert (undone.kind, undone.outcome, undone.entry) == ("reversal", "approved", "I-000005")
    assert (rows[FREEZES, "A-000001"].state, rows[FREEZES, "A-000001"].held_minor) == ("reversed", 0)
    assert rows[ACCOUNTS, "ACC"] == DEBIT._replace(available_minor=1000_00)
    assert (DUE, "expire:A-000001") not in rows


def test_a_reversal_before_its_request_leaves_a_tombstone() -> None:
    early = entry(
        4,
        "reversal",
        **exchange("A-000001", phase="recorded", outcome="approved", undoes="never seen", echoes="completion"),
    )
    tombstone = ledger.rebuilt([*OPENED, early])[ANSWERS, "A-000001"]
    assert (tombstone.outcome, tombstone.response_code, tombstone.kind) == ("tombstone", "12", "completion")


@pytest.mark.parametrize("phase", ["duplicate", "refused", "imported"])
def test_entries_that_change_no_row(phase: str) -> None:
    assert ledger.changes({}, entry(9, "audit", **exchange("A-000001", phase=phase, outcome="declined"))) == {}


def test_rows_become_writes() -> None:
    known = ledger.rows_of(DEBIT, None)
    richer = DEBIT._replace(available_minor=1)
    hold = living(PLACED)
    due = ledger.expiry_of(hold)
    assert due is not None
    after: dict[tuple[Table, Key], Row] = {
        (ACCOUNTS, "ACC"): richer,
        (FREEZES, hold.hold_id): hold,
        (DUE, due.key): due,
        (DUE, "expire:A-000009"): None,
    }
    assert ledger.writes(known, after) == (
        put(ACCOUNTS, richer),
        insert(FREEZES, hold),
        put(DUE, due),
        remove(DUE, "expire:A-000009"),
    )


def test_what_rows_become_is_a_question_of_the_rows_before_alone() -> None:
    before = ledger.rebuilt([*OPENED, PLACING])
    kept = dict(before)
    first = ledger.changes(before, UNDOING)
    assert ledger.changes(before, UNDOING) == first
    assert before == kept


def test_secrets_of_an_account_are_no_part_of_what_the_book_rebuilds() -> None:
    secret = DEBIT._replace(pan_hash=b"hash", pin_verifier=b"pin")
    assert ledger.without_secrets(secret) == DEBIT


def test_a_posting_to_no_sub_account_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        ledger.posted_to(DEBIT, "balance", 1)
