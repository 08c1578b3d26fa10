"""Keys that arrive as text: the standard's own examples, and one clear line for whatever does not fit."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psec import tr31

from holdfast.errors import KeyRefused
from holdfast.keys.interface import IMK_AC, MAK, PIK, PURPOSES, TDK, TMK, ZONE_MAC, ZONE_PIN
from holdfast.keys.keyblock import PROTECTED_BY, KeyBlock, check_key_text, clear_key_of, read_key_block

CLEAR = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
PROTECTION = {"des": bytes(range(24)), "aes": bytes(range(32))}

# Wrapping needs the same library's old ciphers as reading; here nobody listens.
pytestmark = pytest.mark.filterwarnings("ignore:.*TripleDES")

# TR-31 2018, annex A: protection key, block, key.
EXAMPLES = [
    (
        "89E88CF7931444F334BD7547FC3F380C",
        "A0072P0TE00E0000F5161ED902807AF26F1D62263644BD24192FDB3193C730301CEE8701",
        "F039121BEC83D26B169BDCD5B22AAF8F",
    ),
    (
        "DD7515F2BFC17F85CE48F3CA25CB21F6",
        "B0080P0TE00E000094B420079CC80BA3461F86FE26EFC4A3B8E4FA4C5F5341176EED7B727B8A248E",
        "3F419E1CB7079442AA37474C2EFBF8B8",
    ),
]
VERSION_C = "C0096B0TX12S0100KS1800604B120F9292800000BFB9B689CB567E66FC3FEE5AD5F52161FC6545B9D60989015D02155C"
VERSION_D = (
    "D0112P0AE00E0000B82679114F470F540165EDFBF7E250FCEA43F810D215F8D207E2E417C07156A27E8E31DA05F7425509593D03A457DC34"
)


def held(cipher: str) -> bytes:
    return PROTECTION[cipher]


def never(cipher: str) -> bytes:
    raise AssertionError(f"no {cipher} key is needed for this")


def wrapped(head: str, clear: bytes = CLEAR) -> str:
    """A block of a head like `B K0 T B E`: version, usage, algorithm, mode, exportability."""
    version, usage, algorithm, mode, export = head.split()
    header = f"{version}0000{usage}{algorithm}{mode}00{export}0000"
    return tr31.wrap(PROTECTION[PROTECTED_BY[version]], header, clear)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(KeyRefused) as refused:
        call()
    says = str(refused.value)
    assert "\n" not in says
    assert len(says) < 300
    return says


@pytest.mark.parametrize(("protecting", "block", "key"), EXAMPLES, ids=["A", "B"])
def test_the_examples_of_the_standard(protecting: str, block: str, key: str) -> None:
    assert clear_key_of(ZONE_PIN, block, lambda _: bytes.fromhex(protecting)) == bytes.fromhex(key)


@pytest.mark.parametrize("version", "ABCD")
@pytest.mark.parametrize(
    ("purpose", "head"),
    [
        (TMK, "K0 T B E"),
        (TMK, "K1 T N N"),
        (MAK, "M3 T C N"),
        (ZONE_MAC, "M1 D N S"),
        (ZONE_MAC, "M6 A C E"),
        (PIK, "P0 T E N"),
        (TDK, "D0 T B N"),
        (IMK_AC, "E0 T X N"),
    ],
)
def test_each_version_brings_each_kind_of_key(version: str, purpose: str, head: str) -> None:
    assert clear_key_of(purpose, wrapped(f"{version} {head}"), held) == CLEAR


def test_a_block_is_told_in_words() -> None:
    assert read_key_block(VERSION_C) == KeyBlock("C", "B0", "T", "X", "S")
    assert str(read_key_block(VERSION_C)) == (
        "TR-31 block of version C: base derivation key (B0), triple DES (T), derives other keys (X), "
        "exportable under any key (S)"
    )
    assert "key of another kind (99)" in str(read_key_block(wrapped("B 99 T N N")))
    assert check_key_text(TMK, wrapped("B K0 T B E")) == (
        "TR-31 block of version B: key encryption key (K0), triple DES (T), encrypts and decrypts (B), "
        "exportable under a trusted key (E)"
    )


@pytest.mark.parametrize("digits", [16, 32, 48])
def test_hex_digits_are_a_key_in_clear(digits: int) -> None:
    text = ("0123456789abcdefFEDCBA9876543210" * 2)[:digits]
    assert clear_key_of(TMK, text, never) == bytes.fromhex(text)
    assert check_key_text(TMK, text) == f"key of {digits // 2} bytes in clear"


@pytest.mark.parametrize("text", ["", "12", CLEAR.hex() + "00", "x" * 20, "TR-31", "１" * 60, "B0016K0TB00E0000 "])
def test_what_is_no_key_at_all(text: str) -> None:
    says = refusal(lambda: check_key_text(TMK, text))
    assert "nor a TR-31 block" in says or "characters long" in says


@pytest.mark.parametrize("text", ["0123456789ABCDEG", "0123456789ABCDE ", "01 23 45 67 89 A", "０" * 16])
def test_a_slip_of_the_hand_in_hex_digits_is_named_without_the_digits(text: str) -> None:
    says = refusal(lambda: clear_key_of(TMK, text, never))
    assert says == "key is not 16, 32 or 48 hex digits: there are other characters in it"


@pytest.mark.parametrize(
    ("purpose", "head", "why"),
    [
        (TMK, "B P0 T E N", "does not serve as tmk, which needs usage K0 or K1"),
        (TMK, "D M6 A C N", "does not serve as tmk, which needs usage K0 or K1"),
        (TMK, "D K0 A B N", "does not serve as tmk, which needs a key for triple DES with this usage"),
        (ZONE_MAC, "B K0 T B N", "which needs usage M0 or M1 or M3 or M5 or M6"),
        (ZONE_MAC, "B M6 T C N", "does not serve as zone-mac, which needs a key for AES with this usage"),
        (ZONE_MAC, "B M3 T V N", "verifies only (V), not exportable (N); it does not serve as zone-mac: its mode"),
        (MAK, "B M3 T G N", "its mode forbids what we do with it"),
        (PIK, "B D0 T B N", "which needs usage P0"),
        (ZONE_PIN, "B P0 T C N", "its mode forbids what we do with it"),
        (IMK_AC, "B E1 T X N", "which needs usage E0"),
        ("kek", "B K0 T B N", "'kek' is no purpose of a key"),
    ],
)
def test_a_key_for_something_else_is_refused_before_it_is_opened(purpose: str, head: str, why: str) -> None:
    block = wrapped(head)
    assert why in refusal(lambda: check_key_text(purpose, block))
    assert why in refusal(lambda: clear_key_of(purpose, block, never))


def test_the_standards_example_of_version_d_carries_no_key_of_ours() -> None:
    assert "which needs a key for triple DES" in refusal(lambda: check_key_text(ZONE_PIN, VERSION_D))


@pytest.mark.parametrize("version", "ABCD")
def test_a_changed_block_or_another_protection_key_is_refused(version: str) -> None:
    block = wrapped(f"{version} K0 T B E")
    says = f"TR-31 block of version {version} does not hold under the key-block protection key"
    assert says in refusal(lambda: clear_key_of(TMK, block, lambda cipher: held(cipher)[::-1]))
    for at in (6, 11, 20, len(block) - 1):
        other = block[:at] + ("1" if block[at] != "1" else "0") + block[at + 1 :]
        refusal(lambda other=other: clear_key_of(TMK, other, held))  # type: ignore[misc]


@pytest.mark.parametrize("cut", [1, 2, 8, 40])
def test_a_block_cut_off_says_how_long_it_should_be(cut: int) -> None:
    block = wrapped("B K0 T B E")
    assert f"says that it is 0096 characters long, but it is {96 - cut}" in refusal(
        lambda: check_key_text(TMK, block[:-cut])
    )


@given(st.text(max_size=120), st.sampled_from(PURPOSES))
def test_any_text_is_a_key_or_refused(text: str, purpose: str) -> None:
    with contextlib.suppress(KeyRefused):
        clear_key_of(purpose, text, held)


@given(st.from_regex(r"[ABCD][0-9]{4}(K0|M3)[TA][BCN]00[EN]0[0-9]00[0-9A-FKS]{0,80}", fullmatch=True))
def test_what_looks_like_a_block_is_refused_too(text: str) -> None:
    refusal(lambda: clear_key_of(TMK, f"{text[0]}{len(text):04d}{text[5:]}", held))
