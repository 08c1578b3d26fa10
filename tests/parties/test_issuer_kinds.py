"""What the issuer does with each kind of request, told as stories; every step is audited by the desk."""

import pytest

from holdfast.domain.records import FREEZES
from tests.parties.issuer_desk import CARDS, Desk, question
from tests.stories import play

INCREMENT = """
C1 opens debit 1000.00
A1 places C1 500.00                     -> 00  C1.available 500.00
A2 increases A1 500.01                  -> 51  A1.asked 500.00  C1.held 500.00
A3 increases A1 200.00                  -> 00  A1.asked 700.00  A1.frozen 700.00  C1.available 300.00
A3 increases A1 200.00                  -> 00  C1.available 300.00      # the same question
A3 increases A1 201.00                  -> 94  C1.available 300.00
A4 voids A1 500.00                      -> 64                           # in full means with all increments
A5 completes A1 650.00                  -> 00  C1.available 350.00  C1.held 0.00  clearing 650.00
A6 increases A1 1.00                    -> 22                           # nothing is raised after a completion
A7 increases A99 1.00                   -> 25
A8 places C1 100.00
A9 increases A8 50.00
A10 voids A8 150.00                     -> 00  C1.available 350.00  A8.state voided
A11 increases A8 1.00                   -> 22
"""

MOTO = """
C1 opens credit 1000.00
A1 orders C1 300.00                     -> 00  C1.available 700.00  A1.state held
A2 increases A1 50.00                   -> 00  C1.held 350.00
A3 completes A1 350.00                  -> 00  C1.available 650.00  clearing 350.00
A4 orders C1 100.00
A5 voids A4 100.00                      -> 00  C1.available 650.00
"""

ADVICE = """
C1 opens debit 1000.00
A1 places C1 500.00
A2 advises A1 460.50                    -> 00  C1.available 539.50  C1.held 0.00  clearing 460.50  A1.state completed
A2 advises A1 460.50                    -> 00  clearing 460.50
repeat A2                               -> 00  clearing 460.50          # however often it is told
A3 advises A1 460.50                    -> 22  clearing 460.50          # another advice of the same hold
A4 reopens A2 460.50                    -> 22  A1.state completed       # an advice cannot be voided,
A5 refunds A2 460.50                    -> 00  C1.available 1000.00  clearing 0.00  # only refunded
A6 advises A99 1.00                     -> 25
"""

KEPT = """
C1 opens debit 1000.00
A1 places C1 500.00
A2 completes A1 200.00 rest=kept        -> 00  C1.available 500.00  C1.held 300.00  A1.state held  clearing 200.00
A3 increases A1 1.00                    -> 22                           # completed in part
A4 voids A1 500.00                      -> 22
A5 completes A1 100.00 rest=kept        -> 00  C1.held 200.00  A1.completed 300.00
A6 completes A1 200.00 rest=kept        -> 00  C1.held 0.00  A1.state completed  # nothing is left of it
A7 completes A1 1.00 rest=kept          -> 22
free A6                                 -> 00  C1.held 0.00             # nothing left to free
"""

RELEASED = """
C1 opens debit 1000.00
A1 places C1 500.00
A2 completes A1 200.00 rest=ours        -> 00  C1.held 300.00
free A2                                 -> 00  C1.available 800.00  C1.held 0.00  A1.state completed  A1.frozen 0.00
free A2                                 -> 00  C1.available 800.00      # told again: the first answer
A3 completes A1 1.00                    -> 22
A4 places C1 100.00
A5 advises A4 60.00 rest=ours           -> 00  A4.frozen 40.00
free A5                                 -> 00  A4.state completed  C1.available 740.00  clearing 260.00
"""

FREED_BY_TIME = """
C1 opens debit 1000.00
A1 places C1 500.00
A2 completes A1 200.00 rest=ours        -> 00  A1.frozen 300.00
wait 31 days
time passes                             -> A1.state expired  C1.available 800.00  C1.held 0.00
free A2                                 -> 00  A1.state expired  C1.available 800.00
A3 refunds A2 50.00                     -> 00  A1.state expired  C1.available 850.00
"""

COMPLETION_VOID = """
C1 opens debit 1000.00
A1 places C1 500.00
A2 completes A1 460.50                  -> 00  C1.available 539.50
A3 reopens A2 460.49                    -> 64  A1.state completed
A4 reopens A2 460.50                    -> 00  C1.available 500.00  C1.held 500.00  clearing 0.00  A1.state held
A5 reopens A2 460.50                    -> 22                           # once
A6 completes A1 500.00                  -> 00  C1.available 500.00  clearing 500.00
A7 reopens A2 500.00                    -> 22                           # it is A6 that stands
A8 reopens A6 500.00                    -> 00  A1.frozen 500.00
A9 voids A1 500.00                      -> 00  C1.available 1000.00  A1.state voided
A10 reopens A6 500.00                   -> 22
A11 reopens A99 1.00                    -> 25
"""

