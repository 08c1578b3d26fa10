"""What an issuer may say, and what the acquirer makes of it: never a guess, and nothing delivered that was given up."""

from collections.abc import Callable

import pytest

from holdfast.clock import SECOND_US
from holdfast.domain import responses
from holdfast.domain.hold import Act, InForce, dump, fold, load
from holdfast.domain.policy import Policy
from holdfast.domain.records import BATCHES, HOLDS, REQUESTS
from holdfast.domain.rules import Rules
from holdfast.domain.tables import DUE
from holdfast.parties.answers import cannot_be_booked
from holdfast.parties.exchange import EXCHANGE_FIELD, parse
from holdfast.parties.step import Received
from holdfast.register.canonical import decode_strict
from holdfast.wire.codec import decode, encode
from holdfast.wire.dialect import ASCII_1987
from holdfast.wire.message import Message
from holdfast.wire.security import mac_block, put_mac
from tests.parties.acquirer_audit import book_of
from tests.parties.acquirer_desk import CARDS, SILENT_ISSUER, Desk
from tests.runtime.acquirer_bench import ISSUER

STEP = "T1/1"


BEFORE = {
    "places": (),
    "orders": (),
    "sells": (),
    "increments": ("places",),
    "completes": ("places",),
    "voids": ("places",),
    "voids-completion": ("places", "completes"),
    "voids-sale": ("sells",),
}
"""What is undone when its issuer is silent, and what must have been done before it."""


def in_flight(kind: str = "places") -> Desk:
    """A desk whose issuer has been asked and has not answered."""
    desk, about = Desk(), "C1"
    for stan, done in enumerate(BEFORE[kind], 8):
        assert desk.act([f"T1/{stan}", done, about, "100.00"]) == "00"
        about = f"T1/{stan}"
    desk.verdict = None
    assert desk.act([STEP, kind, about, "100.00"]) == "none"
    return desk


def arrives(desk: Desk, answer: Message, peer: str = ISSUER, seal: bool = True) -> str:
    """A message of an issuer -> what the terminals are told."""
    body = encode(ASCII_1987, answer)
    if seal:
        body = put_mac(body, desk.keys.mac(desk.zone_key, "x919", mac_block(ASCII_1987, body)))
    desk.engine.offer(Received(0, peer, decode(ASCII_1987, body)))
    desk.turn()
    desk.audit()
    return desk.answered()


def approval(desk: Desk, step: str = STEP) -> Message:
    """What the issuer would say."""
    answer = desk.answer_of(desk.question_of(step), "00", "424242")
    return Message(answer.mti, dict(answer.fields))


def without(number: int) -> Callable[[Message], None]:
    """Takes a field out."""
    return lambda answer: answer.fields.__delitem__(number)


def says(number: int, value: str) -> Callable[[Message], None]:
    """Sets a field."""
    return lambda answer: answer.fields.__setitem__(number, value)


def other_exchange(answer: Message) -> None:
    exchange = parse(answer.get(EXCHANGE_FIELD))
    assert exchange is not None
    answer.fields[EXCHANGE_FIELD] = "|".join(("HX1", *exchange._replace(exchange_id="A-000001")))


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (without(EXCHANGE_FIELD), "without our exchange"),
        (says(EXCHANGE_FIELD, "HX2|a|b|c|d"), "without our exchange"),
        (says(EXCHANGE_FIELD, "HX1|a|b|c"), "without our exchange"),
        (other_exchange, "never asked"),
        (says(EXCHANGE_FIELD, f"HX1|{ISSUER}|A-000009||T0000001/000001/000009/0100||"), "never asked"),
        (without(39), "without a response code"),
        (without(128), "without a MAC"),
    ],
)
@pytest.mark.parametrize("mti", ["0110", "0430"])
def test_what_does_not_name_the_exchange_or_says_nothing_was_not_received(
    spoil: Callable[[Message], None], line: str, mti: str
) -> None:
    desk = in_flight()
    entries = len(desk.entries)
    answer = approval(desk)
    answer.mti = mti
    spoil(answer)
    assert arrives(desk, answer, seal=128 in answer.fields) == "none"
    assert line in desk.said[-1]
    assert desk.row_of(STEP).outcome == "asked"
    assert len(desk.entries) == entries
    assert arrives(desk, approval(desk)) == "00"


