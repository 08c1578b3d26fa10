"""What the acquirer answers by itself, in order of precedence: the first check that fails names the answer.

Cover and expiry are the issuer's to judge; None means "ask the issuer". A test pins the order.
"""

from typing import NamedTuple

from holdfast.clock import local_date
from holdfast.domain import responses
from holdfast.domain.commands import Ask
from holdfast.domain.hold import Act, allows
from holdfast.domain.originals import Match
from holdfast.domain.policy import Policy
from holdfast.domain.records import Bin, HotCard, Issuer, Merchant
from holdfast.ids import luhn_valid
from holdfast.money import percent_of


class Refusal(NamedTuple):
    """A decline of the acquirer's own: the code for the wire, the reason for the register."""

    code: str
    reason: str


def check_merchant(ask: Ask, merchant: Merchant | None, terminals_merchant: str, policy: Policy) -> Refusal | None:
    """May this merchant do this at all?"""
    if merchant is None or ask.merchant_id != terminals_merchant:
        return Refusal(responses.INVALID_MERCHANT, f"terminal belongs to merchant {terminals_merchant}")
    if not merchant.pre_auth_right:
        return Refusal(responses.NOT_PERMITTED, "the merchant has no pre-authorization right")
    if merchant.mcc not in policy.pre_auth_mccs:
        return Refusal(responses.NOT_PERMITTED, f"category {merchant.mcc} may not pre-authorise")
    return None


def check_amount(ask: Ask, policy: Policy) -> Refusal | None:
    """Is it an amount of our currency?"""
    if not ask.amount_minor:
        return Refusal(responses.INVALID_AMOUNT, "amount is missing or zero")
    if ask.currency != policy.currency:
        return Refusal(responses.FORMAT_ERROR, f"currency {ask.currency or 'missing'} is not {policy.currency}")
    return None


def check_card(
    ask: Ask, bin_row: Bin | None, issuer: Issuer | None, hot: HotCard | None, now_us: int, policy: Policy
) -> Refusal | None:
    """Is it a card that can be asked about? One that is expired or hot gets no new hold, but an old one stands."""
    card, places = ask.card, ask.kind.act == Act.PLACE
    if card is None or not luhn_valid(card.pan):
        return Refusal(responses.INVALID_CARD, "card number is missing or its check digit is wrong")
    if bin_row is None or issuer is None:
        return Refusal(responses.NO_SUCH_ISSUER, f"no issuer is known for {card.pan[:6]}")
    if places and card.expiry and card_expired(card.expiry, now_us, policy):
        return Refusal(responses.EXPIRED_CARD, f"card expired in {card.expiry} (YYMM)")
    if places and hot is not None:
        return Refusal(hot.response_code, "card is on the hot list")
    return None


def card_expired(expiry: str, now_us: int, policy: Policy) -> bool:
    """A card is good through the last day of its month; `expiry` is YYMM, years up to 49 ahead lie in the future."""
    today = local_date(now_us, policy.zone)
    if len(expiry) != 4 or not expiry.isdecimal() or not 1 <= int(expiry[2:]) <= 12:
        return True
    years_ahead = (int(expiry[:2]) - today.year % 100 + 50) % 100 - 50
    return (years_ahead, int(expiry[2:])) < (0, today.month)


def check_original(ask: Ask, match: Match, merchant: Merchant) -> Refusal | None:
    """Does the hold that is meant exist, stand, and suffice? State outranks amount."""
    hold = match.hold
    if hold is None:
        return Refusal(responses.ORIGINAL_NOT_FOUND, match.reason or "nothing matches")
    if not allows(hold.state, ask.kind.act):
        return Refusal(responses.OUT_OF_STEP, f"hold {hold.hold_id} is {hold.state}")
    assert ask.amount_minor is not None, "amount is checked first"
    if ask.kind.act == Act.VOID and ask.amount_minor != hold.requested_minor:
        return Refusal(responses.AMOUNT_INCONSISTENT, "a void is for the full amount of its hold")
    ceiling_minor = percent_of(hold.requested_minor, merchant.ceiling_percent)
    if ask.kind.act == Act.COMPLETE and ask.amount_minor > ceiling_minor:
        return Refusal(responses.AMOUNT_INCONSISTENT, f"over the ceiling of {merchant.ceiling_percent} % of the hold")
    return None
