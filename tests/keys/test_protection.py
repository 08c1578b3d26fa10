"""The keys that protect TR-31 blocks: kept like the others, never overwritten, and used by `import_text`."""

import stat
from pathlib import Path

import pytest
from psec import tr31

from holdfast.errors import KeyRefused
from holdfast.keys import protection
from holdfast.keys.file import FileKeys
from holdfast.keys.interface import MAK, TMK

CLEAR = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
pytestmark = pytest.mark.filterwarnings("ignore:.*TripleDES")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    FileKeys.create(tmp_path / "keys")
    return tmp_path / "keys"


@pytest.mark.parametrize(("cipher", "size"), [("des", 16), ("des", 24), ("aes", 16), ("aes", 24), ("aes", 32)])
def test_what_is_loaded_is_read_again_and_lies_there_encrypted(made: Path, cipher: str, size: int) -> None:
    clear = bytes(range(size))
    protection.load(made, cipher, clear)
    assert protection.read(made, cipher) == clear
    path = made / f"protection-{cipher}.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert clear.hex() not in path.read_text()
    FileKeys.open(made)


def test_a_made_key_is_the_sum_of_its_components(made: Path) -> None:
    for cipher, size in (("des", 24), ("aes", 32)):
        one, other = protection.make(made, cipher)
        assert len(one) == len(other) == size
        assert protection.read(made, cipher) == bytes(a ^ b for a, b in zip(one, other, strict=True))


def test_what_exists_is_not_overwritten(made: Path) -> None:
    protection.load(made, "aes", CLEAR)
    with pytest.raises(KeyRefused, match=r"protection-aes\.key holds a key already"):
        protection.make(made, "aes")
    assert protection.read(made, "aes") == CLEAR


def test_refusals_are_one_line(made: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyRefused, match="has 8 bytes, not 16 or 24"):
        protection.load(made, "des", CLEAR[:8])
    with pytest.raises(KeyRefused, match="'rsa' is no cipher of key blocks: choose one of des, aes"):
        protection.make(made, "rsa")
    with pytest.raises(KeyRefused, match="holds no key-block protection key for AES: load or make one"):
        protection.read(made, "aes")
    with pytest.raises(KeyRefused, match="holds no keys"):
        protection.load(tmp_path / "absent", "aes", CLEAR)


def test_torn_swapped_and_foreign_files_are_refused(made: Path, tmp_path: Path) -> None:
    protection.load(made, "des", CLEAR)
    des, aes = made / "protection-des.key", made / "protection-aes.key"
    aes.write_bytes(des.read_bytes())
    aes.chmod(0o600)
    with pytest.raises(KeyRefused, match=r"does not belong to the master\.key beside it"):
        protection.read(made, "aes")
    FileKeys.create(tmp_path / "other")
    (tmp_path / "other" / "protection-des.key").write_bytes(des.read_bytes())
    (tmp_path / "other" / "protection-des.key").chmod(0o600)
    with pytest.raises(KeyRefused, match=r"does not belong to the master\.key beside it"):
        protection.read(tmp_path / "other", "des")
    des.write_bytes(des.read_bytes()[:-3])
    with pytest.raises(KeyRefused, match="is torn or changed"):
        protection.read(made, "des")
    des.chmod(0o644)
    with pytest.raises(KeyRefused, match="can be reached by others"):
        protection.read(made, "des")


def test_a_key_loaded_later_counts_at_once(made: Path) -> None:
    keys = FileKeys.open(made)
    block = tr31.wrap(bytes(range(32)), "D0000K0TB00E0000", CLEAR)
    with pytest.raises(KeyRefused, match="holds no key-block protection key for AES"):
        keys.import_text(TMK, block)
    protection.load(made, "aes", bytes(range(32)))
    tmk, same = keys.import_text(TMK, block), keys.import_text(TMK, CLEAR.hex())
    working = keys.new_working_key(MAK, 16)
    assert keys.export_under(tmk, working) == keys.export_under(same, working)


def test_the_file_is_read_again_when_something_was_done_to_it(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    read = protection.read

    def counted(folder: Path, cipher: str) -> bytes:
        reads.append(cipher)
        return read(folder, cipher)

    monkeypatch.setattr(protection, "read", counted)
    protection.load(made, "aes", bytes(range(32)))
    keys = FileKeys.open(made)
    old, new = (tr31.wrap(bytes(range(first, first + 32)), "D0000K0TB00E0000", CLEAR) for first in (0, 1))
    for _ in range(3):
        keys.import_text(TMK, old)
    assert reads == ["aes"]
    path = made / "protection-aes.key"
    path.chmod(0o640)
    with pytest.raises(KeyRefused, match="can be reached by others"):
        keys.import_text(TMK, old)
    path.unlink()
    with pytest.raises(KeyRefused, match="holds no key-block protection key for AES"):
        keys.import_text(TMK, old)
    protection.load(made, "aes", bytes(range(1, 33)))
    keys.import_text(TMK, new)
    with pytest.raises(KeyRefused, match="does not hold under the key-block protection key"):
        keys.import_text(TMK, old)
    assert reads == ["aes"] * 4


def test_without_a_folder_there_are_no_blocks() -> None:
    keys = FileKeys(bytes(32), bytes(32))
    keys.import_text(TMK, CLEAR.hex())
    with pytest.raises(KeyRefused, match="TR-31 blocks need a folder of keys"):
        keys.import_text(TMK, tr31.wrap(bytes(range(32)), "D0000K0TB00E0000", CLEAR))
    with pytest.raises(KeyRefused, match="not 8, 16 or 24"):
        keys.import_key(TMK, bytes(32))
