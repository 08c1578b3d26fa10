"""The acquirer's rules, told as stories: what it answers, whom it asks, and what the register knows afterwards."""

import pytest

from tests.parties.acquirer_desk import Desk
from tests.stories import play

LIFE = """
T1/1 places C1 500.00                             -> 00  T1/1.hold held  asked 1
T1/2 completes T1/1 575.01                        -> 64  T1/1.hold held  asked 1   # 115 % is 575.00
T1/3 completes T1/1 575.00                        -> 00  T1/1.hold completed  asked 2
copy T1/3                                         -> 00  asked 2  entries 8       # the same question: the first answer
repeat T1/3                                       -> 00  asked 2  entries 8
T1/4 completes T1/1 575.00                        -> 22  asked 2                   # once only
T1/5 voids T1/1 500.00                            -> 22  asked 2
T1/6 places C1 80.00                              -> 00
T1/7 voids T1/6 79.99                             -> 64  T1/6.hold held            # in full or not at all
T1/8 voids T1/6 80.00                             -> 00  T1/6.hold voided
T1/9 voids T1/6 80.00                             -> 22
T1/10 completes T1/6 80.00                        -> 22
T1/11 places C2 0.01                              -> 00
T1/12 completes T1/11 0.02                        -> 64                            # fractions of a fen are dropped
T1/13 completes T1/11 0.01                        -> 00
T6/1 places C3 100.00                             -> 00
T6/2 completes T6/1 100.01                        -> 64                            # this merchant's ceiling is 100 %
T6/3 completes T6/1 100.00                        -> 00
"""

DECLINES = """
T1/1 places C1 100.00                             -> 00
T1/2 places C1 100.00 mac=wrong                   -> A0  entries 5                 # not received: not recorded
T1/2 places C1 100.00                             -> 00                            # so its key is not burnt
T1/3 places C1 100.00 batch=000009                -> 77
T1/4 places C1 100.00 merchant=102100070110002    -> 03
T1/5 places C1 0.01 DE4=000000000000              -> 13
T1/6 places C1 100.00 DE49=840                    -> 30
T1/7 places C1 100.00 DE25=99                     -> 30  entries 11                # names no kind of request
T1/8 places MISTYPED 100.00                       -> 14
T1/9 places STRANGE 100.00                        -> 15                            # no such BIN
T1/10 places HALFKNOWN 100.00                     -> 15                            # a BIN, but no such issuer
T1/11 places C1 100.00 DE14=2610                  -> 54
T1/12 places C1 100.00 DE14=2611                  -> 00                            # good through its last month
T1/13 places LOST 100.00                          -> 41
T1/14 places STOLEN 100.00                        -> 43
T1/15 places UNLINKED 100.00                      -> 91                            # no line to this issuer
T4/1 places C1 100.00                             -> 58                            # the merchant lacks the right
T5/1 places C1 100.00                             -> 58                            # a category that may not
issuer says 51
T1/16 places C1 100.00                            -> 51  T1/16.hold none
issuer approves
copy T1/16                                        -> 51                            # a decline is for ever, too
T1/16 places C1 100.01                            -> 94                            # the same key, another question
T1/1 places C2 100.00                             -> 94
repeat T1/16                                      -> 94
T1/17 completes T1/1 100.00 code=999999           -> 25
T1/17 completes T1/1 100.00 code=888888           -> 94                            # the code is part of the question
T1/18 completes T1/1 100.00 date=0101             -> 25
T1/19 completes T1/1 100.00 card=C2               -> 25
T3/1 completes T1/1 100.00                        -> 25                            # another merchant's hold
T1/20 completes T1/1 100.00 date=0231             -> 25                            # no such day
T1/21 completes T1/1 100.00                       -> 00
"""

