"""The data folder: private, locked by one command at a time, and sockets that fit whatever its path."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from holdfast.errors import BadInput, Unreachable
from holdfast.runtime.datafolder import FOLDER_PATH_BYTES_MAX, DataFolder, kept_secret

LONG = "a-folder-with-a-rather-long-name-as-build-machines-like-to-make-them"


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short temporary folder of the test's own, for the sockets that find no room in the data folder.

    After `tmp_path`, which makes its own parent in the temporary folder that it finds.
    """
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_folder_and_all_in_it_is_the_owners_alone(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "missing" / "data")
    inside = (folder.path, folder.postgres, folder.keys, folder.logs, folder.run)
    assert [_mode(path) for path in inside] == [0o700] * 5


def test_an_empty_folder_is_closed_to_others(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    assert _mode(DataFolder(tmp_path / "data").path) == 0o700


def test_a_folder_that_others_could_read_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    path = DataFolder(tmp_path / "my data").path
    path.chmod(0o750)
    with pytest.raises(BadInput, match=r"open to other users \(mode 750\): run chmod 700 '.*/my data'"):
        DataFolder(path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(BadInput, match="data is not a folder: name another --data"):
        DataFolder(tmp_path / "data")


def test_below_a_file_no_folder_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unreachable, match="cannot be made: Not a directory"):
        DataFolder(tmp_path / "file" / "data")


def test_somebody_elses_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = DataFolder(tmp_path / "data").path
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(BadInput, match=r"belongs to user \w+: run as \w+ or name another --data"):
        DataFolder(path)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = DataFolder(tmp_path / "data").path
    # Root may write anywhere, so the answer of the file system is planted.
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    with pytest.raises(Unreachable, match="cannot be written: run chmod 700"):
        DataFolder(path)


def test_a_path_that_postgresql_could_not_hold_is_refused(tmp_path: Path) -> None:
    path = tmp_path.joinpath(*[LONG] * (FOLDER_PATH_BYTES_MAX // len(LONG) + 1))
    with pytest.raises(BadInput, match=r"has \d+ bytes, at most 900 work: name a shorter --data"):
        DataFolder(path)


def test_a_reader_makes_no_folder_by_a_typing_error(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="name the one of `holdfast up --data`"):
        DataFolder(tmp_path / "dta", create=False)
    assert not (tmp_path / "dta").exists()
    DataFolder(tmp_path / "data")
    assert DataFolder(tmp_path / "data", create=False).path == tmp_path / "data"


def test_the_second_command_learns_who_holds_the_folder(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    assert not folder.locked
    with folder.lock("up"):
        expected = (
            rf"data folder .*/data is in use by pid {os.getpid()} \(holdfast up\): stop it or name another --data"
        )
        with pytest.raises(Unreachable, match=expected), DataFolder(folder.path).lock("import"):
            pass
    other = DataFolder(folder.path)
    with other.lock("import"):
        assert other.locked
        assert (folder.path / "lock").read_text() == f"{os.getpid()}\nholdfast import\n"


def test_a_killed_holder_leaves_no_lock_behind(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    program = (
        "import sys, time; from holdfast.runtime.datafolder import DataFolder\n"
        "with DataFolder(sys.argv[1]).lock('up'): print('locked', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, folder.path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(Unreachable, match=f"in use by pid {holder.pid} "), folder.lock("up"):
            pass
        holder.kill()
    with folder.lock("up"):
        pass


@pytest.mark.parametrize("name", ["data", LONG + LONG, "data, 'quoted' ü %41"])
def test_every_path_gives_sockets_that_can_be_bound_and_found_again(tmp_path: Path, name: str) -> None:
    folder = DataFolder(tmp_path / name)
    path = folder.socket_path("acquirer-1.sock")
    assert len(os.fsencode(path)) <= 107
    assert _mode(path.parent) == 0o700
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    assert DataFolder(folder.path).socket_path("acquirer-1.sock") == path
    assert path.is_relative_to(folder.path) == (name == "data")


@pytest.mark.parametrize("squat", ["open", "link", "gone"])
def test_a_socket_folder_that_is_not_ours_any_more_is_left(tmp_path: Path, squat: str) -> None:
    folder = DataFolder(tmp_path / (LONG + LONG))
    before = folder.run
    if squat == "open":
        before.chmod(0o777)
    else:
        before.rmdir()
    if squat == "link":
        before.symlink_to(tmp_path)
    after = folder.run
    assert after != before
    assert _mode(after) == 0o700
    assert folder.run == after


def test_a_secret_is_made_once_and_kept_closed(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    found: list[str] = []
    makers = [Thread(target=lambda n=n: found.append(kept_secret(path, lambda: f"secret {n}"))) for n in range(8)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len(found) == 8
    assert set(found) == {path.read_text()}
    assert _mode(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]
