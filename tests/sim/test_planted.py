"""Every planted bug is caught within 200 worlds, by what it does to the records; one that cannot harm is not."""

from pathlib import Path

import pytest

from holdfast.sim.faults import KINDS
from holdfast.sim.plant import BUGS, HARMLESS
from tests.sim.planted import BEGIN, END, Caught, all_caught, table

BUGS_MIN = 25


@pytest.fixture(scope="module")
def found() -> dict[str, Caught]:
    """Seeds from 1 on, up to the first that catches it, on all cores."""
    return {each.bug: each for each in all_caught([bug for bug in BUGS if bug not in HARMLESS])}


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug not in HARMLESS])
def test_a_planted_bug_is_caught(bug: str, found: dict[str, Caught]) -> None:
    assert found[bug].caught == 1, f"none of {found[bug].seeds} worlds catches it"


def test_there_are_enough_of_them() -> None:
    assert len(BUGS) - len(HARMLESS) >= BUGS_MIN


def test_nothing_is_said_of_what_cannot_harm() -> None:
    assert [each for each in all_caught(list(HARMLESS)) if each.caught] == []


def test_the_table_says_what_was_caught_and_what_cannot_harm() -> None:
    bug, harmless = next(iter(BUGS)), next(iter(HARMLESS))
    nothing = Caught(bug).plus(1, [])
    once = nothing.plus(2, ["I2: a", "I5: b"]).plus(3, ["I2: c"])
    assert nothing == Caught(bug, 1)
    assert once == Caught(bug, 3, 2, 2, frozenset({"I2", "I5"}))
    rows = table([once, Caught("none", 3), Caught(harmless, 3)]).splitlines()
    assert rows[2] == f"| `{bug}` | {BUGS[bug].says} | 2 of 3 | 2 | I2 I5 |"
    assert rows[3] == "| `none` | no bug at all | 0 of 3 |  |  |"
    assert rows[-1] == f"| `{harmless}` | {BUGS[harmless].says} | 0 of 3 | {HARMLESS[harmless]} |"


def test_the_page_names_every_kind_of_fault_and_every_bug(repository: Path) -> None:
    page = (repository / "docs" / "simulator.md").read_text()
    before, rest = page.split(BEGIN)
    rows, _ = rest.split(END)
    assert [kind for kind in KINDS if f"\n| `{kind}` |" not in before] == []
    assert [bug for bug in BUGS if f"\n| `{bug}` | {BUGS[bug].says} |" not in rows] == []