BARRED = """
T1/1 places C1 100.00 mac=wrong                   -> A0  # as if it were lost on the way
repeat T1/1                                       -> 25  asked 0  T1/1.outcome tombstone
copy T1/1                                         -> 25  asked 0                   # the first one, late
reverse T1/1                                      -> 00  asked 0
repeat T1/1                                       -> 25
T1/2 places C1 100.00 mac=wrong                   -> A0
reverse T1/2                                      -> 00  T1/2.outcome tombstone  asked 0  undone 0
repeat T1/2                                       -> 12
reverse T1/2                                      -> 00
T1/2 places C1 100.00                             -> 12  asked 0                   # it overtook: barred for ever
T1/2 places C1 999.99                             -> 12  asked 0
"""

MATCHING = """
T1/1 places C1 100.00                             -> 00
T2/1 completes T1/1 100.00                        -> 00  # another terminal of the same merchant
T1/2 places C1 100.00                             -> 00
T1/3 completes T1/2 100.00 trace=000000000000     -> 00
T1/4 places C1 100.00                             -> 00
T1/5 completes T1/4 100.00 trace=999999999999     -> 00  # batch and trace only choose between several
"""

REVERSALS = """
T1/1 places C1 100.00                             -> 00
T1/2 completes T1/1 90.00                         -> 00  T1/1.hold completed
reverse T1/1                                      -> 22  T1/1.outcome approved  T1/1.hold completed  # built upon
reverse T1/2                                      -> 00  T1/2.outcome reversed  T1/1.hold held  T1/2.undo owed
reverse T1/2                                      -> 00  due.undo 0                # the first answer again
time passes                                       -> none  undone 1  T1/2.undo done  due.undo 0
T1/3 completes T1/1 95.00                         -> 00  T1/1.hold completed
T1/4 completes T1/1 95.00                         -> 22
reverse T1/4                                      -> 00  T1/4.outcome declined  undone 1  # nothing to undo
reverse T1/3                                      -> 00  T1/1.hold held
time passes                                       -> none  undone 2  T1/3.undo done
T1/5 voids T1/1 100.00                            -> 00  T1/1.hold voided
reverse T1/5                                      -> 00  T1/1.hold held
time passes                                       -> none  undone 3
T1/6 completes T1/1 100.00                        -> 00
T1/7 places C1 50.00                              -> 00
reverse T1/7                                      -> 00  T1/7.outcome reversed  T1/7.hold reversed
time passes                                       -> none  undone 4  due.undo 0
T1/8 completes T1/7 50.00                         -> 22
T1/9 places C1 60.00                              -> 00
wait 31 days
time passes                                       -> none  T1/9.hold expired
reverse T1/9                                      -> 00  T1/9.hold reversed        # was released by time
"""

COPIED_TERMINAL = """
T1/1 places C1 100.00                             -> 00
T1/1 places C1 100.01                             -> 94                            # a copy, unaware of the first
reverse T1/1                                      -> 25  T1/1.outcome approved  T1/1.hold held  undone 0
reverse T1/1                                      -> 25  T1/1.hold held  due.undo 0
T1/2 completes T1/1 90.00                         -> 00  T1/1.hold completed
T1/3 places C1 70.00                              -> 00
T1/3 voids T1/3 70.00                             -> 94                            # nor what is another kind
reverse T1/3                                      -> 25  T1/3.hold held
T1/3 places C1 70.00                              -> 00
reverse T1/3                                      -> 00  T1/3.hold reversed        # its own stays possible
time passes                                       -> none  undone 1
"""

IN_FLIGHT = """
issuer is silent
T1/1 places C1 100.00                             -> none  T1/1.outcome asked  asked 1  due.answer 1
copy T1/1                                         -> none  asked 1                 # in flight: not sent twice
repeat T1/1                                       -> none  asked 1
issuer answers T1/1 00                            -> 00  T1/1.outcome approved  T1/1.hold held  due.answer 0
issuer answers T1/1 00                            -> none  undone 0                # a copy of it
T1/2 places C1 100.00                             -> none
T1/2 places C1 100.01                             -> 94  T1/2.outcome asked
issuer answers T1/2 51                            -> 51  T1/2.outcome declined
issuer answers T1/2 51                            -> none
T1/3 places C1 100.00                             -> none
reverse T1/3                                      -> 00  T1/3.outcome reversed  due.answer 0  due.undo 1
copy T1/3                                         -> 12                            # never approved, and never will be
issuer answers T1/3 00                            -> none  T1/3.outcome reversed  T1/3.hold none
time passes                                       -> none  undone 2  T1/3.undo done  due.undo 0
T1/4 completes T1/1 100.00                        -> none  T1/4.outcome asked
reverse T1/4                                      -> 00  T1/1.hold held
issuer answers T1/4 00                            -> none  T1/1.hold held
time passes                                       -> none  undone 3
"""

