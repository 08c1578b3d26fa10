"""How a standard terminal reads cards: chip, contactless, stripe, fallback, PIN. A chip's cryptogram that is wrong by
one bit, whichever, is declined.
"""

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from holdfast.clock import DEFAULT_ZONE
from holdfast.edges import sample
from holdfast.sim.chip_card import ChipCard
from holdfast.wire import chip, tlv
from tests.system.installation import Installation
from tests.system.till import Till, key_of, sample_pan

AMOUNT_MINOR = 12_34
NONCE = bytes.fromhex("A1B2C3D4")
SALE_TYPE = "00"

CHIP, TAPPED, STRIPE = "052", "072", "022"
"""DE22, without a PIN."""

PIN_CONTROL = "26".ljust(16, "0")
LAST_BITS = [(tag, 8 * size - 1) for tag, size in chip.SIZES.items() if tag not in (chip.CRYPTOGRAM_KIND,)]


def chip_of(pan: str, bank: str = sample.DEBIT_BANK, **differs: str) -> ChipCard:
    """The chip of a card of one of the sample's banks."""
    key = bytes.fromhex(sample.test_key(f"IMK AC {differs.get('key_of', bank)}"))
    return ChipCard(pan, sample.EXPIRY, differs.get("sequence", sample.SEQUENCE), key)


def today() -> str:
    """YYMMDD where the terminal stands."""
    return datetime.now(ZoneInfo(DEFAULT_ZONE)).strftime("%y%m%d")


def asked_by(card: ChipCard, amount_minor: int = AMOUNT_MINOR, transaction_type: str = "03") -> bytes:
    """DE55 of a request."""
    return card.generate(amount_minor, "156", today(), NONCE, transaction_type=transaction_type)


def flipped(packed: bytes, tag: str, bit: int) -> bytes:
    """DE55 with one bit of one tag the other way."""
    values = tlv.parse(packed)
    whole = int.from_bytes(values[tag]) ^ 1 << (8 * len(values[tag]) - 1 - bit)
    return tlv.pack({**values, tag: whole.to_bytes(len(values[tag]))})


def read_by(card: ChipCard, packed: bytes, entry: str = CHIP) -> dict[str, str | bytes]:
    """What a reader adds to a request."""
    return {"22": entry, "23": card.sequence, "35": card.track2, "55": packed}


@pytest.fixture
def till(shared: Installation) -> Iterator[Till]:
    """A terminal that nobody has used, signed on."""
    with Till.signed_on(shared) as it:
        yield it


# --- chip ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", [CHIP, TAPPED])
@pytest.mark.parametrize("name", ["emma", "jack", "wendy"])
def test_a_sample_cards_chip_is_believed_and_believes_its_issuer(
    shared: Installation, till: Till, name: str, entry: str
) -> None:
    row = sample.card(name)
    assert row is not None
    card = chip_of(row["pan"], row["issuer"])
    asked, answer = till.done(till.pre_auth(row["pan"], AMOUNT_MINOR, **read_by(card, asked_by(card), entry)))
    word = answer.get_bytes(55)
    assert card.accepts(word)
    assert not card.accepts(flipped(word, chip.ISSUER_AUTHENTICATION, 7)), "and not just any word"
    assert till.code(till.reverse(asked)) == "00"


def test_a_chip_buys_and_is_increased(shared: Installation, till: Till) -> None:
    pan = shared.new_card()
    card = chip_of(pan)
    _, sold = till.done(till.sell(pan, AMOUNT_MINOR, **read_by(card, asked_by(card, transaction_type=SALE_TYPE))))
    assert card.accepts(sold.get_bytes(55))
    _, hold = till.done(till.pre_auth(pan, AMOUNT_MINOR, **read_by(card, asked_by(card))))
    assert card.accepts(hold.get_bytes(55))
    till.done(till.increment(pan, AMOUNT_MINOR, hold.get(38), **read_by(card, asked_by(card))))
    till.done(till.complete(pan, 2 * AMOUNT_MINOR, hold.get(38), hold.get(13)))


@pytest.mark.parametrize(("tag", "bit"), [(chip.CRYPTOGRAM, 0), (chip.CRYPTOGRAM, 31), *LAST_BITS])
def test_one_wrong_bit_is_declined(shared: Installation, till: Till, tag: str, bit: int) -> None:
    pan = sample_pan("frank")
    card = chip_of(pan)
    packed = asked_by(card)
    assert till.code(till.pre_auth(pan, AMOUNT_MINOR, **read_by(card, flipped(packed, tag, bit)))) == "05"
    row = shared.row(key_of(till.asked))
    assert row is not None
    assert (row["outcome"], row["response_code"]) == ("declined", "05")


