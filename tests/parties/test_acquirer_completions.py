"""Completions, one or several, what becomes of the rest, and their voids (domain.md §4.2)."""

import pytest

from holdfast.clock import DAY_US
from holdfast.parties.exchange import EXCHANGE_FIELD, REPLACEMENT_FIELD, parse
from tests.parties.acquirer_desk import Desk
from tests.stories import play

SEVERAL = """
rules completions=several
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 200.00                        -> 00  T1/1.hold held  T1/1.taken 200.00  T1.debit 200.00
T1/3 completes T1/1 375.01                        -> 64                            # 115 % of the hold is 575.00 for all
T1/4 voids T1/1 500.00                            -> 22                            # completed in part
T1/5 increments T1/1 100.00                       -> 22
T1/6 completes T1/1 375.00                        -> 00  T1/1.hold completed  T1/1.taken 575.00  T1.debit 575.00
T1/7 completes T1/1 1.00                          -> 22
reverse T1/2                                      -> 22  T1/1.taken 575.00         # built upon
reverse T1/6                                      -> 00  T1/1.hold held  T1/1.taken 200.00  T1.debit 200.00
time passes                                       -> none  undone 1
T1/8 completes T1/1 300.00                        -> 00  T1/1.hold completed       # just used up
T1/9 places C1 500.00                             -> 00
T1/10 completes T1/9 200.00                       -> 00
wait 31 days
time passes                                       -> none  T1/9.hold expired  T1/9.taken 200.00  # only the rest
T1/11 completes T1/9 100.00                       -> 22
T1/12 refunds T1/10 50.00                         -> 00  T1/9.given-back 50.00     # what was posted stays posted
"""

VOIDS_OF_SEVERAL = """
rules completions=several
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 200.00                        -> 00
T1/3 completes T1/1 100.00                        -> 00
T1/4 voids-completion T1/2 200.00                 -> 22                            # the last one first
T1/5 voids-completion T1/3 100.00                 -> 00  T1/1.hold held  T1/1.taken 200.00
T1/6 voids-completion T1/2 200.00                 -> 00  T1/1.taken 0.00
T1/7 voids T1/1 500.00                            -> 00  T1/1.hold voided
"""

BOTH_ASKED = """
rules completions=several
T1/1 places C1 500.00                             -> 00
issuer is silent
T1/2 completes T1/1 300.00                        -> none  asked 2
T2/2 completes T1/1 300.00                        -> none  asked 2                 # it waits until the first is over
T1/3 completes T1/1 200.00                        -> none  asked 2
issuer answers T1/2 00                            -> 00,64  T1/1.hold held  T1/1.taken 300.00  # 600 is over 115 %
issuer answers T1/3 00                            -> 00  T1/1.hold completed  T1/1.taken 500.00
"""

LEFT_TO_US = """
rules rest=acquirer
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 400.00                        -> 00  T1/1.hold completed  T1/2.delivery owed  due.release 1
wait 23 hours
time passes                                       -> none  released 0              # it can be voided until then
wait 1 hours
issuer acknowledges nothing
time passes                                       -> none  released 1
wait 4 seconds
time passes                                       -> none  released 1
wait 1 seconds
time passes                                       -> none  released 2              # repeated
issuer acknowledges 96
wait 10 seconds
time passes                                       -> none  released 3  T1/2.delivery owed
issuer acknowledges 00
wait 20 seconds
time passes                                       -> none  released 4  T1/2.delivery done  due.release 0
wait 10 minutes
time passes                                       -> none  released 4  undone 0
T1/3 refunds T1/2 400.00                          -> 00
T1/4 places C1 500.00                             -> 00
T1/5 completes T1/4 500.00                        -> 00  T1/5.delivery none  due.release 0  # nothing is left
T1/6 places C1 500.00                             -> 00
T1/7 completes T1/6 575.00                        -> 00  due.release 0
"""

NOT_LEFT_AFTER_ALL = """
rules rest=acquirer
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 400.00                        -> 00  T1/2.delivery owed
T1/3 voids-completion T1/2 400.00                 -> 00  T1/1.hold held
T1/8 completes T1/1 500.00                        -> 00  T1/8.delivery none        # completed anew, in full
T1/4 places C1 500.00                             -> 00
T1/5 completes T1/4 400.00                        -> 00  due.release 2
reverse T1/5                                      -> 00  T1/4.hold held  T1/5.delivery none
time passes                                       -> none  undone 1
T1/6 completes T1/4 300.00                        -> 00  T1/6.delivery owed
wait 1 days
time passes                                  -> none  released 1  T1/2.delivery done  T1/6.delivery done  due.release 0
"""

