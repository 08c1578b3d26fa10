"""What the acquirer waits for and owes: an issuer's answer, a reversal or advice to deliver, a hold to free or expire.

Silence is unknown, never declined: it leads to a reversal, or for what is never reversed to a repeat, until the issuer
acknowledges it.
"""

from holdfast.domain.commands import EXPIRY, RELEASE
from holdfast.domain.hold import Act, InForce, State, load, standing_post
from holdfast.domain.policy import Policy
from holdfast.domain.projections import rows_of
from holdfast.domain.records import CARDS, HOLDS, ISSUERS, REQUESTS, SESSIONS, Issuer, Request
from holdfast.domain.tables import DUE, Due, Entry, Find, put, remove
from holdfast.parties import underway
from holdfast.parties.answers import left_unknown
from holdfast.parties.booking import ASK_ISSUER, book, finding
from holdfast.parties.exchange import MAC_ALGORITHM, release_at_issuer, tell_issuer, undo_at_issuer
from holdfast.parties.step import TURN, Decision, Outgoing, Reads, RowOf, Step, Turn, open_pan
from holdfast.parties.underway import UNDELIVERED
from holdfast.wire.message import Message


def when_due(due: Due, policy: Policy) -> Decision:
    """A due row's time has come."""
    kind, _, key = due.key.partition(":")
    if kind == "answer":
        return issuer_was_silent(due, key, policy)
    if kind == "undo":
        return deliver_undo(due, key, policy)
    if kind == "tell":
        return tell(due, key, policy)
    if kind == "release":
        return release(due, key, policy)
    assert kind == "expire", f"no such due row: {due.key}"
    return expire(due, key, policy)


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


def deliver_undo(due: Due, trace_key: str, policy: Policy) -> Decision:
    """Send the reversal, and come back later unless it is acknowledged; it is never given up."""
    (request,) = yield (RowOf(REQUESTS, trace_key),)
    if request is None or request.undo not in UNDELIVERED:
        yield (TURN,)
        return Step(write=(remove(DUE, due.key),))
    issuer, pan = yield from way_to_issuer(request)
    (others,) = yield (underway.about(request.hold_id or ""),)
    (turn,) = yield (TURN,)
    if request.hold_id and underway.after(request, filter(underway.is_awaited, others)) is not None:
        return comes_later(due, turn, policy)
    advice = undo_at_issuer(request, pan, due.attempts > 0, policy)
    return sent_again(due, request, issuer, advice, "reversals", turn, policy)


def tell(due: Due, trace_key: str, policy: Policy) -> Decision:
    """Tell the issuer of an advice or a refund, and come back later unless it answers; it is never given up."""
    (request,) = yield (RowOf(REQUESTS, trace_key),)
    if request is None or not (request.delivery == "owed" or request.outcome == "asked"):
        yield (TURN,)
        return Step(write=(remove(DUE, due.key),))
    issuer, pan = yield from way_to_issuer(request)
    (others,) = yield (underway.about(request.hold_id or ""),)
    (turn,) = yield (TURN,)
    # A refund has left before: were it to wait for a reversal owed since, that one would wait for it, too.
    if request.delivery == "owed" and underway.before(request, others) is not None:
        return comes_later(due, turn, policy)
    advice = tell_issuer(request, pan, due.attempts > 0 or request.outcome == "asked", policy)
    return sent_again(due, request, issuer, advice, "advices", turn, policy)


