"""The issuer's rules: told as stories where the desk reads them, and tried one by one where an answer has a reason."""

from collections.abc import Callable
from typing import Any

import pytest

from holdfast.clock import DAY_US, MINUTE_US
from holdfast.domain.records import ACCOUNTS, ANSWERS, FREEZES, ISSUER_LINKS
from holdfast.domain.tables import DUE, Due
from holdfast.ids import mask_pan
from holdfast.parties.exchange import EXCHANGE_FIELD, MAC_FIELD
from holdfast.parties.judgement import authorization_code
from holdfast.parties.step import Command, Outcome, Outgoing, Received, Step
from holdfast.wire.dialect import ASCII_1987
from holdfast.wire.message import Message
from tests.parties.driver import on_the_wire, received
from tests.parties.issuer_desk import (
    BANK,
    CARDS,
    NOW_US,
    OTHER_BANK,
    ZONE_MAC,
    ZONE_PIN,
    Desk,
    question,
)
from tests.stories import play

LIFE = """
C1 opens debit 1000.00                  -> C1.available 1000.00  C1.held 0.00  funding -1000.00
A1 places C1 500.00                     -> 00  C1.available 500.00  C1.held 500.00  A1.state held
A1 places C1 500.00                     -> 00  C1.available 500.00      # the same question: the same answer
A1 places C1 501.00                     -> 94  C1.available 500.00      # the same exchange, another question
A2 places C1 500.01                     -> 51
A3 completes A1 460.50                  -> 00  C1.available 539.50  C1.held 0.00  clearing 460.50  A1.state completed
A3 completes A1 460.50                  -> 00  C1.available 539.50
A4 completes A1 460.50                  -> 22                           # once only
A5 voids A1 500.00                      -> 22
A6 places C1 500.00                     -> 00  C1.available 39.50
A7 voids A6 499.99                      -> 64                           # in full or not at all
A8 voids A6 500.00                      -> 00  C1.available 539.50  C1.held 0.00  A6.state voided
A9 completes A6 500.00                  -> 22
A10 completes A99 1.00                  -> 25
"""

BUILT_UPON = """
C1 opens debit 1000.00
A1 places C1 100.00
A2 completes A1 80.00                   -> 00
reverse A1                              -> 22  A1.state completed
reverse A1                              -> 22  C1.available 920.00      # still so
reverse A2                              -> 00  A1.state held
reverse A1                              -> 00  C1.available 1000.00  A1.state reversed  # what was built upon it is gone
reverse A1                              -> 00  C1.available 1000.00
"""

REVERSALS = """
C1 opens debit 1000.00
A1 places C1 100.00
A2 completes A1 80.00                   -> 00  C1.available 920.00  clearing 80.00
reverse A1                              -> 22  C1.available 920.00      # built upon: the placing stands
reverse A2                              -> 00  C1.available 900.00  C1.held 100.00  clearing 0.00  A1.state held
reverse A2                              -> 00  C1.available 900.00      # a repeat: the first answer
A3 completes A1 90.00                   -> 00  C1.available 910.00
A4 completes A1 90.00                   -> 22
reverse A4                              -> 00  C1.available 910.00      # what was declined moved nothing
A2 completes A1 80.00                   -> 00  C1.available 910.00  clearing 90.00  # an answer, not a deed
A5 places C1 10.00
A6 voids A5 10.00                       -> 00  C1.available 910.00
reverse A6                              -> 00  C1.available 900.00  C1.held 10.00  A5.state held
A7 voids A5 10.00                       -> 00  C1.available 910.00
reverse A8                              -> 00  C1.available 910.00      # it overtook its request,
A8 places C1 10.00                      -> 12  C1.available 910.00      # which is barred for ever,
A8 places C1 99.00                      -> 12  C1.available 910.00      # whatever it asks
reverse A8                              -> 00
"""

