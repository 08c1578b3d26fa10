"""What the operations promise: keys bound to their purpose, PINs that never come out, hashes that are keyed."""

import re
from collections.abc import Callable

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import KeyRefused
from holdfast.keys import algorithms
from holdfast.keys.file import FileKeys
from holdfast.keys.interface import IMK_AC, KEY_SIZES, MAK, PIK, PURPOSES, TDK, TMK, ZONE_MAC, ZONE_PIN, Keys

KEYS: Keys = FileKeys(bytes(range(32)), bytes(range(32, 64)))
OTHER: Keys = FileKeys(bytes(32), bytes(range(32, 64)))
CLEAR = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
PAN, OTHER_PAN = "6200000000000005", "6200001234567892"
MESSAGE = b"\x02\x00 a message of some length"


def imported(purpose: str, clear: bytes = CLEAR) -> bytes:
    return KEYS.import_key(purpose, clear)


def test_a_wrapped_key_shows_nothing_and_is_never_twice_the_same() -> None:
    one, other = imported(MAK), imported(MAK)
    assert one != other
    assert CLEAR not in one
    assert KEYS.mac(one, "ecb", MESSAGE) == KEYS.mac(other, "ecb", MESSAGE) == algorithms.mac_ecb(CLEAR, MESSAGE)


def test_all_algorithms_give_eight_characters() -> None:
    x919 = KEYS.mac(imported(ZONE_MAC), "x919", MESSAGE)
    assert x919 == algorithms.mac_x919(CLEAR, MESSAGE)[:4].hex().upper()
    assert len({KEYS.mac(imported(MAK), algorithm, MESSAGE) for algorithm in algorithms.MACS}) == 5
    for algorithm in algorithms.MACS:
        mac = KEYS.mac(imported(MAK), algorithm, MESSAGE)
        assert re.fullmatch("[0-9A-F]{8}", mac)
        assert KEYS.verify_mac(imported(MAK), algorithm, MESSAGE, mac)
        assert not KEYS.verify_mac(imported(MAK), algorithm, MESSAGE + b"1", mac)
        assert not KEYS.verify_mac(imported(MAK, CLEAR[::-1]), algorithm, MESSAGE, mac)
    with pytest.raises(KeyRefused, match="'x9' is no MAC algorithm"):
        KEYS.mac(imported(MAK), "x9", MESSAGE)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_key_serves_its_own_purpose_only(purpose: str) -> None:
    key = imported(purpose)
    block = KEYS.pin_block(imported(PIK), "123456", PAN)
    pik, zone_pin = imported(PIK), imported(ZONE_PIN)
    uses: dict[str, tuple[set[str], Callable[[], object]]] = {
        "mac": ({MAK, ZONE_MAC}, lambda: KEYS.mac(key, "ecb", MESSAGE)),
        "pin_block": ({PIK}, lambda: KEYS.pin_block(key, "123456", PAN)),
        "translate from": ({PIK, ZONE_PIN}, lambda: KEYS.translate_pin(key, zone_pin, block, PAN)),
        "translate to": ({ZONE_PIN}, lambda: KEYS.translate_pin(pik, key, block, PAN)),
        "pin_matches": ({PIK, ZONE_PIN}, lambda: KEYS.pin_matches(key, block, PAN, b"")),
        "carry out": ({TMK}, lambda: KEYS.export_under(key, pik)),
        "travel": ({MAK, PIK, TDK}, lambda: KEYS.export_under(imported(TMK), key)),
        "verify_arqc": ({IMK_AC}, lambda: KEYS.verify_arqc(key, PAN, "001", bytes(2), MESSAGE, bytes(8))),
        "make_arpc": ({IMK_AC}, lambda: KEYS.make_arpc(key, PAN, "001", bytes(2), bytes(8), b"00")),
        "carry in": ({TMK}, lambda: KEYS.import_under(key, MAK, *KEYS.export_under(imported(TMK), pik))),
    }
    for purposes, call in uses.values():
        if purpose in purposes:
            call()
        else:
            with pytest.raises(KeyRefused, match=f"a {purpose} key does not serve as"):
                call()


@pytest.mark.parametrize("purpose", [TMK, ZONE_MAC, ZONE_PIN, IMK_AC])
def test_only_working_keys_arrive_under_a_terminal_master_key(purpose: str) -> None:
    with pytest.raises(KeyRefused, match=f"a {purpose} key does not travel"):
        KEYS.import_under(imported(TMK), purpose, bytes(16), bytes(4))


