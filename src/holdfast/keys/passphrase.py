"""Secrets sealed under a passphrase: what a backup holds of the keys, when it is asked for them.

The passphrase becomes a key by scrypt, slowly and with 128 MiB of memory, so that guessing is dear; AES-GCM does the
rest. Version, costs and salt are authenticated with it.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from holdfast.errors import KeyRefused

MAGIC = b"holdfast-sealed-1\n"
SALT_BYTES = 16
NONCE_BYTES = 12
KEY_BYTES = 32
COST, BLOCK, LANES = 2**17, 8, 1
PASSPHRASE_CHARS_MIN = 12


def refuse_short(passphrase: str) -> None:
    """KeyRefused when the passphrase is too short to hold."""
    if len(passphrase) < PASSPHRASE_CHARS_MIN:
        raise KeyRefused(
            f"a passphrase of {len(passphrase)} letters can be guessed: give {PASSPHRASE_CHARS_MIN} or more"
        )


def seal(passphrase: str, clear: bytes) -> bytes:
    """The sealed bytes; KeyRefused when the passphrase is too short."""
    refuse_short(passphrase)
    salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
    head = MAGIC + salt
    return head + nonce + AESGCM(_key(passphrase, salt)).encrypt(nonce, clear, head)


def unseal(passphrase: str, sealed: bytes) -> bytes:
    """What was sealed; KeyRefused when it was another passphrase, or the bytes are not what `seal` made."""
    head_bytes = len(MAGIC) + SALT_BYTES
    if not sealed.startswith(MAGIC) or len(sealed) < head_bytes + NONCE_BYTES:
        raise KeyRefused("the sealed keys are of another version, or no sealed keys")
    head, nonce = sealed[:head_bytes], sealed[head_bytes : head_bytes + NONCE_BYTES]
    try:
        return AESGCM(_key(passphrase, head[len(MAGIC) :])).decrypt(nonce, sealed[head_bytes + NONCE_BYTES :], head)
    except InvalidTag:
        raise KeyRefused(
            "the passphrase is not the one that the keys were sealed with, or the seal is broken"
        ) from None


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt, KEY_BYTES, COST, BLOCK, LANES).derive(passphrase.encode())
