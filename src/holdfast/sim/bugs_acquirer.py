"""Planted bugs of the acquirer: what it asks, what it is answered, and what it owes the issuer."""

from dataclasses import replace
from typing import Any

import orjson

from holdfast.clock import DEFAULT_ZONE, business_date, local_date
from holdfast.domain import responses
from holdfast.domain.policy import Policy
from holdfast.domain.records import HOLDS, REQUESTS, SESSIONS
from holdfast.domain.tables import DUE, Due, Find
from holdfast.ids import without_repeat
from holdfast.parties.acquirer import Acquirer
from holdfast.parties.admission import turned_away
from holdfast.parties.exchange import EXCHANGE_FIELD
from holdfast.parties.step import TURN, Decision, Event, Outgoing, Party, Received, RowOf, Step, Want
from holdfast.parties.translate import key_of, undo_of
from holdfast.sim.tampering import (
    Bug,
    Cast,
    Facts,
    Tampered,
    acquirer,
    asked,
    both,
    facts_of,
    never_again,
    over_whatever_is_there,
    saying,
    with_rows,
    without,
)

REVERSALS = ("0400", "0401")
QUESTIONS = ("0100", "0200")
ANSWERS = ("0110", "0210")
ADVICES = ("0220", "0221")
BUSINESS = frozenset({"0100", "0200", "0220"})


def business(event: Event) -> bool:
    """Whether a terminal asks for something, for the first time or again."""
    return isinstance(event, Received) and not event.peer and without_repeat(event.message.mti) in BUSINESS


def own_row(event: Event, want: Want) -> bool:
    """Whether this is the row of the request that a terminal asks."""
    if not (business(event) and isinstance(want, RowOf) and want.table is REQUESTS):
        return False
    return isinstance(event, Received) and want.key == str(key_of(event.message))


# --- silence ------------------------------------------------------------------------------------------------------


def no_undo_after_silence(event: Event, step: Step) -> Step:
    """The issuer was silent: the row says that a reversal is owed, and nothing will ever send it."""
    if isinstance(event, Due) and event.key.startswith("answer:"):
        return without(step, lambda table, key, row: table is DUE and key.startswith("undo:"))
    return step


def failed_after_silence(event: Event, step: Step) -> Step:
    """The issuer was silent: the request has failed, and nothing is owed."""
    if not (isinstance(event, Due) and event.key.startswith("answer:") and step.entries):
        return step

    def failed(facts: Facts) -> Facts:
        return facts | {"phase": "answered", "outcome": "declined", "undo": None}

    step = with_rows(saying(step, failed), REQUESTS, lambda row: row._replace(outcome="declined", undo=""))
    return without(step, lambda table, key, row: table is DUE and key.startswith("undo:"))


def undo_sent_once(event: Event, step: Step) -> Step:
    """A reversal to the issuer goes out once, and is not come back to."""
    return never_again(step) if isinstance(event, Due) and event.key.startswith("undo:") else step


def acknowledgement_ignored(event: Event, step: Step) -> Step:
    """The acquirer takes no notice of acknowledged reversals: what was undone stays open for ever."""
    return Step() if asked(event, "0430") else step


# --- answers ------------------------------------------------------------------------------------------------------


def late_is_in_time(event: Event, want: Want, answer: Any) -> Any:
    """The acquirer takes a late answer as if it had come in time."""
    late = asked(event, *ANSWERS) and isinstance(want, RowOf) and want.table is REQUESTS and answer is not None
    return answer._replace(outcome="asked") if late and answer.outcome == "unknown" else answer