def test_changing_any_byte_of_a_wrapped_key_is_seen() -> None:
    wrapped = imported(MAK)
    for at in range(len(wrapped)):
        for bit in (1, 3, 128):
            with pytest.raises(KeyRefused):
                KEYS.mac(wrapped[:at] + bytes([wrapped[at] ^ bit]) + wrapped[at + 1 :], "ecb", MESSAGE)
        with pytest.raises(KeyRefused):
            KEYS.mac(wrapped[:at], "ecb", MESSAGE)


def test_a_key_of_another_installation_is_refused() -> None:
    with pytest.raises(KeyRefused, match="wrapped mak key is forged or of another master key"):
        OTHER.mac(imported(MAK), "ecb", MESSAGE)


@pytest.mark.parametrize("bytes_n", [0, 7, 12, 32])
def test_keys_have_one_of_three_sizes(bytes_n: int) -> None:
    with pytest.raises(KeyRefused, match="not 8, 16 or 24"):
        KEYS.import_key(MAK, bytes(bytes_n))
    with pytest.raises(KeyRefused, match="not 8, 16 or 24"):
        KEYS.new_working_key(MAK, bytes_n)
    with pytest.raises(KeyRefused, match="no purpose of a key"):
        KEYS.import_key("kek", CLEAR)


@pytest.mark.parametrize("bytes_n", KEY_SIZES)
@pytest.mark.parametrize("tmk", [CLEAR[:8], CLEAR, CLEAR + CLEAR[:8]])
def test_sign_on_brings_a_working_key_to_the_terminal(tmk: bytes, bytes_n: int) -> None:
    working = KEYS.new_working_key(MAK, bytes_n)
    encrypted, check = KEYS.export_under(KEYS.import_key(TMK, tmk), working)
    assert (len(encrypted), len(check)) == (bytes_n, 4)
    assert check == algorithms.check_value(algorithms.decrypt_blocks(tmk, encrypted))
    at_terminal = OTHER.import_under(OTHER.import_key(TMK, tmk), MAK, encrypted, check)
    assert OTHER.mac(at_terminal, "ecb", MESSAGE) == KEYS.mac(working, "ecb", MESSAGE)


def test_a_wrong_check_value_is_refused() -> None:
    tmk = imported(TMK)
    encrypted, check = KEYS.export_under(tmk, KEYS.new_working_key(PIK, 16))
    for wrong_check in (bytes(4), check[:3], b"", check + b"\x00"):
        with pytest.raises(KeyRefused, match="check value of the pik key is wrong"):
            KEYS.import_under(tmk, PIK, encrypted, wrong_check)
    with pytest.raises(KeyRefused, match="check value of the pik key is wrong"):
        KEYS.import_under(imported(TMK, CLEAR[::-1]), PIK, encrypted, check)
    for torn in (b"", encrypted[:-1], encrypted * 2):
        with pytest.raises(KeyRefused):
            KEYS.import_under(tmk, PIK, torn, check)
    assert KEYS.mac(imported(MAK), "ecb", MESSAGE) == algorithms.mac_ecb(CLEAR, MESSAGE)


def test_a_pin_goes_from_terminal_to_issuer_without_being_seen() -> None:
    pik, zone = KEYS.new_working_key(PIK, 16), imported(ZONE_PIN)
    for_issuer = KEYS.translate_pin(pik, zone, KEYS.pin_block(pik, "123456", PAN), PAN)
    issuer_zone = OTHER.import_key(ZONE_PIN, CLEAR)
    assert OTHER.pin_matches(issuer_zone, for_issuer, PAN, OTHER.pin_verifier(PAN, "123456"))
    assert not OTHER.pin_matches(issuer_zone, for_issuer, PAN, OTHER.pin_verifier(PAN, "123457"))
    assert not OTHER.pin_matches(issuer_zone, for_issuer, PAN, OTHER.pin_verifier(OTHER_PAN, "123456"))
    assert not OTHER.pin_matches(issuer_zone, for_issuer, PAN, KEYS.pin_verifier(PAN, "123456"))


