"""Every kind that a cashier can ask: what goes over the wire, what the terminal fills in, and what it does in doubt."""

from typing import Any

import pytest

from holdfast.domain.commands import BUSINESS_KINDS
from holdfast.parties.entered import KINDS
from tests.parties.pos_world import CARD, TRACK2, PosWorld, answer_to, answers_lost, let_through, lost, pan_of

SUPERVISED: dict[str, Any] = {"card": CARD, "supervisor": "00"}
HELD: dict[str, Any] = {"card": CARD, "authorization_code": "123456"}


def test_every_kind_of_the_trade_can_be_asked() -> None:
    assert set(KINDS.values()) == set(BUSINESS_KINDS)


WIRE: list[tuple[Any, ...]] = [
    # command, arguments, MTI, DE3, DE25, 60.1, other fields of interest
    ("pre-auth", {"amount_minor": 100}, "0100", "030000", "06", "10", {38: "", 61: "", 4: "000000000100"}),
    ("increment", HELD | {"amount_minor": 50}, "0100", "030000", "60", "10", {38: "123456", 61: "0" * 16}),
    ("moto", {"amount_minor": 100}, "0100", "030000", "18", "10", {38: "", 61: ""}),
    ("complete", HELD | {"amount_minor": 90}, "0200", "000000", "06", "20", {38: "123456", 61: "0000010000021122"}),
    ("advise", HELD | {"amount_minor": 90}, "0220", "000000", "06", "24", {38: "123456", 61: "0000010000021122"}),
    ("void", HELD | SUPERVISED, "0100", "200000", "06", "11", {38: "123456", 4: "000000050000"}),
    ("sale", {"amount_minor": 100}, "0200", "000000", "00", "22", {38: "", 61: ""}),
    ("balance", {}, "0200", "310000", "00", "01", {4: "", 38: "", 61: ""}),
]


@pytest.mark.parametrize(("name", "arguments", "mti", "code", "condition", "message_type", "fields"), WIRE)
def test_what_identifies_a_kind_on_the_wire(
    name: str, arguments: dict[str, Any], mti: str, code: str, condition: str, message_type: str, fields: dict[int, str]
) -> None:
    world = PosWorld().signed_on()
    world.approved("pre-auth", amount_minor=500_00, card=CARD)
    world.on_its_own().command(name, **{"card": CARD, **arguments})
    sent = world.sent[-1]
    assert (sent.mti, sent.get(3), sent.get(25), sent.get(60)[:2]) == (mti, code, condition, message_type)
    date = world.all_of("pre-authorization")[0].local_date
    expected = {n: value.replace("1122", date[5:7] + date[8:10]) for n, value in fields.items()}
    assert {number: sent.get(number) for number in fields} == expected


def stay() -> PosWorld:
    """A hold that was completed."""
    world = PosWorld().signed_on()
    world.approved("pre-auth", amount_minor=500_00, card=CARD)
    world.approved("complete", amount_minor=460_50, **HELD)
    return world


def test_a_void_of_a_completion_is_filled_in_from_the_own_row() -> None:
    world = stay()
    completion = world.newest
    voided = world.approved("void-completion", authorization_code="123456", **SUPERVISED)
    assert (voided["kind"], voided["amount"]) == ("completion-void", 460_50)
    sent = world.sent[-1]
    date = completion.local_date[5:7] + completion.local_date[8:10]
    assert (sent.get(37), sent.get(61)) == (completion.rrn, "000001" + "000003" + date)
    again = world.approved("complete", amount_minor=300_00, **HELD)
    assert again["amount"] == 300_00
    assert world.all_of("completion")[-1].hold == world.all_of("pre-authorization")[0].trace_key


