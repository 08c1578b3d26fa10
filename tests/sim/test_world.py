"""Worlds of one seed: nothing to complain of, and the same story each time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.sim.faults import KINDS
from holdfast.sim.run import simulate, tell

FIRST_SEEDS = range(1, 13)


def test_nothing_to_complain_of() -> None:
    report = simulate(FIRST_SEEDS, 10)
    assert report.complaints == []
    assert report.seeds == len(FIRST_SEEDS)
    assert report.requests >= 100 * len(FIRST_SEEDS)
    assert list(report.faults_by_kind) == list(KINDS)
    assert min(report.faults_by_kind.values()) > 0, "a kind of fault that never takes effect tests nothing"


def test_half_an_hour_has_three_hundred_requests() -> None:
    assert tell(3, 30).requests >= 300


def test_the_same_seed_tells_the_same_story_on_one_core_and_on_two() -> None:
    one, two = simulate(range(5, 9), 3, cores=1), simulate(range(5, 9), 3, cores=2)
    assert one._replace(seconds=0.0) == two._replace(seconds=0.0)
    assert tell(5, 3).trace != tell(6, 3).trace


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_the_story_does_not_hang_on_the_order_of_hashes(repository: Path, hash_seed: str) -> None:
    code = "from holdfast.sim.run import tell; print(tell(7, 3).trace)"
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(repository / "src")}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == tell(7, 3).trace


def test_a_complaint_names_its_seed_and_how_to_see_it_again() -> None:
    report = simulate([1], 5, "issuer-not-idempotent", cores=1)
    assert report.complaints
    for complaint in report.complaints:
        assert complaint["seed"] == 1
        assert complaint["replay"] == "holdfast simulate --seeds 1..1 --minutes 5 --plant issuer-not-idempotent"
