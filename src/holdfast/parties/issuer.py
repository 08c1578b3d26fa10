"""The issuer: keeps accounts, freezes money for holds, and writes the book.

The flow of a question, from top to bottom: sealed by a link we know → answered before? → the checks in order of
precedence → one entry with its posting, the rows that follow from it, the answer. A reversal advice is never declined
for policy: it is recorded, and what it undoes leaves the fold if it is the last in force.
"""

from collections.abc import Generator
from typing import Any

from holdfast.domain import ledger, responses
from holdfast.domain.commands import BALANCE, BY_NETWORK, EXPIRY, RELEASE, REVERSAL, Silence
from holdfast.domain.hold import POSTS, Act, InForce, Reversal, State, fold, load, standing_post, take_out
from holdfast.domain.policy import Policy
from holdfast.domain.records import ACCOUNTS, ANSWERS, FREEZES, Answer, Freeze
from holdfast.domain.rules import Habits
from holdfast.domain.tables import DUE, Due, Find, put, remove
from holdfast.errors import WireError
from holdfast.ids import without_repeat
from holdfast.parties import accounts
from holdfast.parties.exchange import (
    AMOUNTS_FIELD,
    CHIP_FIELD,
    MAC_FIELD,
    NETWORK_ECHO_MTI,
    REPLACEMENT_FIELD,
    UNDO_MTI,
    answer_of_issuer,
)
from holdfast.parties.judgement import Seen, approval, first_refusal, question_of
from holdfast.parties.sealed import (
    REFUSAL,
    Asked,
    answer_again,
    book,
    book_and_answer,
    common_facts,
    duplicate,
    receive,
)
from holdfast.parties.step import (
    TURN,
    Command,
    Decision,
    Event,
    KeyOperation,
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
)
from holdfast.wire.chip import pack_answer, parse_request

QUESTION_MTIS = frozenset(mti for mti, _, _ in BY_NETWORK)
TAKES = POSTS | {Act.REOPEN, Act.REFUND, Act.TAKE_BACK}
"""Acts that move money to or from the clearing account; the others do not lock it."""

PIN_FIELD = 52
NETWORK_MANAGEMENT_FIELD = 70

AVAILABLE_BALANCE = "0002"
"""DE54: default account, and that the amount is what is available."""

DICE_BYTES = 8
"""Random bytes for an authorization code: so many that each of the six-digit codes is as likely as any other."""


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
        """A bug of ours: record it by its name alone (its text might hold a card), answer 96 where somebody waits."""
        facts = {"phase": "refused", "actor": "system", "reason": type(error).__name__, "event": type(event).__name__}
        says = f"deciding on {type(event).__name__} failed: {type(error).__name__}"
        if isinstance(event, Received):
            return (yield from refuse_message(event, facts, says, self.policy))
        (turn,) = yield (TURN,)
        entry = turn.record(REFUSAL, facts)
        if isinstance(event, Command):
            return Step((entry,), send=(Outcome(event.caller, {"ok": False, "reason": says}),), says=says)
        later = event._replace(due_us=turn.now_us + self.policy.undo_repeat_max_us, attempts=event.attempts + 1)
        return Step((entry,), (put(DUE, later),), says=says)


def refuse_message(event: Received, facts: dict[str, Any], says: str, policy: Policy) -> Decision:
    """A question is barred, so that its 96 stays true; all else is left unanswered.

    A question that was answered before must not be taken for declined now, and the acquirer repeats a reversal until
    it is answered: 96 would end neither well.
    """
    asked = yield from receive(event)
    answer = None
    if not isinstance(asked, str):
        (answer,) = yield (RowOf(ANSWERS, asked.exchange.exchange_id),)
    (turn,) = yield (TURN,)
    if isinstance(asked, str) or answer is not None or not ends_with_a_no(asked):
        return Step((turn.record(REFUSAL, facts),), says=says)
    barred = {"phase": "barred", "outcome": ledger.TOMBSTONE, "response_code": responses.SYSTEM_FAULT}
    facts = common_facts(asked) | facts | barred | {"echoes": asked.entry_kind}
    return book_and_answer(asked, REFUSAL, facts, {}, turn, policy)._replace(says=says)


def ends_with_a_no(asked: Asked) -> bool:
    """Whether a 96 ends it: an advice or a reversal goes on being repeated, and is judged anew."""
    question = without_repeat(asked.message.mti) in QUESTION_MTIS
    return question and (asked.kind is None or asked.kind.silence is not Silence.REPEATED)


