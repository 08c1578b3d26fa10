"""Every kind of request that is neither pre-authorization, completion nor void of one (domain.md §1): what is answered,
what the hold and the batch are afterwards, and what an issuer's approval may be."""

import pytest

from tests.parties.acquirer_desk import Desk
from tests.stories import play

INCREMENTS = """
T1/1 places C1 500.00                             -> 00  T1/1.asked 500.00  T1/1.ends 12-18T19:07
T1/2 increments T1/1 0.00                         -> 13
T1/3 increments T1/1 200.00 code=999999           -> 25
T1/4 increments T1/1 200.00 card=C2               -> 25
T3/1 increments T1/1 200.00                       -> 25                            # another merchant's hold
T1/5 increments T1/1 200.00 date=0101             -> 25                            # a date need not be, but must fit
T1/6 increments T1/1 200.00                       -> 00  T1/1.asked 700.00  T1/1.hold held  asked 2
copy T1/6                                         -> 00  T1/1.asked 700.00  asked 2
T1/7 completes T1/1 805.01                        -> 64                            # 115 % of the whole is 805.00
T1/8 voids T1/1 500.00                            -> 64                            # in full: with the increment
T1/9 completes T1/1 805.00                        -> 00  T1/1.hold completed  T1/1.taken 805.00
T1/10 increments T1/1 1.00                        -> 22                            # after the completion no more
T1/11 places C1 100.00                            -> 00
T2/1 increments T1/11 50.00                       -> 00                            # another terminal of the merchant
T1/12 voids T1/11 150.00                          -> 00  T1/11.hold voided
T1/13 increments T1/11 1.00                       -> 22
"""

SLIPS_OF_AN_INCREMENT = """
T1/1 places C1 500.00                             -> 00
wait 3 days
T1/2 increments T1/1 200.00                       -> 00
T1/3 increments T1/2 100.00                       -> 00  T1/1.asked 800.00         # by the newer slip
T1/4 completes T1/2 1.00 date=1118                -> 00                            # its code, and the date of the first
T1/5 voids-completion T1/4 1.00                   -> 00  T1/1.hold held
T1/6 voids T1/2 800.00                            -> 00  T1/1.hold voided          # its code and its date
"""

REVERSED_INCREMENT = """
T1/1 places C1 500.00                             -> 00
wait 1 days
T1/2 increments T1/1 200.00                       -> 00  T1/1.asked 700.00  T1/1.ends 12-19T19:07
reverse T1/1                                      -> 22  T1/1.hold held            # built upon
reverse T1/2                                      -> 00  T1/1.asked 500.00  T1/1.ends 12-18T19:07  T1/2.undo owed
time passes                                       -> none  undone 1  T1/2.undo done
T1/3 completes T1/2 100.00                        -> 25                            # its slip is worth nothing now
T1/4 voids T1/1 500.00                            -> 00
reverse T1/4                                      -> 00  T1/1.hold held
reverse T1/1                                      -> 22  T1/1.hold held            # answered once, and for ever
"""

INCREMENT_IN_DOUBT = """
T1/1 places C1 500.00                             -> 00
issuer is silent
T1/2 increments T1/1 200.00                       -> none  T1/1.asked 500.00
wait 12 seconds
time passes                                       -> 98  T1/2.outcome unknown  T1/1.asked 500.00
time passes                                       -> none  undone 1  T1/2.outcome reversed
issuer answers T1/2 00                            -> none  T1/2.undo owed  T1/1.asked 500.00
time passes                                       -> none  undone 2  T1/2.undo done
issuer says 51
T1/3 increments T1/1 200.00                       -> 51  T1/1.asked 500.00
"""

INCREMENT_OVERTAKEN = """
T1/1 places C1 500.00                             -> 00
issuer is silent
T1/2 increments T1/1 200.00                       -> none
T1/3 voids T1/1 500.00                            -> none
T1/4 completes T1/1 600.00                        -> none
issuer answers T1/2 00                            -> 00,64  T1/1.asked 700.00      # no longer the whole hold
issuer answers T1/4 00                            -> 00  T1/1.hold completed
T1/5 places C1 500.00                             -> none
issuer answers T1/5 00                            -> 00
T1/6 increments T1/5 200.00                       -> none
T1/7 completes T1/5 500.00                        -> none
wait 12 seconds
time passes                                       -> 98,91  T1/6.outcome unknown  T1/5.hold held  # nobody waits longer
"""

MOTO = """
T1/1 orders C1 300.00                             -> 00  T1/1.hold held  T1/1.kind moto-pre-authorization
T1/2 completes T1/1 345.01                        -> 64
T1/3 increments T1/1 100.00                       -> 00  T1/1.asked 400.00
T1/4 completes T1/1 400.00                        -> 00
T1/5 orders C1 300.00                             -> 00
T1/6 voids T1/5 300.00                            -> 00  T1/5.hold voided
T1/7 orders C1 300.00                             -> 00
reverse T1/7                                      -> 00  T1/7.hold reversed
T5/1 orders C1 300.00                             -> 58                            # a pre-authorization as any other
"""

