"""Chip cryptograms on the issuer's side: is this ARQC the card's own, and what ARPC does the card wait for.

One profile, made of parts that EMV 4.3 Book 2 names: card key by master key derivation option A (A1.4.1), session key
by common session key derivation from the transaction counter (A1.3.1), cryptogram by MAC algorithm 3 with padding
method 2 (8.1.2), answer by ARPC method 1 (8.2.1). What the cryptogram covers is the list of cryptogram version 10: see
`wire.chip`. Cards of other profiles are refused by these functions like forged ones.
"""

import hmac

from pyemv import ac, kd

from holdfast.errors import KeyRefused
from holdfast.keys.libraries import old_ciphers_unremarked

KEY_BYTES = 16
CRYPTOGRAM_BYTES = 8
COUNTER_BYTES = 2
RESPONSE_BYTES = 2
SEQUENCE_MAX = 99
PAN_DIGITS = range(12, 20)


def arqc_matches(imk: bytes, pan: str, psn: str, atc: bytes, covered: bytes, arqc: bytes) -> bool:
    """Whether the cryptogram (8 bytes) is that of the card over `covered`. KeyRefused for what no chip has."""
    with old_ciphers_unremarked():
        made = ac.generate_ac(_session_key(imk, pan, psn, atc), covered, ac.PaddingType.EMV)
    return hmac.compare_digest(made, arqc)


def arpc(imk: bytes, pan: str, psn: str, atc: bytes, arqc: bytes, arc: bytes) -> bytes:
    """The 8 bytes by which the card knows its issuer and the answer. KeyRefused for what no chip has."""
    if len(arqc) != CRYPTOGRAM_BYTES or len(arc) != RESPONSE_BYTES:
        raise KeyRefused(f"a cryptogram has {CRYPTOGRAM_BYTES} bytes and a response code {RESPONSE_BYTES}")
    with old_ciphers_unremarked():
        return ac.generate_arpc_1(_session_key(imk, pan, psn, atc), arqc, arc)


def two_digits(psn: str) -> str:
    """The card sequence number as the key derivation wants it: "001" -> "01", "" -> "00"."""
    if not (psn.isascii() and (psn.isdecimal() or not psn)) or int(psn or "0") > SEQUENCE_MAX:
        raise KeyRefused(f"card sequence number {psn!r} is not 0 to {SEQUENCE_MAX}")
    return f"{int(psn or '0'):02d}"


def _session_key(imk: bytes, pan: str, psn: str, atc: bytes) -> bytes:
    if len(imk) != KEY_BYTES:
        raise KeyRefused(f"an issuer master key has {KEY_BYTES} bytes, not {len(imk)}")
    if not (pan.isascii() and pan.isdecimal() and len(pan) in PAN_DIGITS):
        raise KeyRefused("card number is not 12 to 19 digits")
    if len(atc) != COUNTER_BYTES:
        raise KeyRefused(f"a transaction counter has {COUNTER_BYTES} bytes, not {len(atc)}")
    return kd.derive_common_sk(kd.derive_icc_mk_a(imk, pan, two_digits(psn)), atc.ljust(8, b"\0"))
