"""Damage at the worst moments, and twice: however much of the journal is lost, both sides agree in the end."""

from itertools import product

import pytest

from tests.parties.mending_desk import MendingDesk

WORST_MOMENTS = {
    "a reversal waits and was never delivered": """
        places 500.00
        line lost
        sells 20.00
        wait 31
    """,
    "a reversal was delivered, and its answer lost": """
        line answers-lost
        places 500.00
        wait 31
        wait 40
    """,
    "what a chip refused waits to be reversed": """
        places 500.00
        line lost
        takes-back
    """,
    "an advice was never sent": """
        places 500.00
        line lost
        advises R1 450.00
    """,
    "an advice was registered, and its answer lost": """
        places 500.00
        line answers-lost
        advises R1 450.00
    """,
    "an advice and a reversal wait": """
        places 500.00
        line lost
        advises R1 450.00
        sells 20.00
        wait 31
    """,
    "a settlement never arrived": """
        sells 20.00
        places 500.00
        line lost
        settles
    """,
    "a settlement arrived, and its answer was lost": """
        sells 20.00
        line answers-lost
        settles
    """,
    "a settlement was held up, and given up": """
        sells 20.00
        line held
        settles
        wait 31
    """,
    "a settlement was asked for while an advice waits": """
        places 500.00
        line answers-lost
        advises R1 450.00
        settles
    """,
    "a settlement was answered, and the next batch is in use": """
        sells 20.00
        settles
        places 500.00
        line answers-lost
        completes R2 450.00
    """,
}
BETWEEN = {
    "": [],
    "at once": ["loses {}"],
    "after the sign-on": ["line good", "signs-on", "loses {}"],
    "while it is asked": ["line good", "signs-on", "line answers-lost", "rebuilds", "loses {}"],
    "after the rebuild": ["line good", "signs-on", "rebuilds", "sells 7.00", "loses {}"],
    "after the rebuild, with its cards": ["line good", "signs-on", "rebuilds", "sells 7.00", "tears {}"],
}


def came_through(steps: list[str]) -> MendingDesk:
    """A world after these steps, once everything has had its turn: both sides agree, it sells and settles."""
    desk = MendingDesk()
    for step in steps:
        desk.act(step.split())
    for step in ("line good", "signs-on", "rebuilds", "arrives"):
        desk.act(step.split())
    desk.world.quieten(20)
    desk.agree()
    assert (desk.look("mending"), desk.look("reversal")) == ("no", "none")
    assert desk.act(["sells", "1.00"]) == "approved"
    assert desk.act(["settles"]) == "approved"
    desk.world.quieten(20)
    desk.agree()
    return desk


@pytest.mark.parametrize("again", BETWEEN)
@pytest.mark.parametrize("moment", WORST_MOMENTS)
def test_damage_and_damage_again(moment: str, again: str) -> None:
    before = [line.strip() for line in WORST_MOMENTS[moment].strip().splitlines()]
    between = BETWEEN[again]
    for verb, lost_n, lost_again_n in product(("loses", "tears"), (0, 1), (0, 1) if between else (0,)):
        steps = [*before, f"{verb} {lost_n}", *(step.format(lost_again_n) for step in between)]
        try:
            desk = came_through(steps)
        except AssertionError as error:
            raise AssertionError(" / ".join(steps)) from error
        assert int(desk.look("findings")) >= 1
