"""Which hold or posting does a linked request mean? (domain.md §4.2)

A hold is found by card, merchant, authorization code and date. The terminal is not part of it: another terminal of the
same merchant, in a later batch, may complete. Batch and trace only choose between several. A posting (a completion or
sale that is to be voided or refunded) is named by its reference number, or by its terminal's batch and trace. When
nothing matches, the nearest holds are named with what differs: that is what a cashier who typed a wrong date needs,
and it is written into the register, never onto the wire.
"""

from collections.abc import Iterable
from typing import NamedTuple

from holdfast.clock import date_of_mmdd
from holdfast.domain.commands import Original
from holdfast.domain.hold import ENLARGES, POSTS, InForce, State, load, standing_post
from holdfast.domain.records import Hold
from holdfast.ids import entry_of_rrn

CANDIDATES_MAX = 3
"""So many near misses are named in the register."""

LOOKED_AT_MAX = 16
"""So many holds of the card, and of the code at the merchant, are looked at."""

POSTINGS_LOOKED_AT_MAX = 64
"""The same for a refund, which may come months later."""


def normal_code(code: str) -> str:
    """An authorization code without its padding: terminals pad right with spaces, some hosts left with zeros."""
    return code.strip().upper().lstrip("0").rjust(6, "0") if code.strip() else ""


class NearMiss(NamedTuple):
    """A hold that almost fits, and each thing that differs as (what, given, registered)."""

    hold_id: str
    differs: tuple[tuple[str, str, str], ...]

    def as_facts(self) -> dict[str, object]:
        """For the register entry."""
        return {"hold": self.hold_id, "differs": [list(difference) for difference in self.differs]}


class Match(NamedTuple):
    """The hold that is meant, or the nearest ones and one sentence that says why there is none."""

    hold: Hold | None
    near: tuple[NearMiss, ...] = ()
    reason: str | None = None
    posting: InForce | None = None


class Given(NamedTuple):
    """What a linked request says of its original: by whom, with which card (token and mask), and when."""

    original: Original
    token: str
    card: str
    merchant_id: str
    now_us: int
    zone: str
    any_merchant: bool = False
    any_date: bool = False


def differences(hold: Hold, given: Given) -> tuple[tuple[str, str, str], ...]:
    """What keeps this hold from being the one meant: nothing, or (what, given, registered) each.

    A hold has the codes and the dates of all its slips: that of the pre-authorization, and of each increment.
    """
    found: list[tuple[str, str, str]] = []
    original, acts = given.original, load(hold.acts)
    if hold.token != given.token:
        found.append(("card", given.card, hold.card))
    if hold.merchant_id != given.merchant_id and not given.any_merchant:
        found.append(("merchant", given.merchant_id, hold.merchant_id))
    codes = {hold.authorization_code, *(each.terms.code for each in acts if each.terms.code)}
    if normal_code(original.authorization_code) not in {normal_code(code) for code in codes}:
        found.append(("authorization code", original.authorization_code, hold.authorization_code))
    meant = date_of_mmdd(original.mmdd, given.now_us, given.zone)
    dates = {hold.placed_on, *(each.terms.on for each in acts if each.act in ENLARGES)}
    if not given.any_date and (meant is None or meant.isoformat() not in dates):
        found.append(("date", original.mmdd, hold.placed_on[5:7] + hold.placed_on[8:10]))
    return tuple(found)


def match(holds: Iterable[Hold], given: Given) -> Match:
    """The hold that the original information means, out of those of the card and of the code at the merchant."""
    original = given.original
    known = {hold.hold_id: hold for hold in holds}
    judged = [(differences(hold, given), hold) for hold in known.values()]
    fitting = [hold for differs, hold in judged if not differs]
    if fitting:
        # Between several, the one that batch and trace name, else one that still stands, else the newest.
        return Match(
            max(fitting, key=lambda hold: (same_trace(hold, original), hold.state == State.HELD, hold.placed_us))
        )
    near = sorted(judged, key=lambda pair: (len(pair[0]), -pair[1].placed_us))
    misses = tuple(NearMiss(hold.hold_id, differs) for differs, hold in near[:CANDIDATES_MAX] if len(differs) <= 2)
    return Match(None, misses, why_none(misses))


def match_posting(holds: Iterable[Hold], given: Given, own_entry: str | None) -> Match:
    """The completion or sale that is to be voided or refunded, and its hold.

    Named by DE37 or, as `own_entry`, by the batch and trace of this terminal; by neither, it is what stands of the one
    hold that code and card name.
    """
    of_card = {h.hold_id: h for h in holds if h.token == given.token and h.merchant_id == given.merchant_id}
    named = {entry for entry in (entry_of_rrn(given.original.rrn), own_entry) if entry}
    found = [(hold, each) for hold in of_card.values() for each in load(hold.acts) if each.by in named]
    if not named:
        code = normal_code(given.original.authorization_code)
        standing = [(hold, standing_post(load(hold.acts))) for hold in of_card.values()]
        found = [(hold, post) for hold, post in standing if post and code == normal_code(hold.authorization_code)]
    if len({post.by for _, post in found}) != 1 or found[0][1].act not in POSTS:
        which = "several postings are" if len(found) > 1 else "no posting of this card at this merchant is"
        return match(holds, given)._replace(hold=None, reason=f"{which} named by reference, batch, trace and code")
    return Match(found[0][0], posting=found[0][1])


def same_trace(hold: Hold, original: Original) -> bool:
    """Whether DE61's batch and trace, which may be zeros, name this hold."""
    return (original.batch, original.stan) == (hold.batch, hold.stan)


def why_none(misses: tuple[NearMiss, ...]) -> str:
    """The sentence for the register."""
    if not misses:
        return "no hold of this card, and none with this code at this merchant, is registered"
    nearest = misses[0]
    told = " and ".join(
        f"{what} is {registered}, not {given or 'empty'}" for what, given, registered in nearest.differs
    )
    return f"nearest hold {nearest.hold_id}: {told}"
