"""How a card is read, who may type one in, PIN and chip: what goes over the wire, and what stays nowhere."""

from typing import Any

import pytest

from tests.parties.pos_world import CARD, TRACK2, PosWorld, answer_to, let_through, lost

CHIP_TRACK = CARD["pan"] + "=3012201" + "0" * 10
CHIP: dict[str, Any] = {
    **CARD,
    "track2": CHIP_TRACK,
    "sequence": "001",
    "chip": bytes.fromhex("9F2608A1A2A3A4A5A6A7A8"),
    "entry": "chip",
}


def asked(card: dict[str, Any], **arguments: Any) -> PosWorld:
    """A world in which a sale was asked with this card, and nobody answers by himself."""
    world = PosWorld().signed_on().on_its_own()
    assert world.command("sale", amount_minor=100, card=card, **arguments) is None, world.outcomes[-1]
    return world


@pytest.mark.parametrize(
    ("card", "pin", "mode", "fields"),
    [
        (CARD, "", "012", {2, 14}),
        (CARD, "1234", "011", {2, 14, 26, 52, 53}),
        ({"track2": TRACK2}, "", "022", {35}),
        ({"track2": TRACK2}, "12345678", "021", {26, 35, 52, 53}),
        (CHIP, "", "052", {2, 14, 23, 35, 55}),
        (CHIP, "123456", "051", {2, 14, 23, 26, 35, 52, 53, 55}),
        (CHIP | {"entry": "contactless"}, "", "072", {2, 14, 23, 35, 55}),
        (CHIP | {"entry": "keyed"}, "", "012", {2, 14}),
    ],
)
def test_each_way_to_read_a_card_has_its_fields(card: dict[str, Any], pin: str, mode: str, fields: set[int]) -> None:
    world = asked(card, pin=pin)
    sent = world.sent[-1]
    assert (sent.get(22), sent.get(60)[11:]) == (mode, "50")
    assert set(sent.fields) & {2, 14, 23, 26, 35, 36, 52, 53, 55} == fields
    assert world.newest.entry_mode == mode


def test_chip_pin_and_track_stay_nowhere_and_are_not_repeated() -> None:
    world = asked(CHIP, pin="908172")
    block = world.sent[-1].get_bytes(52)
    kept = repr(world.terminal.book) + repr(world.terminal.rows)
    for secret in (CARD["pan"], CHIP_TRACK, "908172", repr(block), repr(CHIP["chip"]), CHIP["chip"].hex()):
        assert secret not in kept
    world.command("repeat", trace_key=world.newest.trace_key)
    repeat = world.sent[-1]
    assert (repeat.mti, repeat.get(22), repeat.get(23)) == ("0201", "051", "001")
    assert not set(repeat.fields) & {26, 35, 52, 53, 55}
    world.later(30)
    world.line = let_through
    world.later(0)
    undo = world.sent[-1]
    assert undo.mti == "0400"
    assert set(undo.fields) & {2, 14, 22, 23, 26, 35, 52, 53, 55} == {2, 14, 22, 23}


@pytest.mark.parametrize(
    ("name", "arguments", "parameters", "says"),
    [
        ("sale", {"card": {"track2": CHIP_TRACK}}, "", "the card has a chip: insert the chip"),
        ("sale", {"card": {"track2": CHIP_TRACK}, "fallback": True}, "fallback=never", "whose chip failed"),
        ("sale", {"card": CARD}, "keyed=never", "card numbers may not be typed in here"),
        ("pre-auth", {"card": CARD}, "keyed=never", "card numbers may not be typed in here"),
        ("moto", {"card": {"track2": TRACK2}}, "", "no card to read"),
        ("sale", {"card": CARD, "pin": "123"}, "", "PIN is not 4 to 12 digits"),
        ("moto", {"card": CARD, "pin": "1234"}, "", "takes no PIN"),
        ("sale", {"card": {**CARD, "sequence": "1"}}, "", "sequence number is not three digits"),
        ("sale", {"card": {**CARD, "entry": "telepathy"}}, "", "not read by telepathy"),
        ("void", {"card": CARD, "authorization_code": "1", "supervisor": "00"}, "void_card=asked", "wants the card"),
        (
            "void",
            {"card": CARD, "authorization_code": "1", "supervisor": "00"},
            "void_pin=asked",
            "wants the cardholder",
        ),
        ("refund", {"card": CARD, "authorization_code": "1"}, "", "a refund needs a supervisor"),
        ("refund", {"card": CARD, "authorization_code": "1", "supervisor": "07"}, "", "operator 07 is no supervisor"),
        ("sale", {"card": CARD}, "supervisor_kinds=sale", "a sale needs a supervisor"),
        ("advise", {"card": CARD, "authorization_code": "1", "amount_minor": 51}, "floor_minor=50", "must be asked"),
        ("balance", {"card": CARD}, "", "a balance has no amount"),
    ],
)
def test_what_the_card_or_the_parameters_do_not_allow(
    name: str, arguments: dict[str, Any], parameters: str, says: str
) -> None:
    world = PosWorld().signed_on()
    world.set(parameters=parameters)
    entries = len(world.terminal.entries)
    outcome = world.command(name, **{"amount_minor": 50, **arguments})
    assert outcome is not None
    assert (outcome["outcome"], outcome["mistake"]) == ("declined", True)
    assert says in outcome["reason"]
    assert len(world.terminal.entries) == entries