def test_a_sale_is_taken_back_or_refunded_by_its_reference_number() -> None:
    world = PosWorld().signed_on()
    sold = world.approved("sale", amount_minor=80_00, card=CARD)
    refunded = world.approved("refund", amount_minor=30_00, rrn=sold["rrn"], **SUPERVISED)
    assert (refunded["kind"], refunded["amount"]) == ("refund", 30_00)
    assert (world.sent[-1].mti, world.sent[-1].get(37)) == ("0220", sold["rrn"])
    over = world.command("refund", amount_minor=50_01, rrn=sold["rrn"], **SUPERVISED)
    assert over is not None
    assert over["outcome"] == "declined"
    second = world.approved("sale", amount_minor=20_00, card=CARD)
    assert world.approved("void-sale", rrn=second["rrn"], **SUPERVISED)["amount"] == 20_00


def test_what_another_terminal_posted_must_be_named() -> None:
    world = PosWorld().signed_on()
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "no own completion or sale has code 654321: give the amount"),
        ({"amount_minor": 1}, "give its reference number (RRN), or batch and trace"),
    ]
    for arguments, says in cases:
        outcome = world.command("void-completion", authorization_code="654321", **SUPERVISED, **arguments)
        assert outcome is not None
        assert outcome["reason"].endswith(says)
        assert outcome["mistake"]
    world.on_its_own()
    named: dict[str, Any] = {
        "rrn": "A00000000099",
        "date": "1101",
        "original_batch": "000009",
        "original_stan": "000077",
    }
    assert world.command("void-completion", amount_minor=5, authorization_code="654321", **SUPERVISED, **named) is None
    assert (world.sent[-1].get(37), world.sent[-1].get(61)) == ("A00000000099", "0000090000771101")


def test_the_void_of_a_hold_that_was_increased_gives_all_of_it_back() -> None:
    world = PosWorld().signed_on()
    world.approved("pre-auth", amount_minor=500_00, card=CARD)
    world.approved("increment", amount_minor=120_00, **HELD)
    assert world.all_of("increment")[0].hold == world.all_of("pre-authorization")[0].trace_key
    assert world.approved("void", **HELD, supervisor="00")["amount"] == 620_00


def test_another_card_s_request_with_the_same_code_is_not_meant() -> None:
    world = PosWorld().signed_on()
    world.approved("pre-auth", amount_minor=500_00, card=CARD)
    other = {"pan": pan_of(77), "expiry": "3012"}
    outcome = world.command("void", card=other, authorization_code="123456", supervisor="00")
    assert outcome is not None
    assert outcome["reason"] == "no own pre-authorization has code 123456: give the amount"


@pytest.mark.parametrize("code", ["00", "11", "A2", "A4", "A5", "A6"])
def test_all_approvals_are_approvals(code: str) -> None:
    world = PosWorld().signed_on().on_its_own()
    world.command("pre-auth", amount_minor=1, card=CARD)
    outcome = world.answers(DE39=code, DE38="123456")
    assert outcome is not None
    assert (outcome["outcome"], outcome["response_code"]) == ("approved", code)
    assert (outcome["reason"] is None) == (code == "00"), "a reservation is said on the slip"


@pytest.mark.parametrize(("code", "reason"), [("10", "06"), ("98", "98"), ("68", "98")])
def test_what_neither_approves_nor_declines_is_reversed(code: str, reason: str) -> None:
    world = PosWorld().signed_on().on_its_own()
    world.command("sale", amount_minor=1, card=CARD)
    outcome = world.answers(DE39=code)
    assert outcome is not None
    assert outcome["outcome"] == "unknown"
    assert world.sale(world.device.reversal).reason == reason


