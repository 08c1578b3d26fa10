"""The batch is settled: balanced or not, with an upload, with what waits, through silence and power cuts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.records import BATCHES
from holdfast.domain.tables import DUE
from holdfast.parties.step import Outgoing, Received
from holdfast.wire.dialect import UNIONPAY
from holdfast.wire.message import Message
from holdfast.wire.settlement import (
    CardClass,
    ClassTotals,
    Detail,
    Totals,
    pack_details,
    pack_totals,
    parse_details,
    parse_end,
    parse_totals,
)
from tests.parties.driver import on_the_wire
from tests.parties.pos_world import (
    CARD,
    FOREIGN,
    MERCHANT_ID,
    TERMINAL_ID,
    TRACK2,
    PosWorld,
    PowerCut,
    answer_to,
    answers_lost,
    assert_belief_is_the_register,
    let_through,
    lost,
)

HELD: dict[str, Any] = {"card": CARD, "authorization_code": "123456"}
CHIP: dict[str, Any] = {**CARD, "sequence": "001", "chip": b"\x9f\x26\x01\x00"}
SETTLEMENT = "T0000001/000001/000099/0500"


def sold(*amounts_minor: int) -> PosWorld:
    """Sales of these amounts, keyed."""
    world = PosWorld().signed_on()
    for amount_minor in amounts_minor:
        world.approved("sale", amount_minor=amount_minor, card=CARD)
    return world


def flagged(totals: str, domestic: str = "1", foreign: str = "1") -> str:
    """DE48 of an answer: the same totals with these flags."""
    return totals[:30] + domestic + totals[31:61] + foreign


def settled(world: PosWorld) -> dict[str, Any]:
    """The outcome of a settlement that is over."""
    outcome = world.command("settle")
    assert outcome is not None
    assert (outcome["outcome"], outcome["kind"]) == ("approved", "settlement"), outcome
    return outcome


# --- balanced -----------------------------------------------------------------------------------------------------


def test_totals_of_every_kind_balance_with_the_register() -> None:
    world = sold(80_00, 20_00)
    world.approved("pre-auth", amount_minor=500_00, card=CARD)
    world.approved("complete", amount_minor=460_50, **HELD)
    world.approved("void-completion", **HELD, supervisor="00")
    world.command("advise", amount_minor=300_00, **HELD)
    world.approved("refund", amount_minor=30_00, rrn=world.all_of("sale")[0].rrn, card=CARD, supervisor="00")
    world.approved("void-sale", rrn=world.all_of("sale")[1].rrn, card=CARD, supervisor="00")
    world.approved("sale", amount_minor=7_00, card=FOREIGN)
    outcome = settled(world)
    domestic, foreign = outcome["totals"]["domestic"], outcome["totals"]["foreign"]
    assert (domestic["debit_amount"], domestic["debit_count"]) == (80_00 + 20_00 + 460_50 + 300_00, 4)
    assert (domestic["credit_amount"], domestic["credit_count"]) == (460_50 + 30_00 + 20_00, 3)
    assert (foreign["debit_amount"], foreign["debit_count"], foreign["credit_count"]) == (7_00, 1, 0)
    assert (outcome["balanced"], outcome["batch"], outcome["next_batch"]) == (True, "000001", "000002")
    assert (outcome["failed"], outcome["waiting"], outcome["uploaded"]) == ([], [], 0)
    assert outcome["register_entry"]
    sent = world.sent[-1]
    assert sorted(sent.fields) == [11, 41, 42, 48, 49, 57, 60, 63, 64]
    assert (sent.mti, sent.get(60), len(sent.get(48))) == ("0500", "00000001201", 62)
    register = world.acquirer.rows[BATCHES][f"{TERMINAL_ID}/000001"]
    assert (register.debit_minor, register.credit_minor, register.foreign_debit_minor) == (860_50, 510_50, 7_00)
    device = world.device
    assert (device.batch, device.asked_n, device.settling, device.last_settlement) == (
        "000002",
        0,
        "",
        outcome["trace_key"],
    )
    assert world.approved("sale", amount_minor=1, card=CARD)["trace_key"].startswith("T0000001/000002/")


def test_only_what_is_approved_counts() -> None:
    world = sold(10_00)
    world.judge = lambda message: ("51", "")
    world.command("sale", amount_minor=5_00, card=CARD)
    world.judge = lambda message: ("00", "123456")
    world.line = answers_lost
    world.command("sale", amount_minor=6_00, card=CARD)
    world.later(30)
    refused = world.command("settle")
    assert refused is not None
    assert refused["reason"].startswith("a reversal waits")
    world.line = let_through
    world.later(0)
    assert settled(world)["totals"]["domestic"]["debit_amount"] == 10_00


def test_an_empty_batch_can_be_settled() -> None:
    assert settled(PosWorld().signed_on())["balanced"]


def test_the_last_batch_number_is_followed_by_the_first() -> None:
    world = PosWorld().signed_on()
    world.set(batch="999999")
    world.on_its_own().command("settle")
    outcome = world.answers(DE39="", DE48=flagged(world.sent[-1].get(48)))
    assert outcome is not None
    assert (outcome["batch"], world.device.batch) == ("999999", "000001")


def test_card_numbers_are_dropped_when_the_batch_is_closed() -> None:
    world = sold(1, 2, 3)
    key = world.newest.trace_key
    assert all(sale.pan_sealed for sale in world.all_of())
    settled(world)
    for _ in range(3):
        world.later(0)
    assert not any(sale.pan_sealed for sale in world.all_of())
    assert not world.terminal.rows[DUE]
    again = world.command("repeat", trace_key=key)
    assert again is not None
    assert again["reason"] == f"{key} is settled: there is nothing to repeat"


# --- not balanced -------------------------------------------------------------------------------------------------


def upload_world() -> PosWorld:
    """Ten keyed sales, a swiped, a foreign and a chip one, a refund and an advice; then the totals differ."""
    world = sold(*range(1_00, 11_00, 1_00))
    world.approved("sale", amount_minor=11_00, card={"track2": TRACK2})
    world.approved("sale", amount_minor=12_00, card=FOREIGN)
    world.approved("sale", amount_minor=13_00, card=CHIP)
    world.approved("refund", amount_minor=50, rrn=world.all_of("sale")[0].rrn, card=CARD, supervisor="00")
    world.approved("pre-auth", amount_minor=20_00, card=CARD)
    world.command("advise", amount_minor=14_00, **HELD)
    world.on_its_own()
    assert world.command("settle") is None
    return world


def not_balanced(world: PosWorld) -> dict[str, Any] | None:
    """The acquirer's totals are others."""
    totals = parse_totals(world.sent[-1].get(48))
    theirs = Totals(totals.domestic._replace(debit_amount_minor=1, reply="2"), totals.foreign._replace(reply="1"))
    return world.answers(DE39="", DE48=pack_totals(theirs))


