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
IMK_AC: Final = "imk-ac"
"""Issuer master key for application cryptograms: the keys of an issuer's chips are derived from it."""

PURPOSES: Final = (TMK, MAK, PIK, TDK, ZONE_MAC, ZONE_PIN, IMK_AC)
WORKING_PURPOSES: Final = frozenset({MAK, PIK, TDK})
"""What may travel under a terminal master key. Other keys may not: a terminal could read them."""

KEY_SIZES: Final = (8, 16, 24)
"""Bytes of a DES, double-length and triple-length key; one of SM4 or AES has 16."""


class Keys(Protocol):
    """Key operations. Each raises KeyRefused for a key that is forged or of another master key or purpose."""

    def import_key(self, purpose: str, clear: bytes) -> bytes:
        """Wrap a key (8, 16 or 24 bytes) that was agreed upon elsewhere."""
        ...

    def import_text(self, purpose: str, text: str) -> bytes:
        """Wrap a key that came as text: 16, 32 or 48 hex digits in clear, or a TR-31 block.

        KeyRefused in one line when the text is neither, or the block carries a key for something else, or does not
        hold under the key-block protection key of the installation. See `keyblock.check_key_text` for what can be said
        without that key.
        """
        ...

    def new_working_key(self, purpose: str, bytes_n: int) -> bytes:
        """A new random key of 8, 16 or 24 bytes with odd parity, wrapped."""
        ...

    def export_under(self, tmk: bytes, key: bytes, cipher: str = "des") -> tuple[bytes, bytes]:
        """A working key for the terminal: encrypted under its TMK (as long as it is), and its check value (4 bytes).

        `cipher` is "des" or "sm4"; under SM4 both keys have 16 bytes.
        """
        ...

    def import_under(self, tmk: bytes, purpose: str, encrypted: bytes, check: bytes, cipher: str = "des") -> bytes:
        """Wrap a working key that came encrypted under a TMK; KeyRefused when the check value (4 bytes) is wrong."""
        ...

    def mac(self, key: bytes, algorithm: str, message: bytes) -> str:
        """8 upper-case hex characters.

        `algorithm` is "ecb" (UnionPay), "x919" (keys of 16 bytes only), "cbc" (X9.9), "cmac" (AES-CMAC) or "sm4"
        (UnionPay's recipe under SM4), the last two with keys of 16 bytes.
        """
        ...

    def verify_mac(self, key: bytes, algorithm: str, message: bytes, mac: str) -> bool:
        """Whether `mac` belongs to the message, compared in constant time."""
        ...

    def pin_block(self, pik: bytes, pin: str, pan: str, cipher: str = "des") -> bytes:
        """The PIN block (ISO format 0) encrypted under a PIK: what a terminal sends; 8 bytes, 16 under "sm4"."""
        ...

    def translate_pin(self, from_key: bytes, to_key: bytes, block: bytes, pan: str) -> bytes:
        """The PIN block encrypted anew, towards the issuer only; KeyRefused when it holds no PIN for this card.

        One of 16 bytes came under SM4. The result is always one of DES (8 bytes).
        """
        ...

    def pin_matches(self, key: bytes, block: bytes, pan: str, pin_verifier: bytes) -> bool:
        """Whether the PIN in an encrypted block is the one of the verifier; KeyRefused when the block holds no PIN."""
        ...

    def pin_verifier(self, pan: str, pin: str) -> bytes:
        """What an issuer stores in place of a PIN: a keyed hash of 32 bytes."""
        ...

    def verify_arqc(self, imk_ac: bytes, pan: str, psn: str, atc: bytes, covered: bytes, arqc: bytes) -> bool:
        """Whether the chip of this card made the cryptogram (8 bytes) over `covered`.

        `psn` is the card sequence number (DE23, "" for none), `atc` the transaction counter (2 bytes); `wire.chip`
        reads it, the cryptogram and what it covers from DE55. For the profile see `keys.emv`.
        """
        ...

    def make_arpc(self, imk_ac: bytes, pan: str, psn: str, atc: bytes, arqc: bytes, arc: bytes) -> bytes:
        """The issuer's cryptogram (8 bytes) that answers `arqc` with the response code `arc` (2 ASCII bytes)."""
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
