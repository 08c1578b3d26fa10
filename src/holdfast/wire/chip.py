"""DE55 in its two directions: what a chip asks its issuer with, and what the issuer answers.

No cryptography: who holds keys is given the bytes that a cryptogram covers, in the order of the card's own list (CDOL1,
cryptogram version 10), and says whether it is right.
"""

from typing import NamedTuple

from holdfast.errors import WireError
from holdfast.wire.tlv import FIELD, pack, parse

AMOUNT, AMOUNT_OTHER, CURRENCY, COUNTRY = "9F02", "9F03", "5F2A", "9F1A"
DATE, TRANSACTION_TYPE, NONCE, TERMINAL_RESULTS = "9A", "9C", "9F37", "95"
PROFILE, COUNTER, ISSUER_DATA = "82", "9F36", "9F10"
CRYPTOGRAM, CRYPTOGRAM_KIND = "9F26", "9F27"
ISSUER_AUTHENTICATION = "91"

COVERED = (
    AMOUNT,
    AMOUNT_OTHER,
    COUNTRY,
    TERMINAL_RESULTS,
    CURRENCY,
    DATE,
    TRANSACTION_TYPE,
    NONCE,
    PROFILE,
    COUNTER,
)
"""What the cryptogram covers, in this order; the card verification results, out of 9F10, follow."""

SIZES = {
    AMOUNT: 6,
    AMOUNT_OTHER: 6,
    COUNTRY: 2,
    TERMINAL_RESULTS: 5,
    CURRENCY: 2,
    DATE: 3,
    TRANSACTION_TYPE: 1,
    NONCE: 4,
    PROFILE: 2,
    COUNTER: 2,
    CRYPTOGRAM: 8,
    CRYPTOGRAM_KIND: 1,
}
"""Bytes of each tag that is read here."""

CARD_RESULTS = slice(3, 7)
"""Card verification results in 9F10, behind its length, the number of the derivation key and the cryptogram version."""

ASKS_ISSUER = 0x80
"""Cryptogram kind ARQC: the card wants its issuer to decide. TC (0x40) and AAC (0x00) are its own last words."""
_KIND_BITS = 0xC0

ARPC_BYTES, ARC_BYTES = 8, 2


class ChipRequest(NamedTuple):
    """What the issuer needs to know of a request's DE55.

    `counter` (2 bytes), `covered` and `cryptogram` (8 bytes) go to the key service. `amount_minor`, `currency` (three
    digits, as DE49) and `date` (YYMMDD) are what the card believes; they must be those of the message.
    """

    cryptogram: bytes
    counter: bytes
    covered: bytes
    asks_issuer: bool
    amount_minor: int
    currency: str
    date: str


class ChipAnswer(NamedTuple):
    """Issuer authentication (tag 91): the issuer's cryptogram (8 bytes), and the response code that it confirms."""

    arpc: bytes
    arc: bytes


def covered_by(values: dict[str, bytes]) -> bytes:
    """The bytes over which the cryptogram is made. WireError when a tag is missing or of another size."""
    sized = [_sized(values, tag) for tag in COVERED]
    results = values.get(ISSUER_DATA, b"")[CARD_RESULTS]
    if len(results) != CARD_RESULTS.stop - CARD_RESULTS.start:
        raise WireError(FIELD, 0, f"tag {ISSUER_DATA} holds no card verification results")
    return b"".join((*sized, results))


def parse_request(packed: bytes) -> ChipRequest:
    """DE55 of a request. WireError when it cannot be read, or lacks what the cryptogram covers."""
    values = parse(packed)
    kind = _sized(values, CRYPTOGRAM_KIND)[0] & _KIND_BITS
    return ChipRequest(
        _sized(values, CRYPTOGRAM),
        _sized(values, COUNTER),
        covered_by(values),
        kind == ASKS_ISSUER,
        int(_digits(values, AMOUNT)),
        _digits(values, CURRENCY)[1:],
        _digits(values, DATE),
    )


def pack_answer(arpc: bytes, arc: bytes) -> bytes:
    """DE55 of an answer: the issuer's cryptogram (8 bytes) and the response code in ASCII (2 bytes), in tag 91."""
    assert (len(arpc), len(arc)) == (ARPC_BYTES, ARC_BYTES), "the parts of tag 91 have fixed sizes"
    return pack({ISSUER_AUTHENTICATION: arpc + arc})


def parse_answer(packed: bytes) -> ChipAnswer:
    """DE55 of an answer. WireError when it cannot be read or holds no issuer authentication."""
    value = parse(packed).get(ISSUER_AUTHENTICATION, b"")
    if len(value) != ARPC_BYTES + ARC_BYTES:
        raise WireError(FIELD, 0, f"tag {ISSUER_AUTHENTICATION} has {len(value)} bytes, not {ARPC_BYTES + ARC_BYTES}")
    return ChipAnswer(value[:ARPC_BYTES], value[ARPC_BYTES:])


def _sized(values: dict[str, bytes], tag: str) -> bytes:
    if tag not in values:
        raise WireError(FIELD, 0, f"tag {tag} is missing")
    if len(values[tag]) != SIZES[tag]:
        raise WireError(FIELD, 0, f"tag {tag} has {len(values[tag])} bytes, not {SIZES[tag]}")
    return values[tag]


def _digits(values: dict[str, bytes], tag: str) -> str:
    digits = _sized(values, tag).hex()
    if not digits.isdecimal():
        raise WireError(FIELD, 0, f"tag {tag} is not digits")
    return digits
