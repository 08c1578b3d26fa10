"""The acquirer: serves terminals, writes the register, asks issuers, and undoes what they never answered.

The flow of a request, from top to bottom: admit → known already? → refuse by ourselves? → write "asked", ask the
issuer → write "answered", answer the terminal. What waits (an answer, a reversal to deliver, a hold to expire) is a due
row; `duties` works on those.
"""

from typing import Any, NamedTuple

from holdfast.clock import business_date
from holdfast.domain import responses
from holdfast.domain.commands import BUSINESS_KINDS, ECHO, REVERSAL_MTI, Ask
from holdfast.domain.decide import Refusal, check_amount, check_card, check_merchant, check_original
from holdfast.domain.hold import Act
from holdfast.domain.originals import LOOKED_AT_MAX, Match, match, normal_code
from holdfast.domain.policy import Policy
from holdfast.domain.projections import opened
from holdfast.domain.records import (
    BINS,
    CARDS,
    HOLDS,
    HOT_CARDS,
    ISSUERS,
    REQUESTS,
    Bin,
    Card,
    HotCard,
    Issuer,
    Request,
)
from holdfast.domain.tables import DUE, Due, Find, Write, insert
from holdfast.ids import luhn_valid, mask_pan, rrn_of, without_repeat
from holdfast.parties import admission, duties, installation, reversals
from holdfast.parties.admission import Admitted, admit, turned_away
from holdfast.parties.exchange import MAC_ALGORITHM as ISSUER_MAC_ALGORITHM
from holdfast.parties.exchange import ask_issuer
from holdfast.parties.step import (
    TURN,
    Command,
    Decision,
    Event,
    Outgoing,
    Reads,
    Received,
    RowOf,
    Step,
    Turn,
    Wait,
    Want,
    entry_saying,
    new_token,
    pan_hash,
    seal_pan,
    translate_pin,
)
from holdfast.parties.translate import answer_to, ask_of, bare_answer, question_of

BIN_DIGITS = (8, 7, 6)
"""Lengths of BIN that are looked for, the longest first."""

BUSINESS_MTIS = frozenset(kind.mti for kind in BUSINESS_KINDS)


class CardFacts(NamedTuple):
    """What the acquirer knows of the card in a request; `vault` is new (and not yet written) when `fresh`."""

    vault: Card | None = None
    fresh: bool = False
    bin: Bin | None = None
    issuer: Issuer | None = None
    hot: HotCard | None = None

    @property
    def token(self) -> str | None:
        """The random token that stands for the card in every record."""
        return self.vault.token if self.vault else None


class Acquirer:
    """The party. It holds no state of its own: only the rules of its installation."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def decide(self, event: Event) -> Decision:
        """All events go through here."""
        if isinstance(event, Due):
            return duties.when_due(event, self.policy)
        if isinstance(event, Command):
            return installation.obey(event)
        if event.peer:
            return duties.answered_by_issuer(event, self.policy)
        return self.asked_by_terminal(event)

    def asked_by_terminal(self, event: Received) -> Decision:
        """One message of a terminal, by its type."""
        message = event.message
        mti = without_repeat(message.mti)
        if int(mti[2]) % 2:
            return unasked(event)
        if mti == "0800":
            return admission.sign_on(event, self.policy)
        if mti == "0820" and message.get(60)[8:11] == ECHO:
            return admission.echo(event, self.policy)
        if mti == REVERSAL_MTI:
            return reversals.reverse(event, self.policy)
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
    """A business request: pre-authorization, completion, void."""
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
    card = yield from look_up_card(asked, of_card)
    matched_holds = yield from look_up_originals(asked, card)
    pin = yield from pin_for_issuer(asked, admitted, card)

    (turn,) = yield (TURN,)
    if admitted.too_late(turn):
        return turned_away(event, responses.MAC_ERROR, turn, policy)
    question = question_of(message, card.token)
    if request is not None:
        return asked_again(event, asked, request, question, admitted, turn, policy)
    found = which_original(asked, matched_holds, card, turn, policy)
    refusal = first_refusal(asked, admitted, card, found, pin, turn, policy)
    facts = opening_facts(asked, question, card, found, turn, policy)
    if refusal is not None:
        return refused(event, facts, refusal, found, card, admitted, turn, policy)
    return forwarded(event, asked, facts, admitted, card, pin, turn, policy)


# --- reading ------------------------------------------------------------------------------------------------------


def wants_of_card(asked: Ask) -> tuple[Want, ...]:
    """The hash of the card number and the BINs it may begin with. One that fails Luhn is no card: nothing is wanted."""
    if asked.card is None or not luhn_valid(asked.card.pan):
        return ()
    pan = asked.card.pan
    return (pan_hash(pan), *[RowOf(BINS, pan[:digits]) for digits in BIN_DIGITS])


def look_up_card(asked: Ask, read: list[Any]) -> Reads[CardFacts]:
    """Issuer by BIN, the card's token, and whether it is hot; `read` is what `wants_of_card` was answered."""
    if asked.card is None or not read:
        return CardFacts()
    pan, (hashed, *bins) = asked.card.pan, read
    bin_row = next((row for row in bins if row is not None), None)
    vault, hot, issuer = yield (
        RowOf(CARDS, hashed),
        RowOf(HOT_CARDS, hashed),
        RowOf(ISSUERS, bin_row.issuer_id if bin_row else ""),
    )
    if vault is not None:
        return CardFacts(vault, False, bin_row, issuer, hot)
    token, sealed = yield (new_token(), seal_pan(pan))
    vault = Card(hashed, token, mask_pan(pan), sealed, bin_row.issuer_id if bin_row else "")
    return CardFacts(vault, True, bin_row, issuer, hot)


