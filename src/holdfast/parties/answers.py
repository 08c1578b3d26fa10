"""The issuer speaks: what its answers do to requests, holds and batches.

An answer in time is taken as it is. A late one is recorded and undone, never delivered. What the issuer was told (a
reversal, an advice, what a completion left) it acknowledges, refuses or cannot do yet.
"""

from typing import Any, NamedTuple

from holdfast.clock import business_date, local_date
from holdfast.domain import responses
from holdfast.domain.commands import BY_NAME, RELEASE, REVERSAL, Silence
from holdfast.domain.decide import act_of
from holdfast.domain.hold import (
    NO_TERMS,
    PLACES,
    POSTS,
    Act,
    InForce,
    Reversal,
    Terms,
    allows,
    load,
    standing_post,
    take_out,
)
from holdfast.domain.originals import normal_code
from holdfast.domain.policy import Policy, expires_us
from holdfast.domain.projections import rows_of
from holdfast.domain.records import (
    BATCHES,
    HOLDS,
    ISSUERS,
    MERCHANTS,
    REQUESTS,
    SESSIONS,
    TERMINALS,
    Batch,
    Hold,
    Request,
    Session,
)
from holdfast.domain.rules import Rules
from holdfast.domain.tables import DUE, Due, Write, put, remove
from holdfast.money import format_amount, percent_of
from holdfast.parties.booking import ASK_ISSUER, COMPLETE_OR_ASK, book, counted, finding
from holdfast.parties.exchange import (
    EXCHANGE_FIELD,
    MAC_ALGORITHM,
    MAC_FIELD,
    PASSED_ON,
    REPLACEMENT_FIELD,
    parse,
)
from holdfast.parties.ruling import rules_for, wants_of_rules
from holdfast.parties.step import TURN, Decision, Outgoing, Received, RowOf, Step, Turn, verify_mac
from holdfast.parties.translate import answer_to
from holdfast.parties.underway import UNDELIVERED
from holdfast.wire.dialect import ASCII_1987
from holdfast.wire.header import NOTHING
from holdfast.wire.security import mac_block

RESPONSE_CODE_FIELD = 39
UNDO_ANSWER_MTI = "0430"
ANSWER_MTIS = frozenset({"0110", "0210", "0230"})

INSISTS = responses.TRANSIENT | responses.OUTCOME_UNKNOWN
"""Answers after which a refund goes on being told to the issuer."""


def owed_since(trace_key: str, turn: Turn) -> Write:
    """The due row that has a reversal delivered to the issuer, from now on."""
    return put(DUE, Due(f"undo:{trace_key}", turn.now_us, 0, turn.now_us))


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
    kind = BY_NAME[request.kind]
    # A pre-authorization has no hold to read: its own is the one that the answer makes.
    meant = () if request.hold_id in (None, request.asked_entry) else (RowOf(HOLDS, request.hold_id),)
    totals = (RowOf(BATCHES, request.batch_id),) if kind.total else ()
    genuine, session, terminal, merchant, *read = yield (
        verify_mac(issuer.zone_mac, MAC_ALGORITHM, block, mac),
        RowOf(SESSIONS, request.terminal_id),
        RowOf(TERMINALS, request.terminal_id),
        RowOf(MERCHANTS, request.merchant_id),
        *meant,
        *totals,
    )
    hold, batch = read[0] if meant else None, read[-1] if totals else None
    if not genuine or request.issuer_id != event.peer:
        return (yield from unheard(f"issuer {event.peer}: MAC of {message.mti} is wrong"))
    if RESPONSE_CODE_FIELD not in message.fields:
        return (yield from unheard(f"issuer {event.peer}: {message.mti} without a response code"))
    code = message.get(RESPONSE_CODE_FIELD)
    if message.mti == UNDO_ANSWER_MTI:
        answered_here = release_answered if REPLACEMENT_FIELD in message.fields else undo_answered
        return (yield from answered_here(code, request, policy))
    if message.mti not in ANSWER_MTIS:
        return (yield from unheard(f"issuer {event.peer}: {message.mti} is not served"))
    schemes = yield wants_of_rules(request.scheme, merchant)
    (turn,) = yield (TURN,)
    if kind.advice:
        return advice_answered(request, hold, code, turn, policy)
    if request.outcome != "asked":
        return late_answer(request, code, turn)
    if kind.silence is Silence.REPEATED and code in INSISTS:
        return Step(says=f"issuer {event.peer}: {request.trace_key} answered {code}, repeated later")
    if code in responses.OUTCOME_UNKNOWN:
        return left_unknown(request, session, f"the issuer answered {code}, no yes and no no", turn, policy)
    rules = rules_for(request.scheme, merchant, schemes)
    passed_on = {n: message.fields[n] for n in PASSED_ON if n in message.fields}
    said = Said(code, message.get(38).strip(), passed_on, terminal.notice if terminal else NOTHING)
    return answered(request, hold, batch, rules, said, session, turn, policy)


