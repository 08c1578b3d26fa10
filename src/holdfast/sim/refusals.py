"""Was it right to say no, and to say yes? What hosts answer, judged by what was known when they did.

    22 25 64 …  a request about a hold or posting is declined only where something speaks against it: the state of the
                hold as it then was, its end, the amount, or the day and batch of what is to be voided
    51          is answered where the account does not cover it, and nowhere else: a hold takes its frozen share, a
                sale all, a completion what goes beyond its hold where the issuer says so
    55          is answered to a wrong PIN, and to no right one

The book is one log, so what the issuer knew is certain. Two logs of the acquirer have no common time: there a decline
is wrong only where nothing speaks against it however they lie to each other.
"""

from datetime import date
from typing import Any

from holdfast.domain.rules import Rules
from holdfast.sim.amounts import over_ceiling, rules_for
from holdfast.sim.folds import OwnHold, Walk, entry_of
from holdfast.sim.labels import RIGHT_PIN, WRONG_PIN, Labels
from holdfast.sim.logbook import Complain, Facts, Given
from holdfast.sim.own_book import Moment, OwnBook
from holdfast.sim.own_register import ADVICE, OwnRegister, OwnRequest

OF_ORIGINALS = frozenset({"12", "22", "25", "64", "94", "96"})
"""Declines that say that what is meant does not stand, or does not suffice."""
NO_COVER, BAD_PIN = "51", "55"
ACTS = {
    "increment": "increase",
    "void": "void",
    "completion": "complete",
    ADVICE: "complete",
    "completion-void": "reopen",
    "sale-void": "take-back",
    "refund": "refund",
}
"""What a linked request does to its hold."""
FREEZES = frozenset({"pre-authorization", "moto-pre-authorization", "increment"})
COMPLETES = frozenset({"completion", ADVICE})


SEVERAL = 3
"""What was under way when the acquirer said no is not all in its logs: one or two that look wrong may be right."""


def audit(register: OwnRegister, book: OwnBook, given: Given, labels: Labels, complain: Complain) -> None:
    """Judge what both hosts answered."""
    originals = {request.exchange_id: str(request.opened.get("original", "")) for request in register.requests.values()}
    for exchange_id, answer in book.answers.items():
        facts = answer.facts
        if facts["phase"] == "judged" and "#" not in exchange_id:
            _declined(facts, book.holds.get(facts.get("hold_id", "")), originals.get(exchange_id, ""), complain)
            _cover(facts, book.moments[exchange_id], book.holds, complain)
            _pin(facts, labels, complain)
    odd: list[str] = []
    for request in register.requests.values():
        if refused_by_itself(request, book):
            hold = register.holds.get(request.opened.get("hold_id", ""))
            _refused(request, hold, rules_for(request, given), odd.append)
    if len(odd) >= SEVERAL:
        for what in odd:
            complain(what)


# --- the issuer ---------------------------------------------------------------------------------------------------


def _declined(facts: Facts, hold: OwnHold | None, original: str, complain: Complain) -> None:
    if facts.get("outcome") != "declined" or facts["response_code"] not in OF_ORIGINALS or hold is None:
        return
    if hold.changes[0].get("account_id") != facts.get("account_id"):
        return
    if not any(speaks(walk, facts, original) or is_over(walk, facts) for walk in hold.before(facts)):
        complain(f"I3: book: {entry_of(facts)} declines {facts['trace_key']} with {facts['response_code']}: it may be")


def is_over(walk: Walk, facts: Facts) -> bool:
    """Whether the hold had ended by its own terms, though nobody had booked that yet."""
    return ACTS[facts["kind"]] in ("increase", "void", "complete") and facts["at"] >= walk.expires_us


def _cover(facts: Facts, moment: Moment, holds: dict[str, OwnHold], complain: Complain) -> None:
    approved, refused = facts["outcome"] == "approved", facts["response_code"] == NO_COVER
    if not approved and not refused:
        return
    needed_minor = cover_needed(facts, moment, holds)
    covered = needed_minor <= max(moment.available_minor, 0)
    if covered is not approved:
        has = f"{moment.available_minor} when {needed_minor} was needed"
        complain(f"I3: book: {entry_of(facts)} answers {facts['trace_key']} {facts['response_code']}: it had {has}")