VOIDED_FOR_GOOD = """
rules rest=acquirer
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 400.00                        -> 00  T1/2.delivery owed  due.release 1
T1/3 voids-completion T1/2 400.00                 -> 00  T1/1.hold held
wait 1 days
time passes                                       -> none  released 0  due.release 1  # the void may still be reversed
wait 1 days
time passes                                       -> none  released 0  due.release 1  # ever longer
wait 29 days
time passes                                       -> none  T1/1.hold expired
wait 1 days
time passes                                       -> none  released 0  T1/2.delivery done  due.release 0
"""

VOIDED = """
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 460.50                        -> 00  T1/1.hold completed  T1.debit 460.50
T1/3 voids-completion T1/2 460.49                 -> 64
T1/4 voids-completion T1/2 460.50 card=C2         -> 25
T1/5 voids-completion T1/2 460.50 rrn=A00000000001 by=rrn -> 25                    # the reference of a sign-on
T2/1 voids-completion T1/2 460.50                 -> 25                            # made by another terminal
T3/1 voids-completion T1/2 460.50                 -> 25
T1/6 voids-completion T1/2 460.50                 -> 00  T1/1.hold held  T1/1.taken 0.00  T1.credit 460.50
copy T1/6                                         -> 00  T1.credit 460.50
T1/7 voids-completion T1/2 460.50                 -> 22  T1.credit 460.50          # not twice
reverse T1/2                                      -> 22                            # built upon
T1/8 completes T1/1 500.00                        -> 00  T1/1.hold completed       # completed anew
T1/9 voids-completion T1/8 500.00                 -> 00  T1/1.hold held
T1/10 voids T1/1 500.00                           -> 00  T1/1.hold voided          # a full undo needs both
T1/11 voids-completion T1/8 500.00                -> 22
"""

NAMED = """
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 460.50                        -> 00
T1/3 voids-completion T1/2 460.50 by=rrn          -> 00
T1/4 completes T1/1 460.50                        -> 00
T1/5 voids-completion T1/4 460.50 by=trace        -> 00
T1/6 completes T1/1 460.50                        -> 00
T1/7 voids-completion T1/6 460.50 by=code         -> 00  T1/1.hold held            # what stands of that hold
T1/8 voids-completion T1/6 460.50 by=code         -> 25                            # nothing does
T1/9 completes T1/1 460.50                        -> 00
T1/10 voids-completion T1/9 460.50 by=code code=999999 -> 25
T1/11 voids-completion T1/4 460.50                -> 22                            # that one was voided before
T1/12 voids-completion T1/9 460.50                -> 00
"""

VOID_REVERSED = """
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 400.00                        -> 00
T1/3 voids-completion T1/2 400.00                 -> 00  T1.credit 400.00
reverse T1/3                             -> 00  T1/1.hold completed  T1/1.taken 400.00  T1.credit 0.00  T1/3.undo owed
time passes                                       -> none  undone 1  T1/3.undo done
T1/4 voids-completion T1/2 400.00                 -> 00  T1/1.hold held
T1/5 completes T1/1 100.00                        -> 00
reverse T1/4                                      -> 22  T1/1.hold completed       # built upon
issuer is silent
T1/6 voids-completion T1/5 100.00                 -> none
wait 12 seconds
time passes                                       -> 98  T1/6.undo owed  T1/1.hold completed  T1.credit 400.00
time passes                                       -> none  undone 2
"""

LEFT_AGAIN = """
rules rest=acquirer
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 400.00                        -> 00  T1/2.delivery owed
T1/3 voids-completion T1/2 400.00                 -> 00  T1/1.hold held
wait 25 hours
time passes                                       -> none  released 0  T1/2.delivery owed  # voided: nothing is left
reverse T1/3                                      -> 00  T1/1.hold completed
wait 25 hours
time passes                                       -> none  released 1  T1/2.delivery done  # but now it is
"""

REFUNDED_THOUGH_VOIDED = """
rules completions=several completion_void_then=released
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 200.00                        -> 00
T1/3 completes T1/1 100.00                        -> 00
T1/4 voids-completion T1/3 100.00                 -> 00  T1/1.hold voided  T1/1.taken 200.00
T1/5 refunds T1/2 200.01                          -> 64
T1/6 refunds T1/2 200.00                          -> 00  T1/1.given-back 200.00
"""

VOIDED_TWICE_AT_ONCE = """
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 400.00                        -> 00
issuer is silent
T1/3 voids-completion T1/2 400.00                 -> none
T1/4 voids-completion T1/2 400.00                 -> none
T1/5 refunds T1/2 100.00                          -> none
issuer answers T1/3 00                            -> 00,22,64  T1/1.hold held  T1/1.taken 0.00  T1.credit 400.00
"""

ANOTHER_DAY = """
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 400.00                        -> 00
wait 3 hours
T1/3 places C1 100.00                             -> 00
T1/4 completes T1/3 100.00                        -> 00
wait 1 hours
T1/5 voids-completion T1/2 400.00                 -> 22                            # cut over at 23:00
T1/6 refunds T1/2 400.00                          -> 00
T1/7 places C1 100.00                             -> 00
T1/8 completes T1/7 100.00                        -> 00
wait 10 hours
T1/9 voids-completion T1/8 100.00                 -> 00                            # after midnight
"""