def unheard(says: str) -> Decision:
    """Not received: nothing is recorded and nothing answered."""
    yield (TURN,)
    return Step(says=says)


class Said(NamedTuple):
    """What an issuer's answer says; `passed_on` goes to the terminal and is kept nowhere, as does our `notice`."""

    code: str
    authorization_code: str
    passed_on: dict[int, str | bytes]
    notice: str


def answered(
    request: Request,
    hold: Hold | None,
    batch: Batch | None,
    rules: Rules,
    said: Said,
    session: Session | None,
    turn: Turn,
    policy: Policy,
) -> Step:
    """The issuer's answer in time: taken as it is, unless it approves what the register cannot book: that is undone."""
    kind, approved = BY_NAME[request.kind], said.code in responses.APPROVED_CODES
    code = normal_code(said.authorization_code) if rules.code_padding == "left" else said.authorization_code
    facts: dict[str, Any] = {
        "trace_key": request.trace_key,
        "phase": "answered",
        "outcome": "approved" if approved else "declined",
        "response_code": said.code,
        "authorization_code": code or None,
        "actor": "issuer",
    }
    waited = "tell" if kind.silence is Silence.REPEATED else "answer"
    due = [remove(DUE, f"{waited}:{request.trace_key}")]
    objection = cannot_be_booked(request, kind.act, hold, rules, said.authorization_code) if approved else None
    if objection is not None and kind.silence is Silence.REVERSED:
        facts |= {
            "outcome": "declined",
            "response_code": responses.OUT_OF_STEP,
            "reason": f"the issuer approved, but {objection}: being undone",
            "undo": "owed",
        }
        due.append(owed_since(request.trace_key, turn))
    elif approved:
        counts = counted(batch, request.trace_key, kind.total, request.scheme, request.amount_minor)
        facts |= {"batch": counts, "reason": objection}
        if objection is None and kind.act is not None:
            change, more = booked_on(request, kind.act, hold, code, rules, turn, policy)
            facts, due = facts | change, due + more
    step, after = book(request.kind, facts, rows_of(request, hold, batch), turn)
    entries = step.entries
    if objection is not None and kind.silence is not Silence.REVERSED:
        entries += (
            finding(request, f"the issuer approved, but {objection}", ASK_ISSUER, turn.after(entries[0]), policy),
        )
    answer = answer_to(after[REQUESTS, request.trace_key], policy)
    answer.fields.update(said.passed_on)
    answer.processing_request = said.notice if said.notice != NOTHING else ""
    seal = (session.mak, session.mac_algorithm) if session else None
    sends = (Outgoing(request.trace_key, answer, seal),)
    return step._replace(entries=entries, write=(*step.write, *due), send=sends)


def booked_on(
    request: Request, act: Act, hold: Hold | None, code: str, rules: Rules, turn: Turn, policy: Policy
) -> tuple[dict[str, Any], list[Write]]:
    """What an approval does to its hold, as facts, and what waits from then on."""
    by, amount_minor = request.asked_entry, request.amount_minor
    if hold is not None:
        act = act_of(act, request.rest, hold, amount_minor)
    terms = terms_of(request, act, code, rules, turn, policy)
    put_in_force = InForce(act, by, amount_minor, terms).as_facts()
    change = {"id": request.hold_id, "version": hold.version + 1 if hold else 1, "act": put_in_force}
    facts: dict[str, Any] = {"hold": change}
    waits: list[Write] = []
    # What stands anew, or longer than before, ends some day.
    ends_us = terms.expires_us or (hold.expires_us if hold and act is Act.REOPEN else 0)
    if ends_us:
        waits.append(put(DUE, Due(f"expire:{request.hold_id}", ends_us + policy.expiry_grace_us, 0, turn.now_us)))
    if act is Act.COMPLETE and request.rest == "ours":
        facts["delivery"] = "owed"
        waits.append(
            put(DUE, Due(f"release:{request.trace_key}", turn.now_us + policy.release_after_us, 0, turn.now_us))
        )
    return facts, waits