def test_an_answer_with_a_wrong_mac_was_not_received() -> None:
    desk = in_flight()
    answer = approval(desk)
    answer.fields[128] = "00000000"
    assert arrives(desk, answer, seal=False) == "none"
    assert "MAC of 0110 is wrong" in desk.said[-1]
    assert desk.row_of(STEP).outcome == "asked"


def test_one_issuer_does_not_answer_for_another() -> None:
    desk = in_flight()
    assert arrives(desk, approval(desk), peer=SILENT_ISSUER) == "none"
    assert arrives(desk, approval(desk), peer="07070000") == "none"
    assert desk.row_of(STEP).outcome == "asked"


@pytest.mark.parametrize("mti", ["0100", "0120", "0810", "0420"])
def test_other_messages_of_an_issuer_are_not_served(mti: str) -> None:
    desk = in_flight()
    answer = approval(desk)
    answer.mti = mti
    assert arrives(desk, answer) == "none"
    assert "not served" in desk.said[-1]


@pytest.mark.parametrize("kind", BEFORE)
@pytest.mark.parametrize("code", sorted(responses.OUTCOME_UNKNOWN))
def test_neither_yes_nor_no_is_unknown_and_undone(kind: str, code: str) -> None:
    desk = in_flight(kind)
    before = desk.rows(HOLDS), desk.rows(BATCHES)
    answer = approval(desk)
    answer.fields[39] = code
    assert arrives(desk, answer) == "98"
    row = desk.row_of(STEP)
    assert (row.outcome, row.undo, row.response_code) == ("unknown", "owed", "98")
    assert code in decode_strict(desk.entries[-1].body)["reason"]  # type: ignore[operator]
    desk.turn(claim=True)
    assert desk.row_of(STEP).outcome == "reversed"
    assert desk.undone[-1].get(EXCHANGE_FIELD) == answer.get(EXCHANGE_FIELD)
    assert (desk.rows(HOLDS), desk.rows(BATCHES)) == before, "what nobody knows changes no hold and counts nowhere"


@pytest.mark.parametrize("kind", BEFORE)
def test_the_answer_that_comes_too_late_is_undone_whatever_it_approves(kind: str) -> None:
    desk = in_flight(kind)
    before = desk.rows(HOLDS), desk.rows(BATCHES)
    desk.now_us += 12 * SECOND_US
    assert desk.act(["time", "passes"]) == "98"
    desk.act(["time", "passes"])
    assert (desk.row_of(STEP).outcome, len(desk.undone)) == ("reversed", 1)
    assert arrives(desk, approval(desk)) == "none"
    desk.act(["time", "passes"])
    assert (desk.row_of(STEP).undo, len(desk.undone)) == ("done", 2)
    assert (desk.rows(HOLDS), desk.rows(BATCHES)) == before


@pytest.mark.parametrize("code", sorted(responses.APPROVALS))
@pytest.mark.parametrize("state", ["reversed", "unknown", "declined", "undone"])
def test_whatever_may_have_frozen_money_after_all_is_undone(code: str, state: str) -> None:
    desk = in_flight()
    match state:
        case "reversed":
            desk.act(["reverse", STEP])
        case "declined":
            desk.act(["issuer", "answers", STEP, "05"])
        case _:
            desk.now_us += 12 * SECOND_US
            desk.act(["time", "passes"])
    if state == "undone":
        desk.act(["time", "passes"])
        assert desk.row_of(STEP).undo == "done"
    undone = len(desk.undone)
    answer = approval(desk)
    answer.fields[39] = code
    assert arrives(desk, answer) == "none"
    desk.act(["time", "passes"])
    row = desk.row_of(STEP)
    assert (row.undo, row.outcome == "approved") == ("done", False)
    assert len(desk.undone) > undone
    assert desk.rows(HOLDS) == []