TIME = """
C1 opens debit 1000.00
A1 places C1 100.00
A2 places C1 200.00
A3 places C1 300.00
A4 completes A1 80.00                   -> 00  C1.available 420.00  C1.held 500.00
A5 voids A2 200.00                      -> 00  C1.available 620.00  C1.held 300.00
wait 29 days
time passes                             -> C1.available 620.00  A3.state held
wait 1 days
wait 1 minutes
A6 completes A3 300.00                  -> 22  A3.state held            # past its end, though nobody released it yet
A7 voids A3 300.00                      -> 22
time passes                             -> C1.available 920.00  C1.held 0.00  A3.state expired
time passes                             -> C1.available 920.00
reverse A3                              -> 00  C1.available 920.00  A3.state reversed  # was released
reverse A4                              -> 00  C1.available 1000.00  C1.held 0.00  clearing 0.00  A1.state expired
reverse A5                              -> 00  C1.available 1000.00  C1.held 0.00  A2.state expired
reverse A1                              -> 00  C1.available 1000.00  A1.state reversed
"""

FREEZING_MORE = """
C2 opens debit 1000.00 115              # this account's issuer freezes 115 % of what is asked
A1 places C2 100.00                     -> 00  C2.available 885.00  C2.held 115.00
A2 completes A1 115.00                  -> 00  C2.available 885.00  C2.held 0.00  clearing 115.00
A3 places C2 100.00                     -> 00  C2.available 770.00
A4 voids A3 115.00                      -> 64                           # asked for was 100.00
A5 voids A3 100.00                      -> 00  C2.available 885.00
A6 places C2 0.01                       -> 00  C2.available 884.99      # fractions of a fen are dropped
A7 places C2 769.57                     -> 51                           # would freeze 885.00
A8 places C2 769.56                     -> 00  C2.available 0.00
"""

GUARANTEED = """
C1 opens credit 100.00
A1 places C1 100.00                     -> 00  C1.available 0.00
A2 completes A1 115.00                  -> 00  C1.available -15.00  clearing 115.00  # the scheme's promise
reverse A2                              -> 00  C1.available 0.00  C1.held 100.00  clearing 0.00
"""

IF_AVAILABLE = """
C1 opens credit 110.00
A1 places C1 100.00                     -> 00  C1.available 10.00
A2 completes A1 110.01                  -> 51  A1.state held
A3 completes A1 110.00                  -> 00  C1.available 0.00  clearing 110.00
"""

OVERDRAWN = """
C1 opens credit 110.00
A1 places C1 100.00
A2 completes A1 50.00                   -> 00  C1.available 60.00
A3 places C1 60.00                      -> 00  C1.available 0.00        # what A2 released is spent
reverse A2                              -> 00  C1.available -50.00  C1.held 160.00  # A1 stands again, in full
A4 places C1 0.01                       -> 51
A5 completes A1 100.01                  -> 51
A6 completes A1 100.00                  -> 00  C1.available -50.00  C1.held 60.00   # frozen money needs no cover
"""


@pytest.mark.parametrize(
    ("story", "habits"),
    [
        (LIFE, ""),
        (LIFE, "over_hold=if_available"),
        (BUILT_UPON, ""),
        (REVERSALS, ""),
        (TIME, ""),
        (FREEZING_MORE, ""),
        (GUARANTEED, "over_hold=guaranteed"),
        (IF_AVAILABLE, "over_hold=if_available"),
        (OVERDRAWN, "over_hold=if_available"),
    ],
)
def test_story(story: str, habits: str) -> None:
    desk = Desk(habits)
    play(story, desk.act, desk.look)


# --- the checks, and their order ----------------------------------------------------------------------------------


def opened(**changed: Any) -> Desk:
    """A desk with C1 opened: debit, 1000.00, PIN 123456."""
    desk = Desk()
    desk.open("C1", "debit", 1000_00, pin="123456", **changed)
    return desk


def pin_block(desk: Desk, pin: str, pan: str = CARDS["C1"]) -> bytes:
    return desk.keys.pin_block(desk.keys.import_key("zone-pin", ZONE_PIN), pin, pan)


