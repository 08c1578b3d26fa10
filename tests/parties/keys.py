"""A key service for tests: the same interface and the same refusals, deterministic, and no cryptography to wait for."""

from hashlib import sha256

from holdfast.errors import KeyRefused
from holdfast.keys.interface import MAK, PIK, TMK, WORKING_PURPOSES, ZONE_MAC, ZONE_PIN


class PlainKeys:
    """`keys.interface.Keys`: a wrapped key is its purpose and the key in clear; dice are numbered."""

    def __init__(self) -> None:
        self._rolled = 0

    def import_key(self, purpose: str, clear: bytes) -> bytes:
        return purpose.encode() + b":" + clear

    def new_working_key(self, purpose: str, bytes_n: int) -> bytes:
        return self.import_key(purpose, self.random(bytes_n))

    def export_under(self, tmk: bytes, key: bytes) -> tuple[bytes, bytes]:
        carrier, clear = self._clear(tmk, TMK), self._clear(key, *WORKING_PURPOSES)
        return _masked(clear, carrier), _digest(clear)[:4]

    def import_under(self, tmk: bytes, purpose: str, encrypted: bytes, check: bytes) -> bytes:
        clear = _masked(encrypted, self._clear(tmk, TMK))
        if _digest(clear)[:4] != check:
            raise KeyRefused("check value is wrong")
        return self.import_key(purpose, clear)

    def mac(self, key: bytes, algorithm: str, message: bytes) -> str:
        return _digest(self._clear(key, MAK, ZONE_MAC), algorithm.encode(), message).hex()[:8].upper()

    def verify_mac(self, key: bytes, algorithm: str, message: bytes, mac: str) -> bool:
        return self.mac(key, algorithm, message) == mac

    def pin_block(self, pik: bytes, pin: str, pan: str) -> bytes:
        return _masked(f"{pin:F<8}".encode(), self._clear(pik, PIK, ZONE_PIN) + pan.encode())

    def translate_pin(self, from_key: bytes, to_key: bytes, block: bytes, pan: str) -> bytes:
        return self.pin_block(to_key, self._pin(from_key, block, pan), pan)

    def pin_matches(self, key: bytes, block: bytes, pan: str, pin_verifier: bytes) -> bool:
        return self.pin_verifier(pan, self._pin(key, block, pan)) == pin_verifier

    def pin_verifier(self, pan: str, pin: str) -> bytes:
        return _digest(b"pin", pan.encode(), pin.encode())

    def encrypt_pan(self, pan: str) -> bytes:
        return bytes(255 - byte for byte in pan.encode())

    def decrypt_pan(self, encrypted: bytes) -> str:
        return bytes(255 - byte for byte in encrypted).decode()

    def pan_hash(self, pan: str) -> bytes:
        return _digest(b"pan", pan.encode())

    def random(self, bytes_n: int) -> bytes:
        self._rolled += 1
        return _digest(b"dice", str(self._rolled).encode())[:bytes_n]

    def token(self) -> str:
        return self.random(13).hex()

    def sign(self, message: bytes) -> bytes:
        return _digest(b"sign", message) * 2

    def public_key(self) -> bytes:
        return _digest(b"public")

    def _pin(self, key: bytes, block: bytes, pan: str) -> str:
        pin = _masked(block, self._clear(key, PIK, ZONE_PIN) + pan.encode()).rstrip(b"F")
        if len(block) != 8 or not (pin.isdigit() and len(pin) >= 4):
            raise KeyRefused("PIN block holds no PIN for this card")
        return pin.decode()

    def _clear(self, wrapped: bytes, *purposes: str) -> bytes:
        purpose, _, clear = wrapped.partition(b":")
        if purpose.decode() not in purposes:
            raise KeyRefused(f"a {purpose.decode()} key does not serve as {' or '.join(purposes)}")
        return clear


def _digest(*parts: bytes) -> bytes:
    return sha256(b"|".join(parts)).digest()


def _masked(text: bytes, key: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(text, _digest(key), strict=False))