def test_a_bit_of_the_cards_own_verdict_is_covered_too(shared: Installation, till: Till) -> None:
    pan = sample_pan("frank")
    card = chip_of(pan)
    first_of_results = 8 * chip.CARD_RESULTS.start
    packed = flipped(asked_by(card), chip.ISSUER_DATA, first_of_results)
    assert till.code(till.pre_auth(pan, AMOUNT_MINOR, **read_by(card, packed))) == "05"


@pytest.mark.parametrize("differs", [{"key_of": sample.CREDIT_BANK}, {"sequence": "002"}])
def test_another_key_than_the_cards_is_declined(till: Till, differs: dict[str, str]) -> None:
    pan = sample_pan("frank")
    forged = chip_of(pan, **differs)
    more = read_by(forged, asked_by(forged)) | {"23": sample.SEQUENCE}
    assert till.code(till.pre_auth(pan, AMOUNT_MINOR, **more)) == "05"


def test_a_cryptogram_for_less_than_is_asked_for_is_declined(till: Till) -> None:
    pan = sample_pan("frank")
    card = chip_of(pan)
    packed = asked_by(card, AMOUNT_MINOR)
    assert till.code(till.pre_auth(pan, AMOUNT_MINOR + 1, **read_by(card, packed))) == "05"
    assert till.code(till.pre_auth(pan, AMOUNT_MINOR, **read_by(card, packed[:-1]))) == "05"


def test_a_repeat_of_a_chips_request_gets_the_first_answer_without_the_chip(shared: Installation, till: Till) -> None:
    pan = shared.new_card()
    card = chip_of(pan)
    asked, answer = till.done(till.pre_auth(pan, AMOUNT_MINOR, **read_by(card, asked_by(card))))
    again = till.asks(till.repeat(asked))
    assert (again.get(39), again.get(38), again.get(37)) == ("00", answer.get(38), answer.get(37))
    assert 55 not in again.fields


# --- stripe -------------------------------------------------------------------------------------------------------


def by_stripe(till: Till, service_code: str, chip_condition: str) -> dict[str, str | bytes]:
    """The stripe alone: no DE2, no DE14; 60.5 says whether a chip failed."""
    control = f"10{till.batch}0005{chip_condition}"
    track2 = f"{sample_pan('emma')}={sample.EXPIRY}{service_code}0000000000"
    return {"de2": "", "de14": "", "de22": STRIPE, "de35": track2, "60": control}


@pytest.mark.parametrize(
    ("service_code", "chip_condition", "code"),
    [("101", "0", "00"), ("201", "0", "59"), ("601", "0", "59"), ("201", "1", "00"), ("201", "2", "00")],
)
def test_a_stripe_of_a_chip_card_is_taken_only_where_the_chip_failed(
    till: Till, service_code: str, chip_condition: str, code: str
) -> None:
    answer = till.asks(till.pre_auth("", AMOUNT_MINOR, **by_stripe(till, service_code, chip_condition)))
    assert answer.get(39) == code
    if code == "00":
        assert till.code(till.reverse(till.asked)) == "00"


def test_the_register_knows_a_swiped_card_by_its_mask(shared: Installation, till: Till) -> None:
    till.done(till.pre_auth("", AMOUNT_MINOR, **by_stripe(till, "101", "0")))
    row = shared.row(key_of(till.asked))
    assert row is not None
    pan = sample_pan("emma")
    assert row["card"] == f"{pan[:6]}{'*' * 6}{pan[-4:]}"


# --- PIN ----------------------------------------------------------------------------------------------------------


def test_a_right_pin_a_wrong_one_and_what_is_no_pin(till: Till) -> None:
    pan = sample_pan("pin")
    entered = {"de22": "021", "de26": "12", "de53": PIN_CONTROL}
    assert till.code(till.pre_auth(pan, 100_00, **entered, de52=till.block_of("123456", pan))) == "00"
    assert till.code(till.pre_auth(pan, 100_00, **entered, de52=till.block_of("123457", pan))) == "55"
    assert till.code(till.pre_auth(pan, 100_00, **entered, de52=bytes(8))) == "99"
    assert till.code(till.pre_auth(pan, 100_00)) == "00", "whether a PIN is entered is the terminal's parameter"


def test_a_balance_is_told_for_the_right_pin_alone(till: Till) -> None:
    pan = sample_pan("pin")
    entered = {"de22": "021", "de26": "12", "de53": PIN_CONTROL}
    _, answer = till.done(till.ask_balance(pan, **entered, de52=till.block_of("123456", pan)))
    told = answer.get(54)
    assert (len(told), told[4:8]) == (20, "156C")
    assert 0 < int(told[8:]) <= 10_000_00
    assert 4 not in answer.fields
    wrong = till.asks(till.ask_balance(pan, **entered, de52=till.block_of("654321", pan)))
    assert (wrong.get(39), 54 in wrong.fields) == ("55", False)