def look_up_originals(asked: Ask, card: CardFacts) -> Reads[list[Any]]:
    """The holds of this card and those with this code at this merchant, read again under lock."""
    if not asked.kind.needs_original or card.vault is None:
        return []
    code = normal_code(asked.original.authorization_code)
    by_card, by_code = yield (
        Find(HOLDS, (("token", card.vault.token),), LOOKED_AT_MAX),
        Find(HOLDS, (("merchant_id", asked.merchant_id), ("authorization_code", code)), LOOKED_AT_MAX),
    )
    ids = sorted({hold.hold_id for hold in (*by_card, *by_code)})
    locked = yield tuple(RowOf(HOLDS, hold_id) for hold_id in ids)
    return [hold for hold in locked if hold is not None]


def pin_for_issuer(asked: Ask, admitted: Admitted, card: CardFacts) -> Reads[bytes | None]:
    """The PIN block under the issuer's key; b"" where none was entered, None where it is not a PIN block."""
    if asked.card is None or not asked.card.pin_block or card.issuer is None:
        return b""
    (block,) = yield (translate_pin(admitted.session.pik, card.issuer.zone_pin, asked.card.pin_block, asked.card.pan),)
    return block if block is None else bytes(block)


# --- deciding -----------------------------------------------------------------------------------------------------


