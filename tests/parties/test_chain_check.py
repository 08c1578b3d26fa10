"""A terminal names the last entry that it was given; a register that lacks it has lost it."""

import pytest

from holdfast.parties.chain_check import missing_entry
from holdfast.parties.step import Turn

BEFORE_RESTORE = Turn(0, "A", 123, bytes(32), frozenset())
AFTER_RESTORE = Turn(0, "QA", 5, bytes(32), frozenset())
ENDED = {"A": 122, "C": 0}


@pytest.mark.parametrize("entry", ["", "A-000001", "A-000122", "B-000999"])
def test_what_is_there_or_may_be_there_is_believed(entry: str) -> None:
    assert missing_entry(entry, BEFORE_RESTORE, {}) is None


@pytest.mark.parametrize("entry", ["", "A-000122", "QA-000004", "QB-000900"])
def test_after_a_restore_too(entry: str) -> None:
    assert missing_entry(entry, AFTER_RESTORE, ENDED) is None


@pytest.mark.parametrize(
    ("entry", "turn", "says"),
    [
        ("A-000123", BEFORE_RESTORE, "log A has 122 entries, not A-000123"),
        ("A-000123", AFTER_RESTORE, "log A ended at 122 entries by a restore, before A-000123"),
        ("C-000001", AFTER_RESTORE, "log C ended at 0 entries by a restore, before C-000001"),
        ("QA-000005", AFTER_RESTORE, "log QA has 4 entries, not QA-000005"),
        (
            "B-000001",
            AFTER_RESTORE,
            "log B of B-000001 was begun after the backup from which this",
        ),
        ("XA-000001", BEFORE_RESTORE, "log XA of XA-000001 was begun after the backup"),
        ("A-0000123", BEFORE_RESTORE, "A-0000123 is no register entry"),
    ],
)
def test_what_is_missing_is_told(entry: str, turn: Turn, says: str) -> None:
    told = missing_entry(entry, turn, ENDED if turn is AFTER_RESTORE else {})
    assert told is not None
    assert told.startswith(says)
