"""A journal that lost its end: what the register knows comes back, slips stay true, and nothing is sold before."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.domain.journal import device_after
from holdfast.domain.records import DEVICES
from tests.parties.mending_desk import MendingDesk
from tests.parties.pos_world import CARD, TERMINAL_ID, TMK, PosWorld, PowerCut, answer_to
from tests.parties.torn import SAYS, mended, rebuilt
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
    "an advice that was registered rests until the settlement is over": """
        places 500.00 -> approved
        line answers-lost
        advises R1 450.00 -> stored R2.register approved
        settles -> none
        loses 0 -> R2.belief stored
        line good
        signs-on -> approved
        rebuilds -> approved recovered 0 R2.belief stored
        settles -> approved
        quiet -> R2.belief approved
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


# --- whatever happens before and after ----------------------------------------------------------------------------

LINKED = ("completes", "increments", "advises", "voids", "voids-completion", "refunds")
ABOUT = {"completes": "200.00", "increments": "50.00", "advises": "210.00", "refunds": "3.00"}
LINES = st.sampled_from(
    ["line good", "line good", "line answers-lost", "line lost", "line held", "arrives", "issuer 00"]
)
SELLING = st.one_of(
    st.sampled_from(["places 500.00", "sells 20.00", "takes-back", "takes-back", "settles", "wait 31", "issuer 51"]),
    st.sampled_from(LINKED),
    LINES,
)
TEARING = st.builds(lambda verb, lost: f"{verb} {lost}", st.sampled_from(["loses", "tears"]), st.integers(0, 7))
MENDING = st.one_of(st.sampled_from(["signs-on", "signs-on", "rebuilds", "wait 31", "sells 20.00"]), LINES)
ROUNDS = st.tuples(st.lists(SELLING, min_size=1, max_size=6), TEARING, st.lists(MENDING, max_size=5))


def about_some(desk: MendingDesk, verb: str) -> str:
    """A step about the newest request that it may mean; a hold, or what was taken."""
    kinds = ("sale", "completion") if verb in ("refunds", "voids-completion") else ("pre-authorization",)
    rows = [desk.registered(number) for number in range(1, len(desk.keys) + 1)]
    fitting = [number for number, row in enumerate(rows, 1) if row is not None and row.kind in kinds]
    return f"{verb} R{fitting[-1]} {ABOUT.get(verb, '')}" if fitting else "places 500.00"


@settings(deadline=None, max_examples=150)
@given(st.lists(ROUNDS, min_size=1, max_size=3))
def test_whatever_was_lost_terminal_and_register_agree_and_slips_are_true(
    rounds: list[tuple[list[str], str, list[str]]],
) -> None:
    desk = MendingDesk()
    for before, tearing, after in rounds:
        for step in (*before, tearing, *after):
            desk.act((about_some(desk, step) if step in LINKED else step).split())
    for step in ("line good", "signs-on", "rebuilds", "arrives"):
        desk.act(step.split())
    desk.world.quieten(20)
    desk.agree()


# --- answers that tell nothing ------------------------------------------------------------------------------------

PLACED = (
    "0000020100|pre-authorization|approved|50000|00|123456|A00000000003|A-000003|20261122213405|"
    "622000******0019|01|||CUP"
)
ASKED = "HR1|0000010000000000|"


