"""What the acquirer answers by itself, in order of precedence: the first check that fails names the answer.

Cover and expiry are the issuer's to judge; None means "ask the issuer". A test pins the order.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple

from holdfast.clock import business_date, local_date
from holdfast.domain import responses
from holdfast.domain.commands import MOTO, Ask
from holdfast.domain.hold import ENLARGES, Act, InForce, State, allows, load, standing_post
from holdfast.domain.originals import Match
from holdfast.domain.policy import Policy
from holdfast.domain.records import Bin, Hold, HotCard, Issuer, Merchant
from holdfast.domain.rules import Rules
from holdfast.ids import batch_of, luhn_valid
from holdfast.money import format_amount, percent_of


class Refusal(NamedTuple):
    """A decline of the acquirer's own: the code for the wire, the reason for the register."""

    code: str
    reason: str


def check_merchant(ask: Ask, merchant: Merchant | None, terminals_merchant: str, rules: Rules) -> Refusal | None:
    """May this merchant do this at all?"""
    if merchant is None or ask.merchant_id != terminals_merchant:
        return Refusal(responses.INVALID_MERCHANT, f"terminal belongs to merchant {terminals_merchant}")
    if not ask.kind.of_holds:
        return None
    if not merchant.pre_auth_right:
        return Refusal(responses.NOT_PERMITTED, "the merchant has no pre-authorization right")
    if merchant.mcc not in rules.pre_auth_mccs.split():
        return Refusal(responses.NOT_PERMITTED, f"category {merchant.mcc} may not pre-authorise")
    if ask.kind.act is Act.INCREASE and rules.increment == "refused":
        return Refusal(responses.NOT_SUPPORTED, "holds are not increased here")
    return None


def check_amount(ask: Ask, rules: Rules, policy: Policy) -> Refusal | None:
    """Is it an amount of our currency, and not more than may be asked for at once?"""
    if ask.kind.act is None:
        return None
    if not ask.amount_minor:
        return Refusal(responses.INVALID_AMOUNT, "amount is missing or zero")
    if ask.currency != policy.currency:
        return Refusal(responses.FORMAT_ERROR, f"currency {ask.currency or 'missing'} is not {policy.currency}")
    if rules.amount_max_minor and ask.kind.act in ENLARGES and ask.amount_minor > rules.amount_max_minor:
        return Refusal(responses.AMOUNT_LIMIT, f"more than the limit of {format_amount(rules.amount_max_minor)}")
    return None


def check_card(
    ask: Ask, bin_row: Bin | None, issuer: Issuer | None, hot: HotCard | None, now_us: int, policy: Policy
) -> Refusal | None:
    """Is it a card that can be asked about? One that is expired or hot gets no new hold, but an old one stands."""
    card, places = ask.card, ask.kind.act in ENLARGES
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


def check_entry(ask: Ask, rules: Rules) -> Refusal | None:
    """Was the card read in a way that may place a hold or buy? What is already held or posted needs no card at all."""
    card = ask.card
    if card is None or ask.kind.act not in ENLARGES:
        return None
    if card.keyed and rules.keyed == "never" and ask.kind is not MOTO:
        return Refusal(responses.NOT_PERMITTED, "card numbers may not be typed in here")
    if card.stripe_of_chip_card and (rules.fallback == "never" or not card.chip_failed):
        return Refusal(responses.CARD_CHECK_FAILED, "the stripe of a chip card was read")
    return None


def check_velocity(ask: Ask, holds_of_card: Iterable[Hold], today: str, rules: Rules) -> Refusal | None:
    """Has this card had its share of pre-authorizations today? Only the newest holds are looked at."""
    if ask.kind.act is not Act.PLACE or not (rules.velocity_count or rules.velocity_minor):
        return None
    # A sale was never held: it has no end.
    held = (hold for hold in holds_of_card if hold.expires_us and hold.state != State.REVERSED)
    placed = [hold for hold in held if hold.placed_on == today]
    if rules.velocity_count and len(placed) >= rules.velocity_count:
        return Refusal(responses.COUNT_LIMIT, f"{len(placed)} pre-authorizations of this card today")
    spent_minor = sum(hold.requested_minor for hold in placed) + (ask.amount_minor or 0)
    if rules.velocity_minor and spent_minor > rules.velocity_minor:
        return Refusal(responses.AMOUNT_LIMIT, f"{format_amount(spent_minor)} of this card today")
    return None


def check_original(ask: Ask, match: Match, now_us: int, rules: Rules, policy: Policy) -> Refusal | None:
    """Does what is meant exist, stand, and suffice? State outranks amount."""
    hold = match.hold
    if hold is None:
        return Refusal(responses.ORIGINAL_NOT_FOUND, match.reason or "nothing matches")
    if match.posting is not None:
        return check_posting(ask, hold, match.posting, now_us, rules, policy)
    return check_state(ask, hold, rules) or check_share(ask, hold, rules)