def code_of(desk: Desk, asked: Message) -> str:
    return desk.answer(desk.ask(asked))


PLACING = question("pre-authorization", "A1", "C1", 100_00)


@pytest.mark.parametrize(
    ("account", "fields", "code"),
    [
        ({}, {}, "00"),
        ({}, {3: "999999"}, "40"),
        ({}, {4: "000000000000"}, "13"),
        ({}, {49: "840"}, "30"),
        ({}, {2: CARDS["C2"]}, "14"),
        ({"status": "lost"}, {}, "41"),
        ({"status": "stolen"}, {}, "43"),
        ({"expiry": "2610"}, {14: "2610"}, "54"),
        ({"expiry": "2611"}, {14: "2611"}, "00"),  # good through the last day of its month
        ({}, {14: "2909"}, "54"),
        ({}, {52: b"\0" * 8}, "99"),
        ({}, {4: "000000100001"}, "51"),
        # Of two reasons the one that stands higher up is told.
        ({}, {3: "999999", 4: "000000000000"}, "40"),
        ({}, {4: "000000000000", 2: CARDS["C2"]}, "13"),
        ({"status": "lost", "expiry": "2610"}, {14: "2610"}, "41"),
        ({}, {14: "2909", 52: b"\0" * 8}, "54"),
        ({}, {52: b"\0" * 8, 4: "000000100001"}, "99"),
    ],
)
def test_checks_in_order_of_precedence(account: dict[str, Any], fields: dict[int, str | bytes], code: str) -> None:
    desk = opened(**account)
    assert code_of(desk, Message(PLACING.mti, {**PLACING.fields, **fields})) == code
    (entry,) = desk.bench.book[-1:]
    assert (entry["response_code"], entry["outcome"]) == (code, "approved" if code == "00" else "declined")
    assert ("reason" in entry) == (code != "00")


@pytest.mark.parametrize("missing", [2, 4, 49])
def test_what_is_missing_is_declined_and_not_a_failure(missing: int) -> None:
    fields = {number: value for number, value in PLACING.fields.items() if number != missing}
    assert code_of(opened(), Message(PLACING.mti, fields)) == {2: "14", 4: "13", 49: "30"}[missing]


@pytest.mark.parametrize(("pin", "code"), [("123456", "00"), ("654321", "55")])
def test_a_pin_is_checked_where_one_was_entered(pin: str, code: str) -> None:
    desk = opened()
    assert code_of(desk, Message(PLACING.mti, {**PLACING.fields, 52: pin_block(desk, pin)})) == code


def test_an_account_without_pin_ignores_a_pin_block() -> None:
    desk = Desk()
    desk.open("C1", "credit", 1000_00)
    assert code_of(desk, Message(PLACING.mti, {**PLACING.fields, 52: b"\0" * 8})) == "00"


@pytest.mark.parametrize("account", [{"status": "lost"}, {"status": "stolen"}, {"expiry": "2610"}])
def test_a_hold_that_was_placed_is_kept_whatever_becomes_of_its_card(account: dict[str, Any]) -> None:
    """The hold is the issuer's promise to the merchant; the state of the card only bars new ones."""
    desk = opened()
    desk.act(["A1", "places", "C1", "100.00"])
    row = desk.bench.rows[ACCOUNTS]["acc-C1"]
    desk.bench.rows[ACCOUNTS]["acc-C1"] = row._replace(**account)
    desk.bench.audit = None
    assert desk.act(["A2", "places", "C1", "100.00"]) in ("41", "43", "54")
    completing = question("completion", "A3", "C1", 80_00, hold="A1")
    completing.fields.pop(14)
    assert code_of(desk, completing) == "00"