def test_a_pin_block_of_another_card_or_key_is_refused() -> None:
    pik, zone = imported(PIK), imported(ZONE_PIN)
    block = KEYS.pin_block(pik, "123456", PAN)
    with pytest.raises(KeyRefused, match="holds no PIN for this card"):
        KEYS.translate_pin(pik, zone, block, OTHER_PAN)
    with pytest.raises(KeyRefused, match="holds no PIN for this card"):
        KEYS.translate_pin(imported(PIK, CLEAR[::-1]), zone, block, PAN)
    for torn in (b"", block[:7], block * 3):
        with pytest.raises(KeyRefused, match="PIN block has"):
            KEYS.translate_pin(pik, zone, torn, PAN)
    with pytest.raises(KeyRefused, match="holds no PIN for this card"):
        KEYS.translate_pin(pik, zone, block * 2, PAN)


def test_a_terminal_of_sm4_signs_on_and_sends_a_pin() -> None:
    tmk, zone = imported(TMK), imported(ZONE_PIN)
    pik = KEYS.new_working_key(PIK, 16)
    encrypted, check = KEYS.export_under(tmk, pik, "sm4")
    assert (encrypted, check) != KEYS.export_under(tmk, pik)
    at_terminal = OTHER.import_under(OTHER.import_key(TMK, CLEAR), PIK, encrypted, check, "sm4")
    with pytest.raises(KeyRefused, match="check value of the pik key is wrong"):
        OTHER.import_under(OTHER.import_key(TMK, CLEAR), PIK, encrypted, check)
    block = OTHER.pin_block(at_terminal, "123456", PAN, "sm4")
    assert len(block) == 16
    for_issuer = KEYS.translate_pin(pik, zone, block, PAN)
    assert len(for_issuer) == 8
    assert KEYS.pin_matches(zone, for_issuer, PAN, KEYS.pin_verifier(PAN, "123456"))
    with pytest.raises(KeyRefused, match="SM4 needs a key of 16 bytes, not 8"):
        KEYS.export_under(imported(TMK, CLEAR[:8]), pik, "sm4")


@given(st.from_regex(r"[0-9]{12,19}", fullmatch=True))
def test_a_card_in_the_vault(pan: str) -> None:
    one, other = KEYS.encrypt_pan(pan), KEYS.encrypt_pan(pan)
    assert one != other
    assert pan.encode() not in one
    assert KEYS.decrypt_pan(one) == KEYS.decrypt_pan(other) == pan


def test_a_forged_or_foreign_card_is_refused() -> None:
    encrypted = KEYS.encrypt_pan(PAN)
    changed = [encrypted[:at] + bytes([encrypted[at] ^ 1]) + encrypted[at + 1 :] for at in range(len(encrypted))]
    for wrong in [*changed, encrypted[:-1], encrypted[:5], b"", OTHER.encrypt_pan(PAN)]:
        with pytest.raises(KeyRefused, match="card number in the vault is forged"):
            KEYS.decrypt_pan(wrong)


def test_the_hash_of_a_card_is_keyed() -> None:
    assert KEYS.pan_hash(PAN) == KEYS.pan_hash(PAN)
    assert KEYS.pan_hash(PAN) != KEYS.pan_hash(OTHER_PAN)
    assert KEYS.pan_hash(PAN) != OTHER.pan_hash(PAN)
    assert len(KEYS.pan_hash(PAN)) == len(KEYS.pin_verifier(PAN, "1234")) == 32


def test_tokens_are_random() -> None:
    tokens = {KEYS.token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(re.fullmatch("[a-z2-7]{26}", token) for token in tokens)
    assert len(KEYS.random(16)) == 16
    assert KEYS.random(16) != KEYS.random(16)


def test_what_is_signed_verifies() -> None:
    key = Ed25519PublicKey.from_public_bytes(KEYS.public_key())
    key.verify(KEYS.sign(MESSAGE), MESSAGE)
    with pytest.raises(InvalidSignature):
        key.verify(KEYS.sign(MESSAGE), MESSAGE + b"1")
    assert KEYS.public_key() == OTHER.public_key(), "the seed alone decides the signer"


def test_a_key_in_use_is_not_shown_by_a_traceback() -> None:
    keys = FileKeys(bytes(32), bytes(32))
    wrapped = keys.import_key(MAK, CLEAR)
    keys.mac(wrapped, "ecb", MESSAGE)
    assert repr(keys._unwrapped(wrapped)) == "<mak>"
