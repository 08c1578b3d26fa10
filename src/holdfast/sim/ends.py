"""When things end: holds by what rules and habits say, rests by what issuers answered, card numbers by settlement.

a hold   ends so many days after it was placed or last increased: with its minute, or (`day`) with its last day;
         either host has terms of its own for that, and books the end when its time has come, not days later
a rest   that an issuer said it has freed was freed: its book says so
a card   number is kept by a terminal until its batch is closed and nothing of it is still to be told
"""

from typing import Any

from holdfast.clock import DAY_US, HOUR_US, MINUTE_US
from holdfast.domain.records import SALES
from holdfast.domain.tables import DUE
from holdfast.sim.amounts import rules_for
from holdfast.sim.folds import OwnHold, Walk, entry_of
from holdfast.sim.labels import Labels
from holdfast.sim.logbook import Complain, Facts, Given, Kept
from holdfast.sim.own_book import OwnBook
from holdfast.sim.own_journal import OwnJournal
from holdfast.sim.own_register import OwnRegister
from holdfast.sim.refusals import terms_of

SHANGHAI_US = 8 * HOUR_US
"""So far its midnight lies before that of UTC; there is no summer time."""
LATE_MAX_US = 2 * DAY_US
"""So much later may an end be booked: a host may be away for a day."""
PLACES, ENLARGES = "place", "increase"
ACCEPTED = "00"


def end_of(at_us: int, days: int, edge: str) -> int:
    """When a hold ends that was placed at that time."""
    if edge == "day":
        return ((at_us + SHANGHAI_US) // DAY_US + days + 1) * DAY_US - SHANGHAI_US
    return (at_us // MINUTE_US + 1) * MINUTE_US + days * DAY_US


def audit(register: OwnRegister, book: OwnBook, given: Given, labels: Labels, complain: Complain) -> None:
    """Judge the ends of all holds, and what releases came to."""
    by_entry = {request.exchange_id: request for request in register.requests.values()}
    for hold in register.holds.values():
        for facts in hold.changes:
            act = facts["hold"].get("act", [""])
            if act[0] in (PLACES, ENLARGES) and act[1] in by_entry:
                rules = rules_for(by_entry[act[1]], given)
                _ends(facts, act, (rules.validity_days, rules.validity_edge, rules.increment), "register", complain)
        _in_time(hold, "register", complain)
    for hold in book.holds.values():
        for facts in hold.changes:
            act = facts["hold"].get("act", [""])
            if act[0] in (PLACES, ENLARGES) and act[1] in book.moments:
                habits = book.moments[act[1]].habits
                days, edge = int(habits.get("validity_days", "30")), habits.get("validity_edge", "minute")
                _ends(facts, act, (days, edge, habits.get("increment", "extends")), "book", complain)
        _in_time(hold, "book", complain)
    _releases(register, book, labels, complain)


def _ends(facts: Facts, act: list[Any], said: tuple[int, str, str], whose: str, complain: Complain) -> None:
    days, edge, increment = said
    extends = act[0] == PLACES or increment == "extends"
    wanted_us = end_of(facts["at"], days, edge) if extends else 0
    ends_us = terms_of(act).get("expires_us", 0)
    if ends_us != wanted_us:
        complain(f"I3: {whose}: {entry_of(facts)} ends its hold at {ends_us}, {days} days ({edge}) end at {wanted_us}")


def _in_time(hold: OwnHold, whose: str, complain: Complain) -> None:
    walk, since_us = Walk(), 0
    for facts in hold.changes:
        change = facts["hold"]
        act = change.get("act", [""])
        if act[0] == "expire" and facts["kind"] == "expiry" and "out" not in change:
            due_us = max(walk.expires_us, since_us)
            if facts["at"] > due_us + LATE_MAX_US:
                complain(f"I5: {whose}: {entry_of(facts)} ends hold {hold.hold_id} {facts['at'] - due_us} us too late")
        walk.expires_us, since_us = terms_of(act).get("expires_us") or walk.expires_us, facts["at"]


def _releases(register: OwnRegister, book: OwnBook, labels: Labels, complain: Complain) -> None:
    for facts in register.entries:
        if facts["kind"] != "release" or facts.get("response_code") != ACCEPTED:
            continue
        request = register.requests[facts["trace_key"]]
        freed, hold = book.answers.get(f"{request.exchange_id}#release"), book.holds.get(request.hold_id)
        if labels.of_the_issuer(request.trace_key, request.hold_id):
            continue
        if freed is None:
            complain(f"I4: {entry_of(facts)}: the rest of {request.trace_key} is freed, and the book knows nothing")
        elif (
            "hold" not in freed.facts and hold is not None and leaves(hold.before(freed.facts)[0], request.exchange_id)
        ):
            complain(f"I4: book: {freed.entry} says that it frees the rest of {request.trace_key}, and frees nothing")


def undelivered(register: OwnRegister, labels: Labels, complain: Complain) -> None:
    """At the very end no issuer is owed the release of what a completion left (I5)."""
    for key, request in sorted(register.requests.items()):
        if request.delivery == "owed" and not labels.of_the_issuer(key, request.hold_id):
            complain(f"I5: the rest of {key} is still to be freed at the end")


def leaves(walk: Walk, exchange_id: str) -> bool:
    """Whether a completion stands, and left something of its hold that is still held."""
    return walk.state == "held" and bool(walk.posts) and walk.posts[-1][1] == exchange_id


def of_cards(terminal_id: str, journal: OwnJournal, database: Kept, complain: Complain) -> None:
    """No card number is kept of a batch that is closed, once its terminal has nothing more to do about that."""
    if any(str(key).startswith("forget:") for key in database.table(DUE).rows):
        return
    for key, sale in sorted(database.table(SALES).rows.items()):
        if sale.batch and sale.batch != journal.batch and sale.pan_sealed is not None and not sale.delivery:
            complain(f"I7: terminal {terminal_id} keeps the card number of {key}, and its batch is closed")
