"""What a reversal does to each act, wherever it stands in the life of its hold; and who may ask for one."""

import pytest

from holdfast.domain.records import ANSWERS, FREEZES
from holdfast.wire.message import Message
from tests.parties.issuer_desk import BANK, CARDS, OTHER_BANK, Desk, question
from tests.stories import play

INCREMENTS = """
C1 opens debit 1000.00
A1 places C1 500.00
A2 increases A1 200.00
A3 increases A1 100.00                  -> 00  C1.held 800.00
reverse A2                              -> 22  C1.held 800.00           # A3 was built upon it
reverse A1                              -> 22
reverse A3                              -> 00  C1.held 700.00  A1.asked 700.00
reverse A2                              -> 00  C1.held 500.00  A1.asked 500.00
A4 completes A1 500.00                  -> 00
reverse A4                              -> 00  C1.held 500.00
reverse A1                              -> 00  C1.available 1000.00  A1.state reversed
A5 increases A1 1.00                    -> 22
"""

INCREMENT_AND_ITS_TIME = """
C1 opens debit 1000.00
A1 places C1 500.00                     -> 00  A1.days 30
wait 20 days
A2 increases A1 200.00                  -> 00  A1.days 50
reverse A2                              -> 00  A1.days 30               # with it goes the time that it gave
wait 11 days
A3 completes A1 500.00                  -> 22
time passes                             -> A1.state expired  C1.available 1000.00
"""

PARTS = """
C1 opens debit 1000.00
A1 places C1 500.00
A2 completes A1 200.00 rest=kept
A3 completes A1 100.00 rest=kept        -> 00  A1.frozen 200.00
reverse A2                              -> 22
reverse A3                              -> 00  A1.frozen 300.00  clearing 200.00
A4 completes A1 300.00 rest=kept        -> 00  A1.state completed  C1.held 0.00
reverse A4                              -> 00  A1.state held  A1.frozen 300.00
reverse A2                              -> 00  A1.frozen 500.00  clearing 0.00
reverse A1                              -> 00  C1.available 1000.00
"""

AFTER_RELEASE = """
C1 opens debit 1000.00
A1 places C1 500.00
A2 completes A1 200.00 rest=ours        -> 00  A1.frozen 300.00
free A2                                 -> 00  C1.available 800.00  A1.state completed
reverse A2                              -> 00  C1.available 500.00  A1.state held  A1.frozen 500.00  # all of it again
A3 completes A1 500.00                  -> 00  C1.available 500.00
reverse A1                              -> 22
"""

AFTER_RELEASE_WHEN_IT_IS_SPENT = """
C1 opens debit 500.00
A1 places C1 500.00
A2 completes A1 200.00 rest=ours
free A2                                 -> 00  C1.available 300.00
A3 sells C1 300.00                      -> 00  C1.available 0.00
reverse A2                              -> 00  C1.available -300.00  A1.frozen 500.00  # the promise comes before
A4 completes A1 500.00                  -> 00  C1.available -300.00
"""

AFTER_EXPIRY = """
C1 opens debit 1000.00
A1 places C1 100.00
A2 places C1 100.00
A3 completes A2 40.00 rest=ours
A4 places C1 100.00
A5 completes A4 100.00
A6 reopens A5 100.00                    -> 00  A4.frozen 100.00
wait 31 days
time passes                             -> C1.available 960.00  C1.held 0.00
reverse A1                              -> 00  A1.state reversed  C1.available 960.00
reverse A3                              -> 00  A2.state expired  C1.available 1000.00  clearing 0.00
reverse A6                              -> 00  A4.state completed  C1.available 900.00  clearing 100.00
reverse A5                              -> 00  A4.state expired  C1.available 1000.00  clearing 0.00
"""

OF_A_VOID = """
C1 opens debit 1000.00
A1 places C1 500.00
A2 completes A1 460.50
A3 reopens A2 460.50                    -> 00  C1.held 500.00
reverse A2                              -> 22                           # what undid it stands upon it
reverse A3                              -> 00  C1.held 0.00  C1.available 539.50  A1.state completed
A4 reopens A2 460.50                    -> 00  C1.held 500.00           # it may be tried again
A5 voids A1 500.00                      -> 00  C1.available 1000.00
reverse A4                              -> 22
reverse A5                              -> 00  C1.held 500.00
reverse A4                              -> 00  C1.available 539.50
reverse A2                              -> 00  C1.held 500.00
reverse A1                              -> 00  C1.available 1000.00
"""

OF_A_VOID_WHEN_THE_REST_IS_SPENT = """
C1 opens debit 500.00
A1 places C1 500.00
A2 completes A1 100.00
A3 sells C1 350.00                      -> 00  C1.available 50.00
A4 reopens A2 100.00                    -> 00  C1.available 0.00  A1.frozen 150.00
reverse A4                              -> 00  C1.available 50.00  clearing 450.00
"""

OF_WHAT_WAS_TAKEN_BACK = """
C1 opens debit 1000.00
A1 sells C1 400.00
A2 unsells A1 400.00                    -> 00  C1.available 1000.00
reverse A1                              -> 22
reverse A2                              -> 00  C1.available 600.00  A1.state completed
reverse A1                              -> 00  C1.available 1000.00  A1.state reversed
A3 places C1 500.00
A4 completes A3 300.00
A5 reopens A4 300.00 rest=freed         -> 00  C1.available 1000.00  A3.state voided
reverse A5                              -> 00  C1.available 700.00  A3.state completed
reverse A4                              -> 00  C1.held 500.00
"""