def asking() -> PosWorld:
    """A terminal that lost a request, signed on to an acquirer that the test speaks for, and has asked for records."""
    desk = MendingDesk()
    desk.act(["places", "500.00"])
    world = mended(desk.world, 2)
    world.approved("sign-on")
    world.set(batch="000001")
    world.on_its_own()
    assert world.command("rebuild", actor="system") is None
    assert (world.sent[-1].mti, world.sent[-1].get(60)[8:]) == ("0800", "901")
    return world


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"DE39": "30", "DE57": "", "DE64": ""}, "the acquirer answered 30, format error"),
        ({"DE39": "12"}, "the acquirer answered 12, invalid transaction"),
        ({"DE62": b""}, "tells nothing that can be used"),
        ({"DE62": b"\1" * 40}, "tells nothing that can be used"),
        ({"DE62": f"{ASKED};{PLACED};".encode()}, "tells nothing that can be used"),
        ({"DE62": f"{ASKED};{PLACED.replace('0100|', '0200|')}".encode()}, "has T0000001/000001/000002/0200 as"),
        ({"DE62": f"{ASKED};{PLACED.replace('pre-auth', 'pre-noth')}".encode()}, "as pre-nothorization"),
        (
            {"DE62": f"{ASKED};{PLACED.replace('0100|pre-authorization', '0400|reversal')}".encode()},
            "does not say what",
        ),
        ({"DE62": f"{ASKED};{PLACED.replace('|approved|', '|asked|')}".encode()}, "the issuer is still being asked"),
    ],
)
def test_an_answer_that_cannot_be_used_leaves_it_as_it_is(fields: dict[str, Any], why: str) -> None:
    world = asking()
    outcome = world.answers(**fields)
    assert outcome is not None
    assert (outcome["outcome"], outcome["kind"]) == ("unknown", "rebuild")
    assert outcome["reason"].startswith("the journal is not rebuilt: ")
    assert why in outcome["reason"]
    assert (world.device.mending, world.device.in_flight, world.all_of()) == (SAYS, "", [])
    refused = world.command("sale", amount_minor=1, card=CARD)
    assert refused is not None
    assert refused["reason"] == f"the journal was damaged ({SAYS}): sign on, and it is rebuilt from the register"
    # By itself it is asked again, under the same trace number.
    asked, key = len(world.sent), world.sent[-1].get(11)
    world.later(200)
    assert [message.get(11) for message in world.sent[asked:]] == [key]


def test_an_answer_under_another_key_is_not_believed() -> None:
    world = asking()
    told = f"{ASKED};{PLACED}".encode()
    outcome = world.arrives(answer_to(world.sent[-1], DE62=told), b"mak:another")
    assert outcome is not None
    assert (outcome["outcome"], world.all_of()) == ("unknown", [])
    assert not world.device.signed_on


def test_a_page_that_was_not_asked_for_is_ignored_and_a_copy_changes_nothing() -> None:
    world = asking()
    told = f"{ASKED}0000010000020100;{PLACED}".encode()
    for position in ("0000010000010100", "0000020000000000"):
        assert world.answers(DE62=told.replace(b"0000010000000000", position.encode())) is None
    assert world.all_of() == []
    for _ in range(2):
        assert world.answers(DE62=told) is None
    assert [sale.outcome for sale in world.all_of()] == ["approved"]
    assert world.sent[-1].get_bytes(62) == b"HR1|0000010000020100|3|3"
    outcome = world.answers(DE62=b"HR1|0000010000020100|")
    assert outcome == {"outcome": "approved", "response_code": "", "kind": "rebuild", "recovered": 1}
    assert world.answers(DE62=b"HR1|0000010000020100|") is None
    assert (world.device.mending, world.device.records_key) == ("", "")


def test_power_cuts_between_pages_lose_nothing() -> None:
    for before_commit in (False, True):
        for cut in range(1, 9):
            desk = MendingDesk()
            for _ in range(9):
                desk.act(["sells", "20.00"])
            world = mended(desk.world, 18)
            world.approved("sign-on")
            world.cut_at, world.cut_before_commit = world.events + cut, before_commit
            with contextlib.suppress(PowerCut):
                world.command("rebuild", actor="system")
            world.restart()
            world.quieten(20)
            desk.agree()
            assert len(world.all_of()) == 9
            assert desk.look("findings") == "1"


def test_an_answer_to_what_was_in_flight_is_not_taken_while_the_register_is_to_be_asked() -> None:
    desk = MendingDesk()
    desk.act(["places", "500.00"])
    asked = desk.world.sent[-1]
    world = mended(desk.world, 1)
    # A host that gave up would have it reversed; the slip may have been printed.
    assert world.arrives(answer_to(asked, DE39="98"), world.device.mak) is None
    assert (desk.belief(desk.keys[0]), world.device.reversal) == ("asked", "")


# --- what can be done meanwhile -----------------------------------------------------------------------------------