def check_state(ask: Ask, hold: Hold, rules: Rules) -> Refusal | None:
    """Does the hold stand?"""
    assert ask.kind.act is not None, "what means a hold acts on it"
    if not allows(hold.state, ask.kind.act):
        code = responses.OUT_OF_STEP
        if hold.state == State.EXPIRED:
            code = rules.expired_code
        elif hold.state == State.COMPLETED and ask.kind.act is Act.COMPLETE:
            code = rules.second_completion_code
        return Refusal(code, f"hold {hold.hold_id} is {hold.state}")
    if hold.completed_minor and ask.kind.act in (Act.VOID, Act.INCREASE):
        return Refusal(responses.OUT_OF_STEP, f"hold {hold.hold_id} is completed in part")
    return None


def check_share(ask: Ask, hold: Hold, rules: Rules) -> Refusal | None:
    """Does the amount fit the hold?"""
    assert ask.amount_minor is not None, "amount is checked first"
    if ask.kind.act is Act.VOID and ask.amount_minor != hold.requested_minor:
        return Refusal(responses.AMOUNT_INCONSISTENT, "a void is for the full amount of its hold")
    ceiling_minor = percent_of(hold.requested_minor, rules.ceiling_percent)
    if ask.kind.act is Act.COMPLETE and hold.completed_minor + ask.amount_minor > ceiling_minor:
        return Refusal(responses.AMOUNT_INCONSISTENT, f"over the ceiling of {rules.ceiling_percent} % of the hold")
    if ask.kind.advice and rules.floor_minor and ask.amount_minor > rules.floor_minor:
        return Refusal(responses.AMOUNT_LIMIT, "above the floor limit a completion must be asked online")
    return None


def check_posting(ask: Ask, hold: Hold, post: InForce, now_us: int, rules: Rules, policy: Policy) -> Refusal | None:
    """Can what was posted be given back? A void means the whole of the last posting, on its day; a refund a part."""
    assert ask.kind.act is not None, "what means a posting acts on it"
    voids = ask.kind.act in (Act.REOPEN, Act.TAKE_BACK)
    sold = post.act is Act.SELL
    if not allows(hold.state, ask.kind.act) or (voids and sold is not (ask.kind.act is Act.TAKE_BACK)):
        return Refusal(responses.OUT_OF_STEP, f"{post.by} is a {post.act} of hold {hold.hold_id}, {hold.state}")
    if voids:
        return check_void_of(ask, hold, post, now_us, rules, policy)
    posted_on = date.fromisoformat(post.terms.on)
    if local_date(now_us, policy.zone) > posted_on + timedelta(days=rules.refund_days):
        return Refusal(responses.OUT_OF_STEP, f"posted on {posted_on}, over {rules.refund_days} days ago")
    left_minor = hold.completed_minor - hold.refunded_minor
    if (ask.amount_minor or 0) > left_minor:
        return Refusal(responses.AMOUNT_INCONSISTENT, f"only {format_amount(left_minor)} is left to refund")
    return None


def check_void_of(ask: Ask, hold: Hold, post: InForce, now_us: int, rules: Rules, policy: Policy) -> Refusal | None:
    """The void of a completion or sale."""
    standing = standing_post(load(hold.acts))
    if standing is None or standing.by != post.by or hold.refunded_minor:
        return Refusal(responses.OUT_OF_STEP, f"{post.by} was voided, refunded or followed by another completion")
    if rules.completion_void_by == "terminal" and post.terms.batch_id != batch_of(str(ask.key)):
        return Refusal(responses.ORIGINAL_NOT_FOUND, f"{post.by} counts in batch {post.terms.batch_id}")
    if post.terms.advised:
        return Refusal(responses.INVALID_TRANSACTION, "a completion by advice cannot be voided, only refunded")
    if rules.completion_void_day == "same" and post.terms.on != business_date(now_us, policy.zone).isoformat():
        return Refusal(responses.OUT_OF_STEP, f"posted on {post.terms.on}: only a refund undoes it now")
    if ask.amount_minor != post.amount_minor:
        return Refusal(responses.AMOUNT_INCONSISTENT, "a void is for the full amount of what was posted")
    return None


def rest_of(ask: Ask, hold: Hold, rules: Rules) -> str:
    """What shall become of what a completion leaves, or of the hold whose completion is voided (see `Request.rest`)."""
    if ask.kind.act is Act.REOPEN:
        return "freed" if rules.completion_void_then == "released" else ""
    leaves = hold.completed_minor + (ask.amount_minor or 0) < hold.requested_minor
    if ask.kind.act is not Act.COMPLETE or not leaves:
        return ""
    if rules.completions == "several":
        return "kept"
    # An advice is told once: what it leaves is for the issuer to free.
    return "ours" if rules.rest == "acquirer" and not ask.kind.advice else ""


def act_of(act: Act, rest: str, hold: Hold, amount_minor: int) -> Act:
    """What the request does to its hold as it stands now."""
    if act is Act.REOPEN and rest == "freed":
        return Act.TAKE_BACK
    leaves = hold.completed_minor + amount_minor < hold.requested_minor
    return Act.COMPLETE_PART if act is Act.COMPLETE and rest == "kept" and leaves else act