OF_A_SALE = """
C1 opens debit 1000.00
A1 sells C1 400.00
A2 refunds A1 100.00
reverse A1                              -> 22  clearing 300.00          # refunded in part
A3 sells C1 200.00
reverse A3                              -> 00  C1.available 700.00  A3.state reversed
reverse A3                              -> 00  C1.available 700.00
A3 sells C1 200.00                      -> 00  C1.available 700.00      # the first answer again, and no deed
"""

OF_AN_ADVICE = """
C1 opens debit 1000.00
A1 places C1 500.00
A2 advises A1 400.00
reverse A2                              -> 00  C1.held 500.00           # nobody of ours asks it, but it is recorded
"""

NEVER_SEEN = """
C1 opens debit 1000.00
A1 places C1 500.00
reverse A9                              -> 00
A9 completes A1 100.00                  -> 12  A1.state held
A9 increases A1 100.00                  -> 12  A1.asked 500.00
reverse A9                              -> 00
A10 voids A1 500.00                     -> 00
"""


@pytest.mark.parametrize(
    "story",
    [
        INCREMENTS,
        INCREMENT_AND_ITS_TIME,
        PARTS,
        AFTER_RELEASE,
        AFTER_RELEASE_WHEN_IT_IS_SPENT,
        AFTER_EXPIRY,
        OF_A_VOID,
        OF_A_VOID_WHEN_THE_REST_IS_SPENT,
        OF_WHAT_WAS_TAKEN_BACK,
        OF_A_SALE,
        OF_AN_ADVICE,
        NEVER_SEEN,
    ],
)
def test_story(story: str) -> None:
    desk = Desk()
    play(story, desk.act, desk.look)


def completed_in_part() -> Desk:
    desk = Desk()
    desk.open("C1", "debit", 1000_00)
    for words in ("A1 places C1 500.00", "A2 completes A1 200.00 rest=ours"):
        assert desk.act(words.split()) == "00"
    return desk


def test_a_balance_has_nothing_to_reverse() -> None:
    desk = completed_in_part()
    desk.answers(question("balance", "A3", "C1", 0))
    assert desk.act(["reverse", "A3"]) == "00"
    assert desk.bench.book[-1]["undoes"] == "not in force"


def test_a_release_says_what_is_wanted_after_all_and_is_answered_in_kind() -> None:
    desk = completed_in_part()
    advice = desk.freeing("A2")
    assert advice.get(95) == "000000020000" + "0" * 30
    answer = desk.answers(advice)
    assert (answer.mti, answer.get(39), answer.get(95)) == ("0430", "00", advice.get(95))
    entry = desk.bench.book[-1]
    assert (entry["kind"], entry["phase"], entry["hold"]["act"][0]) == ("release", "released", "release")
    assert entry["postings"] == [["acc-C1", "available", 300_00], ["acc-C1", "held", -300_00]]
    entries = len(desk.bench.entries)
    assert desk.answers(desk.freeing("A2", repeat=True)).get(39) == "00"
    assert len(desk.bench.entries) == entries


def test_a_release_of_what_was_never_seen_frees_nothing() -> None:
    desk = completed_in_part()
    message = desk.freeing("A2")
    message.fields[48] = message.get(48).replace("A-000001", "A-000099")
    assert desk.answers(message).get(39) == "00"
    assert desk.look("A1.frozen") == "300.00"


def test_a_release_for_one_issuer_frees_nothing_of_another() -> None:
    desk = completed_in_part()
    desk.open("C3", "debit", 1000_00, bank=OTHER_BANK)
    desk.answers(desk.freeing("A2", bank=OTHER_BANK))
    assert desk.look("A1.frozen") == "300.00"


def test_a_release_that_comes_late_does_not_free_what_another_completion_left() -> None:
    """It names the completion that left something; when that one is undone, there is nothing of it to free."""
    desk = completed_in_part()
    desk.act(["reverse", "A2"])
    desk.act(["A3", "completes", "A1", "100.00", "rest=kept"])
    assert desk.act(["free", "A2"]) == "00"
    assert desk.look("A1.frozen") == "400.00"


def test_a_reversal_for_one_issuer_undoes_nothing_of_another() -> None:
    desk = completed_in_part()
    desk.open("C3", "debit", 1000_00, bank=OTHER_BANK)
    assert desk.answers(desk.advice("A2", bank=OTHER_BANK)).get(39) == "94"
    assert desk.look("clearing") == "200.00"


def test_a_reversal_is_known_by_its_exchange_whatever_else_it_says() -> None:
    desk = completed_in_part()
    advice = desk.advice("A2")
    advice.fields[4], advice.fields[2] = "000000000001", CARDS["C2"]
    assert desk.answers(Message("0421", advice.fields)).get(39) == "00"
    assert desk.look("A1.frozen") == "500.00"
    assert desk.bench.rows[ANSWERS]["A-000002"].outcome == "reversed"


def test_the_end_of_a_hold_is_waited_for_again_when_what_ended_it_is_undone() -> None:
    desk = completed_in_part()
    desk.act(["free", "A2"])
    due = next(table for table in desk.bench.rows if table.name == "due")
    assert desk.bench.rows[due] == {}
    desk.act(["reverse", "A2"])
    assert set(desk.bench.rows[due]) == {"expire:A-000001"}
    assert desk.bench.rows[FREEZES]["A-000001"].issuer_id == BANK
