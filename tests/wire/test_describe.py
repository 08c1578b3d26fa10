"""A described message explains itself and tells no secret."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.wire import tlv
from holdfast.wire.codec import decode, encode
from holdfast.wire.describe import FieldView, describe, describe_head
from holdfast.wire.dialect import ASCII_1987, DIALECTS, UNIONPAY, Dialect
from holdfast.wire.explain import Part
from holdfast.wire.message import Message
from holdfast.wire.settlement import CardClass, Detail, pack_details

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


def told(view: FieldView) -> list[str]:
    return [f"{part.name}: {part.value} {part.meaning}".rstrip() for part in view.parts]


def test_a_pre_authorization_explained() -> None:
    seen = views(UNIONPAY, PRE_AUTH)
    assert seen[2] == FieldView(2, "card number", "620000******0018", (), 21, 9, "16620000******0018")
    assert seen[3].value == "030000"
    assert seen[3].parts == (
        ("transaction", "03", "pre-authorization"),
        ("from account", "00", "default"),
        ("to account", "00", "default"),
    )
    assert seen[22] == FieldView(
        22,
        "entry mode",
        "051",
        (Part("card entry", "05", "chip"), Part("PIN entry", "1", "PIN entered")),
        33,
        2,
        "0510",
    )
    assert seen[35].value == "secret, 14 bytes"
    assert seen[35].hex == "28" + "*" * 28
    assert seen[52].value == "secret, 8 bytes"
    assert seen[52].hex == "*" * 16
    assert told(seen[53])[:3] == [
        "PIN format: 2 with the card number",
        "algorithm: 6 triple DES",
        "track encrypted: 0 no",
    ]
    assert seen[55].hex == "0011" + seen[55].value == "0011" + "9f2608a1b2c3d4e5f60718"
    assert told(seen[55]) == ["9F26 application cryptogram: A1B2C3D4E5F60718"]
    assert told(seen[57]) == ["sequence: 7", "link: 0123456789abcdef", "last register entry: A-000123"]
    assert told(seen[60]) == [
        "60.1 message type: 10 pre-authorization",
        "60.2 batch: 000001",
        "60.3 network management: 000 none",
        "60.4 read capability: 5 stripe and chip",
        "60.5 chip condition: 0 not told",
    ]
    assert told(seen[61]) == ["61.1 original batch: 000001", "61.2 original trace: 000123", "61.3 original date: 1122"]


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
    assert told(seen[0]) == ["id: 60", "destination: 1234", "source: 5678"]
    assert told(seen[1]) == [
        "application class: 60",
        "version: 31",
        "terminal status: 0 in use",
        "processing request: 0 nothing",
        "sub-version: 000000",
    ]
    assert told(seen[2]) == ["version: 0", "class: 8 network management", "function: 2 advice", "origin: 0 first time"]
    asking = describe_head(UNIONPAY, Message("0110", {}, header=bytes.fromhex("60311000FFF1"), processing_request="4"))
    assert asking[1].value == "60311400FFF1"
    assert told(asking[1])[2:] == [
        "terminal status: 1 test",
        "processing request: 4 update CA keys",
        "sub-version: 00FFF1",
    ]
    ascii_names = [view.name for view in describe_head(ASCII_1987, Message("0800", {70: "301"}))]
    assert ascii_names == ["message type", "bitmap"]


def test_responses_explained() -> None:
    seen = views(UNIONPAY, Message("0110", {39: "51", 44: "01041000   01030000   ", 57: "HF1|A-000123"}))
    assert (seen[39].value, seen[39].parts) == ("51", ())  # what a code means is the domain's
    assert told(seen[44]) == ["issuer: 01041000", "acquirer: 01030000"]
    assert told(seen[57]) == ["register entry: A-000123"]
    assert views(UNIONPAY, Message("0110", {57: "not ours"}))[57].parts == ()


def test_additional_amounts_explained() -> None:
    balance = "1002156C000000123456"
    one = ["account type: 10 savings", "amount type: 02 available balance", "currency: 156 renminbi"]
    one += ["sign: C credit", "amount: 000000123456 1234.56"]
    assert told(views(UNIONPAY, Message("0210", {54: balance}))[54]) == one
    two = told(views(ASCII_1987, Message("0210", {54: balance + "0001156D000000000001"}))[54])
    assert two[:5] == [f"1 {part}" for part in one]
    assert two[5:] == [
        "2 account type: 00 default",
        "2 amount type: 01 ledger balance",
        "2 currency: 156 renminbi",
        "2 sign: D debit",
        "2 amount: 000000000001 0.01",
    ]


def test_operator_scheme_and_texts_explained() -> None:
    assert told(views(UNIONPAY, Message("0100", {63: "01 "}))[63]) == ["operator: 01"]
    texts = "CUP" + "发卡行提示".ljust(15) + "".ljust(20) + "欢迎"
    view = views(UNIONPAY, Message("0110", {63: texts + " "}))[63]
    assert view.value == texts + " "
    assert told(view) == [
        "scheme: CUP UnionPay",
        "issuer's text: 发卡行提示",
        "centre's text:",
        "acquirer's text: 欢迎",
    ]
    longer = told(views(UNIONPAY, Message("0110", {63: "VIS" + "1" * 20 + "2" * 20 + "3" * 20 + "4" * 30}))[63])
    assert longer[-1] == "rest: " + "4" * 30


def test_between_hosts_the_card_is_masked_a_byte_a_digit() -> None:
    seen = views(ASCII_1987, Message("0420", {2: PAN, 90: "0200000125112221340501041000000" + "0" * 11}))
    assert seen[2].value == "620000******0018"
    assert seen[2].hex == b"16620000".hex() + "*" * 12 + b"0018".hex()
    assert told(seen[90]) == [
        "original message type: 0200",
        "original trace: 000125",
        "original transmission time: 1122213405",
        "original acquirer: 01041000000",
        "original forwarder: 00000000000",
    ]


def test_what_only_hosts_say_to_each_other() -> None:
    left = "000000046050" + "000000046050" + "C00000000" + "C00000000"
    seen = views(ASCII_1987, Message("0420", {48: "HX1|01020000|A-000007|A-000001|T1/000001/000123/0100", 95: left}))
    assert told(seen[48]) == [
        "issuer: 01020000",
        "exchange id: A-000007",
        "hold: A-000001",
        "trace key: T1/000001/000123/0100",
    ]
    assert told(seen[95])[:2] == ["actual amount: 000000046050 460.50", "actual settlement amount: 000000046050 460.50"]
    assert views(ASCII_1987, Message("0420", {48: "another's private text"}))[48].parts == ()


@pytest.mark.parametrize("pan", ["", "6", "6200000001", "62000000001"])
def test_what_is_too_short_to_be_masked_is_hidden(pan: str) -> None:
    view = views(UNIONPAY, Message("0100", {2: pan}))[2]
    assert view.value == f"secret, {(len(pan) + 1) // 2} bytes"
    assert set(view.hex[2:]) <= {"*"}


def test_a_device_serial_is_no_secret() -> None:
    view = views(UNIONPAY, Message("0800", {62: b"Sequence No0812345678"}))[62]
    assert view.value == b"Sequence No0812345678".hex()
    assert told(view) == ["device serial: 12345678"]
    assert views(UNIONPAY, Message("0800", {62: b"another form"}))[62].parts == ()


SINGLE = ["PIN key: secret, 8 bytes and a check value", "MAC key: secret, 8 bytes and a check value"]
DOUBLE = ["PIN key: secret, 16 bytes and a check value", SINGLE[1]]
TRACK_KEY = "track key: secret, 16 bytes and a check value"
SM4 = [DOUBLE[0], "MAC key: secret, 16 bytes and a check value", TRACK_KEY]


@pytest.mark.parametrize(
    ("keys", "form", "parts"),
    [
        (b"\1" * 24, "24 bytes single-length keys", SINGLE),
        (b"\1" * 28 + bytes(8) + b"\1" * 4, "40 bytes double-length PIN key, single-length MAC key", DOUBLE),
        (
            b"\1" * 28 + bytes(8) + b"\1" * 24,
            "60 bytes double-length PIN key, single-length MAC key, and a track key",
            [*DOUBLE, TRACK_KEY],
        ),
        (b"\1" * 60, "60 bytes SM4 or double-length keys, and a track key", SM4),
    ],
)
def test_of_keys_only_the_form_is_told(keys: bytes, form: str, parts: list[str]) -> None:
    view = views(UNIONPAY, Message("0810", {62: keys}))[62]
    assert (view.value, view.hex[4:]) == (f"secret, {len(keys)} bytes", "*" * 2 * len(keys))
    assert told(view) == [f"form: {form}", *parts]
    assert views(UNIONPAY, Message("0100", {62: keys}))[62].parts == ()


def test_totals_are_told_with_the_hosts_verdict() -> None:
    totals = "000000046050001" + "0" * 15 + "1" + "0" * 30 + "2"
    view = views(UNIONPAY, Message("0510", {48: totals}))[48]
    assert (view.value, view.hex) == (totals, "0062" + totals)
    assert told(view)[:5] == [
        "domestic debit amount: 000000046050 460.50",
        "domestic debit count: 001",
        "domestic credit amount: 000000000000 0.00",
        "domestic credit count: 000",
        "domestic reply: 1 balanced",
    ]
    assert told(view)[9] == "foreign reply: 2 not balanced"


def test_an_upload_is_told_with_masked_cards() -> None:
    long_pan = "6200000000000000018"
    details = [
        Detail(CardClass.DOMESTIC, "000123", PAN, 46050),
        Detail(CardClass.FOREIGN, "000124", long_pan, 1),
    ]
    view = views(UNIONPAY, Message("0320", {48: pack_details(details), 60: "00000001201"}))[48]
    expected = "02" + "00" + "000123" + "0000620000******0018" + "000000046050"
    expected += "01" + "000124" + "0620000*********0018" + "000000000001"
    assert (view.value, view.hex) == (expected, "0082" + expected)
    assert told(view) == [
        "1 card class: 00 domestic",
        "1 trace: 000123",
        "1 card number: 620000******0018",
        "1 amount: 000000046050 460.50",
        "2 card class: 01 foreign",
        "2 trace: 000124",
        "2 card number: 620000*********0018",
        "2 amount: 000000000001 0.01",
    ]
    assert told(views(UNIONPAY, Message("0320", {48: "0012"}))[48]) == ["details sent: 0012 12"]


@pytest.mark.parametrize("mti", ["0100", "0320"])
def test_an_upload_that_is_none_is_hidden(mti: str) -> None:
    view = views(UNIONPAY, Message(mti, {48: "01" + "00" + "000123" + PAN.zfill(20)}))[48]
    assert (view.value, view.parts) == ("secret, 15 bytes", ())
    assert set(view.hex[4:]) == {"*"}


@pytest.mark.parametrize(
    ("mti", "control", "words"),
    [
        ("0500", "00000001201", "settlement"),
        ("0320", "00000001201", "upload of stripe details"),
        ("0330", "00000001207", "upload ends, totals were balanced"),
        ("0800", "00000001003", "sign-on, double-length keys"),
        ("0820", "00000001002", "sign-off"),
        ("0620", "00000001951", "issuer script result"),
        ("0800", "00000001777", ""),
    ],
)
def test_what_a_control_field_asks_for(mti: str, control: str, words: str) -> None:
    parts = views(UNIONPAY, Message(mti, {60: control}))[60].parts
    assert parts[2] == Part("60.3 network management", control[8:], words)


def test_the_chips_objects_are_told_and_its_card_is_not() -> None:
    packed = tlv.pack(
        [
            ("9F27", b"\x80"),
            ("9F02", bytes.fromhex("000000050000")),
            ("8A", b"00"),
            ("57", bytes.fromhex(PAN + "D30120")),
            ("5A", bytes.fromhex(PAN)),
            ("5F20", b"ZHANG SAN"),
            ("5F24", bytes.fromhex("301231")),
            ("72", tlv.pack([("9F18", b"\1\2\3\4"), ("86", bytes.fromhex("84240000081122334455667788"))])),
            ("DF7F", bytes.fromhex(PAN)),
        ]
    )
    view = views(UNIONPAY, Message("0100", {55: packed}))[55]
    assert told(view) == [
        "9F27 cryptogram kind: 80 ARQC: asks the issuer",
        "9F02 amount, authorized: 000000050000 500.00",
        "8A authorization response code: 3030 00",
        "57 track 2 equivalent data: secret, 11 bytes",
        "5A card number: secret, 8 bytes",
        "5F20 cardholder name: secret, 9 bytes",
        "5F24 expiry date: secret, 3 bytes",
        "72 issuer script, after the final cryptogram: 22 bytes",
        "9F18 issuer script identifier: 01020304",
        "86 issuer script command: secret, 13 bytes",
        "DF7F unknown: secret, 8 bytes",
    ]
    assert view.hex.count("*") == 2 * (11 + 8 + 9 + 3 + 13 + 8)
    assert PAN not in str(view)


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
    opaque=st.binary(min_size=9, max_size=60),
)
@settings(max_examples=60)
def test_no_secret_is_ever_described(dialect: Dialect, pan: str, track: str, block: bytes, opaque: bytes) -> None:
    message = Message("0100", {2: pan, 35: track, 52: block})
    if dialect is UNIONPAY:
        message.fields |= {36: track, 48: track, 58: opaque, 62: opaque}
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


TAGS = st.sampled_from(sorted({*tlv.NAMES, "9F6B", "56", "DF7F", "C1"}))


@given(st.lists(st.tuples(TAGS, st.binary(max_size=20)), max_size=6))
def test_of_a_chip_only_what_is_known_to_be_harmless_is_described(objects: list[tuple[str, bytes]]) -> None:
    packed = tlv.pack(objects)[:255]
    view = views(UNIONPAY, Message("0100", {55: packed}))[55]
    assert len(view.hex) == 2 * view.length
    bared = bytes.fromhex(view.hex[4:].replace("*", "0")) if view.hex[4:] else b""
    for at, (shown, meant) in enumerate(zip(bared, packed, strict=True)):
        assert shown in (meant, 0), at
    if view.value.startswith("secret"):
        return
    for element in tlv.elements(packed):
        if element.tag in tlv.SECRET_TAGS or element.tag not in tlv.NAMES:
            start, end = 2 * element.value_at, 2 * (element.value_at + len(element.value))
            assert set(view.value[start:end]) <= {"*"}


@given(st.binary(max_size=255))
def test_any_chip_bytes_can_be_described(raw: bytes) -> None:
    view = views(UNIONPAY, Message("0100", {55: raw}))[55]
    assert view.length == len(raw) + 2


@given(
    st.sampled_from([48, 54, 57, 60, 61, 63]), st.text(DIGITS, max_size=20), st.sampled_from(["0100", "0110", "0320"])
)
def test_any_text_can_be_described(number: int, text: str, mti: str) -> None:
    assert len(views(UNIONPAY, Message(mti, {number: text}))) == 1
