"""The trade's cryptography agrees with an independent library, a published example and the rule read aloud."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psec import des, pinblock
from psec import mac as oracle

from holdfast.errors import KeyRefused
from holdfast.keys.algorithms import (
    check_value,
    decrypt_blocks,
    encrypt_blocks,
    mac,
    mac_cmac,
    mac_ecb,
    mac_sm4,
    mac_x99,
    mac_x919,
    new_key,
    odd_parity,
    pin_block,
    pin_of_block,
    same_mac,
)

# The oracle reaches for single and double-length DES where its library has moved it: known, and no concern of ours.
pytestmark = pytest.mark.filterwarnings("ignore:.*TripleDES")

keys = st.sampled_from([8, 16, 24]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
single_keys = st.binary(min_size=8, max_size=8)
double_keys = st.binary(min_size=16, max_size=16)
messages = st.binary(min_size=1, max_size=300)
pins = st.from_regex(r"[0-9]{4,12}", fullmatch=True)
pans = st.from_regex(r"[0-9]{13,19}", fullmatch=True)

PAN = "6200000000000005"


def ecb_mac_read_aloud(key: bytes, message: bytes) -> str:
    """The rule of the terminal specification, step by step."""
    padded = message + b"\x00" * (-len(message) % 8)
    block = bytes(8)
    for start in range(0, len(padded), 8):
        block = bytes(a ^ b for a, b in zip(block, padded[start : start + 8], strict=True))
    expanded = block.hex().upper().encode("ascii")
    first = des.encrypt_tdes_ecb(key, expanded[:8])
    second = bytes(a ^ b for a, b in zip(first, expanded[8:], strict=True))
    return des.encrypt_tdes_ecb(key, second).hex().upper()[:8]


def test_the_published_example() -> None:
    # A terminal's example that circulates in several public sources; the frame itself names a card, so that only the
    # XOR of its blocks stands here, which is all that the algorithm keeps of a message.
    terminal_master_key = bytes.fromhex("70F2A84CCBC2AE8625CBB0F2C22AB923")
    key = decrypt_blocks(terminal_master_key, bytes.fromhex("96D605EA176B7E9E"))
    assert key == bytes.fromhex("C24A8FB57AA20123")
    folded = bytes.fromhex("4D08F434464FE7BF")
    assert mac_ecb(key, folded) == "8A9E91B8"
    assert mac_ecb(key, b"preauth." + folded + b"preauth.") == "8A9E91B8"


@given(keys, st.binary(max_size=700))
def test_ecb_mac_is_the_rule_read_aloud(key: bytes, message: bytes) -> None:
    assert mac_ecb(key, message) == ecb_mac_read_aloud(key, message)


@given(single_keys, messages)
def test_x99(key: bytes, message: bytes) -> None:
    assert mac_x99(key, message) == oracle.generate_cbc_mac(key, message, 1)


@given(double_keys, messages)
def test_x919(key: bytes, message: bytes) -> None:
    assert mac_x919(key, message) == oracle.generate_retail_mac(key[:8], key[8:], message, 1)


def test_the_published_example_of_x99() -> None:
    # FIPS 113, appendix 1, which is the same algorithm.
    key, message = bytes.fromhex("0123456789ABCDEF"), b"7654321 Now is the time for "
    assert mac_x99(key, message) == bytes.fromhex("F1D30F6849312CA4")
    assert mac("cbc", key, message) == mac("cbc", key + key, message) == "F1D30F68"


RFC_4493_MESSAGE = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ],
)
def test_the_examples_of_rfc_4493(size: int, expected: str) -> None:
    key, message = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"), RFC_4493_MESSAGE[:size]
    for _ in range(2):
        assert mac_cmac(key, message).hex() == expected
    assert mac("cmac", key, message) == expected[:8].upper()


SM4_EXAMPLE = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")


def test_the_example_of_the_sm4_standard() -> None:
    # GB/T 32907-2016, annex A: key and text are the same.
    encrypted = encrypt_blocks(SM4_EXAMPLE, SM4_EXAMPLE, "sm4")
    assert encrypted.hex() == "681edf34d206965e86b3e94f536e4246"
    assert decrypt_blocks(SM4_EXAMPLE, encrypted, "sm4") == SM4_EXAMPLE
    assert check_value(SM4_EXAMPLE, "sm4") == encrypt_blocks(SM4_EXAMPLE, bytes(16), "sm4")[:4]


@given(double_keys, st.binary(max_size=300))
def test_sm4_mac_is_the_rule_read_aloud(key: bytes, message: bytes) -> None:
    padded = message + b"\x00" * (-len(message) % 16)
    block = bytes(16)
    for start in range(0, len(padded), 16):
        block = bytes(a ^ b for a, b in zip(block, padded[start : start + 16], strict=True))
    expanded = block.hex().upper().encode("ascii")
    first = encrypt_blocks(key, expanded[:16], "sm4")
    second = bytes(a ^ b for a, b in zip(first, expanded[16:], strict=True))
    assert mac_sm4(key, message) == encrypt_blocks(key, second, "sm4").hex().upper()[:8]


def test_macs_that_need_a_key_of_sixteen_bytes_say_so() -> None:
    for algorithm, name in (("cmac", "CMAC"), ("sm4", "SM4"), ("x919", "X9.19")):
        for bytes_n in (8, 24):
            with pytest.raises(KeyRefused, match=f"{name} needs a key of 16 bytes, not {bytes_n}"):
                mac(algorithm, bytes(bytes_n), b"message")
    with pytest.raises(KeyRefused, match="'md5' is no MAC algorithm: choose one of ecb, x919, cbc, cmac, sm4"):
        mac("md5", bytes(16), b"message")


def test_of_nothing_the_mac_is_that_of_zeros() -> None:
    key = bytes(range(16))
    assert mac_ecb(key, b"") == mac_ecb(key, bytes(8))
    assert mac_x919(key, b"") == mac_x919(key, bytes(8))


@pytest.mark.parametrize("bytes_n", [8, 24])
def test_x919_takes_only_double_length_keys(bytes_n: int) -> None:
    with pytest.raises(KeyRefused, match=f"X9.19 needs a key of 16 bytes, not {bytes_n}"):
        mac_x919(bytes(bytes_n), b"message")


@given(keys)
def test_check_value(key: bytes) -> None:
    assert check_value(key) == des.generate_kcv(key, 4)


@given(keys, keys)
def test_keys_travel_under_keys(carrier: bytes, key: bytes) -> None:
    assert encrypt_blocks(carrier, key) == des.encrypt_tdes_ecb(carrier, key)
    assert decrypt_blocks(carrier, encrypt_blocks(carrier, key)) == key


@pytest.mark.parametrize("blocks", [b"", b"1234567", bytes(12)])
def test_half_a_block_is_refused_and_spoils_nothing(blocks: bytes) -> None:
    key = bytes(range(8))
    before = mac_ecb(key, b"message")
    with pytest.raises(KeyRefused, match="not whole blocks of 8"):
        encrypt_blocks(key, blocks)
    with pytest.raises(KeyRefused, match="not whole blocks of 8"):
        decrypt_blocks(key, blocks)
    assert mac_ecb(key, b"message") == before


@pytest.mark.parametrize("blocks", [b"", bytes(8), bytes(24)])
def test_half_a_block_of_sm4_is_refused_too(blocks: bytes) -> None:
    with pytest.raises(KeyRefused, match="not whole blocks of 16"):
        encrypt_blocks(SM4_EXAMPLE, blocks, "sm4")
    with pytest.raises(KeyRefused, match="'aes' is no cipher: choose one of des, sm4"):
        encrypt_blocks(SM4_EXAMPLE, bytes(16), "aes")


@pytest.mark.parametrize("bytes_n", [0, 7, 9, 32])
def test_keys_of_other_lengths_are_refused(bytes_n: int) -> None:
    with pytest.raises(KeyRefused, match=f"key has {bytes_n} bytes, not 8, 16 or 24"):
        check_value(bytes(bytes_n))


@given(keys)
def test_odd_parity(key: bytes) -> None:
    assert odd_parity(key) == des.adjust_key_parity(key)


def test_new_keys_have_odd_parity_and_differ() -> None:
    made = {new_key(16) for _ in range(50)}
    assert len(made) == 50
    assert all(byte.bit_count() % 2 == 1 for key in made for byte in key)


@given(pins, pans)
def test_pin_block(pin: str, pan: str) -> None:
    block = pin_block(pin, pan)
    assert block == pinblock.encode_pinblock_iso_0(pin, pan)
    assert pin_of_block(block, pan) == pin


@given(pins, pans)
def test_pin_block_of_sm4(pin: str, pan: str) -> None:
    block = pin_block(pin, pan, 16)
    assert block[0] == len(pin)
    assert block[8:10] == b"\xff\xff", "the card's digits stand right, in the last six bytes"
    assert pin_of_block(block, pan) == pin


def test_a_pin_block_of_sm4_written_by_hand() -> None:
    assert pin_block("123456", "6200001234567892", 16).hex().upper() == "06123456FFFFFFFFFFFF" + "FFFEDCBA9876"


@pytest.mark.parametrize("size", [0, 7, 9, 15, 24])
def test_pin_blocks_have_two_sizes(size: int) -> None:
    with pytest.raises(KeyRefused, match=f"PIN block has {size} bytes, not 8 or 16"):
        pin_of_block(bytes(size), PAN)


@pytest.mark.parametrize("pin", ["", "123", "1234567890123", "12a4", "１２３４", "12 4"])
def test_what_is_no_pin(pin: str) -> None:
    with pytest.raises(KeyRefused, match="PIN is not 4 to 12 digits"):
        pin_block(pin, PAN)


@pytest.mark.parametrize("pan", ["", "620000000000", "62000000000000O5"])
def test_what_is_no_card(pan: str) -> None:
    with pytest.raises(KeyRefused, match="card number is not at least 13 digits"):
        pin_block("1234", pan)


@pytest.mark.parametrize(
    "plain", ["1412345FFFFFFFFF", "0312345FFFFFFFFF", "0D1234567890123F", "041234FFFFFFFFF0", "0412A4FFFFFFFFFF"]
)
def test_blocks_that_hold_no_pin(plain: str) -> None:
    card_part = int(PAN[-13:-1], 16)
    with pytest.raises(KeyRefused, match="holds no PIN for this card"):
        pin_of_block((int(plain, 16) ^ card_part).to_bytes(8), PAN)


@pytest.mark.parametrize(
    ("other", "same"), [("8A9E91B8", True), ("8A9E91B9", False), ("8a9e91b8", False), ("", False), ("８A9E91B8", False)]
)
def test_same_mac(other: str, same: bool) -> None:
    assert same_mac("8A9E91B8", other) is same
