"""A WireError says which field, at which byte, and why; the sentences are a contract with whoever reads the log."""

import pytest

from holdfast.errors import WireError
from holdfast.wire.codec import decode, encode
from holdfast.wire.dialect import ASCII_1987, UNIONPAY, Dialect
from holdfast.wire.message import Message

HEAD = "6000000000 603100000000"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("", "header at byte 0: 0 bytes left, 11 needed"),
        (HEAD + "01", "mti at byte 11: 1 bytes left, 2 needed"),
        (HEAD + "01A0 0000000000000000", "mti at byte 12: nibble A is not a decimal digit"),
        (HEAD + "0100 2000", "bitmap at byte 13: 2 bytes left, 8 needed"),
        (HEAD + "0100 8000000000000000", "field 1 at byte 13: not in our dialect"),
        (HEAD + "0100 0200000000000000", "field 7 at byte 13: not in our dialect"),
        (HEAD + "0100 0000000000000020 00", "field 59 at byte 20: not in our dialect"),
        (HEAD + "0100 2000000000000000 0300", "field 3 at byte 21: 2 bytes left, 3 needed"),
        (HEAD + "0100 2000000000000000 03F000", "field 3 at byte 22: nibble F is not a decimal digit"),
        (HEAD + "0100 4000000000000000", "field 2 at byte 21: 0 bytes left, 1 needed"),
        (HEAD + "0100 4000000000000000 1A", "field 2 at byte 21: nibble A is not a decimal digit"),
        (HEAD + "0100 4000000000000000 99", "field 2 at byte 21: length 99 is over 19"),
        (HEAD + "0100 4000000000000000 03 1234", "field 2 at byte 23: the filling nibble is not 0"),
        (HEAD + "0100 0000040000000000 0512", "field 22 at byte 22: the filling nibble is not 0"),
        (HEAD + "0100 0000020000000000 1001", "field 23 at byte 21: the filling nibble is not 0"),
        (HEAD + "0100 0000000000400000 543100", "field 42 at byte 21: 3 bytes left, 15 needed"),
        (HEAD + "0100 0000000000800000 5431002020202020", "field 41 at byte 23: byte 00 is not printable ASCII"),
        (HEAD + "0100 0000000000800000 5431D6D020202020", "field 41 at byte 23: byte D6 is not printable ASCII"),
        (HEAD + "0110 0000000000000002 0003 41D620", "field 63 at byte 24: byte D6 begins no GBK character"),
        (HEAD + "0110 0000000000000002 0002 D61B", "field 63 at byte 24: byte 1B is not printable GBK"),
        (HEAD + "0110 0000000000000200 0256", "field 55 at byte 21: length 256 is over 255"),
        (HEAD + "0100 2000000000000000 030000 0102", "message at byte 24: 2 bytes after the last field"),
    ],
)
def test_what_is_wrong_with_a_terminals_bytes(body: str, sentence: str) -> None:
    with pytest.raises(WireError) as caught:
        decode(UNIONPAY, bytes.fromhex(body.replace(" ", "")))
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"01x0" + bytes(8), "mti at byte 2: byte 78 is not a decimal digit"),
        (b"0100\x80" + bytes(7) + bytes(8), "bitmap at byte 12: a second half that announces nothing"),
        (b"0100\x80" + bytes(7) + b"\x80" + bytes(7), "field 65 at byte 12: not in our dialect"),
        (b"0100\x40" + bytes(7) + b"+1", "field 2 at byte 12: byte 2B is not a decimal digit"),
        (b"0100\x20" + bytes(7) + b"03 000", "field 3 at byte 14: byte 20 is not a decimal digit"),
        (
            b"0100" + bytes.fromhex("0000000020000000") + b"03=d1",
            "field 35 at byte 15: byte 64 is not a digit or a separator",
        ),
        (b"0100" + bytes.fromhex("0000000020000000") + b"38", "field 35 at byte 12: length 38 is over 37"),
    ],
)
def test_what_is_wrong_with_an_acquirers_bytes(body: bytes, sentence: str) -> None:
    with pytest.raises(WireError) as caught:
        decode(ASCII_1987, body)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("dialect", "message", "sentence"),
    [
        (UNIONPAY, Message("100", {}), "mti at byte 0: not four digits"),
        (
            UNIONPAY,
            Message("0100", {}, tpdu=b"\x60"),
            "header at byte 0: 1 and 6 bytes are not the lengths of unionpay",
        ),
        (UNIONPAY, Message("0100", {7: "1122213405"}), "field 7 at byte 0: not in our dialect"),
        (UNIONPAY, Message("0100", {3: "30000"}), "field 3 at byte 0: length 5 is not 6"),
        (UNIONPAY, Message("0100", {3: "03000x"}), "field 3 at byte 0: not only decimal digits"),
        (UNIONPAY, Message("0100", {3: "03000٣"}), "field 3 at byte 0: not only decimal digits"),
        (UNIONPAY, Message("0100", {3: b"\x03\x00\x00"}), "field 3 at byte 0: text expected, not bytes"),
        (UNIONPAY, Message("0100", {52: "1122334455667788"}), "field 52 at byte 0: bytes expected, not text"),
        (UNIONPAY, Message("0100", {52: b"1234567"}), "field 52 at byte 0: length 7 is not 8"),
        (UNIONPAY, Message("0100", {2: "1" * 20}), "field 2 at byte 0: length 20 is over 19"),
        (UNIONPAY, Message("0100", {35: "62000 05"}), "field 35 at byte 0: not only digits and separators"),
        (UNIONPAY, Message("0100", {39: "0"}), "field 39 at byte 0: length 1 is not 2"),
        (UNIONPAY, Message("0100", {41: "T00000001"}), "field 41 at byte 0: length 9 is not 8"),
        (UNIONPAY, Message("0100", {41: "终端"}), "field 41 at byte 0: not ASCII text"),
        (UNIONPAY, Message("0100", {41: "T\n"}), "field 41 at byte 0: not printable ASCII text"),
        (UNIONPAY, Message("0100", {63: "€🙂"}), "field 63 at byte 0: not GBK text"),
        (UNIONPAY, Message("0100", {63: "银" * 82}), "field 63 at byte 0: length 164 is over 163"),
        (ASCII_1987, Message("0100", {43: "银" * 21}), "field 43 at byte 0: length 42 is not 40"),
        (ASCII_1987, Message("0100", {128: "0123"}), "field 128 at byte 0: length 4 is not 8"),
    ],
)
def test_what_is_wrong_with_a_message_of_our_own(dialect: Dialect, message: Message, sentence: str) -> None:
    with pytest.raises(WireError) as caught:
        encode(dialect, message)
    assert str(caught.value) == sentence


def test_no_refusal_repeats_what_it_refuses() -> None:
    pan = "6200000000000018x"
    with pytest.raises(WireError) as caught:
        encode(UNIONPAY, Message("0100", {2: pan}))
    assert pan[:8] not in str(caught.value)
    assert caught.value.__cause__ is None
