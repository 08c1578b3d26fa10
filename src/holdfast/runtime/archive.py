"""The file of a backup: a ZIP, stored, so that everybody can look into it, and what its manifest says of each part.

Rule 1: the manifest names every part with its size and SHA-256, and is signed with the installation's signing key.
Rule 2: nothing of an archive is believed before its size, its hash and, once the keys are there, the signature hold.
Rule 3: parts are known by name; whatever else lies in a ZIP is a reason to refuse it.
"""

import json
import time
import zipfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from holdfast.errors import BadInput
from holdfast.runtime.roles import PARTIES

FORMAT = "holdfast-backup-1"
MANIFEST, SIGNATURE = "manifest.json", "manifest.signature"
DUMPS = {party: f"{party}.dump" for party in PARTIES}
KEPT, SEALED_KEYS = "checkpoints.json", "keys.sealed"
NAMES = frozenset({MANIFEST, SIGNATURE, KEPT, SEALED_KEYS, *DUMPS.values()})

CHUNK_BYTES = 1 << 20
SMALL_BYTES_MAX = 64 << 20
"""Manifest, checkpoints and keys are read into memory; whatever is longer is none of these."""


class LogThen(NamedTuple):
    """A log as it was when the backup was made. `root` is hex; `checkpoint` the newest signed one, or ""."""

    party: str
    log: str
    size: int
    root: str
    last_us: int
    checkpoint: str


class Manifest(NamedTuple):
    """What a backup says of itself: `revisions` of each party's schema, `parts` by name: size, SHA-256 in hex."""

    made_us: int
    made_by: str
    installation: str
    server: str
    public_key: str
    revisions: dict[str, str]
    logs: list[LogThen]
    parts: dict[str, tuple[int, str]]

    def dump(self) -> bytes:
        """JSON that a person can read."""
        said = {"format": FORMAT, **self._asdict(), "logs": [log._asdict() for log in self.logs]}
        return json.dumps(said, indent=1).encode() + b"\n"


class Writer:
    """A backup that is being written. What is added is hashed on its way."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.parts: dict[str, tuple[int, str]] = {}

    def add(self, name: str, content: bytes) -> None:
        """A small part."""
        self._archive.writestr(_part(name), content)
        self.parts[name] = len(content), sha256(content).hexdigest()

    async def add_stream(self, name: str, chunks: AsyncGenerator[bytes, None]) -> None:
        """A part of any length, as it comes; where the disk is full, what it comes from is ended."""
        digest, count = sha256(), 0
        async with aclosing(chunks):
            with self._archive.open(_part(name), "w", force_zip64=True) as part:
                async for chunk in chunks:
                    part.write(chunk)
                    digest.update(chunk)
                    count += len(chunk)
        self.parts[name] = count, digest.hexdigest()

    def finish(self, manifest: bytes, signature: bytes) -> None:
        """The manifest comes last: it names all that came before."""
        self._archive.writestr(_part(MANIFEST), manifest)
        self._archive.writestr(_part(SIGNATURE), signature.hex())


def _part(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, time.gmtime()[:6])
    info.external_attr = 0o600 << 16
    return info


@contextmanager
def writing(file: Path) -> Iterator[Writer]:
    """An archive at that path."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        yield Writer(archive)


class Backup:
    """A backup that is being read; every part was compared with the manifest."""

    def __init__(self, archive: zipfile.ZipFile, manifest: Manifest, said: bytes, signature: bytes) -> None:
        self._archive = archive
        self._said = said
        self._signature = signature
        self.manifest = manifest

    @property
    def has_keys(self) -> bool:
        """Whether it holds the keys, sealed."""
        return SEALED_KEYS in self.manifest.parts

    def read(self, name: str) -> bytes:
        """A small part."""
        return self._archive.read(name)

    def chunks(self, name: str) -> Iterator[bytes]:
        """A part of any length."""
        with self._archive.open(name) as part:
            while chunk := part.read(CHUNK_BYTES):
                yield chunk

    def close(self) -> None:
        """No more is read."""
        self._archive.close()

    def refuse_unless_signed(self, public_key: bytes) -> None:
        """BadInput unless the installation with these keys made it."""
        if public_key.hex() != self.manifest.public_key:
            raise BadInput(
                "these are not the keys of the installation that made the backup: they sign as "
                f"{public_key.hex()[:16]}…, and the backup is signed by {self.manifest.public_key[:16]}…"
            )
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(self._signature, self._said)
        except (InvalidSignature, ValueError):
            raise BadInput("the manifest of the backup was changed after it was made: take another backup") from None


@contextmanager
def opened(file: Path) -> Iterator[Backup]:
    """The backup in that file, all of its parts checked; BadInput when it is none, or not as it was made."""
    backup = _checked(file)
    try:
        yield backup
    finally:
        backup.close()


def _checked(file: Path) -> Backup:
    try:
        archive = zipfile.ZipFile(file)
        try:
            backup = _read(archive)
            for name, (count, digest) in backup.manifest.parts.items():
                _compare(backup, name, count, digest)
        except BaseException:
            archive.close()
            raise
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, EOFError, KeyError, ValueError, TypeError, NotImplementedError, RuntimeError) as error:
        raise BadInput(f"{file} is no whole backup of Holdfast ({_one_line(error)}): take another one") from error
    return backup


def _read(archive: zipfile.ZipFile) -> Backup:
    names = archive.namelist()
    if not {MANIFEST, SIGNATURE} <= set(names) <= NAMES or len(set(names)) != len(names):
        raise ValueError("its parts are not those of a backup")
    if any(info.file_size > SMALL_BYTES_MAX for info in archive.infolist() if info.filename not in DUMPS.values()):
        raise ValueError("one of its parts is too long")
    said = archive.read(MANIFEST)
    manifest = _manifest(json.loads(said))
    if set(manifest.parts) | {MANIFEST, SIGNATURE} != set(names):
        raise ValueError("its parts are not those that the manifest names")
    return Backup(archive, manifest, said, bytes.fromhex(archive.read(SIGNATURE).decode()))


def _manifest(said: dict[str, Any]) -> Manifest:
    if said.pop("format", None) != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    logs = [LogThen(**log) for log in said.pop("logs")]
    parts = {str(name): (int(count), str(digest)) for name, (count, digest) in said.pop("parts").items()}
    return Manifest(**said, logs=logs, parts=parts)


def _compare(backup: Backup, name: str, count: int, digest: str) -> None:
    found, length = sha256(), 0
    for chunk in backup.chunks(name):
        found.update(chunk)
        length += len(chunk)
    if (length, found.hexdigest()) != (count, digest):
        raise ValueError(f"{name} is not as the manifest says")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