def asked_by_acquirer(event: Received, policy: Policy) -> Decision:
    """One message of an acquirer, by its type."""
    asked = yield from receive(event)
    if isinstance(asked, str):
        yield (TURN,)
        return Step(says=asked)
    mti = without_repeat(event.message.mti)
    if mti == UNDO_MTI:
        return (yield from (release if REPLACEMENT_FIELD in event.message.fields else undo)(asked, policy))
    if mti in QUESTION_MTIS:
        return (yield from judge(asked, policy))
    yield (TURN,)
    return Step(says=f"link {event.link}: message type {event.message.mti} is not served")


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
    """A question: the same one gets the same answer, for ever."""
    seen = yield from look_up(asked)
    (turn,) = yield (TURN,)
    question = question_of(asked, seen.hashed)
    if seen.answer is not None:
        if seen.answer.outcome == ledger.TOMBSTONE or seen.answer.question == question:
            return answer_again(asked, seen.answer, policy)
        return duplicate(asked, seen.answer, turn, policy)
    facts = common_facts(asked) | {
        "phase": "judged",
        "question": question.hex(),
        "account_id": seen.account.account_id if seen.account else None,
        "hold_id": asked.exchange.hold_id or None,
    }
    refusal = first_refusal(asked, seen, turn, policy)
    told: dict[int, str | bytes] = {}
    if refusal is None:
        facts |= approval(asked, seen, turn, policy)
        told = told_once(asked, seen)
    else:
        facts |= {"outcome": ledger.DECLINED, "response_code": refusal.code, "reason": refusal.reason}
    known = ledger.rows_of(seen.account, seen.clearing, seen.freeze)
    return book_and_answer(asked, asked.entry_kind, facts, known, turn, policy, told)


def told_once(asked: Asked, seen: Seen) -> dict[int, str | bytes]:
    """What an approval says to the card and its holder, and no book keeps: the balance, our word to the chip."""
    told: dict[int, str | bytes] = {}
    if asked.kind is BALANCE and seen.account is not None:
        sign = "D" if seen.account.available_minor < 0 else "C"
        told[AMOUNTS_FIELD] = (
            f"{AVAILABLE_BALANCE}{asked.message.get(49)}{sign}{abs(seen.account.available_minor):012d}"
        )
    if seen.arpc:
        told[CHIP_FIELD] = seen.arpc
    return told


def look_up(asked: Asked) -> Generator[tuple[Want, ...], Any, Seen]:
    """All that judging needs."""
    pan, exchange = asked.message.get(2), asked.exchange
    (hashed,) = yield (pan_hash(pan),)
    answer, found, dice = yield (
        RowOf(ANSWERS, exchange.exchange_id),
        Find(ACCOUNTS, (("pan_hash", hashed),), 1),
        random_bytes(DICE_BYTES),
    )
    account = freeze = clearing = None
    if found and found[0].issuer_id == exchange.issuer_id:
        (account,) = yield (RowOf(ACCOUNTS, found[0].account_id),)
    if asked.kind is not None and asked.kind.needs_original:
        (freeze,) = yield (RowOf(FREEZES, exchange.hold_id),)
    if asked.kind is not None and asked.kind.act in TAKES:
        (clearing,) = yield (RowOf(ACCOUNTS, ledger.contra_id(exchange.issuer_id, ledger.CLEARING)),)
    pin_holds: bool | None = True
    block = asked.message.get_bytes(PIN_FIELD)
    if block and account is not None and account.pin_verifier is not None:
        (pin_holds,) = yield (pin_matches(asked.zone.zone_pin, block, pan, account.pin_verifier),)
    chip_holds, arpc = yield from judged_chip(asked)
    return Seen(hashed, answer, account, clearing, freeze, pin_holds, chip_holds, arpc, dice)


def judged_chip(asked: Asked) -> Generator[tuple[Want, ...], Any, tuple[bool, bytes]]:
    """Whether the chip's cryptogram is right, for this amount, and our word to the chip (DE55) should we approve.

    An issuer without its master key takes any.
    """
    packed, imk, get = asked.message.get_bytes(CHIP_FIELD), asked.zone.imk, asked.message.get
    if not packed or imk is None:
        return True, b""
    try:
        chip = parse_request(packed)
    except WireError:
        return False, b""
    if chip.amount_minor != asked.amount_minor or chip.currency.lstrip("0") != get(49):
        return False, b""
    card, code = (imk, get(2), get(23), chip.counter), asked.habits.approves_with.encode()
    holds, arpc = yield (
        KeyOperation("verify_arqc", (*card, chip.covered, chip.cryptogram)),
        KeyOperation("make_arpc", (*card, chip.cryptogram, code)),
    )
    # Numbers that no chip has are refused by the key service: then there is no word for it either.
    return bool(holds), pack_answer(arpc, code) if holds and chip.asks_issuer else b""