def test_a_copy_of_the_answer_changes_nothing_when_the_batch_is_closed() -> None:
    world = upload_world()
    settlement, sealed_with = world.sent[-1], world.device.mak
    outcome = not_balanced(world)
    while outcome is None:
        outcome = world.answers()
    for _ in range(3):
        world.later(0)
    device, entries = world.device, len(world.terminal.entries)
    copy = answer_to(settlement, DE39="", DE48=flagged(settlement.get(48), domestic="2"))
    assert world.arrives(copy, sealed_with) is None
    assert (world.device, len(world.terminal.entries)) == (device, entries)


def test_a_batch_that_does_not_balance_is_uploaded_and_then_closed() -> None:
    world = upload_world()
    traces = {sale.trace_key[16:22]: sale for sale in world.all_of()}
    assert not_balanced(world) is None
    uploads: list[Message] = []
    outcome = None
    while outcome is None:
        uploads.append(world.sent[-1])
        outcome = world.answers()
    assert [upload.get(60) for upload in uploads] == [
        "00000001201",
        "00000001201",
        "22000001205",
        "25000001201",
        "24000001201",
        "00000001202",
    ]
    blocks = [parse_details(upload.get(48)) for upload in uploads[:2]]
    assert [len(block) for block in blocks] == [8, 4]
    for detail in (*blocks[0], *blocks[1]):
        assert detail.amount_minor == traces[detail.trace].amount_minor
        assert detail.card_class == ("01" if detail.pan == FOREIGN["pan"] else "00")
    chip, refund, advice, end = uploads[2:]
    assert {chip.get(11), refund.get(11), advice.get(11)} <= set(traces)
    assert (chip.get(2), chip.get(4), chip.get(22), chip.get(23)) == (CARD["pan"], "000000001300", "052", "001")
    assert 55 not in chip.fields
    assert (refund.get(3), refund.get(25), len(refund.get(61))) == ("200000", "00", 29)
    assert (advice.get(3), advice.get(25), advice.get(38), len(advice.get(61))) == ("000000", "06", "123456", 29)
    assert parse_end(end.get(48)) == 15
    assert len({upload.get(11) for upload in uploads}) == len(uploads), "each has a trace number of its own"
    assert (outcome["balanced"], outcome["uploaded"], outcome["next_batch"]) == (False, 6, "000002")
    assert outcome["host_totals"]["domestic"]["debit_amount"] == 1
    assert outcome["reason"] == "not balanced: the acquirer's totals are others"
    assert (world.device.batch, world.device.settling, world.device.uploaded) == ("000002", "", 0)
    assert CARD["pan"] not in repr(world.terminal.book)


