"""Money follows from the acts in force, every posting sums to zero, and rows follow from entries alone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain import ledger
from holdfast.domain.hold import (
    TRANSITIONS,
    Act,
    Acts,
    InForce,
    Reversal,
    State,
    Terms,
    acts_after,
    dump,
    fold,
    take_out,
)
from holdfast.domain.ledger import Line
from holdfast.domain.records import ACCOUNTS, ANSWERS, FREEZES, Account, Answer, Freeze
from holdfast.domain.tables import DUE, Due, Key, Row, Table, insert, put, remove

CLEARING = "01020000/clearing"
HOLD = Freeze("A-000001", 0, "none", "[]", "ACC", "01020000", "123456", 7, 99, 100_00, 115_00, 0, 0)


def living(*acts: InForce) -> Freeze:
    """The hold with these acts in force."""
    return HOLD._replace(acts=dump(acts), state=fold(acts).state.value)


PLACED = InForce(Act.PLACE, "A-000001", 100_00, Terms(frozen_minor=115_00, expires_us=99))
INCREASED = InForce(Act.INCREASE, "A-000002", 40_00, Terms(frozen_minor=46_00))
COMPLETED = InForce(Act.COMPLETE, "A-000003", 80_00)
IN_PART = InForce(Act.COMPLETE_PART, "A-000003", 80_00)
RELEASED = InForce(Act.RELEASE, "I-000008", 0)
REOPENED = InForce(Act.REOPEN, "A-000004", 80_00, Terms(frozen_minor=115_00))
REFUNDED = InForce(Act.REFUND, "A-000005", 30_00)
VOIDED = InForce(Act.VOID, "A-000006", 100_00)
EXPIRED = InForce(Act.EXPIRE, "I-000009", 0)
SOLD = InForce(Act.SELL, "A-000001", 80_00)
TAKEN_BACK = InForce(Act.TAKE_BACK, "A-000007", 80_00)

MOVED: list[tuple[Acts, InForce, int, int, int]] = [
    # acts before, act -> what available, held and the clearing account gain
    ((), PLACED, -115_00, 115_00, 0),
    ((PLACED,), INCREASED, -46_00, 46_00, 0),
    ((PLACED, INCREASED), VOIDED, 161_00, -161_00, 0),
    ((PLACED,), COMPLETED, 35_00, -115_00, 80_00),
    ((PLACED,), COMPLETED._replace(amount_minor=115_00), 0, -115_00, 115_00),
    ((PLACED,), COMPLETED._replace(amount_minor=120_00), -5_00, -115_00, 120_00),
    ((PLACED,), EXPIRED, 115_00, -115_00, 0),
    ((PLACED,), IN_PART, 0, -80_00, 80_00),
    ((PLACED, IN_PART), RELEASED, 35_00, -35_00, 0),
    ((PLACED, IN_PART), EXPIRED, 35_00, -35_00, 0),
    ((PLACED, IN_PART), IN_PART._replace(by="A-000009"), -45_00, -35_00, 80_00),  # the hold covers what it still can
    ((PLACED, COMPLETED), REOPENED, -35_00, 115_00, -80_00),
    ((PLACED, COMPLETED), TAKEN_BACK, 80_00, 0, -80_00),
    ((PLACED, COMPLETED), REFUNDED, 30_00, 0, -30_00),
    ((), SOLD, -80_00, 0, 80_00),
    ((SOLD,), TAKEN_BACK, 80_00, 0, -80_00),
    ((SOLD,), REFUNDED, 30_00, 0, -30_00),
]


def lines(available: int, held: int, cleared: int) -> list[Line]:
    moved = [["ACC", "available", available], ["ACC", "held", held], [CLEARING, "available", cleared]]
    return sorted(line for line in moved if line[2])


@pytest.mark.parametrize(("before", "act", "available", "held", "cleared"), MOVED)
def test_what_an_act_moves_and_what_its_reversal_gives_back(
    before: Acts, act: InForce, available: int, held: int, cleared: int
) -> None:
    assert sorted(ledger.movement(living(*before), {"act": act.as_facts()})) == lines(available, held, cleared)
    if act.act not in (Act.EXPIRE, Act.RELEASE):
        given_back = ledger.movement(living(*before, act), {"out": act.by})
        assert sorted(given_back) == lines(-available, -held, -cleared)


def test_past_its_end_a_hold_does_not_stand_again() -> None:
    change = {"out": COMPLETED.by, "act": EXPIRED.as_facts()}
    assert sorted(ledger.movement(living(PLACED, COMPLETED), change)) == lines(80_00, 0, -80_00)


def test_what_an_expiry_or_a_release_freed_is_not_freed_again() -> None:
    assert ledger.movement(living(PLACED, EXPIRED), {"out": PLACED.by}) == []
    assert sorted(ledger.movement(living(PLACED, IN_PART, RELEASED), {"out": IN_PART.by})) == lines(
        -35_00, 115_00, -80_00
    )


amounts = st.integers(1, 10**12 - 1)
choices = st.lists(st.tuples(st.sampled_from([*Act, "reverse"]), amounts, amounts), max_size=12)


@given(choices)
def test_money_is_where_the_acts_in_force_want_it(steps: list[tuple[str, int, int]]) -> None:
    """Whatever happens, in any order: each posting sums to zero, and their total depends on the acts in force alone."""
    acts: Acts = ()
    total: dict[tuple[str, str], int] = {}
    for number, (name, amount_minor, frozen_minor) in enumerate(steps, 1):
        if name == "reverse":
            if not acts or take_out(acts, acts[-1].by)[0] is not Reversal.TAKEN_OUT:
                continue
            change: dict[str, Any] = {"out": acts[-1].by}
        elif (fold(acts).state if acts else State.NONE, Act(name)) not in TRANSITIONS:
            continue
        else:
            terms = Terms(frozen_minor=frozen_minor if name in ("place", "increase", "reopen") else 0)
            change = {"act": InForce(Act(name), f"A-{number:06d}", amount_minor, terms).as_facts()}
        moved = ledger.movement(living(*acts) if acts else HOLD, change)
        assert sum(amount for _, _, amount in moved) == 0
        for account, sub, amount in moved:
            total[account, sub] = total.get((account, sub), 0) + amount
        acts = acts_after(acts, change)

    life = fold(acts)
    taken_minor = life.completed_minor - life.refunded_minor
    held_minor = total.get(("ACC", "held"), 0)
    assert total.get((CLEARING, "available"), 0) == taken_minor
    assert total.get(("ACC", "available"), 0) == -held_minor - taken_minor
    assert held_minor >= 0, "only what was frozen can be freed"
    assert held_minor == 0 or life.state is State.HELD, "nothing is frozen for a hold that does not stand"


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
        "act": ["place", "A-000001", 100_00, {"frozen_minor": 115_00, "expires_us": 5000}],
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
    acts = '[["place","A-000001",10000,{"frozen_minor":11500,"expires_us":5000}]]'
    hold = ("A-000001", 1, "held", acts, "ACC", "01020000", "123456", 1004, 5000, 100_00, 115_00, 0, 0)
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


def test_what_the_acquirer_has_freed_is_an_answer_of_its_own() -> None:
    """Asked again it is answered again, and the completion that left it keeps its own answer."""
    freed = entry(
        6,
        "release",
        **exchange("A-000003", phase="released", outcome="approved", account_id="ACC", hold_id="A-000001"),
        hold={"id": "A-000001", "version": 2, "act": ["expire", "I-000006", 0]},
        postings=[["ACC", "available", 115_00], ["ACC", "held", -115_00]],
    )
    answer = ledger.rebuilt([*OPENED, PLACING, freed])[ANSWERS, "A-000003#release"]
    assert (answer.kind, answer.outcome, answer.entry) == ("release", "approved", "I-000006")


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
