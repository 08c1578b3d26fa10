"""The acquirer: serves terminals, writes the register, asks issuers, and undoes what they never answered.

The flow of a request, from top to bottom: admit → known already? → refuse by ourselves? → write "asked", ask the
issuer → write "answered", answer the terminal. What waits (an answer, a reversal to deliver, a hold to expire) is a due
row; `duties` works on those.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from holdfast.clock import business_date, local_date
from holdfast.domain import responses
from holdfast.domain.commands import (
    BUSINESS_KINDS,
    DOWNLOAD_PARAMETERS,
    ECHO,
    RECORDS_CODE,
    REVERSAL_MTI,
    SCRIPT_MTI,
    SETTLEMENT_MTI,
    SIGN_OFF_CODE,
    UPLOAD_MTI,
    Means,
    Silence,
)
from holdfast.domain.decide import (
    Refusal,
    act_of,
    check_amount,
    check_card,
    check_entry,
    check_merchant,
    check_original,
    check_velocity,
    rest_of,
)
from holdfast.domain.hold import PLACES, Act, InForce, Terms
from holdfast.domain.originals import Given, Match, match, match_posting, normal_code
from holdfast.domain.policy import Policy
from holdfast.domain.projections import rows_of
from holdfast.domain.records import CARDS, REQUESTS, Request
from holdfast.domain.tables import DUE, Due, Write, insert, put
from holdfast.ids import batch_of, rrn_of, without_repeat
from holdfast.parties import admission, answers, duties, installation, records, reversals, settlement
from holdfast.parties.admission import admit, turned_away
from holdfast.parties.booking import book, counted, finding
from holdfast.parties.exchange import MAC_ALGORITHM as ISSUER_MAC_ALGORITHM
from holdfast.parties.exchange import ask_issuer
from holdfast.parties.lookups import CardFacts, Seen, look, wants_of_card
from holdfast.parties.proving import with_proof
from holdfast.parties.step import (
    TURN,
    Command,
    Decision,
    Event,
    Outgoing,
    Received,
    RowOf,
    Step,
    Turn,
    Wait,
)
from holdfast.parties.translate import answer_to, ask_of, bare_answer, question_of

BUSINESS_MTIS = frozenset(kind.mti for kind in BUSINESS_KINDS)


class Acquirer:
    """The party. It holds no state of its own: only the rules of its installation.

    `ended` gives the sizes of the logs that a restore ended: what terminals know beyond them was lost in it.
    """

    def __init__(self, policy: Policy, ended: Mapping[str, int] = MappingProxyType({})) -> None:
        self.policy = policy
        self.ended = ended

    def decide(self, event: Event) -> Decision:
        """All events go through here."""
        if isinstance(event, Due):
            return duties.when_due(event, self.policy)
        if isinstance(event, Command):
            return installation.obey(event)
        if event.peer:
            return answers.answered_by_issuer(event, self.policy)
        return with_proof(self.asked_by_terminal(event), self.policy)

    def asked_by_terminal(self, event: Received) -> Decision:
        """One message of a terminal, by its type."""
        message = event.message
        mti = without_repeat(message.mti)
        if int(mti[2]) % 2:
            return unasked(event)
        management = message.get(60)[8:11]
        if mti == "0800" and management == DOWNLOAD_PARAMETERS:
            return admission.download(event, self.policy)
        if mti == "0800" and management == RECORDS_CODE:
            return records.tell(event, self.policy)
        if mti == "0800":
            return admission.sign_on(event, self.policy, self.ended)
        if mti == "0820" and management == ECHO:
            return admission.echo(event, self.policy)
        if mti == "0820" and management == SIGN_OFF_CODE:
            return admission.sign_off(event, self.policy)
        if mti == REVERSAL_MTI:
            return reversals.reverse(event, self.policy)
        if mti == SETTLEMENT_MTI:
            return settlement.settle(event, self.policy)
        if mti == UPLOAD_MTI:
            return settlement.take_upload(event, self.policy)
        if mti == SCRIPT_MTI:
            return settlement.note_script(event, self.policy)
        if mti in BUSINESS_MTIS:
            return ask(event, self.policy)
        return not_understood(event, f"message type {message.mti} is not served", self.policy)

    def refuse(self, event: Event, error: Exception) -> Decision:
        """A bug of ours: record it by its name alone (its text might hold a card), answer 96 where somebody waits."""
        (turn,) = yield (TURN,)
        facts = {"phase": "refused", "actor": "system", "reason": type(error).__name__, "event": type(event).__name__}
        says = f"deciding on {type(event).__name__} failed: {type(error).__name__}"
        entry = turn.record("refusal", facts)
        if isinstance(event, Due):
            later = event._replace(due_us=turn.now_us + self.policy.undo_repeat_max_us, attempts=event.attempts + 1)
            return Step((entry,), (Write(DUE, event.key, later),), says=says)
        if isinstance(event, Command):
            return Step((entry,), send=(installation.outcome(event, {"ok": False, "reason": says}),), says=says)
        if event.peer:
            return Step((entry,), says=says)
        answer = bare_answer(event.message, responses.SYSTEM_FAULT, turn.now_us, self.policy)
        return Step((entry,), send=(Outgoing(event.link, answer),), says=says)


def unasked(event: Received) -> Decision:
    """A response, or something like it: whoever answered that might never end."""
    yield (TURN,)
    return Step(says=f"terminal {event.message.get(41)!r}: message type {event.message.mti} asks nothing")


def not_understood(event: Received, reason: str, policy: Policy) -> Decision:
    """A message that names no request: answered 30 without a record, for there is no key to record it under."""
    (turn,) = yield (TURN,)
    answer = bare_answer(event.message, responses.FORMAT_ERROR, turn.now_us, policy)
    return Step(send=(Outgoing(event.link, answer),), says=f"terminal {event.message.get(41)!r}: {reason}")


def ask(event: Received, policy: Policy) -> Decision:
    """A business request: read, refuse by ourselves or ask the issuer. An advice is registered whatever it says."""
    message = event.message
    try:
        asked = ask_of(message)
    except ValueError as error:
        return (yield from not_understood(event, str(error), policy))
    admitted, read = yield from admit(event, RowOf(REQUESTS, str(asked.key)), *wants_of_card(asked))
    if isinstance(admitted, str):
        (turn,) = yield (TURN,)
        return turned_away(event, admitted, turn, policy)
    request, *of_card = read
    seen = yield from look(asked, admitted, of_card)

    (turn,) = yield (TURN,)
    if admitted.too_late(turn):
        return turned_away(event, responses.MAC_ERROR, turn, policy)
    question = question_of(message, seen.card.token)
    if request is not None:
        return asked_again(event, seen, request, question, turn, policy)
    found = which_original(seen, turn, policy)
    refusal, before = refusal_of_itself(seen, turn, policy), under_way_before(seen, found)
    if refusal is None and before is not None:
        if turn.now_us < (event.since_us or turn.now_us) + policy.issuer_patience_us:
            return Step(again=event._replace(since_us=event.since_us or turn.now_us))
        refusal = Refusal(responses.ISSUER_DOWN, f"{before} about the same hold is not over: ask again")
    refusal = refusal or refusal_of_original(seen, found, turn, policy) or check_way(seen, turn)
    comes_again = asked.kind.silence is Silence.REPEATED and not asked.kind.advice
    if refusal is not None and comes_again and refusal.code in responses.TRANSIENT:
        # It comes again under its key until there is a yes or a no: "not now" must not become its answer for ever.
        return turned_away(event, refusal.code, turn, policy)
    facts = opening_facts(seen, question, found, turn, policy)
    if asked.kind.advice:
        return advised(event, seen, facts, refusal, found, turn, policy)
    if refusal is not None:
        return refused(event, seen, facts, refusal, found, turn, policy)
    return forwarded(event, seen, facts, turn, policy)


# --- deciding -----------------------------------------------------------------------------------------------------


def asked_again(event: Received, seen: Seen, request: Request, question: bytes, turn: Turn, policy: Policy) -> Step:
    """A key that we know: the same question gets the first answer, another question is a duplicate."""
    asked, seal = seen.asked, seen.admitted.seal
    # The answer echoes what is asked now, which for a duplicate or a barred request may be something else.
    known = request._replace(
        echoes=asked.kind.name, amount_minor=asked.amount_minor or 0, merchant_id=asked.merchant_id
    )
    if request.outcome != "tombstone" and request.question != question:
        facts = {
            "phase": "duplicate",
            "trace_key": request.trace_key,
            "actor": asked.operator or "terminal",
            "terminal_id": asked.key.terminal,
            "response_code": responses.DUPLICATE,
            "reason": f"the key names {request.entry}, which asked something else",
        }
        entry = turn.record(asked.kind.name, facts)
        other = known._replace(
            response_code=responses.DUPLICATE, entry=turn.entry, answered_us=turn.now_us, authorization_code=None
        )
        return Step((entry,), send=(Outgoing(event.link, answer_to(other, policy), seal),))
    if request.outcome == "asked":
        return Step(wait=Wait(request.trace_key, event.link, seal))
    if request.response_code is None:
        # Reversed while the issuer was being asked: it never had an answer, and must not get one that approves.
        known = known._replace(response_code=responses.INVALID_TRANSACTION, answered_us=turn.now_us)
    return Step(send=(Outgoing(event.link, answer_to(known, policy), seal),))


def which_original(seen: Seen, turn: Turn, policy: Policy) -> Match:
    """The hold or posting that a linked request means."""
    asked, vault = seen.asked, seen.card.vault
    if not asked.kind.needs_original or vault is None:
        return Match(None)
    given = Given(
        asked.original,
        vault.token,
        vault.mask,
        asked.merchant_id,
        turn.now_us,
        policy.zone,
        any_merchant=seen.rules.void_matches == "any",
        any_date=asked.kind.act is Act.INCREASE and not asked.original.mmdd.strip("0"),
    )
    if asked.kind.means is Means.POSTING:
        return match_posting(seen.holds, given, seen.own_entry)
    return match(seen.holds, given)


def refusal_of_itself(seen: Seen, turn: Turn, policy: Policy) -> Refusal | None:
    """What speaks against the request whatever it refers to, in order of precedence."""
    asked, card, rules = seen.asked, seen.card, seen.rules
    return (
        check_session(seen)
        or check_amount(asked, rules, policy)
        or check_merchant(asked, seen.admitted.merchant, seen.admitted.terminal.merchant_id, rules)
        or check_card(asked, card.bin, card.issuer, card.hot, turn.now_us, policy)
        or check_entry(asked, rules)
        or check_velocity(asked, seen.holds, local_date(turn.now_us, policy.zone).isoformat(), rules)
    )


def refusal_of_original(seen: Seen, found: Match, turn: Turn, policy: Policy) -> Refusal | None:
    """What speaks against it because of what it refers to."""
    if not seen.asked.kind.needs_original:
        return None
    return check_original(seen.asked, found, turn.now_us, seen.rules, policy)


def check_session(seen: Seen) -> Refusal | None:
    """Is it a request of the batch that is open? What is repeated until it is answered may be of an older one."""
    asked, session = seen.asked, seen.admitted.session
    insists = asked.kind.silence is Silence.REPEATED
    if asked.kind.advice or (insists and asked.repeat):
        return None
    if not session.signed_on or asked.key.batch != session.batch:
        return Refusal(responses.SIGN_ON_AGAIN, f"batch {asked.key.batch}, the centre has {session.batch}")
    if asked.repeat:
        return Refusal(responses.ORIGINAL_NOT_FOUND, "a repeat of a request that was never seen")
    return None


def under_way_before(seen: Seen, found: Match) -> str | None:
    """The key of what is not over yet about the hold that is meant: until it is, nobody knows what the hold is."""
    hold_id = found.hold.hold_id if found.hold else None
    return next((each.trace_key for each in seen.under_way if each.hold_id == hold_id), None)


def check_way(seen: Seen, turn: Turn) -> Refusal | None:
    """Can the issuer be asked now? It need not be reached to tell it something later."""
    issuer = seen.card.issuer
    if seen.pin is None:
        return Refusal(responses.BAD_PIN_BLOCK, "DE52 is not a PIN block under this session's key")
    told_later = seen.asked.kind.silence is Silence.REPEATED
    if issuer is not None and not told_later and issuer.issuer_id not in turn.linked:
        return Refusal(responses.ISSUER_DOWN, "no link to the issuer")
    return None


def opening_facts(seen: Seen, question: bytes, found: Match, turn: Turn, policy: Policy) -> dict[str, Any]:
    """What the entry that opens a request says of it."""
    asked, card, hold = seen.asked, seen.card, found.hold
    original = found.posting.by if found.posting else hold.hold_id if hold else None
    return {
        "trace_key": str(asked.key),
        "question": question.hex(),
        "terminal_id": asked.key.terminal,
        "merchant_id": asked.merchant_id,
        "actor": asked.operator or "terminal",
        "business_date": business_date(turn.now_us, policy.zone).isoformat(),
        "token": card.token,
        "card": card.vault.mask if card.vault else None,
        "issuer": card.bin.issuer_id if card.bin else None,
        "scheme": card.bin.scheme if card.bin else None,
        "amount": asked.amount_minor or 0,
        "currency": asked.currency,
        "rrn": rrn_of(turn.log, turn.number),
        "hold_id": turn.entry if asked.kind.act in PLACES else hold.hold_id if hold else None,
        "original": original,
        "rest": rest_of(asked, hold, seen.rules) if hold and found.hold else None,
        "sequence": asked.sequence or None,
    }


def refused(
    event: Received, seen: Seen, facts: dict[str, Any], refusal: Refusal, found: Match, turn: Turn, policy: Policy
) -> Step:
    """Declined by ourselves: one entry, one row, the answer. A repeat that was never seen bars its request for ever."""
    barred = seen.asked.repeat and seen.asked.kind.silence is not Silence.REPEATED
    facts |= {
        "phase": "barred" if barred else "refused",
        "outcome": "tombstone" if barred else "declined",
        "response_code": refusal.code,
        "reason": refusal.reason,
        "candidates": [miss.as_facts() for miss in found.near] or None,
        "hold_id": found.hold.hold_id if found.hold else None,
    }
    step, after = book(seen.asked.kind.name, facts, {}, turn)
    request = after[REQUESTS, facts["trace_key"]]
    answer = Outgoing(event.link, answer_to(request, policy), seen.admitted.seal)
    return step._replace(write=(*step.write, *vaulted(seen.card)), send=(answer,))


def forwarded(event: Received, seen: Seen, facts: dict[str, Any], turn: Turn, policy: Policy) -> Step:
    """Nothing speaks against it: write "asked", and ask the issuer once that is durable."""
    asked, issuer, merchant = seen.asked, seen.card.issuer, seen.admitted.merchant
    assert merchant is not None, "the merchant is checked first"
    assert issuer is not None, "the issuer is checked first"
    assert asked.card is not None, "the card is checked first"
    step, after = book(asked.kind.name, facts | {"phase": "asked", "outcome": "asked"}, {}, turn)
    request = after[REQUESTS, facts["trace_key"]]
    # What is never undone is told again when nobody answers.
    waits = "tell" if asked.kind.silence is Silence.REPEATED else "answer"
    patience = Due(f"{waits}:{request.trace_key}", turn.now_us + policy.issuer_patience_us, 0, turn.now_us)
    code = normal_code(asked.original.authorization_code)
    question = ask_issuer(request, asked.card, seen.pin, merchant.mcc, code, policy)
    return step._replace(
        write=(*step.write, insert(DUE, patience), *vaulted(seen.card)),
        send=(Outgoing(issuer.issuer_id, question, (issuer.zone_mac, ISSUER_MAC_ALGORITHM)),),
        wait=Wait(request.trace_key, event.link, seen.admitted.seal),
    )


def advised(
    event: Received,
    seen: Seen,
    facts: dict[str, Any],
    objection: Refusal | None,
    found: Match,
    turn: Turn,
    policy: Policy,
) -> Step:
    """A completion that is told, not asked: registered and answered 00, and the issuer must be told from now on.

    What a rule objects to moves no money: it stands in the register as a claim, with a finding that names an owner.
    """
    kind, hold = seen.asked.kind, found.hold
    total = counted(seen.batch, facts["trace_key"], kind.total, facts["scheme"], facts["amount"])
    facts |= {"phase": "recorded", "response_code": responses.APPROVED, "batch": total, "outcome": "claimed"}
    if objection is None and hold is not None and kind.act is not None:
        terms = Terms(advised=True, on=facts["business_date"], batch_id=batch_of(facts["trace_key"]))
        act = InForce(act_of(kind.act, facts["rest"], hold, facts["amount"]), turn.entry, facts["amount"], terms)
        change = {"id": hold.hold_id, "version": hold.version + 1, "act": act.as_facts()}
        consent = {"outcome": "approved", "authorization_code": hold.authorization_code, "delivery": "owed"}
        facts |= consent | {"hold": change}
    else:
        assert objection is not None, "what has no hold is objected to"
        near = [miss.as_facts() for miss in found.near] or None
        facts |= {"hold_id": hold.hold_id if hold else None, "reason": objection.reason, "candidates": near}
    step, after = book(kind.name, facts, rows_of(hold, seen.batch), turn)
    request = after[REQUESTS, facts["trace_key"]]
    also: tuple[Write, ...] = vaulted(seen.card)
    entries = step.entries
    if objection is None:
        also += (put(DUE, Due(f"tell:{request.trace_key}", turn.now_us, 0, turn.now_us)),)
    else:
        reason = f"a completion was advised that {objection.code} speaks against: {objection.reason}"
        entries += (
            finding(request, reason, "complete it manually, or ask the merchant", turn.after(entries[0]), policy),
        )
    answer = Outgoing(event.link, answer_to(request, policy), seen.admitted.seal)
    return step._replace(entries=entries, write=(*step.write, *also), send=(answer,))


def vaulted(card: CardFacts) -> tuple[Write, ...]:
    """A card that is seen for the first time goes into the vault."""
    return (insert(CARDS, card.vault),) if card.fresh and card.vault else ()
