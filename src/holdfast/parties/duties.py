"""What the acquirer waits for and owes: an issuer's answer, a reversal to deliver, a hold to expire.

Silence is unknown, never declined: it leads to a reversal that is repeated until the issuer acknowledges it. A late
answer is recorded and undone, never delivered.
"""

from typing import Any

from holdfast.clock import local_date
from holdfast.domain import responses
from holdfast.domain.commands import BY_NAME, EXPIRY, FINDING, REVERSAL
from holdfast.domain.hold import Act, State, allows
from holdfast.domain.originals import normal_code
from holdfast.domain.policy import Policy, expires_us
from holdfast.domain.projections import continued, hold_after, placed
from holdfast.domain.records import (
    CARDS,
    HOLDS,
    ISSUERS,
    MERCHANTS,
    REQUESTS,
    SESSIONS,
    Hold,
    Merchant,
    Request,
    Session,
)
from holdfast.domain.tables import DUE, Due, Entry, Find, Write, insert, put, remove
from holdfast.parties import admission
from holdfast.parties.exchange import (
    EXCHANGE_FIELD,
    MAC_ALGORITHM,
    MAC_FIELD,
    parse,
    undo_at_issuer,
)
from holdfast.parties.step import (
    TURN,
    Decision,
    Outgoing,
    Received,
    RowOf,
    Step,
    Turn,
    entry_saying,
    open_pan,
    verify_mac,
)
from holdfast.parties.translate import answer_to
from holdfast.wire.dialect import ASCII_1987
from holdfast.wire.security import mac_block

RESPONSE_CODE_FIELD = 39
UNDO_ANSWER_MTI = "0430"
ANSWER_MTIS = frozenset({"0110", "0210"})


UNDELIVERED = frozenset({"owed", "objected"})
"""Our reversal was not acknowledged, or was refused because something had been built upon what it undoes."""


def owed_since(trace_key: str, turn: Turn) -> Write:
    """The due row that has a reversal delivered to the issuer, from now on."""
    return put(DUE, Due(f"undo:{trace_key}", turn.now_us, 0, turn.now_us))


# --- the issuer speaks --------------------------------------------------------------------------------------------


def answered_by_issuer(event: Received, policy: Policy) -> Decision:
    """A message of an issuer, in the network dialect; one whose MAC is wrong has not been received."""
    message = event.message
    exchange = parse(message.get(EXCHANGE_FIELD))
    if exchange is None:
        return (yield from unheard(f"issuer {event.peer}: {message.mti} without our exchange (DE48)"))
    if MAC_FIELD not in message.fields:
        return (yield from unheard(f"issuer {event.peer}: {message.mti} without a MAC"))
    block, mac = mac_block(ASCII_1987, message.raw), message.get(MAC_FIELD)
    issuer, request = yield (RowOf(ISSUERS, event.peer), RowOf(REQUESTS, exchange.trace_key))
    if issuer is None or request is None or request.asked_entry != exchange.exchange_id:
        return (yield from unheard(f"issuer {event.peer}: answer to {exchange.exchange_id!r}, which was never asked"))
    # A pre-authorization has no hold to read: its own is the one that the answer makes.
    meant = () if request.hold_id in (None, request.asked_entry) else (RowOf(HOLDS, request.hold_id),)
    genuine, session, merchant, *holds = yield (
        verify_mac(issuer.zone_mac, MAC_ALGORITHM, block, mac),
        RowOf(SESSIONS, request.terminal_id),
        RowOf(MERCHANTS, request.merchant_id),
        *meant,
    )
    if not genuine or request.issuer_id != event.peer:
        return (yield from unheard(f"issuer {event.peer}: MAC of {message.mti} is wrong"))
    if RESPONSE_CODE_FIELD not in message.fields:
        return (yield from unheard(f"issuer {event.peer}: {message.mti} without a response code"))
    if message.mti == UNDO_ANSWER_MTI:
        return (yield from undo_answered(message.get(RESPONSE_CODE_FIELD), request, policy))
    if message.mti not in ANSWER_MTIS:
        return (yield from unheard(f"issuer {event.peer}: {message.mti} is not served"))
    (turn,) = yield (TURN,)
    code, authorization_code = message.get(RESPONSE_CODE_FIELD), message.get(38)
    if request.outcome != "asked":
        return late_answer(request, code, turn)
    if code in responses.OUTCOME_UNKNOWN:
        return left_unknown(request, session, f"the issuer answered {code}, no yes and no no", turn, policy)
    step = answered(request, holds[0] if holds else None, merchant, code, authorization_code, turn, policy)
    after = step.write[0].row
    assert after is not None, "the first write is the request"
    seal = (session.mak, admission.MAC_ALGORITHM) if session else None
    return step._replace(send=(Outgoing(request.trace_key, answer_to(after, policy), seal),))


