"""The two key files of an installation: the master key, and the signing key encrypted under it.

Rule 1: folder 0700, files 0600; what others could read is refused, because a key that may be known is no key.
Rule 2: a file is whole or absent: written beside, flushed, renamed, the folder flushed. Each line ends in a checksum.
Rule 3: the master key comes first. A creation that was cut short after it is finished by the next one; nothing that
exists is ever overwritten.
Rule 4: every refusal is one line that names the path and what to do.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from holdfast.errors import KeyRefused

MASTER_FILE = "master.key"
SIGNING_FILE = "signing.key"
MASTER_FORMAT = "holdfast-master-1"
SIGNING_FORMAT = "holdfast-signing-1"
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
SEALED_SEED_BYTES = 2 * KEY_BYTES + NONCE_BYTES + TAG_BYTES
FILE_BYTES_MAX = 4096

_LINE = re.compile(r"((holdfast-[a-z]+-[0-9]+) ([0-9a-f]+)) ([0-9a-f]{16})\n")


class KeyFiles(NamedTuple):
    """What the folder holds, in clear: master key and Ed25519 seed, 32 bytes each."""

    master: bytes
    signing_seed: bytes


def create(folder: Path) -> KeyFiles:
    """Make both keys; KeyRefused when the folder already holds them, is open to others or cannot be written."""
    try:
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _flush_folder(folder.parent)
        with locked(folder, fcntl.LOCK_EX):
            _refuse_when_open_to_others(folder)
            if not (folder / MASTER_FILE).exists():
                if (folder / SIGNING_FILE).exists():
                    raise KeyRefused(f"{folder} holds {SIGNING_FILE} but no {MASTER_FILE}: restore {MASTER_FILE}")
                write_line(folder / MASTER_FILE, MASTER_FORMAT, os.urandom(KEY_BYTES))
            elif (folder / SIGNING_FILE).exists():
                raise KeyRefused(f"{folder} already holds keys: use them, or name another folder")
            master = read_line(folder / MASTER_FILE, MASTER_FORMAT, KEY_BYTES)
            write_line(folder / SIGNING_FILE, SIGNING_FORMAT, _sealed_seed(master, os.urandom(KEY_BYTES)))
    except OSError as error:
        raise KeyRefused(f"{folder} cannot hold keys: {error.strerror}; name a folder that can be written") from None
    return read(folder)


def read(folder: Path) -> KeyFiles:
    """The keys of the folder; KeyRefused when they are absent, open to others, torn, or do not belong together."""
    try:
        if not folder.is_dir() or not any((folder / name).exists() for name in (MASTER_FILE, SIGNING_FILE)):
            raise KeyRefused(f"{folder} holds no keys: name the folder with the keys of this installation (--keys)")
        with locked(folder, fcntl.LOCK_SH):
            _refuse_when_open_to_others(folder)
            master = read_line(folder / MASTER_FILE, MASTER_FORMAT, KEY_BYTES)
            sealed = read_line(folder / SIGNING_FILE, SIGNING_FORMAT, SEALED_SEED_BYTES)
    except OSError as error:
        raise KeyRefused(
            f"{error.filename or folder} cannot be read: {error.strerror}; "
            "run as the owner of the keys, or restore them from your backup"
        ) from None
    return KeyFiles(master, _opened_seed(folder, master, sealed))


def subkey(master: bytes, label: str) -> bytes:
    """An independent key of 32 bytes for one use (HKDF-SHA256): no key serves two uses."""
    return HKDF(SHA256(), KEY_BYTES, None, f"holdfast/1/{label}".encode()).derive(master)


def _sealed_seed(master: bytes, seed: bytes) -> bytes:
    """Public key, nonce, and the seed encrypted under the master key and bound to the public key."""
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    nonce = os.urandom(NONCE_BYTES)
    return public + nonce + AESGCM(subkey(master, "signing")).encrypt(nonce, seed, public)


def _opened_seed(folder: Path, master: bytes, sealed: bytes) -> bytes:
    public, nonce = sealed[:KEY_BYTES], sealed[KEY_BYTES : KEY_BYTES + NONCE_BYTES]
    try:
        return AESGCM(subkey(master, "signing")).decrypt(nonce, sealed[KEY_BYTES + NONCE_BYTES :], public)
    except InvalidTag:
        raise KeyRefused(
            f"{folder / SIGNING_FILE} does not belong to the {MASTER_FILE} beside it: restore both from one backup"
        ) from None


def write_line(path: Path, key_format: str, content: bytes) -> None:
    """Writes a key file, whole or not at all."""
    line = f"{key_format} {content.hex()}"
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(f"{line} {_checksum(line)}\n")
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)
    _flush_folder(path.parent)


def read_line(path: Path, key_format: str, *sizes: int) -> bytes:
    """The content of a key file; KeyRefused when it is open to others, torn, or of another format or size."""
    _refuse_when_open_to_others(path)
    with path.open("rb") as file:
        text = file.read(FILE_BYTES_MAX).decode("ascii", errors="replace")
    match = _LINE.fullmatch(text)
    if match is None or match[4] != _checksum(match[1]):
        raise KeyRefused(f"{path} is torn or changed (its checksum is wrong): restore it from your backup")
    if match[2] != key_format or len(match[3]) // 2 not in sizes:
        raise KeyRefused(f"{path} is a {match[2]} file where {key_format} is needed: restore it from your backup")
    return bytes.fromhex(match[3])


def _checksum(line: str) -> str:
    # Against torn files and slips of the hand; against people there are the permissions.
    return sha256(line.encode()).hexdigest()[:16]


def _refuse_when_open_to_others(path: Path) -> None:
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        wanted = "700" if path.is_dir() else "600"
        raise KeyRefused(f"{path} can be reached by others (mode {mode:o}): chmod {wanted} it, and change its keys")


@contextmanager
def locked(folder: Path, kind: int) -> Iterator[None]:
    """Creating waits for readers and readers for creating; a process that dies lets go."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, kind)
        yield
    finally:
        os.close(handle)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