@pytest.mark.parametrize("kind", ["completion", "void"])
def test_a_hold_of_another_account_is_out_of_step(kind: str) -> None:
    desk = opened()
    desk.open("C2", "debit", 1000_00)
    desk.act(["A1", "places", "C1", "100.00"])
    assert code_of(desk, question(kind, "A2", "C2", 100_00, hold="A1")) == "22"
    assert code_of(desk, question(kind, "A3", "C1", 100_00, hold="")) == "25"
    assert desk.look("A1.state") == "held"


def test_a_card_of_another_issuer_is_not_ours_to_judge() -> None:
    desk = opened()
    desk.open("C3", "debit", 1000_00, bank=OTHER_BANK)
    assert code_of(desk, question("pre-authorization", "A1", "C3", 100_00, bank=BANK)) == "14"
    assert code_of(desk, question("pre-authorization", "A2", "C3", 100_00, bank=OTHER_BANK)) == "00"


def test_a_reversal_for_one_issuer_does_not_undo_what_another_approved() -> None:
    desk = opened()
    desk.open("C3", "debit", 1000_00, bank=OTHER_BANK)
    desk.act(["A1", "places", "C1", "100.00"])
    assert code_of(desk, desk.advice("A1", bank=OTHER_BANK)) == "94"
    assert desk.look("A1.state") == "held"
    assert code_of(desk, desk.advice("A1")) == "00"
    assert desk.look("A1.state") == "reversed"


# --- what has not been received -----------------------------------------------------------------------------------


def changed_exchange(text: str) -> Message:
    return Message(PLACING.mti, {**PLACING.fields, EXCHANGE_FIELD: text})


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (changed_exchange("HX2|01020000|A-000001||T||"), "names no exchange"),
        (changed_exchange("HX1|01020000|A-000001||T|||more"), "names no exchange"),
        (changed_exchange("HX1|01020000|||T||"), "names no exchange"),
        (changed_exchange("HX1|01020000|A-000001#undo||T||"), "names no exchange"),
        (changed_exchange("HX1|99999999|A-000001||T||"), "is not served here"),
        (Message("0110", PLACING.fields), "message type 0110 is not served"),
    ],
)
def test_what_cannot_be_read_is_answered_by_silence(message: Message, says: str) -> None:
    desk = opened()
    entries = len(desk.bench.entries)
    step = desk.ask(message)
    assert (step.send, step.write, len(desk.bench.entries)) == ((), (), entries)
    assert says in (step.says or "")
    assert CARDS["C1"] not in (step.says or "")


@pytest.mark.parametrize("mti", ["0100", "0420"])
def test_a_wrong_mac_has_not_been_received(mti: str) -> None:
    desk = opened()
    message = Message(mti, dict(PLACING.fields))
    other_key = (desk.keys.import_key("zone-mac", bytes(16)), "x919")
    forged = desk.offer(received(ASCII_1987, message, desk.keys, other_key))
    message.fields.pop(MAC_FIELD)
    bare = desk.offer(received(ASCII_1987, message))
    for step, says in ((forged, "its MAC is wrong"), (bare, "not sealed")):
        assert step._replace(says=None) == Step()
        assert says in (step.says or "")


def test_every_changed_byte_is_seen() -> None:
    desk = opened()
    event = desk.received(PLACING)
    raw = event.message.raw.replace(b"000000010000", b"000000010001")
    changed = on_the_wire(ASCII_1987, Message(PLACING.mti, {**PLACING.fields, 4: "000000010001"}))
    changed.raw = raw
    assert "its MAC is wrong" in (desk.offer(Received(1, "", changed)).says or "")


def test_echo_is_answered_without_a_record() -> None:
    desk = opened()
    entries = len(desk.bench.entries)
    asked = Message("0800", {7: "1122213405", 11: "000001", 70: "301"})
    (sent,) = desk.offer(received(ASCII_1987, asked, link=7)).send
    assert isinstance(sent, Outgoing)
    answer = on_the_wire(ASCII_1987, sent.message)
    assert (sent.to, sent.seal, answer.mti) == (7, None, "0810")
    assert {n: answer.get(n) for n in (7, 11, 39, 70)} == {7: "1122213405", 11: "000001", 39: "00", 70: "301"}
    assert len(desk.bench.entries) == entries


