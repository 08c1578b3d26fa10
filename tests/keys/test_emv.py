"""Chip cryptograms: published examples, and refusals of what no chip has."""

import pytest

from holdfast.errors import KeyRefused
from holdfast.keys.emv import arpc, arqc_matches, two_digits
from holdfast.sim.chip_card import card_key, cryptogram, response_cryptogram, session_key

IMK = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
PAN = "6200000000000005"
ATC = bytes.fromhex("001C")
COVERED = bytes(29)


def made(imk: bytes = IMK, psn: str = "01", atc: bytes = ATC, covered: bytes = COVERED) -> bytes:
    """The cryptogram by the other arithmetic, that of the simulated card."""
    return cryptogram(session_key(card_key(imk, PAN, psn), atc), covered)


def test_published_examples_of_the_derivations() -> None:
    # Examples of an independent library; parity bits mean nothing to DES and are left out of the comparison.
    def without_parity(key: bytes) -> bytes:
        return bytes(byte & 0xFE for byte in key)

    of_card = card_key(IMK, "12345678901234567", "01")
    assert without_parity(of_card) == without_parity(bytes.fromhex("73AD54688CEF2934B0979857E3C719F1"))
    of_session = session_key(IMK, ATC)
    assert without_parity(of_session) == without_parity(bytes.fromhex("E9FB384AF807B940FEDCEA613461B0C4"))


def test_published_examples_of_the_cryptograms() -> None:
    session = bytes.fromhex("AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBB")
    covered = "000000002000000000000000012400000080000124110309003804823E58000001"
    assert cryptogram(session, bytes.fromhex(covered)).hex().upper() == "3B76CF10FECD8789"
    assert response_cryptogram(session, bytes.fromhex("1234567890ABCDEF"), bytes(2)).hex().upper() == "F5E6F44147E2F1B0"


def test_card_and_issuer_agree_though_they_compute_apart() -> None:
    assert arqc_matches(IMK, PAN, "001", ATC, COVERED, made())
    session = session_key(card_key(IMK, PAN, "001"), ATC)
    assert arpc(IMK, PAN, "001", ATC, made(), b"00") == response_cryptogram(session, made(), b"00")


@pytest.mark.parametrize(
    "other",
    [
        made(imk=IMK[::-1]),
        made(psn="02"),
        made(atc=b"\x00\x1d"),
        made(covered=COVERED + b"\x00"),
        made()[:7],
        b"",
    ],
)
def test_any_other_cryptogram_is_refused(other: bytes) -> None:
    assert not arqc_matches(IMK, PAN, "01", ATC, COVERED, other)


@pytest.mark.parametrize(("psn", "digits"), [("", "00"), ("0", "00"), ("001", "01"), ("12", "12"), ("099", "99")])
def test_card_sequence_numbers(psn: str, digits: str) -> None:
    assert two_digits(psn) == digits


@pytest.mark.parametrize("psn", ["100", "1A", "１", "-1"])
def test_what_is_no_card_sequence_number(psn: str) -> None:
    with pytest.raises(KeyRefused, match=r"card sequence number .* is not 0 to 99"):
        arqc_matches(IMK, PAN, psn, ATC, COVERED, made())


def test_what_no_chip_has() -> None:
    with pytest.raises(KeyRefused, match="an issuer master key has 16 bytes, not 24"):
        arqc_matches(IMK + IMK[:8], PAN, "01", ATC, COVERED, made())
    with pytest.raises(KeyRefused, match="card number is not 12 to 19 digits"):
        arqc_matches(IMK, "6200", "01", ATC, COVERED, made())
    with pytest.raises(KeyRefused, match="a transaction counter has 2 bytes, not 1"):
        arqc_matches(IMK, PAN, "01", b"\x01", COVERED, made())
    for arqc, arc in ((made()[:7], b"00"), (made(), b"000")):
        with pytest.raises(KeyRefused, match="a cryptogram has 8 bytes and a response code 2"):
            arpc(IMK, PAN, "01", ATC, arqc, arc)