class ByOrder:
    """The acquirer takes what an issuer answers for the answer to what it was asked last."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}

    def instead(self, party: Party, event: Event) -> Decision:
        """An answer names what was asked last."""
        if isinstance(event, Received) and event.message.mti in ANSWERS and event.peer in self._last:
            named = {**event.message.fields, EXCHANGE_FIELD: self._last[event.peer]}
            return party.decide(event._replace(message=replace(event.message, fields=named)))
        return party.decide(event)

    def decided(self, event: Event, step: Step) -> Step:
        """What is asked is the last that was."""
        for send in step.send:
            if isinstance(send, Outgoing) and isinstance(send.to, str) and send.message.mti in QUESTIONS:
                self._last[send.to] = send.message.get(EXCHANGE_FIELD) or self._last.get(send.to, "")
        return step


def by_order(policy: Policy) -> Party:
    """An acquirer that matches by order."""
    order = ByOrder()
    return Tampered(Acquirer(policy), decided=order.decided, instead=order.instead)


# --- keys ---------------------------------------------------------------------------------------------------------


def never_asked_before(event: Event, want: Want, answer: Any) -> Any:
    """The acquirer takes every copy of a request for a new one."""
    return None if own_row(event, want) else answer


def repeat_is_a_duplicate(event: Event, want: Want, answer: Any) -> Any:
    """A repeat is answered 94, whatever the first answer was."""
    repeats = isinstance(event, Received) and event.message.mti[3:] == "1"
    return answer._replace(question=b"") if repeats and answer is not None and own_row(event, want) else answer


def key_without_mti(party: Party, event: Event) -> Decision:
    """A reversal has the key of its request, and so gets the answer that the request got."""
    if not (isinstance(event, Received) and event.message.mti in REVERSALS):
        return (yield from party.decide(event))
    undo, decision, answers = undo_of(event.message), party.decide(event), None
    own, request = RowOf(REQUESTS, str(undo.key)), RowOf(REQUESTS, str(undo.undoes))
    while True:
        try:
            wants = decision.send(answers)
        except StopIteration as decided:
            step: Step = decided.value
            return step
        given = yield tuple(request if want == own else want for want in wants)
        # Only the type of the answer is a reversal's.
        answers = [
            row._replace(trace_key=str(undo.key)) if row is not None and want == own else row
            for want, row in zip(wants, given, strict=True)
        ]


# --- reversals ----------------------------------------------------------------------------------------------------


def overtaken_request_unknown(event: Event, step: Step) -> Step:
    """A reversal that comes before its request is answered, and bars nothing."""
    barred = any(facts.get("phase") == "barred" for facts in facts_of(step))
    if not (isinstance(event, Received) and barred and len(step.entries) == 2):
        return step
    return step._replace(entries=(), write=())


def issuer_not_told(event: Event, step: Step) -> Step:
    """What a terminal reverses is taken out of force, and the issuer never hears of it."""
    if not asked(event, *REVERSALS):
        return step
    step = saying(step, lambda facts: facts | {"undo": None})
    step = with_rows(step, REQUESTS, lambda row: row._replace(undo=""))
    return without(step, lambda table, key, row: table is DUE and key.startswith("undo:"))


def reversed_for_ever(event: Event, step: Step) -> Step:
    """A completion is reversed, and its hold stays completed."""
    if asked(event, *REVERSALS) and any("out" in facts.get("hold", {}) for facts in facts_of(step)):
        return without(step, lambda table, key, row: table is HOLDS)
    return step


def of_this_batch_only(party: Party, event: Event) -> Decision:
    """An advice that bears another batch than the one that is open is answered 77, though it cannot bear another."""
    if not (isinstance(event, Received) and event.message.mti in ADVICES):
        return (yield from party.decide(event))
    message = event.message
    (session,) = yield (RowOf(SESSIONS, message.get(41)),)
    if session is None or session.batch == message.get(60)[2:8]:
        return (yield from party.decide(event))
    (turn,) = yield (TURN,)
    return turned_away(event, responses.SIGN_ON_AGAIN, turn, Policy())


class Today:
    """What an acquirer gets wrong that knows only today: `now_us` is when it decided last."""

    def __init__(self) -> None:
        self.now_us = 0

    def reverses_of_today(self, event: Event, want: Want, answer: Any) -> Any:
        """A reversal of what was asked on another business day finds nothing to undo."""
        self._note(want, answer)
        undone = asked(event, *REVERSALS) and isinstance(want, RowOf) and want.table is REQUESTS and answer is not None
        if undone and answer.business_date != business_date(self.now_us, DEFAULT_ZONE).isoformat():
            return answer._replace(outcome="declined") if answer.kind != "reversal" else answer
        return answer

    def year_of_today(self, event: Event, want: Want, answer: Any) -> Any:
        """MMDD on a slip is a day of this year."""
        self._note(want, answer)
        if not (business(event) and isinstance(want, RowOf) and want.table is HOLDS and answer is not None):
            return answer
        before, year = answer.placed_on, str(local_date(self.now_us, DEFAULT_ZONE).year)
        if before[:4] == year:
            return answer
        acts = answer.acts.replace(f'"on":"{before[:4]}', f'"on":"{year}')
        return answer._replace(placed_on=year + before[4:], acts=acts)

    def _note(self, want: Want, answer: Any) -> None:
        if want is TURN:
            self.now_us = answer.now_us


# --- one at a time ------------------------------------------------------------------------------------------------


def nothing_under_way(event: Event, want: Want, answer: Any) -> Any:
    """Two operations on one hold go on at once."""
    looks = isinstance(want, Find) and want.table is REQUESTS and want.where[0][0] == "hold_id"
    return [] if looks and not asked(event, *REVERSALS) else answer


def never_expired(event: Event, want: Want, answer: Any) -> Any:
    """A hold that has expired is completed and voided as if it stood."""
    if not (isinstance(event, Received) and isinstance(want, RowOf)) or getattr(answer, "state", "") != "expired":
        return answer
    acts = [act for act in orjson.loads(answer.acts) if act[0] != "expire"]
    return answer._replace(state="held", acts=orjson.dumps(acts).decode())


BUGS: dict[str, Bug] = {
    "silence-without-reversal": Bug(
        "the acquirer times out without a reversal to the issuer", acquirer(decided=no_undo_after_silence)
    ),
    "unknown-is-failed": Bug(
        "a request that the issuer did not answer is stored as failed", acquirer(decided=failed_after_silence)
    ),
    "undo-sent-once": Bug("the acquirer's reversal is sent once and not stored", acquirer(decided=undo_sent_once)),
    "acknowledgement-ignored": Bug(
        "an acknowledged reversal is never ended", acquirer(decided=acknowledgement_ignored)
    ),
    "late-answer-passed-on": Bug("a late answer of the issuer is passed through", acquirer(late_is_in_time)),
    "answers-by-order": Bug("an answer is matched by order, not by its key", Cast(acquirer=by_order)),
    "request-not-idempotent": Bug(
        "the acquirer takes a copy of a request for a new one", acquirer(never_asked_before, over_whatever_is_there)
    ),
    "repeat-answered-94": Bug("a repeat is answered 94, not the first answer", acquirer(repeat_is_a_duplicate)),
    "key-without-mti": Bug("a reversal is taken for its request", acquirer(instead=key_without_mti)),
    "overtaken-not-remembered": Bug(
        "a reversal that overtook its request is not remembered", acquirer(decided=overtaken_request_unknown)
    ),
    "reversed-and-not-told": Bug(
        "what a terminal reverses is not reversed at the issuer", acquirer(decided=issuer_not_told)
    ),
    "reversal-reopens-nothing": Bug(
        "a reversed completion leaves its hold completed", acquirer(decided=reversed_for_ever)
    ),
    "reversal-of-yesterday": Bug(
        "after the cut-over a reversal of the day before undoes nothing",
        Cast(acquirer=lambda policy: Tampered(Acquirer(policy), Today().reverses_of_today)),
    ),
    "advice-of-old-batch": Bug(
        "an advice of a batch that was settled since is answered 77",
        acquirer(instead=of_this_batch_only),
    ),
    "year-of-today": Bug(
        "MMDD is a day of this year: a hold of December is not found in January",
        Cast(acquirer=lambda policy: Tampered(Acquirer(policy), Today().year_of_today)),
    ),
    "two-at-once": Bug("two operations on one hold go on at once", acquirer(nothing_under_way)),
    "expired-is-held": Bug("an expired hold is completed as if it stood", both(never_expired)),
}
