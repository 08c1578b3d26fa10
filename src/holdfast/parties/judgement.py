"""How an issuer judges a question: the checks in order of precedence, and what an approval does to the money.

A hold is the issuer's promise. A card that is lost, stolen or expired gets no new hold, but a hold that was placed is
completed and voided all the same.
"""

from hashlib import sha256
from typing import Any, NamedTuple

from holdfast.domain import ledger, responses
from holdfast.domain.commands import VOID, Kind
from holdfast.domain.decide import Refusal, card_expired
from holdfast.domain.hold import Act, State, allows
from holdfast.domain.policy import RELEASED_BY_ISSUER, Policy, expires_us
from holdfast.domain.records import Account, Answer, Freeze
from holdfast.money import percent_of
from holdfast.parties.sealed import Asked
from holdfast.parties.step import Turn

BLOCKED = {"lost": responses.LOST_CARD, "stolen": responses.STOLEN_CARD}
"""Status of an account -> why its card gets no new hold."""


class Seen(NamedTuple):
    """What was read to judge a question. `pin_holds` is None where DE52 is no PIN block for this card."""

    hashed: bytes
    answer: Answer | None
    account: Account | None
    clearing: Account | None
    freeze: Freeze | None
    pin_holds: bool | None
    dice: bytes


def question_of(asked: Asked, hashed: bytes) -> bytes:
    """What makes a request under a known exchange id the same question: everything that decides, and no more."""
    get = asked.message.get
    parts = (asked.exchange.issuer_id, hashed.hex(), get(3), get(4), get(25), get(38), asked.exchange.hold_id)
    return sha256("|".join(parts).encode()).digest()[:16]


def first_refusal(asked: Asked, seen: Seen, turn: Turn, policy: Policy) -> Refusal | None:
    """The checks in order of precedence; the first that fails names the answer."""
    kind, account = asked.kind, seen.account
    if kind is None:
        wire = f"{asked.message.mti} {asked.message.get(3)}/{asked.message.get(25)}"
        return Refusal(responses.NOT_SUPPORTED, f"no kind of request is {wire}")
    refusal = check_amount(asked, policy)
    if refusal is not None:
        return refusal
    if account is None:
        return Refusal(responses.INVALID_CARD, "no account of this issuer has this card")
    refusal = check_card(asked, kind, account, seen.pin_holds, turn, policy)
    if refusal is not None:
        return refusal
    if kind.needs_original:
        return check_hold(asked, kind, seen.freeze, account, turn)
    return check_cover(account, percent_of(asked.amount_minor, account.frozen_percent))


def check_amount(asked: Asked, policy: Policy) -> Refusal | None:
    """Is it an amount of our currency?"""
    if asked.amount_minor == 0:
        return Refusal(responses.INVALID_AMOUNT, "amount is missing or zero")
    if (currency := asked.message.get(49)) != policy.currency:
        return Refusal(responses.FORMAT_ERROR, f"currency {currency or 'missing'} is not {policy.currency}")
    return None


def check_card(
    asked: Asked, kind: Kind, account: Account, pin_holds: bool | None, turn: Turn, policy: Policy
) -> Refusal | None:
    """Is it presented as ours, and may it have a new hold?"""
    places, expiry = kind.act == Act.PLACE, asked.message.get(14)
    if places and account.status in BLOCKED:
        return Refusal(BLOCKED[account.status], f"the card is {account.status}")
    if places and card_expired(account.expiry, turn.now_us, policy):
        return Refusal(responses.EXPIRED_CARD, f"the card expired in {account.expiry} (YYMM)")
    if expiry and expiry != account.expiry:
        return Refusal(responses.EXPIRED_CARD, f"the card expires in {account.expiry} (YYMM), not in {expiry}")
    if pin_holds is None:
        return Refusal(responses.BAD_PIN_BLOCK, "DE52 is not a PIN block for this card under the zone's key")
    return None if pin_holds else Refusal(responses.WRONG_PIN, "the PIN is wrong")


def check_hold(asked: Asked, kind: Kind, freeze: Freeze | None, account: Account, turn: Turn) -> Refusal | None:
    """Does the hold that is meant stand, and suffice? State outranks amount, and time counts before the due row ran."""
    if freeze is None:
        return Refusal(responses.ORIGINAL_NOT_FOUND, f"hold {asked.exchange.hold_id or '(none named)'} is not known")
    if freeze.account_id != account.account_id:
        return Refusal(responses.OUT_OF_STEP, f"hold {freeze.hold_id} is of another account")
    if not allows(freeze.state, kind.act):
        return Refusal(responses.OUT_OF_STEP, f"hold {freeze.hold_id} is {freeze.state}")
    if turn.now_us >= freeze.expires_us:
        return Refusal(responses.OUT_OF_STEP, f"hold {freeze.hold_id} is past its end")
    if kind is VOID and asked.amount_minor != freeze.requested_minor:
        return Refusal(responses.AMOUNT_INCONSISTENT, "a void is for the full amount of its hold")
    if kind is VOID or asked.zone.over_hold == RELEASED_BY_ISSUER:
        return None
    return check_cover(account, asked.amount_minor - freeze.frozen_minor)


def check_cover(account: Account, needed_minor: int) -> Refusal | None:
    """Is so much available? What a hold has frozen needs no cover, not even where available is overdrawn."""
    if needed_minor > max(account.available_minor, 0):
        return Refusal(responses.INSUFFICIENT_FUNDS, "available does not cover it")
    return None


def approval(asked: Asked, seen: Seen, turn: Turn) -> dict[str, Any]:
    """What an approved question does, as facts: the act put in force, its posting, and the issuer's consent."""
    assert asked.kind is not None, "the checks come first"
    assert seen.account is not None, "the checks come first"
    freeze = seen.freeze or new_freeze(asked, seen.account, authorization_code(seen.dice), turn)
    change: dict[str, Any] = {
        "id": freeze.hold_id,
        "version": freeze.version + 1,
        "act": [asked.kind.act, asked.exchange.exchange_id, asked.amount_minor],
    }
    if asked.kind.act == Act.PLACE:
        terms = {"requested": freeze.requested_minor, "frozen": freeze.frozen_minor, "expires": freeze.expires_us}
        change |= terms
    return {
        "outcome": ledger.APPROVED,
        "response_code": responses.APPROVED,
        "authorization_code": freeze.authorization_code,
        "hold_id": freeze.hold_id,
        "hold": change,
        "postings": ledger.movement(freeze, change),
    }


def new_freeze(asked: Asked, account: Account, code: str, turn: Turn) -> Freeze:
    """The hold of a pre-authorization, before it is placed. What is frozen may differ from what was requested."""
    return Freeze(
        asked.exchange.exchange_id,
        0,
        State.NONE.value,
        "[]",
        account.account_id,
        asked.exchange.issuer_id,
        code,
        turn.now_us,
        expires_us(turn.now_us, asked.zone.validity_days),
        asked.amount_minor,
        percent_of(asked.amount_minor, account.frozen_percent),
        0,
        0,
    )


def authorization_code(dice: bytes) -> str:
    """Six digits, never 000000: to many a terminal that means "none"."""
    return f"{int.from_bytes(dice) % 999_999 + 1:06d}"
