"""The rules as stories: each value of each choice, the limits, and what Visa and Mastercard want (domain.md §4.7, §9).

The table says which story shows which value; a test holds it against the rules as they are.
"""

import pytest

from holdfast.domain.rules import BOUNDS, CHOICES, Rules
from tests.parties.acquirer_desk import Desk
from tests.stories import play

SHOWN = """
validity_edge           minute    VALID_TO_THE_MINUTE
validity_edge           day       VALID_TO_THE_DAY
expired_code            22        EXPIRED_22
expired_code            25        EXPIRED_25
expired_code            96        EXPIRED_96
completions             one       ONE_COMPLETION
completions             several   SEVERAL_COMPLETIONS
second_completion_code  22        SECOND_22
second_completion_code  25        SECOND_25
second_completion_code  94        SECOND_94
rest                    issuer    REST_FREED_BY_THE_ISSUER
rest                    acquirer  REST_FREED_BY_US
increment               extends   INCREMENT_EXTENDS
increment               keeps     INCREMENT_KEEPS
increment               refused   INCREMENT_REFUSED
void_matches            merchant  OF_THE_SAME_MERCHANT
void_matches            any       OF_ANY_MERCHANT
completion_void_day     same      VOIDED_ON_THE_SAME_DAY
completion_void_day     any       VOIDED_ON_ANY_DAY
completion_void_by      terminal  VOIDED_BY_ITS_TERMINAL
completion_void_by      merchant  VOIDED_BY_THE_MERCHANT
completion_void_then    reopens   VOIDED_AND_REOPENED
completion_void_then    released  VOIDED_AND_RELEASED
keyed                   allowed   KEYED
keyed                   never     NEVER_KEYED
fallback                allowed   FALLBACK
fallback                never     NO_FALLBACK
unknown_reversal_code   00        UNKNOWN_REVERSED_00
unknown_reversal_code   25        UNKNOWN_REVERSED_25
batch_numbers           counter   BATCHES_COUNTED
batch_numbers           date      BATCHES_BY_DATE
batch_messages          plain     BATCHES_IN_PLAIN
batch_messages          sealed    BATCHES_SEALED
code_padding            right     CODES_PADDED_RIGHT
code_padding            left      CODES_PADDED_LEFT
ceiling_percent         115       CEILING_115
ceiling_percent         100       CEILING_100
validity_days           30        VALID_TO_THE_MINUTE
validity_days           29        VALID_29_DAYS
refund_days             180       REFUNDED_FOR_180_DAYS
refund_days             30        REFUNDED_FOR_30_DAYS
floor_minor             10000     FLOOR
amount_max_minor        100000    AMOUNT_MAX
velocity_count          2         VELOCITY_COUNT
velocity_minor          30000     VELOCITY_AMOUNT
pre_auth_mccs           5812      CATEGORIES
"""

VALID_TO_THE_MINUTE = """
T1/1 places C1 100.00                             -> 00  T1/1.ends 12-18T19:07     # placed at 19:06:40
T1/2 places C2 100.00                             -> 00
wait 30 days
T1/3 completes T1/1 100.00                        -> 00                            # in the same minute
wait 10 minutes
time passes                                       -> none  T1/2.hold held          # the issuer judges it till here
wait 1 minutes
time passes                                       -> none  T1/2.hold expired
T1/4 completes T1/2 100.00                        -> 22
"""

VALID_TO_THE_DAY = """
rules validity_edge=day
T1/1 places C1 100.00                             -> 00  T1/1.ends 12-19T00:00
T1/2 places C2 100.00                             -> 00
wait 30 days
wait 4 hours
T1/3 completes T1/1 100.00                        -> 00                            # at 23:06 of the last day
wait 1 hours
time passes                                       -> none  T1/2.hold held
wait 10 minutes
time passes                                       -> none  T1/2.hold expired
"""

VALID_29_DAYS = """
rules validity_days=29
T1/1 places C1 100.00                             -> 00  T1/1.ends 12-17T19:07
wait 29 days
wait 11 minutes
time passes                                       -> none  T1/1.hold expired
rules validity_days=29 validity_edge=day
T1/2 places C1 100.00                             -> 00  T1/2.ends 01-16T00:00
"""

