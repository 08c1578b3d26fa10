"""The life of a hold is a table; what is not in it cannot happen, and a reversal takes the last act out of the fold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.hold import (
    TRANSITIONS,
    Act,
    Acts,
    InForce,
    Life,
    Reversal,
    State,
    Terms,
    acts_after,
    allows,
    dump,
    fold,
    load,
    standing_post,
    take_out,
)

PLACED = InForce(Act.PLACE, "A-000001", 500_00, Terms(code="123456", on="2026-11-22", expires_us=9_000))
INCREASED = InForce(Act.INCREASE, "A-000004", 200_00, Terms(code="654321", on="2026-11-25", expires_us=12_000))
COMPLETED = InForce(Act.COMPLETE, "A-000002", 460_50, Terms(on="2026-11-23", batch_id="T0000001/000001"))
IN_PART = COMPLETED._replace(act=Act.COMPLETE_PART)
REOPENED = InForce(Act.REOPEN, "A-000005", 460_50)
REFUNDED = InForce(Act.REFUND, "A-000006", 60_50)
RELEASED = InForce(Act.RELEASE, "I-000007", 0)
VOIDED = InForce(Act.VOID, "A-000003", 500_00)
EXPIRED = InForce(Act.EXPIRE, "I-000009", 0)
SOLD = InForce(Act.SELL, "A-000001", 80_00, Terms(code="123456", on="2026-11-22"))
TAKEN_BACK = InForce(Act.TAKE_BACK, "A-000008", 80_00)

TABLE = """
none       place          held
none       sell           completed
held       increase       held
held       complete       completed
held       complete-part  held
held       release        completed
held       reopen         held
held       refund         held
held       void           voided
held       expire         expired
held       take-back      voided
completed  reopen         held
completed  refund         completed
completed  take-back      voided
voided     refund         voided
expired    refund         expired
"""


def printed_table() -> str:
    """The table as a person reads it: what is, what is done, what is then."""
    rows = [(state, act, TRANSITIONS[state, act]) for state in State for act in Act if (state, act) in TRANSITIONS]
    return "\n".join(f"{state:<11}{act:<15}{then}" for state, act, then in rows)


def test_the_life_of_a_hold() -> None:
    assert printed_table().splitlines() == TABLE.strip().splitlines()


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("act", list(Act))
def test_allowed_is_what_stands_in_the_table(state: State, act: Act) -> None:
    assert allows(state.value, act.value) == ((state, act) in TRANSITIONS)


CODE, END_US = "123456", 9_000


@pytest.mark.parametrize(
    ("acts", "life"),
    [
        ((PLACED,), Life(State.HELD, 500_00, 0, 0, CODE, END_US)),
        ((PLACED, INCREASED), Life(State.HELD, 700_00, 0, 0, "654321", 12_000)),
        ((PLACED, INCREASED._replace(terms=Terms(code="654321"))), Life(State.HELD, 700_00, 0, 0, "654321", END_US)),
        ((PLACED, COMPLETED), Life(State.COMPLETED, 500_00, 460_50, 0, CODE, END_US)),
        ((PLACED, IN_PART), Life(State.HELD, 500_00, 460_50, 0, CODE, END_US)),
        ((PLACED, IN_PART, RELEASED), Life(State.COMPLETED, 500_00, 460_50, 0, CODE, END_US)),
        ((PLACED, IN_PART, EXPIRED, REFUNDED), Life(State.EXPIRED, 500_00, 460_50, 60_50, CODE, END_US)),
        ((PLACED, COMPLETED, REOPENED), Life(State.HELD, 500_00, 0, 0, CODE, END_US)),
        ((PLACED, COMPLETED, REOPENED._replace(act=Act.TAKE_BACK)), Life(State.VOIDED, 500_00, 0, 0, CODE, END_US)),
        ((PLACED, COMPLETED, REFUNDED), Life(State.COMPLETED, 500_00, 460_50, 60_50, CODE, END_US)),
        ((PLACED, VOIDED), Life(State.VOIDED, 500_00, 0, 0, CODE, END_US)),
        ((PLACED, EXPIRED), Life(State.EXPIRED, 500_00, 0, 0, CODE, END_US)),
        ((SOLD,), Life(State.COMPLETED, 80_00, 80_00, 0, CODE, 0)),
        ((SOLD, TAKEN_BACK), Life(State.VOIDED, 80_00, 0, 0, CODE, 0)),
        ((), Life(State.REVERSED, 0, 0, 0, "", 0)),
    ],
)
def test_the_fold_tells_state_amounts_code_and_end(acts: Acts, life: Life) -> None:
    assert fold(acts) == life


@pytest.mark.parametrize(
    "acts",
    [
        (COMPLETED,),
        (REFUNDED,),
        (PLACED, PLACED),
        (PLACED, SOLD),
        (SOLD, COMPLETED),
        (PLACED, COMPLETED, VOIDED),
        (PLACED, COMPLETED, INCREASED),
        (PLACED, COMPLETED, RELEASED),
        (PLACED, VOIDED, EXPIRED),
    ],
)
def test_acts_that_no_row_allows_are_a_bug(acts: Acts) -> None:
    with pytest.raises(KeyError):
        fold(acts)


@pytest.mark.parametrize(
    ("acts", "by", "outcome", "left"),
    [
        ((PLACED,), PLACED.by, Reversal.TAKEN_OUT, ()),
        ((PLACED, COMPLETED), COMPLETED.by, Reversal.TAKEN_OUT, (PLACED,)),
        ((PLACED, COMPLETED), PLACED.by, Reversal.BUILT_UPON, (PLACED, COMPLETED)),
        ((PLACED, INCREASED), PLACED.by, Reversal.BUILT_UPON, (PLACED, INCREASED)),
        ((PLACED, INCREASED), INCREASED.by, Reversal.TAKEN_OUT, (PLACED,)),
        ((PLACED, VOIDED), PLACED.by, Reversal.BUILT_UPON, (PLACED, VOIDED)),
        ((PLACED, COMPLETED, REOPENED), COMPLETED.by, Reversal.BUILT_UPON, (PLACED, COMPLETED, REOPENED)),
        ((PLACED, COMPLETED, REOPENED), REOPENED.by, Reversal.TAKEN_OUT, (PLACED, COMPLETED)),
        # An expiry was only time passing, a release only the rest: nobody built upon the hold.
        ((PLACED, EXPIRED), PLACED.by, Reversal.TAKEN_OUT, ()),
        ((PLACED, IN_PART, RELEASED), IN_PART.by, Reversal.TAKEN_OUT, (PLACED,)),
        ((PLACED, EXPIRED), EXPIRED.by, Reversal.NOT_IN_FORCE, (PLACED, EXPIRED)),
        ((PLACED,), "A-000099", Reversal.NOT_IN_FORCE, (PLACED,)),
        ((), PLACED.by, Reversal.NOT_IN_FORCE, ()),
    ],
)
def test_only_the_last_act_that_somebody_asked_for_is_taken_out(
    acts: Acts, by: str, outcome: Reversal, left: Acts
) -> None:
    assert take_out(acts, by) == (outcome, left)


SECOND = IN_PART._replace(by="A-000010")


@pytest.mark.parametrize(
    ("acts", "standing"),
    [
        ((), None),
        ((PLACED,), None),
        ((PLACED, COMPLETED), COMPLETED),
        ((PLACED, COMPLETED, REFUNDED), COMPLETED),
        ((PLACED, COMPLETED, REOPENED), None),
        ((PLACED, IN_PART, SECOND), SECOND),
        ((PLACED, IN_PART, SECOND, REOPENED), IN_PART),
        ((PLACED, IN_PART, REOPENED, SECOND), SECOND),
        ((SOLD,), SOLD),
        ((SOLD, TAKEN_BACK), None),
    ],
)
def test_a_void_means_the_last_posting_that_stands(acts: Acts, standing: InForce | None) -> None:
    assert standing_post(acts) == standing


def test_a_change_takes_out_first_and_then_puts_in_force() -> None:
    change = {"out": COMPLETED.by, "act": EXPIRED.as_facts()}
    assert acts_after((PLACED, COMPLETED), change) == (PLACED, EXPIRED)
    assert acts_after((), {"act": PLACED.as_facts()}) == (PLACED,)


def test_facts_say_only_what_is_said() -> None:
    assert EXPIRED.as_facts() == ["expire", "I-000009", 0]
    assert COMPLETED.as_facts() == [
        "complete",
        "A-000002",
        460_50,
        {"on": "2026-11-23", "batch_id": "T0000001/000001"},
    ]


def test_after_a_reversal_the_hold_can_be_completed_again() -> None:
    _, left = take_out((PLACED, COMPLETED), COMPLETED.by)
    again = InForce(Act.COMPLETE, "A-000004", 80_00)
    assert fold((*left, again)).state == State.COMPLETED
    assert fold((*left, again)).completed_minor == 80_00


lives = st.lists(st.sampled_from(list(Act)), max_size=6).map(
    lambda acts: tuple(
        InForce(act, f"A-{number:06d}", 100 + number, Terms(on="2026-11-22") if number % 2 else Terms())
        for number, act in enumerate(acts, 1)
    )
)


@given(lives)
def test_a_life_is_kept_as_text(acts: Acts) -> None:
    assert load(dump(acts)) == acts


@given(lives)
def test_taking_out_what_was_put_in_force_last_is_as_if_it_had_never_been(acts: Acts) -> None:
    try:
        fold(acts)
    except KeyError:
        return
    for place, act in enumerate(acts):
        outcome, left = take_out(acts, act.by)
        if outcome is Reversal.TAKEN_OUT:
            assert left == acts[:place]
            assert fold(left).state in State
        else:
            assert left == acts
