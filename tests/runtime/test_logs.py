"""A log on a disk that is full: lines are lost, processes are not."""

import errno
import io
import json
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdfast.edges import up
from holdfast.runtime.logs import open_log


@contextmanager
def no_file_longer_than(size_bytes: int) -> Iterator[None]:
    """No file of this process may grow over that: writing stops in the middle of a line, as on a full disk."""
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_whoever_speaks_on_a_full_disk_goes_on() -> None:
    log = open_log(Path("/dev/full"), "acquirer-2")
    for _ in range(3):
        log("the database does not answer, waiting for it", reason="the disk is full")


def test_after_a_torn_line_the_next_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "acquirer-2.log"
    log = open_log(path, "acquirer-2")
    log("first")
    with no_file_longer_than(path.stat().st_size + 30):
        log("torn")
        log("lost")
    log("last")
    log("behind it")
    first, torn, last, behind = path.read_text().splitlines()
    assert [json.loads(line)["event"] for line in (first, last, behind)] == ["first", "last", "behind it"]
    assert len(torn) == 30


class Full(io.StringIO):
    """A screen that cannot be written to."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "no space")


def test_a_word_to_a_person_who_cannot_hear_it_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", Full())
    up.tell("PostgreSQL ended; starting it again")
