"""The issuer: keeps accounts, freezes money for holds, and writes the book.

The flow of a question, from top to bottom: sealed by a link we know → answered before? → the checks in order of
precedence → one entry with its posting, the rows that follow from it, the answer. A message that is not sealed, or
whose exchange cannot be read, has not been received: it is answered by silence.

A hold is the issuer's promise. A card that is lost, stolen or expired gets no new hold, but a hold that was placed is
completed and voided all the same.
"""

from collections.abc import Generator
from hashlib import sha256
from typing import Any, NamedTuple

from holdfast.domain import ledger, responses
from holdfast.domain.commands import BY_NETWORK, EXPIRY, REVERSAL, VOID, Kind
from holdfast.domain.decide import Refusal, card_expired
from holdfast.domain.hold import Act, Acts, InForce, Reversal, State, allows, fold, load, take_out
from holdfast.domain.ledger import Rows
from holdfast.domain.policy import RELEASED_BY_ISSUER, Policy, expires_us
from holdfast.domain.records import ACCOUNTS, ANSWERS, FREEZES, ISSUER_LINKS, Account, Answer, Freeze, IssuerLink
from holdfast.domain.tables import DUE, Due, Find, Key, Row, Table, put, remove
from holdfast.errors import BadInput, WireError
from holdfast.ids import mask_pan, parse_entry_id, without_repeat
from holdfast.money import percent_of
from holdfast.parties import accounts
from holdfast.parties.exchange import (
    EXCHANGE_FIELD,
    MAC_ALGORITHM,
    MAC_FIELD,
    NETWORK_ECHO_MTI,
    UNDO_MTI,
    Exchange,
    answer_of_issuer,
    parse,
)
from holdfast.parties.step import (
    TURN,
    Command,
    Decision,
    Event,
    LinkId,
    Outcome,
    Outgoing,
    Received,
    RowOf,
    Step,
    Turn,
    Want,
    pan_hash,
    pin_matches,
    random_bytes,
    verify_mac,
)
from holdfast.wire.dialect import ASCII_1987
from holdfast.wire.message import Message
from holdfast.wire.security import mac_block

REFUSAL = "refusal"
QUESTION_MTIS = frozenset(mti for mti, _, _ in BY_NETWORK)
NETWORK_MANAGEMENT_FIELD = 70

BLOCKED = {"lost": responses.LOST_CARD, "stolen": responses.STOLEN_CARD}
"""Status of an account -> why it gets no new hold."""

DICE_BYTES = 8
"""So many random bytes make the six digits of an authorization code even."""

Reading = Generator[tuple[Want, ...], Any, Any]


class Asked(NamedTuple):
    """A message that was received: sealed by this link, about this exchange. `kind` is None where there is no such."""

    to: LinkId
    message: Message
    exchange: Exchange
    link: IssuerLink
    kind: Kind | None


class Seen(NamedTuple):
    """What the issuer has read to judge a question. `pin_holds` is None where DE52 is no PIN block for this card."""

    hashed: bytes
    answer: Answer | None
    account: Account | None
    clearing: Account | None
    freeze: Freeze | None
    pin_holds: bool | None
    dice: bytes


