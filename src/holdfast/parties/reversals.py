"""A terminal's reversal (0400): always recorded, never declined for policy; what it undoes leaves the fold.

The original may be unknown (it was lost, or is still on its way: it is barred for ever), in flight, approved, declined,
unknown or reversed before. Only an original that has been built upon stands: then the answer is 22. Once this is
durable the terminal is answered; our duty towards the issuer stays open as a due row.

A reversal undoes what it describes, not whatever bears its key: a copied or restored terminal must not undo what
another device of the same number was approved.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from holdfast.clock import business_date
from holdfast.domain import responses
from holdfast.domain.commands import BY_NAME, REVERSAL, Silence, Undo
from holdfast.domain.hold import Act, InForce, Reversal, State, fold, load, take_out
from holdfast.domain.policy import Policy
from holdfast.domain.projections import rows_of
from holdfast.domain.records import BATCHES, HOLDS, REQUESTS, Batch, Hold, Request
from holdfast.domain.rules import Rules
from holdfast.domain.tables import DUE, Due, Write, put, remove
from holdfast.ids import rrn_of
from holdfast.parties import underway
from holdfast.parties.admission import Admitted, admit, turned_away
from holdfast.parties.booking import book, counted
from holdfast.parties.ruling import rules_for, wants_of_rules
from holdfast.parties.step import TURN, Decision, Outgoing, Received, RowOf, Step, Turn
from holdfast.parties.translate import answer_to, bare_answer, undo_of
from holdfast.wire.message import Message

NOTHING = "nothing"
"""There was nothing in force to undo."""


class Undone(NamedTuple):
    """What a reversal means: the request, its hold, the batch that it counted in, and what is asked about the hold."""

    original: Request | None
    hold: Hold | None
    batch: Batch | None
    others: Sequence[Request] = ()


def reverse(event: Received, policy: Policy) -> Decision:
    """Take a request of this terminal out of force."""
    try:
        undo = undo_of(event.message)
    except ValueError as error:
        (turn,) = yield (TURN,)
        answer = bare_answer(event.message, responses.FORMAT_ERROR, turn.now_us, policy)
        return Step(send=(Outgoing(event.link, answer),), says=f"terminal {event.message.get(41)!r}: {error}")
    own, undone = RowOf(REQUESTS, str(undo.key)), RowOf(REQUESTS, str(undo.undoes))
    admitted, rows = yield from admit(event, own, undone)
    if isinstance(admitted, str):
        (turn,) = yield (TURN,)
        return turned_away(event, admitted, turn, policy)
    known, original = rows
    hold = batch = None
    if original is not None and original.hold_id:
        (hold,) = yield (RowOf(HOLDS, original.hold_id),)
    others: list[Request] = []
    if hold is not None:
        (others,) = yield (underway.about(hold.hold_id),)
    if original is not None and undo.kind.total:
        (batch,) = yield (RowOf(BATCHES, original.batch_id),)
    schemes = yield wants_of_rules(original.scheme if original else "", admitted.merchant)
    (turn,) = yield (TURN,)
    if admitted.too_late(turn):
        return turned_away(event, responses.MAC_ERROR, turn, policy)
    seal = admitted.seal
    if known is not None:
        return reversed_again(event, undo, known, original, seal, turn, policy)
    if original is not None and not describes(undo, original):
        return another_meant(event, undo, original, responses.ORIGINAL_NOT_FOUND, seal, turn, policy)
    rules = rules_for(original.scheme if original else "", admitted.merchant, tuple(schemes))
    return record_reversal(event, undo, Undone(original, hold, batch, others), rules, admitted, turn, policy)


def reversed_again(
    event: Received,
    undo: Undo,
    known: Request,
    original: Request | None,
    seal: tuple[bytes, str],
    turn: Turn,
    policy: Policy,
) -> Step:
    """A reversal that we know gets its first answer, unless its key now means another request: that is not undone."""
    if BY_NAME[known.echoes].mti == undo.kind.mti:
        return Step(send=(Outgoing(event.link, answer_about(known, original, policy), seal),))
    return another_meant(event, undo, known, responses.DUPLICATE, seal, turn, policy)


def answer_about(known: Request, original: Request | None, policy: Policy) -> Message:
    """The answer to a reversal. Where the original stands it says the code that its slip needs."""
    answer = answer_to(known, policy)
    if original is not None and known.response_code == responses.OUT_OF_STEP:
        answer.fields |= {38: original.authorization_code} if original.authorization_code else {}
    return answer


def describes(undo: Undo, original: Request) -> bool:
    """Whether this is the request that the reversal copies its fields from; what is barred may have been anything."""
    same = original.kind == undo.kind.name and undo.amount_minor in (None, original.amount_minor)
    return same or original.outcome == "tombstone"


def another_meant(
    event: Received, undo: Undo, named: Request, code: str, seal: tuple[bytes, str], turn: Turn, policy: Policy
) -> Step:
    """The key names a request that asked something else. That one stands; what is meant here never was in force."""
    facts = {
        "phase": "duplicate",
        "trace_key": str(undo.key),
        "actor": undo.operator or "terminal",
        "terminal_id": undo.key.terminal,
        "response_code": code,
        "reason": f"the key names {named.entry}, which is another request than this reversal describes",
    }
    entry = turn.record(REVERSAL, facts)
    answer = named._replace(
        trace_key=str(undo.key),
        echoes=undo.kind.name,
        amount_minor=undo.amount_minor or 0,
        authorization_code=None,
        rrn=rrn_of(turn.log, turn.number),
        response_code=code,
        entry=turn.entry,
        answered_us=turn.now_us,
        sequence=undo.sequence,
    )
    return Step((entry,), send=(Outgoing(event.link, answer_to(answer, policy), seal),))


def record_reversal(
    event: Received, undo: Undo, undone: Undone, rules: Rules, admitted: Admitted, turn: Turn, policy: Policy
) -> Step:
    """One entry for the reversal (before it one that bars an original never seen), and the rows that follow from it."""
    common = common_facts(undo, admitted, turn, policy)
    original, barred = undone.original, Step()
    if original is None and undo.kind.silence is not Silence.REPEATED:
        barred, _ = book(undo.kind.name, common | bar_facts(undo, turn), {}, turn)
        turn = turn.after(barred.entries[0])
    effect, change = effect_on(undo, undone, turn)
    facts = common | {
        "trace_key": str(undo.key),
        "phase": "recorded",
        "outcome": "declined" if effect == Reversal.BUILT_UPON else "approved",
        "response_code": code_of(original, effect, rules),
        "echoes": undo.kind.name,
        "rrn": rrn_of(turn.log, turn.number),
        "original": original.asked_entry if original else None,
        "scheme": original.scheme or None if original else None,
        "reverses": str(undo.undoes),
        "undoes": str(effect),
        "undo": undo_owed(original, effect),
        "hold": change,
        "batch": uncounted(undone, effect),
        "reason": undo.reason or None,
    }
    step, after = book(REVERSAL, facts, rows_of(*undone[:3]), turn)
    waits: list[Write] = []
    if original is not None and effect == Reversal.TAKEN_OUT:
        waits = waits_after(original, after[REQUESTS, original.trace_key], undone.hold, turn, policy)
    answer = Outgoing(event.link, answer_about(after[REQUESTS, str(undo.key)], original, policy), admitted.seal)
    return Step((*barred.entries, *step.entries), (*barred.write, *step.write, *waits), (answer,))


def code_of(original: Request | None, effect: str, rules: Rules) -> str:
    """What the terminal is answered. What was never seen is said as this host's rules want it said."""
    if effect == Reversal.BUILT_UPON:
        return responses.OUT_OF_STEP
    return rules.unknown_reversal_code if original is None else responses.APPROVED


