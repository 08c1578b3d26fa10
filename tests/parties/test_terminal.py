"""The terminal believes only what can be believed, undoes what it does not know, and forgets nothing in the dark."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.records import DEVICES, SALES
from holdfast.domain.tables import DUE
from holdfast.ids import mask_pan
from holdfast.parties.step import Command, Outcome, Received
from holdfast.wire.chain import parse_request
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.message import Message
from tests.parties.driver import on_the_wire
from tests.parties.pos_world import (
    CALLER,
    CARD,
    MERCHANT_ID,
    SETTINGS,
    TERMINAL_ID,
    TMK,
    TRACK2,
    PosWorld,
    PowerCut,
    answer_to,
    answers_lost,
    assert_belief_is_the_register,
    let_through,
    lost,
    pan_of,
)

VOID: dict[str, Any] = {"card": CARD, "supervisor": "00"}


def changed(**fields: str | None) -> Callable[[str, Message], list[Message]]:
    """A line on which these fields of answers with an amount are changed (None: removed); the MAC is not made anew."""

    def line(to: str, message: Message) -> list[Message]:
        if to == "terminal" and 4 in message.fields:
            for name, value in fields.items():
                number = int(name[2:])
                message.fields.pop(number, None)
                if value is not None:
                    message.fields[number] = value
        return [message]

    return line


# --- signing on ---------------------------------------------------------------------------------------------------


def test_sign_on_brings_keys_and_batch() -> None:
    world = PosWorld()
    outcome = world.approved("sign-on")
    assert (outcome["kind"], outcome["trace_key"]) == ("sign-on", "T0000001/000000/000001/0800")
    assert (world.device.signed_on, world.device.batch, world.device.stan) == (True, "000001", 1)
    sent = world.sent[-1]
    assert (sent.mti, sent.get(60), sent.get(63)) == ("0800", "00000000003", "01 ")
    link = parse_request(sent.get(57))
    assert link is not None
    begun_us = world.terminal.entries[0].at_us
    expected = sha256(f"T0000001|{begun_us}".encode()).hexdigest()[:16]
    assert (link.sequence, link.link, link.last_entry) == (2, expected, ""), "it names the journal"
    world.approved("sign-on")
    again = parse_request(world.sent[-1].get(57))
    assert again is not None
    assert (again.sequence, again.link) == (4, expected)


def test_two_devices_that_go_on_from_one_copied_journal_do_not_ask_the_same() -> None:
    first, copied = PosWorld(), PosWorld()
    links = []
    for world, wait_us in ((first, 0), (copied, 1)):
        world.approved("sign-on")
        world.now_us += wait_us
        world.approved("pre-auth", amount_minor=500_00, card=CARD)
        said = parse_request(world.sent[-1].get(57))
        assert said is not None
        links.append(said)
    assert links[0].sequence == links[1].sequence
    assert links[0].link != links[1].link


def test_a_check_value_that_does_not_fit_refuses_the_sign_on() -> None:
    world = PosWorld()
    world.command("load", actor="99", merchant_id=MERCHANT_ID, merchant_name="和平饭店", tmk=b"tmk:" + b"X" * 16)
    outcome = world.command("sign-on")
    assert outcome is not None
    assert (outcome["outcome"], outcome["reason"]) == (
        "declined",
        "sign-on refused: check value of the PIN key is wrong: the terminal master keys differ",
    )
    assert (world.device.signed_on, world.device.mak, world.device.batch) == (False, None, "000000")


def test_an_unknown_terminal_is_not_signed_on() -> None:
    world = PosWorld()
    world.acquirer.rows = {table: {} for table in world.acquirer.rows}
    outcome = world.command("sign-on")
    assert outcome is not None
    assert (outcome["response_code"], outcome["reason"]) == ("97", "sign-on refused: terminal not registered")


def test_a_silent_sign_on_ends_and_can_be_asked_anew() -> None:
    world = PosWorld().signed_on()
    world.line = lost
    assert world.command("sign-on") is None
    while_asked = world.device
    assert not while_asked.signed_on, "the acquirer may have changed the keys by now"
    world.later(31)
    assert world.outcomes[-1][1]["outcome"] == "unknown"
    world.quieten(2)
    assert world.device.signed_on
    assert not [sale for sale in world.terminal.rows[SALES].values() if sale.reverses]


def test_echo_tells_whether_the_line_is_alive() -> None:
    world = PosWorld()
    assert world.approved("echo")["kind"] == "echo"
    world.line = lost
    assert world.command("echo") is None
    world.later(31)
    assert world.outcomes[-1][1]["outcome"] == "unknown"
    assert world.hung_up == 1, "the line is dialled anew"
    assert len(world.terminal.entries) == 1, "an echo is no business and stands in no journal"
    assert not world.terminal.rows[DUE]


# --- the story of a hold ------------------------------------------------------------------------------------------


def test_pre_authorization_completion_and_void() -> None:
    world = PosWorld().signed_on()
    placed = world.approved("pre-auth", amount_minor=500_00, card=CARD)
    assert placed["trace_key"] == "T0000001/000001/000002/0100"
    assert (placed["card"], placed["amount"], placed["currency"]) == (mask_pan(CARD["pan"]), 500_00, "156")
    assert placed["authorization_code"] == "123456"
    assert placed["rrn"] == "A00000000002"
    assert placed["register_entry"] == "A-000003"
    linked: dict[str, Any] = {"card": CARD, "authorization_code": "123456"}
    over = world.command("complete", amount_minor=575_01, **linked)
    assert over is not None
    assert (over["outcome"], over["response_code"]) == ("declined", "64")
    assert world.approved("complete", amount_minor=460_50, **linked)["register_entry"] == "A-000006"
    again = world.command("complete", amount_minor=460_50, **linked)
    assert again is not None
    assert again["response_code"] == "22"
    assert world.sent[-1].get(61)[:12] == "000001000002", "own batch and trace are filled in"
    world.judge = lambda message: ("00", "654321")
    world.approved("pre-auth", amount_minor=200_00, card=CARD)
    voided = world.approved("void", authorization_code="654321", **VOID)
    assert (voided["kind"], voided["amount"]) == ("void", 200_00)


def test_what_stands_in_the_messages() -> None:
    world = PosWorld().signed_on()
    world.approved("pre-auth", amount_minor=500_00, card=CARD)
    keyed = world.sent[-1]
    assert sorted(keyed.fields) == [2, 3, 4, 11, 14, 22, 25, 41, 42, 49, 57, 60, 63, 64]
    assert (keyed.get(22), keyed.get(60), keyed.get(25)) == ("012", "1000000100050", "06")
    world.approved("pre-auth", amount_minor=500_00, card={"track2": TRACK2})
    striped = world.sent[-1]
    assert sorted(striped.fields) == [3, 4, 11, 22, 25, 35, 41, 42, 49, 57, 60, 63, 64]
    assert (striped.get(22), striped.get(35)) == ("022", TRACK2)
    world.command("complete", amount_minor=1_00, card=CARD, authorization_code="123456", date="1119")
    completed = world.sent[-1]
    assert sorted(completed.fields) == [2, 3, 4, 11, 14, 22, 25, 38, 41, 42, 49, 57, 60, 61, 63, 64]


def test_a_date_that_was_entered_stands_against_the_own_record() -> None:
    world = PosWorld().signed_on()
    world.approved("pre-auth", amount_minor=500_00, card=CARD)
    declined = world.command("complete", amount_minor=1_00, card=CARD, authorization_code="123456", date="0101")
    assert declined is not None
    assert declined["response_code"] == "25"
    assert world.sent[-1].get(61) == "0000000000000101"


def test_the_slips_date_is_the_acquirers() -> None:
    world = PosWorld().signed_on()
    world.line = answers_lost
    world.command("pre-auth", amount_minor=500_00, card=CARD)
    world.line = lambda to, message: [message]
    world.arrives(answer_to(world.sent[-1], DE12="235959", DE13="1117"), world.device.mak)
    assert (world.newest.local_date, world.newest.local_time) == ("2026-11-17", "23:59:59")


@pytest.mark.parametrize(("day", "date"), [("1224", "2026-12-24"), ("0118", "2027-01-18"), ("0701", "2026-07-01")])
def test_the_slips_year_is_the_one_nearest_to_the_own_clock(day: str, date: str) -> None:
    world = PosWorld().signed_on()
    world.line = answers_lost
    world.command("pre-auth", amount_minor=500_00, card=CARD)
    world.line = lambda to, message: [message]
    world.arrives(answer_to(world.sent[-1], DE13=day), world.device.mak)
    assert world.newest.local_date == date


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("pre-auth", {"amount_minor": 0, "card": CARD}, "amount is not between 0.01 and 9999999999.99"),
        ("pre-auth", {"card": CARD}, "amount is missing"),
        ("pre-auth", {"amount_minor": 1, "card": {"pan": "62"}}, "card number is not 13 to 19 digits"),
        ("pre-auth", {"amount_minor": 1, "card": {**CARD, "expiry": "1"}}, "expiry is not YYMM"),
        (
            "complete",
            {"amount_minor": 1, "card": CARD},
            "authorization code of the original is not up to six letters and digits",
        ),
        (
            "complete",
            {"amount_minor": 1, "card": CARD, "authorization_code": "1", "date": "1"},
            "date of the original is not a day, MMDD",
        ),
        ("void", {"amount_minor": 1, "card": CARD, "authorization_code": "1"}, "a void needs a supervisor"),
        (
            "void",
            {"authorization_code": "1", **VOID},
            "no own pre-authorization has code 1: give the amount",
        ),
        ("dance", {}, "a terminal has no command dance"),
        (
            "repeat",
            {"trace_key": "T0000001/000001/000009/0100"},
            "no request of this terminal is T0000001/000001/000009/0100",
        ),
    ],
)
def test_what_the_terminal_refuses_itself(name: str, arguments: dict[str, Any], reason: str) -> None:
    world = PosWorld().signed_on()
    entries, sent = len(world.terminal.entries), len(world.sent)
    outcome = world.command(name, **arguments)
    assert outcome is not None
    assert (outcome["outcome"], outcome["response_code"], outcome["reason"]) == ("declined", "", reason)
    assert (len(world.terminal.entries), len(world.sent)) == (entries, sent)


def test_no_sale_before_the_sign_on_nor_without_a_line() -> None:
    world = PosWorld()
    outcome = world.command("pre-auth", amount_minor=1, card=CARD)
    assert outcome is not None
    assert outcome["reason"] == "not signed on"
    world.signed_on()
    world.terminal.linked = frozenset()
    outcome = world.command("pre-auth", amount_minor=1, card=CARD)
    assert outcome is not None
    assert outcome["reason"] == "acquirer not reachable"
    assert len(world.terminal.entries) == 3


def test_one_request_at_a_time() -> None:
    world = PosWorld().signed_on()
    world.line = lost
    assert world.command("pre-auth", amount_minor=1, card=CARD) is None
    for name, arguments in (("pre-auth", {"amount_minor": 1, "card": CARD}), ("sign-on", {}), ("load", {"tmk": TMK})):
        outcome = world.command(name, **arguments) or {}
        assert outcome["outcome"] == "declined"


def test_the_trace_number_goes_round() -> None:
    world = PosWorld().signed_on()
    rows = world.terminal.rows[DEVICES]
    rows[TERMINAL_ID] = world.device._replace(stan=999_999)
    world.terminal.audit = None
    assert world.approved("pre-auth", amount_minor=1, card=CARD)["trace_key"].endswith("/000001/000001/0100")
    rows[TERMINAL_ID] = world.device._replace(stan=0)
    outcome = world.command("pre-auth", amount_minor=1, card=CARD)
    assert outcome is not None
    assert outcome["reason"] == "trace numbers of batch 000001 are used up: settle first"


# --- answers that are none ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reason", "why"),
    [
        (changed(DE64=None), "A0", "answer 00 has no MAC"),
        (changed(DE64="FFFFFFFF"), "A0", "answer 00 has a wrong MAC"),
        (changed(DE3="200000"), "06", "answer 00 does not fit: DE3 is 200000, asked was 030000"),
        (changed(DE4="000000050001"), "06", "answer 00 does not fit: DE4 is 000000050001, asked was 000000050000"),
        (changed(DE42="1"), "06", "answer 00 does not fit: DE42 is 1, asked was 102100070110001"),
        (changed(DE41="T0000009"), "06", "answer 00 does not fit: DE41 is T0000009, asked was T0000001"),
        (changed(DE57=None), "06", "answer 00 names no register entry"),
        (changed(DE57="HF9"), "06", "answer 00 names no register entry"),
        (changed(DE39=None), "06", "answer without code does not fit: DE39 is missing"),
        (changed(DE39="98"), "98", "answer 98: issuer did not answer"),
        (changed(DE39="97", DE57=None, DE64=None), "A0", "answer 97 has no MAC"),
    ],
)
def test_an_answer_that_cannot_be_used_leaves_the_outcome_unknown(
    line: Callable[[str, Message], list[Message]], reason: str, why: str
) -> None:
    world = PosWorld().signed_on()
    mak = world.device.mak
    assert mak is not None
    first = [True]

    def once(to: str, message: Message) -> list[Message]:
        """Only the first answer is spoilt, and its MAC made anew where the fault is another."""
        if to == "acquirer" or not first[0]:
            return [message]
        first[0] = False
        (spoilt,) = line(to, message)
        if reason == "A0":
            return [spoilt]
        return [on_the_wire(UNIONPAY, spoilt, world.keys, (mak, "ecb"))]

    world.line = once
    outcome = world.command("pre-auth", amount_minor=500_00, card=CARD)
    assert outcome is not None
    assert (outcome["outcome"], outcome["reason"], outcome["register_entry"]) == ("unknown", why, None)
    assert world.sale(world.device.reversal).reason == reason
    assert world.device.signed_on == (why != "answer 00 has a wrong MAC"), "then the keys are not the same any more"
    world.quieten(3)
    assert (world.newest.outcome, world.newest.pan_sealed) == ("reversed", None)
    assert world.at_acquirer(world.newest.trace_key) == "reversed"


def test_a_decline_with_its_entry_is_a_decline() -> None:
    world = PosWorld().signed_on()
    world.judge = lambda message: ("51", "")
    outcome = world.command("pre-auth", amount_minor=500_00, card=CARD)
    assert outcome is not None
    assert (outcome["outcome"], outcome["response_code"], outcome["reason"]) == ("declined", "51", "insufficient funds")
    assert outcome["register_entry"]
    assert not world.device.reversal


def test_an_answer_to_another_request_ends_nothing() -> None:
    world = PosWorld().signed_on()
    world.approved("pre-auth", amount_minor=1_00, card=CARD)
    earlier = world.sent[-1]
    world.line = lost
    world.command("pre-auth", amount_minor=500_00, card=CARD)
    entries = len(world.terminal.entries)
    stranger = answer_to(earlier, DE11="000099")
    for message in (answer_to(earlier), stranger, Message("0800", {}), Message("0110", {})):
        world.arrives(message, world.device.mak if 64 in message.fields else None)
    assert (world.newest.outcome, len(world.terminal.entries)) == ("asked", entries)


# --- silence and reversal -----------------------------------------------------------------------------------------


def test_silence_is_unknown_and_is_reversed_until_acknowledged() -> None:
    world = PosWorld().signed_on()
    world.line = answers_lost
    assert world.command("pre-auth", amount_minor=500_00, card={"track2": TRACK2}) is None
    asked = world.sent[-1]
    world.later(29)
    assert world.newest.outcome == "asked"
    world.later(1)
    to, outcome = world.outcomes[-1]
    assert (to, outcome["outcome"]) == (world.newest.trace_key, "unknown")
    assert outcome["reason"] == "the acquirer did not answer in time"
    assert world.hung_up == 1, "the line may be dead, or out of step: it is dialled anew"
    refused = world.command("pre-auth", amount_minor=1, card=CARD)
    assert refused is not None
    assert refused["reason"] == "a reversal waits: T0000001/000001/000002/0400"
    for seconds in (0, 5, 10, 20, 40, 80, 120, 120):
        world.later(seconds)
    undo = [message for message in world.sent if message.mti == "0400"]
    assert len(undo) == 8, "pauses double, to a maximum"
    assert sorted(undo[0].fields) == [2, 3, 4, 11, 14, 22, 25, 39, 41, 42, 49, 57, 60, 63, 64]
    same = (2, 3, 4, 11, 25, 41, 42, 60)
    assert [undo[0].get(n) for n in same] == [CARD["pan"], *(asked.get(n) for n in same[1:])]
    assert (undo[0].get(39), undo[0].fields) == ("98", undo[-1].fields)
    world.quieten(5)
    assert world.newest.outcome == "reversed"
    assert world.at_acquirer(world.newest.trace_key) == "reversed"
    world.approved("pre-auth", amount_minor=1, card=CARD)


def test_the_reversal_of_a_completion_names_it() -> None:
    world = PosWorld().signed_on()
    world.approved("pre-auth", amount_minor=500_00, card=CARD)
    world.line = lost
    world.command("complete", amount_minor=460_50, card=CARD, authorization_code="123456")
    world.line = lambda to, message: [message]
    world.later(30)
    world.later(0)
    undo = world.sent[-1]
    date = world.newest.local_date
    assert (undo.mti, undo.get(38)) == ("0400", "123456")
    assert undo.get(61) == "000001000003" + date[5:7] + date[8:10]
    assert world.newest.outcome == "reversed"
    assert world.at_acquirer(world.newest.trace_key) == "tombstone", "should the request still arrive, it is declined"


def test_without_a_line_the_reversal_waits() -> None:
    world = PosWorld().signed_on()
    world.line = lost
    world.command("pre-auth", amount_minor=1, card=CARD)
    world.later(30)
    world.terminal.linked = frozenset()
    sent = len(world.sent)
    for _ in range(10):
        world.later(60)
    assert len(world.sent) == sent
    world.terminal.linked = frozenset({"acquirer"})
    world.line = lambda to, message: [message]
    world.later(60)
    assert world.newest.outcome == "reversed"


def reversal_in_the_air() -> PosWorld:
    """A world in which a reversal was sent and its answer was lost."""
    world = PosWorld().signed_on()
    world.line = answers_lost
    world.command("pre-auth", amount_minor=500_00, card=CARD)
    world.later(30)
    world.later(0)
    assert world.sent[-1].mti == "0400"
    return world


def test_when_the_line_is_back_the_reversal_need_not_wait_until_its_pause_is_over() -> None:
    world = PosWorld().signed_on()
    world.line = lost
    assert world.command("pre-auth", amount_minor=500_00, card=CARD) is None
    for _ in range(20):
        world.later(31)
    [due] = world.terminal.rows[DUE].values()
    assert due.due_us > world.now_us + SETTINGS.repeat_us
    world.line = let_through
    world.approved("deliver")
    world.later(0)
    assert (world.newest.outcome, world.device.reversal) == ("reversed", "")
    world.approved("deliver")
    assert not world.terminal.rows[DUE]


@pytest.mark.parametrize(
    ("code", "outcome"), [("00", "reversed"), ("25", "reversed"), ("12", "reversed"), ("22", "approved")]
)
def test_answers_that_end_a_reversal(code: str, outcome: str) -> None:
    world = reversal_in_the_air()
    reversal = world.device.reversal
    world.arrives(answer_to(world.sent[-1], DE39=code, DE63="MCC"), world.device.mak)
    assert (world.newest.outcome, world.device.reversal) == (outcome, "")
    assert (world.newest.pan_sealed is None) == (outcome == "reversed")
    assert world.sale(reversal).register_entry == "A-000009"
    if code == "22":
        assert world.newest.register_entry == "A-000009"
        assert world.newest.reason == "the reversal was answered 22: the original stands, see A-000009"
        assert world.newest.scheme == "MCC", "it settles among the foreign cards, as the register has it"
    assert not world.terminal.rows[DUE]


@pytest.mark.parametrize(
    "spoilt", [{"DE57": ""}, {"DE4": "000000000001"}, {"DE42": "1"}, {"DE39": "98"}, {"DE39": "51"}, {"DE64": None}]
)
def test_an_answer_that_cannot_be_used_ends_no_reversal(spoilt: dict[str, str | None]) -> None:
    world = reversal_in_the_air()
    answer = answer_to(world.sent[-1], **{name: value for name, value in spoilt.items() if value is not None})
    if "DE64" in spoilt:
        del answer.fields[64]
    world.arrives(answer, world.device.mak if 64 in answer.fields else None)
    assert (world.newest.outcome, world.device.reversal) == ("unknown", "T0000001/000001/000002/0400")
    world.quieten(5)
    assert world.newest.outcome == "reversed"


@pytest.mark.parametrize(("code", "signed_on"), [("A0", False), ("77", False), ("97", True), ("96", True)])
def test_answers_after_which_a_reversal_is_kept(code: str, signed_on: bool) -> None:
    world = reversal_in_the_air()
    bare = answer_to(world.sent[-1], DE39=code)
    del bare.fields[57], bare.fields[64]
    for _ in range(3):
        world.arrives(bare)
    assert (world.newest.outcome, world.device.signed_on) == ("unknown", signed_on)
    held_up = [said for said in world.terminal.book if said.get("phase") == "held up"]
    assert len(held_up) == (not signed_on), "said once, however often it is answered"
    world.quieten(5)
    assert world.newest.outcome == "reversed"


def test_a_reversal_held_up_goes_out_as_soon_as_the_terminal_has_signed_on() -> None:
    world = reversal_in_the_air()
    bare = answer_to(world.sent[-1], DE39="A0")
    del bare.fields[57], bare.fields[64]
    world.arrives(bare)
    world.line = lambda to, message: [message]
    world.later(600)
    assert world.sent[-1].mti == "0400"
    sent = len(world.sent)
    world.approved("sign-on")
    world.later(0)
    assert [message.mti for message in world.sent[sent:]] == ["0800", "0400"]
    assert world.newest.outcome == "reversed"


def test_a_late_answer_changes_nothing_and_is_written_down_once() -> None:
    world = reversal_in_the_air()
    asked = next(message for message in world.sent if message.mti == "0100")
    before = world.newest
    for _ in range(3):
        world.arrives(answer_to(asked), world.device.mak)
    assert world.newest == before._replace(late="00 A-000009")
    assert [said["late"] for said in world.terminal.book if said.get("phase") == "late"] == ["00 A-000009"]
    world.quieten(5)
    world.arrives(answer_to(asked), world.device.mak)
    assert (world.newest.outcome, world.newest.late) == ("reversed", "00 A-000009")


def test_wrong_batch_is_told_and_the_terminal_signs_on_again() -> None:
    world = PosWorld().signed_on()
    rows = world.terminal.rows[DEVICES]
    rows[TERMINAL_ID] = world.device._replace(batch="000777")
    world.terminal.audit = None
    outcome = world.command("pre-auth", amount_minor=1, card=CARD)
    assert outcome is not None
    assert (outcome["outcome"], outcome["response_code"], world.device.signed_on) == ("declined", "77", False)
    world.quieten(2)
    assert world.device.batch == "000001"


# --- repeats ------------------------------------------------------------------------------------------------------


def test_a_repeat_gets_the_first_answer() -> None:
    world = PosWorld().signed_on()
    first = world.approved("pre-auth", amount_minor=500_00, card={"track2": TRACK2})
    entries, rows = len(world.terminal.entries), dict(world.terminal.rows[SALES])
    assert world.command("repeat", trace_key=first["trace_key"]) == first
    repeat = world.sent[-1]
    assert (repeat.mti, repeat.get(2), repeat.get(35)) == ("0101", CARD["pan"], "")
    assert (len(world.terminal.entries), world.terminal.rows[SALES]) == (entries, rows)
    assert not world.terminal.rows[DUE]
    world.line = lost
    assert world.command("repeat", trace_key=first["trace_key"]) is None
    world.later(31)
    told = world.outcomes[-1][1]
    assert (told["outcome"], told["reason"]) == ("approved", "asked again, the acquirer did not answer")
    assert not world.terminal.rows[DUE]


def test_the_answer_to_a_repeat_settles_what_is_still_asked() -> None:
    world = PosWorld().signed_on()
    world.line = answers_lost
    world.command("pre-auth", amount_minor=500_00, card=CARD)
    world.line = lambda to, message: [message]
    key = world.newest.trace_key
    outcome = world.command("repeat", trace_key=key)
    assert outcome is not None
    assert (outcome["outcome"], outcome["trace_key"]) == ("approved", key)
    assert not world.terminal.rows[DUE]


def test_a_repeat_of_what_is_being_reversed_changes_nothing() -> None:
    world = reversal_in_the_air()
    before = world.newest
    world.line = lambda to, message: [message] if message.mti != "0410" else []
    outcome = world.command("repeat", trace_key=before.trace_key)
    assert outcome is not None
    assert (outcome["outcome"], outcome["reason"]) == ("unknown", "it is being reversed")
    assert world.newest._replace(late=None) == before
    world.quieten(5)
    refused = world.command("repeat", trace_key=before.trace_key)
    assert refused is not None
    assert refused["reason"] == f"{before.trace_key} was reversed: there is nothing to repeat"


# --- what stays behind --------------------------------------------------------------------------------------------


def test_no_track_and_no_clear_card_number_stays_behind() -> None:
    world = PosWorld().signed_on()
    world.line = answers_lost
    world.command("pre-auth", amount_minor=500_00, card={"track2": TRACK2})
    world.later(30)
    kept = repr([list(rows.values()) for rows in world.terminal.rows.values()]) + repr(world.terminal.book)
    assert CARD["pan"] not in kept
    assert TRACK2.partition("=")[2] not in kept


def test_a_failed_decision_is_written_down_without_its_text() -> None:
    world = PosWorld().signed_on()
    world.line = lost
    world.command("pre-auth", amount_minor=1, card=CARD)
    (due,) = world.terminal.rows[DUE].values()
    for event in (Command(CALLER, "pre-auth", {}, "01"), due, Received(1, "acquirer", Message("0110", {}))):
        step = world.terminal.refuse(event, ValueError(CARD["pan"]), world.now_us)
        assert CARD["pan"].encode() not in step.entries[0].body
        if isinstance(event, Command):
            (told,) = step.send
            assert isinstance(told, Outcome)
            assert (told.to, told.value["outcome"]) == (CALLER, "declined")
    assert world.terminal.rows[DUE][due.key].due_us > world.now_us


# --- power-off ----------------------------------------------------------------------------------------------------


def session(world: PosWorld) -> None:
    """A day's work: two holds, one completed and one voided; in between an answer is lost and its request reversed."""
    world.approved("sign-on")
    world.command("pre-auth", amount_minor=500_00, card=CARD)
    world.command("complete", amount_minor=460_50, card=CARD, authorization_code="123456")
    line, world.line = world.line, answers_lost
    world.command("pre-auth", amount_minor=70_00, card=CARD)
    world.line = line
    world.later(30)
    world.later(0)
    world.judge = lambda message: ("00", "654321")
    world.command("pre-auth", amount_minor=80_00, card=CARD)
    world.command("void", authorization_code="654321", amount_minor=80_00, **VOID)


