"""What a restore decides: where logs end, how long they once were, which letter goes on; and what it refuses."""

import json
from pathlib import Path

import pytest

from holdfast.domain.generations import GENERATIONS, names_in
from holdfast.errors import BadInput
from holdfast.keys.file import FileKeys
from holdfast.register import checkpoint as notes
from holdfast.register import restoration as restorations
from holdfast.register.restoration import Ended, Restoration
from holdfast.runtime.archive import Backup, LogThen, Manifest
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.kept import keep_text, kept_checkpoints
from holdfast.runtime.restore import refuse_used, remove_unfinished, restoration_of

KEYS = FileKeys(bytes(range(32)), bytes(range(32, 64)))


def checkpoint(log: str, size: int, keys: FileKeys = KEYS) -> str:
    body = notes.body(notes.Checkpoint(log, size, bytes(32), 1))
    return notes.assemble(body, keys.sign(body)).text


def note(at_us: int, generation: str, *ended: Ended) -> str:
    body = restorations.body(Restoration(at_us, 1, generation, ended))
    return restorations.assemble(body, KEYS.sign(body))


class Made(Backup):
    """A backup of logs A at 122 and I at 99 entries, of which only the manifest is looked at."""

    def __init__(self) -> None:
        logs = [LogThen("acquirer", "A", 122, "", 1, ""), LogThen("issuer", "I", 99, "", 1, "")]
        self.manifest = Manifest(50, "", "", "", "", {}, logs, {})


def decided(*kept: str, letter: int = 0) -> Restoration:
    return restoration_of(Made(), kept, KEYS.public_key(), 100, lambda free: free[letter])


def test_without_any_checkpoint_nothing_is_known_to_be_lost() -> None:
    assert decided() == Restoration(100, 50, "A", (Ended("A", 122, 122), Ended("I", 99, 99)))


def test_the_longest_checkpoint_says_what_was_lost() -> None:
    kept = (checkpoint("A", 110), checkpoint("A", 150), checkpoint("A", 130), checkpoint("I", 99), checkpoint("B", 7))
    assert decided(*kept).ended == (Ended("A", 122, 150), Ended("B", 0, 7), Ended("I", 99, 99))


def test_what_is_not_signed_by_these_keys_says_nothing() -> None:
    others = FileKeys(bytes(32), bytes(32))
    assert decided(checkpoint("A", 999, others), "nonsense", "").ended == decided().ended


def test_a_letter_that_anybody_has_seen_is_not_taken_again() -> None:
    kept = (checkpoint("AI", 3), note(5, "B", Ended("A", 100, 130)), note(6, "C", Ended("DA", 0, 0)))
    assert decided(*kept).generation == "E"
    assert decided(*kept).of("A") == Ended("A", 122, 130)
    assert decided(*kept).of("AI") == Ended("AI", 0, 3)


def test_after_the_last_letter_there_is_none() -> None:
    kept = [checkpoint(log, 1) for letter in GENERATIONS for log in names_in(letter, ("A",))]
    with pytest.raises(BadInput, match="restored so often that no letter is left"):
        decided(*kept)


def test_a_target_that_is_in_use_is_refused(tmp_path: Path) -> None:
    refuse_used(tmp_path / "new")
    (tmp_path / "empty").mkdir()
    refuse_used(tmp_path / "empty")
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "x").touch()
    for name, says in (("file", "is no folder"), ("link", "is no folder"), ("used", "is not empty")):
        with pytest.raises(BadInput, match=says):
            refuse_used(tmp_path / name)


def test_what_a_killed_restore_left_is_removed_and_what_goes_on_is_not(tmp_path: Path) -> None:
    target = tmp_path / "new [1]"
    left, busy, other = (tmp_path / f".{name}.restoring-1" for name in ("new [1]", "new [1]", "new 1"))
    busy = tmp_path / ".new [1].restoring-2"
    for folder in (left, busy, other):
        DataFolder(folder)
    with DataFolder(busy).lock("restore"):
        remove_unfinished(target)
    assert [path.exists() for path in (left, busy, other)] == [False, True, True]


def test_texts_are_kept_beside_the_keys_for_their_owner_alone(tmp_path: Path) -> None:
    keep_text(tmp_path, "restored-1", "one")
    keep_text(tmp_path, "before-0000", "two")
    assert kept_checkpoints(tmp_path) == ["two", "one"]
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "checkpoints").iterdir()} == {0o600}
    assert json.dumps(kept_checkpoints(tmp_path)) == '["two", "one"]'
