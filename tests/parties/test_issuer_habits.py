"""Issuers differ: every value of every habit told as a story, and what an issuer freezes."""

from datetime import datetime
from itertools import product

import pytest

from holdfast.clock import DAY_US, MINUTE_US, to_us, zone
from holdfast.domain import responses
from holdfast.domain.records import ACCOUNTS, FREEZES
from holdfast.domain.rules import HABIT_CHOICES
from tests.parties.issuer_desk import NOW_US, POLICY, Desk, question
from tests.stories import play

HERE = zone(POLICY.zone)

FREEZES_MORE = """
C2 opens debit 1000.00 115              # this account's issuer freezes 115 % of what is asked
A1 places C2 100.00                     -> 00  C2.available 885.00  C2.held 115.00  A1.asked 100.00
A2 increases A1 20.00                   -> 00  C2.available 862.00  C2.held 138.00  A1.asked 120.00
A3 completes A1 50.00 rest=kept         -> 00  C2.available 862.00  C2.held 88.00
A4 completes A1 70.00 rest=kept         -> 00  C2.available 880.00  C2.held 0.00  clearing 120.00
A5 reopens A4 70.00                     -> 00  C2.available 862.00  C2.held 88.00  # as it was before A4
A6 places C2 749.56                     -> 00  C2.available 0.01        # would freeze 861.994: fractions are dropped
A7 places C2 0.01                       -> 00  C2.available 0.00
A8 sells C2 0.01                        -> 51
"""

FREEZES_LESS = """
C2 opens credit 1000.00 1               # a hundredth
A1 places C2 900.00                     -> 00  C2.available 991.00  C2.held 9.00
A2 completes A1 900.00                  -> 00  C2.available 100.00  C2.held 0.00
A3 reopens A2 900.00                    -> 00  C2.available 991.00  C2.held 9.00
"""

GUARANTEED = """
C1 opens credit 100.00
A1 places C1 100.00                     -> 00  C1.available 0.00
A2 completes A1 115.00                  -> 00  C1.available -15.00  clearing 115.00  # the scheme's promise
A3 reopens A2 115.00                    -> 00  C1.available 0.00  A1.frozen 100.00
A4 completes A1 60.00 rest=kept         -> 00  A1.frozen 40.00
A5 completes A1 55.00 rest=kept         -> 00  C1.available -15.00  clearing 115.00
"""

IF_AVAILABLE = """
C1 opens credit 110.00
A1 places C1 100.00                     -> 00  C1.available 10.00
A2 completes A1 110.01                  -> 51  A1.state held
A3 completes A1 60.00 rest=kept         -> 00  C1.available 10.00
A4 completes A1 50.01                   -> 51  A1.frozen 40.00
A5 completes A1 50.00                   -> 00  C1.available 0.00  clearing 110.00
"""

REST_RELEASED = """
C1 opens debit 1000.00
A1 places C1 500.00
A2 completes A1 200.00                  -> 00  C1.available 800.00  C1.held 0.00  A1.state completed
free A2                                 -> 00  C1.available 800.00
"""

REST_KEPT = """
C1 opens debit 1000.00
A1 places C1 500.00
A2 completes A1 200.00                  -> 00  C1.available 500.00  C1.held 300.00  A1.state held
A3 completes A1 300.00                  -> 00  C1.held 0.00  A1.state completed  clearing 500.00
A4 places C1 100.00
A5 completes A4 60.00                   -> 00  A4.frozen 40.00
free A5                                 -> 00  A4.frozen 0.00  A4.state completed  C1.available 440.00
A6 places C1 100.00
A7 advises A6 60.00                     -> 00  A6.frozen 40.00          # until the end of the hold
wait 31 days
time passes                             -> A6.state expired  C1.available 380.00  C1.held 0.00
"""

INCREMENT_EXTENDS = """
C1 opens debit 1000.00
A1 places C1 100.00                     -> 00  A1.days 30
wait 20 days
A2 increases A1 50.00                   -> 00  A1.days 50
wait 29 days
time passes                             -> A1.state held
A3 completes A1 150.00                  -> 00  C1.available 850.00
"""

INCREMENT_KEEPS = """
C1 opens debit 1000.00
A1 places C1 100.00
wait 20 days
A2 increases A1 50.00                   -> 00  A1.days 30  A1.asked 150.00
wait 11 days
A3 completes A1 150.00                  -> 22
time passes                             -> A1.state expired  C1.available 1000.00
"""

INCREMENT_REFUSED = """
C1 opens debit 1000.00
A1 places C1 100.00
A2 increases A1 50.00                   -> 40  A1.asked 100.00  C1.available 900.00
A3 completes A1 100.00                  -> 00
"""

UNKNOWN_00 = """
C1 opens debit 1000.00
reverse A1                              -> 00
reverse A1                              -> 00
A1 places C1 100.00                     -> 12  C1.available 1000.00
"""

UNKNOWN_25 = """
C1 opens debit 1000.00
reverse A1                              -> 25
reverse A1                              -> 25                           # a repeat: the first answer
A1 places C1 100.00                     -> 12  C1.available 1000.00     # barred all the same
A2 places C1 100.00
reverse A2                              -> 00
"""

