"""`clock advance` on real installations: all parties' clocks jump at one instant, and what waited for that happens."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from holdfast.clock import SECOND_US, local_date
from holdfast.edges.counter import load_sample
from holdfast.parties.settings import TerminalSettings
from holdfast.runtime.business_clock import BusinessClock, followed_by, machine_us
from holdfast.runtime.clock_file import CLOCK_FILE
from holdfast.runtime.config import parse_address
from holdfast.runtime.datafolder import DataFolder, installation_in
from holdfast.runtime.pos import Pos
from tests.system.installation import Installation, Ran, expected, holdfast, wait_until

Make = Callable[..., Installation]

HOTEL_TERMINAL, OTHER_TERMINAL = "T0000001", "T0000002"
ALICE_MINOR = 1_000_000


def advance(installation: Installation, span: str, *options: object, expect: int = 0) -> Ran:
    """`clock advance SPAN`, for the terminals' folder too."""
    return installation.run("clock", "advance", span, "--terminals", installation.tills, *options, expect=expect)


def clock_of(installation: Installation) -> dict[str, Any]:
    """`clock --json`."""
    shown: dict[str, Any] = installation.run("clock", "--json").json
    return shown


def advances_in(installation: Installation) -> list[tuple[str, str]]:
    """Log and id of every advance that the register tells of."""
    found = []
    for row in installation.register("--entries", "--kind", "audit"):
        shown = installation.run("register", "show", row["entry"], "--json").out
        found += [(row["entry"].partition("-")[0], name) for name in re.findall(r'"advance":"([^"]+)"', shown)]
    return sorted(found)


def status_of(installation: Installation) -> dict[str, Any]:
    """`status --json`."""
    shown: dict[str, Any] = installation.run("status", "--json").json
    return shown


def follows(installation: Installation, name: str) -> bool:
    """Whether every process goes by that advance."""
    ran = holdfast("status", "--json", "--data", installation.data)
    return ran.code == 0 and all(process.get("advance") == name for process in ran.json["processes"])


def journal_day(installation: Installation, terminal_id: str) -> date:
    """The day of the newest entry of a terminal's journal."""
    rows = installation.terminal(terminal_id, "journal").rows
    return local_date(int(rows[-1]["at"]))


async def advanced_meanwhile(installation: Installation) -> int:
    """The clock is advanced by a day while a terminal is at work; how far its clock is ahead then."""
    settings = TerminalSettings(OTHER_TERMINAL, 10 * SECOND_US)
    pos = await Pos.open(DataFolder(installation.tills).path, settings, lambda event, **facts: None)
    try:
        await load_sample(pos)
        await pos.connect(parse_address(installation.at))
        assert await pos.ready("01", 20.0) is None
        await asyncio.to_thread(advance, installation, "1d", "--id", "a-day")
        assert (await pos.tell("sign-off", {}, "01"))["outcome"] == "approved"
        return pos.now_us() - machine_us()
    finally:
        await pos.close()


def assert_sound(installation: Installation) -> None:
    """Nothing is in doubt, nothing differs, and time never ran backwards in any log."""
    status = status_of(installation)
    assert (status["in_doubt"], status["findings"]) == (0, 0)
    assert installation.run("register", "verify", "--json").json["ok"] is True
    by_log: dict[str, list[tuple[str, str]]] = {}
    for row in installation.register("--entries"):
        by_log.setdefault(row["entry"].partition("-")[0], []).append((row["entry"], row["at"]))
    for rows in by_log.values():
        times = [at for _, at in sorted(rows)]
        assert times == sorted(times)