# --- answers and entries ------------------------------------------------------------------------------------------


def test_an_answer_brings_back_what_names_the_exchange() -> None:
    desk = opened()
    asked = Message(
        PLACING.mti, {**PLACING.fields, 35: CARDS["C1"] + "=29121010000012300000", 52: pin_block(desk, "123456")}
    )
    (sent,) = desk.ask(asked, link=5).send
    assert isinstance(sent, Outgoing)
    assert (sent.to, sent.seal) == (5, (desk.keys.import_key("zone-mac", ZONE_MAC), "x919"))
    answer = on_the_wire(ASCII_1987, sent.message, desk.keys, sent.seal)
    assert answer.mti == "0110"
    assert all(answer.get(number) == asked.get(number) for number in (2, 3, 4, 7, 11, 25, 32, 37, 41, 42, 48, 49))
    assert answer.get(38) == desk.bench.rows[FREEZES]["A-000001"].authorization_code
    assert 35 not in answer.fields
    assert 52 not in answer.fields


def test_the_first_answer_again_is_the_same_to_the_last_field() -> None:
    desk = opened()
    (first,) = desk.ask(PLACING).send
    desk.now_us += 3 * MINUTE_US
    (again,) = desk.ask(PLACING).send
    assert again == first


def test_a_completion_is_answered_with_the_code_of_its_hold() -> None:
    desk = opened()
    desk.act(["A1", "places", "C1", "100.00"])
    (sent,) = desk.ask(question("completion", "A2", "C1", 80_00, hold="A1")).send
    assert isinstance(sent, Outgoing)
    assert sent.message.get(38) == desk.bench.rows[FREEZES]["A-000001"].authorization_code


def test_a_placing_is_told_in_full() -> None:
    desk = opened()
    desk.act(["A1", "places", "C1", "100.00"])
    entry = desk.bench.book[-1]
    code = desk.bench.rows[FREEZES]["A-000001"].authorization_code
    end_us = NOW_US // MINUTE_US * MINUTE_US + MINUTE_US + 30 * DAY_US
    assert entry == {
        "log": "I",
        "number": 5,
        "at": NOW_US,
        "kind": "pre-authorization",
        "phase": "judged",
        "actor": "acquirer",
        "exchange_id": "A-000001",
        "trace_key": "T0000001/000001/000001/0100",
        "issuer": BANK,
        "account_id": "acc-C1",
        "card": mask_pan(CARDS["C1"]),
        "amount": 100_00,
        "currency": "156",
        "rrn": "A00000000001",
        "terminal_id": "T0000001",
        "merchant_id": "898310070110001",
        "outcome": "approved",
        "response_code": "00",
        "authorization_code": code,
        "question": entry["question"],
        "hold_id": "A-000001",
        "hold": {
            "id": "A-000001",
            "version": 1,
            "act": ["place", "A-000001", 100_00, {"frozen_minor": 100_00, "expires_us": end_us}],
        },
        "postings": [["acc-C1", "available", -100_00], ["acc-C1", "held", 100_00]],
    }
    assert len(entry["question"]) == 32
    assert desk.bench.rows[DUE]["expire:A-000001"] == Due("expire:A-000001", end_us, 0, NOW_US)


@pytest.mark.parametrize(
    ("dice", "code"), [(0, "000001"), (999_998, "999999"), (999_999, "000001"), (2**64 - 1, "072088")]
)
def test_an_authorization_code_is_six_digits_and_never_zero(dice: int, code: str) -> None:
    assert authorization_code(dice.to_bytes(8)) == code


