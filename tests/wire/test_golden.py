"""Frames written by hand from the field table, byte by byte; each must read as its fields and write as its bytes."""

import pytest

from holdfast.wire.codec import COMPILE_AFTER, decode, encode
from holdfast.wire.dialect import ASCII_1987, UNIONPAY
from holdfast.wire.framing import Frames, frame
from holdfast.wire.message import Message, swapped_tpdu

HEAD = "6000030000 603100311314"

PRE_AUTH_CHIP = (
    HEAD
    + """
    0100 702406C020C09A11
    16 6200000000000005          # 2: sixteen digits
    030000                       # 3
    000000050000                 # 4: 500.00
    000123                       # 11
    3012                         # 14
    0510                         # 22: three digits, left, a 0 nibble behind
    0001                         # 23: three digits, right, a 0 nibble before
    06                           # 25
    12                           # 26
    27 6200000000000005D3012101000 0 # 35: twenty-seven digits, D for the separator, a 0 nibble behind
    5430303030303031             # 41: T0000001
    313034313130313730313130303031 # 42
    313536                       # 49
    1122334455667788             # 52
    2600 000000000000            # 53
    0009 9F2608A1B2C3D4E5F6      # 55: nine bytes
    0013 10 000001 000 5 0 0     # 60: thirteen digits, filled up with a 0 nibble
    3132333441424344             # 64: eight characters
    """
)
PRE_AUTH_CHIP_FIELDS: dict[int, str | bytes] = {
    2: "6200000000000005",
    3: "030000",
    4: "000000050000",
    11: "000123",
    14: "3012",
    22: "051",
    23: "001",
    25: "06",
    26: "12",
    35: "6200000000000005=3012101000",
    41: "T0000001",
    42: "104110170110001",
    49: "156",
    52: bytes.fromhex("1122334455667788"),
    53: "26" + "0" * 14,
    55: bytes.fromhex("9F2608A1B2C3D4E5F6"),
    60: "1000000100050",
    64: "1234ABCD",
}

PRE_AUTH_STRIPE = (
    HEAD
    + """
    0100 302004C020C09811
    030000 000000050000 000124 0210 06 12
    32 6200000000000005D301210100000001
    5430303030303031 313034313130313730313130303031 313536
    FFEEDDCCBBAA9988 2610000000000000
    0013 10 000001 000 5 0 0
    3030303030303030
    """
)
PRE_AUTH_STRIPE_FIELDS: dict[int, str | bytes] = {
    3: "030000",
    4: "000000050000",
    11: "000124",
    22: "021",
    25: "06",
    26: "12",
    35: "6200000000000005=301210100000001",
    41: "T0000001",
    42: "104110170110001",
    49: "156",
    52: bytes.fromhex("FFEEDDCCBBAA9988"),
    53: "2610000000000000",
    60: "1000000100050",
    64: "00000000",
}

COMPLETION_KEYED = (
    HEAD
    + """
    0200 7024048004C08019
    19 6200000000000000018 0     # 2: nineteen digits
    000000 000000046050 000125 3012 0120 06
    303132333435                 # 38: 012345
    5430303030303031 313034313130313730313130303031 313536
    0013 20 000001 000 5 0 0
    0016 000001 000123 1122      # 61: batch, trace, date of the original
    4131423243334434
    """
)
COMPLETION_KEYED_FIELDS: dict[int, str | bytes] = {
    2: "6200000000000000018",
    3: "000000",
    4: "000000046050",
    11: "000125",
    14: "3012",
    22: "012",
    25: "06",
    38: "012345",
    41: "T0000001",
    42: "104110170110001",
    49: "156",
    60: "2000000100050",
    61: "0000010001231122",
    64: "A1B2C3D4",
}

PRE_AUTH_APPROVED = (
    HEAD
    + """
    0110 303A00810ED08013
    030000 000000050000 000123 213405 1122 1123 06
    08 01041000                  # 32
    413030303030303030313233     # 37: A00000000123
    3031323334 20                # 38: five characters, filled up with a space
    3030                         # 39
    5430303030303031 313034313130313730313130303031
    22 3031303431303030202020 3031303431303030202020  # 44: issuer, acquirer
    313536
    0013 10 000001 000 5 0 0
    0011 435550 D6D0B9FAD2F8C1AA  # 63: CUP and four Chinese characters, eleven bytes
    4142434431323334
    """
)
PRE_AUTH_APPROVED_FIELDS: dict[int, str | bytes] = {
    3: "030000",
    4: "000000050000",
    11: "000123",
    12: "213405",
    13: "1122",
    15: "1123",
    25: "06",
    32: "01041000",
    37: "A00000000123",
    38: "01234",
    39: "00",
    41: "T0000001",
    42: "104110170110001",
    44: "01041000   01041000   ",
    49: "156",
    60: "1000000100050",
    63: "CUP中国银联",
    64: "ABCD1234",
}

