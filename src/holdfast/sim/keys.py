"""A key service for made-up worlds: the interface and the refusals of the real one, quick, and with numbered dice.

A wrapped key is its purpose and the key in clear. Chip cryptograms alone are the real ones, for a simulated card cannot
know what it is spoken to by. The dice belong to one machine and outlive its crashes, as those of a
real machine do: a restart never rolls the same numbers again.
"""

from base64 import b32encode
from functools import lru_cache
from hashlib import blake2b

from holdfast.errors import KeyRefused
from holdfast.keys.interface import IMK_AC, MAK, PIK, TMK, WORKING_PURPOSES, ZONE_MAC, ZONE_PIN
from holdfast.sim.chip_card import card_key, cryptogram, response_cryptogram, session_key

CHECK_BYTES = 4
NONCE_BYTES = 8
PIN_DIGITS_MIN = 4
PIN_BLOCK_BYTES = {"des": 8, "sm4": 16}
TOKEN_CHARS = 26


class SimKeys:
    """`keys.interface.Keys`. Machines of one installation share `installation`; `machine` names the dice."""

    def __init__(self, installation: str, machine: str) -> None:
        self._installation = installation.encode()
        self._machine = machine.encode()
        self._rolled = 0

    def import_key(self, purpose: str, clear: bytes) -> bytes:
        """See `Keys.import_key`."""
        return purpose.encode() + b":" + clear

    def import_text(self, purpose: str, text: str) -> bytes:
        """See `Keys.import_text`; nobody wraps keys in a made-up world, so only hex digits are taken."""
        try:
            return self.import_key(purpose, bytes.fromhex(text))
        except ValueError:
            raise KeyRefused("key is not hex digits") from None

    def new_working_key(self, purpose: str, bytes_n: int) -> bytes:
        """See `Keys.new_working_key`."""
        return self.import_key(purpose, self.random(bytes_n))

    def export_under(self, tmk: bytes, key: bytes, cipher: str = "des") -> tuple[bytes, bytes]:
        """See `Keys.export_under`."""
        clear = _clear(key, *WORKING_PURPOSES)
        return _masked(clear, _carrier(tmk, cipher)), _digest(b"check", clear)[:CHECK_BYTES]

    def import_under(self, tmk: bytes, purpose: str, encrypted: bytes, check: bytes, cipher: str = "des") -> bytes:
        """See `Keys.import_under`."""
        clear = _masked(encrypted, _carrier(tmk, cipher))
        if _digest(b"check", clear)[:CHECK_BYTES] != check:
            raise KeyRefused("check value is wrong")
        return self.import_key(purpose, clear)

    def mac(self, key: bytes, algorithm: str, message: bytes) -> str:
        """See `Keys.mac`."""
        return blake2b(message, digest_size=4, key=_mac_key(key), person=algorithm.encode()).hexdigest().upper()

    def verify_mac(self, key: bytes, algorithm: str, message: bytes, mac: str) -> bool:
        """See `Keys.verify_mac`."""
        return self.mac(key, algorithm, message) == mac

    def pin_block(self, pik: bytes, pin: str, pan: str, cipher: str = "des") -> bytes:
        """See `Keys.pin_block`."""
        width = PIN_BLOCK_BYTES[cipher]
        return _masked(pin.ljust(width, "F").encode(), _clear(pik, PIK, ZONE_PIN) + pan.encode())

    def translate_pin(self, from_key: bytes, to_key: bytes, block: bytes, pan: str) -> bytes:
        """See `Keys.translate_pin`."""
        return self.pin_block(to_key, _pin(from_key, block, pan), pan)

    def pin_matches(self, key: bytes, block: bytes, pan: str, pin_verifier: bytes) -> bool:
        """See `Keys.pin_matches`."""
        return self.pin_verifier(pan, _pin(key, block, pan)) == pin_verifier

    def pin_verifier(self, pan: str, pin: str) -> bytes:
        """See `Keys.pin_verifier`."""
        return _digest(self._installation, b"pin", pan.encode(), pin.encode())

    def verify_arqc(self, imk_ac: bytes, pan: str, psn: str, atc: bytes, covered: bytes, arqc: bytes) -> bool:
        """See `Keys.verify_arqc`."""
        return cryptogram(session_key(card_key(_clear(imk_ac, IMK_AC), pan, psn), atc), covered) == arqc

    def make_arpc(self, imk_ac: bytes, pan: str, psn: str, atc: bytes, arqc: bytes, arc: bytes) -> bytes:
        """See `Keys.make_arpc`."""
        return response_cryptogram(session_key(card_key(_clear(imk_ac, IMK_AC), pan, psn), atc), arqc, arc)

    def encrypt_pan(self, pan: str) -> bytes:
        """See `Keys.encrypt_pan`."""
        nonce = self.random(NONCE_BYTES)
        return nonce + _masked(pan.encode(), self._installation + nonce)

    def decrypt_pan(self, encrypted: bytes) -> str:
        """See `Keys.decrypt_pan`."""
        nonce, masked = encrypted[:NONCE_BYTES], encrypted[NONCE_BYTES:]
        return _masked(masked, self._installation + nonce).decode()

    def pan_hash(self, pan: str) -> bytes:
        """See `Keys.pan_hash`."""
        return _digest(self._installation, b"pan", pan.encode())

    def random(self, bytes_n: int) -> bytes:
        """See `Keys.random`."""
        self._rolled += 1
        return _digest(self._machine, b"dice", str(self._rolled).encode())[:bytes_n]

    def token(self) -> str:
        """See `Keys.token`."""
        return b32encode(self.random(32)).decode().lower()[:TOKEN_CHARS]

    def sign(self, message: bytes) -> bytes:
        """See `Keys.sign`; anybody who knows the installation can verify it with `signature`."""
        return signature(self._installation.decode(), message)

    def public_key(self) -> bytes:
        """See `Keys.public_key`."""
        return _digest(self._installation, b"public")


def signature(installation: str, message: bytes) -> bytes:
    """What an installation signs with: 64 bytes."""
    return blake2b(message, digest_size=64, key=installation.encode()).digest()


@lru_cache(maxsize=1024)
def _mac_key(wrapped: bytes) -> bytes:
    return _clear(wrapped, MAK, ZONE_MAC)


def _pin(key: bytes, block: bytes, pan: str) -> str:
    pin = _masked(block, _clear(key, PIK, ZONE_PIN) + pan.encode()).rstrip(b"F")
    if len(block) not in PIN_BLOCK_BYTES.values() or not (pin.isdigit() and len(pin) >= PIN_DIGITS_MIN):
        raise KeyRefused("PIN block holds no PIN for this card")
    return pin.decode()


def _carrier(tmk: bytes, cipher: str) -> bytes:
    """What a terminal master key masks with; another cipher masks otherwise, so that a mix-up shows."""
    clear = _clear(tmk, TMK)
    return clear if cipher == "des" else _digest(cipher.encode(), clear)


def _clear(wrapped: bytes, *purposes: str) -> bytes:
    purpose, _, clear = wrapped.partition(b":")
    if purpose.decode() not in purposes:
        raise KeyRefused(f"a {purpose.decode()} key does not serve as {' or '.join(purposes)}")
    return clear


def _digest(*parts: bytes) -> bytes:
    return blake2b(b"|".join(parts), digest_size=32).digest()


def _masked(text: bytes, key: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(text, _digest(b"mask", key), strict=False))