# --- a reversal advice --------------------------------------------------------------------------------------------


def undo(asked: Asked, policy: Policy) -> Decision:
    """Take the question of this exchange out of force; the advice is remembered and gets its first answer again.

    One that was refused is judged anew when it is repeated: what was built upon its question may be gone by now.
    """
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
    effect = effect_on(original, freeze, asked.habits, turn)
    if advised is not None and advised.outcome in (ledger.APPROVED, effect["outcome"]):
        return answer_again(asked, advised, policy)
    facts = common_facts(asked) | {"phase": "recorded", "echoes": undone_kind(asked, original)}
    if original is not None:
        facts |= {"account_id": original.account_id, "hold_id": original.hold_id, "original": original.entry}
    facts |= effect
    known = ledger.rows_of(original, account, clearing, freeze, advised)
    return book_and_answer(asked, REVERSAL, facts, known, turn, policy)


def undone_kind(asked: Asked, original: Answer | None) -> str:
    """The kind of what is undone: the original's, or what DE90 says of one that was never seen."""
    if original is not None:
        return original.kind
    kind = BY_NETWORK.get((asked.message.get(90)[:4], asked.message.get(3), asked.message.get(25)))
    return kind.name if kind else REVERSAL


def effect_on(original: Answer | None, freeze: Freeze | None, habits: Habits, turn: Turn) -> dict[str, Any]:
    """What a reversal does, as facts. A hold that would stand again past its end is released in the same step."""
    done = {"outcome": ledger.APPROVED, "response_code": responses.APPROVED}
    if original is None:
        unseen = {"response_code": habits.unknown_reversal_code, "undoes": ledger.NEVER_SEEN}
        return done | unseen
    if freeze is None:
        return done | {"undoes": Reversal.NOT_IN_FORCE.value}
    effect, left = take_out(load(freeze.acts), original.exchange_id)
    if effect is Reversal.BUILT_UPON:
        return {
            "outcome": ledger.DECLINED,
            "response_code": responses.OUT_OF_STEP,
            "reason": f"hold {freeze.hold_id} is {freeze.state}: what was built upon it stands",
            "undoes": effect.value,
        }
    assert effect is Reversal.TAKEN_OUT, "what was approved and never reversed is in force"
    change: dict[str, Any] = {"id": freeze.hold_id, "version": freeze.version + 1, "out": original.exchange_id}
    if fold(left).state is State.HELD and turn.now_us >= freeze.expires_us:
        change["act"] = [Act.EXPIRE.value, turn.entry, 0]
    return done | {"undoes": effect.value, "hold": change, "postings": ledger.movement(freeze, change)}


def release(asked: Asked, policy: Policy) -> Decision:
    """Free what a completion left of its hold. One that found nothing to free is judged anew when it is repeated."""
    exchange_id = asked.exchange.exchange_id
    told, freeze = yield RowOf(ANSWERS, ledger.release_key(exchange_id)), RowOf(FREEZES, asked.exchange.hold_id)
    account = None
    if freeze is not None:
        (account,) = yield (RowOf(ACCOUNTS, freeze.account_id),)
    (turn,) = yield (TURN,)
    frees = freeze is not None and leaves_something(freeze, asked)
    if told is not None and not frees:
        return answer_again(asked, told, policy)
    facts = common_facts(asked) | {
        "phase": "released",
        "outcome": ledger.APPROVED,
        "response_code": responses.APPROVED,
        "account_id": freeze.account_id if freeze else None,
        "hold_id": asked.exchange.hold_id,
    }
    if freeze is not None and frees:
        act = InForce(Act.RELEASE, turn.entry, 0)
        change = {"id": freeze.hold_id, "version": freeze.version + 1, "act": act.as_facts()}
        facts |= {"hold": change, "postings": ledger.movement(freeze, change)}
    return book_and_answer(asked, RELEASE, facts, ledger.rows_of(account, freeze, told), turn, policy)


def leaves_something(freeze: Freeze, asked: Asked) -> bool:
    """Whether the completion that a release names stands, and its hold is of this issuer and still holds something."""
    post = standing_post(load(freeze.acts))
    ours = freeze.issuer_id == asked.exchange.issuer_id
    return ours and freeze.state == State.HELD and post is not None and post.by == asked.exchange.exchange_id


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
    if account is None or freeze.state != State.HELD:
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
        "postings": ledger.movement(freeze, change),
    }
    return book(EXPIRY, facts, ledger.rows_of(account, freeze), turn)