def terms_of(request: Request, act: Act, code: str, rules: Rules, turn: Turn, policy: Policy) -> Terms:
    """What an approved act fixes for its hold."""
    if act in (Act.PLACE, Act.INCREASE):
        extends = act is Act.PLACE or rules.increment == "extends"
        ends_us = expires_us(turn.now_us, rules.validity_days, rules.validity_edge, policy.zone) if extends else 0
        on = local_date(turn.now_us, policy.zone).isoformat()
        return Terms(code=normal_code(code), on=on, expires_us=ends_us)
    if act in POSTS:
        on = business_date(turn.now_us, policy.zone).isoformat()
        return Terms(code=normal_code(code) if act is Act.SELL else "", on=on, batch_id=request.batch_id)
    return NO_TERMS


def cannot_be_booked(
    request: Request, act: Act | None, hold: Hold | None, rules: Rules, authorization_code: str
) -> str | None:
    """Why an approval cannot stand in the register; None when it can.

    While the issuer was asked, something else may have been booked on the same hold.
    """
    if act is None:
        return None
    if act in PLACES:
        return None if authorization_code else "without a code that a completion could quote"
    if hold is None or not allows(hold.state, act):
        return f"the hold is {hold.state if hold else 'gone'}"
    if act in (Act.VOID, Act.INCREASE) and hold.completed_minor:
        return "the hold was completed in part"
    if act is Act.VOID and request.amount_minor != hold.requested_minor:
        return f"the hold is one of {format_amount(hold.requested_minor)} by now"
    if act is Act.COMPLETE and hold.completed_minor + request.amount_minor > percent_of(
        hold.requested_minor, rules.ceiling_percent
    ):
        return f"the hold was completed to more than {rules.ceiling_percent} % of it"
    if act is Act.REFUND and hold.refunded_minor + request.amount_minor > hold.completed_minor:
        return "more was refunded than was posted"
    if act in (Act.REOPEN, Act.TAKE_BACK):
        post = standing_post(load(hold.acts))
        if post is None or post.by != request.original or hold.refunded_minor:
            return f"{request.original} does not stand any more, or was refunded"
    return None


def late_answer(request: Request, code: str, turn: Turn) -> Step:
    """An answer to a request that is over. An approval that is not in force is undone, and no answer is delivered."""
    never_undone = BY_NAME[request.kind].silence is not Silence.REVERSED
    if never_undone or request.outcome == "approved" or code not in responses.APPROVALS:
        return Step()
    if request.undo == "objected":
        # A copy of what the issuer will not undo: it has its finding, and is asked about it again anyway.
        return Step()
    facts = {
        "trace_key": request.trace_key,
        "phase": "late",
        "response_code": code,
        "undo": "owed",
        "actor": "issuer",
        "reason": f"the issuer approved when the request was {request.outcome}",
    }
    step, _ = book(request.kind, facts, rows_of(request), turn)
    return step if request.undo == "owed" else step._replace(write=(*step.write, owed_since(request.trace_key, turn)))


