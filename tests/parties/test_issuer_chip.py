"""Chip cards at the issuer: a cryptogram that is right, wrong by one bit, or for another amount; and our word back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.domain.commands import CardPresented
from holdfast.parties.exchange import CHIP_FIELD
from holdfast.sim.chip_card import ChipCard
from holdfast.wire import chip, tlv
from holdfast.wire.message import Message
from tests.parties.issuer_desk import CARDS, EXPIRY, Desk, question

NONCE = bytes.fromhex("0A0B0C0D")


def opened(**link: str) -> Desk:
    """C1 is a chip card of an issuer that has its master key."""
    desk = Desk()
    told = {"accounts": [desk.account("C1", "debit", 1000_00, pin="123456")], "links": [desk.link() | link]}
    assert desk.command("open-accounts", told)["ok"]
    return desk


def card(sequence: str = "001", issuer_key: bytes | None = None) -> ChipCard:
    if issuer_key is None:
        return ChipCard(CARDS["C1"], EXPIRY, sequence)
    return ChipCard(CARDS["C1"], EXPIRY, sequence, issuer_key)


def asked(
    of: ChipCard, word: str = "A1", amount_minor: int = 100_00, chip_minor: int | None = None, currency: str = "156"
) -> Message:
    """A pre-authorization with the chip's data; `chip_minor` is what the chip was told the amount is."""
    data = of.generate(amount_minor if chip_minor is None else chip_minor, currency, "261118", NONCE)
    presented = CardPresented(of.pan, EXPIRY, "052", of.track2, b"", of.sequence, data)
    return question("pre-authorization", word, "C1", amount_minor, presented=presented)


def with_chip(message: Message, packed: bytes) -> Message:
    return Message(message.mti, {**message.fields, CHIP_FIELD: packed})


@pytest.mark.parametrize("sequence", ["", "000", "001", "099"])
def test_a_chip_and_its_issuer_know_each_other(sequence: str) -> None:
    desk, of = opened(), card(sequence)
    answer = desk.answers(asked(of))
    assert answer.get(39) == "00"
    assert of.accepts(answer.get_bytes(CHIP_FIELD))
    assert chip.parse_answer(answer.get_bytes(CHIP_FIELD)).arc == b"00"
    assert desk.look("C1.held") == "100.00"


def test_a_card_does_not_take_the_answer_to_another_request() -> None:
    desk, of = opened(), card()
    first = desk.answers(asked(of, "A1"))
    desk.answers(asked(of, "A2"))
    assert not of.accepts(first.get_bytes(CHIP_FIELD))


def test_our_word_to_the_chip_names_the_code_that_we_answer() -> None:
    desk, of = opened(habits="approves_with=11"), card()
    answer = desk.answers(asked(of))
    assert (answer.get(39), chip.parse_answer(answer.get_bytes(CHIP_FIELD)).arc) == ("11", b"11")
    assert of.accepts(answer.get_bytes(CHIP_FIELD))


@settings(max_examples=64, deadline=None)
@given(st.integers(0, 63))
def test_a_cryptogram_that_is_wrong_by_one_bit_is_declined(bit: int) -> None:
    desk, message = opened(), asked(card())
    values = tlv.parse(message.get_bytes(CHIP_FIELD))
    wrong = int.from_bytes(values[chip.CRYPTOGRAM]) ^ (1 << bit)
    answer = desk.answers(with_chip(message, tlv.pack(values | {chip.CRYPTOGRAM: wrong.to_bytes(8)})))
    assert (answer.get(39), CHIP_FIELD in answer.fields, desk.look("C1.held")) == ("05", False, "0.00")
    assert desk.bench.book[-1]["reason"] == "the chip's cryptogram is wrong"


@pytest.mark.parametrize("tag", [*chip.COVERED, chip.ISSUER_DATA])
def test_every_bit_that_the_cryptogram_covers_counts(tag: str) -> None:
    desk, message = opened(), asked(card())
    values = tlv.parse(message.get_bytes(CHIP_FIELD))
    flipped = bytearray(values[tag])
    flipped[chip.CARD_RESULTS.start if tag == chip.ISSUER_DATA else -1] ^= 1
    assert desk.answers(with_chip(message, tlv.pack(values | {tag: bytes(flipped)}))).get(39) == "05"


@pytest.mark.parametrize("changed", [{"chip_minor": 1_00}, {"chip_minor": 100_01}, {"currency": "840"}])
def test_what_the_chip_agreed_to_is_what_is_asked(changed: dict[str, str]) -> None:
    """The cryptogram is right, for another amount or another currency: somebody sits between chip and host."""
    desk = opened()
    assert desk.answers(asked(card(), **changed)).get(39) == "05"  # type: ignore[arg-type]
    assert desk.look("C1.held") == "0.00"


@pytest.mark.parametrize("packed", [b"\x9f", b"\x9f\x26\x08", tlv.pack({chip.CRYPTOGRAM: bytes(8)}), b"\xff" * 40])
def test_chip_data_that_cannot_be_read_is_declined(packed: bytes) -> None:
    assert opened().answers(with_chip(asked(card()), packed)).get(39) == "05"


def test_a_chip_of_another_issuer_key_or_of_another_card_is_a_forged_one() -> None:
    desk = opened()
    assert desk.answers(asked(card(issuer_key=bytes(range(16))), "A1")).get(39) == "05"
    assert desk.answers(asked(ChipCard(CARDS["C2"], EXPIRY), "A2")).get(39) == "14"
    theirs = asked(ChipCard(CARDS["C2"], EXPIRY), "A3")
    theirs.fields[2] = CARDS["C1"]
    assert desk.answers(theirs).get(39) == "05"


@pytest.mark.parametrize("sequence", ["000", "002", "100"])
def test_a_sequence_number_is_part_of_the_card(sequence: str) -> None:
    desk, message = opened(), asked(card("001"))
    message.fields[23] = sequence
    assert desk.answers(message).get(39) == "05"


def test_what_the_chip_decided_itself_gets_no_answer_of_ours() -> None:
    """A completion may carry the chip's own last word (TC): it is right, and the chip waits for nothing."""
    desk, message = opened(), asked(card())
    values = tlv.parse(message.get_bytes(CHIP_FIELD))
    answer = desk.answers(with_chip(message, tlv.pack(values | {chip.CRYPTOGRAM_KIND: b"\x40"})))
    assert (answer.get(39), CHIP_FIELD in answer.fields) == ("00", False)


def test_an_issuer_without_its_master_key_takes_any_chip() -> None:
    desk = opened(imk_ac="")
    answer = desk.answers(asked(card(issuer_key=bytes(range(16)))))
    assert (answer.get(39), CHIP_FIELD in answer.fields) == ("00", False)


def test_a_decline_has_no_word_for_the_chip_and_a_wrong_chip_outranks_a_wrong_pin() -> None:
    desk, of = opened(), card()
    answer = desk.answers(asked(of, amount_minor=9999_00))
    assert (answer.get(39), CHIP_FIELD in answer.fields) == ("51", False)
    wrong = asked(of, "A2", chip_minor=1)
    wrong.fields[52] = b"\0" * 8
    assert desk.answers(wrong).get(39) == "05"


def test_chip_data_stand_in_no_entry() -> None:
    desk, message = opened(), asked(card())
    desk.answers(message)
    values = tlv.parse(message.get_bytes(CHIP_FIELD))
    body = desk.bench.entries[-1].body.decode().lower()
    assert values[chip.CRYPTOGRAM].hex() not in body
    assert message.get_bytes(CHIP_FIELD).hex() not in body
