"""Refunds: of what was posted, in parts, for so many days; never reversed, but repeated until the issuer answers
(domain.md §4.2)."""

import pytest

from holdfast.domain import responses
from tests.parties.acquirer_desk import Desk
from tests.stories import play

IN_PARTS = """
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 460.50                        -> 00  T1.debit 460.50
T1/3 refunds T1/2 60.50                           -> 00  T1/1.given-back 60.50  T1.credit 60.50  T1/1.hold completed
T1/4 refunds T1/2 400.01                          -> 64
T2/1 refunds T1/2 100.00                          -> 00  T1/1.given-back 160.50  T2.credit 100.00  # any terminal of it
T3/1 refunds T1/2 1.00                            -> 25                            # but of no other
T1/5 refunds T1/2 1.00 card=C2                    -> 25
T1/6 refunds T1/2 0.00                            -> 13
T1/7 refunds T1/2 300.00                          -> 00  T1/1.given-back 460.50
T1/8 refunds T1/2 0.01                            -> 64                            # nothing is left
T1/9 voids-completion T1/2 460.50                 -> 22
T1/10 voids T1/1 500.00                           -> 22
T1/11 refunds T1/1 1.00                           -> 25                            # a pre-authorization posted nothing
copy T1/3                                         -> 00  T1/1.given-back 460.50
T1/3 refunds T1/2 60.51                           -> 94
"""

NAMED = """
T1/1 sells C1 100.00                              -> 00
T1/2 refunds T1/1 1.00 by=rrn                     -> 00
T1/3 refunds T1/1 1.00 by=trace                   -> 00
T1/4 refunds T1/1 1.00 by=code                    -> 00
T2/1 refunds T1/1 1.00 by=rrn                     -> 00
T2/2 refunds T1/1 1.00 by=trace                   -> 25                            # its own traces name other requests
T1/5 refunds T1/1 1.00 rrn=X99999999999 by=rrn    -> 25                            # another host's reference
T1/6 sells C1 100.00                              -> 00
T1/7 refunds T1/6 1.00 trace=000001000001         -> 25  T1/1.given-back 4.00  T1/6.given-back 0.00  # names two
"""

OF_A_SALE_OR_ADVICE = """
T5/1 sells C1 80.00                               -> 00
T5/2 refunds T5/1 80.00                           -> 00  T5/1.given-back 80.00
T5/3 voids-sale T5/1 80.00                        -> 22
T1/1 places C1 500.00                             -> 00
T1/2 advises T1/1 460.50                          -> 00
time passes                                       -> none  T1/2.delivery done
T1/3 refunds T1/2 460.50                          -> 00  T1/1.given-back 460.50
T1/4 refunds T1/2 0.01                            -> 64
T1/5 sells VISA 80.00                             -> 00
T1/6 refunds T1/5 80.00                           -> 00  T1.credit 460.50  T1.foreign_credit 80.00
"""

DAYS = """
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 460.50                        -> 00
wait 180 days
T1/3 refunds T1/2 60.00                           -> 00
wait 1 days
T1/4 refunds T1/2 60.00                           -> 22                            # the rule is 180 days
rules refund_days=181
T1/5 refunds T1/2 60.00                           -> 00
rules refund_days=1
T1/6 refunds T1/2 60.00                           -> 22
"""

SILENT = """
T1/1 sells C1 100.00                              -> 00
issuer is silent
T1/2 refunds T1/1 40.00                           -> none  T1/2.outcome asked  told 1  T1.credit 0.00
wait 11 seconds
time passes                                       -> none  told 1
wait 1 seconds
time passes                                       -> none  told 2  T1/2.outcome asked  undone 0  # repeated, not undone
repeat T1/2                                       -> none  told 2
copy T1/2                                         -> none  told 2                  # asked already
reverse T1/2                                      -> 22  T1/2.outcome asked        # never reversed
issuer says 96
wait 5 seconds
time passes                                       -> none  told 3  T1/2.outcome asked  # not now
issuer says 68
wait 10 seconds
time passes                                       -> none  told 4  T1/2.outcome asked  # no yes and no no
issuer approves
wait 20 seconds
time passes                              -> 00  told 5  T1/2.outcome approved  T1/1.given-back 40.00  T1.credit 40.00
repeat T1/2                                       -> 00  told 5
wait 10 minutes
time passes                                       -> none  told 5  due.tell 0
reverse T1/2                                      -> 22  T1/1.given-back 40.00     # as it was answered before
"""