EXPIRED = """
rules expired_code={code}
T1/1 places C1 100.00                             -> 00
wait 31 days
time passes                                       -> none  T1/1.hold expired
T1/2 completes T1/1 100.00                        -> {code}
T1/3 voids T1/1 100.00                            -> {code}
T1/4 increments T1/1 100.00                       -> {code}
T1/5 advises T1/1 100.00                          -> 00  T1/5.outcome claimed  findings 1
"""
EXPIRED_22, EXPIRED_25, EXPIRED_96 = (EXPIRED.format(code=code) for code in ("22", "25", "96"))

ONE_COMPLETION = """
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 200.00                        -> 00  T1/1.hold completed
T1/3 completes T1/1 100.00                        -> 22  T1/1.taken 200.00
"""

SEVERAL_COMPLETIONS = """
rules completions=several
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 200.00                        -> 00  T1/1.hold held
T1/3 completes T1/1 100.00                        -> 00  T1/1.hold held  T1/1.taken 300.00
T1/4 advises T1/1 200.00                          -> 00  T1/1.hold completed  T1/1.taken 500.00
time passes                                       -> none  T1/4.delivery done
T1/5 completes T1/1 1.00                          -> 22
"""

SECOND = """
rules second_completion_code={code}
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 500.00                        -> 00
T1/3 completes T1/1 500.00                        -> {code}  T1/1.taken 500.00
T1/4 completes T1/1 575.01                        -> {code}                        # state outranks amount
T1/5 voids T1/1 500.00                            -> 22
T1/6 places C1 500.00                             -> 00
T1/7 voids T1/6 500.00                            -> 00
T1/8 completes T1/6 500.00                        -> 22                            # voided is not completed
"""
SECOND_22, SECOND_25, SECOND_94 = (SECOND.format(code=code) for code in ("22", "25", "94"))

REST_FREED_BY_THE_ISSUER = """
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 400.00                        -> 00  T1/2.rest none  due.release 0
wait 2 days
time passes                                       -> none  released 0
"""

REST_FREED_BY_US = """
rules rest=acquirer
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 400.00                        -> 00  T1/2.rest ours  due.release 1
wait 1 days
time passes                                       -> none  released 1  T1/2.delivery done
"""

INCREMENT_EXTENDS = """
T1/1 places C1 500.00                             -> 00  T1/1.ends 12-18T19:07
wait 10 days
T1/2 increments T1/1 200.00                       -> 00  T1/1.ends 12-28T19:07
wait 21 days
time passes                                       -> none  T1/1.hold held          # it would have ended
T1/3 completes T1/1 700.00                        -> 00
"""

INCREMENT_KEEPS = """
rules increment=keeps
T1/1 places C1 500.00                             -> 00  T1/1.ends 12-18T19:07
wait 10 days
T1/2 increments T1/1 200.00                       -> 00  T1/1.asked 700.00  T1/1.ends 12-18T19:07
wait 21 days
time passes                                       -> none  T1/1.hold expired
"""

INCREMENT_REFUSED = """
rules increment=refused
T1/1 places C1 500.00                             -> 00
T1/2 increments T1/1 200.00                       -> 40  T1/1.asked 500.00  asked 1
"""

OF_THE_SAME_MERCHANT = """
T1/1 places C1 500.00                             -> 00
T3/1 voids T1/1 500.00                            -> 25
T3/2 completes T1/1 500.00                        -> 25
T2/1 voids T1/1 500.00                            -> 00  T1/1.hold voided
"""

OF_ANY_MERCHANT = """
rules of * void_matches=any
T1/1 places C1 500.00                             -> 00
T1/2 places C1 500.00                             -> 00
T3/1 voids T1/1 500.00                            -> 00  T1/1.hold voided
T3/2 completes T1/2 500.00 code=999999            -> 25                            # card, code and date still count
T3/3 completes T1/2 500.00 card=C2                -> 25
T3/4 completes T1/2 500.00                        -> 00  T1/2.hold completed
"""

