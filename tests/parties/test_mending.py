"""A journal that lost its end: what the register knows comes back, slips stay true, and nothing is sold before."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.parties.mending_desk import MendingDesk
from tests.stories import play

STORIES = {
    "nothing is lost: the same batch goes on": """
        places 500.00 -> approved R1.belief approved
        loses 0 -> mending yes
        places 1.00 -> declined
        signs-on -> approved batch 000001 mending yes
        places 1.00 -> declined
        rebuilds -> approved recovered 0 mending no findings 1
        completes R1 460.00 -> approved batch 000001
    """,
    "the answer is lost: the request is what the register says, for its slip was printed": """
        places 500.00 -> approved
        loses 1 -> R1.belief asked
        wait 60 -> R1.belief asked
        signs-on -> approved batch 000001
        rebuilds -> approved recovered 1 R1.belief approved R1.register approved
        completes R1 500.00 -> approved
    """,
    "asked and answered, both lost: it comes back, and trace numbers name new requests": """
        places 500.00 -> approved
        loses 2 -> R1.belief gone
        signs-on -> approved batch 000002
        rebuilds -> approved recovered 1 R1.belief approved
        increments R1 100.00 -> approved
        voids R1 -> approved R1.register approved R2.belief approved
    """,
    "two requests are lost": """
        sells 20.00 -> approved
        places 500.00 -> approved
        completes R2 450.00 -> approved
        loses 4 -> R1.belief approved R2.belief gone R3.belief gone
        signs-on -> approved batch 000002
        rebuilds -> approved recovered 2 R2.belief approved R3.belief approved
        voids-completion R3 -> declined   # it counts in the batch before: it is given back by a refund
        refunds R3 450.00 -> approved
    """,
    "a request that never arrived is reversed, should it still come": """
        line held
        places 500.00 -> none
        loses 0 -> R1.belief asked
        wait 60 -> R1.belief asked reversal none
        line good
        signs-on -> approved batch 000001
        rebuilds -> approved recovered 0 R1.belief unknown mending no
        quiet -> R1.belief reversed R1.register tombstone
        arrives -> R1.register tombstone
    """,
    "a request that the journal lost and that never arrived comes too late: its key is over": """
        line held
        places 500.00 -> none
        loses 1 -> R1.belief gone
        line good
        signs-on -> approved batch 000001
        rebuilds -> approved recovered 0
        arrives -> R1.register unseen
    """,
    "one that arrives between sign-on and rebuild comes back": """
        line held
        places 500.00 -> none
        loses 1 -> R1.belief gone
        line good
        signs-on -> approved batch 000001
        arrives -> R1.register approved
        rebuilds -> approved recovered 1 R1.belief approved
        sells 10.00 -> approved batch 000001
        settles -> approved batch 000002
    """,
    "declined, and the answer lost": """
        issuer 51
        places 500.00 -> declined
        loses 1 -> R1.belief asked
        signs-on -> approved
        rebuilds -> approved recovered 1 R1.belief declined R1.register declined
    """,
    "the reversal was delivered and is lost: nobody undoes it again": """
        line answers-lost
        places 500.00 -> none
        wait 31 -> R1.belief unknown
        line good
        signs-on -> approved
        wait 60 -> R1.belief reversed R1.register reversed
        loses 4 -> R1.belief unknown
        signs-on -> approved
        rebuilds -> approved R1.belief reversed
    """,
    "the end is torn between an unknown outcome and its reversal": """
        line lost
        places 500.00 -> none
        wait 31 -> R1.belief unknown
        loses 1 -> R1.belief unknown reversal none
        line good
        signs-on -> approved
        rebuilds -> approved R1.belief unknown
        quiet -> R1.belief reversed R1.register tombstone
    """,
    "silence, its reversal stored and nothing sent: all of it lost": """
        line answers-lost
        places 500.00 -> none
        wait 31 -> R1.belief unknown
        loses 2 -> R1.belief asked
        line good
        signs-on -> approved
        rebuilds -> approved recovered 1 R1.belief approved R1.register approved
    """,
    "what the chip refused was undone, and the journal lost that": """
        places 500.00 -> approved
        takes-back -> unknown
        wait 1 -> R1.belief reversed R1.register reversed
        loses 3 -> R1.belief approved
        signs-on -> approved batch 000002
        rebuilds -> approved recovered 2 R1.belief reversed
    """,
    "a reversal that waits is delivered after the sign-on, as ever": """
        line answers-lost
        places 500.00 -> none
        wait 31 -> R1.belief unknown
        loses 0 -> reversal T0000001/000001/000002/0400 mending yes
        line good
        signs-on -> approved
        wait 60 -> R1.belief reversed reversal none mending no
    """,
    "a reversal whose card number is lost, too": """
        line answers-lost
        places 500.00 -> none
        wait 31 -> R1.belief unknown
        tears 0 -> reversal T0000001/000001/000002/0400
        quiet -> R1.belief reversed R1.register reversed
    """,
    "the settlement is lost, and the first request of the next batch": """
        places 500.00 -> approved
        completes R1 450.00 -> approved
        settles -> approved batch 000002
        sells 20.00 -> approved
        loses 5 -> batch 000001 R2.belief approved R3.belief gone
        signs-on -> approved batch 000003
        rebuilds -> approved recovered 2 R3.belief approved
        sells 10.00 -> approved
        settles -> approved batch 000004
    """,
    "the settlement alone is lost: the next batch is new already": """
        sells 20.00 -> approved
        settles -> approved batch 000002
        loses 3 -> batch 000001
        signs-on -> approved batch 000002
        rebuilds -> approved recovered 1
        quiet -> batch 000002
    """,
    "a settlement in flight is asked again": """
        sells 20.00 -> approved
        line answers-lost
        settles -> none
        loses 0 -> batch 000001
        line good
        signs-on -> approved
        settles -> declined
        rebuilds -> approved recovered 0
        settles -> approved batch 000002
    """,
    "three batches are lost": """
        sells 20.00 -> approved
        settles -> approved
        sells 21.00 -> approved
        settles -> approved
        sells 22.00 -> approved
        settles -> approved
        loses 15 -> R1.belief gone
        signs-on -> approved batch 000004
        rebuilds -> approved recovered 6 R1.belief approved R2.belief approved R3.belief approved
    """,
    "an advice that was not sent and is lost is gone: the finding says that slips must be compared": """
        places 500.00 -> approved
        line lost
        advises R1 450.00 -> stored
        loses 1 -> R2.belief gone
        line good
        signs-on -> approved
        rebuilds -> approved recovered 0 findings 1
        completes R1 450.00 -> approved
    """,
    "an advice that waits is told after the sign-on": """
        places 500.00 -> approved
        line lost
        advises R1 450.00 -> stored
        loses 0 -> R2.belief stored
        quiet -> R2.belief approved R2.register approved
    """,
    "an advice that was registered and whose card is lost": """
        places 500.00 -> approved
        line answers-lost
        advises R1 450.00 -> stored R2.register approved
        tears 0 -> R2.belief stored
        line good
        signs-on -> approved
        rebuilds -> approved recovered 1 R2.belief approved
        quiet
    """,
    "a refund in flight that never arrived is told until it is answered": """
        sells 20.00 -> approved
        line lost
        refunds R1 5.00 -> none
        loses 0 -> R2.belief asked
        line good
        signs-on -> approved
        rebuilds -> approved R2.belief unknown
        quiet -> R2.belief approved
    """,
    "a refund in flight that never arrived, and whose card is lost": """
        sells 20.00 -> approved
        line lost
        refunds R1 5.00 -> none
        tears 0 -> R2.belief asked
        line good
        signs-on -> approved
        rebuilds -> approved recovered 1 R2.belief declined
        quiet -> R2.register unseen
    """,
    "a line that is dead leaves it as it is, and it goes on by itself": """
        places 500.00 -> approved
        loses 2 -> R1.belief gone
        signs-on -> approved
        line lost
        rebuilds -> none
        wait 31 -> mending yes
        sells 1.00 -> declined
        line good
        wait 60 -> mending no R1.belief approved
    """,
    "without a sign-on nothing is asked": """
        places 500.00 -> approved
        loses 2 -> mending yes
        rebuilds -> declined mending yes
        wait 100 -> mending yes
        quiet -> mending no R1.belief approved
    """,
    "damaged again while it is rebuilt": """
        places 500.00 -> approved
        sells 20.00 -> approved
        loses 2 -> R2.belief gone
        signs-on -> approved batch 000002
        line answers-lost
        rebuilds -> none
        loses 3 -> mending yes batch 000001
        line good
        signs-on -> approved
        rebuilds -> approved R1.belief approved R2.belief approved findings 2
    """,
    "damaged again after it was rebuilt, and all of that lost": """
        places 500.00 -> approved
        loses 2 -> R1.belief gone
        signs-on -> approved batch 000002
        rebuilds -> approved
        sells 20.00 -> approved
        loses 9 -> R1.belief gone R2.belief gone batch 000001
        signs-on -> approved batch 000003
        rebuilds -> approved recovered 2 R1.belief approved R2.belief approved findings 2
    """,
    "the last receipt is the last that is known": """
        places 500.00 -> approved
        sells 20.00 -> approved
        loses 2 -> last T0000001/000001/000002/0100
        signs-on -> approved
        rebuilds -> approved last T0000001/000001/000003/0200
    """,
}


@pytest.mark.parametrize("name", STORIES)
def test_a_damaged_journal(name: str) -> None:
    desk = MendingDesk()
    play(STORIES[name], desk.act, desk.look)
    desk.world.quieten()
    desk.agree()


# --- whatever happens before and after --------------------------------------------------------------------------------

LINES = ["line good", "line good", "line answers-lost", "line lost", "line held"]
LINKED = ("completes", "increments", "advises", "voids", "voids-completion", "refunds")
ABOUT = {"completes": "200.00", "increments": "50.00", "advises": "210.00", "refunds": "3.00"}
STEPS = st.one_of(
    st.sampled_from(["places 500.00", "sells 20.00", "takes-back", "settles", "signs-on", "rebuilds", "wait 31"]),
    st.sampled_from(LINKED),
    st.sampled_from([*LINES, "arrives", "issuer 51", "issuer 00"]),
    st.builds(lambda verb, lost: f"{verb} {lost}", st.sampled_from(["loses", "loses", "tears"]), st.integers(0, 7)),
)


def about_some(desk: MendingDesk, verb: str) -> str:
    """A step about the newest request that it may mean; a hold, or what was taken."""
    kinds = ("sale", "completion") if verb in ("refunds", "voids-completion") else ("pre-authorization",)
    rows = [desk.registered(number) for number in range(1, len(desk.keys) + 1)]
    fitting = [number for number, row in enumerate(rows, 1) if row is not None and row.kind in kinds]
    return f"{verb} R{fitting[-1]} {ABOUT.get(verb, '')}" if fitting else "places 500.00"


@settings(deadline=None, max_examples=120)
@given(st.lists(STEPS, max_size=24))
def test_whatever_was_lost_terminal_and_register_agree_and_slips_are_true(steps: list[str]) -> None:
    desk = MendingDesk()
    for step in [*steps, "line good", "arrives"]:
        desk.act((about_some(desk, step) if step in LINKED else step).split())
    desk.world.quieten(20)
    desk.act(["arrives"])
    desk.world.quieten(20)
    desk.agree()