# --- in doubt -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("pre-auth", {"amount_minor": 1, "card": CARD}),
        ("moto", {"amount_minor": 1, "card": CARD}),
        ("sale", {"amount_minor": 1, "card": CARD}),
        ("increment", HELD | {"amount_minor": 1}),
        ("complete", HELD | {"amount_minor": 1}),
        ("void", HELD | SUPERVISED),
        ("void-completion", {"authorization_code": "123456", **SUPERVISED}),
        ("void-sale", {"authorization_code": "777777", **SUPERVISED}),
    ],
)
def test_silence_to_a_request_is_reversed(name: str, arguments: dict[str, Any]) -> None:
    world = stay()
    world.judge = lambda message: ("00", "777777")
    world.approved("sale", amount_minor=1, card=CARD)
    world.line = answers_lost
    assert world.command(name, **arguments) is None
    world.later(30)
    assert (world.newest.outcome, world.device.reversal.endswith("/0400")) == ("unknown", True)
    world.quieten(5)
    assert (world.newest.outcome, world.newest.pan_sealed) == ("reversed", None)
    assert world.at_acquirer(world.newest.trace_key) in ("reversed", "declined")


def test_a_refund_of_unknown_outcome_is_repeated_and_never_reversed() -> None:
    world = stay()
    world.line = answers_lost
    assert world.command("refund", amount_minor=10_00, authorization_code="123456", **SUPERVISED) is None
    world.later(30)
    refund = world.newest
    assert (refund.outcome, refund.delivery, world.device.reversal) == ("unknown", "owed", "")
    world.line = let_through
    world.approved("pre-auth", amount_minor=1, card=CARD)
    world.later(31)
    assert [message.mti for message in world.sent if message.get(11) == refund.trace_key[16:22]] == ["0220", "0221"]
    assert (world.sale(refund.trace_key).outcome, world.sale(refund.trace_key).delivery) == ("approved", "")
    assert world.at_acquirer(refund.trace_key) == "approved"
    world.quieten(2)


def test_a_refund_that_is_declined_in_the_end_is_declined() -> None:
    world = stay().on_its_own()
    world.command("refund", amount_minor=10_00, authorization_code="123456", **SUPERVISED)
    world.later(30)
    world.later(0)
    assert world.sent[-1].mti == "0221"
    world.answers(DE39="64")
    assert (world.newest.outcome, world.newest.delivery, world.newest.reason) == (
        "declined",
        "",
        "amount does not fit the original",
    )
    world.quieten(1)


def test_a_balance_is_told_and_kept_nowhere() -> None:
    world = PosWorld().signed_on().on_its_own()
    world.command("balance", card={"track2": TRACK2}, pin="123456")
    sent = world.sent[-1]
    assert (sent.get(26), sent.get(53), len(sent.get_bytes(52))) == ("12", "26" + "0" * 14, 8)
    outcome = world.answers(DE54="1002156C000000123456")
    assert outcome is not None
    assert (outcome["outcome"], outcome["amount"], outcome["balance"]) == ("approved", 0, 123_456)
    world.line = lost
    kept = repr(world.terminal.book) + repr(world.terminal.rows)
    assert "123456" not in kept.replace(CARD["pan"], "")


def test_a_balance_that_nobody_answers_owes_nothing() -> None:
    world = PosWorld().signed_on().on_its_own()
    world.command("balance", card=CARD)
    asked = world.sent[-1]
    world.later(30)
    assert (world.outcomes[-1][1]["outcome"], world.device.in_flight, world.device.reversal) == ("unknown", "", "")
    late = world.arrives(answer_to(asked), world.device.mak)
    assert late is not None
    assert (late["outcome"], late["reason"]) == ("unknown", "too late: ask again")
    world.quieten(1)


def test_the_reversal_of_a_void_names_the_void() -> None:
    world = stay()
    world.line = lost
    world.command("void-completion", authorization_code="123456", **SUPERVISED)
    void = world.newest
    world.later(30)
    world.line = let_through
    world.later(0)
    undo = world.sent[-1]
    assert (undo.mti, undo.get(37), undo.get(38)) == ("0400", "", "123456")
    assert undo.get(61)[:12] == void.trace_key[9:15] + void.trace_key[16:22]
    world.quieten(2)
    assert world.sale(void.trace_key).outcome == "reversed"
