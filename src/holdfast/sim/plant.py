"""Bugs to test the auditor with: each is a known way in which a record gets lost, planted around the real parties.

They live here and in `trade_bugs`, and nowhere else. A bug is a wrapper that changes what a party is told or what it
decides, or an engine that does one thing in the wrong order; the product's code stays as it is.
"""

from typing import Any, cast

from holdfast.domain.records import ANSWERS, DEVICES, REQUESTS, SALES, Answer, Device, Sale
from holdfast.domain.tables import DUE, Due, Write
from holdfast.parties.exchange import EXCHANGE_FIELD, parse
from holdfast.parties.step import Event, Received, RowOf, Step, Want
from holdfast.register.canonical import decode_strict, encode, leaf_hash
from holdfast.runtime.engine import Engine
from holdfast.runtime.links import Answering, Sending
from holdfast.sim import trade_bugs
from holdfast.sim.tampering import (
    HONEST,
    Bug,
    Cast,
    acquirer,
    issuer,
    over_whatever_is_there,
    terminal,
    without,
)

__all__ = ["BUGS", "HONEST", "Bug", "Cast"]

UNDO_MTIS = frozenset({"0420", "0421"})


class EagerEngine(Engine):
    """Lets its answers go before the commit."""

    def _prepare(self, steps: list[Step]) -> list[Sending | Answering]:
        self._links.deliver(super()._prepare(steps))
        return []


def no_undo_after_silence(event: Event, step: Step) -> Step:
    """The issuer was silent: the row says that a reversal is owed, and nothing will ever send it."""
    if isinstance(event, Due) and event.key.startswith("answer:"):
        return without(step, lambda table, key, row: table is DUE and key.startswith("undo:"))
    return step


def undo_sent_once(event: Event, step: Step) -> Step:
    """A reversal to the issuer goes out once, and is not come back to."""
    if isinstance(event, Due) and event.key.startswith("undo:"):
        return step._replace(write=tuple(w._replace(row=None) if w.table is DUE else w for w in step.write))
    return step


def reversal_sent_once(event: Event, step: Step) -> Step:
    """A terminal's reversal goes out once, and is not come back to."""
    if isinstance(event, Due) and event.key.startswith("reverse:") and step.send:
        return step._replace(write=tuple(w._replace(row=None) if w.table is DUE else w for w in step.write))
    return step


def silence_is_a_decline(event: Event, step: Step) -> Step:
    """The terminal believes a request declined that nobody answered, and stores no reversal."""
    if not (isinstance(event, Due) and event.key.startswith("answer:") and len(step.entries) == 2):
        return step
    unanswered, _ = step.entries
    facts = decode_strict(unanswered.body) | {"phase": "answered", "outcome": "declined", "response_code": "12"}
    body = encode(facts)
    writes = tuple(_declined(write) for write in step.write if not _of_reversal(write))
    return step._replace(entries=(unanswered._replace(body=body, leaf=leaf_hash(body)),), write=writes)


def _of_reversal(write: Write) -> bool:
    return str(write.key).startswith("reverse:") or str(write.key).endswith("/0400")


def _declined(write: Write) -> Write:
    if write.table is SALES:
        return write._replace(row=cast(Sale, write.row)._replace(outcome="declined"))
    return write._replace(row=cast(Device, write.row)._replace(reversal="")) if write.table is DEVICES else write


def no_memory_of_answers(event: Event, want: Want, answer: Any) -> Any:
    """The issuer takes every question for a new one."""
    asked = isinstance(event, Received) and event.message.mti not in UNDO_MTIS
    return None if asked and isinstance(want, RowOf) and want.table is ANSWERS else answer


def late_is_in_time(event: Event, want: Want, answer: Any) -> Any:
    """The acquirer takes a late answer as if it had come in time."""
    late = isinstance(event, Received) and event.peer and event.message.mti in ("0110", "0210")
    if late and isinstance(want, RowOf) and want.table is REQUESTS and answer is not None:
        return answer._replace(outcome="asked") if answer.outcome == "unknown" else answer
    return answer


def overtaken_request_unknown(event: Event, step: Step) -> Step:
    """A reversal that comes before its request is answered, and bars nothing."""
    barred = any(b'"phase":"barred"' in entry.body for entry in step.entries)
    if not (isinstance(event, Received) and barred and len(step.entries) == 2):
        return step
    return step._replace(entries=(), write=())


def overtaken_question_unknown(event: Event, want: Want, answer: Any) -> Any:
    """The issuer takes a reversal that came before its question for one of a declined question, and bars nothing."""
    undoing = isinstance(event, Received) and event.message.mti in UNDO_MTIS
    if not (undoing and isinstance(want, RowOf) and want.table is ANSWERS and answer is None):
        return answer
    exchange = parse(cast(Received, event).message.get(EXCHANGE_FIELD))
    if exchange is None or want.key != exchange.exchange_id:
        return answer
    declined = ("declined", exchange.issuer_id, None, None, 0, "12", None, "I-000001", 0)
    return Answer(exchange.exchange_id, b"", "pre-authorization", *declined)


def acknowledgement_ignored(event: Event, step: Step) -> Step:
    """The acquirer takes no notice of acknowledged reversals: what was undone stays open for ever."""
    if isinstance(event, Received) and event.message.mti == "0430":
        return Step()
    return step


BUGS: dict[str, Bug] = {
    "answer-before-commit": Bug("the acquirer's answer leaves before the commit", Cast(acquirer_engine=EagerEngine)),
    "receipt-before-journal": Bug("the receipt is printed before the journal", Cast(terminal_engine=EagerEngine)),
    "silence-without-reversal": Bug(
        "the acquirer times out without a reversal to the issuer", acquirer(decided=no_undo_after_silence)
    ),
    "silence-is-a-decline": Bug("the terminal takes silence for a decline", terminal(decided=silence_is_a_decline)),
    "reversal-sent-once": Bug(
        "the terminal's reversal is sent once and not stored", terminal(decided=reversal_sent_once)
    ),
    "undo-sent-once": Bug("the acquirer's reversal is sent once and not stored", acquirer(decided=undo_sent_once)),
    "issuer-not-idempotent": Bug(
        "the issuer judges a copy of a question again", issuer(no_memory_of_answers, over_whatever_is_there)
    ),
    "late-answer-passed-on": Bug("a late answer of the issuer is passed through", acquirer(late_is_in_time)),
    "overtaken-not-remembered": Bug(
        "a reversal that overtook its request is not remembered", acquirer(decided=overtaken_request_unknown)
    ),
    "issuer-forgets-overtaken": Bug(
        "the issuer forgets a reversal that overtook its question", issuer(overtaken_question_unknown)
    ),
    "acknowledgement-ignored": Bug(
        "an acknowledged reversal is never ended", acquirer(decided=acknowledgement_ignored)
    ),
    **trade_bugs.BUGS,
}
