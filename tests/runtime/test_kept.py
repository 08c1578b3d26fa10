"""Checkpoints beside the keys: the newest of each run, and those of earlier runs as they were."""

from pathlib import Path

from holdfast.runtime.kept import KeptCheckpoint, kept_checkpoints
from holdfast.store.interface import Checkpoint


def test_the_newest_of_each_run_is_kept(tmp_path: Path) -> None:
    assert kept_checkpoints(tmp_path) == []
    first, second = KeptCheckpoint(tmp_path, 1), KeptCheckpoint(tmp_path, 2)
    first.keep(None)
    assert kept_checkpoints(tmp_path) == []
    for size in (3, 7, 7):
        first.keep(Checkpoint("A", size, f"signed at {size}"))
    second.keep(Checkpoint("A", 5, "signed by a run that began on less"))
    assert kept_checkpoints(tmp_path) == ["signed at 7", "signed by a run that began on less"]
    assert (tmp_path / "checkpoints").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_takes_no_file_stops_nobody(tmp_path: Path) -> None:
    run = KeptCheckpoint(tmp_path / "gone", 1)
    run.keep(Checkpoint("A", 3, "signed"))
    (tmp_path / "gone").mkdir()
    run.keep(Checkpoint("A", 3, "signed"))
    assert kept_checkpoints(tmp_path / "gone") == ["signed"]
