"""A described message explains itself and tells no secret."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.wire.codec import decode, encode
from holdfast.wire.describe import FieldView, describe, describe_head
from holdfast.wire.dialect import ASCII_1987, DIALECTS, UNIONPAY, Dialect
from holdfast.wire.message import Message

PAN = "6200000000000018"
TRACK = f"{PAN}=30121019999"

PRE_AUTH = Message(
    "0100",
    {
        2: PAN,
        3: "030000",
        22: "051",
        35: TRACK,
        52: bytes.fromhex("A1B2C3D4E5F60718"),
        53: "26" + "0" * 14,
        55: bytes.fromhex("9F2608A1B2C3D4E5F60718"),
        57: "HF1|7|0123456789abcdef|A-000123",
        60: "1000000100050",
        61: "0000010001231122",
    },
)


def views(dialect: Dialect, message: Message) -> dict[int, FieldView]:
    return {view.number: view for view in describe(dialect, message)}


def test_a_pre_authorization_explained() -> None:
    seen = views(UNIONPAY, PRE_AUTH)
    assert seen[2] == FieldView(2, "card number", "620000******0018", (), 21, 9, "16620000******0018")
    assert seen[3].value == "030000"
    assert seen[3].parts == (("transaction", "03"), ("from account", "00"), ("to account", "00"))
    assert seen[22] == FieldView(22, "entry mode", "051", (("card entry", "05"), ("PIN entry", "1")), 33, 2, "0510")
    assert seen[35].value == "secret, 14 bytes"
    assert seen[35].hex == "28" + "*" * 28
    assert seen[52].value == "secret, 8 bytes"
    assert seen[52].hex == "*" * 16
    assert seen[53].parts[:3] == (("PIN format", "2"), ("algorithm", "6"), ("track encrypted", "0"))
    assert seen[55].value == "secret, 11 bytes"
    assert seen[55].hex == "0011" + "*" * 22
    assert dict(seen[57].parts) == {
        "sequence": "7",
        "link": "0123456789abcdef",
        "last register entry": "A-000123",
    }
    assert seen[60].parts == (
        ("message type", "10"),
        ("batch", "000001"),
        ("network management", "000"),
        ("read capability", "5"),
        ("chip condition", "0"),
    )
    assert dict(seen[61].parts) == {
        "original batch": "000001",
        "original trace": "000123",
        "original date": "1122",
    }


def test_each_field_lies_where_it_is_said_to_lie() -> None:
    body = encode(UNIONPAY, PRE_AUTH)
    at = UNIONPAY.bitmap_at + 8
    for view in describe(UNIONPAY, decode(UNIONPAY, body)):
        assert view.offset == at
        assert len(view.hex) == 2 * view.length
        raw = body[view.offset : view.offset + view.length].hex()
        assert all(shown in ("*", digit) for shown, digit in zip(view.hex, raw, strict=True))
        at += view.length
    assert at == len(body)


def test_what_stands_before_the_fields() -> None:
    seen = describe_head(UNIONPAY, Message("0820", {11: "000001"}, tpdu=bytes.fromhex("6012345678")))
    assert [(view.name, view.value, view.offset, view.length) for view in seen] == [
        ("TPDU", "6012345678", 0, 5),
        ("header", "603100000000", 5, 6),
        ("message type", "0820", 11, 2),
        ("bitmap", "0020000000000000", 13, 8),
    ]
    assert seen[0].parts == (("id", "60"), ("destination", "1234"), ("source", "5678"))
    assert seen[1].parts[3] == ("asked of the terminal", "0")
    ascii_names = [view.name for view in describe_head(ASCII_1987, Message("0800", {70: "301"}))]
    assert ascii_names == ["message type", "bitmap"]


def test_responses_explained() -> None:
    seen = views(UNIONPAY, Message("0110", {44: "01041000   01030000   ", 57: "HF1|A-000123", 63: "CUP银联"}))
    assert seen[44].parts == (("issuer", "01041000"), ("acquirer", "01030000"))
    assert seen[57].parts == (("register entry", "A-000123"),)
    assert seen[63].value == "CUP银联"
    assert views(UNIONPAY, Message("0110", {57: "not ours"}))[57].parts == ()


def test_between_hosts_the_card_is_masked_a_byte_a_digit() -> None:
    seen = views(ASCII_1987, Message("0420", {2: PAN, 90: "0200000125112221340501041000000" + "0" * 11}))
    assert seen[2].value == "620000******0018"
    assert seen[2].hex == b"16620000".hex() + "*" * 12 + b"0018".hex()
    assert dict(seen[90].parts) == {
        "original message type": "0200",
        "original trace": "000125",
        "original transmission time": "1122213405",
        "original acquirer": "01041000000",
        "original forwarder": "00000000000",
    }


@pytest.mark.parametrize("pan", ["", "6", "6200000001", "62000000001"])
def test_what_is_too_short_to_be_masked_is_hidden(pan: str) -> None:
    view = views(UNIONPAY, Message("0100", {2: pan}))[2]
    assert view.value == f"secret, {(len(pan) + 1) // 2} bytes"
    assert set(view.hex[2:]) <= {"*"}


def test_keys_are_secret_and_a_device_serial_is_not() -> None:
    serial = b"Sequence No01T1"
    assert views(UNIONPAY, Message("0800", {62: serial}))[62].value == serial.hex()
    answered = views(UNIONPAY, Message("0810", {62: bytes(range(1, 25))}))[62]
    assert (answered.value, answered.hex) == ("secret, 24 bytes", "0024" + "*" * 48)


def test_totals_are_shown_and_card_numbers_of_an_upload_are_not() -> None:
    totals = "000000046050001" + "0" * 15 + "0" + "0" * 31
    shown = views(UNIONPAY, Message("0500", {48: totals}))[48]
    assert shown.value == totals
    assert shown.parts[:2] == (("domestic debit amount", "000000046050"), ("domestic debit count", "001"))
    hidden = views(UNIONPAY, Message("0320", {48: "01" + "00" + "000123" + PAN.zfill(20) + "000000046050"}))[48]
    assert PAN[6:12] not in str(hidden)
    assert hidden.parts == ()


def test_an_sm4_pin_inside_a_text_field_is_hidden() -> None:
    view = views(UNIONPAY, Message("0100", {63: "SM016ABCDEFGHIJKLMNOP"}))[63]
    assert view.value == "secret, 21 bytes"
    assert "ABCD" not in str(view)


DIGITS = "0123456789"


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda dialect: dialect.name)
@given(
    pan=st.text(DIGITS, min_size=13, max_size=19),
    track=st.text(DIGITS, min_size=16, max_size=37),
    block=st.binary(min_size=8, max_size=8),
    chip=st.binary(min_size=9, max_size=60),
)
@settings(max_examples=60)
def test_no_secret_is_ever_described(dialect: Dialect, pan: str, track: str, block: bytes, chip: bytes) -> None:
    message = Message("0100", {2: pan, 35: track, 52: block, 55: chip})
    if dialect is UNIONPAY:
        message.fields |= {36: track, 48: track, 58: chip, 62: chip}
    for number, view in views(dialect, message).items():
        row, value = dialect.fields[number], message.fields[number]
        assert row.secret
        prefix = ((row.prefix + 1) // 2 if dialect.packed else row.prefix) * 2
        if number == 2:
            assert view.value == pan[:6] + "*" * (len(pan) - 10) + pan[-4:]
            assert view.hex.count("*") == (len(pan) - 10) * (1 if dialect.packed else 2)
        else:
            assert view.value == f"secret, {view.length - prefix // 2} bytes"
            assert set(view.hex[prefix:]) == {"*"}, value
        assert view.parts == ()
