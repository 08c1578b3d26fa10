"""A terminal whose journal was damaged, or cannot be written: said, mended, rebuilt from the register."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from holdfast.runtime.pos import file_of
from holdfast.store.sqlite_wal import index_of, wal_of
from tests.system.installation import Installation, Ran, wait_until


def pre_auth(installation: Installation, terminal_id: str, pan: str, **more: Any) -> Ran:
    return installation.terminal(terminal_id, "pre-auth", "--amount", "100.00", "--card", pan, **more)


def loaded(installation: Installation) -> str:
    terminal_id = installation.new_terminal()
    installation.load_key(terminal_id)
    return terminal_id


def flip_last(path: Path, what: str) -> None:
    """Flip a byte right before the last place where this stands in the file."""
    whole = bytearray(path.read_bytes())
    whole[whole.rindex(what.encode()) - 3] ^= 1
    path.write_bytes(whole)


def phases(installation: Installation, terminal_id: str) -> list[str]:
    return [entry.get("phase", "") for entry in installation.terminal(terminal_id, "journal").rows]


def has_written(installation: Installation, terminal_id: str) -> bool:
    """Whether a terminal that was switched on has written something, and does not write just now."""
    log = wal_of(file_of(installation.tills, terminal_id))
    before = log.stat().st_size if log.exists() else 0
    time.sleep(0.3)
    return 0 < before == log.stat().st_size


def test_a_flipped_byte_is_said_and_what_was_lost_comes_back_from_the_register(shared: Installation) -> None:
    terminal_id, pan = loaded(shared), shared.new_card()
    first = pre_auth(shared, terminal_id, pan).json
    lost = pre_auth(shared, terminal_id, pan).json
    path = file_of(shared.tills, terminal_id)
    flip_last(path, f'"{lost["register_entry"]}"')

    looked = shared.terminal(terminal_id, "journal", expect=1)
    assert "the journal is damaged" in looked.err
    away = pre_auth(shared, terminal_id, pan, at="127.0.0.1:1", expect=4)
    assert "the journal is damaged" in away.err
    assert "nothing is sold until the register has been asked" in away.err
    assert "mended" in phases(shared, terminal_id)
    for page in ("last", "totals"):
        assert "is incomplete until it is rebuilt" in shared.terminal(terminal_id, page).err

    done = pre_auth(shared, terminal_id, pan)
    assert done.json["outcome"] == "approved"
    assert "lacked something of 1 request, which the register knew" in done.err
    assert "incomplete" not in shared.terminal(terminal_id, "last").err
    told = shared.terminal(terminal_id, "query", lost["trace_key"]).json
    assert (told["outcome"], told["register_entry"]) == ("approved", lost["register_entry"])
    assert shared.terminal(terminal_id, "query", first["trace_key"]).json["outcome"] == "approved"
    assert {"mended", "recovered", "rebuilt"} <= set(phases(shared, terminal_id))
    assert len(list(path.parent.glob(f"{terminal_id}.damaged-*.sqlite"))) == 1
    rows = shared.register("--terminal", terminal_id)
    assert [row["outcome"] for row in rows if row["kind"] == "pre-authorization"] == ["approved"] * 3
    assert shared.terminal(terminal_id, "settle").json["balanced"]


def test_a_journal_of_which_nothing_is_left_is_loaded_again(shared: Installation) -> None:
    terminal_id, pan = loaded(shared), shared.new_card()
    lost = pre_auth(shared, terminal_id, pan).json
    path = file_of(shared.tills, terminal_id)
    path.write_bytes(path.read_bytes()[:5000])
    refused = pre_auth(shared, terminal_id, pan, expect=4)
    assert "load the terminal again" in refused.complaint
    assert path.stat().st_size == 5000
    shared.load_key(terminal_id)
    assert pre_auth(shared, terminal_id, pan).json["outcome"] == "approved"
    assert {"mended", "rebuilt"} <= set(phases(shared, terminal_id))
    assert shared.row(lost["trace_key"]) is not None
    (aside,) = path.parent.glob(f"{terminal_id}.damaged-*.sqlite")
    assert aside.stat().st_size == 5000


def test_a_journal_that_was_deleted_is_missed(shared: Installation) -> None:
    terminal_id, pan = loaded(shared), shared.new_card()
    lost = pre_auth(shared, terminal_id, pan).json
    path = file_of(shared.tills, terminal_id)
    for file in (path, wal_of(path), index_of(path)):
        file.unlink(missing_ok=True)
    refused = pre_auth(shared, terminal_id, pan, expect=4)
    assert "its file is empty or was deleted" in refused.complaint
    assert "load the terminal again" in refused.complaint
    shared.load_key(terminal_id)
    assert pre_auth(shared, terminal_id, pan).json["outcome"] == "approved"
    assert {"mended", "rebuilt"} <= set(phases(shared, terminal_id))
    assert shared.row(lost["trace_key"]) is not None
    opened = [orjson.loads(line) for line in shared.run("open", "--json", expect=1).out.splitlines()]
    assert [row["reason"] for row in opened if (row["what"], row["terminal_id"]) == ("finding", terminal_id)]


@pytest.mark.parametrize("left", [0.0, 0.5, 0.99])
def test_a_torn_last_write(shared: Installation, left: float) -> None:
    terminal_id, pan = loaded(shared), shared.new_card()
    pre_auth(shared, terminal_id, pan)
    options = ("--id", terminal_id, "--data", str(shared.tills), "--host", shared.at)
    staying = subprocess.Popen([sys.executable, "-m", "holdfast", "terminal", *options, "run"], stderr=subprocess.PIPE)
    path = file_of(shared.tills, terminal_id)
    wait_until("it writes", lambda: has_written(shared, terminal_id))
    staying.send_signal(signal.SIGKILL)
    staying.communicate()
    os.truncate(wal_of(path), int(wal_of(path).stat().st_size * left))
    for what in ("journal", "last"):
        assert "the last write is torn" in shared.terminal(terminal_id, what, expect=1).err, "looking changes nothing"
    done = pre_auth(shared, terminal_id, pan)
    assert "the last write is torn" in done.err
    assert done.json["outcome"] == "approved"
    assert "rebuilt" in phases(shared, terminal_id)


def test_a_terminal_that_was_killed_is_not_damaged(shared: Installation) -> None:
    terminal_id, pan = loaded(shared), shared.new_card()
    pre_auth(shared, terminal_id, pan)
    options = ("--id", terminal_id, "--data", str(shared.tills), "--host", shared.at)
    for _ in range(3):
        staying = subprocess.Popen([sys.executable, "-m", "holdfast", "terminal", *options, "run"])
        wait_until("it writes", lambda: has_written(shared, terminal_id))
        staying.kill()
        staying.wait()
        assert "damaged" not in pre_auth(shared, terminal_id, pan).err
    assert "mended" not in phases(shared, terminal_id)


def test_on_a_full_disk_nothing_is_sold_and_nobody_waits(
    shared: Installation, tmp_path: Path, repository: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    cards = [shared.new_card() for _ in range(3)]
    words = ["-m", "tests.system.full_disk", str(disk), "T0000003", shared.at, *cards]
    command = ["unshare", "-U", "-r", "-m", sys.executable, *words]
    ran = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=150, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told = {said["what"]: said for said in map(orjson.loads, ran.stdout.splitlines())}

    assert told["before"]["outcome"] == "approved"
    for what in ("full", "sign-on", "full-again"):
        assert told[what]["outcome"] == "declined", told[what]
        assert "the journal cannot be written" in told[what]["reason"]
    assert told["full"]["took_s"] < 3
    assert told["kept"]["asked"] == [told["before"]["trace_key"]], "what was turned away is not done later"
    assert told["freed"]["outcome"] == "approved"

    assert told["in-flight"]["outcome"] == "unknown"
    assert told["in-flight"]["took_s"] < 8
    assert told["not-shown"]["outcomes"] == ["approved", "approved", "asked"]
    assert told["in-the-end"]["no"] is None
    assert told["in-the-end"]["outcomes"][:2] == ["approved", "approved"]
    assert told["in-the-end"]["outcomes"][2] in ("approved", "reversed")
    assert told["opened"]["sales"] == 3
    assert "said" not in told, "a disk that was full has damaged nothing"