def undo_answered(code: str, request: Request, policy: Policy) -> Decision:
    """The issuer acknowledges our reversal, refuses it (a finding: our books differ), or is not able to say yet."""
    (turn,) = yield (TURN,)
    if request.undo not in UNDELIVERED:
        return Step()
    due = f"undo:{request.trace_key}"
    facts: dict[str, Any] = {"trace_key": request.trace_key, "response_code": code, "actor": "issuer"}
    if code in responses.REVERSAL_DONE:
        step, _ = book(REVERSAL, facts | {"phase": "undone", "undo": "done"}, rows_of(request), turn)
        return step._replace(write=(*step.write, remove(DUE, due)))
    if code == responses.OUT_OF_STEP and request.undo == "owed":
        # What was built upon it may be undone in its turn: the reversal goes on being repeated, with its finding open.
        step, _ = book(REVERSAL, facts | {"phase": "objected", "undo": "objected"}, rows_of(request), turn)
        reason = "the issuer will not undo what it approved: it says that it was built upon"
        return step._replace(entries=(*step.entries, finding(request, reason, ASK_ISSUER, after(step, turn), policy)))
    return Step(says=f"issuer {request.issuer_id}: reversal of {request.trace_key} answered {code}, repeated later")


def advice_answered(request: Request, hold: Hold | None, code: str, turn: Turn, policy: Policy) -> Step:
    """The issuer has our advice, refuses it (then it is a claim, and somebody must look at it), or cannot say yet."""
    if request.delivery != "owed":
        return Step()
    told = [remove(DUE, f"tell:{request.trace_key}")]
    facts: dict[str, Any] = {"trace_key": request.trace_key, "response_code": code, "actor": "issuer"}
    if code in responses.DELIVERED:
        step, _ = book(request.kind, facts | {"phase": "delivered"}, rows_of(request), turn)
        return step._replace(write=(*step.write, *told))
    if code in responses.TRANSIENT:
        return Step(says=f"issuer {request.issuer_id}: advice {request.trace_key} answered {code}, repeated later")
    reason = f"the issuer refused the advice with {code}, {responses.says(code)}"
    facts |= {"phase": "disputed", "reason": reason}
    if hold is not None and take_out(load(hold.acts), request.asked_entry)[0] is Reversal.TAKEN_OUT:
        facts["hold"] = {"id": hold.hold_id, "version": hold.version + 1, "out": request.asked_entry}
        told.append(put(DUE, Due(f"expire:{hold.hold_id}", hold.expires_us + policy.expiry_grace_us, 0, turn.now_us)))
    step, _ = book(request.kind, facts, rows_of(request, hold), turn)
    raised = finding(request, reason, COMPLETE_OR_ASK, after(step, turn), policy)
    return step._replace(entries=(*step.entries, raised), write=(*step.write, *told))


def release_answered(code: str, request: Request, policy: Policy) -> Decision:
    """The issuer has freed what a completion left, or is asked again; what it refuses to free ends with the hold."""
    (turn,) = yield (TURN,)
    if request.delivery != "owed":
        return Step()
    if code in responses.TRANSIENT or code in responses.OUTCOME_UNKNOWN:
        return Step(says=f"issuer {request.issuer_id}: release of {request.trace_key} answered {code}, repeated later")
    facts = {"trace_key": request.trace_key, "phase": "delivered", "response_code": code, "actor": "issuer"}
    step, _ = book(RELEASE, facts, rows_of(request), turn)
    return step._replace(write=(*step.write, remove(DUE, f"release:{request.trace_key}")))


def after(step: Step, turn: Turn) -> Turn:
    """The turn when the entry of a step has been recorded."""
    return turn.after(step.entries[-1])


def left_unknown(request: Request, session: Session | None, reason: str, turn: Turn, policy: Policy) -> Step:
    """Nobody knows what became of it: the terminal hears 98, and what can be reversed is owed to the issuer."""
    trace_key, reversed_then = request.trace_key, BY_NAME[request.kind].silence is Silence.REVERSED
    facts = {
        "trace_key": trace_key,
        "phase": "unknown",
        "response_code": responses.ISSUER_SILENT,
        "undo": "owed" if reversed_then else None,
        "actor": "system",
        "reason": reason,
    }
    step, rows = book(request.kind, facts, rows_of(request), turn)
    seal = (session.mak, session.mac_algorithm) if session else None
    owed = (owed_since(trace_key, turn),) if reversed_then else ()
    return step._replace(
        write=(*step.write, remove(DUE, f"answer:{trace_key}"), *owed),
        send=(Outgoing(trace_key, answer_to(rows[REQUESTS, trace_key], policy), seal),),
    )