def test_nothing_is_sold_settled_repeated_or_taken_back() -> None:
    desk = MendingDesk()
    desk.act(["places", "500.00"])
    world = mended(desk.world, 0)
    key, no = desk.keys[0], f"the journal was damaged ({SAYS}): sign on, and it is rebuilt from the register"
    sale = {"amount_minor": 1_00, "card": CARD}
    refused: dict[str, dict[str, Any]] = {
        **dict.fromkeys(("pre-auth", "sale", "moto"), sale),
        "complete": {**sale, "authorization_code": "000001"},
        "advise": {**sale, "authorization_code": "000001"},
        "void": {"card": CARD, "authorization_code": "000001", "supervisor": "00"},
        "balance": {"card": CARD},
        "repeat": {"trace_key": key},
        "reverse": {"trace_key": key},
        "settle": {},
    }
    for on in (False, True):
        if on:
            world.approved("sign-on")
        for name, arguments in refused.items():
            outcome = world.command(name, **arguments)
            assert outcome is not None
            assert (outcome["outcome"], outcome["reason"]) == ("declined", no), name
    assert world.command("echo") is not None
    world.approved("download", actor="99")
    world.approved("sign-off")


def test_only_who_drives_the_terminal_says_that_its_file_was_damaged() -> None:
    world = PosWorld().signed_on()
    for operator in ("01", "00", "99"):
        refused = world.command("mend", actor=operator, kept=1, says="x")
        assert refused is not None
        assert (refused["outcome"], world.device.mending) == ("declined", "")
    mended(world, 0)
    for operator in ("01", "00", "99"):
        told = world.command("rebuild", actor=operator)
        assert told is not None
        assert told["reason"] == "not signed on"


def test_where_nothing_is_to_be_rebuilt_nothing_is_asked() -> None:
    world = PosWorld().signed_on()
    asked = len(world.sent)
    assert world.command("rebuild") == {"outcome": "approved", "response_code": "", "kind": "rebuild", "recovered": 0}
    assert len(world.sent) == asked


def test_a_terminal_whose_master_key_was_lost_is_loaded_again_with_all_that_is_open() -> None:
    desk = MendingDesk()
    for step in ("line answers-lost", "places 500.00", "wait 31"):
        desk.act(step.split())
    world = mended(desk.world, 0)
    world.terminal.rows[DEVICES][TERMINAL_ID] = world.device._replace(tmk=b"", mak=None, pik=None)
    world.line = desk.lines["good"]
    told = world.command("sign-on")
    assert told is not None
    assert told["outcome"] == "declined"
    world.load("99")
    assert (world.device.tmk, world.device.mending, bool(world.device.reversal)) == (TMK, SAYS, True)
    world.quieten()
    desk.agree()


def test_recovered_requests_have_what_a_slip_and_a_later_request_need() -> None:
    desk = MendingDesk()
    for step in ("places 500.00", "increments R1 100.00", "completes R1 550.00", "sells 20.00"):
        desk.act(step.split())
    before = {sale.trace_key: sale for sale in desk.world.all_of()}
    world = mended(desk.world, 8)
    rebuilt(world)
    assert [sale.trace_key for sale in world.all_of()] == list(before)
    for sale in world.all_of():
        was = before[sale.trace_key]
        for name in (
            "kind", "outcome", "amount_minor", "currency", "card", "operator", "local_date", "local_time",
            "original_code", "response_code", "authorization_code", "rrn", "register_entry", "scheme", "batch", "hold",
        ):  # fmt: skip
            assert getattr(sale, name) == getattr(was, name), (sale.trace_key, name)
        assert sale.pan_sealed is None
        assert sale.reason == "the journal had lost it: this is what the register says (approved)"


@pytest.mark.parametrize(
    ("known", "batch", "stan", "after"),
    [
        (5, "000001", "000009", 9),
        (9, "000001", "000005", 9),
        (999_998, "000001", "000003", 3),
        (3, "000001", "999998", 3),
        (5, "000002", "000009", 5),
    ],
)
def test_trace_numbers_go_on_behind_what_was_recovered_in_this_batch(
    known: int, batch: str, stan: str, after: int
) -> None:
    device = PosWorld().signed_on().device._replace(stan=known)
    facts = {"phase": "recovered", "kind": "sale", "lost": True, "trace_key": f"{TERMINAL_ID}/{batch}/{stan}/0200"}
    recovered = device_after(device, facts)
    assert recovered is not None
    assert (recovered.stan, recovered.asked_n, recovered.recovered_n) == (after, int(batch == "000001"), 1)
