"""Signed checkpoints, and notes about restores, kept beside the keys: out of reach of whoever may write the database.

Somebody with the rights of the register's owner could rewrite entries, tree and rows alike and remove the checkpoints
that say otherwise; these say so still. Each run of a process keeps the newest one of its log in a file of its own, so
that a run which began on a rewritten log cannot replace what an earlier one signed.
"""

import contextlib
import os
from pathlib import Path

from holdfast.store.interface import Checkpoint

FOLDER = "checkpoints"


class KeptCheckpoint:
    """The newest checkpoint of one run."""

    def __init__(self, keys: Path, began_us: int) -> None:
        self._folder = keys / FOLDER
        self._began_us = began_us
        self._size = 0

    def keep(self, checkpoint: Checkpoint | None) -> None:
        """Replace the one before it. Where the folder takes no file the database's copy must do: service goes on."""
        if checkpoint is None or checkpoint.size <= self._size:
            return
        path = self._folder / f"{checkpoint.log}-{self._began_us}"
        draft = path.with_name(f".{path.name}")
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            draft.write_text(checkpoint.signed, encoding="utf-8")
            draft.replace(path)
            self._size = checkpoint.size


def keep_text(keys: Path, name: str, text: str) -> None:
    """Keep a signed text of another kind there, or one that was kept elsewhere. OSError when it cannot be kept."""
    folder = keys / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    draft = folder / f".{name}"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / name)


def kept_checkpoints(keys: Path) -> list[str]:
    """The texts of all that were kept; none where there is no such folder. OSError when one cannot be read."""
    folder = keys / FOLDER
    if not folder.is_dir():
        return []
    return [path.read_text(encoding="utf-8", errors="replace") for path in sorted(folder.glob("[!.]*"))]