VOIDED_ON_THE_SAME_DAY = """
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 400.00                        -> 00
wait 4 hours
T1/3 voids-completion T1/2 400.00                 -> 22                            # the day was cut over at 23:00
"""

VOIDED_ON_ANY_DAY = """
rules completion_void_day=any
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 400.00                        -> 00
wait 4 hours
T1/3 voids-completion T1/2 400.00                 -> 00  T1/1.hold held
"""

VOIDED_BY_ITS_TERMINAL = """
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 400.00                        -> 00
T2/1 voids-completion T1/2 400.00                 -> 25
T1 settles                                        -> 00
T1/3 voids-completion T1/2 400.00                 -> 25                            # another batch
"""

VOIDED_BY_THE_MERCHANT = """
rules completion_void_by=merchant
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 400.00                        -> 00
T1 settles                                        -> 00
T3/1 voids-completion T1/2 400.00                 -> 25
T2/1 voids-completion T1/2 400.00                 -> 00  T1/1.hold held  T2.credit 400.00
"""

VOIDED_AND_REOPENED = """
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 400.00                        -> 00
T1/3 voids-completion T1/2 400.00                 -> 00  T1/1.hold held
T1/4 completes T1/1 500.00                        -> 00  T1/1.hold completed
"""

VOIDED_AND_RELEASED = """
rules completion_void_then=released
T1/1 places C1 500.00                             -> 00
T1/2 completes T1/1 400.00                        -> 00
T1/3 voids-completion T1/2 400.00                 -> 00  T1/1.hold voided  T1/1.taken 0.00  T1.credit 400.00
T1/4 completes T1/1 500.00                        -> 22
reverse T1/3                                      -> 00  T1/1.hold completed  T1/1.taken 400.00
"""

KEYED = """
T1/1 places C1 500.00 read=keyed                  -> 00
"""

NEVER_KEYED = """
rules keyed=never
T1/1 places C1 500.00 read=keyed                  -> 58
T1/2 sells C1 500.00 read=keyed                   -> 58
T1/3 orders C1 500.00 read=keyed                  -> 00                            # by phone there is no other way
T1/4 places C1 500.00 read=stripe                 -> 00
T1/5 increments T1/4 500.00 read=keyed            -> 58
T1/6 completes T1/4 500.00 read=keyed             -> 00                            # what is held needs no card
"""

FALLBACK = """
T1/1 places C1 500.00 read=fallback               -> 00
T1/2 places C1 500.00 read=chip-stripe            -> 59                            # no word of a chip that failed
"""

NO_FALLBACK = """
rules fallback=never
T1/1 places C1 500.00 read=fallback               -> 59
T1/2 places C1 500.00 read=chip                   -> 00
T1/3 places C1 500.00 read=stripe                 -> 00                            # a card without a chip
"""

UNKNOWN_REVERSED_00 = """
T1/1 places C1 500.00 mac=wrong                   -> A0
reverse T1/1                                      -> 00  T1/1.outcome tombstone
T1/1 places C1 500.00                             -> 12                            # it overtook: barred
"""

UNKNOWN_REVERSED_25 = """
rules unknown_reversal_code=25
T1/1 places C1 500.00 mac=wrong                   -> A0
reverse T1/1                                      -> 25  T1/1.outcome tombstone
reverse T1/1                                      -> 25
T1/1 places C1 500.00                             -> 12                            # barred all the same
T1/2 places C1 500.00                             -> 00
reverse T1/2                                      -> 00
"""

BATCHES_COUNTED = """
T1 signs on                                       -> 00  T1.batch 000001
T1 settles                                        -> 00  T1.batch 000002
T1 settles                                        -> 00  T1.batch 000003
"""

BATCHES_BY_DATE = """
rules of * batch_numbers=date
T1 signs on                                       -> 00  T1.batch 261118
T1 settles                                        -> 00  T1.batch 261119           # a second one on the same day
wait 3 days
T1 settles                                        -> 00  T1.batch 261121
"""

