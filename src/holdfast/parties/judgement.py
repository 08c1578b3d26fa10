"""How an issuer judges a question: the checks in order of precedence, and what an approval does to the money.

A hold is the issuer's promise. A card that is lost, stolen or expired gets no new hold, but a hold that was placed is
completed and voided all the same. Where issuers differ (domain.md §4), the link's habits say how this one does.
"""

from hashlib import sha256
from typing import Any, NamedTuple

from holdfast.domain import ledger, responses
from holdfast.domain.commands import Kind, Means
from holdfast.domain.decide import Refusal, card_expired
from holdfast.domain.hold import ENLARGES, NO_TERMS, Act, InForce, State, Terms, allows, load, standing_post
from holdfast.domain.policy import Policy, expires_us
from holdfast.domain.records import Account, Answer, Freeze
from holdfast.money import percent_of
from holdfast.parties.exchange import FREED, KEPT
from holdfast.parties.sealed import Asked
from holdfast.parties.step import Turn

BLOCKED = {"lost": responses.LOST_CARD, "stolen": responses.STOLEN_CARD}
"""Status of an account -> why its card gets no new hold."""


class Seen(NamedTuple):
    """What was read to judge a question.

    `pin_holds` is None where DE52 is no PIN block for this card; `chip_holds` says whether the chip's cryptogram is
    right, and `arpc` is our word to the chip if we approve (b"" where there is no chip).
    """

    hashed: bytes
    answer: Answer | None
    account: Account | None
    clearing: Account | None
    freeze: Freeze | None
    pin_holds: bool | None
    chip_holds: bool
    arpc: bytes
    dice: bytes


def question_of(asked: Asked, hashed: bytes) -> bytes:
    """What makes a request under a known exchange id the same question: everything that decides, and no more."""
    get = asked.message.get
    named = asked.exchange
    parts = (named.issuer_id, hashed.hex(), get(3), get(4), get(25), named.hold_id, named.rest, named.posting)
    return sha256("|".join(parts).encode()).digest()[:16]


def first_refusal(asked: Asked, seen: Seen, turn: Turn, policy: Policy) -> Refusal | None:
    """The checks in order of precedence; the first that fails names the answer."""
    kind, account = asked.kind, seen.account
    if kind is None:
        wire = f"{asked.message.mti} {asked.message.get(3)}/{asked.message.get(25)}"
        return Refusal(responses.NOT_SUPPORTED, f"no kind of request is {wire}")
    refusal = check_amount(asked, policy) if kind.act else None
    if refusal is not None:
        return refusal
    if account is None:
        return Refusal(responses.INVALID_CARD, "no account of this issuer has this card")
    refusal = check_card(asked, kind, account, seen, turn, policy)
    if refusal is not None or kind.act is None:
        return refusal
    if kind.needs_original:
        refusal = check_hold(asked, kind, seen.freeze, account, turn)
    if refusal is not None:
        return refusal
    return check_cover(account, cover_needed(asked, kind.act, seen.freeze, account))


def check_amount(asked: Asked, policy: Policy) -> Refusal | None:
    """Is it an amount of our currency?"""
    if asked.amount_minor == 0:
        return Refusal(responses.INVALID_AMOUNT, "amount is missing or zero")
    if (currency := asked.message.get(49)) != policy.currency:
        return Refusal(responses.FORMAT_ERROR, f"currency {currency or 'missing'} is not {policy.currency}")
    return None


