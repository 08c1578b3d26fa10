"""A chip card that nobody has to hold: it makes the cryptograms that a real one would, and checks its issuer's answer.

Its arithmetic is its own, not that of `keys.emv`, so that card and issuer check each other. It rolls no dice: the
terminal's nonce is handed in, and the transaction counter goes up by one with each request.
"""

from functools import lru_cache
from hashlib import sha256

from holdfast.errors import WireError
from holdfast.keys.algorithms import encrypt_blocks, mac_x919
from holdfast.wire import chip
from holdfast.wire.tlv import pack

PUBLISHED_TEST_ISSUER_MASTER_KEY = sha256(b"holdfast published test key of an issuer's chips").digest()[:16]
"""Known to everybody: for sample cards, tests and made-up worlds, and for nothing else."""

SERVICE_CODE_CHIP = "201"
"""International, authorized as usual, with a chip: a reader of stripes must ask for the chip."""

PRE_AUTHORIZATION = "03"
"""Transaction type in tag 9C: the first two digits of DE3."""

CHINA = "0156"
APPLICATION = bytes.fromhex("A000000333010101")
INTERCHANGE_PROFILE = bytes.fromhex("7C00")
ISSUER_DATA = bytes.fromhex("07010A03A0A00001")
"""Length, derivation key 1, cryptogram version 10, card verification results 03A0A000, algorithm 1 (triple DES)."""

TERMINAL_RESULTS = bytes.fromhex("0000008000")
"""Amount over the floor limit: the reason why the issuer is asked."""
TERMINAL_RESULTS_WITH_PIN = bytes.fromhex("0000048000")
SIGNATURE, ONLINE_PIN = bytes.fromhex("1E0300"), bytes.fromhex("420300")
TERMINAL_CAPABILITIES = bytes.fromhex("E0F8C8")
ATTENDED_ONLINE = b"\x22"
DEVICE = b"HOLDFAST"

_COUNTER_MAX = 0xFFFF


class ChipCard:
    """One card. `expiry` is YYMM, `sequence` the card sequence number of DE23, `atc` the transactions it has made."""

    def __init__(
        self,
        pan: str,
        expiry: str,
        sequence: str = "001",
        issuer_key: bytes = PUBLISHED_TEST_ISSUER_MASTER_KEY,
        service_code: str = SERVICE_CODE_CHIP,
        atc: int = 0,
    ) -> None:
        self.pan = pan
        self.expiry = expiry
        self.sequence = sequence
        self.service_code = service_code
        self.atc = atc
        self._key = card_key(issuer_key, pan, sequence)
        self._asked: tuple[bytes, bytes] | None = None
        """Session key and cryptogram of the last request."""

    @property
    def track2(self) -> str:
        """Track 2 equivalent data, as DE35 carries it."""
        return f"{self.pan}={self.expiry}{self.service_code}0000000000"[:37]

    def generate(
        self,
        amount_minor: int,
        currency: str,
        date: str,
        nonce: bytes,
        *,
        transaction_type: str = PRE_AUTHORIZATION,
        with_pin: bool = False,
        stan: str = "000001",
    ) -> bytes:
        """DE55 of a request: `currency` as in DE49, `date` YYMMDD, `nonce` 4 bytes of the terminal's dice."""
        assert self.atc < _COUNTER_MAX, "a card whose counter is used up is dead"
        self.atc += 1
        values = {
            chip.CRYPTOGRAM: b"",
            chip.CRYPTOGRAM_KIND: bytes((chip.ASKS_ISSUER,)),
            chip.ISSUER_DATA: ISSUER_DATA,
            chip.NONCE: nonce,
            chip.COUNTER: self.atc.to_bytes(2),
            chip.TERMINAL_RESULTS: TERMINAL_RESULTS_WITH_PIN if with_pin else TERMINAL_RESULTS,
            chip.DATE: bytes.fromhex(date),
            chip.TRANSACTION_TYPE: bytes.fromhex(transaction_type),
            chip.AMOUNT: bytes.fromhex(f"{amount_minor:012d}"),
            chip.CURRENCY: bytes.fromhex(currency.zfill(4)),
            chip.PROFILE: INTERCHANGE_PROFILE,
            chip.COUNTRY: bytes.fromhex(CHINA),
            chip.AMOUNT_OTHER: bytes(6),
            "9F33": TERMINAL_CAPABILITIES,
            "9F34": ONLINE_PIN if with_pin else SIGNATURE,
            "9F35": ATTENDED_ONLINE,
            "9F1E": DEVICE,
            "84": APPLICATION,
            "9F09": b"\x00\x20",
            "9F41": bytes.fromhex(stan.zfill(8)),
        }
        session = session_key(self._key, values[chip.COUNTER])
        values[chip.CRYPTOGRAM] = cryptogram(session, chip.covered_by(values))
        self._asked = session, values[chip.CRYPTOGRAM]
        return pack(values)

    def accepts(self, answer: bytes) -> bool:
        """Whether DE55 of an answer is the issuer's answer to the last request."""
        if self._asked is None:
            return False
        try:
            arpc, arc = chip.parse_answer(answer)
        except WireError:
            return False
        return arpc == response_cryptogram(*self._asked, arc)


@lru_cache(maxsize=1024)
def card_key(issuer_key: bytes, pan: str, sequence: str) -> bytes:
    """EMV 4.3 Book 2 A1.4.1, option A: the last sixteen digits of card number and sequence, and their complement."""
    digits = f"{pan}{int(sequence or '0'):02d}"[-16:].zfill(16)
    half = bytes.fromhex(digits)
    return encrypt_blocks(issuer_key, half + bytes(byte ^ 0xFF for byte in half))


def session_key(key: bytes, atc: bytes) -> bytes:
    """EMV 4.3 Book 2 A1.3.1: the counter (2 bytes), told apart by F0 and 0F, under the card's key."""
    return encrypt_blocks(key, atc + b"\xf0" + bytes(5) + atc + b"\x0f" + bytes(5))


def cryptogram(session: bytes, covered: bytes) -> bytes:
    """EMV 4.3 Book 2 8.1.2: MAC algorithm 3 over the bytes, 80 and zeros."""
    return mac_x919(session, covered + b"\x80")


def response_cryptogram(session: bytes, arqc: bytes, arc: bytes) -> bytes:
    """EMV 4.3 Book 2 8.2.1: the response code (2 bytes), XORed onto the card's cryptogram, under the session key."""
    mixed = int.from_bytes(arqc) ^ int.from_bytes(arc.ljust(8, b"\0"))
    return encrypt_blocks(session, mixed.to_bytes(8))