def test_holds_expire_and_what_waits_is_tried_at_once(make_installation: Make) -> None:
    installation = make_installation("--sample", "--workers", 2)
    installation.start()
    approved = installation.terminal(HOTEL_TERMINAL, "pre-auth", "--amount", "500.00", "--card", "alice").json
    foreign = installation.terminal(HOTEL_TERMINAL, "pre-auth", "--amount", "300.00", "--card", "victor").json
    assert followed_by(installation.tills) == installation.data, "without being told to"
    today = datetime.fromisoformat(clock_of(installation)["business_time"])
    on = ("--date", f"{today:%m%d}", "--original", foreign["authorization_code"])
    installation.terminal(HOTEL_TERMINAL, "complete", "--amount", "200.00", "--card", "victor", *on)
    assert status_of(installation)["undelivered"]["releases"] == 1

    first = advance(installation, "25h", "--json").json
    assert (first["advanced"], first["ahead_s"]) == ("1d1h", 25 * 3600)
    assert first["followed"] == ["acquirer-1", "acquirer-2", "issuer"]
    assert first["came_due"]["acquirer"] >= 1
    wait_until("the rest is freed", lambda: status_of(installation)["undelivered"]["releases"] == 0)
    ahead_us = asyncio.run(advanced_meanwhile(installation))
    assert round(ahead_us / SECOND_US) == 49 * 3600
    assert "30d later" in advance(installation, "30d", "--id", "a-month").out
    wait_until("both sides expire it", lambda: "held" not in repr(status_of(installation)["holds"]))

    row = installation.row(approved["trace_key"])
    assert row is not None
    assert row["hold_state"] == "expired"
    all_of_it = installation.terminal(HOTEL_TERMINAL, "pre-auth", "--amount", "10000.00", "--card", "alice").json
    assert all_of_it["outcome"] == "approved", "the money is available again"
    then = today + timedelta(days=32, hours=1)
    assert f"{then:%Y-%m-%d}" in all_of_it["receipt"]
    late = ("--date", f"{today:%m%d}", "--original", approved["authorization_code"])
    refused = installation.terminal(
        HOTEL_TERMINAL, "complete", "--amount", "1.00", "--card", "alice", *late, expect=1
    ).json
    assert refused["response_code"] == "22"
    assert installation.register("--date", f"{then:%m%d}")
    assert journal_day(installation, HOTEL_TERMINAL) == then.date()
    assert journal_day(installation, OTHER_TERMINAL) == (today + timedelta(days=2, hours=1)).date()
    assert status_of(installation)["clock"]["ahead"] == "32d1h"
    assert advances_in(installation) == sorted(
        (log, name) for log in "AB" for name in (first["id"], "a-day", "a-month")
    )
    assert_sound(installation)