def test_an_approval_without_a_code_cannot_be_completed_and_is_undone() -> None:
    desk = in_flight()
    answer = approval(desk)
    del answer.fields[38]
    assert arrives(desk, answer) == "22"
    row = desk.row_of(STEP)
    assert (row.outcome, row.undo) == ("declined", "owed")
    assert desk.rows(HOLDS) == []


def test_a_completion_needs_no_code_of_its_own() -> None:
    desk = in_flight("completes")
    answer = approval(desk)
    del answer.fields[38]
    assert arrives(desk, answer) == "00"
    assert desk.look("T1/8.hold") == "completed"


@pytest.mark.parametrize("code", ["05", "51", "54", "96", "ZZ"])
def test_a_decline_is_taken_as_it_is(code: str) -> None:
    desk = in_flight()
    answer = approval(desk)
    answer.fields[39] = code
    assert arrives(desk, answer) == code
    row = desk.row_of(STEP)
    assert (row.outcome, row.undo) == ("declined", "")
    assert desk.look("due.answer") == "0"


def test_the_answer_goes_to_the_newest_link_and_the_issuer_is_asked_once() -> None:
    desk = in_flight()
    _, first, _ = desk.terminals["T1"]
    body = desk.sent[STEP][-1][1]
    newer = [desk.new_pipe() for _ in range(3)]
    for pipe, link in newer:
        desk.send(body, pipe, link)
    assert len(desk.questions) == 1
    desk.issuer_answers(STEP, "00")
    assert [len(pipe.bodies) for pipe in (first, *(pipe for pipe, _ in newer))] == [0, 0, 0, 1]