class Issuer:
    """The party. It holds no state of its own: only the rules of its installation."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def decide(self, event: Event) -> Decision:
        """All events go through here."""
        if isinstance(event, Due):
            return expire(event)
        if isinstance(event, Command):
            return accounts.obey(event)
        if event.message.mti == NETWORK_ECHO_MTI:
            return echo(event, self.policy)
        return asked_by_acquirer(event, self.policy)

    def refuse(self, event: Event, error: Exception) -> Decision:
        """A bug of ours: record it by its name alone (its text might hold a card), answer 96 where that is true.

        A question is declined for ever, so that its 96 stays true. One that was answered before, and a reversal, get
        silence: neither may be taken for undone, and the acquirer repeats a reversal by itself.
        """
        asked = (yield from receive(event)) if isinstance(event, Received) else None
        answered = None
        if isinstance(asked, Asked):
            (answered,) = yield (RowOf(ANSWERS, asked.exchange.exchange_id),)
        (turn,) = yield (TURN,)
        says = f"deciding on {type(event).__name__} failed: {type(error).__name__}"
        facts = {"phase": "refused", "actor": "system", "reason": type(error).__name__, "event": type(event).__name__}
        if isinstance(event, Due):
            later = event._replace(due_us=turn.now_us + self.policy.undo_repeat_max_us, attempts=event.attempts + 1)
            return Step((turn.record(REFUSAL, facts),), (put(DUE, later),), says=says)
        if isinstance(event, Command):
            told = Outcome(event.caller, {"ok": False, "reason": says})
            return Step((turn.record(REFUSAL, facts),), send=(told,), says=says)
        if not isinstance(asked, Asked):
            return Step((turn.record(REFUSAL, facts),), says=says)
        facts = common_facts(asked) | facts
        if answered is None and asked.message.mti in QUESTION_MTIS:
            barred = facts | {"phase": "barred", "outcome": "declined", "response_code": responses.SYSTEM_FAULT}
            return booked(asked, REFUSAL, barred, {}, turn, self.policy)._replace(says=says)
        return Step((turn.record(REFUSAL, facts),), says=says)


# --- receiving ----------------------------------------------------------------------------------------------------


def receive(event: Received) -> Reading:
    """The message as `Asked`, or one line that says why it has not been received."""
    message = event.message
    exchange = parse(message.get(EXCHANGE_FIELD))
    if exchange is None or not _is_entry(exchange.exchange_id):
        return f"link {event.link}: {message.mti} without an exchange of ours (DE48)"
    try:
        block = mac_block(ASCII_1987, message.raw)
    except WireError as error:
        return f"link {event.link}: {message.mti} about {exchange.exchange_id}: {error}"
    (link,) = yield (RowOf(ISSUER_LINKS, exchange.issuer_id),)
    if link is None:
        return f"link {event.link}: {message.mti} for issuer {exchange.issuer_id!r}, which is not served here"
    # The MAC stands in eight binary bytes as the characters that the key service gives.
    mac = message.get_bytes(MAC_FIELD).decode("latin-1")
    (holds,) = yield (verify_mac(link.zone_mac, MAC_ALGORITHM, block, mac),)
    if not holds:
        return f"link {event.link}: MAC of {message.mti} about {exchange.exchange_id} is wrong"
    mti = without_repeat(message.mti)
    return Asked(event.link, message, exchange, link, BY_NETWORK.get((mti, message.get(3), message.get(25))))


def _is_entry(exchange_id: str) -> bool:
    """An exchange is named by an entry of the acquirer's register: no other text may become a key of ours."""
    try:
        parse_entry_id(exchange_id)
    except BadInput:
        return False
    return True


def asked_by_acquirer(event: Received, policy: Policy) -> Decision:
    """One message of an acquirer, by its type."""
    asked = yield from receive(event)
    if isinstance(asked, str):
        yield (TURN,)
        return Step(says=asked)
    mti = without_repeat(event.message.mti)
    if mti == UNDO_MTI:
        return (yield from undo(asked, policy))
    if mti in QUESTION_MTIS:
        return (yield from judge(asked, policy))
    yield (TURN,)
    return Step(says=f"link {event.link}: message type {mti} is not served")


def echo(event: Received, policy: Policy) -> Decision:
    """Is the line alive? Nothing is recorded, and neither message is sealed."""
    (turn,) = yield (TURN,)
    answer = answer_of_issuer(event.message, responses.APPROVED, None, turn.now_us, policy)
    del answer.fields[MAC_FIELD]
    if NETWORK_MANAGEMENT_FIELD in event.message.fields:
        answer.fields[NETWORK_MANAGEMENT_FIELD] = event.message.fields[NETWORK_MANAGEMENT_FIELD]
    return Step(send=(Outgoing(event.link, answer),))


# --- a question ---------------------------------------------------------------------------------------------------


def judge(asked: Asked, policy: Policy) -> Decision:
    """A pre-authorization, completion or void: the same question gets the same answer, for ever."""
    seen = yield from look_up(asked)
    (turn,) = yield (TURN,)
    question = question_of(asked, seen.hashed)
    if seen.answer is not None:
        if seen.answer.outcome == ledger.TOMBSTONE or seen.answer.question == question:
            return again(asked, seen.answer, policy)
        return duplicate(asked, seen.answer, turn, policy)
    facts = common_facts(asked) | {
        "phase": "judged",
        "question": question.hex(),
        "account_id": seen.account.account_id if seen.account else None,
        "hold_id": asked.exchange.hold_id or None,
    }
    refusal = first_refusal(asked, seen, turn, policy)
    if refusal is None:
        facts |= approval(asked, seen, turn)
    else:
        facts |= {"outcome": ledger.DECLINED, "response_code": refusal.code, "reason": refusal.reason}
    known = rows_known(seen.answer, seen.account, seen.clearing, seen.freeze)
    return booked(asked, asked.kind.name if asked.kind else REFUSAL, facts, known, turn, policy)