DECLINED = """
T1/1 sells C1 100.00                              -> 00
issuer says 57
T1/2 refunds T1/1 40.00                           -> 57  T1/2.outcome declined  T1/1.given-back 0.00  due.tell 0
issuer answers T1/2 00                            -> none  T1/2.outcome declined  T1/2.undo none
issuer is silent
T1/3 refunds T1/1 40.00                           -> none
wait 12 seconds
issuer says 57
time passes                                       -> 57  T1/3.outcome declined  due.tell 0
"""

REVERSAL_OWED_AGAIN = """
T1/1 sells C1 100.00                              -> 00
issuer is silent
T1/2 voids-sale T1/1 100.00                       -> none
wait 12 seconds
time passes                                       -> 98
time passes                                       -> none  T1/2.outcome reversed  T1/2.undo done
T1/3 refunds T1/1 45.00                           -> none  T1/3.outcome asked
issuer answers T1/2 00                            -> none  T1/2.undo owed          # back from the dead
time passes                                       -> none  undone 1                # the refund may stand upon it
issuer approves
wait 12 seconds
time passes                                       -> 00  T1/3.outcome approved     # and waits for nothing itself
wait 5 seconds
time passes                                       -> none  undone 2  T1/2.undo done
"""

TWO_AT_ONCE = """
T1/1 sells C1 100.00                              -> 00
issuer is silent
T1/2 refunds T1/1 60.00                           -> none
T2/2 refunds T1/1 60.00                           -> none
issuer answers T1/2 00                            -> 00,64  T1/1.given-back 60.00
"""

FIRST_SEEN_AS_A_REPEAT = """
T1/1 sells C1 100.00                              -> 00
T1/2 refunds T1/1 40.00 mac=wrong                 -> A0
repeat T1/2                                       -> 00  T1/1.given-back 40.00
copy T1/2                                         -> 00
T1/3 refunds T1/1 40.00 mac=wrong                 -> A0
T1 settles                                        -> 00  T1.batch 000002
repeat T1/3                                       -> 00  T1/1.given-back 80.00     # of its own, older batch
T1/4 refunds T1/1 20.00 batch=000001              -> 77                            # a new one is of the open batch
reverse T1/4                                      -> 22
T1/4 refunds T1/1 20.00                           -> 00  T1/1.given-back 100.00
"""

STORIES = {name.lower(): story for name, story in globals().items() if name.isupper() and " -> " in str(story)}


@pytest.mark.parametrize("name", STORIES)
def test_story(name: str) -> None:
    desk = Desk()
    play(STORIES[name], desk.act, desk.look)


def in_flight() -> Desk:
    """A desk with a refund that the issuer has been asked for."""
    desk = Desk()
    assert desk.act(["T1/1", "sells", "C1", "100.00"]) == "00"
    desk.verdict = None
    assert desk.act(["T1/2", "refunds", "T1/1", "40.00"]) == "none"
    return desk


@pytest.mark.parametrize("code", sorted(responses.TRANSIENT | responses.OUTCOME_UNKNOWN))
def test_a_refund_is_asked_for_until_there_is_a_yes_or_a_no(code: str) -> None:
    desk = in_flight()
    entries = len(desk.entries)
    assert desk.act(["issuer", "answers", "T1/2", code]) == "none"
    assert (desk.row_of("T1/2").outcome, desk.look("due.tell"), len(desk.entries)) == ("asked", "1", entries)
    assert desk.act(["issuer", "answers", "T1/2", "00"]) == "00"


def test_a_terminal_that_asks_again_on_another_line_hears_the_answer_when_it_comes() -> None:
    desk = in_flight()
    terminal, first, link = desk.terminals["T1"]
    desk.links.drop(link)
    pipe, other = desk.new_pipe()
    desk.terminals["T1"] = terminal, pipe, other
    assert desk.act(["repeat", "T1/2"]) == "none"
    desk.verdict = "00"
    desk.now_us += 12_000_000
    assert desk.act(["time", "passes"]) == "00"
    assert first.bodies == []


def test_a_repeat_to_the_issuer_is_a_repeat_of_the_same_question() -> None:
    desk = in_flight()
    desk.now_us += 12_000_000
    desk.act(["time", "passes"])
    first, again = desk.told
    assert (first.mti, again.mti) == ("0220", "0221")
    same = (2, 3, 4, 7, 11, 25, 37, 41, 42, 48, 49)
    assert [first.get(n) for n in same] == [again.get(n) for n in same]
    assert {14, 35, 52, 55}.isdisjoint(again.fields)


def test_a_second_refund_waits_for_the_first_and_is_judged_by_what_that_left() -> None:
    desk = in_flight()
    assert desk.act(["T1/3", "refunds", "T1/1", "70.00"]) == "none"
    assert desk.act(["issuer", "answers", "T1/2", "00"]) == "00,64"
    assert desk.look("T1.credit") == "40.00"