def test_an_upload_that_stops_goes_on_where_it_was() -> None:
    world = upload_world()
    not_balanced(world)
    world.answers()
    second = world.sent[-1]
    world.later(30)
    told = world.outcomes[-1][1]
    assert (told["outcome"], told["kind"]) == ("unknown", "settlement")
    assert "settle again to go on" in told["reason"]
    refused = world.command("sale", amount_minor=1, card=CARD)
    assert refused is not None
    assert refused["reason"].startswith("the batch is being settled")
    world.restart()
    world.command("settle")
    assert (world.sent[-1].fields, world.device.uploaded) == (second.fields, 1), "the same message under the same key"
    for code, stopped in (("96", True), ("A0", True)):
        outcome = world.answers(DE39=code)
        assert outcome is not None
        assert (outcome["outcome"], world.device.uploaded) == ("unknown", 1)
        assert stopped
        if not world.device.signed_on:
            world.line = let_through
            world.approved("sign-on")
            world.line = lost
        world.command("settle")
    outcome = None
    while outcome is None:
        outcome = world.answers()
    assert outcome["next_batch"] == "000002"


@pytest.mark.parametrize("upload", ["never", "chips"])
def test_of_a_batch_that_balances_the_chips_are_uploaded_where_the_acquirer_wants_them(upload: str) -> None:
    world = PosWorld().signed_on()
    world.set(parameters=f"balanced_upload={upload}")
    world.approved("sale", amount_minor=13_00, card=CHIP)
    world.approved("sale", amount_minor=1_00, card=CARD)
    world.on_its_own().command("settle")
    outcome = world.answers(DE39="", DE48=flagged(world.sent[-1].get(48)))
    codes = []
    while outcome is None:
        codes.append(world.sent[-1].get(60)[8:])
        outcome = world.answers()
    assert codes == ([] if upload == "never" else ["203", "207"])
    assert (outcome["balanced"], world.device.batch) == (True, "000002")


# --- answers that are none, silence, the dark ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"DE48": "1" * 10}, "answer has no totals"),
        ({}, "answer has no totals"),
        ({"DE48": "0" * 62}, "does not say whether the totals balance"),
        ({"DE41": "T0000009"}, "DE41 is T0000009"),
        ({"DE57": "", "DE37": ""}, "names no register entry"),
        ({"DE39": "96"}, "fault of the centre"),
        ({"DE39": "77"}, "sign-on or batch out of step"),
    ],
)
def test_an_answer_that_cannot_be_believed_closes_no_batch(fields: dict[str, str], why: str) -> None:
    world = sold(1_00).on_its_own()
    world.command("settle")
    asked = world.sent[-1]
    good = {"DE39": "", "DE48": flagged(asked.get(48))} if fields and "DE48" not in fields else {"DE39": ""}
    outcome = world.answers(**{**good, **fields})
    assert outcome is not None
    assert outcome["outcome"] == "unknown"
    assert why in outcome["reason"]
    assert outcome["reason"].endswith("settle again")
    assert (world.device.batch, world.device.settling) == ("000001", outcome["trace_key"])
    assert world.device.signed_on == (fields.get("DE39") != "77")
    world.quieten(3)
    assert world.device.batch == "000002"