def effect_on(undo: Undo, undone: Undone, turn: Turn) -> tuple[str, dict[str, Any] | None]:
    """What the reversal does to its original, and how that changes the hold. An advice or refund is never reversed.

    What an issuer is being asked on top of it counts as built upon it: nobody knows yet that it was not.
    """
    original, hold, _, others = undone
    never_reversed = undo.kind.silence is Silence.REPEATED
    if original is None and never_reversed:
        return str(Reversal.BUILT_UPON), None
    if original is None or original.outcome in ("declined", "reversed", "tombstone"):
        return NOTHING, None
    if never_reversed:
        return str(Reversal.BUILT_UPON), None
    if original.outcome in ("asked", "unknown") or undo.kind.act is None:
        return str(Reversal.TAKEN_OUT), None
    if hold is None:
        return str(Reversal.TAKEN_OUT), None
    done, left = take_out(load(hold.acts), original.asked_entry)
    on_top = underway.after(original, filter(underway.may_stand, others))
    if done is not Reversal.TAKEN_OUT or on_top is not None:
        return str(Reversal.BUILT_UPON), None
    change: dict[str, Any] = {"id": hold.hold_id, "version": hold.version + 1, "out": original.asked_entry}
    life = fold(left)
    if life.state is State.HELD and turn.now_us >= life.expires_us:
        change["act"] = InForce(Act.EXPIRE, turn.entry, 0).as_facts()
    return str(Reversal.TAKEN_OUT), change


