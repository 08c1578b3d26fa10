"""The keys that protect TR-31 blocks on their way to this installation: kept in the keys folder, under the master key.

Rule 1: one key for each cipher. Blocks of version A, B and C are protected by DES, those of version D by AES.
Rule 2: a key is loaded (as it was agreed upon elsewhere) or made; what exists is never overwritten.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import algorithms as ciphers
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.cmac import CMAC

from holdfast.errors import KeyRefused
from holdfast.keys import algorithms, folder
from holdfast.keys.folder import MASTER_FILE, NONCE_BYTES, TAG_BYTES

DES, AES = "des", "aes"
FILES = {DES: "protection-des.key", AES: "protection-aes.key"}
SIZES = {DES: (16, 24), AES: (16, 24, 32)}
FORMAT = "holdfast-protection-1"
CHECK_DIGITS = {DES: 6, AES: 10}
"""As many digits of a check value as ANSI X9.24-1 lets anybody show."""


class Version(NamedTuple):
    """Which file it is that holds a key, and since when: whatever is done to it, its permissions too, is another."""

    inode: int
    changed_ns: int


def load(keys_folder: Path, cipher: str, clear: bytes) -> None:
    """Keep a key that was agreed upon elsewhere; `cipher` is "des" (16 or 24 bytes) or "aes" (16, 24 or 32 bytes).

    KeyRefused when it has another size, or the folder holds one of that cipher already.
    """
    path = keys_folder / _file(cipher)
    if len(clear) not in SIZES[cipher]:
        *some, last = map(str, SIZES[cipher])
        raise KeyRefused(f"key-block protection key has {len(clear)} bytes, not {', '.join(some)} or {last}")
    master = folder.read(keys_folder).master
    nonce = os.urandom(NONCE_BYTES)
    sealed = _sealing(master).encrypt(nonce, clear, cipher.encode())
    with _reachable(path), folder.locked(keys_folder, fcntl.LOCK_EX):
        if path.exists():
            raise KeyRefused(f"{path} holds a key already: remove it when no block under it is awaited any more")
        folder.write_line(path, FORMAT, nonce + sealed)


def make(keys_folder: Path, cipher: str) -> tuple[bytes, bytes]:
    """Make and keep a key; what is returned are its two components, for whoever wraps keys for this installation.

    There they are XORed; each by itself, in the hands of one person, says nothing about the key.
    """
    _file(cipher)
    one, other = os.urandom(SIZES[cipher][-1]), os.urandom(SIZES[cipher][-1])
    load(keys_folder, cipher, bytes(a ^ b for a, b in zip(one, other, strict=True)))
    return one, other


def read(keys_folder: Path, cipher: str) -> bytes:
    """The key in clear, for `keyblock` only; KeyRefused when it is absent, torn, or of another master key."""
    path = keys_folder / _file(cipher)
    master = folder.read(keys_folder).master
    if not path.exists():
        raise KeyRefused(f"{keys_folder} holds no key-block protection key for {cipher.upper()}: load or make one")
    sizes = (size + NONCE_BYTES + TAG_BYTES for size in SIZES[cipher])
    with _reachable(path), folder.locked(keys_folder, fcntl.LOCK_SH):
        sealed = folder.read_line(path, FORMAT, *sizes)
    try:
        return _sealing(master).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], cipher.encode())
    except InvalidTag:
        raise KeyRefused(f"{path} does not belong to the {MASTER_FILE} beside it: restore both together") from None


def check_value(cipher: str, clear: bytes) -> str:
    """Upper-case hex that tells two keys (or two components) apart and shows neither: 6 digits for DES, 10 for AES.

    By ANSI X9.24-1: the beginning of a block of zeros under DES, or of its CMAC under AES. It is what others print.
    """
    if cipher == DES:
        said = algorithms.check_value(clear)
    else:
        mac = CMAC(ciphers.AES(clear))
        mac.update(bytes(algorithms.WIDE_BLOCK_BYTES))
        said = mac.finalize()
    return said.hex().upper()[: CHECK_DIGITS[cipher]]


def version(keys_folder: Path, cipher: str) -> Version | None:
    """Of the file that `read` would read, at a hundredth of its cost; None when there is none to be seen."""
    try:
        found = (keys_folder / _file(cipher)).stat()
    except OSError:
        return None
    return Version(found.st_ino, found.st_ctime_ns)


def _file(cipher: str) -> str:
    if cipher not in FILES:
        raise KeyRefused(f"{cipher!r} is no cipher of key blocks: choose one of {', '.join(FILES)}")
    return FILES[cipher]


def _sealing(master: bytes) -> AESGCM:
    return AESGCM(folder.subkey(master, "protection"))


@contextmanager
def _reachable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise KeyRefused(f"{path} cannot be used: {error.strerror}; run as the owner of the keys") from None