def test_a_forged_answer_closes_no_batch() -> None:
    world = sold(1_00).on_its_own()
    world.command("settle")
    forged = answer_to(world.sent[-1], DE39="", DE48=flagged(world.sent[-1].get(48)))
    for seal in (None, b"mak:" + b"?" * 8):
        if seal is None:
            forged.fields.pop(64)
        outcome = world.arrives(forged, seal)
        forged.fields[64] = "00000000"
        assert outcome is not None
        assert "MAC" in outcome["reason"]
        assert world.device.batch == "000001"
        world.command("settle") if world.device.signed_on else None


def forged(world: PosWorld, mti: str, fields: dict[int, str | bytes]) -> str:
    """The answer to an unsealed message of somebody about the batch of the terminal."""
    named: dict[int, str | bytes] = {41: TERMINAL_ID, 42: MERCHANT_ID, 60: f"00{world.device.batch}201"}
    message = on_the_wire(UNIONPAY, Message(mti, named | fields))
    (send,) = world.acquirer.offer(Received(1, "", message), world.now_us).send
    assert isinstance(send, Outgoing)
    return send.message.get(39)


def test_nobody_else_settles_or_uploads_its_batch() -> None:
    world = sold(1_00)
    entries, following = len(world.acquirer.entries), f"{world.device.stan + 1:06d}"
    totals = pack_totals(Totals(ClassTotals(9_99, 9), ClassTotals()))
    block = pack_details([Detail(CardClass.DOMESTIC, "000099", CARD["pan"], 1_00)])
    assert forged(world, "0500", {11: following, 48: totals, 49: "156"}) == "A0"
    assert forged(world, "0320", {11: following, 48: block}) == "A0"
    assert len(world.acquirer.entries) == entries
    assert settled(world)["balanced"]
    world.approved("sale", amount_minor=2_00, card=CARD)


def test_a_settlement_that_is_answered_as_a_duplicate_is_asked_under_a_new_trace_number() -> None:
    world = sold(1_00).on_its_own()
    world.command("settle")
    first = world.sent[-1]
    outcome = world.answers(DE39="94")
    assert outcome is not None
    assert outcome["outcome"] == "unknown"
    assert outcome["reason"].endswith("settle again")
    world.command("settle")
    second = world.sent[-1]
    assert (second.get(48), second.get(60)) == (first.get(48), first.get(60))
    assert int(second.get(11)) == int(first.get(11)) + 1
    world.later(30)
    world.line = let_through
    assert settled(world)["next_batch"] == "000002"
    assert world.sent[-1].get(11) == second.get(11), "what nobody answered is asked again as it was"


def test_a_duplicate_is_settled_anew_in_its_own_batch_after_a_sign_on() -> None:
    world = sold(1_00).on_its_own()
    world.command("settle")
    world.answers(DE39="94")
    world.set(batch="000007")
    world.command("settle")
    assert world.sent[-1].get(60)[2:8] == "000001"
    outcome = world.answers(DE39="", DE48=flagged(world.sent[-1].get(48)))
    assert outcome is not None
    assert (outcome["batch"], outcome["next_batch"]) == ("000001", "000007")


def test_an_upload_that_is_answered_as_a_duplicate_goes_again_under_a_new_trace_number() -> None:
    world = upload_world()
    not_balanced(world)
    for _ in range(2):
        first = world.sent[-1]
        outcome = world.answers(DE39="94")
        assert outcome is not None
        assert (outcome["outcome"], world.device.uploaded, world.device.in_flight) == ("unknown", 0, "")
        assert "answered 94" in outcome["reason"]
        world.command("settle")
        assert world.sent[-1].get(48) == first.get(48)
        assert int(world.sent[-1].get(11)) == int(first.get(11)) + 1
    outcome = None
    while outcome is None:
        alone = 2 in world.sent[-1].fields
        outcome = world.answers(DE39="94" if alone else "00")
    assert outcome["next_batch"] == "000002", "what is uploaded alone has no other trace number: it came before"