SESSION_EVENTS = 15
"""Commands, messages and due rows of a session; each is a moment at which the power can go."""


def test_a_session_without_a_power_cut() -> None:
    world = PosWorld()
    session(world)
    assert_belief_is_the_register(world)
    assert world.events == SESSION_EVENTS, "every event must be tried below"
    outcomes = [sale.outcome for sale in world.terminal.rows[SALES].values() if sale.kind != "reversal"]
    assert sorted(outcomes) == ["approved"] * 5 + ["reversed"]


@pytest.mark.parametrize("before_commit", [True, False])
@pytest.mark.parametrize("event", range(2, SESSION_EVENTS + 1))
def test_power_off_at_any_point(event: int, before_commit: bool) -> None:
    world = PosWorld()
    world.cut_at, world.cut_before_commit = event, before_commit
    with pytest.raises(PowerCut):
        session(world)
    world.restart()
    world.quieten()
    assert_belief_is_the_register(world)
    world.approved("pre-auth", amount_minor=1, card={"pan": pan_of(2), "expiry": "3012"})


FATES = ("through", "through", "through", "lost", "twice", "wrong MAC", "late")


@given(fates=st.lists(st.sampled_from(FATES), max_size=60), cuts=st.lists(st.integers(2, 25), max_size=3))
def test_on_any_line_belief_ends_as_the_register(fates: list[str], cuts: list[int]) -> None:
    world, late = PosWorld(), list[Message]()
    coming = iter(fates)

    def line(to: str, message: Message) -> list[Message]:
        fate = next(coming, "through")
        if fate == "late" and to == "terminal":
            late.append(message)
            return []
        if fate == "wrong MAC" and 64 in message.fields:
            raw = message.raw[:-1] + bytes([message.raw[-1] ^ 1])
            return [Message(message.mti, {**message.fields, 64: raw[-8:].decode()}, raw)]
        return {"lost": [], "twice": [message, message]}.get(fate, [message])

    world.line = line
    for number in range(6):
        cut = cuts[number % len(cuts)] if cuts and number % 2 else 0
        world.cut_at, world.cut_before_commit = (world.events + cut) if cut else 0, number % 4 == 1
        try:
            if not world.device.signed_on:
                world.command("sign-on")
            name = ("pre-auth", "complete", "pre-auth", "void")[number % 4]
            world.command(name, amount_minor=100_00 + number, card=CARD, authorization_code="123456", supervisor="00")
            world.later(31 if number % 3 else 5)
        except PowerCut:
            world.restart()
        while late:
            world.cut_at = 0
            message = late.pop(0)
            world.at_terminal(Received(1, "acquirer", message))
    world.cut_at = 0
    world.quieten(14)
    assert_belief_is_the_register(world)
