"""The file of a backup: read back as it was written, and refused when a single byte of it is another."""

import shutil
import zipfile
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from holdfast.errors import BadInput
from holdfast.keys.file import FileKeys
from holdfast.runtime.archive import DUMPS, KEPT, MANIFEST, LogThen, Manifest, opened, writing

KEYS = FileKeys(bytes(range(32)), bytes(range(32, 64)))
DUMP = bytes(range(256)) * 9000


async def chunks(content: bytes) -> AsyncGenerator[bytes, None]:
    for at in range(0, len(content), 100_000):
        yield content[at : at + 100_000]


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.backup"
    with writing(path) as writer:
        writer.add(KEPT, b"[]")
        for name in DUMPS.values():
            await writer.add_stream(name, chunks(DUMP))
        logs = [LogThen("acquirer", "A", 122, "00" * 32, 5, "")]
        public_key = KEYS.public_key().hex()
        manifest = Manifest(7, "holdfast", "i", "18.4", public_key, {"acquirer": "0001"}, logs, dict(writer.parts))
        writer.finish(manifest.dump(), KEYS.sign(manifest.dump()))
    return path


def test_what_was_written_is_read_back(file: Path) -> None:
    with opened(file) as backup:
        assert (backup.manifest.made_us, backup.manifest.logs[0].size) == (7, 122)
        assert b"".join(backup.chunks(DUMPS["issuer"])) == DUMP
        assert (backup.read(KEPT), backup.has_keys) == (b"[]", False)
        backup.refuse_unless_signed(KEYS.public_key())
        with pytest.raises(BadInput, match="these are not the keys of the installation that made the backup"):
            backup.refuse_unless_signed(bytes(32))


async def test_what_a_part_comes_from_is_ended_when_the_disk_is_full(tmp_path: Path) -> None:
    ended = []

    async def endless() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield bytes(1 << 20)
        finally:
            ended.append(True)

    with pytest.raises(OSError, match="No space left"), writing(Path("/dev/full")) as writer:
        await writer.add_stream(DUMPS["acquirer"], endless())
    assert ended == [True]


def refused(file: Path) -> str:
    with pytest.raises(BadInput) as told, opened(file) as backup:
        backup.refuse_unless_signed(KEYS.public_key())
    assert "\n" not in str(told.value)
    return str(told.value)


def test_every_byte_counts(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    broken = tmp_path / "broken.backup"
    # What stands in a ZIP's own tables beside names, sizes and offsets (times, versions, rights) means nothing to us.
    parts = [(info.header_offset, info.file_size, info.filename) for info in zipfile.ZipFile(file).infolist()]
    for offset, size, name in parts:
        start = whole.index(name.encode(), offset) + len(name)
        for at in {start + 40, start + size // 2, start + size - 5}:
            broken.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            refused(broken)
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        broken.write_bytes(whole[:length])
        assert "is no whole backup of Holdfast" in refused(broken)


def rewritten(change: Callable[[str, bytes], tuple[str, bytes] | None], file: Path, to: Path) -> Path:
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(to, "w") as new:
        for name in old.namelist():
            changed = change(name, old.read(name))
            if changed is not None:
                new.writestr(*changed)
    return to


def in_manifest(old: bytes, new: bytes) -> Callable[[str, bytes], tuple[str, bytes]]:
    return lambda name, content: (name, content.replace(old, new) if name == MANIFEST else content)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda name, content: None if name == MANIFEST else (name, content), "its parts are not those of a backup"),
        (lambda name, content: (name.replace("dump", "exe"), content), "its parts are not those of a backup"),
        (lambda name, content: None if name == KEPT else (name, content), "not those that the manifest names"),
        (
            lambda name, content: (name, b"other" if name == KEPT else content),
            "checkpoints.json is not as",
        ),
        (lambda name, content: (name, b"{" if name == MANIFEST else content), "is no whole backup"),
        (in_manifest(b"backup-1", b"backup-2"), "its format is not holdfast-backup-1"),
        (in_manifest(b'"size": 122', b'"size": 150'), "the manifest of the backup was changed after it was made"),
        (in_manifest(b'"made_by"', b'"made"'), "is no whole backup"),
        (in_manifest(b'"log"', b'"leg"'), "is no whole backup"),
    ],
)
def test_a_backup_that_somebody_made_over_is_refused(
    file: Path, tmp_path: Path, change: Callable[[str, bytes], tuple[str, bytes] | None], says: str
) -> None:
    assert says in refused(rewritten(change, file, tmp_path / "other.backup"))


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refused(tmp_path / "none")
    assert "cannot be read: Is a directory" in refused(tmp_path)


def test_what_the_reader_of_a_backup_raises_is_its_own(file: Path, tmp_path: Path) -> None:
    shutil.copy(file, tmp_path / "copy")
    with pytest.raises(ValueError, match="a bug"), opened(tmp_path / "copy"):
        raise ValueError("a bug")