BATCHES_IN_PLAIN = """
T1 signs on                                       -> 00  T1.batch 000001
T1 settles                                        -> 00  T1.batch 000002
"""

BATCHES_SEALED = """
T1/1 sells C1 100.00                              -> 00
rules batch_messages=sealed
T1 settles                                        -> A0  T1.batch 000001           # as nobody had asked
rules of * batch_messages=sealed
rules
T1 settles                                        -> A0  T1.batch 000001
rules batch_messages=plain
T1 settles                                        -> 00  T1.batch 000002
"""

CODES_PADDED_RIGHT = """
issuer gives 123
T1/1 places C1 500.00                             -> 00  T1/1.authorization_code 123
T1/2 completes T1/1 500.00 code=000123            -> 00
"""

CODES_PADDED_LEFT = """
rules code_padding=left
issuer gives 123
T1/1 places C1 500.00                             -> 00  T1/1.authorization_code 000123
T1/2 completes T1/1 500.00 code=123___            -> 00  T1/2.authorization_code 000123
T1/3 voids-completion T1/2 500.00                 -> 00  T1/3.authorization_code 000123
"""

CEILING_115 = """
T1/1 places C1 333.33                             -> 00
T1/2 completes T1/1 383.33                        -> 64                            # 383.3295, and fractions are dropped
T1/3 completes T1/1 383.32                        -> 00
"""

CEILING_100 = """
rules ceiling_percent=100
T1/1 places C1 333.33                             -> 00
T1/2 completes T1/1 333.34                        -> 64
T1/3 increments T1/1 0.01                         -> 00                            # a larger bill wants a larger hold
T1/4 completes T1/1 333.34                        -> 00
"""

REFUNDED_FOR_180_DAYS = """
T1/1 sells C1 500.00                              -> 00
wait 180 days
T1/2 refunds T1/1 1.00                            -> 00
wait 1 days
T1/3 refunds T1/1 1.00                            -> 22
"""

REFUNDED_FOR_30_DAYS = """
rules refund_days=30
T1/1 sells C1 500.00                              -> 00
wait 30 days
T1/2 refunds T1/1 1.00                            -> 00
wait 1 days
T1/3 refunds T1/1 1.00                            -> 22
"""

FLOOR = """
rules floor_minor=10000
T1/1 places C1 500.00                             -> 00
T1/2 advises T1/1 100.01                          -> 00  T1/2.outcome claimed  findings 1  T1/1.hold held
T1/3 advises T1/1 100.00                          -> 00  T1/3.outcome approved  findings 1  T1/1.hold completed
T1/4 places C1 500.00                             -> 00
T1/5 completes T1/4 100.01                        -> 00                            # asked, not told
"""

AMOUNT_MAX = """
rules amount_max_minor=100000
T1/1 places C1 1000.01                            -> 61
T1/2 sells C1 1000.01                             -> 61
T1/3 orders C1 1000.01                            -> 61
T1/4 places C1 1000.00                            -> 00
T1/5 completes T1/4 1150.00                       -> 00
"""

VELOCITY_COUNT = """
rules velocity_count=2
T1/1 places C1 100.00                             -> 00
T1/2 orders C1 100.00                             -> 00
T1/3 places C1 100.00                             -> 65
T1/4 orders C1 100.00                             -> 65
T1/5 sells C1 100.00                              -> 00                            # it limits what is held
T1/6 increments T1/1 100.00                       -> 00
T1/7 places C2 100.00                             -> 00                            # each card by itself
reverse T1/2                                      -> 00
T1/8 places C1 100.00                             -> 00                            # what was reversed never was
T1/9 places C1 100.00                             -> 65
wait 5 hours
T1/10 places C1 100.00                            -> 00                            # a new day at midnight
"""

VELOCITY_AMOUNT = """
rules velocity_minor=30000
T1/1 places C1 300.01                             -> 61
T1/2 places C1 200.00                             -> 00
T1/3 places C1 100.01                             -> 61
T1/4 places C1 100.00                             -> 00
T1/5 places C1 0.01                               -> 61
T1/6 voids T1/2 200.00                            -> 00
T1/7 places C1 0.01                               -> 61                            # what was held once counts
"""