def asked_again(
    event: Received, asked: Ask, request: Request, question: bytes, admitted: Admitted, turn: Turn, policy: Policy
) -> Step:
    """A key that we know: the same question gets the first answer, another question is a duplicate."""
    seal = admitted.seal
    # The answer echoes what is asked now, which for a duplicate or a barred request may be something else.
    known = request._replace(
        echoes=asked.kind.name, amount_minor=asked.amount_minor or 0, merchant_id=asked.merchant_id
    )
    if request.outcome != "tombstone" and request.question != question:
        facts = {
            "phase": "duplicate",
            "trace_key": request.trace_key,
            "actor": asked.operator or "terminal",
            "terminal_id": admitted.terminal.terminal_id,
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


def which_original(asked: Ask, holds: list[Any], card: CardFacts, turn: Turn, policy: Policy) -> Match:
    """The hold that a linked request means."""
    if not asked.kind.needs_original or card.vault is None:
        return Match(None)
    return match(holds, asked.original, card.vault.token, card.vault.mask, asked.merchant_id, turn.now_us, policy.zone)


def first_refusal(
    asked: Ask,
    admitted: Admitted,
    card: CardFacts,
    found: Match,
    pin: bytes | None,
    turn: Turn,
    policy: Policy,
) -> Refusal | None:
    """The checks in order of precedence; the first that fails names the answer."""
    session = admitted.session
    if not session.signed_on or asked.key.batch != session.batch:
        return Refusal(responses.SIGN_ON_AGAIN, f"batch {asked.key.batch}, the centre has {session.batch}")
    if asked.repeat:
        return Refusal(responses.ORIGINAL_NOT_FOUND, "a repeat of a request that was never seen")
    refusal = (
        check_amount(asked, policy)
        or check_merchant(asked, admitted.merchant, admitted.terminal.merchant_id, policy)
        or check_card(asked, card.bin, card.issuer, card.hot, turn.now_us, policy)
    )
    if refusal is None and asked.kind.needs_original:
        assert admitted.merchant is not None, "the merchant is checked first"
        refusal = check_original(asked, found, admitted.merchant)
    if refusal is None and pin is None:
        refusal = Refusal(responses.BAD_PIN_BLOCK, "DE52 is not a PIN block under this session's key")
    if refusal is None and card.issuer is not None and card.issuer.issuer_id not in turn.linked:
        refusal = Refusal(responses.ISSUER_DOWN, "no link to the issuer")
    return refusal


def opening_facts(
    asked: Ask, question: bytes, card: CardFacts, found: Match, turn: Turn, policy: Policy
) -> dict[str, Any]:
    """What the entry that opens a request says of it."""
    hold = found.hold
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
        "amount": asked.amount_minor or 0,
        "currency": asked.currency,
        "rrn": rrn_of(turn.log, turn.number),
        "hold_id": turn.entry if asked.kind.act == Act.PLACE else hold.hold_id if hold else None,
        "original": hold.hold_id if hold else None,
        "sequence": asked.sequence or None,
    }


def refused(
    event: Received,
    facts: dict[str, Any],
    refusal: Refusal,
    found: Match,
    card: CardFacts,
    admitted: Admitted,
    turn: Turn,
    policy: Policy,
) -> Step:
    """Declined by ourselves: one entry, one row, the answer. A repeat that was never seen bars its request for ever."""
    barred = without_repeat(event.message.mti) != event.message.mti
    facts |= {
        "phase": "barred" if barred else "refused",
        "outcome": "tombstone" if barred else "declined",
        "response_code": refusal.code,
        "reason": refusal.reason,
        "candidates": [miss.as_facts() for miss in found.near] or None,
        "hold_id": facts["original"],
    }
    kind = ask_of(event.message).kind
    said = turn.said(kind.name, facts)
    entry, request = entry_saying(said), opened(said)
    answer = Outgoing(event.link, answer_to(request, policy), admitted.seal)
    return Step((entry,), (insert(REQUESTS, request), *vaulted(card)), (answer,))


def forwarded(
    event: Received,
    asked: Ask,
    facts: dict[str, Any],
    admitted: Admitted,
    card: CardFacts,
    pin: bytes | None,
    turn: Turn,
    policy: Policy,
) -> Step:
    """Nothing speaks against it: write "asked", and ask the issuer once that is durable."""
    facts |= {"phase": "asked", "outcome": "asked"}
    said = turn.said(asked.kind.name, facts)
    entry, request = entry_saying(said), opened(said)
    patience = Due(f"answer:{request.trace_key}", turn.now_us + policy.issuer_patience_us, 0, turn.now_us)
    assert admitted.merchant is not None, "the merchant is checked first"
    assert card.issuer is not None, "the issuer is checked first"
    assert asked.card is not None, "the card is checked first"
    code = normal_code(asked.original.authorization_code)
    question = ask_issuer(request, asked.card, pin, admitted.merchant.mcc, code, policy)
    return Step(
        (entry,),
        (insert(REQUESTS, request), insert(DUE, patience), *vaulted(card)),
        (Outgoing(card.issuer.issuer_id, question, (card.issuer.zone_mac, ISSUER_MAC_ALGORITHM)),),
        Wait(request.trace_key, event.link, admitted.seal),
    )


def vaulted(card: CardFacts) -> tuple[Write, ...]:
    """A card that is seen for the first time goes into the vault."""
    return (insert(CARDS, card.vault),) if card.fresh and card.vault else ()
