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
    allows,
    dump,
    fold,
    load,
    take_out,
)

PLACED = InForce(Act.PLACE, "A-000001", 500_00)
COMPLETED = InForce(Act.COMPLETE, "A-000002", 460_50)
VOIDED = InForce(Act.VOID, "A-000003", 500_00)
EXPIRED = InForce(Act.EXPIRE, "I-000009", 0)

TABLE = """
state      place      complete   void       expire
none       held       -          -          -
held       -          completed  voided     expired
completed  -          -          -          -
voided     -          -          -          -
expired    -          -          -          -
reversed   -          -          -          -
"""


def printed_table() -> str:
    """The table as a person reads it: a row for each state, a column for each act, "-" where nothing can happen."""
    head = ["state", *Act]
    rows = [[state, *(TRANSITIONS.get((state, act), "-") for act in Act)] for state in State]
    return "\n".join("".join(f"{cell:<11}" for cell in row).rstrip() for row in [head, *rows])


def test_the_life_of_a_hold() -> None:
    assert printed_table() == TABLE.strip()


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("act", list(Act))
def test_allowed_is_what_stands_in_the_table(state: State, act: Act) -> None:
    assert allows(state.value, act.value) == ((state, act) in TRANSITIONS)


@pytest.mark.parametrize(
    ("acts", "life"),
    [
        ((PLACED,), Life(State.HELD, 0)),
        ((PLACED, COMPLETED), Life(State.COMPLETED, 460_50)),
        ((PLACED, VOIDED), Life(State.VOIDED, 0)),
        ((PLACED, EXPIRED), Life(State.EXPIRED, 0)),
        ((), Life(State.REVERSED, 0)),
    ],
)
def test_the_fold_tells_state_and_what_was_completed(acts: Acts, life: Life) -> None:
    assert fold(acts) == life


@pytest.mark.parametrize(
    "acts", [(COMPLETED,), (PLACED, PLACED), (PLACED, COMPLETED, VOIDED), (PLACED, VOIDED, EXPIRED)]
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
        ((PLACED, VOIDED), PLACED.by, Reversal.BUILT_UPON, (PLACED, VOIDED)),
        # An expiry was only time passing: nobody built upon the hold.
        ((PLACED, EXPIRED), PLACED.by, Reversal.TAKEN_OUT, ()),
        ((PLACED, EXPIRED), EXPIRED.by, Reversal.NOT_IN_FORCE, (PLACED, EXPIRED)),
        ((PLACED,), "A-000099", Reversal.NOT_IN_FORCE, (PLACED,)),
        ((), PLACED.by, Reversal.NOT_IN_FORCE, ()),
    ],
)
def test_only_the_last_act_in_force_is_taken_out(acts: Acts, by: str, outcome: Reversal, left: Acts) -> None:
    assert take_out(acts, by) == (outcome, left)


def test_after_a_reversal_the_hold_can_be_completed_again() -> None:
    _, left = take_out((PLACED, COMPLETED), COMPLETED.by)
    again = InForce(Act.COMPLETE, "A-000004", 80_00)
    assert fold((*left, again)) == Life(State.COMPLETED, 80_00)


lives = st.lists(st.sampled_from(list(Act)), max_size=6).map(
    lambda acts: tuple(InForce(act, f"A-{number:06d}", 100 + number) for number, act in enumerate(acts, 1))
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