CATEGORIES = """
T5/1 places C1 100.00                             -> 58                            # a supermarket
T8/1 places C1 100.00                             -> 00                            # a restaurant
rules pre_auth_mccs=5812
T1/1 places C1 100.00                             -> 58                            # this hotel's agreement says so
T1/2 sells C1 100.00                              -> 00
T8/2 places C1 100.00                             -> 00
"""

# --- Visa and Mastercard ------------------------------------------------------------------------------------------

VISA_AT_A_HOTEL = """
T1/1 places VISA 500.00                           -> 00  T1/1.ends 12-18T19:07     # lodging: 30 days
wait 5 days
T1/2 increments T1/1 100.00                       -> 00  T1/1.asked 600.00  T1/1.ends 12-18T19:07  # keeps the end
T1/3 completes T1/1 600.01                        -> 64                            # no tolerance
T1/4 completes T1/1 550.00                        -> 00  T1/4.rest ours
T1/5 increments T1/1 1.00                         -> 22                            # after a capture no more
wait 1 days
time passes                                       -> none  released 1              # the unused part is reversed by us
"""

VISA_AT_A_RESTAURANT = """
T8/1 places VISA 500.00                           -> 00  T8/1.ends 11-23T19:07     # 5 days
wait 5 days
wait 11 minutes
time passes                                       -> none  T8/1.hold expired
"""

MASTERCARD_AT_A_RESTAURANT = """
T8/1 places MASTER 500.00                         -> 00  T8/1.ends 12-18T19:07     # 30 days for all merchants
wait 5 days
T8/2 increments T8/1 100.00                       -> 00  T8/1.ends 12-23T19:07     # extends
T8/3 completes T8/1 600.01                        -> 64
T8/4 completes T8/1 550.00                        -> 00  T8/4.rest ours
"""

WHOSE_RULES = """
rules of * ceiling_percent=110
rules of VIS ceiling_percent=120
rules of VIS/7011 ceiling_percent=125
T1/1 places C1 100.00                             -> 00
T1/2 completes T1/1 110.01                        -> 64
T3/1 places VISA 100.00                           -> 00
T3/2 completes T3/1 125.01                        -> 64                            # the scheme's word for lodging
T8/1 places VISA 100.00                           -> 00
T8/2 completes T8/1 120.01                        -> 64                            # its word for all others
T6/1 places VISA 100.00                           -> 00
T6/2 completes T6/1 100.01                        -> 64                            # its own agreement counts most
"""

RULES_OF_THE_DAY = """
T1/1 places C1 100.00                             -> 00
rules ceiling_percent=100
T1/2 completes T1/1 100.01                        -> 64                            # as they are when it is asked
rules ceiling_percent=115
T1/3 completes T1/1 100.01                        -> 00
"""

STORIES = {
    name: story
    for name, story in globals().items()
    if name.isupper() and " -> " in str(story) and "{" not in str(story)
}


@pytest.mark.parametrize("name", STORIES)
def test_story(name: str) -> None:
    desk = Desk()
    play(STORIES[name], desk.act, desk.look)


SHOWS = [tuple(line.split()) for line in SHOWN.strip().splitlines()]


def test_every_value_of_every_choice_has_its_story() -> None:
    wanted = {(name, value) for name, values in CHOICES.items() for value in values}
    assert wanted <= {(name, value) for name, value, _ in SHOWS}
    judging = {*CHOICES, *BOUNDS, "pre_auth_mccs"} - {"retention_years"}  # By that one no request is judged.
    assert {name for name, _, _ in SHOWS} == judging, "and each limit has one, too"
    assert len(SHOWS) == len({(name, value) for name, value, _ in SHOWS})


@pytest.mark.parametrize(("name", "value", "story"), SHOWS)
def test_a_story_is_told_under_the_rule_that_it_shows(name: str, value: str, story: str) -> None:
    said = f"{name}={value}" in STORIES[story]
    usual = str(getattr(Rules(), name)) == value and f"{name}=" not in STORIES[story]
    assert said or usual, f"{story} does not show {name}={value}"
