"""Which hold does a completion or void mean? Card, merchant, authorization code and date decide (domain.md §4.2).

The terminal is not part of it: another terminal of the same merchant, in a later batch, may complete. Batch and trace
only choose between several. When nothing matches, the nearest holds are named with what differs: that is what a
cashier who typed a wrong date needs, and it is written into the register, never onto the wire.
"""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from holdfast.clock import date_of_mmdd
from holdfast.domain.commands import Original
from holdfast.domain.records import Hold

CANDIDATES_MAX = 3
"""So many near misses are named in the register."""

LOOKED_AT_MAX = 16
"""So many holds of the card, and of the code at the merchant, are looked at."""


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


def placed_date(hold: Hold) -> date:
    """The date that the pre-authorization's slip shows."""
    return date.fromisoformat(hold.placed_on)


def differences(
    hold: Hold, original: Original, token: str, card: str, merchant_id: str, meant: date | None
) -> tuple[tuple[str, str, str], ...]:
    """What keeps this hold from being the one meant: nothing, or (what, given, registered) each."""
    found: list[tuple[str, str, str]] = []
    if hold.token != token:
        found.append(("card", card, hold.card))
    if hold.merchant_id != merchant_id:
        found.append(("merchant", merchant_id, hold.merchant_id))
    if normal_code(hold.authorization_code) != normal_code(original.authorization_code):
        found.append(("authorization code", original.authorization_code, hold.authorization_code))
    if meant is None or placed_date(hold) != meant:
        found.append(("date", original.mmdd, placed_date(hold).strftime("%m%d")))
    return tuple(found)


def match(
    holds: Iterable[Hold], original: Original, token: str, card: str, merchant_id: str, now_us: int, zone: str
) -> Match:
    """The hold that the original information means, out of those of the card and of the code at the merchant."""
    meant = date_of_mmdd(original.mmdd, now_us, zone)
    known = {hold.hold_id: hold for hold in holds}
    judged = [(differences(hold, original, token, card, merchant_id, meant), hold) for hold in known.values()]
    fitting = [hold for differs, hold in judged if not differs]
    if fitting:
        return Match(max(fitting, key=lambda hold: (same_trace(hold, original), hold.placed_us)))
    near = sorted(judged, key=lambda pair: (len(pair[0]), -pair[1].placed_us))
    misses = tuple(NearMiss(hold.hold_id, differs) for differs, hold in near[:CANDIDATES_MAX] if len(differs) <= 2)
    return Match(None, misses, why_none(misses))


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
