"""Response codes: each has words in both languages, and the sets that decisions rest on do not overlap."""

import pytest

from holdfast.domain import responses
from holdfast.domain.responses import RESPONSES, says

CONSTANTS = {name: value for name, value in vars(responses).items() if name.isupper() and isinstance(value, str)}


def test_every_code_that_we_answer_is_in_the_table() -> None:
    assert len(CONSTANTS) > 20
    assert {value for value in CONSTANTS.values() if value not in RESPONSES} == set()
    assert len(set(CONSTANTS.values())) == len(CONSTANTS), "two names for one code"


@pytest.mark.parametrize("code", sorted(RESPONSES))
def test_every_row_speaks_both_languages(code: str) -> None:
    row = RESPONSES[code]
    assert len(row.code) == 2
    assert row.action in "ABCDE"
    for english in (row.says, row.cashier):
        assert english.isascii()
        assert len(english) > 3
    for chinese in (row.zh, row.cashier_zh):
        assert not chinese.isascii()


def test_a_code_that_nobody_told_us_is_shown_as_it_is() -> None:
    assert (says("00"), says("ZZ")) == ("approved", "response ZZ")


def test_what_approves_what_is_unknown_and_what_ends_a_reversal() -> None:
    assert {code for code, row in RESPONSES.items() if row.action == "A"} <= responses.APPROVALS
    assert responses.APPROVED not in responses.OUTCOME_UNKNOWN
    assert {responses.APPROVED} == responses.APPROVALS - responses.OUTCOME_UNKNOWN
    assert responses.ISSUER_SILENT in responses.OUTCOME_UNKNOWN
    assert responses.OUTCOME_UNKNOWN.isdisjoint(responses.REVERSAL_DONE)
    assert responses.OUT_OF_STEP not in responses.REVERSAL_DONE