def comes_later(due: Due, turn: Turn, policy: Policy) -> Step:
    """Something else about the hold must be over first: that is soon, or never where an issuer refuses to undo it."""
    waited_us = turn.now_us - due.since_us
    pause_us = min(max(policy.undo_repeat_us, waited_us // 4), policy.refused_repeat_max_us)
    return Step(write=(put(DUE, due._replace(due_us=turn.now_us + pause_us)),))


def release(due: Due, trace_key: str, policy: Policy) -> Decision:
    """Have the issuer free what a completion left of its hold, as long as that completion stands."""
    (request,) = yield (RowOf(REQUESTS, trace_key),)
    if request is None or request.delivery != "owed":
        yield (TURN,)
        return Step(write=(remove(DUE, due.key),))
    (hold,) = yield (RowOf(HOLDS, request.hold_id or ""),)
    issuer, pan = yield from way_to_issuer(request)
    (turn,) = yield (TURN,)
    post = standing_post(load(hold.acts)) if hold is not None else None
    stands = post is not None and post.by == request.asked_entry
    if not stands and hold is not None and hold.state == State.HELD:
        # The completion was voided; should that be reversed, it leaves something again. That is soon or never, and
        # never once the hold has ended.
        later_us = turn.now_us + max(policy.release_after_us, turn.now_us - due.since_us)
        ended_us = max(hold.expires_us, turn.now_us + policy.release_after_us)
        return Step(write=(put(DUE, due._replace(due_us=min(later_us, ended_us))),))
    if not stands:
        facts = {"trace_key": trace_key, "phase": "delivered", "actor": "system", "reason": "the completion was voided"}
        step, _ = book(RELEASE, facts, rows_of(request), turn)
        return step._replace(write=(*step.write, remove(DUE, due.key)))
    advice = release_at_issuer(request, pan, due.attempts > 0, policy)
    return sent_again(due, request, issuer, advice, "releases", turn, policy)


def way_to_issuer(request: Request) -> Reads[tuple[Issuer, str]]:
    """The issuer of a request, and the card number that it must be told again."""
    issuer, cards = yield RowOf(ISSUERS, request.issuer_id or ""), Find(CARDS, (("token", request.token or ""),), 1)
    assert issuer is not None, "an issuer that was asked is known"
    assert cards, "the card it was asked about is in the vault"
    (pan,) = yield (open_pan(cards[0].pan_sealed),)
    return issuer, pan


def sent_again(
    due: Due, request: Request, issuer: Issuer, advice: Message, what: str, turn: Turn, policy: Policy
) -> Step:
    """An advice goes out, and its due row comes back after a growing pause; after many a finding names an owner."""
    attempts, refused = due.attempts + 1, request.undo == "objected"
    pause_us_max = policy.refused_repeat_max_us if refused else policy.undo_repeat_max_us
    pause_us = min(policy.undo_repeat_us * 2 ** min(due.attempts, 16), pause_us_max)
    again = due._replace(due_us=turn.now_us + pause_us, attempts=attempts)
    entries: tuple[Entry, ...] = ()
    if attempts == policy.undo_finding_attempts and not refused:
        reason = f"the issuer left {attempts} {what} unanswered"
        entries = (finding(request, reason, ASK_ISSUER, turn, policy),)
    sends = (Outgoing(issuer.issuer_id, advice, (issuer.zone_mac, MAC_ALGORITHM)),)
    return Step(entries, (put(DUE, again),), sends)


def expire(due: Due, hold_id: str, policy: Policy) -> Decision:
    """The issuer has released the hold by now; the register says so too."""
    (hold,) = yield (RowOf(HOLDS, hold_id),)
    (turn,) = yield (TURN,)
    if hold is None or hold.state != State.HELD:
        return Step(write=(remove(DUE, due.key),))
    ends_us = hold.expires_us + policy.expiry_grace_us
    if turn.now_us < ends_us:
        return Step(write=(put(DUE, due._replace(due_us=ends_us)),))
    facts = {
        "phase": "expired",
        "actor": "system",
        "hold": {"id": hold_id, "version": hold.version + 1, "act": InForce(Act.EXPIRE, turn.entry, 0).as_facts()},
        "terminal_id": hold.terminal_id,
        "merchant_id": hold.merchant_id,
    }
    step, _ = book(EXPIRY, facts, rows_of(hold), turn)
    return step._replace(write=(*step.write, remove(DUE, due.key)))
