"""Completion advices: registered whatever anybody thinks of them, delivered until acknowledged, never reversed, never
voided; and what is objected to is a claim with a finding, never money (domain.md §4.5)."""

import pytest

from holdfast.clock import SECOND_US
from holdfast.domain import responses
from holdfast.domain.policy import Policy
from holdfast.domain.tables import DUE
from holdfast.parties.exchange import EXCHANGE_FIELD
from tests.parties.acquirer_audit import book_of
from tests.parties.acquirer_desk import Desk
from tests.stories import play

DELIVERED = """
T1/1 places C1 500.00                             -> 00
T1/2 advises T1/1 460.50                     -> 00  T1/1.hold completed  T1.debit 460.50  T1/2.delivery owed  told 0
time passes                                       -> none  told 1  T1/2.delivery done  T1/2.outcome approved  due.tell 0
copy T1/2                                         -> 00  told 1
repeat T1/2                                       -> 00  told 1                    # the first answer again
T1/2 advises T1/1 460.51                          -> 94
T1/3 advises T1/1 460.50                          -> 00  T1/3.outcome claimed  findings 1  # the hold is completed
T1/4 voids-completion T1/2 460.50                 -> 12  T1/1.hold completed       # an advice is not voided
T1/5 refunds T1/2 460.50                          -> 00  T1/1.given-back 460.50
"""

SILENT = """
issuer takes nothing
T1/1 places C1 500.00                             -> 00
T1/2 advises T1/1 460.50                          -> 00  told 0
time passes                                       -> none  told 1
wait 4 seconds
time passes                                       -> none  told 1
wait 1 seconds
time passes                                       -> none  told 2
wait 10 seconds
time passes                                       -> none  told 3  T1/2.outcome approved  T1/2.delivery owed  undone 0
issuer takes 96
wait 20 seconds
time passes                                       -> none  told 4  T1/2.delivery owed  # not now: repeated
issuer takes 94
wait 40 seconds
time passes                                       -> none  told 5  T1/2.delivery done  # had it already
wait 10 minutes
time passes                                       -> none  told 5  findings 0
"""

REFUSED = """
issuer takes 05
T1/1 places C1 500.00                             -> 00
T1/2 advises T1/1 460.50                          -> 00  T1/1.hold completed
time passes                                  -> none  told 1  T1/2.outcome claimed  T1/2.delivery objected  findings 1
repeat T1/2                                       -> 00  T1/1.hold held  T1/1.taken 0.00  # the answer stays what it was
wait 10 minutes
time passes                                       -> none  told 1  due.tell 0
T1/3 completes T1/1 460.50                        -> 00  T1/1.hold completed       # repaired by asking
"""

REFUSED_PAST_ITS_END = """
issuer takes nothing
T1/1 places C1 500.00                             -> 00
wait 30 days
T1/2 advises T1/1 460.50                          -> 00  T1/1.hold completed
time passes                                       -> none  told 1
wait 11 minutes
issuer takes 22
time passes                                       -> none  told 2  T1/2.outcome claimed  findings 1
time passes                                       -> none  T1/1.hold expired  due.expire 0
"""

REFUSED_BUILT_UPON = """
rules completions=several
issuer takes nothing
T1/1 places C1 500.00                             -> 00
T1/2 advises T1/1 200.00                          -> 00  T1/1.hold held
T1/3 completes T1/1 300.00                        -> none  T1/1.hold held          # the advice is not over
issuer takes 05
wait 5 seconds
time passes                                       -> 00  T1/2.outcome claimed  findings 1  T1/1.taken 300.00
"""

OBJECTED = """
T1/1 places C1 500.00                             -> 00
T1/2 advises T1/1 575.01                          -> 00  T1/2.outcome claimed  findings 1  T1/1.hold held
T1/3 advises T1/1 100.00 code=999999              -> 00  T1/3.outcome claimed  findings 2
T1/4 advises T1/1 100.00 date=0101                -> 00  T1/4.outcome claimed  findings 3
T1/5 advises T1/1 100.00 card=C2                  -> 00  T1/5.outcome claimed  findings 4
T1/6 advises STRANGE 100.00 code=123456 date=1118 -> 00  T1/6.outcome claimed  findings 5
T1/7 advises MISTYPED 100.00 code=123456 date=1118 -> 00  T1/7.outcome claimed  findings 6
T1/8 advises T1/1 0.00                            -> 00  T1/8.outcome claimed  findings 7
T1/9 advises T1/1 100.00 DE49=840                 -> 00  T1/9.outcome claimed  findings 8
T1/10 advises T1/1 100.00 merchant=102100070110002 -> 00  T1/10.outcome claimed  findings 9
T3/1 advises T1/1 100.00                          -> 00  T3/1.outcome claimed  findings 10  T1/1.hold held
T4/1 advises T1/1 100.00                          -> 00  T4/1.outcome claimed  findings 11
time passes                                       -> none  told 0  T1.debit 1275.01  # 00 was said to them: they count
T1/11 voids T1/1 500.00                           -> 00  T1/1.hold voided
T1/12 advises T1/1 500.00                         -> 00  T1/12.outcome claimed  findings 12
T1/13 voids-completion T1/12 500.00               -> 25
T1/14 refunds T1/12 500.00                        -> 25                            # no money moved: none goes back
"""

