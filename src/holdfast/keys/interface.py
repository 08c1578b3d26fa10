"""The one way to use a key.

Rule 1: outside of an implementation a key is a wrapped block of bytes that means nothing without the master key.
Rule 2: a wrapped block is bound to its purpose; used for another one it is refused. There is no operation that gives a
key in clear, and none that gives a PIN.
Rule 3: every operation is synchronous and takes microseconds; whoever needs many asks for many.
"""

from typing import Final, Protocol

TMK: Final = "tmk"
"""Terminal master key: carries working keys to one terminal."""
MAK: Final = "mak"
"""Working key between terminal and acquirer for MACs."""
PIK: Final = "pik"
"""Working key between terminal and acquirer for PIN blocks."""
TDK: Final = "tdk"
"""Working key between terminal and acquirer for tracks."""
ZONE_MAC: Final = "zone-mac"
"""Static key between acquirer and issuer for MACs."""
ZONE_PIN: Final = "zone-pin"
"""Static key between acquirer and issuer for PIN blocks."""

PURPOSES: Final = (TMK, MAK, PIK, TDK, ZONE_MAC, ZONE_PIN)
WORKING_PURPOSES: Final = frozenset({MAK, PIK, TDK})
"""What may travel under a terminal master key. Zone keys may not: a terminal could read them."""

KEY_SIZES: Final = (8, 16, 24)
"""Bytes of a DES, double-length and triple-length key."""


class Keys(Protocol):
    """Key operations. Each raises KeyRefused for a key that is forged or of another master key or purpose."""

    def import_key(self, purpose: str, clear: bytes) -> bytes:
        """Wrap a key (8, 16 or 24 bytes) that was agreed upon elsewhere."""
        ...

    def new_working_key(self, purpose: str, bytes_n: int) -> bytes:
        """A new random key of 8, 16 or 24 bytes with odd parity, wrapped."""
        ...

    def export_under(self, tmk: bytes, key: bytes) -> tuple[bytes, bytes]:
        """A working key for the terminal: encrypted under its TMK (as long as it is), and its check value (4 bytes)."""
        ...

    def import_under(self, tmk: bytes, purpose: str, encrypted: bytes, check: bytes) -> bytes:
        """Wrap a working key that came encrypted under a TMK; KeyRefused when the check value (4 bytes) is wrong."""
        ...

    def mac(self, key: bytes, algorithm: str, message: bytes) -> str:
        """8 upper-case hex characters; `algorithm` is "ecb" (UnionPay) or "x919" (16-byte keys only)."""
        ...

    def verify_mac(self, key: bytes, algorithm: str, message: bytes, mac: str) -> bool:
        """Whether `mac` belongs to the message, compared in constant time."""
        ...

    def pin_block(self, pik: bytes, pin: str, pan: str) -> bytes:
        """The PIN block (ISO format 0, 8 bytes) encrypted under a PIK: what a terminal sends."""
        ...

    def translate_pin(self, from_key: bytes, to_key: bytes, block: bytes, pan: str) -> bytes:
        """The PIN block encrypted anew, towards the issuer only; KeyRefused when it holds no PIN for this card."""
        ...

    def pin_matches(self, key: bytes, block: bytes, pan: str, pin_verifier: bytes) -> bool:
        """Whether the PIN in an encrypted block is the one of the verifier; KeyRefused when the block holds no PIN."""
        ...

    def pin_verifier(self, pan: str, pin: str) -> bytes:
        """What an issuer stores in place of a PIN: a keyed hash of 32 bytes."""
        ...

    def encrypt_pan(self, pan: str) -> bytes:
        """A card number for the vault; never twice the same bytes."""
        ...

    def decrypt_pan(self, encrypted: bytes) -> str:
        """The card number of a vault row."""
        ...

    def pan_hash(self, pan: str) -> bytes:
        """A keyed hash of 32 bytes, always the same for a card: for look-up in the vault."""
        ...

    def random(self, bytes_n: int) -> bytes:
        """Unpredictable bytes."""
        ...

    def token(self) -> str:
        """A card token: 26 random characters of lower-case base32, which say nothing about the card."""
        ...

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature (64 bytes) by the signing key of the installation."""
        ...

    def public_key(self) -> bytes:
        """The Ed25519 public key (32 bytes) that verifies `sign`."""
        ...