def look_up(asked: Asked) -> Reading:
    """All that judging needs; only rows that an approval would change are locked."""
    message, exchange, kind = asked.message, asked.exchange, asked.kind
    linked = kind is not None and kind.needs_original
    (hashed,) = yield (pan_hash(message.get(2)),)
    answer, found, dice = yield (
        RowOf(ANSWERS, exchange.exchange_id),
        Find(ACCOUNTS, (("pan_hash", hashed),), 1),
        random_bytes(DICE_BYTES),
    )
    account = freeze = clearing = None
    if found and found[0].issuer_id == exchange.issuer_id:
        (account,) = yield (RowOf(ACCOUNTS, found[0].account_id),)
    if linked:
        freeze, clearing = yield (
            RowOf(FREEZES, exchange.hold_id),
            RowOf(ACCOUNTS, ledger.contra_id(exchange.issuer_id, ledger.CLEARING)),
        )
    pin_holds: bool | None = True
    block = message.get_bytes(52)
    if block and account is not None and account.pin_verifier is not None:
        (pin_holds,) = yield (pin_matches(asked.link.zone_pin, block, message.get(2), account.pin_verifier),)
    return Seen(hashed, answer, account, clearing, freeze, pin_holds, dice)


def question_of(asked: Asked, hashed: bytes) -> bytes:
    """What makes a request under a known exchange id the same question: everything that decides, no more."""
    get = asked.message.get
    parts = (hashed.hex(), get(3), get(4), get(25), get(38), asked.exchange.hold_id)
    return sha256("|".join(parts).encode()).digest()[:16]


def first_refusal(asked: Asked, seen: Seen, turn: Turn, policy: Policy) -> Refusal | None:
    """The checks in order of precedence; the first that fails names the answer."""
    if asked.kind is None:
        return Refusal(responses.NOT_SUPPORTED, f"no kind of request is {asked.message.mti}/{asked.message.get(3)}")
    refusal = check_amount(asked, policy) or check_card(asked, asked.kind, seen, turn, policy)
    if refusal is not None:
        return refusal
    assert seen.account is not None, "the card is checked first"
    if asked.kind.needs_original:
        return check_hold(asked, asked.kind, seen.freeze, seen.account, turn)
    frozen_minor = percent_of(amount_of(asked), seen.account.frozen_percent)
    return check_cover(seen.account, frozen_minor)


def check_amount(asked: Asked, policy: Policy) -> Refusal | None:
    """Is it an amount of our currency?"""
    if amount_of(asked) == 0:
        return Refusal(responses.INVALID_AMOUNT, "amount is missing or zero")
    if (currency := asked.message.get(49)) != policy.currency:
        return Refusal(responses.FORMAT_ERROR, f"currency {currency or 'missing'} is not {policy.currency}")
    return None


def check_card(asked: Asked, kind: Kind, seen: Seen, turn: Turn, policy: Policy) -> Refusal | None:
    """Is it a card of ours, presented as ours, and may it have a new hold?"""
    account, expiry = seen.account, asked.message.get(14)
    if account is None:
        return Refusal(responses.INVALID_CARD, "no account has this card")
    if kind.act == Act.PLACE and account.status in BLOCKED:
        return Refusal(BLOCKED[account.status], f"the card is {account.status}")
    if kind.act == Act.PLACE and card_expired(account.expiry, turn.now_us, policy):
        return Refusal(responses.EXPIRED_CARD, f"the card expired in {account.expiry} (YYMM)")
    if expiry and expiry != account.expiry:
        return Refusal(responses.EXPIRED_CARD, f"the card expires in {account.expiry} (YYMM), not in {expiry}")
    if seen.pin_holds is None:
        return Refusal(responses.BAD_PIN_BLOCK, "DE52 is not a PIN block for this card under the zone's key")
    return None if seen.pin_holds else Refusal(responses.WRONG_PIN, "the PIN is wrong")