def test_a_reversal_that_was_never_asked_for_tells_what_it_bars() -> None:
    desk = opened()
    desk.act(["A1", "places", "C1", "100.00"])
    advice = desk.advice("A9", kind="completion", hold="A1")
    assert code_of(desk, advice) == "00"
    assert (desk.bench.book[-1]["kind"], desk.bench.book[-1]["echoes"]) == ("reversal", "completion")
    assert desk.bench.rows[ANSWERS]["A-000009"].kind == "completion"
    assert code_of(desk, question("completion", "A9", "C1", 80_00, hold="A1")) == "12"


def test_a_repeated_reversal_need_not_look_the_same() -> None:
    desk = opened()
    desk.act(["A1", "places", "C1", "100.00"])
    assert code_of(desk, desk.advice("A1")) == "00"
    entries = len(desk.bench.entries)
    again = desk.advice("A1", hold="A1")
    assert (code_of(desk, Message("0421", again.fields)), len(desk.bench.entries)) == ("00", entries)


def test_no_entry_holds_what_must_not_be_kept() -> None:
    desk = opened()
    track = CARDS["C1"] + "=29121010000012300000"
    block = pin_block(desk, "123456")
    desk.ask(Message(PLACING.mti, {**PLACING.fields, 35: track, 52: block}))
    desk.act(["A2", "completes", "A1", "80.00"])
    desk.act(["reverse", "A2"])
    desk.act(["A3", "places", "C1", "9999.00"])
    bodies = b"".join(entry.body for entry in desk.bench.entries)
    rows = repr([desk.bench.rows[table] for table in (ACCOUNTS, ANSWERS, FREEZES, DUE)])
    for secret in (CARDS["C1"], track, "123456", block.hex(), ZONE_MAC.hex()):
        assert secret.encode() not in bodies
        assert secret not in rows
    assert repr(block)[2:-1] not in rows


# --- time, commands, failures -------------------------------------------------------------------------------------


def test_a_due_row_that_outlived_its_hold_goes() -> None:
    desk = opened()
    for key in ("expire:A-000001", "expire:A-000099"):
        desk.act(["A1", "places", "C1", "100.00"])
        desk.act(["A2", "voids", "A1", "100.00"])
        desk.bench.rows[DUE][key] = due = Due(key, desk.now_us, 0, desk.now_us)
        desk.bench.audit = None
        assert desk.offer(due).entries == ()
        assert desk.bench.rows[DUE] == {}


def test_a_due_row_that_comes_early_goes_back_to_its_time() -> None:
    desk = opened()
    desk.act(["A1", "places", "C1", "100.00"])
    due = desk.bench.rows[DUE]["expire:A-000001"]
    assert desk.offer(due._replace(due_us=desk.now_us)).entries == ()
    assert desk.bench.rows[DUE]["expire:A-000001"] == due
    assert desk.look("A1.state") == "held"


def test_a_hold_ends_with_its_minute() -> None:
    desk = opened()
    desk.act(["A1", "places", "C1", "100.00"])
    desk.act(["A2", "places", "C1", "100.00"])
    desk.now_us = desk.bench.rows[FREEZES]["A-000001"].expires_us - 1
    assert desk.act(["A3", "completes", "A1", "100.00"]) == "00"
    desk.now_us += 1
    assert desk.act(["A4", "completes", "A2", "100.00"]) == "22"
    desk.act(["time", "passes"])
    entry = desk.bench.book[-1]
    assert (entry["kind"], entry["actor"], entry["hold"]["act"][:2]) == (
        "expiry",
        "system",
        ["expire", f"I-{entry['number']:06d}"],
    )


def test_accounts_are_opened_once() -> None:
    desk = opened()
    desk.act(["A1", "places", "C1", "100.00"])
    before = dict(desk.bench.rows[ACCOUNTS])
    told = desk.open("C1", "debit", 5000_00)
    assert told["ok"] is True
    assert desk.bench.rows[ACCOUNTS] == before
    assert desk.bench.book[-1]["kind"] == "audit"


