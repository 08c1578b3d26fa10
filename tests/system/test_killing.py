"""Whatever is killed, at whatever moment: nothing that was shown is lost, and nothing is left open. See `killing`."""

import sys
from collections.abc import Callable

import pytest

from tests.system.installation import Installation
from tests.system.killing import SERVERS, TERMINAL, Town, audited

ROUNDS = (*((victim,) for victim in (*SERVERS, TERMINAL)), ("acquirer-1", "issuer"), ("postmaster", TERMINAL))
SEED = 20261122


def test_nothing_is_lost_whatever_is_killed(
    make_installation: Callable[..., Installation], capsys: pytest.CaptureFixture[str]
) -> None:
    installation = make_installation("--sample")
    installation.start()
    installation.import_own()
    town = Town(installation, SEED, terminals=2)
    try:
        town.open()
        for victims in ROUNDS:
            town.work(0.7)
            town.kill(*victims)
    finally:
        town.close()
    report = audited(town)
    with capsys.disabled():
        sys.stdout.write("".join(f"\n  {line}" for line in report.lines()))
    assert report.problems == []
    assert report.told["approved"] > len(ROUNDS), "the terminals worked"