NEVER_REVERSED = """
T1/1 places C1 500.00                             -> 00
T1/2 advises T1/1 460.50                          -> 00
reverse T1/2                                      -> 22  T1/1.hold completed  T1/2.outcome approved  T1.debit 460.50
reverse T1/1                                      -> 22
time passes                                       -> none  undone 0  told 1
T1/3 places C1 100.00                             -> 00
T1/4 advises T1/3 100.00 mac=wrong                -> A0
reverse T1/4                                      -> 22  undone 0                  # never reversed, and not barred
repeat T1/4                                       -> 00  T1/3.hold completed  T1/4.outcome approved
"""

FIRST_SEEN_AS_A_REPEAT = """
T1/1 places C1 500.00                             -> 00
T1/2 advises T1/1 460.50 mac=wrong                -> A0
repeat T1/2                                       -> 00  T1/1.hold completed  T1/2.outcome approved
copy T1/2                                         -> 00
time passes                                       -> none  told 1
"""

OLD_BATCH = """
T1/1 places C1 500.00                             -> 00
T1 settles                                        -> 00  T1.batch 000002
T1/2 advises T1/1 200.00 batch=000001             -> 00  T1/1.hold completed  T1.debit 0.00
repeat T1/2                                       -> 00  T1/2.batch_id T0000001/000001
time passes                                       -> none  told 1
"""

FROM_ANOTHER_TERMINAL = """
T1/1 places C1 500.00                             -> 00
T2/2 advises T1/1 460.50                          -> 00  T1/1.hold completed  T2.debit 460.50  T1.debit 0.00
"""

LEAVES_A_REST = """
rules rest=acquirer
T1/1 places C1 500.00                             -> 00
T1/2 advises T1/1 400.00                          -> 00  T1/2.rest none            # the issuer frees it
time passes                                       -> none  T1/2.delivery done  due.release 0
"""

OVERTAKES_A_COMPLETION = """
T1/1 places C1 500.00                             -> 00
issuer is silent
T1/2 completes T1/1 500.00                        -> none
T1/3 advises T1/1 460.50                          -> 00  T1/1.hold completed
issuer answers T1/2 00                            -> 22  T1/2.undo owed  T1/1.taken 460.50
time passes                                       -> none  undone 1  told 0         # told when that is over
wait 5 seconds
time passes                                       -> none  undone 1  told 1
"""

STORIES = {name.lower(): story for name, story in globals().items() if name.isupper() and " -> " in str(story)}


@pytest.mark.parametrize("name", STORIES)
def test_story(name: str) -> None:
    desk = Desk()
    play(STORIES[name], desk.act, desk.look)


def advised(takes: str | None = "00") -> Desk:
    """A desk with an advice that the issuer has not been told of."""
    desk = Desk()
    desk.advice_verdict = takes
    assert desk.act(["T1/1", "places", "C1", "500.00"]) == "00"
    assert desk.act(["T1/2", "advises", "T1/1", "460.50"]) == "00"
    return desk


@pytest.mark.parametrize("code", sorted(responses.DELIVERED))
def test_what_delivers_an_advice(code: str) -> None:
    desk = advised(code)
    desk.act(["time", "passes"])
    assert (desk.row_of("T1/2").delivery, desk.look("due.tell"), desk.look("findings")) == ("done", "0", "0")


@pytest.mark.parametrize("code", sorted(responses.TRANSIENT))
def test_what_an_advice_is_repeated_for(code: str) -> None:
    desk = advised(code)
    desk.act(["time", "passes"])
    assert (desk.row_of("T1/2").delivery, desk.look("due.tell"), desk.look("findings")) == ("owed", "1", "0")


