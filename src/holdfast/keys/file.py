"""Keys in encrypted files: the back end for installations without a hardware module.

Rule 1: the master key wraps everything else and derives one subkey for each use, so that no key serves two uses.
Rule 2: a wrapped key is version, purpose, nonce and AES-GCM ciphertext; the purpose is authenticated with it.
Rule 3: unwrapped keys are kept for the next call, a bounded number of them, so that a MAC costs no AES-GCM.

An instance belongs to one thread; any number of processes may open the same folder.
"""

import hmac
import os
from base64 import b32encode
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from holdfast.errors import KeyRefused
from holdfast.keys import algorithms, emv, folder, keyblock, protection
from holdfast.keys.algorithms import DES
from holdfast.keys.folder import NONCE_BYTES, TAG_BYTES
from holdfast.keys.interface import IMK_AC, KEY_SIZES, MAK, PIK, PURPOSES, TMK, WORKING_PURPOSES, ZONE_MAC, ZONE_PIN

WRAP_VERSION = 1
TOKEN_CHARS = 26
"""128 random bits in base32."""

KEYS_KEPT = 16_384
"""As many unwrapped keys as cipher contexts: see algorithms.CONTEXTS_MAX."""

_MAC_PURPOSES = frozenset({MAK, ZONE_MAC})
_PIN_PURPOSES = frozenset({PIK, ZONE_PIN})
_TMK_ONLY = frozenset({TMK})
_PIK_ONLY = frozenset({PIK})
_ZONE_PIN_ONLY = frozenset({ZONE_PIN})
_IMK_ONLY = frozenset({IMK_AC})
_PAN_CONTEXT = b"pan"


class _Unwrapped(NamedTuple):
    purpose: str
    clear: bytes

    def __repr__(self) -> str:
        return f"<{self.purpose}>"