def check_card(asked: Asked, kind: Kind, account: Account, seen: Seen, turn: Turn, policy: Policy) -> Refusal | None:
    """Is it presented as ours, and may more be asked of it? What was promised before is kept for a lost card, too."""
    enlarges, expiry = kind.act is None or kind.act in ENLARGES, asked.message.get(14)
    if enlarges and account.status in BLOCKED:
        return Refusal(BLOCKED[account.status], f"the card is {account.status}")
    if enlarges and card_expired(account.expiry, turn.now_us, policy):
        return Refusal(responses.EXPIRED_CARD, f"the card expired in {account.expiry} (YYMM)")
    if expiry and expiry != account.expiry:
        return Refusal(responses.EXPIRED_CARD, f"the card expires in {account.expiry} (YYMM), not in {expiry}")
    if not seen.chip_holds:
        return Refusal(responses.NOT_HONOURED, "the chip's cryptogram is wrong")
    if seen.pin_holds is None:
        return Refusal(responses.BAD_PIN_BLOCK, "DE52 is not a PIN block for this card under the zone's key")
    return None if seen.pin_holds else Refusal(responses.WRONG_PIN, "the PIN is wrong")


def check_hold(asked: Asked, kind: Kind, freeze: Freeze | None, account: Account, turn: Turn) -> Refusal | None:
    """Does the hold that is meant stand, and suffice? State outranks amount, and time counts before the due row ran."""
    if freeze is None:
        return Refusal(responses.ORIGINAL_NOT_FOUND, f"hold {asked.exchange.hold_id or '(none named)'} is not known")
    if freeze.account_id != account.account_id:
        return Refusal(responses.OUT_OF_STEP, f"hold {freeze.hold_id} is of another account")
    assert kind.act is not None, "what means a hold acts on it"
    if not allows(freeze.state, kind.act):
        return Refusal(responses.OUT_OF_STEP, f"hold {freeze.hold_id} is {freeze.state}")
    if kind.means is Means.POSTING:
        return check_posting(asked, kind.act, freeze)
    if turn.now_us >= freeze.expires_us:
        return Refusal(responses.OUT_OF_STEP, f"hold {freeze.hold_id} is past its end")
    if kind.act is Act.INCREASE and asked.habits.increment == "refused":
        return Refusal(responses.NOT_SUPPORTED, "this issuer does not increase holds")
    if kind.act in (Act.INCREASE, Act.VOID) and freeze.completed_minor:
        return Refusal(responses.OUT_OF_STEP, f"hold {freeze.hold_id} is completed in part")
    if kind.act is Act.VOID and asked.amount_minor != freeze.requested_minor:
        return Refusal(responses.AMOUNT_INCONSISTENT, "a void is for the full amount of its hold")
    return None


def check_posting(asked: Asked, act: Act, freeze: Freeze) -> Refusal | None:
    """Was it posted, and is so much of it left? A void is for the whole of the last posting."""
    if act is Act.REFUND:
        left_minor = freeze.completed_minor - freeze.refunded_minor
        if asked.amount_minor > left_minor:
            return Refusal(responses.AMOUNT_INCONSISTENT, f"only {left_minor} of what was posted is left to refund")
        return None
    post = standing_post(load(freeze.acts))
    sold = post is not None and post.act is Act.SELL
    other = post is None or post.by != asked.exchange.posting or sold is not (act is Act.TAKE_BACK)
    if post is None or other or post.terms.advised or freeze.refunded_minor:
        return Refusal(responses.OUT_OF_STEP, f"{asked.exchange.posting or 'nothing'} is not what can be voided")
    if asked.amount_minor != post.amount_minor:
        return Refusal(responses.AMOUNT_INCONSISTENT, "a void is for the full amount of what was posted")
    return None


def cover_needed(asked: Asked, act: Act, freeze: Freeze | None, account: Account) -> int:
    """How much must be available: a hold freezes its share, a sale takes all, a completion may be beyond its hold."""
    if act in (Act.PLACE, Act.INCREASE):
        return percent_of(asked.amount_minor, account.frozen_percent)
    if act is Act.SELL:
        return asked.amount_minor
    if act is Act.COMPLETE and freeze is not None and asked.habits.over_hold != "guaranteed":
        return asked.amount_minor - freeze.held_minor
    return 0