@pytest.mark.parametrize("code", ["05", "12", "22", "25", "30", "41", "51", "64", "10", "ZZ"])
def test_any_other_answer_refuses_it_for_good(code: str) -> None:
    desk = advised(code)
    desk.act(["time", "passes"])
    row = desk.row_of("T1/2")
    assert (row.delivery, row.outcome, row.response_code) == ("objected", "claimed", "00")
    assert (desk.look("due.tell"), desk.look("findings"), desk.look("T1/1.hold")) == ("0", "1", "held")
    said = book_of(desk.database)
    assert (said[-1]["kind"], said[-1]["about"], said[-1]["owner"]) == ("finding", row.asked_entry, "operations")
    assert code in said[-1]["reason"]
    assert said[-1]["next_action"] == "complete it manually, or ask the merchant"


def test_every_repeat_says_the_same_and_somebody_is_told_in_the_end() -> None:
    desk = advised(None)
    policy = Policy()
    pauses: list[int] = []
    for attempt in range(1, policy.undo_finding_attempts + 3):
        desk.turn(claim=True)
        assert len(desk.told) == attempt
        (due,) = [due for due in desk.rows(DUE) if due.key.startswith("tell:")]
        pauses.append((due.due_us - desk.now_us) // SECOND_US)
        desk.now_us = due.due_us
        assert desk.look("findings") == str(int(attempt >= policy.undo_finding_attempts))
    assert pauses[:6] == [5, 10, 20, 40, 80, 120]
    assert [message.mti for message in desk.told] == ["0220", *["0221"] * (len(pauses) - 1)]
    fields = {tuple(sorted((n, value) for n, value in message.fields.items() if n != 128)) for message in desk.told}
    assert len(fields) == 1
    told, placed = desk.told[0], desk.row_of("T1/1")
    exchange = f"HX1|01020000|{desk.row_of('T1/2').asked_entry}|{placed.hold_id}|{desk.row_of('T1/2').trace_key}||"
    assert told.get(EXCHANGE_FIELD) == exchange
    assert {35, 38, 52, 55}.isdisjoint(told.fields), "no track, PIN or chip goes with it"


def test_an_objection_names_what_is_near() -> None:
    desk = Desk()
    desk.act(["T1/1", "places", "C1", "500.00"])
    assert desk.act(["T1/2", "advises", "T1/1", "460.50", "date=1117"]) == "00"
    claim, found = book_of(desk.database)[-2:]
    hold_id = desk.row_of("T1/1").hold_id
    assert claim["candidates"] == [{"hold": hold_id, "differs": [["date", "1117", "1118"]]}]
    assert (claim["phase"], claim["outcome"], claim["response_code"]) == ("recorded", "claimed", "00")
    assert found["about"] == desk.row_of("T1/2").asked_entry
    assert found["reason"].startswith("a completion was advised that 25 speaks against: nearest hold")
    assert found["due"] > found["at"]


def test_an_advice_waits_for_a_link_to_its_issuer() -> None:
    """What has happened is taken when nobody can be told of it yet; asking would be answered 91."""
    desk = advised()
    desk.act(["T1/3", "places", "C2", "100.00"])
    told = len(desk.told)
    desk.links.drop(next(link for host, link in desk.links._hosts.items() if host == "01020000"))
    assert desk.act(["T1/4", "completes", "T1/3", "100.00"]) == "91"
    assert desk.act(["T1/5", "advises", "T1/3", "100.00"]) == "00"
    desk.act(["time", "passes"])
    assert (len(desk.told), desk.row_of("T1/5").delivery) == (told, "owed")
    desk.links.add(desk.issuer, "01020000")
    desk.now_us += 5 * SECOND_US
    desk.act(["time", "passes"])
    assert desk.row_of("T1/5").delivery == "done"


def test_an_advice_behind_a_reversal_that_is_refused_for_ever_is_looked_at_ever_more_seldom() -> None:
    desk = Desk()
    desk.act(["T1/1", "places", "C1", "500.00"])
    desk.act(["issuer", "is", "silent"])
    desk.act(["T1/2", "increments", "T1/1", "100.00"])
    desk.act(["wait", "12", "seconds"])
    desk.act(["time", "passes"])
    desk.act(["issuer", "acknowledges", "22"])
    desk.act(["time", "passes"])
    assert desk.act(["T1/3", "advises", "T1/1", "500.00"]) == "00"
    pauses_us: list[int] = []
    for _ in range(60):
        desk.turn(claim=True)
        (due,) = [row for row in desk.rows(DUE) if row.key.startswith("tell:")]
        pauses_us.append(due.due_us - desk.now_us)
        desk.now_us = due.due_us
    assert desk.look("told") == "0"
    assert (pauses_us[0], pauses_us[-1]) == (Policy().undo_repeat_us, Policy().refused_repeat_max_us)
