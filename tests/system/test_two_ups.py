"""Two `holdfast up` on one database: they share its register; one issuer is active, and the other takes over."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdfast.keys.file import FileKeys
from tests.system.chaos.audit import audited, evidence_of
from tests.system.installation import Installation, holdfast
from tests.system.till import Line, Till

SERVER = """
import asyncio, sys
from holdfast.runtime.datafolder import DataFolder
from holdfast.runtime.embedded import EmbeddedPostgres

async def stay():
    folder = DataFolder(sys.argv[1])
    with folder.lock("up"):
        postgres = EmbeddedPostgres(folder)
        print(await postgres.start(), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await postgres.stop()

asyncio.run(stay())
"""

HOLD_MINOR = 500_00
ANSWER_S, PAUSE_S = 1.5, 0.02
TAKEN_OVER_S = 20.0
"""A lease runs out after ten seconds."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Address of a PostgreSQL that belongs to no installation; in a process that nobody of them can harm."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", SERVER, str(tmp_path / "server")], text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait(60)


def test_two_share_a_database_and_one_takes_over_from_the_other(
    server: str, make_installation: Callable[..., Installation], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = ("--db", server, "--keys", tmp_path / "keys", "--workers", 2)
    first = make_installation(*shared, "--sample", folder="first")
    second = make_installation(*shared, folder="second")
    first.start()
    first.import_own()
    assert_others_are_refused(server, tmp_path)
    second.start()
    refused = first.run("clock", "advance", "1d", expect=2).complaint
    assert "another `holdfast up` serves on the same database" in refused
    assert_a_hold_of_one_is_completed_at_the_other(first, second)
    second.terminal("T0000003", "pre-auth", "--amount", "12.00", "--card", "alice")
    with Till.signed_on(second) as till:
        first.kill()
        taken_over_s = approved_after_s(till, second)
    assert taken_over_s < TAKEN_OVER_S
    first.start()
    second.kill()
    second.start()
    second.terminal("T0000003", "settle")
    with capsys.disabled():
        sys.stdout.write(f"\n  the first of two killed: the other approves after {taken_over_s:.2f} s")
    assert audited(asyncio.run(evidence_of(second, ["T0000003"])), {}).complaints == []
    logs = first.run("register", "verify", "--json").json["logs"]
    assert [log["log"] for log in logs] == ["A", "B", "C", "D", "I"]


def approved_after_s(till: Till, installation: Installation) -> float:
    """How long it takes from now on until a request is approved."""
    till.line.socket.close()
    began_s, pan = time.monotonic(), installation.new_card()
    while time.monotonic() < began_s + TAKEN_OVER_S:
        with contextlib.suppress(OSError, EOFError), Line(installation.at) as till.line:
            till.line.socket.settimeout(ANSWER_S)
            if till.code(till.pre_auth(pan, 1)) == "00":
                break
        time.sleep(PAUSE_S)
    return time.monotonic() - began_s


def assert_others_are_refused(server: str, tmp_path: Path) -> None:
    """Whoever has no keys, or other ones, may not write into this register."""
    stranger = ("up", "--data", tmp_path / "stranger", "--db", server, "--pos", "127.0.0.1:0")
    without = holdfast(*stranger)
    assert without.code == 4
    assert "--keys" in without.complaint
    FileKeys.create(tmp_path / "other")
    wrong = holdfast(*stranger, "--keys", tmp_path / "other")
    assert wrong.code == 4
    assert "key" in wrong.complaint


def assert_a_hold_of_one_is_completed_at_the_other(first: Installation, second: Installation) -> None:
    """Another terminal of the merchant, at another worker of another installation."""
    pan = second.new_card()
    with Till.signed_on(first, "T0000001") as desk, Till.signed_on(second, "T0000002") as bar:
        hold = desk.asks(desk.pre_auth(pan, HOLD_MINOR))
        assert hold.get(39) == "00"
        done = bar.asks(bar.complete(pan, 460_50, hold.get(38), hold.get(13)))
        assert done.get(39) == "00"
        assert desk.code(desk.complete(pan, 460_50, hold.get(38), hold.get(13))) == "22"
    for installation in (first, second):
        [row] = installation.register("--rrn", done.get(37))
        assert (row["outcome"], row["pre_auth_amount"]) == ("approved", HOLD_MINOR)