ANOTHER_BATCH = """
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 400.00                        -> 00  T1.debit 400.00
T1 settles                                        -> 00  T1.batch 000002  T1.debit 0.00
T1/3 voids-completion T1/2 400.00                 -> 25                            # settled: only a refund undoes it
T1/4 refunds T1/2 400.00                          -> 00  T1.credit 400.00
"""

PAST_ITS_END = """
T1/1 places C1 500.00                             -> 00
wait 30 days
T1/2 completes T1/1 400.00                        -> 00
wait 2 minutes
T1/3 voids-completion T1/2 400.00                 -> 00  T1/1.hold held  due.expire 1
wait 10 minutes
time passes                                       -> none  T1/1.hold expired       # it stood again, past its end
T1/4 places C1 500.00                             -> 00
wait 30 days
T1/5 completes T1/4 400.00                        -> 00
wait 11 minutes
time passes                                       -> none  T1/4.hold completed  due.expire 0
T1/6 voids-completion T1/5 400.00                 -> 00  T1/4.hold held  due.expire 1
time passes                                       -> none  T1/4.hold expired  due.expire 0
"""

STORIES = {name.lower(): story for name, story in globals().items() if name.isupper() and " -> " in str(story)}


@pytest.mark.parametrize("name", STORIES)
def test_story(name: str) -> None:
    desk = Desk()
    play(STORIES[name], desk.act, desk.look)


# --- what the issuer is told --------------------------------------------------------------------------------------


def exchange_of(message: object) -> tuple[str, str]:
    """What DE48 asks of the rest, and which posting it names."""
    named = parse(message.get(EXCHANGE_FIELD))  # type: ignore[attr-defined]
    assert named is not None
    return named.rest, named.posting


@pytest.mark.parametrize(
    ("rules", "amount", "rest"),
    [
        ("", "400.00", ""),
        ("completions=several", "400.00", "kept"),
        ("rest=acquirer", "400.00", "kept"),
        ("rest=acquirer", "500.00", ""),
        ("completions=several", "575.00", ""),
    ],
)
def test_the_issuer_is_asked_to_keep_what_more_is_wanted_of(rules: str, amount: str, rest: str) -> None:
    desk = Desk()
    desk.rules(rules)
    assert desk.act(["T1/1", "places", "C1", "500.00"]) == "00"
    assert desk.act(["T1/2", "completes", "T1/1", amount]) == "00"
    assert exchange_of(desk.questions[-1]) == (rest, "")


@pytest.mark.parametrize(("rules", "rest"), [("", ""), ("completion_void_then=released", "freed")])
def test_a_completion_void_names_what_it_means(rules: str, rest: str) -> None:
    desk = Desk()
    desk.rules(rules)
    desk.act(["T1/1", "places", "C1", "500.00"])
    desk.act(["T1/2", "completes", "T1/1", "400.00"])
    assert desk.act(["T1/3", "voids-completion", "T1/2", "400.00", "by=code"]) == "00"
    assert exchange_of(desk.questions[-1]) == (rest, desk.row_of("T1/2").asked_entry)
    assert desk.row_of("T1/3").original == desk.row_of("T1/2").asked_entry


def test_a_release_says_how_much_is_wanted_after_all() -> None:
    """DE95, the amounts in DE90's completion, and the same words in each repeat."""
    desk = Desk()
    desk.rules("rest=acquirer")
    desk.act(["T1/1", "places", "C1", "500.00"])
    desk.act(["T1/2", "completes", "T1/1", "400.00"])
    desk.acknowledgement = None
    desk.now_us += DAY_US
    for _ in range(3):
        desk.act(["time", "passes"])
        desk.now_us += 30_000_000
    first, *more = desk.released
    question = desk.questions[-1]
    assert (first.mti, {message.mti for message in more}) == ("0420", {"0421"})
    assert {message.get(REPLACEMENT_FIELD) for message in desk.released} == {"000000040000" + "0" * 30}
    assert {message.get(90) for message in desk.released} == {first.get(90)}
    assert first.get(90)[:10] == "0200" + question.get(11)
    assert exchange_of(first)[0] == "kept"
    assert parse(first.get(EXCHANGE_FIELD))[1] == desk.row_of("T1/2").asked_entry  # type: ignore[index]


def test_a_release_that_nobody_answers_gets_a_finding() -> None:
    desk = Desk()
    desk.rules("rest=acquirer")
    desk.act(["T1/1", "places", "C1", "500.00"])
    desk.act(["T1/2", "completes", "T1/1", "400.00"])
    desk.acknowledgement = None
    desk.now_us += DAY_US
    for _ in range(25):
        desk.turn(claim=True)
        desk.now_us += 130_000_000
    assert (len(desk.released), desk.look("findings"), desk.look("due.release")) == (25, "1", "1")