class FileKeys:
    """`Keys` over a folder of key files; see `interface.Keys` for what each operation does and refuses."""

    def __init__(self, master: bytes, signing_seed: bytes, keys_folder: Path | None = None) -> None:
        self._folder = keys_folder
        self._wrapping = {purpose: AESGCM(folder.subkey(master, f"wrap/{purpose}")) for purpose in PURPOSES}
        self._pan = AESGCM(folder.subkey(master, "pan"))
        self._pan_hash_key = folder.subkey(master, "pan-hash")
        self._pin_key = folder.subkey(master, "pin-verifier")
        self._signing = Ed25519PrivateKey.from_private_bytes(signing_seed)
        self._unwrapped = lru_cache(maxsize=KEYS_KEPT)(self._unwrap)
        self._protecting: dict[str, tuple[protection.Version | None, bytes]] = {}

    @classmethod
    def create(cls, keys_folder: Path) -> Self:
        """New keys in a folder that holds none (made 0700 when absent), or KeyRefused."""
        return cls(*folder.create(keys_folder), keys_folder)

    @classmethod
    def open(cls, keys_folder: Path) -> Self:
        """The keys of a folder, or KeyRefused in one line that names the folder and what to do."""
        return cls(*folder.read(keys_folder), keys_folder)

    def import_key(self, purpose: str, clear: bytes) -> bytes:
        if purpose not in PURPOSES:
            raise KeyRefused(f"{purpose!r} is no purpose of a key: choose one of {', '.join(PURPOSES)}")
        if len(clear) not in KEY_SIZES:
            raise KeyRefused(f"key has {len(clear)} bytes, not 8, 16 or 24")
        nonce = os.urandom(NONCE_BYTES)
        head = bytes((WRAP_VERSION, PURPOSES.index(purpose)))
        return head + nonce + self._wrapping[purpose].encrypt(nonce, clear, head)

    def new_working_key(self, purpose: str, bytes_n: int) -> bytes:
        return self.import_key(purpose, algorithms.new_key(bytes_n))

    def import_text(self, purpose: str, text: str) -> bytes:
        return self.import_key(purpose, keyblock.clear_key_of(purpose, text, self._protection_key))

    def export_under(self, tmk: bytes, key: bytes, cipher: str = DES) -> tuple[bytes, bytes]:
        carrier, clear = self._key(tmk, _TMK_ONLY), self._key(key, WORKING_PURPOSES)
        return algorithms.encrypt_blocks(carrier, clear, cipher), algorithms.check_value(clear, cipher)

    def import_under(self, tmk: bytes, purpose: str, encrypted: bytes, check: bytes, cipher: str = DES) -> bytes:
        if purpose not in WORKING_PURPOSES:
            raise KeyRefused(f"a {purpose} key does not travel under a terminal master key")
        clear = algorithms.decrypt_blocks(self._key(tmk, _TMK_ONLY), encrypted, cipher)
        wrapped = self.import_key(purpose, clear)
        if not hmac.compare_digest(algorithms.check_value(clear, cipher), check):
            raise KeyRefused(f"check value of the {purpose} key is wrong: the terminal master keys differ")
        return wrapped

    def mac(self, key: bytes, algorithm: str, message: bytes) -> str:
        return algorithms.mac(algorithm, self._key(key, _MAC_PURPOSES), message)

    def verify_mac(self, key: bytes, algorithm: str, message: bytes, mac: str) -> bool:
        return algorithms.same_mac(self.mac(key, algorithm, message), mac)

    def pin_block(self, pik: bytes, pin: str, pan: str, cipher: str = DES) -> bytes:
        clear = algorithms.pin_block(pin, pan, algorithms.block_bytes(cipher))
        return algorithms.encrypt_blocks(self._key(pik, _PIK_ONLY), clear, cipher)

    def translate_pin(self, from_key: bytes, to_key: bytes, block: bytes, pan: str) -> bytes:
        # Towards the issuer only: the other direction would hand PINs to whoever holds one terminal's key.
        pin = self._pin(from_key, block, pan)
        return algorithms.encrypt_blocks(self._key(to_key, _ZONE_PIN_ONLY), algorithms.pin_block(pin, pan))

    def pin_matches(self, key: bytes, block: bytes, pan: str, pin_verifier: bytes) -> bool:
        return hmac.compare_digest(self.pin_verifier(pan, self._pin(key, block, pan)), pin_verifier)

    def pin_verifier(self, pan: str, pin: str) -> bytes:
        return hmac.digest(self._pin_key, f"{pan}/{pin}".encode(), "sha256")

    def verify_arqc(self, imk_ac: bytes, pan: str, psn: str, atc: bytes, covered: bytes, arqc: bytes) -> bool:
        return emv.arqc_matches(self._key(imk_ac, _IMK_ONLY), pan, psn, atc, covered, arqc)

    def make_arpc(self, imk_ac: bytes, pan: str, psn: str, atc: bytes, arqc: bytes, arc: bytes) -> bytes:
        return emv.arpc(self._key(imk_ac, _IMK_ONLY), pan, psn, atc, arqc, arc)

    def encrypt_pan(self, pan: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._pan.encrypt(nonce, pan.encode("ascii"), _PAN_CONTEXT)

    def decrypt_pan(self, encrypted: bytes) -> str:
        try:
            pan = self._pan.decrypt(encrypted[:NONCE_BYTES], encrypted[NONCE_BYTES:], _PAN_CONTEXT)
        except (InvalidTag, ValueError):
            raise KeyRefused("card number in the vault is forged or of another master key") from None
        return pan.decode("ascii")

    def pan_hash(self, pan: str) -> bytes:
        return hmac.digest(self._pan_hash_key, pan.encode("ascii"), "sha256")

    def random(self, bytes_n: int) -> bytes:
        return os.urandom(bytes_n)

    def token(self) -> str:
        return b32encode(os.urandom(16))[:TOKEN_CHARS].decode().lower()

    def sign(self, message: bytes) -> bytes:
        return self._signing.sign(message)

    def public_key(self) -> bytes:
        return self._signing.public_key().public_bytes_raw()

    def _pin(self, key: bytes, block: bytes, pan: str) -> str:
        """The PIN in an encrypted block; it never leaves this class."""
        clear = self._key(key, _PIN_PURPOSES)
        cipher = algorithms.cipher_of_pin_block(block)
        return algorithms.pin_of_block(algorithms.decrypt_blocks(clear, block, cipher), pan)

    def _protection_key(self, cipher: str) -> bytes:
        """Read again when its file is another: a key loaded meanwhile counts at once, one that was removed no more."""
        if self._folder is None:
            raise KeyRefused("TR-31 blocks need a folder of keys, for the key-block protection key lies in it")
        version = protection.version(self._folder, cipher)
        kept = self._protecting.get(cipher)
        if version is None or kept is None or kept[0] != version:
            kept = self._protecting[cipher] = (version, protection.read(self._folder, cipher))
        return kept[1]

    def _key(self, wrapped: bytes, purposes: frozenset[str]) -> bytes:
        """The clear key of a wrapped block that serves one of these purposes."""
        purpose, clear = self._unwrapped(wrapped)
        if purpose not in purposes:
            raise KeyRefused(f"a {purpose} key does not serve as {' or '.join(sorted(purposes))}")
        return clear

    def _unwrap(self, wrapped: bytes) -> _Unwrapped:
        head, nonce, sealed = wrapped[:2], wrapped[2 : 2 + NONCE_BYTES], wrapped[2 + NONCE_BYTES :]
        if len(sealed) <= TAG_BYTES or head[0] != WRAP_VERSION or head[1] >= len(PURPOSES):
            raise KeyRefused("wrapped key is not a block of this version")
        purpose = PURPOSES[head[1]]
        try:
            return _Unwrapped(purpose, self._wrapping[purpose].decrypt(nonce, sealed, head))
        except InvalidTag:
            raise KeyRefused(f"wrapped {purpose} key is forged or of another master key") from None