def check_hold(asked: Asked, kind: Kind, freeze: Freeze | None, account: Account, turn: Turn) -> Refusal | None:
    """Does the hold that is meant stand, and suffice? State outranks amount; time counts even before the due row ran."""
    if freeze is None:
        return Refusal(responses.ORIGINAL_NOT_FOUND, f"no hold {asked.exchange.hold_id or '(none named)'} is known")
    if freeze.account_id != account.account_id:
        return Refusal(responses.OUT_OF_STEP, f"hold {freeze.hold_id} is of another account")
    if not allows(freeze.state, kind.act):
        return Refusal(responses.OUT_OF_STEP, f"hold {freeze.hold_id} is {freeze.state}")
    if turn.now_us >= freeze.expires_us:
        return Refusal(responses.OUT_OF_STEP, f"hold {freeze.hold_id} is past its end")
    amount_minor = amount_of(asked)
    if kind is VOID and amount_minor != freeze.requested_minor:
        return Refusal(responses.AMOUNT_INCONSISTENT, "a void is for the full amount of its hold")
    if kind is VOID or asked.link.over_hold == RELEASED_BY_ISSUER:
        return None
    return check_cover(account, amount_minor - freeze.frozen_minor)


def check_cover(account: Account, needed_minor: int) -> Refusal | None:
    """Is so much available? What is not above the hold needs no cover, even where available is overdrawn."""
    if needed_minor > max(account.available_minor, 0):
        return Refusal(responses.INSUFFICIENT_FUNDS, "available does not cover it")
    return None


def approval(asked: Asked, seen: Seen, turn: Turn) -> dict[str, Any]:
    """What an approval says besides: the act put in force, its posting, and the issuer's consent."""
    assert asked.kind is not None and seen.account is not None, "checked first"
    exchange_id, amount_minor = asked.exchange.exchange_id, amount_of(asked)
    act = InForce(Act(asked.kind.act), exchange_id, amount_minor)
    hold: dict[str, Any] = {"act": [act.act.value, act.by, act.amount_minor]}
    facts = {"outcome": ledger.APPROVED, "response_code": responses.APPROVED, "hold": hold}
    freeze, acts = seen.freeze, ()
    if freeze is None:
        hold |= {
            "id": exchange_id,
            "version": 1,
            "requested": amount_minor,
            "frozen": percent_of(amount_minor, seen.account.frozen_percent),
            "expires": expires_us(turn.now_us, asked.link.validity_days),
        }
        placing = {"account_id": seen.account.account_id, "issuer": asked.exchange.issuer_id, "at": turn.now_us}
        freeze = ledger.placed({**placing, "hold": hold, "authorization_code": authorization_code(seen.dice)})
    else:
        acts = load(freeze.acts)
        hold |= {"id": freeze.hold_id, "version": freeze.version + 1}
    return facts | {
        "hold_id": freeze.hold_id,
        "authorization_code": freeze.authorization_code,
        "postings": ledger.movement(freeze, acts, (*acts, act)),
    }


def authorization_code(dice: bytes) -> str:
    """Six digits, never 000000, which means "none" to many a terminal."""
    return f"{int.from_bytes(dice) % 999_999 + 1:06d}"


def again(asked: Asked, answer: Answer, policy: Policy) -> Step:
    """The first answer, as it was; nothing is recorded."""
    return Step(send=(answered(asked, answer.response_code, answer.authorization_code, answer.at_us, policy),))


def duplicate(asked: Asked, answer: Answer, turn: Turn, policy: Policy) -> Step:
    """Another question under a known exchange id: declined, and what is known stays as it is."""
    facts = common_facts(asked) | {
        "phase": "duplicate",
        "outcome": ledger.DECLINED,
        "response_code": responses.DUPLICATE,
        "reason": f"entry {answer.entry} answered another question under this exchange id",
    }
    return booked(asked, asked.kind.name if asked.kind else REFUSAL, facts, {}, turn, policy)


# --- a reversal advice --------------------------------------------------------------------------------------------


def undo(asked: Asked, policy: Policy) -> Decision:
    """A reversal advice: always recorded, and remembered. What it undoes leaves the fold if it is the last in force."""
    exchange_id = asked.exchange.exchange_id
    advised, original = yield (RowOf(ANSWERS, ledger.undo_key(exchange_id)), RowOf(ANSWERS, exchange_id))
    account = clearing = freeze = None
    if original is not None and original.outcome == ledger.APPROVED:
        account, clearing, freeze = yield (
            RowOf(ACCOUNTS, original.account_id),
            RowOf(ACCOUNTS, ledger.contra_id(original.issuer_id, ledger.CLEARING)),
            RowOf(FREEZES, original.hold_id),
        )
    (turn,) = yield (TURN,)
    if original is not None and original.issuer_id != asked.exchange.issuer_id:
        return duplicate(asked, original, turn, policy)
    if advised is not None:
        return again(asked, advised, policy)
    facts = common_facts(asked) | {"phase": "recorded", "echoes": undone_kind(asked, original)}
    facts |= effect_on(original, freeze, turn)
    if original is not None:
        facts |= {"account_id": original.account_id, "hold_id": original.hold_id, "original": original.entry}
    known = rows_known(original, account, clearing, freeze)
    return booked(asked, REVERSAL, facts, known, turn, policy)


