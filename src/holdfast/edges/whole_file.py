"""Files that a command writes for people: each is put in place whole or not at all.

What is not whole lies under another name beside its place, mode 0600, and is removed when the command fails.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from holdfast.errors import BadInput, Unreachable


@contextmanager
def put_in_place(place: Path, force: bool) -> Iterator[Path]:
    """A name beside `place` to write to; once the block is over the file stands at `place`, or nothing does.

    BadInput when there is a file already (unless `force`) or no folder; Unreachable when the disk refuses.
    """
    _refuse_taken(place, force)
    draft = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        yield draft
        _flush(draft)
        _refuse_taken(place, force)
        draft.replace(place)
        _flush(place.parent)
    except OSError as error:
        raise Unreachable(f"{place} cannot be written: {error.strerror or error}") from error
    finally:
        draft.unlink(missing_ok=True)


def _refuse_taken(place: Path, force: bool) -> None:
    if place.is_dir():
        raise BadInput(f"{place} is a folder: name a file in it")
    if not place.parent.is_dir():
        raise BadInput(f"{place.parent} is no folder: make it first")
    if place.exists() and not force:
        raise BadInput(f"{place} is there already: name another file, or replace it with --force")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
