"""What an issuer reads out of a chip's DE55, written by hand from the tables."""

import pytest

from holdfast.errors import WireError
from holdfast.wire.chip import ChipAnswer, ChipRequest, covered_by, pack_answer, parse_answer, parse_request
from holdfast.wire.tlv import pack, parse

REQUEST = bytes.fromhex(
    "9F2608 1122334455667788  9F2701 80  9F1008 07010A03A0A00001  9F3704 DEADBEEF  9F3602 0007"
    "9505 0000008000  9A03 261122  9C01 03  9F0206 000000050000  5F2A02 0156  8202 7C00  9F1A02 0344"
    "9F0306 000000000001  9F3303 E0F8C8  9F3403 1E0300  9F3501 22"
)
COVERED = bytes.fromhex("000000050000 000000000001 0344 0000008000 0156 261122 03 DEADBEEF 7C00 0007 03A0A000")
ARPC = bytes.fromhex("0102030405060708")


def without(tag: str) -> bytes:
    return pack({name: value for name, value in parse(REQUEST).items() if name != tag})


def with_value(tag: str, value: str) -> bytes:
    return pack({**parse(REQUEST), tag: bytes.fromhex(value)})


def test_a_request_written_by_hand() -> None:
    assert parse_request(REQUEST) == ChipRequest(
        bytes.fromhex("1122334455667788"), b"\x00\x07", COVERED, True, 50000, "156", "261122"
    )
    assert covered_by(parse(REQUEST)) == COVERED


@pytest.mark.parametrize(("kind", "asks"), [("80", True), ("88", True), ("40", False), ("00", False), ("C0", False)])
def test_only_one_kind_of_cryptogram_asks_the_issuer(kind: str, asks: bool) -> None:
    assert parse_request(with_value("9F27", kind)).asks_issuer is asks


@pytest.mark.parametrize(
    "tag", ["9F26", "9F27", "9F37", "9F36", "95", "9A", "9C", "9F02", "5F2A", "82", "9F1A", "9F03"]
)
def test_what_is_missing_or_of_another_size_is_named(tag: str) -> None:
    with pytest.raises(WireError, match=f"field 55 at byte 0: tag {tag} is missing"):
        parse_request(without(tag))
    size = len(parse(REQUEST)[tag])
    with pytest.raises(WireError, match=f"field 55 at byte 0: tag {tag} has {size + 1} bytes, not {size}"):
        parse_request(with_value(tag, "00" * (size + 1)))


@pytest.mark.parametrize("value", ["", "07010A03A0A0"])
def test_issuer_data_without_card_results_is_refused(value: str) -> None:
    with pytest.raises(WireError, match="tag 9F10 holds no card verification results"):
        parse_request(with_value("9F10", value))


def test_amounts_are_digits() -> None:
    with pytest.raises(WireError, match="tag 9F02 is not digits"):
        parse_request(with_value("9F02", "00000005000A"))


def test_an_answer() -> None:
    packed = pack_answer(ARPC, b"00")
    assert packed.hex().upper() == "910A01020304050607083030"
    assert parse_answer(packed) == ChipAnswer(ARPC, b"00")
    assert parse_answer(packed + bytes.fromhex("7200")) == ChipAnswer(ARPC, b"00"), "scripts may follow"


@pytest.mark.parametrize("packed", ["", "7200", "910901020304050607083"[:20] + "30", "9100"])
def test_what_is_no_answer(packed: str) -> None:
    with pytest.raises(WireError, match="field 55"):
        parse_answer(bytes.fromhex(packed))
