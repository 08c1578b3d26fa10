"""Everything that `holdfast up` runs, killed in turn: it comes back by itself, and what was answered is still so."""

import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from holdfast.edges import sample
from holdfast.errors import Unreachable
from holdfast.runtime.supervise import Supervisor
from tests.running import Counter, Up, gone, holdfast, running, until


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One installation for all tests of this module."""
    with running(tmp_path_factory.mktemp("up") / "data", "--sample", "--pos", "127.0.0.1:0", "--workers", "2") as it:
        yield it


def approved_again(counter: Counter) -> bool:
    """Whether a pre-authorization is approved; what is refused or unanswered meanwhile is no harm."""
    try:
        return counter.pre_auth("bob", 1_00).get(39) == "00"
    except (OSError, AssertionError):
        return False


def test_ready_means_that_a_terminal_is_served(up: Up) -> None:
    assert up.ready["ready"] is True
    answer = up.terminal("T0000001").pre_auth()
    assert (answer.get(39), len(answer.get(38))) == ("00", 6)
    assert up.terminal("T0000005").pre_auth().get(39) == "58"


def test_every_worker_has_a_log_of_its_own_and_links_to_both_issuers(up: Up) -> None:
    workers = [row for row in up.status()["processes"] if row["process"].startswith("acquirer")]
    assert sorted(row["log"] for row in workers) == ["A", "B"]
    assert all(row["hosts"] == sorted(issuer["issuer_id"] for issuer in sample.ISSUERS) for row in workers)


def test_the_answer_to_a_card_is_its_issuers(up: Up) -> None:
    counter = up.terminal("T0000003")
    told = {name: counter.pre_auth(name, 200_00).get(39) for name in ("poor", "lost", "expired", "stolen", "frozen115")}
    assert told == {"poor": "51", "lost": "41", "expired": "54", "stolen": "43", "frozen115": "00"}


@pytest.mark.parametrize("name", ["acquirer-1", "acquirer-2", "issuer", "postgres"])
def test_a_killed_process_is_started_again_and_nothing_is_lost(up: Up, name: str) -> None:
    up.settle()
    counter = up.terminal("T0000002")
    placed = counter.pre_auth("carol", 10_00)
    assert placed.get(39) == "00"
    os.kill(up.postmaster() if name == "postgres" else up.pids()[name], signal.SIGKILL)
    until(lambda: approved_again(counter))
    row = sample.card("carol")
    assert row is not None
    code, day = placed.get(38), placed.get(13)
    assert counter.ask(counter.terminal.complete(row["pan"], 8_00, code, day)).get(39) == "00"
    assert counter.ask(counter.terminal.complete(row["pan"], 8_00, code, day)).get(39) == "22"


def test_after_kill_9_of_up_nothing_runs_and_the_next_takes_over(up: Up) -> None:
    up.settle()
    counter = up.terminal("T0000004")
    placed = counter.pre_auth()
    asked = counter.terminal.sent
    pids = [*up.pids().values(), up.postmaster()]
    assert placed.get(39) == "00"
    up.kill()
    until(lambda: all(gone(pid) for pid in pids))
    no = holdfast("status", "--data", up.folder)
    assert (no.returncode, no.stderr.count("\n")) == (4, 1)
    assert "holdfast up" in no.stderr
    # The port is given now, so it has to be the same one.
    up.arguments = ("--data", up.folder, "--json", "--pos", up.ready["pos"])
    up.start()
    assert asked is not None
    again = counter.ask(counter.terminal.repeat(asked))
    assert (again.get(39), again.get(37), again.get(38)) == ("00", placed.get(37), placed.get(38))


def test_a_drain_ends_everything_and_exits_0(up: Up) -> None:
    pids = [*up.pids().values(), up.postmaster()]
    assert up.stop() == 0
    assert all(gone(pid) for pid in pids)
    assert not (up.folder / "run" / "up.json").exists()


def test_no_card_number_stands_in_any_log(up: Up) -> None:
    logs = [path for path in (up.folder / "logs").rglob("*") if path.is_file()]
    assert len(logs) >= 5
    for path in logs:
        assert not re.search(rb"(?<![0-9])[0-9]{13,19}(?![0-9])", path.read_bytes()), path


def test_an_up_whose_database_dies_while_it_is_set_up_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "data"

    def kill() -> None:
        # These are kept right before the first question to the new database.
        until(lambda: (folder / "keys" / "database-roles.json").exists())
        os.kill(int((folder / "postgres" / "postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)

    with ThreadPoolExecutor(1) as aside:
        killing = aside.submit(kill)
        with running(folder, "--pos", "127.0.0.1:0", "--http", "none") as up:
            killing.result()
            assert up.ready["ready"] is True
            assert up.stop() == 0


async def test_a_postmaster_that_is_killed_while_it_starts_is_started_again() -> None:
    told: list[str] = []
    supervisor = object.__new__(Supervisor)
    supervisor._tell = told.append

    class Killed:
        killed = True
        starts = 0

        async def start(self) -> str:
            self.starts += 1
            if self.starts < 3:
                raise Unreachable("it did not start")
            return "dsn"

    assert await supervisor._start_postgres(Killed()) == "dsn"  # type: ignore[arg-type]
    assert told == ["PostgreSQL was killed while it started; starting it again"] * 2
    Killed.killed, wrong = False, Killed()
    with pytest.raises(Unreachable, match="did not start"):
        await supervisor._start_postgres(wrong)  # type: ignore[arg-type]
    assert wrong.starts == 1


async def test_a_postgres_that_does_not_come_back_is_tried_on_and_told_once() -> None:
    told: list[str] = []
    supervisor = object.__new__(Supervisor)
    supervisor._tell = told.append

    class Full:
        killed = False
        starts = 0

        async def start(self) -> str:
            self.starts += 1
            if self.starts < 4:
                raise Unreachable("the disk is full")
            return "dsn"

    await supervisor._start_again(Full())  # type: ignore[arg-type]
    assert told == ["the disk is full; trying again"]