def unheard(says: str) -> Decision:
    """Not received: nothing is recorded and nothing answered."""
    yield (TURN,)
    return Step(says=says)


def answered(
    request: Request,
    hold: Hold | None,
    merchant: Merchant,
    code: str,
    authorization_code: str,
    turn: Turn,
    policy: Policy,
) -> Step:
    """The issuer's answer in time: taken as it is, unless it approves what the register cannot book: that is undone.

    The first write of the step is the request's row.
    """
    approved = code == responses.APPROVED
    facts: dict[str, Any] = {
        "trace_key": request.trace_key,
        "phase": "answered",
        "outcome": "approved" if approved else "declined",
        "response_code": code,
        "authorization_code": authorization_code or None,
        "actor": "issuer",
    }
    writes: list[Write] = [remove(DUE, f"answer:{request.trace_key}")]
    act = BY_NAME[request.kind].act
    objection = cannot_be_booked(act, hold, authorization_code) if approved else None
    if objection is not None:
        facts |= {
            "outcome": "declined",
            "response_code": responses.OUT_OF_STEP,
            "reason": f"the issuer approved, but {objection}: being undone",
            "undo": "owed",
        }
        writes.append(owed_since(request.trace_key, turn))
    elif approved and act == Act.PLACE:
        facts["authorization_code"] = normal_code(authorization_code)
        facts["hold"] = {
            "id": request.asked_entry,
            "version": 1,
            "act": [Act.PLACE.value, request.asked_entry, request.amount_minor],
            "placed_on": local_date(turn.now_us, policy.zone).isoformat(),
            "expires": expires_us(turn.now_us, merchant.validity_days),
        }
        new = hold_after(placed(facts, request), facts)
        expiry = Due(f"expire:{new.hold_id}", new.expires_us + policy.expiry_grace_us, 0, turn.now_us)
        writes += [insert(HOLDS, new), insert(DUE, expiry)]
    elif approved and hold is not None:
        facts["hold"] = {
            "id": hold.hold_id,
            "version": hold.version + 1,
            "act": [act, request.asked_entry, request.amount_minor],
        }
        writes.append(put(HOLDS, hold_after(hold, facts)))
    said = turn.said(request.kind, facts)
    entry, after = entry_saying(said), continued(request, said)
    return Step((entry,), (put(REQUESTS, after), *writes))


def cannot_be_booked(act: str, hold: Hold | None, authorization_code: str) -> str | None:
    """Why an approval cannot stand in the register; None when it can."""
    if act == Act.PLACE:
        return None if authorization_code.strip() else "without a code that a completion could quote"
    if hold is None or not allows(hold.state, act):
        return f"the hold is {hold.state if hold else 'gone'}"
    return None


def late_answer(request: Request, code: str, turn: Turn) -> Step:
    """An answer to a request that is over. An approval that is not in force is undone, and no answer is delivered."""
    if request.outcome == "approved" or code not in responses.APPROVALS:
        return Step()
    facts = {
        "trace_key": request.trace_key,
        "phase": "late",
        "response_code": code,
        "undo": "owed",
        "actor": "issuer",
        "reason": f"the issuer approved when the request was {request.outcome}",
    }
    said = turn.said(request.kind, facts)
    entry, writes = entry_saying(said), [put(REQUESTS, continued(request, said))]
    if request.undo != "owed":
        writes.append(owed_since(request.trace_key, turn))
    return Step((entry,), tuple(writes))


def undo_answered(code: str, request: Request, policy: Policy) -> Decision:
    """The issuer acknowledges our reversal, refuses it (a finding: our books differ), or is not able to say yet."""
    (turn,) = yield (TURN,)
    if request.undo not in UNDELIVERED:
        return Step()
    due = f"undo:{request.trace_key}"
    facts: dict[str, Any] = {"trace_key": request.trace_key, "response_code": code, "actor": "issuer"}
    if code in responses.REVERSAL_DONE:
        facts |= {"phase": "undone", "undo": "done"}
        entries: tuple[Entry, ...] = (turn.record(REVERSAL, facts),)
        writes = [remove(DUE, due)]
    elif code == responses.OUT_OF_STEP and request.undo == "owed":
        # What was built upon it may be undone in its turn: the reversal goes on being repeated, with its finding open.
        writes = []
        facts |= {"phase": "objected", "undo": "objected"}
        objection = turn.record(REVERSAL, facts)
        reason = "the issuer will not undo what it approved: it says that it was built upon"
        entries = (objection, finding(request, reason, turn.after(objection), policy))
    else:
        return Step(says=f"issuer {request.issuer_id}: reversal of {request.trace_key} answered {code}, repeated later")
    after = continued(request, turn.said(request.kind, facts))
    return Step(entries, (put(REQUESTS, after), *writes))