@pytest.mark.parametrize("code", ["30", "12", "97"])
def test_only_00_acknowledges_an_upload(code: str) -> None:
    world = upload_world()
    not_balanced(world)
    first = world.sent[-1]
    outcome = world.answers(DE39=code)
    assert outcome is not None
    assert (outcome["outcome"], world.device.uploaded) == ("unknown", 0)
    if not world.device.signed_on:
        return
    world.command("settle")
    assert world.sent[-1].fields == first.fields


def test_a_settlement_that_nobody_answered_is_asked_again_as_it_was() -> None:
    world = sold(1_00)
    world.line = answers_lost
    world.command("settle")
    first = world.sent[-1]
    world.later(30)
    assert world.outcomes[-1][1]["reason"] == "the acquirer did not answer in time: settle again"
    world.line = let_through
    outcome = settled(world)
    assert world.sent[-1].fields == first.fields
    assert outcome["next_batch"] == "000002"
    assert len([said for said in world.acquirer.book if said["kind"] == "settlement"]) == 1


def test_a_sign_on_in_between_brings_the_next_number_and_no_other_is_taken() -> None:
    world = sold(1_00)
    world.line = answers_lost
    world.command("settle")
    world.later(30)
    world.line = let_through
    world.approved("sign-on")
    assert world.device.batch == "000002"
    assert settled(world)["next_batch"] == "000002"
    world.approved("sale", amount_minor=5, card=CARD)
    assert settled(world)["balanced"]
    assert world.device.batch == "000003"


def test_a_refund_that_was_plainly_declined_is_not_among_what_is_missing() -> None:
    world = sold(80_00)
    rrn = world.newest.rrn
    world.command("refund", amount_minor=90_00, rrn=rrn, card=CARD, supervisor="00")
    assert world.newest.outcome == "declined"
    outcome = settled(world)
    assert (outcome["failed"], outcome["waiting"]) == ([], [])


def test_what_still_waits_is_said_aloud_and_goes_on_with_its_old_batch() -> None:
    world = PosWorld().signed_on()
    for code in ("123456", "123457", "123458"):
        world.judge = lambda message, code=code: ("00", code)  # type: ignore[misc]
        world.approved("pre-auth", amount_minor=500_00, card=CARD)
    world.line = lost
    world.command("advise", amount_minor=100_00, **HELD)
    refused = world.newest.trace_key
    world.answers(DE39="25")
    world.command("advise", amount_minor=200_00, card=CARD, authorization_code="123457")
    waiting = world.newest.trace_key
    world.line = let_through
    outcome = settled(world)
    assert [each["trace_key"] for each in outcome["failed"]] == [refused]
    assert [each["trace_key"] for each in outcome["waiting"]] == [waiting]
    assert outcome["totals"]["domestic"]["debit_count"] == 0
    world.later(0)
    assert (world.sale(waiting).outcome, world.sale(waiting).batch) == ("approved", "000001")
    world.quieten(8)
    assert world.sale(waiting).pan_sealed is None
    second = settled(world)
    assert (second["totals"]["domestic"]["debit_count"], second["balanced"]) == (0, True), "it does not count twice"


def test_an_answer_to_an_advice_does_not_move_the_totals_of_a_settlement_under_way() -> None:
    world = PosWorld().signed_on()
    world.approved("pre-auth", amount_minor=500_00, card=CARD)
    world.line = answers_lost
    world.command("advise", amount_minor=100_00, **HELD)
    told, key = world.sent[-1], world.newest.trace_key
    world.command("settle")
    world.arrives(answer_to(told), world.device.mak)
    assert world.sale(key).outcome == "stored"
    world.later(30)
    world.line = let_through
    outcome = settled(world)
    assert not outcome["balanced"], "the register has the advice already"
    world.quieten(4)
    assert (world.sale(key).outcome, world.at_acquirer(key)) == ("approved", "approved")


# --- power-off ----------------------------------------------------------------------------------------------------