SALES = """
T1/1 sells C1 80.00                               -> 00  T1/1.hold completed  T1/1.taken 80.00  T1.debit 80.00
T1/2 voids-sale T1/1 79.99                        -> 64  T1.credit 0.00
T1/3 voids-sale T1/1 80.00 card=C2                -> 25
T2/1 voids-sale T1/1 80.00                        -> 25                            # another terminal's batch
T1/4 voids-completion T1/1 80.00                  -> 22                            # it is no completion
T1/5 completes T1/1 80.00                         -> 22                            # nor is it a hold
T1/6 voids T1/1 80.00                             -> 22
T1/7 voids-sale T1/1 80.00                        -> 00  T1/1.hold voided  T1/1.taken 0.00  T1.credit 80.00
T1/8 voids-sale T1/1 80.00                        -> 22
reverse T1/7                                      -> 00  T1/1.hold completed  T1.credit 0.00  T1.debit 80.00
time passes                                       -> none  undone 1
reverse T1/1                                      -> 00  T1/1.hold reversed  T1.debit 0.00
time passes                                       -> none  undone 2
T5/1 sells C1 10.00                               -> 00                            # a shop needs no right to sell
T5/2 voids-sale T5/1 10.00                        -> 00
T1/9 sells STOLEN 80.00                           -> 43
T1/10 sells C1 0.00                               -> 13
T1/11 sells VISA 50.00                            -> 00  T1.debit 0.00  T1.foreign_debit 50.00
"""

SALE_VOID_LATER = """
T1/1 sells C1 80.00                               -> 00
T1/2 sells C1 90.00                               -> 00
wait 4 hours
T1/3 voids-sale T1/1 80.00                        -> 22                            # the day was cut over at 23:00
T1/4 sells C1 70.00                               -> 00
T1 settles                                        -> 00  T1.batch 000002
T1/5 voids-sale T1/4 70.00                        -> 25                            # its batch is settled: refund it
T1/6 refunds T1/4 70.00                           -> 00
"""

SALE_IN_DOUBT = """
issuer is silent
T1/1 sells C1 80.00                               -> none
wait 12 seconds
time passes                                       -> 98  T1.debit 0.00
time passes                                       -> none  T1/1.outcome reversed  T1/1.hold none
issuer approves
T1/2 sells C1 90.00                               -> 00
issuer is silent
T1/3 voids-sale T1/2 90.00                        -> none
T1/4 voids-sale T1/2 90.00                        -> none
issuer answers T1/3 00                            -> 00,22  T1/2.hold voided  T1.credit 90.00  # not twice
"""

BALANCE = """
T1/1 asks-balance C1                              -> 00  T1/1.outcome approved  T1/1.hold none  T1.debit 0.00
T5/1 asks-balance C1                              -> 00                            # no right is needed
T1/2 asks-balance STRANGE                         -> 15
issuer says 51
T1/3 asks-balance C1                              -> 51
issuer is silent
T1/4 asks-balance C1                              -> none
wait 12 seconds
time passes                                       -> 98  due.undo 0  due.answer 0
time passes                                       -> none  undone 0                # nothing is to be undone
issuer answers T1/4 00                            -> none  T1/4.undo none
reverse T1/4                                      -> 00  due.undo 0
"""

SIGNED_OFF = """
T1/1 places C1 100.00                             -> 00
T1/2 places C1 100.00                             -> 00
T1 signs off                                      -> 00
T1/3 places C1 100.00                             -> 77
T1/4 completes T1/1 100.00                        -> 77
T1/5 asks-balance C1                              -> 77
T1/6 refunds T1/1 100.00                          -> 77
T1/7 advises T1/1 100.00                          -> 00  T1/1.hold completed       # what is done is told at any time
reverse T1/2                                      -> 00  T1/2.hold reversed
copy T1/1                                         -> 00
T1 signs off                                      -> 00
T1 signs on                                       -> 00
T1/8 places C1 100.00                             -> 00
"""

PART_APPROVED = """
issuer says 10
T1/1 places C1 100.00                             -> 98  T1/1.hold none  T1/1.undo owed
T1/2 sells C1 100.00                              -> 98  T1.debit 0.00
time passes                                       -> none  undone 2  T1/1.outcome reversed  T1/2.outcome reversed
"""

APPROVED_AS = """
issuer says {code}
T1/1 places C1 500.00                             -> {code}  T1/1.outcome approved  T1/1.hold held
copy T1/1                                         -> {code}  asked 1
T1/2 increments T1/1 100.00                       -> {code}  T1/1.asked 600.00
T1/3 completes T1/1 600.00                        -> {code}  T1/1.hold completed  T1.debit 600.00
T1/4 voids-completion T1/3 600.00                 -> {code}  T1/1.hold held  T1.credit 600.00
T1/5 voids T1/1 600.00                            -> {code}  T1/1.hold voided
T1/6 sells C1 80.00                               -> {code}  T1.debit 680.00
T1/7 refunds T1/6 80.00                           -> {code}  T1/6.given-back 80.00
reverse T1/5                                      -> 00  T1/1.hold held
"""

STORIES = {name.lower(): story for name, story in globals().items() if name.isupper() and " -> " in str(story)}
STORIES |= {f"approved as {code}": APPROVED_AS.format(code=code) for code in ("00", "11", "A2", "A4", "A5", "A6")}
del STORIES["approved_as"]


@pytest.mark.parametrize("name", STORIES)
def test_story(name: str) -> None:
    desk = Desk()
    play(STORIES[name], desk.act, desk.look)