def test_reversals_are_repeated_with_growing_pauses_for_ever_and_somebody_is_told() -> None:
    desk = in_flight()
    policy = Policy()
    desk.acknowledgement = None
    desk.now_us += policy.issuer_patience_us
    desk.act(["time", "passes"])
    pauses: list[int] = []
    for attempt in range(1, policy.undo_finding_attempts + 3):
        desk.turn(claim=True)
        assert len(desk.undone) == attempt
        (due,) = desk.rows(DUE)
        pauses.append((due.due_us - desk.now_us) // SECOND_US)
        desk.now_us = due.due_us - 1
        desk.turn(claim=True)
        assert len(desk.undone) == attempt, "not before its time"
        desk.now_us += 1
        expected = int(attempt >= policy.undo_finding_attempts)
        assert desk.look("findings") == str(expected), "one finding, and only one"
    assert pauses[:6] == [5, 10, 20, 40, 80, 120]
    assert set(pauses[5:]) == {120}
    assert [message.mti for message in desk.undone] == ["0420", *["0421"] * (len(pauses) - 1)]
    assert {message.get(90) for message in desk.undone} == {desk.undone[0].get(90)}
    (found,) = [facts for facts in book_of(desk.database) if facts["kind"] == "finding"]
    assert {"owner", "next_action", "due", "reason", "about", "trace_key"} <= set(found)
    assert found["due"] > found["at"]
    desk.acknowledgement = "00"
    desk.turn(claim=True)
    desk.audit()
    assert (desk.row_of(STEP).undo, desk.rows(DUE)) == ("done", [])


def test_the_original_data_elements_name_the_question() -> None:
    desk = in_flight()
    desk.act(["reverse", STEP])
    desk.act(["time", "passes"])
    (undo,) = desk.undone
    question = desk.questions[-1]
    assert undo.get(90) == "0100" + question.get(11) + question.get(7) + "00010000".zfill(11) + "0" * 11
    assert undo.get(EXCHANGE_FIELD) == question.get(EXCHANGE_FIELD)
    assert (undo.get(2), undo.get(4)) == (CARDS["C1"], question.get(4))


def test_an_acknowledgement_that_comes_twice_changes_nothing() -> None:
    desk = in_flight()
    desk.act(["reverse", STEP])
    desk.act(["time", "passes"])
    entries = len(desk.entries)
    answer = approval(desk)
    answer.mti = "0430"
    assert arrives(desk, answer) == "none"
    assert len(desk.entries) == entries


def test_a_copy_of_an_approval_in_force_changes_nothing() -> None:
    desk = in_flight()
    assert arrives(desk, approval(desk)) == "00"
    entries, rows = len(desk.entries), desk.rows(REQUESTS)
    assert arrives(desk, approval(desk)) == "none"
    assert (len(desk.entries), desk.rows(REQUESTS)) == (entries, rows)


POSTED = InForce(Act.COMPLETE, "A-000002", 400_00)
OBJECTIONS: list[tuple[Act, int, tuple[InForce, ...], str | None]] = [
    (Act.REFUND, 400_00, (POSTED,), None),
    (Act.REFUND, 400_01, (POSTED,), "more was refunded than was posted"),
    (Act.REOPEN, 400_00, (POSTED,), None),
    (Act.REOPEN, 400_00, (POSTED, InForce(Act.REFUND, "A-000003", 1)), "A-000002 does not stand any more"),
    (Act.REOPEN, 400_00, (POSTED, InForce(Act.REOPEN, "A-000003", 400_00)), "A-000002 does not stand any more"),
    (Act.COMPLETE, 175_00, (POSTED._replace(act=Act.COMPLETE_PART),), None),
    (Act.COMPLETE, 175_01, (POSTED._replace(act=Act.COMPLETE_PART),), "the hold was completed to more than 115 %"),
    (Act.COMPLETE, 1, (POSTED,), "the hold is completed"),
    (Act.VOID, 500_00, (), None),
    (Act.VOID, 400_00, (), "the hold is one of 500.00 by now"),
    (Act.VOID, 500_00, (POSTED._replace(act=Act.COMPLETE_PART),), "the hold was completed in part"),
    (Act.INCREASE, 1, (POSTED._replace(act=Act.COMPLETE_PART),), "the hold was completed in part"),
]


@pytest.mark.parametrize(("act", "amount_minor", "acts", "objection"), OBJECTIONS)
def test_an_approval_is_booked_only_on_a_hold_that_it_fits(
    act: Act, amount_minor: int, acts: tuple[InForce, ...], objection: str | None
) -> None:
    """Asked one at a time this hardly happens; but who keeps the money's books does not rely on it."""
    desk = Desk()
    desk.act(["T1/1", "places", "C1", "500.00"])
    (hold,), request = desk.rows(HOLDS), desk.row_of("T1/1")
    in_force = (*load(hold.acts), *acts)
    life = fold(in_force)
    hold = hold._replace(acts=dump(in_force), state=life.state.value, completed_minor=life.completed_minor)
    hold = hold._replace(refunded_minor=life.refunded_minor)
    request = request._replace(original="A-000002", amount_minor=amount_minor)
    said = cannot_be_booked(request, act, hold, Rules(), "123456")
    assert (said is None) if objection is None else (said or "").startswith(objection)


def test_an_issuer_that_refuses_to_undo_is_asked_more_seldom_and_its_answers_are_no_silence() -> None:
    desk = in_flight()
    desk.act(["wait", "12", "seconds"])
    desk.act(["time", "passes"])
    desk.act(["issuer", "acknowledges", "22"])
    pauses_us: list[int] = []
    for _ in range(Policy().undo_finding_attempts + 5):
        desk.act(["time", "passes"])
        (due,) = [row for row in desk.rows(DUE) if row.key.startswith("undo:")]
        pauses_us.append(due.due_us - desk.now_us)
        desk.now_us = due.due_us
    assert desk.row_of(STEP).undo == "objected"
    assert desk.look("findings") == "1"
    assert pauses_us[-1] == Policy().refused_repeat_max_us
