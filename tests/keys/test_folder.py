"""The key files: made whole, kept from others, and refused in one clear line when anything is not right."""

import fcntl
import multiprocessing
import os
import stat
import time
from pathlib import Path

import pytest

from holdfast.errors import KeyRefused
from holdfast.keys import folder
from holdfast.keys.file import FileKeys
from holdfast.keys.folder import MASTER_FILE, SIGNING_FILE


@pytest.fixture
def made(tmp_path: Path) -> Path:
    FileKeys.create(tmp_path / "keys")
    return tmp_path / "keys"


def refusal(keys_folder: Path) -> str:
    with pytest.raises(KeyRefused) as refused:
        FileKeys.open(keys_folder)
    says = str(refused.value)
    assert "\n" not in says
    assert str(keys_folder) in says
    return says


def test_what_is_created_can_be_opened_again_and_again(made: Path) -> None:
    one, other = FileKeys.open(made), FileKeys.open(made)
    assert one.public_key() == other.public_key()
    assert other.decrypt_pan(one.encrypt_pan("6200000000000005")) == "6200000000000005"


def test_only_the_owner_can_reach_the_files(made: Path) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [made, *made.iterdir()]}
    assert modes == {"keys": 0o700, MASTER_FILE: 0o600, SIGNING_FILE: 0o600}


def test_a_generous_umask_makes_no_difference(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        FileKeys.create(tmp_path / "keys")
    finally:
        os.umask(before)
    FileKeys.open(tmp_path / "keys")


def test_the_signing_key_is_not_in_clear(made: Path) -> None:
    files = folder.read(made)
    signing = (made / SIGNING_FILE).read_bytes()
    assert files.signing_seed not in signing
    assert files.signing_seed.hex().encode() not in signing


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o777])
def test_a_folder_that_others_can_reach_is_refused(made: Path, mode: int) -> None:
    made.chmod(mode)
    assert f"can be reached by others (mode {mode:o}): chmod 700 it" in refusal(made)


@pytest.mark.parametrize("name", [MASTER_FILE, SIGNING_FILE])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_can_reach_is_refused(made: Path, name: str, mode: int) -> None:
    (made / name).chmod(mode)
    assert f"{name} can be reached by others (mode {mode:o}): chmod 600 it" in refusal(made)


@pytest.mark.parametrize("name", [MASTER_FILE, SIGNING_FILE])
def test_a_torn_or_changed_file_is_refused(made: Path, name: str) -> None:
    whole = (made / name).read_bytes()
    torn = [whole[:length] for length in range(0, len(whole), 7)]
    changed = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(0, len(whole), 5)]
    for wrong in [*torn, *changed, whole + b"\n", whole + whole, b"\x00" * len(whole), b"\xff" * 9000]:
        (made / name).write_bytes(wrong)
        assert f"{name} is torn or changed" in refusal(made)
    (made / name).write_bytes(whole)
    FileKeys.open(made)


def test_swapped_files_are_refused(made: Path) -> None:
    (made / MASTER_FILE).write_bytes((made / SIGNING_FILE).read_bytes())
    assert "is a holdfast-signing-1 file where holdfast-master-1 is needed" in refusal(made)


def test_files_of_two_installations_are_refused(made: Path, tmp_path: Path) -> None:
    FileKeys.create(tmp_path / "other")
    (made / MASTER_FILE).write_bytes((tmp_path / "other" / MASTER_FILE).read_bytes())
    assert "does not belong to the master.key beside it: restore both from one backup" in refusal(made)


@pytest.mark.parametrize("name", [MASTER_FILE, SIGNING_FILE])
def test_a_missing_file_is_named(made: Path, name: str) -> None:
    (made / name).unlink()
    assert f"{name} cannot be read: No such file or directory; run as the owner of the keys, or restore" in refusal(
        made
    )


def test_a_folder_without_keys_is_named(tmp_path: Path) -> None:
    says = "holds no keys: name the folder with the keys of this installation (--keys)"
    assert says in refusal(tmp_path / "absent")
    (tmp_path / "empty").mkdir(mode=0o700)
    assert says in refusal(tmp_path / "empty")
    (tmp_path / "file").touch()
    assert says in refusal(tmp_path / "file")


def test_existing_keys_are_never_overwritten(made: Path) -> None:
    before = {path.name: path.read_bytes() for path in made.iterdir()}
    with pytest.raises(KeyRefused, match="already holds keys"):
        FileKeys.create(made)
    (made / MASTER_FILE).unlink()
    with pytest.raises(KeyRefused, match=r"holds signing\.key but no master\.key: restore master\.key"):
        FileKeys.create(made)
    assert {path.name: path.read_bytes() for path in made.iterdir()} == {SIGNING_FILE: before[SIGNING_FILE]}


def test_a_creation_cut_short_is_finished_by_the_next(made: Path) -> None:
    (made / SIGNING_FILE).unlink()
    (made / f"{SIGNING_FILE}.new").write_bytes(b"holdfast-sign")
    master = (made / MASTER_FILE).read_bytes()
    keys = FileKeys.create(made)
    assert (made / MASTER_FILE).read_bytes() == master
    assert FileKeys.open(made).public_key() == keys.public_key()
    assert sorted(path.name for path in made.iterdir()) == [MASTER_FILE, SIGNING_FILE]


def test_a_folder_open_to_others_gets_no_keys(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(KeyRefused, match="chmod 700"):
        FileKeys.create(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KeyRefused, match="cannot hold keys: Not a directory; name a folder that can be written"):
        FileKeys.create(tmp_path / "file" / "keys")


def _create_and_report(keys_folder: Path, reports: "multiprocessing.Queue[bytes | None]") -> None:
    try:
        reports.put(FileKeys.create(keys_folder).public_key())
    except KeyRefused:
        reports.put(None)


def test_of_processes_that_create_at_once_one_does(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    reports: multiprocessing.Queue[bytes | None] = context.Queue()
    workers = [context.Process(target=_create_and_report, args=(tmp_path / "keys", reports)) for _ in range(4)]
    for worker in workers:
        worker.start()
    made = [reports.get(timeout=10) for _ in workers]
    for worker in workers:
        worker.join()
    assert made.count(None) == 3
    assert FileKeys.open(tmp_path / "keys").public_key() in made


def test_creating_waits_for_whoever_creates(tmp_path: Path) -> None:
    keys_folder = tmp_path / "keys"
    keys_folder.mkdir(mode=0o700)
    context = multiprocessing.get_context("fork")
    reports: multiprocessing.Queue[bytes | None] = context.Queue()
    worker = context.Process(target=_create_and_report, args=(keys_folder, reports))
    held = os.open(keys_folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        worker.start()
        time.sleep(0.3)
        assert list(keys_folder.iterdir()) == []
        fcntl.flock(held, fcntl.LOCK_UN)
    finally:
        os.close(held)
    assert reports.get(timeout=10) == FileKeys.open(keys_folder).public_key()
    worker.join()