def undone_kind(asked: Asked, original: Answer | None) -> str:
    """The kind that a reversal undoes: the original's, or what DE90 says of one that was never seen."""
    if original is not None:
        return original.kind
    kind = BY_NETWORK.get((asked.message.get(90)[:4], asked.message.get(3), asked.message.get(25)))
    return kind.name if kind else REVERSAL


def effect_on(original: Answer | None, freeze: Freeze | None, turn: Turn) -> dict[str, Any]:
    """What a reversal does, as facts. A hold that stands again past its end is released in the same step."""
    done = {"outcome": ledger.APPROVED, "response_code": responses.APPROVED}
    if original is None:
        return done | {"undoes": ledger.NEVER_SEEN}
    if freeze is None:
        return done | {"undoes": Reversal.NOT_IN_FORCE.value}
    acts = load(freeze.acts)
    effect, left = take_out(acts, original.exchange_id)
    if effect is Reversal.BUILT_UPON:
        reason = f"hold {freeze.hold_id} is {freeze.state}: reverse what was built upon it first"
        refused = {"outcome": ledger.DECLINED, "response_code": responses.OUT_OF_STEP, "reason": reason}
        return refused | {"undoes": effect.value}
    assert effect is Reversal.TAKEN_OUT, "what was approved and not reversed is in force"
    change: dict[str, Any] = {"id": freeze.hold_id, "version": freeze.version + 1, "out": original.exchange_id}
    if fold(left).state is State.HELD and turn.now_us >= freeze.expires_us:
        change["act"] = [Act.EXPIRE.value, turn.entry, 0]
    return done | {"undoes": effect.value, "hold": change, "postings": moved(freeze, acts, change)}


# --- time passes --------------------------------------------------------------------------------------------------


def expire(due: Due) -> Decision:
    """A hold that nobody completed is released."""
    kind, _, hold_id = due.key.partition(":")
    assert kind == "expire", f"no such due row: {due.key}"
    (freeze,) = yield (RowOf(FREEZES, hold_id),)
    account = None
    if freeze is not None:
        (account,) = yield (RowOf(ACCOUNTS, freeze.account_id),)
    (turn,) = yield (TURN,)
    if freeze is None or account is None or freeze.state != State.HELD:
        return Step(write=(remove(DUE, due.key),))
    if turn.now_us < freeze.expires_us:
        return Step(write=(put(DUE, due._replace(due_us=freeze.expires_us)),))
    change = {"id": hold_id, "version": freeze.version + 1, "act": [Act.EXPIRE.value, turn.entry, 0]}
    facts = {
        "phase": "expired",
        "actor": "system",
        "exchange_id": hold_id,
        "issuer": freeze.issuer_id,
        "account_id": freeze.account_id,
        "card": account.card,
        "amount": freeze.requested_minor,
        "hold_id": hold_id,
        "hold": change,
        "postings": moved(freeze, load(freeze.acts), change),
    }
    entry = turn.record(EXPIRY, facts)
    known = rows_known(None, account, None, freeze)
    return Step((entry,), ledger.writes(known, ledger.changes(known, facts)))


# --- booking ------------------------------------------------------------------------------------------------------


def amount_of(asked: Asked) -> int:
    """DE4 in minor units, 0 where it is missing."""
    return int(asked.message.get(4) or 0)


def common_facts(asked: Asked) -> dict[str, Any]:
    """What every entry about an exchange says: no card number, track or PIN among it."""
    get, exchange = asked.message.get, asked.exchange
    return {
        "actor": "acquirer",
        "exchange_id": exchange.exchange_id,
        "trace_key": exchange.trace_key,
        "issuer": exchange.issuer_id,
        "card": mask_pan(get(2)) if len(get(2)) >= PAN_DIGITS_MIN else None,
        "amount": amount_of(asked),
        "currency": get(49) or None,
        "rrn": get(37) or None,
        "terminal_id": get(41) or None,
        "merchant_id": get(42) or None,
    }


def rows_known(*rows: Row) -> Rows:
    """Rows that were read, by table and key; those that do not exist are left out."""
    known: dict[tuple[Table, Key], Row] = {}
    for row in rows:
        if row is not None:
            known[TABLE_OF[type(row)], row[0]] = row
    return known