REOPENED_WITH_WHAT_IS_LEFT = """
C1 opens debit 1000.00
A1 places C1 500.00
A2 completes A1 100.00                  -> 00  C1.available 900.00
A3 places C1 850.00                     -> 00  C1.available 50.00       # most of what A2 freed is spent
A4 reopens A2 100.00                    -> 00  C1.available 0.00  A1.frozen 150.00  A1.asked 500.00
A5 completes A1 500.00                  -> 00  C1.available -350.00  C1.held 850.00  clearing 500.00
"""

REOPENED_ABOVE_ITS_HOLD = """
C1 opens debit 1000.00
A1 places C1 100.00
A2 completes A1 115.00                  -> 00  C1.available 885.00
A3 reopens A2 115.00                    -> 00  C1.available 900.00  A1.frozen 100.00
"""

REOPENED_THEN_PART_AFTER_PART = """
C1 opens debit 1000.00
A1 places C1 500.00
A2 completes A1 200.00 rest=kept        -> 00  A1.frozen 300.00
A3 completes A1 100.00 rest=kept        -> 00  A1.frozen 200.00
A4 reopens A2 200.00                    -> 22                           # not the last one
A5 reopens A3 100.00                    -> 00  A1.frozen 300.00  clearing 200.00
A6 reopens A2 200.00                    -> 00  A1.frozen 500.00  clearing 0.00  C1.available 500.00
A7 voids A1 500.00                      -> 00  C1.available 1000.00
"""

TAKEN_BACK = """
C1 opens debit 1000.00
A1 places C1 500.00
A2 completes A1 460.50
A3 reopens A2 460.50 rest=freed         -> 00  C1.available 1000.00  C1.held 0.00  A1.state voided  clearing 0.00
A4 completes A1 1.00                    -> 22                           # hosts that know no open hold after it
A5 places C1 500.00
A6 completes A5 200.00 rest=kept        -> 00  A5.frozen 300.00
A7 reopens A6 200.00 rest=freed         -> 00  C1.available 1000.00  A5.state voided
"""

SALE = """
C1 opens debit 1000.00
A1 sells C1 1000.01                     -> 51
A2 sells C1 400.00                      -> 00  C1.available 600.00  C1.held 0.00  clearing 400.00  A2.state completed
A2 sells C1 400.00                      -> 00  C1.available 600.00
A3 unsells A2 399.99                    -> 64
A5 unsells A2 400.00                    -> 00  C1.available 1000.00  clearing 0.00  A2.state voided
A6 unsells A2 400.00                    -> 22
A7 refunds A2 1.00                      -> 64
"""

SALE_IS_NO_COMPLETION = """
C1 opens debit 1000.00
A1 sells C1 400.00
A2 reopens A1 400.00                    -> 22  A1.state completed       # a sale has no hold to open again,
A3 places C1 10.00
A4 completes A3 10.00
A5 unsells A4 10.00                     -> 22  A3.state completed       # and a completion is voided as one
"""

REFUND = """
C1 opens debit 1000.00
A1 sells C1 400.00
A2 refunds A1 100.00                    -> 00  C1.available 700.00  clearing 300.00  A1.refunded 100.00
repeat A2                               -> 00  clearing 300.00
A3 unsells A1 400.00                    -> 22                           # it is refunded in part
A4 refunds A1 300.01                    -> 64                           # up to what is left
A5 refunds A1 300.00                    -> 00  C1.available 1000.00  clearing 0.00
A6 refunds A1 0.01                      -> 64
A7 places C1 500.00
A8 completes A7 450.00
A9 refunds A8 50.00                     -> 00  C1.available 600.00  A7.state completed  # it opens nothing
A10 reopens A8 450.00                   -> 22
wait 90 days
time passes
A11 refunds A8 400.00                   -> 00  C1.available 1000.00
A12 refunds A99 1.00                    -> 25
"""

OVERDRAWN = """
C1 opens debit 100.00
A1 places C1 100.00
A2 completes A1 115.00                  -> 00  C1.available -15.00
A3 sells C1 0.01                        -> 51
A4 refunds A2 15.00                     -> 00  C1.available 0.00
A5 orders C1 0.01                       -> 51
"""


@pytest.mark.parametrize(
    "story",
    [
        INCREMENT,
        MOTO,
        ADVICE,
        KEPT,
        RELEASED,
        FREED_BY_TIME,
        COMPLETION_VOID,
        REOPENED_WITH_WHAT_IS_LEFT,
        REOPENED_ABOVE_ITS_HOLD,
        REOPENED_THEN_PART_AFTER_PART,
        TAKEN_BACK,
        SALE,
        SALE_IS_NO_COMPLETION,
        REFUND,
        OVERDRAWN,
    ],
)
def test_story(story: str) -> None:
    desk = Desk()
    play(story, desk.act, desk.look)