SIGN_ON_ANSWERED = (
    HEAD
    + """
    0810 003800010AC00014
    000001 213405 1122
    08 01041000
    413030303030303030303031 3030
    5430303030303031 313034313130313730313130303031
    0011 00 000002 003 0
    0024 1111111111111111 22222222 3333333333333333 44444444
    """
)
SIGN_ON_ANSWERED_FIELDS: dict[int, str | bytes] = {
    11: "000001",
    12: "213405",
    13: "1122",
    32: "01041000",
    37: "A00000000001",
    39: "00",
    41: "T0000001",
    42: "104110170110001",
    60: "00000002003",
    62: bytes.fromhex("11" * 8 + "22" * 4 + "33" * 8 + "44" * 4),
}

COMPLETION_DECLINED = (
    HEAD
    + """
    0210 003800000AC00010
    000125 213501 1122
    413030303030303030313234 3235
    5430303030303031 313034313130313730313130303031
    0013 20 000001 000 5 0 0
    """
)
COMPLETION_DECLINED_FIELDS: dict[int, str | bytes] = {
    11: "000125",
    12: "213501",
    13: "1122",
    37: "A00000000124",
    39: "25",
    41: "T0000001",
    42: "104110170110001",
    60: "2000000100050",
}


def written(frame_text: str) -> bytes:
    """The bytes of a frame written in hex, with spaces and remarks."""
    return bytes.fromhex("".join("".join(line.partition("#")[0] for line in frame_text.splitlines()).split()))


@pytest.mark.parametrize(
    ("frame_text", "mti", "fields"),
    [
        (PRE_AUTH_CHIP, "0100", PRE_AUTH_CHIP_FIELDS),
        (PRE_AUTH_STRIPE, "0100", PRE_AUTH_STRIPE_FIELDS),
        (COMPLETION_KEYED, "0200", COMPLETION_KEYED_FIELDS),
        (PRE_AUTH_APPROVED, "0110", PRE_AUTH_APPROVED_FIELDS),
        (SIGN_ON_ANSWERED, "0810", SIGN_ON_ANSWERED_FIELDS),
        (COMPLETION_DECLINED, "0210", COMPLETION_DECLINED_FIELDS),
    ],
    ids=["pre-auth chip", "pre-auth stripe", "keyed completion", "approved", "sign-on answered", "declined"],
)
def test_a_frame_written_by_hand_is_read_and_written(frame_text: str, mti: str, fields: dict[int, str | bytes]) -> None:
    body = written(frame_text)
    for _ in range(COMPILE_AFTER + 2):  # the last rounds go the compiled way
        message = decode(UNIONPAY, body)
        assert (message.mti, message.fields) == (mti, fields)
        assert (message.raw, message.tpdu.hex(), message.header.hex()) == (body, "6000030000", "603100311314")
        assert encode(UNIONPAY, message) == body


def test_a_frame_goes_over_the_link_with_its_length_before_it() -> None:
    body = written(COMPLETION_DECLINED)
    assert len(body) == 11 + 2 + 8 + 8 + 14 + 23 + 9
    assert frame(body) == b"\x00\x4b" + body
    assert Frames().feed(frame(body)) == [body]


def test_acquirer_and_issuer_speak_ascii() -> None:
    body = (
        b"0420"
        + bytes.fromhex("F220000008810000 0000004000000001")
        + b"166200000000000005"  # 2
        + b"000000"  # 3
        + b"000000046050"  # 4
        + b"1122213405"  # 7
        + b"000125"  # 11
        + b"01234567890 "  # 37: eleven characters, filled up with a space
        + b"T0000001"  # 41
        + b"010A-00007771"  # 48
        + b"0200000125112221340501041000000"
        + b"00000000000"  # 90
        + b"0123ABCD"  # 128
    )
    fields: dict[int, str | bytes] = {
        2: "6200000000000005",
        3: "000000",
        4: "000000046050",
        7: "1122213405",
        11: "000125",
        37: "01234567890",
        41: "T0000001",
        48: "A-00007771",
        90: "020000012511222134050104100000000000000000",
        128: "0123ABCD",
    }
    for _ in range(COMPILE_AFTER + 2):
        message = decode(ASCII_1987, body)
        assert (message.mti, message.fields, message.tpdu, message.header) == ("0420", fields, b"", b"")
        assert encode(ASCII_1987, message) == body


def test_an_ascii_message_without_high_fields_has_one_bitmap() -> None:
    body = b"0810" + bytes.fromhex("0020000002000000") + b"000001" + b"00"
    assert decode(ASCII_1987, body).fields == {11: "000001", 39: "00"}
    assert encode(ASCII_1987, Message("0810", {11: "000001", 39: "00"})) == body


def test_a_message_of_our_own_gets_the_default_head() -> None:
    body = encode(UNIONPAY, Message("0820", {11: "000001"}))
    assert body.hex() == "6000000000" + "603100000000" + "0820" + "0020000000000000" + "000001"


def test_a_reply_goes_back_where_the_request_came_from() -> None:
    assert swapped_tpdu(bytes.fromhex("6012345678")) == bytes.fromhex("6056781234")


def test_a_message_never_shows_its_values() -> None:
    message = decode(UNIONPAY, written(PRE_AUTH_CHIP))
    assert repr(message).startswith("Message(0100, fields [2, 3, 4, 11,")
    assert "6200000000000005" not in repr(message)
    assert message.get(2) == "6200000000000005"
    assert message.get(38) == ""
    assert message.get_bytes(52) == bytes.fromhex("1122334455667788")
    assert message.get_bytes(62) == b""
