"""`holdfast simulate` as it is typed."""

import json

import pytest
from typer.testing import CliRunner

from holdfast.edges.cli import app
from holdfast.edges.simulate import seeds_of
from holdfast.errors import BadInput
from holdfast.sim.faults import KINDS

SHAPE = (
    "seeds",
    "complaints",
    "requests",
    "kinds",
    "worlds_with",
    "faults_by_kind",
    "worlds_by_fault",
    "seconds",
    "simulated_seconds",
    "trace",
    "found",
)


@pytest.mark.parametrize(("text", "seeds"), [("3", [1, 2, 3]), ("1", [1]), ("7..7", [7]), ("0..2", [0, 1, 2])])
def test_seeds_are_a_number_or_a_range(text: str, seeds: list[int]) -> None:
    assert list(seeds_of(text)) == seeds


@pytest.mark.parametrize("text", ["", "0", "-1", "2..1", "1..", "1...3", "a", "1.5", "٣", "1..99999999"])
def test_what_is_no_seeds_is_bad_input(text: str) -> None:
    with pytest.raises(BadInput, match="--seeds"):
        seeds_of(text)


def test_json_is_one_object_and_no_complaint_is_a_yes() -> None:
    ran = CliRunner().invoke(app, ["simulate", "--seeds", "2..3", "--minutes", "2", "--json"])
    assert ran.exit_code == 0
    report = json.loads(ran.stdout)
    assert tuple(report) == SHAPE
    assert (report["seeds"], report["complaints"], report["simulated_seconds"]) == (2, 0, 240)
    assert list(report["faults_by_kind"]) == list(KINDS)
    assert report["kinds"]["pre-authorization"] > 0
    assert 0 <= min(report["worlds_with"].values()) <= max(report["worlds_with"].values()) <= 1


def test_a_planted_bug_is_a_no_and_says_how_to_see_it_again() -> None:
    ran = CliRunner().invoke(app, ["simulate", "--seeds", "1", "--minutes", "5", "--plant", "issuer-not-idempotent"])
    assert ran.exit_code == 1
    assert "--plant" in ran.stdout
    assert "I3: book: exchange" in ran.stdout
    assert "The story of seed 1, " in ran.stdout
    replay = next(line for line in ran.stdout.splitlines() if line.startswith("replay: "))
    again = CliRunner().invoke(app, replay.removeprefix("replay: holdfast ").split())
    assert again.exit_code == 1
    assert "I3: book: exchange" in again.stdout


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--plant", "none"], "no bug is called 'none'"),
        (["--minutes", "0"], "--minutes 0 is not between 1 and 1440"),
        (["--cores", "-1"], "--cores -1 is less than 0"),
        (["--plant", ""], "no bug is called ''"),
        (["--only", ""], "--only: '' is neither a guest"),
        (["--only", "T0000001:3,loss"], "--only: 'loss' is neither a guest like T0000003:7 nor a strike like loss:2"),
    ],
)
def test_bad_options_are_said_in_one_line(options: list[str], says: str) -> None:
    ran = CliRunner().invoke(app, ["simulate", "--seeds", "1", *options])
    assert isinstance(ran.exception, BadInput)
    assert says in str(ran.exception)