def day(world: PosWorld) -> None:
    """A batch with everything in it; an answer is lost; the totals differ; the next batch begins."""
    world.approved("sign-on")
    world.command("pre-auth", amount_minor=500_00, card=CARD)
    world.command("increment", amount_minor=50_00, **HELD)
    world.command("complete", amount_minor=460_50, **HELD)
    world.command("void-completion", **HELD, supervisor="00")
    world.command("sale", amount_minor=80_00, card=CHIP)
    world.command("refund", amount_minor=1_00, rrn=world.newest.rrn or "A00000000000", card=CARD, supervisor="00")
    line, world.line = world.line, answers_lost
    world.command("advise", amount_minor=300_00, **HELD)
    world.line = line
    world.command("settle")
    world.later(5)
    world.command("sale", amount_minor=2_00, card=CARD)
    world.command("settle")


DAY_EVENTS = 29


def test_a_day_without_a_power_cut() -> None:
    world = PosWorld()
    day(world)
    assert world.events == DAY_EVENTS, "every event must be tried below"
    world.quieten(8)
    assert_belief_is_the_register(world)
    assert world.device.batch == "000003"
    codes = {message.get(60)[8:11] for message in world.sent if message.mti == "0320"}
    assert codes == {"201", "205", "202"}


@pytest.mark.parametrize("before_commit", [True, False])
@pytest.mark.parametrize("event", range(2, DAY_EVENTS + 1))
def test_power_off_at_any_point_of_it(event: int, before_commit: bool) -> None:
    world = PosWorld()
    world.cut_at, world.cut_before_commit = event, before_commit
    with pytest.raises(PowerCut):
        day(world)
    world.restart()
    world.quieten(16)
    assert_belief_is_the_register(world)
    world.approved("sale", amount_minor=1, card=CARD)
    outcome = settled(world)
    assert outcome["balanced"]
    settlements = [said for said in world.acquirer.book if said["kind"] == "settlement"]
    batches = [said["batch"]["id"] for said in settlements]
    assert len(batches) == len(set(batches)), "a batch was settled twice"


ASKED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("pre-auth", {"amount_minor": 500_00, "card": CHIP}),
    ("increment", {"amount_minor": 50_00, **HELD}),
    ("complete", {"amount_minor": 100_00, **HELD}),
    ("advise", {"amount_minor": 90_00, **HELD}),
    ("void", {"amount_minor": 500_00, **HELD, "supervisor": "00"}),
    ("void-completion", {**HELD, "supervisor": "00"}),
    ("sale", {"amount_minor": 70_00, "card": FOREIGN}),
    ("refund", {"amount_minor": 1_00, **HELD, "supervisor": "00"}),
    ("balance", {"card": CARD}),
    ("settle", {}),
    ("sign-off", {}),
)
FATES = ("through", "through", "through", "through", "lost", "twice", "wrong MAC")


@given(
    wishes=st.lists(st.sampled_from(range(len(ASKED))), min_size=4, max_size=14),
    fates=st.lists(st.sampled_from(FATES), max_size=80),
    cuts=st.lists(st.integers(0, 12), max_size=4),
)
def test_whatever_is_asked_on_any_line_ends_as_the_register_has_it(
    wishes: list[int], fates: list[str], cuts: list[int]
) -> None:
    world, coming = PosWorld(), iter(fates)

    def line(to: str, message: Message) -> list[Message]:
        fate = next(coming, "through")
        if fate == "wrong MAC" and 64 in message.fields:
            raw = message.raw[:-1] + bytes([message.raw[-1] ^ 1])
            return [Message(message.mti, {**message.fields, 64: raw[-8:].decode()}, raw)]
        return {"lost": [], "twice": [message, message]}.get(fate, [message])

    world.line = line
    for number, wish in enumerate(wishes):
        cut = cuts[number % len(cuts)] if cuts else 0
        world.cut_at, world.cut_before_commit = (world.events + cut) if cut else 0, number % 2 == 0
        name, arguments = ASKED[wish]
        try:
            if not world.device.signed_on:
                world.command("sign-on")
            world.command(name, **arguments)
            world.later(31 if number % 3 else 6)
        except PowerCut:
            world.restart()
    world.cut_at = 0
    world.quieten(24)
    assert_belief_is_the_register(world)
    # Keys that a doubled sign-on changed behind its back are noticed now; and what was told late counts in the batch in
    # which it was asked, so that the first settlement need not balance.
    world.command("sign-on")
    settled(world)
    world.quieten(2)
    world.approved("sale", amount_minor=1, card=CARD)
    assert settled(world)["balanced"]