def test_what_an_import_records() -> None:
    desk = opened()
    audited, clearing, funding, account = desk.bench.book[-4:]
    assert audited["kind"] == "audit"
    assert audited["actor"] == "operator 7"
    assert audited["links"] == [[BANK, ""]]
    assert [row["account"]["kind"] for row in (clearing, funding, account)] == ["clearing", "funding", "debit"]
    assert account["postings"] == [[f"{BANK}/funding", "available", -1000_00], ["acc-C1", "available", 1000_00]]
    row = desk.bench.rows[ACCOUNTS]["acc-C1"]
    assert (row.pan_hash, row.card) == (desk.keys.pan_hash(CARDS["C1"]), mask_pan(CARDS["C1"]))
    assert row.pin_verifier == desk.keys.pin_verifier(CARDS["C1"], "123456")
    assert desk.bench.rows[ISSUER_LINKS][BANK].zone_mac == desk.keys.import_key("zone-mac", ZONE_MAC)


def test_a_card_has_one_account() -> None:
    desk = opened()
    row = desk.account("C1", "debit", 1_00) | {"account_id": "another"}
    told = desk.command("open-accounts", {"accounts": [row]})
    assert told == {"ok": False, "reason": f"card {mask_pan(CARDS['C1'])} has an account already"}
    twice = desk.account("C2", "debit", 1_00)
    told = desk.command("open-accounts", {"accounts": [twice, twice | {"account_id": "another"}]})
    assert told == {"ok": False, "reason": "a card or an account is given twice"}
    assert set(desk.bench.rows[ACCOUNTS]) == {"acc-C1", f"{BANK}/clearing", f"{BANK}/funding"}


def test_an_unknown_command_is_refused() -> None:
    told = opened().command("lend-money", {})
    assert told == {"ok": False, "reason": "the issuer has no command lend-money"}


SECRET = ValueError(f"card {CARDS['C1']}")


def test_a_question_that_we_fail_to_judge_is_declined_for_ever() -> None:
    desk = opened()
    step = desk.bench.refuse(desk.received(PLACING), SECRET, desk.now_us)
    assert desk.answer(step) == "96"
    entry = desk.bench.book[-1]
    assert (entry["kind"], entry["reason"], entry["echoes"]) == ("refusal", "ValueError", "pre-authorization")
    assert CARDS["C1"] not in f"{desk.bench.book} {step.says}"
    assert desk.act(["A1", "places", "C1", "100.00"]) == "96"
    assert desk.act(["reverse", "A1"]) == "00"
    assert desk.look("C1.available") == "1000.00"


@pytest.mark.parametrize(
    "event",
    [
        lambda desk: desk.received(PLACING),
        lambda desk: desk.received(desk.advice("A1")),
        lambda desk: desk.received(desk.advice("A9")),
        lambda desk: received(ASCII_1987, Message("0800", {11: "000001"})),
    ],
)
def test_failing_on_what_was_answered_before_or_is_a_reversal_is_silent(event: Callable[[Desk], Received]) -> None:
    desk = opened()
    desk.act(["A1", "places", "C1", "100.00"])
    step = desk.bench.refuse(event(desk), SECRET, desk.now_us)
    assert (step.send, step.write) == ((), ())
    assert desk.bench.book[-1]["kind"] == "refusal"
    assert desk.look("A1.state") == "held"
    assert desk.act(["reverse", "A1"]) == "00"


def test_failing_on_a_due_row_puts_it_off() -> None:
    desk = opened()
    desk.act(["A1", "places", "C1", "100.00"])
    due = desk.bench.rows[DUE]["expire:A-000001"]
    desk.bench.audit = None
    desk.bench.refuse(due, SECRET, due.due_us)
    later = desk.bench.rows[DUE][due.key]
    assert later.due_us > due.due_us
    assert later.attempts == 1


def test_failing_on_a_command_tells_the_caller() -> None:
    desk = opened()
    (told,) = desk.bench.refuse(Command(3, "open-accounts", {}, "operator 7"), SECRET, desk.now_us).send
    assert told == Outcome(3, {"ok": False, "reason": "deciding on Command failed: ValueError"})