def undo_owed(original: Request | None, effect: str) -> str | None:
    """Whether the issuer is owed a reversal now; one that it acknowledged already is not owed again."""
    if original is None or effect != Reversal.TAKEN_OUT or BY_NAME[original.kind].act is None:
        return None
    return original.undo if original.undo in ("owed", "done") else "owed"


def uncounted(undone: Undone, effect: str) -> dict[str, Any] | None:
    """What was approved and counted in the totals of its batch does not count any more."""
    original = undone.original
    if original is None or effect != Reversal.TAKEN_OUT or original.outcome != "approved":
        return None
    total = BY_NAME[original.kind].total
    return counted(undone.batch, original.trace_key, total, original.scheme, original.amount_minor, -1)


def waits_after(original: Request, after: Request, hold: Hold | None, turn: Turn, policy: Policy) -> list[Write]:
    """Our duty towards the issuer becomes a due row, and a hold that stands again ends some day."""
    waits: list[Write] = []
    if original.outcome == "asked":
        waits.append(remove(DUE, f"answer:{original.trace_key}"))
    if after.undo == "owed" and original.undo != "owed":
        waits.append(put(DUE, Due(f"undo:{original.trace_key}", turn.now_us, 0, turn.now_us)))
    if hold is not None and hold.expires_us and BY_NAME[original.kind].needs_original:
        end = Due(f"expire:{hold.hold_id}", hold.expires_us + policy.expiry_grace_us, 0, turn.now_us)
        waits.append(put(DUE, end))
    return waits


def common_facts(undo: Undo, admitted: Admitted, turn: Turn, policy: Policy) -> dict[str, Any]:
    """What both entries say."""
    asked = f"{undo.kind.name}|{undo.amount_minor}|{undo.undoes}"
    return {
        "question": sha256(asked.encode()).digest()[:16].hex(),
        "terminal_id": undo.key.terminal,
        "merchant_id": admitted.terminal.merchant_id,
        "actor": undo.operator or "terminal",
        "business_date": business_date(turn.now_us, policy.zone).isoformat(),
        "amount": undo.amount_minor or 0,
        "currency": policy.currency,
        "sequence": undo.sequence or None,
    }


def bar_facts(undo: Undo, turn: Turn) -> dict[str, Any]:
    """A request that was never seen: it is declined for ever, should it still arrive."""
    return {
        "trace_key": str(undo.undoes),
        "phase": "barred",
        "outcome": "tombstone",
        "response_code": responses.INVALID_TRANSACTION,
        "rrn": rrn_of(turn.log, turn.number),
        "reason": "its reversal came first",
        "sequence": None,
    }