def finding(request: Request, reason: str, turn: Turn, policy: Policy) -> Entry:
    """A difference that somebody must look at: owner, next action, due time."""
    facts = {
        "trace_key": request.trace_key,
        "about": request.asked_entry,
        "owner": "operations",
        "next_action": "ask the issuer what it booked",
        "due": turn.now_us + policy.finding_due_us,
        "reason": reason,
        "actor": "system",
    }
    return turn.record(FINDING, facts)


# --- time passes --------------------------------------------------------------------------------------------------


def when_due(due: Due, policy: Policy) -> Decision:
    """A due row's time has come."""
    kind, _, key = due.key.partition(":")
    if kind == "answer":
        return issuer_was_silent(due, key, policy)
    if kind == "undo":
        return deliver_undo(due, key, policy)
    assert kind == "expire", f"no such due row: {due.key}"
    return expire(due, key)


def issuer_was_silent(due: Due, trace_key: str, policy: Policy) -> Decision:
    """No answer in time: unknown."""
    (request,) = yield (RowOf(REQUESTS, trace_key),)
    session = None
    if request is not None:
        (session,) = yield (RowOf(SESSIONS, request.terminal_id),)
    (turn,) = yield (TURN,)
    if request is None or request.outcome != "asked":
        return Step(write=(remove(DUE, due.key),))
    return left_unknown(request, session, "the issuer did not answer in time", turn, policy)


def left_unknown(request: Request, session: Session | None, reason: str, turn: Turn, policy: Policy) -> Step:
    """Nobody knows what became of it: the terminal hears 98, and the issuer is owed a reversal from now on."""
    trace_key = request.trace_key
    facts = {
        "trace_key": trace_key,
        "phase": "unknown",
        "response_code": responses.ISSUER_SILENT,
        "actor": "system",
        "reason": reason,
    }
    said = turn.said(request.kind, facts)
    entry, after = entry_saying(said), continued(request, said)
    seal = (session.mak, admission.MAC_ALGORITHM) if session else None
    return Step(
        (entry,),
        (put(REQUESTS, after), remove(DUE, f"answer:{trace_key}"), owed_since(trace_key, turn)),
        (Outgoing(trace_key, answer_to(after, policy), seal),),
    )


def deliver_undo(due: Due, trace_key: str, policy: Policy) -> Decision:
    """Send the reversal, and come back later unless it is acknowledged; it is never given up."""
    (request,) = yield (RowOf(REQUESTS, trace_key),)
    if request is None or request.undo not in UNDELIVERED:
        yield (TURN,)
        return Step(write=(remove(DUE, due.key),))
    issuer, cards = yield (
        RowOf(ISSUERS, request.issuer_id or ""),
        Find(CARDS, (("token", request.token or ""),), 1),
    )
    assert issuer is not None, "an issuer that was asked is known"
    assert cards, "the card it was asked about is in the vault"
    (pan,) = yield (open_pan(cards[0].pan_sealed),)
    (turn,) = yield (TURN,)
    attempts = due.attempts + 1
    pause_us = min(policy.undo_repeat_us * 2 ** min(due.attempts, 16), policy.undo_repeat_max_us)
    again = due._replace(due_us=turn.now_us + pause_us, attempts=attempts)
    entries: tuple[Entry, ...] = ()
    if attempts == policy.undo_finding_attempts:
        entries = (finding(request, f"the issuer left {attempts} reversals unanswered", turn, policy),)
    advice = undo_at_issuer(request, pan, due.attempts > 0, policy)
    sends = (Outgoing(issuer.issuer_id, advice, (issuer.zone_mac, MAC_ALGORITHM)),)
    return Step(entries, (put(DUE, again),), sends)


def expire(due: Due, hold_id: str) -> Decision:
    """The issuer has released the hold by now; the register says so too."""
    (hold,) = yield (RowOf(HOLDS, hold_id),)
    (turn,) = yield (TURN,)
    if hold is None or hold.state != State.HELD:
        return Step(write=(remove(DUE, due.key),))
    facts = {
        "phase": "expired",
        "actor": "system",
        "hold": {"id": hold_id, "version": hold.version + 1, "act": [Act.EXPIRE.value, turn.entry, 0]},
        "terminal_id": hold.terminal_id,
        "merchant_id": hold.merchant_id,
    }
    entry = turn.record(EXPIRY, facts)
    return Step((entry,), (put(HOLDS, hold_after(hold, facts)), remove(DUE, due.key)))
