"""What a MAC covers, and the layouts of DE53 and DE62."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import WireError
from holdfast.wire.codec import decode, encode
from holdfast.wire.dialect import ASCII_1987, UNIONPAY, Dialect
from holdfast.wire.message import Message
from holdfast.wire.security import (
    MAC_PLACEHOLDER,
    SecurityControl,
    WorkingKeys,
    mac_block,
    pack_security_control,
    pack_working_keys,
    parse_security_control,
    parse_working_keys,
    put_mac,
)


def test_a_unionpay_mac_covers_everything_between_header_and_mac() -> None:
    body = encode(UNIONPAY, Message("0100", {3: "030000", 64: MAC_PLACEHOLDER}))
    assert mac_block(UNIONPAY, body).hex() == "0100" + "2000000000000001" + "030000"
    sealed = put_mac(body, "A1B2C3D4")
    assert decode(UNIONPAY, sealed).fields == {3: "030000", 64: "A1B2C3D4"}
    assert mac_block(UNIONPAY, sealed) == mac_block(UNIONPAY, body)


def test_an_ascii_mac_covers_everything_before_it() -> None:
    body = encode(ASCII_1987, Message("0100", {3: "030000", 128: MAC_PLACEHOLDER}))
    assert mac_block(ASCII_1987, body) == b"0100" + bytes.fromhex("A0000000000000000000000000000001") + b"030000"
    assert decode(ASCII_1987, put_mac(body, "01234567")).get(128) == "01234567"


def test_the_bitmap_may_be_hex() -> None:
    hexed = Dialect("hex", b"", b"", False, "hex", True, 128, ASCII_1987.rows)
    body = encode(hexed, Message("0100", {3: "030000", 128: MAC_PLACEHOLDER}))
    assert mac_block(hexed, body) == b"0100A0000000000000000000000000000001030000"


@pytest.mark.parametrize(
    ("dialect", "fields", "sentence"),
    [
        (UNIONPAY, {3: "030000"}, "field 64 at byte 20: absent: the message is not sealed"),
        (ASCII_1987, {3: "030000", 4: "000000000001"}, "field 128 at byte 19: absent: the message is not sealed"),
        (ASCII_1987, {90: "0" * 42}, "field 128 at byte 19: absent: the message is not sealed"),
    ],
)
def test_a_message_without_a_mac_has_nothing_to_verify(
    dialect: Dialect, fields: dict[int, str | bytes], sentence: str
) -> None:
    with pytest.raises(WireError) as caught:
        mac_block(dialect, encode(dialect, Message("0100", fields)))
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("keys", "packed"),
    [
        (WorkingKeys(b"P" * 8, b"pppp", b"M" * 8, b"mmmm"), b"PPPPPPPPppppMMMMMMMMmmmm"),
        (
            WorkingKeys(b"P" * 16, b"pppp", b"M" * 8, b"mmmm"),
            b"PPPPPPPPPPPPPPPPppppMMMMMMMM" + bytes(8) + b"mmmm",
        ),
        (
            WorkingKeys(b"P" * 16, b"pppp", b"M" * 8, b"mmmm", b"T" * 16, b"tttt"),
            b"PPPPPPPPPPPPPPPPppppMMMMMMMM" + bytes(8) + b"mmmmTTTTTTTTTTTTTTTTtttt",
        ),
        (
            WorkingKeys(b"P" * 16, b"pppp", b"M" * 16, b"mmmm", b"T" * 16, b"tttt"),
            b"PPPPPPPPPPPPPPPPppppMMMMMMMMMMMMMMMMmmmmTTTTTTTTTTTTTTTTtttt",
        ),
    ],
    ids=["single", "double", "with track key", "SM4"],
)
def test_working_keys(keys: WorkingKeys, packed: bytes) -> None:
    assert pack_working_keys(keys) == packed
    assert parse_working_keys(packed) == keys


@given(st.sampled_from([24, 40, 60]).flatmap(lambda size: st.binary(min_size=size, max_size=size)))
def test_any_bytes_of_a_right_size_are_working_keys(packed: bytes) -> None:
    assert pack_working_keys(parse_working_keys(packed)) == packed


@pytest.mark.parametrize("size", [0, 8, 23, 25, 41, 48, 59, 61])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(WireError) as caught:
        parse_working_keys(bytes(size))
    assert str(caught.value) == f"field 62 at byte 0: {size} bytes are not the 24, 40 or 60 of working keys"


@pytest.mark.parametrize(
    "keys",
    [
        WorkingKeys(b"P" * 8, b"pppp", b"M" * 16, b"mmmm"),
        WorkingKeys(b"P" * 16, b"pppp", b"M" * 7, b"mmmm"),
        WorkingKeys(b"P" * 16, b"ppp", b"M" * 16, b"mmmmm"),
        WorkingKeys(b"P" * 8, b"pppp", b"M" * 8, b"mmmm", b"T" * 16, b"tttt"),
        WorkingKeys(b"P" * 16, b"pppp", b"M" * 16, b"mmmm", b"T" * 16, None),
    ],
)
def test_keys_of_other_lengths_are_refused(keys: WorkingKeys) -> None:
    with pytest.raises(WireError, match="field 62 at byte 0"):
        pack_working_keys(keys)


@pytest.mark.parametrize(
    ("control", "text"),
    [
        (SecurityControl("2", "6"), "26" + "0" * 14),
        (SecurityControl("2", "6", track_encrypted=True), "2610000000000000"),
        (SecurityControl("1", "0"), "1000000000000000"),
    ],
)
def test_security_control(control: SecurityControl, text: str) -> None:
    assert pack_security_control(control) == text
    assert parse_security_control(text) == control


@pytest.mark.parametrize("text", ["", "26", "26x0000000000000", "2620000000000000"])
def test_what_is_no_security_control(text: str) -> None:
    with pytest.raises(WireError, match="field 53 at byte 0"):
        parse_security_control(text)


def test_a_control_of_two_digits_is_not_packed() -> None:
    with pytest.raises(WireError, match="field 53 at byte 0: PIN format and algorithm are one digit each"):
        pack_security_control(SecurityControl("26", "1"))