def opened(available_minor: int = 1000_00) -> Desk:
    desk = Desk()
    desk.open("C1", "debit", available_minor, pin="123456")
    return desk


def test_an_increment_is_of_the_card_of_its_hold() -> None:
    desk = opened()
    desk.open("C2", "debit", 1000_00)
    desk.act(["A1", "places", "C1", "100.00"])
    assert desk.answers(question("increment", "A2", "C2", 1_00, hold="A1")).get(39) == "22"


@pytest.mark.parametrize(("kind", "posting"), [("completion-void", "A2"), ("refund", "A2")])
def test_what_was_posted_is_given_back_to_its_own_account(kind: str, posting: str) -> None:
    desk = opened()
    desk.open("C2", "debit", 1000_00)
    desk.act(["A1", "places", "C1", "100.00"])
    desk.act(["A2", "completes", "A1", "100.00"])
    assert desk.answers(question(kind, "A3", "C2", 100_00, hold="A1", posting=posting)).get(39) == "22"
    assert desk.look("C2.available") == "1000.00"


def test_a_void_that_names_no_posting_voids_nothing() -> None:
    desk = opened()
    desk.act(["A1", "places", "C1", "100.00"])
    desk.act(["A2", "completes", "A1", "100.00"])
    for word, posting in (("A3", ""), ("A4", "A1"), ("A5", "A99")):
        asked = question("completion-void", word, "C1", 100_00, hold="A1", posting=posting)
        assert desk.answers(asked).get(39) == "22"


@pytest.mark.parametrize(
    ("available_minor", "spent", "told"),
    [
        (1000_00, [], "0002156C000000100000"),
        (1000_00, ["A1 places C1 400.00"], "0002156C000000060000"),
        (0, [], "0002156C000000000000"),
        (100_00, ["A1 places C1 100.00", "A2 completes A1 115.00"], "0002156D000000001500"),
    ],
)
def test_a_balance_is_told_in_de54_and_moves_nothing(available_minor: int, spent: list[str], told: str) -> None:
    desk = opened(available_minor)
    for words in spent:
        desk.act(words.split())
    answer = desk.answers(question("balance", "A9", "C1", 0))
    assert (answer.mti, answer.get(39), answer.get(54)) == ("0210", "00", told)
    assert 38 not in answer.fields
    entry = desk.bench.book[-1]
    assert (entry["kind"], "hold" in entry, "postings" in entry) == ("balance", False, False)
    assert told not in desk.bench.entries[-1].body.decode(), "a balance is nobody's but the cardholder's"


def test_a_balance_that_is_asked_again_is_not_told_again() -> None:
    desk = opened()
    desk.answers(question("balance", "A1", "C1", 0))
    again = desk.answers(question("balance", "A1", "C1", 0))
    assert (again.get(39), 54 in again.fields) == ("00", False)


@pytest.mark.parametrize(("status", "code"), [("lost", "41"), ("stolen", "43")])
def test_a_lost_card_asks_for_nothing_new(status: str, code: str) -> None:
    desk = Desk()
    desk.open("C1", "debit", 1000_00, status=status)
    for number, kind in enumerate(("pre-authorization", "moto-pre-authorization", "sale", "balance"), 1):
        assert desk.answers(question(kind, f"A{number}", "C1", 100_00)).get(39) == code


def test_a_refund_goes_to_a_card_that_is_lost_by_now() -> None:
    desk = opened()
    desk.act(["A1", "sells", "C1", "100.00"])
    table = next(table for table in desk.bench.rows if table.name == "accounts")
    desk.bench.rows[table]["acc-C1"] = desk.bench.rows[table]["acc-C1"]._replace(status="lost")
    desk.bench.audit = None
    assert desk.act(["A2", "refunds", "A1", "100.00"]) == "00"


@pytest.mark.parametrize(("pin", "code"), [("123456", "00"), ("654321", "55"), (None, "99")])
def test_a_pin_counts_for_a_completion_too(pin: str | None, code: str) -> None:
    desk = opened()
    desk.act(["A1", "places", "C1", "100.00"])
    asked = question("completion", "A2", "C1", 100_00, hold="A1")
    zone_pin = desk.keys.import_key("zone-pin", bytes(range(16, 32)))
    asked.fields[52] = desk.keys.pin_block(zone_pin, pin, CARDS["C1"]) if pin else b"\0" * 8
    assert desk.answers(asked).get(39) == code


def test_an_advice_is_marked_so_that_it_is_never_voided() -> None:
    desk = opened()
    desk.act(["A1", "places", "C1", "100.00"])
    desk.act(["A2", "advises", "A1", "80.00"])
    act = desk.bench.book[-1]["hold"]["act"]
    assert act == ["complete", "A-000002", 80_00, {"advised": True}]
    assert desk.bench.rows[FREEZES]["A-000001"].completed_minor == 80_00
