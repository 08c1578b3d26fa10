"""A terminal's reversal (0400): always recorded, never declined for policy; what it undoes leaves the fold.

The original may be unknown (it was lost, or is still on its way: it is barred for ever), in flight, approved, declined,
unknown or reversed before. Only an original that has been built upon stands: then the answer is 22. Once this is
durable the terminal is answered; our duty towards the issuer stays open as a due row.

A reversal undoes what it describes, not whatever bears its key: a copied or restored terminal must not undo what
another device of the same number was approved.
"""

from hashlib import sha256
from typing import Any

from holdfast.clock import business_date
from holdfast.domain import responses
from holdfast.domain.commands import BY_NAME, REVERSAL, Undo
from holdfast.domain.hold import Act, Reversal, State, fold, load, take_out
from holdfast.domain.policy import Policy
from holdfast.domain.projections import hold_after, opened, reversed_by
from holdfast.domain.records import HOLDS, REQUESTS, Hold, Request
from holdfast.domain.tables import DUE, Due, Entry, Write, insert, put, remove
from holdfast.ids import rrn_of
from holdfast.parties.admission import Admitted, admit, turned_away
from holdfast.parties.step import TURN, Decision, Outgoing, Received, RowOf, Step, Turn, entry_saying
from holdfast.parties.translate import answer_to, bare_answer, undo_of

NOTHING = "nothing"
"""There was nothing in force to undo."""


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
    hold = None
    if original is not None and original.hold_id:
        (hold,) = yield (RowOf(HOLDS, original.hold_id),)
    (turn,) = yield (TURN,)
    if admitted.too_late(turn):
        return turned_away(event, responses.MAC_ERROR, turn, policy)
    seal = admitted.seal
    if known is not None:
        return reversed_again(event, undo, known, seal, turn, policy)
    if original is not None and not describes(undo, original):
        return another_meant(event, undo, original, responses.ORIGINAL_NOT_FOUND, seal, turn, policy)
    return record_reversal(event, undo, original, hold, admitted, turn, policy)


def reversed_again(
    event: Received, undo: Undo, known: Request, seal: tuple[bytes, str], turn: Turn, policy: Policy
) -> Step:
    """A reversal that we know gets its first answer, unless its key now means another request: that is not undone."""
    if BY_NAME[known.echoes].mti == undo.kind.mti:
        return Step(send=(Outgoing(event.link, answer_to(known, policy), seal),))
    return another_meant(event, undo, known, responses.DUPLICATE, seal, turn, policy)


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
    event: Received,
    undo: Undo,
    original: Request | None,
    hold: Hold | None,
    admitted: Admitted,
    turn: Turn,
    policy: Policy,
) -> Step:
    """One entry for the reversal (before it one that bars an original never seen), and the rows that follow from it."""
    common = common_facts(undo, admitted, turn, policy)
    before: tuple[Entry, ...] = ()
    writes: list[Write] = []
    if original is None:
        bar = common | bar_facts(undo, turn)
        said = turn.said(undo.kind.name, bar)
        entry, barred = entry_saying(said), opened(said)
        writes.append(insert(REQUESTS, barred))
        before, turn = (entry,), turn.after(entry)
    effect, change = effect_on(original, hold, turn)
    facts = common | {
        "trace_key": str(undo.key),
        "phase": "recorded",
        "outcome": "declined" if effect == Reversal.BUILT_UPON else "approved",
        "response_code": responses.OUT_OF_STEP if effect == Reversal.BUILT_UPON else responses.APPROVED,
        "echoes": undo.kind.name,
        "rrn": rrn_of(turn.log, turn.number),
        "original": original.asked_entry if original else None,
        "reverses": str(undo.undoes),
        "undoes": str(effect),
        "undo": undo_owed(original, effect),
        "hold": change,
        "reason": undo.reason or None,
    }
    said = turn.said(REVERSAL, facts)
    entry, known = entry_saying(said), opened(said)
    writes.append(insert(REQUESTS, known))
    if original is not None and effect == Reversal.TAKEN_OUT:
        writes += taken_out(original, hold, facts, turn)
    return Step((*before, entry), tuple(writes), (Outgoing(event.link, answer_to(known, policy), admitted.seal),))


def effect_on(original: Request | None, hold: Hold | None, turn: Turn) -> tuple[str, dict[str, Any] | None]:
    """What the reversal does to its original, and how that changes the hold."""
    if original is None or original.outcome in ("declined", "reversed", "tombstone"):
        return NOTHING, None
    if original.outcome in ("asked", "unknown") or hold is None:
        return str(Reversal.TAKEN_OUT), None
    done, left = take_out(load(hold.acts), original.asked_entry)
    if done is not Reversal.TAKEN_OUT:
        return str(Reversal.BUILT_UPON), None
    change: dict[str, Any] = {"id": hold.hold_id, "version": hold.version + 1, "out": original.asked_entry}
    if fold(left).state is State.HELD and turn.now_us >= hold.expires_us:
        change["act"] = [Act.EXPIRE.value, turn.entry, 0]
    return str(Reversal.TAKEN_OUT), change


def undo_owed(original: Request | None, effect: str) -> str | None:
    """Whether the issuer is owed a reversal now; one that it acknowledged already is not owed again."""
    if original is None or effect != Reversal.TAKEN_OUT:
        return None
    return original.undo if original.undo in ("owed", "done") else "owed"


def taken_out(original: Request, hold: Hold | None, facts: dict[str, Any], turn: Turn) -> list[Write]:
    """The original leaves force, the hold is folded again, and the duty towards the issuer becomes a due row."""
    after = reversed_by(original, facts)
    writes = [put(REQUESTS, after)]
    if facts["hold"] is not None and hold is not None:
        writes.append(put(HOLDS, hold_after(hold, facts)))
    if original.outcome == "asked":
        writes.append(remove(DUE, f"answer:{original.trace_key}"))
    if after.undo == "owed" and original.undo != "owed":
        writes.append(put(DUE, Due(f"undo:{original.trace_key}", turn.now_us, 0, turn.now_us)))
    return writes


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