def cover_needed(facts: Facts, moment: Moment, holds: dict[str, OwnHold]) -> int:
    """How much of an account must be available for a request."""
    kind, amount_minor = facts["kind"], int(facts["amount"])
    if kind in FREEZES:
        return amount_minor * moment.frozen_percent // 100
    if kind == "sale":
        return amount_minor
    hold = holds.get(facts.get("hold_id", ""))
    if kind in COMPLETES and hold is not None and moment.habits.get("over_hold") == "if_available":
        return max(amount_minor - hold.before(facts)[0].held_minor, 0)
    return 0


def _pin(facts: Facts, labels: Labels, complain: Complain) -> None:
    key = facts["trace_key"]
    if facts["outcome"] == "approved" and labels.has(key, WRONG_PIN):
        complain(f"I3: book: {entry_of(facts)} approves {key}, whose PIN was wrong")
    if facts["response_code"] == BAD_PIN and labels.has(key, RIGHT_PIN):
        complain(f"I3: book: {entry_of(facts)} declines {key} for its PIN, which was right")


# --- the acquirer -------------------------------------------------------------------------------------------------


def refused_by_itself(request: OwnRequest, book: OwnBook) -> bool:
    """Whether the acquirer said no to what is meant: without asking, or though the issuer had approved."""
    opened, told = request.opened, request.told
    if request.kind not in ACTS or not opened.get("hold_id"):
        return False
    if request.kind == ADVICE:
        return bool(opened.get("outcome") == "claimed")
    if told["phase"] not in ("refused", "answered") or told.get("response_code") not in OF_ORIGINALS:
        return False
    answer = book.answers.get(request.exchange_id)
    return told is opened or (answer is not None and answer.facts["outcome"] == "approved")


def _refused(request: OwnRequest, hold: OwnHold | None, rules: Rules, complain: Complain) -> None:
    if hold is None:
        return
    facts, told = request.opened, request.told
    if request.kind == ADVICE and rules.floor_minor and request.amount_minor > rules.floor_minor:
        return
    walks = hold.before(told)
    if not any(speaks(walk, facts, str(facts.get("original", ""))) or objects(walk, request, rules) for walk in walks):
        code = told.get("response_code")
        complain(f"I3: register: {entry_of(told)} answers {request.trace_key} {code}: nothing speaks against it")


def objects(walk: Walk, request: OwnRequest, rules: Rules) -> bool:
    """Whether a rule of the acquirer speaks against it: the ceiling, and the day and batch of what was posted."""
    kind, facts = request.kind, request.opened
    if kind in COMPLETES:
        return over_ceiling(walk, request.amount_minor, rules.ceiling_percent)
    terms = next((terms_of(act) for act in walk.posts if act[1] == facts.get("original")), {})
    if kind == "refund":
        posted_on = terms.get("on", "0001-01-01")
        return days_between(posted_on, facts["business_date"]) >= rules.refund_days
    if ACTS[kind] in ("reopen", "take-back"):
        return bool(terms.get("on") != facts["business_date"] or terms.get("batch_id") != request.batch_id)
    return False


# --- both ---------------------------------------------------------------------------------------------------------


def speaks(walk: Walk, facts: Facts, original: str) -> bool:
    """Whether the hold, as it stood, speaks against a request about it; `original` is what a void means."""
    name, amount_minor = ACTS[facts["kind"]], int(facts["amount"])
    if not walk.may(name, amount_minor):
        return True
    if name == "void":
        return amount_minor != walk.requested_minor
    if name in ("reopen", "take-back"):
        last = walk.posts[-1]
        sold = last[0] == "sell"
        return bool(last[1] != original or sold is not (name == "take-back") or terms_of(last).get("advised"))
    return False


def terms_of(act: list[Any]) -> Facts:
    """What an act fixes beside its amount."""
    return act[3] if len(act) > 3 else {}


def days_between(first: str, then: str) -> int:
    """So many days lie between two dates, YYYY-MM-DD."""
    return (date.fromisoformat(then) - date.fromisoformat(first)).days
