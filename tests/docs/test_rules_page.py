"""docs/rules.md says every rule and habit there is, with every value and the right default."""

import re
from pathlib import Path

import pytest

from holdfast.domain.rules import CHOICES, HABIT_CHOICES, Habits, Rules

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text()
RULES_PART, HABITS_PART = PAGE.split("## Habits of an issuer")


def row_of(name: str, part: str) -> str:
    """The second column of the row about `name`."""
    rows = [line for line in part.splitlines() if line.startswith("|") and f"`{name}`" in line.split("|")[1]]
    assert len(rows) == 1, f"{name} has {len(rows)} rows"
    return rows[0].split("|")[2]


@pytest.mark.parametrize("name", Rules._fields)
def test_a_rule_is_on_the_page_with_its_values(name: str) -> None:
    said, default = row_of(name, RULES_PART), Rules._field_defaults[name]
    if name in CHOICES:
        values = re.findall(r"`([^`]+)`", said)
        assert values[0] == default, f"the default of {name} stands first"
        assert sorted(values) == sorted(CHOICES[name]), "every value is named"
    elif isinstance(default, int):
        assert said.split(",")[0].split("–")[0].strip() == str(default)


@pytest.mark.parametrize("name", Habits._fields)
def test_a_habit_is_on_the_page_with_its_values(name: str) -> None:
    said = row_of(name, HABITS_PART)
    if name in HABIT_CHOICES:
        assert set(re.findall(r"`([^`]+)`", said)) == set(HABIT_CHOICES[name])
        assert str(Habits._field_defaults[name]) in said
