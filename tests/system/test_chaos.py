"""`script/chaos` in short: whatever is killed, stopped, cut or filled, nothing is lost and nothing is left open."""

import subprocess
import sys

import orjson
import pytest

from tests.system.chaos import schedule
from tests.system.chaos.schedule import COMPONENTS, KINDS

SEED = 20261122
SECONDS, TERMINALS = 24, 8
RUN_S_MAX = 240.0
TRANSACTIONS_MIN = 100


def test_nothing_is_lost_whatever_breaks(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--minutes", SECONDS / 60, "--seed", SEED, "--terminals", TERMINALS, "--json")
    command = [sys.executable, "-m", "tests.system.chaos", *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S_MAX, check=False)
    assert done.returncode in (0, 1), done.stderr
    report = orjson.loads(done.stdout)
    with capsys.disabled():
        shown = ("kills", "kills_in_flight", "transactions", "told", "disk_full", "recovery", "resolved_s")
        sys.stdout.write("".join(f"\n  {name}: {report[name]}" for name in shown))
    assert (report["complaints"], report["broken"], done.returncode) == ([], 0, 0)
    assert report["schedule"] == schedule.hash_of(schedule.drawn(SEED, SECONDS))
    assert set(report["kills"]) == set(COMPONENTS)
    assert min(report["kills"].values()) >= 1
    assert 2 * report["kills_in_flight_total"] >= report["kills_total"]
    assert report["transactions"] == report["answered_rows_checked"] >= TRANSACTIONS_MIN
    assert report["receipts_checked"] > 0
    assert sum(report["disk_full"].values()) > 0, "a disk was full, and somebody noticed"


@pytest.mark.parametrize(
    "words",
    [
        ("--terminals", "-1"),
        ("--terminals", "0"),
        ("--terminals", "201"),
        ("--minutes", "0"),
        ("--minutes", "-3"),
        ("--minutes", "nan"),
        ("--minutes", "inf"),
        ("--minutes", "five"),
        ("--seed", "1.5"),
        ("a-folder",),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_starts(words: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "tests.system.chaos", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert words[0] in done.stderr


def test_a_seed_draws_its_schedule_and_no_other() -> None:
    assert schedule.drawn(7, 60) == schedule.drawn(7, 60)
    assert schedule.hash_of(schedule.drawn(7, 60)) != schedule.hash_of(schedule.drawn(8, 60))


@pytest.mark.parametrize("seconds", [10, 24, 300])
def test_every_kind_comes_within_the_time(seconds: int) -> None:
    drawn = schedule.drawn(1, seconds)
    assert {misfortune.kind for misfortune in drawn} == set(KINDS)
    assert all(0 <= each.at_s <= each.at_s + each.lasts_s <= seconds + 0.001 for each in drawn)
    assert drawn == sorted(drawn)


def test_five_minutes_kill_as_often_as_is_promised() -> None:
    killed = [misfortune.kind.split()[1] for misfortune in schedule.drawn(1, 300) if misfortune.kind.startswith("kill")]
    assert len(killed) >= 230, "more than 200 that hit somebody"
    assert min(killed.count(component) for component in COMPONENTS) >= 25