def check_cover(account: Account, needed_minor: int) -> Refusal | None:
    """Is so much available? What a hold has frozen needs no cover, not even where available is overdrawn."""
    if needed_minor > 0 and needed_minor > account.available_minor:
        return Refusal(responses.INSUFFICIENT_FUNDS, "available does not cover it")
    return None


def approval(asked: Asked, seen: Seen, turn: Turn, policy: Policy) -> dict[str, Any]:
    """What an approved question does, as facts: the act put in force, its posting, and the issuer's consent."""
    kind, account = asked.kind, seen.account
    assert kind is not None, "the checks come first"
    assert account is not None, "the checks come first"
    in_part = asked.habits.approves_with == responses.PARTLY_APPROVED and kind.act not in ENLARGES
    code = responses.APPROVED if in_part else asked.habits.approves_with
    consent = {"outcome": ledger.APPROVED, "response_code": code}
    if kind.act is None:
        return consent
    freeze = seen.freeze or new_freeze(asked, account, authorization_code(seen.dice), turn)
    terms = terms_of(asked, kind.act, freeze, account, turn, policy)
    act = InForce(act_of(asked, kind.act, freeze), asked.exchange.exchange_id, asked.amount_minor, terms)
    change = {"id": freeze.hold_id, "version": freeze.version + 1, "act": act.as_facts()}
    return consent | {
        "authorization_code": freeze.authorization_code,
        "hold_id": freeze.hold_id,
        "hold": change,
        "postings": ledger.movement(freeze, change),
    }


def act_of(asked: Asked, act: Act, freeze: Freeze) -> Act:
    """What the act is here. A completion that leaves its rest held, as asked or by habit, is one in part."""
    if act is Act.REOPEN and asked.exchange.rest == FREED:
        return Act.TAKE_BACK
    kept = KEPT in (asked.exchange.rest, asked.habits.rest)
    if act is Act.COMPLETE and kept and freeze.completed_minor + asked.amount_minor < freeze.requested_minor:
        return Act.COMPLETE_PART
    return act


def terms_of(asked: Asked, act: Act, freeze: Freeze, account: Account, turn: Turn, policy: Policy) -> Terms:
    """What is frozen by an act, and until when. What is frozen may differ from what was requested."""
    habits, amount_minor = asked.habits, asked.amount_minor
    if act is Act.REOPEN:
        # What the completion freed may be spent by now: the hold stands again with what of it is still there.
        before_minor = lies_before(freeze, asked.exchange.posting)
        freed_minor = max(before_minor - freeze.held_minor - amount_minor, 0)
        return Terms(frozen_minor=min(amount_minor, before_minor) + min(freed_minor, max(account.available_minor, 0)))
    if act not in (Act.PLACE, Act.INCREASE):
        return Terms(advised=True) if asked.kind is not None and asked.kind.advice else NO_TERMS
    extends = act is Act.PLACE or habits.increment == "extends"
    ends_us = expires_us(turn.now_us, habits.validity_days, habits.validity_edge, policy.zone) if extends else 0
    return Terms(frozen_minor=percent_of(amount_minor, account.frozen_percent), expires_us=ends_us)


def lies_before(freeze: Freeze, posting: str) -> int:
    """How much of a hold was frozen before one of its postings."""
    acts = load(freeze.acts)
    at = next(place for place, each in enumerate(acts) if each.by == posting)
    return ledger.lies(acts[:at]).held_minor


def new_freeze(asked: Asked, account: Account, code: str, turn: Turn) -> Freeze:
    """The hold of a pre-authorization or sale, before it is placed."""
    return Freeze(
        asked.exchange.exchange_id,
        0,
        State.NONE.value,
        "[]",
        account.account_id,
        asked.exchange.issuer_id,
        code,
        turn.now_us,
        0,
        0,
        0,
        0,
        0,
    )


def authorization_code(dice: bytes) -> str:
    """Six digits, never 000000: to many a terminal that means "none"."""
    return f"{int.from_bytes(dice) % 999_999 + 1:06d}"
