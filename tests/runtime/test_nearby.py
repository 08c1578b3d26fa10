"""A sandbox of this machine is found by where it serves, as long as it runs."""

import os
from pathlib import Path

import pytest

from holdfast.runtime.business_clock import recall
from holdfast.runtime.config import Notice, parse_address, put_notice
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.nearby import sandbox_at

PORT = 65_432
"""Nobody listens there: it is the notice that says so."""


def up_in(path: Path, pos: str) -> DataFolder:
    """A folder in which this process is an `up`."""
    folder = DataFolder(path)
    put_notice(folder, Notice(os.getpid(), pos, "", 1, "", "", 0, True))
    return folder


@pytest.mark.parametrize(
    ("pos", "named", "here"),
    [
        (f"127.0.0.1:{PORT}", f"127.0.0.1:{PORT}", True),
        (f"127.0.0.1:{PORT}", f"localhost:{PORT}", True),
        (f"0.0.0.0:{PORT}", f"127.0.0.1:{PORT}", True),
        (f"192.0.2.1:{PORT}", f"192.0.2.1:{PORT}", True),
        (f"127.0.0.1:{PORT}", f"127.0.0.1:{PORT - 1}", False),
        (f"127.0.0.1:{PORT}", f"192.0.2.1:{PORT}", False),
        (f"192.0.2.1:{PORT}", f"127.0.0.1:{PORT}", False),
    ],
)
def test_a_sandbox_is_found_by_its_address(pos: str, named: str, here: bool, tmp_path: Path) -> None:
    folder = up_in(tmp_path / "try", pos)
    recall(folder.path, ())
    with folder.lock("up"):
        assert sandbox_at(parse_address(named)) == (folder.path if here else None)
    assert sandbox_at(parse_address(named)) is None, "nothing runs there any more"


def test_what_is_no_sandbox_has_the_clock_of_the_machine(tmp_path: Path) -> None:
    folder = up_in(tmp_path / "real", f"127.0.0.1:{PORT}")
    with folder.lock("up"):
        assert sandbox_at(parse_address(f"127.0.0.1:{PORT}")) is None