HABITS_TOLD = [
    ("over_hold=guaranteed", GUARANTEED),
    ("over_hold=if_available", IF_AVAILABLE),
    ("rest=released", REST_RELEASED),
    ("rest=kept", REST_KEPT),
    ("increment=extends", INCREMENT_EXTENDS),
    ("increment=keeps", INCREMENT_KEEPS),
    ("increment=refused", INCREMENT_REFUSED),
    ("unknown_reversal_code=00", UNKNOWN_00),
    ("unknown_reversal_code=25", UNKNOWN_25),
]


@pytest.mark.parametrize(("habits", "story"), [("", FREEZES_MORE), ("", FREEZES_LESS), *HABITS_TOLD])
def test_story(habits: str, story: str) -> None:
    desk = Desk(habits)
    play(story, desk.act, desk.look)


def test_every_value_of_every_habit_has_its_story() -> None:
    told = {tuple(habits.split("=")) for habits, _ in HABITS_TOLD}
    elsewhere = {(name, value) for name in ("approves_with", "validity_edge") for value in HABIT_CHOICES[name]}
    assert told | elsewhere == {pair for name, values in HABIT_CHOICES.items() for pair in product([name], values)}


@pytest.mark.parametrize("code", sorted(responses.APPROVED_CODES))
def test_an_approval_may_have_another_code(code: str) -> None:
    """11 and A2 to A6 mean what 00 means, and every approval of this host says so."""
    desk = Desk(f"approves_with={code}")
    desk.open("C1", "debit", 1000_00)
    placed = desk.answers(question("pre-authorization", "A1", "C1", 100_00))
    assert (placed.get(39), bool(placed.get(38)), desk.look("C1.held")) == (code, True, "100.00")
    assert desk.act(["A2", "increases", "A1", "10.00"]) == code
    assert desk.act(["A2", "increases", "A1", "10.00"]) == code
    assert desk.act(["A3", "completes", "A1", "110.00"]) == code
    assert desk.act(["A4", "places", "C1", "9999.00"]) == "51"
    assert desk.answers(desk.advice("A3")).get(39) == "00"
    assert desk.look("C1.held") == "110.00"
    assert desk.act(["A5", "advises", "A1", "110.00"]) in responses.DELIVERED


def test_what_was_approved_in_part_is_undone_like_what_nobody_answered() -> None:
    desk = Desk("approves_with=10")
    desk.open("C1", "debit", 1000_00)
    assert desk.act(["A1", "places", "C1", "100.00"]) == "10"
    assert desk.act(["reverse", "A1"]) == "00"
    assert desk.look("C1.available") == "1000.00"


@pytest.mark.parametrize("words", ["A3 advises A1 100.00", "A3 completes A1 100.00", "A3 refunds A2 100.00"])
def test_only_new_money_is_approved_in_part(words: str) -> None:
    """What has been done cannot be done in part: nobody would undo it."""
    desk = Desk("approves_with=10")
    desk.open("C1", "debit", 1000_00)
    desk.act(["A1", "places", "C1", "100.00"])
    desk.act(["A2", "sells", "C1", "100.00"])
    assert desk.act(words.split()) == "00"


@pytest.mark.parametrize(
    ("edge", "end"),
    [("minute", datetime(2026, 12, 18, 19, 7, tzinfo=HERE)), ("day", datetime(2026, 12, 19, tzinfo=HERE))],
)
def test_the_last_day_of_a_hold(edge: str, end: datetime) -> None:
    desk = Desk(f"validity_edge={edge}")
    desk.open("C1", "debit", 1000_00)
    desk.act(["A1", "places", "C1", "100.00"])
    desk.act(["A2", "places", "C1", "100.00"])
    end_us = to_us(end)
    assert {row.expires_us for row in desk.bench.rows[FREEZES].values()} == {end_us}
    desk.now_us = end_us - 1
    desk.act(["time", "passes"])
    assert desk.act(["A3", "completes", "A1", "100.00"]) == "00"
    desk.now_us = end_us
    assert desk.act(["A4", "completes", "A2", "100.00"]) == "22"
    desk.act(["time", "passes"])
    assert desk.look("A2.state") == "expired"


@pytest.mark.parametrize("days", [1, 5, 365])
def test_a_hold_ends_when_its_issuer_wants(days: int) -> None:
    desk = Desk(f"validity_days={days}")
    desk.open("C1", "debit", 1000_00)
    desk.act(["A1", "places", "C1", "100.00"])
    assert desk.bench.rows[FREEZES]["A-000001"].expires_us - NOW_US - days * DAY_US <= MINUTE_US


def test_habits_may_change_and_a_hold_keeps_what_it_was_promised() -> None:
    desk = Desk("validity_days=5;rest=kept")
    desk.open("C1", "debit", 1000_00)
    desk.act(["A1", "places", "C1", "100.00"])
    changed = desk.link() | {"habits": "validity_days=30;rest=released;increment=keeps"}
    assert desk.command("open-accounts", {"links": [changed]})["ok"]
    desk.act(["A2", "places", "C1", "100.00"])
    assert (desk.look("A1.days"), desk.look("A2.days")) == ("5", "30")
    assert desk.act(["A3", "increases", "A1", "10.00"]) == "00"
    assert desk.look("A1.days") == "5"
    assert desk.act(["A4", "completes", "A1", "100.00"]) == "00"
    assert desk.look("A1.state") == "completed"
    assert desk.bench.rows[ACCOUNTS]["acc-C1"].held_minor == 100_00