SILENCE = """
issuer is silent
issuer acknowledges nothing
T1/1 places C1 100.00                             -> none
wait 11 seconds
time passes                                       -> none  T1/1.outcome asked
wait 1 seconds
time passes                                       -> 98  T1/1.outcome unknown  T1/1.undo owed
copy T1/1                                         -> 98
time passes                                       -> none  undone 1                # not acknowledged:
time passes                                       -> none  undone 1
wait 5 seconds
time passes                                       -> none  undone 2                # repeated
issuer answers T1/1 00                            -> none  T1/1.outcome unknown  T1/1.hold none  # never delivered
reverse T1/1                                      -> 00  T1/1.outcome reversed  T1/1.undo owed  due.undo 1
issuer acknowledges 96
wait 2 minutes
time passes                                       -> none  undone 3  T1/1.undo owed  # could not say: repeated later
issuer acknowledges 25
wait 2 minutes
time passes                                       -> none  undone 4  T1/1.undo done  due.undo 0
reverse T1/1                                      -> 00
issuer answers T1/1 00                            -> none  T1/1.undo owed          # back from the dead: once more
time passes                                       -> none  undone 5  T1/1.undo done
"""

UNKNOWN_UNDONE = """
issuer is silent
T1/1 places C1 100.00                             -> none
wait 12 seconds
time passes                                       -> 98
time passes                                       -> none  T1/1.outcome reversed  T1/1.undo done
copy T1/1                                         -> 98
reverse T1/1                                      -> 00  T1/1.outcome reversed  due.undo 0  undone 1
"""

NOBODY_KNOWS = """
issuer says 68
T1/1 places C1 100.00                             -> 98  T1/1.outcome unknown  T1/1.undo owed
issuer says 98
T1/2 places C1 100.00                             -> 98  T1/2.outcome unknown  due.answer 0
time passes                                       -> none  undone 2  T1/1.outcome reversed  T1/2.outcome reversed
"""

OBJECTED = """
issuer is silent
T1/1 places C1 100.00                             -> none
wait 12 seconds
time passes                                       -> 98
issuer acknowledges 22
time passes                                       -> none  T1/1.undo objected  findings 1  due.undo 1
issuer answers T1/1 00                            -> none  T1/1.undo objected  findings 1  # a copy says nothing new
time passes                                       -> none  undone 1
"""

CHANGED_ITS_MIND = """
issuer is silent
T1/1 places C1 100.00                             -> none
issuer answers T1/1 05                            -> 05  T1/1.outcome declined
issuer answers T1/1 00                            -> none  T1/1.outcome declined  T1/1.undo owed
time passes                                       -> none  undone 1  T1/1.undo done  T1/1.hold none
"""

CANNOT_BE_BOOKED = """
T1/1 places C1 100.00                             -> 00
issuer is silent
T1/2 completes T1/1 100.00                        -> none  asked 2
T1/3 voids T1/1 100.00                            -> none  asked 2                 # one at a time on a hold
issuer answers T1/2 00                            -> 00,22  T1/1.hold completed  T1/3.outcome declined
issuer approves
T1/4 places C1 50.00                              -> 00
issuer is silent
T1/5 completes T1/4 50.00                         -> none
T1/6 advises T1/4 40.00                           -> 00  T1/4.hold completed       # what is told is registered at once
issuer answers T1/5 00                            -> 22  T1/4.hold completed  T1/5.outcome declined  T1/5.undo owed
time passes                                       -> none  undone 1  T1/5.undo done  T1/5.outcome declined
reverse T1/5                                      -> 00  T1/5.outcome declined  due.undo 0
"""

