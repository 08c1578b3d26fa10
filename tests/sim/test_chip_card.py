"""The simulated card and the issuer's real arithmetic, which know nothing of each other, agree; one bit off, and they
do not.
"""

import pytest

from holdfast.errors import KeyRefused
from holdfast.keys.file import FileKeys
from holdfast.keys.interface import IMK_AC, MAK, Keys
from holdfast.sim.chip_card import PUBLISHED_TEST_ISSUER_MASTER_KEY, ChipCard
from holdfast.sim.keys import SimKeys
from holdfast.wire.chip import ChipRequest, pack_answer, parse_request
from holdfast.wire.tlv import NAMES, pack, parse

PAN = "6200000000000005"
NONCE = bytes.fromhex("DEADBEEF")

REAL: Keys = FileKeys(bytes(range(32)), bytes(32))
MADE_UP: Keys = SimKeys("issuer", "1")
both = pytest.mark.parametrize("keys", [REAL, MADE_UP], ids=["real", "made up"])


def card(atc: int = 6) -> ChipCard:
    return ChipCard(PAN, "3012", atc=atc)


def asked(of: ChipCard, amount_minor: int = 50000) -> bytes:
    return of.generate(amount_minor, "156", "261122", NONCE)


def holds(keys: Keys, de55: bytes, pan: str = PAN, psn: str = "001") -> bool:
    seen: ChipRequest = parse_request(de55)
    imk = keys.import_key(IMK_AC, PUBLISHED_TEST_ISSUER_MASTER_KEY)
    return keys.verify_arqc(imk, pan, psn, seen.counter, seen.covered, seen.cryptogram)


@both
@pytest.mark.parametrize("with_pin", [False, True])
def test_the_issuer_knows_its_card(keys: Keys, with_pin: bool) -> None:
    de55 = card().generate(1, "344", "000229", NONCE, transaction_type="20", with_pin=with_pin, stan="999999")
    assert holds(keys, de55)
    assert not holds(keys, de55, psn="002")
    assert not holds(keys, de55, pan="6200001234567892")


@both
@pytest.mark.parametrize("tag", ["9F02", "9F36", "9F26", "9F37", "95", "9A", "82"])
def test_one_bit_off_is_refused(keys: Keys, tag: str) -> None:
    values = parse(asked(card()))
    bits = 8 * len(values[tag])
    # In BCD the lowest bit of a digit keeps it a digit, so that it is the cryptogram that refuses.
    for bit in range(0, bits, 4):
        flipped = (int.from_bytes(values[tag]) ^ (1 << bit)).to_bytes(bits // 8)
        assert not holds(keys, pack({**values, tag: flipped})), bit


def test_what_the_card_says_is_what_it_was_told() -> None:
    of = card()
    seen = parse_request(asked(of))
    assert (seen.amount_minor, seen.currency, seen.date, seen.asks_issuer) == (50000, "156", "261122", True)
    assert seen.counter == b"\x00\x07"
    assert of.atc == 7
    assert set(parse(asked(of))) <= set(NAMES)
    assert len(asked(of)) <= 255


def test_the_same_question_twice_has_another_counter_and_the_same_story_twice_the_same_bytes() -> None:
    of, other = card(), card()
    one, two = asked(of), asked(of)
    assert one != two
    assert [asked(other), asked(other)] == [one, two]


@both
def test_the_card_knows_its_issuer(keys: Keys) -> None:
    of = card()
    seen = parse_request(asked(of))
    imk = keys.import_key(IMK_AC, PUBLISHED_TEST_ISSUER_MASTER_KEY)
    arpc = keys.make_arpc(imk, PAN, "001", seen.counter, seen.cryptogram, b"00")
    assert of.accepts(pack_answer(arpc, b"00"))
    assert not of.accepts(pack_answer(arpc, b"05")), "the answer is another one"
    assert not of.accepts(pack_answer(bytes((arpc[0] ^ 1,)) + arpc[1:], b"00"))
    assert not of.accepts(b"")
    assert not of.accepts(b"\x91\x05abc")
    assert not card().accepts(pack_answer(arpc, b"00")), "it asked nothing"
    asked(of)
    assert not of.accepts(pack_answer(arpc, b"00")), "it asked something else since"


@both
def test_a_key_for_something_else_judges_no_chip(keys: Keys) -> None:
    mak = keys.import_key(MAK, PUBLISHED_TEST_ISSUER_MASTER_KEY)
    with pytest.raises(KeyRefused, match="a mak key does not serve as imk-ac"):
        keys.verify_arqc(mak, PAN, "001", bytes(2), b"", bytes(8))
    with pytest.raises(KeyRefused, match="a mak key does not serve as imk-ac"):
        keys.make_arpc(mak, PAN, "001", bytes(2), bytes(8), b"00")


def test_track2_of_a_chip() -> None:
    assert card().track2 == "6200000000000005=30122010000000000"
    assert len(ChipCard("6200000000000000003", "3012").track2) <= 37


def test_made_up_keys_know_the_other_cipher_too() -> None:
    keys = SimKeys("acquirer", "1")
    tmk, pik = keys.import_text("tmk", "00" * 16), keys.new_working_key("pik", 16)
    encrypted, check = keys.export_under(tmk, pik, "sm4")
    assert keys.import_under(tmk, "pik", encrypted, check, "sm4") == pik
    with pytest.raises(KeyRefused, match="check value is wrong"):
        keys.import_under(tmk, "pik", encrypted, check)
    zone = keys.import_key("zone-pin", bytes(16))
    block = keys.pin_block(pik, "123456", PAN, "sm4")
    assert len(block) == 16
    assert keys.pin_matches(zone, keys.translate_pin(pik, zone, block, PAN), PAN, keys.pin_verifier(PAN, "123456"))
    with pytest.raises(KeyRefused, match="key is not hex digits"):
        keys.import_text("tmk", "B0096K0")