def test_where_typing_in_is_not_allowed_a_completion_may_be_typed_in_all_the_same() -> None:
    world = PosWorld().signed_on()
    world.approved("pre-auth", amount_minor=500_00, card=CARD)
    world.set(parameters="keyed=never")
    world.approved("complete", amount_minor=1_00, card=CARD, authorization_code="123456")


def test_a_stripe_after_the_chip_failed_says_so_in_request_and_reversal() -> None:
    world = asked({"track2": CHIP_TRACK}, fallback=True)
    assert (world.sent[-1].get(22), world.sent[-1].get(60)[11:]) == ("022", "51")
    world.later(30)
    world.line = let_through
    world.later(0)
    assert (world.sent[-1].mti, world.sent[-1].get(60)[11:]) == ("0400", "51")


def test_a_pin_without_a_key_for_it_is_not_sent_in_clear() -> None:
    world = PosWorld().signed_on()
    world.set(pik=b"")
    outcome = world.command("sale", amount_minor=1, card=CARD, pin="1234")
    assert outcome is not None
    assert outcome["reason"] == "the PIN cannot be encrypted: sign on first"


# --- the chip's own word ------------------------------------------------------------------------------------------


def approved_with_a_word() -> PosWorld:
    """A world in which the issuer has answered the chip."""
    world = asked(CHIP)
    told = world.answers(DE55=bytes.fromhex("910A0102030405060708") + b"00")
    assert told is not None
    assert told["chip"] == bytes.fromhex("910A0102030405060708") + b"00"
    assert "0102030405060708" not in repr(world.terminal.book) + repr(world.terminal.rows)
    return world


def test_an_approval_that_the_chip_refuses_is_reversed() -> None:
    world = approved_with_a_word()
    key = world.newest.trace_key
    taken_back = world.command("reverse", trace_key=key, reason="06")
    assert taken_back is not None
    assert (taken_back["outcome"], taken_back["reason"]) == ("unknown", "the card refused the issuer's answer")
    refused = world.command("sale", amount_minor=1, card=CARD)
    assert refused is not None
    assert refused["reason"].startswith("a reversal waits")
    world.line = let_through
    world.later(0)
    assert (world.sent[-1].mti, world.sent[-1].get(39)) == ("0400", "06")
    assert world.newest.outcome == "reversed"


def test_only_the_last_request_is_taken_back_and_only_while_it_stands() -> None:
    world = approved_with_a_word()
    first = world.newest.trace_key
    world.command("sale", amount_minor=2, card=CARD)
    for key, says in (
        (first, "something is open"),
        ("T0000001/000001/000099/0200", "no request of this terminal"),
    ):
        outcome = world.command("reverse", trace_key=key)
        assert outcome is not None
        assert says in outcome["reason"]
    world.answers(DE39="51")
    for key, says in ((first, "is not the last request: void it"), (world.newest.trace_key, "is declined")):
        outcome = world.command("reverse", trace_key=key)
        assert outcome is not None
        assert says in outcome["reason"]


def test_a_reversal_on_demand_survives_a_power_cut() -> None:
    world = approved_with_a_word()
    world.line = lost
    world.command("reverse", trace_key=world.newest.trace_key)
    world.restart()
    world.quieten(3)
    assert world.newest.outcome == "reversed"
    late = world.arrives(answer_to(next(m for m in world.sent if m.mti == "0200")), world.device.mak)
    assert late is not None
    assert late["outcome"] == "reversed"