ONE_AT_A_TIME = """
T1/1 places C1 100.00                             -> 00
issuer is silent
issuer acknowledges nothing
T1/2 completes T1/1 90.00                         -> none  asked 2
reverse T1/1                                      -> 22  T1/1.hold held            # something is asked on top of it
wait 1 seconds
T1/3 completes T1/1 80.00                         -> none  asked 2                 # waits: what is the hold?
wait 11 seconds
time passes                                       -> 98  T1/2.outcome unknown  T1/2.undo owed
wait 1 seconds
time passes                                       -> 91  T1/3.outcome declined     # longer than that nobody waits
copy T1/3                                         -> 91                            # a decline is for ever
issuer approves
T1/4 places C1 50.00                              -> 00
T1/5 completes T1/4 50.00                         -> 00                            # each hold by itself
issuer acknowledges 00
wait 5 seconds
time passes                                       -> none  T1/2.outcome reversed
T1/6 completes T1/1 80.00                         -> 00  T1/1.hold completed
"""

PUT_OFF = """
T1/1 places C1 100.00                             -> 00
issuer is silent
T1/2 completes T1/1 90.00                         -> none  asked 2
T1/3 voids T1/1 100.00                            -> none  asked 2
reverse T1/3                                      -> 00  T1/3.outcome tombstone  asked 2
time passes                                       -> 12                            # overtaken by its reversal
T1/4 voids T1/1 100.00                            -> none
repeat T1/4                                       -> 25  T1/4.outcome tombstone    # a repeat is never judged on less
issuer answers T1/2 51                            -> 51,25  T1/1.hold held         # nor then what it repeats
T1/5 voids T1/1 100.00                            -> none  asked 3
issuer answers T1/5 00                            -> 00  T1/1.hold voided
"""

NEWER_REVERSAL_FIRST = """
T1/1 places C1 100.00                             -> 00
T1/2 completes T1/1 90.00                         -> 00
issuer acknowledges nothing
reverse T1/2                                      -> 00  T1/1.hold held
reverse T1/1                                      -> 00  T1/1.hold reversed  due.undo 2
time passes                                       -> none  T1/1.undo owed  T1/2.undo owed
issuer acknowledges 00
wait 5 seconds
time passes                                       -> none  T1/2.undo done
wait 5 seconds
time passes                                       -> none  T1/1.undo done  due.undo 0
"""

TIME = """
T1/1 places C1 100.00                             -> 00
T1/2 places C1 100.00                             -> 00
wait 30 days
time passes                                       -> none  T1/1.hold held          # valid through the same minute
T1/3 completes T1/1 100.00                        -> 00
wait 10 minutes
time passes                                       -> none  T1/2.hold held          # the issuer goes first
wait 1 minutes
time passes                                       -> none  T1/2.hold expired  T1/1.hold completed  due.expire 0
T1/4 completes T1/2 100.00                        -> 22
T1/5 voids T1/2 100.00                            -> 22
reverse T1/3                                      -> 00  T1/1.hold expired         # it stands again, past its end
time passes                                       -> none  undone 1
T1/6 completes T1/1 100.00                        -> 22
reverse T1/1                                      -> 00  T1/1.hold reversed
"""

GOOD_HOLDS_OF_BAD_CARDS = """
T1/1 places C1 100.00                             -> 00
T1/2 places C2 100.00                             -> 00
T1/3 completes T1/1 100.00 DE14=2601              -> 00  # the promise was given while the card was good
T1/4 voids T1/2 100.00 DE14=2601                  -> 00
"""

STORIES = {name.lower(): story for name, story in globals().items() if name.isupper() and " -> " in str(story)}


@pytest.mark.parametrize("name", STORIES)
def test_story(name: str) -> None:
    desk = Desk()
    play(STORIES[name], desk.act, desk.look)