def test_a_request_in_flight_is_unknown_and_undone(make_installation: Make) -> None:
    installation = make_installation("--sample")
    installation.start()
    installation.terminal(HOTEL_TERMINAL, "sign-on")
    issuer = installation.pid_of("issuer")
    assert issuer is not None
    os.kill(issuer, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(2) as aside:
            words = (HOTEL_TERMINAL, "pre-auth", "--amount", "500.00", "--card", "alice")
            asking = aside.submit(lambda: installation.terminal(*words, expect=None).json)
            wait_until("it is asked", lambda: status_of(installation)["in_doubt"] == 1)
            advancing = aside.submit(lambda: advance(installation, "31d", "--json").json)
            answer = asking.result()
            os.kill(issuer, signal.SIGCONT)
            assert advancing.result()["ahead"] == "31d"
    finally:
        os.kill(issuer, signal.SIGCONT)
    assert (answer["outcome"], answer["response_code"]) != ("approved", "00")
    wait_until("it is undone", lambda: status_of(installation)["in_doubt"] == 0)
    assert installation.terminal(HOTEL_TERMINAL, "sync").json["outcome"] == "approved"
    row = installation.row(answer["trace_key"])
    assert row is not None
    assert row["outcome"] != "approved"
    words = (HOTEL_TERMINAL, "pre-auth", "--amount", "10000.00", "--card", "alice")
    assert installation.terminal(*words).json["outcome"] == "approved", "all of the money is there"
    assert_sound(installation)


def test_nothing_runs_and_the_next_up_begins_at_that_time(make_installation: Make) -> None:
    installation = make_installation("--sample")
    installation.start()
    words = ("pre-auth", "--amount", "500.00", "--card", "alice")
    approved = installation.terminal(HOTEL_TERMINAL, *words).json
    installation.stop()
    said = advance(installation, "31d", "--id", "x").out
    assert said.endswith("the next `holdfast up` begins at that time\n")
    installation.start()
    assert clock_of(installation)["ahead"] == "31d"
    wait_until("both sides expire it", lambda: status_of(installation)["open"] == {"acquirer": {}, "issuer": {}})
    row = installation.row(approved["trace_key"])
    assert row is not None
    assert row["hold_state"] == "expired"
    assert installation.terminal(HOTEL_TERMINAL, *words).json["outcome"] == "approved"
    assert advances_in(installation) == [("A", "x")]
    assert_sound(installation)

    installation.stop()
    (installation.data / CLOCK_FILE).unlink()
    installation.start()
    assert clock_of(installation)["ahead"] == "31d", "the logs tell how far it was"
    assert advances_in(installation) == [("A", "x")]


def test_whoever_is_killed_the_advance_takes_place_once(make_installation: Make) -> None:
    installation = make_installation("--sample", "--workers", 2)
    installation.start()
    command = [sys.executable, "-m", "holdfast", "clock", "advance", "30d", "--id", "once"]
    command += ["--data", str(installation.data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as advancing:
        wait_until("it is appointed", lambda: BusinessClock(installation.data).advances)
        advancing.kill()
        assert advancing.stdout is not None
        assert advancing.stdout.read() == "", "it was killed before it could say anything"
    worker = installation.pid_of("acquirer-1")
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    wait_until("all follow without it", lambda: follows(installation, "once"))
    again = installation.run("clock", "advance", "30d", "--id", "once", "--json").json
    assert (again["id"], again["ahead"]) == ("once", "30d")
    other = installation.run("clock", "advance", "1d", "--id", "once", expect=2)
    assert "was given to another advance" in other.complaint
    assert clock_of(installation)["ahead"] == "30d"
    logs = {log for log, _ in advances_in(installation)}
    assert len(advances_in(installation)) == len(logs), "each log tells of it once"
    installation.stop()
    installation.start()
    assert len(advances_in(installation)) == len(logs)
    assert clock_of(installation)["ahead"] == "30d"
    assert_sound(installation)


def test_an_installation_that_is_no_sandbox_has_the_clock_on_the_wall(make_installation: Make) -> None:
    sandbox, plain = make_installation("--sample"), make_installation()
    sandbox.start()
    plain.start()
    (plain.data / "terminals").mkdir(mode=0o700)
    (plain.data / "terminals" / "T0000009.sqlite").touch()
    refused = sandbox.run("clock", "advance", "41d", "--terminals", plain.data, expect=2)
    assert "is an installation with a clock of its own" in refused.complaint
    assert not (plain.data / CLOCK_FILE).exists()
    for written in (b'{"advances": []}', orjson.dumps({"follows": str(sandbox.data / CLOCK_FILE)})):
        (plain.data / CLOCK_FILE).write_bytes(written)
        assert "is no sandbox" in plain.run("clock", "advance", "1d", expect=2).complaint
    sandbox.run("clock", "advance", "41d")
    assert clock_of(plain)["ahead_s"] == 0
    forged = {"sandbox": installation_in(plain.data), "advances": []}
    (plain.data / CLOCK_FILE).write_bytes(orjson.dumps(forged))
    assert "is no sandbox" in plain.run("clock", "advance", "1d", expect=2).complaint
    plain.stop()
    again = plain.run("up", "--pos", "127.0.0.1:0", "--http", "none", expect=2)
    assert f"is no sandbox, and its clock is the clock on the wall: remove {plain.data / CLOCK_FILE}" in again.err
    assert "Traceback" not in again.err
    (plain.data / CLOCK_FILE).unlink()
    plain.start()


def test_nobody_sells_at_a_time_before_what_was_recorded(make_installation: Make) -> None:
    installation = make_installation("--sample")
    installation.start()
    sale = (HOTEL_TERMINAL, "sale", "--amount", "1.00", "--card", "alice")
    installation.terminal(*sale)
    advance(installation, "41d")
    installation.terminal(*sale)
    (installation.data / CLOCK_FILE).rename(installation.data / "aside")
    gone = installation.terminal(*sale, expect=4)
    assert f"{installation.data / CLOCK_FILE} is missing or not a sandbox's" in gone.complaint
    (installation.tills / CLOCK_FILE).unlink()
    behind = installation.terminal(*sale, expect=4)
    assert f"the newest entry of terminal {HOTEL_TERMINAL} is of " in behind.complaint
    worker = installation.pid_of("acquirer-1")
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    wait_until("it does not start", lambda: "time never goes back" in repr(installation.log("acquirer-1")))
    (installation.data / "aside").rename(installation.data / CLOCK_FILE)
    advance(installation, "1s")
    installation.terminal(*sale)
    assert_sound(installation)


def test_what_cannot_be_is_refused_in_a_line(make_installation: Make, tmp_path: Path) -> None:
    plain = make_installation()
    plain.start()
    for words in (("clock", "advance", "30d"), ("clock", "advance", "30d", "--terminals", tmp_path / "tills")):
        assert "is no sandbox" in plain.run(*words, expect=2).complaint
    assert not (plain.data / CLOCK_FILE).exists()
    shown = clock_of(plain)
    assert (shown["sandbox"], shown["ahead_s"]) == (False, 0)
    assert "no sandbox" in plain.run("clock").out
    for span in ("tomorrow", "0d", "367d"):
        assert "span" in plain.run("clock", "advance", span, expect=2).complaint
    assert "only goes forward" in plain.run("clock", "advance", "-1d", expect=2).complaint
    assert "--help" in plain.run("clock", "advance", expect=2).complaint
    assert "--id" in plain.run("clock", "advance", "1d", "--id", "a b", expect=2).complaint
    nowhere = expected(holdfast("clock", "advance", "1d", "--data", tmp_path / "nowhere"), 4, ())
    assert "cannot be reached" in nowhere.complaint
    plain.stop()
    assert "is no sandbox" in plain.run("clock", "advance", "30d", expect=2).complaint
