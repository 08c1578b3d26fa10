"""Response codes: each has words in both languages, and the sets that decisions rest on say what they are meant to."""

import pytest

from holdfast.domain import responses
from holdfast.domain.response_rows import ROWS
from holdfast.domain.responses import RESPONSES, says

CONSTANTS = {name: value for name, value in vars(responses).items() if name.isupper() and isinstance(value, str)}

CODES_OF_CLASS = {
    "A": "00 10 11 A2 A4 A5 A6",
    "B": "06 13 19 20 55 68 77 90 91 92 94 96 98 99 A0",
    "C": "01 02 03 05 12 14 15 21 22 25 33 38 40 51 54 57 58 59 61 62 64 65 75 97 A1 A3 C8 C9 CA",
    "D": "04 07 34 41 43",
    "E": "30 A7",
}
"""The table of the trade (domain.md §3); where it names two classes, one was chosen."""


def test_the_table_holds_the_codes_of_the_trade_in_their_order() -> None:
    of_class = {code: action for action, codes in CODES_OF_CLASS.items() for code in codes.split()}
    assert {row.code: row.action for row in ROWS} == of_class
    assert [row.code for row in ROWS] == sorted(of_class)


def test_every_code_that_we_answer_is_in_the_table() -> None:
    assert len(CONSTANTS) > 30
    assert {value for value in CONSTANTS.values() if value not in RESPONSES} == set()
    assert len(set(CONSTANTS.values())) == len(CONSTANTS), "two names for one code"
    assert not any(RESPONSES[value].foreign for value in CONSTANTS.values()), "a code that only other hosts answer"


@pytest.mark.parametrize("code", sorted(RESPONSES))
def test_every_row_speaks_both_languages(code: str) -> None:
    row = RESPONSES[code]
    assert len(row.code) == 2
    for english in (row.says, row.cashier):
        assert english.isascii()
        assert len(english) > 3
    for chinese in (row.zh, row.cashier_zh):
        assert not chinese.isascii()
    assert row.cashier[0].isupper()
    assert row.cashier.endswith(".")


def test_no_advice_is_too_long_for_the_screen() -> None:
    assert max(len(row.cashier) for row in ROWS) <= 170
    assert max(len(row.cashier_zh) for row in ROWS) <= 60


def test_a_code_that_nobody_told_us_is_shown_as_it_is() -> None:
    assert (says("00"), says("ZZ")) == ("approved", "response ZZ")


def test_what_approves_and_what_may_have_frozen_money() -> None:
    assert {code for code, row in RESPONSES.items() if row.action == "A"} == responses.APPROVALS
    assert {responses.PARTLY_APPROVED} == responses.APPROVALS - responses.APPROVED_CODES
    assert responses.APPROVED_CODES.isdisjoint(responses.OUTCOME_UNKNOWN)


def test_what_is_as_unknown_as_silence() -> None:
    assert {"10", "68", "98"} == responses.OUTCOME_UNKNOWN
    unknown = {code for code, row in RESPONSES.items() if not row.outcome_known}
    assert unknown == {responses.REPLY_TOO_LATE, responses.ISSUER_SILENT}
    for code in unknown:
        assert "Unknown" in RESPONSES[code].cashier
        assert "结果未明" in RESPONSES[code].cashier_zh


def test_what_an_advice_is_repeated_for() -> None:
    assert {"96", "98", "91", "77", "A0"} <= responses.TRANSIENT
    assert responses.APPROVED_CODES | {"94"} == responses.DELIVERED
    assert responses.TRANSIENT.isdisjoint(responses.DELIVERED)
    assert {RESPONSES[code].action for code in responses.TRANSIENT} == {"B"}
    # A format error is not mended by saying the same again.
    assert {"05", "25", "30", "51", "58", "64"}.isdisjoint(responses.TRANSIENT | responses.DELIVERED)


def test_what_ends_a_reversal() -> None:
    assert {"00", "12", "25"} == responses.REVERSAL_DONE
    assert responses.OUTCOME_UNKNOWN.isdisjoint(responses.REVERSAL_DONE)
